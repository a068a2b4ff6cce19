#ifndef PV_RING_RING_H
#define PV_RING_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/log.h"
#include "base/result.h"
#include "blob/blob.h"

/* One shared-memory ring: a guest writes commands behind `tail`, we execute them and move `head`.
 * Counters run freely modulo 2^32. Guest memory is read once: the bytes between head and tail are
 * copied into private memory, and a private head decides; what the guest writes into the head or
 * status word misleads only the guest. */

enum pv_ring_status {
    PV_RING_STATUS_IDLE = 1,
    PV_RING_STATUS_FATAL = 2,
    PV_RING_STATUS_ALIVE = 4,
};

enum {
    PV_RING_BUFFER_SIZE_MAX = 16 * 1024 * 1024,
};

/* As VkRingCreateInfoMESA has them: bytes, offsets relative to `offset` in the blob. */
struct pv_ring_layout {
    uint64_t offset, size;
    uint64_t head_offset, tail_offset, status_offset;
    uint64_t buffer_offset, buffer_size;
    uint64_t extra_offset, extra_size;
};

/* NULL when the layout is good in a blob of `blob_size` bytes, else why not (static). Does not
 * look into the memory. */
PV_NODISCARD const char *pv_ring_layout_fault(const struct pv_ring_layout *layout,
                                              uint64_t blob_size);

/* Who executes. All are called on the thread that runs the ring. */
struct pv_ring_consumer {
    void *user;
    /* Executes the whole of `bytes`, which are private, writable and 8-byte aligned. May publish
     * progress on the way (pv_ring_publish). Anything but PV_OK ends the ring: it turns FATAL. */
    enum pv_result (*consume)(void *user, uint8_t *bytes, uint32_t size);
    void (*sleeps)(void *user); /* before the ring waits for the guest */
    void (*wakes)(void *user);  /* before it executes again */
};

struct pv_ring_params {
    uint64_t id;               /* the guest's name for it */
    struct pv_blob *blob;      /* the ring takes a reference of its own */
    struct pv_ring_layout layout; /* checked already */
    uint64_t idle_timeout_ns;  /* the guest's wish; clamped to 0.1 … 100 ms */
    uint64_t monitor_period_us; /* 0: not monitored */
    int32_t priority;          /* nice value, best effort; 0: none */
    struct pv_ring_consumer consumer;
    const struct pv_log *log;  /* outlives the ring */
};

/* PV_GUEST_FAULT when head or status are not 0. Does not touch the tail or the buffer: the guest
 * may already be writing. No thread yet. */
PV_NODISCARD enum pv_result pv_ring_create(const struct pv_ring_params *params,
                                           struct pv_ring **ring);

/* Runs the ring on a thread of its own from now on. */
PV_NODISCARD enum pv_result pv_ring_start(struct pv_ring *ring);

/* What one look at the tail met. */
enum pv_ring_progress {
    PV_RING_EMPTY,  /* a load and a compare */
    PV_RING_WORKED, /* executed everything that was there */
    PV_RING_ENDED,  /* fatal or stopped */
};

/* Without a thread of its own (polling mode): executes what is there, on the caller's thread. */
PV_NODISCARD enum pv_ring_progress pv_ring_poll(struct pv_ring *ring);

/* Ends waits inside the ring and its thread, and joins it. Must not be called from the ring's own
 * thread. What is not yet executed is dropped. */
void pv_ring_stop(struct pv_ring *ring);
/* Stops first. NULL is accepted. */
void pv_ring_destroy(struct pv_ring *ring);

uint64_t pv_ring_id(const struct pv_ring *ring);
uint64_t pv_ring_monitor_period_us(const struct pv_ring *ring);

/* From the consumer: everything up to `size` bytes of the current batch is executed, and its
 * effects and reply bytes are visible. A release store, and a wake-up where somebody waits. */
void pv_ring_publish(struct pv_ring *ring, uint32_t size);
/* From the consumer, per command: whether a thread of ours waits for progress. */
bool pv_ring_is_awaited(const struct pv_ring *ring);

/* The guest rang: wake up, and do not go idle for another idle timeout. Any thread. */
void pv_ring_notify(struct pv_ring *ring);

/* Sets ALIVE (the monitor's work) or FATAL. Any thread. */
void pv_ring_raise_status(struct pv_ring *ring, enum pv_ring_status bits);

/* Blocks until the ring has executed everything before `seqno`. Not from the ring's own thread.
 * PV_GUEST_FAULT when the ring is drained and its tail has not reached seqno, PV_CLOSED when the
 * ring ends. */
PV_NODISCARD enum pv_result pv_ring_wait_seqno(struct pv_ring *ring, uint32_t seqno);

/* The virtqueue has reached `seqno`; must not go backwards (PV_GUEST_FAULT). Any thread. */
PV_NODISCARD enum pv_result pv_ring_submit_virtqueue_seqno(struct pv_ring *ring, uint64_t seqno);
/* On the ring's own thread: blocks until the virtqueue has reached `seqno`. PV_CLOSED when the
 * ring is stopped meanwhile. */
PV_NODISCARD enum pv_result pv_ring_wait_virtqueue_seqno(struct pv_ring *ring, uint64_t seqno);

/* Stores a word in the extra region. False when `offset` is not inside or not a multiple of 4. */
PV_NODISCARD bool pv_ring_write_extra(struct pv_ring *ring, uint64_t offset, uint32_t value);

struct pv_ring_stats {
    uint64_t bytes;   /* executed */
    uint64_t batches;
    uint64_t sleeps;  /* times it went idle */
    uint64_t wakes;   /* by a notify */
};
void pv_ring_get_stats(const struct pv_ring *ring, struct pv_ring_stats *stats);

/* Share of the buffer that is in use now, 0 … 1. */
double pv_ring_utilization(const struct pv_ring *ring);

#endif
