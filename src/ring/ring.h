#ifndef PV_RING_RING_H
#define PV_RING_RING_H

#include "base/attributes.h"
#include "base/log.h"
#include "base/result.h"
#include "blob/blob.h"

#include <stdbool.h>
#include <stdint.h>

/* One shared-memory ring: a guest writes commands behind `tail`, we execute them and move `head`.
 * Counters run freely modulo 2^32. Guest memory is read once: the bytes between head and tail are
 * copied into private memory, and a private head decides; what the guest writes into the head or
 * status word misleads only the guest. */

enum pv_ring_status {
    PV_RING_STATUS_IDLE = 1,
    PV_RING_STATUS_FATAL = 2,
    PV_RING_STATUS_ALIVE = 4,
};

/* Of any ring: what a position of 32 bits can tell apart from an empty one. */
#define PV_RING_BUFFER_SIZE_MAX (UINT64_C(1) << 31)
/* Of a ring that a guest asks for: we set as much memory aside. */
#define PV_RING_BUFFER_SIZE_GUEST_MAX (UINT64_C(16) << 20)

/* As VkRingCreateInfoMESA has them: bytes, offsets relative to `offset` in the blob. */
struct pv_ring_layout {
    uint64_t offset, size;
    uint64_t head_offset, tail_offset, status_offset;
    uint64_t buffer_offset, buffer_size;
    uint64_t extra_offset, extra_size;
};

struct pv_ring;

/* NULL when the layout is good in a blob of `blob_size` bytes, else why not (static). Does not
 * look into the memory. */
PV_NODISCARD const char *pv_ring_layout_fault(const struct pv_ring_layout *layout,
                                              uint64_t blob_size);

/* Who executes. All are called on the thread that runs the ring; that thread must not be inside
 * pv_ring_stop() or pv_ring_destroy() of the same ring. */
struct pv_ring_consumer {
    void *user;
    /* Executes the whole of `bytes`, which are private, writable and 8-byte aligned. May publish
     * progress on the way (pv_ring_publish). PV_CLOSED: whoever stops the ring has made it end.
     * Anything else but PV_OK ends the ring, too: it turns FATAL. */
    enum pv_result (*consume)(void *user, uint8_t *bytes, uint32_t size);
    void (*sleeps)(void *user); /* before the ring waits for the guest, or for the virtqueue */
    void (*wakes)(void *user);  /* before it executes again; always in pairs. Either may be NULL */
    /* The ring has turned FATAL: `consume` failed, or (`why` is not NULL) the guest's tail lied.
     * Once; nothing is executed after it. May be NULL. */
    void (*faulted)(void *user, const char *why);
};

struct pv_ring_params {
    uint64_t id;                  /* the guest's name for it */
    uint32_t position;            /* where head begins: 0 for a new ring */
    struct pv_blob *blob;         /* the ring takes a reference of its own */
    struct pv_ring_layout layout; /* checked already */
    uint64_t idle_timeout_ns;     /* the guest's wish; clamped to 1 … 100 ms */
    uint64_t monitor_period_us;   /* 0: not monitored */
    int32_t priority;             /* nice value, best effort; 0: none */
    /* Where the guest's notify arrives, read by somebody who then calls pv_ring_notify(): an idle
     * ring with a thread of its own wakes by itself when there is something in it, and looks.
     * Borrowed until the ring is destroyed; 0: none. */
    int notify_fd;
    bool
        never_spins; /* sleeps whenever there is nothing to do: for measuring, and for busy hosts */
    struct pv_ring_consumer consumer;
    const struct pv_log *log; /* outlives the ring */
};

/* PV_GUEST_FAULT when the head is not `position` or the status not 0. Does not touch the tail or
 * the buffer: the guest may already be writing. No thread yet. */
PV_NODISCARD enum pv_result pv_ring_create(const struct pv_ring_params *params,
                                           struct pv_ring **ring);

/* Runs the ring on a thread of its own from now on. PV_HOST_FAILED when there is none to be had. */
PV_NODISCARD enum pv_result pv_ring_start(struct pv_ring *ring);

/* What one look at the tail met. */
enum pv_ring_progress {
    PV_RING_EMPTY,  /* a load and a compare */
    PV_RING_WORKED, /* executed everything that was there */
    PV_RING_ENDED,  /* fatal or stopped */
};

/* Without a thread of its own (polling mode): executes what is there, on the caller's thread, one
 * thread at a time. This is all that a thread needs which also hears the socket or doorbell and
 * runs the primary ring itself; to sleep on both it does
 *
 *     if (pv_ring_enter_idle(ring)) { sleep on the socket; pv_ring_leave_idle(ring); }
 *
 * no earlier than pv_ring_idle_delay_ns() after the last PV_RING_WORKED and the last notify. It may
 * start a thread for the ring (pv_ring_start) at any time between two polls, never the reverse. */
PV_NODISCARD enum pv_ring_progress pv_ring_poll(struct pv_ring *ring);

/* Tells the guest to ring before we sleep. False, and IDLE is not set, when there is work: poll. */
PV_NODISCARD bool pv_ring_enter_idle(struct pv_ring *ring);
void pv_ring_leave_idle(struct pv_ring *ring);
/* The guest rings at most once in this time (ring.md of the protocol: 1 ms), so no sleep may begin
 * within it of the last sign of life. */
uint64_t pv_ring_idle_delay_ns(const struct pv_ring *ring);

/* Makes the batch that is under way end, and all that come; pv_ring_stop() is still due. Any
 * thread. */
void pv_ring_interrupt(struct pv_ring *ring);
/* Ends waits inside the ring and its thread, and joins it. Must not be called from the ring's own
 * thread. What is not yet executed is dropped. Twice is as good as once. */
void pv_ring_stop(struct pv_ring *ring);
/* Stops first. No other thread may be inside a call on this ring (after a stop, those that wait
 * return soon). NULL is accepted. */
void pv_ring_destroy(struct pv_ring *ring);

uint64_t pv_ring_id(const struct pv_ring *ring);
uint64_t pv_ring_monitor_period_us(const struct pv_ring *ring);

/* From the consumer: everything up to `size` bytes of the current batch is executed, and its
 * effects and reply bytes are visible. A release store, and a wake-up where somebody waits. What is
 * not published so is published by the ring itself: at the end of the batch, but in a trickle of
 * small batches when it runs empty, 2 KiB have gathered or some microseconds have passed. A
 * consumer that blocks publishes first, also what is behind from earlier batches. */
void pv_ring_publish(struct pv_ring *ring, uint32_t size);
/* Whether batches before this one are done and not published yet. Of the thread that runs it. */
bool pv_ring_is_behind(const struct pv_ring *ring);
/* All before it is executed and visible. Any thread. */
uint32_t pv_ring_position(const struct pv_ring *ring);
/* Whether it has a thread of its own. */
bool pv_ring_is_threaded(const struct pv_ring *ring);
/* From the consumer, per command: whether a thread of ours waits for progress, which is then
 * published after each command. One relaxed load. */
bool pv_ring_is_awaited(const struct pv_ring *ring);
/* The same as a counter to look at (relaxed), for a loop that cannot afford a call. */
const _Atomic uint32_t *pv_ring_awaiters(const struct pv_ring *ring);

/* From the consumer, in the last command of a batch of `size` bytes: whether nobody would miss this
 * thread for a moment. No: new bytes or a notify have come, somebody waits for this ring's
 * progress, all cores but one run rings, or others need this core. Always no in polling mode, and
 * where rings never spin.
 */
bool pv_ring_is_undisturbed(const struct pv_ring *ring, uint32_t size);
/* From the consumer: lets others have this core for a moment. Where they do not give it back soon,
 * the ring remembers, and is not undisturbed any more. */
void pv_ring_let_others_run(struct pv_ring *ring);

/* The guest rang: wake up, and do not go idle for another idle timeout. Any thread. */
void pv_ring_notify(struct pv_ring *ring);

/* Sets ALIVE (the monitor's work) or FATAL. Any thread. */
void pv_ring_raise_status(struct pv_ring *ring, enum pv_ring_status bits);

/* Blocks until the ring has executed everything before `seqno`; counts as a notify. Not from the
 * ring's own thread. PV_GUEST_FAULT when the ring is drained and its tail has not reached seqno,
 * PV_CLOSED when the ring ends. In polling mode it polls, on the caller's thread. */
PV_NODISCARD enum pv_result pv_ring_wait_seqno(struct pv_ring *ring, uint32_t seqno);

/* Whether pv_ring_wait_seqno() would return at once. Any thread. */
bool pv_ring_has_reached(const struct pv_ring *ring, uint32_t seqno);

/* The virtqueue has reached `seqno`; must not go backwards (PV_GUEST_FAULT). Any thread. */
PV_NODISCARD enum pv_result pv_ring_submit_virtqueue_seqno(struct pv_ring *ring, uint64_t seqno);
/* From the consumer: blocks until the virtqueue has reached `seqno`, between `sleeps` and `wakes`;
 * publish first. PV_CLOSED when the ring is stopped meanwhile. In polling mode the virtqueue must
 * be another thread's, or nobody would end the wait: pv_ring_has_virtqueue_seqno() tells. */
PV_NODISCARD enum pv_result pv_ring_wait_virtqueue_seqno(struct pv_ring *ring, uint64_t seqno);
bool pv_ring_has_virtqueue_seqno(const struct pv_ring *ring, uint64_t seqno);

/* Stores a word in the extra region. False when `offset` is not inside or not a multiple of 4. */
PV_NODISCARD bool pv_ring_write_extra(struct pv_ring *ring, uint64_t offset, uint32_t value);

struct pv_ring_stats {
    uint64_t age_ns;
    uint64_t idle_ns; /* of that: from lying down to sleep until it executes again; in polling mode,
                         all time in which it does not execute */
    uint64_t bytes;   /* executed */
    uint64_t batches;
    uint64_t sleeps; /* times it went idle */
    uint64_t wakes;  /* out of that, whatever woke it */
};
void pv_ring_get_stats(const struct pv_ring *ring, struct pv_ring_stats *stats);

/* Share of the buffer that is in use now, 0 … 1. */
double pv_ring_utilization(const struct pv_ring *ring);

#endif
