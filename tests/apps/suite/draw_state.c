#include "draw.h"

#include <string.h>

/* clang-format off */
#include "draw_coord_frag.spv.h"
#include "draw_viewport_vert.spv.h"
/* clang-format on */

#define GREY 0xff808080u

static const VkStencilFaceFlags both_faces = VK_STENCIL_FACE_FRONT_AND_BACK;

/* --- viewports -------------------------------------------------------------------------------- */

/* The second viewport turns the picture upside down. */
static void scissor_and_viewport(struct app *app)
{
    static const VkViewport small = {16, 8, 32, 16, 0, 1}, turned = {0, 64, 64, -64, 0, 1};
    static const VkRect2D scissors[] = {{{20, 0}, {20, 64}}, {{0, 0}, {64, APP_OR(60, 64)}}};
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_VIEWPORT);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_SCISSOR);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetViewport(draw.command, 0, 1, &small);
    app->vk.CmdSetScissor(draw.command, 0, 1, &scissors[0]);
    draw_rect(app, &draw, 0, 0, 64, 64, 0, RED);
    app->vk.CmdSetViewport(draw.command, 0, 1, &turned);
    app->vk.CmdSetScissor(draw.command, 0, 1, &scissors[1]);
    draw_rect(app, &draw, 0, 0, 64, 8, 0, GREEN);
    draw_expect(&draw, 20, 8, 40, 24, RED);
    draw_expect(&draw, 0, 56, 64, 60, GREEN);
    draw_end(app, &draw);
}

/* Each instance goes to a viewport of its own. */
static void several_viewports(struct app *app)
{
    VkViewport viewports[4];
    VkRect2D scissors[4];
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    g.stages[0].module = APP_SHADER(app, draw_viewport_vert);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_VIEWPORT);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_SCISSOR);
    g.viewports.viewportCount = g.viewports.scissorCount = 4;
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    for (int i = 0; i < 4; i++) {
        viewports[i] = (VkViewport){(float)(16 * i), 4, 16, 40, 0, 1};
        scissors[i] = (VkRect2D){{16 * i + 1, 4 + i}, {12, 60}};
        draw_expect(&draw, 16 * i + 1, 4 + i, 16 * i + 13, 44, BLACK | 0x10u * (uint32_t)(i + 1));
    }
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetViewport(draw.command, 0, 2, viewports);
    app->vk.CmdSetViewport(draw.command, 2, 2, viewports + APP_OR(2, 1));
    app->vk.CmdSetScissor(draw.command, 0, 4, scissors);
    app->vk.CmdDraw(draw.command, 3, 4, 0, 0);
    draw_end(app, &draw);
}

/* --- depth and stencil ------------------------------------------------------------------------ */

/* A row for each way to compare, over columns that lie before, at and behind. */
static void depth_compare_ops(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    draw_depth_init(app, &g, VK_COMPARE_OP_NEVER);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_DEPTH_COMPARE_OP);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_DEPTH_WRITE_ENABLE);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin_deep(app, &draw, DRAW_DEPTH, 1, 0);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetDepthCompareOp(draw.command, VK_COMPARE_OP_ALWAYS);
    app->vk.CmdSetDepthWriteEnable(draw.command, VK_TRUE);
    draw_expect(&draw, 0, 0, 60, 64, BLUE);
    draw_rect(app, &draw, 0, 0, 20, 64, 0.25f, BLUE);
    draw_rect(app, &draw, 20, 0, 40, 64, 0.5f, BLUE);
    draw_rect(app, &draw, 40, 0, 60, 64, 0.75f, BLUE);
    app->vk.CmdSetDepthWriteEnable(draw.command, VK_FALSE);
    for (int op = VK_COMPARE_OP_NEVER; op <= VK_COMPARE_OP_ALWAYS; op++) {
        app->vk.CmdSetDepthCompareOp(draw.command, (VkCompareOp)op);
        draw_rect(app, &draw, 0, 8 * op, 60, 8 * op + 8, APP_OR(0.5f, 0.25f), GREEN);
        /* The ops' numbers are three bits: greater, equal, less. */
        for (int column = 0; column < 3; column++) {
            if ((op >> (2 - column) & 1) != 0) {
                draw_expect(&draw, 20 * column, 8 * op, 20 * column + 20, 8 * op + 8, GREEN);
            }
        }
    }
    draw_end(app, &draw);
}

static void depth_bias(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    draw_depth_init(app, &g, VK_COMPARE_OP_LESS);
    g.raster.depthBiasEnable = VK_TRUE;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_DEPTH_BIAS);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin_deep(app, &draw, DRAW_DEPTH, 1, 0);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetDepthBias(draw.command, 0, 0, 0);
    draw_rect(app, &draw, 0, 0, 64, 32, 0.5f, BLUE);
    app->vk.CmdSetDepthBias(draw.command, APP_OR(-100, 100), 0, 0);
    draw_rect(app, &draw, 4, 4, 20, 20, 0.5f, GREEN);
    app->vk.CmdSetDepthBias(draw.command, 100, 0, 0);
    draw_rect(app, &draw, 30, 4, 50, 20, 0.5f, RED);
    draw_expect(&draw, 0, 0, 64, 32, BLUE);
    draw_expect(&draw, 4, 4, 20, 20, GREEN);
    draw_end(app, &draw);
}

/* What lies behind the last depth is clamped to it, or clipped. */
static void depth_clamp(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    draw_depth_init(app, &g, VK_COMPARE_OP_LESS_OR_EQUAL);
    VkPipeline plain = app_graphics_create(app, &g);
    g.raster.depthClampEnable = APP_OR(VK_TRUE, VK_FALSE);
    VkPipeline clamping = app_graphics_create(app, &g);
    draw_begin_deep(app, &draw, DRAW_DEPTH, 1, 0);
    draw_bind(app, &draw, plain);
    draw_rect(app, &draw, 0, 0, 64, 30, 1.5f, RED);
    draw_bind(app, &draw, clamping);
    draw_rect(app, &draw, 4, 4, 40, 40, 1.5f, GREEN);
    draw_expect(&draw, 4, 4, 40, 40, GREEN);
    draw_end(app, &draw);
}

static void depth_bounds(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    draw_depth_init(app, &g, VK_COMPARE_OP_ALWAYS);
    VkPipeline plain = app_graphics_create(app, &g);
    g.depth.depthBoundsTestEnable = VK_TRUE;
    g.depth.depthWriteEnable = VK_FALSE; /* lavapipe 26 tests what its other triangle writes */
    g.depth.minDepthBounds = 0.125f;
    g.depth.maxDepthBounds = APP_OR(0.625f, 0.875f);
    VkPipeline bounded = app_graphics_create(app, &g);
    draw_begin_deep(app, &draw, DRAW_DEPTH, 1, 0);
    draw_bind(app, &draw, plain);
    draw_rect(app, &draw, 0, 0, 32, 64, 0.25f, BLUE);
    draw_rect(app, &draw, 32, 0, 64, 64, 0.75f, BLUE);
    draw_bind(app, &draw, bounded);
    draw_rect(app, &draw, 0, 20, 64, 40, 0, GREEN);
    draw_expect(&draw, 0, 0, 64, 64, BLUE);
    draw_expect(&draw, 0, 20, 32, 40, GREEN);
    draw_end(app, &draw);
}

static void depth_clip_enable(struct app *app)
{
    VkPipelineRasterizationDepthClipStateCreateInfoEXT clip = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_DEPTH_CLIP_STATE_CREATE_INFO_EXT,
        .depthClipEnable = VK_TRUE,
    };
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    g.raster.pNext = &clip;
    VkPipeline clipping = app_graphics_create(app, &g);
    clip.depthClipEnable = APP_OR(VK_FALSE, VK_TRUE);
    VkPipeline plain = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    draw_bind(app, &draw, clipping);
    draw_rect(app, &draw, 0, 0, 64, 30, 1.5f, RED);
    draw_bind(app, &draw, plain);
    draw_rect(app, &draw, 4, 4, 40, 40, 1.5f, GREEN);
    draw_expect(&draw, 4, 4, 40, 40, GREEN);
    draw_end(app, &draw);
}

/* Depths from -1 to 1, as OpenGL has them: -0.5 and 0.5 become a quarter and three. */
static void depth_clip_control(struct app *app)
{
    const VkPipelineViewportDepthClipControlCreateInfoEXT control = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_DEPTH_CLIP_CONTROL_CREATE_INFO_EXT,
        .negativeOneToOne = APP_OR(VK_TRUE, VK_FALSE),
    };
    struct app_graphics g;
    struct draw draw;
    draw_depth_init(app, &g, VK_COMPARE_OP_LESS);
    g.viewports.pNext = &control;
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin_deep(app, &draw, DRAW_DEPTH, 0.625f, 0);
    draw_bind(app, &draw, pipeline);
    draw_rect(app, &draw, 0, 0, 32, 30, -0.5f, GREEN);
    draw_rect(app, &draw, 32, 0, 64, 30, 0.5f, RED);
    draw_expect(&draw, 0, 0, 32, 30, GREEN);
    draw_end(app, &draw);
}

/* Discard, bias and the test itself, switched on and off. */
static void dynamic_depth_tests(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    draw_depth_init(app, &g, VK_COMPARE_OP_LESS);
    g.depth.depthTestEnable = VK_FALSE;
    g.raster.depthBiasConstantFactor = -100;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_DEPTH_TEST_ENABLE);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_DEPTH_BIAS_ENABLE);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_RASTERIZER_DISCARD_ENABLE);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin_deep(app, &draw, DRAW_DEPTH, 0.5f, 0);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetDepthTestEnable(draw.command, VK_TRUE);
    app->vk.CmdSetDepthBiasEnable(draw.command, VK_FALSE);
    app->vk.CmdSetRasterizerDiscardEnable(draw.command, VK_FALSE);
    draw_rect(app, &draw, 0, 0, 16, 20, 0.5f, RED);
    app->vk.CmdSetDepthBiasEnable(draw.command, VK_TRUE);
    draw_rect(app, &draw, 8, 0, 32, 20, 0.5f, GREEN);
    app->vk.CmdSetRasterizerDiscardEnable(draw.command, APP_OR(VK_TRUE, VK_FALSE));
    draw_rect(app, &draw, 24, 0, 48, 20, 0.25f, RED);
    app->vk.CmdSetRasterizerDiscardEnable(draw.command, VK_FALSE);
    app->vk.CmdSetDepthTestEnable(draw.command, VK_FALSE);
    draw_rect(app, &draw, 40, 0, 64, 20, 0.75f, BLUE);
    draw_expect(&draw, 8, 0, 32, 20, GREEN);
    draw_expect(&draw, 40, 0, 64, 20, BLUE);
    draw_end(app, &draw);
}

static void stencil_init(struct app *app, struct app_graphics *g, VkFormat format)
{
    draw_rects_init(app, g);
    g->rendering.depthAttachmentFormat = g->rendering.stencilAttachmentFormat = format;
    g->depth.stencilTestEnable = VK_TRUE;
    app_graphics_dynamic(g, VK_DYNAMIC_STATE_STENCIL_OP);
    app_graphics_dynamic(g, VK_DYNAMIC_STATE_STENCIL_COMPARE_MASK);
    app_graphics_dynamic(g, VK_DYNAMIC_STATE_STENCIL_WRITE_MASK);
    app_graphics_dynamic(g, VK_DYNAMIC_STATE_STENCIL_REFERENCE);
}

static uint8_t after_op(VkStencilOp op, uint8_t value, uint8_t reference)
{
    const uint8_t values[] = {value,
                              0,
                              reference,
                              (uint8_t)(value == 255 ? 255 : value + 1),
                              (uint8_t)(value == 0 ? 0 : value - 1),
                              (uint8_t)~value,
                              (uint8_t)(value + 1),
                              (uint8_t)(value - 1)};
    return values[op];
}

/* A column for each op; it meets 255 in the upper half, and 0 in the lower one. */
static void stencil_ops(struct app *app)
{
    const VkClearAttachment clear = {VK_IMAGE_ASPECT_STENCIL_BIT, 0, {.depthStencil = {0, 0}}};
    const VkClearRect lower = {{{0, 32}, {64, 32}}, 0, 1};
    const VkBufferImageCopy copy = {.imageSubresource = {VK_IMAGE_ASPECT_STENCIL_BIT, 0, 0, 1},
                                    .imageExtent = {APP_WIDTH, APP_HEIGHT, 1}};
    uint8_t expected[DRAW_PIXELS];
    uint32_t words[DRAW_PIXELS / 4];
    VkFormat format = draw_stencil_format(app);
    struct app_graphics g;
    struct draw draw;
    struct app_buffer values = app_buffer(app, DRAW_PIXELS, 0);
    stencil_init(app, &g, format);
    VkPipeline pipeline = app_graphics_create(app, &g);
    struct app_image stencil = draw_begin_deep(app, &draw, format, 1, 255);
    app->vk.CmdClearAttachments(draw.command, 1, &clear, 1, &lower);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetStencilCompareMask(draw.command, both_faces, 0xff);
    app->vk.CmdSetStencilWriteMask(draw.command, both_faces, 0xff);
    app->vk.CmdSetStencilReference(draw.command, both_faces, APP_OR(0x35, 0x36));
    for (int op = 0; op < 8; op++) {
        app->vk.CmdSetStencilOp(draw.command, both_faces, VK_STENCIL_OP_KEEP, (VkStencilOp)op,
                                VK_STENCIL_OP_KEEP, VK_COMPARE_OP_ALWAYS);
        draw_rect(app, &draw, 8 * op, 0, 8 * op + 8, 64, 0, RED);
    }
    draw_expect(&draw, 0, 0, 64, 64, RED);
    for (int i = 0; i < DRAW_PIXELS; i++) {
        expected[i] = after_op((VkStencilOp)(i % 64 / 8), i < DRAW_PIXELS / 2 ? 255 : 0, 0x35);
    }
    app_end_drawing(app, draw.command, &draw.target);
    app_transition(app, draw.command, &stencil, VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL,
                   VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    app->vk.CmdCopyImageToBuffer(draw.command, stencil.image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
                                 values.buffer, 1, &copy);
    draw_compare(app, &draw);
    memcpy(words, expected, sizeof(words));
    app_expect_words(app, "stencils", values.map, words, DRAW_PIXELS / 4);
}

/* 0x0f is written on the left and 0xf0 on the right; of four bits, the left ones are as asked. */
static void stencil_masks(struct app *app)
{
    VkFormat format = draw_stencil_format(app);
    struct app_graphics g;
    struct draw draw;
    stencil_init(app, &g, format);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin_deep(app, &draw, format, 1, 0);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetStencilOp(draw.command, both_faces, VK_STENCIL_OP_KEEP, VK_STENCIL_OP_REPLACE,
                            VK_STENCIL_OP_KEEP, VK_COMPARE_OP_ALWAYS);
    app->vk.CmdSetStencilCompareMask(draw.command, both_faces, 0xff);
    app->vk.CmdSetStencilReference(draw.command, both_faces, 0xff);
    app->vk.CmdSetStencilWriteMask(draw.command, both_faces, 0x0f);
    draw_rect(app, &draw, 0, 0, 32, 64, 0, RED);
    app->vk.CmdSetStencilWriteMask(draw.command, both_faces, 0xf0);
    draw_rect(app, &draw, 32, 0, 64, 64, 0, BLUE);
    app->vk.CmdSetStencilOp(draw.command, both_faces, VK_STENCIL_OP_KEEP, VK_STENCIL_OP_KEEP,
                            VK_STENCIL_OP_KEEP, VK_COMPARE_OP_EQUAL);
    app->vk.CmdSetStencilCompareMask(draw.command, both_faces, APP_OR(0x3c, 0xff));
    app->vk.CmdSetStencilReference(draw.command, both_faces, 0x0c);
    draw_rect(app, &draw, 0, 10, 64, 50, 0, GREEN);
    draw_expect(&draw, 0, 0, 32, 64, RED);
    draw_expect(&draw, 32, 0, 64, 64, BLUE);
    draw_expect(&draw, 0, 10, 32, 50, GREEN);
    draw_end(app, &draw);
}

/* --- samples ---------------------------------------------------------------------------------- */

/* One sample, two samples, and all four of a rectangle that ends in the middle of a pixel. */
static void multisample_resolve(struct app *app)
{
    VkSampleMask mask = APP_OR(1, 3);
    struct app_graphics g;
    struct draw draw;
    if (!app->properties.limits.standardSampleLocations) {
        app_skip(app, "no standardSampleLocations");
    }
    draw_rects_init(app, &g);
    g.samples.rasterizationSamples = VK_SAMPLE_COUNT_4_BIT;
    g.samples.pSampleMask = &mask;
    VkPipeline one = app_graphics_create(app, &g);
    mask = 6;
    VkPipeline two = app_graphics_create(app, &g);
    mask = 0xf;
    g.viewport.x = 0.5f;
    VkPipeline all = app_graphics_create(app, &g);
    draw_begin_samples(app, &draw);
    draw_bind(app, &draw, one);
    draw_rect(app, &draw, 0, 0, 16, 20, 0, GREY);
    draw_bind(app, &draw, two);
    draw_rect(app, &draw, 16, 0, 32, 20, 0, GREY);
    draw_bind(app, &draw, all);
    draw_rect(app, &draw, 40, 0, 50, 20, 0, GREY);
    draw_expect(&draw, 0, 0, 16, 20, 0xff202020);
    draw_expect(&draw, 16, 0, 32, 20, 0xff404040);
    draw_expect(&draw, 40, 0, 51, 20, 0xff404040);
    draw_expect(&draw, 41, 0, 50, 20, GREY);
    draw_end(app, &draw);
}

static void alpha_to_coverage(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    g.samples.rasterizationSamples = VK_SAMPLE_COUNT_4_BIT;
    g.samples.alphaToCoverageEnable = APP_OR(VK_TRUE, VK_FALSE);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin_samples(app, &draw);
    draw_bind(app, &draw, pipeline);
    draw_rect(app, &draw, 0, 0, 30, 20, 0, GREY);
    draw_rect(app, &draw, 10, 0, 40, 20, 0, 0x000000ff);
    draw_expect(&draw, 0, 0, 30, 20, GREY);
    draw_end(app, &draw);
}

/* The pipeline is made for one sample. */
static void dynamic_samples(struct app *app)
{
    static const VkSampleMask masks[] = {APP_OR(1, 2 + 4), 7};
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_RASTERIZATION_SAMPLES_EXT);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_SAMPLE_MASK_EXT);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin_samples(app, &draw);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetRasterizationSamplesEXT(draw.command, VK_SAMPLE_COUNT_4_BIT);
    app->vk.CmdSetSampleMaskEXT(draw.command, VK_SAMPLE_COUNT_4_BIT, &masks[0]);
    draw_rect(app, &draw, 0, 0, 16, 20, 0, GREY);
    app->vk.CmdSetSampleMaskEXT(draw.command, VK_SAMPLE_COUNT_4_BIT, &masks[1]);
    draw_rect(app, &draw, 16, 0, 32, 20, 0, GREY);
    draw_expect(&draw, 0, 0, 16, 20, 0xff202020);
    draw_expect(&draw, 16, 0, 32, 20, 0xff606060);
    draw_end(app, &draw);
}

/* Every four pixels get what one of them would: their middle. */
static void fragment_shading_rate(struct app *app)
{
    static const VkFragmentShadingRateCombinerOpKHR keep[2] = {
        VK_FRAGMENT_SHADING_RATE_COMBINER_OP_KEEP_KHR,
        VK_FRAGMENT_SHADING_RATE_COMBINER_OP_KEEP_KHR};
    const VkExtent2D size = {2, APP_OR(2, 1)};
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    g.stages[1].module = APP_SHADER(app, draw_coord_frag);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_FRAGMENT_SHADING_RATE_KHR);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetFragmentShadingRateKHR(draw.command, &size, keep);
    draw_rect(app, &draw, 0, 0, 64, 64, 0, 0);
    for (uint32_t i = 0; i < DRAW_PIXELS; i++) {
        draw.expected[i] = BLACK | (i / 64 | 1) << 8 | (i % 64 | 1);
    }
    draw_end(app, &draw);
}

const struct app_case app_cases_draw_state[] = {
    DRAW_CASE(scissor_and_viewport),
    DRAW_CASE(depth_compare_ops),
    DRAW_CASE(dynamic_depth_tests),
    DRAW_CASE(depth_bias),
    DRAW_CASE(stencil_ops),
    DRAW_CASE(stencil_masks),
    DRAW_CASE(multisample_resolve),
    DRAW_CASE(alpha_to_coverage),
    DRAW_CASE(several_viewports, "VkPhysicalDeviceFeatures.multiViewport",
              "VkPhysicalDeviceVulkan12Features.shaderOutputViewportIndex"),
    DRAW_CASE(depth_clamp, "VkPhysicalDeviceFeatures.depthClamp"),
    DRAW_CASE(depth_bounds, "VkPhysicalDeviceFeatures.depthBounds"),
    DRAW_CASE(depth_clip_enable, "VK_EXT_depth_clip_enable",
              "VkPhysicalDeviceDepthClipEnableFeaturesEXT.depthClipEnable"),
    DRAW_CASE(depth_clip_control, "VK_EXT_depth_clip_control",
              "VkPhysicalDeviceDepthClipControlFeaturesEXT.depthClipControl"),
    DRAW_CASE(dynamic_samples, "VK_EXT_extended_dynamic_state3",
              "VkPhysicalDeviceExtendedDynamicState3FeaturesEXT."
              "extendedDynamicState3RasterizationSamples",
              "VkPhysicalDeviceExtendedDynamicState3FeaturesEXT.extendedDynamicState3SampleMask"),
    DRAW_CASE(fragment_shading_rate, "VK_KHR_fragment_shading_rate",
              "VkPhysicalDeviceFragmentShadingRateFeaturesKHR.pipelineFragmentShadingRate"),
    {0},
};
