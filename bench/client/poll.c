/*
 * Programs that ask whether a fence has signalled instead of waiting for it. The fence belongs to
 * a job that keeps one invocation busy for some milliseconds.
 */
#include "rig.h"
#include "worker.h"

#include <stdio.h>

enum { FENCES = 4, SINGLED_OUT = 10 };

static const uint64_t job_ns = 5000000;

/* One question. `signalled` is set once the answer is yes. */
static bool ask(struct bench *bench, VkFence fence, bool *signalled)
{
    const VkResult result = bench->vk.GetFenceStatus(bench->vk.device, fence);
    *signalled = result == VK_SUCCESS;
    return *signalled || result == VK_NOT_READY || demo_vulkan_check(result, "vkGetFenceStatus");
}

/* Once a frame: the question is asked a millisecond after the job began, so the answer is no. The
 * control asks something else at the same place. */
static bool measure_per_frame(struct bench *bench, VkCommandBuffer job, bool is_control)
{
    const uint64_t period_ns = 1000000000 / 60;
    const VkFence fence = bench->vk.fence;
    struct bench_samples samples;
    bool done = true;
    bench_samples_start(&samples, bench);
    for (uint64_t next_ns = bench_clock_ns(); done && bench_samples_want(&samples);) {
        next_ns += period_ns;
        bench_sleep_until_ns(next_ns);
        bool signalled = false;
        done = bench_submit_command(bench, job, fence);
        bench_sleep_ns(1000000);
        const uint64_t start_ns = bench_clock_ns();
        if (is_control) {
            bench_sync(bench);
        } else {
            done = done && ask(bench, fence, &signalled);
        }
        bench_samples_add(&samples, bench_clock_ns() - start_ns);
        done = done && bench_fence_wait(bench, fence) && bench_fence_reset(bench, fence);
    }
    if (done) {
        bench_report_latency(
            is_control ? "poll.frame.control" : "poll.frame", &samples,
            is_control
                ? "vkGetImageSubresourceLayout in place of the poll"
                : "one vkGetFenceStatus a frame at 60 Hz, 1 ms after  a job of 5 ms was submitted");
    }
    bench_samples_finish(&samples);
    return done;
}

/* The first questions about a job, the second, the tenth, and all of them. */
struct loop_samples {
    struct bench_samples first;
    struct bench_samples second;
    struct bench_samples tenth;
    struct bench_samples all;
    struct bench_samples job;
};

/* Asks until the answer is yes; only answers of no are counted. */
static bool poll_one_job(struct bench *bench, VkCommandBuffer job, struct loop_samples *samples)
{
    const VkFence fence = bench->vk.fence;
    const uint64_t begin_ns = bench_clock_ns();
    bool signalled = false;
    bool done = bench_submit_command(bench, job, fence);
    for (uint32_t i = 1; done && !signalled; i++) {
        const uint64_t start_ns = bench_clock_ns();
        done = ask(bench, fence, &signalled);
        const uint64_t took_ns = bench_clock_ns() - start_ns;
        if (signalled) {
            break;
        }
        bench_samples_add(&samples->all, took_ns);
        if (i == 1) {
            bench_samples_add(&samples->first, took_ns);
        } else if (i == 2) {
            bench_samples_add(&samples->second, took_ns);
        } else if (i == SINGLED_OUT) {
            bench_samples_add(&samples->tenth, took_ns);
        }
    }
    bench_samples_add(&samples->job, bench_clock_ns() - begin_ns);
    return done && bench_fence_reset(bench, fence);
}

static void report_if_any(const char *name, struct bench_samples *samples, const char *how)
{
    if (samples->count > 0) {
        bench_report_latency(name, samples, how);
    }
}

static bool measure_loop(struct bench *bench, VkCommandBuffer job)
{
    struct loop_samples samples;
    bench_samples_start(&samples.first, bench);
    bench_samples_start(&samples.second, bench);
    bench_samples_start(&samples.tenth, bench);
    bench_samples_start(&samples.all, bench);
    bench_samples_start(&samples.job, bench);
    bool done = true;
    bench_mark(bench, "begin", "poll.loop");
    const double cpu_ms = bench_cpu_ms();
    const uint64_t start_ns = bench_clock_ns();
    while (done && bench_samples_want(&samples.job)) {
        done = poll_one_job(bench, job, &samples);
    }
    const double elapsed_ms = (double)(bench_clock_ns() - start_ns) * 1e-6;
    const double used_ms = bench_cpu_ms() - cpu_ms;
    bench_mark(bench, "end", "poll.loop");
    if (done) {
        report_if_any("poll.loop.first", &samples.first,
                      "vkGetFenceStatus in a loop, a job of 5 ms: the first call");
        report_if_any("poll.loop.second", &samples.second, "the second call of each such loop");
        report_if_any("poll.loop.tenth", &samples.tenth, "the tenth call of each such loop");
        report_if_any("poll.loop.all", &samples.all, "all calls that found the fence unsignalled");
        report_if_any("poll.loop.job", &samples.job,
                      "from vkQueueSubmit until a call of the loop finds the fence signalled");
        bench_report_value("poll.loop.client_cpu", used_ms / elapsed_ms * 100.0, "% of a core",
                           "user and system time of this program during the loops");
    }
    bench_samples_finish(&samples.first);
    bench_samples_finish(&samples.second);
    bench_samples_finish(&samples.tenth);
    bench_samples_finish(&samples.all);
    bench_samples_finish(&samples.job);
    return done;
}

/* Four jobs, one after the other; any of their fences will do. Only answers of no are counted. */
static bool poll_any(struct bench *bench, VkCommandBuffer *jobs, VkFence *fences,
                     struct bench_samples *samples)
{
    struct demo_vulkan *vk = &bench->vk;
    bool done = true;
    for (int i = 0; done && i < FENCES; i++) {
        done = bench_submit_command(bench, jobs[i], fences[i]);
    }
    VkResult result = VK_TIMEOUT;
    while (done && result == VK_TIMEOUT) {
        const uint64_t start_ns = bench_clock_ns();
        result = vk->WaitForFences(vk->device, FENCES, fences, VK_FALSE, 0);
        if (result == VK_TIMEOUT) {
            bench_samples_add(samples, bench_clock_ns() - start_ns);
        }
    }
    done = done && demo_vulkan_check(result, "vkWaitForFences");
    for (int i = 0; done && i < FENCES; i++) {
        done = bench_fence_wait(bench, fences[i]) && bench_fence_reset(bench, fences[i]);
    }
    return done;
}

static bool measure_any(const struct bench_rig *rig)
{
    struct bench *bench = rig->bench;
    VkCommandBuffer jobs[FENCES] = {VK_NULL_HANDLE};
    VkFence fences[FENCES] = {VK_NULL_HANDLE};
    struct bench_samples samples;
    bool done = true;
    for (int i = 0; done && i < FENCES; i++) {
        done = bench_rig_record_long_job(rig, job_ns, &jobs[i]) &&
               bench_fence_create(bench, &fences[i]);
    }
    bench_samples_start(&samples, bench);
    do {
        done = done && poll_any(bench, jobs, fences, &samples);
    } while (done && bench_samples_want(&samples));
    if (done) {
        report_if_any("poll.any4", &samples,
                      "vkWaitForFences for any of 4 unsignalled fences with timeout 0, each call");
    }
    bench_samples_finish(&samples);
    for (int i = 0; i < FENCES; i++) {
        bench->vk.DestroyFence(bench->vk.device, fences[i], NULL);
    }
    return done;
}

/* What a second thread records while this one waits for jobs: by asking all the time, or asleep. */
static bool measure_beside(const struct bench_rig *rig, VkCommandBuffer job, bool polls)
{
    struct bench *bench = rig->bench;
    const VkFence fence = bench->vk.fence;
    struct bench_worker recorder = {
        .rig = rig, .begin = bench_worker_create_pool, .turn = bench_worker_record_draws};
    if (!bench_worker_start(&recorder)) {
        return false;
    }
    bool done = true;
    const uint64_t start_ns = bench_clock_ns();
    while (done && bench_clock_ns() - start_ns < bench->budget_ns) {
        bool signalled = false;
        done = bench_submit_command(bench, job, fence);
        if (!polls) {
            bench_sleep_ns(job_ns);
        }
        while (done && polls && !signalled) {
            done = ask(bench, fence, &signalled);
        }
        done = done && bench_fence_wait(bench, fence) && bench_fence_reset(bench, fence);
    }
    const double seconds = (double)(bench_clock_ns() - start_ns) * 1e-9;
    const double draws = (double)atomic_load(&recorder.turns) * BENCH_WORKER_DRAWS;
    if (!bench_worker_stop(&recorder) || !done) {
        return false;
    }
    bench_report_value(polls ? "poll.beside.polling" : "poll.beside.sleeping", draws / seconds,
                       "commands/s",
                       polls ? "draws recorded by a second thread while the first polls fences in "
                               "a loop"
                             : "the same while the first thread sleeps until each job is done");
    return true;
}

bool bench_poll(struct bench *bench)
{
    struct bench_rig rig = {0};
    VkCommandBuffer job = VK_NULL_HANDLE;
    const bool done = bench_rig_create(&rig, bench, 64, 64) &&
                      bench_rig_record_long_job(&rig, job_ns, &job) &&
                      measure_per_frame(bench, job, false) && measure_per_frame(bench, job, true) &&
                      measure_loop(bench, job) && measure_any(&rig) &&
                      measure_beside(&rig, job, false) && measure_beside(&rig, job, true);
    bench_rig_destroy(&rig);
    return done;
}
