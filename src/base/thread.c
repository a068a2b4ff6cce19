#include "base/thread.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#endif

enum { NAME_SIZE = 16 };

struct start {
    void (*run)(void *user);
    void *user;
    char name[NAME_SIZE];
};

static void name_current_thread(const char *name)
{
#if defined(__APPLE__)
    pthread_setname_np(name);
#else
    pthread_setname_np(pthread_self(), name);
#endif
}

static void *run_thread(void *argument)
{
    struct start start = *(struct start *)argument;
    free(argument);
    name_current_thread(start.name);
    start.run(start.user);
    return NULL;
}

enum pv_result pv_thread_start(struct pv_thread *thread, const char *name, void (*run)(void *user),
                               void *user)
{
    *thread = (struct pv_thread){0};
    struct start *start = calloc(1, sizeof(*start));
    if (start == NULL) {
        return PV_NO_MEMORY;
    }
    start->run = run;
    start->user = user;
    strncpy(start->name, name, NAME_SIZE - 1);

    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread->handle, NULL, run_thread, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        free(start);
        return PV_HOST_FAILED;
    }
    thread->is_started = true;
    return PV_OK;
}

void pv_thread_join(struct pv_thread *thread)
{
    if (thread->is_started) {
        pthread_join(thread->handle, NULL);
        thread->is_started = false;
    }
}

bool pv_thread_is_current(const struct pv_thread *thread)
{
    return thread->is_started && pthread_equal(thread->handle, pthread_self());
}

void pv_thread_set_nice(int32_t nice_value)
{
#if defined(__linux__)
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), nice_value);
#else
    (void)nice_value;
#endif
}

void pv_thread_set_precise_sleeps(void)
{
#if defined(__linux__)
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
#endif
}

void pv_thread_yield(void)
{
    sched_yield();
}

uint32_t pv_thread_core_count(void)
{
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        int count = CPU_COUNT(&set);
        return count > 0 ? (uint32_t)count : 1;
    }
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}
