#define VK_ENABLE_BETA_EXTENSIONS /* where the registry keeps VK_KHR_portability_subset */
#include "render/private.h"

#include <vulkan/vulkan_beta.h>

VkResult pv_portability_link(struct pv_exec *x, const struct pv_physical_device *device,
                             VkDeviceCreateInfo *info)
{
    if (!device->has_portability_subset) {
        return VK_SUCCESS;
    }
    VkPhysicalDevicePortabilitySubsetFeaturesKHR *subset =
        pv_arena_alloc(x->in.arena, sizeof(*subset));
    if (subset == NULL) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    *subset = (VkPhysicalDevicePortabilitySubsetFeaturesKHR){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PORTABILITY_SUBSET_FEATURES_KHR,
    };
    VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = subset,
    };
    device->instance->vk.GetPhysicalDeviceFeatures2(device->host, &features);
    pv_next_link(info, subset);
    return VK_SUCCESS;
}
