#include "render.h"

#include "scene.h"

#include <stdio.h>
#include <string.h>

static const VkFormat colour_format = VK_FORMAT_R8G8B8A8_SRGB;

static bool create_image(struct demo_renderer *r, struct demo_image *image, VkFormat format,
                         VkSampleCountFlagBits samples, VkImageUsageFlags usage)
{
    struct demo_vulkan *vk = r->vk;
    const VkImageCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = format,
        .extent = {DEMO_WIDTH, DEMO_HEIGHT, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = samples,
        .tiling = VK_IMAGE_TILING_OPTIMAL,
        .usage = usage,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
        .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED,
    };
    if (!demo_vulkan_check(vk->CreateImage(vk->device, &create, NULL, &image->image),
                           "vkCreateImage")) {
        return false;
    }
    VkMemoryRequirements needs;
    vk->GetImageMemoryRequirements(vk->device, image->image, &needs);
    if (!demo_vulkan_allocate(vk, &needs, DEMO_MEMORY_DEVICE, &image->memory) ||
        !demo_vulkan_check(vk->BindImageMemory(vk->device, image->image, image->memory, 0),
                           "vkBindImageMemory")) {
        return false;
    }
    const bool is_depth = (usage & VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT) != 0;
    const VkImageViewCreateInfo view = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .image = image->image,
        .viewType = VK_IMAGE_VIEW_TYPE_2D,
        .format = format,
        .subresourceRange = {.aspectMask =
                                 is_depth ? VK_IMAGE_ASPECT_DEPTH_BIT : VK_IMAGE_ASPECT_COLOR_BIT,
                             .levelCount = 1,
                             .layerCount = 1},
    };
    return demo_vulkan_check(vk->CreateImageView(vk->device, &view, NULL, &image->view),
                             "vkCreateImageView");
}

static void destroy_image(struct demo_vulkan *vk, struct demo_image *image)
{
    if (image->view) {
        vk->DestroyImageView(vk->device, image->view, NULL);
    }
    if (image->image) {
        vk->DestroyImage(vk->device, image->image, NULL);
    }
    if (image->memory) {
        vk->FreeMemory(vk->device, image->memory, NULL);
    }
}

/* Vulkan promises one of the two depth formats, and four samples for each of these images. */
static void choose_formats(struct demo_renderer *r)
{
    VkFormatProperties depth;
    r->vk->GetPhysicalDeviceFormatProperties(r->vk->gpu, VK_FORMAT_D32_SFLOAT, &depth);
    const bool has_d32 =
        depth.optimalTilingFeatures & VK_FORMAT_FEATURE_DEPTH_STENCIL_ATTACHMENT_BIT;
    r->depth_format = has_d32 ? VK_FORMAT_D32_SFLOAT : VK_FORMAT_X8_D24_UNORM_PACK32;
    r->samples = VK_SAMPLE_COUNT_4_BIT;
}

static bool create_images(struct demo_renderer *r)
{
    return create_image(r, &r->colour, colour_format, r->samples,
                        VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT |
                            VK_IMAGE_USAGE_TRANSIENT_ATTACHMENT_BIT) &&
           create_image(r, &r->depth, r->depth_format, r->samples,
                        VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT |
                            VK_IMAGE_USAGE_TRANSIENT_ATTACHMENT_BIT) &&
           create_image(r, &r->picture, colour_format, VK_SAMPLE_COUNT_1_BIT,
                        VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT);
}

static VkAttachmentDescription describe_attachment(VkFormat format, VkSampleCountFlagBits samples,
                                                   VkImageLayout layout)
{
    return (VkAttachmentDescription){
        .format = format,
        .samples = samples,
        .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
        .storeOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
        .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
        .stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
        .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED,
        .finalLayout = layout,
    };
}

static bool create_pass(struct demo_renderer *r)
{
    VkAttachmentDescription attachments[3] = {
        describe_attachment(colour_format, r->samples, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL),
        describe_attachment(r->depth_format, r->samples,
                            VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL),
        describe_attachment(colour_format, VK_SAMPLE_COUNT_1_BIT,
                            VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL),
    };
    attachments[2].loadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE;
    attachments[2].storeOp = VK_ATTACHMENT_STORE_OP_STORE;
    const VkAttachmentReference colour = {0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
    const VkAttachmentReference depth = {1, VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL};
    const VkAttachmentReference resolve = {2, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
    const VkSubpassDescription subpass = {
        .pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS,
        .colorAttachmentCount = 1,
        .pColorAttachments = &colour,
        .pResolveAttachments = &resolve,
        .pDepthStencilAttachment = &depth,
    };
    const VkSubpassDependency readable = {
        .srcSubpass = 0,
        .dstSubpass = VK_SUBPASS_EXTERNAL,
        .srcStageMask = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
        .dstStageMask = VK_PIPELINE_STAGE_TRANSFER_BIT,
        .srcAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT,
    };
    const VkRenderPassCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO,
        .attachmentCount = 3,
        .pAttachments = attachments,
        .subpassCount = 1,
        .pSubpasses = &subpass,
        .dependencyCount = 1,
        .pDependencies = &readable,
    };
    return demo_vulkan_check(r->vk->CreateRenderPass(r->vk->device, &create, NULL, &r->pass),
                             "vkCreateRenderPass");
}

static bool create_framebuffer(struct demo_renderer *r)
{
    const VkImageView views[3] = {r->colour.view, r->depth.view, r->picture.view};
    const VkFramebufferCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
        .renderPass = r->pass,
        .attachmentCount = 3,
        .pAttachments = views,
        .width = DEMO_WIDTH,
        .height = DEMO_HEIGHT,
        .layers = 1,
    };
    return demo_vulkan_check(
        r->vk->CreateFramebuffer(r->vk->device, &create, NULL, &r->framebuffer),
        "vkCreateFramebuffer");
}

static bool create_buffers(struct demo_renderer *r)
{
    struct demo_vertex vertices[DEMO_VERTICES];
    uint16_t indices[DEMO_INDICES];
    demo_scene_cube(vertices, indices);
    return demo_buffer_create_filled(r->vk, &r->vertices, vertices, sizeof(vertices),
                                     VK_BUFFER_USAGE_VERTEX_BUFFER_BIT) &&
           demo_buffer_create_filled(r->vk, &r->indices, indices, sizeof(indices),
                                     VK_BUFFER_USAGE_INDEX_BUFFER_BIT) &&
           demo_buffer_create(r->vk, &r->instances, sizeof(struct demo_instance) * DEMO_INSTANCES,
                              VK_BUFFER_USAGE_VERTEX_BUFFER_BIT, DEMO_MEMORY_UPLOAD) &&
           demo_buffer_create(r->vk, &r->frame, sizeof(struct demo_frame),
                              VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT, DEMO_MEMORY_UPLOAD) &&
           demo_buffer_create(r->vk, &r->readback, (VkDeviceSize)DEMO_WIDTH * DEMO_HEIGHT * 4,
                              VK_BUFFER_USAGE_TRANSFER_DST_BIT, DEMO_MEMORY_READBACK);
}

bool demo_renderer_create(struct demo_renderer *r, struct demo_vulkan *vk, uint32_t seed)
{
    *r = (struct demo_renderer){.vk = vk, .seed = seed};
    choose_formats(r);
    return create_images(r) && create_pass(r) && create_framebuffer(r) && create_buffers(r) &&
           demo_renderer_create_pipelines(r);
}

void demo_renderer_destroy(struct demo_renderer *r)
{
    struct demo_vulkan *vk = r->vk;
    if (!vk || !vk->device) {
        return;
    }
    demo_renderer_destroy_pipelines(r);
    demo_buffer_destroy(vk, &r->readback);
    demo_buffer_destroy(vk, &r->frame);
    demo_buffer_destroy(vk, &r->instances);
    demo_buffer_destroy(vk, &r->indices);
    demo_buffer_destroy(vk, &r->vertices);
    if (r->framebuffer) {
        vk->DestroyFramebuffer(vk->device, r->framebuffer, NULL);
    }
    if (r->pass) {
        vk->DestroyRenderPass(vk->device, r->pass, NULL);
    }
    destroy_image(vk, &r->picture);
    destroy_image(vk, &r->depth);
    destroy_image(vk, &r->colour);
    *r = (struct demo_renderer){0};
}

static void record_cubes(struct demo_renderer *r, enum demo_pipeline pipeline, float mirror)
{
    struct demo_vulkan *vk = r->vk;
    vk->CmdBindPipeline(vk->command, VK_PIPELINE_BIND_POINT_GRAPHICS, r->pipelines[pipeline]);
    vk->CmdPushConstants(vk->command, r->layout,
                         VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT, 0,
                         sizeof(mirror), &mirror);
    vk->CmdDrawIndexed(vk->command, DEMO_INDICES, DEMO_INSTANCES, 0, 0, 0);
}

static void record_pass(struct demo_renderer *r)
{
    struct demo_vulkan *vk = r->vk;
    const VkClearValue clear[2] = {
        {.color = {.float32 = {0.0f, 0.0f, 0.0f, 1.0f}}},
        {.depthStencil = {.depth = 1.0f}},
    };
    const VkRenderPassBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
        .renderPass = r->pass,
        .framebuffer = r->framebuffer,
        .renderArea = {.extent = {DEMO_WIDTH, DEMO_HEIGHT}},
        .clearValueCount = 2,
        .pClearValues = clear,
    };
    const VkBuffer buffers[2] = {r->vertices.buffer, r->instances.buffer};
    const VkDeviceSize offsets[2] = {0, 0};
    vk->CmdBeginRenderPass(vk->command, &begin, VK_SUBPASS_CONTENTS_INLINE);
    vk->CmdBindDescriptorSets(vk->command, VK_PIPELINE_BIND_POINT_GRAPHICS, r->layout, 0, 1,
                              &r->set, 0, NULL);
    vk->CmdBindPipeline(vk->command, VK_PIPELINE_BIND_POINT_GRAPHICS,
                        r->pipelines[DEMO_PIPELINE_BACKDROP]);
    vk->CmdDraw(vk->command, 3, 1, 0, 0);
    vk->CmdBindVertexBuffers(vk->command, 0, 2, buffers, offsets);
    vk->CmdBindIndexBuffer(vk->command, r->indices.buffer, 0, VK_INDEX_TYPE_UINT16);
    record_cubes(r, DEMO_PIPELINE_REFLECTION, -1.0f);
    record_cubes(r, DEMO_PIPELINE_CUBES, 1.0f);
    vk->CmdEndRenderPass(vk->command);
}

static void record_readback(struct demo_renderer *r)
{
    struct demo_vulkan *vk = r->vk;
    const VkBufferImageCopy copy = {
        .imageSubresource = {.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT, .layerCount = 1},
        .imageExtent = {DEMO_WIDTH, DEMO_HEIGHT, 1},
    };
    const VkBufferMemoryBarrier visible = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
        .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .buffer = r->readback.buffer,
        .size = VK_WHOLE_SIZE,
    };
    vk->CmdCopyImageToBuffer(vk->command, r->picture.image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
                             r->readback.buffer, 1, &copy);
    vk->CmdPipelineBarrier(vk->command, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT,
                           0, 0, NULL, 1, &visible, 0, NULL);
}

bool demo_renderer_draw(struct demo_renderer *r, uint32_t frame, bool read_back)
{
    struct demo_frame uniform;
    struct demo_instance instances[DEMO_INSTANCES];
    demo_scene_frame(r->seed, frame, &uniform);
    demo_scene_instances(r->seed, frame, instances);
    memcpy(r->frame.mapped, &uniform, sizeof(uniform));
    memcpy(r->instances.mapped, instances, sizeof(instances));
    if (!demo_vulkan_record(r->vk)) {
        return false;
    }
    record_pass(r);
    if (read_back) {
        record_readback(r);
    }
    return demo_vulkan_run(r->vk);
}
