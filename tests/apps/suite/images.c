/* Commands that write images: copies, blits, clears and resolves. */
#include "app.h"
#include "texels.h"

#include <string.h>

enum {
    SIDE = 8,
    TEXELS = SIDE * SIDE,
    BACK = 0xdddd, /* what was there before */
};

static const VkImageUsageFlags copied =
    VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;
static const VkImageLayout source = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;
static const VkImageLayout destination = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL;

static VkImageCreateInfo square(VkFormat format, uint32_t side, uint32_t levels, uint32_t layers)
{
    VkImageCreateInfo info = app_image_info(format, side, side, copied);
    info.mipLevels = levels;
    info.arrayLayers = layers;
    return info;
}

static struct app_image numbered(struct app *app, VkFormat format, uint32_t side, uint32_t layers,
                                 VkImageLayout layout)
{
    const VkImageCreateInfo info = square(format, side, 1, layers);
    return texels_numbered(app, &info, VK_IMAGE_VIEW_TYPE_MAX_ENUM, layout);
}

/* Full of BACK, or of what that is as a colour; in TRANSFER_DST_OPTIMAL. */
static struct app_image blank(struct app *app, const VkImageCreateInfo *info)
{
    static const VkClearColorValue colour = {.uint32 = {BACK, BACK, BACK, BACK}};
    struct app_image image = app_image(app, info, VK_IMAGE_VIEW_TYPE_MAX_ENUM);
    const VkImageSubresourceRange whole = app_whole(&image);
    VkCommandBuffer command = app_begin(app);
    app_transition(app, command, &image, VK_IMAGE_LAYOUT_UNDEFINED, destination);
    app->vk.CmdClearColorImage(command, image.image, destination, &colour, 1, &whole);
    app_run(app, command);
    return image;
}

static void finish(struct app *app, VkCommandBuffer command, const struct app_image *image)
{
    app_transition(app, command, image, destination, source);
    app_run(app, command);
}

static void fill(const struct app_buffer *buffer)
{
    for (uint32_t i = 0; i < buffer->size / 4; i++) {
        ((uint32_t *)buffer->map)[i] = i * 3 + 1;
    }
}

static void fill_expected(uint32_t *expected, uint32_t count, uint32_t value)
{
    for (uint32_t i = 0; i < count; i++) {
        expected[i] = value;
    }
}

/* --- copies ----------------------------------------------------------------------------------- */

/* Rows of 12 words and slices of 5 rows, of which a part goes to the middle of two layers. */
static void buffer_rows_to_image(struct app *app)
{
    const VkBufferImageCopy regions[] = {
        {16, APP_OR(12, 11), 5, {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 2}, {2, 3, 0}, {4, 4, 1}},
        {800, 0, 0, {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 1}, {0, 6, 0}, {2, 2, 1}},
    };
    const VkImageCreateInfo info = square(VK_FORMAT_R32_UINT, SIDE, 1, 2);
    struct app_image image = blank(app, &info);
    struct app_buffer buffer = app_buffer(app, 1024, 0);
    const uint32_t *words = buffer.map;
    uint32_t expected[2 * TEXELS];
    fill(&buffer);
    fill_expected(expected, 2 * TEXELS, BACK);
    for (uint32_t i = 0; i < 32; i++) {
        uint32_t layer = i / 16, y = i / 4 % 4, x = i % 4;
        expected[(layer * SIDE + y + 3) * SIDE + x + 2] = words[4 + (layer * 5 + y) * 12 + x];
    }
    for (uint32_t i = 0; i < 4; i++) {
        expected[TEXELS + (6 + i / 2) * SIDE + i % 2] = words[200 + i];
    }
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdCopyBufferToImage(command, buffer.buffer, image.image, destination, 2, regions);
    finish(app, command, &image);
    texels_expect_level(app, &image, source, 0, expected, 2 * TEXELS);
}

static void image_to_buffer_rows(struct app *app)
{
    enum { WORDS = 128 };
    const VkBufferImageCopy regions[] = {
        {8, 10, 4, {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 2}, {1, 2, 0}, {6, 3, 1}},
        {480, 3, 0, {VK_IMAGE_ASPECT_COLOR_BIT, 0, APP_OR(1, 0), 1}, {5, 7, 0}, {3, 1, 1}},
    };
    struct app_image image = numbered(app, VK_FORMAT_R32_UINT, SIDE, 2, source);
    struct app_buffer buffer = app_buffer(app, 4 * WORDS, 0);
    uint32_t expected[WORDS] = {0};
    for (uint32_t i = 0; i < 36; i++) {
        uint32_t layer = i / 18, y = i / 6 % 3, x = i % 6;
        expected[2 + (layer * 4 + y) * 10 + x] = (layer * SIDE + y + 2) * SIDE + x + 1;
    }
    for (uint32_t i = 0; i < 3; i++) {
        expected[120 + i] = TEXELS + 7 * SIDE + 5 + i;
    }
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdCopyImageToBuffer(command, image.image, source, buffer.buffer, 2, regions);
    app_run(app, command);
    app_expect_words(app, "rows", buffer.map, expected, WORDS);
}

static void image_copy_regions(struct app *app)
{
    const VkImageAspectFlags colour = VK_IMAGE_ASPECT_COLOR_BIT;
    const VkImageCopy regions[] = {
        {{colour, 0, 0, 2}, {1, 2, 0}, {colour, 0, 1, 2}, {4, 0, 0}, {3, 5, 1}},
        {{colour, 0, 2, 1}, {0, 0, 0}, {colour, 0, 0, 1}, {0, 7, 0}, {APP_OR(8, 7), 1, 1}},
        {{colour, 0, 0, 1}, {7, 7, 0}, {colour, 0, 2, 1}, {0, 0, 0}, {1, 1, 1}},
    };
    const VkImageCreateInfo info = square(VK_FORMAT_R32_UINT, SIDE, 1, 3);
    struct app_image from = numbered(app, VK_FORMAT_R32_UINT, SIDE, 3, source);
    struct app_image to = blank(app, &info);
    uint32_t expected[3 * TEXELS];
    fill_expected(expected, 3 * TEXELS, BACK);
    for (uint32_t i = 0; i < 30; i++) {
        uint32_t layer = i / 15, y = i / 3 % 5, x = i % 3;
        expected[((layer + 1) * SIDE + y) * SIDE + x + 4] = (layer * SIDE + y + 2) * SIDE + x + 1;
    }
    for (uint32_t i = 0; i < SIDE; i++) {
        expected[7 * SIDE + i] = 2 * TEXELS + i;
    }
    expected[2 * TEXELS] = TEXELS - 1;
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdCopyImage(command, from.image, source, to.image, destination, 3, regions);
    finish(app, command, &to);
    texels_expect_level(app, &to, source, 0, expected, 3 * TEXELS);
}

/* Layers of a 2D image become slices of a 3D image. */
static void image_layers_to_slices(struct app *app)
{
    const VkImageAspectFlags colour = VK_IMAGE_ASPECT_COLOR_BIT;
    const VkImageCopy region = {
        {colour, 0, 1, 2}, {0, 0, 0}, {colour, 0, 0, 1}, {0, 0, APP_OR(2, 1)}, {SIDE, SIDE, 2}};
    VkImageCreateInfo info = square(VK_FORMAT_R32_UINT, SIDE, 1, 1);
    info.imageType = VK_IMAGE_TYPE_3D;
    info.extent.depth = 4;
    struct app_image from = numbered(app, VK_FORMAT_R32_UINT, SIDE, 3, source);
    struct app_image to = blank(app, &info);
    uint32_t expected[4 * TEXELS];
    for (uint32_t i = 0; i < 4 * TEXELS; i++) {
        expected[i] = i < 2 * TEXELS ? BACK : i - TEXELS;
    }
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdCopyImage(command, from.image, source, to.image, destination, 1, &region);
    finish(app, command, &to);
    texels_expect_level(app, &to, source, 0, expected, 4 * TEXELS);
}

/* Between formats of one texel size, bits stay as they are. */
static void image_copy_keeps_bits(struct app *app)
{
    const VkImageSubresourceLayers layers = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
    const VkImageCopy region = {layers, {0, 0, 0}, layers, {0, 0, 0}, {SIDE, SIDE, 1}};
    const VkImageCreateInfo info = square(VK_FORMAT_R8G8B8A8_UNORM, SIDE, 1, 1);
    struct app_image from =
        numbered(app, APP_OR(VK_FORMAT_R32_SFLOAT, VK_FORMAT_R32_UINT), SIDE, 1, source);
    struct app_image to = app_image(app, &info, VK_IMAGE_VIEW_TYPE_MAX_ENUM);
    uint32_t expected[TEXELS];
    for (uint32_t i = 0; i < TEXELS; i++) {
        expected[i] = texels_word(VK_FORMAT_R32_SFLOAT, i);
    }
    VkCommandBuffer command = app_begin(app);
    app_transition(app, command, &to, VK_IMAGE_LAYOUT_UNDEFINED, destination);
    app->vk.CmdCopyImage(command, from.image, source, to.image, destination, 1, &region);
    finish(app, command, &to);
    texels_expect_level(app, &to, source, 0, expected, TEXELS);
}

/* There and back: buffer, image, image, buffer, buffer. */
static void copy_commands_2(struct app *app)
{
    const VkImageSubresourceLayers layers = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
    const VkImageCreateInfo info = square(VK_FORMAT_R32_UINT, SIDE, 1, 1);
    struct app_buffer buffers[3];
    struct app_image images[] = {blank(app, &info), blank(app, &info)};
    for (uint32_t i = 0; i < 3; i++) {
        buffers[i] = app_buffer(app, 4 * TEXELS, 0);
    }
    const VkBufferImageCopy2 rows = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_IMAGE_COPY_2,
        .imageSubresource = layers,
        .imageExtent = info.extent,
    };
    const VkCopyBufferToImageInfo2 in = {VK_STRUCTURE_TYPE_COPY_BUFFER_TO_IMAGE_INFO_2,
                                         NULL,
                                         buffers[0].buffer,
                                         images[0].image,
                                         destination,
                                         1,
                                         &rows};
    const VkImageCopy2 part = {VK_STRUCTURE_TYPE_IMAGE_COPY_2,
                               NULL,
                               layers,
                               {0, 4, 0},
                               layers,
                               {4, 0, 0},
                               {4, APP_OR(4, 3), 1}};
    const VkCopyImageInfo2 across = {VK_STRUCTURE_TYPE_COPY_IMAGE_INFO_2,
                                     NULL,
                                     images[0].image,
                                     source,
                                     images[1].image,
                                     destination,
                                     1,
                                     &part};
    const VkCopyImageToBufferInfo2 out = {VK_STRUCTURE_TYPE_COPY_IMAGE_TO_BUFFER_INFO_2,
                                          NULL,
                                          images[1].image,
                                          source,
                                          buffers[1].buffer,
                                          1,
                                          &rows};
    const VkBufferCopy2 all = {VK_STRUCTURE_TYPE_BUFFER_COPY_2, NULL, 0, 0, 4 * TEXELS};
    const VkCopyBufferInfo2 on = {
        VK_STRUCTURE_TYPE_COPY_BUFFER_INFO_2, NULL, buffers[1].buffer, buffers[2].buffer, 1, &all};
    uint32_t expected[TEXELS];
    fill(&buffers[0]);
    fill_expected(expected, TEXELS, BACK);
    for (uint32_t i = 0; i < 16; i++) {
        expected[i / 4 * SIDE + 4 + i % 4] = 3 * ((i / 4 + 4) * SIDE + i % 4) + 1;
    }
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdCopyBufferToImage2(command, &in);
    app_transition(app, command, &images[0], destination, source);
    app->vk.CmdCopyImage2(command, &across);
    app_transition(app, command, &images[1], destination, source);
    app->vk.CmdCopyImageToBuffer2(command, &out);
    app_barrier(app, command);
    app->vk.CmdCopyBuffer2(command, &on);
    app_run(app, command);
    app_expect_words(app, "copied", buffers[2].map, expected, TEXELS);
}

/* --- blits ------------------------------------------------------------------------------------ */

static const VkFormat rgba = VK_FORMAT_R8G8B8A8_UNORM;

static VkImageBlit blit_of(int32_t from, int32_t to)
{
    const VkImageSubresourceLayers layers = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
    return (VkImageBlit){layers, {{0, 0, 0}, {from, from, 1}}, layers, {{0, 0, 0}, {to, to, 1}}};
}

static void blit(struct app *app, const struct app_image *from, VkFormat format, uint32_t side,
                 const VkImageBlit *region, const uint32_t *expected)
{
    const VkImageCreateInfo info = square(format, side, 1, 1);
    struct app_image to = app_image(app, &info, VK_IMAGE_VIEW_TYPE_MAX_ENUM);
    VkCommandBuffer command = app_begin(app);
    app_transition(app, command, &to, VK_IMAGE_LAYOUT_UNDEFINED, destination);
    app->vk.CmdBlitImage(command, from->image, source, to.image, destination, 1, region,
                         VK_FILTER_NEAREST);
    finish(app, command, &to);
    texels_expect_level(app, &to, source, 0, expected, side * side);
}

static void blit_scales_up(struct app *app)
{
    enum { BIG = 2 * SIDE };
    const VkImageBlit region = blit_of(APP_OR(SIDE, SIDE / 2), BIG);
    struct app_image from = numbered(app, rgba, SIDE, 1, source);
    uint32_t expected[BIG * BIG];
    for (uint32_t i = 0; i < BIG * BIG; i++) {
        expected[i] = i / BIG / 2 * SIDE + i % BIG / 2;
    }
    blit(app, &from, rgba, BIG, &region, expected);
}

static void blit_flips(struct app *app)
{
    VkImageBlit region = blit_of(SIDE, SIDE);
    struct app_image from = numbered(app, rgba, SIDE, 1, source);
    uint32_t expected[TEXELS];
    region.dstOffsets[0] = (VkOffset3D){SIDE, 0, 0};
    region.dstOffsets[1] = (VkOffset3D){0, SIDE, 1};
    region.srcOffsets[0].y = APP_OR(SIDE, 0);
    region.srcOffsets[1].y = APP_OR(0, SIDE);
    for (uint32_t i = 0; i < TEXELS; i++) {
        expected[i] = TEXELS - 1 - i;
    }
    blit(app, &from, rgba, SIDE, &region, expected);
}

/* Red and blue change places in memory. */
static void blit_converts(struct app *app)
{
    const VkImageBlit region = blit_of(SIDE, SIDE);
    struct app_image from = numbered(app, rgba, SIDE, 1, source);
    uint32_t expected[TEXELS];
    for (uint32_t i = 0; i < TEXELS; i++) {
        expected[i] = i << 16;
    }
    blit(app, &from, APP_OR(VK_FORMAT_B8G8R8A8_UNORM, rgba), SIDE, &region, expected);
}

/* Four quarters, each of one colour, through all levels of an image. */
static void blit_halves_into_levels(struct app *app)
{
    static const uint32_t colours[4] = {0xff0000ff, 0xff00ff00, 0xffff0000, 0x80402010};
    const VkImageCreateInfo info = square(rgba, SIDE, 3, 1);
    struct app_image image = app_image(app, &info, VK_IMAGE_VIEW_TYPE_MAX_ENUM);
    struct app_buffer first = app_buffer(app, 4 * TEXELS, 0);
    for (uint32_t i = 0; i < TEXELS; i++) {
        ((uint32_t *)first.map)[i] = colours[i / SIDE / 4 * 2 + i % SIDE / 4];
    }
    VkCommandBuffer command = app_begin(app);
    app_transition(app, command, &image, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_GENERAL);
    const VkBufferImageCopy fill_first = {.imageSubresource = {image.aspects, 0, 0, 1},
                                          .imageExtent = info.extent};
    app->vk.CmdCopyBufferToImage(command, first.buffer, image.image, VK_IMAGE_LAYOUT_GENERAL, 1,
                                 &fill_first);
    for (uint32_t i = 1; i < 3; i++) {
        VkImageBlit region = blit_of(SIDE >> (i - 1), APP_OR(SIDE >> i, 1));
        region.srcSubresource.mipLevel = i - 1;
        region.dstSubresource.mipLevel = i;
        app_barrier(app, command);
        app->vk.CmdBlitImage(command, image.image, VK_IMAGE_LAYOUT_GENERAL, image.image,
                             VK_IMAGE_LAYOUT_GENERAL, 1, &region, VK_FILTER_LINEAR);
    }
    app_transition(app, command, &image, VK_IMAGE_LAYOUT_GENERAL, source);
    app_run(app, command);
    uint32_t middle[16];
    for (uint32_t i = 0; i < 16; i++) {
        middle[i] = colours[i / 8 * 2 + i % 4 / 2];
    }
    texels_expect_level(app, &image, source, 1, middle, 16);
    texels_expect_level(app, &image, source, 2, colours, 4);
}

/* --- clears ----------------------------------------------------------------------------------- */

static void clear_colour(struct app *app, VkFormat format, VkClearColorValue colour,
                         const uint32_t *texel, uint32_t words)
{
    const VkImageCreateInfo info = square(format, SIDE, 1, 1);
    struct app_image image = app_image(app, &info, VK_IMAGE_VIEW_TYPE_MAX_ENUM);
    const VkImageSubresourceRange whole = app_whole(&image);
    uint32_t expected[4 * TEXELS];
    for (uint32_t i = 0; i < words * TEXELS; i++) {
        expected[i] = texel[i % words];
    }
    VkCommandBuffer command = app_begin(app);
    app_transition(app, command, &image, VK_IMAGE_LAYOUT_UNDEFINED, destination);
    app->vk.CmdClearColorImage(command, image.image, destination, &colour, 1, &whole);
    finish(app, command, &image);
    texels_expect_level(app, &image, source, 0, expected, words * TEXELS);
}

static void clear_with_floats(struct app *app)
{
    const VkClearColorValue wide = {.float32 = {0.5f, -2, APP_OR(1024, 1), 0}};
    const VkClearColorValue narrow = {.float32 = {1, 0, 7, -1}}; /* is clamped */
    static const uint32_t wide_texel[] = {0x3f000000, 0xc0000000, 0x44800000, 0};
    static const uint32_t narrow_texel[] = {0x00ff00ff};
    clear_colour(app, VK_FORMAT_R32G32B32A32_SFLOAT, wide, wide_texel, 4);
    clear_colour(app, rgba, narrow, narrow_texel, 1);
}

static void clear_with_ints(struct app *app)
{
    const VkClearColorValue wide = {.int32 = {INT32_MIN, -2, APP_OR(3, 4), INT32_MAX}};
    const VkClearColorValue narrow = {.int32 = {-128, 127, -1, 2}};
    static const uint32_t wide_texel[] = {0x80000000, 0xfffffffe, 3, 0x7fffffff};
    static const uint32_t narrow_texel[] = {0x02ff7f80};
    clear_colour(app, VK_FORMAT_R32G32B32A32_SINT, wide, wide_texel, 4);
    clear_colour(app, VK_FORMAT_R8G8B8A8_SINT, narrow, narrow_texel, 1);
}

static void clear_with_uints(struct app *app)
{
    const VkClearColorValue wide = {.uint32 = {UINT32_MAX, 0x80000000, APP_OR(3, 4), 0}};
    const VkClearColorValue narrow = {.uint32 = {255, 128, 0, 1}};
    static const uint32_t wide_texel[] = {0xffffffff, 0x80000000, 3, 0};
    static const uint32_t narrow_texel[] = {0x010080ff};
    clear_colour(app, VK_FORMAT_R32G32B32A32_UINT, wide, wide_texel, 4);
    clear_colour(app, VK_FORMAT_R8G8B8A8_UINT, narrow, narrow_texel, 1);
}

/* The first layer of the first level, and the second layer of all other levels. */
static void clear_ranges(struct app *app)
{
    static const VkClearColorValue value = {.uint32 = {0x12345678}};
    const VkImageSubresourceRange ranges[] = {
        {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
        {VK_IMAGE_ASPECT_COLOR_BIT, 1, APP_OR(VK_REMAINING_MIP_LEVELS, 1), 1,
         VK_REMAINING_ARRAY_LAYERS},
    };
    const VkImageCreateInfo info = square(VK_FORMAT_R32_UINT, SIDE, 3, 2);
    struct app_image image = blank(app, &info);
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdClearColorImage(command, image.image, destination, &value, 2, ranges);
    finish(app, command, &image);
    for (uint32_t level = 0; level < 3; level++) {
        uint32_t expected[2 * TEXELS], count = TEXELS >> 2 * level;
        fill_expected(expected, count, level == 0 ? 0x12345678 : BACK);
        fill_expected(expected + count, count, level == 0 ? BACK : 0x12345678);
        texels_expect_level(app, &image, source, level, expected, 2 * count);
    }
}

static VkFormat depth_stencil_format(struct app *app)
{
    static const VkFormat formats[] = {VK_FORMAT_D32_SFLOAT_S8_UINT, VK_FORMAT_D24_UNORM_S8_UINT};
    for (size_t i = 0; i < 2; i++) {
        VkFormatProperties properties;
        app->vki.GetPhysicalDeviceFormatProperties(app->gpu, formats[i], &properties);
        if ((properties.optimalTilingFeatures & VK_FORMAT_FEATURE_DEPTH_STENCIL_ATTACHMENT_BIT)) {
            return formats[i];
        }
    }
    app_fail(app, "no format of depth and stencil");
}

/* Both aspects of both layers, then one aspect of one layer. */
static void clear_depth_and_stencil(struct app *app)
{
    static const VkClearDepthStencilValue both = {1, 0xa5}, one = {0, 0x3c};
    VkImageCreateInfo info = square(depth_stencil_format(app), SIDE, 1, 2);
    info.usage |= VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT;
    struct app_image image = app_image(app, &info, VK_IMAGE_VIEW_TYPE_MAX_ENUM);
    const VkImageSubresourceRange whole = app_whole(&image);
    const VkImageSubresourceRange second = {
        APP_OR(VK_IMAGE_ASPECT_STENCIL_BIT, VK_IMAGE_ASPECT_DEPTH_BIT), 0, 1, 1, 1};
    const VkBufferImageCopy regions[] = {
        {0, 0, 0, {VK_IMAGE_ASPECT_DEPTH_BIT, 0, 0, 2}, {0}, info.extent},
        {8 * TEXELS, 0, 0, {VK_IMAGE_ASPECT_STENCIL_BIT, 0, 0, 2}, {0}, info.extent},
    };
    struct app_buffer got = app_buffer(app, 10 * TEXELS, 0);
    uint32_t *words = got.map, expected[10 * TEXELS / 4];
    bool is_float = info.format == VK_FORMAT_D32_SFLOAT_S8_UINT;
    fill_expected(expected, 2 * TEXELS, is_float ? 0x3f800000 : 0x00ffffff);
    fill_expected(expected + 2 * TEXELS, TEXELS / 4, 0xa5a5a5a5);
    fill_expected(expected + 2 * TEXELS + TEXELS / 4, TEXELS / 4, 0x3c3c3c3c);
    VkCommandBuffer command = app_begin(app);
    app_transition(app, command, &image, VK_IMAGE_LAYOUT_UNDEFINED, destination);
    app->vk.CmdClearDepthStencilImage(command, image.image, destination, &both, 1, &whole);
    app_barrier(app, command);
    app->vk.CmdClearDepthStencilImage(command, image.image, destination, &one, 1, &second);
    app_transition(app, command, &image, destination, source);
    app->vk.CmdCopyImageToBuffer(command, image.image, source, got.buffer, 2, regions);
    app_run(app, command);
    for (uint32_t i = 0; i < 2 * TEXELS && !is_float; i++) {
        words[i] &= 0x00ffffff; /* the rest is not defined */
    }
    app_expect_words(app, "depth and stencil", words, expected, 10 * TEXELS / 4);
}

/* --- resolves --------------------------------------------------------------------------------- */

/* Two of four samples of the left half are red: half floats, so that the mean is exact. */
static struct app_image half_covered(struct app *app, VkCommandBuffer command)
{
    static const VkSampleMask mask = APP_OR(0x3, 0x1);
    struct app_image image = app_target(app, VK_FORMAT_R16G16B16A16_SFLOAT, VK_SAMPLE_COUNT_4_BIT);
    struct app_graphics g;
    app_graphics_red(app, &g);
    g.formats[0] = image.format;
    g.samples.rasterizationSamples = VK_SAMPLE_COUNT_4_BIT;
    g.samples.pSampleMask = &mask;
    VkPipeline pipeline = app_graphics_create(app, &g);
    app_begin_drawing(app, command, &image);
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
    app->vk.CmdDraw(command, 6, 1, 0, 0);
    app_end_drawing(app, command, &image);
    return image;
}

/* 0.5, 0 and 0, 1 as half floats on the left. */
static void expect_resolved(struct app *app, const uint32_t *got)
{
    static uint32_t expected[2 * APP_WIDTH * APP_HEIGHT];
    for (uint32_t i = 0; i < APP_WIDTH * APP_HEIGHT; i++) {
        expected[2 * i] = i % APP_WIDTH < APP_WIDTH / 2 ? 0x3800 : 0;
        expected[2 * i + 1] = 0x3c000000;
    }
    app_expect_words(app, "resolved", got, expected, 2 * APP_WIDTH * APP_HEIGHT);
}

static void resolve(struct app *app, bool by_second)
{
    const VkImageSubresourceLayers layers = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
    const VkImageResolve region = {layers, {0}, layers, {0}, {APP_WIDTH, APP_HEIGHT, 1}};
    const VkImageCreateInfo info =
        app_image_info(VK_FORMAT_R16G16B16A16_SFLOAT, APP_WIDTH, APP_HEIGHT,
                       copied | VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT);
    struct app_image to = app_image(app, &info, VK_IMAGE_VIEW_TYPE_MAX_ENUM);
    struct app_buffer pixels = app_buffer(app, 8 * APP_WIDTH * APP_HEIGHT, 0);
    VkCommandBuffer command = app_begin(app);
    struct app_image from = half_covered(app, command);
    const VkImageResolve2 region_2 = {
        VK_STRUCTURE_TYPE_IMAGE_RESOLVE_2, NULL, layers, {0}, layers, {0}, region.extent};
    const VkResolveImageInfo2 resolve_2 = {VK_STRUCTURE_TYPE_RESOLVE_IMAGE_INFO_2,
                                           NULL,
                                           from.image,
                                           source,
                                           to.image,
                                           destination,
                                           1,
                                           &region_2};
    app_transition(app, command, &to, VK_IMAGE_LAYOUT_UNDEFINED, destination);
    if (by_second) {
        app->vk.CmdResolveImage2(command, &resolve_2);
    } else {
        app->vk.CmdResolveImage(command, from.image, source, to.image, destination, 1, &region);
    }
    app_transition(app, command, &to, destination, source);
    app_read(app, command, &to, 0, &pixels);
    app_run(app, command);
    expect_resolved(app, pixels.map);
}

static void resolve_image(struct app *app)
{
    resolve(app, false);
}

static void resolve_image_2(struct app *app)
{
    resolve(app, true);
}

const struct app_case app_cases_images[] = {
    APP_CASE(buffer_rows_to_image),
    APP_CASE(image_to_buffer_rows),
    APP_CASE(image_copy_regions),
    APP_CASE(image_layers_to_slices),
    APP_CASE(image_copy_keeps_bits),
    APP_CASE(blit_scales_up),
    APP_CASE(blit_flips),
    APP_CASE(blit_converts),
    APP_CASE(blit_halves_into_levels),
    APP_CASE(clear_with_floats),
    APP_CASE(clear_with_ints),
    APP_CASE(clear_with_uints),
    APP_CASE(clear_ranges),
    APP_CASE(clear_depth_and_stencil),
    APP_CASE(copy_commands_2),
    APP_CASE(resolve_image, "VkPhysicalDeviceVulkan13Features.dynamicRendering"),
    APP_CASE(resolve_image_2, "VkPhysicalDeviceVulkan13Features.dynamicRendering"),
    {0},
};
