/* Requests that are answered later, and in which order. */

#include "base/assert.h"
#include "front/virtio_gpu/device.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* A virtqueue holds some hundreds; a caller without such a limit has this one. */
    PENDING_MAX = 64 * 1024,
};

/* --- queues ------------------------------------------------------------------------------------
 */

void pv_virtio_gpu_queue_push(struct pv_virtio_gpu_queue *queue,
                              struct pv_virtio_gpu_pending *pending)
{
    pending->next_in_queue = NULL;
    if (queue->last != NULL) {
        queue->last->next_in_queue = pending;
    } else {
        queue->first = pending;
    }
    queue->last = pending;
}

struct pv_virtio_gpu_pending *pv_virtio_gpu_queue_take(struct pv_virtio_gpu_queue *queue,
                                                       uint64_t id)
{
    struct pv_virtio_gpu_pending *before = NULL;
    struct pv_virtio_gpu_pending *taken = queue->first;
    while (taken != NULL && taken->id != id) {
        before = taken;
        taken = taken->next_in_queue;
    }
    if (taken == NULL) {
        return NULL;
    }
    if (before != NULL) {
        before->next_in_queue = taken->next_in_queue;
    } else {
        queue->first = taken->next_in_queue;
    }
    if (queue->last == taken) {
        queue->last = before;
    }
    return taken;
}

struct pv_virtio_gpu_pending *pv_virtio_gpu_queue_pop(struct pv_virtio_gpu_queue *queue)
{
    return queue->first != NULL ? pv_virtio_gpu_queue_take(queue, queue->first->id) : NULL;
}

/* --- timelines ---------------------------------------------------------------------------------
 */

static bool is_done(const struct pv_virtio_gpu_pending *pending)
{
    return pending->is_answered && !pending->is_held &&
           (pending->context == NULL ||
            pending->context->retired[pending->ring_idx] >= pending->id);
}

/* Out of the list of all. */
static void unlink_pending(struct pv_gpu *gpu, struct pv_virtio_gpu_pending *pending)
{
    if (pending->previous != NULL) {
        pending->previous->next = pending->next;
    } else {
        gpu->pending = pending->next;
    }
    if (pending->next != NULL) {
        pending->next->previous = pending->previous;
    }
    gpu->pending_count--;
}

static void return_chain(struct pv_gpu *gpu, struct pv_virtio_gpu_pending *taken_pending)
{
    unlink_pending(gpu, taken_pending);
    if (taken_pending->is_fence) {
        gpu->stats.fences++;
    }
    pv_virtio_gpu_respond(gpu, taken_pending->token, taken_pending->response, taken_pending->size);
    free(taken_pending);
}

/* Returns what is done, up to the first one that is not. */
static void release(struct pv_gpu *gpu, struct pv_virtio_gpu_timeline *timeline)
{
    while (timeline->first != NULL && is_done(timeline->first)) {
        struct pv_virtio_gpu_pending *done = timeline->first;
        timeline->first = done->next_in_timeline;
        if (timeline->first == NULL) {
            timeline->last = NULL;
        }
        return_chain(gpu, done);
    }
}

static void release_if_done(struct pv_gpu *gpu, struct pv_virtio_gpu_pending *taken_pending)
{
    if (taken_pending->timeline != NULL) {
        release(gpu, taken_pending->timeline);
    } else if (is_done(taken_pending)) {
        return_chain(gpu, taken_pending);
    }
}

static void append(struct pv_virtio_gpu_timeline *timeline, struct pv_virtio_gpu_pending *pending)
{
    pending->timeline = timeline;
    if (timeline->last != NULL) {
        timeline->last->next_in_timeline = pending;
    } else {
        timeline->first = pending;
    }
    timeline->last = pending;
}

/* Puts a fenced request behind those that its guest expects before it. One that names no timeline
 * there is has none, and goes when it is answered. */
static void append_to_its_timeline(struct pv_gpu *gpu, struct pv_virtio_gpu_pending *pending,
                                   const struct pv_virtio_gpu_header *header)
{
    struct pv_virtio_gpu_context *context = pv_virtio_gpu_find_context(gpu, header->ctx_id);
    if ((header->flags & PV_VIRTIO_GPU_FLAG_RING_IDX) == 0) {
        append(&gpu->timeline, pending);
        /* Only a command stream takes time: on its context's CPU timeline. */
        pending->context = header->type == PV_VIRTIO_GPU_SUBMIT_3D ? context : NULL;
    } else if (context != NULL && header->ring_idx < PV_VIRTIO_GPU_RINGS) {
        pending->context = context;
        pending->ring_idx = header->ring_idx;
        append(&context->timelines[header->ring_idx], pending);
    }
}

/* --- one request -------------------------------------------------------------------------------
 */

struct pv_virtio_gpu_pending *pv_virtio_gpu_defer(struct pv_gpu *gpu,
                                                  struct pv_virtio_gpu_request *request)
{
    PV_ASSERT(request->pending == NULL);
    const struct pv_virtio_gpu_header *header = &request->response_header;
    size_t room =
        request->response_size > sizeof(*header) ? request->response_size : sizeof(*header);
    struct pv_virtio_gpu_pending *pending = NULL;
    if (gpu->pending_count < PENDING_MAX) {
        pending = calloc(1, sizeof(*pending) + room);
    }
    if (pending == NULL) {
        return NULL;
    }
    pending->token = request->token;
    pending->id = ++gpu->last_pending_id;
    pending->is_held = true;
    pending->is_fence = (header->flags & PV_VIRTIO_GPU_FLAG_FENCE) != 0;
    pending->size = request->response_size;
    memcpy(pending->response, header, sizeof(*header));
    pending->next = gpu->pending;
    if (gpu->pending != NULL) {
        gpu->pending->previous = pending;
    }
    gpu->pending = pending;
    gpu->pending_count++;
    if (pending->is_fence) {
        append_to_its_timeline(gpu, pending, &request->header);
    }
    request->pending = pending;
    return pending;
}

void *pv_virtio_gpu_pending_body(struct pv_virtio_gpu_pending *pending)
{
    return pending->response + sizeof(struct pv_virtio_gpu_header);
}

void pv_virtio_gpu_answer(struct pv_gpu *gpu, struct pv_virtio_gpu_pending *taken_pending,
                          enum pv_virtio_gpu_response type)
{
    struct pv_virtio_gpu_pending *pending = taken_pending;
    PV_ASSERT(!pending->is_answered && type != PV_VIRTIO_GPU_DEFERRED);
    const uint32_t word = type;
    memcpy(pending->response + offsetof(struct pv_virtio_gpu_header, type), &word, sizeof(word));
    pending->is_answered = true;
    release_if_done(gpu, pending);
}

void pv_virtio_gpu_begin_fence(struct pv_gpu *gpu, struct pv_virtio_gpu_pending *taken_pending)
{
    struct pv_virtio_gpu_pending *pending = taken_pending;
    struct pv_virtio_gpu_context *context = pending->context;
    pending->is_held = false;
    if (context != NULL && context->remote != NULL) {
        pv_remote_fence(context->remote, pending->ring_idx, pending->id);
        pv_virtio_gpu_count_pending(context);
    }
    release_if_done(gpu, pending);
}

/* --- contexts ----------------------------------------------------------------------------------
 */

void pv_virtio_gpu_retire(struct pv_virtio_gpu_context *context, uint32_t ring_idx, uint64_t id)
{
    context->retired[ring_idx] = id;
    release(context->gpu, &context->timelines[ring_idx]);
    if (ring_idx == 0) {
        release(context->gpu, &context->gpu->timeline);
    }
}

void pv_virtio_gpu_retire_all(struct pv_virtio_gpu_context *context)
{
    for (uint32_t i = 0; i < PV_VIRTIO_GPU_RINGS; i++) {
        context->retired[i] = UINT64_MAX;
    }
    for (uint32_t i = 0; i < PV_VIRTIO_GPU_RINGS; i++) {
        release(context->gpu, &context->timelines[i]);
    }
    release(context->gpu, &context->gpu->timeline);
}

void pv_virtio_gpu_forget_context(struct pv_virtio_gpu_context *context)
{
    struct pv_gpu *gpu = context->gpu;
    struct pv_virtio_gpu_timeline answered = {0};
    struct pv_virtio_gpu_pending *next;
    for (struct pv_virtio_gpu_pending *pending = gpu->pending; pending != NULL; pending = next) {
        next = pending->next;
        if (pending->context == context) {
            pending->context = NULL;
            if (pending->timeline != &gpu->timeline) {
                /* It waits for the window, or for one before it that does. */
                pending->timeline = NULL;
                pending->next_in_timeline = NULL;
                if (pending->is_answered) {
                    append(&answered, pending);
                }
            }
        }
    }
    release(gpu, &answered);
    release(gpu, &gpu->timeline);
}

void pv_virtio_gpu_drop_pending(struct pv_gpu *gpu)
{
    struct pv_virtio_gpu_context *context = NULL;
    while ((context = pv_virtio_gpu_table_next(&gpu->contexts, context)) != NULL) {
        memset(context->timelines, 0, sizeof(context->timelines));
        context->blobs = (struct pv_virtio_gpu_queue){0};
    }
    struct pv_virtio_gpu_resource *resource = NULL;
    while ((resource = pv_virtio_gpu_table_next(&gpu->resources, resource)) != NULL) {
        resource->creation = NULL;
        resource->map_request = NULL;
    }
    gpu->timeline = (struct pv_virtio_gpu_timeline){0};
    gpu->window_queue = (struct pv_virtio_gpu_queue){0};
    while (gpu->pending != NULL) {
        struct pv_virtio_gpu_pending *dropped = gpu->pending;
        unlink_pending(gpu, dropped);
        free(dropped);
    }
}
