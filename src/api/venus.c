/* Rings in a caller's memory, run by the caller's threads. */

#include "api/context.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/guest.h"
#include "render/private.h"
#include "ring/ring.h"

#include <pearvisor/venus.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

_Static_assert(sizeof(struct pv_venus_ring_control) == 16, "the buffer begins there");
_Static_assert(PV_VENUS_RING_IDLE == (int)PV_RING_STATUS_IDLE &&
                   PV_VENUS_RING_FATAL == (int)PV_RING_STATUS_FATAL,
               "one status word, two names");

enum state {
    STOPPED,
    STARTED,
    FATAL, /* started, and nothing will be executed any more */
};

/* How long a stop waits for a batch that is under way, before it cuts it. */
#define PATIENCE_NS PV_NS_PER_S

static _Thread_local const char me;

struct pv_venus_ring {
    struct pv_venus_ring_control *control; /* guest memory */
    struct pv_blob *blob;                  /* all of the caller's memory */
    struct pv_ring_layout layout;
    /* What an empty poll looks at; the tail beside it. */
    _Atomic uint32_t position; /* all before it has been executed in batches that are over */
    _Atomic enum state state;
    /* Held by whoever executes, starts or stops, so by one thread at a time. */
    pthread_mutex_t run_lock;
    /* Who executes, by the address of its `me`; a callback of that thread's must not wait for it.
     */
    _Atomic(const char *) runner;
    /* Guards `running`'s changes, for who wants to interrupt it without the lock above. */
    pthread_mutex_t stop_lock;
    struct pv_render_ring *running; /* guarded by both: either suffices to read it */
    struct pv_context *context;     /* guarded likewise; NULL: stopped */
    struct pv_venus_ring *next;     /* guarded by the context's rings_lock */
    /* What a later start on the same context goes on with. Guarded by run_lock. */
    struct pv_reply_place replies;
    uint64_t replies_of; /* that context, by when it began; 0: nothing to go on with */
    bool is_cut;         /* a batch was ended before its end */
};

enum pv_result pv_venus_init(const struct pv_renderer_params *params, struct pv_context **context)
{
    if (context == NULL) {
        return PV_INVALID;
    }
    *context = NULL;
    struct pv_renderer_params defaults = {.struct_size = sizeof(defaults)};
    struct pv_renderer *renderer = NULL;
    enum pv_result result = pv_renderer_create(params != NULL ? params : &defaults, &renderer);
    if (result != PV_OK) {
        return result;
    }
    struct pv_context_params context_params = {.struct_size = sizeof(context_params)};
    result = pv_context_create(renderer, &context_params, context);
    if (result != PV_OK) {
        pv_renderer_destroy(renderer);
        return result;
    }
    (*context)->owns_renderer = true;
    return PV_OK;
}

void pv_venus_cleanup(struct pv_context *context)
{
    pv_context_destroy(context);
}

static uint32_t saturate(uint64_t figure)
{
    return figure < UINT32_MAX ? (uint32_t)figure : UINT32_MAX;
}

enum pv_result pv_venus_get_stats(struct pv_context *context, struct pv_venus_stats *stats)
{
    if (context == NULL || stats == NULL) {
        return PV_INVALID;
    }
    struct pv_render_stats render;
    pv_render_get_stats(context->render, &render, NULL);
    *stats = (struct pv_venus_stats){
        .commands_handled = saturate(render.commands),
        .objects_created = saturate(render.objects_created),
        .errors = saturate(render.faults),
    };
    return pv_render_is_fatal(context->render) ? PV_GUEST_FAULT : PV_OK;
}

/* --- making and destroying -------------------------------------------------------------------- */

static bool is_good_memory(const void *memory, size_t size)
{
    uintptr_t begin = (uintptr_t)memory;
    return begin != 0 && begin % PV_VENUS_RING_ALIGNMENT == 0 && size >= PV_VENUS_RING_SIZE_MIN &&
           size <= UINT32_MAX && size <= UINTPTR_MAX - begin;
}

static struct pv_ring_layout layout_of(size_t size)
{
    const size_t buffer_offset = sizeof(struct pv_venus_ring_control);
    uint64_t buffer_size = 1;
    while (buffer_size * 2 <= size - buffer_offset) {
        buffer_size *= 2;
    }
    return (struct pv_ring_layout){
        .size = size & ~(size_t)3,
        .head_offset = offsetof(struct pv_venus_ring_control, head),
        .tail_offset = offsetof(struct pv_venus_ring_control, tail),
        .status_offset = offsetof(struct pv_venus_ring_control, status),
        .buffer_offset = buffer_offset,
        .buffer_size = buffer_size,
        .extra_offset = buffer_offset + buffer_size,
    };
}

static bool init_locks(struct pv_venus_ring *ring)
{
    if (pthread_mutex_init(&ring->run_lock, NULL) != 0) {
        return false;
    }
    if (pthread_mutex_init(&ring->stop_lock, NULL) != 0) {
        pthread_mutex_destroy(&ring->run_lock);
        return false;
    }
    return true;
}

enum pv_result pv_venus_ring_create_from_memory(void *memory, size_t size_bytes,
                                                struct pv_venus_ring **ring)
{
    if (ring == NULL) {
        return PV_INVALID;
    }
    *ring = NULL;
    if (!is_good_memory(memory, size_bytes)) {
        return PV_INVALID;
    }
    struct pv_venus_ring *made = calloc(1, sizeof(*made));
    if (made == NULL || !init_locks(made)) {
        free(made);
        return PV_NO_MEMORY;
    }
    enum pv_result result = pv_blob_wrap_memory(memory, size_bytes, NULL, NULL, &made->blob);
    if (result != PV_OK) {
        pthread_mutex_destroy(&made->stop_lock);
        pthread_mutex_destroy(&made->run_lock);
        free(made);
        return result;
    }
    made->layout = layout_of(size_bytes);
    made->control = memory;
    pv_guest_store_u32(&made->control->head, 0);
    pv_guest_store_u32(&made->control->status, 0);
    *ring = made;
    return PV_OK;
}

enum pv_result pv_venus_ring_destroy(struct pv_venus_ring *ring)
{
    if (ring == NULL) {
        return PV_OK;
    }
    pthread_mutex_lock(&ring->stop_lock);
    bool is_started = ring->running != NULL;
    pthread_mutex_unlock(&ring->stop_lock);
    if (is_started) {
        return PV_BUSY;
    }
    pv_blob_unref(ring->blob);
    pthread_mutex_destroy(&ring->stop_lock);
    pthread_mutex_destroy(&ring->run_lock);
    free(ring);
    return PV_OK;
}

size_t pv_venus_ring_buffer_size(const struct pv_venus_ring *ring)
{
    return ring != NULL ? (size_t)ring->layout.buffer_size : 0;
}

double pv_venus_ring_utilization(const struct pv_venus_ring *ring)
{
    if (ring == NULL) {
        return -1.0;
    }
    uint64_t used = pv_guest_load_u32(&ring->control->tail) -
                    atomic_load_explicit(&ring->position, memory_order_relaxed);
    uint64_t size = ring->layout.buffer_size;
    return used < size ? (double)used / (double)size : 1.0;
}

/* --- starting and stopping -------------------------------------------------------------------- */

static void set_running(struct pv_venus_ring *ring, struct pv_context *context,
                        struct pv_render_ring *running, enum state state)
{
    pthread_mutex_lock(&ring->stop_lock);
    ring->running = running;
    ring->context = context;
    atomic_store_explicit(&ring->state, state, memory_order_release);
    pthread_mutex_unlock(&ring->stop_lock);
}

/* Whether this thread is inside of pv_venus_ring_notify() of the ring. */
static bool is_runner(const struct pv_venus_ring *ring)
{
    return atomic_load_explicit(&ring->runner, memory_order_relaxed) == &me;
}

static void link_ring(struct pv_context *context, struct pv_venus_ring *ring)
{
    pthread_mutex_lock(&context->rings_lock);
    ring->next = context->rings;
    context->rings = ring;
    pthread_mutex_unlock(&context->rings_lock);
}

static void unlink_ring(struct pv_context *context, struct pv_venus_ring *ring)
{
    pthread_mutex_lock(&context->rings_lock);
    struct pv_venus_ring **link = &context->rings;
    while (*link != ring) {
        PV_ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = ring->next;
    pthread_mutex_unlock(&context->rings_lock);
}

/* The run lock is held. */
static enum pv_result start(struct pv_venus_ring *ring, struct pv_context *context)
{
    if (ring->running != NULL) {
        return PV_BUSY;
    }
    struct pv_render_context *render = context->render;
    if (pv_render_is_fatal(render)) {
        return PV_GUEST_FAULT;
    }
    if (render->ring_count >= render->params.quota.rings) {
        return PV_NO_MEMORY;
    }
    struct pv_ring_params params = {
        .position = atomic_load_explicit(&ring->position, memory_order_relaxed),
        .blob = ring->blob,
        .layout = ring->layout,
    };
    /* A context before this one may have left IDLE or FATAL. */
    pv_guest_store_u32(&ring->control->status, 0);
    struct pv_render_ring *running = NULL;
    enum pv_result result = pv_rings_make(render, &params, &running);
    if (result != PV_OK) {
        return result;
    }
    running->is_callers = true;
    if (ring->replies_of == render->created_ns) {
        pv_reply_resume(&running->exec, &ring->replies);
    }
    /* And it stays, since nobody looks by himself: a guest that has written always rings. */
    pv_ring_raise_status(running->ring, PV_RING_STATUS_IDLE);
    pv_rings_list(render, running);
    set_running(ring, context, running, STARTED);
    link_ring(context, ring);
    if (pv_render_is_fatal(render)) { /* since a moment, so that this ring may have missed it */
        pv_ring_raise_status(running->ring, PV_RING_STATUS_FATAL);
        pv_context_tell_rings(context);
    }
    return PV_OK;
}

enum pv_result pv_venus_integration_start(struct pv_venus_ring *ring, struct pv_context *context)
{
    if (ring == NULL || context == NULL) {
        return PV_INVALID;
    }
    if (is_runner(ring)) {
        return PV_BUSY;
    }
    pthread_mutex_lock(&ring->run_lock);
    enum pv_result result = start(ring, context);
    pthread_mutex_unlock(&ring->run_lock);
    return result;
}

/* Nobody begins another batch. */
static void halt(struct pv_venus_ring *ring, bool cuts)
{
    pthread_mutex_lock(&ring->stop_lock);
    if (ring->running != NULL) {
        atomic_store_explicit(&ring->state, STOPPED, memory_order_release);
        if (cuts) {
            pv_rings_interrupt(ring->context->render, ring->running);
        }
    }
    pthread_mutex_unlock(&ring->stop_lock);
}

/* Takes the run lock from whoever executes: when the batch is over, or is cut for taking long. */
static void take_turn(struct pv_venus_ring *ring)
{
    uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
    halt(ring, false);
    while (pthread_mutex_trylock(&ring->run_lock) != 0) {
        if (pv_clock_now_ns() >= deadline_ns) {
            halt(ring, true);
            pthread_mutex_lock(&ring->run_lock);
            return;
        }
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
}

/* The run lock is held, and it is started. */
static void stop(struct pv_venus_ring *ring)
{
    struct pv_context *context = ring->context;
    struct pv_render_ring *running = ring->running;
    if (ring->is_cut) {
        /* Nobody can go on in the middle of a nested stream, or wait for an answer again. */
        pv_render_set_fatal(context->render, "its ring was stopped in the middle of a batch");
    }
    ring->is_cut = false;
    ring->replies = pv_reply_place(&running->exec);
    ring->replies_of = context->render->created_ns;
    unlink_ring(context, ring);
    set_running(ring, NULL, NULL, STOPPED);
    pv_rings_end(context->render, running);
}

enum pv_result pv_venus_integration_stop(struct pv_venus_ring *ring)
{
    if (ring == NULL) {
        return PV_INVALID;
    }
    if (is_runner(ring)) {
        return PV_BUSY;
    }
    take_turn(ring);
    bool is_started = ring->running != NULL;
    if (is_started) {
        stop(ring);
    }
    pthread_mutex_unlock(&ring->run_lock);
    return is_started ? PV_OK : PV_CLOSED;
}

void pv_context_tell_rings(struct pv_context *context)
{
    pthread_mutex_lock(&context->rings_lock);
    for (struct pv_venus_ring *ring = context->rings; ring != NULL; ring = ring->next) {
        enum state expected = STARTED;
        atomic_compare_exchange_strong_explicit(&ring->state, &expected, FATAL,
                                                memory_order_release, memory_order_relaxed);
    }
    pthread_mutex_unlock(&context->rings_lock);
}

void pv_context_stop_rings(struct pv_context *context)
{
    while (context->rings != NULL) { /* nobody else is inside of a call */
        enum pv_result result = pv_venus_integration_stop(context->rings);
        PV_ASSERT(result == PV_OK);
    }
}

/* --- executing -------------------------------------------------------------------------------- */

static enum pv_result result_of(enum state state)
{
    return state == STARTED ? PV_OK : state == FATAL ? PV_GUEST_FAULT : PV_CLOSED;
}

/* There is something to execute, or there was a moment ago. */
static PV_NOINLINE enum pv_result execute(struct pv_venus_ring *ring)
{
    if (is_runner(ring)) {
        return PV_BUSY;
    }
    pthread_mutex_lock(&ring->run_lock);
    enum state state = atomic_load_explicit(&ring->state, memory_order_relaxed);
    if (state == STARTED) {
        atomic_store_explicit(&ring->runner, &me, memory_order_relaxed);
        ring->is_cut = pv_ring_poll(ring->running->ring) == PV_RING_ENDED;
        atomic_store_explicit(&ring->runner, NULL, memory_order_relaxed);
        atomic_store_explicit(&ring->position, pv_ring_position(ring->running->ring),
                              memory_order_release);
        state = STARTED;
        if (ring->is_cut) {
            /* By a fault, which may not have been told to the rings yet; or by a stop. */
            atomic_compare_exchange_strong_explicit(&ring->state, &state, FATAL,
                                                    memory_order_release, memory_order_relaxed);
            state = state == STARTED ? FATAL : state;
        }
    }
    pthread_mutex_unlock(&ring->run_lock);
    return result_of(state);
}

/* Polled in loops: what is not needed to find nothing is elsewhere. */
enum pv_result pv_venus_ring_notify(struct pv_venus_ring *ring)
{
    if (PV_UNLIKELY(ring == NULL)) {
        return PV_INVALID;
    }
    enum state state = atomic_load_explicit(&ring->state, memory_order_acquire);
    if (PV_UNLIKELY(state != STARTED)) {
        return result_of(state);
    }
    uint32_t tail = pv_guest_load_u32(&ring->control->tail);
    if (PV_LIKELY(tail == atomic_load_explicit(&ring->position, memory_order_acquire))) {
        return PV_OK;
    }
    return execute(ring);
}
