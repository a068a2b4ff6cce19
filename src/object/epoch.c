#include "object/epoch.h"

#include "base/assert.h"

#include <stddef.h>
#include <stdlib.h>

struct pv_retired {
    struct pv_retired *next;
    uint64_t epoch; /* free when every reader has seen a later one */
    void *memory;
    void (*free_it)(void *);
};

enum pv_result pv_epoch_init(struct pv_epoch *epoch)
{
    *epoch = (struct pv_epoch){0};
    size_t size = PV_EPOCH_READERS_MAX * sizeof(struct pv_epoch_reader);
    epoch->readers = aligned_alloc(PV_CACHE_LINE, size);
    if (epoch->readers == NULL || pthread_mutex_init(&epoch->lock, NULL) != 0) {
        free(epoch->readers);
        epoch->readers = NULL;
        return PV_NO_MEMORY;
    }
    for (size_t i = 0; i < PV_EPOCH_READERS_MAX; i++) {
        atomic_init(&epoch->readers[i].seen, UINT64_MAX);
        atomic_init(&epoch->readers[i].used, false);
    }
    epoch->retired_tail = &epoch->retired;
    epoch->is_ready = true;
    return PV_OK;
}

void pv_epoch_finish(struct pv_epoch *epoch)
{
    if (!epoch->is_ready) {
        return;
    }
    for (size_t i = 0; i < PV_EPOCH_READERS_MAX; i++) {
        PV_ASSERT(!atomic_load_explicit(&epoch->readers[i].used, memory_order_acquire));
    }
    pv_epoch_reclaim(epoch);
    PV_ASSERT(epoch->retired == NULL);
    pthread_mutex_destroy(&epoch->lock);
    free(epoch->readers);
    *epoch = (struct pv_epoch){0};
}

struct pv_epoch_reader *pv_epoch_join(struct pv_epoch *epoch)
{
    for (size_t i = 0; i < PV_EPOCH_READERS_MAX; i++) {
        bool was_used = false;
        if (atomic_compare_exchange_strong_explicit(&epoch->readers[i].used, &was_used, true,
                                                    memory_order_acq_rel, memory_order_relaxed)) {
            return &epoch->readers[i];
        }
    }
    return NULL;
}

void pv_epoch_leave(struct pv_epoch *epoch, struct pv_epoch_reader *reader)
{
    PV_ASSERT(reader >= epoch->readers && reader < epoch->readers + PV_EPOCH_READERS_MAX);
    pv_epoch_sleep(reader);
    atomic_store_explicit(&reader->used, false, memory_order_release);
    pv_epoch_reclaim(epoch);
}

void pv_epoch_defer(struct pv_epoch *epoch, void *memory, void (*free_it)(void *))
{
    struct pv_retired *retired = malloc(sizeof(*retired));
    if (retired == NULL) {
        /* A few hundred bytes leaked are better than memory freed under a reader. */
        return;
    }
    *retired = (struct pv_retired){.memory = memory, .free_it = free_it};
    pthread_mutex_lock(&epoch->lock);
    /* Under the lock, so that the list is in order. A reader that loads the new value knows that
     * the removal before it is done. */
    retired->epoch = atomic_fetch_add_explicit(&epoch->current, 1, memory_order_seq_cst);
    *epoch->retired_tail = retired;
    epoch->retired_tail = &retired->next;
    atomic_fetch_add_explicit(&epoch->pending_count, 1, memory_order_relaxed);
    pthread_mutex_unlock(&epoch->lock);
}

void pv_epoch_retire(struct pv_epoch *epoch, void *memory, void (*free_it)(void *))
{
    pv_epoch_defer(epoch, memory, free_it);
    pv_epoch_reclaim(epoch);
}

static uint64_t oldest_seen(struct pv_epoch *epoch)
{
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < PV_EPOCH_READERS_MAX; i++) {
        /* Acquire: what the reader read before its boundary, it read before we free. */
        uint64_t seen = atomic_load_explicit(&epoch->readers[i].seen, memory_order_acquire);
        oldest = seen < oldest ? seen : oldest;
    }
    return oldest;
}

void pv_epoch_reclaim(struct pv_epoch *epoch)
{
    pthread_mutex_lock(&epoch->lock);
    atomic_thread_fence(memory_order_seq_cst); /* partner: pv_epoch_wake() */
    uint64_t oldest = oldest_seen(epoch);
    struct pv_retired *list = epoch->retired;
    struct pv_retired **end = &list;
    uint64_t count = 0;
    while (*end != NULL && (*end)->epoch < oldest) {
        end = &(*end)->next;
        count++;
    }
    epoch->retired = *end;
    *end = NULL;
    if (epoch->retired == NULL) {
        epoch->retired_tail = &epoch->retired;
    }
    atomic_fetch_sub_explicit(&epoch->pending_count, count, memory_order_relaxed);
    pthread_mutex_unlock(&epoch->lock);

    while (list != NULL) { /* outside the lock: freeing may retire more */
        struct pv_retired *next = list->next;
        list->free_it(list->memory);
        free(list);
        list = next;
    }
}

void pv_epoch_advance(struct pv_epoch *epoch, struct pv_epoch_reader *reader)
{
    /* Acquire: lookups from now on see all removals that the new epoch stands for. Release: those
     * before are done. The reader stays awake, so this needs no fence as pv_epoch_wake() does. */
    uint64_t current = atomic_load_explicit(&epoch->current, memory_order_acquire);
    atomic_store_explicit(&reader->seen, current, memory_order_release);
    if (atomic_load_explicit(&epoch->pending_count, memory_order_relaxed) != 0) {
        pv_epoch_reclaim(epoch);
    }
}
