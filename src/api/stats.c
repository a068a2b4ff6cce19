/* Rates out of two looks at the statistics. Needs nothing of the library but base/params.c. */

#include "base/clock.h"
#include "base/params.h"

#include <pearvisor/stats.h>
#include <stdbool.h>

enum { BUCKETS = PV_STATS_LATENCY_BUCKETS };

/* Two looks are not of one moment, and may be of two contexts: never below 0. */
static uint64_t difference(uint64_t after, uint64_t before)
{
    return after > before ? after - before : 0;
}

static double per_second(uint64_t count, uint64_t elapsed_ns)
{
    return elapsed_ns != 0 ? (double)count * (double)PV_NS_PER_S / (double)elapsed_ns : 0.0;
}

static double share_of(uint64_t part, uint64_t whole)
{
    if (whole == 0) {
        return 0.0;
    }
    return part < whole ? (double)part / (double)whole : 1.0;
}

/* Where the bucket ends, in which the last of so many percent of the replies is. */
static uint64_t percentile_ns(const uint64_t replies[BUCKETS], uint64_t percent)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < BUCKETS; i++) {
        total += replies[i];
    }
    /* Rounded up, without a product that could wrap. */
    uint64_t rank = total / 100 * percent + (total % 100 * percent + 99) / 100;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < BUCKETS && total != 0; i++) {
        seen += replies[i];
        if (seen >= rank) {
            return i < BUCKETS - 1 ? UINT64_C(2) << i : UINT64_MAX;
        }
    }
    return 0;
}

static struct pv_stats_rates rates_of(const struct pv_stats *before, const struct pv_stats *after)
{
    uint64_t elapsed_ns = after->elapsed_ns - before->elapsed_ns;
    uint64_t replies[BUCKETS];
    for (uint32_t i = 0; i < BUCKETS; i++) {
        replies[i] = difference(after->latency[i], before->latency[i]);
    }
    return (struct pv_stats_rates){
        .commands_per_s = per_second(difference(after->commands, before->commands), elapsed_ns),
        .stream_bytes_per_s =
            per_second(difference(after->stream_bytes, before->stream_bytes), elapsed_ns),
        .replies_per_s = per_second(difference(after->replies, before->replies), elapsed_ns),
        .ring_idle_ratio = share_of(difference(after->ring_idle_ns, before->ring_idle_ns),
                                    difference(after->ring_ns, before->ring_ns)),
        .latency_p50_ns = percentile_ns(replies, 50),
        .latency_p99_ns = percentile_ns(replies, 99),
        .latency_max_ns = percentile_ns(replies, 100),
    };
}

/* The caller's, in our size. */
static bool read_stats(const struct pv_stats *callers, struct pv_stats *ours)
{
    return callers != NULL && pv_params_read(ours, sizeof(*ours), callers) == PV_OK;
}

void pv_stats_between(const struct pv_stats *before, const struct pv_stats *after,
                      struct pv_stats_rates *rates)
{
    struct pv_stats from = {0};
    struct pv_stats to = {0};
    struct pv_stats_rates ours = {0};
    if ((before == NULL || read_stats(before, &from)) && read_stats(after, &to) &&
        to.elapsed_ns >= from.elapsed_ns) {
        ours = rates_of(&from, &to);
    }
    pv_params_write(rates, &ours, sizeof(ours));
}
