#include "base/checked.h"
#include "base/guest.h"
#include "render/private.h"

#include <stdlib.h>

/* The protocol's own commands: rings, replies, nested streams, and the order between the two. */

enum {
    NESTED_KEEP_MAX = 4 * 1024 * 1024, /* a larger copy is freed after use */
    NESTED_CAPACITY_MIN = 64 * 1024,
    STREAMS_MAX = 64 * 1024, /* in one command */
};

/* --- replies -----------------------------------------------------------------------------------
 */

static bool is_shm(const struct pv_blob *blob)
{
    return (blob->kind == PV_BLOB_SHM || blob->kind == PV_BLOB_BORROWED) && blob->map != NULL;
}

/* A reference to shared memory of the guest; NULL and a fault where there is none. */
static struct pv_blob *get_shm(struct pv_exec *x, uint32_t resource_id)
{
    struct pv_blob *blob = pv_exec_resource(x, resource_id);
    if (blob == NULL) {
        pv_exec_fault(x, "no such resource");
        return NULL;
    }
    if (!is_shm(blob)) {
        pv_blob_unref(blob);
        pv_exec_fault(x, "the resource is not shared memory");
        return NULL;
    }
    return blob;
}

/* Mesa sets the stream anew for every reply, nearly always in the resource of the last one. */
static bool set_reply_blob(struct pv_exec *x, uint32_t resource_id)
{
    struct pv_resources *resources = &x->context->resources;
    uint64_t generation = atomic_load_explicit(&resources->generation, memory_order_acquire);
    if (PV_LIKELY(x->reply.blob != NULL && x->reply.resource_id == resource_id &&
                  x->reply.generation == generation)) {
        return true;
    }
    struct pv_blob *blob = get_shm(x, resource_id);
    if (blob == NULL) {
        return false;
    }
    pv_blob_unref(x->reply.blob);
    x->reply.blob = blob;
    x->reply.resource_id = resource_id;
    x->reply.generation = generation;
    return true;
}

static void seek_reply(struct pv_exec *x, uint64_t position)
{
    uint8_t *begin = x->reply.blob->map + x->reply.offset;
    x->out.cursor = begin + position;
    x->out.end = begin + x->reply.size;
    x->out.overflow = false;
}

struct pv_reply_place pv_reply_place(const struct pv_exec *x)
{
    if (x->reply.blob == NULL) {
        return (struct pv_reply_place){0};
    }
    return (struct pv_reply_place){
        .resource_id = x->reply.resource_id,
        .offset = x->reply.offset,
        .size = x->reply.size,
        .position = (uint64_t)(x->out.cursor - (x->reply.blob->map + x->reply.offset)),
    };
}

void pv_reply_resume(struct pv_exec *x, const struct pv_reply_place *place)
{
    struct pv_resources *resources = &x->context->resources;
    uint64_t generation = atomic_load_explicit(&resources->generation, memory_order_acquire);
    struct pv_blob *blob =
        place->resource_id != 0 ? pv_resources_get(resources, place->resource_id) : NULL;
    if (blob == NULL || !is_shm(blob) ||
        !pv_range_inside(place->offset, place->size, blob->map_size)) {
        pv_blob_unref(blob);
        return;
    }
    x->reply = (struct pv_reply_stream){
        .blob = blob,
        .resource_id = place->resource_id,
        .generation = generation,
        .offset = place->offset,
        .size = place->size,
    };
    seek_reply(x, place->position);
}

void pv_handle_vkSetReplyCommandStreamMESA(struct pv_exec *x,
                                           struct pv_vkSetReplyCommandStreamMESA *a)
{
    const VkCommandStreamDescriptionMESA *stream = a->pStream;
    if (!set_reply_blob(x, stream->resourceId)) {
        return;
    }
    if (!pv_range_inside(stream->offset, stream->size, x->reply.blob->map_size)) {
        pv_exec_fault(x, "the reply stream is not inside its resource");
        return;
    }
    x->reply.offset = stream->offset;
    x->reply.size = stream->size;
    seek_reply(x, 0);
}

void pv_handle_vkSeekReplyCommandStreamMESA(struct pv_exec *x,
                                            struct pv_vkSeekReplyCommandStreamMESA *a)
{
    if (x->reply.blob == NULL || a->position > x->reply.size) {
        pv_exec_fault(x, "seeks beyond the reply stream");
        return;
    }
    seek_reply(x, a->position);
}

/* --- nested streams ----------------------------------------------------------------------------
 */

/* Room for a private copy; kept for the next stream unless it is huge. */
static uint8_t *nested_room(struct pv_exec *x, size_t size)
{
    if (size <= x->nested_capacity) {
        return x->nested_bytes;
    }
    size_t capacity = NESTED_CAPACITY_MIN;
    while (capacity < size && capacity < NESTED_KEEP_MAX) {
        capacity *= 2;
    }
    if (capacity < size) {
        capacity = size;
    }
    pv_exec_free_nested(x);
    if (!pv_budget_take(&x->context->scratch, capacity)) {
        return NULL;
    }
    x->nested_bytes = malloc(capacity);
    if (x->nested_bytes == NULL) {
        pv_budget_give(&x->context->scratch, capacity);
        return NULL;
    }
    x->nested_capacity = capacity;
    return x->nested_bytes;
}

static void execute_stream(struct pv_exec *x, const VkCommandStreamDescriptionMESA *stream)
{
    if (stream->size == 0) {
        return;
    }
    if (stream->size > x->context->params.quota.stream_bytes || stream->size % 4 != 0) {
        pv_exec_fault(x, "a nested stream beyond the quota, or of a bad size");
        return;
    }
    struct pv_blob *blob = get_shm(x, stream->resourceId);
    if (blob == NULL) {
        return;
    }
    uint8_t *bytes = NULL;
    if (!pv_range_inside(stream->offset, stream->size, blob->map_size)) {
        pv_exec_fault(x, "a nested stream is not inside its resource");
    } else if ((bytes = nested_room(x, stream->size)) == NULL) {
        pv_exec_fault(x, "no memory for a nested stream");
    } else {
        pv_guest_copy(bytes, blob->map + stream->offset, stream->size);
    }
    pv_blob_unref(blob);
    if (pv_decode_ok(&x->in)) {
        pv_exec_nested(x, bytes, stream->size);
    }
    if (x->nested_capacity > NESTED_KEEP_MAX) {
        pv_exec_free_nested(x);
    }
}

void pv_handle_vkExecuteCommandStreamsMESA(struct pv_exec *x,
                                           struct pv_vkExecuteCommandStreamsMESA *a)
{
    if (x->nested) {
        pv_exec_fault(x, "a nested stream inside of a nested stream");
        return;
    }
    if (a->streamCount == 0 || a->streamCount > STREAMS_MAX || a->pStreams == NULL) {
        pv_exec_fault(x, "a bad number of nested streams");
        return;
    }
    for (uint32_t i = 0; i < a->streamCount && pv_decode_ok(&x->in); i++) {
        if (a->pReplyPositions != NULL) {
            if (x->reply.blob == NULL || a->pReplyPositions[i] > x->reply.size) {
                pv_exec_fault(x, "seeks beyond the reply stream");
                return;
            }
            seek_reply(x, a->pReplyPositions[i]);
        }
        execute_stream(x, &a->pStreams[i]);
        if (pv_exec_must_stop(x)) {
            pv_exec_fault(x, "the context has ended");
        }
    }
}

/* --- rings -------------------------------------------------------------------------------------
 */

static struct pv_ring *get_ring(struct pv_exec *x, uint64_t id)
{
    struct pv_render_ring *ring = pv_rings_find(x->context, id);
    if (ring == NULL) {
        pv_exec_fault(x, "no such ring");
        return NULL;
    }
    return ring->ring;
}

static bool has_guest_ring(const struct pv_render_context *context)
{
    const struct pv_render_ring *ring = context->rings;
    while (ring != NULL && ring->is_callers) {
        ring = ring->next;
    }
    return ring != NULL;
}

static struct pv_ring_params ring_params(const struct pv_exec *x, uint64_t id,
                                         const VkRingCreateInfoMESA *info)
{
    const VkRingMonitorInfoMESA *monitor =
        pv_next_find(info->pNext, VK_STRUCTURE_TYPE_RING_MONITOR_INFO_MESA);
    const VkRingPriorityInfoMESA *priority =
        pv_next_find(info->pNext, VK_STRUCTURE_TYPE_RING_PRIORITY_INFO_MESA);
    return (struct pv_ring_params){
        .id = id,
        .layout =
            {
                .offset = info->offset,
                .size = info->size,
                .head_offset = info->headOffset,
                .tail_offset = info->tailOffset,
                .status_offset = info->statusOffset,
                .buffer_offset = info->bufferOffset,
                .buffer_size = info->bufferSize,
                .extra_offset = info->extraOffset,
                .extra_size = info->extraSize,
            },
        .idle_timeout_ns = info->idleTimeout,
        .monitor_period_us = monitor != NULL ? monitor->maxReportingPeriodMicroseconds : 0,
        .priority = priority != NULL ? priority->priority : 0,
        /* Only the first: Mesa's other rings have commands for a moment, and every message would
         * wake them all. */
        .notify_fd = has_guest_ring(x->context) ? 0 : x->context->params.notify_fd,
    };
}

/* Makes it, lists it, and starts its thread. */
static void start_ring(struct pv_exec *x, const struct pv_ring_params *params)
{
    struct pv_render_ring *ring = NULL;
    enum pv_result result = pv_rings_make(x->context, params, &ring);
    if (result != PV_OK) {
        pv_exec_fault(x, result == PV_GUEST_FAULT ? "the new ring's head or status is not 0"
                                                  : "no memory, descriptor or thread for a ring");
        return;
    }
    pv_rings_list(x->context, ring);
    if (pv_ring_start(ring->ring) != PV_OK) {
        pv_exec_fault(x, "no thread to be had for a ring");
    }
}

void pv_handle_vkCreateRingMESA(struct pv_exec *x, struct pv_vkCreateRingMESA *a)
{
    const VkRingCreateInfoMESA *info = a->pCreateInfo;
    struct pv_ring_params params = ring_params(x, a->ring, info);
    const VkRingMonitorInfoMESA *monitor =
        pv_next_find(info->pNext, VK_STRUCTURE_TYPE_RING_MONITOR_INFO_MESA);
    if (monitor != NULL && monitor->maxReportingPeriodMicroseconds == 0) {
        pv_exec_fault(x, "the new ring's monitor has no period");
        return;
    }
    if (pv_rings_find(x->context, a->ring) != NULL ||
        x->context->ring_count >= x->context->params.quota.rings) {
        pv_exec_fault(x, "the new ring's id is in use, or there are too many rings");
        return;
    }
    params.blob = get_shm(x, info->resourceId);
    if (params.blob == NULL) {
        return;
    }
    const char *fault = pv_ring_layout_fault(&params.layout, params.blob->map_size);
    if (fault == NULL && info->bufferSize > PV_RING_BUFFER_SIZE_GUEST_MAX) {
        fault = "the ring's buffer is too large";
    }
    if (fault != NULL) {
        pv_exec_fault(x, fault);
    } else {
        start_ring(x, &params);
    }
    pv_blob_unref(params.blob);
}

void pv_handle_vkDestroyRingMESA(struct pv_exec *x, struct pv_vkDestroyRingMESA *a)
{
    struct pv_render_ring *ring = pv_rings_find(x->context, a->ring);
    if (ring == NULL) {
        pv_exec_fault(x, "no such ring");
        return;
    }
    pv_exec_sleep(x);
    pv_rings_end(x->context, ring);
    pv_exec_wake(x);
}

void pv_handle_vkNotifyRingMESA(struct pv_exec *x, struct pv_vkNotifyRingMESA *a)
{
    struct pv_ring *ring = get_ring(x, a->ring);
    if (ring != NULL) {
        pv_ring_notify(ring);
    }
}

/* Of a fixed size, these three: {type, flags, ring, seqno}. */
bool pv_render_is_quick(struct pv_render_context *context, const uint8_t *bytes, uint64_t size)
{
    enum { SIZE = 24 };
    for (uint64_t at = 0; at < size; at += SIZE) {
        if (size - at < SIZE || pv_load_u32(bytes + at + 4) != 0) {
            return false;
        }
        switch (pv_load_u32(bytes + at)) {
        case PV_COMMAND_vkNotifyRingMESA:
        case PV_COMMAND_vkSubmitVirtqueueSeqnoMESA:
            break;
        case PV_COMMAND_vkWaitRingSeqnoMESA: {
            struct pv_render_ring *ring = pv_rings_find(context, pv_load_u64(bytes + at + 8));
            if (ring == NULL ||
                !pv_ring_has_reached(ring->ring, (uint32_t)pv_load_u64(bytes + at + 16))) {
                return false;
            }
            break;
        }
        default:
            return false;
        }
    }
    return true;
}

void pv_handle_vkWriteRingExtraMESA(struct pv_exec *x, struct pv_vkWriteRingExtraMESA *a)
{
    struct pv_ring *ring = get_ring(x, a->ring);
    if (ring != NULL && !pv_ring_write_extra(ring, a->offset, a->value)) {
        pv_exec_fault(x, "not inside the ring's extra region");
    }
}

void pv_handle_vkSubmitVirtqueueSeqnoMESA(struct pv_exec *x,
                                          struct pv_vkSubmitVirtqueueSeqnoMESA *a)
{
    struct pv_ring *ring = get_ring(x, a->ring);
    if (ring != NULL && pv_ring_submit_virtqueue_seqno(ring, a->seqno) != PV_OK) {
        pv_exec_fault(x, "the virtqueue's seqno goes backwards");
    }
}

void pv_handle_vkWaitVirtqueueSeqnoMESA(struct pv_exec *x, struct pv_vkWaitVirtqueueSeqnoMESA *a)
{
    if (!pv_ring_is_threaded(x->ring)) {
        pv_exec_fault(x, "waits for the virtqueue on a ring that this cannot name");
        return;
    }
    if (pv_ring_wait_virtqueue_seqno(x->ring, a->seqno) != PV_OK || pv_exec_must_stop(x)) {
        pv_exec_fault(x, "the ring was stopped while it waited for the virtqueue");
    }
}

void pv_handle_vkWaitRingSeqnoMESA(struct pv_exec *x, struct pv_vkWaitRingSeqnoMESA *a)
{
    struct pv_ring *ring = get_ring(x, a->ring);
    if (ring == NULL) {
        return;
    }
    uint32_t seqno = (uint32_t)a->seqno; /* a u64 on the wire, a ring position in fact */
    pv_exec_sleep(x);
    enum pv_result result = pv_ring_wait_seqno(ring, seqno);
    pv_exec_wake(x);
    if (result != PV_OK) {
        pv_exec_fault(x, result == PV_GUEST_FAULT ? "waits for what the ring will never reach"
                                                  : "waits for a ring that has ended");
    }
}
