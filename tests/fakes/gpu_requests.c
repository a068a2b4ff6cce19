#include "base/assert.h"
#include "fakes/gpu_guest.h"

#include <stdlib.h>
#include <string.h>

/* A guest's requests, in Linux' own structs. */

struct virtio_gpu_ctrl_hdr gpu_header(uint32_t type)
{
    return (struct virtio_gpu_ctrl_hdr){.type = type};
}

struct virtio_gpu_ctrl_hdr gpu_context_header(uint32_t type, uint32_t context_id)
{
    return (struct virtio_gpu_ctrl_hdr){.type = type, .ctx_id = context_id};
}

struct virtio_gpu_ctrl_hdr gpu_fenced_header(uint32_t type, uint32_t context_id, uint64_t fence_id,
                                             int ring_idx)
{
    struct virtio_gpu_ctrl_hdr header = {
        .type = type,
        .flags = VIRTIO_GPU_FLAG_FENCE,
        .fence_id = fence_id,
        .ctx_id = context_id,
    };
    if (ring_idx >= 0) {
        header.flags |= VIRTIO_GPU_FLAG_INFO_RING_IDX;
        header.ring_idx = (uint8_t)ring_idx;
    }
    return header;
}

uint32_t gpu_create_2d(struct gpu_guest *g, uint32_t id, uint32_t format, uint32_t width,
                       uint32_t height)
{
    const struct virtio_gpu_resource_create_2d request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D),
        .resource_id = id,
        .format = format,
        .width = width,
        .height = height,
    };
    return gpu_guest_ask(g, &request, sizeof(request));
}

uint32_t gpu_unref(struct gpu_guest *g, uint32_t id)
{
    const struct virtio_gpu_resource_unref request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_UNREF),
        .resource_id = id,
    };
    return gpu_guest_ask(g, &request, sizeof(request));
}

uint32_t gpu_attach_backing(struct gpu_guest *g, uint32_t id, const struct virtio_gpu_mem_entry *e,
                            uint32_t count)
{
    const struct virtio_gpu_resource_attach_backing head = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING),
        .resource_id = id,
        .nr_entries = count,
    };
    size_t size = sizeof(head) + count * sizeof(*e);
    uint8_t *request = malloc(size);
    PV_ASSERT(request != NULL);
    memcpy(request, &head, sizeof(head));
    if (count != 0) {
        memcpy(request + sizeof(head), e, count * sizeof(*e));
    }
    uint32_t type = gpu_guest_ask(g, request, size);
    free(request);
    return type;
}

uint32_t gpu_transfer_2d(struct gpu_guest *g, uint32_t id, struct virtio_gpu_rect rect,
                         uint64_t offset)
{
    const struct virtio_gpu_transfer_to_host_2d request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D),
        .r = rect,
        .offset = offset,
        .resource_id = id,
    };
    return gpu_guest_ask(g, &request, sizeof(request));
}

uint32_t gpu_set_scanout(struct gpu_guest *g, uint32_t scanout, uint32_t id,
                         struct virtio_gpu_rect rect)
{
    const struct virtio_gpu_set_scanout request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_SET_SCANOUT),
        .r = rect,
        .scanout_id = scanout,
        .resource_id = id,
    };
    return gpu_guest_ask(g, &request, sizeof(request));
}

uint32_t gpu_flush(struct gpu_guest *g, uint32_t id, struct virtio_gpu_rect rect)
{
    const struct virtio_gpu_resource_flush request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_FLUSH),
        .r = rect,
        .resource_id = id,
    };
    return gpu_guest_ask(g, &request, sizeof(request));
}

uint32_t gpu_ctx_create(struct gpu_guest *g, uint32_t context_id, uint32_t capset_id)
{
    const struct virtio_gpu_ctx_create request = {
        .hdr = gpu_context_header(VIRTIO_GPU_CMD_CTX_CREATE, context_id),
        .nlen = 5,
        .context_init = capset_id,
        .debug_name = "guest",
    };
    return gpu_guest_ask(g, &request, sizeof(request));
}

uint32_t gpu_ctx_destroy(struct gpu_guest *g, uint32_t context_id)
{
    const struct virtio_gpu_ctx_destroy request = {
        .hdr = gpu_context_header(VIRTIO_GPU_CMD_CTX_DESTROY, context_id),
    };
    return gpu_guest_ask(g, &request, sizeof(request));
}

static uint32_t ctx_resource(struct gpu_guest *g, uint32_t type, uint32_t context_id,
                             uint32_t resource_id)
{
    const struct virtio_gpu_ctx_resource request = {
        .hdr = gpu_context_header(type, context_id),
        .resource_id = resource_id,
    };
    return gpu_guest_ask(g, &request, sizeof(request));
}

uint32_t gpu_ctx_attach(struct gpu_guest *g, uint32_t context_id, uint32_t resource_id)
{
    return ctx_resource(g, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, context_id, resource_id);
}

uint32_t gpu_ctx_detach(struct gpu_guest *g, uint32_t context_id, uint32_t resource_id)
{
    return ctx_resource(g, VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, context_id, resource_id);
}

uint64_t gpu_send_host_blob(struct gpu_guest *g, uint32_t context_id, uint32_t id, uint64_t blob_id,
                            uint32_t flags, uint64_t size)
{
    const struct virtio_gpu_resource_create_blob request = {
        .hdr = gpu_context_header(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, context_id),
        .resource_id = id,
        .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D,
        .blob_flags = flags,
        .blob_id = blob_id,
        .size = size,
    };
    return gpu_guest_send(g, &request, sizeof(request));
}

uint32_t gpu_host_blob(struct gpu_guest *g, uint32_t context_id, uint32_t id, uint64_t blob_id,
                       uint32_t flags, uint64_t size)
{
    return gpu_guest_type(g, gpu_send_host_blob(g, context_id, id, blob_id, flags, size));
}

uint64_t gpu_send_map(struct gpu_guest *g, uint32_t id, uint64_t offset)
{
    const struct virtio_gpu_resource_map_blob request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB),
        .resource_id = id,
        .offset = offset,
    };
    return gpu_guest_send(g, &request, sizeof(request));
}

uint64_t gpu_send_unmap(struct gpu_guest *g, uint32_t id)
{
    const struct virtio_gpu_resource_unmap_blob request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB),
        .resource_id = id,
    };
    return gpu_guest_send(g, &request, sizeof(request));
}

uint64_t gpu_send_submit(struct gpu_guest *g, uint32_t context_id, const void *bytes, uint32_t size,
                         uint64_t fence_id, int ring_idx)
{
    const struct virtio_gpu_cmd_submit head = {
        .hdr = fence_id != 0
                   ? gpu_fenced_header(VIRTIO_GPU_CMD_SUBMIT_3D, context_id, fence_id, ring_idx)
                   : gpu_context_header(VIRTIO_GPU_CMD_SUBMIT_3D, context_id),
        .size = size,
    };
    uint8_t *request = malloc(sizeof(head) + size);
    PV_ASSERT(request != NULL);
    memcpy(request, &head, sizeof(head));
    if (size != 0) {
        memcpy(request + sizeof(head), bytes, size);
    }
    uint64_t token = gpu_guest_send(g, request, sizeof(head) + size);
    free(request);
    return token;
}
