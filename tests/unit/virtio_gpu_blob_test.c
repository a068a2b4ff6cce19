#include "base/log.h"
#include "check.h"
#include "fakes/gpu_guest.h"
#include "fakes/guest.h"
#include "isolate/messages.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* Blobs and the window, against contexts that the test serves itself. */

enum {
    CONTEXT = 2,
    OTHER = 3,
    RING = 3,
    MEMORY = 4,
    SIZE = 64 * 1024,
    MAPPABLE = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
    OK = VIRTIO_GPU_RESP_OK_NODATA,
};

static struct gpu_guest *open_guest(void)
{
    struct gpu_guest *g = gpu_guest_create(&(struct gpu_guest_params){0});
    assert_int_equal(gpu_ctx_create(g, CONTEXT, 4), OK);
    return g;
}

static uint32_t map_info(struct gpu_guest *g, uint64_t token)
{
    const struct virtio_gpu_resp_map_info *info = (const void *)gpu_guest_answer(g, token)->bytes;
    assert_int_equal(gpu_guest_type(g, token), VIRTIO_GPU_RESP_OK_MAP_INFO);
    assert_int_equal(gpu_guest_answer(g, token)->size, sizeof(*info));
    return info->map_info;
}

/* A VkDeviceMemory's blob, asked of the context; the map is sent right behind, as Linux does. */
static uint64_t send_memory(struct gpu_guest *g, uint32_t id, uint64_t offset, uint64_t *map_token)
{
    uint64_t token = gpu_send_host_blob(g, CONTEXT, id, 77, MAPPABLE, SIZE);
    *map_token = gpu_send_map(g, id, offset);
    return token;
}

static void ring_memory_needs_no_answer_of_the_context(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    /* Not a multiple of the host's page: the guest's is 4096. */
    assert_int_equal(gpu_host_blob(g, CONTEXT, RING, 0, MAPPABLE, 135168), OK);
    uint64_t map = gpu_send_map(g, RING, 8192);
    assert_int_equal(map_info(g, map), VIRTIO_GPU_MAP_CACHE_CACHED);
    assert_int_equal(gpu_ctx_attach(g, CONTEXT, RING), OK);
    assert_int_equal(g->mappings[0].offset, 8192);
    assert_int_equal(g->mappings[0].size, 135168);
    memcpy(g->window + 8192 + 135164, "ring", 4);
    struct pv_message message = gpu_peer_expect(g, CONTEXT, PV_MESSAGE_ATTACH);
    const struct pv_attach_request *attach = (const void *)message.payload;
    assert_int_equal(attach->resource_id, RING);
    assert_int_equal(attach->kind, PV_CONTEXT_BLOB_SHM);
    assert_int_equal(attach->size_bytes, 135168);
    assert_true(gpu_peer_is_silent(g, CONTEXT)); /* the guest's own attach says nothing new */

    assert_int_equal(gpu_ctx_detach(g, CONTEXT, RING), OK);
    assert_int_equal(gpu_guest_type(g, gpu_send_unmap(g, RING)), OK);
    assert_int_equal(g->mapping_count, 0);
    assert_int_equal(gpu_unref(g, RING), OK);
    (void)gpu_peer_expect(g, CONTEXT, PV_MESSAGE_UNREF);
    assert_true(gpu_peer_is_silent(g, CONTEXT));
    gpu_guest_destroy(g);
}

static void ring_memory_is_for_mapping_alone(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    for (uint32_t flags = 0; flags < 16; flags++) {
        uint32_t expected = flags == MAPPABLE ? OK : VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        assert_int_equal(gpu_host_blob(g, CONTEXT, RING + flags, 0, flags, SIZE), expected);
    }
    assert_int_equal(gpu_host_blob(g, OTHER, RING, 0, MAPPABLE, SIZE),
                     VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    gpu_guest_destroy(g);
}

static void map_waits_for_its_blob(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    uint64_t map;
    uint64_t create = send_memory(g, MEMORY, 0, &map);
    struct pv_message message = gpu_peer_expect(g, CONTEXT, PV_MESSAGE_BLOB);
    const struct pv_blob_request *asked = (const void *)message.payload;
    assert_int_equal(asked->blob_id, 77);
    assert_int_equal(asked->resource_id, MEMORY);
    assert_int_equal(asked->size_bytes, SIZE);
    assert_int_equal(asked->flags, MAPPABLE);
    assert_null(gpu_guest_answer(g, create));
    assert_null(gpu_guest_answer(g, map));
    assert_int_equal(g->map_count, 0);
    gpu_peer_answer_blob(g, CONTEXT, MEMORY, PV_OK, SIZE);
    assert_int_equal(gpu_guest_type(g, create), OK);
    assert_int_equal(map_info(g, map), VIRTIO_GPU_MAP_CACHE_WC);
    assert_int_equal(g->mapping_count, 1);
    gpu_guest_destroy(g);
}

static void map_is_answered_when_the_machine_has_mapped(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    g->maps_later = true;
    assert_int_equal(gpu_host_blob(g, CONTEXT, RING, 0, MAPPABLE, SIZE), OK);
    uint64_t map = gpu_send_map(g, RING, 0);
    assert_null(gpu_guest_answer(g, map));
    pv_gpu_finish_map(g->gpu, g->map_token, true);
    assert_int_equal(map_info(g, map), VIRTIO_GPU_MAP_CACHE_CACHED);
    uint64_t unmap = gpu_send_unmap(g, RING);
    assert_null(gpu_guest_answer(g, unmap));
    pv_gpu_finish_map(g->gpu, g->map_token, true);
    assert_int_equal(gpu_guest_type(g, unmap), OK);
    pv_gpu_finish_map(g->gpu, g->map_token, true); /* once too often: nobody waits for it */
    gpu_guest_destroy(g);
}

static void failed_map_can_be_tried_again(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    assert_int_equal(gpu_host_blob(g, CONTEXT, RING, 0, MAPPABLE, SIZE), OK);
    g->maps_fail = true;
    assert_int_equal(gpu_guest_type(g, gpu_send_map(g, RING, 0)), VIRTIO_GPU_RESP_ERR_UNSPEC);
    struct pv_gpu_stats stats = {.struct_size = sizeof(stats)};
    pv_gpu_get_stats(g->gpu, &stats);
    assert_int_equal(stats.mappings, 0);
    g->maps_fail = false;
    assert_int_equal(gpu_guest_type(g, gpu_send_map(g, RING, 0)), VIRTIO_GPU_RESP_OK_MAP_INFO);
    pv_gpu_get_stats(g->gpu, &stats);
    assert_int_equal(stats.mappings, 1);
    assert_int_equal(stats.mapped_bytes, SIZE);
    gpu_guest_destroy(g);
}

static void failed_create_fails_its_map_too(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    uint64_t map;
    uint64_t create = send_memory(g, MEMORY, 0, &map);
    gpu_peer_answer_blob(g, CONTEXT, MEMORY, PV_GUEST_FAULT, 0);
    assert_int_equal(gpu_guest_type(g, create), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(gpu_guest_type(g, map), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(gpu_ctx_attach(g, CONTEXT, MEMORY), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(gpu_unref(g, MEMORY), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(gpu_host_blob(g, CONTEXT, MEMORY, 0, MAPPABLE, SIZE), OK);
    gpu_guest_destroy(g);
}

static void unmap_ends_a_map_that_waits(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    uint64_t map;
    uint64_t create = send_memory(g, MEMORY, 0, &map);
    uint64_t unmap = gpu_send_unmap(g, MEMORY);
    assert_int_equal(gpu_guest_type(g, map), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(gpu_guest_type(g, unmap), OK);
    gpu_peer_answer_blob(g, CONTEXT, MEMORY, PV_OK, SIZE);
    assert_int_equal(gpu_guest_type(g, create), OK);
    assert_int_equal(g->map_count, 0);
    gpu_guest_destroy(g);
}

static void unref_ends_what_waits_and_its_id_is_free_at_once(void **state)
{
    (void)state;
    struct guest_baseline baseline = guest_baseline();
    struct gpu_guest *g = open_guest();
    uint64_t map[2], create[2];
    create[0] = send_memory(g, MEMORY, 0, &map[0]);
    assert_int_equal(gpu_unref(g, MEMORY), OK);
    assert_int_equal(gpu_guest_type(g, map[0]), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    create[1] = send_memory(g, MEMORY, 0, &map[1]);
    gpu_peer_answer_blob(g, CONTEXT, MEMORY, PV_OK, SIZE);
    assert_int_equal(gpu_guest_type(g, create[0]), OK);
    assert_null(gpu_guest_answer(g, create[1]));
    gpu_peer_answer_blob(g, CONTEXT, MEMORY, PV_OK, SIZE);
    assert_int_equal(gpu_guest_type(g, create[1]), OK);
    assert_int_equal(map_info(g, map[1]), VIRTIO_GPU_MAP_CACHE_WC);
    gpu_guest_destroy(g);
    assert_true(guest_is_back_at(&baseline, 64 * 1024));
}

static void unref_of_a_mapped_blob_unmaps_it_first(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    g->maps_later = true;
    assert_int_equal(gpu_host_blob(g, CONTEXT, RING, 0, MAPPABLE, SIZE), OK);
    uint64_t map = gpu_send_map(g, RING, 0);
    uint64_t map_token = g->map_token;
    assert_int_equal(gpu_unref(g, RING), OK); /* while it is being mapped */
    assert_int_equal(g->unmap_count, 1);
    assert_int_equal(g->map_token, 0); /* nobody waits for that */
    assert_int_equal(gpu_host_blob(g, CONTEXT, RING, 0, MAPPABLE, SIZE), OK);
    uint64_t again = gpu_send_map(g, RING, 0); /* its range is free, too */
    uint64_t again_token = g->map_token;
    pv_gpu_finish_map(g->gpu, map_token, true);
    pv_gpu_finish_map(g->gpu, again_token, true);
    assert_int_equal(gpu_guest_type(g, map), VIRTIO_GPU_RESP_OK_MAP_INFO);
    assert_int_equal(gpu_guest_type(g, again), VIRTIO_GPU_RESP_OK_MAP_INFO);
    gpu_guest_destroy(g);
}

static void window_takes_no_overlapping_or_outlying_map(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    static const struct {
        uint64_t offset;
        uint32_t type;
    } maps[] = {
        {SIZE, VIRTIO_GPU_RESP_OK_MAP_INFO},
        {SIZE, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER},
        {SIZE + 4096, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER},
        {4096, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER},
        {2 * SIZE - 4096, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER},
        {0, VIRTIO_GPU_RESP_OK_MAP_INFO},
        {2 * SIZE, VIRTIO_GPU_RESP_OK_MAP_INFO},
        {4 * SIZE + 1, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER},
        {GPU_GUEST_WINDOW_SIZE - SIZE + 4096, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER},
        {GPU_GUEST_WINDOW_SIZE - SIZE, VIRTIO_GPU_RESP_OK_MAP_INFO},
        {GPU_GUEST_WINDOW_SIZE, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER},
        {UINT64_MAX - 4095, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER},
    };
    for (uint32_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
        assert_int_equal(gpu_host_blob(g, CONTEXT, 10 + i, 0, MAPPABLE, SIZE), OK);
        assert_int_equal(gpu_guest_type(g, gpu_send_map(g, 10 + i, maps[i].offset)), maps[i].type);
    }
    assert_int_equal(gpu_guest_type(g, gpu_send_map(g, 10, 8 * SIZE)), /* mapped already */
                     VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(gpu_guest_type(g, gpu_send_unmap(g, 11)), /* is not */
                     VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(g->mapping_count, 4);
    gpu_guest_destroy(g);
}

static void no_more_is_mapped_than_there_is(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    uint64_t map;
    uint64_t create = send_memory(g, MEMORY, 0, &map); /* of SIZE */
    gpu_peer_answer_blob(g, CONTEXT, MEMORY, PV_OK, 4096);
    assert_int_equal(gpu_guest_type(g, create), OK);
    assert_int_equal(gpu_guest_type(g, map), VIRTIO_GPU_RESP_OK_MAP_INFO);
    assert_int_equal(g->mappings[0].size, 4096);
    assert_int_equal(gpu_guest_type(g, gpu_send_unmap(g, MEMORY)), OK);
    assert_int_equal(g->mapping_count, 0);
    gpu_guest_destroy(g);
}

static void blob_outlives_its_context(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    assert_int_equal(gpu_host_blob(g, CONTEXT, RING, 0, MAPPABLE, SIZE), OK);
    assert_int_equal(gpu_guest_type(g, gpu_send_map(g, RING, 0)), VIRTIO_GPU_RESP_OK_MAP_INFO);
    assert_int_equal(gpu_ctx_destroy(g, CONTEXT), OK);
    assert_int_equal(g->mapping_count, 1);
    memcpy(g->window, "here", 4);
    assert_int_equal(gpu_guest_type(g, gpu_send_unmap(g, RING)), OK);
    assert_int_equal(gpu_unref(g, RING), OK);
    gpu_guest_destroy(g);
}

static void other_context_gets_what_one_has_exported(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    uint64_t map;
    assert_int_equal(gpu_ctx_create(g, OTHER, 4), OK);
    (void)send_memory(g, MEMORY, 0, &map);
    (void)gpu_peer_expect(g, CONTEXT, PV_MESSAGE_BLOB);
    assert_int_equal(gpu_ctx_attach(g, OTHER, MEMORY), OK); /* before there is anything */
    assert_true(gpu_peer_is_silent(g, OTHER));
    gpu_peer_answer_blob(g, CONTEXT, MEMORY, PV_OK, SIZE);
    struct pv_message message = gpu_peer_expect(g, OTHER, PV_MESSAGE_ATTACH);
    const struct pv_attach_request *attach = (const void *)message.payload;
    assert_int_equal(attach->resource_id, MEMORY);
    assert_int_equal(attach->kind, PV_CONTEXT_BLOB_MEMORY);
    assert_int_equal(gpu_ctx_attach(g, OTHER, MEMORY), OK); /* twice is once */
    assert_true(gpu_peer_is_silent(g, OTHER));
    assert_true(gpu_peer_is_silent(g, CONTEXT));
    assert_int_equal(gpu_ctx_detach(g, OTHER, MEMORY), OK);
    (void)gpu_peer_expect(g, OTHER, PV_MESSAGE_UNREF);
    assert_int_equal(gpu_ctx_attach(g, OTHER, MEMORY), OK);
    (void)gpu_peer_expect(g, OTHER, PV_MESSAGE_ATTACH);
    assert_int_equal(gpu_unref(g, MEMORY), OK);
    (void)gpu_peer_expect(g, OTHER, PV_MESSAGE_UNREF);
    (void)gpu_peer_expect(g, CONTEXT, PV_MESSAGE_UNREF);
    gpu_guest_destroy(g);
}

static void host_blob_can_be_a_scanout(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    assert_int_equal(gpu_host_blob(g, CONTEXT, RING, 0, MAPPABLE, SIZE), OK);
    assert_int_equal(gpu_guest_type(g, gpu_send_map(g, RING, 0)), VIRTIO_GPU_RESP_OK_MAP_INFO);
    struct virtio_gpu_set_scanout_blob request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_SET_SCANOUT_BLOB),
        .r = {1, 1, 10, 10},
        .resource_id = RING,
        .width = 16,
        .height = 16,
        .format = VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM,
        .strides = {256},
        .offsets = {64},
    };
    assert_int_equal(gpu_guest_ask(g, &request, sizeof(request)), OK);
    memcpy(g->window + 64 + 256 * 3 + 4 * 2, "\x11\x22\x33\x44", 4);
    struct pv_gpu_image image = {.struct_size = sizeof(image)};
    assert_true(pv_gpu_scanout(g->gpu, 0, &image));
    assert_int_equal(image.width, 10);
    assert_memory_equal((const uint8_t *)image.pixels + image.stride_bytes * 2 + 4, "\x33\x22\x11",
                        3);
    request.offsets[0] = SIZE - 256 * 15 - 64;
    assert_int_equal(gpu_guest_ask(g, &request, sizeof(request)), OK);
    request.offsets[0]++;
    assert_int_equal(gpu_guest_ask(g, &request, sizeof(request)),
                     VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    request.offsets[0] = 0;
    request.strides[0] = 63;
    assert_int_equal(gpu_guest_ask(g, &request, sizeof(request)),
                     VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    gpu_guest_destroy(g);
}

static void guest_blob_can_be_a_scanout(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    struct {
        struct virtio_gpu_resource_create_blob create;
        struct virtio_gpu_mem_entry entries[2];
    } request = {
        .create = {.hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB),
                   .resource_id = 9,
                   .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST,
                   .nr_entries = 2,
                   .size = 8192},
        .entries = {{.addr = GPU_GUEST_MEMORY_BASE, .length = 4096},
                    {.addr = GPU_GUEST_MEMORY_BASE + 16384, .length = 4096}},
    };
    assert_int_equal(gpu_guest_ask(g, &request, sizeof(request)), OK);
    struct virtio_gpu_set_scanout_blob show = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_SET_SCANOUT_BLOB),
        .r = {0, 0, 32, 64},
        .resource_id = 9,
        .width = 32,
        .height = 64,
        .format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
        .strides = {128},
    };
    assert_int_equal(gpu_guest_ask(g, &show, sizeof(show)), OK);
    memcpy(g->memory + 16384 + 8, "\1\2\3\4", 4);
    struct pv_gpu_image image = {.struct_size = sizeof(image)};
    assert_true(pv_gpu_scanout(g->gpu, 0, &image));
    assert_memory_equal((const uint8_t *)image.pixels + 32 * 128 + 8, "\1\2\3\4", 4);
    request.create.resource_id = 10;
    request.create.size = 8193;
    assert_int_equal(gpu_guest_ask(g, &request, sizeof(request)),
                     VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    request.create.size = 8192;
    request.create.blob_id = 1;
    assert_int_equal(gpu_guest_ask(g, &request, sizeof(request)),
                     VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    gpu_guest_destroy(g);
}

static void uuid_is_random_and_stays(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    uint8_t uuids[3][16];
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t id = i < 2 ? 20 : 21;
        (void)gpu_create_2d(g, id, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 8, 8);
        const struct virtio_gpu_resource_assign_uuid request = {
            .hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID),
            .resource_id = id,
        };
        uint64_t token = gpu_guest_send(g, &request, sizeof(request));
        assert_int_equal(gpu_guest_type(g, token), VIRTIO_GPU_RESP_OK_RESOURCE_UUID);
        const struct virtio_gpu_resp_resource_uuid *told =
            (const void *)gpu_guest_answer(g, token)->bytes;
        memcpy(uuids[i], told->uuid, 16);
        assert_int_equal(told->uuid[6] >> 4, 4);
        assert_int_equal(told->uuid[8] >> 6, 2);
    }
    assert_memory_equal(uuids[0], uuids[1], 16);
    assert_memory_not_equal(uuids[0], uuids[2], 16);
    gpu_guest_destroy(g);
}

/* Which it can have refused as often as it likes. */
static void guest_cannot_flood_the_log_with_refused_maps(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    g->maps_fail = true;
    assert_int_equal(gpu_host_blob(g, CONTEXT, 5, 0, MAPPABLE, SIZE), OK);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(gpu_guest_type(g, gpu_send_map(g, 5, 0)), VIRTIO_GPU_RESP_ERR_UNSPEC);
    }
    assert_in_range(g->error_count, 1, 2 * PV_LOG_LINES_PER_MINUTE); /* a new one may begin */
    gpu_guest_destroy(g);
}

/* Each would hold a descriptor: some are left for workers, whatever a guest asks for. */
static void host_blobs_leave_some_descriptors(void **state)
{
    (void)state;
    enum { DESCRIPTORS = 200, BLOBS = 150, ASKED_OF_CONTEXT = 10 };
    const uint32_t none_left = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit low = {.rlim_cur = DESCRIPTORS, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    struct gpu_guest *g = open_guest();
    for (uint32_t i = 0; i < BLOBS; i++) {
        if (i < ASKED_OF_CONTEXT) { /* and not there yet */
            (void)gpu_send_host_blob(g, CONTEXT, RING + i, 77, MAPPABLE, SIZE);
        } else {
            assert_int_equal(gpu_host_blob(g, CONTEXT, RING + i, 0, MAPPABLE, SIZE), OK);
        }
    }
    assert_int_equal(gpu_host_blob(g, CONTEXT, RING + BLOBS, 0, MAPPABLE, SIZE), none_left);
    assert_int_equal(gpu_host_blob(g, CONTEXT, RING + BLOBS, 77, MAPPABLE, SIZE), none_left);
    assert_int_equal(gpu_create_2d(g, RING + BLOBS, 1, 4, 4), OK); /* holds none */
    assert_int_equal(gpu_ctx_create(g, OTHER, 4), OK);
    assert_int_equal(gpu_unref(g, RING), OK);
    assert_int_equal(gpu_host_blob(g, CONTEXT, RING, 0, MAPPABLE, SIZE), OK);
    assert_int_equal(gpu_host_blob(g, CONTEXT, RING + BLOBS + 1, 0, MAPPABLE, SIZE), none_left);
    gpu_guest_destroy(g);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_memory_needs_no_answer_of_the_context),
        cmocka_unit_test(ring_memory_is_for_mapping_alone),
        cmocka_unit_test(map_waits_for_its_blob),
        cmocka_unit_test(map_is_answered_when_the_machine_has_mapped),
        cmocka_unit_test(failed_map_can_be_tried_again),
        cmocka_unit_test(failed_create_fails_its_map_too),
        cmocka_unit_test(unmap_ends_a_map_that_waits),
        cmocka_unit_test(unref_ends_what_waits_and_its_id_is_free_at_once),
        cmocka_unit_test(unref_of_a_mapped_blob_unmaps_it_first),
        cmocka_unit_test(window_takes_no_overlapping_or_outlying_map),
        cmocka_unit_test(no_more_is_mapped_than_there_is),
        cmocka_unit_test(blob_outlives_its_context),
        cmocka_unit_test(other_context_gets_what_one_has_exported),
        cmocka_unit_test(host_blob_can_be_a_scanout),
        cmocka_unit_test(guest_blob_can_be_a_scanout),
        cmocka_unit_test(uuid_is_random_and_stays),
        cmocka_unit_test(host_blobs_leave_some_descriptors),
        cmocka_unit_test(guest_cannot_flood_the_log_with_refused_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
