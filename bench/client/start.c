/* From nothing to the first reply of the driver: in this process, then for further instances. */
#include "bench.h"

#include <string.h>

/* Opens an instance and asks for its GPUs; for Venus each instance is a connection of its own. */
static bool open_once(struct bench *bench, uint64_t *took_ns)
{
    const uint64_t start_ns = bench_clock_ns();
    uint32_t count = 0;
    const bool done =
        demo_vulkan_open(&bench->vk) &&
        demo_vulkan_check(bench->vk.EnumeratePhysicalDevices(bench->vk.instance, &count, NULL),
                          "vkEnumeratePhysicalDevices");
    *took_ns = bench_clock_ns() - start_ns;
    return done;
}

bool bench_start(struct bench *bench)
{
    struct bench_samples samples;
    struct bench again = {.budget_ns = bench->budget_ns};
    const uint64_t pause_ns = bench->budget_ns < 1000000000 ? bench->budget_ns : 1000000000;
    uint64_t took_ns;
    /* The first instance stays open, so that the loader and the driver stay loaded. */
    bool done = open_once(bench, &took_ns);
    if (done) {
        bench_report_value("start.process", (double)took_ns * 1e-3, "us",
                           "loader and driver loaded, vkCreateInstance, "
                           "vkEnumeratePhysicalDevices, in a new process");
    }
    bench_samples_start(&samples, bench);
    while (done && bench_samples_want(&samples)) {
        bench_sleep_ns(pause_ns);
        done = open_once(&again, &took_ns);
        bench_samples_add(&samples, took_ns);
        demo_vulkan_close(&again.vk);
    }
    if (done) {
        bench_report_latency("start.instance", &samples,
                             "vkCreateInstance and vkEnumeratePhysicalDevices again, the driver "
                             "loaded already; a pause of up to a second before each");
    }
    bench_samples_finish(&samples);
    return done;
}
