/*
 * What all measurements of vulkan_bench share. Each prints JSON lines on stdout, one for a figure:
 *
 *     {"name": ..., "value": ..., "unit": ..., "p50": ..., "p99": ..., "min": ..., "count": ...,
 *      "how": ...}
 *
 * p50, p99 and min are microseconds: of one call, or of one operation as the mean of a round of
 * many. count says how many calls or rounds there were. With --marks, lines {"mark": "begin",
 * "name":
 * ...} and "end" bound a time; after each we wait for a line on stdin, so that whoever started us
 * can look at our threads and the server's.
 */
#ifndef PV_BENCH_BENCH_H
#define PV_BENCH_BENCH_H

#include "vulkan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench {
    struct demo_vulkan vk;
    uint32_t gpu_index;
    bool marks;
    uint64_t budget_ns; /* for each figure; a figure needs a few rounds at least */
    VkImage probe;      /* what bench_sync asks about */
};

/* Runs one measurement; false: a line on stderr has said why it could not be done. */
typedef bool bench_run(struct bench *bench);

bench_run bench_device;
bench_run bench_latency;
bench_run bench_submit;
bench_run bench_wake;
bench_run bench_floor;
bench_run bench_record;
bench_run bench_threads;
bench_run bench_create;
bench_run bench_descriptors;
bench_run bench_pipelines;
bench_run bench_memory;
bench_run bench_mapped;
bench_run bench_compute;
bench_run bench_frame;
bench_run bench_poll;
bench_run bench_fps;
bench_run bench_idle;
bench_run bench_storm;
bench_run bench_start;

/* The device, and the image that bench_sync asks about. */
bool bench_open(struct bench *bench);
void bench_close(struct bench *bench);

/* vkGetImageSubresourceLayout of a linear image: the cheapest call that Mesa's Venus driver cannot
 * answer by itself. Its reply says that all that this thread sent before has been executed,
 * but for pipelines that nothing has needed yet. */
void bench_sync(struct bench *bench);

/* --- time --- */

uint64_t bench_clock_ns(void);
void bench_sleep_ns(uint64_t duration_ns);
void bench_sleep_until_ns(uint64_t time_ns);

/* Lets time pass as a program between two calls would: a busy loop up to a millisecond, else a
 * sleep. */
void bench_think_ns(uint64_t duration_ns);

/* User and system time of this process so far. */
double bench_cpu_ms(void);

/* --- figures --- */

enum { BENCH_SAMPLES_LEAST = 5, BENCH_SAMPLES_MAX = 1 << 16 };

struct bench_samples {
    double *us;
    size_t count;
    uint64_t end_ns;
};

/* Starts to fill; the time that a figure may take begins now. */
void bench_samples_start(struct bench_samples *samples, const struct bench *bench);
/* Whether there is time and room for one more, or too few so far. */
bool bench_samples_want(const struct bench_samples *samples);
void bench_samples_add(struct bench_samples *samples, uint64_t duration_ns);
void bench_samples_finish(struct bench_samples *samples);

/* The figure is the middle sample. */
void bench_report_latency(const char *name, struct bench_samples *samples, const char *how);
/* The figure is how many operations are done in a second, by the middle round. */
void bench_report_rate(const char *name, struct bench_samples *samples, double operations,
                       const char *unit, const char *how);
void bench_report_value(const char *name, double value, const char *unit, const char *how);
void bench_mark(const struct bench *bench, const char *mark, const char *name);

#endif
