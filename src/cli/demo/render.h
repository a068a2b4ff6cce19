/* Draws the scene into an image of our own and reads it back. */
#ifndef PV_CLI_DEMO_RENDER_H
#define PV_CLI_DEMO_RENDER_H

#include "vulkan.h"

enum demo_pipeline {
    DEMO_PIPELINE_BACKDROP,
    DEMO_PIPELINE_REFLECTION,
    DEMO_PIPELINE_CUBES,
    DEMO_PIPELINES,
};

struct demo_image {
    VkImage image;
    VkDeviceMemory memory;
    VkImageView view;
};

struct demo_renderer {
    struct demo_vulkan *vk;
    uint32_t seed;
    VkSampleCountFlagBits samples;
    VkFormat depth_format;
    struct demo_image colour; /* multisampled; resolved into picture */
    struct demo_image depth;
    struct demo_image picture;
    VkRenderPass pass;
    VkFramebuffer framebuffer;
    VkDescriptorSetLayout set_layout;
    VkDescriptorPool set_pool;
    VkDescriptorSet set;
    VkPipelineLayout layout;
    VkPipeline pipelines[DEMO_PIPELINES];
    struct demo_buffer vertices;
    struct demo_buffer indices;
    struct demo_buffer instances; /* rewritten for each frame */
    struct demo_buffer frame;     /* rewritten for each frame */
    struct demo_buffer readback;
};

/* Makes everything for the seed's scene. On failure the renderer can only be destroyed. */
bool demo_renderer_create(struct demo_renderer *renderer, struct demo_vulkan *vk, uint32_t seed);
void demo_renderer_destroy(struct demo_renderer *renderer);

/* Draws one frame and waits for it; with read_back its pixels are in readback.mapped afterwards,
 * DEMO_WIDTH * DEMO_HEIGHT times red, green, blue, alpha. */
bool demo_renderer_draw(struct demo_renderer *renderer, uint32_t frame, bool read_back);

/* Of pipeline.c: needs pass, samples and frame; makes layouts, the descriptor set, pipelines. */
bool demo_renderer_create_pipelines(struct demo_renderer *renderer);
void demo_renderer_destroy_pipelines(struct demo_renderer *renderer);

#endif
