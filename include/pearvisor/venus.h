/*
 * Embedding: a guest's Vulkan on memory of your own, and on your own thread.
 *
 * For a virtual machine monitor that has memory which it shares with a guest, hears by its own
 * means when the guest has written there, and wants no thread of the library's in between:
 *
 *     pv_venus_init()                         loads Vulkan, makes a context for one guest
 *     pv_venus_ring_create_from_memory()      lays a command ring into your memory
 *     pv_venus_integration_start()            the context executes what comes through it
 *       pv_context_attach_memory()            memory for replies, by the id that commands name
 *       pv_venus_ring_notify()                runs what the guest has written: as often as you like
 *       pv_venus_get_stats()
 *     pv_venus_integration_stop()
 *     pv_venus_ring_destroy()
 *     pv_venus_cleanup()
 *
 * The bytes in the ring are the Venus protocol, as Mesa's driver for guests writes it. Everything
 * that context.h offers works with the same context: further command streams, blobs, fences, the
 * full statistics. For a whole virtio-gpu device see gpu.h.
 *
 * Polling mode. No thread serves the ring: what has been written runs inside of
 * pv_venus_ring_notify(), on the thread that calls it, and nothing runs otherwise. A guest that
 * leaves out to ring for a while (Mesa does, within a millisecond of the last time) is served when
 * you poll: call it as often as an answer may be late. A poll that finds nothing costs a few loads.
 *
 * Threads. Calls on different contexts never disturb each other. Of one ring,
 * pv_venus_ring_notify(), _utilization() and _integration_stop() may come from several threads at
 * once; the others one at a time, with nothing else under way. Starting and stopping changes the
 * context's list of rings: one thread at a time for a context, together with pv_context_submit().
 * Callbacks of the context come on the thread that notifies, too.
 *
 * A guest is hostile: of the ring's memory every byte is copied once, before it is looked at.
 */
#ifndef PEARVISOR_VENUS_H
#define PEARVISOR_VENUS_H

#include <pearvisor/context.h>
#include <pearvisor/renderer.h>
#include <pearvisor/result.h>
#include <pearvisor/version.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opaque. Heap; ends with pv_venus_ring_destroy(). */
struct pv_venus_ring;

enum {
    PV_VENUS_RING_SIZE_MIN = 4096,
    PV_VENUS_RING_SIZE_DEFAULT = 4 * 1024 * 1024, /* advised: a buffer of 2 MiB */
    PV_VENUS_RING_ALIGNMENT = 4096,
};

/* The first 16 bytes of a ring's memory; the buffer follows. All little-endian. Each word has one
 * writer; who writes stores with release order, who reads loads with acquire order. Positions run
 * freely modulo 2^32: the byte at position p is buffer[p % buffer_size], `tail - head` bytes are
 * in use, and a command may go around the buffer's end. */
struct pv_venus_ring_control {
    uint32_t head;    /* the host's: all before it is executed, replies and effects are visible */
    uint32_t tail;    /* the guest's: all before it is written */
    uint32_t status;  /* the host's: enum pv_venus_ring_status */
    uint32_t padding; /* nobody's */
};

/* Bits of the status word, with Venus' values. */
enum pv_venus_ring_status {
    PV_VENUS_RING_IDLE = 1,  /* nobody looks at the tail by himself: ring. Set while started */
    PV_VENUS_RING_FATAL = 2, /* the context has ended, or this ring: nothing is executed any more */
};

/* The four figures that can be read at a glance. They stay at their highest value when that is
 * reached; pv_context_get_stats() has them in 64 bits, and all others. */
struct pv_venus_stats {
    uint32_t commands_handled; /* executed, of all kinds */
    uint32_t objects_created;  /* by the guest */
    uint32_t errors;           /* of the guest: 1 once its context has turned fatal by its fault */
    uint32_t padding;          /* 0 */
};

/* Creates a renderer, and a context of it that owns it. `params` as for pv_renderer_create(), NULL
 * for the defaults: the platform's Vulkan loader, all of its GPUs, no log. Takes as long as
 * pv_renderer_create() does, mostly the driver's time. For several guests create one renderer and
 * several contexts instead; the calls below take those, too.
 *
 *   PV_OK            *context is the caller's, to be given to pv_venus_cleanup()
 *   PV_HOST_FAILED   no Vulkan loader, or no driver that works
 *   PV_NO_MEMORY
 *   PV_UNSUPPORTED   `params` asks for something that this version does not know
 *   PV_INVALID       `context` is NULL
 *
 * On failure *context is NULL. Any thread. */
PV_API enum pv_result pv_venus_init(const struct pv_renderer_params *params,
                                    struct pv_context **context);

/* Stops the rings that are started on it (they stay the caller's), waits for the GPU, destroys what
 * the guest has left, and the renderer if pv_venus_init() made it. The same as
 * pv_context_destroy(). NULL is accepted. No other call of the context may be under way. */
PV_API void pv_venus_cleanup(struct pv_context *context);

/* Any thread.
 *
 *   PV_OK
 *   PV_GUEST_FAULT   filled in all the same: the context is fatal, so these are its last figures
 *   PV_INVALID       an argument is NULL; nothing is written */
PV_API enum pv_result pv_venus_get_stats(struct pv_context *context, struct pv_venus_stats *stats);

/* Lays a ring into `memory`, which stays the caller's and must stay mapped, readable and writable
 * until pv_venus_ring_destroy(). It begins at a multiple of PV_VENUS_RING_ALIGNMENT, and any
 * `size_bytes` from PV_VENUS_RING_SIZE_MIN to below 4 GiB will do: struct pv_venus_ring_control,
 * then a buffer of the largest power of two that fits behind it. Head and status are zeroed, and
 * nothing else is touched: a guest may have begun to write.
 *
 *   PV_OK            *ring is the caller's
 *   PV_INVALID       `memory` or `ring` is NULL, not aligned, too small, too large, or beyond the
 *                    end of the address space
 *   PV_NO_MEMORY
 *
 * On failure *ring is NULL and the memory is untouched. Any thread. */
PV_API enum pv_result pv_venus_ring_create_from_memory(void *memory, size_t size_bytes,
                                                       struct pv_venus_ring **ring);

/* Forgets the memory.
 *
 *   PV_OK        also for NULL
 *   PV_BUSY      it is started: nothing has happened, call pv_venus_integration_stop() first */
PV_API enum pv_result pv_venus_ring_destroy(struct pv_venus_ring *ring);

/* Of the buffer, in bytes; a power of two. 0 for NULL. Any thread. */
PV_API size_t pv_venus_ring_buffer_size(const struct pv_venus_ring *ring);

/* Lets the context execute what comes through the ring, from where the ring's head is. Poll once
 * behind it: a guest that has written before had not been told to ring. The library sets as much
 * memory aside as the buffer is large, for its private copy; what is never used of that costs
 * address space only.
 *
 *   PV_OK
 *   PV_BUSY          the ring is started already, on this context or another; it stays so
 *   PV_GUEST_FAULT   the context is fatal, or somebody has written into head or status
 *   PV_NO_MEMORY     or the context has as many rings as its quota allows
 *   PV_INVALID       an argument is NULL */
PV_API enum pv_result pv_venus_integration_start(struct pv_venus_ring *ring,
                                                 struct pv_context *context);

/* Takes the ring from its context. What the guest has written and nobody has executed stays where
 * it is: a later start goes on there, with the same context as if nothing had been. If another
 * thread is inside of pv_venus_ring_notify(), this call waits for its batch, and after a second
 * cuts it: that call returns PV_CLOSED then, and since nobody can go on in the middle of a batch,
 * the context is fatal. To pause a guest, let notifies return first.
 *
 *   PV_OK
 *   PV_CLOSED    it was not started, or its context is gone: nothing to do
 *   PV_BUSY      called from inside of pv_venus_ring_notify() (a callback): nothing has happened
 *   PV_INVALID   NULL */
PV_API enum pv_result pv_venus_integration_stop(struct pv_venus_ring *ring);

/* Executes everything that was in the ring when it looked, in one batch, on the calling thread; a
 * guest decides how long that takes. Empty: a few loads, whatever the ring's size. When it returns
 * PV_OK, what was written before the call is done. From a second thread meanwhile: waits for the
 * first, then looks again.
 *
 *   PV_OK
 *   PV_GUEST_FAULT   the context is fatal, now or since long; the ring says so to the guest
 *   PV_CLOSED        the ring is not started, or was stopped meanwhile
 *   PV_BUSY          called from inside of itself (a callback): nothing has happened. In
 *                    turned_fatal() it is PV_GUEST_FAULT by then
 *   PV_INVALID       NULL */
PV_API enum pv_result pv_venus_ring_notify(struct pv_venus_ring *ring);

/* The share of the buffer that is written and not yet executed, 0.0 to 1.0; -1.0 for NULL. A guest
 * that lies about its tail makes it 1.0 at most. Any thread. */
PV_API double pv_venus_ring_utilization(const struct pv_venus_ring *ring);

#ifdef __cplusplus
}
#endif

#endif
