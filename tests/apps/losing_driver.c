/* A driver whose devices can be lost: lavapipe, but for what this file puts in its place. As of a
 * GPU, which fails while it works, the submission itself succeeds; behind it the device gives
 * VK_ERROR_DEVICE_LOST. What loses it is a dispatch that was told to write to LOST_ADDRESS. */
#include "suite/lost.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <vulkan/vulkan_core.h>

#define EXPORT __attribute__((visibility("default")))

enum { QUEUES_MAX = 64 };

static PFN_vkGetInstanceProcAddr get_instance_proc;
static pthread_mutex_t queues_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    VkQueue queue;
    VkDevice device;
} queues[QUEUES_MAX];
static uint32_t queue_count;
static _Atomic VkCommandBuffer fatal; /* the last one with such a dispatch */
static _Atomic VkDevice lost;

/* Lavapipe's. */
#define HOOKS(X)                                                                                   \
    X(GetPhysicalDeviceProperties)                                                                 \
    X(GetPhysicalDeviceProperties2)                                                                \
    X(GetDeviceProcAddr)                                                                           \
    X(DestroyDevice)                                                                               \
    X(GetDeviceQueue)                                                                              \
    X(GetDeviceQueue2)                                                                             \
    X(CmdPushConstants)                                                                            \
    X(QueueSubmit)                                                                                 \
    X(QueueSubmit2)                                                                                \
    X(QueueWaitIdle)                                                                               \
    X(DeviceWaitIdle)                                                                              \
    X(WaitForFences)                                                                               \
    X(GetFenceStatus)                                                                              \
    X(WaitSemaphores)                                                                              \
    X(GetSemaphoreCounterValue)
#define DECLARE(name) static PFN_vk##name real_##name;
HOOKS(DECLARE)

static void GetPhysicalDeviceProperties(VkPhysicalDevice gpu,
                                        VkPhysicalDeviceProperties *properties)
{
    real_GetPhysicalDeviceProperties(gpu, properties);
    properties->deviceType = VK_PHYSICAL_DEVICE_TYPE_OTHER;
}

static void GetPhysicalDeviceProperties2(VkPhysicalDevice gpu,
                                         VkPhysicalDeviceProperties2 *properties)
{
    real_GetPhysicalDeviceProperties2(gpu, properties);
    properties->properties.deviceType = VK_PHYSICAL_DEVICE_TYPE_OTHER;
}

static bool is_lost(VkDevice device)
{
    return device != NULL && device == lost;
}

static void keep_queue(VkDevice device, VkQueue queue)
{
    pthread_mutex_lock(&queues_lock);
    uint32_t place = queue_count++ % QUEUES_MAX;
    queues[place].queue = queue;
    queues[place].device = device;
    pthread_mutex_unlock(&queues_lock);
}

static void GetDeviceQueue(VkDevice device, uint32_t family, uint32_t index, VkQueue *queue)
{
    real_GetDeviceQueue(device, family, index, queue);
    keep_queue(device, *queue);
}

static void GetDeviceQueue2(VkDevice device, const VkDeviceQueueInfo2 *info, VkQueue *queue)
{
    real_GetDeviceQueue2(device, info, queue);
    keep_queue(device, *queue);
}

/* Another device may have its address next. */
static void DestroyDevice(VkDevice device, const VkAllocationCallbacks *allocator)
{
    if (is_lost(device)) {
        lost = NULL;
    }
    real_DestroyDevice(device, allocator);
}

static void CmdPushConstants(VkCommandBuffer command, VkPipelineLayout layout,
                             VkShaderStageFlags stages, uint32_t offset, uint32_t size,
                             const void *values)
{
    const uint64_t address = LOST_ADDRESS;
    if (size >= sizeof(address) && memcmp(values, &address, sizeof(address)) == 0) {
        fatal = command;
    }
    real_CmdPushConstants(command, layout, stages, offset, size, values);
}

/* The newest: lavapipe may have had another queue at this address. */
static VkDevice device_of(VkQueue queue)
{
    VkDevice device = NULL;
    pthread_mutex_lock(&queues_lock);
    for (uint32_t i = 1; i <= QUEUES_MAX && device == NULL; i++) {
        uint32_t place = (queue_count - i) % QUEUES_MAX;
        device = queues[place].queue == queue ? queues[place].device : NULL;
    }
    pthread_mutex_unlock(&queues_lock);
    return device;
}

/* Another command buffer may have the address of the fatal one next. */
static VkResult lose(VkDevice device)
{
    fatal = NULL;
    lost = device;
    return VK_SUCCESS;
}

static VkResult QueueSubmit(VkQueue queue, uint32_t count, const VkSubmitInfo *submits,
                            VkFence fence)
{
    VkDevice device = device_of(queue);
    if (is_lost(device)) {
        return VK_ERROR_DEVICE_LOST;
    }
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < submits[i].commandBufferCount; k++) {
            if (submits[i].pCommandBuffers[k] == fatal) {
                return lose(device);
            }
        }
    }
    return real_QueueSubmit(queue, count, submits, fence);
}

static VkResult QueueSubmit2(VkQueue queue, uint32_t count, const VkSubmitInfo2 *submits,
                             VkFence fence)
{
    VkDevice device = device_of(queue);
    if (is_lost(device)) {
        return VK_ERROR_DEVICE_LOST;
    }
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < submits[i].commandBufferInfoCount; k++) {
            if (submits[i].pCommandBufferInfos[k].commandBuffer == fatal) {
                return lose(device);
            }
        }
    }
    return real_QueueSubmit2(queue, count, submits, fence);
}

static VkResult QueueWaitIdle(VkQueue queue)
{
    return is_lost(device_of(queue)) ? VK_ERROR_DEVICE_LOST : real_QueueWaitIdle(queue);
}

static VkResult DeviceWaitIdle(VkDevice device)
{
    return is_lost(device) ? VK_ERROR_DEVICE_LOST : real_DeviceWaitIdle(device);
}

static VkResult WaitForFences(VkDevice device, uint32_t count, const VkFence *fences, VkBool32 all,
                              uint64_t timeout_ns)
{
    return is_lost(device) ? VK_ERROR_DEVICE_LOST
                           : real_WaitForFences(device, count, fences, all, timeout_ns);
}

static VkResult GetFenceStatus(VkDevice device, VkFence fence)
{
    return is_lost(device) ? VK_ERROR_DEVICE_LOST : real_GetFenceStatus(device, fence);
}

static VkResult WaitSemaphores(VkDevice device, const VkSemaphoreWaitInfo *info,
                               uint64_t timeout_ns)
{
    return is_lost(device) ? VK_ERROR_DEVICE_LOST : real_WaitSemaphores(device, info, timeout_ns);
}

static VkResult GetSemaphoreCounterValue(VkDevice device, VkSemaphore semaphore, uint64_t *value)
{
    return is_lost(device) ? VK_ERROR_DEVICE_LOST
                           : real_GetSemaphoreCounterValue(device, semaphore, value);
}

static PFN_vkVoidFunction GetDeviceProcAddr(VkDevice device, const char *name);

/* Ours in the place of a function of that name, which is kept. */
static PFN_vkVoidFunction hook(const char *name, PFN_vkVoidFunction real)
{
#define TRY(one)                                                                                   \
    if (real != NULL && strcmp(name, "vk" #one) == 0) {                                            \
        real_##one = (PFN_vk##one)real;                                                            \
        return (PFN_vkVoidFunction)one;                                                            \
    }
    HOOKS(TRY)
    return real;
}

static PFN_vkVoidFunction GetDeviceProcAddr(VkDevice device, const char *name)
{
    return hook(name, real_GetDeviceProcAddr(device, name));
}

/* --- what the loader asks for ----------------------------------------------------------------- */

EXPORT PFN_vkVoidFunction vk_icdGetInstanceProcAddr(VkInstance instance, const char *name);
EXPORT VkResult vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version);

PFN_vkVoidFunction vk_icdGetInstanceProcAddr(VkInstance instance, const char *name)
{
    return hook(name, get_instance_proc(instance, name));
}

VkResult vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version)
{
    void *library = dlopen("libvulkan_lvp.so", RTLD_NOW);
    void *get = library != NULL ? dlsym(library, "vk_icdGetInstanceProcAddr") : NULL;
    void *negotiate =
        library != NULL ? dlsym(library, "vk_icdNegotiateLoaderICDInterfaceVersion") : NULL;
    VkResult (*asked)(uint32_t * version);
    if (get == NULL || negotiate == NULL) {
        return VK_ERROR_INCOMPATIBLE_DRIVER;
    }
    memcpy(&get_instance_proc, &get, sizeof(get));
    memcpy(&asked, &negotiate, sizeof(negotiate));
    return asked(version);
}
