#include "object/object.h"

#include "base/assert.h"
#include "base/pages.h"
#include "object/epoch.h"

#include <stdlib.h>
#include <string.h>

enum {
    PAGE_BITS = 8,
    DIRECTORY_BITS = 20,
    DIRECTORY_COST_PAGES = 8,
    /* What one new page may expire behind it: enough to keep up, little enough to be short. */
    EXPIRE_PAGES_MAX = 2,
    EXPIRE_LOOKS_MAX = 64,
    SPARE_STEP_PAGES = 2, /* so that the next directory is ready when half of this one is in use */
    /* What a long removal does before others may remove something. */
    REMOVE_PAGES_MAX = 16,
};

static const size_t directories_size = PV_OBJECT_DIRECTORIES * sizeof(void *);

static size_t page_index(uint64_t id)
{
    return (size_t)(id >> PAGE_BITS) & (PV_OBJECT_DIRECTORY_PAGES - 1);
}

static size_t slot_index(uint64_t id)
{
    return (size_t)id & (PV_OBJECT_PAGE_SLOTS - 1);
}

/* Called with the lock held: `count` pages more of the next directory. Its first touch of memory
 * can cost more than all else that an insert does, so it is spread over many. */
static void fill_spare(struct pv_objects *objects, uint32_t count)
{
    if (objects->spare == NULL) {
        objects->spare = malloc(sizeof(*objects->spare));
        objects->spare_pages = 0;
    }
    struct pv_object_directory *spare = objects->spare;
    for (; spare != NULL && count > 0 && objects->spare_pages < PV_OBJECT_DIRECTORY_PAGES;
         count--) {
        atomic_init(&spare->pages[objects->spare_pages++], &objects->shared->empty_page);
    }
}

enum pv_result pv_objects_init(struct pv_objects *objects, struct pv_epoch *epoch,
                               uint64_t alive_limit)
{
    *objects = (struct pv_objects){0};
    objects->shared = calloc(1, sizeof(*objects->shared));
    objects->directories = pv_pages_map(directories_size);
    if (objects->shared == NULL || objects->directories == NULL ||
        pthread_mutex_init(&objects->lock, NULL) != 0) {
        free(objects->shared);
        pv_pages_unmap((void *)objects->directories, directories_size);
        *objects = (struct pv_objects){0};
        return PV_NO_MEMORY;
    }
    /* What the first insert would have to touch for the first time. */
    fill_spare(objects, PV_OBJECT_DIRECTORY_PAGES);
    atomic_init(&objects->directories[0], NULL);
    for (size_t i = 0; i < PV_OBJECT_PAGE_SLOTS; i++) {
        atomic_init(&objects->shared->dead_page.slots[i].tag, PV_TAG_DEAD);
    }
    for (size_t i = 0; i < PV_OBJECT_DIRECTORY_PAGES; i++) {
        atomic_init(&objects->shared->dead_directory.pages[i], &objects->shared->dead_page);
    }
    objects->epoch = epoch;
    objects->alive_limit = alive_limit;
    /* Enough for sparse survivors and for the ids that wait to expire. */
    objects->page_limit = alive_limit / 16 + 2 * (PV_OBJECT_EXPIRY >> PAGE_BITS);
    return PV_OK;
}

static void free_directory(struct pv_objects *objects, struct pv_object_directory *directory)
{
    for (size_t i = 0; i < PV_OBJECT_DIRECTORY_PAGES; i++) {
        struct pv_object_page *page =
            atomic_load_explicit(&directory->pages[i], memory_order_relaxed);
        if (page != &objects->shared->empty_page && page != &objects->shared->dead_page) {
            free(page);
        }
    }
    free(directory);
}

void pv_objects_finish(struct pv_objects *objects)
{
    if (objects->directories == NULL) {
        return;
    }
    uint64_t highest = atomic_load_explicit(&objects->highest_id, memory_order_acquire);
    for (size_t i = 0; i <= highest >> DIRECTORY_BITS; i++) {
        struct pv_object_directory *directory =
            atomic_load_explicit(&objects->directories[i], memory_order_acquire);
        if (directory != NULL && directory != &objects->shared->dead_directory) {
            free_directory(objects, directory);
        }
    }
    free(objects->spare);
    pthread_mutex_destroy(&objects->lock);
    pv_pages_unmap((void *)objects->directories, directories_size);
    free(objects->shared);
    *objects = (struct pv_objects){0};
}

uint64_t pv_objects_alive_count(const struct pv_objects *objects)
{
    /* The deaths first: they never outnumber the claims seen after them. */
    uint64_t dead = atomic_load_explicit(&objects->dead_total, memory_order_acquire);
    return atomic_load_explicit(&objects->reserved_total, memory_order_relaxed) - dead;
}

static bool take_pages(struct pv_objects *objects, uint64_t count)
{
    uint64_t before = atomic_fetch_add_explicit(&objects->page_count, count, memory_order_relaxed);
    if (before + count > objects->page_limit) {
        atomic_fetch_sub_explicit(&objects->page_count, count, memory_order_relaxed);
        return false;
    }
    return true;
}

static void give_pages(struct pv_objects *objects, uint64_t count)
{
    atomic_fetch_sub_explicit(&objects->page_count, count, memory_order_relaxed);
}

/* The directory of `id`, made if it is missing; NULL at the quota. May be the dead one. */
static struct pv_object_directory *need_directory(struct pv_objects *objects, uint64_t id)
{
    struct pv_object_directory *_Atomic *place = &objects->directories[id >> DIRECTORY_BITS];
    struct pv_object_directory *found = atomic_load_explicit(place, memory_order_acquire);
    if (PV_LIKELY(found != NULL)) {
        return found;
    }
    if (!take_pages(objects, DIRECTORY_COST_PAGES)) {
        return NULL;
    }
    pthread_mutex_lock(&objects->lock);
    fill_spare(objects, PV_OBJECT_DIRECTORY_PAGES);
    struct pv_object_directory *made = objects->spare;
    if (made != NULL) {
        made->dead_count = 0;
        /* Only here, under the lock, does a directory come to be. */
        found = atomic_load_explicit(place, memory_order_acquire);
        if (found == NULL) {
            objects->spare = NULL;
            atomic_store_explicit(place, made, memory_order_release);
        }
    }
    pthread_mutex_unlock(&objects->lock);
    if (made == NULL || found != NULL) {
        give_pages(objects, DIRECTORY_COST_PAGES);
        return found;
    }
    return made;
}

/* A list of dead pages, that nobody can look into any more. */
static void free_pages(void *memory)
{
    struct pv_object_page *page = memory;
    while (page != NULL) {
        struct pv_object_page *next = page->next_dead;
        free(page);
        page = next;
    }
}

/* Retires what has died under the lock. */
static void unlock(struct pv_objects *objects)
{
    if (objects->dead != NULL) {
        pv_epoch_defer(objects->epoch, objects->dead, free_pages);
        objects->dead = NULL;
    }
    pthread_mutex_unlock(&objects->lock);
}

/* Called with the lock held. A page with no slot left to use gives its memory back. */
static void bury_page(struct pv_objects *objects, uint64_t id, struct pv_object_page *page)
{
    size_t number = (size_t)(id >> DIRECTORY_BITS);
    struct pv_object_directory *directory =
        atomic_load_explicit(&objects->directories[number], memory_order_relaxed);
    atomic_store_explicit(&directory->pages[page_index(id)], &objects->shared->dead_page,
                          memory_order_release);
    if (page != &objects->shared->empty_page) {
        give_pages(objects, 1);
        page->next_dead = objects->dead;
        objects->dead = page;
    }
    if (++directory->dead_count == PV_OBJECT_DIRECTORY_PAGES) {
        atomic_store_explicit(&objects->directories[number], &objects->shared->dead_directory,
                              memory_order_release);
        give_pages(objects, DIRECTORY_COST_PAGES);
        pv_epoch_defer(objects->epoch, directory, free);
    }
}

/* Called with the lock held. True when the page was there and had to be looked through. */
static bool expire_page(struct pv_objects *objects, uint64_t number)
{
    uint64_t id = number << PAGE_BITS;
    struct pv_object_directory *directory =
        atomic_load_explicit(&objects->directories[id >> DIRECTORY_BITS], memory_order_acquire);
    if (directory == NULL || directory == &objects->shared->dead_directory) {
        return false;
    }
    struct pv_object_page *_Atomic *place = &directory->pages[page_index(id)];
    struct pv_object_page *page = atomic_load_explicit(place, memory_order_acquire);
    if (page == &objects->shared->dead_page) {
        return false;
    }
    if (page == &objects->shared->empty_page &&
        atomic_compare_exchange_strong_explicit(place, &page, &objects->shared->dead_page,
                                                memory_order_acq_rel, memory_order_acquire)) {
        bury_page(objects, id, &objects->shared->empty_page);
        return false;
    }
    for (size_t i = 0; i < PV_OBJECT_PAGE_SLOTS; i++) {
        uint64_t tag = PV_TAG_EMPTY;
        if (atomic_compare_exchange_strong_explicit(&page->slots[i].tag, &tag, PV_TAG_DEAD,
                                                    memory_order_relaxed, memory_order_relaxed)) {
            page->dead_count++;
        }
    }
    if (page->dead_count == PV_OBJECT_PAGE_SLOTS) {
        bury_page(objects, id, page);
    }
    return true;
}

/* A new page at the top pays for a look at those that fall out of the expiry window. */
static void expire_pages(struct pv_objects *objects, uint64_t newest_id)
{
    if (newest_id <= PV_OBJECT_EXPIRY) {
        return;
    }
    uint64_t end = (newest_id - PV_OBJECT_EXPIRY) >> PAGE_BITS;
    unsigned pages = 0;
    pthread_mutex_lock(&objects->lock);
    for (unsigned looks = 0;
         looks < EXPIRE_LOOKS_MAX && pages < EXPIRE_PAGES_MAX && objects->expired_page < end;
         looks++) {
        pages += expire_page(objects, objects->expired_page) ? 1 : 0;
        objects->expired_page++;
    }
    unlock(objects);
}

/* The page of `id`, made if it is missing; NULL at the quota. May be the dead one. */
static struct pv_object_page *need_page(struct pv_objects *objects, uint64_t id)
{
    struct pv_object_directory *directory = need_directory(objects, id);
    if (PV_UNLIKELY(directory == NULL)) {
        return NULL;
    }
    struct pv_object_page *_Atomic *place = &directory->pages[page_index(id)];
    struct pv_object_page *found = atomic_load_explicit(place, memory_order_acquire);
    if (PV_LIKELY(found != &objects->shared->empty_page)) {
        return found;
    }
    if (!take_pages(objects, 1)) {
        return NULL;
    }
    struct pv_object_page *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        give_pages(objects, 1);
        return NULL;
    }
    if (!atomic_compare_exchange_strong_explicit(place, &found, made, memory_order_acq_rel,
                                                 memory_order_acquire)) {
        free(made);
        give_pages(objects, 1);
        return found;
    }
    expire_pages(objects, id);
    return made;
}

/* False when the id is too far from all that came before. The first may be any: the counter is the
 * guest process's, and this may not be its first context. */
static bool raise_highest(struct pv_objects *objects, uint64_t id)
{
    uint64_t highest = atomic_load_explicit(&objects->highest_id, memory_order_relaxed);
    while (id > highest) {
        if (highest != 0 && id - highest > PV_OBJECT_JUMP_MAX) {
            return false;
        }
        if (atomic_compare_exchange_weak_explicit(&objects->highest_id, &highest, id,
                                                  memory_order_release, memory_order_relaxed)) {
            break;
        }
    }
    return true;
}

enum pv_object_status pv_object_reserve(struct pv_objects *objects, uint64_t id)
{
    if (id == 0 || id >> DIRECTORY_BITS >= PV_OBJECT_DIRECTORIES || !raise_highest(objects, id)) {
        return PV_OBJECT_ID_TOO_FAR;
    }
    if (PV_UNLIKELY(pv_objects_alive_count(objects) >= objects->alive_limit)) {
        return PV_OBJECT_QUOTA;
    }
    struct pv_object_page *page = need_page(objects, id);
    if (PV_UNLIKELY(page == NULL)) {
        return PV_OBJECT_QUOTA;
    }
    /* Far from where an insert makes a page. */
    if (PV_UNLIKELY(slot_index(id) == PV_OBJECT_PAGE_SLOTS / 2)) {
        pthread_mutex_lock(&objects->lock);
        fill_spare(objects, SPARE_STEP_PAGES);
        pthread_mutex_unlock(&objects->lock);
    }
    /* Counted before the slot is ours: deaths are never ahead of claims. */
    atomic_fetch_add_explicit(&objects->reserved_total, 1, memory_order_relaxed);
    uint64_t tag = PV_TAG_EMPTY;
    if (PV_UNLIKELY(!atomic_compare_exchange_strong_explicit(&page->slots[slot_index(id)].tag, &tag,
                                                             PV_TAG_RESERVED, memory_order_acq_rel,
                                                             memory_order_relaxed))) {
        atomic_fetch_sub_explicit(&objects->reserved_total, 1, memory_order_relaxed);
        return PV_OBJECT_ID_IN_USE;
    }
    return PV_OBJECT_DONE;
}

void pv_object_publish(struct pv_objects *objects, uint64_t id, uint64_t tag, uint64_t host)
{
    PV_ASSERT(host != 0 && PV_TAG_TYPE(tag) != 0 && PV_TAG_TYPE(tag) < PV_TAG_RESERVED);
    struct pv_slot *slot = pv_object_slot(objects, id);
    PV_ASSERT(atomic_load_explicit(&slot->tag, memory_order_relaxed) == PV_TAG_RESERVED);
    atomic_store_explicit(&slot->host, host, memory_order_relaxed);
    atomic_store_explicit(&slot->tag, tag, memory_order_release);
}

/* Called with the lock held, for a page in which slots have just died. */
static void count_deaths(struct pv_objects *objects, uint64_t id, struct pv_object_page *page,
                         uint32_t count)
{
    uint64_t total = atomic_load_explicit(&objects->dead_total, memory_order_relaxed);
    atomic_store_explicit(&objects->dead_total, total + count, memory_order_release);
    page->dead_count += count;
    if (PV_UNLIKELY(page->dead_count == PV_OBJECT_PAGE_SLOTS)) {
        bury_page(objects, id, page);
    }
}

/* The real page of an id whose slot is alive or reserved; called with the lock held. */
static struct pv_object_page *page_of(struct pv_objects *objects, uint64_t id)
{
    struct pv_object_directory *directory =
        atomic_load_explicit(&objects->directories[id >> DIRECTORY_BITS], memory_order_acquire);
    return atomic_load_explicit(&directory->pages[page_index(id)], memory_order_acquire);
}

void pv_object_abandon(struct pv_objects *objects, uint64_t id)
{
    pthread_mutex_lock(&objects->lock);
    struct pv_slot *slot = pv_object_slot(objects, id);
    PV_ASSERT(atomic_load_explicit(&slot->tag, memory_order_relaxed) == PV_TAG_RESERVED);
    atomic_store_explicit(&slot->tag, PV_TAG_DEAD, memory_order_release);
    count_deaths(objects, id, page_of(objects, id), 1);
    unlock(objects);
}

uint64_t pv_object_remove(struct pv_objects *objects, uint64_t id, uint64_t tag)
{
    PV_ASSERT(PV_TAG_TYPE(tag) < PV_TAG_RESERVED && PV_TAG_TYPE(tag) != 0);
    uint64_t host = 0;
    pthread_mutex_lock(&objects->lock);
    struct pv_slot *slot = pv_object_slot(objects, id);
    /* A live slot changes only under the lock, so a plain store kills it. */
    if (PV_LIKELY(atomic_load_explicit(&slot->tag, memory_order_acquire) == tag)) {
        host = atomic_load_explicit(&slot->host, memory_order_relaxed);
        atomic_store_explicit(&slot->tag, PV_TAG_DEAD, memory_order_release);
        count_deaths(objects, id, page_of(objects, id), 1);
    }
    unlock(objects);
    return host;
}

/* Called with the lock held: the slots [first, end) of one page. Where nothing has died yet, all of
 * them are alive with this tag, and a page that goes as a whole needs no tombstones. */
static uint32_t remove_slots(struct pv_objects *objects, uint64_t first, uint64_t end, uint64_t tag)
{
    struct pv_object_directory *directory =
        atomic_load_explicit(&objects->directories[first >> DIRECTORY_BITS], memory_order_acquire);
    if (directory == NULL || directory == &objects->shared->dead_directory) {
        return 0;
    }
    struct pv_object_page *page =
        atomic_load_explicit(&directory->pages[page_index(first)], memory_order_acquire);
    if (page == &objects->shared->empty_page || page == &objects->shared->dead_page) {
        return 0;
    }
    if (end - first == PV_OBJECT_PAGE_SLOTS && page->dead_count == 0) {
        const struct pv_slot *slots = page->slots;
        PV_ASSERT(atomic_load_explicit(&slots[0].tag, memory_order_relaxed) == tag &&
                  atomic_load_explicit(&slots[PV_OBJECT_PAGE_SLOTS - 1].tag,
                                       memory_order_relaxed) == tag);
        count_deaths(objects, first, page, PV_OBJECT_PAGE_SLOTS);
        return PV_OBJECT_PAGE_SLOTS;
    }
    uint32_t count = 0;
    struct pv_slot *slot = &page->slots[slot_index(first)];
    for (uint64_t id = first; id < end; id++, slot++) {
        if (atomic_load_explicit(&slot->tag, memory_order_relaxed) == tag) {
            atomic_store_explicit(&slot->tag, PV_TAG_DEAD, memory_order_release);
            count++;
        }
    }
    if (count != 0) {
        count_deaths(objects, first, page, count);
    }
    return count;
}

uint64_t pv_object_remove_range(struct pv_objects *objects, uint64_t first, uint64_t count,
                                uint64_t tag)
{
    PV_ASSERT(PV_TAG_TYPE(tag) < PV_TAG_RESERVED && PV_TAG_TYPE(tag) != 0);
    uint64_t highest = atomic_load_explicit(&objects->highest_id, memory_order_acquire);
    if (count == 0 || first > highest) {
        return 0;
    }
    uint64_t end = count <= highest - first ? first + count : highest + 1;
    uint64_t removed = 0;
    while (first < end) {
        pthread_mutex_lock(&objects->lock);
        for (uint32_t pages = 0; pages < REMOVE_PAGES_MAX && first < end; pages++) {
            uint64_t page_end = (first | (PV_OBJECT_PAGE_SLOTS - 1)) + 1;
            uint64_t stop = page_end < end ? page_end : end;
            removed += remove_slots(objects, first, stop, tag);
            first = stop;
        }
        unlock(objects);
    }
    return removed;
}

struct visit {
    uint32_t owner;
    uint32_t type;
    void (*call)(void *user, uint64_t id, uint64_t tag, uint64_t host);
    void *user;
};

static void visit_page(struct pv_object_page *page, uint64_t first_id, const struct visit *visit)
{
    for (size_t i = 0; i < PV_OBJECT_PAGE_SLOTS; i++) {
        uint64_t tag = atomic_load_explicit(&page->slots[i].tag, memory_order_acquire);
        uint32_t type = PV_TAG_TYPE(tag);
        if (type == 0 || type >= PV_TAG_RESERVED || PV_TAG_OWNER(tag) != visit->owner ||
            (visit->type != 0 && type != visit->type)) {
            continue;
        }
        uint64_t host = atomic_load_explicit(&page->slots[i].host, memory_order_relaxed);
        visit->call(visit->user, first_id + i, tag, host);
    }
}

void pv_objects_each(struct pv_objects *objects, uint32_t owner, uint32_t type,
                     void (*visit)(void *user, uint64_t id, uint64_t tag, uint64_t host),
                     void *user)
{
    struct visit each = {.owner = owner, .type = type, .call = visit, .user = user};
    uint64_t last = atomic_load_explicit(&objects->highest_id, memory_order_acquire);
    for (uint64_t i = 0; i <= last >> DIRECTORY_BITS; i++) {
        struct pv_object_directory *directory =
            atomic_load_explicit(&objects->directories[i], memory_order_acquire);
        if (directory == NULL || directory == &objects->shared->dead_directory) {
            continue;
        }
        for (uint64_t j = 0; j < PV_OBJECT_DIRECTORY_PAGES; j++) {
            struct pv_object_page *page =
                atomic_load_explicit(&directory->pages[j], memory_order_acquire);
            if (page != &objects->shared->empty_page && page != &objects->shared->dead_page) {
                visit_page(page, (i << DIRECTORY_BITS) + (j << PAGE_BITS), &each);
            }
        }
    }
}
