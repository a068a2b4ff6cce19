/* What cases about render passes share with those that read what is being drawn to. */
#ifndef PV_APPS_PASSES_H
#define PV_APPS_PASSES_H

#include "draw.h"

/* One image that fragment shaders read at binding 0. */
struct pass_source {
    VkPipelineLayout layout;
    VkDescriptorSet set;
};

struct pass_source pass_source(struct app *app, VkDescriptorType type, VkImageView view,
                               VkSampler sampler, VkImageLayout image_layout);
/* Gives all of an image one value before it is drawn to. */
void pass_preset(struct app *app, VkCommandBuffer command, const struct app_image *image,
                 VkClearColorValue value, VkImageLayout after);
/* The left half of a picture has one colour, the right half another. */
void pass_expect_halves(struct app *app, const struct app_buffer *pixels, uint32_t left,
                        uint32_t right);

#endif
