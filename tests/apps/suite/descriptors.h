/* What most cases of descriptors are made of: a set in which binding 0 is a buffer that is written,
 * and binding 1 an array of slices of a buffer that is read. */
#ifndef PV_APPS_DESCRIPTORS_H
#define PV_APPS_DESCRIPTORS_H

#include "app.h"

enum {
    GROUP = 16,   /* invocations, and words of a slice */
    GROUPS = 4,   /* of most dispatches */
    SLICES = 8,   /* of the buffer that is read */
    STRIDE = 256, /* of the slices: a multiple of any alignment */
    ARRAY_MAX = 64,
};

#define STORAGE VK_DESCRIPTOR_TYPE_STORAGE_BUFFER

struct bench {
    struct app_buffer out, slices;
    VkDescriptorSetLayout set_layout;
    VkDescriptorPool pool;
    VkDescriptorSet set;
    VkPipelineLayout layout;
    VkPipeline pipeline;
};

/* What a layout of two bindings may have beyond the plain ones. */
struct layout_options {
    VkDescriptorType type; /* of binding 1 */
    uint32_t count;
    VkDescriptorSetLayoutCreateFlags flags;
    VkDescriptorBindingFlags binding_flags; /* of binding 1 */
    const void *chain;
};

uint32_t bench_word(uint32_t slice, uint32_t word);
void bench_buffers(struct app *app, struct bench *b);
VkDescriptorBufferInfo bench_slice(const struct bench *b, uint32_t slice);
VkDescriptorSetLayout bench_set_layout(struct app *app, const struct layout_options *options);
VkDescriptorPool bench_pool(struct app *app, VkDescriptorPoolCreateFlags flags, uint32_t max_sets,
                            VkDescriptorType type, const void *chain);
VkResult bench_allocate(struct app *app, const struct bench *b, const void *chain,
                        VkDescriptorSet *set);
VkWriteDescriptorSet bench_write(VkDescriptorSet set, uint32_t binding, uint32_t element,
                                 VkDescriptorType type, const VkDescriptorBufferInfo *info,
                                 uint32_t count);
/* Elements from `first` on of binding 1 become these slices. */
void bench_write_slices(struct app *app, const struct bench *b, VkDescriptorSet set, uint32_t first,
                        const uint32_t *slices, uint32_t count);
/* All but the set and the pool. */
struct bench bench_make(struct app *app, const struct layout_options *options,
                        VkShaderModule module);
/* For an array of four. */
VkShaderModule bench_array_shader(struct app *app);
/* An array of four storage buffers, yet to be written. */
struct bench bench_of_array(struct app *app);
/* Asks for these elements, one per group, or one per invocation. */
void bench_ask(const struct bench *b, const uint32_t *elements, uint32_t count);
void bench_record(struct app *app, const struct bench *b, VkCommandBuffer command);
/* Expects the words of these slices, one per group, or one per invocation. */
void bench_expect(struct app *app, const struct bench *b, const uint32_t *slices, uint32_t count);
/* Each group reads another element of the array, after what is recorded already. */
void bench_run_groups(struct app *app, const struct bench *b, VkCommandBuffer command,
                      const uint32_t *slices);

#endif
