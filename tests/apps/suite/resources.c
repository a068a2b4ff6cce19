/* Memory, shaders, descriptors and commands for cases, and what destroys them. */
#include "app.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t fence_timeout_ns = UINT64_C(300000000000);

/* --- what is destroyed behind the case -------------------------------------------------------- */

struct app_kept {
    struct app_kept *next;
    VkObjectType type;
    uint64_t handle;
};

void app_destroy_kept(struct app *app);

void app_keep_handle(struct app *app, VkObjectType type, uint64_t handle)
{
    struct app_kept *kept = malloc(sizeof(*kept));
    app_expect(app, kept != NULL, "out of memory");
    *kept = (struct app_kept){.next = app->kept, .type = type, .handle = handle};
    app->kept = kept;
}

#define DESTROY(object, name)                                                                      \
    case VK_OBJECT_TYPE_##object:                                                                  \
        app->vk.Destroy##name(app->device, (Vk##name)kept->handle, NULL);                          \
        break

static void destroy(struct app *app, const struct app_kept *kept)
{
    switch (kept->type) {
        DESTROY(BUFFER, Buffer);
        DESTROY(BUFFER_VIEW, BufferView);
        DESTROY(IMAGE, Image);
        DESTROY(IMAGE_VIEW, ImageView);
        DESTROY(SHADER_MODULE, ShaderModule);
        DESTROY(SAMPLER, Sampler);
        DESTROY(SAMPLER_YCBCR_CONVERSION, SamplerYcbcrConversion);
        DESTROY(DESCRIPTOR_SET_LAYOUT, DescriptorSetLayout);
        DESTROY(DESCRIPTOR_POOL, DescriptorPool);
        DESTROY(DESCRIPTOR_UPDATE_TEMPLATE, DescriptorUpdateTemplate);
        DESTROY(PIPELINE_LAYOUT, PipelineLayout);
        DESTROY(PIPELINE_CACHE, PipelineCache);
        DESTROY(PIPELINE, Pipeline);
        DESTROY(RENDER_PASS, RenderPass);
        DESTROY(FRAMEBUFFER, Framebuffer);
        DESTROY(COMMAND_POOL, CommandPool);
        DESTROY(QUERY_POOL, QueryPool);
        DESTROY(FENCE, Fence);
        DESTROY(SEMAPHORE, Semaphore);
        DESTROY(EVENT, Event);
        DESTROY(ACCELERATION_STRUCTURE_KHR, AccelerationStructureKHR);
    case VK_OBJECT_TYPE_DEVICE_MEMORY:
        app->vk.FreeMemory(app->device, (VkDeviceMemory)kept->handle, NULL);
        break;
    default:
        abort(); /* a case keeps what this file does not know */
    }
}

void app_destroy_kept(struct app *app)
{
    while (app->kept != NULL) {
        struct app_kept *kept = app->kept;
        app->kept = kept->next;
        destroy(app, kept);
        free(kept);
    }
}

/* --- memory ----------------------------------------------------------------------------------- */

uint32_t app_find_type(const struct app *app, uint32_t allowed, VkMemoryPropertyFlags wanted)
{
    for (uint32_t i = 0; i < app->memory.memoryTypeCount; i++) {
        VkMemoryPropertyFlags flags = app->memory.memoryTypes[i].propertyFlags;
        if ((allowed & 1u << i) != 0 && (flags & wanted) == wanted &&
            (flags & VK_MEMORY_PROPERTY_PROTECTED_BIT) == 0) {
            return i;
        }
    }
    return UINT32_MAX;
}

VkDeviceMemory app_allocate(struct app *app, const VkMemoryRequirements *needs,
                            enum app_memory kind, const void *chain)
{
    uint32_t type =
        app_find_type(app, needs->memoryTypeBits,
                      kind == APP_MEMORY_DEVICE ? VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT
                                                : VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                                      VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
    if (type == UINT32_MAX && kind == APP_MEMORY_DEVICE) {
        type = app_find_type(app, needs->memoryTypeBits, 0);
    }
    app_expect(app, type != UINT32_MAX, "no memory type for %#x", needs->memoryTypeBits);
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = chain,
        .allocationSize = needs->size,
        .memoryTypeIndex = type,
    };
    VkDeviceMemory memory;
    APP_CHECK(app, AllocateMemory, app->device, &info, NULL, &memory);
    app_keep(app, DEVICE_MEMORY, memory);
    return memory;
}

VkBufferCreateInfo app_buffer_info(VkDeviceSize size, VkBufferUsageFlags usage)
{
    return (VkBufferCreateInfo){
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size,
        .usage = usage | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
}

VkBuffer app_create_buffer(struct app *app, const VkBufferCreateInfo *info,
                           VkMemoryRequirements *needs)
{
    VkBuffer buffer;
    APP_CHECK(app, CreateBuffer, app->device, info, NULL, &buffer);
    app_keep(app, BUFFER, buffer);
    app->vk.GetBufferMemoryRequirements(app->device, buffer, needs);
    return buffer;
}

struct app_buffer app_buffer(struct app *app, VkDeviceSize size, VkBufferUsageFlags usage)
{
    struct app_buffer made = {.size = size};
    const VkBufferCreateInfo info = app_buffer_info(size, usage);
    const VkMemoryAllocateFlagsInfo addressed = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
        .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
    };
    VkMemoryRequirements needs;
    made.buffer = app_create_buffer(app, &info, &needs);
    bool has_address = (usage & VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT) != 0;
    made.memory = app_allocate(app, &needs, APP_MEMORY_MAPPED, has_address ? &addressed : NULL);
    APP_CHECK(app, BindBufferMemory, app->device, made.buffer, made.memory, 0);
    APP_CHECK(app, MapMemory, app->device, made.memory, 0, VK_WHOLE_SIZE, 0, &made.map);
    memset(made.map, 0, size);
    return made;
}

VkDeviceAddress app_address(struct app *app, const struct app_buffer *buffer)
{
    const VkBufferDeviceAddressInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
                                            .buffer = buffer->buffer};
    return app->vk.GetBufferDeviceAddress(app->device, &info);
}

VkImageCreateInfo app_image_info(VkFormat format, uint32_t width, uint32_t height,
                                 VkImageUsageFlags usage)
{
    return (VkImageCreateInfo){
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = format,
        .extent = {width, height, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .usage = usage,
    };
}

static VkImageAspectFlags aspects_of(VkFormat format)
{
    switch (format) {
    case VK_FORMAT_D16_UNORM:
    case VK_FORMAT_D32_SFLOAT:
        return VK_IMAGE_ASPECT_DEPTH_BIT;
    case VK_FORMAT_S8_UINT:
        return VK_IMAGE_ASPECT_STENCIL_BIT;
    case VK_FORMAT_D24_UNORM_S8_UINT:
    case VK_FORMAT_D32_SFLOAT_S8_UINT:
        return VK_IMAGE_ASPECT_DEPTH_BIT | VK_IMAGE_ASPECT_STENCIL_BIT;
    default:
        return VK_IMAGE_ASPECT_COLOR_BIT;
    }
}

VkImageSubresourceRange app_whole(const struct app_image *image)
{
    return (VkImageSubresourceRange){image->aspects, 0, VK_REMAINING_MIP_LEVELS, 0,
                                     VK_REMAINING_ARRAY_LAYERS};
}

VkImageView app_view(struct app *app, const struct app_image *image, VkImageViewType type,
                     VkImageSubresourceRange range)
{
    const VkImageViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .image = image->image,
        .viewType = type,
        .format = image->format,
        .subresourceRange = range,
    };
    VkImageView view;
    APP_CHECK(app, CreateImageView, app->device, &info, NULL, &view);
    app_keep(app, IMAGE_VIEW, view);
    return view;
}

struct app_image app_create_image(struct app *app, const VkImageCreateInfo *info,
                                  VkMemoryRequirements *needs)
{
    struct app_image made = {
        .format = info->format,
        .extent = info->extent,
        .aspects = aspects_of(info->format),
        .layers = info->arrayLayers,
    };
    APP_CHECK(app, CreateImage, app->device, info, NULL, &made.image);
    app_keep(app, IMAGE, made.image);
    if (needs != NULL) {
        app->vk.GetImageMemoryRequirements(app->device, made.image, needs);
    }
    return made;
}

struct app_image app_image(struct app *app, const VkImageCreateInfo *info, VkImageViewType type)
{
    VkMemoryRequirements needs;
    struct app_image made = app_create_image(app, info, &needs);
    made.memory = app_allocate(app, &needs, APP_MEMORY_DEVICE, NULL);
    APP_CHECK(app, BindImageMemory, app->device, made.image, made.memory, 0);
    if (type != VK_IMAGE_VIEW_TYPE_MAX_ENUM) {
        made.view = app_view(app, &made, type, app_whole(&made));
    }
    return made;
}

struct app_image app_target(struct app *app, VkFormat format, VkSampleCountFlagBits samples)
{
    bool is_colour = aspects_of(format) == VK_IMAGE_ASPECT_COLOR_BIT;
    VkImageCreateInfo info =
        app_image_info(format, APP_WIDTH, APP_HEIGHT,
                       VK_IMAGE_USAGE_TRANSFER_SRC_BIT |
                           (is_colour ? VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT
                                      : VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT));
    info.samples = samples;
    return app_image(app, &info, VK_IMAGE_VIEW_TYPE_2D);
}

VkSampler app_sampler(struct app *app, VkFilter filter)
{
    const VkSamplerCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO,
        .magFilter = filter,
        .minFilter = filter,
        .addressModeU = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
        .addressModeV = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
        .addressModeW = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
        .maxLod = VK_LOD_CLAMP_NONE,
    };
    VkSampler sampler;
    APP_CHECK(app, CreateSampler, app->device, &info, NULL, &sampler);
    app_keep(app, SAMPLER, sampler);
    return sampler;
}

/* --- shaders and descriptors ------------------------------------------------------------------ */

VkShaderModule app_shader_words(struct app *app, const uint32_t *words, size_t size)
{
    const VkShaderModuleCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = size, .pCode = words};
    VkShaderModule module;
    APP_CHECK(app, CreateShaderModule, app->device, &info, NULL, &module);
    app_keep(app, SHADER_MODULE, module);
    return module;
}

VkPipelineShaderStageCreateInfo app_stage(VkShaderStageFlagBits stage, VkShaderModule module)
{
    return (VkPipelineShaderStageCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
        .stage = stage,
        .module = module,
        .pName = "main",
    };
}

enum { BINDINGS_MAX = 16 };

VkDescriptorSetLayout app_set_layout(struct app *app, const VkDescriptorType *types, uint32_t count)
{
    VkDescriptorSetLayoutBinding bindings[BINDINGS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = types[i],
            .descriptorCount = 1,
            .stageFlags = types[i] == VK_DESCRIPTOR_TYPE_INPUT_ATTACHMENT
                              ? VK_SHADER_STAGE_FRAGMENT_BIT
                              : VK_SHADER_STAGE_ALL,
        };
    }
    const VkDescriptorSetLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = count,
        .pBindings = bindings,
    };
    VkDescriptorSetLayout layout;
    APP_CHECK(app, CreateDescriptorSetLayout, app->device, &info, NULL, &layout);
    app_keep(app, DESCRIPTOR_SET_LAYOUT, layout);
    return layout;
}

VkDescriptorSet app_set(struct app *app, VkDescriptorSetLayout layout,
                        const VkDescriptorType *types, uint32_t count)
{
    VkDescriptorPoolSize sizes[BINDINGS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        sizes[i] = (VkDescriptorPoolSize){types[i], 1};
    }
    const VkDescriptorPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = 1,
        .poolSizeCount = count,
        .pPoolSizes = sizes,
    };
    VkDescriptorPool pool;
    APP_CHECK(app, CreateDescriptorPool, app->device, &info, NULL, &pool);
    app_keep(app, DESCRIPTOR_POOL, pool);
    const VkDescriptorSetAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = pool,
        .descriptorSetCount = 1,
        .pSetLayouts = &layout,
    };
    VkDescriptorSet set;
    APP_CHECK(app, AllocateDescriptorSets, app->device, &allocate, &set);
    return set;
}

void app_write_buffer(struct app *app, VkDescriptorSet set, uint32_t binding, VkDescriptorType type,
                      VkBuffer buffer)
{
    const VkDescriptorBufferInfo info = {buffer, 0, VK_WHOLE_SIZE};
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = set,
        .dstBinding = binding,
        .descriptorCount = 1,
        .descriptorType = type,
        .pBufferInfo = &info,
    };
    app->vk.UpdateDescriptorSets(app->device, 1, &write, 0, NULL);
}

void app_write_image(struct app *app, VkDescriptorSet set, uint32_t binding, VkDescriptorType type,
                     VkImageView view, VkSampler sampler, VkImageLayout layout)
{
    const VkDescriptorImageInfo info = {sampler, view, layout};
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = set,
        .dstBinding = binding,
        .descriptorCount = 1,
        .descriptorType = type,
        .pImageInfo = &info,
    };
    app->vk.UpdateDescriptorSets(app->device, 1, &write, 0, NULL);
}

VkPipelineLayout app_layout(struct app *app, VkDescriptorSetLayout set_layout, uint32_t push_size,
                            VkShaderStageFlags push_stages)
{
    const VkPushConstantRange range = {push_stages, 0, push_size};
    const VkPipelineLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = set_layout != VK_NULL_HANDLE ? 1 : 0,
        .pSetLayouts = &set_layout,
        .pushConstantRangeCount = push_size != 0 ? 1 : 0,
        .pPushConstantRanges = &range,
    };
    VkPipelineLayout layout;
    APP_CHECK(app, CreatePipelineLayout, app->device, &info, NULL, &layout);
    app_keep(app, PIPELINE_LAYOUT, layout);
    return layout;
}

VkPipeline app_compute(struct app *app, VkPipelineLayout layout, VkShaderModule module,
                       const VkSpecializationInfo *constants)
{
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = app_stage(VK_SHADER_STAGE_COMPUTE_BIT, module),
        .layout = layout,
    };
    info.stage.pSpecializationInfo = constants;
    VkPipeline pipeline;
    APP_CHECK(app, CreateComputePipelines, app->device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline);
    app_keep(app, PIPELINE, pipeline);
    return pipeline;
}

struct app_kernel app_kernel(struct app *app, VkShaderModule module,
                             const VkSpecializationInfo *constants, uint32_t push_size,
                             const struct app_buffer *buffer)
{
    const VkDescriptorType type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    struct app_kernel kernel = {.set_layout = app_set_layout(app, &type, 1)};
    kernel.layout = app_layout(app, kernel.set_layout, push_size, VK_SHADER_STAGE_COMPUTE_BIT);
    if (module != VK_NULL_HANDLE) {
        kernel.pipeline = app_compute(app, kernel.layout, module, constants);
    }
    kernel.set = app_set(app, kernel.set_layout, &type, 1);
    app_write_buffer(app, kernel.set, 0, type, buffer->buffer);
    return kernel;
}

void app_dispatch(struct app *app, VkCommandBuffer command, const struct app_kernel *kernel,
                  uint32_t groups)
{
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, kernel->pipeline);
    app->vk.CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_COMPUTE, kernel->layout, 0, 1,
                                  &kernel->set, 0, NULL);
    app->vk.CmdDispatch(command, groups, 1, 1);
}

/* --- commands --------------------------------------------------------------------------------- */

VkCommandBuffer app_begin(struct app *app)
{
    const VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = app->pool,
        .commandBufferCount = 1,
    };
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    VkCommandBuffer command;
    APP_CHECK(app, AllocateCommandBuffers, app->device, &allocate, &command);
    APP_CHECK(app, BeginCommandBuffer, command, &begin);
    return command;
}

void app_submit(struct app *app, VkQueue queue, VkCommandBuffer command)
{
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &command,
    };
    VkFence fence;
    APP_CHECK(app, CreateFence, app->device, &info, NULL, &fence);
    app_keep(app, FENCE, fence);
    APP_CHECK(app, QueueSubmit, queue, 1, &submit, fence);
    APP_CHECK(app, WaitForFences, app->device, 1, &fence, VK_TRUE, fence_timeout_ns);
}

void app_run(struct app *app, VkCommandBuffer command)
{
    app_barrier(app, command);
    APP_CHECK(app, EndCommandBuffer, command);
    app_submit(app, app->queue, command);
}

void app_barrier(struct app *app, VkCommandBuffer command)
{
    const VkMemoryBarrier all = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT,
    };
    app->vk.CmdPipelineBarrier(command, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                               VK_PIPELINE_STAGE_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_HOST_BIT, 0,
                               1, &all, 0, NULL, 0, NULL);
}

void app_transition(struct app *app, VkCommandBuffer command, const struct app_image *image,
                    VkImageLayout before, VkImageLayout after)
{
    const VkImageMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT,
        .oldLayout = before,
        .newLayout = after,
        .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .image = image->image,
        .subresourceRange = app_whole(image),
    };
    app->vk.CmdPipelineBarrier(command, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                               VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, 0, NULL, 0, NULL, 1,
                               &barrier);
}

void app_read(struct app *app, VkCommandBuffer command, const struct app_image *image,
              uint32_t layer, const struct app_buffer *buffer)
{
    const VkBufferImageCopy region = {
        .imageSubresource = {image->aspects, 0, layer, 1},
        .imageExtent = image->extent,
    };
    app->vk.CmdCopyImageToBuffer(command, image->image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
                                 buffer->buffer, 1, &region);
}

void app_write(struct app *app, VkCommandBuffer command, const struct app_image *image,
               uint32_t layer, const struct app_buffer *buffer)
{
    const VkBufferImageCopy region = {
        .imageSubresource = {image->aspects, 0, layer, 1},
        .imageExtent = image->extent,
    };
    app->vk.CmdCopyBufferToImage(command, buffer->buffer, image->image,
                                 VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1, &region);
}
