/* Commands recorded by one thread: each kind alone, then by how they reach the driver. */
#include "worker.h"

#include <stdio.h>

/* Mesa's Venus driver hands over a command buffer when it ends: many of them let the host work
 * while the next is recorded, and make what the round's end costs small. Execution is slower by
 * far. */
enum { COMMANDS = 1000, RECORDED = 64, EXECUTED = 2 };

typedef void record_one(const struct bench_rig *rig, VkCommandBuffer command, uint32_t index);

static void record_draw(const struct bench_rig *rig, VkCommandBuffer command, uint32_t index)
{
    (void)index;
    rig->bench->vk.CmdDraw(command, 3, 1, 0, 0);
}

static void record_dispatch(const struct bench_rig *rig, VkCommandBuffer command, uint32_t index)
{
    (void)index;
    rig->bench->vk.CmdDispatch(command, 1, 1, 1);
}

static void record_push(const struct bench_rig *rig, VkCommandBuffer command, uint32_t index)
{
    const uint32_t constants[BENCH_PUSH_BYTES / sizeof(uint32_t)] = {index};
    bench_rig_push(rig, command, constants);
}

static void record_bind_dispatch(const struct bench_rig *rig, VkCommandBuffer command,
                                 uint32_t index)
{
    struct demo_vulkan *vk = &rig->bench->vk;
    (void)index;
    vk->CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_COMPUTE, rig->layout, 0, 1, &rig->set,
                              0, NULL);
    vk->CmdDispatch(command, 1, 1, 1);
}

struct kind {
    const char *name;
    record_one *record;
    bool draws;
};

static const struct kind kinds[] = {
    {"draw", record_draw, true},
    {"dispatch", record_dispatch},
    {"push_constants", record_push},
    {"bind_dispatch", record_bind_dispatch},
};

static bool record(const struct bench_rig *rig, VkCommandBuffer command, const struct kind *kind,
                   uint32_t count)
{
    struct bench *bench = rig->bench;
    if (!bench_command_begin(bench, command)) {
        return false;
    }
    if (kind->draws) {
        bench_rig_begin_pass(rig, command);
        bench_rig_bind_drawing(rig, command);
    } else {
        bench_rig_bind_computing(rig, command, 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        kind->record(rig, command, i);
    }
    if (kind->draws) {
        bench->vk.CmdEndRenderPass(command);
    }
    return bench_command_end(bench, command);
}

/* What a round takes until the application may go on, until the driver has all of it, and (when it
 * is submitted) until it has been executed. */
struct rounds {
    const struct kind *kind;
    bool submits;
    uint32_t count; /* of command buffers in a round */
    VkCommandBuffer commands[RECORDED];
    struct bench_samples app;
    struct bench_samples drained;
};

static bool record_all(const struct bench_rig *rig, const struct rounds *rounds)
{
    bool done = true;
    for (uint32_t i = 0; done && i < rounds->count; i++) {
        done = record(rig, rounds->commands[i], rounds->kind, COMMANDS);
    }
    if (!done || !rounds->submits) {
        return done;
    }
    struct demo_vulkan *vk = &rig->bench->vk;
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = rounds->count,
        .pCommandBuffers = rounds->commands,
    };
    return demo_vulkan_check(vk->QueueSubmit(vk->queue, 1, &submit, vk->fence), "vkQueueSubmit");
}

static bool drain(struct bench *bench, const struct rounds *rounds)
{
    if (rounds->submits) {
        return bench_fence_wait(bench, bench->vk.fence);
    }
    bench_sync(bench);
    return true;
}

static bool measure(const struct bench_rig *rig, struct rounds *rounds)
{
    struct bench *bench = rig->bench;
    bool done = record_all(rig, rounds) && drain(bench, rounds); /* a driver may compile now */
    bench_samples_start(&rounds->app, bench);
    bench_samples_start(&rounds->drained, bench);
    while (done && bench_samples_want(&rounds->drained)) {
        done = !rounds->submits || bench_fence_reset(bench, bench->vk.fence);
        const uint64_t start_ns = bench_clock_ns();
        done = done && record_all(rig, rounds);
        bench_samples_add(&rounds->app, bench_clock_ns() - start_ns);
        done = done && drain(bench, rounds);
        bench_samples_add(&rounds->drained, bench_clock_ns() - start_ns);
    }
    return done && (!rounds->submits || bench_fence_reset(bench, bench->vk.fence));
}

static bool measure_kind(const struct bench_rig *rig, struct rounds *rounds)
{
    static const char *const how[2][2] = {
        {"rounds of 64 command buffers of 1000 recorded; timed until the last call returns",
         "the same rounds, timed until a synchronous call after them returns"},
        {"rounds of 2 command buffers of 1000 recorded and submitted; timed until vkQueueSubmit "
         "returns",
         "the same rounds, timed until their fence has been waited for"},
    };
    const char *const verb = rounds->submits ? "execute" : "record";
    char app_name[64];
    char drained_name[64];
    snprintf(app_name, sizeof(app_name), "%s.%s.app", verb, rounds->kind->name);
    snprintf(drained_name, sizeof(drained_name), "%s.%s.drained", verb, rounds->kind->name);
    const bool done = measure(rig, rounds);
    if (done) {
        const double commands = (double)rounds->count * COMMANDS;
        bench_report_rate(app_name, &rounds->app, commands, "commands/s", how[rounds->submits][0]);
        bench_report_rate(drained_name, &rounds->drained, commands, "commands/s",
                          how[rounds->submits][1]);
    }
    bench_samples_finish(&rounds->app);
    bench_samples_finish(&rounds->drained);
    return done;
}

bool bench_rig_record_draws(const struct bench_rig *rig, VkCommandBuffer command, uint32_t count)
{
    return record(rig, command, &kinds[0], count);
}

bool bench_record(struct bench *bench)
{
    struct bench_rig rig = {0};
    struct rounds rounds = {0};
    bool done = bench_rig_create(&rig, bench, 64, 64);
    for (uint32_t i = 0; done && i < RECORDED; i++) {
        done = bench_command_allocate(bench, bench->vk.pool, &rounds.commands[i]);
    }
    for (size_t i = 0; done && i < sizeof(kinds) / sizeof(kinds[0]) * 2; i++) {
        rounds.kind = &kinds[i / 2];
        rounds.submits = i % 2 != 0;
        rounds.count = rounds.submits ? EXECUTED : RECORDED;
        done = measure_kind(&rig, &rounds);
    }
    bench_rig_destroy(&rig);
    return done;
}
