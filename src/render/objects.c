#include "base/assert.h"
#include "render/private.h"

#include <stdlib.h>
#include <string.h>

/* How commands claim, publish and remove objects. */

struct pv_instance *pv_exec_instance(struct pv_exec *x)
{
    struct pv_instance *instance =
        atomic_load_explicit(&x->context->instance, memory_order_acquire);
    if (PV_UNLIKELY(instance == NULL)) {
        pv_exec_fault(x, "there is no instance");
    }
    return instance;
}

bool pv_exec_reserve(struct pv_exec *x, uint64_t id)
{
    switch (pv_object_reserve(&x->context->objects, id)) {
    case PV_OBJECT_DONE:
        return true;
    case PV_OBJECT_ID_IN_USE:
        pv_exec_fault(x, "the id of the new object has been used before");
        return false;
    case PV_OBJECT_ID_TOO_FAR:
        pv_exec_fault(x, "the id of the new object is 0 or far beyond all others");
        return false;
    case PV_OBJECT_QUOTA:
        break;
    }
    pv_exec_fault(x, "too many objects");
    return false;
}

bool pv_exec_reserve_array(struct pv_exec *x, uint64_t count, const uint64_t *ids)
{
    for (uint64_t i = 0; i < count; i++) {
        if (!pv_exec_reserve(x, ids[i])) {
            for (uint64_t claimed = 0; claimed < i; claimed++) {
                pv_object_abandon(&x->context->objects, ids[claimed]);
            }
            return false;
        }
    }
    return true;
}

void pv_exec_settle(struct pv_exec *x, uint64_t id, uint32_t type, uint64_t host)
{
    if (PV_LIKELY(host != 0)) {
        pv_object_publish(&x->context->objects, id, PV_TAG(type, x->in.owner), host);
    } else {
        pv_object_abandon(&x->context->objects, id);
    }
}

void pv_object_forget(struct pv_objects *objects, uint64_t id, uint64_t tag)
{
    uint64_t host = pv_object_remove(objects, id, tag);
    (void)host; /* 0 where another ring has removed it first */
}

/* A guest that was told of the loss of its device tidies up what it has made without a reply, and
 * does not know that there was no making it. */
static PV_COLD bool may_not_exist(struct pv_exec *x, uint64_t id)
{
    const struct pv_device *device = pv_exec_find_device(x);
    struct pv_slot *slot = pv_object_slot(&x->context->objects, id);
    return device != NULL && pv_device_is_known_lost(device) &&
           atomic_load_explicit(&slot->tag, memory_order_acquire) == PV_TAG_DEAD;
}

uint64_t pv_exec_remove(struct pv_exec *x, uint64_t id, uint32_t type)
{
    if (id == 0) {
        return 0;
    }
    uint64_t host = pv_object_remove(&x->context->objects, id, PV_TAG(type, x->in.owner));
    if (PV_UNLIKELY(host == 0) && !may_not_exist(x, id)) {
        pv_exec_fault(x, "destroys an object that does not exist");
    }
    return host;
}

static struct pv_object *make_pool(void)
{
    struct pv_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL || pthread_mutex_init(&pool->lock, NULL) != 0) {
        free(pool);
        return NULL;
    }
    return &pool->object;
}

static void free_pool(void *memory)
{
    struct pv_pool *pool = memory;
    pthread_mutex_destroy(&pool->lock);
    free(pool->ranges);
    free(pool);
}

void pv_exec_settle_own(struct pv_exec *x, uint64_t id, uint32_t type, uint64_t host)
{
    /* Of the types with a struct, only the pools are made by generated code. */
    PV_ASSERT(type == PV_OBJECT_COMMAND_POOL || type == PV_OBJECT_DESCRIPTOR_POOL);
    struct pv_object *object = host != 0 ? make_pool() : NULL;
    if (object == NULL) {
        struct pv_device *device = host != 0 ? pv_exec_device(x) : NULL;
        if (device != NULL) {
            (void)pv_device_destroy_host(device, type, host);
            pv_exec_fault(x, "out of memory for an object");
        }
        pv_object_abandon(&x->context->objects, id);
        return;
    }
    object->host = host;
    object->id = id;
    object->owner = x->in.owner;
    pv_object_publish(&x->context->objects, id, PV_TAG(type, x->in.owner), PV_HANDLE_U64(object));
}

void pv_pool_forget_children(struct pv_render_context *context, struct pv_pool *pool,
                             uint32_t child_type)
{
    uint64_t tag = PV_TAG(child_type, pool->object.owner);
    pthread_mutex_lock(&pool->lock);
    for (uint32_t i = 0; i < pool->range_count; i++) {
        pv_object_remove_range(&context->objects, pool->ranges[i].first, pool->ranges[i].count,
                               tag);
    }
    pool->range_count = 0;
    pool->live_count = 0;
    pthread_mutex_unlock(&pool->lock);
}

void pv_object_retire_own(struct pv_render_context *context, uint32_t type,
                          struct pv_object *object)
{
    switch (type) {
    case PV_OBJECT_COMMAND_POOL:
        pv_pool_forget_children(context, (struct pv_pool *)object, PV_OBJECT_COMMAND_BUFFER);
        pv_epoch_retire(&context->epoch, object, free_pool);
        break;
    case PV_OBJECT_DESCRIPTOR_POOL:
        pv_pool_forget_children(context, (struct pv_pool *)object, PV_OBJECT_DESCRIPTOR_SET);
        pv_epoch_retire(&context->epoch, object, free_pool);
        break;
    default:
        PV_ASSERT(type == PV_OBJECT_SEMAPHORE);
        pv_epoch_retire(&context->epoch, object, free);
        break;
    }
}

uint64_t pv_exec_remove_own(struct pv_exec *x, uint64_t id, uint32_t type)
{
    struct pv_object *object = (struct pv_object *)(uintptr_t)pv_exec_remove(x, id, type);
    if (object == NULL) {
        return 0;
    }
    uint64_t host = __atomic_load_n(&object->host, __ATOMIC_RELAXED);
    pv_object_retire_own(x->context, type, object);
    return host;
}

/* --- pNext chains ------------------------------------------------------------------------------
 */

const void *pv_next_find(const void *next, VkStructureType type)
{
    for (const VkBaseInStructure *link = next; link != NULL; link = link->pNext) {
        if (link->sType == type) {
            return link;
        }
    }
    return NULL;
}

/* The decoder made the chain in scratch memory of this command, so it may be changed. */
const void *pv_next_unlink(const void *base, VkStructureType type)
{
    const void *found = NULL;
    VkBaseOutStructure *before = (VkBaseOutStructure *)(uintptr_t)base;
    while (before->pNext != NULL) {
        if (before->pNext->sType != type) {
            before = before->pNext;
            continue;
        }
        if (found == NULL) {
            found = before->pNext;
        }
        before->pNext = before->pNext->pNext;
    }
    return found;
}

void pv_next_link(void *base, void *link)
{
    VkBaseOutStructure *head = base;
    VkBaseOutStructure *first = link;
    first->pNext = head->pNext;
    head->pNext = first;
}
