/* The window through which the guest sees host blobs. The guest chooses where; the caller maps. */

#include "base/checked.h"
#include "front/virtio_gpu/device.h"

#include <stdlib.h>
#include <string.h>

/* --- ranges ------------------------------------------------------------------------------------
 */

/* How many of the taken ranges begin before `offset`. */
static uint32_t count_before(const struct pv_gpu *gpu, uint64_t offset)
{
    uint32_t low = 0;
    uint32_t high = gpu->mapped_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (gpu->mapped[middle]->map_offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool have_room_for_one_more(struct pv_gpu *gpu)
{
    if (gpu->mapped_count < gpu->mapped_capacity) {
        return true;
    }
    uint32_t capacity = gpu->mapped_capacity != 0 ? gpu->mapped_capacity * 2 : 64;
    struct pv_virtio_gpu_resource **larger =
        realloc(gpu->mapped, capacity * sizeof(struct pv_virtio_gpu_resource *));
    if (larger == NULL) {
        return false;
    }
    gpu->mapped = larger;
    gpu->mapped_capacity = capacity;
    return true;
}

static enum pv_virtio_gpu_response
take_range(struct pv_gpu *gpu, struct pv_virtio_gpu_resource *resource, uint64_t offset)
{
    uint64_t size;
    if (offset % PV_VIRTIO_GPU_PAGE != 0 ||
        !pv_checked_align(resource->size, PV_VIRTIO_GPU_PAGE, &size) ||
        !pv_range_inside(offset, size, gpu->window_bytes)) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    uint32_t index = count_before(gpu, offset);
    const struct pv_virtio_gpu_resource *before = index > 0 ? gpu->mapped[index - 1] : NULL;
    const struct pv_virtio_gpu_resource *behind =
        index < gpu->mapped_count ? gpu->mapped[index] : NULL;
    if ((before != NULL && before->map_offset + before->map_bytes > offset) ||
        (behind != NULL && offset + size > behind->map_offset)) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    if (!have_room_for_one_more(gpu)) {
        return PV_VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
    memmove(&gpu->mapped[index + 1], &gpu->mapped[index],
            (gpu->mapped_count - index) * sizeof(struct pv_virtio_gpu_resource *));
    gpu->mapped[index] = resource;
    gpu->mapped_count++;
    resource->map_offset = offset;
    resource->map_bytes = size;
    return PV_VIRTIO_GPU_OK_NODATA;
}

static void give_range_back(struct pv_gpu *gpu, struct pv_virtio_gpu_resource *resource)
{
    uint32_t index = count_before(gpu, resource->map_offset);
    gpu->mapped_count--;
    memmove(&gpu->mapped[index], &gpu->mapped[index + 1],
            (gpu->mapped_count - index) * sizeof(struct pv_virtio_gpu_resource *));
    if (resource->map_state == PV_VIRTIO_GPU_MAPPED) {
        gpu->stats.mapped_bytes -= resource->map_bytes;
        gpu->stats.mappings--;
    }
    resource->map_state = PV_VIRTIO_GPU_UNMAPPED;
}

/* --- mapping -----------------------------------------------------------------------------------
 */

enum pv_virtio_gpu_response pv_virtio_gpu_map_blob(struct pv_gpu *gpu,
                                                   struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_map_blob asked;
    memcpy(&asked, request->body, sizeof(asked));
    struct pv_virtio_gpu_resource *resource = pv_virtio_gpu_find_resource(gpu, asked.resource_id);
    if (resource == NULL) {
        return PV_VIRTIO_GPU_ERR_INVALID_RESOURCE_ID;
    }
    if (resource->kind != PV_VIRTIO_GPU_HOST_BLOB ||
        (resource->flags & PV_CONTEXT_BLOB_MAPPABLE) == 0 ||
        resource->map_state != PV_VIRTIO_GPU_UNMAPPED) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    enum pv_virtio_gpu_response type = take_range(gpu, resource, asked.offset);
    if (type != PV_VIRTIO_GPU_OK_NODATA) {
        return type;
    }
    resource->map_state = PV_VIRTIO_GPU_MAP_WAITS;
    resource->map_request = pv_virtio_gpu_defer(gpu, request);
    if (resource->map_request == NULL) {
        give_range_back(gpu, resource);
        return PV_VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
    if (resource->fd >= 0) {
        pv_virtio_gpu_start_map(gpu, resource);
    }
    return PV_VIRTIO_GPU_DEFERRED;
}

void pv_virtio_gpu_start_map(struct pv_gpu *gpu, struct pv_virtio_gpu_resource *resource)
{
    struct pv_virtio_gpu_pending *pending = resource->map_request;
    struct pv_virtio_gpu_map_info *info = pv_virtio_gpu_pending_body(pending);
    info->map_info = resource->caching;
    pending->is_map = true;
    pending->resource = resource;
    pv_virtio_gpu_queue_push(&gpu->window_queue, pending);
    resource->map_state = PV_VIRTIO_GPU_MAPPED;
    /* The guest's size is its own page's multiple; the rest stays whatever the window is. */
    uint64_t size = resource->map_bytes;
    if (size > resource->map_size) {
        size = resource->map_size;
    }
    gpu->stats.mappings++;
    gpu->stats.mapped_bytes += resource->map_bytes;
    const struct pv_gpu_mapping mapping = {
        .offset = resource->map_offset,
        .size_bytes = size,
        .fd = resource->fd,
        .caching = (enum pv_context_map_caching)resource->caching,
    };
    gpu->callbacks.map(gpu->user, pending->id, &mapping);
}

/* `token` 0: nobody waits for it. */
static void unmap(struct pv_gpu *gpu, struct pv_virtio_gpu_resource *resource, uint64_t token)
{
    if (resource->map_request != NULL) {
        resource->map_request->resource = NULL; /* it is answered all the same */
        resource->map_request = NULL;
    }
    uint64_t size = resource->map_bytes;
    if (size > resource->map_size) {
        size = resource->map_size;
    }
    give_range_back(gpu, resource);
    if (gpu->callbacks.unmap != NULL) {
        gpu->callbacks.unmap(gpu->user, token, resource->map_offset, size);
    }
}

/* The map never came to be. */
static void cancel(struct pv_gpu *gpu, struct pv_virtio_gpu_resource *resource)
{
    struct pv_virtio_gpu_pending *pending = resource->map_request;
    resource->map_request = NULL;
    give_range_back(gpu, resource);
    if (pending != NULL) {
        pv_virtio_gpu_answer(gpu, pending, PV_VIRTIO_GPU_ERR_INVALID_RESOURCE_ID);
    }
}

void pv_virtio_gpu_end_map(struct pv_gpu *gpu, struct pv_virtio_gpu_resource *resource)
{
    if (resource->map_state == PV_VIRTIO_GPU_MAP_WAITS) {
        cancel(gpu, resource);
    } else if (resource->map_state == PV_VIRTIO_GPU_MAPPED) {
        unmap(gpu, resource, 0);
    }
}

enum pv_virtio_gpu_response pv_virtio_gpu_unmap_blob(struct pv_gpu *gpu,
                                                     struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_id_request asked;
    memcpy(&asked, request->body, sizeof(asked));
    struct pv_virtio_gpu_resource *resource = pv_virtio_gpu_find_resource(gpu, asked.id);
    if (resource == NULL) {
        return PV_VIRTIO_GPU_ERR_INVALID_RESOURCE_ID;
    }
    if (resource->map_state == PV_VIRTIO_GPU_UNMAPPED) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    if (resource->map_state == PV_VIRTIO_GPU_MAP_WAITS) {
        cancel(gpu, resource);
        return PV_VIRTIO_GPU_OK_NODATA;
    }
    struct pv_virtio_gpu_pending *pending = pv_virtio_gpu_defer(gpu, request);
    if (pending == NULL) {
        return PV_VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
    pv_virtio_gpu_queue_push(&gpu->window_queue, pending);
    unmap(gpu, resource, pending->id);
    return PV_VIRTIO_GPU_DEFERRED;
}

void pv_gpu_finish_map(struct pv_gpu *gpu, uint64_t token, bool ok)
{
    struct pv_virtio_gpu_pending *pending = pv_virtio_gpu_queue_take(&gpu->window_queue, token);
    if (pending == NULL) {
        return; /* of before a reset */
    }
    struct pv_virtio_gpu_resource *resource = pending->resource;
    if (resource != NULL) { /* a map, and still wanted */
        resource->map_request = NULL;
        if (!ok) {
            give_range_back(gpu, resource);
        }
    }
    if (!ok) {
        if (pv_log_allows(&gpu->complaints)) {
            pv_log_error(&gpu->log, "virtio-gpu: a blob could not be mapped or unmapped");
        }
        pv_virtio_gpu_answer(gpu, pending, PV_VIRTIO_GPU_ERR_UNSPEC);
    } else if (pending->is_map) {
        pv_virtio_gpu_answer(gpu, pending, PV_VIRTIO_GPU_OK_MAP_INFO);
    } else {
        pv_virtio_gpu_answer(gpu, pending, PV_VIRTIO_GPU_OK_NODATA);
    }
}
