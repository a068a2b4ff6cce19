/* What every resource has, whatever it is made of: an id, a place in the quota, an end. */

#include "base/fd.h"
#include "base/random.h"
#include "front/virtio_gpu/device.h"

#include <stdlib.h>
#include <string.h>

bool pv_virtio_gpu_charge(struct pv_gpu *gpu, uint64_t bytes)
{
    if (bytes > gpu->quota.resource_bytes - gpu->stats.resource_bytes) {
        return false;
    }
    gpu->stats.resource_bytes += bytes;
    return true;
}

void pv_virtio_gpu_discharge(struct pv_gpu *gpu, uint64_t bytes)
{
    gpu->stats.resource_bytes -= bytes;
}

struct pv_virtio_gpu_resource *pv_virtio_gpu_find_resource(const struct pv_gpu *gpu, uint32_t id)
{
    return pv_virtio_gpu_table_find(&gpu->resources, id);
}

struct pv_virtio_gpu_resource *pv_virtio_gpu_new_resource(struct pv_gpu *gpu, uint32_t id,
                                                          enum pv_virtio_gpu_kind kind,
                                                          uint64_t bytes,
                                                          enum pv_virtio_gpu_response *why)
{
    if (id == 0 || pv_virtio_gpu_find_resource(gpu, id) != NULL) {
        *why = PV_VIRTIO_GPU_ERR_INVALID_RESOURCE_ID;
        return NULL;
    }
    *why = PV_VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    bool is_host_blob = kind == PV_VIRTIO_GPU_HOST_BLOB;
    if (gpu->resources.count >= gpu->quota.resources ||
        (is_host_blob && gpu->host_blob_count >= gpu->host_blob_limit) ||
        !pv_virtio_gpu_charge(gpu, bytes)) {
        return NULL;
    }
    struct pv_virtio_gpu_resource *resource = calloc(1, sizeof(*resource));
    if (resource == NULL) {
        pv_virtio_gpu_discharge(gpu, bytes);
        return NULL;
    }
    resource->node.id = id;
    resource->kind = kind;
    resource->charged_bytes = bytes;
    resource->fd = -1;
    if (!pv_virtio_gpu_table_add(&gpu->resources, &resource->node)) {
        pv_virtio_gpu_discharge(gpu, bytes);
        free(resource);
        return NULL;
    }
    gpu->host_blob_count += is_host_blob ? 1 : 0;
    return resource;
}

void pv_virtio_gpu_destroy_resource(struct pv_gpu *gpu, struct pv_virtio_gpu_resource *resource)
{
    pv_virtio_gpu_hide_resource(gpu, resource);
    pv_virtio_gpu_end_map(gpu, resource);
    pv_virtio_gpu_forget_viewers(resource);
    if (resource->creation != NULL) {
        resource->creation->resource = NULL;
    }
    pv_virtio_gpu_table_remove(&gpu->resources, &resource->node);
    pv_virtio_gpu_backing_finish(gpu, &resource->backing);
    pv_virtio_gpu_discharge(gpu, resource->charged_bytes);
    gpu->host_blob_count -= resource->kind == PV_VIRTIO_GPU_HOST_BLOB ? 1 : 0;
    pv_fd_close(&resource->fd);
    free(resource->pixels);
    free(resource);
}

enum pv_virtio_gpu_response pv_virtio_gpu_unref(struct pv_gpu *gpu,
                                                struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_id_request asked;
    memcpy(&asked, request->body, sizeof(asked));
    struct pv_virtio_gpu_resource *resource = pv_virtio_gpu_find_resource(gpu, asked.id);
    if (resource == NULL) {
        return PV_VIRTIO_GPU_ERR_INVALID_RESOURCE_ID;
    }
    pv_virtio_gpu_destroy_resource(gpu, resource);
    return PV_VIRTIO_GPU_OK_NODATA;
}

enum pv_virtio_gpu_response pv_virtio_gpu_attach_backing(struct pv_gpu *gpu,
                                                         struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_attach_backing asked;
    memcpy(&asked, request->body, sizeof(asked));
    struct pv_virtio_gpu_resource *resource = pv_virtio_gpu_find_resource(gpu, asked.resource_id);
    if (resource == NULL) {
        return PV_VIRTIO_GPU_ERR_INVALID_RESOURCE_ID;
    }
    if (resource->kind != PV_VIRTIO_GPU_IMAGE || resource->backing.count != 0) {
        return PV_VIRTIO_GPU_ERR_UNSPEC;
    }
    return pv_virtio_gpu_backing_init(gpu, &resource->backing, request->body + sizeof(asked),
                                      request->body_size - sizeof(asked), asked.entry_count);
}

enum pv_virtio_gpu_response pv_virtio_gpu_detach_backing(struct pv_gpu *gpu,
                                                         struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_id_request asked;
    memcpy(&asked, request->body, sizeof(asked));
    struct pv_virtio_gpu_resource *resource = pv_virtio_gpu_find_resource(gpu, asked.id);
    if (resource == NULL || resource->kind != PV_VIRTIO_GPU_IMAGE) {
        return PV_VIRTIO_GPU_ERR_INVALID_RESOURCE_ID;
    }
    pv_virtio_gpu_backing_finish(gpu, &resource->backing);
    return PV_VIRTIO_GPU_OK_NODATA;
}

enum pv_virtio_gpu_response pv_virtio_gpu_assign_uuid(struct pv_gpu *gpu,
                                                      struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_id_request asked;
    memcpy(&asked, request->body, sizeof(asked));
    struct pv_virtio_gpu_resource *resource = pv_virtio_gpu_find_resource(gpu, asked.id);
    if (resource == NULL) {
        return PV_VIRTIO_GPU_ERR_INVALID_RESOURCE_ID;
    }
    if (!resource->has_uuid) {
        uint8_t *uuid = resource->uuid;
        if (!pv_random_fill(uuid, sizeof(resource->uuid))) {
            return PV_VIRTIO_GPU_ERR_UNSPEC;
        }
        uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40); /* RFC 9562: version 4, random */
        uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
        resource->has_uuid = true;
    }
    memcpy(request->answer, resource->uuid, sizeof(resource->uuid));
    return PV_VIRTIO_GPU_OK_RESOURCE_UUID;
}
