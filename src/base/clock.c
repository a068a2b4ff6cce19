#include "base/clock.h"

#include <errno.h>
#include <time.h>

uint64_t pv_clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * PV_NS_PER_S + (uint64_t)now.tv_nsec;
}

void pv_clock_sleep_ns(uint64_t duration_ns)
{
    struct timespec left = {
        .tv_sec = (time_t)(duration_ns / PV_NS_PER_S),
        .tv_nsec = (long)(duration_ns % PV_NS_PER_S),
    };
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}
