/* Memory that the CPU sees: how soon it can be had, and how fast it is. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const VkMemoryPropertyFlags mappable =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;

/* Memory of any buffer's kind will do, so there is none. */
static bool find_mappable_type(const struct demo_vulkan *vk, uint32_t *index)
{
    for (uint32_t i = 0; i < vk->memory.memoryTypeCount; i++) {
        if ((vk->memory.memoryTypes[i].propertyFlags & mappable) == mappable) {
            *index = i;
            return true;
        }
    }
    fprintf(stderr, "vulkan_bench: this GPU has no mappable, coherent memory\n");
    return false;
}

static bool allocate_map_free(struct demo_vulkan *vk, const VkMemoryAllocateInfo *allocate,
                              bool touches)
{
    VkDeviceMemory memory;
    void *mapped;
    if (!demo_vulkan_check(vk->AllocateMemory(vk->device, allocate, NULL, &memory),
                           "vkAllocateMemory")) {
        return false;
    }
    const bool done = demo_vulkan_check(
        vk->MapMemory(vk->device, memory, 0, VK_WHOLE_SIZE, 0, &mapped), "vkMapMemory");
    if (done) {
        if (touches) {
            *(volatile char *)mapped = 1;
        }
        vk->UnmapMemory(vk->device, memory);
    }
    vk->FreeMemory(vk->device, memory, NULL);
    return done;
}

static bool measure_allocation(struct bench *bench, uint32_t type, VkDeviceSize size_bytes,
                               bool touches, const char *name)
{
    enum { TIMES = 4 };
    const VkMemoryAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = size_bytes,
        .memoryTypeIndex = type,
    };
    struct bench_samples samples;
    bool done = allocate_map_free(&bench->vk, &allocate, touches);
    bench_sync(bench);
    bench_samples_start(&samples, bench);
    while (done && bench_samples_want(&samples)) {
        const uint64_t start_ns = bench_clock_ns();
        for (int i = 0; done && i < TIMES; i++) {
            done = allocate_map_free(&bench->vk, &allocate, touches);
        }
        bench_sync(bench);
        bench_samples_add(&samples, bench_clock_ns() - start_ns);
    }
    if (done) {
        bench_report_rate(name, &samples, TIMES, "times/s",
                          touches ? "rounds of 4 times: allocated, mapped, one page touched, "
                                    "unmapped, freed; then a synchronous call"
                                  : "rounds of 4 times: allocated, mapped, unmapped, freed; then "
                                    "a synchronous call");
    }
    bench_samples_finish(&samples);
    return done;
}

bool bench_memory(struct bench *bench)
{
    uint32_t type;
    return find_mappable_type(&bench->vk, &type) &&
           measure_allocation(bench, type, 1 << 20, false, "memory.1MiB") &&
           measure_allocation(bench, type, 1 << 20, true, "memory.1MiB.touched") &&
           measure_allocation(bench, type, 256 << 20, false, "memory.256MiB") &&
           measure_allocation(bench, type, 256 << 20, true, "memory.256MiB.touched");
}

enum { COPY_BYTES = 64 << 20 };

static void measure_copy(struct bench *bench, void *to, const void *from, const char *name,
                         const char *how)
{
    struct bench_samples samples;
    memcpy(to, from, COPY_BYTES);
    bench_samples_start(&samples, bench);
    while (bench_samples_want(&samples)) {
        const uint64_t start_ns = bench_clock_ns();
        memcpy(to, from, COPY_BYTES);
        bench_samples_add(&samples, bench_clock_ns() - start_ns);
    }
    bench_report_rate(name, &samples, COPY_BYTES * 1e-9, "GB/s", how);
    bench_samples_finish(&samples);
}

bool bench_mapped(struct bench *bench)
{
    struct demo_buffer upload = {0};
    struct demo_buffer readback = {0};
    void *own = malloc(COPY_BYTES);
    const bool done = own != NULL &&
                      demo_buffer_create(&bench->vk, &upload, COPY_BYTES,
                                         VK_BUFFER_USAGE_TRANSFER_SRC_BIT, DEMO_MEMORY_UPLOAD) &&
                      demo_buffer_create(&bench->vk, &readback, COPY_BYTES,
                                         VK_BUFFER_USAGE_TRANSFER_DST_BIT, DEMO_MEMORY_READBACK);
    if (done) {
        memset(own, 0x5a, COPY_BYTES);
        measure_copy(bench, upload.mapped, own, "mapped.write",
                     "memcpy of 64 MiB into a mapped buffer");
        measure_copy(bench, own, readback.mapped, "mapped.read",
                     "memcpy of 64 MiB out of a mapped buffer, cached where the GPU has it");
    }
    demo_buffer_destroy(&bench->vk, &upload);
    demo_buffer_destroy(&bench->vk, &readback);
    free(own);
    return done;
}
