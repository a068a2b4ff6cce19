/* Pipelines whose specialization constant no cache has seen; they are destroyed outside the time
 * that is measured. */
#include "rig.h"

enum { PIPELINES = 4 };

/* A host may compile beside the commands that follow: until one needs the pipeline. */
static bool bind(const struct bench_rig *rig, VkPipelineBindPoint point, const VkPipeline *made)
{
    struct demo_vulkan *vk = &rig->bench->vk;
    if (!demo_vulkan_record(vk)) {
        return false;
    }
    for (int i = 0; i < PIPELINES; i++) {
        vk->CmdBindPipeline(vk->command, point, made[i]);
    }
    return demo_vulkan_check(vk->EndCommandBuffer(vk->command), "vkEndCommandBuffer");
}

typedef bool create_pipeline(const struct bench_rig *rig, int32_t seed, VkPipeline *pipeline);

static bool measure(const struct bench_rig *rig, create_pipeline *create, VkPipelineBindPoint point,
                    const char *name)
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
        done = done && bind(rig, point, made);
        bench_sync(bench);
        bench_samples_add(&samples, bench_clock_ns() - start_ns);
        for (int i = 0; i < PIPELINES; i++) {
            bench->vk.DestroyPipeline(bench->vk.device, made[i], NULL);
        }
        bench_sync(bench);
    }
    if (done) {
        bench_report_rate(name, &samples, PIPELINES, "pipelines/s",
                          "rounds of 4, each with a constant of its own and no cache, bound in a "
                          "command buffer, then a synchronous call");
    }
    bench_samples_finish(&samples);
    return done;
}

bool bench_pipelines(struct bench *bench)
{
    struct bench_rig rig = {0};
    const bool done = bench_rig_create(&rig, bench, 64, 64) &&
                      measure(&rig, bench_rig_create_computing, VK_PIPELINE_BIND_POINT_COMPUTE,
                              "pipelines.compute") &&
                      measure(&rig, bench_rig_create_drawing, VK_PIPELINE_BIND_POINT_GRAPHICS,
                              "pipelines.graphics");
    bench_rig_destroy(&rig);
    return done;
}
