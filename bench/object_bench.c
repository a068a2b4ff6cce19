/* What the object table costs at its worst: one insert among a million, the reset of a large pool,
 * the end of a device that is full of objects. The driver does nothing, so all of it is ours. */
#include "base/assert.h"
#include "base/clock.h"
#include "decode/bench.h"
#include "decode/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    RUNS = 5,
    INSERTS = 1000000,
    SETS = 50000,
    SETS_EACH = 100, /* by one vkAllocateDescriptorSets */
};

static const uint64_t first_id = 0x100000; /* beyond all ids of a bench_open() */

static void report_one(struct bench_report *report, const char *name, double value,
                       const char *unit, const char *how)
{
    printf("%-28s %10.2f %-10s %s\n", name, value, unit, how);
    fflush(stdout);
    bench_report_add(
        report, &(struct bench_result){
                    .name = name, .value = value, .unit = unit, .how = how, .repetitions = RUNS});
}

/* --- inserts ---------------------------------------------------------------------------------- */

static void insert_all(uint64_t *best_ns, uint64_t *worst_ns)
{
    struct pv_epoch epoch;
    struct pv_objects objects;
    PV_ASSERT(pv_epoch_init(&epoch) == PV_OK &&
              pv_objects_init(&objects, &epoch, 2 * INSERTS) == PV_OK);
    struct pv_epoch_reader *reader = pv_epoch_join(&epoch);
    pv_epoch_wake(&epoch, reader);
    *worst_ns = 0;
    uint64_t before = pv_clock_now_ns();
    for (uint64_t i = 0; i < INSERTS; i++) {
        PV_ASSERT(pv_object_reserve(&objects, 1 + i) == PV_OBJECT_DONE);
        pv_object_publish(&objects, 1 + i, PV_TAG(PV_OBJECT_BUFFER, 1), 1 + i);
        uint64_t now = pv_clock_now_ns();
        uint64_t took = now - before;
        before = now;
        best_ns[i] = took < best_ns[i] ? took : best_ns[i];
        *worst_ns = took > *worst_ns ? took : *worst_ns;
    }
    pv_epoch_leave(&epoch, reader);
    pv_objects_finish(&objects);
    pv_epoch_finish(&epoch);
}

static void bench_inserts(struct bench_report *report)
{
    uint64_t *best_ns = malloc(INSERTS * sizeof(*best_ns));
    PV_ASSERT(best_ns != NULL);
    memset(best_ns, 0xff, INSERTS * sizeof(*best_ns));
    uint64_t least_worst_ns = UINT64_MAX;
    for (uint32_t run = 0; run < RUNS; run++) {
        uint64_t worst_ns;
        insert_all(best_ns, &worst_ns);
        least_worst_ns = worst_ns < least_worst_ns ? worst_ns : least_worst_ns;
    }
    uint64_t worst_best_ns = 0;
    double sum_ns = 0;
    for (uint64_t i = 0; i < INSERTS; i++) {
        worst_best_ns = best_ns[i] > worst_best_ns ? best_ns[i] : worst_best_ns;
        sum_ns += (double)best_ns[i];
    }
    free(best_ns);
    report_one(report, "worst insert", (double)least_worst_ns / 1000, "us",
               "slowest of 10^6 in the best of 5 runs, interrupts included");
    report_one(report, "worst insert, repeatable", (double)worst_best_ns / 1000, "us",
               "slowest of 10^6, each the best of its 5 runs");
    report_one(report, "mean insert", sum_ns / INSERTS, "ns",
               "10^6, each the best of its 5 runs, with a look at the clock");
}

/* --- a pool's reset --------------------------------------------------------------------------- */

static uint32_t encode_allocate(struct bench_lane *lane, uint64_t first)
{
    VkDescriptorSet sets[SETS_EACH];
    VkDescriptorSetLayout layouts[SETS_EACH];
    for (uint32_t i = 0; i < SETS_EACH; i++) {
        sets[i] = GUEST_HANDLE(first + i);
        layouts[i] = bench_some(lane, PV_OBJECT_DESCRIPTOR_SET_LAYOUT);
    }
    const VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = GUEST_HANDLE(lane->descriptor_pool),
        .descriptorSetCount = SETS_EACH,
        .pSetLayouts = layouts,
    };
    struct pv_vkAllocateDescriptorSets a = {GUEST_HANDLE(lane->bench->guest->device), &info, sets,
                                            VK_SUCCESS};
    struct pv_encoder out = {lane->streams, lane->streams + BENCH_STREAM_SIZE, false};
    pv_guest_encode_vkAllocateDescriptorSets(&out, 0, &a);
    PV_ASSERT(!out.overflow);
    return (uint32_t)(out.cursor - lane->streams);
}

static uint32_t encode_reset(struct bench_lane *lane)
{
    struct pv_vkResetDescriptorPool a = {.device = GUEST_HANDLE(lane->bench->guest->device),
                                         .descriptorPool = GUEST_HANDLE(lane->descriptor_pool)};
    struct pv_encoder out = {lane->streams, lane->streams + BENCH_STREAM_SIZE, false};
    pv_guest_encode_vkResetDescriptorPool(&out, 0, &a);
    return (uint32_t)(out.cursor - lane->streams);
}

struct reset_times {
    uint64_t reset_ns, with_freeing_ns;
};

/* The pages' memory is given back at the next boundary, here that of an empty stream. */
static void reset_once(struct bench_lane *lane, uint64_t first, struct reset_times *best)
{
    for (uint64_t i = 0; i < SETS; i += SETS_EACH) {
        bench_execute_bytes(lane, lane->streams, encode_allocate(lane, first + i));
    }
    uint32_t size = encode_reset(lane);
    uint64_t start = pv_clock_now_ns();
    bench_execute_bytes(lane, lane->streams, size);
    uint64_t reset_ns = pv_clock_now_ns() - start;
    bench_execute_bytes(lane, lane->streams, 0);
    uint64_t with_freeing_ns = pv_clock_now_ns() - start;
    best->reset_ns = reset_ns < best->reset_ns ? reset_ns : best->reset_ns;
    if (with_freeing_ns < best->with_freeing_ns) {
        best->with_freeing_ns = with_freeing_ns;
    }
}

static void bench_reset(struct bench_report *report)
{
    static struct bench b;
    struct reset_times best = {UINT64_MAX, UINT64_MAX};
    bench_open(&b);
    pv_exec_wake(&b.lanes[0].exec);
    for (uint32_t run = 0; run < RUNS; run++) {
        reset_once(&b.lanes[0], first_id + (uint64_t)run * SETS, &best);
    }
    report_one(report, "pool reset", (double)best.reset_ns / 1000, "us",
               "vkResetDescriptorPool of 50000 sets, best of 5 runs");
    report_one(report, "pool reset and freeing", (double)best.with_freeing_ns / 1000, "us",
               "the same, and the table's memory is given back, best of 5 runs");
}

/* --- the end of a device ---------------------------------------------------------------------- */

/* Of this thread: it takes long enough for others to get their turn. */
static uint64_t cpu_now_ns(void)
{
    struct timespec now;
    PV_ASSERT(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
    return (uint64_t)now.tv_sec * PV_NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t destroy_device(struct bench *b, uint64_t count)
{
    static const uint32_t types[] = {
        PV_OBJECT_BUFFER,  PV_OBJECT_IMAGE,    PV_OBJECT_IMAGE_VIEW,    PV_OBJECT_BUFFER_VIEW,
        PV_OBJECT_SAMPLER, PV_OBJECT_PIPELINE, PV_OBJECT_SHADER_MODULE, PV_OBJECT_FENCE,
    };
    bench_open(b);
    pv_exec_wake(&b->lanes[0].exec);
    for (uint64_t i = 0; i < count; i++) {
        bench_publish(b, first_id + i, types[i % (sizeof(types) / sizeof(types[0]))], 0x9000 + i);
    }
    struct bench_lane *lane = &b->lanes[0];
    struct pv_vkDestroyDevice a = {.device = GUEST_HANDLE(b->guest->device)};
    struct pv_encoder out = {lane->streams, lane->streams + BENCH_STREAM_SIZE, false};
    pv_guest_encode_vkDestroyDevice(&out, 0, &a);
    uint64_t start = cpu_now_ns();
    bench_execute_bytes(lane, lane->streams, (uint32_t)(out.cursor - lane->streams));
    bench_execute_bytes(lane, lane->streams, 0);
    uint64_t took_ns = cpu_now_ns() - start;
    bench_close(b);
    return took_ns;
}

static void bench_destroy(struct bench_report *report, uint64_t count, const char *name)
{
    static struct bench b;
    uint64_t best_ns = UINT64_MAX;
    for (uint32_t run = 0; run < RUNS; run++) {
        uint64_t took_ns = destroy_device(&b, count);
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    char label[64];
    (void)snprintf(label, sizeof(label), "destroy device, %s", name);
    report_one(report, label, (double)best_ns / (double)count, "ns/object",
               "CPU time of vkDestroyDevice with so many objects of eight types, best of 5 runs");
}

/* --- the program ------------------------------------------------------------------------------ */

int main(int argc, char **argv)
{
    const char *json = NULL;
    if (argc == 3 && strcmp(argv[1], "--json") == 0) {
        json = argv[2];
    } else if (argc != 1) {
        fprintf(stderr, "object_bench: '%s'? usage: object_bench [--json FILE]\n", argv[1]);
        return 2;
    }
    struct bench_report *report = bench_report_create("object_bench");
    bench_inserts(report);
    bench_reset(report);
    bench_destroy(report, 100000, "10^5 objects");
    bench_destroy(report, 300000, "3*10^5 objects");
    bench_destroy(report, 1000000, "10^6 objects");
    if (json != NULL) {
        bench_report_write(report, json);
    }
    bench_report_destroy(report);
    /* What the driver no longer does, a tidy end would wait for. */
    fflush(stdout);
    _Exit(0);
}
