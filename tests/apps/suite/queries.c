/* Queries: what they count, and the ways to their results. */
#include "draw.h"

/* clang-format off */
#include "pass_amplify_geom.spv.h"
#include "pass_capture_vert.spv.h"
/* clang-format on */

enum { HALF = APP_WIDTH * APP_HEIGHT / 2 };

/* --- helpers ---------------------------------------------------------------------------------- */

static VkQueryPool query_pool(struct app *app, VkQueryType type, uint32_t count,
                              VkQueryPipelineStatisticFlags statistics)
{
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = type,
        .queryCount = count,
        .pipelineStatistics = statistics,
    };
    VkQueryPool pool;
    APP_CHECK(app, CreateQueryPool, app->device, &info, NULL, &pool);
    app_keep(app, QUERY_POOL, pool);
    return pool;
}

static VkPipeline red_half(struct app *app)
{
    struct app_graphics g;
    app_graphics_red(app, &g);
    return app_graphics_create(app, &g);
}

/* Query 0 sees the left half drawn, query 1 sees nothing, query 2 sees the half twice. */
static void record_queries(struct app *app, VkCommandBuffer command, VkQueryPool pool,
                           VkPipeline pipeline, VkQueryControlFlags flags)
{
    struct app_image target = app_target(app, VK_FORMAT_R8G8B8A8_UNORM, VK_SAMPLE_COUNT_1_BIT);
    static const uint32_t instances[3] = {1, 0, APP_OR(2, 1)};
    app_begin_drawing(app, command, &target);
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    for (uint32_t i = 0; i < 3; i++) {
        app->vk.CmdBeginQuery(command, pool, i, flags);
        if (instances[i] != 0) {
            app->vk.CmdDraw(command, 6, instances[i], 0, 0);
        }
        app->vk.CmdEndQuery(command, pool, i);
    }
    app_end_drawing(app, command, &target);
}

/* --- what queries count ----------------------------------------------------------------------- */

static void occlusion_query_precise(struct app *app)
{
    static const uint32_t expected[3] = {HALF, 0, 2 * HALF};
    uint32_t results[3] = {0};
    VkQueryPool pool = query_pool(app, VK_QUERY_TYPE_OCCLUSION, 3, 0);
    VkPipeline pipeline = red_half(app);
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdResetQueryPool(command, pool, 0, 3);
    record_queries(app, command, pool, pipeline, VK_QUERY_CONTROL_PRECISE_BIT);
    app_run(app, command);
    APP_CHECK(app, GetQueryPoolResults, app->device, pool, 0, 3, sizeof(results), results, 4,
              VK_QUERY_RESULT_WAIT_BIT);
    app_expect_words(app, "samples", results, expected, 3);
}

/* Vertices and primitives are exact, invocations of shaders may be more than needed. */
static void pipeline_statistics_query(struct app *app)
{
    static const uint32_t expected[6] = {6, 2, 0, 0, 12, 4};
    uint32_t results[3][4] = {0}, exact[6];
    VkQueryPool pool = query_pool(app, VK_QUERY_TYPE_PIPELINE_STATISTICS, 3,
                                  VK_QUERY_PIPELINE_STATISTIC_INPUT_ASSEMBLY_VERTICES_BIT |
                                      VK_QUERY_PIPELINE_STATISTIC_INPUT_ASSEMBLY_PRIMITIVES_BIT |
                                      VK_QUERY_PIPELINE_STATISTIC_VERTEX_SHADER_INVOCATIONS_BIT |
                                      VK_QUERY_PIPELINE_STATISTIC_FRAGMENT_SHADER_INVOCATIONS_BIT);
    VkPipeline pipeline = red_half(app);
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdResetQueryPool(command, pool, 0, 3);
    record_queries(app, command, pool, pipeline, 0);
    app_run(app, command);
    APP_CHECK(app, GetQueryPoolResults, app->device, pool, 0, 3, sizeof(results), results,
              sizeof(results[0]), VK_QUERY_RESULT_WAIT_BIT);
    for (uint32_t i = 0; i < 3; i++) {
        exact[2 * i] = results[i][0];
        exact[2 * i + 1] = results[i][1];
        app_expect(app, i == 1 || (results[i][2] != 0 && results[i][3] >= HALF),
                   "query %u: %u vertices, %u fragments", i, results[i][2], results[i][3]);
    }
    app_expect_words(app, "vertices and primitives", exact, expected, 6);
}

/* A buffer for 4 vertices catches 4 of 10. */
static void transform_feedback_query(struct app *app)
{
    static const uint32_t expected[2] = {4, 10};
    VkPhysicalDeviceTransformFeedbackPropertiesEXT feedback = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TRANSFORM_FEEDBACK_PROPERTIES_EXT};
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &feedback};
    app->vki.GetPhysicalDeviceProperties2(app->gpu, &properties);
    if (!feedback.transformFeedbackQueries) {
        app_skip(app, "no transformFeedbackQueries");
    }
    const VkDeviceSize offset = 0, size = 4 * 8;
    uint32_t results[2] = {0};
    struct app_buffer vertices =
        app_buffer(app, 256, VK_BUFFER_USAGE_TRANSFORM_FEEDBACK_BUFFER_BIT_EXT);
    const VkRenderingInfo rendering = app_rendering(NULL, 0);
    VkQueryPool pool = query_pool(app, VK_QUERY_TYPE_TRANSFORM_FEEDBACK_STREAM_EXT, 1, 0);
    struct app_graphics g;
    app_graphics_init(&g, app_layout(app, VK_NULL_HANDLE, 0, 0));
    app_graphics_stage(&g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, pass_capture_vert));
    g.assembly.topology = VK_PRIMITIVE_TOPOLOGY_POINT_LIST;
    g.raster.rasterizerDiscardEnable = VK_TRUE;
    VkPipeline pipeline = app_graphics_create(app, &g);
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdResetQueryPool(command, pool, 0, 1);
    app->vk.CmdBeginRendering(command, &rendering);
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    app->vk.CmdBindTransformFeedbackBuffersEXT(command, 0, 1, &vertices.buffer, &offset, &size);
    app->vk.CmdBeginQueryIndexedEXT(command, pool, 0, 0, 0);
    app->vk.CmdBeginTransformFeedbackEXT(command, 0, 0, NULL, NULL);
    app->vk.CmdDraw(command, APP_OR(10, 11), 1, 0, 0);
    app->vk.CmdEndTransformFeedbackEXT(command, 0, 0, NULL, NULL);
    app->vk.CmdEndQueryIndexedEXT(command, pool, 0, 0);
    app->vk.CmdEndRendering(command);
    app_run(app, command);
    APP_CHECK(app, GetQueryPoolResults, app->device, pool, 0, 1, sizeof(results), results,
              sizeof(results), VK_QUERY_RESULT_WAIT_BIT);
    app_expect_words(app, "written and needed", results, expected, 2);
}

static void primitives_generated_query(struct app *app)
{
    static const uint32_t expected[3] = {2, 0, 4};
    uint32_t results[3] = {0};
    VkQueryPool pool = query_pool(app, VK_QUERY_TYPE_PRIMITIVES_GENERATED_EXT, 3, 0);
    VkPipeline pipeline = red_half(app);
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdResetQueryPool(command, pool, 0, 3);
    record_queries(app, command, pool, pipeline, 0);
    app_run(app, command);
    APP_CHECK(app, GetQueryPoolResults, app->device, pool, 0, 3, sizeof(results), results, 4,
              VK_QUERY_RESULT_WAIT_BIT);
    app_expect_words(app, "primitives", results, expected, 3);
}

/* Each of two points becomes two strips of two triangles: eight. */
static void primitives_generated_by_geometry(struct app *app)
{
    static const uint32_t expected[2] = {8, 0};
    uint32_t results[2] = {0};
    struct app_image target = app_target(app, VK_FORMAT_R8G8B8A8_UNORM, VK_SAMPLE_COUNT_1_BIT);
    VkQueryPool pool = query_pool(app, VK_QUERY_TYPE_PRIMITIVES_GENERATED_EXT, 2, 0);
    struct app_graphics g;
    app_graphics_red(app, &g);
    app_graphics_stage(&g, VK_SHADER_STAGE_GEOMETRY_BIT, APP_SHADER(app, pass_amplify_geom));
    g.assembly.topology = VK_PRIMITIVE_TOPOLOGY_POINT_LIST;
    VkPipeline pipeline = app_graphics_create(app, &g);
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdResetQueryPool(command, pool, 0, 2);
    app_begin_drawing(app, command, &target);
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    app->vk.CmdBeginQuery(command, pool, 0, 0);
    app->vk.CmdDraw(command, APP_OR(2, 1), 1, 0, 0);
    app->vk.CmdEndQuery(command, pool, 0);
    app->vk.CmdBeginQuery(command, pool, 1, 0);
    app->vk.CmdEndQuery(command, pool, 1);
    app_end_drawing(app, command, &target);
    app_run(app, command);
    APP_CHECK(app, GetQueryPoolResults, app->device, pool, 0, 2, sizeof(results), results, 4,
              VK_QUERY_RESULT_WAIT_BIT);
    app_expect_words(app, "primitives", results, expected, 2);
}

/* Of three queries two are written, and time goes forward. */
static void timestamps(struct app *app)
{
    static const uint32_t expected[3] = {1, 1, 0};
    uint64_t results[3][2] = {0};
    uint32_t available[3];
    uint32_t bits = app->families[app->family].timestampValidBits;
    if (bits == 0) {
        app_skip(app, "no timestampValidBits");
    }
    VkQueryPool pool = query_pool(app, VK_QUERY_TYPE_TIMESTAMP, 3, 0);
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdResetQueryPool(command, pool, 0, 3);
    app->vk.CmdWriteTimestamp(command, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, pool, 0);
    app_barrier(app, command);
    app->vk.CmdWriteTimestamp(command, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, pool, APP_OR(1, 2));
    app_run(app, command);
    VkResult result = app->vk.GetQueryPoolResults(
        app->device, pool, 0, 3, sizeof(results), results, sizeof(results[0]),
        VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WITH_AVAILABILITY_BIT);
    app_expect(app, result == VK_NOT_READY, "VkResult %d", (int)result);
    for (uint32_t i = 0; i < 3; i++) {
        available[i] = (uint32_t)results[i][1];
    }
    app_expect_words(app, "available", available, expected, 3);
    uint64_t mask = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    app_expect(app, (results[0][0] & ~mask) == 0, "more than %u bits", bits);
    app_expect(app, ((results[1][0] - results[0][0]) & mask) <= mask / 2, "time went backward");
}

/* --- the ways to results ---------------------------------------------------------------------- */

/* Reset by the host, a query has no result any more; the others keep theirs. */
static void host_query_reset(struct app *app)
{
    static const uint32_t expected[6] = {HALF, 1, 77, 0, 2 * HALF, 1};
    uint32_t results[6] = {0, 0, 77, 0, 0, 0};
    VkQueryPool pool = query_pool(app, VK_QUERY_TYPE_OCCLUSION, 3, 0);
    VkPipeline pipeline = red_half(app);
    app->vk.ResetQueryPool(app->device, pool, 0, 3);
    VkCommandBuffer command = app_begin(app);
    record_queries(app, command, pool, pipeline, VK_QUERY_CONTROL_PRECISE_BIT);
    app_run(app, command);
    app->vk.ResetQueryPool(app->device, pool, 1, 1);
    VkResult result = app->vk.GetQueryPoolResults(app->device, pool, 0, 3, sizeof(results), results,
                                                  8, VK_QUERY_RESULT_WITH_AVAILABILITY_BIT);
    app_expect(app, result == VK_NOT_READY, "VkResult %d", (int)result);
    app_expect_words(app, "samples and availability", results, expected, 6);
}

/* Counts of 64 bits with an availability each, with a hole between them. */
static void copy_query_results(struct app *app)
{
    uint32_t expected[32] = {0};
    struct app_buffer to = app_buffer(app, sizeof(expected), 0);
    VkQueryPool pool = query_pool(app, VK_QUERY_TYPE_OCCLUSION, 3, 0);
    VkPipeline pipeline = red_half(app);
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdResetQueryPool(command, pool, 0, 3);
    record_queries(app, command, pool, pipeline, VK_QUERY_CONTROL_PRECISE_BIT);
    app->vk.CmdCopyQueryPoolResults(command, pool, 0, 3, to.buffer, 8, 24,
                                    VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT |
                                        VK_QUERY_RESULT_WITH_AVAILABILITY_BIT);
    app_run(app, command);
    for (uint32_t i = 0; i < 3; i++) {
        expected[2 + 6 * i] = i == 0 ? HALF : i == 1 ? 0 : 2 * HALF;
        expected[4 + 6 * i] = 1;
    }
    app_expect_words(app, "copied", to.map, expected, 32);
}

#define PRECISE "VkPhysicalDeviceFeatures.occlusionQueryPrecise"
#define CAPTURES "VkPhysicalDeviceTransformFeedbackFeaturesEXT.transformFeedback"
#define GENERATED "VkPhysicalDevicePrimitivesGeneratedQueryFeaturesEXT.primitivesGeneratedQuery"
#define RESETS "VkPhysicalDeviceVulkan12Features.hostQueryReset"

const struct app_case app_cases_queries[] = {
    DRAW_CASE(occlusion_query_precise, PRECISE),
    DRAW_CASE(copy_query_results, PRECISE),
    DRAW_CASE(host_query_reset, PRECISE, RESETS),
    DRAW_CASE(pipeline_statistics_query, "VkPhysicalDeviceFeatures.pipelineStatisticsQuery"),
    DRAW_CASE(transform_feedback_query, "VK_EXT_transform_feedback", CAPTURES),
    DRAW_CASE(primitives_generated_query, "VK_EXT_transform_feedback", CAPTURES,
              "VK_EXT_primitives_generated_query", GENERATED),
    DRAW_CASE(primitives_generated_by_geometry, "VK_EXT_transform_feedback", CAPTURES,
              "VK_EXT_primitives_generated_query", GENERATED,
              "VkPhysicalDeviceFeatures.geometryShader"),
    APP_CASE(timestamps),
    {0},
};
