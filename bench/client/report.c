#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static const uint64_t busy_limit_ns = 1000000;

uint64_t bench_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void bench_sleep_until_ns(uint64_t time_ns)
{
    const struct timespec until = {(time_t)(time_ns / 1000000000), (long)(time_ns % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {
    }
}

void bench_sleep_ns(uint64_t duration_ns)
{
    bench_sleep_until_ns(bench_clock_ns() + duration_ns);
}

void bench_think_ns(uint64_t duration_ns)
{
    if (duration_ns > busy_limit_ns) {
        bench_sleep_ns(duration_ns);
        return;
    }
    const uint64_t end_ns = bench_clock_ns() + duration_ns;
    while (duration_ns > 0 && bench_clock_ns() < end_ns) {
    }
}

double bench_cpu_ms(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-3;
}

void bench_samples_start(struct bench_samples *samples, const struct bench *bench)
{
    samples->us = malloc(BENCH_SAMPLES_MAX * sizeof(*samples->us));
    if (!samples->us) {
        fprintf(stderr, "vulkan_bench: out of memory\n");
        exit(1);
    }
    samples->count = 0;
    samples->end_ns = bench_clock_ns() + bench->budget_ns;
}

bool bench_samples_want(const struct bench_samples *samples)
{
    return samples->count < BENCH_SAMPLES_LEAST ||
           (samples->count < BENCH_SAMPLES_MAX && bench_clock_ns() < samples->end_ns);
}

void bench_samples_add(struct bench_samples *samples, uint64_t duration_ns)
{
    if (samples->count < BENCH_SAMPLES_MAX) {
        samples->us[samples->count++] = (double)duration_ns * 1e-3;
    }
}

void bench_samples_finish(struct bench_samples *samples)
{
    free(samples->us);
    *samples = (struct bench_samples){0};
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

struct summary {
    double p50;
    double p99;
    double min;
};

static struct summary summarise(struct bench_samples *samples)
{
    const size_t count = samples->count;
    qsort(samples->us, count, sizeof(*samples->us), compare_doubles);
    return (struct summary){
        .p50 = samples->us[count / 2],
        .p99 = samples->us[count * 99 / 100],
        .min = samples->us[0],
    };
}

static void print_line(const char *name, double value, const char *unit, struct summary times,
                       size_t count, const char *how)
{
    printf("{\"name\": \"%s\", \"value\": %.9g, \"unit\": \"%s\", \"p50\": %.9g, \"p99\": %.9g, "
           "\"min\": %.9g, \"count\": %zu, \"how\": \"%s\"}\n",
           name, value, unit, times.p50, times.p99, times.min, count, how);
    fflush(stdout);
}

void bench_report_latency(const char *name, struct bench_samples *samples, const char *how)
{
    const struct summary times = summarise(samples);
    print_line(name, times.p50, "us", times, samples->count, how);
}

void bench_report_rate(const char *name, struct bench_samples *samples, double operations,
                       const char *unit, const char *how)
{
    const struct summary round = summarise(samples);
    const struct summary each = {round.p50 / operations, round.p99 / operations,
                                 round.min / operations};
    print_line(name, 1e6 / each.p50, unit, each, samples->count, how);
}

void bench_report_value(const char *name, double value, const char *unit, const char *how)
{
    printf("{\"name\": \"%s\", \"value\": %.9g, \"unit\": \"%s\", \"count\": 1, \"how\": \"%s\"}\n",
           name, value, unit, how);
    fflush(stdout);
}

void bench_mark(const struct bench *bench, const char *mark, const char *name)
{
    if (!bench->marks) {
        return;
    }
    printf("{\"mark\": \"%s\", \"name\": \"%s\"}\n", mark, name);
    fflush(stdout);
    int byte;
    do {
        byte = getchar();
    } while (byte != '\n' && byte != EOF);
}
