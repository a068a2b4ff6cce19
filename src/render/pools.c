#include "render/private.h"

#include <stdlib.h>
#include <string.h>

/* Command buffers and descriptor sets. They leave the table with their pool, whose guest sends no
 * free for them, so a pool remembers which ids it gave out: as ranges, since the guest's ids are
 * dense. */

enum { RANGES_MIN = 8 };

/* Whether anything of the range is still alive; a tag of another pool's child counts too. */
static bool range_is_alive(struct pv_objects *objects, const struct pv_id_range *range,
                           uint64_t tag)
{
    for (uint64_t i = 0; i < range->count; i++) {
        if (pv_object_lookup(objects, range->first + i, tag) != 0) {
            return true;
        }
    }
    return false;
}

/* Drops ranges of which nothing is left. The pool's lock is held. */
static void compact(struct pv_objects *objects, struct pv_pool *pool, uint64_t tag)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < pool->range_count; i++) {
        if (pool->live_count != 0 && range_is_alive(objects, &pool->ranges[i], tag)) {
            pool->ranges[kept++] = pool->ranges[i];
        }
    }
    pool->range_count = kept;
}

static bool has_range_room(struct pv_objects *objects, struct pv_pool *pool, uint64_t tag)
{
    if (pool->range_count < pool->range_capacity) {
        return true;
    }
    compact(objects, pool, tag);
    if (pool->range_count < pool->range_capacity / 2) {
        return true;
    }
    uint32_t capacity = pool->range_capacity != 0 ? pool->range_capacity * 2 : RANGES_MIN;
    struct pv_id_range *ranges = realloc(pool->ranges, capacity * sizeof(*ranges));
    if (ranges == NULL) {
        return pool->range_count < pool->range_capacity;
    }
    pool->ranges = ranges;
    pool->range_capacity = capacity;
    return true;
}

/* The pool's lock is held. False when there is no memory to remember it. */
static bool remember(struct pv_objects *objects, struct pv_pool *pool, uint64_t id, uint64_t tag)
{
    if (pool->range_count > 0) {
        struct pv_id_range *last = &pool->ranges[pool->range_count - 1];
        if (last->first + last->count == id) {
            last->count++;
            pool->live_count++;
            return true;
        }
    }
    if (!has_range_room(objects, pool, tag)) {
        return false;
    }
    pool->ranges[pool->range_count++] = (struct pv_id_range){.first = id, .count = 1};
    pool->live_count++;
    return true;
}

/* Publishes `count` new children under the guest's ids. */
static void adopt(struct pv_exec *x, struct pv_pool *pool, uint32_t type, uint64_t count,
                  const uint64_t *ids, const uint64_t *hosts)
{
    struct pv_objects *objects = &x->context->objects;
    uint64_t tag = PV_TAG(type, x->in.owner);
    pthread_mutex_lock(&pool->lock);
    for (uint64_t i = 0; i < count; i++) {
        if (!remember(objects, pool, ids[i], tag)) {
            pv_exec_fault(x, "out of memory for a pool's children");
        }
        pv_object_publish(objects, ids[i], tag, hosts[i]);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* Takes the children out of the table; their host handles go to `hosts`. How many there were. */
static uint32_t dismiss(struct pv_exec *x, struct pv_pool *pool, uint32_t type, uint32_t count,
                        const uint64_t *ids, uint64_t *hosts)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t host = pv_exec_remove(x, ids[i], type);
        if (host != 0) {
            hosts[found++] = host;
        }
    }
    pthread_mutex_lock(&pool->lock);
    pool->live_count -= found < pool->live_count ? found : pool->live_count;
    if (pool->live_count == 0) {
        pool->range_count = 0;
    }
    pthread_mutex_unlock(&pool->lock);
    return found;
}

static struct pv_pool *pool_of(uint64_t word)
{
    return (struct pv_pool *)(uintptr_t)word;
}

/* Room for the driver's handles; NULL and a fault when there is none. */
static void *handle_room(struct pv_exec *x, uint32_t count)
{
    void *room = pv_arena_alloc(x->in.arena, (size_t)count * sizeof(uint64_t));
    if (room == NULL) {
        pv_exec_fault(x, "out of memory for handles");
    } else {
        memset(room, 0, (size_t)count * sizeof(uint64_t));
    }
    return room;
}

/* The guest reads zeros in their place. */
static void abandon_all(struct pv_exec *x, uint32_t count, uint64_t *ids)
{
    for (uint32_t i = 0; i < count; i++) {
        pv_object_abandon(&x->context->objects, ids[i]);
        ids[i] = 0;
    }
}

/* --- command buffers ---------------------------------------------------------------------------
 */

VkResult pv_handle_vkAllocateCommandBuffers(struct pv_exec *x,
                                            struct pv_vkAllocateCommandBuffers *a)
{
    struct pv_device *device = pv_exec_device(x);
    struct pv_pool *pool = pool_of(PV_HANDLE_U64(a->pAllocateInfo->commandPool));
    VkCommandBufferAllocateInfo info = *a->pAllocateInfo;
    info.commandPool = (VkCommandPool)(uintptr_t)pool->object.host;
    uint32_t count = info.commandBufferCount;
    uint64_t *ids = (uint64_t *)(void *)a->pCommandBuffers;
    VkCommandBuffer *hosts = handle_room(x, count);
    if (device == NULL || hosts == NULL || !pv_exec_reserve_array(x, count, ids)) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    VkResult result = device->vk.AllocateCommandBuffers(device->host, &info, hosts);
    if (result == VK_SUCCESS) {
        adopt(x, pool, PV_OBJECT_COMMAND_BUFFER, count, ids, (const uint64_t *)(void *)hosts);
        return result;
    }
    abandon_all(x, count, ids);
    return result;
}

void pv_handle_vkFreeCommandBuffers(struct pv_exec *x, struct pv_vkFreeCommandBuffers *a)
{
    struct pv_device *device = pv_exec_device(x);
    uint32_t count = a->pCommandBuffers != NULL ? a->commandBufferCount : 0;
    VkCommandBuffer *hosts = handle_room(x, count);
    if (device == NULL || hosts == NULL) {
        return;
    }
    uint32_t found =
        dismiss(x, a->commandPool, PV_OBJECT_COMMAND_BUFFER, count,
                (const uint64_t *)(const void *)a->pCommandBuffers, (uint64_t *)(void *)hosts);
    if (found != 0) {
        device->vk.FreeCommandBuffers(
            device->host, (VkCommandPool)(uintptr_t)a->commandPool->object.host, found, hosts);
    }
}

/* --- descriptor sets ---------------------------------------------------------------------------
 */

VkResult pv_handle_vkAllocateDescriptorSets(struct pv_exec *x,
                                            struct pv_vkAllocateDescriptorSets *a)
{
    struct pv_device *device = pv_exec_device(x);
    struct pv_pool *pool = pool_of(PV_HANDLE_U64(a->pAllocateInfo->descriptorPool));
    VkDescriptorSetAllocateInfo info = *a->pAllocateInfo;
    info.descriptorPool = (VkDescriptorPool)(uintptr_t)pool->object.host;
    uint32_t count = info.descriptorSetCount;
    uint64_t *ids = (uint64_t *)(void *)a->pDescriptorSets;
    VkDescriptorSet *hosts = handle_room(x, count);
    if (device == NULL || hosts == NULL || !pv_exec_reserve_array(x, count, ids)) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    VkResult result = device->vk.AllocateDescriptorSets(device->host, &info, hosts);
    if (result == VK_SUCCESS) {
        adopt(x, pool, PV_OBJECT_DESCRIPTOR_SET, count, ids, (const uint64_t *)(void *)hosts);
        return result;
    }
    abandon_all(x, count, ids);
    return result;
}

VkResult pv_handle_vkFreeDescriptorSets(struct pv_exec *x, struct pv_vkFreeDescriptorSets *a)
{
    struct pv_device *device = pv_exec_device(x);
    uint32_t count = a->pDescriptorSets != NULL ? a->descriptorSetCount : 0;
    VkDescriptorSet *hosts = handle_room(x, count);
    if (device == NULL || hosts == NULL) {
        return VK_SUCCESS;
    }
    uint32_t found =
        dismiss(x, a->descriptorPool, PV_OBJECT_DESCRIPTOR_SET, count,
                (const uint64_t *)(const void *)a->pDescriptorSets, (uint64_t *)(void *)hosts);
    if (found != 0) {
        /* It cannot fail, and the ids are gone in any case. */
        (void)device->vk.FreeDescriptorSets(
            device->host, (VkDescriptorPool)(uintptr_t)a->descriptorPool->object.host, found,
            hosts);
    }
    return VK_SUCCESS;
}

VkResult pv_handle_vkResetDescriptorPool(struct pv_exec *x, struct pv_vkResetDescriptorPool *a)
{
    struct pv_device *device = pv_exec_device(x);
    if (device == NULL) {
        return VK_ERROR_UNKNOWN;
    }
    pv_pool_forget_children(x->context, a->descriptorPool, PV_OBJECT_DESCRIPTOR_SET);
    return device->vk.ResetDescriptorPool(
        device->host, (VkDescriptorPool)(uintptr_t)a->descriptorPool->object.host, a->flags);
}
