/* Images whose texels are numbered, and shaders that look texels up: for the cases about images. */
#ifndef PV_APPS_TEXELS_H
#define PV_APPS_TEXELS_H

#include "app.h"

#include <string.h>

enum { TEXELS_LEVELS_MAX = 8, TEXELS_LOOKUPS_MAX = 128 };

/* The number as a texel of the format: a float or a word. */
static inline uint32_t texels_word(VkFormat format, uint32_t number)
{
    float real = (float)number;
    uint32_t word;
    memcpy(&word, &real, sizeof(word));
    return format == VK_FORMAT_R32_SFLOAT ? word : number;
}

static inline uint32_t texels_halved(uint32_t size, uint32_t level)
{
    return size >> level > 0 ? size >> level : 1;
}

/* All levels from that buffer (level by level, layer by layer, texels of four bytes), and into
 * the layout. */
static inline void texels_upload(struct app *app, const struct app_image *image, uint32_t levels,
                                 const struct app_buffer *buffer, VkImageLayout layout)
{
    VkBufferImageCopy regions[TEXELS_LEVELS_MAX];
    VkDeviceSize offset = 0;
    for (uint32_t i = 0; i < levels; i++) {
        const VkExtent3D extent = {texels_halved(image->extent.width, i),
                                   texels_halved(image->extent.height, i),
                                   texels_halved(image->extent.depth, i)};
        regions[i] = (VkBufferImageCopy){
            .bufferOffset = offset,
            .imageSubresource = {image->aspects, i, 0, image->layers},
            .imageExtent = extent,
        };
        offset += (VkDeviceSize)4 * extent.width * extent.height * extent.depth * image->layers;
    }
    VkCommandBuffer command = app_begin(app);
    app_transition(app, command, image, VK_IMAGE_LAYOUT_UNDEFINED,
                   VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
    app->vk.CmdCopyBufferToImage(command, buffer->buffer, image->image,
                                 VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, levels, regions);
    app_transition(app, command, image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, layout);
    app_run(app, command);
}

/* Its texels are 0, 1, 2 and so on: x first, then y, z, layer and level. */
static inline struct app_image texels_numbered(struct app *app, const VkImageCreateInfo *info,
                                               VkImageViewType type, VkImageLayout layout)
{
    struct app_image image = app_image(app, info, type);
    uint32_t count = 0;
    for (uint32_t i = 0; i < info->mipLevels; i++) {
        count += texels_halved(info->extent.width, i) * texels_halved(info->extent.height, i) *
                 texels_halved(info->extent.depth, i) * info->arrayLayers;
    }
    struct app_buffer buffer = app_buffer(app, (VkDeviceSize)4 * count, 0);
    for (uint32_t i = 0; i < count; i++) {
        ((uint32_t *)buffer.map)[i] = texels_word(info->format, i);
    }
    texels_upload(app, &image, info->mipLevels, &buffer, layout);
    return image;
}

/* Compares all layers of a level of an image that is in that layout. */
static inline void texels_expect_level(struct app *app, const struct app_image *image,
                                       VkImageLayout layout, uint32_t level,
                                       const uint32_t *expected, uint32_t words)
{
    const VkBufferImageCopy region = {
        .imageSubresource = {image->aspects, level, 0, image->layers},
        .imageExtent = {texels_halved(image->extent.width, level),
                        texels_halved(image->extent.height, level),
                        texels_halved(image->extent.depth, level)},
    };
    struct app_buffer got = app_buffer(app, (VkDeviceSize)4 * words, 0);
    VkCommandBuffer command = app_begin(app);
    app_barrier(app, command);
    app->vk.CmdCopyImageToBuffer(command, image->image, layout, got.buffer, 1, &region);
    app_run(app, command);
    app_expect_words(app, "texels", got.map, expected, words);
}

/* Has a shader replace each of `count` coordinates by what is there. Its binding 0 is a buffer of
 * coordinates, and its binding 1 the image, in GENERAL if it is a storage image. */
static inline void texels_look_up(struct app *app, VkShaderModule module, VkDescriptorType type,
                                  VkImageView view, VkSampler sampler, const float (*at)[4],
                                  float (*got)[4], uint32_t count)
{
    const VkDescriptorType types[] = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, type};
    const VkImageLayout layout = type == VK_DESCRIPTOR_TYPE_STORAGE_IMAGE
                                     ? VK_IMAGE_LAYOUT_GENERAL
                                     : VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL;
    struct app_buffer data =
        app_buffer(app, count * sizeof(*at), VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    struct app_kernel kernel = {.set_layout = app_set_layout(app, types, 2)};
    kernel.layout = app_layout(app, kernel.set_layout, 0, 0);
    kernel.pipeline = app_compute(app, kernel.layout, module, NULL);
    kernel.set = app_set(app, kernel.set_layout, types, 2);
    app_write_buffer(app, kernel.set, 0, types[0], data.buffer);
    app_write_image(app, kernel.set, 1, type, view, sampler, layout);
    memcpy(data.map, at, count * sizeof(*at));
    VkCommandBuffer command = app_begin(app);
    app_dispatch(app, command, &kernel, count);
    app_run(app, command);
    memcpy(got, data.map, count * sizeof(*at));
}

/* Samples, and compares all components. */
static inline void texels_expect(struct app *app, VkShaderModule module, VkImageView view,
                                 VkSampler sampler, const float (*at)[4],
                                 const float (*expected)[4], uint32_t count)
{
    float got[TEXELS_LOOKUPS_MAX][4];
    texels_look_up(app, module, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, view, sampler, at, got,
                   count);
    for (uint32_t i = 0; i < 4 * count; i++) {
        app_expect(app, got[i / 4][i % 4] == expected[i / 4][i % 4],
                   "lookup %u, component %u: %g, not %g", i / 4, i % 4, (double)got[i / 4][i % 4],
                   (double)expected[i / 4][i % 4]);
    }
    app_result(app, got, count * sizeof(got[0]));
}

/* Samples, and compares the red component. */
static inline void texels_expect_red(struct app *app, VkShaderModule module, VkImageView view,
                                     VkSampler sampler, const float (*at)[4], const float *expected,
                                     uint32_t count)
{
    float got[TEXELS_LOOKUPS_MAX][4];
    texels_look_up(app, module, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, view, sampler, at, got,
                   count);
    for (uint32_t i = 0; i < count; i++) {
        app_expect(app, got[i][0] == expected[i], "lookup %u: %g, not %g", i, (double)got[i][0],
                   (double)expected[i]);
    }
    app_result(app, got, count * sizeof(got[0]));
}

#endif
