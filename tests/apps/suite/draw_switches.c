/* What else can be set between draws: pipelines here have it the other way. */
#include "draw.h"

/* clang-format off */
#include "half_vert.spv.h"
#include "pass_level_tesc.spv.h"
#include "pass_quad_tese.spv.h"
#include "red_frag.spv.h"
/* clang-format on */

#define STATE_2(feature) "VkPhysicalDeviceExtendedDynamicState2FeaturesEXT." feature
#define STATE_3(feature) "VkPhysicalDeviceExtendedDynamicState3FeaturesEXT." feature

/* --- depth and stencil ------------------------------------------------------------------------ */

/* Depths of a quarter and three are there, of which one is within the bounds. */
static void dynamic_depth_bounds(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    draw_depth_init(app, &g, VK_COMPARE_OP_ALWAYS);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_DEPTH_BOUNDS);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_DEPTH_BOUNDS_TEST_ENABLE);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_DEPTH_WRITE_ENABLE);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin_deep(app, &draw, DRAW_DEPTH, 1, 0);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetDepthBounds(draw.command, 0, 0);
    app->vk.CmdSetDepthBoundsTestEnable(draw.command, VK_FALSE);
    app->vk.CmdSetDepthWriteEnable(draw.command, VK_TRUE);
    draw_rect(app, &draw, 0, 0, 32, 64, 0.25f, BLUE);
    draw_rect(app, &draw, 32, 0, 64, 64, 0.75f, BLUE);
    app->vk.CmdSetDepthBounds(draw.command, 0.125f, APP_OR(0.625f, 0.875f));
    app->vk.CmdSetDepthBoundsTestEnable(draw.command, VK_TRUE);
    app->vk.CmdSetDepthWriteEnable(draw.command, VK_FALSE);
    draw_rect(app, &draw, 0, 20, 64, 40, 0, GREEN);
    draw_expect(&draw, 0, 0, 64, 64, BLUE);
    draw_expect(&draw, 0, 20, 32, 40, GREEN);
    draw_end(app, &draw);
}

/* The test lets nothing pass. */
static void dynamic_stencil_test(struct app *app)
{
    const VkFormat format = draw_stencil_format(app);
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    g.rendering.depthAttachmentFormat = g.rendering.stencilAttachmentFormat = format;
    g.depth.front.compareOp = g.depth.back.compareOp = VK_COMPARE_OP_NEVER;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_STENCIL_TEST_ENABLE);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin_deep(app, &draw, format, 1, 0);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetStencilTestEnable(draw.command, APP_OR(VK_TRUE, VK_FALSE));
    draw_rect(app, &draw, 0, 0, 40, 40, 0, RED);
    app->vk.CmdSetStencilTestEnable(draw.command, VK_FALSE);
    draw_rect(app, &draw, 20, 20, 60, 60, 0, GREEN);
    draw_expect(&draw, 20, 20, 60, 60, GREEN);
    draw_end(app, &draw);
}

/* What lies behind the last depth is there only where nothing is clipped. */
static void dynamic_depth_clip(struct app *app)
{
    VkPipelineRasterizationDepthClipStateCreateInfoEXT clip = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_DEPTH_CLIP_STATE_CREATE_INFO_EXT};
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    g.raster.pNext = &clip;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_DEPTH_CLIP_ENABLE_EXT);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetDepthClipEnableEXT(draw.command, APP_OR(VK_TRUE, VK_FALSE));
    draw_rect(app, &draw, 0, 0, 40, 40, 1.5f, RED);
    app->vk.CmdSetDepthClipEnableEXT(draw.command, VK_FALSE);
    draw_rect(app, &draw, 20, 20, 60, 60, 1.5f, GREEN);
    draw_expect(&draw, 20, 20, 60, 60, GREEN);
    draw_end(app, &draw);
}

/* Depths from -1 to 1: -0.5 and 0.5 are a quarter and three. Then from 0 to 1. */
static void dynamic_depth_range(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    draw_depth_init(app, &g, VK_COMPARE_OP_LESS);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_DEPTH_CLIP_NEGATIVE_ONE_TO_ONE_EXT);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin_deep(app, &draw, DRAW_DEPTH, 0.625f, 0);
    for (int i = 0; i < 2; i++) {
        draw_bind(app, &draw, pipeline);
        app->vk.CmdSetDepthClipNegativeOneToOneEXT(draw.command,
                                                   i == 0 ? APP_OR(VK_TRUE, VK_FALSE) : VK_FALSE);
        draw_rect(app, &draw, 0, 32 * i, 32, 32 * i + 30, -0.5f, GREEN);
        draw_rect(app, &draw, 32, 32 * i, 64, 32 * i + 30, 0.5f, BLUE);
    }
    draw_expect(&draw, 0, 0, 32, 30, GREEN);
    draw_expect(&draw, 32, 32, 64, 62, BLUE);
    draw_end(app, &draw);
}

/* As a depth, not in units of the format. */
static void depth_bias_2(struct app *app)
{
    const VkDepthBiasRepresentationInfoEXT as_float = {
        .sType = VK_STRUCTURE_TYPE_DEPTH_BIAS_REPRESENTATION_INFO_EXT,
        .depthBiasRepresentation = VK_DEPTH_BIAS_REPRESENTATION_FLOAT_EXT,
    };
    VkDepthBiasInfoEXT bias = {
        .sType = VK_STRUCTURE_TYPE_DEPTH_BIAS_INFO_EXT,
        .pNext = &as_float,
        .depthBiasConstantFactor = APP_OR(-0.25f, 0),
    };
    struct app_graphics g;
    struct draw draw;
    draw_depth_init(app, &g, VK_COMPARE_OP_LESS);
    g.raster.depthBiasEnable = VK_TRUE;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_DEPTH_BIAS);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin_deep(app, &draw, DRAW_DEPTH, 0.375f, 0);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetDepthBias2EXT(draw.command, &bias);
    draw_rect(app, &draw, 0, 0, 40, 40, 0.5f, GREEN);
    bias.depthBiasConstantFactor = 0.25f;
    app->vk.CmdSetDepthBias2EXT(draw.command, &bias);
    draw_rect(app, &draw, 20, 20, 60, 60, 0.25f, RED);
    draw_expect(&draw, 0, 0, 40, 40, GREEN);
    draw_end(app, &draw);
}

/* --- samples, colours and lines --------------------------------------------------------------- */

/* Without alpha there is no coverage, unless nobody asks. */
static void dynamic_alpha_to_coverage(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    g.samples.rasterizationSamples = VK_SAMPLE_COUNT_4_BIT;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_ALPHA_TO_COVERAGE_ENABLE_EXT);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin_samples(app, &draw);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetAlphaToCoverageEnableEXT(draw.command, APP_OR(VK_TRUE, VK_FALSE));
    draw_rect(app, &draw, 0, 0, 40, 40, 0, 0x000000ff);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetAlphaToCoverageEnableEXT(draw.command, VK_FALSE);
    draw_rect(app, &draw, 20, 20, 60, 60, 0, 0x0000ff00);
    draw_expect(&draw, 20, 20, 60, 60, 0x0000ff00);
    draw_end(app, &draw);
}

static void dynamic_alpha_to_one(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    g.samples.rasterizationSamples = VK_SAMPLE_COUNT_4_BIT;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_ALPHA_TO_ONE_ENABLE_EXT);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin_samples(app, &draw);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetAlphaToOneEnableEXT(draw.command, APP_OR(VK_TRUE, VK_FALSE));
    draw_rect(app, &draw, 0, 0, 40, 40, 0, 0x000000ff);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetAlphaToOneEnableEXT(draw.command, VK_FALSE);
    draw_rect(app, &draw, 20, 20, 60, 60, 0, 0x0000ff00);
    draw_expect(&draw, 0, 0, 40, 40, 0xff0000ff);
    draw_expect(&draw, 20, 20, 60, 60, 0x0000ff00);
    draw_end(app, &draw);
}

static void dynamic_logic_op_enable(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    g.blend.logicOp = VK_LOGIC_OP_COPY_INVERTED;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_LOGIC_OP_ENABLE_EXT);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetLogicOpEnableEXT(draw.command, APP_OR(VK_TRUE, VK_FALSE));
    draw_rect(app, &draw, 0, 0, 40, 40, 0, 0x00ffff12);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetLogicOpEnableEXT(draw.command, VK_FALSE);
    draw_rect(app, &draw, 20, 20, 60, 60, 0, GREEN);
    draw_expect(&draw, 0, 0, 40, 40, 0xff0000ed);
    draw_expect(&draw, 20, 20, 60, 60, GREEN);
    draw_end(app, &draw);
}

/* Two lines of which one has a pattern: two pixels for each bit. */
static void dynamic_line_stipple(struct app *app)
{
    static const struct draw_vertex vertices[] = {
        {8.25f, 8.5f, RED}, {30.25f, 8.5f, RED}, {8.25f, 30.5f, GREEN}, {30.25f, 30.5f, GREEN}};
    VkPipelineRasterizationLineStateCreateInfoEXT lines = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_LINE_STATE_CREATE_INFO_EXT};
    struct app_graphics g;
    struct draw draw;
    draw_vertices_init(app, &g);
    g.assembly.topology = VK_PRIMITIVE_TOPOLOGY_LINE_LIST;
    g.raster.pNext = &lines;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_LINE_STIPPLE_EXT);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_LINE_STIPPLE_ENABLE_EXT);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_LINE_RASTERIZATION_MODE_EXT);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    draw_bind_vertices(app, &draw, vertices, 4);
    for (uint32_t i = 0; i < 2; i++) {
        draw_bind(app, &draw, pipeline);
        app->vk.CmdSetLineRasterizationModeEXT(draw.command,
                                               VK_LINE_RASTERIZATION_MODE_BRESENHAM_EXT);
        app->vk.CmdSetLineStipple(draw.command, 2, 0x000d);
        app->vk.CmdSetLineStippleEnableEXT(draw.command, i == APP_OR(1, 0));
        app->vk.CmdDraw(draw.command, 2, 1, 2 * i, 0);
    }
    draw_expect(&draw, 8, 8, 30, 9, RED);
    draw_expect(&draw, 8, 30, 10, 31, GREEN);
    draw_expect(&draw, 12, 30, 16, 31, GREEN);
    draw_end(app, &draw);
}

/* --- tessellation ----------------------------------------------------------------------------- */

/* Fills the left half for each patch. */
static VkPipelineLayout init_patches(struct app *app, struct app_graphics *g)
{
    VkPipelineLayout layout =
        app_layout(app, VK_NULL_HANDLE, sizeof(float), VK_SHADER_STAGE_TESSELLATION_CONTROL_BIT);
    app_graphics_init(g, layout);
    app_graphics_stage(g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, half_vert));
    app_graphics_stage(g, VK_SHADER_STAGE_TESSELLATION_CONTROL_BIT,
                       APP_SHADER(app, pass_level_tesc));
    app_graphics_stage(g, VK_SHADER_STAGE_TESSELLATION_EVALUATION_BIT,
                       APP_SHADER(app, pass_quad_tese));
    app_graphics_stage(g, VK_SHADER_STAGE_FRAGMENT_BIT, APP_SHADER(app, red_frag));
    g->assembly.topology = VK_PRIMITIVE_TOPOLOGY_PATCH_LIST;
    g->tessellation.patchControlPoints = 1;
    return layout;
}

static void begin_patches(struct app *app, struct draw *draw, VkPipelineLayout layout)
{
    static const float level = 2;
    draw_begin(app, draw);
    app->vk.CmdPushConstants(draw->command, layout, VK_SHADER_STAGE_TESSELLATION_CONTROL_BIT, 0,
                             sizeof(level), &level);
}

/* Two points are half a patch of four, or one of two. */
static void dynamic_patch_points(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    VkPipelineLayout layout = init_patches(app, &g);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_PATCH_CONTROL_POINTS_EXT);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_SCISSOR);
    VkPipeline pipeline = app_graphics_create(app, &g);
    begin_patches(app, &draw, layout);
    for (int i = 0; i < 2; i++) {
        const VkRect2D part = {{0, 32 * i}, {64, 32}};
        draw_bind(app, &draw, pipeline);
        app->vk.CmdSetPatchControlPointsEXT(draw.command, i == APP_OR(1, 0) ? 2 : 4);
        app->vk.CmdSetScissor(draw.command, 0, 1, &part);
        app->vk.CmdDraw(draw.command, 2, 1, 0, 0);
    }
    draw_expect(&draw, 0, 32, 32, 64, RED);
    draw_end(app, &draw);
}

/* With the other origin, triangles turn the other way, and are culled or not. */
static void dynamic_domain_origin(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    VkPipelineLayout layout = init_patches(app, &g);
    g.raster.cullMode = VK_CULL_MODE_BACK_BIT;
    g.raster.frontFace = VK_FRONT_FACE_CLOCKWISE;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_TESSELLATION_DOMAIN_ORIGIN_EXT);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_SCISSOR);
    VkPipeline pipeline = app_graphics_create(app, &g);
    begin_patches(app, &draw, layout);
    for (int i = 0; i < 2; i++) {
        const VkRect2D part = {{0, 32 * i}, {64, 32}};
        draw_bind(app, &draw, pipeline);
        app->vk.CmdSetTessellationDomainOriginEXT(
            draw.command, i == APP_OR(0, 1) ? VK_TESSELLATION_DOMAIN_ORIGIN_UPPER_LEFT
                                            : VK_TESSELLATION_DOMAIN_ORIGIN_LOWER_LEFT);
        app->vk.CmdSetScissor(draw.command, 0, 1, &part);
        app->vk.CmdDraw(draw.command, 1, 1, 0, 0);
    }
    draw_expect(&draw, 0, 32, 32, 64, RED);
    draw_end(app, &draw);
}

#define THIRD "VK_EXT_extended_dynamic_state3"

const struct app_case app_cases_draw_switches[] = {
    DRAW_CASE(dynamic_stencil_test),
    DRAW_CASE(dynamic_depth_bounds, "VkPhysicalDeviceFeatures.depthBounds"),
    DRAW_CASE(dynamic_depth_clip, THIRD, STATE_3("extendedDynamicState3DepthClipEnable"),
              "VK_EXT_depth_clip_enable",
              "VkPhysicalDeviceDepthClipEnableFeaturesEXT.depthClipEnable"),
    DRAW_CASE(dynamic_depth_range, THIRD, STATE_3("extendedDynamicState3DepthClipNegativeOneToOne"),
              "VK_EXT_depth_clip_control",
              "VkPhysicalDeviceDepthClipControlFeaturesEXT.depthClipControl"),
    DRAW_CASE(depth_bias_2, "VK_EXT_depth_bias_control",
              "VkPhysicalDeviceDepthBiasControlFeaturesEXT.depthBiasControl",
              "VkPhysicalDeviceDepthBiasControlFeaturesEXT.floatRepresentation"),
    DRAW_CASE(dynamic_alpha_to_coverage, THIRD,
              STATE_3("extendedDynamicState3AlphaToCoverageEnable")),
    DRAW_CASE(dynamic_alpha_to_one, THIRD, STATE_3("extendedDynamicState3AlphaToOneEnable"),
              "VkPhysicalDeviceFeatures.alphaToOne"),
    DRAW_CASE(dynamic_logic_op_enable, THIRD, STATE_3("extendedDynamicState3LogicOpEnable"),
              "VkPhysicalDeviceFeatures.logicOp"),
    DRAW_CASE(dynamic_line_stipple, THIRD, STATE_3("extendedDynamicState3LineRasterizationMode"),
              STATE_3("extendedDynamicState3LineStippleEnable"), "VK_EXT_line_rasterization",
              "VkPhysicalDeviceLineRasterizationFeatures.bresenhamLines",
              "VkPhysicalDeviceLineRasterizationFeatures.stippledBresenhamLines"),
    DRAW_CASE(dynamic_patch_points, "VkPhysicalDeviceFeatures.tessellationShader",
              "VK_EXT_extended_dynamic_state2", STATE_2("extendedDynamicState2PatchControlPoints")),
    DRAW_CASE(dynamic_domain_origin, "VkPhysicalDeviceFeatures.tessellationShader", THIRD,
              STATE_3("extendedDynamicState3TessellationDomainOrigin")),
    {0},
};
