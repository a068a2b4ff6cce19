#include "ring/ring.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/guest.h"
#include "ring/private.h"

#include <stdlib.h>

enum {
    PUBLISH_STEP = 2048,
    TRICKLE_SIZE = 512,
    TRICKLE_MIN = 8, /* batches that make it one */
};

#define IDLE_TIMEOUT_MIN_NS PV_NS_PER_MS
#define IDLE_TIMEOUT_MAX_NS (100 * PV_NS_PER_MS)

static uint32_t *word_at(const struct pv_ring_params *params, uint64_t offset)
{
    return (uint32_t *)(void *)(params->blob->map + params->layout.offset + offset);
}

static uint64_t idle_delay(uint64_t timeout_ns)
{
    if (timeout_ns < IDLE_TIMEOUT_MIN_NS) {
        timeout_ns = IDLE_TIMEOUT_MIN_NS;
    }
    if (timeout_ns > IDLE_TIMEOUT_MAX_NS) {
        timeout_ns = IDLE_TIMEOUT_MAX_NS;
    }
    /* The guest's clock may run a little slower than ours. */
    return timeout_ns + timeout_ns / 64;
}

static void set_up(struct pv_ring *ring, const struct pv_ring_params *params)
{
    ring->params = *params;
    ring->blob = pv_blob_ref(params->blob);
    ring->head_word = word_at(params, params->layout.head_offset);
    ring->tail_word = word_at(params, params->layout.tail_offset);
    ring->status_word = word_at(params, params->layout.status_offset);
    ring->buffer = params->blob->map + params->layout.offset + params->layout.buffer_offset;
    ring->extra = params->blob->map + params->layout.offset + params->layout.extra_offset;
    ring->buffer_size = (uint32_t)params->layout.buffer_size;
    ring->head = params->position;
    atomic_init(&ring->published, params->position);
    ring->created_ns = pv_clock_now_ns();
    ring->asleep = (0 - 2 * ring->created_ns) | 1;
    pv_ring_wait_init(&ring->wait, idle_delay(params->idle_timeout_ns));
}

enum pv_result pv_ring_create(const struct pv_ring_params *params, struct pv_ring **ring)
{
    PV_ASSERT(pv_ring_layout_fault(&params->layout, params->blob->map_size) == NULL);
    PV_ASSERT(params->blob->map != NULL && params->consumer.consume != NULL);
    *ring = NULL;
    if (pv_guest_load_u32(word_at(params, params->layout.head_offset)) != params->position ||
        pv_guest_load_u32(word_at(params, params->layout.status_offset)) != 0) {
        return PV_GUEST_FAULT;
    }
    struct pv_ring *made = aligned_alloc(PV_CACHE_LINE, sizeof(*made));
    if (made == NULL) {
        return PV_NO_MEMORY;
    }
    *made = (struct pv_ring){0};
    uint64_t buffer_size = params->layout.buffer_size;
    made->batch =
        aligned_alloc(PV_CACHE_LINE, buffer_size < PV_CACHE_LINE ? PV_CACHE_LINE : buffer_size);
    enum pv_result result = pv_bell_init(&made->doorbell, params->notify_fd);
    if (made->batch == NULL || result != PV_OK || pthread_mutex_init(&made->lock, NULL) != 0) {
        pv_bell_finish(&made->doorbell);
        free(made->batch);
        free(made);
        return result != PV_OK ? result : PV_NO_MEMORY;
    }
    set_up(made, params);
    *ring = made;
    return PV_OK;
}

enum pv_result pv_ring_start(struct pv_ring *ring)
{
    PV_ASSERT(!ring->is_threaded);
    ring->is_threaded = true;
    enum pv_result result = pv_thread_start(&ring->thread, "pv-ring", pv_ring_run, ring);
    if (result != PV_OK) {
        ring->is_threaded = false;
    }
    return result;
}

void pv_ring_interrupt(struct pv_ring *ring)
{
    atomic_store_explicit(&ring->is_stopping, true, memory_order_seq_cst);
    pv_bell_ring(&ring->doorbell);
    pv_event_wake(&ring->virtqueue);
}

void pv_ring_stop(struct pv_ring *ring)
{
    PV_ASSERT(!pv_thread_is_current(&ring->thread));
    pv_ring_interrupt(ring);
    pv_thread_join(&ring->thread);
    atomic_store_explicit(&ring->has_ended, true, memory_order_seq_cst);
    pv_event_wake(&ring->progress);
}

void pv_ring_destroy(struct pv_ring *ring)
{
    if (ring == NULL) {
        return;
    }
    pv_ring_stop(ring);
    pv_bell_finish(&ring->doorbell);
    pv_blob_unref(ring->blob);
    pthread_mutex_destroy(&ring->lock);
    free(ring->batch);
    free(ring);
}

uint64_t pv_ring_id(const struct pv_ring *ring)
{
    return ring->params.id;
}

uint64_t pv_ring_monitor_period_us(const struct pv_ring *ring)
{
    return ring->params.monitor_period_us;
}

uint64_t pv_ring_idle_delay_ns(const struct pv_ring *ring)
{
    return ring->wait.idle_delay_ns;
}

void pv_ring_raise_status(struct pv_ring *ring, enum pv_ring_status bits)
{
    pv_guest_fetch_or_u32(ring->status_word, (uint32_t)bits);
}

/* `why` is NULL when the consumer has failed and said so itself. */
static PV_COLD enum pv_ring_progress fault(struct pv_ring *ring, const char *why)
{
    if (why != NULL) {
        pv_log_warn(ring->params.log, "ring %#llx: %s", (unsigned long long)ring->params.id, why);
    }
    pv_ring_raise_status(ring, PV_RING_STATUS_FATAL);
    atomic_store_explicit(&ring->has_ended, true, memory_order_seq_cst);
    pv_event_wake(&ring->progress);
    if (ring->params.consumer.faulted != NULL) {
        ring->params.consumer.faulted(ring->params.consumer.user, why);
    }
    return PV_RING_ENDED;
}

/* The only read of the guest's command bytes; in two pieces where they wrap. */
static void copy_batch(struct pv_ring *ring, uint32_t size)
{
    uint32_t begin = ring->head & (ring->buffer_size - 1);
    uint32_t first = ring->buffer_size - begin;
    if (first > size) {
        first = size;
    }
    pv_guest_copy(ring->batch, ring->buffer + begin, first);
    if (first < size) {
        pv_guest_copy(ring->batch + first, ring->buffer, size - first);
    }
}

bool pv_ring_is_trickling(const struct pv_ring *ring)
{
    return ring->trickle >= TRICKLE_MIN && ring->core_count > 1 && !ring->params.never_spins;
}

/* A batch of `size` bytes is done. In a trickle of commands that nobody waits for an answer to, the
 * head may stay behind a little: its cache line, which the guest reads with each command, then
 * changes hands less often. */
static void settle_head(struct pv_ring *ring, uint32_t size)
{
    uint32_t behind = ring->head - atomic_load_explicit(&ring->published, memory_order_relaxed);
    ring->trickle = behind != 0 && size < TRICKLE_SIZE ? ring->trickle + 1 : 0;
    bool may_wait = ring->is_threaded && behind < PUBLISH_STEP && pv_ring_is_trickling(ring);
    if (behind != 0 && !may_wait) {
        pv_ring_publish(ring, 0);
    }
}

static PV_NOINLINE enum pv_ring_progress execute(struct pv_ring *ring, uint32_t tail)
{
    uint32_t size = tail - ring->head;
    if (PV_UNLIKELY(size > ring->buffer_size)) {
        return fault(ring, "the tail is further from the head than the buffer is large");
    }
    ring->tail = tail;
    copy_batch(ring, size);
    pv_ring_awake(ring);
    enum pv_result result =
        ring->params.consumer.consume(ring->params.consumer.user, ring->batch, size);
    if (!ring->is_threaded) {
        pv_ring_fall_asleep(ring); /* nobody knows when the next poll comes */
    }
    if (PV_UNLIKELY(result != PV_OK)) {
        if (result == PV_CLOSED) {
            return PV_RING_ENDED; /* it is being stopped: no fault */
        }
        return fault(ring, NULL);
    }
    ring->head = tail;
    settle_head(ring, size);
    pv_ring_count(&ring->bytes, size);
    pv_ring_count(&ring->batches, 1);
    return PV_RING_WORKED;
}

enum pv_ring_progress pv_ring_poll(struct pv_ring *ring)
{
    uint32_t tail = pv_guest_load_u32(ring->tail_word);
    if (PV_UNLIKELY(atomic_load_explicit(&ring->has_ended, memory_order_relaxed))) {
        return PV_RING_ENDED;
    }
    if (tail == ring->head) {
        if (PV_UNLIKELY(pv_ring_is_behind(ring))) {
            pv_ring_publish(ring, 0);
        }
        return PV_RING_EMPTY;
    }
    return execute(ring, tail);
}

void pv_ring_publish(struct pv_ring *ring, uint32_t size)
{
    uint32_t position = ring->head + size;
    /* The guest first: it may be spinning on it. */
    pv_guest_store_u32(ring->head_word, position);
    /* seq_cst, both, with wait_seqno's: either a waiter sees the new position, or we see it. */
    atomic_store_explicit(&ring->published, position, memory_order_seq_cst);
    if (PV_UNLIKELY(atomic_load_explicit(&ring->awaiter_count, memory_order_seq_cst) != 0)) {
        uint32_t awaited = atomic_load_explicit(&ring->awaited_seqno, memory_order_relaxed);
        /* Also when drained: a waiter may wait for what can never come. */
        if (pv_ring_counter_reached(position, awaited) ||
            position == pv_guest_load_u32(ring->tail_word)) {
            pv_event_wake(&ring->progress);
        }
    }
}

uint32_t pv_ring_position(const struct pv_ring *ring)
{
    return atomic_load_explicit(&ring->published, memory_order_acquire);
}

bool pv_ring_is_threaded(const struct pv_ring *ring)
{
    return atomic_load_explicit(&ring->is_threaded, memory_order_relaxed);
}

bool pv_ring_is_behind(const struct pv_ring *ring)
{
    return atomic_load_explicit(&ring->published, memory_order_relaxed) != ring->head;
}

bool pv_ring_is_awaited(const struct pv_ring *ring)
{
    return atomic_load_explicit(&ring->awaiter_count, memory_order_relaxed) != 0;
}

const _Atomic uint32_t *pv_ring_awaiters(const struct pv_ring *ring)
{
    return &ring->awaiter_count;
}

bool pv_ring_write_extra(struct pv_ring *ring, uint64_t offset, uint32_t value)
{
    uint64_t size = ring->params.layout.extra_size;
    if (offset % 4 != 0 || size < 4 || offset > size - 4) {
        return false;
    }
    pv_guest_store_u32((uint32_t *)(void *)(ring->extra + offset), value);
    return true;
}

void pv_ring_get_stats(const struct pv_ring *ring, struct pv_ring_stats *stats)
{
    uint64_t asleep = atomic_load_explicit(&ring->asleep, memory_order_relaxed);
    uint64_t now_ns = pv_clock_now_ns();
    int64_t idle_ns = (int64_t)((asleep & 1) != 0 ? asleep - 1 + 2 * now_ns : asleep) / 2;
    *stats = (struct pv_ring_stats){
        .age_ns = now_ns - ring->created_ns,
        .idle_ns = idle_ns > 0 ? (uint64_t)idle_ns : 0, /* cores may differ about the time */
        .bytes = atomic_load_explicit(&ring->bytes, memory_order_relaxed),
        .batches = atomic_load_explicit(&ring->batches, memory_order_relaxed),
        .sleeps = atomic_load_explicit(&ring->sleeps, memory_order_relaxed),
        .wakes = atomic_load_explicit(&ring->wakes, memory_order_relaxed),
    };
}

double pv_ring_utilization(const struct pv_ring *ring)
{
    uint32_t used = pv_guest_load_u32(ring->tail_word) -
                    atomic_load_explicit(&ring->published, memory_order_relaxed);
    return used >= ring->buffer_size ? 1.0 : (double)used / ring->buffer_size;
}
