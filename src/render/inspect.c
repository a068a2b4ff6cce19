#include "render/private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Looks at the host's devices once and decides what the guest is to see of them. */

enum {
    API_MINOR_MAX = 4,
    HOST_DEVICES_MAX = 64,
    /* Of ours, not of the guest's memory; and what Linux lets a process map by default. */
    RESERVED_FD_COUNT = 512,
    MAPPING_COUNT_MAX = 60000,
    ALLOCATION_COUNT_MIN = 4096, /* that Vulkan promises */
};

static uint32_t capped_version(uint32_t version)
{
    if (VK_API_VERSION_MAJOR(version) > 1 || VK_API_VERSION_MINOR(version) > API_MINOR_MAX) {
        return VK_MAKE_API_VERSION(0, 1, API_MINOR_MAX, VK_API_VERSION_PATCH(version));
    }
    return version;
}

/* Each allocation that is pages of ours costs a descriptor and a mapping. */
static uint32_t allocation_count_limit(void)
{
    struct rlimit files;
    uint64_t count = MAPPING_COUNT_MAX;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < count + RESERVED_FD_COUNT) {
        count = files.rlim_cur > RESERVED_FD_COUNT ? files.rlim_cur - RESERVED_FD_COUNT : 0;
    }
    return count > ALLOCATION_COUNT_MIN ? (uint32_t)count : ALLOCATION_COUNT_MIN;
}

static void filter_properties(const struct pv_render_context *context,
                              const struct pv_physical_device *device,
                              VkPhysicalDeviceProperties *properties)
{
    properties->apiVersion = capped_version(properties->apiVersion);
    if (properties->limits.maxMemoryAllocationCount > context->allocation_count_limit) {
        properties->limits.maxMemoryAllocationCount = context->allocation_count_limit;
    }
    if (device->plan->sparse.works == 0) {
        properties->limits.sparseAddressSpaceSize = 0;
        memset(&properties->sparseProperties, 0, sizeof(properties->sparseProperties));
    }
}

static void filter_memory(const struct pv_physical_device *device,
                          VkPhysicalDeviceMemoryProperties *memory)
{
    const VkMemoryPropertyFlags mapping = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                          VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |
                                          VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    for (uint32_t i = 0; i < memory->memoryTypeCount && i < VK_MAX_MEMORY_TYPES; i++) {
        uint32_t strategy = device->plan->types[i].strategy;
        if (strategy == PV_MEMORY_NONE || strategy == PV_MEMORY_DRIVER_MAPPING) {
            memory->memoryTypes[i].propertyFlags &= ~mapping;
        }
    }
}

static struct pv_physical_device *filtered_device(struct pv_exec *x, VkPhysicalDevice host)
{
    struct pv_instance *instance = pv_exec_instance(x);
    return instance != NULL ? pv_physical_device_find(instance, host) : NULL;
}

void pv_filter_VkPhysicalDeviceFeatures(struct pv_exec *x, VkPhysicalDevice host,
                                        VkPhysicalDeviceFeatures *features)
{
    const struct pv_physical_device *device = filtered_device(x, host);
    if (device != NULL && device->plan->sparse.works == 0) {
        features->sparseBinding = VK_FALSE;
        features->sparseResidencyBuffer = VK_FALSE;
        features->sparseResidencyImage2D = VK_FALSE;
        features->sparseResidencyImage3D = VK_FALSE;
        features->sparseResidency2Samples = VK_FALSE;
        features->sparseResidency4Samples = VK_FALSE;
        features->sparseResidency8Samples = VK_FALSE;
        features->sparseResidency16Samples = VK_FALSE;
        features->sparseResidencyAliased = VK_FALSE;
        features->shaderResourceResidency = VK_FALSE;
    }
}

void pv_filter_VkPhysicalDeviceProperties(struct pv_exec *x, VkPhysicalDevice host,
                                          VkPhysicalDeviceProperties *properties)
{
    const struct pv_physical_device *device = filtered_device(x, host);
    if (device != NULL) {
        filter_properties(x->context, device, properties);
    }
}

void pv_filter_VkPhysicalDeviceMemoryProperties(struct pv_exec *x, VkPhysicalDevice host,
                                                VkPhysicalDeviceMemoryProperties *properties)
{
    const struct pv_physical_device *device = filtered_device(x, host);
    if (device != NULL) {
        filter_memory(device, properties);
    }
}

void pv_filter_VkQueueFamilyProperties(struct pv_exec *x, VkPhysicalDevice host,
                                       VkQueueFamilyProperties *properties)
{
    const struct pv_physical_device *device = filtered_device(x, host);
    if (device != NULL && device->plan->sparse.works == 0) {
        properties->queueFlags &= ~(VkQueueFlags)VK_QUEUE_SPARSE_BINDING_BIT;
    }
}

/* --- extensions --------------------------------------------------------------------------------
 */

static bool listed(const VkExtensionProperties *list, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(list[i].extensionName, name) == 0) {
            return true;
        }
    }
    return false;
}

static void note_host_extensions(struct pv_physical_device *device,
                                 const VkExtensionProperties *list, uint32_t count)
{
    const struct pv_memory_plan *plan = device->plan;
    device->has_memory_fd = listed(list, count, VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME);
    device->has_host_pointer = listed(list, count, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME) &&
                               plan->host_pointer_alignment != 0;
    device->host_pointer_alignment = plan->host_pointer_alignment;
    device->has_dma_buf = listed(list, count, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME) &&
                          plan->dma_buf.works != 0;
    device->has_semaphore_fd = listed(list, count, VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME);
    device->has_fence_fd = listed(list, count, VK_KHR_EXTERNAL_FENCE_FD_EXTENSION_NAME);
    device->has_semaphore_sync_fd = device->has_semaphore_fd && plan->semaphore_sync_fd.works != 0;
    device->has_fence_sync_fd = device->has_fence_fd && plan->fence_sync_fd.works != 0;
    device->has_deferred_operations =
        listed(list, count, VK_KHR_DEFERRED_HOST_OPERATIONS_EXTENSION_NAME);
    device->has_portability_subset = listed(list, count, "VK_KHR_portability_subset");
}

static void offer_extension(struct pv_physical_device *device, const char *name,
                            uint32_t spec_version)
{
    const struct pv_extension *known = pv_extension_find(name);
    if (known == NULL || known->guest_only || pv_physical_device_extension(device, name) != NULL) {
        return;
    }
    VkExtensionProperties *offered = &device->extensions[device->extension_count++];
    strncpy(offered->extensionName, name, sizeof(offered->extensionName) - 1);
    offered->specVersion = spec_version < known->spec_version ? spec_version : known->spec_version;
}

/* The guest's driver asks for these; their effect is had without the host's. */
static const char *const emulated_extensions[] = {
    VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
    VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME,
    VK_KHR_EXTERNAL_FENCE_FD_EXTENSION_NAME,
};

enum { EMULATED_COUNT = sizeof(emulated_extensions) / sizeof(emulated_extensions[0]) };

static VkResult inspect_extensions(struct pv_physical_device *device)
{
    const struct pv_instance_table *vk = &device->instance->vk;
    uint32_t count = 0;
    VkResult result = vk->EnumerateDeviceExtensionProperties(device->host, NULL, &count, NULL);
    if (result != VK_SUCCESS) {
        return result;
    }
    VkExtensionProperties *list = calloc((size_t)count + 1, sizeof(*list));
    device->extensions = calloc((size_t)count + EMULATED_COUNT, sizeof(*device->extensions));
    if (list == NULL || device->extensions == NULL) {
        free(list);
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    result = vk->EnumerateDeviceExtensionProperties(device->host, NULL, &count, list);
    if (result != VK_SUCCESS) {
        free(list);
        return result;
    }
    note_host_extensions(device, list, count);
    for (uint32_t i = 0; i < count; i++) {
        bool is_dma_buf =
            strcmp(list[i].extensionName, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME) == 0;
        if (!is_dma_buf || device->has_dma_buf) {
            offer_extension(device, list[i].extensionName, list[i].specVersion);
        }
    }
    for (uint32_t i = 0; i < EMULATED_COUNT; i++) {
        offer_extension(device, emulated_extensions[i], 1);
    }
    free(list);
    return VK_SUCCESS;
}

/* --- devices -----------------------------------------------------------------------------------
 */

/* Where no probe has sent one. NULL when the device works in no way. What it says of it, a guest
 * can have said again and again. */
static const struct pv_memory_plan *make_plan(struct pv_render_context *context,
                                              struct pv_physical_device *device)
{
    static const struct pv_log silent;
    const struct pv_log *log = pv_log_allows(&context->failures) ? context->log : &silent;
    device->own_plan = calloc(1, sizeof(*device->own_plan));
    if (device->own_plan == NULL ||
        pv_memory_plan_probe(&device->instance->vk, device->host, log, device->own_plan) != PV_OK) {
        return NULL;
    }
    return device->own_plan;
}

static void clear_device(struct pv_physical_device *device)
{
    free(device->extensions);
    free(device->own_plan);
    memset(device, 0, sizeof(*device));
}

/* False when the device is not offered. */
static bool inspect_device(struct pv_render_context *context, struct pv_instance *instance,
                           VkPhysicalDevice host, uint32_t index, struct pv_physical_device *device)
{
    device->host = host;
    device->instance = instance;
    device->object.host = PV_HANDLE_U64(host);
    instance->vk.GetPhysicalDeviceProperties(host, &device->properties);
    const char *name = device->properties.deviceName;
    if (device->properties.apiVersion < VK_API_VERSION_1_1) {
        return false;
    }
    /* A GPU's number is that of its plan, which is what doctor shows; the driver's own counts
     * others, too. */
    const struct pv_memory_plans *plans = context->params.plans;
    device->plan = pv_memory_plans_find(plans, &instance->vk, host);
    uint32_t number = device->plan != NULL ? (uint32_t)(device->plan - plans->plans) : index;
    if (!pv_host_gpu_matches(context->params.device_filter, number, name)) {
        return false;
    }
    if (!context->params.allow_venus && pv_host_is_venus(&instance->vk, host)) {
        pv_log_info(context->log, "%s is not offered: it is Venus itself", name);
        return false;
    }
    if (device->plan == NULL) {
        device->plan = make_plan(context, device);
    }
    if (device->plan == NULL || device->plan->usable == 0) {
        if (pv_log_allows(&context->failures)) {
            pv_log_warn(context->log, "%s is not offered: no memory that a guest could map", name);
        }
        return false;
    }
    instance->vk.GetPhysicalDeviceMemoryProperties(host, &device->host_memory);
    device->memory = device->host_memory;
    filter_memory(device, &device->memory);
    filter_properties(context, device, &device->properties);
    return inspect_extensions(device) == VK_SUCCESS;
}

VkResult pv_physical_devices_create(struct pv_render_context *context, struct pv_instance *instance)
{
    const struct pv_instance_table *vk = &instance->vk;
    VkPhysicalDevice hosts[HOST_DEVICES_MAX];
    uint32_t count = HOST_DEVICES_MAX;
    VkResult result = vk->EnumeratePhysicalDevices(instance->host, &count, hosts);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
        return result;
    }
    context->allocation_count_limit = allocation_count_limit();
    instance->physical_devices = calloc((size_t)count + 1, sizeof(*instance->physical_devices));
    if (instance->physical_devices == NULL) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct pv_physical_device *device =
            &instance->physical_devices[instance->physical_device_count];
        if (inspect_device(context, instance, hosts[i], i, device)) {
            instance->physical_device_count++;
        } else {
            clear_device(device);
        }
    }
    return VK_SUCCESS;
}

void pv_physical_devices_destroy(struct pv_instance *instance)
{
    for (uint32_t i = 0; i < instance->physical_device_count; i++) {
        clear_device(&instance->physical_devices[i]);
    }
    free(instance->physical_devices);
    instance->physical_devices = NULL;
    instance->physical_device_count = 0;
}
