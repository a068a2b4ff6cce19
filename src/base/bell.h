#ifndef PV_BASE_BELL_H
#define PV_BASE_BELL_H

#include "base/attributes.h"
#include "base/event.h"
#include "base/result.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What one thread sleeps on until another rings, or until something arrives at a descriptor that
 * a third one reads: a socket whose next message is likely to be for the sleeper. Both threads are
 * then woken by the kernel at once; in a row they would cost two wakes. (Systems without epoll hear
 * the ring alone: whoever reads the descriptor must ring in any case.)
 *
 * Used like an event (base/event.h), by one sleeping thread:
 *
 *     ticket = pv_bell_prepare(b);               change the condition (any atomic store)
 *     if (condition) { pv_bell_cancel(b); }      pv_bell_ring(b);
 *     else { pv_bell_wait(b, ticket); }
 *
 * Waits may return early: check the condition again. */
struct pv_bell {
    struct pv_event event;     /* without a descriptor, this is all */
    int set;                   /* epoll: the descriptor, and `rung`; -1: neither */
    int rung;                  /* eventfd: ringing writes to it; -1: none */
    _Atomic bool is_listening; /* the sleeper is in the set, or about to be */
};

/* `source`: the descriptor, borrowed for as long as the bell; 0: none. PV_HOST_FAILED when out of
 * descriptors, and only with a source. */
PV_NODISCARD enum pv_result pv_bell_init(struct pv_bell *bell, int source);
void pv_bell_finish(struct pv_bell *bell);

/* Must be followed by exactly one of cancel, wait and wait_until. */
PV_NODISCARD uint32_t pv_bell_prepare(struct pv_bell *bell);
void pv_bell_cancel(struct pv_bell *bell);
void pv_bell_wait(struct pv_bell *bell, uint32_t ticket);
/* At most until `deadline_ns` (of pv_clock_now_ns). */
void pv_bell_wait_until(struct pv_bell *bell, uint32_t ticket, uint64_t deadline_ns);

/* Wakes the sleeper if it has prepared before. Any thread. */
void pv_bell_ring(struct pv_bell *bell);

#endif
