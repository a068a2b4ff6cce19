#include "measure.h"

#include <stdio.h>

/* Made from the shaders beside this file; they need <stdint.h> before them. */
/* clang-format off */
#include "hash_comp.spv.h"
/* clang-format on */

enum { ELEMENTS = 1 << 20, ROUNDS = 32, GROUP = 64, REPEATS = 8 };

/* The push constants of hash.comp. */
struct job {
    uint32_t count;
    uint32_t rounds;
    uint32_t seed;
};

struct compute {
    struct demo_vulkan *vk;
    struct demo_buffer source;
    struct demo_buffer result;
    VkDescriptorSetLayout set_layout;
    VkDescriptorPool set_pool;
    VkDescriptorSet set;
    VkPipelineLayout layout;
    VkPipeline pipeline;
};

static uint32_t hash(uint32_t value, const struct job *job)
{
    uint32_t state = value ^ job->seed;
    for (uint32_t turn = 0; turn < job->rounds; turn++) {
        state = state * UINT32_C(747796405) + UINT32_C(2891336453) + turn;
        state = ((state >> ((state >> 28) + 4)) ^ state) * UINT32_C(277803737);
        state ^= state >> 22;
    }
    return state;
}

static bool create_layouts(struct compute *c)
{
    struct demo_vulkan *vk = c->vk;
    const VkDescriptorSetLayoutBinding bindings[2] = {
        {0, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL},
        {1, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL},
    };
    const VkDescriptorSetLayoutCreateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = 2,
        .pBindings = bindings,
    };
    const VkPushConstantRange constants = {VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(struct job)};
    if (!demo_vulkan_check(vk->CreateDescriptorSetLayout(vk->device, &set, NULL, &c->set_layout),
                           "vkCreateDescriptorSetLayout")) {
        return false;
    }
    const VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &c->set_layout,
        .pushConstantRangeCount = 1,
        .pPushConstantRanges = &constants,
    };
    return demo_vulkan_check(vk->CreatePipelineLayout(vk->device, &layout, NULL, &c->layout),
                             "vkCreatePipelineLayout");
}

static bool create_set(struct compute *c)
{
    struct demo_vulkan *vk = c->vk;
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 2};
    const VkDescriptorPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = 1,
        .poolSizeCount = 1,
        .pPoolSizes = &size,
    };
    if (!demo_vulkan_check(vk->CreateDescriptorPool(vk->device, &pool, NULL, &c->set_pool),
                           "vkCreateDescriptorPool")) {
        return false;
    }
    const VkDescriptorSetAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = c->set_pool,
        .descriptorSetCount = 1,
        .pSetLayouts = &c->set_layout,
    };
    if (!demo_vulkan_check(vk->AllocateDescriptorSets(vk->device, &allocate, &c->set),
                           "vkAllocateDescriptorSets")) {
        return false;
    }
    const VkDescriptorBufferInfo buffers[2] = {
        {c->source.buffer, 0, VK_WHOLE_SIZE},
        {c->result.buffer, 0, VK_WHOLE_SIZE},
    };
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = c->set,
        .descriptorCount = 2, /* runs over into binding 1 */
        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .pBufferInfo = buffers,
    };
    vk->UpdateDescriptorSets(vk->device, 1, &write, 0, NULL);
    return true;
}

static bool create_pipeline(struct compute *c)
{
    struct demo_vulkan *vk = c->vk;
    VkShaderModule shader = VK_NULL_HANDLE;
    if (!demo_shader_create(vk, hash_comp, sizeof(hash_comp), &shader)) {
        return false;
    }
    const VkComputePipelineCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = shader,
                  .pName = "main"},
        .layout = c->layout,
    };
    const VkResult result =
        vk->CreateComputePipelines(vk->device, VK_NULL_HANDLE, 1, &create, NULL, &c->pipeline);
    vk->DestroyShaderModule(vk->device, shader, NULL);
    return demo_vulkan_check(result, "vkCreateComputePipelines");
}

static void destroy(struct compute *c)
{
    struct demo_vulkan *vk = c->vk;
    if (c->pipeline) {
        vk->DestroyPipeline(vk->device, c->pipeline, NULL);
    }
    if (c->layout) {
        vk->DestroyPipelineLayout(vk->device, c->layout, NULL);
    }
    if (c->set_pool) {
        vk->DestroyDescriptorPool(vk->device, c->set_pool, NULL);
    }
    if (c->set_layout) {
        vk->DestroyDescriptorSetLayout(vk->device, c->set_layout, NULL);
    }
    demo_buffer_destroy(vk, &c->result);
    demo_buffer_destroy(vk, &c->source);
}

static bool create(struct compute *c)
{
    const VkDeviceSize bytes = (VkDeviceSize)ELEMENTS * sizeof(uint32_t);
    return demo_buffer_create(c->vk, &c->source, bytes, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                              DEMO_MEMORY_UPLOAD) &&
           demo_buffer_create(c->vk, &c->result, bytes, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                              DEMO_MEMORY_READBACK) &&
           create_layouts(c) && create_set(c) && create_pipeline(c);
}

static bool dispatch(struct compute *c, const struct job *job)
{
    struct demo_vulkan *vk = c->vk;
    const VkMemoryBarrier readable = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    if (!demo_vulkan_record(vk)) {
        return false;
    }
    vk->CmdBindPipeline(vk->command, VK_PIPELINE_BIND_POINT_COMPUTE, c->pipeline);
    vk->CmdBindDescriptorSets(vk->command, VK_PIPELINE_BIND_POINT_COMPUTE, c->layout, 0, 1, &c->set,
                              0, NULL);
    vk->CmdPushConstants(vk->command, c->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(*job), job);
    vk->CmdDispatch(vk->command, ELEMENTS / GROUP, 1, 1);
    vk->CmdPipelineBarrier(vk->command, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                           VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &readable, 0, NULL, 0, NULL);
    return demo_vulkan_run(vk);
}

static bool check(const struct compute *c, const struct job *job)
{
    const uint32_t *values = c->source.mapped;
    const uint32_t *answers = c->result.mapped;
    for (uint32_t i = 0; i < job->count; i++) {
        if (answers[i] != hash(values[i], job)) {
            fprintf(stderr, "%s: compute: element %u is wrong\n", demo_program_name, i);
            return false;
        }
    }
    return true;
}

bool demo_measure_compute(struct demo_vulkan *vk, uint32_t seed, struct demo_compute_result *out)
{
    struct compute c = {.vk = vk};
    const struct job job = {ELEMENTS, ROUNDS, seed};
    *out = (struct demo_compute_result){.elements = ELEMENTS};
    bool done = create(&c);
    if (done) {
        uint32_t *values = c.source.mapped;
        for (uint32_t i = 0; i < ELEMENTS; i++) {
            values[i] = i * UINT32_C(2654435761);
        }
        done = dispatch(&c, &job); /* the first one may still compile */
    }
    const double start = demo_clock_seconds();
    for (int i = 0; done && i < REPEATS; i++) {
        done = dispatch(&c, &job);
    }
    const double seconds = demo_clock_seconds() - start;
    if (done) {
        out->elements_per_second = (double)ELEMENTS * REPEATS / seconds;
        out->is_correct = check(&c, &job);
    }
    destroy(&c);
    return done;
}
