/* The jobs of the demo's client that yield figures. Each prints one line when a call fails. */
#ifndef PV_CLI_DEMO_MEASURE_H
#define PV_CLI_DEMO_MEASURE_H

#include "vulkan.h"

struct demo_compute_result {
    bool is_correct;
    uint64_t elements;
    double elements_per_second;
};

/* The middle and the 99th percentile of many repetitions, in microseconds. */
struct demo_latency {
    double p50_us;
    double p99_us;
};

/* Monotonic time; only figures depend on it, no picture and no result. */
double demo_clock_seconds(void);

/* Hashes a million integers on the GPU and compares each with the CPU's answer. */
bool demo_measure_compute(struct demo_vulkan *vk, uint32_t seed, struct demo_compute_result *out);

/* vkGetImageSubresourceLayout of a linear image: the cheapest call that Mesa's Venus driver
 * cannot answer by itself, so each one is a round trip to the host. */
bool demo_measure_round_trip(struct demo_vulkan *vk, struct demo_latency *out);

/* A submission without work, and the wait for its fence. */
bool demo_measure_submit(struct demo_vulkan *vk, struct demo_latency *out);

/* Fills mapped memory, copies it to device memory on the GPU and waits. */
bool demo_measure_upload(struct demo_vulkan *vk, double *bytes_per_second);

#endif
