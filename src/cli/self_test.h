#ifndef PV_CLI_SELF_TEST_H
#define PV_CLI_SELF_TEST_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <vulkan/vulkan.h>

/* Inside of `self-test`: an ordinary small Vulkan program, as a guest would run it. */

#define PV_SELF_TEST_INSTANCE_CALLS(X)                                                             \
    X(DestroyInstance)                                                                             \
    X(EnumeratePhysicalDevices)                                                                    \
    X(GetPhysicalDeviceProperties)                                                                 \
    X(GetPhysicalDeviceProperties2)                                                                \
    X(GetPhysicalDeviceMemoryProperties)                                                           \
    X(GetPhysicalDeviceQueueFamilyProperties)                                                      \
    X(EnumerateDeviceExtensionProperties)                                                          \
    X(GetDeviceProcAddr)                                                                           \
    X(CreateDevice)

struct pv_self_test {
    void *library;
    VkInstance instance;
#define PV_MEMBER(name) PFN_vk##name name;
    PV_SELF_TEST_INSTANCE_CALLS(PV_MEMBER)
#undef PV_MEMBER
    char failure[128]; /* the first, empty: none */
};

/* Keeps the first failure; false unless `result` is VK_SUCCESS. */
bool pv_self_test_check(struct pv_self_test *test, VkResult result, const char *call);
bool pv_self_test_fail(struct pv_self_test *test, const char *what);

/* Device, memory, map, submit, fence, compare. */
bool pv_self_test_device(struct pv_self_test *test, VkPhysicalDevice physical_device);

/* What the driver says of a device: {"name", "driver_id", …, "memory_types": [flags],
 * "limits": {name: value}, "extensions": [name]}. */
cJSON *pv_self_test_describe(const struct pv_self_test *test, VkPhysicalDevice physical_device);

#endif
