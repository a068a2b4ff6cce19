#include "base/checked.h"
#include "base/clock.h"
#include "render/private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Semaphores, fences and waits. The protocol's three sync-fd commands have the effect of exporting
 * or importing a SYNC_FD without an fd; where the driver lacks SYNC_FD the effect is had by
 * replacing the object behind the guest's id. Never by waiting or submitting: the signal that it
 * would wait for may come later on this very ring. */

/* A wait is looked after this often, so that the end of the context ends it. */
#define WAIT_SLICE_NS (50 * PV_NS_PER_MS)
#define POLL_FIRST_NS (20 * PV_NS_PER_US)
#define POLL_LAST_NS PV_NS_PER_MS

enum {
    SWEEP_MAX = 16, /* replaced objects that are looked at each time one is added */
    /* Objects that wait for their end: a guest may export what it never signals. */
    RETIRED_MAX = 64 * 1024,
    QUERY_SLACK = 512, /* no query's result is larger */
    QUERY_SIZE = 60,   /* vkGetQueryPoolResults on the wire */
};

/* --- creation ----------------------------------------------------------------------------------
 */

VkResult pv_handle_vkCreateSemaphore(struct pv_exec *x, struct pv_vkCreateSemaphore *a)
{
    struct pv_device *device = pv_exec_device(x);
    uint64_t id = PV_HANDLE_U64(*a->pSemaphore);
    if (device == NULL || !pv_exec_reserve(x, id)) {
        return VK_ERROR_UNKNOWN;
    }
    if (!device->physical_device->has_semaphore_sync_fd) {
        (void)pv_next_unlink(a->pCreateInfo, VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO);
    }
    VkSemaphore host = VK_NULL_HANDLE;
    VkResult result = device->vk.CreateSemaphore(device->host, a->pCreateInfo, NULL, &host);
    const VkSemaphoreTypeCreateInfo *type =
        pv_next_find(a->pCreateInfo->pNext, VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO);
    bool is_timeline = type != NULL && type->semaphoreType == VK_SEMAPHORE_TYPE_TIMELINE;
    if (result != VK_SUCCESS) {
        pv_object_abandon(&x->context->objects, id);
        return result;
    }
    struct pv_semaphore *semaphore = calloc(1, sizeof(*semaphore));
    if (semaphore == NULL) {
        device->vk.DestroySemaphore(device->host, host, NULL);
        pv_object_abandon(&x->context->objects, id);
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    semaphore->object = (struct pv_object){PV_HANDLE_U64(host), id, x->in.owner};
    semaphore->is_timeline = is_timeline;
    pv_object_publish(&x->context->objects, id, PV_TAG(PV_OBJECT_SEMAPHORE, x->in.owner),
                      PV_HANDLE_U64(semaphore));
    return VK_SUCCESS;
}

VkResult pv_handle_vkCreateFence(struct pv_exec *x, struct pv_vkCreateFence *a)
{
    struct pv_device *device = pv_exec_device(x);
    uint64_t id = PV_HANDLE_U64(*a->pFence);
    if (device == NULL || !pv_exec_reserve(x, id)) {
        return VK_ERROR_UNKNOWN;
    }
    if (!device->physical_device->has_fence_sync_fd) {
        (void)pv_next_unlink(a->pCreateInfo, VK_STRUCTURE_TYPE_EXPORT_FENCE_CREATE_INFO);
    }
    VkFence host = VK_NULL_HANDLE;
    VkResult result = device->vk.CreateFence(device->host, a->pCreateInfo, NULL, &host);
    pv_exec_settle(x, id, PV_OBJECT_FENCE, result == VK_SUCCESS ? PV_HANDLE_U64(host) : 0);
    return result;
}

/* --- replaced objects --------------------------------------------------------------------------
 */

static void destroy_retired(struct pv_device *device, struct pv_retired_sync *retired)
{
    if (retired->semaphore != VK_NULL_HANDLE) {
        device->vk.DestroySemaphore(device->host, retired->semaphore, NULL);
    }
    if (retired->fence != VK_NULL_HANDLE) {
        device->vk.DestroyFence(device->host, retired->fence, NULL);
    }
    free(retired);
}

static bool is_unused(const struct pv_device *device, const struct pv_retired_sync *retired)
{
    if (retired->fence != VK_NULL_HANDLE) {
        return device->vk.GetFenceStatus(device->host, retired->fence) == VK_SUCCESS;
    }
    return retired->queue == NULL || atomic_load_explicit(&retired->queue->completed,
                                                          memory_order_acquire) >= retired->serial;
}

/* Takes the unused ones of the oldest few out of the list; the device's lock is held. */
static struct pv_retired_sync *sweep(struct pv_device *device)
{
    struct pv_retired_sync *unused = NULL;
    struct pv_retired_sync **link = &device->retired_sync;
    for (uint32_t i = 0; i < SWEEP_MAX && *link != NULL; i++) {
        struct pv_retired_sync *retired = *link;
        if (!is_unused(device, retired)) {
            link = &retired->next;
            continue;
        }
        *link = retired->next;
        if (*link == NULL) {
            device->retired_sync_tail = link;
        }
        retired->next = unused;
        unused = retired;
        device->retired_sync_count--;
    }
    return unused;
}

void pv_device_retire_sync(struct pv_device *device, struct pv_retired_sync retired)
{
    struct pv_retired_sync *kept = malloc(sizeof(*kept));
    if (kept == NULL) {
        return; /* lost until the driver's device goes */
    }
    *kept = retired;
    kept->next = NULL;
    pthread_mutex_lock(&device->lock);
    if (device->retired_sync == NULL) {
        device->retired_sync_tail = &device->retired_sync;
    }
    struct pv_retired_sync *unused = sweep(device);
    *device->retired_sync_tail = kept;
    device->retired_sync_tail = &kept->next;
    device->retired_sync_count++;
    pthread_mutex_unlock(&device->lock);
    while (unused != NULL) {
        struct pv_retired_sync *next = unused->next;
        destroy_retired(device, unused);
        unused = next;
    }
}

void pv_device_destroy_retired_sync(struct pv_device *device)
{
    while (device->retired_sync != NULL) {
        struct pv_retired_sync *retired = device->retired_sync;
        device->retired_sync = retired->next;
        destroy_retired(device, retired);
    }
}

/* Whether another object may be replaced; a fault otherwise. */
static bool can_retire(struct pv_exec *x, struct pv_device *device)
{
    pthread_mutex_lock(&device->lock);
    bool can = device->retired_sync_count < RETIRED_MAX;
    pthread_mutex_unlock(&device->lock);
    if (!can) {
        pv_exec_fault(x, "exports too much that is never signalled");
    }
    return can;
}

/* --- the effect of exports and imports ----------------------------------------------------------
 */

static void close_fd(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

static void export_fence(struct pv_exec *x, struct pv_device *device, VkFence fence)
{
    VkFenceGetFdInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_FENCE_GET_FD_INFO_KHR,
        .fence = fence,
        .handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    int fd = -1;
    if (device->vk.GetFenceFdKHR == NULL ||
        device->vk.GetFenceFdKHR(device->host, &info, &fd) != VK_SUCCESS) {
        pv_exec_fault(x, "the driver does not export the fence");
        return;
    }
    close_fd(fd);
}

void pv_handle_vkResetFenceResourceMESA(struct pv_exec *x, struct pv_vkResetFenceResourceMESA *a)
{
    struct pv_device *device = pv_exec_device(x);
    if (device == NULL) {
        return;
    }
    struct pv_slot *slot = pv_object_slot(&x->context->objects, PV_HANDLE_U64(a->fence));
    uint64_t tag = atomic_load_explicit(&slot->tag, memory_order_acquire);
    if (tag != PV_TAG(PV_OBJECT_FENCE, x->in.owner)) {
        pv_exec_fault(x, "no such fence");
        return;
    }
    uint64_t old = atomic_load_explicit(&slot->host, memory_order_relaxed);
    if (device->physical_device->has_fence_sync_fd) {
        export_fence(x, device, (VkFence)(uintptr_t)old);
        return;
    }
    if (!can_retire(x, device)) {
        return;
    }
    VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fresh = VK_NULL_HANDLE;
    if (device->vk.CreateFence(device->host, &info, NULL, &fresh) != VK_SUCCESS) {
        pv_exec_fault(x, "no fence to be had in the place of an exported one");
        return;
    }
    old = atomic_exchange_explicit(&slot->host, PV_HANDLE_U64(fresh), memory_order_acq_rel);
    pv_device_retire_sync(device, (struct pv_retired_sync){.fence = (VkFence)(uintptr_t)old});
}

static void export_semaphore(struct pv_exec *x, struct pv_device *device, VkSemaphore semaphore)
{
    VkSemaphoreGetFdInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR,
        .semaphore = semaphore,
        .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    int fd = -1;
    if (device->vk.GetSemaphoreFdKHR == NULL ||
        device->vk.GetSemaphoreFdKHR(device->host, &info, &fd) != VK_SUCCESS) {
        pv_exec_fault(x, "the driver does not export the semaphore");
        return;
    }
    close_fd(fd);
}

void pv_handle_vkWaitSemaphoreResourceMESA(struct pv_exec *x,
                                           struct pv_vkWaitSemaphoreResourceMESA *a)
{
    struct pv_device *device = pv_exec_device(x);
    struct pv_semaphore *semaphore = a->semaphore;
    if (device == NULL) {
        return;
    }
    if (semaphore->is_timeline) {
        pv_exec_fault(x, "a timeline semaphore has no SYNC_FD");
        return;
    }
    if (device->physical_device->has_semaphore_sync_fd) {
        export_semaphore(x, device, (VkSemaphore)(uintptr_t)semaphore->object.host);
        return;
    }
    if (atomic_exchange_explicit(&semaphore->signalled_by_import, false, memory_order_acq_rel)) {
        return; /* the imported payload is what was exported */
    }
    if (!can_retire(x, device)) {
        return;
    }
    VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
    VkSemaphore fresh = VK_NULL_HANDLE;
    if (device->vk.CreateSemaphore(device->host, &info, NULL, &fresh) != VK_SUCCESS) {
        pv_exec_fault(x, "no semaphore to be had in the place of an exported one");
        return;
    }
    uint64_t old =
        __atomic_exchange_n(&semaphore->object.host, PV_HANDLE_U64(fresh), __ATOMIC_ACQ_REL);
    pv_device_retire_sync(
        device, (struct pv_retired_sync){
                    .semaphore = (VkSemaphore)(uintptr_t)old,
                    .queue = atomic_load_explicit(&semaphore->signal_queue, memory_order_relaxed),
                    .serial = atomic_load_explicit(&semaphore->signal_serial, memory_order_relaxed),
                });
}

void pv_handle_vkImportSemaphoreResourceMESA(struct pv_exec *x,
                                             struct pv_vkImportSemaphoreResourceMESA *a)
{
    struct pv_device *device = pv_exec_device(x);
    const VkImportSemaphoreResourceInfoMESA *asked = a->pImportSemaphoreResourceInfo;
    struct pv_semaphore *semaphore = (struct pv_semaphore *)(uintptr_t)asked->semaphore;
    if (device == NULL) {
        return;
    }
    if (asked->resourceId != 0 || semaphore->is_timeline) {
        pv_exec_fault(x, "only a signalled payload can be imported, into a binary semaphore");
        return;
    }
    if (!device->physical_device->has_semaphore_sync_fd) {
        atomic_store_explicit(&semaphore->signalled_by_import, true, memory_order_release);
        return;
    }
    VkImportSemaphoreFdInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR,
        .semaphore = (VkSemaphore)(uintptr_t)semaphore->object.host,
        .flags = VK_SEMAPHORE_IMPORT_TEMPORARY_BIT,
        .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
        .fd = -1, /* already signalled */
    };
    if (device->vk.ImportSemaphoreFdKHR == NULL ||
        device->vk.ImportSemaphoreFdKHR(device->host, &info) != VK_SUCCESS) {
        pv_exec_fault(x, "the driver does not import a signalled payload");
    }
}

/* --- waits -------------------------------------------------------------------------------------
 */

/* One look at what is waited for, for at most `timeout_ns`: VK_TIMEOUT (or VK_NOT_READY) while it
 * has not come. */
struct wait {
    VkResult (*look)(const struct wait *wait, uint64_t timeout_ns);
    /* Copies: another ring may destroy the device while this one waits, and our struct with it. */
    VkDevice host;
    union {
        PFN_vkWaitForFences fences;
        PFN_vkGetFenceStatus fence_status;
        PFN_vkWaitSemaphores semaphores;
        PFN_vkGetSemaphoreCounterValue counter;
        PFN_vkGetQueryPoolResults queries;
    } call;
    const void *arguments;
    uint32_t index; /* of the one object that this look is for */
    bool polls;     /* the driver has no good way to block in it */
};

static bool is_pending(VkResult result)
{
    return result == VK_TIMEOUT || result == VK_NOT_READY;
}

/* Looks at once; then with the stream asleep, in slices, until it has come, the time is over, or
 * the context ends. */
static VkResult wait_for(struct pv_exec *x, const struct wait *wait, uint64_t deadline_ns)
{
    VkResult result = wait->look(wait, 0);
    if (!is_pending(result) || deadline_ns == 0) {
        return result;
    }
    uint64_t pause_ns = POLL_FIRST_NS;
    pv_exec_sleep(x);
    while (is_pending(result) && !pv_exec_must_stop(x)) {
        uint64_t now_ns = pv_clock_now_ns();
        if (now_ns >= deadline_ns) {
            break;
        }
        uint64_t left_ns = deadline_ns - now_ns;
        if (!wait->polls) {
            result = wait->look(wait, left_ns < WAIT_SLICE_NS ? left_ns : WAIT_SLICE_NS);
            continue;
        }
        pv_clock_sleep_ns(left_ns < pause_ns ? left_ns : pause_ns);
        pause_ns = pause_ns * 2 < POLL_LAST_NS ? pause_ns * 2 : POLL_LAST_NS;
        result = wait->look(wait, 0);
    }
    pv_exec_wake(x);
    if (is_pending(result) && pv_exec_must_stop(x)) {
        pv_exec_fault(x, "the context has ended");
    }
    return result;
}

/* 0: do not wait at all. */
static uint64_t deadline_of(uint64_t timeout_ns)
{
    uint64_t deadline_ns;
    if (timeout_ns == 0) {
        return 0;
    }
    return pv_checked_add(pv_clock_now_ns(), timeout_ns, &deadline_ns) ? deadline_ns : UINT64_MAX;
}

static VkResult look_at_fence(const struct wait *wait, uint64_t timeout_ns)
{
    const struct pv_vkWaitForFences *a = wait->arguments;
    return wait->call.fences(wait->host, 1, &a->pFences[wait->index], VK_TRUE, timeout_ns);
}

/* A driver may spin when it waits for any of several. */
static VkResult look_at_any_fence(const struct wait *wait, uint64_t timeout_ns)
{
    const struct pv_vkWaitForFences *a = wait->arguments;
    VkResult result = VK_TIMEOUT;
    (void)timeout_ns;
    for (uint32_t i = 0; i < a->fenceCount && is_pending(result); i++) {
        result = wait->call.fence_status(wait->host, a->pFences[i]);
    }
    return result == VK_NOT_READY ? VK_TIMEOUT : result;
}

VkResult pv_handle_vkWaitForFences(struct pv_exec *x, struct pv_vkWaitForFences *a)
{
    struct pv_device *device = pv_exec_device(x);
    if (device == NULL) {
        return VK_ERROR_DEVICE_LOST;
    }
    uint64_t deadline_ns = deadline_of(a->timeout);
    struct wait wait = {
        .look = look_at_fence,
        .host = device->host,
        .call.fences = device->vk.WaitForFences,
        .arguments = a,
    };
    if (a->waitAll == VK_FALSE && a->fenceCount > 1) {
        wait.look = look_at_any_fence;
        wait.call.fence_status = device->vk.GetFenceStatus;
        wait.polls = true;
        return wait_for(x, &wait, deadline_ns);
    }
    VkResult result = VK_SUCCESS;
    for (uint32_t i = 0; i < a->fenceCount && result == VK_SUCCESS; i++) {
        wait.index = i;
        result = wait_for(x, &wait, deadline_ns);
    }
    return result;
}

static VkResult look_at_semaphore(const struct wait *wait, uint64_t timeout_ns)
{
    const VkSemaphoreWaitInfo *all = wait->arguments;
    VkSemaphoreWaitInfo one = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .semaphoreCount = 1,
        .pSemaphores = &all->pSemaphores[wait->index],
        .pValues = &all->pValues[wait->index],
    };
    return wait->call.semaphores(wait->host, &one, timeout_ns);
}

static VkResult look_at_any_semaphore(const struct wait *wait, uint64_t timeout_ns)
{
    const VkSemaphoreWaitInfo *all = wait->arguments;
    (void)timeout_ns;
    for (uint32_t i = 0; i < all->semaphoreCount; i++) {
        uint64_t value = 0;
        VkResult result = wait->call.counter(wait->host, all->pSemaphores[i], &value);
        if (result != VK_SUCCESS || value >= all->pValues[i]) {
            return result;
        }
    }
    return VK_TIMEOUT;
}

VkResult pv_handle_vkWaitSemaphores(struct pv_exec *x, struct pv_vkWaitSemaphores *a)
{
    struct pv_device *device = pv_exec_device(x);
    const VkSemaphoreWaitInfo *info = a->pWaitInfo;
    if (device == NULL) {
        return VK_ERROR_DEVICE_LOST;
    }
    if (device->vk.WaitSemaphores == NULL || device->vk.GetSemaphoreCounterValue == NULL) {
        pv_exec_absent(x);
        return VK_ERROR_EXTENSION_NOT_PRESENT;
    }
    uint64_t deadline_ns = deadline_of(a->timeout);
    struct wait wait = {
        .look = look_at_semaphore,
        .host = device->host,
        .call.semaphores = device->vk.WaitSemaphores,
        .arguments = info,
    };
    if ((info->flags & VK_SEMAPHORE_WAIT_ANY_BIT) != 0 && info->semaphoreCount > 1) {
        wait.look = look_at_any_semaphore;
        wait.call.counter = device->vk.GetSemaphoreCounterValue;
        wait.polls = true;
        return wait_for(x, &wait, deadline_ns);
    }
    VkResult result = VK_SUCCESS;
    for (uint32_t i = 0; i < info->semaphoreCount && result == VK_SUCCESS; i++) {
        wait.index = i;
        result = wait_for(x, &wait, deadline_ns);
    }
    return result;
}

/* --- queries -----------------------------------------------------------------------------------
 */

/* What the driver writes must lie in our memory, whatever the guest says of sizes and strides. */
static bool query_layout_is_good(const struct pv_vkGetQueryPoolResults *a)
{
    uint64_t word = (a->flags & VK_QUERY_RESULT_64_BIT) != 0 ? 8 : 4;
    uint64_t last = 0;
    if (a->queryCount == 0 || a->dataSize < word) {
        return false;
    }
    if (a->queryCount > 1 && (a->stride < word || a->stride % word != 0)) {
        return false;
    }
    return pv_checked_mul(a->queryCount - 1, a->stride, &last) && last <= a->dataSize - word;
}

static VkResult look_at_queries(const struct wait *wait, uint64_t timeout_ns)
{
    const struct pv_vkGetQueryPoolResults *a = wait->arguments;
    (void)timeout_ns;
    return wait->call.queries(wait->host, a->queryPool, a->firstQuery, a->queryCount, a->dataSize,
                              a->pData, a->stride, a->flags);
}

VkResult pv_handle_vkGetQueryPoolResults(struct pv_exec *x, struct pv_vkGetQueryPoolResults *a)
{
    struct pv_device *device = pv_exec_device(x);
    if (device == NULL) {
        return VK_ERROR_DEVICE_LOST;
    }
    if (!query_layout_is_good(a)) {
        pv_exec_fault(x, "query results that do not fit their memory");
        return VK_ERROR_UNKNOWN;
    }
    /* The last query's values may be more than the guest has left room for. */
    uint8_t *room = a->dataSize <= SIZE_MAX - QUERY_SLACK
                        ? pv_arena_alloc(x->in.arena, a->dataSize + QUERY_SLACK)
                        : NULL;
    if (room == NULL) {
        pv_exec_fault(x, "out of memory for query results");
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    memset(room, 0, a->dataSize + QUERY_SLACK);
    struct pv_vkGetQueryPoolResults shifted = *a;
    shifted.pData = room;
    bool waits = (a->flags & VK_QUERY_RESULT_WAIT_BIT) != 0;
    if (waits) {
        /* The driver's own wait could last for ever. */
        shifted.flags &=
            ~(VkQueryResultFlags)(VK_QUERY_RESULT_WAIT_BIT | VK_QUERY_RESULT_PARTIAL_BIT);
    }
    struct wait wait = {
        .look = look_at_queries,
        .host = device->host,
        .call.queries = device->vk.GetQueryPoolResults,
        .arguments = &shifted,
        .polls = true,
    };
    VkResult result = wait_for(x, &wait, waits ? UINT64_MAX : 0);
    uint64_t object = PV_HANDLE_U64(a->queryPool) + a->firstQuery;
    struct pv_hold hold;
    if (result == VK_NOT_READY && pv_hold_begin(x, &hold, object, QUERY_SIZE)) {
        while (result == VK_NOT_READY && pv_hold_goes_on(x, &hold)) {
            result = look_at_queries(&wait, 0);
        }
    }
    pv_hold_end(x, object);
    a->pData = room;
    return result;
}
