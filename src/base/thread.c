#include "base/thread.h"

#include "base/thread_system.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 16 };

struct start {
    void (*run)(void *user);
    void *user;
    char name[NAME_SIZE];
};

static void *run_thread(void *argument)
{
    struct start start = *(struct start *)argument;
    free(argument);
    pv_thread_system_name(start.name);
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

void pv_thread_yield(void)
{
    sched_yield();
}
