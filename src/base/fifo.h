#ifndef PV_BASE_FIFO_H
#define PV_BASE_FIFO_H

#include "base/attributes.h"
#include "base/event.h"
#include "base/result.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What was asked for and may take long, done in order on a thread of its own: the context thread.
 * One thread pushes and asks; as long as it finds the FIFO idle, it may do the work itself, since
 * nobody else can make it busy. */

enum {
    PV_FIFO_JOBS_MAX = 4096,
    PV_FIFO_BYTES_MAX = 64 * 1024 * 1024, /* of jobs that wait */
};

struct pv_fifo_job {
    struct pv_fifo_job *next;
    uint64_t size; /* bytes that it holds on to */
    /* Does it, and frees it. `dropped`: the client has gone, only free it. */
    void (*run)(void *user, struct pv_fifo_job *taken_job, bool dropped);
};

struct pv_fifo {
    bool is_initialised;
    struct pv_thread thread;
    struct pv_event event;
    pthread_mutex_t lock;
    struct pv_fifo_job *first;      /* guarded by lock */
    struct pv_fifo_job **last;      /* guarded by lock */
    _Atomic uint64_t pending_count; /* pushed and not yet done */
    _Atomic uint64_t pending_size;
    _Atomic bool stop;
    _Atomic bool is_awaited; /* the pushing thread sleeps on wake_read */
    int wake_read, wake_write;
    void *user;
    /* Called once, on the context thread, when the deadline has passed. */
    void (*expired)(void *user);
    _Atomic uint64_t deadline_ns; /* 0: none */
};

PV_NODISCARD enum pv_result pv_fifo_init(struct pv_fifo *fifo, void *user,
                                         void (*expired)(void *user));
/* Drops what was not begun, and joins the thread: what it runs now must come to an end. Accepts a
 * zeroed struct. */
void pv_fifo_finish(struct pv_fifo *fifo);

void pv_fifo_push(struct pv_fifo *fifo, struct pv_fifo_job *taken_job);
/* Nothing waits and nothing runs. Only on the pushing thread. */
bool pv_fifo_is_idle(struct pv_fifo *fifo);
bool pv_fifo_is_full(struct pv_fifo *fifo);

/* Sleeps until a job was done, or the client hangs up (PV_CLOSED). Only on the pushing thread. */
PV_NODISCARD enum pv_result pv_fifo_wait(struct pv_fifo *fifo, int socket);

/* Sets a moment for `expired`. Any thread. */
void pv_fifo_set_deadline(struct pv_fifo *fifo, uint64_t deadline_ns);

#endif
