#include "base/clock.h"
#include "base/event.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The only file of base/ that knows futexes; a host without them replaces it (Darwin:
 * os_sync_wait_on_address). */

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

static bool sleep_while_equal(struct pv_event *event, uint32_t ticket, const struct timespec *until)
{
    bool in_time = true;
    while (atomic_load_explicit(&event->sequence, memory_order_acquire) == ticket) {
        long rc = syscall(SYS_futex, &event->sequence, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
                          ticket, until, NULL, FUTEX_BITSET_MATCH_ANY);
        if (rc != 0 && errno == ETIMEDOUT) {
            in_time = false;
            break;
        }
    }
    atomic_fetch_sub_explicit(&event->waiter_count, 1, memory_order_relaxed);
    return in_time;
}

void pv_event_wait(struct pv_event *event, uint32_t ticket)
{
    sleep_while_equal(event, ticket, NULL);
}

bool pv_event_wait_until(struct pv_event *event, uint32_t ticket, uint64_t deadline_ns)
{
    struct timespec until = {
        .tv_sec = (time_t)(deadline_ns / PV_NS_PER_S),
        .tv_nsec = (long)(deadline_ns % PV_NS_PER_S),
    };
    return sleep_while_equal(event, ticket, &until);
}

void pv_event_wake(struct pv_event *event)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&event->waiter_count, memory_order_seq_cst) == 0) {
        return;
    }
    atomic_fetch_add_explicit(&event->sequence, 1, memory_order_seq_cst);
    syscall(SYS_futex, &event->sequence, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT32_MAX, NULL, NULL, 0);
}
