#include "base/assert.h"
#include "base/checked.h"
#include "base/guest.h"
#include "render/private.h"
#include "ring/monitor.h"

#include <stdlib.h>

/* The protocol's own commands: rings, replies, nested streams, and the order between the two. */

enum {
    NESTED_KEEP_MAX = 4 * 1024 * 1024, /* a larger copy is freed after use */
    NESTED_CAPACITY_MIN = 64 * 1024,
    STREAMS_MAX = 64 * 1024, /* in one command */
};

/* --- replies -----------------------------------------------------------------------------------
 */

/* A reference to shared memory of the guest; NULL and a fault where there is none. */
static struct pv_blob *get_shm(struct pv_exec *x, uint32_t resource_id)
{
    struct pv_blob *blob = pv_exec_resource(x, resource_id);
    if (blob == NULL) {
        pv_exec_fault(x, "no such resource");
        return NULL;
    }
    if ((blob->kind != PV_BLOB_SHM && blob->kind != PV_BLOB_BORROWED) || blob->map == NULL) {
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

static enum pv_result ring_consume(void *user, uint8_t *bytes, uint32_t size)
{
    struct pv_render_ring *ring = user;
    return pv_exec_stream(&ring->exec, bytes, size);
}

static void ring_sleeps(void *user)
{
    struct pv_render_ring *ring = user;
    pv_exec_sleep(&ring->exec);
}

static void ring_wakes(void *user)
{
    struct pv_render_ring *ring = user;
    pv_exec_wake(&ring->exec);
}

static void ring_faulted(void *user, const char *why)
{
    struct pv_render_ring *ring = user;
    /* Whoever stops it has ended its batch, too. */
    if (why != NULL || !atomic_load_explicit(&ring->exec.stopping, memory_order_acquire)) {
        pv_render_set_fatal(ring->exec.context, why != NULL ? why : "a ring has ended");
    }
}

static void free_ring(struct pv_render_ring *ring)
{
    pv_ring_destroy(ring->ring);
    pv_exec_finish(&ring->exec);
    free(ring);
}

/* Only the context's own stream changes the list, so that it may look without the lock. */
static struct pv_render_ring *find_ring(struct pv_render_context *context, uint64_t id)
{
    for (struct pv_render_ring *ring = context->rings; ring != NULL; ring = ring->next) {
        if (pv_ring_id(ring->ring) == id) {
            return ring;
        }
    }
    return NULL;
}

static struct pv_ring *get_ring(struct pv_exec *x, uint64_t id)
{
    struct pv_render_ring *ring = find_ring(x->context, id);
    if (ring == NULL) {
        pv_exec_fault(x, "no such ring");
        return NULL;
    }
    return ring->ring;
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
        .notify_fd = x->context->rings == NULL ? x->context->params.notify_fd : 0,
        .never_spins = x->context->params.never_spins,
        .consumer =
            {
                .consume = ring_consume,
                .sleeps = ring_sleeps,
                .wakes = ring_wakes,
                .faulted = ring_faulted,
            },
        .log = x->context->log,
    };
}

/* NULL and a fault when it cannot be. Not running and not listed yet. */
static struct pv_render_ring *make_ring(struct pv_exec *x, struct pv_ring_params *params)
{
    struct pv_render_ring *ring = calloc(1, sizeof(*ring));
    if (ring == NULL || pv_exec_init(&ring->exec, x->context) != PV_OK) {
        free(ring);
        pv_exec_fault(x, "no memory for another ring");
        return NULL;
    }
    params->consumer.user = ring;
    enum pv_result result = pv_ring_create(params, &ring->ring);
    if (result != PV_OK) {
        pv_exec_fault(x, result == PV_GUEST_FAULT ? "the new ring's head or status is not 0"
                                                  : "no memory or descriptor for another ring");
        free_ring(ring);
        return NULL;
    }
    pv_exec_attach(&ring->exec, ring->ring);
    return ring;
}

static void list_and_start(struct pv_exec *x, struct pv_render_ring *ring)
{
    struct pv_render_context *context = x->context;
    if (pv_ring_monitor_period_us(ring->ring) != 0) {
        if (pv_ring_monitor_add(context->monitor, ring->ring) != PV_OK) {
            pv_exec_fault(x, "no thread to be had for the ring's monitor");
            free_ring(ring);
            return;
        }
        ring->is_monitored = true;
    }
    pthread_mutex_lock(&context->lock);
    ring->next = context->rings;
    context->rings = ring;
    context->ring_count++;
    pthread_mutex_unlock(&context->lock);
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
    if (find_ring(x->context, a->ring) != NULL ||
        x->context->ring_count >= x->context->params.quota.rings) {
        pv_exec_fault(x, "the new ring's id is in use, or there are too many rings");
        return;
    }
    params.blob = get_shm(x, info->resourceId);
    if (params.blob == NULL) {
        return;
    }
    const char *fault = pv_ring_layout_fault(&params.layout, params.blob->map_size);
    if (fault != NULL) {
        pv_exec_fault(x, fault);
    } else {
        struct pv_render_ring *ring = make_ring(x, &params);
        if (ring != NULL) {
            list_and_start(x, ring);
        }
    }
    pv_blob_unref(params.blob);
}

/* Out of the list, so that nobody else finds it. */
static void unlist(struct pv_render_context *context, struct pv_render_ring *ring)
{
    pthread_mutex_lock(&context->lock);
    struct pv_render_ring **link = &context->rings;
    while (*link != ring) {
        PV_ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = ring->next;
    context->ring_count--;
    pthread_mutex_unlock(&context->lock);
}

static void end_ring(struct pv_render_context *context, struct pv_render_ring *ring)
{
    atomic_store_explicit(&ring->exec.stopping, true, memory_order_release);
    pv_compiles_wake(&context->compiles);
    pv_ring_stop(ring->ring);
    unlist(context, ring);
    if (ring->is_monitored) {
        pv_ring_monitor_remove(context->monitor, ring->ring);
    }
    pv_exec_account(&ring->exec);
    free_ring(ring);
}

void pv_rings_destroy(struct pv_render_context *context)
{
    /* All at once, so that none waits for another that would be stopped later. */
    for (struct pv_render_ring *ring = context->rings; ring != NULL; ring = ring->next) {
        atomic_store_explicit(&ring->exec.stopping, true, memory_order_release);
    }
    while (context->rings != NULL) {
        end_ring(context, context->rings);
    }
}

void pv_rings_raise_fatal(struct pv_render_context *context)
{
    for (struct pv_render_ring *ring = context->rings; ring != NULL; ring = ring->next) {
        pv_ring_raise_status(ring->ring, PV_RING_STATUS_FATAL);
        /* Whoever waits for the virtqueue, or for this ring, goes on and meets the end. */
        enum pv_result result = pv_ring_submit_virtqueue_seqno(ring->ring, UINT64_MAX);
        PV_ASSERT(result == PV_OK);
        pv_ring_notify(ring->ring);
    }
}

void pv_handle_vkDestroyRingMESA(struct pv_exec *x, struct pv_vkDestroyRingMESA *a)
{
    struct pv_render_ring *ring = find_ring(x->context, a->ring);
    if (ring == NULL) {
        pv_exec_fault(x, "no such ring");
        return;
    }
    pv_exec_sleep(x);
    end_ring(x->context, ring);
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
            struct pv_render_ring *ring = find_ring(context, pv_load_u64(bytes + at + 8));
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
