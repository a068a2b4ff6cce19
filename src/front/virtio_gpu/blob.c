/* Blobs: memory that guest and host share. */

#include "base/assert.h"
#include "base/checked.h"
#include "base/fd.h"
#include "front/virtio_gpu/device.h"

#include <string.h>
#include <sys/stat.h>

enum {
    FLAGS_ALL = PV_CONTEXT_BLOB_MAPPABLE | PV_CONTEXT_BLOB_SHAREABLE | PV_CONTEXT_BLOB_CROSS_DEVICE,
};

static enum pv_virtio_gpu_response create_guest_blob(struct pv_gpu *gpu,
                                                     const struct pv_virtio_gpu_create_blob *asked,
                                                     const uint8_t *entries, size_t entries_size)
{
    if (asked->blob_id != 0) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    enum pv_virtio_gpu_response type;
    struct pv_virtio_gpu_resource *resource =
        pv_virtio_gpu_new_resource(gpu, asked->resource_id, PV_VIRTIO_GPU_GUEST_BLOB, 0, &type);
    if (resource == NULL) {
        return type;
    }
    type = pv_virtio_gpu_backing_init(gpu, &resource->backing, entries, entries_size,
                                      asked->entry_count);
    if (type != PV_VIRTIO_GPU_OK_NODATA || asked->size > resource->backing.size) {
        pv_virtio_gpu_destroy_resource(gpu, resource);
        return type != PV_VIRTIO_GPU_OK_NODATA ? type : PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    resource->size = asked->size;
    return PV_VIRTIO_GPU_OK_NODATA;
}

/* A ring, or room for replies: plain memory, so it is made here and its guest need not wait. */
static enum pv_virtio_gpu_response fill_with_shm(struct pv_virtio_gpu_resource *resource,
                                                 struct pv_virtio_gpu_context *context)
{
    struct stat status;
    resource->fd = pv_remote_shm_create(resource->size);
    if (resource->fd < 0 || fstat(resource->fd, &status) != 0) {
        return PV_VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
    resource->map_size = (uint64_t)status.st_size;
    resource->caching = PV_CONTEXT_MAP_CACHED;
    resource->blob_kind = PV_CONTEXT_BLOB_SHM;
    if (!pv_virtio_gpu_add_viewer(resource, context, false)) {
        return PV_VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
    pv_virtio_gpu_tell_viewers(resource);
    return PV_VIRTIO_GPU_OK_NODATA;
}

/* Memory that the context has allocated: it is asked for it, and the answer comes later. */
static enum pv_virtio_gpu_response ask_context(struct pv_gpu *gpu,
                                               struct pv_virtio_gpu_request *request,
                                               struct pv_virtio_gpu_resource *resource,
                                               struct pv_virtio_gpu_context *context,
                                               uint64_t blob_id)
{
    if (!pv_virtio_gpu_add_viewer(resource, context, true)) {
        return PV_VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
    struct pv_virtio_gpu_pending *pending = pv_virtio_gpu_defer(gpu, request);
    if (pending == NULL) {
        return PV_VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
    pending->resource = resource;
    pending->blob_resource_id = resource->node.id;
    resource->creation = pending;
    pv_virtio_gpu_queue_push(&context->blobs, pending);
    pv_remote_create_blob(context->remote, resource->node.id, blob_id, resource->flags,
                          resource->size);
    pv_virtio_gpu_count_pending(context);
    return PV_VIRTIO_GPU_DEFERRED;
}

static enum pv_virtio_gpu_response create_host_blob(struct pv_gpu *gpu,
                                                    struct pv_virtio_gpu_request *request,
                                                    const struct pv_virtio_gpu_create_blob *asked)
{
    struct pv_virtio_gpu_context *context = pv_virtio_gpu_find_context(gpu, request->header.ctx_id);
    if (context == NULL || context->remote == NULL || context->is_lost) {
        return PV_VIRTIO_GPU_ERR_INVALID_CONTEXT_ID;
    }
    bool is_shm = asked->blob_id == 0;
    uint64_t bytes = 0;
    if (asked->entry_count != 0 || (is_shm && asked->blob_flags != PV_CONTEXT_BLOB_MAPPABLE) ||
        !pv_checked_align(asked->size, PV_VIRTIO_GPU_PAGE, &bytes)) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    enum pv_virtio_gpu_response type;
    struct pv_virtio_gpu_resource *resource = pv_virtio_gpu_new_resource(
        gpu, asked->resource_id, PV_VIRTIO_GPU_HOST_BLOB, is_shm ? bytes : 0, &type);
    if (resource == NULL) {
        return type;
    }
    resource->size = asked->size;
    resource->flags = asked->blob_flags;
    type = is_shm ? fill_with_shm(resource, context)
                  : ask_context(gpu, request, resource, context, asked->blob_id);
    if (type >= PV_VIRTIO_GPU_ERR_UNSPEC) {
        pv_virtio_gpu_destroy_resource(gpu, resource);
    }
    return type;
}

enum pv_virtio_gpu_response pv_virtio_gpu_create_blob(struct pv_gpu *gpu,
                                                      struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_create_blob asked;
    memcpy(&asked, request->body, sizeof(asked));
    if (asked.size == 0 || (asked.blob_flags & ~(uint32_t)FLAGS_ALL) != 0) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    switch (asked.blob_mem) {
    case PV_VIRTIO_GPU_BLOB_GUEST:
        return create_guest_blob(gpu, &asked, request->body + sizeof(asked),
                                 request->body_size - sizeof(asked));
    case PV_VIRTIO_GPU_BLOB_HOST3D:
        return create_host_blob(gpu, request, &asked);
    default:
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
}

static enum pv_virtio_gpu_response response_of(enum pv_result result)
{
    switch (result) {
    case PV_OK:
        return PV_VIRTIO_GPU_OK_NODATA;
    case PV_NO_MEMORY:
        return PV_VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    case PV_GUEST_FAULT:
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    default:
        return PV_VIRTIO_GPU_ERR_UNSPEC;
    }
}

void pv_virtio_gpu_blob_created(struct pv_virtio_gpu_context *context, uint32_t resource_id,
                                enum pv_result result, const struct pv_remote_blob *blob)
{
    struct pv_gpu *gpu = context->gpu;
    struct pv_virtio_gpu_pending *pending = pv_virtio_gpu_queue_pop(&context->blobs);
    PV_ASSERT(pending != NULL && pending->blob_resource_id == resource_id);
    struct pv_virtio_gpu_resource *resource = pending->resource;
    int fd = result == PV_OK ? blob->taken_fd : -1;
    if (resource == NULL) {
        pv_fd_close(&fd); /* the guest has dropped it meanwhile */
    } else if (result == PV_OK) {
        resource->creation = NULL;
        resource->fd = fd;
        resource->map_size = blob->map_size;
        resource->caching = blob->caching;
        resource->blob_kind = blob->kind;
    } else {
        resource->creation = NULL;
        pv_virtio_gpu_destroy_resource(gpu, resource);
        resource = NULL;
    }
    pv_virtio_gpu_answer(gpu, pending, response_of(result));
    if (resource != NULL) {
        if (resource->map_state == PV_VIRTIO_GPU_MAP_WAITS) {
            pv_virtio_gpu_start_map(gpu, resource);
        }
        pv_virtio_gpu_tell_viewers(resource);
    }
}
