#include "checks.h"

/* Several rings, their order with the context's own stream, sleep and signs of life. */

static void destroy_nothing(struct guest_ring *ring, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_true(GUEST_SEND(ring, vkDestroyFence, .device = GUEST_HANDLE(ring->guest->device)));
    }
}

static void rings_run_independently(void **state)
{
    struct guest *g = guest_of(state);
    struct guest_ring rings[8];
    for (int i = 0; i < 8; i++) {
        guest_ring_create(g, &rings[i]);
    }
    for (int k = 0; k < 50; k++) {
        for (int i = 0; i < 8; i++) {
            destroy_nothing(&rings[i], 10);
        }
    }
    for (int i = 0; i < 8; i++) {
        assert_true(guest_finish(&rings[i]));
        guest_ring_destroy(&rings[i]);
    }
    struct pv_render_stats stats;
    pv_render_get_stats(g->context, &stats, NULL);
    assert_int_equal(stats.rings, 1);
    assert_true(stats.commands >= 4000);
}

static void a_ring_that_waits_for_the_virtqueue_does_not_stop_others(void **state)
{
    struct guest *g = guest_of(state);
    struct guest_ring ring;
    guest_ring_create(g, &ring);
    assert_true(GUEST_SEND(&ring, vkWaitVirtqueueSeqnoMESA, .seqno = 1));
    destroy_nothing(&g->ring, 10);
    assert_true(guest_finish(&g->ring));
    pv_clock_sleep_ns(5 * PV_NS_PER_MS);
    assert_int_not_equal(guest_ring_head(&ring), ring.tail);
    assert_true(GUEST_CONTEXT(g, vkSubmitVirtqueueSeqnoMESA, .ring = ring.id, .seqno = 1));
    assert_true(guest_finish(&ring));
    guest_ring_destroy(&ring);
}

static void a_virtqueue_seqno_may_come_before_its_wait(void **state)
{
    struct guest *g = guest_of(state);
    assert_true(GUEST_CONTEXT(g, vkSubmitVirtqueueSeqnoMESA, .ring = g->ring.id, .seqno = 5));
    assert_true(GUEST_SEND(&g->ring, vkWaitVirtqueueSeqnoMESA, .seqno = 3));
    assert_true(GUEST_SEND(&g->ring, vkWaitVirtqueueSeqnoMESA, .seqno = 5));
    assert_true(guest_finish(&g->ring));
}

static void the_context_waits_for_a_rings_seqno(void **state)
{
    struct guest *g = guest_of(state);
    for (int i = 0; i < 100; i++) {
        destroy_nothing(&g->ring, 5);
        assert_true(
            GUEST_CONTEXT(g, vkWaitRingSeqnoMESA, .ring = g->ring.id, .seqno = g->ring.tail));
        assert_int_equal(guest_ring_head(&g->ring), g->ring.tail);
        /* Long past, too. */
        assert_true(
            GUEST_CONTEXT(g, vkWaitRingSeqnoMESA, .ring = g->ring.id, .seqno = g->ring.tail - 32));
    }
}

struct waiter {
    struct pv_thread thread;
    struct guest *g;
    uint32_t seqno;
    _Atomic bool is_done;
    bool is_alive;
};

static void wait_for_ring(void *user)
{
    struct waiter *waiter = user;
    waiter->is_alive = GUEST_CONTEXT(waiter->g, vkWaitRingSeqnoMESA, .ring = waiter->g->ring.id,
                                     .seqno = waiter->seqno);
    atomic_store(&waiter->is_done, true);
}

/* The ring waits for the virtqueue, the virtqueue for what stands before that wait in the ring. */
static void ring_and_virtqueue_do_not_wait_for_each_other(void **state)
{
    struct guest *g = guest_of(state);
    destroy_nothing(&g->ring, 3);
    uint32_t before = g->ring.tail;
    assert_true(GUEST_SEND(&g->ring, vkWaitVirtqueueSeqnoMESA, .seqno = 1));
    assert_true(GUEST_CONTEXT(g, vkWaitRingSeqnoMESA, .ring = g->ring.id, .seqno = before));
    assert_true(GUEST_CONTEXT(g, vkSubmitVirtqueueSeqnoMESA, .ring = g->ring.id, .seqno = 1));
    assert_true(guest_finish(&g->ring));
}

static bool hold_back(void *user, enum pv_fake_command command, void *args)
{
    (void)args;
    while (command == PV_FAKE_vkCreateFence && !atomic_load((_Atomic bool *)user)) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    return false;
}

/* A ring that has more to do leaves its head behind, but not while it waits: the guest may need to
 * see how far it is to end that wait. */
static void what_was_done_before_a_wait_is_visible_during_it(void **state)
{
    struct guest *g = guest_of(state);
    _Atomic bool goes_on = false;
    VkFence fence = GUEST_HANDLE(guest_id(g));
    VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    /* A trickle: one small command after another. */
    for (int i = 0; i < 32; i++) {
        destroy_nothing(&g->ring, 1);
        assert_true(guest_finish(&g->ring));
    }
    pv_fake_set_hook(hold_back, &goes_on);
    assert_true(GUEST_SEND(&g->ring, vkCreateFence, .device = GUEST_HANDLE(g->device),
                           .pCreateInfo = &info, .pFence = &fence));
    uint32_t created = g->ring.tail;
    /* Its batch has begun, so this is another one, and is there when that one ends. */
    pv_clock_sleep_ns(20 * PV_NS_PER_MS);
    assert_true(GUEST_SEND(&g->ring, vkWaitVirtqueueSeqnoMESA, .seqno = 1));
    atomic_store(&goes_on, true);
    assert_true(guest_ring_wait(&g->ring, created));
    assert_int_equal(guest_ring_head(&g->ring), created);
    assert_true(GUEST_CONTEXT(g, vkSubmitVirtqueueSeqnoMESA, .ring = g->ring.id, .seqno = 1));
    assert_true(
        GUEST_SEND(&g->ring, vkDestroyFence, .device = GUEST_HANDLE(g->device), .fence = fence));
    assert_true(guest_finish(&g->ring));
    pv_fake_set_hook(NULL, NULL);
}

static bool take_long(void *user, enum pv_fake_command command, void *args)
{
    (void)args;
    if (command == PV_FAKE_vkQueueSubmit) {
        atomic_fetch_add((_Atomic uint32_t *)user, 1);
        pv_clock_sleep_ns(2 * PV_NS_PER_MS);
    }
    return false;
}

static void a_ring_that_is_destroyed_leaves_what_it_has_not_begun(void **state)
{
    enum { SUBMITS = 1000 };
    struct guest *g = guest_of(state);
    _Atomic uint32_t begun = 0;
    struct guest_ring ring;
    guest_ring_create(g, &ring);
    pv_fake_set_hook(take_long, &begun);
    struct pv_vkQueueSubmit submit = {.queue = GUEST_HANDLE(g->queue)};
    struct pv_encoder *out = guest_begin(&ring);
    for (uint32_t i = 0; i < SUBMITS; i++) {
        pv_guest_encode_vkQueueSubmit(out, 0, &submit);
    }
    assert_true(guest_submit(&ring)); /* one batch */
    while (atomic_load(&begun) == 0) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    guest_ring_destroy(&ring);
    assert_true(atomic_load(&begun) < SUBMITS);
    assert_false(pv_render_is_fatal(g->context));
    pv_fake_set_hook(NULL, NULL);
}

static void a_context_that_ends_ends_both_waits(void **state)
{
    struct guest *g = guest_of(state);
    assert_true(GUEST_SEND(&g->ring, vkWaitVirtqueueSeqnoMESA, .seqno = 1));
    struct waiter waiter = {.g = g, .seqno = g->ring.tail};
    PV_ASSERT(pv_thread_start(&waiter.thread, "waiter", wait_for_ring, &waiter) == PV_OK);
    pv_clock_sleep_ns(5 * PV_NS_PER_MS);
    assert_false(atomic_load(&waiter.is_done));
    pv_render_set_fatal(g->context, "a test");
    pv_thread_join(&waiter.thread);
    assert_false(waiter.is_alive);
    assert_true(guest_ring_wait_status(&g->ring, PV_RING_STATUS_FATAL));
}

static void a_ring_that_waits_can_be_destroyed(void **state)
{
    struct guest *g = guest_of(state);
    struct guest_ring ring;
    guest_ring_create(g, &ring);
    assert_true(GUEST_SEND(&ring, vkWaitVirtqueueSeqnoMESA, .seqno = 1));
    pv_clock_sleep_ns(2 * PV_NS_PER_MS);
    guest_ring_destroy(&ring);
    assert_false(pv_render_is_fatal(g->context));
    destroy_nothing(&g->ring, 1);
    assert_true(guest_finish(&g->ring));
}

static bool is_quick(struct guest *g, const uint32_t *dwords, uint64_t count)
{
    return pv_render_is_quick(g->context, (const uint8_t *)dwords, count * sizeof(*dwords));
}

static void streams_are_quick_when_they_need_not_wait(void **state)
{
    struct guest *g = guest_of(state);
    uint32_t id = (uint32_t)g->ring.id;
    uint32_t high = (uint32_t)(g->ring.id >> 32);
    destroy_nothing(&g->ring, 1);
    assert_true(guest_finish(&g->ring));
    uint32_t done = g->ring.tail;
    const uint32_t bells[] = {190, 0, id, high, 100, 0, 251, 0, id, high, 1, 0};
    assert_true(is_quick(g, bells, 0));
    assert_true(is_quick(g, bells, 6));
    assert_true(is_quick(g, bells, 12));
    assert_false(is_quick(g, bells, 11));
    const uint32_t waits[] = {190, 0, id, high, 100, 0, 253, 0, id, high, done, 0};
    assert_true(is_quick(g, waits, 12));
    const uint32_t not_done[] = {253, 0, id, high, done + 1, 0};
    assert_false(is_quick(g, not_done, 6));
    const uint32_t no_ring[] = {253, 0, id + 1, high, done, 0};
    assert_false(is_quick(g, no_ring, 6));
    const uint32_t flags[] = {190, 1, id, high, 100, 0};
    assert_false(is_quick(g, flags, 6));
    const uint32_t others[] = {189, 0, id, high, 0, 0};
    assert_false(is_quick(g, others, 6));
}

static void an_idle_ring_says_so_and_wakes_at_a_notify(void **state)
{
    struct guest *g = guest_of(state);
    for (int i = 0; i < 5; i++) {
        assert_true(guest_ring_wait_status(&g->ring, PV_RING_STATUS_IDLE));
        pv_clock_sleep_ns(2 * PV_NS_PER_MS);
        uint64_t notifies = g->ring.notify_count;
        destroy_nothing(&g->ring, 1);
        assert_true(guest_finish(&g->ring));
        assert_int_equal(g->ring.notify_count, notifies + 1);
    }
}

static void no_command_is_lost_around_idle(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t deadline_ns = pv_clock_now_ns() + PV_NS_PER_S;
    for (uint64_t i = 0; pv_clock_now_ns() < deadline_ns; i++) {
        destroy_nothing(&g->ring, 1);
        assert_true(guest_finish(&g->ring));
        pv_clock_sleep_ns((900 + i % 400) * PV_NS_PER_US);
    }
}

static void a_monitored_ring_shows_life_while_it_is_blocked(void **state)
{
    struct guest *g = guest_of(state);
    const VkRingMonitorInfoMESA monitor = {
        .sType = VK_STRUCTURE_TYPE_RING_MONITOR_INFO_MESA,
        .maxReportingPeriodMicroseconds = 50000,
    };
    struct guest_ring ring;
    guest_ring_init(g, &ring, 4096);
    assert_true(guest_ring_start(&ring, &monitor));
    assert_true(GUEST_SEND(&ring, vkWaitVirtqueueSeqnoMESA, .seqno = 1));
    uint32_t *status = (uint32_t *)(void *)(ring.shm.map + ring.layout.status_offset);
    for (int i = 0; i < 5; i++) {
        __atomic_fetch_and(status, ~(uint32_t)PV_RING_STATUS_ALIVE, __ATOMIC_SEQ_CST);
        assert_true(guest_ring_wait_status(&ring, PV_RING_STATUS_ALIVE));
    }
    guest_ring_destroy(&ring);
}

static void extremes_of_priority_and_timeout_do_no_harm(void **state)
{
    struct guest *g = guest_of(state);
    static const int32_t priorities[] = {INT32_MIN, -20, -1, 0, 19, INT32_MAX};
    static const uint64_t timeouts[] = {0, 1, UINT64_MAX};
    static const uint32_t periods[] = {1, 1000, UINT32_MAX};
    for (uint32_t i = 0; i < 18; i++) {
        const VkRingPriorityInfoMESA priority = {
            .sType = VK_STRUCTURE_TYPE_RING_PRIORITY_INFO_MESA,
            .priority = priorities[i % 6],
        };
        const VkRingMonitorInfoMESA monitor = {
            .sType = VK_STRUCTURE_TYPE_RING_MONITOR_INFO_MESA,
            .pNext = &priority,
            .maxReportingPeriodMicroseconds = periods[i % 3],
        };
        struct guest_ring ring;
        guest_ring_init(g, &ring, 4096);
        VkRingCreateInfoMESA info = guest_ring_info(ring.shm.resource_id, &ring.layout);
        info.pNext = &monitor;
        info.idleTimeout = timeouts[i / 6];
        assert_true(GUEST_CONTEXT(g, vkCreateRingMESA, .ring = ring.id, .pCreateInfo = &info));
        destroy_nothing(&ring, 3);
        assert_true(guest_finish(&ring));
        assert_true(guest_ring_wait_status(&ring, PV_RING_STATUS_IDLE));
        guest_ring_destroy(&ring);
    }
}

static void the_extra_region_is_written(void **state)
{
    struct guest *g = guest_of(state);
    assert_true(GUEST_CONTEXT(g, vkWriteRingExtraMESA, .ring = g->ring.id, .value = 0xabcd));
    uint32_t *extra = (uint32_t *)(void *)(g->ring.shm.map + g->ring.layout.extra_offset);
    assert_int_equal(__atomic_load_n(extra, __ATOMIC_ACQUIRE), 0xabcd);
}

static void a_guest_may_write_before_its_ring_exists(void **state)
{
    struct guest *g = guest_of(state);
    struct guest_ring ring;
    guest_ring_init(g, &ring, 4096);
    destroy_nothing(&ring, 5);
    assert_true(guest_ring_start(&ring, NULL));
    assert_true(guest_finish(&ring));
    guest_ring_destroy(&ring);
}

static void a_rings_memory_may_become_another_ring(void **state)
{
    struct guest *g = guest_of(state);
    struct guest_ring ring;
    guest_ring_init(g, &ring, 4096);
    for (int i = 0; i < 10; i++) {
        assert_true(guest_ring_start(&ring, NULL));
        destroy_nothing(&ring, 5);
        assert_true(guest_finish(&ring));
        assert_true(GUEST_CONTEXT(g, vkDestroyRingMESA, .ring = ring.id));
        memset(ring.shm.map, 0, ring.shm.size);
        ring.tail = 0;
        ring.id++;
    }
    guest_ring_finish(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(rings_run_independently),
        GUEST_TEST(a_ring_that_waits_for_the_virtqueue_does_not_stop_others),
        GUEST_TEST(a_virtqueue_seqno_may_come_before_its_wait),
        GUEST_TEST(the_context_waits_for_a_rings_seqno),
        GUEST_TEST(ring_and_virtqueue_do_not_wait_for_each_other),
        GUEST_TEST(what_was_done_before_a_wait_is_visible_during_it),
        GUEST_TEST(a_ring_that_is_destroyed_leaves_what_it_has_not_begun),
        GUEST_TEST(a_context_that_ends_ends_both_waits),
        GUEST_TEST(a_ring_that_waits_can_be_destroyed),
        GUEST_TEST(an_idle_ring_says_so_and_wakes_at_a_notify),
        GUEST_TEST(streams_are_quick_when_they_need_not_wait),
        GUEST_TEST(no_command_is_lost_around_idle),
        GUEST_TEST(a_monitored_ring_shows_life_while_it_is_blocked),
        GUEST_TEST(extremes_of_priority_and_timeout_do_no_harm),
        GUEST_TEST(the_extra_region_is_written),
        GUEST_TEST(a_guest_may_write_before_its_ring_exists),
        GUEST_TEST(a_rings_memory_may_become_another_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
