/* The ring's own thread: execute, wait for the guest, execute. */

#include "base/clock.h"
#include "base/guest.h"
#include "ring/private.h"

enum {
    LOOKS_PER_CLOCK = 32,
    GATHER_NS = 400,
    BEHIND_MAX_NS = 5 * 1000, /* a thread of the guest's may wait for the head all the same */
};

/* Threads of this process that spin now, and those that are awake at all, over all rings of all
 * contexts: the one thing that they share, because cores are. */
static _Atomic uint32_t spinner_count;
static _Atomic uint32_t awake_count;

/* One core stays free for the guest; where there is only one, we yield it at every look. */
static bool take_spin(const struct pv_ring *ring)
{
    uint32_t most = ring->core_count > 1 ? ring->core_count - 1 : 1;
    uint32_t spinners = atomic_load_explicit(&spinner_count, memory_order_relaxed);
    while (spinners < most && !ring->params.never_spins) {
        if (atomic_compare_exchange_weak_explicit(&spinner_count, &spinners, spinners + 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

static void give_spin(bool *is_spinner)
{
    if (*is_spinner) {
        atomic_fetch_sub_explicit(&spinner_count, 1, memory_order_relaxed);
        *is_spinner = false;
    }
}

void pv_ring_fall_asleep(struct pv_ring *ring)
{
    if (!pv_ring_is_asleep(ring)) {
        uint64_t asleep = atomic_load_explicit(&ring->asleep, memory_order_relaxed);
        atomic_store_explicit(&ring->asleep, (asleep - 2 * pv_clock_now_ns()) | 1,
                              memory_order_relaxed);
        atomic_fetch_sub_explicit(&awake_count, 1, memory_order_relaxed);
        if (ring->params.consumer.sleeps != NULL) {
            ring->params.consumer.sleeps(ring->params.consumer.user);
        }
    }
}

void pv_ring_awake(struct pv_ring *ring)
{
    if (PV_UNLIKELY(pv_ring_is_asleep(ring))) {
        uint64_t asleep = atomic_load_explicit(&ring->asleep, memory_order_relaxed);
        atomic_store_explicit(&ring->asleep, (asleep - 1) + 2 * pv_clock_now_ns(),
                              memory_order_relaxed);
        atomic_fetch_add_explicit(&awake_count, 1, memory_order_relaxed);
        if (ring->params.consumer.wakes != NULL) {
            ring->params.consumer.wakes(ring->params.consumer.user);
        }
    }
}

static bool has_work(const struct pv_ring *ring)
{
    return pv_guest_load_u32(ring->tail_word) != ring->head;
}

/* What ends a sleep beside new commands. */
static bool is_called(const struct pv_ring *ring)
{
    return atomic_load_explicit(&ring->is_notified, memory_order_seq_cst) ||
           atomic_load_explicit(&ring->is_stopping, memory_order_seq_cst);
}

bool pv_ring_is_undisturbed(const struct pv_ring *ring, uint32_t size)
{
    return ring->head + size == ring->tail && pv_guest_load_u32(ring->tail_word) == ring->tail &&
           atomic_load_explicit(&awake_count, memory_order_relaxed) < ring->core_count &&
           !is_called(ring) && !pv_ring_is_awaited(ring) && !ring->params.never_spins &&
           !ring->wait.is_starved;
}

bool pv_ring_enter_idle(struct pv_ring *ring)
{
    pv_guest_fetch_or_u32(ring->status_word, PV_RING_STATUS_IDLE);
    /* Partner: the guest's {store tail; load status}. Either it sees IDLE and rings, or we see its
     * tail. The fence is for cores on which a load may pass an atomic that came before it. */
    pv_guest_fence();
    if (pv_guest_load_u32_seq_cst(ring->tail_word) != ring->head) {
        pv_ring_leave_idle(ring);
        return false;
    }
    pv_ring_fall_asleep(ring);
    return true;
}

void pv_ring_leave_idle(struct pv_ring *ring)
{
    pv_guest_fetch_and_u32(ring->status_word, ~(uint32_t)PV_RING_STATUS_IDLE);
}

/* Sleeps until the guest rings, or until its next beat is due (0: none). No wake is lost without a
 * timeout either: a guest that has stored its tail sees IDLE and rings, unless it rang less than
 * 1 ms ago; and then we have had that ring, since it was sent before, either awake (which keeps us
 * awake for longer than that) or it is still on its way. */
static void sleep_idle(struct pv_ring *ring, uint64_t until_ns)
{
    if (!pv_ring_enter_idle(ring)) {
        return;
    }
    /* Whoever waits for a seqno looks again: a guest may have taken its tail back. */
    pv_event_wake(&ring->progress);
    pv_ring_count(&ring->sleeps, 1);
    for (;;) {
        uint32_t ticket = pv_bell_prepare(&ring->doorbell);
        if (is_called(ring) || has_work(ring)) {
            pv_bell_cancel(&ring->doorbell);
            break;
        }
        if (until_ns == 0) {
            pv_bell_wait(&ring->doorbell, ticket); /* what woke us may be for somebody else */
        } else {
            pv_bell_wait_until(&ring->doorbell, ticket, until_ns);
            if (pv_clock_now_ns() >= until_ns) {
                break;
            }
        }
    }
    pv_ring_count(&ring->wakes, 1);
    pv_ring_leave_idle(ring);
}

static void sleep_briefly(struct pv_ring *ring, uint64_t until_ns)
{
    uint32_t ticket = pv_bell_prepare(&ring->doorbell);
    if (is_called(ring) || has_work(ring)) {
        pv_bell_cancel(&ring->doorbell);
        return;
    }
    pv_ring_fall_asleep(ring);
    pv_bell_wait_until(&ring->doorbell, ticket, until_ns);
}

/* True when there is work before the looks are over. */
static bool look_often(const struct pv_ring *ring)
{
    for (unsigned i = 0; i < LOOKS_PER_CLOCK; i++) {
        if (has_work(ring)) {
            return true;
        }
        pv_cpu_pause();
    }
    return has_work(ring);
}

static void look_and_yield(struct pv_ring *ring)
{
    uint64_t since_ns = pv_clock_now_ns();
    for (unsigned i = 0; i < LOOKS_PER_CLOCK && !has_work(ring); i++) {
        pv_thread_yield();
        uint64_t now_ns = pv_clock_now_ns();
        if (pv_ring_wait_yielded(&ring->wait, since_ns, now_ns)) {
            break;
        }
        since_ns = now_ns;
    }
}

void pv_ring_let_others_run(struct pv_ring *ring)
{
    uint64_t since_ns = pv_clock_now_ns();
    pv_thread_yield();
    (void)pv_ring_wait_yielded(&ring->wait, since_ns, pv_clock_now_ns());
}

static void take_notify(struct pv_ring *ring)
{
    if (PV_UNLIKELY(atomic_load_explicit(&ring->is_notified, memory_order_relaxed))) {
        atomic_exchange_explicit(&ring->is_notified, false, memory_order_acq_rel);
        /* The clock after the exchange: the ring came no later than this, so that the delay that
         * begins now outlasts the guest's. */
        pv_ring_wait_notified(&ring->wait, pv_clock_now_ns());
    }
}

/* Returns with work, or when the ring is to stop. */
static void wait_for_guest(struct pv_ring *ring)
{
    bool is_alone = ring->core_count == 1;
    if (!is_alone && !ring->params.never_spins && look_often(ring)) {
        pv_ring_wait_end_at_once(&ring->wait);
        return;
    }
    bool is_spinner = take_spin(ring);
    uint64_t now_ns = pv_clock_now_ns();
    pv_ring_wait_begin(&ring->wait, now_ns);
    ring->wait.is_crowded = is_alone;
    while (!has_work(ring) && !atomic_load_explicit(&ring->is_stopping, memory_order_relaxed)) {
        take_notify(ring);
        switch (pv_ring_wait_next(&ring->wait, now_ns, is_spinner)) {
        case PV_RING_WAIT_SPIN:
            look_often(ring);
            break;
        case PV_RING_WAIT_YIELD:
            look_and_yield(ring);
            break;
        case PV_RING_WAIT_SLEEP:
            give_spin(&is_spinner);
            sleep_briefly(ring, now_ns + ring->wait.sleep_ns);
            break;
        case PV_RING_WAIT_IDLE:
            give_spin(&is_spinner);
            if (ring->params.never_spins) {
                ring->wait.wake_at_ns = 0; /* it would only look once */
            }
            sleep_idle(ring, ring->wait.wake_at_ns);
            if (ring->wait.wake_at_ns != 0) {
                is_spinner = take_spin(ring);
                pv_ring_wait_woken(&ring->wait, pv_clock_now_ns());
            }
            break;
        }
        now_ns = pv_clock_now_ns();
    }
    give_spin(&is_spinner);
    pv_ring_wait_end(&ring->wait, now_ns);
}

/* A guest that sends one small command after another is slowed down by a host that takes each from
 * under its hands: every line of the ring then crosses between the cores for one command. */
static void let_gather(struct pv_ring *ring)
{
    uint64_t now_ns = pv_clock_now_ns();
    if (!pv_ring_is_behind(ring) || ring->behind_since_ns == 0) {
        ring->behind_since_ns = now_ns;
    } else if (now_ns - ring->behind_since_ns > BEHIND_MAX_NS) {
        pv_ring_publish(ring, 0);
        ring->behind_since_ns = 0;
    }
    do {
        pv_cpu_pause();
    } while (pv_clock_now_ns() - now_ns < GATHER_NS);
}

void pv_ring_run(void *user)
{
    struct pv_ring *ring = user;
    ring->core_count = pv_thread_core_count();
    pv_thread_set_precise_sleeps();
    if (ring->params.priority != 0) {
        pv_thread_set_nice(ring->params.priority);
    }
    while (!atomic_load_explicit(&ring->is_stopping, memory_order_relaxed)) {
        enum pv_ring_progress progress = pv_ring_poll(ring);
        if (progress == PV_RING_ENDED) {
            break;
        }
        if (progress == PV_RING_EMPTY) {
            wait_for_guest(ring);
        } else if (pv_ring_is_trickling(ring)) {
            let_gather(ring);
        }
    }
    pv_ring_fall_asleep(ring); /* it executes nothing any more */
}
