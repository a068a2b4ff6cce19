/* The rings of a context, whoever asked for them: a guest, or the caller that owns the memory. */

#include "base/assert.h"
#include "render/private.h"
#include "ring/monitor.h"

#include <stdlib.h>

static enum pv_result consume(void *user, uint8_t *bytes, uint32_t size)
{
    struct pv_render_ring *ring = user;
    return pv_exec_stream(&ring->exec, bytes, size);
}

static void sleeps(void *user)
{
    struct pv_render_ring *ring = user;
    pv_exec_sleep(&ring->exec);
}

static void wakes(void *user)
{
    struct pv_render_ring *ring = user;
    pv_exec_wake(&ring->exec);
}

static void faulted(void *user, const char *why)
{
    struct pv_render_ring *ring = user;
    if (why != NULL) {
        pv_render_guest_fault(ring->exec.context, why);
    } else {
        pv_render_set_fatal(ring->exec.context, "a ring has ended");
    }
}

static void free_ring(struct pv_render_ring *ring)
{
    if (ring->is_monitored) {
        pv_ring_monitor_remove(ring->exec.context->monitor, ring->ring);
    }
    pv_ring_destroy(ring->ring);
    pv_exec_finish(&ring->exec);
    free(ring);
}

struct pv_render_ring *pv_rings_find(struct pv_render_context *context, uint64_t id)
{
    for (struct pv_render_ring *ring = context->rings; ring != NULL; ring = ring->next) {
        if (pv_ring_id(ring->ring) == id && !ring->is_callers) {
            return ring;
        }
    }
    return NULL;
}

enum pv_result pv_rings_make(struct pv_render_context *context, const struct pv_ring_params *params,
                             struct pv_render_ring **ring)
{
    *ring = NULL;
    struct pv_render_ring *made = calloc(1, sizeof(*made));
    if (made == NULL || pv_exec_init(&made->exec, context) != PV_OK) {
        free(made);
        return PV_NO_MEMORY;
    }
    struct pv_ring_params ours = *params;
    ours.never_spins = context->params.never_spins;
    ours.log = context->log;
    ours.consumer = (struct pv_ring_consumer){
        .user = made,
        .consume = consume,
        .sleeps = sleeps,
        .wakes = wakes,
        .faulted = faulted,
    };
    enum pv_result result = pv_ring_create(&ours, &made->ring);
    if (result == PV_OK && ours.monitor_period_us != 0) {
        made->is_monitored = pv_ring_monitor_add(context->monitor, made->ring) == PV_OK;
        result = made->is_monitored ? PV_OK : PV_HOST_FAILED;
    }
    if (result != PV_OK) {
        free_ring(made);
        return result;
    }
    pv_exec_attach(&made->exec, made->ring);
    *ring = made;
    return PV_OK;
}

void pv_rings_list(struct pv_render_context *context, struct pv_render_ring *ring)
{
    pthread_mutex_lock(&context->lock);
    ring->next = context->rings;
    context->rings = ring;
    context->ring_count++;
    pthread_mutex_unlock(&context->lock);
}

/* Out of the list, so that nobody else finds it; its figures stay. It has stopped. */
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
    pv_rings_account(context, ring);
    pthread_mutex_unlock(&context->lock);
}

void pv_rings_interrupt(struct pv_render_context *context, struct pv_render_ring *ring)
{
    atomic_store_explicit(&ring->exec.stopping, true, memory_order_release);
    pv_compiles_wake(&context->compiles);
    pv_ring_interrupt(ring->ring);
}

void pv_rings_end(struct pv_render_context *context, struct pv_render_ring *ring)
{
    pv_rings_interrupt(context, ring);
    pv_ring_stop(ring->ring);
    unlist(context, ring);
    free_ring(ring);
}

void pv_rings_destroy(struct pv_render_context *context)
{
    /* All at once, so that none waits for another that would be stopped later. */
    for (struct pv_render_ring *ring = context->rings; ring != NULL; ring = ring->next) {
        atomic_store_explicit(&ring->exec.stopping, true, memory_order_release);
    }
    while (context->rings != NULL) {
        pv_rings_end(context, context->rings);
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
