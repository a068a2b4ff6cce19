#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    WARM_UP = 50,
    ROUND_TRIPS = 4000,
    SUBMITS = 2000,
    UPLOADS = 16,
    UPLOAD_BYTES = 32 << 20,
};

double demo_clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void summarise(double *seconds, size_t count, struct demo_latency *out)
{
    qsort(seconds, count, sizeof(*seconds), compare_doubles);
    out->p50_us = seconds[count / 2] * 1e6;
    out->p99_us = seconds[count * 99 / 100] * 1e6;
}

bool demo_measure_round_trip(struct demo_vulkan *vk, struct demo_latency *out)
{
    static double seconds[ROUND_TRIPS];
    const VkImageCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .extent = {64, 64, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .tiling = VK_IMAGE_TILING_LINEAR,
        .usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
        .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED,
    };
    VkImage image;
    if (!demo_vulkan_check(vk->CreateImage(vk->device, &create, NULL, &image), "vkCreateImage")) {
        return false;
    }
    const VkImageSubresource subresource = {.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT};
    VkDeviceSize row_bytes = 64 * 4;
    for (int i = -WARM_UP; i < ROUND_TRIPS; i++) {
        VkSubresourceLayout layout = {0};
        const double start = demo_clock_seconds();
        vk->GetImageSubresourceLayout(vk->device, image, &subresource, &layout);
        const double end = demo_clock_seconds();
        row_bytes = layout.rowPitch < row_bytes ? layout.rowPitch : row_bytes;
        seconds[i < 0 ? 0 : i] = end - start;
    }
    vk->DestroyImage(vk->device, image, NULL);
    if (row_bytes < 64 * 4) {
        fprintf(stderr, "%s: vkGetImageSubresourceLayout: impossible answer\n", demo_program_name);
        return false;
    }
    summarise(seconds, ROUND_TRIPS, out);
    return true;
}

bool demo_measure_submit(struct demo_vulkan *vk, struct demo_latency *out)
{
    static double seconds[SUBMITS];
    const VkSubmitInfo nothing = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO};
    for (int i = -WARM_UP; i < SUBMITS; i++) {
        const double start = demo_clock_seconds();
        if (!demo_vulkan_check(vk->QueueSubmit(vk->queue, 1, &nothing, vk->fence),
                               "vkQueueSubmit") ||
            !demo_vulkan_wait(vk)) {
            return false;
        }
        seconds[i < 0 ? 0 : i] = demo_clock_seconds() - start;
    }
    summarise(seconds, SUBMITS, out);
    return true;
}

static bool upload_once(struct demo_vulkan *vk, struct demo_buffer *staging,
                        struct demo_buffer *device, const void *bytes)
{
    memcpy(staging->mapped, bytes, UPLOAD_BYTES);
    if (!demo_vulkan_record(vk)) {
        return false;
    }
    const VkBufferCopy copy = {.size = UPLOAD_BYTES};
    vk->CmdCopyBuffer(vk->command, staging->buffer, device->buffer, 1, &copy);
    return demo_vulkan_run(vk);
}

bool demo_measure_upload(struct demo_vulkan *vk, double *bytes_per_second)
{
    struct demo_buffer staging = {0};
    struct demo_buffer device = {0};
    void *bytes = malloc(UPLOAD_BYTES);
    bool done = bytes != NULL &&
                demo_buffer_create(vk, &staging, UPLOAD_BYTES, VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
                                   DEMO_MEMORY_UPLOAD) &&
                demo_buffer_create(vk, &device, UPLOAD_BYTES, VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                   DEMO_MEMORY_DEVICE);
    double seconds[UPLOADS];
    if (done) {
        memset(bytes, 0x5a, UPLOAD_BYTES);
    }
    for (int i = -2; done && i < UPLOADS; i++) {
        const double start = demo_clock_seconds();
        done = upload_once(vk, &staging, &device, bytes);
        seconds[i < 0 ? 0 : i] = demo_clock_seconds() - start;
    }
    if (done) {
        qsort(seconds, UPLOADS, sizeof(*seconds), compare_doubles);
        *bytes_per_second = UPLOAD_BYTES / seconds[UPLOADS / 2];
    }
    demo_buffer_destroy(vk, &device);
    demo_buffer_destroy(vk, &staging);
    free(bytes);
    return done;
}
