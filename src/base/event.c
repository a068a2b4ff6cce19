#include "base/event.h"

#include "base/address_wait.h"

uint32_t pv_event_prepare(struct pv_event *event)
{
    /* seq_cst, with the load in wake: either the waker counts us, or our caller's check of the
     * condition, which follows, sees the change. */
    atomic_fetch_add_explicit(&event->waiter_count, 1, memory_order_seq_cst);
    uint32_t ticket = atomic_load_explicit(&event->sequence, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst);
    return ticket;
}

void pv_event_cancel(struct pv_event *event)
{
    atomic_fetch_sub_explicit(&event->waiter_count, 1, memory_order_relaxed);
}

bool pv_event_wait_until(struct pv_event *event, uint32_t ticket, uint64_t deadline_ns)
{
    bool in_time = true;
    while (in_time && atomic_load_explicit(&event->sequence, memory_order_acquire) == ticket) {
        in_time = pv_address_wait(&event->sequence, ticket, deadline_ns);
    }
    atomic_fetch_sub_explicit(&event->waiter_count, 1, memory_order_relaxed);
    return in_time;
}

void pv_event_wait(struct pv_event *event, uint32_t ticket)
{
    (void)pv_event_wait_until(event, ticket, UINT64_MAX);
}

void pv_event_wake(struct pv_event *event)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&event->waiter_count, memory_order_seq_cst) == 0) {
        return;
    }
    atomic_fetch_add_explicit(&event->sequence, 1, memory_order_seq_cst);
    pv_address_wake_all(&event->sequence);
}
