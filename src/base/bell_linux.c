#include "base/bell.h"
#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Edge-triggered, both: what has not been read yet, by whoever reads it, wakes nobody twice. A host
 * without epoll replaces this file (Darwin: kqueue with EV_CLEAR and EVFILT_USER). */
static bool listen_to(struct pv_bell *bell, int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    return epoll_ctl(bell->set, EPOLL_CTL_ADD, fd, &event) == 0;
}

enum pv_result pv_bell_init(struct pv_bell *bell, int source)
{
    *bell = (struct pv_bell){.set = -1, .rung = -1};
    if (source == 0) {
        return PV_OK;
    }
    bell->set = epoll_create1(EPOLL_CLOEXEC);
    bell->rung = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bell->set < 0 || bell->rung < 0 || !listen_to(bell, bell->rung) ||
        !listen_to(bell, source)) {
        pv_bell_finish(bell);
        return PV_HOST_FAILED;
    }
    return PV_OK;
}

void pv_bell_finish(struct pv_bell *bell)
{
    pv_fd_close(&bell->set);
    pv_fd_close(&bell->rung);
}

uint32_t pv_bell_prepare(struct pv_bell *bell)
{
    if (bell->set < 0) {
        return pv_event_prepare(&bell->event);
    }
    /* seq_cst, with the load in ring: either that sees us, or our caller's check of the condition,
     * which follows, sees the change. */
    atomic_store_explicit(&bell->is_listening, true, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst);
    return 0;
}

void pv_bell_cancel(struct pv_bell *bell)
{
    if (bell->set < 0) {
        pv_event_cancel(&bell->event);
    } else {
        atomic_store_explicit(&bell->is_listening, false, memory_order_relaxed);
    }
}

void pv_bell_wait(struct pv_bell *bell, uint32_t ticket)
{
    if (bell->set < 0) {
        pv_event_wait(&bell->event, ticket);
        return;
    }
    /* A failure (a signal) is an early return like any other. */
    struct epoll_event event;
    (void)!epoll_wait(bell->set, &event, 1, -1);
    pv_bell_cancel(bell);
}

void pv_bell_wait_until(struct pv_bell *bell, uint32_t ticket, uint64_t deadline_ns)
{
    if (bell->set < 0) {
        (void)pv_event_wait_until(&bell->event, ticket, deadline_ns);
        return;
    }
    struct epoll_event event;
    uint64_t now_ns = pv_clock_now_ns();
    uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    struct timespec left = {
        .tv_sec = (time_t)(left_ns / PV_NS_PER_S),
        .tv_nsec = (long)(left_ns % PV_NS_PER_S),
    };
    if (epoll_pwait2(bell->set, &event, 1, &left, NULL) < 0 && errno == ENOSYS) {
        /* A kernel before 5.11: milliseconds, and what is less without hearing anything. */
        if (epoll_wait(bell->set, &event, 1, (int)(left_ns / PV_NS_PER_MS)) == 0) {
            pv_clock_sleep_ns(left_ns % PV_NS_PER_MS);
        }
    }
    pv_bell_cancel(bell);
}

void pv_bell_ring(struct pv_bell *bell)
{
    if (bell->set < 0) {
        pv_event_wake(&bell->event);
        return;
    }
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&bell->is_listening, memory_order_seq_cst)) {
        /* Fails only when it has been rung 2^64 times. */
        const uint64_t once = 1;
        (void)!write(bell->rung, &once, sizeof(once));
    }
}
