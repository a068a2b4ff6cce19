#include "draw.h"

#include <string.h>

/* Rectangles are clockwise: front faces where that is the front. */
static void dynamic_cull_mode(struct app *app)
{
    static const struct {
        VkCullModeFlags cull;
        VkFrontFace front;
        bool is_drawn;
    } rows[] = {
        {VK_CULL_MODE_BACK_BIT, VK_FRONT_FACE_CLOCKWISE, true},
        {VK_CULL_MODE_BACK_BIT, VK_FRONT_FACE_COUNTER_CLOCKWISE, APP_OR(false, true)},
        {VK_CULL_MODE_FRONT_BIT, VK_FRONT_FACE_CLOCKWISE, false},
        {VK_CULL_MODE_FRONT_BIT, VK_FRONT_FACE_COUNTER_CLOCKWISE, true},
        {VK_CULL_MODE_FRONT_AND_BACK, VK_FRONT_FACE_CLOCKWISE, false},
        {VK_CULL_MODE_NONE, VK_FRONT_FACE_COUNTER_CLOCKWISE, true},
    };
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_CULL_MODE);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_FRONT_FACE);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    for (int i = 0; i < 6; i++) {
        app->vk.CmdSetCullMode(draw.command, rows[i].cull);
        app->vk.CmdSetFrontFace(draw.command, rows[i].front);
        draw_rect(app, &draw, 0, 10 * i, 40, 10 * i + 8, 0, GREEN);
        draw_expect(&draw, 0, 10 * i, 40, 10 * i + 8, rows[i].is_drawn ? GREEN : BLACK);
    }
    draw_end(app, &draw);
}

/* A fan, and two strips with a restart between them; the pipeline is for lists without one. */
static void dynamic_topology(struct app *app)
{
    static const uint16_t indices[] = {0, 1, 3, 2, 0, 1, 2, 3, APP_OR(0xffff, 0), 4, 5, 6, 7};
    struct draw_vertex vertices[8];
    struct app_graphics g;
    struct draw draw;
    struct app_buffer index = app_buffer(app, sizeof(indices), VK_BUFFER_USAGE_INDEX_BUFFER_BIT);
    memcpy(index.map, indices, sizeof(indices));
    draw_vertices_init(app, &g);
    g.assembly.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_PRIMITIVE_TOPOLOGY);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_PRIMITIVE_RESTART_ENABLE);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdBindIndexBuffer(draw.command, index.buffer, 0, VK_INDEX_TYPE_UINT16);
    app->vk.CmdSetPrimitiveRestartEnable(draw.command, VK_FALSE);
    app->vk.CmdSetPrimitiveTopology(draw.command, VK_PRIMITIVE_TOPOLOGY_TRIANGLE_FAN);
    draw_corners(vertices, 4, 4, 28, 20, RED);
    draw_bind_vertices(app, &draw, vertices, 4);
    app->vk.CmdDrawIndexed(draw.command, 4, 1, 0, 0, 0);
    app->vk.CmdSetPrimitiveRestartEnable(draw.command, VK_TRUE);
    app->vk.CmdSetPrimitiveTopology(draw.command, VK_PRIMITIVE_TOPOLOGY_TRIANGLE_STRIP);
    draw_corners(vertices, 4, 30, 20, 60, GREEN);
    draw_corners(vertices + 4, 40, 30, 60, 60, BLUE);
    draw_bind_vertices(app, &draw, vertices, 8);
    app->vk.CmdDrawIndexed(draw.command, 9, 1, 4, 0, 0);
    draw_expect(&draw, 4, 4, 28, 20, RED);
    draw_expect(&draw, 4, 30, 20, 60, GREEN);
    draw_expect(&draw, 40, 30, 60, 60, BLUE);
    draw_end(app, &draw);
}

static void dynamic_viewport_count(struct app *app)
{
    static const VkViewport viewport = {APP_OR(16, 15), 8, 32, 16, 0, 1};
    static const VkRect2D scissor = {{0, 0}, {64, 20}};
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    g.viewports.viewportCount = g.viewports.scissorCount = 0;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_VIEWPORT_WITH_COUNT);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_SCISSOR_WITH_COUNT);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetViewportWithCount(draw.command, 1, &viewport);
    app->vk.CmdSetScissorWithCount(draw.command, 1, &scissor);
    draw_rect(app, &draw, 0, 0, 64, 64, 0, GREEN);
    draw_expect(&draw, 16, 8, 48, 20, GREEN);
    draw_end(app, &draw);
}

/* Every second vertex of a buffer, by a stride that the pipeline does not know. */
static void dynamic_vertex_strides(struct app *app)
{
    enum { STRIDE = 2 * sizeof(struct draw_vertex) };
    static const VkDeviceSize offset = sizeof(struct draw_vertex), size = 4 * STRIDE;
    static const VkDeviceSize stride = APP_OR(STRIDE, STRIDE / 2);
    struct draw_vertex corners[4], *at;
    struct app_graphics g;
    struct draw draw;
    struct app_buffer vertices = app_buffer(app, offset + size, VK_BUFFER_USAGE_VERTEX_BUFFER_BIT);
    draw_vertices_init(app, &g);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_VERTEX_INPUT_BINDING_STRIDE);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_corners(corners, 4, 4, 28, 20, RED);
    at = vertices.map;
    for (int i = 0; i < 4; i++) {
        at[1 + 2 * i] = corners[i];
    }
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdBindVertexBuffers2(draw.command, 0, 1, &vertices.buffer, &offset, &size, &stride);
    app->vk.CmdDraw(draw.command, 4, 1, 0, 0);
    draw_expect(&draw, 4, 4, 28, 20, RED);
    draw_end(app, &draw);
}

/* Two ways to read vertices, for one pipeline: colours behind the positions, and in front. */
static void dynamic_vertex_input(struct app *app)
{
    VkVertexInputBindingDescription2EXT binding = {
        .sType = VK_STRUCTURE_TYPE_VERTEX_INPUT_BINDING_DESCRIPTION_2_EXT,
        .stride = sizeof(struct draw_vertex),
        .inputRate = VK_VERTEX_INPUT_RATE_VERTEX,
        .divisor = 1,
    };
    VkVertexInputAttributeDescription2EXT attributes[] = {
        {VK_STRUCTURE_TYPE_VERTEX_INPUT_ATTRIBUTE_DESCRIPTION_2_EXT, NULL, 0, 0,
         VK_FORMAT_R32G32_SFLOAT, offsetof(struct draw_vertex, x)},
        {VK_STRUCTURE_TYPE_VERTEX_INPUT_ATTRIBUTE_DESCRIPTION_2_EXT, NULL, 1, 0, VK_FORMAT_R32_UINT,
         offsetof(struct draw_vertex, colour)},
    };
    static const uint32_t colour = APP_OR(BLUE, GREEN);
    struct draw_vertex vertices[5];
    struct app_graphics g;
    struct draw draw;
    draw_vertices_init(app, &g);
    g.info.pVertexInputState = NULL;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_VERTEX_INPUT_EXT);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    draw_corners(vertices, 4, 4, 28, 20, RED);
    draw_bind_vertices(app, &draw, vertices, 4);
    app->vk.CmdSetVertexInputEXT(draw.command, 1, &binding, 2, attributes);
    app->vk.CmdDraw(draw.command, 4, 1, 0, 0);
    binding.stride = 12; /* one word, and one vertex's two */
    attributes[0].offset = 4;
    attributes[1].offset = 0;
    draw_corners(vertices, 4, 30, 28, 60, 0);
    for (int i = 0; i < 4; i++) {
        uint32_t words[3] = {colour};
        memcpy(words + 1, &vertices[i], 2 * sizeof(float));
        memcpy(&vertices[i], words, sizeof(words));
    }
    draw_bind_vertices(app, &draw, vertices, 4);
    app->vk.CmdSetVertexInputEXT(draw.command, 1, &binding, 2, attributes);
    app->vk.CmdDraw(draw.command, 4, 1, 0, 0);
    draw_expect(&draw, 4, 4, 28, 20, RED);
    draw_expect(&draw, 4, 30, 28, 60, BLUE);
    draw_end(app, &draw);
}

/* Corners lie in the middles of pixels. */
static void dynamic_polygon_mode(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    g.viewport.x = g.viewport.y = 0.5f;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_POLYGON_MODE_EXT);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    app->vk.CmdSetPolygonModeEXT(draw.command, VK_POLYGON_MODE_FILL);
    draw_rect(app, &draw, 4, 30, 28, 60, 0, RED);
    app->vk.CmdSetPolygonModeEXT(draw.command, APP_OR(VK_POLYGON_MODE_POINT, VK_POLYGON_MODE_LINE));
    draw_rect(app, &draw, 8, 4, 40, 20, 0, GREEN);
    draw_expect(&draw, 4, 30, 28, 60, RED);
    for (int i = 0; i < 4; i++) {
        int x = i % 2 == 0 ? 8 : 40, y = i < 2 ? 4 : 20;
        draw_expect(&draw, x, y, x + 1, y + 1, GREEN);
    }
    draw_end(app, &draw);
}

/* Clamping of depths, and whose vertex gives the colour. */
static void dynamic_clamp_and_provoking(struct app *app)
{
    static const struct draw_vertex vertices[] = {{8, 8, RED}, {24, 8, BLUE}, {8, 24, GREEN}};
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_DEPTH_CLAMP_ENABLE_EXT);
    VkPipeline rects = app_graphics_create(app, &g);
    draw_vertices_init(app, &g);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_PROVOKING_VERTEX_MODE_EXT);
    VkPipeline flat = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    draw_bind(app, &draw, rects);
    app->vk.CmdSetDepthClampEnableEXT(draw.command, VK_TRUE);
    draw_rect(app, &draw, 0, 40, 20, 60, 1.5f, GREEN);
    app->vk.CmdSetDepthClampEnableEXT(draw.command, APP_OR(VK_FALSE, VK_TRUE));
    draw_rect(app, &draw, 20, 40, 40, 60, 1.5f, RED);
    draw_bind(app, &draw, flat);
    draw_bind_vertices(app, &draw, vertices, 3);
    app->vk.CmdSetProvokingVertexModeEXT(draw.command, VK_PROVOKING_VERTEX_MODE_LAST_VERTEX_EXT);
    app->vk.CmdDraw(draw.command, 3, 1, 0, 0);
    draw_expect(&draw, 0, 40, 20, 60, GREEN);
    for (int i = 0; i < 15; i++) {
        draw_expect(&draw, 8, 8 + i, 23 - i, 9 + i, GREEN);
    }
    draw_end(app, &draw);
}

#define STATE_3(feature) "VkPhysicalDeviceExtendedDynamicState3FeaturesEXT." feature

const struct app_case app_cases_draw_dynamic[] = {
    DRAW_CASE(dynamic_cull_mode),
    DRAW_CASE(dynamic_topology),
    DRAW_CASE(dynamic_viewport_count),
    DRAW_CASE(dynamic_vertex_strides),
    DRAW_CASE(dynamic_vertex_input, "VK_EXT_vertex_input_dynamic_state",
              "VkPhysicalDeviceVertexInputDynamicStateFeaturesEXT.vertexInputDynamicState"),
    DRAW_CASE(dynamic_polygon_mode, "VkPhysicalDeviceFeatures.fillModeNonSolid",
              "VK_EXT_extended_dynamic_state3", STATE_3("extendedDynamicState3PolygonMode")),
    DRAW_CASE(dynamic_clamp_and_provoking, "VkPhysicalDeviceFeatures.depthClamp",
              "VK_EXT_extended_dynamic_state3", STATE_3("extendedDynamicState3DepthClampEnable"),
              STATE_3("extendedDynamicState3ProvokingVertexMode"), "VK_EXT_provoking_vertex",
              "VkPhysicalDeviceProvokingVertexFeaturesEXT.provokingVertexLast"),
    {0},
};
