#ifndef PV_RING_PRIVATE_H
#define PV_RING_PRIVATE_H

#include "base/bell.h"
#include "base/event.h"
#include "base/thread.h"
#include "ring/ring.h"
#include "ring/wait.h"

#include <pthread.h>
#include <stdatomic.h>

/* What the files of ring/ share. Who writes what is kept on cache lines of its own: the ring's
 * thread, those who wait for it, those who wake it. */
struct pv_ring {
    /* Fixed at create. */
    struct pv_ring_params params;
    struct pv_blob *blob; /* our reference */
    uint32_t *head_word;  /* guest memory: these four */
    uint32_t *tail_word;
    uint32_t *status_word;
    const uint8_t *buffer;
    uint8_t *extra;
    uint32_t buffer_size;
    uint64_t created_ns;
    uint8_t *batch; /* the private copy, buffer_size bytes */
    struct pv_thread thread;
    uint32_t core_count; /* that its thread may run on; 0 in polling mode */
    _Atomic bool is_threaded;

    /* Of the thread that runs the ring. */
    PV_CACHE_ALIGNED uint32_t
        head;                 /* where the current batch began; the truth, unlike *head_word */
    uint32_t tail;            /* where it ends */
    uint32_t trickle;         /* batches in a row that were small and that nobody waited for */
    uint64_t behind_since_ns; /* the head, in a trickle; 0: not yet */
    struct pv_ring_wait wait;
    /* How long it has been asleep, in all: nanoseconds times two while it is awake; while it is
     * asleep, that less the time at which it fell asleep (modulo 2^63), times two, plus one. So one
     * load tells both that and how long by now. */
    _Atomic uint64_t asleep;
    _Atomic uint64_t bytes; /* these four of pv_ring_get_stats(); others only read */
    _Atomic uint64_t batches;
    _Atomic uint64_t sleeps;
    _Atomic uint64_t wakes;

    /* Written by the ring's thread, read by those who wait. */
    PV_CACHE_ALIGNED _Atomic uint32_t published; /* all before it is executed and visible */
    _Atomic bool has_ended;                      /* fatal or stopped */

    /* Written by others, read by the ring's thread for every command or look. */
    PV_CACHE_ALIGNED _Atomic uint32_t awaiter_count; /* threads in pv_ring_wait_seqno() */
    _Atomic uint32_t awaited_seqno;                  /* the nearest that they wait for */
    _Atomic bool is_notified;
    _Atomic bool is_stopping;
    _Atomic uint64_t virtqueue_seqno;

    struct pv_bell doorbell;   /* notify, stop → the ring's thread */
    struct pv_event virtqueue; /* virtqueue seqno, stop → the ring's thread */
    struct pv_event progress;  /* the ring's thread → pv_ring_wait_seqno() */
    pthread_mutex_t lock;      /* of awaited_seqno's changes */
};

/* Whether a free-running counter has come to `seqno`. */
static inline bool pv_ring_counter_reached(uint32_t counter, uint32_t seqno)
{
    return counter - seqno <= INT32_MAX;
}

/* Adds to a counter that only the calling thread writes. */
static inline void pv_ring_count(_Atomic uint64_t *counter, uint64_t more)
{
    uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, before + more, memory_order_relaxed);
}

/* Between the consumer's sleeps and wakes. */
static inline bool pv_ring_is_asleep(const struct pv_ring *ring)
{
    return (atomic_load_explicit(&ring->asleep, memory_order_relaxed) & 1) != 0;
}

/* Whether its commands come one by one, with nobody waiting for any, and cores are there to wait
 * for more of them. */
bool pv_ring_is_trickling(const struct pv_ring *ring);

/* The body of the ring's own thread. */
void pv_ring_run(void *user);
/* The consumer's sleeps and wakes, in pairs. The clock is read only here. */
void pv_ring_fall_asleep(struct pv_ring *ring);
void pv_ring_awake(struct pv_ring *ring);

#endif
