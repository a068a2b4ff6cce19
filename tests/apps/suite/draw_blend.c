#include "draw.h"

/* clang-format off */
#include "draw_dual_frag.spv.h"
#include "draw_integer_frag.spv.h"
#include "draw_push_frag.spv.h"
#include "draw_two_frag.spv.h"
/* clang-format on */

/* What is there, and what comes. */
#define OLD 0x40806040u
#define NEW 0xff807020u

/* --- what the cases share --------------------------------------------------------------------- */

static VkPipelineColorBlendAttachmentState blend(VkBlendFactor from, VkBlendFactor to, VkBlendOp op)
{
    return (VkPipelineColorBlendAttachmentState){VK_TRUE, from, to, op, from, to, op, 0xf};
}

static void bind_new(struct app *app, struct draw *draw, struct app_graphics *g)
{
    draw_bind(app, draw, app_graphics_create(app, g));
}

/* The old colour covers the picture's middle; the pipeline for it is `g` as it is. */
static void begin_old(struct app *app, struct draw *draw, struct app_graphics *g, uint32_t old)
{
    draw_rects_init(app, g);
    draw_begin(app, draw);
    bind_new(app, draw, g);
    draw_rect(app, draw, 0, 8, 64, 56, 0, old);
    draw_expect(draw, 0, 8, 64, 56, old);
}

static uint32_t channel(uint32_t colour, int i)
{
    return colour >> 8 * i & 0xff;
}

/* --- blending --------------------------------------------------------------------------------- */

static uint32_t blended(VkBlendOp op, uint32_t s, uint32_t d)
{
    switch (op) {
    case VK_BLEND_OP_ADD:
        return s + d > 255 ? 255 : s + d;
    case VK_BLEND_OP_SUBTRACT:
        return s > d ? s - d : 0;
    case VK_BLEND_OP_REVERSE_SUBTRACT:
        return d > s ? d - s : 0;
    case VK_BLEND_OP_MIN:
        return s < d ? s : d;
    default:
        return s < d ? d : s;
    }
}

static void blend_ops(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    begin_old(app, &draw, &g, OLD);
    for (int op = VK_BLEND_OP_ADD; op <= VK_BLEND_OP_MAX; op++) {
        uint32_t expected = 0;
        for (int i = 0; i < 4; i++) {
            expected |= blended((VkBlendOp)op, channel(NEW, i), channel(OLD, i)) << 8 * i;
        }
        g.attachments[0] = blend(VK_BLEND_FACTOR_ONE,
                                 APP_OR(VK_BLEND_FACTOR_ONE, VK_BLEND_FACTOR_ZERO), (VkBlendOp)op);
        bind_new(app, &draw, &g);
        draw_rect(app, &draw, 12 * op, 16, 12 * op + 8, 40, 0, NEW);
        draw_expect(&draw, 12 * op, 16, 12 * op + 8, 40, expected);
    }
    draw_end(app, &draw);
}

/* Of colours that are all or nothing, 0xff or 0. */
static uint32_t factor_of(VkBlendFactor factor, uint32_t s, uint32_t d, int i)
{
    const uint32_t values[] = {
        0,
        255,
        channel(s, i),
        255 - channel(s, i),
        channel(d, i),
        255 - channel(d, i),
        channel(s, 3),
        255 - channel(s, 3),
        channel(d, 3),
        255 - channel(d, 3),
    };
    return values[factor];
}

static void blend_factors(struct app *app)
{
    const uint32_t s = 0xffff00ff, d = 0x0000ffff;
    struct app_graphics g;
    struct draw draw;
    begin_old(app, &draw, &g, d);
    for (int factor = VK_BLEND_FACTOR_ZERO; factor <= VK_BLEND_FACTOR_ONE_MINUS_DST_ALPHA;
         factor++) {
        uint32_t expected = 0;
        for (int i = 0; i < 4; i++) {
            expected |= (factor_of((VkBlendFactor)factor, s, d, i) & channel(s, i)) << 8 * i;
        }
        g.attachments[0] =
            blend((VkBlendFactor)factor, APP_OR(VK_BLEND_FACTOR_ZERO, VK_BLEND_FACTOR_ONE),
                  VK_BLEND_OP_ADD);
        bind_new(app, &draw, &g);
        draw_rect(app, &draw, 6 * factor, 16, 6 * factor + 4, 40, 0, s);
        draw_expect(&draw, 6 * factor, 16, 6 * factor + 4, 40, expected);
    }
    draw_end(app, &draw);
}

/* Red and blue of the new colour, the rest of the old one. */
static void blend_constants(struct app *app)
{
    static const float constants[4] = {1, APP_OR(0, 1), 1, 0};
    struct app_graphics g;
    struct draw draw;
    begin_old(app, &draw, &g, OLD);
    g.attachments[0] = blend(VK_BLEND_FACTOR_CONSTANT_COLOR,
                             VK_BLEND_FACTOR_ONE_MINUS_CONSTANT_COLOR, VK_BLEND_OP_ADD);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_BLEND_CONSTANTS);
    bind_new(app, &draw, &g);
    app->vk.CmdSetBlendConstants(draw.command, constants);
    draw_rect(app, &draw, 4, 0, 40, 40, 0, NEW);
    draw_expect(&draw, 4, 0, 40, 8, (BLACK & 0xff00ff00) | (NEW & 0x00ff00ff));
    draw_expect(&draw, 4, 8, 40, 40, (OLD & 0xff00ff00) | (NEW & 0x00ff00ff));
    draw_end(app, &draw);
}

/* The new colour with the old alpha. */
static void blend_separate_alpha(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    begin_old(app, &draw, &g, OLD);
    g.attachments[0] = blend(VK_BLEND_FACTOR_ONE, VK_BLEND_FACTOR_ZERO, VK_BLEND_OP_ADD);
    g.attachments[0].srcAlphaBlendFactor = VK_BLEND_FACTOR_ZERO;
    g.attachments[0].dstAlphaBlendFactor = APP_OR(VK_BLEND_FACTOR_ONE, VK_BLEND_FACTOR_ZERO);
    bind_new(app, &draw, &g);
    draw_rect(app, &draw, 4, 8, 40, 40, 0, NEW);
    draw_expect(&draw, 4, 8, 40, 40, (OLD & 0xff000000) | (NEW & 0x00ffffff));
    draw_end(app, &draw);
}

static void blend_dual_source(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    begin_old(app, &draw, &g, OLD);
    g.stages[1].module = APP_SHADER(app, draw_dual_frag);
    g.attachments[0] = blend(VK_BLEND_FACTOR_SRC1_COLOR, VK_BLEND_FACTOR_ONE_MINUS_SRC1_COLOR,
                             APP_OR(VK_BLEND_OP_ADD, VK_BLEND_OP_SUBTRACT));
    bind_new(app, &draw, &g);
    draw_rect(app, &draw, 4, 8, 40, 40, 0, NEW);
    draw_expect(&draw, 4, 8, 40, 40, (OLD & 0xff00ff00) | (NEW & 0x00ff00ff));
    draw_end(app, &draw);
}

static void colour_write_mask(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    begin_old(app, &draw, &g, OLD);
    g.attachments[0].colorWriteMask =
        VK_COLOR_COMPONENT_R_BIT | APP_OR(VK_COLOR_COMPONENT_B_BIT, VK_COLOR_COMPONENT_G_BIT);
    bind_new(app, &draw, &g);
    draw_rect(app, &draw, 4, 8, 40, 40, 0, NEW);
    draw_expect(&draw, 4, 8, 40, 40, (OLD & 0xff00ff00) | (NEW & 0x00ff00ff));
    draw_end(app, &draw);
}

/* An op's number is its truth table. */
static uint32_t logic(VkLogicOp op, uint32_t s, uint32_t d)
{
    uint32_t result = 0;
    result |= op & 1 ? s & d : 0;
    result |= op & 2 ? s & ~d : 0;
    result |= op & 4 ? ~s & d : 0;
    result |= op & 8 ? ~s & ~d : 0;
    return result;
}

static void logic_ops(struct app *app)
{
    static const VkLogicOp ops[] = {VK_LOGIC_OP_AND_REVERSE, VK_LOGIC_OP_XOR, VK_LOGIC_OP_NOR,
                                    VK_LOGIC_OP_INVERT};
    struct app_graphics g;
    struct draw draw;
    begin_old(app, &draw, &g, OLD);
    g.blend.logicOpEnable = VK_TRUE;
    for (int i = 0; i < 4; i++) {
        g.blend.logicOp = APP_OR(ops[i], VK_LOGIC_OP_OR);
        bind_new(app, &draw, &g);
        draw_rect(app, &draw, 16 * i, 16, 16 * i + 8, 40, 0, NEW);
        draw_expect(&draw, 16 * i, 16, 16 * i + 8, 40, logic(ops[i], NEW, OLD));
    }
    draw_end(app, &draw);
}

static void dynamic_logic_op(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    begin_old(app, &draw, &g, OLD);
    g.blend.logicOpEnable = VK_TRUE;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_LOGIC_OP_EXT);
    VkPipeline pipeline = app_graphics_create(app, &g);
    for (int op = VK_LOGIC_OP_CLEAR; op <= VK_LOGIC_OP_SET; op++) {
        draw_bind(app, &draw, pipeline); /* lavapipe takes a new op only with one */
        app->vk.CmdSetLogicOpEXT(draw.command, APP_OR((VkLogicOp)op, VK_LOGIC_OP_OR));
        draw_rect(app, &draw, 4 * op, 16, 4 * op + 4, 40, 0, NEW);
        draw_expect(&draw, 4 * op, 16, 4 * op + 4, 40, logic((VkLogicOp)op, NEW, OLD));
    }
    draw_end(app, &draw);
}

/* The pipeline does not blend, and writes nothing. */
static void dynamic_blending(struct app *app)
{
    static const VkBool32 off = VK_FALSE, on = VK_TRUE;
    static const VkColorComponentFlags all = 0xf, green = VK_COLOR_COMPONENT_G_BIT;
    static const VkColorBlendEquationEXT add = {
        VK_BLEND_FACTOR_ONE,
        VK_BLEND_FACTOR_ONE,
        APP_OR(VK_BLEND_OP_ADD, VK_BLEND_OP_REVERSE_SUBTRACT),
        VK_BLEND_FACTOR_ZERO,
        VK_BLEND_FACTOR_ONE,
        VK_BLEND_OP_ADD};
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    g.attachments[0].colorWriteMask = 0;
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_COLOR_BLEND_ENABLE_EXT);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_COLOR_BLEND_EQUATION_EXT);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_COLOR_WRITE_MASK_EXT);
    draw_begin(app, &draw);
    bind_new(app, &draw, &g);
    app->vk.CmdSetColorBlendEquationEXT(draw.command, 0, 1, &add);
    app->vk.CmdSetColorBlendEnableEXT(draw.command, 0, 1, &off);
    app->vk.CmdSetColorWriteMaskEXT(draw.command, 0, 1, &all);
    draw_rect(app, &draw, 0, 0, 64, 40, 0, OLD);
    app->vk.CmdSetColorBlendEnableEXT(draw.command, 0, 1, &on);
    draw_rect(app, &draw, 4, 4, 20, 20, 0, 0x10203040);
    app->vk.CmdSetColorWriteMaskEXT(draw.command, 0, 1, &green);
    draw_rect(app, &draw, 30, 4, 50, 20, 0, 0x10203040);
    draw_expect(&draw, 0, 0, 64, 40, OLD);
    draw_expect(&draw, 4, 4, 20, 20, OLD + 0x00203040);
    draw_expect(&draw, 30, 4, 50, 20, OLD + 0x00003000);
    draw_end(app, &draw);
}

static void colour_write_enable(struct app *app)
{
    static const VkBool32 on = VK_TRUE, off = APP_OR(VK_FALSE, VK_TRUE);
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    app_graphics_dynamic(&g, VK_DYNAMIC_STATE_COLOR_WRITE_ENABLE_EXT);
    draw_begin(app, &draw);
    bind_new(app, &draw, &g);
    app->vk.CmdSetColorWriteEnableEXT(draw.command, 1, &on);
    draw_rect(app, &draw, 0, 0, 40, 40, 0, GREEN);
    app->vk.CmdSetColorWriteEnableEXT(draw.command, 1, &off);
    draw_rect(app, &draw, 20, 20, 60, 60, 0, RED);
    draw_expect(&draw, 0, 0, 40, 40, GREEN);
    draw_end(app, &draw);
}

/* --- attachments ------------------------------------------------------------------------------ */

static void begin_part(struct app *app, VkCommandBuffer command, const struct app_image *targets,
                       uint32_t count, VkRenderingFlags flags)
{
    VkRenderingAttachmentInfo colours[2];
    for (uint32_t i = 0; i < count; i++) {
        colours[i] = app_attachment(&targets[i], VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
                                    VK_ATTACHMENT_LOAD_OP_CLEAR);
    }
    VkRenderingInfo info = app_rendering(colours, count);
    info.flags = flags;
    app->vk.CmdBeginRendering(command, &info);
}

/* The first one adds, the second one has its colours turned around and writes two of them. */
static void two_attachments(struct app *app)
{
    struct app_graphics g;
    struct draw draw, other;
    draw_init(app, &draw);
    draw_init(app, &other);
    draw_rects_init(app, &g);
    g.stages[1].module = APP_SHADER(app, draw_two_frag);
    g.blend.attachmentCount = g.rendering.colorAttachmentCount = 2;
    g.attachments[0] = blend(VK_BLEND_FACTOR_ONE, VK_BLEND_FACTOR_ONE, VK_BLEND_OP_ADD);
    g.attachments[1].colorWriteMask =
        VK_COLOR_COMPONENT_R_BIT | APP_OR(VK_COLOR_COMPONENT_G_BIT, VK_COLOR_COMPONENT_B_BIT);
    const struct app_image targets[] = {draw.target, other.target};
    for (int i = 0; i < 2; i++) {
        app_transition(app, draw.command, &targets[i], VK_IMAGE_LAYOUT_UNDEFINED,
                       VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
    }
    begin_part(app, draw.command, targets, 2, 0);
    bind_new(app, &draw, &g);
    draw_rect(app, &draw, 0, 0, 40, 40, 0, 0xff302010);
    draw_rect(app, &draw, 20, 20, 60, 60, 0, 0xff605040);
    draw_expect(&draw, 0, 0, 40, 40, 0xff302010);
    draw_expect(&draw, 20, 20, 60, 60, 0xff605040);
    draw_expect(&draw, 20, 20, 40, 40, 0xff907050);
    draw_expect(&other, 0, 0, 40, 40, 0xff003020);
    draw_expect(&other, 20, 20, 60, 60, 0xff006050);
    app_end_drawing(app, draw.command, &draw.target);
    app_transition(app, draw.command, &other.target, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
                   VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    draw_compare(app, &draw);
    draw_compare(app, &other);
}

static void integer_attachment(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    g.stages[1].module = APP_SHADER(app, draw_integer_frag);
    g.formats[0] = VK_FORMAT_R32_UINT;
    draw_init(app, &draw);
    draw.target = app_target(app, VK_FORMAT_R32_UINT, VK_SAMPLE_COUNT_1_BIT);
    app_begin_drawing(app, draw.command, &draw.target);
    bind_new(app, &draw, &g);
    draw_rect(app, &draw, 0, 0, 40, 40, 0, APP_OR(0x12345678, 0x12345679));
    draw_expect(&draw, 0, 0, APP_WIDTH, APP_HEIGHT, 0);
    draw_expect(&draw, 0, 0, 40, 40, 0x12345678);
    draw_end(app, &draw);
}

static void clear_attachments(struct app *app)
{
    static const VkClearAttachment colour = {
        VK_IMAGE_ASPECT_COLOR_BIT, 0, {.color.float32 = {0, 1, APP_OR(0, 1), 1}}};
    static const VkClearRect rects[] = {{{{2, 3}, {10, 20}}, 0, 1}, {{{30, 40}, {34, 24}}, 0, 1}};
    struct app_graphics g;
    struct draw draw;
    begin_old(app, &draw, &g, OLD);
    app->vk.CmdClearAttachments(draw.command, 1, &colour, 2, rects);
    draw_expect(&draw, 2, 3, 12, 23, GREEN);
    draw_expect(&draw, 30, 40, 64, 64, GREEN);
    draw_end(app, &draw);
}

static void push_constants_fragment(struct app *app)
{
    static const float tints[2][4] = {{1, 0, 1, 1}, {0, 1, APP_OR(0, 1), 1}};
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    g.stages[1].module = APP_SHADER(app, draw_push_frag);
    draw_begin(app, &draw);
    bind_new(app, &draw, &g);
    for (int i = 0; i < 2; i++) {
        app->vk.CmdPushConstants(draw.command, draw.layout,
                                 VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT, 32,
                                 sizeof(tints[i]), tints[i]);
        draw_rect(app, &draw, 32 * i, 0, 32 * i + 20, 40, 0, 0xff302010);
    }
    draw_expect(&draw, 0, 0, 20, 40, 0xff300010);
    draw_expect(&draw, 32, 0, 52, 40, 0xff002000);
    draw_end(app, &draw);
}

/* One rendering in two command buffers: the second one does not clear. */
static void suspended_rendering(struct app *app)
{
    struct app_graphics g;
    struct draw draw;
    draw_rects_init(app, &g);
    VkPipeline pipeline = app_graphics_create(app, &g);
    draw_init(app, &draw);
    app_transition(app, draw.command, &draw.target, VK_IMAGE_LAYOUT_UNDEFINED,
                   VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
    begin_part(app, draw.command, &draw.target, 1, VK_RENDERING_SUSPENDING_BIT);
    draw_bind(app, &draw, pipeline);
    draw_rect(app, &draw, 0, 0, 40, 40, 0, RED);
    app->vk.CmdEndRendering(draw.command);
    APP_CHECK(app, EndCommandBuffer, draw.command);
    const VkCommandBuffer commands[] = {draw.command, app_begin(app)};
    draw.command = commands[1];
    begin_part(app, draw.command, &draw.target, 1, VK_RENDERING_RESUMING_BIT);
    draw_bind(app, &draw, pipeline);
    draw_rect(app, &draw, 20, 20, 60, 60, 0, APP_OR(GREEN, BLUE));
    app_end_drawing(app, draw.command, &draw.target);
    app_read(app, draw.command, &draw.target, 0, &draw.pixels);
    app_barrier(app, draw.command);
    APP_CHECK(app, EndCommandBuffer, draw.command);
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 2,
        .pCommandBuffers = commands,
    };
    APP_CHECK(app, QueueSubmit, app->queue, 1, &submit, VK_NULL_HANDLE);
    APP_CHECK(app, QueueWaitIdle, app->queue);
    draw_expect(&draw, 0, 0, 40, 40, RED);
    draw_expect(&draw, 20, 20, 60, 60, GREEN);
    app_expect_words(app, "pixels", draw.pixels.map, draw.expected, DRAW_PIXELS);
}

const struct app_case app_cases_draw_blend[] = {
    DRAW_CASE(blend_ops),
    DRAW_CASE(blend_factors),
    DRAW_CASE(blend_constants),
    DRAW_CASE(blend_separate_alpha),
    DRAW_CASE(colour_write_mask),
    DRAW_CASE(integer_attachment),
    DRAW_CASE(clear_attachments),
    DRAW_CASE(push_constants_fragment),
    DRAW_CASE(suspended_rendering),
    DRAW_CASE(two_attachments, "VkPhysicalDeviceFeatures.independentBlend"),
    DRAW_CASE(blend_dual_source, "VkPhysicalDeviceFeatures.dualSrcBlend"),
    DRAW_CASE(logic_ops, "VkPhysicalDeviceFeatures.logicOp"),
    DRAW_CASE(dynamic_logic_op, "VkPhysicalDeviceFeatures.logicOp",
              "VK_EXT_extended_dynamic_state2",
              "VkPhysicalDeviceExtendedDynamicState2FeaturesEXT.extendedDynamicState2LogicOp"),
    DRAW_CASE(
        dynamic_blending, "VK_EXT_extended_dynamic_state3",
        "VkPhysicalDeviceExtendedDynamicState3FeaturesEXT.extendedDynamicState3ColorBlendEnable",
        "VkPhysicalDeviceExtendedDynamicState3FeaturesEXT.extendedDynamicState3ColorBlendEquation",
        "VkPhysicalDeviceExtendedDynamicState3FeaturesEXT.extendedDynamicState3ColorWriteMask"),
    DRAW_CASE(colour_write_enable, "VK_EXT_color_write_enable",
              "VkPhysicalDeviceColorWriteEnableFeaturesEXT.colorWriteEnable"),
    {0},
};
