#include "draw.h"

#include <string.h>

/* clang-format off */
#include "draw_colour_frag.spv.h"
#include "draw_rect_vert.spv.h"
#include "draw_vertex_vert.spv.h"
/* clang-format on */

#define HALF (APP_WIDTH * APP_HEIGHT / 2)

/* --- what the cases share --------------------------------------------------------------------- */

static const VkShaderStageFlags push_stages =
    VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT;

VkPipelineLayout draw_layout(struct app *app)
{
    return app_layout(app, VK_NULL_HANDLE, 48, push_stages);
}

void draw_rects_init(struct app *app, struct app_graphics *g)
{
    app_graphics_init(g, draw_layout(app));
    app_graphics_stage(g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, draw_rect_vert));
    app_graphics_stage(g, VK_SHADER_STAGE_FRAGMENT_BIT, APP_SHADER(app, draw_colour_frag));
}

void draw_depth_init(struct app *app, struct app_graphics *g, VkCompareOp compare)
{
    draw_rects_init(app, g);
    g->rendering.depthAttachmentFormat = DRAW_DEPTH;
    g->depth.depthTestEnable = VK_TRUE;
    g->depth.depthWriteEnable = VK_TRUE;
    g->depth.depthCompareOp = compare;
}

void draw_vertices_init(struct app *app, struct app_graphics *g)
{
    static const VkVertexInputBindingDescription binding = {0, sizeof(struct draw_vertex),
                                                            VK_VERTEX_INPUT_RATE_VERTEX};
    static const VkVertexInputAttributeDescription attributes[] = {
        {0, 0, VK_FORMAT_R32G32_SFLOAT, offsetof(struct draw_vertex, x)},
        {1, 0, VK_FORMAT_R32_UINT, offsetof(struct draw_vertex, colour)},
    };
    app_graphics_init(g, draw_layout(app));
    app_graphics_stage(g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, draw_vertex_vert));
    app_graphics_stage(g, VK_SHADER_STAGE_FRAGMENT_BIT, APP_SHADER(app, draw_colour_frag));
    g->assembly.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_STRIP;
    g->vertices.vertexBindingDescriptionCount = 1;
    g->vertices.pVertexBindingDescriptions = &binding;
    g->vertices.vertexAttributeDescriptionCount = 2;
    g->vertices.pVertexAttributeDescriptions = attributes;
}

void draw_corners(struct draw_vertex *vertices, int left, int top, int right, int bottom,
                  uint32_t colour)
{
    for (int i = 0; i < 4; i++) {
        vertices[i] = (struct draw_vertex){(float)(i % 2 == 0 ? left : right),
                                           (float)(i < 2 ? top : bottom), colour};
    }
}

void draw_init(struct app *app, struct draw *draw)
{
    draw->target = app_target(app, VK_FORMAT_R8G8B8A8_UNORM, VK_SAMPLE_COUNT_1_BIT);
    draw->pixels = app_buffer(app, DRAW_PIXELS * sizeof(uint32_t), 0);
    draw->layout = draw_layout(app);
    draw->command = app_begin(app);
    draw_expect(draw, 0, 0, APP_WIDTH, APP_HEIGHT, BLACK);
}

void draw_begin(struct app *app, struct draw *draw)
{
    draw_init(app, draw);
    app_begin_drawing(app, draw->command, &draw->target);
}

static const VkImageLayout colour_layout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL;

struct app_image draw_begin_deep(struct app *app, struct draw *draw, VkFormat format, float depth,
                                 uint32_t stencil)
{
    const VkImageLayout layout = VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL;
    struct app_image image = app_target(app, format, VK_SAMPLE_COUNT_1_BIT);
    VkRenderingAttachmentInfo deep = app_attachment(&image, layout, VK_ATTACHMENT_LOAD_OP_CLEAR);
    draw_init(app, draw);
    const VkRenderingAttachmentInfo colour =
        app_attachment(&draw->target, colour_layout, VK_ATTACHMENT_LOAD_OP_CLEAR);
    VkRenderingInfo info = app_rendering(&colour, 1);
    deep.clearValue.depthStencil = (VkClearDepthStencilValue){depth, stencil};
    info.pDepthAttachment = &deep;
    info.pStencilAttachment = image.aspects & VK_IMAGE_ASPECT_STENCIL_BIT ? &deep : NULL;
    app_transition(app, draw->command, &draw->target, VK_IMAGE_LAYOUT_UNDEFINED, colour_layout);
    app_transition(app, draw->command, &image, VK_IMAGE_LAYOUT_UNDEFINED, layout);
    app->vk.CmdBeginRendering(draw->command, &info);
    return image;
}

VkFormat draw_stencil_format(struct app *app)
{
    VkFormatProperties properties;
    app->vki.GetPhysicalDeviceFormatProperties(app->gpu, VK_FORMAT_D24_UNORM_S8_UINT, &properties);
    return (properties.optimalTilingFeatures & VK_FORMAT_FEATURE_DEPTH_STENCIL_ATTACHMENT_BIT) != 0
               ? VK_FORMAT_D24_UNORM_S8_UINT
               : VK_FORMAT_D32_SFLOAT_S8_UINT;
}

void draw_begin_samples(struct app *app, struct draw *draw)
{
    struct app_image samples = app_target(app, VK_FORMAT_R8G8B8A8_UNORM, VK_SAMPLE_COUNT_4_BIT);
    VkRenderingAttachmentInfo colour =
        app_attachment(&samples, colour_layout, VK_ATTACHMENT_LOAD_OP_CLEAR);
    const VkRenderingInfo info = app_rendering(&colour, 1);
    draw_init(app, draw);
    colour.resolveMode = VK_RESOLVE_MODE_AVERAGE_BIT;
    colour.resolveImageView = draw->target.view;
    colour.resolveImageLayout = colour_layout;
    colour.storeOp = VK_ATTACHMENT_STORE_OP_DONT_CARE;
    app_transition(app, draw->command, &samples, VK_IMAGE_LAYOUT_UNDEFINED, colour_layout);
    app_transition(app, draw->command, &draw->target, VK_IMAGE_LAYOUT_UNDEFINED, colour_layout);
    app->vk.CmdBeginRendering(draw->command, &info);
}

void draw_bind(struct app *app, struct draw *draw, VkPipeline pipeline)
{
    app->vk.CmdBindPipeline(draw->command, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
}

void draw_rect(struct app *app, struct draw *draw, int left, int top, int right, int bottom,
               float depth, uint32_t colour)
{
    const struct {
        float rect[4], depth;
        uint32_t colour;
    } push = {{(float)left, (float)top, (float)right, (float)bottom}, depth, colour};
    app->vk.CmdPushConstants(draw->command, draw->layout, push_stages, 0, sizeof(push), &push);
    app->vk.CmdDraw(draw->command, 6, 1, 0, 0);
}

void draw_expect(struct draw *draw, int left, int top, int right, int bottom, uint32_t colour)
{
    for (int y = top; y < bottom; y++) {
        for (int x = left; x < right; x++) {
            draw->expected[y * APP_WIDTH + x] = colour;
        }
    }
}

void draw_compare(struct app *app, struct draw *draw)
{
    app_read(app, draw->command, &draw->target, 0, &draw->pixels);
    app_run(app, draw->command);
    app_expect_words(app, "pixels", draw->pixels.map, draw->expected, DRAW_PIXELS);
}

void draw_end(struct app *app, struct draw *draw)
{
    app_end_drawing(app, draw->command, &draw->target);
    draw_compare(app, draw);
}

static struct app_buffer filled(struct app *app, VkBufferUsageFlags usage, const void *bytes,
                                size_t size)
{
    struct app_buffer buffer = app_buffer(app, size, usage);
    memcpy(buffer.map, bytes, size);
    return buffer;
}

void draw_bind_vertices(struct app *app, struct draw *draw, const struct draw_vertex *vertices,
                        size_t count)
{
    const VkDeviceSize offset = 0;
    struct app_buffer buffer =
        filled(app, VK_BUFFER_USAGE_VERTEX_BUFFER_BIT, vertices, count * sizeof(*vertices));
    app->vk.CmdBindVertexBuffers(draw->command, 0, 1, &buffer.buffer, &offset);
}

/* Three columns, one beside the other, a strip of four vertices each. */
static const uint32_t quad_colours[3] = {RED, GREEN, BLUE};

static void bind_quads(struct app *app, struct draw *draw)
{
    struct draw_vertex vertices[12];
    for (int i = 0; i < 3; i++) {
        draw_corners(vertices + 4 * i, 4 + 16 * i, 4, 12 + 16 * i, 20, quad_colours[i]);
    }
    draw_bind_vertices(app, draw, vertices, 12);
}

static void expect_quad(struct draw *draw, int i, int more)
{
    draw_expect(draw, 4 + 16 * i, 4, 12 + 16 * i + more, 20, quad_colours[i]);
}

void draw_specialize(struct app_graphics *g, VkSpecializationInfo *info, const float values[2])
{
    static const VkSpecializationMapEntry entries[] = {{0, 0, 4}, {1, 4, 4}};
    *info = (VkSpecializationInfo){2, entries, 2 * sizeof(float), values};
    g->stages[0].pSpecializationInfo = info;
}

/* --- cases ------------------------------------------------------------------------------------ */

/* The left half of the picture, as two triangles. */
static void triangles(struct app *app)
{
    struct app_graphics g;
    app_graphics_red(app, &g);
    const uint32_t *pixels = app_draw_picture(app, app_graphics_create(app, &g), APP_OR(6, 3));
    app_expect(app, app_count_pixels(pixels, RED) == HALF, "%u pixels are red, not half of them",
               app_count_pixels(pixels, RED));
    app_expect(app, app_count_pixels(pixels, BLACK) == HALF, "the rest is not black");
}

/* With an offset of each kind: of the buffer, the first index, and the vertices. */
static void indexed(struct app *app, VkIndexType type)
{
    static const uint8_t bytes[] = {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0, 1, 2, 2, 1, 3};
    static const uint16_t shorts[] = {9, 9, 9, 9, 9, 9, 0, 1, 2, 2, 1, 3};
    static const uint32_t longs[] = {9, 9, 9, 9, 0, 1, 2, 2, 1, 3};
    struct app_graphics g;
    struct draw draw;
    draw_vertices_init(app, &g);
    g.assembly.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST;
    VkPipeline pipeline = app_graphics_create(app, &g);
    struct app_buffer indices = app_buffer(app, 64, VK_BUFFER_USAGE_INDEX_BUFFER_BIT);
    if (type == VK_INDEX_TYPE_UINT16) {
        memcpy(indices.map, shorts, sizeof(shorts));
    } else if (type == VK_INDEX_TYPE_UINT32) {
        memcpy(indices.map, longs, sizeof(longs));
    } else {
        memcpy(indices.map, bytes, sizeof(bytes));
    }
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    bind_quads(app, &draw);
    app->vk.CmdBindIndexBuffer(draw.command, indices.buffer, 8, type);
    app->vk.CmdDrawIndexed(draw.command, 6, 1, 2, APP_OR(4, 8), 0);
    app->vk.CmdDrawIndexed(draw.command, 6, 1, 2, 0, 0);
    expect_quad(&draw, 0, 0);
    expect_quad(&draw, 1, 0);
    draw_end(app, &draw);
}

static void indexed_draws_16_bit(struct app *app)
{
    indexed(app, VK_INDEX_TYPE_UINT16);
}

static void indexed_draws_32_bit(struct app *app)
{
    indexed(app, VK_INDEX_TYPE_UINT32);
}

static void indexed_draws_8_bit(struct app *app)
{
    indexed(app, VK_INDEX_TYPE_UINT8_EXT);
}

static void primitive_restart(struct app *app)
{
    static const uint16_t indices[] = {0, 1, 2, 3, APP_OR(0xffff, 0), 4, 5, 6, 7};
    struct app_graphics g;
    struct draw draw;
    draw_vertices_init(app, &g);
    g.assembly.primitiveRestartEnable = VK_TRUE;
    VkPipeline pipeline = app_graphics_create(app, &g);
    struct app_buffer buffer =
        filled(app, VK_BUFFER_USAGE_INDEX_BUFFER_BIT, indices, sizeof(indices));
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    bind_quads(app, &draw);
    app->vk.CmdBindIndexBuffer(draw.command, buffer.buffer, 0, VK_INDEX_TYPE_UINT16);
    app->vk.CmdDrawIndexed(draw.command, 9, 1, 0, 0, 0);
    expect_quad(&draw, 0, 0);
    expect_quad(&draw, 1, 0);
    draw_end(app, &draw);
}

/* What is no whole triangle before the restart is nothing. */
static void primitive_restart_in_list(struct app *app)
{
    static const uint16_t indices[] = {8, APP_OR(0xffff, 8), 0, 1, 2, 2, 1, 3};
    struct app_graphics g;
    struct draw draw;
    draw_vertices_init(app, &g);
    g.assembly.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST;
    g.assembly.primitiveRestartEnable = VK_TRUE;
    VkPipeline pipeline = app_graphics_create(app, &g);
    struct app_buffer buffer =
        filled(app, VK_BUFFER_USAGE_INDEX_BUFFER_BIT, indices, sizeof(indices));
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    bind_quads(app, &draw);
    app->vk.CmdBindIndexBuffer(draw.command, buffer.buffer, 0, VK_INDEX_TYPE_UINT16);
    app->vk.CmdDrawIndexed(draw.command, 8, 1, 0, 0, 0);
    expect_quad(&draw, 0, 0);
    draw_end(app, &draw);
}

/* Positions from binding 0, at 16 bytes; colours from binding 2, at 4 bytes. */
static void separate(struct app_graphics *g, VkVertexInputRate colour_rate)
{
    static VkVertexInputBindingDescription bindings[2];
    static const VkVertexInputAttributeDescription attributes[] = {
        {0, 0, VK_FORMAT_R32G32_SFLOAT, 0}, {1, 2, VK_FORMAT_R32_UINT, 0}};
    bindings[0] = (VkVertexInputBindingDescription){0, 8, VK_VERTEX_INPUT_RATE_VERTEX};
    bindings[1] = (VkVertexInputBindingDescription){2, 4, colour_rate};
    g->vertices.vertexBindingDescriptionCount = 2;
    g->vertices.pVertexBindingDescriptions = bindings;
    g->vertices.pVertexAttributeDescriptions = attributes;
}

static const uint32_t separate_colours[8] = {1,          0xff112233, 0xff445566, 0xff778899,
                                             0xffaabbcc, 0xffddeeff, 0xff102030, 0xff405060};

static void bind_separate(struct app *app, struct draw *draw)
{
    static const float positions[12] = {99, 99, 99, 99, 1, 8, 7, 8, 1, 40, 7, 40};
    struct app_buffer at =
        filled(app, VK_BUFFER_USAGE_VERTEX_BUFFER_BIT, positions, sizeof(positions));
    struct app_buffer colours =
        filled(app, VK_BUFFER_USAGE_VERTEX_BUFFER_BIT, separate_colours, sizeof(separate_colours));
    const VkBuffer buffers[] = {at.buffer, at.buffer, colours.buffer};
    const VkDeviceSize offsets[] = {16, 0, 4};
    app->vk.CmdBindVertexBuffers(draw->command, 0, 3, buffers, offsets);
}

static void vertex_bindings(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    draw_vertices_init(app, &g);
    separate(&g, VK_VERTEX_INPUT_RATE_VERTEX);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    bind_separate(app, &draw);
    app->vk.CmdDraw(draw.command, 3, 1, 0, 0);
    app->vk.CmdDraw(draw.command, 3, 1, APP_OR(1, 0), 0);
    /* Each triangle has its first vertex's colour; their border hits no pixel's centre. */
    for (int y = 8; y < 40; y++) {
        for (int x = 1; x < 7; x++) {
            float across = ((float)x - 0.5f) / 6 + ((float)y - 7.5f) / 32;
            draw_expect(&draw, x, y, x + 1, y + 1, separate_colours[across < 1 ? 1 : 2]);
        }
    }
    draw_end(app, &draw);
}

static void instances(struct app *app)
{
    static const float constants[2] = {8, 1};
    VkSpecializationInfo info;
    struct app_graphics g;
    struct draw draw;
    draw_vertices_init(app, &g);
    draw_specialize(&g, &info, constants);
    separate(&g, VK_VERTEX_INPUT_RATE_INSTANCE);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    bind_separate(app, &draw);
    app->vk.CmdDraw(draw.command, 4, 4, 0, APP_OR(2, 1));
    for (int i = 2; i < 6; i++) {
        draw_expect(&draw, 8 * i + 1, 8, 8 * i + 7, 40, separate_colours[1 + i]);
    }
    draw_end(app, &draw);
}

static void instance_divisor(struct app *app)
{
    static const float constants[2] = {8, 1};
    const VkVertexInputBindingDivisorDescriptionEXT divisor = {2, APP_OR(3, 2)};
    const VkPipelineVertexInputDivisorStateCreateInfoEXT divisors = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_DIVISOR_STATE_CREATE_INFO_EXT,
        .vertexBindingDivisorCount = 1,
        .pVertexBindingDivisors = &divisor,
    };
    VkSpecializationInfo info;
    struct app_graphics g;
    struct draw draw;
    draw_vertices_init(app, &g);
    draw_specialize(&g, &info, constants);
    separate(&g, VK_VERTEX_INPUT_RATE_INSTANCE);
    g.vertices.pNext = &divisors;
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    bind_separate(app, &draw);
    app->vk.CmdDraw(draw.command, 4, 8, 0, 0);
    for (int i = 0; i < 8; i++) {
        draw_expect(&draw, 8 * i + 1, 8, 8 * i + 7, 40, separate_colours[1 + i / 3]);
    }
    draw_end(app, &draw);
}

/* Three quads, the nth of them n + 1 times, two pixels further each time; a count of two leaves
 * out the last. */
static void indirect(struct app *app, bool is_indexed, bool is_counted)
{
    enum { AT = 16, STRIDE = 32 };
    static const uint16_t indices[] = {0, 1, 2, 3};
    static const float constants[2] = {2, 1};
    const uint32_t count = is_counted ? 2 : 3, drawn = APP_OR(count, 1);
    const VkBufferUsageFlags usage = VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT;
    VkSpecializationInfo info;
    struct app_graphics g;
    struct draw draw;
    draw_vertices_init(app, &g);
    draw_specialize(&g, &info, constants);
    VkPipeline pipeline = app_graphics_create(app, &g);
    struct app_buffer index =
        filled(app, VK_BUFFER_USAGE_INDEX_BUFFER_BIT, indices, sizeof(indices));
    struct app_buffer list = app_buffer(app, AT + 3 * STRIDE, usage);
    ((uint32_t *)list.map)[1] = drawn;
    draw_begin(app, &draw);
    for (uint32_t i = 0; i < 3; i++) {
        const VkDrawIndirectCommand plain = {4, i + 1, 4 * i, 0};
        const VkDrawIndexedIndirectCommand with_index = {4, i + 1, 0, 4 * (int32_t)i, 0};
        void *at = (char *)list.map + AT + i * STRIDE;
        memcpy(at, is_indexed ? (const void *)&with_index : &plain,
               is_indexed ? sizeof(with_index) : sizeof(plain));
        if (i < count) {
            expect_quad(&draw, (int)i, 2 * (int)i);
        }
    }
    draw_bind(app, &draw, pipeline);
    bind_quads(app, &draw);
    app->vk.CmdBindIndexBuffer(draw.command, index.buffer, 0, VK_INDEX_TYPE_UINT16);
    if (is_counted) {
        (is_indexed ? app->vk.CmdDrawIndexedIndirectCount : app->vk.CmdDrawIndirectCount)(
            draw.command, list.buffer, AT, list.buffer, 4, 3, STRIDE);
    } else {
        (is_indexed ? app->vk.CmdDrawIndexedIndirect
                    : app->vk.CmdDrawIndirect)(draw.command, list.buffer, AT, drawn, STRIDE);
    }
    draw_end(app, &draw);
}

static void indirect_draws(struct app *app)
{
    indirect(app, false, false);
}

static void indexed_indirect_draws(struct app *app)
{
    indirect(app, true, false);
}

static void indirect_count_draws(struct app *app)
{
    indirect(app, false, true);
}

static void indexed_indirect_count_draws(struct app *app)
{
    indirect(app, true, true);
}

/* Strides larger than the structs, and offsets in them and beside them. */
static void multi_draw(struct app *app)
{
    static const struct {
        VkMultiDrawInfoEXT draw;
        uint32_t more;
    } draws[] = {{{0, 4}, 7}, {{8, APP_OR(4, 3)}, 7}};
    static const struct {
        VkMultiDrawIndexedInfoEXT draw;
        uint32_t more;
    } parts[] = {{{0, 3, 4}, 7}, {{1, 3, 4}, 7}};
    static const uint16_t indices[] = {0, 1, 2, 3};
    static const int32_t offset = 4;
    struct app_graphics g;
    struct draw draw;
    draw_vertices_init(app, &g);
    VkPipeline pipeline = app_graphics_create(app, &g);
    struct app_buffer index =
        filled(app, VK_BUFFER_USAGE_INDEX_BUFFER_BIT, indices, sizeof(indices));
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    bind_quads(app, &draw);
    app->vk.CmdBindIndexBuffer(draw.command, index.buffer, 0, VK_INDEX_TYPE_UINT16);
    app->vk.CmdDrawMultiEXT(draw.command, 2, &draws[0].draw, 1, 0, sizeof(draws[0]));
    app->vk.CmdDrawMultiIndexedEXT(draw.command, 1, &parts[0].draw, 1, 0, sizeof(parts[0]), NULL);
    app->vk.CmdDrawMultiIndexedEXT(draw.command, 2, &parts[0].draw, 1, 0, sizeof(parts[0]),
                                   &offset);
    for (int i = 0; i < 3; i++) {
        expect_quad(&draw, i, 0);
    }
    draw_end(app, &draw);
}

const struct app_case app_cases_draw[] = {
    DRAW_CASE(triangles),
    DRAW_CASE(indexed_draws_16_bit),
    DRAW_CASE(indexed_draws_32_bit),
    DRAW_CASE(primitive_restart),
    DRAW_CASE(vertex_bindings),
    DRAW_CASE(instances),
    DRAW_CASE(indirect_draws, "VkPhysicalDeviceFeatures.multiDrawIndirect"),
    DRAW_CASE(indexed_indirect_draws, "VkPhysicalDeviceFeatures.multiDrawIndirect"),
    DRAW_CASE(indirect_count_draws, "VkPhysicalDeviceVulkan12Features.drawIndirectCount"),
    DRAW_CASE(indexed_indirect_count_draws, "VkPhysicalDeviceVulkan12Features.drawIndirectCount"),
    DRAW_CASE(instance_divisor, "VK_EXT_vertex_attribute_divisor",
              "VkPhysicalDeviceVertexAttributeDivisorFeatures.vertexAttributeInstanceRateDivisor"),
    DRAW_CASE(indexed_draws_8_bit, "VK_EXT_index_type_uint8",
              "VkPhysicalDeviceIndexTypeUint8Features.indexTypeUint8"),
    DRAW_CASE(
        primitive_restart_in_list, "VK_EXT_primitive_topology_list_restart",
        "VkPhysicalDevicePrimitiveTopologyListRestartFeaturesEXT.primitiveTopologyListRestart"),
    DRAW_CASE(multi_draw, "VK_EXT_multi_draw", "VkPhysicalDeviceMultiDrawFeaturesEXT.multiDraw"),
    {0},
};
