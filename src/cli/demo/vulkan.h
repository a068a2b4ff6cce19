/*
 * The small part of Vulkan that the demo's client needs: a loader opened at run time, one device,
 * one queue, buffers with memory of a stated kind, and one-shot command buffers.
 *
 * A function that returns false has already printed one line that says which call failed and why.
 */
#ifndef PV_CLI_DEMO_VULKAN_H
#define PV_CLI_DEMO_VULKAN_H

#ifndef VK_NO_PROTOTYPES
#define VK_NO_PROTOTYPES
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

#define DEMO_VULKAN_INSTANCE_CALLS(X)                                                              \
    X(DestroyInstance)                                                                             \
    X(EnumeratePhysicalDevices)                                                                    \
    X(GetPhysicalDeviceProperties2)                                                                \
    X(GetPhysicalDeviceProperties)                                                                 \
    X(GetPhysicalDeviceMemoryProperties)                                                           \
    X(GetPhysicalDeviceQueueFamilyProperties)                                                      \
    X(GetPhysicalDeviceFormatProperties)                                                           \
    X(GetDeviceProcAddr)                                                                           \
    X(CreateDevice)

#define DEMO_VULKAN_DEVICE_CALLS(X)                                                                \
    X(DestroyDevice)                                                                               \
    X(GetDeviceQueue)                                                                              \
    X(DeviceWaitIdle)                                                                              \
    X(QueueSubmit)                                                                                 \
    X(CreateFence)                                                                                 \
    X(DestroyFence)                                                                                \
    X(ResetFences)                                                                                 \
    X(GetFenceStatus)                                                                              \
    X(WaitForFences)                                                                               \
    X(AllocateMemory)                                                                              \
    X(FreeMemory)                                                                                  \
    X(MapMemory)                                                                                   \
    X(UnmapMemory)                                                                                 \
    X(CreateBuffer)                                                                                \
    X(DestroyBuffer)                                                                               \
    X(GetBufferMemoryRequirements)                                                                 \
    X(BindBufferMemory)                                                                            \
    X(CreateImage)                                                                                 \
    X(DestroyImage)                                                                                \
    X(GetImageMemoryRequirements)                                                                  \
    X(GetImageSubresourceLayout)                                                                   \
    X(BindImageMemory)                                                                             \
    X(CreateImageView)                                                                             \
    X(DestroyImageView)                                                                            \
    X(CreateShaderModule)                                                                          \
    X(DestroyShaderModule)                                                                         \
    X(CreateDescriptorSetLayout)                                                                   \
    X(DestroyDescriptorSetLayout)                                                                  \
    X(CreateDescriptorPool)                                                                        \
    X(DestroyDescriptorPool)                                                                       \
    X(AllocateDescriptorSets)                                                                      \
    X(FreeDescriptorSets)                                                                          \
    X(UpdateDescriptorSets)                                                                        \
    X(CreatePipelineLayout)                                                                        \
    X(DestroyPipelineLayout)                                                                       \
    X(CreateGraphicsPipelines)                                                                     \
    X(CreateComputePipelines)                                                                      \
    X(DestroyPipeline)                                                                             \
    X(CreateSampler)                                                                               \
    X(DestroySampler)                                                                              \
    X(CreateRenderPass)                                                                            \
    X(DestroyRenderPass)                                                                           \
    X(CreateFramebuffer)                                                                           \
    X(DestroyFramebuffer)                                                                          \
    X(CreateCommandPool)                                                                           \
    X(DestroyCommandPool)                                                                          \
    X(AllocateCommandBuffers)                                                                      \
    X(FreeCommandBuffers)                                                                          \
    X(BeginCommandBuffer)                                                                          \
    X(EndCommandBuffer)                                                                            \
    X(CmdBeginRenderPass)                                                                          \
    X(CmdEndRenderPass)                                                                            \
    X(CmdBindPipeline)                                                                             \
    X(CmdBindDescriptorSets)                                                                       \
    X(CmdBindVertexBuffers)                                                                        \
    X(CmdBindIndexBuffer)                                                                          \
    X(CmdPushConstants)                                                                            \
    X(CmdDraw)                                                                                     \
    X(CmdDrawIndexed)                                                                              \
    X(CmdDispatch)                                                                                 \
    X(CmdPipelineBarrier)                                                                          \
    X(CmdCopyBuffer)                                                                               \
    X(CmdCopyImageToBuffer)

struct demo_vulkan {
    void *library;
    PFN_vkGetInstanceProcAddr GetInstanceProcAddr;
    VkInstance instance;
    VkPhysicalDevice gpu;
    VkDevice device;
    VkQueue queue;
    uint32_t queue_family;
    VkCommandPool pool;
    VkCommandBuffer command; /* one at a time: every submission is waited for */
    VkFence fence;
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceMemoryProperties memory;
    char driver_name[VK_MAX_DRIVER_NAME_SIZE];
#define DEMO_VULKAN_MEMBER(name) PFN_vk##name name;
    DEMO_VULKAN_INSTANCE_CALLS(DEMO_VULKAN_MEMBER)
    DEMO_VULKAN_DEVICE_CALLS(DEMO_VULKAN_MEMBER)
#undef DEMO_VULKAN_MEMBER
};

/* One GPU as `demo-client --list` reports it; `index` is its place in the loader's own list. */
struct demo_gpu {
    uint32_t index;
    VkPhysicalDeviceType type;
    bool is_venus;
    char name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE];
    char driver_name[VK_MAX_DRIVER_NAME_SIZE];
};

enum { DEMO_GPUS_MAX = 64 };

enum demo_memory {
    DEMO_MEMORY_DEVICE,   /* device-local where the GPU has it; never mapped */
    DEMO_MEMORY_UPLOAD,   /* mapped and coherent */
    DEMO_MEMORY_READBACK, /* mapped and coherent, cached where the GPU has it */
};

struct demo_buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    VkDeviceSize size_bytes;
    void *mapped; /* NULL for DEMO_MEMORY_DEVICE */
};

/* What lines on stderr begin with; each program that is made of this defines it. */
extern const char *const demo_program_name;

/* Prints "CALL: RESULT" and returns false unless result is VK_SUCCESS. */
bool demo_vulkan_check(VkResult result, const char *call);

/* Opens the loader and an instance. */
bool demo_vulkan_open(struct demo_vulkan *vk);

/* Fills at most DEMO_GPUS_MAX entries. */
bool demo_vulkan_list(struct demo_vulkan *vk, struct demo_gpu *gpus, uint32_t *count);

/* Makes the device with one queue that can draw and compute, and what submissions need. */
bool demo_vulkan_start(struct demo_vulkan *vk, uint32_t gpu_index);

/* Undoes everything; accepts a zeroed struct. */
void demo_vulkan_close(struct demo_vulkan *vk);

bool demo_vulkan_allocate(struct demo_vulkan *vk, const VkMemoryRequirements *needs,
                          enum demo_memory kind, VkDeviceMemory *memory);
bool demo_buffer_create(struct demo_vulkan *vk, struct demo_buffer *buffer, VkDeviceSize size_bytes,
                        VkBufferUsageFlags usage, enum demo_memory kind);
void demo_buffer_destroy(struct demo_vulkan *vk, struct demo_buffer *buffer);

/* Copies bytes into a new device buffer by way of a staging buffer. */
bool demo_buffer_create_filled(struct demo_vulkan *vk, struct demo_buffer *buffer,
                               const void *bytes, size_t size_bytes, VkBufferUsageFlags usage);

bool demo_shader_create(struct demo_vulkan *vk, const uint32_t *words, size_t size_bytes,
                        VkShaderModule *module);

/* Begins vk->command; demo_vulkan_run ends it, submits it and waits until it is done. */
bool demo_vulkan_record(struct demo_vulkan *vk);
bool demo_vulkan_run(struct demo_vulkan *vk);

/* Waits for a fence that was given to a submission, at most half a minute, and resets it. */
bool demo_vulkan_wait(struct demo_vulkan *vk);

#endif
