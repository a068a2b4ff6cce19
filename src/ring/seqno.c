/* Waiting of the ring for the virtqueue, and of the virtqueue for the ring. */

#include "base/guest.h"
#include "ring/private.h"

void pv_ring_notify(struct pv_ring *ring)
{
    atomic_store_explicit(&ring->is_notified, true, memory_order_seq_cst);
    pv_bell_ring(&ring->doorbell);
}

static uint32_t published(const struct pv_ring *ring)
{
    return atomic_load_explicit(&ring->published, memory_order_seq_cst);
}

bool pv_ring_has_reached(const struct pv_ring *ring, uint32_t seqno)
{
    return pv_ring_counter_reached(published(ring), seqno);
}

/* Announces ourselves; the nearest seqno of all who wait is the one that the ring looks for. */
static void arm(struct pv_ring *ring, uint32_t seqno)
{
    pthread_mutex_lock(&ring->lock);
    uint32_t nearest = atomic_load_explicit(&ring->awaited_seqno, memory_order_relaxed);
    bool is_first = atomic_load_explicit(&ring->awaiter_count, memory_order_relaxed) == 0;
    if (is_first || pv_ring_counter_reached(published(ring), nearest) ||
        pv_ring_counter_reached(nearest, seqno)) {
        atomic_store_explicit(&ring->awaited_seqno, seqno, memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&ring->awaiter_count, 1, memory_order_seq_cst);
    pthread_mutex_unlock(&ring->lock);
}

static void disarm(struct pv_ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    atomic_fetch_sub_explicit(&ring->awaiter_count, 1, memory_order_relaxed);
    pthread_mutex_unlock(&ring->lock);
}

/* PV_UNSUPPORTED: cannot tell yet. */
static enum pv_result judge(const struct pv_ring *ring, uint32_t seqno)
{
    uint32_t position = published(ring);
    if (pv_ring_counter_reached(position, seqno)) {
        return PV_OK;
    }
    if (atomic_load_explicit(&ring->has_ended, memory_order_seq_cst)) {
        return PV_CLOSED;
    }
    /* The guest asks for a position that it has already written to. When all that is written is
     * executed and that is less, it waits for itself. */
    uint32_t tail = pv_guest_load_u32(ring->tail_word);
    if (tail == position && !pv_ring_counter_reached(tail, seqno)) {
        return PV_GUEST_FAULT;
    }
    return PV_UNSUPPORTED;
}

static enum pv_result poll_until(struct pv_ring *ring, uint32_t seqno)
{
    for (;;) {
        enum pv_result result = judge(ring, seqno);
        if (result != PV_UNSUPPORTED) {
            return result;
        }
        if (pv_ring_poll(ring) == PV_RING_ENDED) {
            return PV_CLOSED;
        }
    }
}

enum pv_result pv_ring_wait_seqno(struct pv_ring *ring, uint32_t seqno)
{
    if (!ring->is_threaded) {
        return poll_until(ring, seqno);
    }
    enum pv_result result = judge(ring, seqno);
    while (result == PV_UNSUPPORTED) {
        uint32_t ticket = pv_event_prepare(&ring->progress);
        arm(ring, seqno);
        result = judge(ring, seqno);
        if (result == PV_UNSUPPORTED) {
            /* After prepare: when the ring falls idle next, it wakes us to judge again. */
            pv_ring_notify(ring);
            pv_event_wait(&ring->progress, ticket);
            result = judge(ring, seqno);
        } else {
            pv_event_cancel(&ring->progress);
        }
        disarm(ring);
    }
    return result;
}

enum pv_result pv_ring_submit_virtqueue_seqno(struct pv_ring *ring, uint64_t seqno)
{
    uint64_t before = atomic_load_explicit(&ring->virtqueue_seqno, memory_order_relaxed);
    do {
        if (seqno < before) {
            return PV_GUEST_FAULT;
        }
    } while (!atomic_compare_exchange_weak_explicit(&ring->virtqueue_seqno, &before, seqno,
                                                    memory_order_seq_cst, memory_order_relaxed));
    pv_event_wake(&ring->virtqueue);
    return PV_OK;
}

bool pv_ring_has_virtqueue_seqno(const struct pv_ring *ring, uint64_t seqno)
{
    return atomic_load_explicit(&ring->virtqueue_seqno, memory_order_seq_cst) >= seqno;
}

enum pv_result pv_ring_wait_virtqueue_seqno(struct pv_ring *ring, uint64_t seqno)
{
    if (pv_ring_has_virtqueue_seqno(ring, seqno)) {
        return PV_OK;
    }
    enum pv_result result = PV_OK;
    pv_ring_fall_asleep(ring);
    while (!pv_ring_has_virtqueue_seqno(ring, seqno)) {
        uint32_t ticket = pv_event_prepare(&ring->virtqueue);
        if (atomic_load_explicit(&ring->is_stopping, memory_order_seq_cst)) {
            pv_event_cancel(&ring->virtqueue);
            result = PV_CLOSED;
            break;
        }
        if (pv_ring_has_virtqueue_seqno(ring, seqno)) {
            pv_event_cancel(&ring->virtqueue);
            break;
        }
        pv_event_wait(&ring->virtqueue, ticket);
    }
    pv_ring_awake(ring);
    return result;
}
