/* What most measurements stand on: a small picture to draw into, a pipeline that draws and one
 * that computes, and a set for both. */
#ifndef PV_BENCH_RIG_H
#define PV_BENCH_RIG_H

#include "bench.h"

struct bench_rig {
    struct bench *bench;
    uint32_t width;
    uint32_t height;
    VkImage picture;
    VkDeviceMemory picture_memory;
    VkImageView view;
    VkRenderPass pass;
    VkFramebuffer framebuffer;
    VkDescriptorSetLayout set_layout;
    VkDescriptorPool set_pool;
    VkDescriptorSet set;
    VkPipelineLayout layout;
    VkShaderModule vertex;
    VkShaderModule fragment;
    VkShaderModule compute;
    VkPipeline drawing;
    VkPipeline computing;
    struct demo_buffer result;
};

/* What the pipelines' push constants hold. */
enum { BENCH_PUSH_BYTES = 16 };

/* On failure the rig can only be destroyed. */
bool bench_rig_create(struct bench_rig *rig, struct bench *bench, uint32_t width, uint32_t height);
void bench_rig_destroy(struct bench_rig *rig);

/* A number that no earlier pipeline was made with, in no run: caches cannot know it. */
int32_t bench_rig_new_seed(void);
/* Both are safe to call from several threads. */
bool bench_rig_create_drawing(const struct bench_rig *rig, int32_t seed, VkPipeline *pipeline);
bool bench_rig_create_computing(const struct bench_rig *rig, int32_t seed, VkPipeline *pipeline);

/* Begins a command buffer that may be submitted many times. */
bool bench_command_begin(struct bench *bench, VkCommandBuffer command);
bool bench_command_end(struct bench *bench, VkCommandBuffer command);
bool bench_command_allocate(struct bench *bench, VkCommandPool pool, VkCommandBuffer *command);
bool bench_pool_create(struct bench *bench, VkCommandPool *pool);
/* Clears the picture and binds what draws need. */
void bench_rig_begin_pass(const struct bench_rig *rig, VkCommandBuffer command);
void bench_rig_bind_drawing(const struct bench_rig *rig, VkCommandBuffer command);
void bench_rig_bind_computing(const struct bench_rig *rig, VkCommandBuffer command,
                              uint32_t rounds);
void bench_rig_push(const struct bench_rig *rig, VkCommandBuffer command, const void *bytes);

/* A new command buffer that keeps one invocation busy for so many rounds. */
bool bench_rig_record_job(const struct bench_rig *rig, uint32_t rounds, VkCommandBuffer *command);
/* One that lasts about so long on this GPU. */
bool bench_rig_record_long_job(const struct bench_rig *rig, uint64_t duration_ns,
                               VkCommandBuffer *command);

bool bench_submit_command(struct bench *bench, VkCommandBuffer command, VkFence fence);
bool bench_fence_create(struct bench *bench, VkFence *fence);
bool bench_fence_wait(struct bench *bench, VkFence fence);
bool bench_fence_reset(struct bench *bench, VkFence fence);

#endif
