/* This thread draws and submits; another makes pipelines, and keeps the newest of them: whose
 * pipeline is destroyed at once may never be compiled. */
#include "worker.h"

#include <stdio.h>

enum { DRAWS = 1000, KEPT = 64, PACE_NS = 4 * 1000 * 1000 };

struct drawing {
    struct bench_samples frame; /* recorded, submitted and waited for */
    struct bench_samples sync;  /* a synchronous call after it */
};

struct compiler {
    struct bench_worker worker; /* first */
    VkPipeline kept[KEPT];
    uint64_t next_ns; /* no pipeline is made before */
    bool is_paced;
};

static bool draw(const struct bench_rig *rig, struct drawing *drawing)
{
    struct bench *bench = rig->bench;
    const uint64_t start_ns = bench_clock_ns();
    const bool done = bench_rig_record_draws(rig, bench->vk.command, DRAWS) &&
                      bench_submit_command(bench, bench->vk.command, bench->vk.fence) &&
                      bench_fence_wait(bench, bench->vk.fence) &&
                      bench_fence_reset(bench, bench->vk.fence);
    const uint64_t drawn_ns = bench_clock_ns();
    bench_sync(bench);
    bench_samples_add(&drawing->frame, drawn_ns - start_ns);
    bench_samples_add(&drawing->sync, bench_clock_ns() - drawn_ns);
    return done;
}

static void pace(struct compiler *compiler)
{
    bench_sleep_until_ns(compiler->next_ns);
    compiler->next_ns = bench_clock_ns() + PACE_NS;
}

static bool compile(struct bench_worker *worker)
{
    struct compiler *compiler = (struct compiler *)worker;
    struct demo_vulkan *vk = &worker->rig->bench->vk;
    VkPipeline *place = &compiler->kept[atomic_load(&worker->turns) % KEPT];
    if (compiler->is_paced) {
        pace(compiler);
    }
    vk->DestroyPipeline(vk->device, *place, NULL);
    *place = VK_NULL_HANDLE;
    return bench_rig_create_drawing(worker->rig, bench_rig_new_seed(), place);
}

static bool stop(struct compiler *compiler)
{
    struct demo_vulkan *vk = &compiler->worker.rig->bench->vk;
    const bool done = bench_worker_stop(&compiler->worker);
    for (int i = 0; i < KEPT; i++) {
        vk->DestroyPipeline(vk->device, compiler->kept[i], NULL);
    }
    return done;
}

static double longest(const struct bench_samples *samples)
{
    double us = 0.0;
    for (size_t i = 0; i < samples->count; i++) {
        us = samples->us[i] > us ? samples->us[i] : us;
    }
    return us;
}

static void report(const char *name, struct drawing *drawing, double seconds, uint64_t pipelines)
{
    char full[64];
    const double draws = (double)drawing->frame.count * DRAWS;
    snprintf(full, sizeof(full), "%s.draws", name);
    bench_report_value(full, draws / seconds, "commands/s",
                       "frames of 1000 draws recorded, submitted and waited for, each followed by "
                       "a synchronous call");
    snprintf(full, sizeof(full), "%s.longest_frame", name);
    bench_report_value(full, longest(&drawing->frame), "us", "the longest of these frames");
    snprintf(full, sizeof(full), "%s.longest_sync", name);
    bench_report_value(full, longest(&drawing->sync), "us", "the longest of these calls");
    snprintf(full, sizeof(full), "%s.pipelines", name);
    bench_report_value(full, (double)pipelines / seconds, "pipelines/s",
                       "graphics pipelines that the other thread asked for meanwhile; it keeps "
                       "the last 64, and, but for the flood, asks for at most 250 in a second and "
                       "sleeps in between");
}

/* begin: the compiling thread's first step. Mesa's Venus driver sends a thread's
 * pipelines down the ring of all other commands once that thread has made a command pool, and down
 * a ring of the thread's own before. */
static bool measure(const struct bench_rig *rig, const char *name, bool compiles, bool is_paced,
                    bool (*begin)(struct bench_worker *worker))
{
    struct bench *bench = rig->bench;
    struct compiler compiler = {.worker = {.rig = rig, .begin = begin, .turn = compile},
                                .is_paced = is_paced};
    struct drawing drawing;
    bench_samples_start(&drawing.frame, bench);
    bench_samples_start(&drawing.sync, bench);
    bool done = !compiles || bench_worker_start(&compiler.worker);
    const bool has_compiler = done && compiles;
    const uint64_t start_ns = bench_clock_ns();
    while (done && bench_samples_want(&drawing.frame)) {
        done = draw(rig, &drawing);
    }
    const double seconds = (double)(bench_clock_ns() - start_ns) * 1e-9;
    const uint64_t pipelines = atomic_load(&compiler.worker.turns);
    if (has_compiler && !stop(&compiler)) {
        done = false;
    }
    if (done) {
        report(name, &drawing, seconds, pipelines);
    }
    bench_samples_finish(&drawing.frame);
    bench_samples_finish(&drawing.sync);
    return done;
}

/* A driver may compile at the first frame. */
static bool warm_up(const struct bench_rig *rig)
{
    struct drawing drawing;
    bench_samples_start(&drawing.frame, rig->bench);
    bench_samples_start(&drawing.sync, rig->bench);
    const bool done = draw(rig, &drawing) && draw(rig, &drawing);
    bench_samples_finish(&drawing.frame);
    bench_samples_finish(&drawing.sync);
    return done;
}

bool bench_storm(struct bench *bench)
{
    struct bench_rig rig = {0};
    const bool done = bench_rig_create(&rig, bench, 64, 64) && warm_up(&rig) &&
                      measure(&rig, "storm.none", false, false, NULL) &&
                      measure(&rig, "storm.own_ring", true, true, NULL) &&
                      measure(&rig, "storm.main_ring", true, true, bench_worker_create_pool) &&
                      measure(&rig, "storm.flood", true, false, bench_worker_create_pool);
    bench_rig_destroy(&rig);
    return done;
}
