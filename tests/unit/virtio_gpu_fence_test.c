#include "check.h"
#include "fakes/gpu_guest.h"
#include "fakes/guest.h"
#include "isolate/messages.h"

#include <string.h>

/* When a guest's chains come back: fences, lost contexts, reset. */

enum {
    CONTEXT = 2,
    OTHER = 3,
    SIZE = 4096,
    MAPPABLE = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
    OK = VIRTIO_GPU_RESP_OK_NODATA,
    UNORDERED = -1,
};

static struct gpu_guest *open_guest(void)
{
    struct gpu_guest *g = gpu_guest_create(&(struct gpu_guest_params){0});
    assert_int_equal(gpu_ctx_create(g, CONTEXT, 4), OK);
    assert_int_equal(gpu_ctx_create(g, OTHER, 4), OK);
    return g;
}

/* What the device has asked this context for: the fence's own number between the two. */
static uint64_t expect_fence(struct gpu_guest *g, uint32_t context_id, uint32_t ring_idx)
{
    struct pv_message message = gpu_peer_expect(g, context_id, PV_MESSAGE_FENCE);
    const struct pv_fence_word *word = (const void *)message.payload;
    assert_int_equal(word->ring_idx, ring_idx);
    return word->fence_id;
}

static struct virtio_gpu_ctrl_hdr header_of(struct gpu_guest *g, uint64_t token)
{
    struct virtio_gpu_ctrl_hdr header;
    assert_non_null(gpu_guest_answer(g, token));
    memcpy(&header, gpu_guest_answer(g, token)->bytes, sizeof(header));
    return header;
}

static void unfenced_stream_comes_back_at_once(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    uint64_t token = gpu_send_submit(g, CONTEXT, "commands", 8, 0, UNORDERED);
    assert_int_equal(gpu_guest_type(g, token), OK);
    assert_int_equal(header_of(g, token).flags, 0);
    struct pv_message message = gpu_peer_expect(g, CONTEXT, PV_MESSAGE_SUBMIT);
    assert_int_equal(message.size, sizeof(struct pv_submit_piece) + 8);
    assert_memory_equal(message.payload + sizeof(struct pv_submit_piece), "commands", 8);
    assert_true(gpu_peer_is_silent(g, CONTEXT));
    gpu_guest_destroy(g);
}

static void fence_comes_back_when_the_context_says_so(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    uint64_t token = gpu_send_submit(g, CONTEXT, "commands", 8, 1000, 5);
    assert_null(gpu_guest_answer(g, token));
    (void)gpu_peer_expect(g, CONTEXT, PV_MESSAGE_SUBMIT);
    gpu_peer_retire(g, CONTEXT, 5, expect_fence(g, CONTEXT, 5));
    struct virtio_gpu_ctrl_hdr header = header_of(g, token);
    assert_int_equal(header.type, OK);
    assert_int_equal(header.flags, VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX);
    assert_int_equal(header.fence_id, 1000);
    assert_int_equal(header.ctx_id, CONTEXT);
    assert_int_equal(header.ring_idx, 5);
    gpu_guest_destroy(g);
}

static void empty_stream_still_has_its_fence(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    uint64_t token = gpu_send_submit(g, CONTEXT, NULL, 0, 7, 63);
    gpu_peer_retire(g, CONTEXT, 63, expect_fence(g, CONTEXT, 63)); /* no SUBMIT before it */
    assert_int_equal(gpu_guest_type(g, token), OK);
    gpu_guest_destroy(g);
}

static void timelines_do_not_wait_for_each_other(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    uint64_t slow = gpu_send_submit(g, CONTEXT, NULL, 0, 1, 1);
    uint64_t fast = gpu_send_submit(g, CONTEXT, NULL, 0, 2, 2);
    uint64_t other = gpu_send_submit(g, OTHER, NULL, 0, 3, 1);
    uint64_t slow_id = expect_fence(g, CONTEXT, 1);
    gpu_peer_retire(g, CONTEXT, 2, expect_fence(g, CONTEXT, 2));
    gpu_peer_retire(g, OTHER, 1, expect_fence(g, OTHER, 1));
    assert_int_equal(gpu_guest_type(g, fast), OK);
    assert_int_equal(gpu_guest_type(g, other), OK);
    assert_null(gpu_guest_answer(g, slow));
    gpu_peer_retire(g, CONTEXT, 1, slow_id);
    assert_int_equal(gpu_guest_type(g, slow), OK);
    gpu_guest_destroy(g);
}

static void error_keeps_its_place_in_its_timeline(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    uint64_t first = gpu_send_submit(g, CONTEXT, NULL, 0, 1, 1);
    uint64_t wrong = gpu_send_submit(g, CONTEXT, "odd", 3, 2, 1); /* no multiple of 4 */
    uint64_t first_id = expect_fence(g, CONTEXT, 1);
    uint64_t wrong_id = expect_fence(g, CONTEXT, 1);
    assert_null(gpu_guest_answer(g, wrong));
    gpu_peer_retire(g, CONTEXT, 1, first_id);
    gpu_peer_retire(g, CONTEXT, 1, wrong_id);
    assert_int_equal(gpu_guest_type(g, first), OK);
    struct virtio_gpu_ctrl_hdr header = header_of(g, wrong);
    assert_int_equal(header.type, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(header.flags, VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX);
    assert_int_equal(header.fence_id, 2);
    assert_int_equal(gpu_guest_answer(g, wrong)->size, sizeof(header));
    gpu_guest_destroy(g);
}

static void unordered_errors_carry_their_fence_too(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    static const struct {
        uint32_t context_id;
        int ring_idx;
    } cases[] = {{99, 1}, {99, UNORDERED}, {CONTEXT, 64}, {CONTEXT, 255}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t token =
            gpu_send_submit(g, cases[i].context_id, NULL, 0, 10 + i, cases[i].ring_idx);
        assert_int_equal(header_of(g, token).flags & VIRTIO_GPU_FLAG_FENCE, VIRTIO_GPU_FLAG_FENCE);
        assert_int_equal(header_of(g, token).fence_id, 10 + i);
    }
    assert_true(gpu_peer_is_silent(g, CONTEXT));
    gpu_guest_destroy(g);
}

/* Linux puts all of these into one timeline of its own. */
static void fences_without_a_ring_come_back_in_order(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    struct virtio_gpu_ctrl_hdr fenced =
        gpu_fenced_header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO, 0, 1, -1);
    uint64_t token = gpu_guest_send(g, &fenced, sizeof(fenced));
    assert_int_equal(gpu_guest_type(g, token), VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    assert_int_equal(gpu_guest_answer(g, token)->size, sizeof(struct virtio_gpu_resp_display_info));
    const struct virtio_gpu_resp_display_info *info =
        (const void *)gpu_guest_answer(g, token)->bytes;
    assert_int_equal(info->hdr.fence_id, 1);
    assert_int_equal(info->pmodes[0].r.width, 1920); /* the body came through the wait */

    uint64_t first = gpu_send_submit(g, CONTEXT, NULL, 0, 2, UNORDERED);
    uint64_t second = gpu_send_submit(g, OTHER, NULL, 0, 3, UNORDERED);
    fenced.fence_id = 4;
    uint64_t third = gpu_guest_send(g, &fenced, sizeof(fenced));
    uint64_t first_id = expect_fence(g, CONTEXT, 0);
    gpu_peer_retire(g, OTHER, 0, expect_fence(g, OTHER, 0));
    assert_null(gpu_guest_answer(g, second));
    assert_null(gpu_guest_answer(g, third));
    gpu_peer_retire(g, CONTEXT, 0, first_id);
    assert_int_equal(gpu_guest_answer(g, first)->order + 1, gpu_guest_answer(g, second)->order);
    assert_int_equal(gpu_guest_answer(g, second)->order + 1, gpu_guest_answer(g, third)->order);
    gpu_guest_destroy(g);
}

static void fenced_map_holds_what_is_behind_it(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    g->maps_later = true;
    assert_int_equal(gpu_host_blob(g, CONTEXT, 5, 0, MAPPABLE, SIZE), OK);
    const struct virtio_gpu_resource_map_blob map = {
        .hdr = gpu_fenced_header(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, CONTEXT, 1, 1),
        .resource_id = 5,
    };
    uint64_t mapped = gpu_guest_send(g, &map, sizeof(map));
    uint64_t behind = gpu_send_submit(g, CONTEXT, NULL, 0, 2, 1);
    (void)gpu_peer_expect(g, CONTEXT, PV_MESSAGE_ATTACH);
    gpu_peer_retire(g, CONTEXT, 1, expect_fence(g, CONTEXT, 1));
    gpu_peer_retire(g, CONTEXT, 1, expect_fence(g, CONTEXT, 1));
    assert_null(gpu_guest_answer(g, behind));
    pv_gpu_finish_map(g->gpu, g->map_token, true);
    assert_int_equal(gpu_guest_type(g, mapped), VIRTIO_GPU_RESP_OK_MAP_INFO);
    assert_int_equal(gpu_guest_type(g, behind), OK);
    gpu_guest_destroy(g);
}

static void context_without_venus_swallows_streams(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    assert_int_equal(gpu_ctx_create(g, 9, 0), OK);
    assert_int_equal(gpu_guest_type(g, gpu_send_submit(g, 9, "abcd", 4, 1, 0)), OK);
    assert_int_equal(gpu_guest_type(g, gpu_send_submit(g, 9, "abcd", 4, 0, UNORDERED)), OK);
    assert_int_equal(gpu_ctx_create(g, 9, 0), VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(gpu_ctx_create(g, 0, 0), VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(gpu_ctx_create(g, 10, 2), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(gpu_ctx_create(g, 10, 4 | 1 << 8), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    gpu_guest_destroy(g);
}

static void lost_context_gives_everything_back_and_others_go_on(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    uint64_t create = gpu_send_host_blob(g, CONTEXT, 5, 77, MAPPABLE, SIZE);
    uint64_t map = gpu_send_map(g, 5, 0);
    uint64_t fences[3];
    for (int i = 0; i < 3; i++) {
        fences[i] = gpu_send_submit(g, CONTEXT, "abcd", 4, 10 + (uint64_t)i, i - 1);
    }
    gpu_peer_hang_up(g, CONTEXT);
    assert_int_equal(gpu_guest_type(g, create), VIRTIO_GPU_RESP_ERR_UNSPEC);
    assert_int_equal(gpu_guest_type(g, map), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(gpu_guest_type(g, fences[i]), OK);
    }
    /* The guest's program finds its device lost; what it still sends comes back as well. */
    uint64_t late = gpu_send_submit(g, CONTEXT, "abcd", 4, 20, 1);
    gpu_guest_pump(g);
    assert_int_equal(gpu_guest_type(g, late), VIRTIO_GPU_RESP_ERR_UNSPEC);
    assert_int_equal(gpu_host_blob(g, CONTEXT, 6, 0, MAPPABLE, SIZE),
                     VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    struct pv_gpu_stats stats = {.struct_size = sizeof(stats)};
    pv_gpu_get_stats(g->gpu, &stats);
    assert_int_equal(stats.contexts_lost, 1);
    assert_int_equal(stats.contexts, 2);
    assert_int_equal(g->warn_count, 1);

    uint64_t other = gpu_send_submit(g, OTHER, NULL, 0, 30, 1);
    gpu_peer_retire(g, OTHER, 1, expect_fence(g, OTHER, 1));
    assert_int_equal(gpu_guest_type(g, other), OK);
    assert_int_equal(gpu_ctx_destroy(g, CONTEXT), OK);
    gpu_guest_destroy(g);
}

static void destroyed_context_gives_everything_back(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    g->maps_later = true;
    assert_int_equal(gpu_host_blob(g, CONTEXT, 6, 0, MAPPABLE, SIZE), OK);
    uint64_t create = gpu_send_host_blob(g, CONTEXT, 5, 77, MAPPABLE, SIZE);
    uint64_t fence = gpu_send_submit(g, CONTEXT, NULL, 0, 1, 3);
    uint64_t unordered = gpu_send_submit(g, CONTEXT, NULL, 0, 2, UNORDERED);
    const struct virtio_gpu_resource_map_blob map = {
        .hdr = gpu_fenced_header(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, CONTEXT, 3, 4),
        .resource_id = 6,
    };
    uint64_t mapped = gpu_guest_send(g, &map, sizeof(map));
    uint64_t behind = gpu_send_submit(g, CONTEXT, NULL, 0, 4, 4);
    assert_int_equal(gpu_ctx_destroy(g, CONTEXT), OK);
    assert_int_equal(gpu_guest_type(g, create), VIRTIO_GPU_RESP_ERR_UNSPEC);
    assert_int_equal(gpu_guest_type(g, fence), OK);
    assert_int_equal(gpu_guest_type(g, unordered), OK);
    assert_int_equal(gpu_guest_type(g, behind), OK);
    assert_null(gpu_guest_answer(g, mapped)); /* waits for the machine alone */
    pv_gpu_finish_map(g->gpu, g->map_token, true);
    assert_int_equal(gpu_guest_type(g, mapped), VIRTIO_GPU_RESP_OK_MAP_INFO);
    gpu_guest_destroy(g);
}

/* One without Venus, which nobody works for: its timelines end with it all the same. */
static void destroyed_context_without_venus_gives_its_map_back_later(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    const uint32_t plain = 9;
    g->maps_later = true;
    assert_int_equal(gpu_ctx_create(g, plain, 0), OK);
    assert_int_equal(gpu_host_blob(g, CONTEXT, 6, 0, MAPPABLE, SIZE), OK);
    const struct virtio_gpu_resource_map_blob map = {
        .hdr = gpu_fenced_header(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, plain, 3, 4),
        .resource_id = 6,
    };
    uint64_t mapped = gpu_guest_send(g, &map, sizeof(map));
    assert_int_equal(gpu_ctx_destroy(g, plain), OK);
    assert_null(gpu_guest_answer(g, mapped));
    pv_gpu_finish_map(g->gpu, g->map_token, true);
    assert_int_equal(gpu_guest_type(g, mapped), VIRTIO_GPU_RESP_OK_MAP_INFO);
    gpu_guest_destroy(g);
}

static void reset_drops_what_is_pending_and_leaves_nothing(void **state)
{
    (void)state;
    struct guest_baseline baseline = guest_baseline();
    struct gpu_guest *g = gpu_guest_create(&(struct gpu_guest_params){0});
    struct guest_baseline idle = guest_baseline();
    for (uint32_t round = 0; round < 3; round++) {
        uint64_t pending[5];
        assert_int_equal(gpu_ctx_create(g, CONTEXT, 4), OK);
        assert_int_equal(gpu_host_blob(g, CONTEXT, 5, 0, MAPPABLE, SIZE), OK);
        assert_int_equal(gpu_guest_type(g, gpu_send_map(g, 5, 0)), VIRTIO_GPU_RESP_OK_MAP_INFO);
        assert_int_equal(gpu_host_blob(g, CONTEXT, 6, 0, MAPPABLE, SIZE), OK);
        g->maps_later = true;
        pending[0] = gpu_send_map(g, 6, SIZE);
        uint64_t map_token = g->map_token;
        pending[1] = gpu_send_host_blob(g, CONTEXT, 7, 77, MAPPABLE, SIZE);
        pending[2] = gpu_send_map(g, 7, 2 * SIZE);
        pending[3] = gpu_send_submit(g, CONTEXT, "abcd", 4, 1, 1);
        pending[4] = gpu_send_submit(g, CONTEXT, "abcd", 4, 2, UNORDERED);
        assert_int_equal(gpu_create_2d(g, 8, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 8, 8), OK);
        assert_int_equal(gpu_set_scanout(g, 0, 8, (struct virtio_gpu_rect){0, 0, 8, 8}), OK);
        pv_gpu_reset(g->gpu);
        g->maps_later = false;
        pv_gpu_finish_map(g->gpu, map_token, true); /* of before: nobody waits for it */
        gpu_guest_pump(g);
        assert_int_equal(g->mapping_count, 0);
        for (uint32_t i = 0; i < 5; i++) {
            assert_null(gpu_guest_answer(g, pending[i]));
        }
        struct pv_gpu_stats stats = {.struct_size = sizeof(stats)};
        pv_gpu_get_stats(g->gpu, &stats);
        assert_int_equal(stats.contexts + stats.resources + stats.mappings, 0);
        assert_int_equal(stats.mapped_bytes + stats.resource_bytes + stats.pending_bytes, 0);
        gpu_peer_hang_up(g, CONTEXT);
        assert_true(guest_is_back_at(&idle, 256 * 1024));
    }
    gpu_guest_destroy(g);
    assert_true(guest_is_back_at(&baseline, 64 * 1024));
}

static void hundred_contexts_live_side_by_side(void **state)
{
    (void)state;
    struct gpu_guest *g = gpu_guest_create(&(struct gpu_guest_params){
        .quota = {.struct_size = sizeof(struct pv_gpu_quota), .contexts = 100}});
    uint64_t fences[100];
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(gpu_ctx_create(g, 10 + i, 4), OK);
        fences[i] = gpu_send_submit(g, 10 + i, NULL, 0, 1 + i, 1);
    }
    assert_int_equal(gpu_ctx_create(g, 500, 4), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    for (uint32_t i = 100; i-- > 0;) {
        assert_null(gpu_guest_answer(g, fences[i]));
        gpu_peer_retire(g, 10 + i, 1, expect_fence(g, 10 + i, 1));
        assert_int_equal(gpu_guest_type(g, fences[i]), OK);
    }
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(gpu_ctx_destroy(g, 10 + i), OK);
    }
    assert_int_equal(gpu_ctx_create(g, 500, 4), OK);
    gpu_guest_destroy(g);
}

static void greediest_context_is_lost_when_too_much_waits(void **state)
{
    (void)state;
    struct gpu_guest *g = gpu_guest_create(&(struct gpu_guest_params){
        .quota = {.struct_size = sizeof(struct pv_gpu_quota), .pending_bytes = 2 << 20}});
    static uint8_t bytes[512 * 1024];
    assert_int_equal(gpu_ctx_create(g, CONTEXT, 4), OK);
    assert_int_equal(gpu_ctx_create(g, OTHER, 4), OK);
    (void)gpu_send_submit(g, OTHER, bytes, sizeof(bytes), 0, UNORDERED);
    uint64_t fence = gpu_send_submit(g, CONTEXT, bytes, sizeof(bytes), 1, 1);
    struct pv_gpu_stats stats = {.struct_size = sizeof(stats)};
    for (uint32_t i = 0; i < 16 && stats.contexts_lost == 0; i++) {
        (void)gpu_send_submit(g, CONTEXT, bytes, sizeof(bytes), 0, UNORDERED);
        gpu_guest_pump(g);
        pv_gpu_get_stats(g->gpu, &stats);
    }
    assert_int_equal(stats.contexts_lost, 1);
    assert_true(stats.pending_bytes <= 2 << 20);
    assert_int_equal(gpu_guest_type(g, fence), OK);
    assert_int_equal(gpu_guest_type(g, gpu_send_submit(g, CONTEXT, bytes, 4, 0, UNORDERED)),
                     VIRTIO_GPU_RESP_ERR_UNSPEC);
    assert_int_equal(gpu_guest_type(g, gpu_send_submit(g, OTHER, bytes, 4, 0, UNORDERED)), OK);
    gpu_guest_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unfenced_stream_comes_back_at_once),
        cmocka_unit_test(fence_comes_back_when_the_context_says_so),
        cmocka_unit_test(empty_stream_still_has_its_fence),
        cmocka_unit_test(timelines_do_not_wait_for_each_other),
        cmocka_unit_test(error_keeps_its_place_in_its_timeline),
        cmocka_unit_test(unordered_errors_carry_their_fence_too),
        cmocka_unit_test(fences_without_a_ring_come_back_in_order),
        cmocka_unit_test(fenced_map_holds_what_is_behind_it),
        cmocka_unit_test(context_without_venus_swallows_streams),
        cmocka_unit_test(lost_context_gives_everything_back_and_others_go_on),
        cmocka_unit_test(destroyed_context_gives_everything_back),
        cmocka_unit_test(destroyed_context_without_venus_gives_its_map_back_later),
        cmocka_unit_test(reset_drops_what_is_pending_and_leaves_nothing),
        cmocka_unit_test(hundred_contexts_live_side_by_side),
        cmocka_unit_test(greediest_context_is_lost_when_too_much_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
