/* instance → device → map → submit → fence, in the order in which any program does it. */

#include "self_test.h"

#include <stdint.h>
#include <string.h>

enum {
    FAMILIES_MAX = 64,
    BUFFER_SIZE = 64 * 1024,
    GPU_WORD = 0x50656172, /* "Pear" */
    CPU_BYTE = 0xa5,
};

static const uint64_t fence_timeout_ns = UINT64_C(40000000000);

#define DEVICE_CALLS(X)                                                                            \
    X(DestroyDevice)                                                                               \
    X(GetDeviceQueue)                                                                              \
    X(CreateBuffer)                                                                                \
    X(DestroyBuffer)                                                                               \
    X(GetBufferMemoryRequirements)                                                                 \
    X(AllocateMemory)                                                                              \
    X(FreeMemory)                                                                                  \
    X(BindBufferMemory)                                                                            \
    X(MapMemory)                                                                                   \
    X(CreateCommandPool)                                                                           \
    X(DestroyCommandPool)                                                                          \
    X(AllocateCommandBuffers)                                                                      \
    X(BeginCommandBuffer)                                                                          \
    X(EndCommandBuffer)                                                                            \
    X(CmdFillBuffer)                                                                               \
    X(CmdPipelineBarrier)                                                                          \
    X(CreateFence)                                                                                 \
    X(DestroyFence)                                                                                \
    X(QueueSubmit)                                                                                 \
    X(WaitForFences)

/* All zero at first; whatever stage it reaches, finish() undoes it. */
struct trial {
    struct pv_self_test *test;
    VkPhysicalDevice physical_device;
    uint32_t family;
    VkDevice device;
#define MEMBER(name) PFN_vk##name name;
    DEVICE_CALLS(MEMBER)
#undef MEMBER
    VkQueue queue;
    VkBuffer buffer;
    VkDeviceMemory memory;
    void *map;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkFence fence;
};

static bool choose_family(struct trial *trial)
{
    VkQueueFamilyProperties families[FAMILIES_MAX];
    uint32_t count = FAMILIES_MAX;
    trial->test->GetPhysicalDeviceQueueFamilyProperties(trial->physical_device, &count, families);
    for (uint32_t i = 0; i < count; i++) {
        if ((families[i].queueFlags & (VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT)) != 0) {
            trial->family = i;
            return true;
        }
    }
    return pv_self_test_fail(trial->test, "the device has no queue for graphics or compute");
}

static bool create_device(struct trial *trial)
{
    const float priority = 1.0F;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = trial->family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
    };
    VkResult result =
        trial->test->CreateDevice(trial->physical_device, &info, NULL, &trial->device);
    if (!pv_self_test_check(trial->test, result, "vkCreateDevice")) {
        return false;
    }
#define LOAD(name)                                                                                 \
    trial->name = (PFN_vk##name)trial->test->GetDeviceProcAddr(trial->device, "vk" #name);         \
    if (trial->name == NULL) {                                                                     \
        return pv_self_test_fail(trial->test, "the driver has no vk" #name);                       \
    }
    DEVICE_CALLS(LOAD)
#undef LOAD
    trial->GetDeviceQueue(trial->device, trial->family, 0, &trial->queue);
    return true;
}

static bool find_type(const struct trial *trial, uint32_t allowed, uint32_t *type)
{
    const VkMemoryPropertyFlags wanted =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    VkPhysicalDeviceMemoryProperties memory;
    trial->test->GetPhysicalDeviceMemoryProperties(trial->physical_device, &memory);
    for (uint32_t i = 0; i < memory.memoryTypeCount; i++) {
        if ((allowed & (1U << i)) != 0 &&
            (memory.memoryTypes[i].propertyFlags & wanted) == wanted) {
            *type = i;
            return true;
        }
    }
    return pv_self_test_fail(trial->test, "no memory type is host-visible and coherent");
}

static bool create_buffer(struct trial *trial)
{
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = BUFFER_SIZE,
        .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    VkResult result = trial->CreateBuffer(trial->device, &info, NULL, &trial->buffer);
    if (!pv_self_test_check(trial->test, result, "vkCreateBuffer")) {
        return false;
    }
    VkMemoryRequirements requirements;
    trial->GetBufferMemoryRequirements(trial->device, trial->buffer, &requirements);
    VkMemoryAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = requirements.size,
    };
    if (!find_type(trial, requirements.memoryTypeBits, &allocate.memoryTypeIndex)) {
        return false;
    }
    result = trial->AllocateMemory(trial->device, &allocate, NULL, &trial->memory);
    if (!pv_self_test_check(trial->test, result, "vkAllocateMemory")) {
        return false;
    }
    result = trial->BindBufferMemory(trial->device, trial->buffer, trial->memory, 0);
    if (!pv_self_test_check(trial->test, result, "vkBindBufferMemory")) {
        return false;
    }
    result = trial->MapMemory(trial->device, trial->memory, 0, VK_WHOLE_SIZE, 0, &trial->map);
    return pv_self_test_check(trial->test, result, "vkMapMemory");
}

static bool create_commands(struct trial *trial)
{
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = trial->family,
    };
    VkResult result = trial->CreateCommandPool(trial->device, &pool, NULL, &trial->pool);
    if (!pv_self_test_check(trial->test, result, "vkCreateCommandPool")) {
        return false;
    }
    const VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = trial->pool,
        .commandBufferCount = 1,
    };
    result = trial->AllocateCommandBuffers(trial->device, &allocate, &trial->commands);
    if (!pv_self_test_check(trial->test, result, "vkAllocateCommandBuffers")) {
        return false;
    }
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    result = trial->CreateFence(trial->device, &fence, NULL, &trial->fence);
    return pv_self_test_check(trial->test, result, "vkCreateFence");
}

static bool record(struct trial *trial)
{
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    VkResult result = trial->BeginCommandBuffer(trial->commands, &begin);
    if (!pv_self_test_check(trial->test, result, "vkBeginCommandBuffer")) {
        return false;
    }
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    trial->CmdFillBuffer(trial->commands, trial->buffer, 0, BUFFER_SIZE / 2, GPU_WORD);
    trial->CmdPipelineBarrier(trial->commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                              VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
    result = trial->EndCommandBuffer(trial->commands);
    return pv_self_test_check(trial->test, result, "vkEndCommandBuffer");
}

static bool submit(struct trial *trial)
{
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &trial->commands,
    };
    VkResult result = trial->QueueSubmit(trial->queue, 1, &info, trial->fence);
    if (!pv_self_test_check(trial->test, result, "vkQueueSubmit")) {
        return false;
    }
    result = trial->WaitForFences(trial->device, 1, &trial->fence, VK_TRUE, fence_timeout_ns);
    return pv_self_test_check(trial->test, result, "vkWaitForFences");
}

/* The GPU has filled the first half; the second is as the CPU left it. */
static bool compare(const struct trial *trial)
{
    const uint8_t *bytes = trial->map;
    for (uint32_t at = 0; at < BUFFER_SIZE / 2; at += (uint32_t)sizeof(uint32_t)) {
        uint32_t word;
        memcpy(&word, bytes + at, sizeof(word));
        if (word != GPU_WORD) {
            return pv_self_test_fail(trial->test, "the GPU's writes are not in the mapped memory");
        }
    }
    for (uint32_t at = BUFFER_SIZE / 2; at < BUFFER_SIZE; at++) {
        if (bytes[at] != CPU_BYTE) {
            return pv_self_test_fail(trial->test, "the mapped memory has lost what was written");
        }
    }
    return true;
}

static void finish(struct trial *trial)
{
    if (trial->device == VK_NULL_HANDLE || trial->WaitForFences == NULL) {
        return; /* nothing was created, or nothing can be destroyed */
    }
    trial->DestroyFence(trial->device, trial->fence, NULL);
    trial->DestroyCommandPool(trial->device, trial->pool, NULL);
    trial->DestroyBuffer(trial->device, trial->buffer, NULL);
    trial->FreeMemory(trial->device, trial->memory, NULL);
    trial->DestroyDevice(trial->device, NULL);
}

bool pv_self_test_device(struct pv_self_test *test, VkPhysicalDevice physical_device)
{
    struct trial trial = {.test = test, .physical_device = physical_device};
    bool ready = choose_family(&trial) && create_device(&trial) && create_buffer(&trial) &&
                 create_commands(&trial);
    bool passed = false;
    if (ready) {
        memset(trial.map, CPU_BYTE, BUFFER_SIZE);
        passed = record(&trial) && submit(&trial) && compare(&trial);
    }
    finish(&trial);
    return passed;
}
