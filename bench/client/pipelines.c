/* Pipelines whose specialization constant no cache has seen; they are destroyed outside the time
 * that is measured. */
#include "rig.h"

enum { PIPELINES = 4 };

typedef bool create_pipeline(const struct bench_rig *rig, int32_t seed, VkPipeline *pipeline);

static bool measure(const struct bench_rig *rig, create_pipeline *create, const char *name)
{
    struct bench *bench = rig->bench;
    struct bench_samples samples;
    bool done = true;
    bench_samples_start(&samples, bench);
    while (done && bench_samples_want(&samples)) {
        VkPipeline made[PIPELINES] = {VK_NULL_HANDLE};
        const uint64_t start_ns = bench_clock_ns();
        for (int i = 0; done && i < PIPELINES; i++) {
            done = create(rig, bench_rig_new_seed(), &made[i]);
        }
        bench_sync(bench);
        bench_samples_add(&samples, bench_clock_ns() - start_ns);
        for (int i = 0; i < PIPELINES; i++) {
            bench->vk.DestroyPipeline(bench->vk.device, made[i], NULL);
        }
        bench_sync(bench);
    }
    if (done) {
        bench_report_rate(name, &samples, PIPELINES, "pipelines/s",
                          "rounds of 4, each with a constant of its own and no cache, then a "
                          "synchronous call");
    }
    bench_samples_finish(&samples);
    return done;
}

bool bench_pipelines(struct bench *bench)
{
    struct bench_rig rig = {0};
    const bool done = bench_rig_create(&rig, bench, 64, 64) &&
                      measure(&rig, bench_rig_create_computing, "pipelines.compute") &&
                      measure(&rig, bench_rig_create_drawing, "pipelines.graphics");
    bench_rig_destroy(&rig);
    return done;
}
