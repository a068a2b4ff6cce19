#ifndef PV_BASE_THREAD_H
#define PV_BASE_THREAD_H

#include "base/attributes.h"
#include "base/result.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A thread of ours. A zeroed struct is one that was never started. */
struct pv_thread {
    pthread_t handle;
    bool is_started;
};

/* Runs `run(user)` on a new thread with every signal blocked, so that an embedding program's
 * handlers never run on it. `name` is cut to 15 bytes. PV_HOST_FAILED when there is no thread to
 * be had. */
PV_NODISCARD enum pv_result pv_thread_start(struct pv_thread *thread, const char *name,
                                            void (*run)(void *user), void *user);
/* Waits for its end. Does nothing where it was not started. */
void pv_thread_join(struct pv_thread *thread);
bool pv_thread_is_current(const struct pv_thread *thread);

/* Of the calling thread; best effort, as the protocol has it. (Darwin: a class of quality of
 * service in its place.) */
void pv_thread_set_nice(int32_t nice_value);
/* Lets the calling thread's short sleeps end on time, not up to 50 us later. */
void pv_thread_set_precise_sleeps(void);
void pv_thread_yield(void);

/* How many cores this process may run on; at least 1. */
uint32_t pv_thread_core_count(void);

#endif
