/* A request's way: looked up in the table below, checked for its size, done by its handler, and
 * answered now or later. */

#include "front/virtio_gpu/device.h"

#include <string.h>

#define ID PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_id_request)
#define HEADER sizeof(struct pv_virtio_gpu_header)
#define SIZE(of) PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_##of)
#define CONTROL(command, request_size, response_size, handler)                                     \
    {                                                                                              \
        PV_VIRTIO_GPU_##command, PV_GPU_QUEUE_CONTROL, request_size, response_size,                \
            pv_virtio_gpu_##handler, #command                                                      \
    }
#define CURSOR(command, handler)                                                                   \
    {                                                                                              \
        PV_VIRTIO_GPU_##command, PV_GPU_QUEUE_CURSOR, SIZE(update_cursor), 0,                      \
            pv_virtio_gpu_##handler, #command                                                      \
    }

static const struct pv_virtio_gpu_command commands[] = {
    CONTROL(SUBMIT_3D, SIZE(submit), HEADER, submit),
    CONTROL(GET_DISPLAY_INFO, HEADER, SIZE(display_info), get_display_info),
    CONTROL(RESOURCE_CREATE_2D, SIZE(create_2d), HEADER, create_2d),
    CONTROL(RESOURCE_UNREF, ID, HEADER, unref),
    CONTROL(SET_SCANOUT, SIZE(set_scanout), HEADER, set_scanout),
    CONTROL(RESOURCE_FLUSH, SIZE(flush), HEADER, flush),
    CONTROL(TRANSFER_TO_HOST_2D, SIZE(transfer_2d), HEADER, transfer_2d),
    CONTROL(RESOURCE_ATTACH_BACKING, SIZE(attach_backing), HEADER, attach_backing),
    CONTROL(RESOURCE_DETACH_BACKING, ID, HEADER, detach_backing),
    CONTROL(GET_CAPSET_INFO, ID, SIZE(capset_info), get_capset_info),
    CONTROL(GET_CAPSET, SIZE(get_capset), HEADER + PV_VENUS_CAPSET_SIZE, get_capset),
    CONTROL(GET_EDID, ID, SIZE(edid), get_edid),
    CONTROL(RESOURCE_ASSIGN_UUID, ID, SIZE(uuid), assign_uuid),
    CONTROL(RESOURCE_CREATE_BLOB, SIZE(create_blob), HEADER, create_blob),
    CONTROL(SET_SCANOUT_BLOB, SIZE(set_scanout_blob), HEADER, set_scanout_blob),
    CONTROL(CTX_CREATE, SIZE(ctx_create), HEADER, ctx_create),
    CONTROL(CTX_DESTROY, HEADER, HEADER, ctx_destroy),
    CONTROL(CTX_ATTACH_RESOURCE, ID, HEADER, ctx_attach),
    CONTROL(CTX_DETACH_RESOURCE, ID, HEADER, ctx_detach),
    CONTROL(RESOURCE_CREATE_3D, SIZE(create_3d), HEADER, create_3d),
    CONTROL(TRANSFER_TO_HOST_3D, SIZE(transfer_3d), HEADER, transfer_3d),
    CONTROL(TRANSFER_FROM_HOST_3D, SIZE(transfer_3d), HEADER, refuse),
    CONTROL(RESOURCE_MAP_BLOB, SIZE(map_blob), SIZE(map_info), map_blob),
    CONTROL(RESOURCE_UNMAP_BLOB, ID, HEADER, unmap_blob),
    CURSOR(UPDATE_CURSOR, update_cursor),
    CURSOR(MOVE_CURSOR, move_cursor),
};

/* What the guest gets for what is no command of that queue. */
static const struct pv_virtio_gpu_command no_command[PV_GPU_QUEUE_COUNT] = {
    [PV_GPU_QUEUE_CONTROL] = {.response_size = HEADER, .name = "no command"},
    [PV_GPU_QUEUE_CURSOR] = {.queue = PV_GPU_QUEUE_CURSOR, .name = "no command"},
};

static const struct pv_virtio_gpu_command *find_command(uint32_t type, enum pv_gpu_queue queue)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (commands[i].type == type && commands[i].queue == (uint32_t)queue) {
            return &commands[i];
        }
    }
    return &no_command[queue];
}

enum pv_virtio_gpu_response pv_virtio_gpu_refuse(struct pv_gpu *gpu,
                                                 struct pv_virtio_gpu_request *request)
{
    (void)gpu;
    (void)request;
    return PV_VIRTIO_GPU_ERR_UNSPEC;
}

/* What goes in front of a response. Linux signals fences by what it reads here, in an error's
 * response too. */
static struct pv_virtio_gpu_header response_header(const struct pv_virtio_gpu_header *asked)
{
    if ((asked->flags & PV_VIRTIO_GPU_FLAG_FENCE) == 0) {
        return (struct pv_virtio_gpu_header){.type = 0};
    }
    bool has_ring = (asked->flags & PV_VIRTIO_GPU_FLAG_RING_IDX) != 0;
    return (struct pv_virtio_gpu_header){
        .flags = asked->flags & (PV_VIRTIO_GPU_FLAG_FENCE | PV_VIRTIO_GPU_FLAG_RING_IDX),
        .fence_id = asked->fence_id,
        .ctx_id = asked->ctx_id,
        .ring_idx = has_ring ? asked->ring_idx : 0,
    };
}

/* Why it cannot be done, whoever sent it; PV_VIRTIO_GPU_DEFERRED if it can. */
static enum pv_virtio_gpu_response judge(const struct pv_virtio_gpu_command *command, size_t size,
                                         size_t capacity)
{
    if (command->handler == NULL || size < command->request_size ||
        size > PV_GPU_REQUEST_SIZE_MAX || capacity < command->response_size) {
        return PV_VIRTIO_GPU_ERR_UNSPEC;
    }
    return PV_VIRTIO_GPU_DEFERRED;
}

void pv_virtio_gpu_respond(struct pv_gpu *gpu, uint64_t token, uint8_t *response, size_t size)
{
    struct pv_virtio_gpu_header header;
    memcpy(&header, response, sizeof(header));
    if (header.type >= PV_VIRTIO_GPU_ERR_UNSPEC) {
        gpu->stats.errors++;
        size = size < sizeof(header) ? size : sizeof(header);
    }
    gpu->callbacks.respond(gpu->user, token, response, size);
}

/* The guest's chain goes back now, or when its fence has retired. `response` has the body. */
static void answer(struct pv_gpu *gpu, struct pv_virtio_gpu_request *request,
                   enum pv_virtio_gpu_response type, uint8_t *response)
{
    bool is_fenced = (request->response_header.flags & PV_VIRTIO_GPU_FLAG_FENCE) != 0;
    if (is_fenced && pv_virtio_gpu_defer(gpu, request) != NULL) {
        if (request->response_size > HEADER) {
            memcpy(pv_virtio_gpu_pending_body(request->pending), request->answer,
                   request->response_size - HEADER);
        }
        pv_virtio_gpu_answer(gpu, request->pending, type);
        return;
    }
    request->response_header.type = type;
    memcpy(response, &request->response_header, HEADER);
    pv_virtio_gpu_respond(gpu, request->token, response, request->response_size);
}

void pv_gpu_request(struct pv_gpu *gpu, enum pv_gpu_queue queue, uint64_t token, const void *bytes,
                    size_t size, size_t response_capacity)
{
    _Alignas(8) uint8_t response[PV_GPU_RESPONSE_SIZE_MAX];
    struct pv_virtio_gpu_request request = {.token = token, .answer = response + HEADER};
    gpu->stats.requests++;
    if (size >= HEADER) {
        memcpy(&request.header, bytes, HEADER);
        request.body = (const uint8_t *)bytes + HEADER;
        request.body_size = size - HEADER;
    }
    request.command = find_command(request.header.type, queue);
    /* A cursor's chain has no room for a response in practice, and needs none. */
    uint32_t response_size =
        request.command->response_size != 0 ? request.command->response_size : (uint32_t)HEADER;
    request.response_size = response_capacity < HEADER ? 0 : response_size;
    request.response_header = response_header(&request.header);
    memset(response, 0, response_size);

    enum pv_virtio_gpu_response type = judge(request.command, size, response_capacity);
    if (type == PV_VIRTIO_GPU_DEFERRED) {
        type = request.command->handler(gpu, &request);
    }
    if (type >= PV_VIRTIO_GPU_ERR_UNSPEC) {
        pv_log_debug(&gpu->log, "virtio-gpu: %s (type %#x, context %u) is answered with %#x",
                     request.command->name, request.header.type, request.header.ctx_id,
                     (unsigned)type);
    }
    if (type != PV_VIRTIO_GPU_DEFERRED) {
        answer(gpu, &request, type, response);
    }
    if (request.pending != NULL) {
        pv_virtio_gpu_begin_fence(gpu, request.pending);
    }
    pv_virtio_gpu_keep_pending_quota(gpu);
}
