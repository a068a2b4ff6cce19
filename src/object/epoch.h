#ifndef PV_OBJECT_EPOCH_H
#define PV_OBJECT_EPOCH_H

#include "base/attributes.h"
#include "base/result.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Frees our own memory only when no dispatcher can still hold a pointer to it.
 *
 * Each dispatcher (a ring, or the context's command stream) is a reader. It calls
 * pv_epoch_quiet() at command boundaries (once per batch is enough), pv_epoch_sleep() before it
 * idles or waits while holding no pointer, and pv_epoch_wake() afterwards. What another thread
 * retired is freed once every reader has been quiet or asleep since. */

enum { PV_EPOCH_READERS_MAX = 256 };

struct pv_epoch_reader {
    _Atomic uint64_t seen; /* the epoch at the last boundary; UINT64_MAX while asleep or unused */
    _Atomic bool used;
} PV_CACHE_ALIGNED;

struct pv_retired;

struct pv_epoch {
    _Atomic uint64_t current;        /* grows with everything that is retired */
    _Atomic uint64_t pending_count;  /* retired and not yet freed */
    struct pv_epoch_reader *readers; /* PV_EPOCH_READERS_MAX */
    pthread_mutex_t lock;
    struct pv_retired *retired; /* oldest first; guarded by lock */
    struct pv_retired **retired_tail;
    bool is_ready;
};

PV_NODISCARD enum pv_result pv_epoch_init(struct pv_epoch *epoch);
/* Frees all that is left; no reader may be in use. */
void pv_epoch_finish(struct pv_epoch *epoch);

/* NULL when all are taken. The new reader is asleep. */
PV_NODISCARD struct pv_epoch_reader *pv_epoch_join(struct pv_epoch *epoch);
void pv_epoch_leave(struct pv_epoch *epoch, struct pv_epoch_reader *reader);

/* Calls free_it(memory) once no reader can hold it; at once when there is none. Any thread; what is
 * retired must be unreachable for new lookups already. */
void pv_epoch_retire(struct pv_epoch *epoch, void *memory, void (*free_it)(void *));
/* The same, but leaves the freeing to a later call: for callers that hold a lock which free_it of
 * somebody else's memory might need. */
void pv_epoch_defer(struct pv_epoch *epoch, void *memory, void (*free_it)(void *));

/* Frees what has become free. */
PV_COLD void pv_epoch_reclaim(struct pv_epoch *epoch);
/* Slow part of pv_epoch_quiet(): something was retired since the last boundary. */
PV_COLD void pv_epoch_advance(struct pv_epoch *epoch, struct pv_epoch_reader *reader);

static PV_ALWAYS_INLINE void pv_epoch_wake(struct pv_epoch *epoch, struct pv_epoch_reader *reader)
{
    uint64_t current = atomic_load_explicit(&epoch->current, memory_order_acquire);
    atomic_store_explicit(&reader->seen, current, memory_order_seq_cst);
    /* Partner: the fence in pv_epoch_reclaim(). Either the retirer, who has removed the slot before
     * it, sees us awake, or our lookups, which follow, see the slot removed. */
    atomic_thread_fence(memory_order_seq_cst);
}

static PV_ALWAYS_INLINE void pv_epoch_sleep(struct pv_epoch_reader *reader)
{
    atomic_store_explicit(&reader->seen, UINT64_MAX, memory_order_release);
}

/* Two loads and a compare while nothing is retired. */
static PV_ALWAYS_INLINE void pv_epoch_quiet(struct pv_epoch *epoch, struct pv_epoch_reader *reader)
{
    uint64_t current = atomic_load_explicit(&epoch->current, memory_order_relaxed);
    if (PV_UNLIKELY(atomic_load_explicit(&reader->seen, memory_order_relaxed) != current)) {
        pv_epoch_advance(epoch, reader);
    }
}

#endif
