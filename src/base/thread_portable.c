#include "base/thread.h"
#include "base/thread_system.h"

#include <unistd.h>

/* POSIX has neither names nor nice values of threads, and promises nothing of short sleeps. */

void pv_thread_system_name(const char *name)
{
    (void)name;
}

void pv_thread_set_nice(int32_t nice_value)
{
    (void)nice_value;
}

void pv_thread_set_precise_sleeps(void)
{
}

uint32_t pv_thread_core_count(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}
