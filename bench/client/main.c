/*
 * vulkan_bench: an ordinary Vulkan program that measures the driver the loader gives it. It knows
 * nothing of PearVisor; bench/run.py runs it natively and through PearVisor, and compares.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const demo_program_name = "vulkan_bench";

enum { BUDGET_DEFAULT_MS = 300, BUDGET_MAX_MS = 600000 };

struct measurement {
    const char *name;
    const char *what;
    bench_run *run;
    bool opens_itself; /* needs no device, or makes what it measures */
};

static const struct measurement measurements[] = {
    {"device", "nothing: says which device and driver would be measured", bench_device},
    {"latency", "a synchronous call after think times of 0 us to 20 ms", bench_latency},
    {"submit", "a submission and the wait for its fence", bench_submit},
    {"wake", "how long this machine takes to wake a thread", bench_wake, true},
    {"floor", "what the system alone takes for what we need of it", bench_floor, true},
    {"record", "commands recorded, and recorded and submitted", bench_record},
    {"threads", "draws recorded by 1, 2 and 4 threads", bench_threads},
    {"create", "objects created and destroyed", bench_create},
    {"descriptors", "descriptor sets allocated, freed and updated", bench_descriptors},
    {"pipelines", "pipelines that no cache has", bench_pipelines},
    {"memory", "memory allocated, mapped and freed", bench_memory},
    {"mapped", "mapped memory written and read", bench_mapped},
    {"compute", "an elementwise computation", bench_compute},
    {"frame", "a frame of 1920x1080 that is read back", bench_frame},
    {"poll", "asking again and again whether a fence has signalled", bench_poll},
    {"fps", "a small frame 60 times a second", bench_fps},
    {"idle", "a device and nothing to do", bench_idle},
    {"storm", "drawing while another thread compiles pipelines", bench_storm},
    {"start", "a new instance and its first reply", bench_start, true},
};
enum { MEASUREMENTS = sizeof(measurements) / sizeof(measurements[0]) };

static void print_help(void)
{
    printf("usage: vulkan_bench MEASUREMENT [--ms N] [--gpu-index N] [--marks]\n\n"
           "Measures the Vulkan driver that the loader finds; prints a line of JSON per figure.\n\n"
           "  --ms N          time for each figure in milliseconds (default %d)\n"
           "  --gpu-index N   the GPU's place in the loader's list (default 0)\n"
           "  --marks         say when a look at threads is worth it, and wait for a line on "
           "stdin\n\n",
           BUDGET_DEFAULT_MS);
    for (size_t i = 0; i < MEASUREMENTS; i++) {
        printf("  %-12s  %s\n", measurements[i].name, measurements[i].what);
    }
}

static bool parse_number(const char *text, unsigned long limit, unsigned long *number)
{
    char *end = NULL;
    errno = 0;
    *number = strtoul(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *number <= limit;
}

static bool parse_options(int argc, char **argv, struct bench *bench)
{
    for (int i = 2; i < argc; i++) {
        const bool is_budget = strcmp(argv[i], "--ms") == 0;
        unsigned long number;
        if (strcmp(argv[i], "--marks") == 0) {
            bench->marks = true;
            continue;
        }
        if (!is_budget && strcmp(argv[i], "--gpu-index") != 0) {
            fprintf(stderr, "vulkan_bench: unknown option '%s'; see --help\n", argv[i]);
            return false;
        }
        if (i + 1 == argc || !parse_number(argv[i + 1], BUDGET_MAX_MS, &number)) {
            fprintf(stderr, "vulkan_bench: %s: needs a number up to %d\n", argv[i], BUDGET_MAX_MS);
            return false;
        }
        if (is_budget) {
            bench->budget_ns = (uint64_t)number * 1000000;
        } else {
            bench->gpu_index = (uint32_t)number;
        }
        i++;
    }
    return true;
}

static const struct measurement *find(const char *name)
{
    for (size_t i = 0; i < MEASUREMENTS; i++) {
        if (strcmp(measurements[i].name, name) == 0) {
            return &measurements[i];
        }
    }
    fprintf(stderr, "vulkan_bench: unknown measurement '%s'; see --help\n", name);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "vulkan_bench: which measurement? see --help\n");
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0) {
        print_help();
        return 0;
    }
    struct bench bench = {.budget_ns = (uint64_t)BUDGET_DEFAULT_MS * 1000000};
    const struct measurement *measurement = find(argv[1]);
    if (!measurement || !parse_options(argc, argv, &bench)) {
        return 2;
    }
    const bool done = (measurement->opens_itself || bench_open(&bench)) && measurement->run(&bench);
    bench_close(&bench);
    return done ? 0 : 1;
}
