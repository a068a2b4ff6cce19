#ifndef TESTS_UNIT_RING_GUEST_H
#define TESTS_UNIT_RING_GUEST_H

/* A guest's end of a ring, as Mesa's driver behaves. */

#include "base/assert.h"
#include "base/clock.h"
#include "fakes/patience.h"
#include "ring/private.h"
#include "ring/ring.h"

#include <stdbool.h>
#include <string.h>

#define NOTIFY_WINDOW_NS PV_NS_PER_MS

struct guest {
    struct pv_blob *blob;
    struct pv_ring_layout layout;
    struct pv_ring *ring;
    uint32_t tail;
    uint64_t notified_at_ns;
    uint64_t notify_count;
};

static inline struct pv_ring_layout guest_layout(uint32_t buffer_size)
{
    return (struct pv_ring_layout){
        .size = 192 + (uint64_t)buffer_size + 4,
        .head_offset = 0,
        .tail_offset = 64,
        .status_offset = 128,
        .buffer_offset = 192,
        .buffer_size = buffer_size,
        .extra_offset = 192 + (uint64_t)buffer_size,
        .extra_size = 4,
    };
}

static inline uint32_t *guest_word(const struct guest *guest, uint64_t offset)
{
    return (uint32_t *)(void *)(guest->blob->map + offset);
}

static inline uint32_t guest_head(const struct guest *guest)
{
    return __atomic_load_n(guest_word(guest, guest->layout.head_offset), __ATOMIC_ACQUIRE);
}

static inline uint32_t guest_status(const struct guest *guest)
{
    return __atomic_load_n(guest_word(guest, guest->layout.status_offset), __ATOMIC_SEQ_CST);
}

static inline void guest_set_tail(struct guest *guest, uint32_t tail)
{
    guest->tail = tail;
    __atomic_store_n(guest_word(guest, guest->layout.tail_offset), tail, __ATOMIC_SEQ_CST);
}

static inline void guest_init(struct guest *guest, uint32_t buffer_size,
                              struct pv_ring_consumer consumer)
{
    static const struct pv_log silent;
    *guest = (struct guest){.layout = guest_layout(buffer_size)};
    PV_ASSERT(pv_blob_create(PV_BLOB_SHM, guest->layout.size, &silent, NULL, &guest->blob) ==
              PV_OK);
    struct pv_ring_params params = {
        .id = 0x1234,
        .blob = guest->blob,
        .layout = guest->layout,
        .idle_timeout_ns = PV_NS_PER_MS,
        .monitor_period_us = 30000,
        .consumer = consumer,
        .log = &silent,
    };
    PV_ASSERT(pv_ring_create(&params, &guest->ring) == PV_OK);
}

static inline void guest_finish(struct guest *guest)
{
    pv_ring_destroy(guest->ring);
    pv_blob_unref(guest->blob);
}

/* As if so many bytes had gone through already; before the first of them. */
static inline void guest_start_at(struct guest *guest, uint32_t position)
{
    guest->ring->head = position;
    atomic_store(&guest->ring->published, position);
    __atomic_store_n(guest_word(guest, guest->layout.head_offset), position, __ATOMIC_SEQ_CST);
    guest_set_tail(guest, position);
}

static inline void guest_copy_in(struct guest *guest, const void *bytes, uint32_t size)
{
    uint8_t *buffer = guest->blob->map + guest->layout.buffer_offset;
    for (uint32_t i = 0; i < size; i++) {
        buffer[(guest->tail + i) & (guest->layout.buffer_size - 1)] = ((const uint8_t *)bytes)[i];
    }
}

/* Mesa's notify rule: only when IDLE is seen, and at most once a millisecond. */
static inline void guest_notify_if_idle(struct guest *guest)
{
    if ((guest_status(guest) & PV_RING_STATUS_IDLE) == 0) {
        return;
    }
    uint64_t now_ns = pv_clock_now_ns();
    if (guest->notified_at_ns != 0 && now_ns < guest->notified_at_ns + NOTIFY_WINDOW_NS) {
        return;
    }
    guest->notified_at_ns = now_ns;
    guest->notify_count++;
    pv_ring_notify(guest->ring);
}

static inline void guest_wait_for_space(const struct guest *guest, uint32_t size)
{
    while (guest->tail + size - guest_head(guest) > guest->layout.buffer_size) {
        pv_thread_yield();
    }
}

static inline void guest_write(struct guest *guest, const void *bytes, uint32_t size)
{
    guest_wait_for_space(guest, size);
    guest_copy_in(guest, bytes, size);
    guest_set_tail(guest, guest->tail + size);
    guest_notify_if_idle(guest);
}

/* False when the head never comes to the tail. */
static inline bool guest_wait_drained(const struct guest *guest)
{
    uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
    while (guest_head(guest) != guest->tail) {
        if (pv_clock_now_ns() > deadline_ns) {
            return false;
        }
        pv_thread_yield();
    }
    return true;
}

static inline bool guest_wait_status(const struct guest *guest, uint32_t bits)
{
    uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
    while ((guest_status(guest) & bits) != bits) {
        if (pv_clock_now_ns() > deadline_ns) {
            return false;
        }
        pv_clock_sleep_ns(50 * PV_NS_PER_US);
    }
    return true;
}

#endif
