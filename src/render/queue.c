#include "render/private.h"

/* Submissions. The decoded arrays of semaphores hold our structs in the place of handles: the
 * driver's handles are put in here, and waits that an import has satisfied are taken out. */

static struct pv_semaphore *semaphore_of(VkSemaphore word)
{
    return (struct pv_semaphore *)(uintptr_t)word;
}

static VkSemaphore host_semaphore(const struct pv_semaphore *semaphore)
{
    return (VkSemaphore)(uintptr_t)__atomic_load_n(&semaphore->object.host, __ATOMIC_ACQUIRE);
}

/* Whether this wait is to be dropped: the payload is "already signalled". Only set where the driver
 * cannot import such a payload itself. */
static bool takes_import(struct pv_semaphore *semaphore)
{
    return PV_UNLIKELY(
               atomic_load_explicit(&semaphore->signalled_by_import, memory_order_relaxed)) &&
           atomic_exchange_explicit(&semaphore->signalled_by_import, false, memory_order_acq_rel);
}

/* The queue's lock is held. */
static VkSemaphore signal_by(struct pv_queue *queue, VkSemaphore word)
{
    struct pv_semaphore *semaphore = semaphore_of(word);
    atomic_store_explicit(&semaphore->signal_serial, queue->submitted, memory_order_relaxed);
    atomic_store_explicit(&semaphore->signal_queue, queue, memory_order_relaxed);
    return host_semaphore(semaphore);
}

/* Removes element `index` of `count`. */
static void drop_u64(const uint64_t *decoded, uint32_t index, uint32_t count)
{
    uint64_t *values = (uint64_t *)(uintptr_t)decoded;
    for (uint32_t i = index; i + 1 < count; i++) {
        values[i] = values[i + 1];
    }
}

static void drop_u32(const uint32_t *decoded, uint32_t index, uint32_t count)
{
    uint32_t *values = (uint32_t *)(uintptr_t)decoded;
    for (uint32_t i = index; i + 1 < count; i++) {
        values[i] = values[i + 1];
    }
}

/* What lies beside a wait in the chain of its submission goes with it. */
static void drop_wait_in_chain(const void *next, uint32_t index)
{
    VkTimelineSemaphoreSubmitInfo *values =
        (VkTimelineSemaphoreSubmitInfo *)(uintptr_t)pv_next_find(
            next, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);
    if (values != NULL && index < values->waitSemaphoreValueCount &&
        values->pWaitSemaphoreValues != NULL) {
        drop_u64(values->pWaitSemaphoreValues, index, values->waitSemaphoreValueCount);
        values->waitSemaphoreValueCount--;
    }
    VkDeviceGroupSubmitInfo *group = (VkDeviceGroupSubmitInfo *)(uintptr_t)pv_next_find(
        next, VK_STRUCTURE_TYPE_DEVICE_GROUP_SUBMIT_INFO);
    if (group != NULL && index < group->waitSemaphoreCount &&
        group->pWaitSemaphoreDeviceIndices != NULL) {
        drop_u32(group->pWaitSemaphoreDeviceIndices, index, group->waitSemaphoreCount);
        group->waitSemaphoreCount--;
    }
}

/* Waits and signals of VkSubmitInfo and VkBindSparseInfo, which look alike. */
struct semaphores {
    const void *next;
    uint32_t *wait_count;
    const VkSemaphore *waits;
    const VkPipelineStageFlags *stages; /* NULL for sparse binds */
    uint32_t signal_count;
    const VkSemaphore *signals;
};

static void translate(struct pv_queue *queue, const struct semaphores *in)
{
    VkSemaphore *waits = (VkSemaphore *)(uintptr_t)in->waits;
    uint32_t kept = 0;
    uint32_t asked = waits != NULL ? *in->wait_count : 0;
    for (uint32_t i = 0; i < asked; i++) {
        struct pv_semaphore *semaphore = semaphore_of(waits[i]);
        if (takes_import(semaphore)) {
            if (in->stages != NULL) {
                drop_u32(in->stages, kept, asked - (i - kept));
            }
            drop_wait_in_chain(in->next, kept);
            continue;
        }
        waits[kept++] = host_semaphore(semaphore);
    }
    if (waits != NULL) {
        *in->wait_count = kept;
    }
    VkSemaphore *signals = (VkSemaphore *)(uintptr_t)in->signals;
    for (uint32_t i = 0; signals != NULL && i < in->signal_count; i++) {
        signals[i] = signal_by(queue, signals[i]);
    }
}

VkResult pv_handle_vkQueueSubmit(struct pv_exec *x, struct pv_vkQueueSubmit *a)
{
    struct pv_queue *queue = a->queue;
    (void)x;
    VkSubmitInfo *submits = (VkSubmitInfo *)(uintptr_t)a->pSubmits;
    pthread_mutex_lock(&queue->lock);
    queue->submitted++;
    for (uint32_t i = 0; submits != NULL && i < a->submitCount; i++) {
        translate(queue, &(struct semaphores){
                             .next = submits[i].pNext,
                             .wait_count = &submits[i].waitSemaphoreCount,
                             .waits = submits[i].pWaitSemaphores,
                             .stages = submits[i].pWaitDstStageMask,
                             .signal_count = submits[i].signalSemaphoreCount,
                             .signals = submits[i].pSignalSemaphores,
                         });
    }
    VkResult result =
        queue->device->vk.QueueSubmit(queue->host, a->submitCount, a->pSubmits, a->fence);
    pthread_mutex_unlock(&queue->lock);
    return result;
}

static void translate2(struct pv_queue *queue, VkSubmitInfo2 *submit)
{
    VkSemaphoreSubmitInfo *waits = (VkSemaphoreSubmitInfo *)(uintptr_t)submit->pWaitSemaphoreInfos;
    uint32_t kept = 0;
    for (uint32_t i = 0; waits != NULL && i < submit->waitSemaphoreInfoCount; i++) {
        struct pv_semaphore *semaphore = semaphore_of(waits[i].semaphore);
        if (takes_import(semaphore)) {
            continue;
        }
        waits[kept] = waits[i];
        waits[kept++].semaphore = host_semaphore(semaphore);
    }
    if (waits != NULL) {
        submit->waitSemaphoreInfoCount = kept;
    }
    VkSemaphoreSubmitInfo *signals =
        (VkSemaphoreSubmitInfo *)(uintptr_t)submit->pSignalSemaphoreInfos;
    for (uint32_t i = 0; signals != NULL && i < submit->signalSemaphoreInfoCount; i++) {
        signals[i].semaphore = signal_by(queue, signals[i].semaphore);
    }
}

VkResult pv_handle_vkQueueSubmit2(struct pv_exec *x, struct pv_vkQueueSubmit2 *a)
{
    struct pv_queue *queue = a->queue;
    VkSubmitInfo2 *submits = (VkSubmitInfo2 *)(uintptr_t)a->pSubmits;
    if (queue->device->vk.QueueSubmit2 == NULL) {
        pv_exec_absent(x);
        return VK_ERROR_EXTENSION_NOT_PRESENT;
    }
    pthread_mutex_lock(&queue->lock);
    queue->submitted++;
    for (uint32_t i = 0; submits != NULL && i < a->submitCount; i++) {
        translate2(queue, &submits[i]);
    }
    VkResult result =
        queue->device->vk.QueueSubmit2(queue->host, a->submitCount, a->pSubmits, a->fence);
    pthread_mutex_unlock(&queue->lock);
    return result;
}

VkResult pv_handle_vkQueueBindSparse(struct pv_exec *x, struct pv_vkQueueBindSparse *a)
{
    struct pv_queue *queue = a->queue;
    (void)x;
    VkBindSparseInfo *binds = (VkBindSparseInfo *)(uintptr_t)a->pBindInfo;
    pthread_mutex_lock(&queue->lock);
    queue->submitted++;
    for (uint32_t i = 0; binds != NULL && i < a->bindInfoCount; i++) {
        translate(queue, &(struct semaphores){
                             .next = binds[i].pNext,
                             .wait_count = &binds[i].waitSemaphoreCount,
                             .waits = binds[i].pWaitSemaphores,
                             .signal_count = binds[i].signalSemaphoreCount,
                             .signals = binds[i].pSignalSemaphores,
                         });
    }
    VkResult result =
        queue->device->vk.QueueBindSparse(queue->host, a->bindInfoCount, a->pBindInfo, a->fence);
    pthread_mutex_unlock(&queue->lock);
    return result;
}
