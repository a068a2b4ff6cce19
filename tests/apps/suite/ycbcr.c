/* What becomes of YCbCr colours when they are sampled, and images whose planes are disjoint. */
#include "planes.h"

#include <math.h>
#include <string.h>

/* clang-format off */
#include "look_2d_comp.spv.h"
#include "look_2da_comp.spv.h"
/* clang-format on */

static const VkImageLayout sampled = VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL;

/* --- conversion ------------------------------------------------------------------------------- */

static VkSamplerYcbcrConversionCreateInfo describe_conversion(struct app *app,
                                                              const struct planar *p)
{
    const VkFormatFeatureFlags features =
        planes_require(app, p, VK_FORMAT_FEATURE_SAMPLED_IMAGE_BIT);
    bool is_cosited = (features & VK_FORMAT_FEATURE_COSITED_CHROMA_SAMPLES_BIT) != 0;
    if (!is_cosited && (features & VK_FORMAT_FEATURE_MIDPOINT_CHROMA_SAMPLES_BIT) == 0) {
        app_skip(app, "no %s", p->name);
    }
    return (VkSamplerYcbcrConversionCreateInfo){
        .sType = VK_STRUCTURE_TYPE_SAMPLER_YCBCR_CONVERSION_CREATE_INFO,
        .format = p->format,
        .ycbcrModel = VK_SAMPLER_YCBCR_MODEL_CONVERSION_RGB_IDENTITY,
        .ycbcrRange = VK_SAMPLER_YCBCR_RANGE_ITU_FULL,
        .xChromaOffset = is_cosited ? VK_CHROMA_LOCATION_COSITED_EVEN : VK_CHROMA_LOCATION_MIDPOINT,
        .yChromaOffset = is_cosited ? VK_CHROMA_LOCATION_COSITED_EVEN : VK_CHROMA_LOCATION_MIDPOINT,
    };
}

struct converter {
    VkImageView view;
    VkSampler sampler;
};

/* Sampler and view must be of the same conversion. */
static struct converter converter(struct app *app, const struct app_image *image,
                                  const VkSamplerYcbcrConversionCreateInfo *info)
{
    struct converter made;
    VkSamplerYcbcrConversionInfo link = {.sType = VK_STRUCTURE_TYPE_SAMPLER_YCBCR_CONVERSION_INFO};
    const VkSamplerCreateInfo sampler = {
        .sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO,
        .pNext = &link,
        .magFilter = info->chromaFilter,
        .minFilter = info->chromaFilter,
        .addressModeU = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
        .addressModeV = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
        .addressModeW = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
    };
    const VkImageViewCreateInfo view = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .pNext = &link,
        .image = image->image,
        .viewType = image->layers > 1 ? VK_IMAGE_VIEW_TYPE_2D_ARRAY : VK_IMAGE_VIEW_TYPE_2D,
        .format = image->format,
        .subresourceRange = app_whole(image),
    };
    APP_CHECK(app, CreateSamplerYcbcrConversion, app->device, info, NULL, &link.conversion);
    app_keep(app, SAMPLER_YCBCR_CONVERSION, link.conversion);
    APP_CHECK(app, CreateSampler, app->device, &sampler, NULL, &made.sampler);
    app_keep(app, SAMPLER, made.sampler);
    APP_CHECK(app, CreateImageView, app->device, &view, NULL, &made.view);
    app_keep(app, IMAGE_VIEW, made.view);
    return made;
}

/* The middles of all texels of the layer. Such a sampler must be in the set's layout. */
static void look_up(struct app *app, const struct app_image *image,
                    const VkSamplerYcbcrConversionCreateInfo *info, uint32_t layer, float (*got)[4])
{
    /* It counts as up to three in the pool. */
    static const VkDescriptorType types[4] = {
        VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
        VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER};
    struct converter by = converter(app, image, info);
    const VkDescriptorSetLayoutBinding bindings[] = {
        {0, types[0], 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL},
        {1, types[1], 1, VK_SHADER_STAGE_COMPUTE_BIT, &by.sampler},
    };
    const VkDescriptorSetLayoutCreateInfo set_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = 2,
        .pBindings = bindings,
    };
    struct app_buffer data =
        app_buffer(app, PLANES_TEXELS * 16, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    float(*at)[4] = data.map;
    struct app_kernel kernel;
    APP_CHECK(app, CreateDescriptorSetLayout, app->device, &set_info, NULL, &kernel.set_layout);
    app_keep(app, DESCRIPTOR_SET_LAYOUT, kernel.set_layout);
    kernel.layout = app_layout(app, kernel.set_layout, 0, 0);
    kernel.pipeline = app_compute(
        app, kernel.layout,
        image->layers > 1 ? APP_SHADER(app, look_2da_comp) : APP_SHADER(app, look_2d_comp), NULL);
    kernel.set = app_set(app, kernel.set_layout, types, 4);
    app_write_buffer(app, kernel.set, 0, types[0], data.buffer);
    app_write_image(app, kernel.set, 1, types[1], by.view, VK_NULL_HANDLE, sampled);
    for (uint32_t i = 0; i < PLANES_TEXELS; i++) {
        at[i][0] = ((float)(i % PLANES_SIDE) + 0.5f) / PLANES_SIDE;
        at[i][1] = ((float)(i / PLANES_SIDE) + 0.5f) / PLANES_SIDE;
        at[i][2] = (float)layer;
    }
    VkCommandBuffer command = app_begin(app);
    app_dispatch(app, command, &kernel, PLANES_TEXELS);
    app_run(app, command);
    memcpy(got, data.map, PLANES_TEXELS * 16);
}

/* Red is in the place of Cr, green of Y, and blue of Cb. */
static void convert(const VkSamplerYcbcrConversionCreateInfo *info, float colour[3])
{
    const bool is_narrow = info->ycbcrRange == VK_SAMPLER_YCBCR_RANGE_ITU_NARROW;
    const bool is_601 = info->ycbcrModel == VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_601;
    const bool is_709 = info->ycbcrModel == VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_709;
    const float red = is_601 ? 0.299f : is_709 ? 0.2126f : 0.2627f;
    const float blue = is_601 ? 0.114f : is_709 ? 0.0722f : 0.0593f;
    float y = colour[1], cb = colour[2] - 128.0f / 255, cr = colour[0] - 128.0f / 255;
    if (info->ycbcrModel == VK_SAMPLER_YCBCR_MODEL_CONVERSION_RGB_IDENTITY) {
        return;
    }
    if (is_narrow) {
        y = (y * 255 - 16) / 219;
        cb *= 255.0f / 224;
        cr *= 255.0f / 224;
    }
    colour[0] = y + 2 * (1 - red) * cr;
    colour[2] = y + 2 * (1 - blue) * cb;
    colour[1] = (y - red * colour[0] - blue * colour[2]) / (1 - red - blue);
}

static float real(const struct planar *p, uint32_t value)
{
    return p->size == 2 ? (float)value * 4 / 1023 : (float)value / 255;
}

/* Between two colour differences either may be taken: what is there is not judged. */
static void expect_colours(struct app *app, const struct planar *p,
                           const VkSamplerYcbcrConversionCreateInfo *info, float (*got)[4])
{
    const bool is_plain = info->ycbcrModel == VK_SAMPLER_YCBCR_MODEL_CONVERSION_RGB_IDENTITY;
    const bool is_swapped = info->components.r == VK_COMPONENT_SWIZZLE_B;
    const uint32_t across = PLANES_SIDE / p->width, down = PLANES_SIDE / p->height;
    for (uint32_t i = 0; i < PLANES_TEXELS; i++) {
        const uint32_t x = i % PLANES_SIDE, y = i / PLANES_SIDE;
        float wanted[3] = {real(p, planes_value(p, is_swapped ? 1 : 2, x / across, y / down)),
                           real(p, planes_value(p, 0, x, y)),
                           real(p, planes_value(p, is_swapped ? 2 : 1, x / across, y / down))};
        if (x % across != 0 || y % down != 0) {
            continue;
        }
        convert(info, wanted);
        for (uint32_t k = 0; k < 3; k++) {
            app_expect(app, fabsf(got[i][k] - wanted[k]) < (is_plain ? 0.0019f : 0.01f),
                       "%s, texel %u, %u: component %u is %g, not %g", p->name, x, y, k,
                       (double)got[i][k], (double)wanted[k]);
        }
        app_expect(app, got[i][3] == 1, "alpha is %g", (double)got[i][3]);
        app_result(app, got[i], 16);
    }
}

/* Samples by that model, and judges by the one of `info`. */
static void expect_converted(struct app *app, const struct planar *p,
                             const VkSamplerYcbcrConversionCreateInfo *info,
                             VkSamplerYcbcrModelConversion model)
{
    float got[PLANES_TEXELS][4];
    VkSamplerYcbcrConversionCreateInfo used = *info;
    struct app_image image = planes_filled(app, p, VK_IMAGE_USAGE_SAMPLED_BIT, sampled);
    used.ycbcrModel = model;
    look_up(app, &image, &used, 0, got);
    expect_colours(app, p, info, got);
}

static void expect_plain(struct app *app, const struct planar *p)
{
    const VkSamplerYcbcrConversionCreateInfo info = describe_conversion(app, p);
    expect_converted(app, p, &info,
                     APP_OR(info.ycbcrModel, VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_601));
}

static void ycbcr_two_planes(struct app *app)
{
    expect_plain(app, &planes_two);
}

static void ycbcr_three_planes(struct app *app)
{
    expect_plain(app, &planes_three);
}

static void ycbcr_planes_of_full_height(struct app *app)
{
    expect_plain(app, &planes_high);
}

static void ycbcr_packed(struct app *app)
{
    expect_plain(app, &planes_packed);
}

static void ycbcr_ten_bits(struct app *app)
{
    expect_plain(app, &planes_ten_bits);
}

static void ycbcr_swapped(struct app *app)
{
    VkSamplerYcbcrConversionCreateInfo info = describe_conversion(app, &planes_two);
    info.components.r = VK_COMPONENT_SWIZZLE_B;
    info.components.b = VK_COMPONENT_SWIZZLE_R;
    expect_converted(app, &planes_two, &info,
                     APP_OR(info.ycbcrModel, VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_601));
}

static void ycbcr_models(struct app *app)
{
    static const struct {
        VkSamplerYcbcrModelConversion model, used;
        VkSamplerYcbcrRange range;
    } of[] = {
        {VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_601, VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_601,
         VK_SAMPLER_YCBCR_RANGE_ITU_FULL},
        {VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_709, VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_709,
         VK_SAMPLER_YCBCR_RANGE_ITU_NARROW},
        {VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_2020,
         APP_OR(VK_SAMPLER_YCBCR_MODEL_CONVERSION_YCBCR_2020,
                VK_SAMPLER_YCBCR_MODEL_CONVERSION_RGB_IDENTITY),
         VK_SAMPLER_YCBCR_RANGE_ITU_NARROW},
    };
    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
        VkSamplerYcbcrConversionCreateInfo info = describe_conversion(app, &planes_three);
        info.ycbcrModel = of[i].model;
        info.ycbcrRange = of[i].range;
        expect_converted(app, &planes_three, &info, of[i].used);
    }
}

/* Between two colour differences there is their mean. */
static void ycbcr_linear_filter(struct app *app)
{
    const struct planar *p = &planes_two;
    float got[PLANES_TEXELS][4];
    VkSamplerYcbcrConversionCreateInfo info = describe_conversion(app, p);
    planes_require(app, p,
                   VK_FORMAT_FEATURE_COSITED_CHROMA_SAMPLES_BIT |
                       VK_FORMAT_FEATURE_SAMPLED_IMAGE_YCBCR_CONVERSION_LINEAR_FILTER_BIT |
                       VK_FORMAT_FEATURE_SAMPLED_IMAGE_FILTER_LINEAR_BIT);
    info.chromaFilter = APP_OR(VK_FILTER_LINEAR, VK_FILTER_NEAREST);
    struct app_image image = planes_filled(app, p, VK_IMAGE_USAGE_SAMPLED_BIT, sampled);
    look_up(app, &image, &info, 0, got);
    for (uint32_t i = 0; i < PLANES_TEXELS; i++) {
        const uint32_t x = i % PLANES_SIDE, y = i / PLANES_SIDE;
        if (x == PLANES_SIDE - 1 || y % 2 != 0) {
            continue;
        }
        const float left = real(p, planes_value(p, 2, x / 2, y / 2));
        const float right = real(p, planes_value(p, 2, (x + 1) / 2, y / 2));
        app_expect(app, fabsf(got[i][0] - (left + right) / 2) < 0.0019f, "texel %u, %u: %g, not %g",
                   x, y, (double)got[i][0], (double)((left + right) / 2));
        app_result(app, got[i], 16);
    }
}

static void ycbcr_array(struct app *app)
{
    float got[PLANES_TEXELS][4];
    const VkSamplerYcbcrConversionCreateInfo conversion = describe_conversion(app, &planes_two);
    VkImageCreateInfo info = planes_describe(app, &planes_two, VK_IMAGE_USAGE_SAMPLED_BIT);
    info.arrayLayers = 2;
    struct app_image image = app_image(app, &info, VK_IMAGE_VIEW_TYPE_MAX_ENUM);
    planes_upload(app, &planes_two, &image, sampled);
    look_up(app, &image, &conversion, APP_OR(1, 0), got);
    expect_colours(app, &planes_two, &conversion, got);
}

/* --- disjoint planes -------------------------------------------------------------------------- */

static VkMemoryRequirements plane_needs(struct app *app, VkImage image, uint32_t plane)
{
    const VkImagePlaneMemoryRequirementsInfo of = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO,
        .planeAspect = (VkImageAspectFlagBits)planes_aspect(&planes_two, plane),
    };
    const VkImageMemoryRequirementsInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2, .pNext = &of, .image = image};
    VkMemoryRequirements2 needs = {.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2};
    app->vk.GetImageMemoryRequirements2(app->device, &info, &needs);
    return needs.memoryRequirements;
}

static void bind_planes(struct app *app, VkImage image, const VkDeviceMemory *memories,
                        const VkDeviceSize *offsets)
{
    VkBindImagePlaneMemoryInfo planes[2];
    VkBindImageMemoryInfo binds[2];
    for (uint32_t i = 0; i < 2; i++) {
        planes[i] = (VkBindImagePlaneMemoryInfo){
            .sType = VK_STRUCTURE_TYPE_BIND_IMAGE_PLANE_MEMORY_INFO,
            .planeAspect = (VkImageAspectFlagBits)planes_aspect(&planes_two, i),
        };
        binds[i] = (VkBindImageMemoryInfo){
            .sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO,
            .pNext = &planes[i],
            .image = image,
            .memory = memories[i],
            .memoryOffset = offsets[i],
        };
    }
    APP_CHECK(app, BindImageMemory2, app->device, 2, binds);
}

/* Each plane has memory of its own, or the second one's comes first in that of both. */
static void disjoint(struct app *app, bool is_together)
{
    VkImageCreateInfo info = planes_describe(app, &planes_two, VK_IMAGE_USAGE_SAMPLED_BIT);
    VkDeviceMemory memories[2];
    VkDeviceSize offsets[2] = {0, 0};
    uint32_t expected[PLANES_WORDS] = {0};
    float got[PLANES_TEXELS][4];
    planes_require(app, &planes_two, VK_FORMAT_FEATURE_DISJOINT_BIT);
    info.flags = VK_IMAGE_CREATE_DISJOINT_BIT;
    struct app_image image = app_create_image(app, &info, NULL);
    VkMemoryRequirements first = plane_needs(app, image.image, 0);
    VkMemoryRequirements second = plane_needs(app, image.image, 1);
    if (is_together) {
        offsets[0] = (second.size + first.alignment - 1) / first.alignment * first.alignment;
        first.size += offsets[0];
        first.memoryTypeBits &= second.memoryTypeBits;
        memories[0] = memories[1] = app_allocate(app, &first, APP_MEMORY_DEVICE, NULL);
    } else {
        memories[0] = app_allocate(app, &first, APP_MEMORY_DEVICE, NULL);
        memories[1] = app_allocate(app, &second, APP_MEMORY_DEVICE, NULL);
    }
    bind_planes(app, image.image, memories, offsets);
    planes_upload(app, &planes_two, &image, sampled);
    const VkSamplerYcbcrConversionCreateInfo conversion = describe_conversion(app, &planes_two);
    look_up(app, &image, &conversion, 0, got);
    expect_colours(app, &planes_two, &conversion, got);
    planes_fill(&planes_two, expected);
    expected[PLANES_SIZE / 4] ^= APP_OR(0, 1);
    VkCommandBuffer command = app_begin(app);
    app_transition(app, command, &image, sampled, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    app_run(app, command);
    planes_expect(app, &planes_two, &image, expected);
}

static void disjoint_planes(struct app *app)
{
    disjoint(app, false);
}

static void disjoint_planes_in_one_memory(struct app *app)
{
    disjoint(app, true);
}

const struct app_case app_cases_ycbcr[] = {
    APP_CASE(disjoint_planes, PLANES_NEED),
    APP_CASE(disjoint_planes_in_one_memory, PLANES_NEED),
    APP_CASE(ycbcr_two_planes, PLANES_NEED),
    APP_CASE(ycbcr_three_planes, PLANES_NEED),
    APP_CASE(ycbcr_planes_of_full_height, PLANES_NEED),
    APP_CASE(ycbcr_packed, PLANES_NEED),
    APP_CASE(ycbcr_ten_bits, PLANES_NEED),
    APP_CASE(ycbcr_swapped, PLANES_NEED),
    APP_CASE(ycbcr_models, PLANES_NEED),
    APP_CASE(ycbcr_linear_filter, PLANES_NEED),
    APP_CASE(ycbcr_array, PLANES_NEED, "VK_EXT_ycbcr_image_arrays",
             "VkPhysicalDeviceYcbcrImageArraysFeaturesEXT.ycbcrImageArrays"),
    {0},
};
