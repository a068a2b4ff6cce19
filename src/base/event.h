#ifndef PV_BASE_EVENT_H
#define PV_BASE_EVENT_H

#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* An event count: lets threads sleep until a condition that lives elsewhere may have changed, and
 * makes waking free while nobody sleeps. A zeroed struct is ready. Of any number of threads:
 *
 *     ticket = pv_event_prepare(e);              change the condition (any atomic store)
 *     if (condition) { pv_event_cancel(e); }     pv_event_wake(e);
 *     else { pv_event_wait(e, ticket); }
 *
 * Waits may return early: check the condition again. */
struct pv_event {
    _Atomic uint32_t sequence;
    _Atomic uint32_t waiter_count;
};

/* Must be followed by exactly one of cancel, wait and wait_until. */
PV_NODISCARD uint32_t pv_event_prepare(struct pv_event *event);
void pv_event_cancel(struct pv_event *event);
void pv_event_wait(struct pv_event *event, uint32_t ticket);
/* False when `deadline_ns` (of pv_clock_now_ns; UINT64_MAX: never) has passed without a wake. */
bool pv_event_wait_until(struct pv_event *event, uint32_t ticket, uint64_t deadline_ns);

/* Wakes all who have prepared before it. */
void pv_event_wake(struct pv_event *event);

#endif
