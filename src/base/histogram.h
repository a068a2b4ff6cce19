#ifndef PV_BASE_HISTOGRAM_H
#define PV_BASE_HISTOGRAM_H

#include <stdint.h>

/* Times in buckets of a power of two each: 0 and 1 ns, 2 and 3, 4 to 7 …; the last has no end. */
enum { PV_HISTOGRAM_BUCKETS = 32 };

static inline uint32_t pv_histogram_bucket(uint64_t duration_ns)
{
    uint32_t bucket = 63 - (uint32_t)__builtin_clzll(duration_ns | 1);
    return bucket < PV_HISTOGRAM_BUCKETS - 1 ? bucket : PV_HISTOGRAM_BUCKETS - 1;
}

#endif
