#include "draw.h"

static void draw_shape(struct app *app, struct draw *draw, VkPrimitiveTopology topology,
                       const struct draw_vertex *vertices, uint32_t count, float point_size)
{
    const float constants[2] = {0, point_size};
    VkSpecializationInfo info;
    struct app_graphics g;
    draw_vertices_init(app, &g);
    draw_specialize(&g, &info, constants);
    g.assembly.topology = topology;
    draw_bind(app, draw, app_graphics_create(app, &g));
    draw_bind_vertices(app, draw, vertices, count);
    app->vk.CmdDraw(draw->command, count, 1, 0, 0);
}

static void point_list(struct app *app)
{
    static const struct draw_vertex points[] = {
        {3.5f, 5.5f, RED}, {63.5f, 63.5f, GREEN}, {0.5f, APP_OR(60.5f, 59.5f), BLUE}};
    struct draw draw;
    draw_begin(app, &draw);
    draw_shape(app, &draw, VK_PRIMITIVE_TOPOLOGY_POINT_LIST, points, 3, 1);
    draw_expect(&draw, 3, 5, 4, 6, RED);
    draw_expect(&draw, 63, 63, 64, 64, GREEN);
    draw_expect(&draw, 0, 60, 1, 61, BLUE);
    draw_end(app, &draw);
}

static void large_points(struct app *app)
{
    static const struct draw_vertex points[] = {{8, 8, RED}, {40, 20, GREEN}};
    struct draw draw;
    draw_begin(app, &draw);
    draw_shape(app, &draw, VK_PRIMITIVE_TOPOLOGY_POINT_LIST, points, 2, APP_OR(4, 6));
    draw_expect(&draw, 6, 6, 10, 10, RED);
    draw_expect(&draw, 38, 18, 42, 22, GREEN);
    draw_end(app, &draw);
}

/* Their ends are where lines of all kinds cover the same pixels. */
static void line_list_and_strip(struct app *app)
{
    static const struct draw_vertex list[] = {
        {4.25f, 10.5f, RED}, {12.25f, 10.5f, RED}, {20.5f, 4.25f, BLUE}, {20.5f, 16.25f, BLUE}};
    static const struct draw_vertex strip[] = {
        {4.375f, 20.375f, GREEN}, {12.375f, 20.375f, GREEN}, {12.375f, 28.375f, GREEN}};
    struct draw draw;
    draw_begin(app, &draw);
    draw_shape(app, &draw, VK_PRIMITIVE_TOPOLOGY_LINE_LIST, list, 4, 1);
    draw_shape(app, &draw,
               APP_OR(VK_PRIMITIVE_TOPOLOGY_LINE_STRIP, VK_PRIMITIVE_TOPOLOGY_LINE_LIST), strip, 3,
               1);
    draw_expect(&draw, 4, 10, 12, 11, RED);
    draw_expect(&draw, 20, 4, 21, 16, BLUE);
    draw_expect(&draw, 4, 20, 12, 21, GREEN);
    draw_expect(&draw, 12, 20, 13, 28, GREEN);
    draw_end(app, &draw);
}

static void wide_lines(struct app *app)
{
    static const struct draw_vertex vertices[] = {{4.25f, 20, RED}, {12.25f, 20, RED}};
    struct app_graphics g;
    struct draw draw;
    draw_vertices_init(app, &g);
    g.assembly.topology = VK_PRIMITIVE_TOPOLOGY_LINE_LIST;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_LINE_WIDTH);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    draw_bind_vertices(app, &draw, vertices, 2);
    app->vk.CmdSetLineWidth(draw.command, APP_OR(4, 2));
    app->vk.CmdDraw(draw.command, 2, 1, 0, 0);
    draw_expect(&draw, 4, 18, 12, 22, RED);
    draw_end(app, &draw);
}

static void triangle_strip_and_fan(struct app *app)
{
    static const struct draw_vertex fan[] = {
        {8, 40, GREEN}, {24, 40, GREEN}, {24, 56, GREEN}, {8, 56, GREEN}};
    struct draw_vertex strip[6];
    struct draw draw;
    draw_corners(strip, 4, 4, 20, 12, RED);
    draw_corners(strip + 2, 4, 12, 20, 32, RED);
    draw_begin(app, &draw);
    draw_shape(app, &draw, VK_PRIMITIVE_TOPOLOGY_TRIANGLE_STRIP, strip, 6, 1);
    draw_shape(app, &draw,
               APP_OR(VK_PRIMITIVE_TOPOLOGY_TRIANGLE_FAN, VK_PRIMITIVE_TOPOLOGY_TRIANGLE_STRIP),
               fan, 4, 1);
    draw_expect(&draw, 4, 4, 20, 32, RED);
    draw_expect(&draw, 8, 40, 24, 56, GREEN);
    draw_end(app, &draw);
}

/* The last vertex of each triangle gives the colour. */
static void provoking_vertex(struct app *app)
{
    static const struct draw_vertex vertices[] = {{8, 8, RED},  {24, 8, BLUE}, {8, 24, GREEN},
                                                  {24, 8, RED}, {8, 24, BLUE}, {24, 24, GREEN}};
    const VkPipelineRasterizationProvokingVertexStateCreateInfoEXT last = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_PROVOKING_VERTEX_STATE_CREATE_INFO_EXT,
        .provokingVertexMode = APP_OR(VK_PROVOKING_VERTEX_MODE_LAST_VERTEX_EXT,
                                      VK_PROVOKING_VERTEX_MODE_FIRST_VERTEX_EXT),
    };
    struct app_graphics g;
    struct draw draw;
    draw_vertices_init(app, &g);
    g.assembly.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST;
    g.raster.pNext = &last;
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    draw_bind_vertices(app, &draw, vertices, 6);
    app->vk.CmdDraw(draw.command, 6, 1, 0, 0);
    draw_expect(&draw, 8, 8, 24, 24, GREEN);
    draw_end(app, &draw);
}

/* A diagonal, and dashes: two pixels for each bit of the pattern. */
static void bresenham_lines(struct app *app)
{
    static const struct draw_vertex vertices[] = {
        {8.5f, 8.5f, RED}, {20.5f, 20.5f, RED}, {8.25f, 30.5f, GREEN}, {30.25f, 30.5f, GREEN}};
    VkPipelineRasterizationLineStateCreateInfoEXT lines = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_LINE_STATE_CREATE_INFO_EXT,
        .lineRasterizationMode = VK_LINE_RASTERIZATION_MODE_BRESENHAM_EXT,
        .lineStippleFactor = 1,
    };
    struct app_graphics g;
    struct draw draw;
    draw_vertices_init(app, &g);
    g.assembly.topology = VK_PRIMITIVE_TOPOLOGY_LINE_LIST;
    g.raster.pNext = &lines;
    draw_begin(app, &draw);
    draw_bind_vertices(app, &draw, vertices, 4);
    draw_bind(app, &draw, app_graphics_create(app, &g));
    app->vk.CmdDraw(draw.command, 2, 1, 0, 0);
    lines.stippledLineEnable = VK_TRUE;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_LINE_STIPPLE_EXT);
    draw_bind(app, &draw, app_graphics_create(app, &g));
    app->vk.CmdSetLineStipple(draw.command, 2, APP_OR(0x000d, 0x000f));
    app->vk.CmdDraw(draw.command, 2, 1, 2, 0);
    for (int i = 8; i < 20; i++) {
        draw_expect(&draw, i, i, i + 1, i + 1, RED);
    }
    draw_expect(&draw, 8, 30, 10, 31, GREEN);
    draw_expect(&draw, 12, 30, 16, 31, GREEN);
    draw_end(app, &draw);
}

const struct app_case app_cases_draw_shapes[] = {
    DRAW_CASE(point_list),
    DRAW_CASE(line_list_and_strip),
    DRAW_CASE(triangle_strip_and_fan),
    DRAW_CASE(large_points, "VkPhysicalDeviceFeatures.largePoints"),
    DRAW_CASE(wide_lines, "VkPhysicalDeviceFeatures.wideLines"),
    DRAW_CASE(provoking_vertex, "VK_EXT_provoking_vertex",
              "VkPhysicalDeviceProvokingVertexFeaturesEXT.provokingVertexLast"),
    DRAW_CASE(bresenham_lines, "VK_EXT_line_rasterization",
              "VkPhysicalDeviceLineRasterizationFeatures.bresenhamLines",
              "VkPhysicalDeviceLineRasterizationFeatures.stippledBresenhamLines"),
    {0},
};
