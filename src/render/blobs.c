#include "base/clock.h"
#include "render/private.h"

#include <unistd.h>

/* What RESOURCE_CREATE_BLOB makes of a context's memory. */

/* Counts shared memory against the quota; false when that is used up. */
static bool account_shm(struct pv_render_context *context, uint64_t size)
{
    uint64_t limit = context->params.quota.resource_bytes;
    uint64_t before = atomic_fetch_add_explicit(&context->shm_bytes, size, memory_order_relaxed);
    if (size <= limit && before <= limit - size) {
        return true;
    }
    atomic_fetch_sub_explicit(&context->shm_bytes, size, memory_order_relaxed);
    return false;
}

static enum pv_result create_shm(struct pv_render_context *context, uint32_t flags, uint64_t size,
                                 struct pv_blob **blob)
{
    if (flags != PV_BLOB_FLAG_MAPPABLE || size == 0) {
        return PV_GUEST_FAULT;
    }
    /* Before it is made: what a guest may not have is not even tried. */
    return size <= context->params.quota.resource_bytes
               ? pv_blob_create(PV_BLOB_SHM, size, context->log, &context->failures, blob)
               : PV_NO_MEMORY;
}

/* Registers a blob, and lets go of it where that fails. */
static enum pv_result add_resource(struct pv_render_context *context, uint32_t resource_id,
                                   struct pv_blob *taken_blob)
{
    bool is_shm = taken_blob->kind == PV_BLOB_SHM;
    enum pv_result result = PV_NO_MEMORY;
    if (!is_shm || account_shm(context, taken_blob->map_size)) {
        result = pv_resources_add(&context->resources, resource_id, taken_blob);
        if (result != PV_OK && is_shm) {
            atomic_fetch_sub_explicit(&context->shm_bytes, taken_blob->map_size,
                                      memory_order_relaxed);
        }
    }
    if (result != PV_OK) {
        pv_blob_unref(taken_blob);
    }
    return result;
}

static enum pv_result export_fd(struct pv_memory *memory, uint64_t size, struct pv_blob **blob)
{
    struct pv_device *device = memory->device;
    if (device->vk.GetMemoryFdKHR == NULL) {
        return PV_HOST_FAILED;
    }
    VkMemoryGetFdInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
        .memory = (VkDeviceMemory)(uintptr_t)memory->object.host,
        .handleType = memory->export_type,
    };
    int fd = -1;
    if (device->vk.GetMemoryFdKHR(device->host, &info, &fd) != VK_SUCCESS || fd < 0) {
        return PV_HOST_FAILED;
    }
    enum pv_blob_kind kind = memory->export_type == VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT
                                 ? PV_BLOB_DMABUF
                                 : PV_BLOB_OPAQUE;
    return pv_blob_wrap_fd(kind, fd, size, blob);
}

static enum pv_result export_memory(struct pv_memory *memory, uint32_t flags, uint64_t size,
                                    struct pv_blob **blob)
{
    bool mappable = (memory->flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0;
    if ((flags & PV_BLOB_FLAG_MAPPABLE) != 0 && !mappable) {
        return PV_GUEST_FAULT;
    }
    if ((flags & PV_BLOB_FLAG_CROSS_DEVICE) != 0 &&
        memory->export_type != VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT) {
        return PV_GUEST_FAULT;
    }
    if (memory->blob == NULL && memory->export_type == 0) {
        return PV_GUEST_FAULT;
    }
    if (atomic_exchange_explicit(&memory->exported, true, memory_order_acq_rel)) {
        return PV_GUEST_FAULT;
    }
    enum pv_result result = PV_GUEST_FAULT;
    if (memory->blob == NULL) {
        result = export_fd(memory, size, blob);
    } else if (size <= memory->blob->map_size) {
        *blob = pv_blob_ref(memory->blob);
        result = PV_OK;
    }
    if (result != PV_OK) {
        atomic_store_explicit(&memory->exported, false, memory_order_release);
    }
    return result;
}

/* A stream may destroy the memory meanwhile: the struct stays, because we look as a reader. */
static enum pv_result export_id(struct pv_render_context *context, uint64_t id, uint32_t flags,
                                uint64_t size, struct pv_blob **blob)
{
    enum pv_result result = PV_GUEST_FAULT;
    pthread_mutex_lock(&context->visitor_lock);
    pv_epoch_wake(&context->epoch, context->visitor);
    struct pv_slot *slot = pv_object_slot(&context->objects, id);
    uint64_t tag = atomic_load_explicit(&slot->tag, memory_order_acquire);
    if (PV_TAG_TYPE(tag) == PV_OBJECT_DEVICE_MEMORY &&
        pv_device_is_alive(context, PV_TAG_OWNER(tag))) {
        struct pv_memory *memory =
            (struct pv_memory *)(uintptr_t)atomic_load_explicit(&slot->host, memory_order_relaxed);
        result = export_memory(memory, flags, size, blob);
    }
    pv_epoch_sleep(context->visitor);
    pthread_mutex_unlock(&context->visitor_lock);
    return result;
}

enum pv_result pv_render_create_blob(struct pv_render_context *context, uint32_t resource_id,
                                     uint64_t blob_id, uint32_t flags, uint64_t size,
                                     struct pv_blob **blob)
{
    *blob = NULL;
    struct pv_blob *made = NULL;
    enum pv_result result = blob_id == 0 ? create_shm(context, flags, size, &made)
                                         : export_id(context, blob_id, flags, size, &made);
    if (result != PV_OK) {
        return result;
    }
    result = add_resource(context, resource_id, made);
    if (result == PV_OK) {
        *blob = made;
    }
    return result;
}

enum pv_result pv_render_attach_resource(struct pv_render_context *context, uint32_t resource_id,
                                         enum pv_blob_kind kind, int taken_fd, uint64_t size)
{
    struct pv_blob *blob = NULL;
    atomic_store_explicit(&context->has_attached, true, memory_order_relaxed);
    enum pv_result result = pv_blob_wrap_fd(kind, taken_fd, size, &blob);
    if (result == PV_OK) {
        result = add_resource(context, resource_id, blob);
        if (result == PV_OK) {
            pv_blob_unref(blob); /* the resource keeps it */
        }
    }
    return result;
}

enum pv_result pv_render_attach_memory(struct pv_render_context *context, uint32_t resource_id,
                                       void *memory, uint64_t size, void (*released)(void *user),
                                       void *user)
{
    struct pv_blob *blob = NULL;
    enum pv_result result = pv_blob_wrap_memory(memory, size, NULL, user, &blob);
    if (result == PV_OK) {
        result = add_resource(context, resource_id, blob);
    }
    if (result == PV_OK) {
        /* Only now, so that a failure does not call it; our reference is not the last before it. */
        blob->released = released;
        pv_blob_unref(blob);
    }
    return result;
}

/* How long a ring waits for memory that is on its way, within one batch: nothing that is retired
 * is freed meanwhile. Long, because what brings the memory may be behind a driver's compiler on a
 * machine with much else to do, or behind a wait of this very guest's. And how often it looks. */
static const uint64_t arrival_timeout_ns = 10 * PV_NS_PER_S;
static const uint64_t arrival_step_ns = 50 * PV_NS_PER_US;
static const uint64_t arrival_step_max_ns = PV_NS_PER_MS;

static PV_COLD struct pv_blob *await_resource(struct pv_exec *x, uint32_t resource_id)
{
    struct pv_blob *blob = NULL;
    uint64_t step_ns = arrival_step_ns;
    uint64_t now_ns = pv_clock_now_ns();
    if (x->arrival_deadline_ns == 0) {
        x->arrival_deadline_ns = now_ns + arrival_timeout_ns;
    }
    pv_exec_publish(x);
    while (blob == NULL && now_ns < x->arrival_deadline_ns && !pv_exec_must_stop(x)) {
        pv_clock_sleep_ns(step_ns);
        step_ns = step_ns < arrival_step_max_ns ? 2 * step_ns : step_ns;
        blob = pv_resources_get(&x->context->resources, resource_id);
        now_ns = pv_clock_now_ns();
    }
    /* Another ring may have destroyed the command's device in so much time. */
    if (blob != NULL && x->in.owner != 0 && pv_exec_device(x) == NULL) {
        pv_blob_unref(blob);
        blob = NULL;
    }
    return blob;
}

struct pv_blob *pv_exec_resource(struct pv_exec *x, uint32_t resource_id)
{
    struct pv_blob *blob = pv_resources_get(&x->context->resources, resource_id);
    if (blob != NULL || x->ring == NULL ||
        !atomic_load_explicit(&x->context->has_attached, memory_order_relaxed)) {
        return blob;
    }
    return await_resource(x, resource_id);
}
