/* Shader stages other than vertex, fragment and compute, and what stages can write. */
#include "draw.h"

#include <string.h>

/* clang-format off */
#include "half_vert.spv.h"
#include "pass_amplify_geom.spv.h"
#include "pass_capture_vert.spv.h"
#include "pass_cell_mesh.spv.h"
#include "pass_clip_vert.spv.h"
#include "pass_corner_frag.spv.h"
#include "pass_corner_vert.spv.h"
#include "pass_cull_vert.spv.h"
#include "pass_full_vert.spv.h"
#include "pass_layer_vert.spv.h"
#include "pass_level_tesc.spv.h"
#include "pass_points_tese.spv.h"
#include "pass_quad_tese.spv.h"
#include "pass_spread_task.spv.h"
#include "pass_strip_mesh.spv.h"
#include "red_frag.spv.h"
/* clang-format on */

/* --- helpers ---------------------------------------------------------------------------------- */

/* Red there, and black everywhere else. */
static void expect_red(struct app *app, const uint32_t *pixels,
                       bool (*is_red)(uint32_t x, uint32_t y))
{
    uint32_t expected[DRAW_PIXELS];
    for (uint32_t i = 0; i < DRAW_PIXELS; i++) {
        expected[i] = is_red(i % APP_WIDTH, i / APP_WIDTH) ? RED : BLACK;
    }
    app_expect_words(app, "pixels", pixels, expected, DRAW_PIXELS);
}

static bool in_left_half(uint32_t x, uint32_t y)
{
    (void)y;
    return x < APP_WIDTH / 2;
}

static bool in_right_half(uint32_t x, uint32_t y)
{
    (void)y;
    return x >= APP_WIDTH / 2;
}

/* A first stage, and red pixels. */
static void red_graphics(struct app *app, struct app_graphics *g, VkShaderStageFlagBits stage,
                         VkShaderModule module)
{
    app_graphics_init(g, app_layout(app, VK_NULL_HANDLE, 0, 0));
    app_graphics_stage(g, stage, module);
    app_graphics_stage(g, VK_SHADER_STAGE_FRAGMENT_BIT, APP_SHADER(app, red_frag));
}

/* Runs what was drawn: red there, and black everywhere else. */
static void end_red(struct app *app, struct draw *draw, bool (*is_red)(uint32_t x, uint32_t y))
{
    for (uint32_t i = 0; i < DRAW_PIXELS; i++) {
        draw->expected[i] = is_red(i % APP_WIDTH, i / APP_WIDTH) ? RED : BLACK;
    }
    draw_end(app, draw);
}

/* --- distances, layers, viewports ------------------------------------------------------------- */

static void clip_distances(struct app *app)
{
    struct app_graphics g;
    red_graphics(app, &g, VK_SHADER_STAGE_VERTEX_BIT,
                 APP_SHADER(app, APP_OR(pass_clip_vert, pass_full_vert)));
    expect_red(app, app_draw_picture(app, app_graphics_create(app, &g), 3), in_right_half);
}

static bool in_even_quarter(uint32_t x, uint32_t y)
{
    (void)y;
    return x / (APP_WIDTH / 4) % 2 == 0;
}

static void cull_distances(struct app *app)
{
    struct app_graphics g;
    red_graphics(app, &g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, pass_cull_vert));
    VkPipeline pipeline = app_graphics_create(app, &g);
    struct draw draw;
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdDraw(draw.command, 6, APP_OR(4, 2), 0, 0);
    end_red(app, &draw, in_even_quarter);
}

/* Instance i draws to layer i, through viewport i, whose width is 64 >> i. */
static void layers_and_viewports(struct app *app)
{
    VkImageCreateInfo info =
        app_image_info(VK_FORMAT_R8G8B8A8_UNORM, APP_WIDTH, APP_HEIGHT,
                       VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT);
    info.arrayLayers = 3;
    struct app_image layers = app_image(app, &info, VK_IMAGE_VIEW_TYPE_2D_ARRAY);
    VkViewport viewports[3];
    VkRect2D scissors[3];
    struct app_buffer pixels[3];
    struct app_graphics g;
    red_graphics(app, &g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, pass_layer_vert));
    for (uint32_t i = 0; i < 3; i++) {
        viewports[i] = g.viewport;
        viewports[i].width = (float)(APP_WIDTH >> i);
        scissors[i] = g.scissor;
        pixels[i] = app_buffer(app, DRAW_PIXELS * 4, 0);
    }
    g.viewports.viewportCount = g.viewports.scissorCount = 3;
    g.viewports.pViewports = viewports;
    g.viewports.pScissors = scissors;
    VkPipeline pipeline = app_graphics_create(app, &g);
    VkCommandBuffer command = app_begin(app);
    app_begin_drawing(app, command, &layers);
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    app->vk.CmdDraw(command, 6, APP_OR(3, 2), 0, 0);
    app_end_drawing(app, command, &layers);
    for (uint32_t i = 0; i < 3; i++) {
        app_read(app, command, &layers, i, &pixels[i]);
    }
    app_run(app, command);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t expected[DRAW_PIXELS];
        for (uint32_t j = 0; j < DRAW_PIXELS; j++) {
            expected[j] = j % APP_WIDTH < APP_WIDTH / 2u >> i ? RED : BLACK;
        }
        app_expect_words(app, "layer", pixels[i].map, expected, DRAW_PIXELS);
    }
}

/* --- tessellation and geometry ---------------------------------------------------------------- */

static void tessellate(struct app *app, VkShaderModule evaluation, float level,
                       bool (*is_red)(uint32_t x, uint32_t y))
{
    struct app_graphics g;
    VkPipelineLayout layout =
        app_layout(app, VK_NULL_HANDLE, sizeof(level), VK_SHADER_STAGE_TESSELLATION_CONTROL_BIT);
    red_graphics(app, &g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, half_vert));
    app_graphics_stage(&g, VK_SHADER_STAGE_TESSELLATION_CONTROL_BIT,
                       APP_SHADER(app, pass_level_tesc));
    app_graphics_stage(&g, VK_SHADER_STAGE_TESSELLATION_EVALUATION_BIT, evaluation);
    g.info.layout = layout;
    g.assembly.topology = VK_PRIMITIVE_TOPOLOGY_PATCH_LIST;
    g.tessellation.patchControlPoints = 1;
    VkPipeline pipeline = app_graphics_create(app, &g);
    struct draw draw;
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdPushConstants(draw.command, layout, VK_SHADER_STAGE_TESSELLATION_CONTROL_BIT, 0,
                             sizeof(level), &level);
    app->vk.CmdDraw(draw.command, 1, 1, 0, 0);
    end_red(app, &draw, is_red);
}

static bool on_grid(uint32_t x, uint32_t y)
{
    return x % 8 == 0 && y % 8 == 0 && x >= 8 && x <= 40 && y >= 8 && y <= 40;
}

/* One patch becomes 5 x 5 points. */
static void tessellation_points(struct app *app)
{
    tessellate(app, APP_SHADER(app, pass_points_tese), APP_OR(4, 5), on_grid);
}

/* One patch becomes 8 x 8 squares without holes. */
static void tessellation_fills(struct app *app)
{
    tessellate(app, APP_SHADER(app, pass_quad_tese), APP_OR(8, 0), in_left_half);
}

static bool in_steps(uint32_t x, uint32_t y)
{
    return x % 32 < 16 && (x % 32 < 8) == (y < 32);
}

/* Two points become four rectangles. */
static void geometry_amplifies(struct app *app)
{
    struct app_graphics g;
    red_graphics(app, &g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, half_vert));
    app_graphics_stage(&g, VK_SHADER_STAGE_GEOMETRY_BIT, APP_SHADER(app, pass_amplify_geom));
    g.assembly.topology = VK_PRIMITIVE_TOPOLOGY_POINT_LIST;
    expect_red(app, app_draw_picture(app, app_graphics_create(app, &g), APP_OR(2, 1)), in_steps);
}

/* --- mesh shaders ----------------------------------------------------------------------------- */

static VkPipeline mesh_pipeline(struct app *app, VkShaderModule task, VkShaderModule mesh)
{
    struct app_graphics g;
    red_graphics(app, &g, VK_SHADER_STAGE_MESH_BIT_EXT, mesh);
    if (task != VK_NULL_HANDLE) {
        app_graphics_stage(&g, VK_SHADER_STAGE_TASK_BIT_EXT, task);
    }
    g.info.pVertexInputState = NULL;
    g.info.pInputAssemblyState = NULL;
    return app_graphics_create(app, &g);
}

static bool in_three_strips(uint32_t x, uint32_t y)
{
    (void)y;
    return x < 24;
}

static void mesh_draws(struct app *app)
{
    VkPipeline pipeline = mesh_pipeline(app, VK_NULL_HANDLE, APP_SHADER(app, pass_strip_mesh));
    struct draw draw;
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdDrawMeshTasksEXT(draw.command, APP_OR(3, 4), 1, 1);
    end_red(app, &draw, in_three_strips);
}

static void mesh_draws_indirect(struct app *app)
{
    const VkDrawMeshTasksIndirectCommandEXT groups = {APP_OR(3, 2), 1, 1};
    VkPipeline pipeline = mesh_pipeline(app, VK_NULL_HANDLE, APP_SHADER(app, pass_strip_mesh));
    struct app_buffer counts = app_buffer(app, 64, VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT);
    memcpy((char *)counts.map + 16, &groups, sizeof(groups));
    struct draw draw;
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdDrawMeshTasksIndirectEXT(draw.command, counts.buffer, 16, 1, sizeof(groups));
    end_red(app, &draw, in_three_strips);
}

static bool in_stairs(uint32_t x, uint32_t y)
{
    return y < 40 && x / 8 <= y / 8;
}

/* Row i has i + 1 squares: each task starts another number of meshes, and tells them the row. */
static void task_starts_meshes(struct app *app)
{
    VkPipeline pipeline =
        mesh_pipeline(app, APP_SHADER(app, pass_spread_task), APP_SHADER(app, pass_cell_mesh));
    struct draw draw;
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdDrawMeshTasksEXT(draw.command, APP_OR(5, 4), 1, 1);
    end_red(app, &draw, in_stairs);
}

/* --- transform feedback ----------------------------------------------------------------------- */

enum { CAPTURED = 12 };

struct capture {
    VkPipeline pipeline;
    struct app_buffer vertices, counter;
};

/* Points that nobody rasterizes: two words for each vertex. */
static struct capture capture(struct app *app)
{
    struct capture made = {
        .vertices = app_buffer(app, 256, VK_BUFFER_USAGE_TRANSFORM_FEEDBACK_BUFFER_BIT_EXT),
        .counter = app_buffer(app, 16,
                              VK_BUFFER_USAGE_TRANSFORM_FEEDBACK_COUNTER_BUFFER_BIT_EXT |
                                  VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT),
    };
    struct app_graphics g;
    app_graphics_init(&g, app_layout(app, VK_NULL_HANDLE, 0, 0));
    app_graphics_stage(&g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, pass_capture_vert));
    g.assembly.topology = VK_PRIMITIVE_TOPOLOGY_POINT_LIST;
    g.raster.rasterizerDiscardEnable = VK_TRUE;
    made.pipeline = app_graphics_create(app, &g);
    return made;
}

/* The pipeline has no attachments. The counter's first use, where it goes on from 0, is the
 * caller's. */
static void record_capture(struct app *app, VkCommandBuffer command, const struct capture *from,
                           bool is_resumed, uint32_t first, uint32_t count)
{
    const VkDeviceSize offset = 0;
    const VkRenderingInfo rendering = app_rendering(NULL, 0);
    app->vk.CmdBeginRendering(command, &rendering);
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_GRAPHICS, from->pipeline);
    app->vk.CmdBindTransformFeedbackBuffersEXT(command, 0, 1, &from->vertices.buffer, &offset,
                                               &from->vertices.size);
    app->vk.CmdBeginTransformFeedbackEXT(command, 0, is_resumed ? 1 : 0, &from->counter.buffer,
                                         &offset);
    app->vk.CmdDraw(command, count, 1, first, 0);
    app->vk.CmdEndTransformFeedbackEXT(command, 0, 1, &from->counter.buffer, &offset);
    app->vk.CmdEndRendering(command);
}

static void expect_captured(struct app *app, const struct capture *from)
{
    uint32_t expected[2 * CAPTURED];
    const uint32_t bytes = sizeof(expected);
    for (uint32_t i = 0; i < CAPTURED; i++) {
        expected[2 * i] = i + 100;
        expected[2 * i + 1] = i * i;
    }
    app_expect_words(app, "captured", from->vertices.map, expected, 2 * CAPTURED);
    app_expect_words(app, "counter", from->counter.map, &bytes, 1);
}

static void transform_feedback(struct app *app)
{
    struct capture from = capture(app);
    VkCommandBuffer command = app_begin(app);
    record_capture(app, command, &from, false, 0, APP_OR(CAPTURED, CAPTURED - 1));
    app_run(app, command);
    expect_captured(app, &from);
}

/* The counter says where to go on. */
static void transform_feedback_resumes(struct app *app)
{
    struct capture from = capture(app);
    VkCommandBuffer command = app_begin(app);
    record_capture(app, command, &from, false, 0, 5);
    app_barrier(app, command);
    record_capture(app, command, &from, APP_OR(true, false), 5, CAPTURED - 5);
    app_run(app, command);
    expect_captured(app, &from);
}

/* As many vertices are drawn as were captured. */
static void draw_indirect_byte_count(struct app *app)
{
    VkPhysicalDeviceTransformFeedbackPropertiesEXT feedback = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TRANSFORM_FEEDBACK_PROPERTIES_EXT};
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &feedback};
    app->vki.GetPhysicalDeviceProperties2(app->gpu, &properties);
    if (!feedback.transformFeedbackDraw) {
        app_skip(app, "no transformFeedbackDraw");
    }
    struct capture from = capture(app);
    struct app_graphics g;
    red_graphics(app, &g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, half_vert));
    VkPipeline pipeline = app_graphics_create(app, &g);
    struct draw draw;
    draw_init(app, &draw);
    record_capture(app, draw.command, &from, false, 0, 6);
    app_barrier(app, draw.command);
    app_begin_drawing(app, draw.command, &draw.target);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdDrawIndirectByteCountEXT(draw.command, 1, 0, from.counter.buffer, 0, 0,
                                        APP_OR(8, 16));
    end_red(app, &draw, in_left_half);
}

/* --- other stages' abilities ------------------------------------------------------------------ */

/* The draw of all of the picture does not happen, the draw of a half does. */
static void conditional_rendering(struct app *app)
{
    struct app_buffer conditions =
        app_buffer(app, 16, VK_BUFFER_USAGE_CONDITIONAL_RENDERING_BIT_EXT);
    struct app_graphics g;
    VkPipeline pipelines[2];
    red_graphics(app, &g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, pass_full_vert));
    pipelines[0] = app_graphics_create(app, &g);
    red_graphics(app, &g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, half_vert));
    pipelines[1] = app_graphics_create(app, &g);
    ((uint32_t *)conditions.map)[1] = APP_OR(1, 0);
    struct draw draw;
    draw_begin(app, &draw);
    for (uint32_t i = 0; i < 3; i++) {
        const VkConditionalRenderingBeginInfoEXT begin = {
            .sType = VK_STRUCTURE_TYPE_CONDITIONAL_RENDERING_BEGIN_INFO_EXT,
            .buffer = conditions.buffer,
            .offset = i == 0 ? 0 : 4,
            .flags = i == 2 ? VK_CONDITIONAL_RENDERING_INVERTED_BIT_EXT : 0,
        };
        draw_bind(app, &draw, pipelines[i % 2]);
        app->vk.CmdBeginConditionalRenderingEXT(draw.command, &begin);
        app->vk.CmdDraw(draw.command, i % 2 == 0 ? 3 : 6, 1, 0, 0);
        app->vk.CmdEndConditionalRenderingEXT(draw.command);
    }
    end_red(app, &draw, in_left_half);
}

static void fragment_barycentrics(struct app *app)
{
    struct app_graphics g;
    app_graphics_init(&g, app_layout(app, VK_NULL_HANDLE, 0, 0));
    app_graphics_stage(&g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, pass_corner_vert));
    app_graphics_stage(&g, VK_SHADER_STAGE_FRAGMENT_BIT, APP_SHADER(app, pass_corner_frag));
    expect_red(app, app_draw_picture(app, app_graphics_create(app, &g), APP_OR(6, 3)),
               in_left_half);
}

#define TESSELLATES "VkPhysicalDeviceFeatures.tessellationShader"
#define MESHES "VK_EXT_mesh_shader", "VkPhysicalDeviceMeshShaderFeaturesEXT.meshShader"
#define CAPTURES                                                                                   \
    "VK_EXT_transform_feedback", "VkPhysicalDeviceTransformFeedbackFeaturesEXT.transformFeedback"
#define LAYERS "VkPhysicalDeviceVulkan12Features.shaderOutputLayer"
#define VIEWPORTS "VkPhysicalDeviceVulkan12Features.shaderOutputViewportIndex"
#define CONDITIONAL "VkPhysicalDeviceConditionalRenderingFeaturesEXT.conditionalRendering"
#define BARYCENTRIC "VkPhysicalDeviceFragmentShaderBarycentricFeaturesKHR.fragmentShaderBarycentric"

const struct app_case app_cases_stages[] = {
    DRAW_CASE(clip_distances, "VkPhysicalDeviceFeatures.shaderClipDistance"),
    DRAW_CASE(cull_distances, "VkPhysicalDeviceFeatures.shaderCullDistance"),
    DRAW_CASE(layers_and_viewports, LAYERS, VIEWPORTS, "VkPhysicalDeviceFeatures.multiViewport"),
    DRAW_CASE(tessellation_points, TESSELLATES),
    DRAW_CASE(tessellation_fills, TESSELLATES),
    DRAW_CASE(geometry_amplifies, "VkPhysicalDeviceFeatures.geometryShader"),
    DRAW_CASE(mesh_draws, MESHES),
    DRAW_CASE(mesh_draws_indirect, MESHES),
    DRAW_CASE(task_starts_meshes, MESHES, "VkPhysicalDeviceMeshShaderFeaturesEXT.taskShader"),
    DRAW_CASE(transform_feedback, CAPTURES),
    DRAW_CASE(transform_feedback_resumes, CAPTURES),
    DRAW_CASE(draw_indirect_byte_count, CAPTURES),
    DRAW_CASE(conditional_rendering, "VK_EXT_conditional_rendering", CONDITIONAL),
    DRAW_CASE(fragment_barycentrics, "VK_KHR_fragment_shader_barycentric", BARYCENTRIC),
    {0},
};
