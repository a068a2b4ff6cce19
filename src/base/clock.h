#ifndef PV_BASE_CLOCK_H
#define PV_BASE_CLOCK_H

#include <stdint.h>

#define PV_NS_PER_US UINT64_C(1000)
#define PV_NS_PER_MS UINT64_C(1000000)
#define PV_NS_PER_S UINT64_C(1000000000)

/* Monotonic nanoseconds since some fixed moment; about 16 ns, no system call. Any thread. */
uint64_t pv_clock_now_ns(void);

/* Sleeps at least so long, whatever signals arrive. */
void pv_clock_sleep_ns(uint64_t duration_ns);

#endif
