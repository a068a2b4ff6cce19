/*
 * Statistics of a context: what a guest has done since it began, and what it holds now.
 *
 *     struct pv_stats before = {.struct_size = sizeof(before)}, after = before;
 *     pv_context_get_stats(context, &before, NULL);                               context.h
 *     …
 *     pv_context_get_stats(context, &after, NULL);
 *     struct pv_stats_rates rates = {.struct_size = sizeof(rates)};
 *     pv_stats_between(&before, &after, &rates);
 *
 * All figures have 64 bits and never wrap in practice. Those of a ring count on when it is gone.
 * Reading costs a microsecond or so for each ring, and holds no command up: each figure is written
 * by the one thread that runs a command stream, and read as it stands, so that it may be some
 * commands old, and two of them some commands apart.
 */
#ifndef PEARVISOR_STATS_H
#define PEARVISOR_STATS_H

#include <pearvisor/command_kind.h>
#include <pearvisor/version.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of the latencies' histogram; a power of two each: bucket i counts those of 2^i ns and more, but
 * less than 2^(i+1). Bucket 0 has 0 ns, too, and the last one has no upper end: 2.1 s and more. */
enum { PV_STATS_LATENCY_BUCKETS = 32 };

struct pv_stats {
    uint32_t struct_size; /* sizeof(struct pv_stats), set by the caller */

    uint64_t elapsed_ns; /* since the context was created; by a clock that never goes back */

    /* What came through the context's command streams: its own, and those of its rings. */
    uint64_t commands;                                /* executed */
    uint64_t commands_by_kind[PV_COMMAND_KIND_COUNT]; /* the same: they add up to it */
    uint64_t stream_bytes;                            /* decoded, nested streams included */
    uint64_t replies;                                 /* asked for and written */
    uint64_t faults;                                  /* of the guest: 0 or 1 */

    uint64_t objects_alive;   /* of the guest's ids, now */
    uint64_t objects_created; /* since the beginning */

    /* Memory, now. What a guest maps of its VkDeviceMemory is in both. */
    uint64_t mapped_bytes;        /* shared with the guest: the resources, in whole pages */
    uint64_t device_memory_bytes; /* allocated by the guest */

    /* Rings; all but the first of these are sums over all that there have been. A ring idles while
     * its thread sleeps, from when it lies down until it has a command again; one that has no
     * thread of its own, whenever it executes nothing. A thread that looks for commands without
     * sleeping does not idle: it takes a core. */
    uint64_t rings;        /* now */
    uint64_t ring_ns;      /* that they have existed */
    uint64_t ring_idle_ns; /* of that: idle */
    uint64_t sleeps;       /* times that a ring has told its guest to ring, and slept */
    uint64_t wakes;        /* out of that, whatever woke it */

    uint64_t fences_retired;    /* of those that pv_context_fence() asked for */
    uint64_t compiles_pending;  /* pipelines that are compiled beside the rings, now */
    uint64_t compiles_finished; /* likewise, since the beginning */

    /* From the first byte that is decoded of a command to the last byte of its reply, before the
     * guest can see it: our time and the driver's. A reply each: they add up to `replies`. */
    uint64_t latency[PV_STATS_LATENCY_BUCKETS];
};

/* What struct pv_stats says of a time. */
struct pv_stats_rates {
    uint32_t struct_size; /* sizeof(struct pv_stats_rates), set by the caller */

    double commands_per_s;
    double stream_bytes_per_s;
    double replies_per_s;

    /* Share of the rings' time in which they were idle: 0.0 … 1.0; 0.0 where there was no ring. */
    double ring_idle_ratio;

    /* Half of the replies, 99 of 100, and all of them were ready in less than so many nanoseconds.
     * Powers of two, since a histogram knows no better; UINT64_MAX beyond its end, and 0 where
     * there were no replies. */
    uint64_t latency_p50_ns;
    uint64_t latency_p99_ns;
    uint64_t latency_max_ns;
};

/* What happened from `before` to `after`, two looks at one context; a `before` of NULL: since the
 * beginning. Rates per second are 0.0 where no time has passed. All is zero where `after` is the
 * earlier look, NULL, or from a later version of the library. Any thread; a function of its
 * arguments alone. */
PV_API void pv_stats_between(const struct pv_stats *before, const struct pv_stats *after,
                             struct pv_stats_rates *rates);

#ifdef __cplusplus
}
#endif

#endif
