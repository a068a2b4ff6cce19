/* Pipelines that draw, and pictures. */
#include "app.h"

#include <string.h>

/* clang-format off */
#include "half_vert.spv.h"
#include "red_frag.spv.h"
/* clang-format on */

void app_graphics_init(struct app_graphics *g, VkPipelineLayout layout)
{
    memset(g, 0, sizeof(*g));
    g->viewport = (VkViewport){0, 0, APP_WIDTH, APP_HEIGHT, 0, 1};
    g->scissor = (VkRect2D){{0, 0}, {APP_WIDTH, APP_HEIGHT}};
    g->vertices.sType = VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO;
    g->assembly.sType = VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO;
    g->assembly.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST;
    g->tessellation.sType = VK_STRUCTURE_TYPE_PIPELINE_TESSELLATION_STATE_CREATE_INFO;
    g->viewports = (VkPipelineViewportStateCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO,
        .viewportCount = 1,
        .pViewports = &g->viewport,
        .scissorCount = 1,
        .pScissors = &g->scissor,
    };
    g->raster.sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO;
    g->raster.lineWidth = 1;
    g->samples.sType = VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO;
    g->samples.rasterizationSamples = VK_SAMPLE_COUNT_1_BIT;
    g->depth.sType = VK_STRUCTURE_TYPE_PIPELINE_DEPTH_STENCIL_STATE_CREATE_INFO;
    g->blend.sType = VK_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO;
    g->blend.attachmentCount = 1;
    g->blend.pAttachments = g->attachments;
    for (size_t i = 0; i < sizeof(g->attachments) / sizeof(g->attachments[0]); i++) {
        g->attachments[i].colorWriteMask = VK_COLOR_COMPONENT_R_BIT | VK_COLOR_COMPONENT_G_BIT |
                                           VK_COLOR_COMPONENT_B_BIT | VK_COLOR_COMPONENT_A_BIT;
        g->formats[i] = VK_FORMAT_R8G8B8A8_UNORM;
    }
    g->dynamic.sType = VK_STRUCTURE_TYPE_PIPELINE_DYNAMIC_STATE_CREATE_INFO;
    g->dynamic.pDynamicStates = g->dynamics;
    g->rendering = (VkPipelineRenderingCreateInfo){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RENDERING_CREATE_INFO,
        .colorAttachmentCount = 1,
        .pColorAttachmentFormats = g->formats,
    };
    g->info = (VkGraphicsPipelineCreateInfo){
        .sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO,
        .pNext = &g->rendering,
        .pStages = g->stages,
        .pVertexInputState = &g->vertices,
        .pInputAssemblyState = &g->assembly,
        .pTessellationState = &g->tessellation,
        .pViewportState = &g->viewports,
        .pRasterizationState = &g->raster,
        .pMultisampleState = &g->samples,
        .pDepthStencilState = &g->depth,
        .pColorBlendState = &g->blend,
        .pDynamicState = &g->dynamic,
        .layout = layout,
    };
}

void app_graphics_stage(struct app_graphics *g, VkShaderStageFlagBits stage, VkShaderModule module)
{
    g->stages[g->info.stageCount++] = app_stage(stage, module);
}

void app_graphics_dynamic(struct app_graphics *g, VkDynamicState state)
{
    g->dynamics[g->dynamic.dynamicStateCount++] = state;
}

void app_graphics_red(struct app *app, struct app_graphics *g)
{
    app_graphics_init(g, app_layout(app, VK_NULL_HANDLE, 0, 0));
    app_graphics_stage(g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, half_vert));
    app_graphics_stage(g, VK_SHADER_STAGE_FRAGMENT_BIT, APP_SHADER(app, red_frag));
}

VkPipeline app_graphics_create(struct app *app, struct app_graphics *g)
{
    VkPipeline pipeline;
    APP_CHECK(app, CreateGraphicsPipelines, app->device, VK_NULL_HANDLE, 1, &g->info, NULL,
              &pipeline);
    app_keep(app, PIPELINE, pipeline);
    return pipeline;
}

VkRenderingAttachmentInfo app_attachment(const struct app_image *image, VkImageLayout layout,
                                         VkAttachmentLoadOp load)
{
    return (VkRenderingAttachmentInfo){
        .sType = VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_INFO,
        .imageView = image->view,
        .imageLayout = layout,
        .loadOp = load,
        .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
        .clearValue.color.float32 = {0, 0, 0, 1},
    };
}

VkRenderingInfo app_rendering(const VkRenderingAttachmentInfo *colours, uint32_t count)
{
    return (VkRenderingInfo){
        .sType = VK_STRUCTURE_TYPE_RENDERING_INFO,
        .renderArea = {{0, 0}, {APP_WIDTH, APP_HEIGHT}},
        .layerCount = 1,
        .colorAttachmentCount = count,
        .pColorAttachments = colours,
    };
}

void app_begin_drawing(struct app *app, VkCommandBuffer command, const struct app_image *target)
{
    const VkRenderingAttachmentInfo colour = app_attachment(
        target, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL, VK_ATTACHMENT_LOAD_OP_CLEAR);
    VkRenderingInfo info = app_rendering(&colour, 1);
    info.renderArea.extent = (VkExtent2D){target->extent.width, target->extent.height};
    info.layerCount = target->layers;
    app_transition(app, command, target, VK_IMAGE_LAYOUT_UNDEFINED,
                   VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
    app->vk.CmdBeginRendering(command, &info);
}

void app_end_drawing(struct app *app, VkCommandBuffer command, const struct app_image *target)
{
    app->vk.CmdEndRendering(command);
    app_transition(app, command, target, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
                   VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
}

const uint32_t *app_draw_picture(struct app *app, VkPipeline pipeline, uint32_t vertex_count)
{
    struct app_image target = app_target(app, VK_FORMAT_R8G8B8A8_UNORM, VK_SAMPLE_COUNT_1_BIT);
    struct app_buffer pixels = app_buffer(app, APP_WIDTH * APP_HEIGHT * 4, 0);
    VkCommandBuffer command = app_begin(app);
    app_begin_drawing(app, command, &target);
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    app->vk.CmdDraw(command, vertex_count, 1, 0, 0);
    app_end_drawing(app, command, &target);
    app_read(app, command, &target, 0, &pixels);
    app_run(app, command);
    app_result(app, pixels.map, pixels.size);
    return pixels.map;
}

uint32_t app_count_pixels(const uint32_t *pixels, uint32_t colour)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < APP_WIDTH * APP_HEIGHT; i++) {
        count += pixels[i] == colour;
    }
    return count;
}
