#include "checks.h"

/* Replies, nested streams and rings, as a well-behaved guest uses them. */

static void encode_status(struct pv_encoder *out, struct guest *g, uint64_t fence)
{
    pv_guest_encode_vkGetFenceStatus(
        out, VK_COMMAND_GENERATE_REPLY_BIT_EXT,
        &(struct pv_vkGetFenceStatus){.device = GUEST_HANDLE(g->device),
                                      .fence = GUEST_HANDLE(fence)});
}

static void encode_stream(struct pv_encoder *out, const struct guest_shm *shm, uint64_t offset,
                          uint64_t size)
{
    const VkCommandStreamDescriptionMESA stream = {shm->resource_id, offset, size};
    pv_guest_encode_vkSetReplyCommandStreamMESA(
        out, 0, &(struct pv_vkSetReplyCommandStreamMESA){.pStream = &stream});
}

static uint32_t word_at(const struct guest_shm *shm, uint64_t offset)
{
    return __atomic_load_n((uint32_t *)(void *)(shm->map + offset), __ATOMIC_RELAXED);
}

enum { STATUS_COMMAND = 38, STATUS_REPLY_SIZE = 8 };

static void replies_follow_each_other_in_the_stream(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = make_fence(g, 0);
    struct guest_shm shm = guest_shm_create(g, 4096);
    struct pv_encoder *out = guest_begin(&g->ring);
    encode_stream(out, &shm, 1024, 64);
    for (int i = 0; i < 3; i++) {
        encode_status(out, g, fence);
    }
    assert_true(guest_submit(&g->ring));
    assert_true(guest_finish(&g->ring));
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(word_at(&shm, 1024 + i * STATUS_REPLY_SIZE), STATUS_COMMAND);
    }
    assert_int_equal(word_at(&shm, 1024 + 3 * STATUS_REPLY_SIZE), 0);
    assert_int_equal(word_at(&shm, 1020), 0);
}

static void a_reply_stream_survives_batches(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = make_fence(g, 0);
    struct guest_shm shm = guest_shm_create(g, 4096);
    encode_stream(guest_begin(&g->ring), &shm, 0, 4096);
    assert_true(guest_submit(&g->ring));
    for (uint64_t i = 0; i < 3; i++) {
        assert_true(guest_finish(&g->ring));
        pv_clock_sleep_ns(2 * PV_NS_PER_MS);
        encode_status(guest_begin(&g->ring), g, fence);
        assert_true(guest_submit(&g->ring));
        assert_true(guest_finish(&g->ring));
        assert_int_equal(word_at(&shm, i * STATUS_REPLY_SIZE), STATUS_COMMAND);
    }
}

static void a_seek_moves_the_next_reply(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = make_fence(g, 0);
    struct guest_shm shm = guest_shm_create(g, 4096);
    struct pv_encoder *out = guest_begin(&g->ring);
    encode_stream(out, &shm, 64, 4032);
    pv_guest_encode_vkSeekReplyCommandStreamMESA(
        out, 0, &(struct pv_vkSeekReplyCommandStreamMESA){.position = 100});
    encode_status(out, g, fence);
    assert_true(guest_submit(&g->ring));
    assert_true(guest_finish(&g->ring));
    assert_int_equal(word_at(&shm, 164), STATUS_COMMAND);
    assert_int_equal(word_at(&shm, 64), 0);
}

static void an_idle_reply_stream_may_lose_its_resource(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = make_fence(g, 0);
    struct guest_shm shm = guest_shm_create(g, 4096);
    encode_stream(guest_begin(&g->ring), &shm, 0, 4096);
    assert_true(guest_submit(&g->ring));
    assert_true(guest_finish(&g->ring));
    guest_shm_destroy(g, &shm);
    struct pv_vkGetFenceStatus a = {.device = GUEST_HANDLE(g->device),
                                    .fence = GUEST_HANDLE(fence)};
    assert_int_not_equal(GUEST_RESULT(&g->ring, vkGetFenceStatus, &a), VK_RESULT_MAX_ENUM);
}

static void a_ring_keeps_memory_whose_resource_has_gone(void **state)
{
    struct guest *g = guest_of(state);
    uint32_t id = g->ring.shm.resource_id;
    assert_true(pv_render_unref_resource(g->context, id));
    assert_int_not_equal(make_fence(g, 0), 0);
    g->ring.shm.resource_id = 0;
}

static void each_ring_has_a_reply_stream_of_its_own(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = make_fence(g, 0);
    struct guest_ring rings[3];
    for (int i = 0; i < 3; i++) {
        guest_ring_create(g, &rings[i]);
        encode_stream(guest_begin(&rings[i]), &rings[i].reply, 64 * (uint64_t)i, 64);
        assert_true(guest_submit(&rings[i]));
    }
    for (int i = 0; i < 3; i++) {
        encode_status(guest_begin(&rings[i]), g, fence);
        assert_true(guest_submit(&rings[i]));
    }
    for (int i = 0; i < 3; i++) {
        assert_true(guest_finish(&rings[i]));
        assert_int_equal(word_at(&rings[i].reply, 64 * (uint64_t)i), STATUS_COMMAND);
        guest_ring_destroy(&rings[i]);
    }
}

static void the_contexts_own_stream_replies_too(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = make_fence(g, 0);
    struct guest_shm shm = guest_shm_create(g, 4096);
    struct pv_encoder *out = guest_begin_context(g);
    encode_stream(out, &shm, 0, 4096);
    assert_true(guest_submit_context(g));
    encode_status(guest_begin_context(g), g, fence);
    assert_true(guest_submit_context(g));
    assert_int_equal(word_at(&shm, 0), STATUS_COMMAND);
}

/* --- nested streams ----------------------------------------------------------------------------
 */

static uint64_t put_fences(struct guest *g, struct guest_shm *shm, uint64_t offset, uint32_t count)
{
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    struct pv_encoder out = {.cursor = shm->map + offset, .end = shm->map + shm->size};
    for (uint32_t i = 0; i < count; i++) {
        VkFence fence = GUEST_HANDLE(guest_id(g));
        pv_guest_encode_vkCreateFence(&out, 0,
                                      &(struct pv_vkCreateFence){.device = GUEST_HANDLE(g->device),
                                                                 .pCreateInfo = &info,
                                                                 .pFence = &fence});
    }
    return (uint64_t)(out.cursor - shm->map) - offset;
}

static void a_nested_stream_is_executed(void **state)
{
    struct guest *g = guest_of(state);
    struct guest_shm shm = guest_shm_create(g, 1 << 20);
    uint64_t before = objects_alive(g);
    uint64_t size = put_fences(g, &shm, 4096, 5000);
    assert_true(guest_execute(&g->ring, &shm, 4096, size));
    assert_true(guest_finish(&g->ring));
    assert_int_equal(objects_alive(g), before + 5000);
}

static void nested_streams_run_in_order_and_empty_ones_are_skipped(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = make_fence(g, 0);
    struct guest_shm shm = guest_shm_create(g, 8192);
    struct pv_encoder out = {.cursor = shm.map, .end = shm.map + shm.size};
    encode_status(&out, g, fence);
    uint64_t size = (uint64_t)(out.cursor - shm.map);
    const VkCommandStreamDescriptionMESA streams[3] = {
        {shm.resource_id, 0, size}, {4711, UINT64_MAX, 0}, {shm.resource_id, 0, size}};
    const size_t positions[3] = {8, 0, 128};
    struct pv_encoder *ring = guest_begin(&g->ring);
    encode_stream(ring, &shm, 4096, 4096);
    pv_guest_encode_vkExecuteCommandStreamsMESA(
        ring, 0,
        &(struct pv_vkExecuteCommandStreamsMESA){
            .streamCount = 3, .pStreams = streams, .pReplyPositions = positions});
    assert_true(guest_submit(&g->ring));
    assert_true(guest_finish(&g->ring));
    assert_int_equal(word_at(&shm, 4096 + 8), STATUS_COMMAND);
    assert_int_equal(word_at(&shm, 4096 + 128), STATUS_COMMAND);
    assert_int_equal(word_at(&shm, 4096), 0);
}

static void a_command_may_wrap_around_the_rings_end(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t before = objects_alive(g);
    /* 68 bytes do not divide the ring's size. */
    for (int i = 0; i < 4096; i++) {
        uint64_t fence = guest_id(g);
        VkFence handle = GUEST_HANDLE(fence);
        const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
        assert_true(GUEST_SEND(&g->ring, vkCreateFence, .device = GUEST_HANDLE(g->device),
                               .pCreateInfo = &info, .pFence = &handle));
        assert_true(GUEST_SEND(&g->ring, vkDestroyFence, .device = GUEST_HANDLE(g->device),
                               .fence = handle));
    }
    assert_true(guest_finish(&g->ring));
    assert_int_equal(objects_alive(g), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST(replies_follow_each_other_in_the_stream),
        GUEST_TEST(a_reply_stream_survives_batches),
        GUEST_TEST(a_seek_moves_the_next_reply),
        GUEST_TEST(an_idle_reply_stream_may_lose_its_resource),
        GUEST_TEST(a_ring_keeps_memory_whose_resource_has_gone),
        GUEST_TEST(each_ring_has_a_reply_stream_of_its_own),
        GUEST_TEST(the_contexts_own_stream_replies_too),
        GUEST_TEST(a_nested_stream_is_executed),
        GUEST_TEST(nested_streams_run_in_order_and_empty_ones_are_skipped),
        GUEST_TEST(a_command_may_wrap_around_the_rings_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
