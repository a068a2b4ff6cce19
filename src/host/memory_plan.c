#include "host/memory_plan.h"

#include "base/assert.h"

#include <string.h>

enum { DEVICES_LOOKED_AT_MAX = 64 };

const char *pv_memory_strategy_name(enum pv_memory_strategy strategy)
{
    switch (strategy) {
    case PV_MEMORY_NONE:
        return "not mappable";
    case PV_MEMORY_DMABUF:
        return "dma-buf";
    case PV_MEMORY_HOST_POINTER:
        return "host pages";
    case PV_MEMORY_OPAQUE_FD:
        return "opaque fd";
    case PV_MEMORY_DRIVER_MAPPING:
        return "driver mapping";
    case PV_MEMORY_STRATEGY_COUNT:
        break;
    }
    return "unknown";
}

const struct pv_memory_plan *pv_memory_plans_find(const struct pv_memory_plans *plans,
                                                  const struct pv_instance_table *vk,
                                                  VkPhysicalDevice device)
{
    if (plans == NULL || plans->version != PV_MEMORY_PLANS_VERSION) {
        return NULL;
    }
    VkPhysicalDeviceIDProperties ids = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &ids,
    };
    vk->GetPhysicalDeviceProperties2(device, &properties);
    uint32_t count = plans->count < PV_MEMORY_PLANS_MAX ? plans->count : PV_MEMORY_PLANS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        const struct pv_memory_plan *plan = &plans->plans[i];
        if (plan->driver_version == properties.properties.driverVersion &&
            memcmp(plan->device_uuid, ids.deviceUUID, VK_UUID_SIZE) == 0 &&
            memcmp(plan->driver_uuid, ids.driverUUID, VK_UUID_SIZE) == 0) {
            return plan;
        }
    }
    return NULL;
}

static VkResult create_instance(const struct pv_host *host, uint32_t *api_version,
                                VkInstance *instance)
{
    *api_version = VK_API_VERSION_1_3;
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "PearVisor probe",
        .apiVersion = *api_version,
    };
    return pv_host_create_instance(host, &application, instance);
}

static void probe_devices(const struct pv_instance_table *vk, VkInstance instance,
                          const struct pv_log *log, bool allow_venus, struct pv_memory_plans *plans)
{
    VkPhysicalDevice devices[DEVICES_LOOKED_AT_MAX];
    uint32_t count = DEVICES_LOOKED_AT_MAX;
    VkResult result = vk->EnumeratePhysicalDevices(instance, &count, devices);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
        pv_log_warn(log, "the host lists no Vulkan device (VkResult %d)", (int)result);
        return;
    }
    for (uint32_t i = 0; i < count && plans->count < PV_MEMORY_PLANS_MAX; i++) {
        VkPhysicalDeviceProperties properties;
        vk->GetPhysicalDeviceProperties(devices[i], &properties);
        if (properties.apiVersion < VK_API_VERSION_1_1 ||
            (!allow_venus && pv_host_is_venus(vk, devices[i]))) {
            continue;
        }
        struct pv_memory_plan *plan = &plans->plans[plans->count++];
        enum pv_result probed = pv_memory_plan_probe(vk, devices[i], log, plan);
        if (probed != PV_OK) {
            pv_log_warn(log, "%s cannot be used: %s", properties.deviceName,
                        pv_result_name(probed));
        }
    }
}

enum pv_result pv_memory_plans_probe(const struct pv_host *host, bool allow_venus,
                                     struct pv_memory_plans *plans)
{
    memset(plans, 0, sizeof(*plans));
    plans->version = PV_MEMORY_PLANS_VERSION;
    VkInstance instance = NULL;
    uint32_t api_version = 0;
    VkResult result = create_instance(host, &api_version, &instance);
    if (result != VK_SUCCESS) {
        pv_log_error(host->log, "vkCreateInstance of the host failed (VkResult %d)", (int)result);
        return PV_HOST_FAILED;
    }
    struct pv_instance_table vk;
    const char *lacking =
        pv_instance_table_load(&vk, host->get_instance_proc_addr, instance, api_version);
    enum pv_result done = PV_HOST_FAILED;
    if (lacking == NULL) {
        probe_devices(&vk, instance, host->log, allow_venus, plans);
        done = PV_OK;
    } else {
        pv_log_error(host->log, "the driver has no %s", lacking);
    }
    if (vk.DestroyInstance != NULL) {
        vk.DestroyInstance(instance, NULL);
    }
    return done;
}
