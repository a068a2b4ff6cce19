#include "host/probe.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAMILIES_MAX = 64, EXTENSIONS_MAX = 8 };

static const uint64_t run_timeout_ns = UINT64_C(5000000000);

void pv_probe_note(char why[PV_MEMORY_WHY_SIZE], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why, PV_MEMORY_WHY_SIZE, format, arguments);
    va_end(arguments);
}

bool pv_probe_begin(struct pv_probe *probe)
{
    VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    return probe->vk.ResetCommandPool(probe->device, probe->pool, 0) == VK_SUCCESS &&
           probe->vk.BeginCommandBuffer(probe->commands, &begin) == VK_SUCCESS;
}

bool pv_probe_run(struct pv_probe *probe)
{
    VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &probe->commands,
    };
    if (probe->vk.EndCommandBuffer(probe->commands) != VK_SUCCESS ||
        probe->vk.QueueSubmit(probe->queue, 1, &submit, probe->fence) != VK_SUCCESS) {
        return false;
    }
    VkResult waited =
        probe->vk.WaitForFences(probe->device, 1, &probe->fence, VK_TRUE, run_timeout_ns);
    return waited == VK_SUCCESS &&
           probe->vk.ResetFences(probe->device, 1, &probe->fence) == VK_SUCCESS;
}

static bool has_extension(const VkExtensionProperties *list, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(list[i].extensionName, name) == 0) {
            return true;
        }
    }
    return false;
}

/* What of the device's extensions the probe can use; their names go into `names`. */
static uint32_t choose_extensions(struct pv_probe *probe, const char *names[EXTENSIONS_MAX])
{
    const struct pv_instance_table *vk = probe->instance_vk;
    uint32_t count = 0;
    if (vk->EnumerateDeviceExtensionProperties(probe->physical_device, NULL, &count, NULL) !=
        VK_SUCCESS) {
        return 0;
    }
    VkExtensionProperties *list = calloc(count + 1, sizeof(*list));
    if (list == NULL || vk->EnumerateDeviceExtensionProperties(probe->physical_device, NULL, &count,
                                                               list) < VK_SUCCESS) {
        free(list);
        return 0;
    }
    const struct {
        const char *name;
        bool *found;
    } wanted[] = {
        {VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME, &probe->has_host_pointer},
        {VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME, &probe->has_memory_fd},
        {VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME, &probe->has_dma_buf},
        {VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME, &probe->has_semaphore_fd},
        {VK_KHR_EXTERNAL_FENCE_FD_EXTENSION_NAME, &probe->has_fence_fd},
    };
    uint32_t chosen = 0;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        *wanted[i].found = has_extension(list, count, wanted[i].name);
        if (*wanted[i].found) {
            names[chosen++] = wanted[i].name;
        }
    }
    if (has_extension(list, count, "VK_KHR_portability_subset")) {
        names[chosen++] = "VK_KHR_portability_subset";
    }
    free(list);
    return chosen;
}

/* A family that can clear images, and bind sparse buffers if there is one that can do both. */
static bool choose_family(struct pv_probe *probe)
{
    VkQueueFamilyProperties families[FAMILIES_MAX];
    uint32_t count = FAMILIES_MAX;
    probe->instance_vk->GetPhysicalDeviceQueueFamilyProperties(probe->physical_device, &count,
                                                               families);
    const VkQueueFlags useful = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT;
    bool found = false;
    for (uint32_t i = 0; i < count; i++) {
        VkQueueFlags flags = families[i].queueFlags;
        bool better = !found || ((flags & VK_QUEUE_SPARSE_BINDING_BIT) != 0 &&
                                 (probe->family_flags & VK_QUEUE_SPARSE_BINDING_BIT) == 0);
        if ((flags & useful) != 0 && families[i].queueCount > 0 && better) {
            probe->family = i;
            probe->family_flags = flags;
            found = true;
        }
    }
    return found;
}

static bool create_commands(struct pv_probe *probe)
{
    VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = probe->family,
    };
    if (probe->vk.CreateCommandPool(probe->device, &pool, NULL, &probe->pool) != VK_SUCCESS) {
        return false;
    }
    VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = probe->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    return probe->vk.AllocateCommandBuffers(probe->device, &allocate, &probe->commands) ==
               VK_SUCCESS &&
           probe->vk.CreateFence(probe->device, &fence, NULL, &probe->fence) == VK_SUCCESS;
}

static bool create_device(struct pv_probe *probe, uint32_t api_version)
{
    const char *names[EXTENSIONS_MAX];
    uint32_t name_count = choose_extensions(probe, names);
    VkPhysicalDeviceFeatures features;
    probe->instance_vk->GetPhysicalDeviceFeatures(probe->physical_device, &features);
    probe->has_sparse = features.sparseBinding == VK_TRUE &&
                        (probe->family_flags & VK_QUEUE_SPARSE_BINDING_BIT) != 0;
    VkPhysicalDeviceFeatures enabled = {.sparseBinding = probe->has_sparse ? VK_TRUE : VK_FALSE};
    const float priority = 1.0F;
    VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = probe->family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = name_count,
        .ppEnabledExtensionNames = names,
        .pEnabledFeatures = &enabled,
    };
    if (probe->instance_vk->CreateDevice(probe->physical_device, &info, NULL, &probe->device) !=
        VK_SUCCESS) {
        probe->device = NULL; /* whatever it is now */
        return false;
    }
    const char *lacking = pv_device_table_load(&probe->vk, probe->instance_vk->GetDeviceProcAddr,
                                               probe->device, api_version, names, name_count);
    if (lacking != NULL) {
        pv_log_warn(probe->log, "a GPU's driver has no %s", lacking);
        if (probe->vk.DestroyDevice != NULL) {
            probe->vk.DestroyDevice(probe->device, NULL);
        }
        probe->device = NULL;
        return false;
    }
    probe->vk.GetDeviceQueue(probe->device, probe->family, 0, &probe->queue);
    return create_commands(probe);
}

static void destroy_device(struct pv_probe *probe)
{
    if (probe->device == NULL) {
        return;
    }
    (void)probe->vk.DeviceWaitIdle(probe->device);
    probe->vk.DestroyFence(probe->device, probe->fence, NULL);
    probe->vk.DestroyCommandPool(probe->device, probe->pool, NULL);
    probe->vk.DestroyDevice(probe->device, NULL);
}

static void describe(const struct pv_probe *probe, struct pv_memory_plan *plan)
{
    VkPhysicalDeviceExternalMemoryHostPropertiesEXT host_pointer = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT,
    };
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
        .pNext = &host_pointer,
    };
    VkPhysicalDeviceIDProperties ids = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
        .pNext = &driver,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &ids,
    };
    probe->instance_vk->GetPhysicalDeviceProperties2(probe->physical_device, &properties);
    memcpy(plan->device_uuid, ids.deviceUUID, VK_UUID_SIZE);
    memcpy(plan->driver_uuid, ids.driverUUID, VK_UUID_SIZE);
    plan->driver_version = properties.properties.driverVersion;
    plan->vendor_id = properties.properties.vendorID;
    plan->device_id = properties.properties.deviceID;
    plan->api_version = properties.properties.apiVersion;
    plan->device_type = (uint32_t)properties.properties.deviceType;
    plan->driver_id = (uint32_t)driver.driverID;
    memcpy(plan->device_name, properties.properties.deviceName, sizeof(plan->device_name));
    memcpy(plan->driver_name, driver.driverName, sizeof(plan->driver_name));
    memcpy(plan->driver_info, driver.driverInfo, sizeof(plan->driver_info));
    plan->host_pointer_alignment = host_pointer.minImportedHostPointerAlignment;
}

enum pv_result pv_memory_plan_probe(const struct pv_instance_table *vk, VkPhysicalDevice device,
                                    const struct pv_log *log, struct pv_memory_plan *plan)
{
    memset(plan, 0, sizeof(*plan));
    struct pv_probe probe = {.instance_vk = vk, .physical_device = device, .log = log};
    describe(&probe, plan);
    vk->GetPhysicalDeviceMemoryProperties(device, &probe.memory);
    plan->type_count = probe.memory.memoryTypeCount;
    for (uint32_t i = 0; i < plan->type_count; i++) {
        plan->types[i].flags = probe.memory.memoryTypes[i].propertyFlags;
        pv_probe_note(plan->types[i].why, "not tried: no device could be created");
    }
    enum pv_result result = PV_HOST_FAILED;
    if (choose_family(&probe) && create_device(&probe, plan->api_version)) {
        if (!probe.has_host_pointer) {
            plan->host_pointer_alignment = 0;
        }
        pv_probe_memory(&probe, plan);
        pv_probe_sync_fd(&probe, plan);
        result = PV_OK;
    }
    destroy_device(&probe);
    return result;
}
