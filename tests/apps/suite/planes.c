/* Copies and views of single planes. */
#include "planes.h"

#include "texels.h"

#include <math.h>

/* clang-format off */
#include "look_2d_comp.spv.h"
/* clang-format on */

#define PLANAR(format, ...)                                                                        \
    {                                                                                              \
        format, #format, __VA_ARGS__                                                               \
    }
const struct planar planes_two = PLANAR(VK_FORMAT_G8_B8R8_2PLANE_420_UNORM, 2, 4, 4, 1);
const struct planar planes_three = PLANAR(VK_FORMAT_G8_B8_R8_3PLANE_420_UNORM, 3, 4, 4, 1);
const struct planar planes_high = PLANAR(VK_FORMAT_G8_B8_R8_3PLANE_422_UNORM, 3, 4, 8, 1);
const struct planar planes_packed = PLANAR(VK_FORMAT_G8B8G8R8_422_UNORM, 1, 4, 8, 1);
const struct planar planes_ten_bits =
    PLANAR(VK_FORMAT_G10X6_B10X6R10X6_2PLANE_420_UNORM_3PACK16, 2, 4, 4, 2);

static const VkImageLayout source = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;
static const VkImageLayout destination = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL;
static const VkImageLayout sampled = VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL;

/* --- what the planes hold --------------------------------------------------------------------- */

VkImageAspectFlags planes_aspect(const struct planar *p, uint32_t plane)
{
    return p->planes == 1 ? VK_IMAGE_ASPECT_COLOR_BIT
                          : (VkImageAspectFlags)VK_IMAGE_ASPECT_PLANE_0_BIT << plane;
}

static VkExtent3D extent_of(const struct planar *p, uint32_t plane)
{
    return plane == 0 ? (VkExtent3D){PLANES_SIDE, PLANES_SIDE, 1}
                      : (VkExtent3D){p->width, p->height, 1};
}

uint8_t planes_value(const struct planar *p, uint32_t channel, uint32_t x, uint32_t y)
{
    uint32_t step = (y * p->width + x) * 32 / (p->width * p->height);
    return (uint8_t)(channel == 0   ? 64 + 2 * (y * PLANES_SIDE + x)
                     : channel == 1 ? 108 + step
                                    : 150 - step);
}

void planes_fill(const struct planar *p, uint32_t *words)
{
    uint8_t *bytes = (uint8_t *)words;
    for (uint32_t plane = 0; plane < p->planes && p->planes > 1; plane++) {
        const VkExtent3D extent = extent_of(p, plane);
        const uint32_t channels = p->planes == 2 && plane == 1 ? 2 : 1;
        for (uint32_t i = 0; i < extent.width * extent.height * channels; i++) {
            uint32_t texel = i / channels;
            bytes[plane * PLANES_SIZE + (i + 1) * p->size - 1] =
                planes_value(p, plane + i % channels, texel % extent.width, texel / extent.width);
        }
    }
    for (uint32_t i = 0; i < PLANES_TEXELS / 2 && p->planes == 1; i++) {
        uint32_t x = i % (PLANES_SIDE / 2), y = i / (PLANES_SIDE / 2);
        bytes[4 * i] = planes_value(p, 0, 2 * x, y);
        bytes[4 * i + 1] = planes_value(p, 1, x, y);
        bytes[4 * i + 2] = planes_value(p, 0, 2 * x + 1, y);
        bytes[4 * i + 3] = planes_value(p, 2, x, y);
    }
}

static void plane_regions(const struct planar *p, uint32_t layer, VkBufferImageCopy *regions)
{
    for (uint32_t i = 0; i < p->planes; i++) {
        regions[i] = (VkBufferImageCopy){
            .bufferOffset = (VkDeviceSize)i * PLANES_SIZE,
            .imageSubresource = {planes_aspect(p, i), 0, layer, 1},
            .imageExtent = extent_of(p, i),
        };
    }
}

VkFormatFeatureFlags planes_require(struct app *app, const struct planar *p,
                                    VkFormatFeatureFlags features)
{
    VkFormatProperties properties;
    app->vki.GetPhysicalDeviceFormatProperties(app->gpu, p->format, &properties);
    if ((properties.optimalTilingFeatures & features) != features) {
        app_skip(app, "no %s", p->name);
    }
    return properties.optimalTilingFeatures;
}

VkImageCreateInfo planes_describe(struct app *app, const struct planar *p, VkImageUsageFlags usage)
{
    planes_require(app, p, VK_FORMAT_FEATURE_TRANSFER_SRC_BIT | VK_FORMAT_FEATURE_TRANSFER_DST_BIT);
    return app_image_info(p->format, PLANES_SIDE, PLANES_SIDE,
                          usage | VK_IMAGE_USAGE_TRANSFER_SRC_BIT |
                              VK_IMAGE_USAGE_TRANSFER_DST_BIT);
}

void planes_upload(struct app *app, const struct planar *p, const struct app_image *image,
                   VkImageLayout layout)
{
    struct app_buffer zeroes = app_buffer(app, PLANES_WORDS * 4, 0);
    struct app_buffer bytes = app_buffer(app, PLANES_WORDS * 4, 0);
    VkBufferImageCopy regions[PLANES_MAX];
    planes_fill(p, bytes.map);
    VkCommandBuffer command = app_begin(app);
    app_transition(app, command, image, VK_IMAGE_LAYOUT_UNDEFINED, destination);
    for (uint32_t i = 0; i < image->layers; i++) {
        plane_regions(p, i, regions);
        app->vk.CmdCopyBufferToImage(command, i + 1 == image->layers ? bytes.buffer : zeroes.buffer,
                                     image->image, destination, p->planes, regions);
    }
    app_transition(app, command, image, destination, layout);
    app_run(app, command);
}

struct app_image planes_filled(struct app *app, const struct planar *p, VkImageUsageFlags usage,
                               VkImageLayout layout)
{
    const VkImageCreateInfo info = planes_describe(app, p, usage);
    struct app_image image = app_image(app, &info, VK_IMAGE_VIEW_TYPE_MAX_ENUM);
    planes_upload(app, p, &image, layout);
    return image;
}

void planes_expect(struct app *app, const struct planar *p, const struct app_image *image,
                   const uint32_t *expected)
{
    struct app_buffer got = app_buffer(app, PLANES_WORDS * 4, 0);
    VkBufferImageCopy regions[PLANES_MAX];
    plane_regions(p, 0, regions);
    VkCommandBuffer command = app_begin(app);
    app_barrier(app, command);
    app->vk.CmdCopyImageToBuffer(command, image->image, source, got.buffer, p->planes, regions);
    app_run(app, command);
    app_expect_words(app, p->name, got.map, expected, PLANES_WORDS);
}

/* --- single planes ---------------------------------------------------------------------------- */

static void planes_keep_bytes(struct app *app)
{
    static const struct planar *const all[] = {&planes_two, &planes_three, &planes_high,
                                               &planes_ten_bits};
    uint32_t tested = 0;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        VkFormatProperties properties;
        uint32_t expected[PLANES_WORDS] = {0};
        app->vki.GetPhysicalDeviceFormatProperties(app->gpu, all[i]->format, &properties);
        if ((properties.optimalTilingFeatures & VK_FORMAT_FEATURE_TRANSFER_SRC_BIT) == 0) {
            continue;
        }
        struct app_image image = planes_filled(app, all[i], 0, source);
        planes_fill(all[i], expected);
        expected[PLANES_SIZE / 4] ^= APP_OR(0, 1);
        planes_expect(app, all[i], &image, expected);
        tested++;
    }
    if (tested == 0) {
        app_skip(app, "no %s", planes_two.name);
    }
}

/* Fills the middle of the second plane, of pairs of bytes, and fetches its last line. */
static void plane_regions_are_copied(struct app *app)
{
    struct app_image image = planes_filled(app, &planes_two, 0, destination);
    struct app_buffer in = app_buffer(app, 64, 0), out = app_buffer(app, 64, 0);
    const VkImageSubresourceLayers second = {VK_IMAGE_ASPECT_PLANE_1_BIT, 0, 0, 1};
    const VkBufferImageCopy to = {8, 5, 0, second, {1, APP_OR(1, 2), 0}, {2, 2, 1}};
    const VkBufferImageCopy from = {16, 0, 0, second, {0, 2, 0}, {4, 2, 1}};
    uint32_t expected[16] = {0}, whole[PLANES_WORDS] = {0};
    uint8_t *second_bytes = (uint8_t *)(whole + PLANES_SIZE / 4);
    for (uint32_t i = 0; i < 64; i++) {
        ((uint8_t *)in.map)[i] = (uint8_t)(i + 1);
    }
    planes_fill(&planes_two, whole);
    for (uint32_t i = 0; i < 8; i++) { /* lines of 8 bytes here, and of 10 there */
        second_bytes[(i / 4 + 1) * 8 + 2 + i % 4] = (uint8_t)(8 + i / 4 * 10 + i % 4 + 1);
    }
    memcpy(expected + 4, second_bytes + 16, 16);
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdCopyBufferToImage(command, in.buffer, image.image, destination, 1, &to);
    app_transition(app, command, &image, destination, source);
    app->vk.CmdCopyImageToBuffer(command, image.image, source, out.buffer, 1, &from);
    app_run(app, command);
    app_expect_words(app, "two lines", out.map, expected, 16);
    planes_expect(app, &planes_two, &image, whole);
}

/* The first plane from plane to plane; the others by way of an image, and each to the other. */
static void planes_are_copied_to_images(struct app *app)
{
    const VkImageCreateInfo info = planes_describe(app, &planes_three, 0);
    const VkImageCreateInfo byte_info =
        app_image_info(VK_FORMAT_R8_UNORM, 4, 4,
                       VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT);
    struct app_image from = planes_filled(app, &planes_three, 0, source);
    struct app_image to = app_image(app, &info, VK_IMAGE_VIEW_TYPE_MAX_ENUM);
    const VkImageSubresourceLayers first = {VK_IMAGE_ASPECT_PLANE_0_BIT, 0, 0, 1};
    const VkImageSubresourceLayers colour = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
    const VkImageCopy directly = {first, {0}, first, {0}, {PLANES_SIDE, PLANES_SIDE, 1}};
    uint32_t filled[PLANES_WORDS] = {0}, expected[PLANES_WORDS];
    planes_fill(&planes_three, filled);
    memcpy(expected, filled, PLANES_SIZE);
    memcpy(expected + PLANES_SIZE / 4, filled + 2 * PLANES_SIZE / 4, PLANES_SIZE);
    memcpy(expected + 2 * PLANES_SIZE / 4, filled + PLANES_SIZE / 4, PLANES_SIZE);
    VkCommandBuffer command = app_begin(app);
    app_transition(app, command, &to, VK_IMAGE_LAYOUT_UNDEFINED, destination);
    app->vk.CmdCopyImage(command, from.image, source, to.image, destination, 1, &directly);
    for (uint32_t i = 1; i < 3; i++) {
        const VkImageSubresourceLayers plane = {planes_aspect(&planes_three, i), 0, 0, 1};
        const VkImageSubresourceLayers other = {planes_aspect(&planes_three, APP_OR(3 - i, i)), 0,
                                                0, 1};
        const VkImageCopy out = {plane, {0}, colour, {0}, {4, 4, 1}};
        const VkImageCopy in = {colour, {0}, other, {0}, {4, 4, 1}};
        struct app_image bytes_image = app_image(app, &byte_info, VK_IMAGE_VIEW_TYPE_MAX_ENUM);
        app_transition(app, command, &bytes_image, VK_IMAGE_LAYOUT_UNDEFINED, destination);
        app->vk.CmdCopyImage(command, from.image, source, bytes_image.image, destination, 1, &out);
        app_transition(app, command, &bytes_image, destination, source);
        app->vk.CmdCopyImage(command, bytes_image.image, source, to.image, destination, 1, &in);
    }
    app_transition(app, command, &to, destination, source);
    app_run(app, command);
    planes_expect(app, &planes_three, &to, expected);
}

static void view_of_planes(struct app *app)
{
    static const VkFormat formats[2] = {VK_FORMAT_R8_UNORM, VK_FORMAT_R8G8_UNORM};
    VkImageCreateInfo info = planes_describe(app, &planes_two, VK_IMAGE_USAGE_SAMPLED_BIT);
    info.flags = VK_IMAGE_CREATE_MUTABLE_FORMAT_BIT;
    planes_require(app, &planes_two, VK_FORMAT_FEATURE_SAMPLED_IMAGE_BIT);
    struct app_image image = app_image(app, &info, VK_IMAGE_VIEW_TYPE_MAX_ENUM);
    VkSampler sampler = app_sampler(app, VK_FILTER_NEAREST);
    planes_upload(app, &planes_two, &image, sampled);
    for (uint32_t plane = 0; plane < 2; plane++) {
        const uint32_t side = plane == 0 ? PLANES_SIDE : PLANES_SIDE / 2;
        float at[PLANES_TEXELS][4] = {{0}}, got[PLANES_TEXELS][4];
        struct app_image one = image;
        one.format = formats[plane];
        VkImageView view =
            app_view(app, &one, VK_IMAGE_VIEW_TYPE_2D,
                     (VkImageSubresourceRange){planes_aspect(&planes_two, plane), 0, 1, 0, 1});
        for (uint32_t i = 0; i < side * side; i++) {
            at[i][0] = ((float)(i % side) + 0.5f) / (float)side;
            at[i][1] = ((float)(i / side) + 0.5f) / (float)side;
        }
        texels_look_up(app, APP_SHADER(app, look_2d_comp),
                       VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, view, sampler,
                       (const float(*)[4])at, got, side * side);
        for (uint32_t i = 0; i < (plane + 1) * side * side; i++) {
            const uint32_t texel = i / (plane + 1), k = i % (plane + 1);
            const float wanted =
                planes_value(&planes_two, plane + APP_OR(k, 0), texel % side, texel / side);
            app_expect(app, fabsf(got[texel][k] * 255 - wanted) < 0.5f,
                       "plane %u, byte %u: %g, not %g", plane, i, (double)got[texel][k] * 255,
                       (double)wanted);
        }
        app_result(app, got, side * side * 16);
    }
}

const struct app_case app_cases_planes[] = {
    APP_CASE(planes_keep_bytes, PLANES_NEED),
    APP_CASE(plane_regions_are_copied, PLANES_NEED),
    APP_CASE(planes_are_copied_to_images, PLANES_NEED),
    APP_CASE(view_of_planes, PLANES_NEED),
    {0},
};
