#include "render/private.h"
#include "timeline/timeline.h"

#include <stdlib.h>

/* virtio-gpu fences on queues: an empty submission with a fence of ours behind what the guest has
 * submitted, waited for on the queue's timeline. */

static enum pv_result wait_fence(void *user, void *fence, uint64_t timeout_ns)
{
    struct pv_queue *queue = user;
    struct pv_queue_fence *waited = fence;
    VkResult result = queue->device->vk.WaitForFences(queue->device->host, 1, &waited->fence,
                                                      VK_TRUE, timeout_ns);
    if (result == VK_TIMEOUT) {
        return PV_UNSUPPORTED;
    }
    if (result != VK_SUCCESS) {
        return PV_HOST_FAILED;
    }
    /* Partner: the sweep of replaced semaphores. */
    atomic_store_explicit(&queue->completed, waited->serial, memory_order_release);
    return PV_OK;
}

static void tell_retired(struct pv_render_context *context, uint32_t ring_idx, uint64_t cookie)
{
    atomic_fetch_add_explicit(&context->fences_retired, 1, memory_order_relaxed);
    if (context->params.fence_retired != NULL) {
        context->params.fence_retired(context->params.user, ring_idx, cookie);
    }
}

static void fence_retired(void *user, uint64_t cookie)
{
    struct pv_queue *queue = user;
    struct pv_render_context *context = queue->device->context;
    atomic_fetch_sub_explicit(&context->fences_in_flight, 1, memory_order_relaxed);
    tell_retired(context, queue->ring_idx, cookie);
}

/* A fence that the GPU may still signal cannot be used again, nor destroyed. */
static void recycle_fence(void *user, void *fence)
{
    struct pv_device *device = ((struct pv_queue *)user)->device;
    struct pv_queue_fence *done = fence;
    if (device->vk.GetFenceStatus(device->host, done->fence) == VK_SUCCESS &&
        device->vk.ResetFences(device->host, 1, &done->fence) == VK_SUCCESS) {
        pthread_mutex_lock(&device->lock);
        done->next = device->free_fences;
        device->free_fences = done;
        pthread_mutex_unlock(&device->lock);
        return;
    }
    pv_device_retire_sync(device, (struct pv_retired_sync){.fence = done->fence});
    free(done);
}

static struct pv_queue_fence *take_fence(struct pv_device *device)
{
    pthread_mutex_lock(&device->lock);
    struct pv_queue_fence *fence = device->free_fences;
    if (fence != NULL) {
        device->free_fences = fence->next;
    }
    pthread_mutex_unlock(&device->lock);
    if (fence != NULL) {
        return fence;
    }
    fence = calloc(1, sizeof(*fence));
    VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    if (fence != NULL &&
        device->vk.CreateFence(device->host, &info, NULL, &fence->fence) != VK_SUCCESS) {
        free(fence);
        return NULL;
    }
    return fence;
}

void pv_device_free_fences(struct pv_device *device)
{
    while (device->free_fences != NULL) {
        struct pv_queue_fence *fence = device->free_fences;
        device->free_fences = fence->next;
        device->vk.DestroyFence(device->host, fence->fence, NULL);
        free(fence);
    }
}

bool pv_queue_bind_timeline(struct pv_queue *queue, uint32_t ring_idx)
{
    struct pv_render_context *context = queue->device->context;
    struct pv_timeline_params params = {
        .user = queue,
        .wait = wait_fence,
        .retired = fence_retired,
        .recycle = recycle_fence,
        .limit = context->params.quota.fences < UINT32_MAX ? (uint32_t)context->params.quota.fences
                                                           : UINT32_MAX,
    };
    bool bound = false;
    pthread_mutex_lock(&context->timelines_lock);
    if (context->queues[ring_idx] == NULL && queue->timeline == NULL &&
        pv_timeline_create(&params, &queue->timeline) == PV_OK) {
        queue->ring_idx = ring_idx;
        context->queues[ring_idx] = queue;
        bound = true;
    }
    pthread_mutex_unlock(&context->timelines_lock);
    return bound;
}

void pv_queue_unbind_timeline(struct pv_queue *queue)
{
    struct pv_render_context *context = queue->device->context;
    pthread_mutex_lock(&context->timelines_lock);
    if (queue->ring_idx != 0) {
        context->queues[queue->ring_idx] = NULL;
    }
    pv_timeline_destroy(queue->timeline);
    queue->timeline = NULL;
    pthread_mutex_unlock(&context->timelines_lock);
}

void pv_timelines_retire(struct pv_render_context *context)
{
    pthread_mutex_lock(&context->timelines_lock);
    for (uint32_t i = 1; i < PV_TIMELINES_MAX; i++) {
        if (context->queues[i] != NULL) {
            pv_timeline_retire_all(context->queues[i]->timeline);
        }
    }
    pthread_mutex_unlock(&context->timelines_lock);
}

/* PV_OK: the cookie retires through the timeline. Anything else: it has not, and will not. */
static enum pv_result submit_fence(struct pv_render_context *context, struct pv_queue *queue,
                                   uint64_t cookie)
{
    uint64_t in_flight =
        atomic_fetch_add_explicit(&context->fences_in_flight, 1, memory_order_relaxed);
    struct pv_queue_fence *fence =
        in_flight < context->params.quota.fences ? take_fence(queue->device) : NULL;
    if (fence == NULL) {
        atomic_fetch_sub_explicit(&context->fences_in_flight, 1, memory_order_relaxed);
        return PV_NO_MEMORY;
    }
    pthread_mutex_lock(&queue->lock);
    fence->serial = queue->submitted;
    VkResult result = queue->device->vk.QueueSubmit(queue->host, 0, NULL, fence->fence);
    pthread_mutex_unlock(&queue->lock);
    enum pv_result pushed = PV_HOST_FAILED;
    if (result == VK_SUCCESS) {
        pushed = pv_timeline_push(queue->timeline, fence, cookie);
    } else {
        queue->device->vk.DestroyFence(queue->device->host, fence->fence, NULL);
        free(fence);
    }
    if (pushed != PV_OK) {
        atomic_fetch_sub_explicit(&context->fences_in_flight, 1, memory_order_relaxed);
    }
    return pushed;
}

void pv_render_fence(struct pv_render_context *context, uint32_t ring_idx, uint64_t cookie)
{
    if (ring_idx == 0 || pv_render_is_fatal(context)) {
        tell_retired(context, ring_idx, cookie);
        return;
    }
    const char *fault = NULL;
    bool retires_later = false;
    pthread_mutex_lock(&context->timelines_lock);
    struct pv_queue *queue = ring_idx < PV_TIMELINES_MAX ? context->queues[ring_idx] : NULL;
    if (queue == NULL) {
        fault = "a fence on a timeline that no queue is bound to";
    } else {
        enum pv_result result = submit_fence(context, queue, cookie);
        retires_later = result == PV_OK;
        /* A lost device is told by what the guest submits itself. */
        fault = result == PV_NO_MEMORY ? "too many fences in flight" : NULL;
    }
    pthread_mutex_unlock(&context->timelines_lock);
    if (!retires_later) {
        tell_retired(context, ring_idx, cookie);
    }
    if (fault != NULL) {
        pv_render_guest_fault(context, fault);
    }
}
