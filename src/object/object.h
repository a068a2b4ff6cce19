#ifndef PV_OBJECT_OBJECT_H
#define PV_OBJECT_OBJECT_H

#include "base/attributes.h"
#include "base/result.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The guest's ids → the host's objects.
 *
 * Mesa hands out ids from one counter and never reuses them, so the table is an array in three
 * levels, indexed by the id: 2^20 directories of 4096 pages of 256 slots of 16 bytes (a guest that
 * makes a million ids a second can go on for twelve days). A lookup is a few loads and one compare;
 * no lock, no reference count. Missing pages point to a shared empty one, and so do missing
 * directories, so that a lookup has one branch.
 *
 * A slot's tag is its type and its owner (the device it belongs to, 0 for what belongs to the
 * instance) in one word, so that the one compare refuses a wrong type and an object of another
 * device alike. A removed slot keeps a tombstone, and a page whose slots are all dead becomes the
 * shared dead page: an id that is used twice is a guest's fault, never a second object. Ids that
 * never came count as dead once the newest is PV_OBJECT_EXPIRY ids ahead: the table stays as large
 * as what lives in it, not as what ever lived.
 *
 * Threads: all calls from any thread that is awake as a reader of the epoch (object/epoch.h), which
 * frees pages only when no such thread can still look into them. Publish and abandon from any
 * thread at all: a reserved slot keeps its page. */

enum {
    PV_OBJECT_PAGE_SLOTS = 256,
    PV_OBJECT_DIRECTORY_PAGES = 4096,
    PV_OBJECT_DIRECTORIES = 1 << 20,
    PV_OBJECT_JUMP_MAX = 1 << 28, /* an id further beyond the highest seen is refused */
    PV_OBJECT_EXPIRY = 1 << 24,   /* unused ids so far below the highest are dead */
};

struct pv_slot {
    _Atomic uint64_t tag;  /* PV_TAG(), or one of the states below */
    _Atomic uint64_t host; /* the host's handle, or our own struct (struct pv_object) */
};

/* `type` is an enum pv_object_type (generated), at least 1 and below 0x10000. */
#define PV_TAG(type, owner) ((uint64_t)(type) | (uint64_t)(owner) << 32)
#define PV_TAG_TYPE(tag) ((uint32_t)(tag))
#define PV_TAG_OWNER(tag) ((uint32_t)((tag) >> 32))
#define PV_TAG_EMPTY UINT64_C(0)
#define PV_TAG_RESERVED UINT64_C(0x00010000) /* claimed by a create that is on its way */
#define PV_TAG_DEAD UINT64_C(0x00010001)

struct pv_object_page {
    struct pv_slot slots[PV_OBJECT_PAGE_SLOTS];
    uint32_t dead_count;              /* guarded by the table's lock */
    struct pv_object_page *next_dead; /* the list of those that are retired together */
};

struct pv_object_directory {
    struct pv_object_page *_Atomic pages[PV_OBJECT_DIRECTORY_PAGES];
    uint32_t dead_count; /* pages; guarded by the table's lock */
};

/* Head of our own structs for the object types that need one (device, queue, memory, pools …). */
struct pv_object {
    uint64_t host;  /* the host's handle; first, so that plain uses can read it in one load */
    uint64_t id;    /* the guest's */
    uint32_t owner; /* of the objects below it: a device's own number for a device */
};

/* What every table's missing and dead parts point to; never written after it is made. */
struct pv_object_shared {
    struct pv_object_page empty_page;
    struct pv_object_page dead_page;
    struct pv_object_directory dead_directory;
};

struct pv_objects {
    /* PV_OBJECT_DIRECTORIES pointers, of which the system backs only those that are used. NULL
     * stands for an empty directory. */
    struct pv_object_directory *_Atomic *directories;
    struct pv_object_shared *shared;
    struct pv_epoch *epoch; /* borrowed; dead pages are retired through it */
    uint64_t alive_limit;   /* quota */
    uint64_t page_limit;    /* quota on the table's own memory, a directory counts as 8 */
    pthread_mutex_t lock;   /* of deaths, and of new pages; lookups and publish do not take it */
    struct pv_object_page *dead; /* guarded by lock: out of the table, not yet retired */
    /* The next directory, filled little by little; both guarded by lock. */
    struct pv_object_directory *spare;
    uint32_t spare_pages;
    uint64_t expired_page;       /* guarded by lock: pages before it have no unused ids */
    _Atomic uint64_t dead_total; /* written under lock */
    _Atomic uint64_t page_count;
    _Atomic uint64_t highest_id;
    _Atomic uint64_t reserved_total;
};

/* What a claim or a removal can meet. */
enum pv_object_status {
    PV_OBJECT_DONE = 0,
    PV_OBJECT_ID_IN_USE,  /* alive, reserved or dead: ids are never reused */
    PV_OBJECT_ID_TOO_FAR, /* 0, or absurdly far beyond the highest seen */
    PV_OBJECT_QUOTA,      /* too many objects, or no memory for the table */
};

PV_NODISCARD enum pv_result pv_objects_init(struct pv_objects *objects, struct pv_epoch *epoch,
                                            uint64_t alive_limit);
/* Frees the table, not the objects in it. Accepts a zeroed struct. */
void pv_objects_finish(struct pv_objects *objects);

/* Live and reserved objects. */
uint64_t pv_objects_alive_count(const struct pv_objects *objects);

/* The slot of `id` in the first `count` directories of a table; NULL where there is none. */
static PV_ALWAYS_INLINE struct pv_slot *
pv_object_find(struct pv_object_directory *_Atomic *directories, uint64_t count, uint64_t id)
{
    uint64_t index = id >> 20;
    if (PV_UNLIKELY(index >= count)) {
        return NULL;
    }
    struct pv_object_directory *directory =
        atomic_load_explicit(&directories[index], memory_order_acquire);
    if (PV_UNLIKELY(directory == NULL)) {
        return NULL;
    }
    struct pv_object_page *page = atomic_load_explicit(
        &directory->pages[(id >> 8) & (PV_OBJECT_DIRECTORY_PAGES - 1)], memory_order_acquire);
    PV_ASSUME(page != NULL); /* missing and dead ones are shared pages */
    return &page->slots[id & (PV_OBJECT_PAGE_SLOTS - 1)];
}

/* The slot of any id: an empty or dead one where there is none. Never NULL. Read only. */
static PV_ALWAYS_INLINE struct pv_slot *pv_object_slot(struct pv_objects *objects, uint64_t id)
{
    struct pv_slot *slot = pv_object_find(objects->directories, PV_OBJECT_DIRECTORIES, id);
    return PV_LIKELY(slot != NULL) ? slot : &objects->shared->empty_page.slots[0];
}

/* The host's word for `id`, or 0 when the id is not alive with just this tag. */
static PV_ALWAYS_INLINE uint64_t pv_object_lookup(struct pv_objects *objects, uint64_t id,
                                                  uint64_t tag)
{
    struct pv_slot *slot = pv_object_slot(objects, id);
    if (PV_UNLIKELY(atomic_load_explicit(&slot->tag, memory_order_acquire) != tag)) {
        return 0;
    }
    return atomic_load_explicit(&slot->host, memory_order_relaxed);
}

/* Claims an id that has never been used. Until publish or abandon nobody finds it. */
PV_NODISCARD enum pv_object_status pv_object_reserve(struct pv_objects *objects, uint64_t id);

/* Makes an id findable that the caller has reserved. `host` must not be 0. */
void pv_object_publish(struct pv_objects *objects, uint64_t id, uint64_t tag, uint64_t host);

/* Gives a reserved id back after a failed create: the id is dead from now on. */
void pv_object_abandon(struct pv_objects *objects, uint64_t id);

/* Removes a live object and returns its host word, or 0 when the id is not alive with this tag:
 * of two racing removals one wins. */
PV_NODISCARD uint64_t pv_object_remove(struct pv_objects *objects, uint64_t id, uint64_t tag);

/* Removes what is alive of a range of which every id has been published with this tag: a pool's
 * children when the pool dies or is reset. In time linear in the pages, and in the slots only where
 * a page has a part of the range or a dead slot already. Returns how many there were. */
uint64_t pv_object_remove_range(struct pv_objects *objects, uint64_t first, uint64_t count,
                                uint64_t tag);

/* Calls `visit` for every live object whose owner is `owner` and, when `type` is not 0, whose type
 * is `type`; in id order. `visit` may remove the object it is shown. */
void pv_objects_each(struct pv_objects *objects, uint32_t owner, uint32_t type,
                     void (*visit)(void *user, uint64_t id, uint64_t tag, uint64_t host),
                     void *user);

#endif
