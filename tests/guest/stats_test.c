#include "checks.h"
#include "fakes/guest_remote.h"

#include <pearvisor/context.h>
#include <unistd.h>

/* The figures of a context: what a guest does is in them, whoever looks at them meanwhile. */

enum { SLOW_BUCKET = 22 /* from 4.2 ms */, SLOW_NS = 5 * 1000 * 1000 };

static struct pv_render_stats look(struct guest *g)
{
    struct pv_render_stats stats;
    pv_render_get_stats(g->context, &stats, NULL);
    return stats;
}

static uint64_t sum_of(const uint64_t *figures, uint32_t from, uint32_t end)
{
    uint64_t sum = 0;
    for (uint32_t i = from; i < end; i++) {
        sum += figures[i];
    }
    return sum;
}

static uint64_t slow_replies(const struct pv_render_stats *stats)
{
    return sum_of(stats->latency, SLOW_BUCKET, PV_HISTOGRAM_BUCKETS);
}

static void destroy_nothing(struct guest_ring *ring, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_true(GUEST_SEND(ring, vkDestroyFence, .device = GUEST_HANDLE(ring->guest->device)));
    }
}

static bool ask_fence(struct guest_ring *ring, uint64_t fence)
{
    struct pv_vkGetFenceStatus a = {GUEST_HANDLE(ring->guest->device), GUEST_HANDLE(fence),
                                    VK_SUCCESS};
    return GUEST_CALL(ring, vkGetFenceStatus, &a);
}

static void destroy_fence(struct guest_ring *ring, uint64_t fence)
{
    assert_true(GUEST_SEND(ring, vkDestroyFence, .device = GUEST_HANDLE(ring->guest->device),
                           .fence = GUEST_HANDLE(fence)));
}

static void commands_count_by_their_kinds(void **state)
{
    struct guest *g = guest_of(state);
    const struct pv_render_stats before = look(g);
    uint64_t fence = make_fence(g, 0);
    uint64_t pool = make_command_pool(g);
    VkCommandBuffer buffer;
    assert_int_equal(make_command_buffers(g, pool, 1, &buffer), VK_SUCCESS);
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    assert_true(
        GUEST_SEND(&g->ring, vkBeginCommandBuffer, .commandBuffer = buffer, .pBeginInfo = &begin));
    for (uint32_t i = 0; i < 5; i++) {
        assert_true(GUEST_SEND(&g->ring, vkCmdDraw, .commandBuffer = buffer, .vertexCount = 3));
    }
    assert_true(GUEST_SEND(&g->ring, vkEndCommandBuffer, .commandBuffer = buffer));
    assert_true(GUEST_SEND(&g->ring, vkQueueSubmit, .queue = GUEST_HANDLE(g->queue)));
    assert_true(ask_fence(&g->ring, fence));
    assert_true(ask_fence(&g->ring, fence));
    VkFence fences[1] = {GUEST_HANDLE(fence)};
    struct pv_vkWaitForFences wait = {
        .device = GUEST_HANDLE(g->device), .fenceCount = 1, .pFences = fences, .waitAll = VK_TRUE};
    assert_int_equal(GUEST_RESULT(&g->ring, vkWaitForFences, &wait), VK_SUCCESS);
    assert_true(GUEST_SEND(&g->ring, vkResetFences, .device = GUEST_HANDLE(g->device),
                           .fenceCount = 1, .pFences = fences));
    destroy_fence(&g->ring, fence);
    assert_true(GUEST_SEND(&g->ring, vkDestroyCommandPool, .device = GUEST_HANDLE(g->device),
                           .commandPool = GUEST_HANDLE(pool)));
    assert_true(guest_finish(&g->ring));
    const struct pv_render_stats after = look(g);
    static const uint64_t expected[PV_COMMAND_KIND_COUNT] = {
        [PV_COMMAND_KIND_QUERY] = 2,  [PV_COMMAND_KIND_CREATE] = 3, [PV_COMMAND_KIND_DESTROY] = 2,
        [PV_COMMAND_KIND_RECORD] = 7, [PV_COMMAND_KIND_SUBMIT] = 1, [PV_COMMAND_KIND_WAIT] = 1,
        [PV_COMMAND_KIND_UPDATE] = 1,
    };
    for (uint32_t kind = PV_COMMAND_KIND_PROTOCOL + 1; kind < PV_COMMAND_KIND_COUNT; kind++) {
        assert_int_equal(after.commands_by_kind[kind] - before.commands_by_kind[kind],
                         expected[kind]);
    }
    /* Where its replies go: at least that is said for each of the six calls. */
    assert_true(after.commands_by_kind[PV_COMMAND_KIND_PROTOCOL] -
                    before.commands_by_kind[PV_COMMAND_KIND_PROTOCOL] >=
                6);
    assert_int_equal(sum_of(after.commands_by_kind, 0, PV_COMMAND_KIND_COUNT), after.commands);
}

static void replies_are_counted_in_the_histogram(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = make_fence(g, 0);
    const struct pv_render_stats before = look(g);
    for (uint32_t i = 0; i < 200; i++) {
        assert_true(ask_fence(&g->ring, fence));
        destroy_nothing(&g->ring, 1); /* no reply */
    }
    const struct pv_render_stats after = look(g);
    assert_int_equal(after.replies - before.replies, 200);
    assert_int_equal(sum_of(after.latency, 0, PV_HISTOGRAM_BUCKETS), after.replies);
    assert_true(slow_replies(&after) - slow_replies(&before) < 200);
    destroy_fence(&g->ring, fence);
}

static bool answer_slowly(void *user, enum pv_fake_command command, void *args)
{
    (void)user;
    (void)args;
    if (command == PV_FAKE_vkGetFenceStatus) {
        pv_clock_sleep_ns(SLOW_NS);
    }
    return false;
}

static void a_slow_reply_is_in_a_late_bucket(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = make_fence(g, 0);
    const struct pv_render_stats before = look(g);
    pv_fake_set_hook(answer_slowly, NULL);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(ask_fence(&g->ring, fence));
    }
    const struct pv_render_stats after = look(g);
    assert_int_equal(slow_replies(&after) - slow_replies(&before), 3);
    assert_int_equal(after.replies - before.replies, 3);
    pv_fake_set_hook(NULL, NULL);
    destroy_fence(&g->ring, fence);
}

/* An outer command with a reply takes as long as all that is in it; its beginning is not forgotten
 * over theirs. */
static void a_nested_streams_time_is_its_commands_and_its_own(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = make_fence(g, 0);
    struct guest_shm shm = guest_shm_create(g, 8192);
    struct pv_encoder nested = {.cursor = shm.map, .end = shm.map + shm.size};
    struct pv_vkGetFenceStatus ask = {GUEST_HANDLE(g->device), GUEST_HANDLE(fence), VK_SUCCESS};
    const uint32_t reply = VK_COMMAND_GENERATE_REPLY_BIT_EXT;
    pv_guest_encode_vkGetFenceStatus(&nested, reply, &ask);
    const VkCommandStreamDescriptionMESA stream = {shm.resource_id, 0,
                                                   (size_t)(nested.cursor - shm.map)};
    const VkCommandStreamDescriptionMESA replies = {shm.resource_id, 4096, 4096};
    const struct pv_render_stats before = look(g);
    pv_fake_set_hook(answer_slowly, NULL);
    struct pv_encoder *out = guest_begin(&g->ring);
    pv_guest_encode_vkSetReplyCommandStreamMESA(
        out, 0, &(struct pv_vkSetReplyCommandStreamMESA){.pStream = &replies});
    pv_guest_encode_vkExecuteCommandStreamsMESA(
        out, reply,
        &(struct pv_vkExecuteCommandStreamsMESA){.streamCount = 1, .pStreams = &stream});
    assert_true(guest_submit(&g->ring));
    assert_true(guest_finish(&g->ring));
    const struct pv_render_stats after = look(g);
    assert_int_equal(after.replies - before.replies, 2);
    assert_int_equal(slow_replies(&after) - slow_replies(&before), 2);
    pv_fake_set_hook(NULL, NULL);
    destroy_fence(&g->ring, fence);
    guest_shm_destroy(g, &shm);
}

/* On the context's own stream, which has nowhere to put it. */
static void a_reply_that_is_not_written_is_not_counted(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = make_fence(g, 0);
    const struct pv_render_stats before = look(g);
    struct pv_vkGetFenceStatus a = {GUEST_HANDLE(g->device), GUEST_HANDLE(fence), VK_SUCCESS};
    pv_guest_encode_vkGetFenceStatus(guest_begin_context(g), VK_COMMAND_GENERATE_REPLY_BIT_EXT, &a);
    assert_false(guest_submit_context(g));
    const struct pv_render_stats after = look(g);
    assert_int_equal(after.replies, before.replies);
    assert_int_equal(after.faults, 1);
}

static double idle_ratio(const struct pv_render_stats *before, const struct pv_render_stats *after)
{
    return (double)(after->of_rings.idle_ns - before->of_rings.idle_ns) /
           (double)(after->of_rings.age_ns - before->of_rings.age_ns);
}

static void a_ring_that_sleeps_is_idle(void **state)
{
    struct guest *g = guest_of(state);
    assert_true(guest_finish(&g->ring));
    assert_true(guest_ring_wait_status(&g->ring, PV_RING_STATUS_IDLE));
    const struct pv_render_stats before = look(g);
    pv_clock_sleep_ns(50 * PV_NS_PER_MS);
    const struct pv_render_stats after = look(g);
    assert_true(after.of_rings.age_ns - before.of_rings.age_ns >= 50 * PV_NS_PER_MS);
    assert_true(idle_ratio(&before, &after) > 0.9);
    assert_true(after.of_rings.sleeps >= 1);
    assert_true(after.of_rings.wakes + 1 >= after.of_rings.sleeps);
}

struct gate {
    _Atomic bool is_reached, is_open;
};

static bool stop_at_gate(void *user, enum pv_fake_command command, void *args)
{
    struct gate *gate = user;
    (void)args;
    while (command == PV_FAKE_vkCreateFence && !atomic_load(&gate->is_open)) {
        atomic_store(&gate->is_reached, true);
        pv_clock_sleep_ns(PV_NS_PER_MS / 2);
    }
    return false;
}

static void a_ring_that_executes_is_not_idle(void **state)
{
    struct guest *g = guest_of(state);
    struct gate gate = {false, false};
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence = GUEST_HANDLE(guest_id(g));
    pv_fake_set_hook(stop_at_gate, &gate);
    assert_true(GUEST_SEND(&g->ring, vkCreateFence, .device = GUEST_HANDLE(g->device),
                           .pCreateInfo = &info, .pFence = &fence));
    while (!atomic_load(&gate.is_reached)) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    const struct pv_render_stats before = look(g);
    pv_clock_sleep_ns(20 * PV_NS_PER_MS);
    const struct pv_render_stats after = look(g);
    assert_int_equal(after.of_rings.idle_ns, before.of_rings.idle_ns);
    assert_true(after.of_rings.age_ns - before.of_rings.age_ns >= 20 * PV_NS_PER_MS);
    atomic_store(&gate.is_open, true);
    assert_true(guest_finish(&g->ring));
    pv_fake_set_hook(NULL, NULL);
    assert_true(
        GUEST_SEND(&g->ring, vkDestroyFence, .device = GUEST_HANDLE(g->device), .fence = fence));
}

static void mapped_bytes_follow_the_resources(void **state)
{
    struct guest *g = guest_of(state);
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const struct pv_render_stats before = look(g);
    struct guest_shm shm = guest_shm_create(g, 1 << 20);
    assert_int_equal(look(g).mapped_bytes - before.mapped_bytes, 1 << 20);
    struct guest_shm odd = guest_shm_create(g, page + 1);
    assert_int_equal(look(g).mapped_bytes - before.mapped_bytes, (1 << 20) + 2 * page);
    struct guest_shm memory;
    uint64_t id;
    assert_int_equal(world_allocate(g, 65536, &memory, &id), VK_SUCCESS);
    assert_int_equal(look(g).mapped_bytes - before.mapped_bytes, (1 << 20) + 2 * page + 65536);
    assert_int_equal(look(g).device_memory_bytes - before.device_memory_bytes, 65536);
    guest_shm_destroy(g, &shm);
    guest_shm_destroy(g, &odd);
    assert_int_equal(look(g).mapped_bytes - before.mapped_bytes, 65536);
    guest_shm_destroy(g, &memory);
    assert_int_equal(look(g).mapped_bytes, before.mapped_bytes);
    assert_true(GUEST_SEND(&g->ring, vkFreeMemory, .device = GUEST_HANDLE(g->device),
                           .memory = GUEST_HANDLE(id)));
}

static void figures_survive_their_rings(void **state)
{
    enum { RINGS = 4 };
    struct guest *g = guest_of(state);
    struct guest_ring rings[RINGS];
    uint64_t fence = make_fence(g, 0);
    for (uint32_t i = 0; i < RINGS; i++) {
        guest_ring_create(g, &rings[i]);
        destroy_nothing(&rings[i], 100);
        assert_true(ask_fence(&rings[i], fence));
    }
    while (look(g).of_rings.sleeps < RINGS) { /* the test's timeout ends that */
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    const struct pv_render_stats before = look(g);
    assert_int_equal(before.rings, 1 + RINGS);
    for (uint32_t i = 0; i < RINGS; i++) {
        guest_ring_destroy(&rings[i]);
    }
    const struct pv_render_stats after = look(g);
    assert_int_equal(after.rings, 1);
    assert_int_equal(after.commands, before.commands + RINGS);
    assert_int_equal(after.commands_by_kind[PV_COMMAND_KIND_DESTROY],
                     before.commands_by_kind[PV_COMMAND_KIND_DESTROY]);
    assert_int_equal(after.replies, before.replies);
    assert_memory_equal(after.latency, before.latency, sizeof(after.latency));
    assert_true(after.bytes >= before.bytes);
    assert_true(after.of_rings.age_ns >= before.of_rings.age_ns);
    assert_true(after.of_rings.idle_ns >= before.of_rings.idle_ns);
    assert_true(after.of_rings.sleeps >= before.of_rings.sleeps);
    /* What is gone ages no more: of five rings one goes on. */
    pv_clock_sleep_ns(50 * PV_NS_PER_MS);
    const struct pv_render_stats later = look(g);
    uint64_t elapsed_ns = later.elapsed_ns - after.elapsed_ns;
    assert_true(later.of_rings.age_ns - after.of_rings.age_ns < 2 * elapsed_ns);
    destroy_fence(&g->ring, fence);
}

struct watcher {
    struct pv_thread thread;
    struct guest *g;
    _Atomic bool is_over;
    uint32_t looks;
    uint32_t wrong;
};

static void watch(void *user)
{
    struct watcher *watcher = user;
    struct pv_render_stats last = look(watcher->g);
    while (!atomic_load(&watcher->is_over)) {
        struct pv_render_stats now = look(watcher->g);
        bool is_right = now.commands >= last.commands && now.replies >= last.replies &&
                        now.bytes >= last.bytes && now.elapsed_ns >= last.elapsed_ns &&
                        now.of_rings.age_ns >= last.of_rings.age_ns &&
                        now.of_rings.batches >= last.of_rings.batches &&
                        sum_of(now.commands_by_kind, 0, PV_COMMAND_KIND_COUNT) == now.commands &&
                        sum_of(now.latency, 0, PV_HISTOGRAM_BUCKETS) == now.replies;
        watcher->wrong += is_right ? 0 : 1;
        watcher->looks++;
        last = now;
    }
}

/* Nothing is lost, nor counted twice, at the moment in which a ring goes. */
static void figures_never_shrink_while_rings_come_and_go(void **state)
{
    struct guest *g = guest_of(state);
    struct watcher watcher = {.g = g};
    uint64_t fence = make_fence(g, 0);
    assert_int_equal(pv_thread_start(&watcher.thread, "watcher", watch, &watcher), PV_OK);
    for (uint32_t i = 0; i < 60; i++) {
        struct guest_ring ring;
        guest_ring_create(g, &ring);
        destroy_nothing(&ring, 50);
        assert_true(ask_fence(&ring, fence));
        guest_ring_destroy(&ring);
    }
    atomic_store(&watcher.is_over, true);
    pv_thread_join(&watcher.thread);
    assert_true(watcher.looks > 0);
    assert_int_equal(watcher.wrong, 0);
    destroy_fence(&g->ring, fence);
}

/* --- as a caller sees it -----------------------------------------------------------------------
 */

static void a_caller_gets_as_much_as_its_struct_holds(void **state)
{
    (void)state;
    static const struct pv_log silent;
    struct pv_renderer *renderer = remote_renderer_create(&silent);
    struct pv_context *context;
    const struct pv_context_params params = {.struct_size = sizeof(params)};
    assert_int_equal(pv_context_create(renderer, &params, &context), PV_OK);
    struct pv_context_blob blob = {.struct_size = sizeof(blob)};
    const struct pv_context_blob_params blob_params = {
        .struct_size = sizeof(blob_params),
        .resource_id = 1,
        .flags = PV_CONTEXT_BLOB_MAPPABLE,
        .size_bytes = 65536,
    };
    assert_int_equal(pv_context_create_blob(context, &blob_params, &blob), PV_OK);
    struct pv_stats stats;
    memset(&stats, 0xee, sizeof(stats));
    stats.struct_size = sizeof(stats);
    pv_context_get_stats(context, &stats, NULL);
    assert_true(stats.elapsed_ns > 0 && stats.elapsed_ns < 60 * PV_NS_PER_S);
    assert_int_equal(stats.mapped_bytes, 65536);
    assert_int_equal(stats.commands, 0);
    assert_int_equal(stats.latency[PV_STATS_LATENCY_BUCKETS - 1], 0);
    struct pv_stats old;
    memset(&old, 0xee, sizeof(old));
    old.struct_size = offsetof(struct pv_stats, commands_by_kind);
    pv_context_get_stats(context, &old, NULL);
    assert_int_equal(old.commands, 0);
    assert_int_equal(old.commands_by_kind[0], UINT64_C(0xeeeeeeeeeeeeeeee));
    assert_true(pv_context_unref_resource(context, 1));
    pv_context_get_stats(context, &stats, NULL);
    assert_int_equal(stats.mapped_bytes, 0);
    assert_int_equal(close(blob.fd), 0);
    pv_context_destroy(context);
    remote_renderer_destroy(renderer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(commands_count_by_their_kinds),
        GUEST_TEST(replies_are_counted_in_the_histogram),
        GUEST_TEST(a_slow_reply_is_in_a_late_bucket),
        GUEST_TEST(a_nested_streams_time_is_its_commands_and_its_own),
        GUEST_TEST(a_reply_that_is_not_written_is_not_counted),
        GUEST_TEST(a_ring_that_sleeps_is_idle),
        GUEST_TEST(a_ring_that_executes_is_not_idle),
        GUEST_TEST(mapped_bytes_follow_the_resources),
        GUEST_TEST(figures_survive_their_rings),
        GUEST_TEST(figures_never_shrink_while_rings_come_and_go),
        cmocka_unit_test(a_caller_gets_as_much_as_its_struct_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
