#include "bench.h"
#include "rig.h"

#define CALL "vkGetImageSubresourceLayout, each call timed; between calls "

static const struct {
    const char *name;
    const char *how;
    uint64_t think_ns;
} pauses[] = {
    {"sync.0us", CALL "nothing", 0},
    {"sync.5us", CALL "a busy loop of 5 us", 5000},
    {"sync.30us", CALL "a busy loop of 30 us", 30000},
    {"sync.200us", CALL "a busy loop of 200 us", 200000},
    {"sync.2ms", CALL "a sleep of 2 ms", 2000000},
    {"sync.20ms", CALL "a sleep of 20 ms", 20000000},
};

bool bench_latency(struct bench *bench)
{
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        struct bench_samples samples;
        bench_samples_start(&samples, bench);
        while (bench_samples_want(&samples)) {
            bench_think_ns(pauses[i].think_ns);
            const uint64_t start_ns = bench_clock_ns();
            bench_sync(bench);
            bench_samples_add(&samples, bench_clock_ns() - start_ns);
        }
        bench_report_latency(pauses[i].name, &samples, pauses[i].how);
        bench_samples_finish(&samples);
    }
    return true;
}

#define SUBMIT "vkQueueSubmit and vkWaitForFences, timed together; "

/* What is submitted may be nothing: command is NULL then. */
static bool measure_submit(struct bench *bench, const char *name, const char *how,
                           VkCommandBuffer command, uint64_t think_ns)
{
    struct demo_vulkan *vk = &bench->vk;
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = command ? 1 : 0,
        .pCommandBuffers = &command,
    };
    struct bench_samples samples;
    bool done = true;
    bench_samples_start(&samples, bench);
    while (done && bench_samples_want(&samples)) {
        bench_think_ns(think_ns);
        const uint64_t start_ns = bench_clock_ns();
        done =
            demo_vulkan_check(vk->QueueSubmit(vk->queue, 1, &submit, vk->fence), "vkQueueSubmit") &&
            bench_fence_wait(bench, vk->fence);
        bench_samples_add(&samples, bench_clock_ns() - start_ns);
        done = done && bench_fence_reset(bench, vk->fence);
    }
    if (done) {
        bench_report_latency(name, &samples, how);
    }
    bench_samples_finish(&samples);
    return done;
}

bool bench_submit(struct bench *bench)
{
    struct bench_rig rig = {0};
    VkCommandBuffer job = VK_NULL_HANDLE;
    const uint64_t apart_ns = 2000000;
    const bool done =
        bench_rig_create(&rig, bench, 64, 64) && bench_rig_record_job(&rig, 1, &job) &&
        measure_submit(bench, "submit.empty", SUBMIT "no command buffer, back to back", NULL, 0) &&
        measure_submit(bench, "submit.empty.2ms",
                       SUBMIT "no command buffer, a sleep of 2 ms between", NULL, apart_ns) &&
        measure_submit(bench, "submit.dispatch", SUBMIT "a dispatch of one invocation", job, 0) &&
        measure_submit(bench, "submit.dispatch.2ms",
                       SUBMIT "a dispatch of one invocation, a sleep of 2 ms between", job,
                       apart_ns);
    bench_rig_destroy(&rig);
    return done;
}
