/* Images of several planes, each of whose texels has a value of its own. */
#ifndef PV_APPS_PLANES_H
#define PV_APPS_PLANES_H

#include "app.h"

#define PLANES_NEED "VkPhysicalDeviceVulkan11Features.samplerYcbcrConversion"

enum {
    PLANES_SIDE = 8,
    PLANES_TEXELS = PLANES_SIDE * PLANES_SIDE,
    PLANES_MAX = 3,
    PLANES_SIZE = 128, /* of each plane in buffers */
    PLANES_WORDS = PLANES_MAX * PLANES_SIZE / 4,
};

struct planar {
    VkFormat format;
    const char *name;
    uint32_t planes;        /* 1: colours of two texels are packed into one block */
    uint32_t width, height; /* of the other planes than the first */
    uint32_t size;          /* of a channel, which has its value in the highest byte */
};

extern const struct planar planes_two, planes_three, planes_high, planes_packed, planes_ten_bits;

VkImageAspectFlags planes_aspect(const struct planar *p, uint32_t plane);
/* Channel 0 is Y, 1 is Cb and 2 is Cr. All of these are colours that RGB has, too. */
uint8_t planes_value(const struct planar *p, uint32_t channel, uint32_t x, uint32_t y);
/* What a buffer of all planes holds. */
void planes_fill(const struct planar *p, uint32_t *words);
/* Skips unless the format has these; says what it has. */
VkFormatFeatureFlags planes_require(struct app *app, const struct planar *p,
                                    VkFormatFeatureFlags features);
/* An image that can be copied, too. */
VkImageCreateInfo planes_describe(struct app *app, const struct planar *p, VkImageUsageFlags usage);
/* Fills the last layer; the others become zeroes. */
void planes_upload(struct app *app, const struct planar *p, const struct app_image *image,
                   VkImageLayout layout);
struct app_image planes_filled(struct app *app, const struct planar *p, VkImageUsageFlags usage,
                               VkImageLayout layout);
/* Reads all planes of an image that is in TRANSFER_SRC_OPTIMAL. */
void planes_expect(struct app *app, const struct planar *p, const struct app_image *image,
                   const uint32_t *expected);

#endif
