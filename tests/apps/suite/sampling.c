/* What samplers do, texel buffers, and images of several planes. */
#include "app.h"
#include "texels.h"

#include <string.h>

/* clang-format off */
#include "look_2d_comp.spv.h"
#include "look_gather_comp.spv.h"
#include "look_grad_comp.spv.h"
#include "look_separate_comp.spv.h"
#include "look_shadow_comp.spv.h"
#include "look_u2d_comp.spv.h"
#include "texel_buffers_comp.spv.h"
/* clang-format on */

enum { SIDE = 8, TEXELS = SIDE * SIDE };

static const VkImageUsageFlags sampled =
    VK_IMAGE_USAGE_TRANSFER_DST_BIT | VK_IMAGE_USAGE_SAMPLED_BIT;
static const VkImageLayout readable = VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL;

static VkSamplerCreateInfo describe(VkFilter filter, VkSamplerAddressMode mode)
{
    return (VkSamplerCreateInfo){
        .sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO,
        .magFilter = filter,
        .minFilter = filter,
        .addressModeU = mode,
        .addressModeV = mode,
        .addressModeW = mode,
        .maxLod = VK_LOD_CLAMP_NONE,
    };
}

static VkSamplerCreateInfo nearest(void)
{
    return describe(VK_FILTER_NEAREST, VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE);
}

static VkSampler make_sampler(struct app *app, const VkSamplerCreateInfo *info)
{
    VkSampler sampler;
    APP_CHECK(app, CreateSampler, app->device, info, NULL, &sampler);
    app_keep(app, SAMPLER, sampler);
    return sampler;
}

static struct app_image numbered(struct app *app, uint32_t width, uint32_t height, uint32_t levels)
{
    VkImageCreateInfo info = app_image_info(VK_FORMAT_R32_SFLOAT, width, height, sampled);
    info.mipLevels = levels;
    return texels_numbered(app, &info, VK_IMAGE_VIEW_TYPE_2D, readable);
}

/* One row of those words. */
static struct app_image row(struct app *app, VkFormat format, const void *words, uint32_t count)
{
    const VkImageCreateInfo info = app_image_info(format, count, 1, sampled);
    struct app_image image = app_image(app, &info, VK_IMAGE_VIEW_TYPE_2D);
    struct app_buffer buffer = app_buffer(app, (VkDeviceSize)4 * count, 0);
    memcpy(buffer.map, words, (size_t)4 * count);
    texels_upload(app, &image, 1, &buffer, readable);
    return image;
}

/* --- levels ----------------------------------------------------------------------------------- */

/* The first texels of the levels are 0, 64 and 80; halves round down. */
static const float levels_at[4][4] = {{0}, {0, 0, 0, 1}, {0, 0, 0, 2}, {0, 0, 0, 1.75f}};

static void expect_levels(struct app *app, const VkSamplerCreateInfo *info, const float *expected)
{
    struct app_image image = numbered(app, SIDE, SIDE, 3);
    texels_expect_red(app, APP_SHADER(app, look_2d_comp), image.view, make_sampler(app, info),
                      levels_at, expected, 4);
}

static void sampler_levels(struct app *app)
{
    static const float expected[] = {0, 64, 80, 80};
    VkSamplerCreateInfo info = nearest();
    info.maxLod = APP_OR(VK_LOD_CLAMP_NONE, 1);
    expect_levels(app, &info, expected);
}

static void sampler_lod_limits(struct app *app)
{
    static const float expected[] = {0, 64, 64, 64};
    VkSamplerCreateInfo info = nearest();
    info.maxLod = APP_OR(1, 2);
    expect_levels(app, &info, expected);
}

static void sampler_lod_minimum(struct app *app)
{
    static const float expected[] = {64, 64, 80, 80};
    VkSamplerCreateInfo info = nearest();
    info.minLod = APP_OR(1, 0);
    expect_levels(app, &info, expected);
}

static void sampler_lod_bias(struct app *app)
{
    static const float expected[] = {0, 0, 64, 64};
    VkSamplerCreateInfo info = nearest();
    info.mipLodBias = APP_OR(-1, 0);
    expect_levels(app, &info, expected);
}

/* --- filters and addresses -------------------------------------------------------------------- */

/* Nothing is exact between two texels but the middle's place between them. */
static void linear_filter(struct app *app)
{
    static const uint32_t words[2] = {0xff000000, 0xff0000ff};
    static const float at[3][4] = {{0.25f, 0.5f}, {0.5f, 0.5f}, {0.75f, 0.5f}};
    struct app_image image = row(app, VK_FORMAT_R8G8B8A8_UNORM, words, 2);
    float got[3][4];
    texels_look_up(app, APP_SHADER(app, look_2d_comp), VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
                   image.view, app_sampler(app, APP_OR(VK_FILTER_LINEAR, VK_FILTER_NEAREST)), at,
                   got, 3);
    app_expect(app, got[0][0] == 0 && got[2][0] == 1, "the middles are %g and %g",
               (double)got[0][0], (double)got[2][0]);
    app_expect(app, got[1][0] > 0.49f && got[1][0] < 0.51f, "between: %g", (double)got[1][0]);
    app_result(app, got, sizeof(got));
}

/* Texels -6 to 9 of four. */
static void expect_addresses(struct app *app, VkSamplerAddressMode mode, const float *expected)
{
    struct app_image image = numbered(app, 4, 1, 1);
    const VkSamplerCreateInfo info = describe(VK_FILTER_NEAREST, mode);
    float at[16][4] = {{0}};
    for (int i = 0; i < 16; i++) {
        at[i][0] = ((float)(i - 6) + 0.5f) / 4;
    }
    texels_expect_red(app, APP_SHADER(app, look_2d_comp), image.view, make_sampler(app, &info), at,
                      expected, 16);
}

static void sampler_repeats(struct app *app)
{
    static const float expected[16] = {2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1};
    expect_addresses(app,
                     APP_OR(VK_SAMPLER_ADDRESS_MODE_REPEAT, VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE),
                     expected);
}

static void sampler_mirrors(struct app *app)
{
    static const float expected[16] = {2, 3, 3, 2, 1, 0, 0, 1, 2, 3, 3, 2, 1, 0, 0, 1};
    expect_addresses(
        app, APP_OR(VK_SAMPLER_ADDRESS_MODE_MIRRORED_REPEAT, VK_SAMPLER_ADDRESS_MODE_REPEAT),
        expected);
}

static void sampler_clamps(struct app *app)
{
    static const float expected[16] = {0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 3, 3, 3, 3, 3, 3};
    expect_addresses(app,
                     APP_OR(VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE, VK_SAMPLER_ADDRESS_MODE_REPEAT),
                     expected);
}

static void sampler_mirrors_once(struct app *app)
{
    static const float expected[16] = {3, 3, 3, 2, 1, 0, 0, 1, 2, 3, 3, 3, 3, 3, 3, 3};
    expect_addresses(
        app,
        APP_OR(VK_SAMPLER_ADDRESS_MODE_MIRROR_CLAMP_TO_EDGE, VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE),
        expected);
}

/* --- borders ---------------------------------------------------------------------------------- */

/* One texel within, one outside. */
static const float border_at[2][4] = {{0.5f, 0.5f}, {1.5f, 0.5f}};

static void border(struct app *app, VkFormat format, VkBorderColor colour, VkShaderModule module,
                   float red, float alpha)
{
    static const uint32_t word = 0x00ff00ff; /* is neither black nor white */
    const float unit = format == VK_FORMAT_R8G8B8A8_UNORM ? 1 : 255;
    struct app_image image = row(app, format, &word, 1);
    VkSamplerCreateInfo info = describe(VK_FILTER_NEAREST, VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_BORDER);
    info.borderColor = colour;
    const float expected[2][4] = {{unit, 0, unit, 0}, {red, red, red, alpha}};
    texels_expect(app, module, image.view, make_sampler(app, &info), border_at, expected, 2);
}

static void border_colours(struct app *app)
{
    VkShaderModule floats = APP_SHADER(app, look_2d_comp);
    VkShaderModule words = APP_SHADER(app, look_u2d_comp);
    border(app, VK_FORMAT_R8G8B8A8_UNORM, VK_BORDER_COLOR_FLOAT_TRANSPARENT_BLACK, floats, 0, 0);
    border(app, VK_FORMAT_R8G8B8A8_UNORM, VK_BORDER_COLOR_FLOAT_OPAQUE_BLACK, floats, 0, 1);
    border(app, VK_FORMAT_R8G8B8A8_UNORM, VK_BORDER_COLOR_FLOAT_OPAQUE_WHITE, floats, 1, 1);
    border(app, VK_FORMAT_R8G8B8A8_UINT, VK_BORDER_COLOR_INT_TRANSPARENT_BLACK, words, 0, 0);
    border(app, VK_FORMAT_R8G8B8A8_UINT, VK_BORDER_COLOR_INT_OPAQUE_BLACK, words, 0, 1);
    border(app, VK_FORMAT_R8G8B8A8_UINT,
           APP_OR(VK_BORDER_COLOR_INT_OPAQUE_WHITE, VK_BORDER_COLOR_INT_OPAQUE_BLACK), words, 1, 1);
}

static void custom_border_colour(struct app *app)
{
    static const uint32_t word = 0xff0000ff;
    static const float expected[2][4] = {{1, 0, 0, 1}, {0, 1, 1, 0}};
    const VkSamplerCustomBorderColorCreateInfoEXT custom = {
        .sType = VK_STRUCTURE_TYPE_SAMPLER_CUSTOM_BORDER_COLOR_CREATE_INFO_EXT,
        .customBorderColor.float32 = {0, 1, APP_OR(1, 0), 0},
        .format = VK_FORMAT_R8G8B8A8_UNORM,
    };
    struct app_image image = row(app, custom.format, &word, 1);
    VkSamplerCreateInfo info = describe(VK_FILTER_NEAREST, VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_BORDER);
    info.pNext = &custom;
    info.borderColor = VK_BORDER_COLOR_FLOAT_CUSTOM_EXT;
    texels_expect(app, APP_SHADER(app, look_2d_comp), image.view, make_sampler(app, &info),
                  border_at, expected, 2);
}

/* --- special samplers ------------------------------------------------------------------------- */

/* Its footprint is eight texels wide but stays within rows of one colour. */
static void sampler_anisotropy(struct app *app)
{
    static const float at[2][4] = {{0.5f, 0.25f, 1, 0.125f},
                                   {0.5f, APP_OR(0.75f, 0.5f), 1, 0.125f}};
    static const float expected[2][4] = {{1, 0, 0, 1}, {0, 1, 0, 1}};
    const VkImageCreateInfo picture = app_image_info(VK_FORMAT_R8G8B8A8_UNORM, SIDE, SIDE, sampled);
    struct app_image image = app_image(app, &picture, VK_IMAGE_VIEW_TYPE_2D);
    struct app_buffer words = app_buffer(app, 4 * TEXELS, 0);
    for (uint32_t i = 0; i < TEXELS; i++) {
        ((uint32_t *)words.map)[i] = i < TEXELS / 2 ? 0xff0000ff : 0xff00ff00;
    }
    texels_upload(app, &image, 1, &words, readable);
    VkSamplerCreateInfo info = describe(VK_FILTER_LINEAR, VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE);
    info.anisotropyEnable = VK_TRUE;
    info.maxAnisotropy = 8;
    texels_expect(app, APP_SHADER(app, look_grad_comp), image.view, make_sampler(app, &info), at,
                  expected, 2);
}

static void sampler_compares(struct app *app)
{
    static const float depths[2] = {0.25f, 0.75f};
    static const float at[4][4] = {
        {0.25f, 0.5f, 0.125f}, {0.25f, 0.5f, 0.5f}, {0.75f, 0.5f, 0.5f}, {0.75f, 0.5f, 0.75f}};
    static const float expected[4] = {1, 0, 1, 0};
    struct app_image image = row(app, VK_FORMAT_D32_SFLOAT, depths, 2);
    VkSamplerCreateInfo info = nearest();
    info.compareEnable = VK_TRUE;
    info.compareOp = APP_OR(VK_COMPARE_OP_LESS, VK_COMPARE_OP_GREATER);
    texels_expect_red(app, APP_SHADER(app, look_shadow_comp), image.view, make_sampler(app, &info),
                      at, expected, 4);
}

static void reduce(struct app *app, VkSamplerReductionMode mode, float first)
{
    static const float at[2][4] = {{0.25f, 0.25f}, {0.5f, 0.25f}};
    const float expected[2] = {first, first + 2};
    const VkSamplerReductionModeCreateInfo reduction = {
        .sType = VK_STRUCTURE_TYPE_SAMPLER_REDUCTION_MODE_CREATE_INFO, .reductionMode = mode};
    struct app_image image = numbered(app, SIDE, SIDE, 1);
    VkSamplerCreateInfo info = describe(VK_FILTER_LINEAR, VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE);
    info.pNext = &reduction;
    texels_expect_red(app, APP_SHADER(app, look_2d_comp), image.view, make_sampler(app, &info), at,
                      expected, 2);
}

/* Of texels 1 and 2 of rows 1 and 2. */
static void sampler_minimum_and_maximum(struct app *app)
{
    reduce(app, VK_SAMPLER_REDUCTION_MODE_MIN, SIDE + 1);
    reduce(app, APP_OR(VK_SAMPLER_REDUCTION_MODE_MAX, VK_SAMPLER_REDUCTION_MODE_MIN), 2 * SIDE + 2);
}

static void unnormalized_coordinates(struct app *app)
{
    static const float at[3][4] = {{0.5f, 0.5f}, {3.5f, 2.5f}, {7.5f, APP_OR(7.5f, 6.5f)}};
    static const float expected[3] = {0, 2 * SIDE + 3, TEXELS - 1};
    struct app_image image = numbered(app, SIDE, SIDE, 1);
    VkSamplerCreateInfo info = nearest();
    info.unnormalizedCoordinates = VK_TRUE;
    info.maxLod = 0;
    texels_expect_red(app, APP_SHADER(app, look_2d_comp), image.view, make_sampler(app, &info), at,
                      expected, 3);
}

/* Of four texels: below left, below right, above right, above left. */
static void texture_gather(struct app *app)
{
    static const float at[2][4] = {{0.25f, 0.25f}, {0.5f, APP_OR(0.75f, 0.5f)}};
    static const float expected[2][4] = {{17, 18, 10, 9}, {51, 52, 44, 43}};
    struct app_image image = numbered(app, SIDE, SIDE, 1);
    texels_expect(app, APP_SHADER(app, look_gather_comp), image.view,
                  app_sampler(app, VK_FILTER_NEAREST), at, expected, 2);
}

static void separate_sampler_and_image(struct app *app)
{
    static const VkDescriptorType types[] = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                             VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE,
                                             VK_DESCRIPTOR_TYPE_SAMPLER};
    const float at[2][4] = {{0.125f, 0.5f}, {1.125f, 0.5f}}; /* repeats */
    const VkSamplerCreateInfo info =
        describe(VK_FILTER_NEAREST,
                 APP_OR(VK_SAMPLER_ADDRESS_MODE_REPEAT, VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE));
    struct app_image image = numbered(app, 4, 1, 1);
    struct app_buffer data = app_buffer(app, sizeof(at), VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    struct app_kernel kernel = {.set_layout = app_set_layout(app, types, 3)};
    kernel.layout = app_layout(app, kernel.set_layout, 0, 0);
    kernel.pipeline = app_compute(app, kernel.layout, APP_SHADER(app, look_separate_comp), NULL);
    kernel.set = app_set(app, kernel.set_layout, types, 3);
    app_write_buffer(app, kernel.set, 0, types[0], data.buffer);
    app_write_image(app, kernel.set, 1, types[1], image.view, VK_NULL_HANDLE, readable);
    app_write_image(app, kernel.set, 2, types[2], VK_NULL_HANDLE, make_sampler(app, &info),
                    VK_IMAGE_LAYOUT_UNDEFINED);
    memcpy(data.map, at, sizeof(at));
    VkCommandBuffer command = app_begin(app);
    app_dispatch(app, command, &kernel, 2);
    app_run(app, command);
    const float *got = data.map;
    app_expect(app, got[0] == 0 && got[4] == 0, "texels %g and %g", (double)got[0], (double)got[4]);
    app_result(app, got, sizeof(at));
}

/* --- texel buffers ---------------------------------------------------------------------------- */

static void bind_texels(struct app *app, VkDescriptorSet set, uint32_t binding,
                        VkDescriptorType type, const VkBufferViewCreateInfo *info)
{
    VkBufferView view;
    APP_CHECK(app, CreateBufferView, app->device, info, NULL, &view);
    app_keep(app, BUFFER_VIEW, view);
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = set,
        .dstBinding = binding,
        .descriptorCount = 1,
        .descriptorType = type,
        .pTexelBufferView = &view,
    };
    app->vk.UpdateDescriptorSets(app->device, 1, &write, 0, NULL);
}

/* Bytes of a part of one buffer, turned around, into the words of another; then their sum. */
static void texel_buffers(struct app *app)
{
    enum { COUNT = 16, OFFSET = 256 };
    static const VkDescriptorType types[] = {VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER,
                                             VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER};
    struct app_buffer from =
        app_buffer(app, OFFSET + 4 * COUNT + 64, VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT);
    struct app_buffer to =
        app_buffer(app, 4 * (COUNT + 1), VK_BUFFER_USAGE_STORAGE_TEXEL_BUFFER_BIT);
    const VkBufferViewCreateInfo from_info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
        .buffer = from.buffer,
        .format = VK_FORMAT_R8G8B8A8_UINT,
        .offset = APP_OR(OFFSET, 0),
        .range = 4 * COUNT,
    };
    const VkBufferViewCreateInfo to_info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
        .buffer = to.buffer,
        .format = VK_FORMAT_R32_UINT,
        .range = VK_WHOLE_SIZE,
    };
    uint32_t expected[COUNT + 1] = {0};
    for (uint32_t i = 0; i < COUNT; i++) {
        uint8_t *bytes = (uint8_t *)from.map + OFFSET + (size_t)4 * i;
        bytes[0] = (uint8_t)(i + 1);
        bytes[1] = 3;
        bytes[3] = (uint8_t)(200 - i);
        expected[COUNT - 1 - i] = i + 1 + (200 - i) * 1000;
        expected[COUNT] += 3;
    }
    struct app_kernel kernel = {.set_layout = app_set_layout(app, types, 2)};
    kernel.layout = app_layout(app, kernel.set_layout, 0, 0);
    kernel.pipeline = app_compute(app, kernel.layout, APP_SHADER(app, texel_buffers_comp), NULL);
    kernel.set = app_set(app, kernel.set_layout, types, 2);
    bind_texels(app, kernel.set, 0, types[0], &from_info);
    bind_texels(app, kernel.set, 1, types[1], &to_info);
    VkCommandBuffer command = app_begin(app);
    app_dispatch(app, command, &kernel, COUNT);
    app_run(app, command);
    app_expect_words(app, "texels", to.map, expected, COUNT + 1);
}

const struct app_case app_cases_sampling[] = {
    APP_CASE(sampler_levels),
    APP_CASE(sampler_lod_limits),
    APP_CASE(sampler_lod_minimum),
    APP_CASE(sampler_lod_bias),
    APP_CASE(linear_filter),
    APP_CASE(sampler_repeats),
    APP_CASE(sampler_mirrors),
    APP_CASE(sampler_clamps),
    APP_CASE(border_colours),
    APP_CASE(sampler_compares),
    APP_CASE(unnormalized_coordinates),
    APP_CASE(texture_gather),
    APP_CASE(separate_sampler_and_image),
    APP_CASE(texel_buffers),
    APP_CASE(sampler_mirrors_once, "VkPhysicalDeviceVulkan12Features.samplerMirrorClampToEdge"),
    APP_CASE(sampler_minimum_and_maximum, "VkPhysicalDeviceVulkan12Features.samplerFilterMinmax"),
    APP_CASE(sampler_anisotropy, "VkPhysicalDeviceFeatures.samplerAnisotropy"),
    APP_CASE(custom_border_colour, "VK_EXT_custom_border_color",
             "VkPhysicalDeviceCustomBorderColorFeaturesEXT.customBorderColors"),
    {0},
};
