#include "front/virgl/renderer.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Fences wait in the order of their creation, and are reported in the order in which they retire.
 * Without ASYNC_FENCE_CB only virgl_renderer_poll() may report: the caller looks for a fence among
 * those whose creation has returned. */

static bool is_async(void)
{
    return (pv_virgl.flags & PV_VIRGL_ASYNC_FENCE_CB) != 0;
}

static void append(struct pv_virgl_fences *list, struct pv_virgl_fence *fence)
{
    fence->next = NULL;
    *list->end = fence;
    list->end = &fence->next;
}

static struct pv_virgl_fence *unlink_at(struct pv_virgl_fences *list, struct pv_virgl_fence **link)
{
    struct pv_virgl_fence *fence = *link;
    *link = fence->next;
    if (list->end == &fence->next) {
        list->end = link;
    }
    return fence;
}

void pv_virgl_fences_init(void)
{
    pv_virgl.pending = (struct pv_virgl_fences){.end = &pv_virgl.pending.first};
    pv_virgl.retired = (struct pv_virgl_fences){.end = &pv_virgl.retired.first};
}

/* Those without a timeline of their own retire in one order, whatever contexts they wait for. */
static void retire_done(void)
{
    struct pv_virgl_fence **link = &pv_virgl.pending.first;
    bool blocked = false;
    while (*link != NULL) {
        struct pv_virgl_fence *fence = *link;
        if (fence->is_done && (fence->is_ringed || !blocked)) {
            append(&pv_virgl.retired, unlink_at(&pv_virgl.pending, link));
            continue;
        }
        blocked |= !fence->is_ringed;
        link = &fence->next;
    }
    if (pv_virgl.retired.first == NULL) {
        return;
    }
    if (is_async()) {
        pv_virgl_loop_wake();
    } else {
        (void)!write(pv_virgl.poll, &(uint64_t){1}, sizeof(uint64_t));
    }
}

void pv_virgl_retire_fence(uint64_t context_key, uint64_t serial)
{
    for (struct pv_virgl_fence *fence = pv_virgl.pending.first; fence != NULL;
         fence = fence->next) {
        if (fence->serial == serial && fence->context_key == context_key) {
            fence->is_done = true;
            retire_done();
            return;
        }
    }
}

void pv_virgl_retire_fences_of(uint64_t context_key)
{
    for (struct pv_virgl_fence *fence = pv_virgl.pending.first; fence != NULL;
         fence = fence->next) {
        if (fence->context_key == context_key) {
            fence->is_done = true;
        }
    }
    retire_done();
}

static void drop(struct pv_virgl_fences *list)
{
    while (list->first != NULL) {
        free(unlink_at(list, &list->first));
    }
}

void pv_virgl_drop_fences(void)
{
    drop(&pv_virgl.pending);
    drop(&pv_virgl.retired);
}

void pv_virgl_await_reports(void)
{
    if (pv_thread_is_current(&pv_virgl.thread)) {
        return; /* the caller's own callback is what we would wait for */
    }
    while (pv_virgl.is_reporting) {
        pthread_cond_wait(&pv_virgl.changed, &pv_virgl.lock);
    }
}

/* Whether the next one says all that this one would. */
static bool is_merged(const struct pv_virgl_fence *fence)
{
    const struct pv_virgl_fence *next = fence->next;
    return fence->is_ringed && fence->is_mergeable && next != NULL && next->is_ringed &&
           next->context_id == fence->context_id && next->ring_idx == fence->ring_idx;
}

static void report(const struct pv_virgl_fence *fence)
{
    const struct pv_virgl_callbacks *callbacks = &pv_virgl.callbacks;
    if (!fence->is_ringed) {
        callbacks->write_fence(pv_virgl.cookie, (uint32_t)fence->id);
    } else if (!is_merged(fence)) {
        callbacks->write_context_fence(pv_virgl.cookie, fence->context_id, fence->ring_idx,
                                       fence->id);
    }
}

void pv_virgl_report_fences(void)
{
    while (pv_virgl.retired.first != NULL) {
        struct pv_virgl_fences list = pv_virgl.retired;
        pv_virgl.retired = (struct pv_virgl_fences){.end = &pv_virgl.retired.first};
        pv_virgl.is_reporting = true;
        pthread_mutex_unlock(&pv_virgl.lock);
        for (struct pv_virgl_fence *fence = list.first; fence != NULL;) {
            struct pv_virgl_fence *next = fence->next;
            report(fence);
            free(fence);
            fence = next;
        }
        pthread_mutex_lock(&pv_virgl.lock);
        pv_virgl.is_reporting = false;
        pthread_cond_broadcast(&pv_virgl.changed);
    }
}

static struct pv_virgl_fence *create_fence(uint64_t id, struct pv_virgl_context *context)
{
    struct pv_virgl_fence *fence = calloc(1, sizeof(*fence));
    if (fence == NULL) {
        return NULL;
    }
    fence->id = id;
    fence->serial = ++pv_virgl.next_serial;
    fence->context_key = context != NULL ? context->key : 0;
    return fence;
}

/* Asks the context, if there is anything that could answer. */
static void wait_for(struct pv_virgl_fence *fence, struct pv_virgl_context *context)
{
    append(&pv_virgl.pending, fence);
    if (context != NULL && context->remote != NULL && fence->ring_idx < PV_VIRGL_TIMELINES_MAX) {
        pv_remote_fence(context->remote, fence->ring_idx, fence->serial);
        return;
    }
    fence->is_done = true;
    retire_done();
}

/* Whatever is wrong with a context or its timeline, its guest waits for the fence. */
int virgl_renderer_context_create_fence(uint32_t context_id, uint32_t flags, uint32_t ring_idx,
                                        uint64_t fence_id)
{
    if (!pv_virgl.is_running || pv_virgl.callbacks.write_context_fence == NULL) {
        return -EINVAL;
    }
    pthread_mutex_lock(&pv_virgl.lock);
    struct pv_virgl_context *context = pv_virgl_find_context(context_id);
    struct pv_virgl_fence *fence = create_fence(fence_id, context);
    if (fence != NULL) {
        fence->context_id = context_id;
        fence->ring_idx = ring_idx;
        fence->is_ringed = true;
        fence->is_mergeable = (flags & PV_VIRGL_FENCE_MERGEABLE) != 0;
        wait_for(fence, context);
    }
    pthread_mutex_unlock(&pv_virgl.lock);
    return fence != NULL ? 0 : -ENOMEM;
}

/* `context_id` cannot be relied upon, since QEMU hands over the request's type there. It is the
 * fence of the request that is under way, so it waits for what that has submitted. */
int virgl_renderer_create_fence(int fence_id, uint32_t context_id)
{
    (void)context_id;
    if (!pv_virgl.is_running) {
        return EINVAL;
    }
    pthread_mutex_lock(&pv_virgl.lock);
    struct pv_virgl_context *context = pv_virgl_find_context(pv_virgl.submitted_context);
    struct pv_virgl_fence *fence = create_fence((uint32_t)fence_id, context);
    if (fence != NULL) {
        wait_for(fence, context);
    }
    pthread_mutex_unlock(&pv_virgl.lock);
    return fence != NULL ? 0 : ENOMEM;
}

void virgl_renderer_poll(void)
{
    if (!pv_virgl.is_running || is_async()) {
        return;
    }
    uint64_t count;
    (void)!read(pv_virgl.poll, &count, sizeof(count));
    pthread_mutex_lock(&pv_virgl.lock);
    pv_virgl_report_fences();
    pthread_mutex_unlock(&pv_virgl.lock);
}

int virgl_renderer_get_poll_fd(void)
{
    return pv_virgl.is_running ? pv_virgl.poll : -1;
}
