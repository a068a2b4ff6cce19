/* Whole frames: a large one that is read back, small ones at 60 Hz, and none at all. */
#include "rig.h"

#include <stdlib.h>
#include <string.h>

enum { WIDTH = 1920, HEIGHT = 1080, FRAME_BYTES = WIDTH * HEIGHT * 4, DRAWS = 50 };

static void copy_picture(const struct bench_rig *rig, VkCommandBuffer command, VkBuffer buffer)
{
    struct demo_vulkan *vk = &rig->bench->vk;
    const VkBufferImageCopy copy = {
        .imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
        .imageExtent = {rig->width, rig->height, 1},
    };
    const VkMemoryBarrier readable = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    vk->CmdCopyImageToBuffer(command, rig->picture, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, buffer, 1,
                             &copy);
    vk->CmdPipelineBarrier(command, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0,
                           1, &readable, 0, NULL, 0, NULL);
}

static bool draw(const struct bench_rig *rig, VkCommandBuffer command, VkBuffer readback)
{
    struct bench *bench = rig->bench;
    if (!bench_command_begin(bench, command)) {
        return false;
    }
    bench_rig_begin_pass(rig, command);
    bench_rig_bind_drawing(rig, command);
    for (uint32_t i = 0; i < DRAWS; i++) {
        bench->vk.CmdDraw(command, 3, 1, 0, 0);
    }
    bench->vk.CmdEndRenderPass(command);
    if (readback) {
        copy_picture(rig, command, readback);
    }
    return bench_command_end(bench, command) &&
           bench_submit_command(bench, command, bench->vk.fence) &&
           bench_fence_wait(bench, bench->vk.fence) && bench_fence_reset(bench, bench->vk.fence);
}

bool bench_frame(struct bench *bench)
{
    struct bench_rig rig = {0};
    struct demo_buffer readback = {0};
    struct bench_samples samples;
    void *own = malloc(FRAME_BYTES);
    bool done = own != NULL && bench_rig_create(&rig, bench, WIDTH, HEIGHT) &&
                demo_buffer_create(&bench->vk, &readback, FRAME_BYTES,
                                   VK_BUFFER_USAGE_TRANSFER_DST_BIT, DEMO_MEMORY_READBACK) &&
                draw(&rig, bench->vk.command, readback.buffer); /* may still compile */
    bench_samples_start(&samples, bench);
    while (done && bench_samples_want(&samples)) {
        const uint64_t start_ns = bench_clock_ns();
        done = draw(&rig, bench->vk.command, readback.buffer);
        memcpy(own, readback.mapped, FRAME_BYTES);
        bench_samples_add(&samples, bench_clock_ns() - start_ns);
    }
    if (done) {
        bench_report_rate("frame.1080p", &samples, 1, "frames/s",
                          "1920x1080 cleared, 50 triangles of an eighth of it drawn, copied to a "
                          "buffer, waited for, read");
    }
    bench_samples_finish(&samples);
    demo_buffer_destroy(&bench->vk, &readback);
    bench_rig_destroy(&rig);
    free(own);
    return done;
}

bool bench_fps(struct bench *bench)
{
    const uint64_t period_ns = 1000000000 / 60;
    struct bench_rig rig = {0};
    struct bench_samples samples;
    bool done = bench_rig_create(&rig, bench, 64, 64) && draw(&rig, bench->vk.command, NULL);
    bench_samples_start(&samples, bench);
    bench_mark(bench, "begin", "fps");
    const double cpu_ms = bench_cpu_ms();
    const uint64_t first_ns = bench_clock_ns();
    uint64_t next_ns = first_ns;
    while (done && bench_samples_want(&samples)) {
        next_ns += period_ns;
        bench_sleep_until_ns(next_ns);
        const uint64_t start_ns = bench_clock_ns();
        done = draw(&rig, bench->vk.command, NULL);
        bench_samples_add(&samples, bench_clock_ns() - start_ns);
    }
    const double elapsed_ms = (double)(bench_clock_ns() - first_ns) * 1e-6;
    const double used_ms = bench_cpu_ms() - cpu_ms;
    bench_mark(bench, "end", "fps");
    if (done) {
        bench_report_latency("fps.frame", &samples,
                             "64x64, 50 draws recorded, submitted and waited for, then a sleep "
                             "until the next sixtieth of a second");
        bench_report_value("fps.client_cpu", used_ms / elapsed_ms * 100.0, "% of a core",
                           "user and system time of this program over the same frames");
    }
    bench_samples_finish(&samples);
    bench_rig_destroy(&rig);
    return done;
}

bool bench_idle(struct bench *bench)
{
    /* Whatever was hot falls asleep, and a server that prepares for its next client is done. */
    const uint64_t settle_ns = UINT64_C(3000000000);
    bench_sync(bench);
    bench_sleep_ns(settle_ns);
    bench_mark(bench, "begin", "idle");
    const double cpu_ms = bench_cpu_ms();
    const uint64_t start_ns = bench_clock_ns();
    bench_sleep_ns(bench->budget_ns);
    const double elapsed_ms = (double)(bench_clock_ns() - start_ns) * 1e-6;
    const double used_ms = bench_cpu_ms() - cpu_ms;
    bench_mark(bench, "end", "idle");
    bench_report_value("idle.time", elapsed_ms, "ms", "a device, 3 seconds after its last call");
    bench_report_value("idle.client_cpu", used_ms, "ms",
                       "user and system time of this program in that time");
    return true;
}
