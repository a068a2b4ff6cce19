/* Render passes, and what reads attachments. */
#include "passes.h"

/* clang-format off */
#include "half_vert.spv.h"
#include "pass_full_vert.spv.h"
#include "pass_input_frag.spv.h"
#include "pass_view_frag.spv.h"
#include "red_frag.spv.h"
/* clang-format on */

static const VkClearValue clear_blue = {.color.float32 = {0, 0, 1, 1}};
static const VkClearValue clear_green = {.color.float32 = {0, 1, 0, 1}};

/* --- helpers ---------------------------------------------------------------------------------- */

void pass_expect_halves(struct app *app, const struct app_buffer *pixels, uint32_t left,
                        uint32_t right)
{
    uint32_t expected[DRAW_PIXELS];
    for (uint32_t i = 0; i < DRAW_PIXELS; i++) {
        expected[i] = i % APP_WIDTH < APP_WIDTH / 2 ? left : right;
    }
    app_expect_words(app, "pixels", pixels->map, expected, DRAW_PIXELS);
}

static VkAttachmentDescription attachment(VkFormat format, VkAttachmentLoadOp load,
                                          VkImageLayout before, VkImageLayout after)
{
    return (VkAttachmentDescription){
        .format = format,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .loadOp = load,
        .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
        .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
        .stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
        .initialLayout = before,
        .finalLayout = after,
    };
}

static VkRenderPass make_pass(struct app *app, const VkRenderPassCreateInfo *info)
{
    VkRenderPass pass;
    APP_CHECK(app, CreateRenderPass, app->device, info, NULL, &pass);
    app_keep(app, RENDER_PASS, pass);
    return pass;
}

/* One picture, which is copied from afterwards. */
static VkRenderPass colour_pass(struct app *app, VkAttachmentLoadOp load, VkImageLayout before)
{
    const VkAttachmentDescription picture =
        attachment(VK_FORMAT_R8G8B8A8_UNORM, load, before, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    const VkAttachmentReference colour = {0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
    const VkSubpassDescription subpass = {
        .pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS,
        .colorAttachmentCount = 1,
        .pColorAttachments = &colour,
    };
    const VkRenderPassCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO,
        .attachmentCount = 1,
        .pAttachments = &picture,
        .subpassCount = 1,
        .pSubpasses = &subpass,
    };
    return make_pass(app, &info);
}

static VkFramebuffer framebuffer(struct app *app, VkRenderPass pass, const VkImageView *views,
                                 uint32_t count)
{
    const VkFramebufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
        .renderPass = pass,
        .attachmentCount = count,
        .pAttachments = views,
        .width = APP_WIDTH,
        .height = APP_HEIGHT,
        .layers = 1,
    };
    VkFramebuffer made;
    APP_CHECK(app, CreateFramebuffer, app->device, &info, NULL, &made);
    app_keep(app, FRAMEBUFFER, made);
    return made;
}

/* The defaults, for a subpass. */
static void pass_graphics(struct app *app, struct app_graphics *g, VkPipelineLayout layout,
                          VkRenderPass pass, uint32_t subpass)
{
    app_graphics_init(g, layout != VK_NULL_HANDLE ? layout : app_layout(app, VK_NULL_HANDLE, 0, 0));
    g->info.pNext = NULL;
    g->info.renderPass = pass;
    g->info.subpass = subpass;
}

/* Draws the left half in red in subpass 0. */
static VkPipeline red_half(struct app *app, VkRenderPass pass)
{
    struct app_graphics g;
    pass_graphics(app, &g, VK_NULL_HANDLE, pass, 0);
    app_graphics_stage(&g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, half_vert));
    app_graphics_stage(&g, VK_SHADER_STAGE_FRAGMENT_BIT, APP_SHADER(app, red_frag));
    return app_graphics_create(app, &g);
}

static void begin_pass(struct app *app, VkCommandBuffer command, VkRenderPass pass,
                       VkFramebuffer target, const VkClearValue *clears, uint32_t clear_count,
                       const void *chain)
{
    const VkRenderPassBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
        .pNext = chain,
        .renderPass = pass,
        .framebuffer = target,
        .renderArea = {{0, 0}, {APP_WIDTH, APP_HEIGHT}},
        .clearValueCount = clear_count,
        .pClearValues = clears,
    };
    app->vk.CmdBeginRenderPass(command, &begin, VK_SUBPASS_CONTENTS_INLINE);
}

static void draw(struct app *app, VkCommandBuffer command, VkPipeline pipeline,
                 uint32_t vertex_count, uint32_t instance_count)
{
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    app->vk.CmdDraw(command, vertex_count, instance_count, 0, 0);
}

/* Ends the pass, runs it, and returns the picture. */
static struct app_buffer end_pass(struct app *app, VkCommandBuffer command,
                                  const struct app_image *picture)
{
    struct app_buffer pixels = app_buffer(app, DRAW_PIXELS * 4, 0);
    app->vk.CmdEndRenderPass(command);
    app_barrier(app, command);
    app_read(app, command, picture, 0, &pixels);
    app_run(app, command);
    return pixels;
}

void pass_preset(struct app *app, VkCommandBuffer command, const struct app_image *image,
                 VkClearColorValue value, VkImageLayout after)
{
    const VkImageSubresourceRange all = app_whole(image);
    app_transition(app, command, image, VK_IMAGE_LAYOUT_UNDEFINED,
                   VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
    app->vk.CmdClearColorImage(command, image->image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, &value,
                               1, &all);
    app_transition(app, command, image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, after);
}

static struct app_image picture_for(struct app *app, VkFormat format, VkImageUsageFlags more)
{
    const VkImageCreateInfo info =
        app_image_info(format, APP_WIDTH, APP_HEIGHT,
                       VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT |
                           VK_IMAGE_USAGE_TRANSFER_DST_BIT | more);
    return app_image(app, &info, VK_IMAGE_VIEW_TYPE_2D);
}

struct pass_source pass_source(struct app *app, VkDescriptorType type, VkImageView view,
                               VkSampler sampler, VkImageLayout image_layout)
{
    VkDescriptorSetLayout set_layout = app_set_layout(app, &type, 1);
    struct pass_source made = {app_layout(app, set_layout, 0, 0),
                               app_set(app, set_layout, &type, 1)};
    app_write_image(app, made.set, 0, type, view, sampler, image_layout);
    return made;
}

static void bind_source(struct app *app, VkCommandBuffer command, const struct pass_source *from)
{
    app->vk.CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_GRAPHICS, from->layout, 0, 1,
                                  &from->set, 0, NULL);
}

/* --- render passes ---------------------------------------------------------------------------- */

static void render_pass_draws(struct app *app)
{
    const VkClearValue clear = APP_OR(clear_blue, clear_green);
    struct app_image picture = app_target(app, VK_FORMAT_R8G8B8A8_UNORM, VK_SAMPLE_COUNT_1_BIT);
    VkRenderPass pass = colour_pass(app, VK_ATTACHMENT_LOAD_OP_CLEAR, VK_IMAGE_LAYOUT_UNDEFINED);
    VkFramebuffer target = framebuffer(app, pass, &picture.view, 1);
    VkCommandBuffer command = app_begin(app);
    begin_pass(app, command, pass, target, &clear, 1, NULL);
    draw(app, command, red_half(app, pass), 6, 1);
    struct app_buffer pixels = end_pass(app, command, &picture);
    pass_expect_halves(app, &pixels, RED, BLUE);
}

static void render_pass_load_keeps(struct app *app)
{
    struct app_image picture = picture_for(app, VK_FORMAT_R8G8B8A8_UNORM, 0);
    VkRenderPass pass =
        colour_pass(app, APP_OR(VK_ATTACHMENT_LOAD_OP_LOAD, VK_ATTACHMENT_LOAD_OP_CLEAR),
                    VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
    VkFramebuffer target = framebuffer(app, pass, &picture.view, 1);
    VkCommandBuffer command = app_begin(app);
    pass_preset(app, command, &picture, clear_green.color,
                VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
    begin_pass(app, command, pass, target, &clear_blue, 1, NULL);
    draw(app, command, red_half(app, pass), 6, 1);
    struct app_buffer pixels = end_pass(app, command, &picture);
    pass_expect_halves(app, &pixels, RED, GREEN);
}

/* The second subpass reads what the first one drew. */
static VkRenderPass input_pass(struct app *app)
{
    const VkAttachmentDescription pictures[] = {
        attachment(VK_FORMAT_R8G8B8A8_UNORM, VK_ATTACHMENT_LOAD_OP_CLEAR, VK_IMAGE_LAYOUT_UNDEFINED,
                   VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL),
        attachment(VK_FORMAT_R8G8B8A8_UNORM, VK_ATTACHMENT_LOAD_OP_CLEAR, VK_IMAGE_LAYOUT_UNDEFINED,
                   VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL)};
    const VkAttachmentReference colours[] = {{0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL},
                                             {1, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL}};
    const VkAttachmentReference input = {0, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL};
    const VkSubpassDescription subpasses[] = {
        {.colorAttachmentCount = 1, .pColorAttachments = &colours[0]},
        {.inputAttachmentCount = 1,
         .pInputAttachments = &input,
         .colorAttachmentCount = 1,
         .pColorAttachments = &colours[1]}};
    /* The first picture changes its layout, is read, and is written where it is stored. */
    const VkSubpassDependency dependency = {
        .dstSubpass = 1,
        .srcStageMask = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
        .dstStageMask =
            VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT | VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
        .srcAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_INPUT_ATTACHMENT_READ_BIT | VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT,
        .dependencyFlags = VK_DEPENDENCY_BY_REGION_BIT,
    };
    const VkRenderPassCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO,
        .attachmentCount = 2,
        .pAttachments = pictures,
        .subpassCount = 2,
        .pSubpasses = subpasses,
        .dependencyCount = 1,
        .pDependencies = &dependency,
    };
    return make_pass(app, &info);
}

static void subpass_input(struct app *app)
{
    const VkClearValue clears[2] = {APP_OR(clear_blue, clear_green), clear_green};
    struct app_image first =
        picture_for(app, VK_FORMAT_R8G8B8A8_UNORM, VK_IMAGE_USAGE_INPUT_ATTACHMENT_BIT);
    struct app_image second = app_target(app, VK_FORMAT_R8G8B8A8_UNORM, VK_SAMPLE_COUNT_1_BIT);
    const VkImageView views[2] = {first.view, second.view};
    VkRenderPass pass = input_pass(app);
    VkFramebuffer target = framebuffer(app, pass, views, 2);
    struct pass_source input =
        pass_source(app, VK_DESCRIPTOR_TYPE_INPUT_ATTACHMENT, first.view, VK_NULL_HANDLE,
                    VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL);
    struct app_graphics g;
    pass_graphics(app, &g, input.layout, pass, 1);
    app_graphics_stage(&g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, pass_full_vert));
    app_graphics_stage(&g, VK_SHADER_STAGE_FRAGMENT_BIT, APP_SHADER(app, pass_input_frag));
    VkPipeline swap = app_graphics_create(app, &g);
    VkCommandBuffer command = app_begin(app);
    begin_pass(app, command, pass, target, clears, 2, NULL);
    draw(app, command, red_half(app, pass), 6, 1);
    app->vk.CmdNextSubpass(command, VK_SUBPASS_CONTENTS_INLINE);
    bind_source(app, command, &input);
    draw(app, command, swap, 3, 1);
    struct app_buffer pixels = end_pass(app, command, &second);
    pass_expect_halves(app, &pixels, BLUE, RED);
}

/* The edge cuts the pixels of column 32 in two: two samples of four are red. */
static void msaa_resolve_attachment(struct app *app)
{
    VkAttachmentDescription pictures[] = {
        attachment(VK_FORMAT_R8G8B8A8_UNORM, VK_ATTACHMENT_LOAD_OP_CLEAR, VK_IMAGE_LAYOUT_UNDEFINED,
                   VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL),
        attachment(VK_FORMAT_R8G8B8A8_UNORM, VK_ATTACHMENT_LOAD_OP_DONT_CARE,
                   VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL)};
    const VkAttachmentReference colour = {0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
    const VkAttachmentReference resolve = {1, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
    const VkSubpassDescription subpass = {
        .colorAttachmentCount = 1, .pColorAttachments = &colour, .pResolveAttachments = &resolve};
    const VkRenderPassCreateInfo info = {.sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO,
                                         .attachmentCount = 2,
                                         .pAttachments = pictures,
                                         .subpassCount = 1,
                                         .pSubpasses = &subpass};
    const VkClearValue clears[2] = {{.color.float32 = {0, 0, 0, 1}}};
    struct app_image samples = app_target(app, VK_FORMAT_R8G8B8A8_UNORM, VK_SAMPLE_COUNT_4_BIT);
    struct app_image picture = app_target(app, VK_FORMAT_R8G8B8A8_UNORM, VK_SAMPLE_COUNT_1_BIT);
    const VkImageView views[2] = {samples.view, picture.view};
    struct app_graphics g;
    if (!app->properties.limits.standardSampleLocations) {
        app_skip(app, "no standardSampleLocations");
    }
    pictures[0].samples = VK_SAMPLE_COUNT_4_BIT;
    pictures[0].storeOp = VK_ATTACHMENT_STORE_OP_DONT_CARE;
    VkRenderPass pass = make_pass(app, &info);
    VkFramebuffer target = framebuffer(app, pass, views, 2);
    pass_graphics(app, &g, VK_NULL_HANDLE, pass, 0);
    app_graphics_stage(&g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, half_vert));
    app_graphics_stage(&g, VK_SHADER_STAGE_FRAGMENT_BIT, APP_SHADER(app, red_frag));
    g.samples.rasterizationSamples = VK_SAMPLE_COUNT_4_BIT;
    g.viewport.width = APP_OR(65, 64);
    VkCommandBuffer command = app_begin(app);
    begin_pass(app, command, pass, target, clears, 1, NULL);
    draw(app, command, app_graphics_create(app, &g), 6, 1);
    struct app_buffer pixels = end_pass(app, command, &picture);
    for (uint32_t i = 0; i < DRAW_PIXELS; i++) {
        uint32_t pixel = ((const uint32_t *)pixels.map)[i], x = i % APP_WIDTH;
        uint32_t red = x < 32 ? 0xff : x == 32 ? 0x7f : 0;
        app_expect(app, pixel == (0xff000000 | red) || (x == 32 && pixel == 0xff000080),
                   "pixel %u is %#x", i, pixel);
    }
    app_result(app, pixels.map, pixels.size);
}

/* --- render passes of Vulkan 1.2 -------------------------------------------------------------- */

static VkAttachmentDescription2 attachment2(VkFormat format, VkSampleCountFlagBits samples,
                                            VkAttachmentLoadOp load, VkImageLayout before,
                                            VkImageLayout after)
{
    return (VkAttachmentDescription2){
        .sType = VK_STRUCTURE_TYPE_ATTACHMENT_DESCRIPTION_2,
        .format = format,
        .samples = samples,
        .loadOp = load,
        .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
        .stencilLoadOp = load,
        .stencilStoreOp = VK_ATTACHMENT_STORE_OP_STORE,
        .initialLayout = before,
        .finalLayout = after,
    };
}

static VkRenderPass make_pass2(struct app *app, const VkAttachmentDescription2 *attachments,
                               uint32_t count, const VkSubpassDescription2 *subpass)
{
    const VkRenderPassCreateInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO_2,
        .attachmentCount = count,
        .pAttachments = attachments,
        .subpassCount = 1,
        .pSubpasses = subpass,
    };
    VkRenderPass pass;
    APP_CHECK(app, CreateRenderPass2, app->device, &info, NULL, &pass);
    app_keep(app, RENDER_PASS, pass);
    return pass;
}

static const VkFormat depth_format = VK_FORMAT_D32_SFLOAT_S8_UINT;

static VkRenderPass depth_pass(struct app *app)
{
    const VkAttachmentDescription2 attachments[] = {
        attachment2(depth_format, VK_SAMPLE_COUNT_4_BIT, VK_ATTACHMENT_LOAD_OP_CLEAR,
                    VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL),
        attachment2(depth_format, VK_SAMPLE_COUNT_1_BIT, VK_ATTACHMENT_LOAD_OP_DONT_CARE,
                    VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL)};
    VkAttachmentReference2 samples = {
        .sType = VK_STRUCTURE_TYPE_ATTACHMENT_REFERENCE_2,
        .attachment = 0,
        .layout = VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL,
        .aspectMask = VK_IMAGE_ASPECT_DEPTH_BIT | VK_IMAGE_ASPECT_STENCIL_BIT,
    };
    VkAttachmentReference2 resolved = samples;
    resolved.attachment = 1;
    const VkSubpassDescriptionDepthStencilResolve resolve = {
        .sType = VK_STRUCTURE_TYPE_SUBPASS_DESCRIPTION_DEPTH_STENCIL_RESOLVE,
        .depthResolveMode = VK_RESOLVE_MODE_SAMPLE_ZERO_BIT,
        .stencilResolveMode = VK_RESOLVE_MODE_SAMPLE_ZERO_BIT,
        .pDepthStencilResolveAttachment = &resolved,
    };
    const VkSubpassDescription2 subpass = {
        .sType = VK_STRUCTURE_TYPE_SUBPASS_DESCRIPTION_2,
        .pNext = &resolve,
        .pDepthStencilAttachment = &samples,
    };
    return make_pass2(app, attachments, 2, &subpass);
}

/* Writes depth 0 and stencil 9. */
static VkPipeline depth_pipeline(struct app *app, VkRenderPass pass)
{
    const VkStencilOpState replace = {
        .failOp = VK_STENCIL_OP_KEEP,
        .passOp = VK_STENCIL_OP_REPLACE,
        .depthFailOp = VK_STENCIL_OP_KEEP,
        .compareOp = VK_COMPARE_OP_ALWAYS,
        .compareMask = 0xff,
        .writeMask = 0xff,
        .reference = APP_OR(9, 8),
    };
    struct app_graphics g;
    pass_graphics(app, &g, VK_NULL_HANDLE, pass, 0);
    app_graphics_stage(&g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, half_vert));
    g.samples.rasterizationSamples = VK_SAMPLE_COUNT_4_BIT;
    g.blend.attachmentCount = 0;
    g.depth.depthTestEnable = g.depth.depthWriteEnable = g.depth.stencilTestEnable = VK_TRUE;
    g.depth.depthCompareOp = VK_COMPARE_OP_ALWAYS;
    g.depth.front = g.depth.back = replace;
    return app_graphics_create(app, &g);
}

static void depth_stencil_resolve(struct app *app)
{
    const VkClearValue clear = {.depthStencil = {0.5f, 5}};
    uint32_t expected[DRAW_PIXELS / 4];
    VkFormatProperties properties;
    app->vki.GetPhysicalDeviceFormatProperties(app->gpu, depth_format, &properties);
    if ((properties.optimalTilingFeatures & VK_FORMAT_FEATURE_DEPTH_STENCIL_ATTACHMENT_BIT) == 0) {
        app_skip(app, "no VK_FORMAT_D32_SFLOAT_S8_UINT");
    }
    struct app_image samples = app_target(app, depth_format, VK_SAMPLE_COUNT_4_BIT);
    struct app_image picture = app_target(app, depth_format, VK_SAMPLE_COUNT_1_BIT);
    struct app_buffer stencil = app_buffer(app, DRAW_PIXELS, 0);
    const VkImageView views[2] = {samples.view, picture.view};
    VkRenderPass pass = depth_pass(app);
    VkFramebuffer target = framebuffer(app, pass, views, 2);
    VkCommandBuffer command = app_begin(app);
    begin_pass(app, command, pass, target, &clear, 1, NULL);
    draw(app, command, depth_pipeline(app, pass), 6, 1);
    app->vk.CmdEndRenderPass(command);
    app_barrier(app, command);
    picture.aspects = VK_IMAGE_ASPECT_STENCIL_BIT;
    app_read(app, command, &picture, 0, &stencil);
    picture.aspects = VK_IMAGE_ASPECT_DEPTH_BIT;
    struct app_buffer depth = app_buffer(app, DRAW_PIXELS * 4, 0);
    app_read(app, command, &picture, 0, &depth);
    app_run(app, command);
    pass_expect_halves(app, &depth, 0, 0x3f000000);
    for (uint32_t i = 0; i < DRAW_PIXELS / 4; i++) {
        expected[i] = i % (APP_WIDTH / 4) < APP_WIDTH / 8 ? 0x09090909 : 0x05050505;
    }
    app_expect_words(app, "stencil", stencil.map, expected, DRAW_PIXELS / 4);
}

/* Two pictures, one after the other, in one framebuffer that has none of its own. */
static void imageless_framebuffer(struct app *app)
{
    struct app_image pictures[2];
    struct app_buffer pixels[2];
    const VkFormat format = VK_FORMAT_R8G8B8A8_UNORM;
    const VkFramebufferAttachmentImageInfo image = {
        .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_ATTACHMENT_IMAGE_INFO,
        .usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT,
        .width = APP_WIDTH,
        .height = APP_HEIGHT,
        .layerCount = 1,
        .viewFormatCount = 1,
        .pViewFormats = &format,
    };
    const VkFramebufferAttachmentsCreateInfo images = {
        .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_ATTACHMENTS_CREATE_INFO,
        .attachmentImageInfoCount = 1,
        .pAttachmentImageInfos = &image,
    };
    VkRenderPass pass = colour_pass(app, VK_ATTACHMENT_LOAD_OP_CLEAR, VK_IMAGE_LAYOUT_UNDEFINED);
    const VkFramebufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
        .pNext = &images,
        .flags = VK_FRAMEBUFFER_CREATE_IMAGELESS_BIT,
        .renderPass = pass,
        .attachmentCount = 1,
        .width = APP_WIDTH,
        .height = APP_HEIGHT,
        .layers = 1,
    };
    VkFramebuffer target;
    APP_CHECK(app, CreateFramebuffer, app->device, &info, NULL, &target);
    app_keep(app, FRAMEBUFFER, target);
    VkPipeline pipeline = red_half(app, pass);
    VkCommandBuffer command = app_begin(app);
    for (uint32_t i = 0; i < 2; i++) {
        pictures[i] = app_target(app, format, VK_SAMPLE_COUNT_1_BIT);
        pixels[i] = app_buffer(app, DRAW_PIXELS * 4, 0);
        const VkRenderPassAttachmentBeginInfo begin = {
            .sType = VK_STRUCTURE_TYPE_RENDER_PASS_ATTACHMENT_BEGIN_INFO,
            .attachmentCount = 1,
            .pAttachments = &pictures[i].view,
        };
        begin_pass(app, command, pass, target, i == APP_OR(0, 1) ? &clear_blue : &clear_green, 1,
                   &begin);
        draw(app, command, pipeline, 6, 1);
        app->vk.CmdEndRenderPass(command);
        app_barrier(app, command);
        app_read(app, command, &pictures[i], 0, &pixels[i]);
    }
    app_run(app, command);
    pass_expect_halves(app, &pixels[0], RED, BLUE);
    pass_expect_halves(app, &pixels[1], RED, GREEN);
}

/* Views 0 and 2 of three layers; layer 1 stays white. */
static VkRenderPass view_pass(struct app *app)
{
    const VkAttachmentDescription2 picture = attachment2(
        VK_FORMAT_R8G8B8A8_UNORM, VK_SAMPLE_COUNT_1_BIT, VK_ATTACHMENT_LOAD_OP_LOAD,
        VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
    const VkAttachmentReference2 colour = {
        .sType = VK_STRUCTURE_TYPE_ATTACHMENT_REFERENCE_2,
        .layout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
        .aspectMask = VK_IMAGE_ASPECT_COLOR_BIT,
    };
    const VkSubpassDescription2 subpass = {
        .sType = VK_STRUCTURE_TYPE_SUBPASS_DESCRIPTION_2,
        .viewMask = APP_OR(5, 6),
        .colorAttachmentCount = 1,
        .pColorAttachments = &colour,
    };
    return make_pass2(app, &picture, 1, &subpass);
}

static void multiview(struct app *app)
{
    struct app_buffer pixels[3];
    VkImageCreateInfo info =
        app_image_info(VK_FORMAT_R8G8B8A8_UNORM, APP_WIDTH, APP_HEIGHT,
                       VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT |
                           VK_IMAGE_USAGE_TRANSFER_DST_BIT);
    info.arrayLayers = 3;
    struct app_image picture = app_image(app, &info, VK_IMAGE_VIEW_TYPE_2D_ARRAY);
    VkRenderPass pass = view_pass(app);
    VkFramebuffer target = framebuffer(app, pass, &picture.view, 1);
    struct app_graphics g;
    pass_graphics(app, &g, VK_NULL_HANDLE, pass, 0);
    app_graphics_stage(&g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, half_vert));
    app_graphics_stage(&g, VK_SHADER_STAGE_FRAGMENT_BIT, APP_SHADER(app, pass_view_frag));
    VkCommandBuffer command = app_begin(app);
    pass_preset(app, command, &picture, (VkClearColorValue){.float32 = {1, 1, 1, 1}},
                VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
    begin_pass(app, command, pass, target, NULL, 0, NULL);
    draw(app, command, app_graphics_create(app, &g), 6, 1);
    app->vk.CmdEndRenderPass(command);
    /* The pass would not have done it for the layer without a view. */
    app_transition(app, command, &picture, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
                   VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    for (uint32_t i = 0; i < 3; i++) {
        pixels[i] = app_buffer(app, DRAW_PIXELS * 4, 0);
        app_read(app, command, &picture, i, &pixels[i]);
    }
    app_run(app, command);
    pass_expect_halves(app, &pixels[0], RED, WHITE);
    pass_expect_halves(app, &pixels[1], WHITE, WHITE);
    pass_expect_halves(app, &pixels[2], BLUE, WHITE);
}

const struct app_case app_cases_passes[] = {
    APP_CASE(render_pass_draws),
    APP_CASE(render_pass_load_keeps),
    APP_CASE(subpass_input),
    APP_CASE(msaa_resolve_attachment),
    APP_CASE(depth_stencil_resolve),
    APP_CASE(imageless_framebuffer, "VkPhysicalDeviceVulkan12Features.imagelessFramebuffer"),
    APP_CASE(multiview, "VkPhysicalDeviceVulkan11Features.multiview"),
    {0},
};
