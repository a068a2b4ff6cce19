#include "fakes/guest.h"

#include "base/assert.h"
#include "base/clock.h"
#include "fakes/patience.h"

#include <stdlib.h>
#include <string.h>

#define NOTIFY_WINDOW_NS PV_NS_PER_MS

uint64_t guest_id(struct guest *g)
{
    return atomic_fetch_add(&g->next_id, 1);
}

static void init_lock(pthread_mutex_t *lock)
{
    PV_ASSERT(pthread_mutex_init(lock, NULL) == 0);
}

struct guest *guest_create_over(struct guest_transport transport)
{
    struct guest *g = calloc(1, sizeof(*g));
    PV_ASSERT(g != NULL);
    g->transport = transport;
    g->next_id = GUEST_IDS_FIRST;
    g->next_resource_id = 1;
    g->scratch = malloc(GUEST_SCRATCH_SIZE);
    PV_ASSERT(g->scratch != NULL);
    init_lock(&g->submit_lock);
    init_lock(&g->fence_lock);
    init_lock(&g->log.lock);
    return g;
}

void guest_destroy(struct guest *g)
{
    if (g == NULL) {
        return;
    }
    if (g->transport.close != NULL) {
        g->transport.close(g->transport.user);
    }
    /* After the host, which may still write replies until then. */
    guest_ring_finish(&g->ring);
    if (g->transport.free != NULL) {
        g->transport.free(g->transport.user);
    }
    free(g->scratch);
    pthread_mutex_destroy(&g->submit_lock);
    pthread_mutex_destroy(&g->fence_lock);
    pthread_mutex_destroy(&g->log.lock);
    free(g);
}

/* --- shared memory and rings -------------------------------------------------------------------
 */

struct guest_shm guest_blob_create(struct guest *g, uint64_t blob_id, uint32_t flags, uint64_t size)
{
    struct guest_shm shm = {.size = size};
    shm.resource_id = g->transport.create_blob(g->transport.user, blob_id, flags, size, &shm.map);
    return shm;
}

struct guest_shm guest_shm_create(struct guest *g, uint64_t size)
{
    struct guest_shm shm = guest_blob_create(g, 0, PV_BLOB_FLAG_MAPPABLE, size);
    PV_ASSERT(shm.resource_id != 0 && shm.map != NULL);
    return shm;
}

void guest_shm_destroy(struct guest *g, struct guest_shm *shm)
{
    if (shm->resource_id != 0) {
        g->transport.unref(g->transport.user, shm->resource_id, shm->map, shm->size);
    }
    *shm = (struct guest_shm){0};
}

struct pv_ring_layout guest_ring_layout(uint64_t buffer_size)
{
    return (struct pv_ring_layout){
        .size = 192 + buffer_size + 4,
        .head_offset = 0,
        .tail_offset = 64,
        .status_offset = 128,
        .buffer_offset = 192,
        .buffer_size = buffer_size,
        .extra_offset = 192 + buffer_size,
        .extra_size = 4,
    };
}

VkRingCreateInfoMESA guest_ring_info(uint32_t resource_id, const struct pv_ring_layout *layout)
{
    return (VkRingCreateInfoMESA){
        .sType = VK_STRUCTURE_TYPE_RING_CREATE_INFO_MESA,
        .resourceId = resource_id,
        .offset = layout->offset,
        .size = layout->size,
        .idleTimeout = PV_NS_PER_MS,
        .headOffset = layout->head_offset,
        .tailOffset = layout->tail_offset,
        .statusOffset = layout->status_offset,
        .bufferOffset = layout->buffer_offset,
        .bufferSize = layout->buffer_size,
        .extraOffset = layout->extra_offset,
        .extraSize = layout->extra_size,
    };
}

void guest_ring_init(struct guest *g, struct guest_ring *ring, uint64_t buffer_size)
{
    *ring = (struct guest_ring){
        .guest = g,
        .id = UINT64_C(0x555500000000) + guest_id(g),
        .layout = guest_ring_layout(buffer_size),
    };
    ring->shm = guest_shm_create(g, ring->layout.size);
    ring->reply = guest_shm_create(g, GUEST_REPLY_SIZE);
    ring->scratch = malloc(GUEST_SCRATCH_SIZE);
    PV_ASSERT(ring->scratch != NULL);
    pv_arena_init(&ring->arena, SIZE_MAX);
}

bool guest_ring_start(struct guest_ring *ring, const void *next)
{
    VkRingCreateInfoMESA info = guest_ring_info(ring->shm.resource_id, &ring->layout);
    info.pNext = next;
    return GUEST_CONTEXT(ring->guest, vkCreateRingMESA, .ring = ring->id, .pCreateInfo = &info);
}

void guest_ring_create(struct guest *g, struct guest_ring *ring)
{
    const VkRingMonitorInfoMESA monitor = {
        .sType = VK_STRUCTURE_TYPE_RING_MONITOR_INFO_MESA,
        .maxReportingPeriodMicroseconds = 3000000,
    };
    guest_ring_init(g, ring, GUEST_RING_BUFFER_SIZE);
    PV_ASSERT(guest_ring_start(ring, &monitor));
}

void guest_ring_finish(struct guest_ring *ring)
{
    if (ring->guest == NULL) {
        return;
    }
    guest_shm_destroy(ring->guest, &ring->shm);
    guest_shm_destroy(ring->guest, &ring->reply);
    pv_arena_finish(&ring->arena);
    free(ring->scratch);
    *ring = (struct guest_ring){0};
}

void guest_ring_destroy(struct guest_ring *ring)
{
    if (ring->guest != NULL) {
        (void)GUEST_CONTEXT(ring->guest, vkDestroyRingMESA, .ring = ring->id);
    }
    guest_ring_finish(ring);
}

static uint32_t *ring_word(const struct guest_ring *ring, uint64_t offset)
{
    return (uint32_t *)(void *)(ring->shm.map + ring->layout.offset + offset);
}

uint32_t guest_ring_head(const struct guest_ring *ring)
{
    return __atomic_load_n(ring_word(ring, ring->layout.head_offset), __ATOMIC_ACQUIRE);
}

uint32_t guest_ring_status(const struct guest_ring *ring)
{
    return __atomic_load_n(ring_word(ring, ring->layout.status_offset), __ATOMIC_SEQ_CST);
}

void guest_ring_set_tail(struct guest_ring *ring, uint32_t tail)
{
    ring->tail = tail;
    __atomic_store_n(ring_word(ring, ring->layout.tail_offset), tail, __ATOMIC_SEQ_CST);
}

/* As vn_relax does: first yield, then sleep. */
static void relax(uint32_t *iteration)
{
    if (++*iteration < 256) {
        pv_thread_yield();
    } else {
        pv_clock_sleep_ns(160 * PV_NS_PER_US);
    }
}

bool guest_ring_wait_status(const struct guest_ring *ring, uint32_t bits)
{
    uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
    uint32_t iteration = 0;
    while ((guest_ring_status(ring) & bits) == 0) {
        if (pv_clock_now_ns() > deadline_ns) {
            return false;
        }
        relax(&iteration);
    }
    return true;
}

bool guest_ring_wait(const struct guest_ring *ring, uint32_t seqno)
{
    uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
    uint32_t iteration = 0;
    while (guest_ring_head(ring) - seqno > INT32_MAX) {
        if ((guest_ring_status(ring) & PV_RING_STATUS_FATAL) != 0 ||
            pv_clock_now_ns() > deadline_ns) {
            return false;
        }
        relax(&iteration);
    }
    return true;
}

/* --- commands ----------------------------------------------------------------------------------
 */

struct pv_encoder *guest_begin(struct guest_ring *ring)
{
    ring->out = (struct pv_encoder){
        .cursor = ring->scratch,
        .end = ring->scratch + GUEST_SCRATCH_SIZE,
    };
    return &ring->out;
}

static void copy_in(struct guest_ring *ring, const uint8_t *bytes, uint32_t size)
{
    uint8_t *buffer = ring->shm.map + ring->layout.offset + ring->layout.buffer_offset;
    uint32_t buffer_size = (uint32_t)ring->layout.buffer_size;
    uint32_t begin = ring->tail & (buffer_size - 1);
    uint32_t first = size < buffer_size - begin ? size : buffer_size - begin;
    memcpy(buffer + begin, bytes, first);
    memcpy(buffer, bytes + first, size - first);
}

static void notify_if_idle(struct guest_ring *ring)
{
    if ((guest_ring_status(ring) & PV_RING_STATUS_IDLE) == 0) {
        return;
    }
    uint64_t now_ns = pv_clock_now_ns();
    if (ring->notified_at_ns != 0 && now_ns < ring->notified_at_ns + NOTIFY_WINDOW_NS) {
        return;
    }
    ring->notified_at_ns = now_ns;
    ring->notify_count++;
    (void)GUEST_CONTEXT(ring->guest, vkNotifyRingMESA, .ring = ring->id, .seqno = ring->tail);
}

bool guest_write(struct guest_ring *ring, const void *bytes, uint32_t size)
{
    PV_ASSERT(size <= ring->layout.buffer_size);
    /* Space for it: the head has passed what lies where its end will. */
    if (!guest_ring_wait(ring, ring->tail + size - (uint32_t)ring->layout.buffer_size)) {
        return false;
    }
    copy_in(ring, bytes, size);
    guest_ring_set_tail(ring, ring->tail + size);
    if (ring->guest->transport.notify != NULL) {
        ring->guest->transport.notify(ring->guest->transport.user);
    } else {
        notify_if_idle(ring);
    }
    return (guest_ring_status(ring) & PV_RING_STATUS_FATAL) == 0;
}

bool guest_submit(struct guest_ring *ring)
{
    PV_ASSERT(!ring->out.overflow);
    return guest_write(ring, ring->scratch, (uint32_t)(ring->out.cursor - ring->scratch));
}

struct pv_encoder *guest_begin_call(struct guest_ring *ring)
{
    const VkCommandStreamDescriptionMESA stream = {
        .resourceId = ring->reply.resource_id,
        .size = ring->reply.size,
    };
    guest_begin(ring);
    pv_guest_encode_vkSetReplyCommandStreamMESA(
        &ring->out, 0, &(struct pv_vkSetReplyCommandStreamMESA){.pStream = &stream});
    (void)guest_submit(ring); /* on its own, as Mesa does; of a dead ring the call will know */
    return guest_begin(ring);
}

bool guest_finish_call(struct guest_ring *ring)
{
    if (!guest_submit(ring) || !guest_ring_wait(ring, ring->tail)) {
        return false;
    }
    pv_arena_reset(&ring->arena);
    ring->in = (struct pv_decoder){
        .cursor = ring->reply.map,
        .end = ring->reply.map + ring->reply.size,
        .arena = &ring->arena,
    };
    return true;
}

bool guest_reply_ok(struct guest_ring *ring)
{
    return pv_decode_ok(&ring->in);
}

bool guest_finish(struct guest_ring *ring)
{
    return guest_ring_wait(ring, ring->tail);
}

bool guest_write_context(struct guest *g, const void *bytes, uint64_t size)
{
    pthread_mutex_lock(&g->submit_lock);
    bool is_alive = g->transport.submit(g->transport.user, bytes, size);
    pthread_mutex_unlock(&g->submit_lock);
    return is_alive;
}

struct pv_encoder *guest_begin_context(struct guest *g)
{
    pthread_mutex_lock(&g->submit_lock);
    g->out = (struct pv_encoder){.cursor = g->scratch, .end = g->scratch + GUEST_SCRATCH_SIZE};
    return &g->out;
}

bool guest_submit_context(struct guest *g)
{
    PV_ASSERT(!g->out.overflow);
    bool is_alive =
        g->transport.submit(g->transport.user, g->scratch, (uint64_t)(g->out.cursor - g->scratch));
    pthread_mutex_unlock(&g->submit_lock);
    return is_alive;
}

bool guest_execute(struct guest_ring *ring, const struct guest_shm *shm, uint64_t offset,
                   uint64_t size)
{
    const VkCommandStreamDescriptionMESA stream = {
        .resourceId = shm->resource_id,
        .offset = offset,
        .size = size,
    };
    return GUEST_SEND(ring, vkExecuteCommandStreamsMESA, .streamCount = 1, .pStreams = &stream);
}

/* --- fences ------------------------------------------------------------------------------------
 */

void guest_fence_retired(struct guest *g, uint32_t ring_idx, uint64_t cookie)
{
    pthread_mutex_lock(&g->fence_lock);
    if (g->fence_count < GUEST_FENCES_MAX) {
        g->fences[g->fence_count].ring_idx = ring_idx;
        g->fences[g->fence_count].cookie = cookie;
    }
    g->fence_count++;
    pthread_mutex_unlock(&g->fence_lock);
}

void guest_fence(struct guest *g, uint32_t ring_idx, uint64_t cookie)
{
    pthread_mutex_lock(&g->submit_lock);
    g->transport.fence(g->transport.user, ring_idx, cookie);
    pthread_mutex_unlock(&g->submit_lock);
}

uint32_t guest_fences_retired(struct guest *g)
{
    pthread_mutex_lock(&g->fence_lock);
    uint32_t count = g->fence_count;
    pthread_mutex_unlock(&g->fence_lock);
    return count;
}

bool guest_wait_fences(struct guest *g, uint32_t count)
{
    uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
    uint32_t iteration = 0;
    while (guest_fences_retired(g) < count) {
        if (pv_clock_now_ns() > deadline_ns) {
            return false;
        }
        relax(&iteration);
    }
    return true;
}
