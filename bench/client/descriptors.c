/* Descriptor sets: allocated and freed one by one, and updated with eight uniform buffers. */
#include "rig.h"

enum { SETS = 64, BINDINGS = 8, UPDATES = 8192 };

struct sets {
    VkDescriptorSetLayout layout;
    VkDescriptorPool pool;
    VkDescriptorSet set[SETS];
};

static bool create(struct bench *bench, struct sets *sets)
{
    struct demo_vulkan *vk = &bench->vk;
    VkDescriptorSetLayoutBinding bindings[BINDINGS];
    for (uint32_t i = 0; i < BINDINGS; i++) {
        bindings[i] = (VkDescriptorSetLayoutBinding){i, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, 1,
                                                     VK_SHADER_STAGE_COMPUTE_BIT, NULL};
    }
    const VkDescriptorSetLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = BINDINGS,
        .pBindings = bindings,
    };
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, SETS * BINDINGS};
    const VkDescriptorPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .flags = VK_DESCRIPTOR_POOL_CREATE_FREE_DESCRIPTOR_SET_BIT,
        .maxSets = SETS,
        .poolSizeCount = 1,
        .pPoolSizes = &size,
    };
    return demo_vulkan_check(
               vk->CreateDescriptorSetLayout(vk->device, &layout, NULL, &sets->layout),
               "vkCreateDescriptorSetLayout") &&
           demo_vulkan_check(vk->CreateDescriptorPool(vk->device, &pool, NULL, &sets->pool),
                             "vkCreateDescriptorPool");
}

static bool allocate(struct bench *bench, struct sets *sets)
{
    struct demo_vulkan *vk = &bench->vk;
    const VkDescriptorSetAllocateInfo one = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = sets->pool,
        .descriptorSetCount = 1,
        .pSetLayouts = &sets->layout,
    };
    for (uint32_t i = 0; i < SETS; i++) {
        if (!demo_vulkan_check(vk->AllocateDescriptorSets(vk->device, &one, &sets->set[i]),
                               "vkAllocateDescriptorSets")) {
            return false;
        }
    }
    return true;
}

static bool allocate_and_free(struct bench *bench, struct sets *sets)
{
    struct demo_vulkan *vk = &bench->vk;
    if (!allocate(bench, sets)) {
        return false;
    }
    for (uint32_t i = 0; i < SETS; i++) {
        vk->FreeDescriptorSets(vk->device, sets->pool, 1, &sets->set[i]);
    }
    return true;
}

static bool measure_allocation(struct bench *bench, struct sets *sets)
{
    struct bench_samples samples;
    bool done = allocate_and_free(bench, sets);
    bench_sync(bench);
    bench_samples_start(&samples, bench);
    while (done && bench_samples_want(&samples)) {
        const uint64_t start_ns = bench_clock_ns();
        done = allocate_and_free(bench, sets);
        bench_sync(bench);
        bench_samples_add(&samples, bench_clock_ns() - start_ns);
    }
    if (done) {
        bench_report_rate("create.descriptor_set", &samples, SETS, "objects/s",
                          "rounds of 64 allocated, then freed, then a synchronous call");
    }
    bench_samples_finish(&samples);
    return done;
}

static void update(struct bench *bench, VkDescriptorSet set, VkBuffer buffer)
{
    const VkDescriptorBufferInfo range = {buffer, 0, VK_WHOLE_SIZE};
    VkWriteDescriptorSet writes[BINDINGS];
    for (uint32_t i = 0; i < BINDINGS; i++) {
        writes[i] = (VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = set,
            .dstBinding = i,
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
            .pBufferInfo = &range,
        };
    }
    bench->vk.UpdateDescriptorSets(bench->vk.device, BINDINGS, writes, 0, NULL);
}

static bool measure_updates(struct bench *bench, struct sets *sets)
{
    struct demo_buffer buffer = {0};
    struct bench_samples samples;
    const bool done = allocate(bench, sets) &&
                      demo_buffer_create(&bench->vk, &buffer, 4096,
                                         VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT, DEMO_MEMORY_UPLOAD);
    bench_samples_start(&samples, bench);
    while (done && bench_samples_want(&samples)) {
        const uint64_t start_ns = bench_clock_ns();
        for (uint32_t i = 0; i < UPDATES; i++) {
            update(bench, sets->set[i % SETS], buffer.buffer);
        }
        bench_sync(bench);
        bench_samples_add(&samples, bench_clock_ns() - start_ns);
    }
    if (done) {
        bench_report_rate("update.8_uniform_buffers", &samples, UPDATES, "calls/s",
                          "rounds of 8192 vkUpdateDescriptorSets of 8 writes, then a synchronous "
                          "call");
    }
    bench_samples_finish(&samples);
    demo_buffer_destroy(&bench->vk, &buffer);
    return done;
}

bool bench_descriptors(struct bench *bench)
{
    struct sets sets = {0};
    const bool done =
        create(bench, &sets) && measure_allocation(bench, &sets) && measure_updates(bench, &sets);
    bench->vk.DestroyDescriptorPool(bench->vk.device, sets.pool, NULL);
    bench->vk.DestroyDescriptorSetLayout(bench->vk.device, sets.layout, NULL);
    return done;
}
