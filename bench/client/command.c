#include "rig.h"

static const uint64_t wait_limit_ns = UINT64_C(30000000000);

bool bench_pool_create(struct bench *bench, VkCommandPool *pool)
{
    struct demo_vulkan *vk = &bench->vk;
    const VkCommandPoolCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = vk->queue_family,
    };
    return demo_vulkan_check(vk->CreateCommandPool(vk->device, &create, NULL, pool),
                             "vkCreateCommandPool");
}

bool bench_command_allocate(struct bench *bench, VkCommandPool pool, VkCommandBuffer *command)
{
    struct demo_vulkan *vk = &bench->vk;
    const VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    return demo_vulkan_check(vk->AllocateCommandBuffers(vk->device, &allocate, command),
                             "vkAllocateCommandBuffers");
}

bool bench_command_begin(struct bench *bench, VkCommandBuffer command)
{
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
    };
    return demo_vulkan_check(bench->vk.BeginCommandBuffer(command, &begin), "vkBeginCommandBuffer");
}

bool bench_command_end(struct bench *bench, VkCommandBuffer command)
{
    return demo_vulkan_check(bench->vk.EndCommandBuffer(command), "vkEndCommandBuffer");
}

void bench_rig_begin_pass(const struct bench_rig *rig, VkCommandBuffer command)
{
    const VkClearValue black = {.color = {.float32 = {0.0f, 0.0f, 0.0f, 1.0f}}};
    const VkRenderPassBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
        .renderPass = rig->pass,
        .framebuffer = rig->framebuffer,
        .renderArea = {{0, 0}, {rig->width, rig->height}},
        .clearValueCount = 1,
        .pClearValues = &black,
    };
    rig->bench->vk.CmdBeginRenderPass(command, &begin, VK_SUBPASS_CONTENTS_INLINE);
}

void bench_rig_push(const struct bench_rig *rig, VkCommandBuffer command, const void *bytes)
{
    rig->bench->vk.CmdPushConstants(command, rig->layout,
                                    VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                    BENCH_PUSH_BYTES, bytes);
}

void bench_rig_bind_drawing(const struct bench_rig *rig, VkCommandBuffer command)
{
    const float offset[BENCH_PUSH_BYTES / sizeof(float)] = {0};
    rig->bench->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_GRAPHICS, rig->drawing);
    bench_rig_push(rig, command, offset);
}

void bench_rig_bind_computing(const struct bench_rig *rig, VkCommandBuffer command, uint32_t rounds)
{
    struct demo_vulkan *vk = &rig->bench->vk;
    const uint32_t constants[BENCH_PUSH_BYTES / sizeof(uint32_t)] = {rounds};
    vk->CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, rig->computing);
    vk->CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_COMPUTE, rig->layout, 0, 1, &rig->set,
                              0, NULL);
    bench_rig_push(rig, command, constants);
}

bool bench_rig_record_job(const struct bench_rig *rig, uint32_t rounds, VkCommandBuffer *command)
{
    struct bench *bench = rig->bench;
    if (!bench_command_allocate(bench, bench->vk.pool, command) ||
        !bench_command_begin(bench, *command)) {
        return false;
    }
    bench_rig_bind_computing(rig, *command, rounds);
    bench->vk.CmdDispatch(*command, 1, 1, 1);
    return bench_command_end(bench, *command);
}

bool bench_submit_command(struct bench *bench, VkCommandBuffer command, VkFence fence)
{
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &command,
    };
    return demo_vulkan_check(bench->vk.QueueSubmit(bench->vk.queue, 1, &submit, fence),
                             "vkQueueSubmit");
}

bool bench_fence_create(struct bench *bench, VkFence *fence)
{
    const VkFenceCreateInfo create = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    return demo_vulkan_check(bench->vk.CreateFence(bench->vk.device, &create, NULL, fence),
                             "vkCreateFence");
}

bool bench_fence_wait(struct bench *bench, VkFence fence)
{
    return demo_vulkan_check(
        bench->vk.WaitForFences(bench->vk.device, 1, &fence, VK_TRUE, wait_limit_ns),
        "vkWaitForFences");
}

bool bench_fence_reset(struct bench *bench, VkFence fence)
{
    return demo_vulkan_check(bench->vk.ResetFences(bench->vk.device, 1, &fence), "vkResetFences");
}

static bool time_job(const struct bench_rig *rig, VkCommandBuffer command, uint64_t *duration_ns)
{
    struct bench *bench = rig->bench;
    const uint64_t start_ns = bench_clock_ns();
    const bool done = bench_submit_command(bench, command, bench->vk.fence) &&
                      bench_fence_wait(bench, bench->vk.fence) &&
                      bench_fence_reset(bench, bench->vk.fence);
    *duration_ns = bench_clock_ns() - start_ns;
    return done;
}

bool bench_rig_record_long_job(const struct bench_rig *rig, uint64_t duration_ns,
                               VkCommandBuffer *command)
{
    enum { ROUNDS = 1000000, TRIES = 4, ROUNDS_MAX = 1000000000 };
    struct bench *bench = rig->bench;
    uint64_t best_ns = UINT64_MAX;
    bool done = bench_rig_record_job(rig, ROUNDS, command);
    for (int i = 0; done && i < TRIES; i++) { /* at the first a driver may compile */
        uint64_t took_ns;
        done = time_job(rig, *command, &took_ns);
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    if (!done) {
        return false;
    }
    bench->vk.FreeCommandBuffers(bench->vk.device, bench->vk.pool, 1, command);
    const double wanted = ROUNDS * (double)duration_ns / (double)best_ns;
    return bench_rig_record_job(rig, wanted < ROUNDS_MAX ? (uint32_t)wanted + 1 : ROUNDS_MAX,
                                command);
}
