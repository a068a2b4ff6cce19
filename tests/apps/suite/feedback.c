/* Fragment shaders that read what is being drawn to. */
#include "passes.h"

/* clang-format off */
#include "half_vert.spv.h"
#include "pass_feedback_frag.spv.h"
#include "pass_full_vert.spv.h"
#include "pass_input_frag.spv.h"
#include "pass_interlock_frag.spv.h"
#include "pass_order_frag.spv.h"
#include "red_frag.spv.h"
/* clang-format on */

enum { TIMES = 5, BEFORE = 7 };

/* --- helpers ---------------------------------------------------------------------------------- */

static struct app_image image_for(struct app *app, VkFormat format, VkImageUsageFlags usage)
{
    const VkImageCreateInfo info =
        app_image_info(format, APP_WIDTH, APP_HEIGHT,
                       VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT | usage);
    return app_image(app, &info, VK_IMAGE_VIEW_TYPE_2D);
}

/* Reads an image that is in that layout. */
static struct app_buffer finish(struct app *app, VkCommandBuffer command,
                                const struct app_image *image, VkImageLayout layout)
{
    struct app_buffer pixels = app_buffer(app, DRAW_PIXELS * 4, 0);
    app_transition(app, command, image, layout, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    app_read(app, command, image, 0, &pixels);
    app_run(app, command);
    return pixels;
}

static void draw(struct app *app, VkCommandBuffer command, VkPipeline pipeline,
                 const struct pass_source *from, uint32_t vertex_count, uint32_t instance_count)
{
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    if (from != NULL) {
        app->vk.CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_GRAPHICS, from->layout, 0, 1,
                                      &from->set, 0, NULL);
    }
    app->vk.CmdDraw(command, vertex_count, instance_count, 0, 0);
}

static void begin(struct app *app, VkCommandBuffer command, const VkRenderingAttachmentInfo *colour,
                  uint32_t count)
{
    const VkRenderingInfo info = app_rendering(colour, count);
    app->vk.CmdBeginRendering(command, &info);
}

/* What reading, times three and plus one TIMES times gives. */
static uint32_t repeated(uint32_t value)
{
    for (uint32_t i = 0; i < TIMES; i++) {
        value = value * 3 + 1;
    }
    return value;
}

/* --- dynamic rendering ------------------------------------------------------------------------ */

/* The picture is green; where the half is drawn, green is read, and turned into red. */
static void attachment_feedback_loop(struct app *app)
{
    const VkClearColorValue green = {.float32 = {0, APP_OR(1, 0), 0, 1}};
    const VkImageLayout loop = VK_IMAGE_LAYOUT_ATTACHMENT_FEEDBACK_LOOP_OPTIMAL_EXT;
    struct app_image picture =
        image_for(app, VK_FORMAT_R8G8B8A8_UNORM,
                  VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_SAMPLED_BIT |
                      VK_IMAGE_USAGE_ATTACHMENT_FEEDBACK_LOOP_BIT_EXT);
    struct pass_source from = pass_source(app, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
                                          picture.view, app_sampler(app, VK_FILTER_NEAREST), loop);
    struct app_graphics g;
    app_graphics_init(&g, from.layout);
    app_graphics_stage(&g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, half_vert));
    app_graphics_stage(&g, VK_SHADER_STAGE_FRAGMENT_BIT, APP_SHADER(app, pass_feedback_frag));
    g.info.flags = VK_PIPELINE_CREATE_COLOR_ATTACHMENT_FEEDBACK_LOOP_BIT_EXT;
    VkPipeline pipeline = app_graphics_create(app, &g);
    VkCommandBuffer command = app_begin(app);
    pass_preset(app, command, &picture, green, loop);
    const VkRenderingAttachmentInfo colour =
        app_attachment(&picture, loop, VK_ATTACHMENT_LOAD_OP_LOAD);
    begin(app, command, &colour, 1);
    draw(app, command, pipeline, &from, 6, 1);
    app->vk.CmdEndRendering(command);
    struct app_buffer pixels = finish(app, command, &picture, loop);
    pass_expect_halves(app, &pixels, RED, GREEN);
}

/* Writes location 0 to the attachment of that index, and with `from` reads the other one. */
static VkPipeline local_pipeline(struct app *app, const struct pass_source *from)
{
    const uint32_t locations[2] = {from == NULL ? 0 : VK_ATTACHMENT_UNUSED,
                                   from == NULL ? VK_ATTACHMENT_UNUSED : 0};
    const uint32_t inputs[2] = {0, VK_ATTACHMENT_UNUSED};
    const VkRenderingInputAttachmentIndexInfo input_info = {
        .sType = VK_STRUCTURE_TYPE_RENDERING_INPUT_ATTACHMENT_INDEX_INFO,
        .colorAttachmentCount = 2,
        .pColorAttachmentInputIndices = inputs,
    };
    const VkRenderingAttachmentLocationInfo location_info = {
        .sType = VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_LOCATION_INFO,
        .pNext = &input_info,
        .colorAttachmentCount = 2,
        .pColorAttachmentLocations = locations,
    };
    struct app_graphics g;
    app_graphics_init(&g, from == NULL ? app_layout(app, VK_NULL_HANDLE, 0, 0) : from->layout);
    app_graphics_stage(&g, VK_SHADER_STAGE_VERTEX_BIT,
                       from == NULL ? APP_SHADER(app, half_vert) : APP_SHADER(app, pass_full_vert));
    app_graphics_stage(&g, VK_SHADER_STAGE_FRAGMENT_BIT,
                       from == NULL ? APP_SHADER(app, red_frag) : APP_SHADER(app, pass_input_frag));
    g.blend.attachmentCount = g.rendering.colorAttachmentCount = 2;
    g.rendering.pNext = &location_info;
    return app_graphics_create(app, &g);
}

static void set_locations(struct app *app, VkCommandBuffer command, uint32_t first, uint32_t second)
{
    const uint32_t locations[2] = {first, second}, inputs[2] = {0, VK_ATTACHMENT_UNUSED};
    const VkRenderingAttachmentLocationInfo location_info = {
        .sType = VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_LOCATION_INFO,
        .colorAttachmentCount = 2,
        .pColorAttachmentLocations = locations,
    };
    const VkRenderingInputAttachmentIndexInfo input_info = {
        .sType = VK_STRUCTURE_TYPE_RENDERING_INPUT_ATTACHMENT_INDEX_INFO,
        .colorAttachmentCount = 2,
        .pColorAttachmentInputIndices = inputs,
    };
    app->vk.CmdSetRenderingAttachmentLocations(command, &location_info);
    app->vk.CmdSetRenderingInputAttachmentIndices(command, &input_info);
}

/* The second draw reads what the first one wrote, without an end between them. */
static void local_read(struct app *app)
{
    const VkClearColorValue blue = {.float32 = {0, 0, APP_OR(1, 0), 1}};
    const VkImageLayout local = VK_IMAGE_LAYOUT_RENDERING_LOCAL_READ;
    const VkMemoryBarrier written = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                     .srcAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT,
                                     .dstAccessMask = VK_ACCESS_INPUT_ATTACHMENT_READ_BIT};
    struct app_image first =
        image_for(app, VK_FORMAT_R8G8B8A8_UNORM,
                  VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_INPUT_ATTACHMENT_BIT);
    struct app_image second =
        image_for(app, VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT);
    struct pass_source from =
        pass_source(app, VK_DESCRIPTOR_TYPE_INPUT_ATTACHMENT, first.view, VK_NULL_HANDLE, local);
    const VkRenderingAttachmentInfo colours[2] = {
        app_attachment(&first, local, VK_ATTACHMENT_LOAD_OP_LOAD),
        app_attachment(&second, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
                       VK_ATTACHMENT_LOAD_OP_LOAD)};
    VkPipeline pipelines[2] = {local_pipeline(app, NULL), local_pipeline(app, &from)};
    VkCommandBuffer command = app_begin(app);
    pass_preset(app, command, &first, blue, local);
    pass_preset(app, command, &second, blue, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
    begin(app, command, colours, 2);
    set_locations(app, command, 0, VK_ATTACHMENT_UNUSED);
    draw(app, command, pipelines[0], NULL, 6, 1);
    app->vk.CmdPipelineBarrier(command, VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
                               VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT, VK_DEPENDENCY_BY_REGION_BIT,
                               1, &written, 0, NULL, 0, NULL);
    set_locations(app, command, VK_ATTACHMENT_UNUSED, 0);
    draw(app, command, pipelines[1], &from, 3, 1);
    app->vk.CmdEndRendering(command);
    struct app_buffer pixels =
        finish(app, command, &second, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
    pass_expect_halves(app, &pixels, BLUE, RED);
}

/* Fragments of one pixel take turns at a word of a storage image. */
static void fragment_interlock(struct app *app)
{
    const VkClearColorValue before = {.uint32 = {BEFORE}}, black = {.float32 = {0, 0, 0, 1}};
    struct app_image words = image_for(app, VK_FORMAT_R32_UINT, VK_IMAGE_USAGE_STORAGE_BIT);
    struct app_image picture =
        image_for(app, VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT);
    struct pass_source from = pass_source(app, VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, words.view,
                                          VK_NULL_HANDLE, VK_IMAGE_LAYOUT_GENERAL);
    struct app_graphics g;
    app_graphics_init(&g, from.layout);
    app_graphics_stage(&g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, half_vert));
    app_graphics_stage(&g, VK_SHADER_STAGE_FRAGMENT_BIT, APP_SHADER(app, pass_interlock_frag));
    g.attachments[0].colorWriteMask = 0;
    VkPipeline pipeline = app_graphics_create(app, &g);
    const VkRenderingAttachmentInfo colour = app_attachment(
        &picture, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL, VK_ATTACHMENT_LOAD_OP_LOAD);
    VkCommandBuffer command = app_begin(app);
    pass_preset(app, command, &words, before, VK_IMAGE_LAYOUT_GENERAL);
    pass_preset(app, command, &picture, black, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
    begin(app, command, &colour, 1);
    draw(app, command, pipeline, &from, 6, APP_OR(TIMES, TIMES - 1));
    app->vk.CmdEndRendering(command);
    struct app_buffer pixels = finish(app, command, &words, VK_IMAGE_LAYOUT_GENERAL);
    pass_expect_halves(app, &pixels, repeated(BEFORE), BEFORE);
}

/* --- a render pass ---------------------------------------------------------------------------- */

/* Its attachment is its input, too. */
static VkRenderPass ordered_pass(struct app *app)
{
    const VkAttachmentReference self = {0, VK_IMAGE_LAYOUT_GENERAL};
    const VkAttachmentDescription words = {
        .format = VK_FORMAT_R32_UINT,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .loadOp = VK_ATTACHMENT_LOAD_OP_LOAD,
        .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
        .initialLayout = VK_IMAGE_LAYOUT_GENERAL,
        .finalLayout = VK_IMAGE_LAYOUT_GENERAL,
    };
    const VkSubpassDescription subpass = {
        .flags = VK_SUBPASS_DESCRIPTION_RASTERIZATION_ORDER_ATTACHMENT_COLOR_ACCESS_BIT_EXT,
        .inputAttachmentCount = 1,
        .pInputAttachments = &self,
        .colorAttachmentCount = 1,
        .pColorAttachments = &self,
    };
    const VkRenderPassCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO,
        .attachmentCount = 1,
        .pAttachments = &words,
        .subpassCount = 1,
        .pSubpasses = &subpass,
    };
    VkRenderPass pass;
    APP_CHECK(app, CreateRenderPass, app->device, &info, NULL, &pass);
    app_keep(app, RENDER_PASS, pass);
    return pass;
}

static void begin_ordered(struct app *app, VkCommandBuffer command, VkRenderPass pass,
                          const struct app_image *words)
{
    const VkFramebufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
        .renderPass = pass,
        .attachmentCount = 1,
        .pAttachments = &words->view,
        .width = APP_WIDTH,
        .height = APP_HEIGHT,
        .layers = 1,
    };
    VkRenderPassBeginInfo begin_info = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
        .renderPass = pass,
        .renderArea = {{0, 0}, {APP_WIDTH, APP_HEIGHT}},
    };
    APP_CHECK(app, CreateFramebuffer, app->device, &info, NULL, &begin_info.framebuffer);
    app_keep(app, FRAMEBUFFER, begin_info.framebuffer);
    app->vk.CmdBeginRenderPass(command, &begin_info, VK_SUBPASS_CONTENTS_INLINE);
}

/* Each of several triangles on a pixel reads what the one before it wrote, without a barrier. */
static void rasterization_order_access(struct app *app)
{
    const VkClearColorValue before = {.uint32 = {BEFORE}};
    struct app_image words =
        image_for(app, VK_FORMAT_R32_UINT,
                  VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_INPUT_ATTACHMENT_BIT);
    struct pass_source from = pass_source(app, VK_DESCRIPTOR_TYPE_INPUT_ATTACHMENT, words.view,
                                          VK_NULL_HANDLE, VK_IMAGE_LAYOUT_GENERAL);
    VkRenderPass pass = ordered_pass(app);
    struct app_graphics g;
    app_graphics_init(&g, from.layout);
    app_graphics_stage(&g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, half_vert));
    app_graphics_stage(&g, VK_SHADER_STAGE_FRAGMENT_BIT, APP_SHADER(app, pass_order_frag));
    g.info.pNext = NULL;
    g.info.renderPass = pass;
    g.blend.flags =
        VK_PIPELINE_COLOR_BLEND_STATE_CREATE_RASTERIZATION_ORDER_ATTACHMENT_ACCESS_BIT_EXT;
    VkPipeline pipeline = app_graphics_create(app, &g);
    VkCommandBuffer command = app_begin(app);
    pass_preset(app, command, &words, before, VK_IMAGE_LAYOUT_GENERAL);
    begin_ordered(app, command, pass, &words);
    draw(app, command, pipeline, &from, 6, APP_OR(TIMES, TIMES - 1));
    app->vk.CmdEndRenderPass(command);
    struct app_buffer pixels = finish(app, command, &words, VK_IMAGE_LAYOUT_GENERAL);
    pass_expect_halves(app, &pixels, repeated(BEFORE), BEFORE);
}

#define LOOPS "VkPhysicalDeviceAttachmentFeedbackLoopLayoutFeaturesEXT.attachmentFeedbackLoopLayout"
#define READS "VkPhysicalDeviceDynamicRenderingLocalReadFeatures.dynamicRenderingLocalRead"
#define ORDER "VkPhysicalDeviceRasterizationOrderAttachmentAccessFeaturesEXT"
#define INTERLOCK "VkPhysicalDeviceFragmentShaderInterlockFeaturesEXT.fragmentShaderPixelInterlock"

const struct app_case app_cases_feedback[] = {
    DRAW_CASE(attachment_feedback_loop, "VK_EXT_attachment_feedback_loop_layout", LOOPS),
    DRAW_CASE(local_read, "VK_KHR_dynamic_rendering_local_read", READS),
    DRAW_CASE(fragment_interlock, "VK_EXT_fragment_shader_interlock", INTERLOCK,
              "VkPhysicalDeviceFeatures.fragmentStoresAndAtomics"),
    DRAW_CASE(rasterization_order_access, "VK_EXT_rasterization_order_attachment_access",
              ORDER ".rasterizationOrderColorAttachmentAccess"),
    {0},
};
