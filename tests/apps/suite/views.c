/* Views of images and buffers, sampled, loaded and stored by shaders. */
#include "app.h"
#include "texels.h"

#include <string.h>

/* clang-format off */
#include "image_atomics_comp.spv.h"
#include "image_atomics_float_comp.spv.h"
#include "image_doubles_3d_comp.spv.h"
#include "image_doubles_any_comp.spv.h"
#include "image_doubles_comp.spv.h"
#include "image_samples_comp.spv.h"
#include "look_1d_comp.spv.h"
#include "look_1da_comp.spv.h"
#include "look_2d_comp.spv.h"
#include "look_2da_comp.spv.h"
#include "look_3d_comp.spv.h"
#include "look_cube_comp.spv.h"
#include "look_cubea_comp.spv.h"
#include "look_storage_comp.spv.h"
/* clang-format on */

enum { SIDE = 8, TEXELS = SIDE * SIDE };

static const VkImageUsageFlags sampled =
    VK_IMAGE_USAGE_TRANSFER_DST_BIT | VK_IMAGE_USAGE_SAMPLED_BIT;
static const VkImageUsageFlags stored =
    VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT | VK_IMAGE_USAGE_STORAGE_BIT;
static const VkImageLayout readable = VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL;
static const VkImageLayout general = VK_IMAGE_LAYOUT_GENERAL;
static const VkImageViewType no_view = VK_IMAGE_VIEW_TYPE_MAX_ENUM;
static const VkImageSubresourceRange all = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};

static VkImageCreateInfo describe(VkImageType type, VkExtent3D extent, uint32_t layers)
{
    VkImageCreateInfo info =
        app_image_info(VK_FORMAT_R32_SFLOAT, extent.width, extent.height, sampled);
    info.imageType = type;
    info.extent.depth = extent.depth;
    info.arrayLayers = layers;
    return info;
}

static VkImageView make_view(struct app *app, const VkImageViewCreateInfo *info)
{
    VkImageView view;
    APP_CHECK(app, CreateImageView, app->device, info, NULL, &view);
    app_keep(app, IMAGE_VIEW, view);
    return view;
}

static VkImageViewCreateInfo view_info(const struct app_image *image, VkImageViewType type,
                                       VkFormat format)
{
    return (VkImageViewCreateInfo){
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .image = image->image,
        .viewType = type,
        .format = format,
        .subresourceRange = app_whole(image),
    };
}

/* --- kinds of images -------------------------------------------------------------------------- */

static void view_1d(struct app *app)
{
    const VkImageCreateInfo info = describe(VK_IMAGE_TYPE_1D, (VkExtent3D){SIDE, 1, 1}, 1);
    struct app_image image = texels_numbered(app, &info, VK_IMAGE_VIEW_TYPE_1D, readable);
    float at[SIDE][4] = {{0}}, expected[SIDE];
    for (uint32_t i = 0; i < SIDE; i++) {
        at[i][0] = ((float)i + 0.5f) / SIDE;
        expected[i] = (float)(APP_OR(i, i + 1));
    }
    texels_expect_red(app, APP_SHADER(app, look_1d_comp), image.view,
                      app_sampler(app, VK_FILTER_NEAREST), at, expected, SIDE);
}

/* Layer 2 alone, as an array that begins in the middle. */
static void view_1d_array(struct app *app)
{
    const VkImageCreateInfo info = describe(VK_IMAGE_TYPE_1D, (VkExtent3D){SIDE, 1, 1}, 4);
    struct app_image image = texels_numbered(app, &info, no_view, readable);
    VkImageView view =
        app_view(app, &image, VK_IMAGE_VIEW_TYPE_1D_ARRAY,
                 (VkImageSubresourceRange){VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, APP_OR(1, 2), 2});
    float at[2 * SIDE][4] = {{0}}, expected[2 * SIDE];
    for (uint32_t i = 0; i < 2 * SIDE; i++) {
        at[i][0] = ((float)(i % SIDE) + 0.5f) / SIDE;
        at[i][1] = (float)(i / SIDE);
        expected[i] = (float)(i + SIDE);
    }
    texels_expect_red(app, APP_SHADER(app, look_1da_comp), view,
                      app_sampler(app, VK_FILTER_NEAREST), at, expected, 2 * SIDE);
}

/* Of 4 x 4 texels, one after the other through all slices or layers; 2D, 2D array and 3D. */
static void expect_planes(struct app *app, VkShaderModule module, VkImageView view, uint32_t planes,
                          float plane_scale, uint32_t first)
{
    float at[TEXELS_LOOKUPS_MAX][4] = {{0}}, expected[TEXELS_LOOKUPS_MAX];
    for (uint32_t i = 0; i < 16 * planes; i++) {
        at[i][0] = ((float)(i % 4) + 0.5f) / 4;
        at[i][1] = ((float)(i / 4 % 4) + 0.5f) / 4;
        at[i][2] = ((float)(i / 16) + 0.25f) * plane_scale; /* within, and rounded down */
        expected[i] = (float)(first + i);
    }
    texels_expect_red(app, module, view, app_sampler(app, VK_FILTER_NEAREST), at, expected,
                      16 * planes);
}

static void view_2d(struct app *app)
{
    const VkImageCreateInfo info = describe(VK_IMAGE_TYPE_2D, (VkExtent3D){4, 4, 1}, 1);
    struct app_image image = texels_numbered(app, &info, VK_IMAGE_VIEW_TYPE_2D, readable);
    expect_planes(app, APP_SHADER(app, look_2d_comp), image.view, 1, 1, APP_OR(0, 1));
}

static void view_2d_array(struct app *app)
{
    const VkImageCreateInfo info = describe(VK_IMAGE_TYPE_2D, (VkExtent3D){4, 4, 1}, 5);
    struct app_image image = texels_numbered(app, &info, VK_IMAGE_VIEW_TYPE_2D_ARRAY, readable);
    expect_planes(app, APP_SHADER(app, look_2da_comp), image.view, APP_OR(5, 6), 1, 0);
}

static void view_3d(struct app *app)
{
    const VkImageCreateInfo info = describe(VK_IMAGE_TYPE_3D, (VkExtent3D){4, 4, 4}, 1);
    struct app_image image = texels_numbered(app, &info, VK_IMAGE_VIEW_TYPE_3D, readable);
    expect_planes(app, APP_SHADER(app, look_3d_comp), image.view, 4, APP_OR(0.25f, 0.5f), 0);
}

/* The middles of the 2 x 2 texels of each face, by the specification's table of faces. */
static void cube_directions(float (*at)[4], uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        float s = i % 2 == 0 ? -0.5f : 0.5f, t = i / 2 % 2 == 0 ? -0.5f : 0.5f;
        const float faces[6][3] = {{1, -t, -s}, {-1, -t, s}, {s, 1, t},
                                   {s, -1, -t}, {s, -t, 1},  {-s, -t, -1}};
        memcpy(at[i], faces[i / 4 % 6], sizeof(faces[0]));
        at[i][3] = (float)(i / 24);
    }
}

static void cube(struct app *app, VkImageViewType type, uint32_t cubes, const uint32_t *words,
                 size_t size)
{
    VkImageCreateInfo info = describe(VK_IMAGE_TYPE_2D, (VkExtent3D){2, 2, 1}, 6 * cubes);
    float at[48][4] = {{0}}, expected[48];
    info.flags = VK_IMAGE_CREATE_CUBE_COMPATIBLE_BIT;
    struct app_image image = texels_numbered(app, &info, type, readable);
    cube_directions(at, 24 * cubes);
    at[0][2] = APP_OR(at[0][2], -at[0][2]);
    for (uint32_t i = 0; i < 24 * cubes; i++) {
        expected[i] = (float)i;
    }
    texels_expect_red(app, app_shader_words(app, words, size), image.view,
                      app_sampler(app, VK_FILTER_NEAREST), at, expected, 24 * cubes);
}

static void view_cube(struct app *app)
{
    cube(app, VK_IMAGE_VIEW_TYPE_CUBE, 1, look_cube_comp, sizeof(look_cube_comp));
}

static void view_cube_array(struct app *app)
{
    cube(app, VK_IMAGE_VIEW_TYPE_CUBE_ARRAY, 2, look_cubea_comp, sizeof(look_cubea_comp));
}

/* --- parts and other looks of an image -------------------------------------------------------- */

static void view_of_one_layer_and_level(struct app *app)
{
    VkImageCreateInfo info = describe(VK_IMAGE_TYPE_2D, (VkExtent3D){SIDE, SIDE, 1}, 4);
    info.mipLevels = 3;
    struct app_image image = texels_numbered(app, &info, no_view, readable);
    const VkImageSubresourceRange one = {VK_IMAGE_ASPECT_COLOR_BIT, 1, 1, APP_OR(2, 1), 1};
    VkImageView view = app_view(app, &image, VK_IMAGE_VIEW_TYPE_2D, one);
    expect_planes(app, APP_SHADER(app, look_2d_comp), view, 1, 1, 4 * TEXELS + 2 * 16);
}

/* Words as four bytes each, of which the view changes the places. */
static void view_with_other_format(struct app *app)
{
    static const VkFormat formats[] = {VK_FORMAT_R32_UINT, VK_FORMAT_R8G8B8A8_UNORM};
    const VkImageFormatListCreateInfo list = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_LIST_CREATE_INFO,
        .viewFormatCount = 2,
        .pViewFormats = formats,
    };
    VkImageCreateInfo info = app_image_info(formats[0], 2, 1, sampled);
    info.pNext = &list;
    info.flags = VK_IMAGE_CREATE_MUTABLE_FORMAT_BIT;
    struct app_image image = app_image(app, &info, no_view);
    struct app_buffer words = app_buffer(app, 8, 0);
    ((uint32_t *)words.map)[0] = 0x00ff00ff;
    ((uint32_t *)words.map)[1] = 0xff0000ff;
    texels_upload(app, &image, 1, &words, readable);
    static const float at[2][4] = {{0.25f, 0.5f}, {0.75f, 0.5f}};
    static const float expected[2][4] = {{1, 0, 1, 0}, {1, 0, 0, APP_OR(1, 0)}};
    const VkImageViewCreateInfo view = view_info(&image, VK_IMAGE_VIEW_TYPE_2D, formats[1]);
    texels_expect(app, APP_SHADER(app, look_2d_comp), make_view(app, &view),
                  app_sampler(app, VK_FILTER_NEAREST), at, expected, 2);
}

static void view_swizzles(struct app *app)
{
    const VkImageCreateInfo info = app_image_info(VK_FORMAT_R8G8B8A8_UNORM, 1, 1, sampled);
    struct app_image image = app_image(app, &info, no_view);
    struct app_buffer word = app_buffer(app, 4, 0);
    *(uint32_t *)word.map = 0x0000ffff; /* red and green */
    texels_upload(app, &image, 1, &word, readable);
    VkImageViewCreateInfo view = view_info(&image, VK_IMAGE_VIEW_TYPE_2D, info.format);
    view.components = (VkComponentMapping){
        VK_COMPONENT_SWIZZLE_B, VK_COMPONENT_SWIZZLE_ONE,
        APP_OR(VK_COMPONENT_SWIZZLE_ZERO, VK_COMPONENT_SWIZZLE_R), VK_COMPONENT_SWIZZLE_G};
    static const float at[1][4] = {{0.5f, 0.5f}}, expected[1][4] = {{0, 1, 0, 1}};
    texels_expect(app, APP_SHADER(app, look_2d_comp), make_view(app, &view),
                  app_sampler(app, VK_FILTER_NEAREST), at, expected, 1);
}

/* One slice of a 3D image is a picture to draw into. */
static void view_of_slice_is_drawn_into(struct app *app)
{
    VkImageCreateInfo info =
        app_image_info(VK_FORMAT_R8G8B8A8_UNORM, APP_WIDTH, APP_HEIGHT,
                       VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT |
                           VK_IMAGE_USAGE_TRANSFER_DST_BIT);
    info.flags = VK_IMAGE_CREATE_2D_ARRAY_COMPATIBLE_BIT;
    info.imageType = VK_IMAGE_TYPE_3D;
    info.extent.depth = 2;
    struct app_image image =
        texels_numbered(app, &info, no_view, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
    const uint32_t count = APP_WIDTH * APP_HEIGHT;
    static uint32_t expected[2 * APP_WIDTH * APP_HEIGHT];
    const VkImageSubresourceRange slice = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, APP_OR(1, 0), 1};
    image.view = app_view(app, &image, VK_IMAGE_VIEW_TYPE_2D, slice);
    const VkRenderingAttachmentInfo colour = app_attachment(
        &image, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL, VK_ATTACHMENT_LOAD_OP_LOAD);
    const VkRenderingInfo rendering = app_rendering(&colour, 1);
    struct app_graphics g;
    app_graphics_red(app, &g);
    VkPipeline pipeline = app_graphics_create(app, &g);
    for (uint32_t i = 0; i < 2 * count; i++) {
        expected[i] = i >= count && i % APP_WIDTH < APP_WIDTH / 2 ? 0xff0000ff : i;
    }
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdBeginRendering(command, &rendering);
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    app->vk.CmdDraw(command, 6, 1, 0, 0);
    app->vk.CmdEndRendering(command);
    app_transition(app, command, &image, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
                   VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    app_run(app, command);
    texels_expect_level(app, &image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, 0, expected, 2 * count);
}

static void view_min_lod(struct app *app)
{
    VkImageCreateInfo info = describe(VK_IMAGE_TYPE_2D, (VkExtent3D){SIDE, SIDE, 1}, 1);
    info.mipLevels = 2;
    struct app_image image = texels_numbered(app, &info, no_view, readable);
    const VkImageViewMinLodCreateInfoEXT least = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_MIN_LOD_CREATE_INFO_EXT,
        .minLod = APP_OR(1, 0),
    };
    VkImageViewCreateInfo view = view_info(&image, VK_IMAGE_VIEW_TYPE_2D, info.format);
    view.pNext = &least;
    expect_planes(app, APP_SHADER(app, look_2d_comp), make_view(app, &view), 1, 1, TEXELS);
}

/* --- compressed blocks ------------------------------------------------------------------------ */

/* Blocks of 4 x 4 texels: red, green, the second colour (blue), and transparent. */
static void bc1_blocks(struct app *app)
{
    static const uint32_t blocks[] = {
        0x0000f800, 0, 0x000007e0, 0, 0x001ff800, 0x55555555, APP_OR(0xf8000000, 0x0000f800),
        0xffffffff};
    const VkImageSubresourceLayers layers = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
    const VkImageCopy region = {layers, {0}, layers, {0}, {2, 2, 1}};
    const VkImageCreateInfo info =
        app_image_info(VK_FORMAT_BC1_RGBA_UNORM_BLOCK, SIDE, SIDE, sampled);
    const VkImageCreateInfo words_info =
        app_image_info(VK_FORMAT_R32G32_UINT, 2, 2, VK_IMAGE_USAGE_TRANSFER_SRC_BIT | sampled);
    static const float at[4][4] = {{0.1f, 0.1f}, {0.6f, 0.1f}, {0.1f, 0.9f}, {0.9f, 0.9f}};
    static const float expected[4][4] = {{1, 0, 0, 1}, {0, 1, 0, 1}, {0, 0, 1, 1}, {0, 0, 0, 0}};
    struct app_image image = app_image(app, &info, VK_IMAGE_VIEW_TYPE_2D);
    struct app_image words = app_image(app, &words_info, no_view);
    struct app_buffer buffer = app_buffer(app, sizeof(blocks), 0);
    memcpy(buffer.map, blocks, sizeof(blocks));
    texels_upload(app, &words, 1, &buffer, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    VkCommandBuffer command = app_begin(app);
    app_transition(app, command, &image, VK_IMAGE_LAYOUT_UNDEFINED,
                   VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
    app->vk.CmdCopyImage(command, words.image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, image.image,
                         VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1, &region);
    app_transition(app, command, &image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, readable);
    app_run(app, command);
    texels_expect(app, APP_SHADER(app, look_2d_comp), image.view,
                  app_sampler(app, VK_FILTER_NEAREST), at, expected, 4);
}

/* --- storage images --------------------------------------------------------------------------- */

/* One image at binding 0, and groups of 4 x 4. */
static void store(struct app *app, VkShaderModule module, VkImageView view, uint32_t x, uint32_t y)
{
    const VkDescriptorType type = VK_DESCRIPTOR_TYPE_STORAGE_IMAGE;
    VkDescriptorSetLayout set_layout = app_set_layout(app, &type, 1);
    VkDescriptorSet set = app_set(app, set_layout, &type, 1);
    VkPipelineLayout layout = app_layout(app, set_layout, 0, 0);
    VkPipeline pipeline = app_compute(app, layout, module, NULL);
    app_write_image(app, set, 0, type, view, VK_NULL_HANDLE, general);
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    app->vk.CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 1, &set, 0,
                                  NULL);
    app->vk.CmdDispatch(command, x / 4, y / 4, 1);
    app_run(app, command);
}

static struct app_image stored_image(struct app *app, VkFormat format, VkImageViewType type)
{
    const VkImageCreateInfo info = app_image_info(format, SIDE, SIDE, stored);
    return texels_numbered(app, &info, type, general);
}

static void storage_image_load_store(struct app *app)
{
    struct app_image image = stored_image(app, VK_FORMAT_R32_UINT, VK_IMAGE_VIEW_TYPE_2D);
    uint32_t expected[TEXELS];
    for (uint32_t i = 0; i < TEXELS; i++) {
        expected[i] = 2 * i + 1;
    }
    store(app, APP_SHADER(app, image_doubles_comp), image.view, SIDE, APP_OR(SIDE, SIDE / 2));
    texels_expect_level(app, &image, general, 0, expected, TEXELS);
}

/* Of bytes, whose format only the view knows. */
static void storage_image_without_format(struct app *app)
{
    struct app_image image = stored_image(app, VK_FORMAT_R8G8B8A8_UINT, VK_IMAGE_VIEW_TYPE_2D);
    uint32_t expected[TEXELS];
    for (uint32_t i = 0; i < TEXELS; i++) {
        expected[i] = 2 * i + 0x01010101;
    }
    store(app, APP_SHADER(app, image_doubles_any_comp), image.view, SIDE, APP_OR(SIDE, SIDE / 2));
    texels_expect_level(app, &image, general, 0, expected, TEXELS);
}

static void storage_image_atomics(struct app *app)
{
    struct app_image image = stored_image(app, VK_FORMAT_R32_UINT, VK_IMAGE_VIEW_TYPE_2D);
    uint32_t expected[TEXELS];
    for (uint32_t i = 0; i < TEXELS; i++) {
        uint32_t x = i % SIDE, y = i / SIDE;
        /* Rows of sums, maxima and exclusive ors; below, all words are exchanged. */
        expected[i] = y == 0 ? x + 28 : y == 1 ? (7 * x > 8 + x ? 7 * x : 8 + x) : (16 + x) ^ 0xff;
        expected[i] = y > 2 ? 7 : expected[i];
    }
    store(app, APP_SHADER(app, image_atomics_comp), image.view, SIDE, APP_OR(SIDE, SIDE / 2));
    texels_expect_level(app, &image, general, 0, expected, TEXELS);
}

static void storage_image_float_atomics(struct app *app)
{
    struct app_image image = stored_image(app, VK_FORMAT_R32_SFLOAT, VK_IMAGE_VIEW_TYPE_2D);
    uint32_t expected[TEXELS];
    for (uint32_t i = 0; i < TEXELS; i++) {
        expected[i] = texels_word(VK_FORMAT_R32_SFLOAT, i < SIDE ? i + SIDE / 2 : i);
    }
    store(app, APP_SHADER(app, image_atomics_float_comp), image.view, SIDE, APP_OR(SIDE, SIDE / 2));
    texels_expect_level(app, &image, general, 0, expected, TEXELS);
}

static void storage_image_samples(struct app *app)
{
    VkImageCreateInfo info = app_image_info(VK_FORMAT_R32_SFLOAT, 2, 2, VK_IMAGE_USAGE_STORAGE_BIT);
    info.samples = VK_SAMPLE_COUNT_4_BIT;
    VkImageFormatProperties limits;
    if (app->vki.GetPhysicalDeviceImageFormatProperties(app->gpu, info.format, info.imageType,
                                                        info.tiling, info.usage, info.flags,
                                                        &limits) != VK_SUCCESS ||
        (limits.sampleCounts & info.samples) == 0) {
        app_skip(app, "no storage images of four samples");
    }
    struct app_image image = app_image(app, &info, VK_IMAGE_VIEW_TYPE_2D);
    static const float at[4][4] = {{0, 0, 1}, {1, 0, 2}, {0, 1, 3}, {1, 1, APP_OR(4, 5)}};
    float got[4][4];
    VkCommandBuffer command = app_begin(app);
    app_transition(app, command, &image, VK_IMAGE_LAYOUT_UNDEFINED, general);
    app_run(app, command);
    texels_look_up(app, APP_SHADER(app, image_samples_comp), VK_DESCRIPTOR_TYPE_STORAGE_IMAGE,
                   image.view, VK_NULL_HANDLE, at, got, 4);
    for (uint32_t i = 0; i < 16; i++) {
        float expected = (float)(10 * (i / 4 + 1) + i % 4);
        app_expect(app, got[i / 4][i % 4] == expected, "sample %u: %g, not %g", i,
                   (double)got[i / 4][i % 4], (double)expected);
    }
    app_result(app, got, sizeof(got));
}

/* Loads from outside give 0, and stores there do nothing. */
static void storage_image_robustness(struct app *app)
{
    struct app_image image = stored_image(app, VK_FORMAT_R32_SFLOAT, VK_IMAGE_VIEW_TYPE_2D);
    static const float at[4][4] = {
        {3, 1, 500}, {SIDE, 1, 600}, {-1, 0, 700}, {APP_OR(0, 1), APP_OR(SIDE + 90, 1), 800}};
    static const float expected[4] = {11, 0, 0, 0};
    float got[4][4];
    uint32_t words[TEXELS];
    texels_look_up(app, APP_SHADER(app, look_storage_comp), VK_DESCRIPTOR_TYPE_STORAGE_IMAGE,
                   image.view, VK_NULL_HANDLE, at, got, 4);
    for (uint32_t i = 0; i < 4; i++) {
        app_expect(app, got[i][0] == expected[i], "load %u: %g", i, (double)got[i][0]);
    }
    for (uint32_t i = 0; i < TEXELS; i++) {
        words[i] = texels_word(VK_FORMAT_R32_SFLOAT, i == 11 ? 500 : i);
    }
    texels_expect_level(app, &image, general, 0, words, TEXELS);
}

/* --- parts of 3D images ----------------------------------------------------------------------- */

static struct app_image slices(struct app *app, VkFormat format, VkImageUsageFlags usage,
                               VkImageCreateFlags flags, VkImageLayout layout)
{
    VkImageCreateInfo info = app_image_info(format, 4, 4, usage);
    info.imageType = VK_IMAGE_TYPE_3D;
    info.extent.depth = 4;
    info.flags = flags;
    return texels_numbered(app, &info, no_view, layout);
}

static void expect_doubled(struct app *app, const struct app_image *image, uint32_t slice)
{
    uint32_t expected[64];
    for (uint32_t i = 0; i < 64; i++) {
        expected[i] = i / 16 == slice ? 2 * i + 1 : i;
    }
    texels_expect_level(app, image, general, 0, expected, 64);
}

static const VkImageCreateFlags flat = VK_IMAGE_CREATE_2D_VIEW_COMPATIBLE_BIT_EXT;

static void storage_view_of_slice(struct app *app)
{
    struct app_image image = slices(app, VK_FORMAT_R32_UINT, stored, flat, general);
    VkImageSubresourceRange range = all;
    range.baseArrayLayer = APP_OR(2, 1);
    store(app, APP_SHADER(app, image_doubles_comp),
          app_view(app, &image, VK_IMAGE_VIEW_TYPE_2D, range), 4, 4);
    expect_doubled(app, &image, 2);
}

static void sampled_view_of_slice(struct app *app)
{
    struct app_image image = slices(app, VK_FORMAT_R32_SFLOAT, sampled, flat, readable);
    VkImageSubresourceRange range = all;
    range.baseArrayLayer = APP_OR(2, 1);
    expect_planes(app, APP_SHADER(app, look_2d_comp),
                  app_view(app, &image, VK_IMAGE_VIEW_TYPE_2D, range), 1, 1, 32);
}

/* Of slices 1 and 2, the shader changes the last one that it sees. */
static void sliced_view(struct app *app)
{
    struct app_image image = slices(app, VK_FORMAT_R32_UINT, stored, 0, general);
    const VkImageViewSlicedCreateInfoEXT sliced = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_SLICED_CREATE_INFO_EXT,
        .sliceOffset = 1,
        .sliceCount = APP_OR(2, 1),
    };
    VkImageViewCreateInfo view = view_info(&image, VK_IMAGE_VIEW_TYPE_3D, image.format);
    view.pNext = &sliced;
    view.subresourceRange = all;
    store(app, APP_SHADER(app, image_doubles_3d_comp), make_view(app, &view), 4, 4);
    expect_doubled(app, &image, 2);
}

const struct app_case app_cases_views[] = {
    APP_CASE(view_1d),
    APP_CASE(view_1d_array),
    APP_CASE(view_2d),
    APP_CASE(view_2d_array),
    APP_CASE(view_3d),
    APP_CASE(view_cube),
    APP_CASE(view_of_one_layer_and_level),
    APP_CASE(view_swizzles),
    APP_CASE(storage_image_load_store),
    APP_CASE(storage_image_atomics),
    APP_CASE(view_with_other_format),
    APP_CASE(view_cube_array, "VkPhysicalDeviceFeatures.imageCubeArray"),
    APP_CASE(bc1_blocks, "VkPhysicalDeviceFeatures.textureCompressionBC"),
    APP_CASE(view_of_slice_is_drawn_into, "VkPhysicalDeviceVulkan13Features.dynamicRendering"),
    APP_CASE(view_min_lod, "VK_EXT_image_view_min_lod",
             "VkPhysicalDeviceImageViewMinLodFeaturesEXT.minLod"),
    APP_CASE(storage_image_without_format,
             "VkPhysicalDeviceFeatures.shaderStorageImageReadWithoutFormat",
             "VkPhysicalDeviceFeatures.shaderStorageImageWriteWithoutFormat"),
    APP_CASE(storage_image_float_atomics, "VK_EXT_shader_atomic_float",
             "VkPhysicalDeviceShaderAtomicFloatFeaturesEXT.shaderImageFloat32AtomicAdd"),
    APP_CASE(storage_image_samples, "VkPhysicalDeviceFeatures.shaderStorageImageMultisample"),
    APP_CASE(storage_image_robustness, "VkPhysicalDeviceVulkan13Features.robustImageAccess"),
    APP_CASE(storage_view_of_slice, "VK_EXT_image_2d_view_of_3d",
             "VkPhysicalDeviceImage2DViewOf3DFeaturesEXT.image2DViewOf3D"),
    APP_CASE(sampled_view_of_slice, "VK_EXT_image_2d_view_of_3d",
             "VkPhysicalDeviceImage2DViewOf3DFeaturesEXT.sampler2DViewOf3D"),
    APP_CASE(sliced_view, "VK_EXT_image_sliced_view_of_3d",
             "VkPhysicalDeviceImageSlicedViewOf3DFeaturesEXT.imageSlicedViewOf3D"),
    {0},
};
