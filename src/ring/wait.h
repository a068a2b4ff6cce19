#ifndef PV_RING_WAIT_H
#define PV_RING_WAIT_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stdint.h>

/* How a ring that has run empty waits for the guest: a state machine over times that it is told, so
 * that it can be tested without a clock.
 *
 * Being late costs the guest 160 us and more (it sleeps when a reply misses its yield window), and
 * spinning costs a core. So it keeps a histogram of how long the guest has let us wait of late, and
 * spins as long as makes the expected sum of both least; then it takes short sleeps; and one idle
 * delay after the last sign of life it tells the guest to ring and sleeps for good.
 *
 * Unless the guest has a rhythm, as whoever draws frames has: then it wakes a little before the
 * next beat is due and spins through a short window around it. The guest finds us awake, and is
 * spared the ring too, which costs it four system calls. */

enum { PV_RING_WAIT_BUCKETS = 10 }; /* up to 2, 4 … 1024 us; what is longer is one more */

struct pv_ring_wait {
    uint64_t idle_delay_ns;
    uint64_t empty_since_ns;
    uint64_t idle_at_ns;
    uint64_t looked_at_ns; /* the last call of next: a gap means that we were not running */
    uint64_t window_ns;    /* how long to spin */
    uint64_t sleep_ns;     /* how long the next sleep is */
    uint32_t gaps[PV_RING_WAIT_BUCKETS + 1];
    uint32_t gap_count;
    uint32_t unsettled;     /* gaps since the window was last worked out */
    bool is_crowded;        /* somebody else wants this core: yield instead of pausing */
    bool is_starved;        /* and does not give it back soon: sleep, which gets it back */
    uint32_t starved_waits; /* that are to be starved from now on without trying */
    uint32_t starve_length; /* how many it will be the next time */

    /* The rhythm: gaps beyond the idle delay, averaged. */
    uint64_t beat_ns;
    uint64_t jitter_ns;      /* mean distance from it */
    uint64_t late_ns;        /* how much later than asked we wake; mean */
    uint32_t beat_count;     /* in a row that came near it */
    uint64_t expect_from_ns; /* the next window; 0: none */
    uint64_t expect_until_ns;
    uint64_t wake_at_ns; /* with PV_RING_WAIT_IDLE: when to wake at the latest; 0: never */
};

enum pv_ring_wait_action {
    PV_RING_WAIT_SPIN,  /* look at the tail some dozen times, with pauses */
    PV_RING_WAIT_YIELD, /* the same, but let others run; then pv_ring_wait_yielded() */
    PV_RING_WAIT_SLEEP, /* for sleep_ns, or until notified */
    PV_RING_WAIT_IDLE,  /* set IDLE, sleep until notified or until wake_at_ns */
};

void pv_ring_wait_init(struct pv_ring_wait *wait, uint64_t idle_delay_ns);

/* The ring has run empty. */
void pv_ring_wait_begin(struct pv_ring_wait *wait, uint64_t now_ns);
/* Still empty. `may_spin`: there is a core to spare for it. */
PV_NODISCARD enum pv_ring_wait_action pv_ring_wait_next(struct pv_ring_wait *wait, uint64_t now_ns,
                                                        bool may_spin);
/* The guest rang although we were awake: its next ring may be a whole idle delay away. */
void pv_ring_wait_notified(struct pv_ring_wait *wait, uint64_t now_ns);
/* Awake again after PV_RING_WAIT_IDLE with a wake_at_ns. */
void pv_ring_wait_woken(struct pv_ring_wait *wait, uint64_t now_ns);
/* A yield of this thread took until `now_ns`: true when that was too long to yield any more. */
bool pv_ring_wait_yielded(struct pv_ring_wait *wait, uint64_t since_ns, uint64_t now_ns);
/* There is work again. */
void pv_ring_wait_end(struct pv_ring_wait *wait, uint64_t now_ns);
/* There was work again before anybody looked at a clock. */
void pv_ring_wait_end_at_once(struct pv_ring_wait *wait);

#endif
