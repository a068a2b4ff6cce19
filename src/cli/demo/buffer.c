#include "vulkan.h"

#include <stdio.h>
#include <string.h>

static bool find_type(const struct demo_vulkan *vk, uint32_t allowed, VkMemoryPropertyFlags flags,
                      uint32_t *index)
{
    for (uint32_t i = 0; i < vk->memory.memoryTypeCount; i++) {
        if ((allowed >> i & 1) && (vk->memory.memoryTypes[i].propertyFlags & flags) == flags) {
            *index = i;
            return true;
        }
    }
    return false;
}

bool demo_vulkan_allocate(struct demo_vulkan *vk, const VkMemoryRequirements *needs,
                          enum demo_memory kind, VkDeviceMemory *memory)
{
    const VkMemoryPropertyFlags mapped =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const VkMemoryPropertyFlags wanted[][2] = {
        [DEMO_MEMORY_DEVICE] = {VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0},
        [DEMO_MEMORY_UPLOAD] = {mapped, mapped},
        [DEMO_MEMORY_READBACK] = {mapped | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, mapped},
    };
    uint32_t type = 0;
    if (!find_type(vk, needs->memoryTypeBits, wanted[kind][0], &type) &&
        !find_type(vk, needs->memoryTypeBits, wanted[kind][1], &type)) {
        fprintf(stderr, "%s: this GPU has no mappable, coherent memory\n", demo_program_name);
        return false;
    }
    const VkMemoryAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = needs->size,
        .memoryTypeIndex = type,
    };
    return demo_vulkan_check(vk->AllocateMemory(vk->device, &allocate, NULL, memory),
                             "vkAllocateMemory");
}

bool demo_buffer_create(struct demo_vulkan *vk, struct demo_buffer *buffer, VkDeviceSize size_bytes,
                        VkBufferUsageFlags usage, enum demo_memory kind)
{
    *buffer = (struct demo_buffer){.size_bytes = size_bytes};
    const VkBufferCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size_bytes,
        .usage = usage,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
    if (!demo_vulkan_check(vk->CreateBuffer(vk->device, &create, NULL, &buffer->buffer),
                           "vkCreateBuffer")) {
        return false;
    }
    VkMemoryRequirements needs;
    vk->GetBufferMemoryRequirements(vk->device, buffer->buffer, &needs);
    if (!demo_vulkan_allocate(vk, &needs, kind, &buffer->memory) ||
        !demo_vulkan_check(vk->BindBufferMemory(vk->device, buffer->buffer, buffer->memory, 0),
                           "vkBindBufferMemory")) {
        return false;
    }
    return kind == DEMO_MEMORY_DEVICE ||
           demo_vulkan_check(
               vk->MapMemory(vk->device, buffer->memory, 0, VK_WHOLE_SIZE, 0, &buffer->mapped),
               "vkMapMemory");
}

void demo_buffer_destroy(struct demo_vulkan *vk, struct demo_buffer *buffer)
{
    if (buffer->buffer) {
        vk->DestroyBuffer(vk->device, buffer->buffer, NULL);
    }
    if (buffer->memory) {
        vk->FreeMemory(vk->device, buffer->memory, NULL);
    }
    *buffer = (struct demo_buffer){0};
}

bool demo_buffer_create_filled(struct demo_vulkan *vk, struct demo_buffer *buffer,
                               const void *bytes, size_t size_bytes, VkBufferUsageFlags usage)
{
    struct demo_buffer staging = {0};
    bool done = demo_buffer_create(vk, buffer, size_bytes, usage | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                   DEMO_MEMORY_DEVICE) &&
                demo_buffer_create(vk, &staging, size_bytes, VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
                                   DEMO_MEMORY_UPLOAD) &&
                demo_vulkan_record(vk);
    if (done) {
        memcpy(staging.mapped, bytes, size_bytes);
        const VkBufferCopy copy = {.size = size_bytes};
        vk->CmdCopyBuffer(vk->command, staging.buffer, buffer->buffer, 1, &copy);
        done = demo_vulkan_run(vk);
    }
    demo_buffer_destroy(vk, &staging);
    return done;
}

bool demo_shader_create(struct demo_vulkan *vk, const uint32_t *words, size_t size_bytes,
                        VkShaderModule *module)
{
    const VkShaderModuleCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = size_bytes,
        .pCode = words,
    };
    return demo_vulkan_check(vk->CreateShaderModule(vk->device, &create, NULL, module),
                             "vkCreateShaderModule");
}
