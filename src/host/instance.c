#include "host/host.h"

#include <stdlib.h>
#include <string.h>

/* Whether the loader can list drivers that are not quite Vulkan, such as MoltenVK; it does so only
 * for those who ask (VK_KHR_portability_enumeration). */
static bool has_portability(const struct pv_host *host)
{
    PFN_vkEnumerateInstanceExtensionProperties enumerate =
        (PFN_vkEnumerateInstanceExtensionProperties)host->get_instance_proc_addr(
            NULL, "vkEnumerateInstanceExtensionProperties");
    uint32_t count = 0;
    if (enumerate == NULL || enumerate(NULL, &count, NULL) != VK_SUCCESS) {
        return false;
    }
    VkExtensionProperties *list = calloc((size_t)count + 1, sizeof(*list));
    bool found = false;
    if (list != NULL && enumerate(NULL, &count, list) >= VK_SUCCESS) {
        for (uint32_t i = 0; i < count && !found; i++) {
            found =
                strcmp(list[i].extensionName, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME) == 0;
        }
    }
    free(list);
    return found;
}

VkResult pv_host_create_instance(const struct pv_host *host, const VkApplicationInfo *application,
                                 VkInstance *instance)
{
    static const char *const portability = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
    PFN_vkCreateInstance create =
        (PFN_vkCreateInstance)host->get_instance_proc_addr(NULL, "vkCreateInstance");
    if (create == NULL) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = application,
    };
    if (has_portability(host)) {
        info.flags = VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
        info.enabledExtensionCount = 1;
        info.ppEnabledExtensionNames = &portability;
    }
    return create(&info, NULL, instance);
}
