#include "base/clock.h"
#include "isolate/workers.h"

void pv_workers_log_client(const struct pv_log *log, const struct pv_client_stats *stats)
{
    /* A worker may say anything: no division by zero, no overflow. */
    uint64_t idle_percent = stats->ring_idle_ns / (stats->ring_ns / 100 + 1);
    pv_log_info(log,
                "%s has gone: %llu commands, %llu replies, 99 of 100 in less than %llu us; its "
                "rings idled for %llu %%",
                stats->name, (unsigned long long)stats->commands,
                (unsigned long long)stats->replies,
                (unsigned long long)(stats->latency_p99_ns / PV_NS_PER_US + 1),
                (unsigned long long)idle_percent);
}
