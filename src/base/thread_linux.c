#include "base/thread.h"
#include "base/thread_system.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void pv_thread_system_name(const char *name)
{
    pthread_setname_np(pthread_self(), name);
}

void pv_thread_set_nice(int32_t nice_value)
{
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), nice_value);
}

void pv_thread_set_precise_sleeps(void)
{
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

uint32_t pv_thread_core_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        int count = CPU_COUNT(&set);
        return count > 0 ? (uint32_t)count : 1;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}
