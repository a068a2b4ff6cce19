#include "check.h"
#include "fakes/gpu_guest.h"
#include "fakes/guest.h"

#include <stdlib.h>
#include <string.h>

/* A guest that means harm: whatever it sends is answered, once, and nothing else happens. */

enum {
    CONTEXT = 2,
    IMAGE = 5,
    BLOB = 6,
    MAPPABLE = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
    OK = VIRTIO_GPU_RESP_OK_NODATA,
    BAD_PARAMETER = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
    BAD_RESOURCE = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
    BAD_SCANOUT = VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID,
    NO_MEMORY = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
    UNSPEC = VIRTIO_GPU_RESP_ERR_UNSPEC,
};

/* Every command, with its request's and its response's size as the standard has them. */
static const struct {
    uint32_t type, request_size, response_size;
} commands[] = {
    {VIRTIO_GPU_CMD_GET_DISPLAY_INFO, 24, 408},
    {VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, 40, 24},
    {VIRTIO_GPU_CMD_RESOURCE_UNREF, 32, 24},
    {VIRTIO_GPU_CMD_SET_SCANOUT, 48, 24},
    {VIRTIO_GPU_CMD_RESOURCE_FLUSH, 48, 24},
    {VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, 56, 24},
    {VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, 32, 24},
    {VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 32, 24},
    {VIRTIO_GPU_CMD_GET_CAPSET_INFO, 32, 40},
    {VIRTIO_GPU_CMD_GET_CAPSET, 32, 184},
    {VIRTIO_GPU_CMD_GET_EDID, 32, 1056},
    {VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID, 32, 40},
    {VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, 56, 24},
    {VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, 96, 24},
    {VIRTIO_GPU_CMD_CTX_CREATE, 96, 24},
    {VIRTIO_GPU_CMD_CTX_DESTROY, 24, 24},
    {VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 32, 24},
    {VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, 32, 24},
    {VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, 72, 24},
    {VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 72, 24},
    {VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, 72, 24},
    {VIRTIO_GPU_CMD_SUBMIT_3D, 32, 24},
    {VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, 40, 32},
    {VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, 32, 24},
};

static struct gpu_guest *open_guest(void)
{
    struct gpu_guest *g = gpu_guest_create(&(struct gpu_guest_params){0});
    assert_int_equal(gpu_ctx_create(g, CONTEXT, 4), OK);
    assert_int_equal(gpu_create_2d(g, IMAGE, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 64, 64), OK);
    assert_int_equal(gpu_host_blob(g, CONTEXT, BLOB, 0, MAPPABLE, 4096), OK);
    return g;
}

static void cut_requests_of_every_size_get_an_error(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        uint8_t request[96] = {0};
        const struct virtio_gpu_ctrl_hdr header = gpu_context_header(commands[i].type, CONTEXT);
        memcpy(request, &header, sizeof(header));
        for (size_t size = 0; size < commands[i].request_size; size++) {
            assert_int_equal(gpu_guest_ask(g, request, size), UNSPEC);
        }
        /* Whole, it is understood, whatever is thought of it. */
        uint32_t type = gpu_guest_ask(g, request, commands[i].request_size);
        bool is_refused = commands[i].type == VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D;
        assert_true(is_refused ? type == UNSPEC : type != UNSPEC && type != 0);
        if (commands[i].type == VIRTIO_GPU_CMD_CTX_DESTROY) {
            assert_int_equal(gpu_ctx_create(g, CONTEXT, 4), OK);
        }
    }
    gpu_guest_destroy(g);
}

static void responses_never_exceed_their_room(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        uint8_t request[96] = {0};
        const struct virtio_gpu_ctrl_hdr header = gpu_context_header(commands[i].type, CONTEXT);
        memcpy(request, &header, sizeof(header));
        for (size_t room = 0; room < commands[i].response_size; room++) {
            /* respond() of the machine asserts that it fits. */
            uint64_t token =
                gpu_guest_send_to(g, PV_GPU_QUEUE_CONTROL, request, commands[i].request_size, room);
            assert_int_equal(gpu_guest_answer(g, token)->size, room < 24 ? 0 : 24);
            assert_int_equal(gpu_guest_type(g, token), room < 24 ? 0 : UNSPEC);
        }
    }
    struct pv_gpu_stats stats = {.struct_size = sizeof(stats)};
    pv_gpu_get_stats(g->gpu, &stats);
    assert_int_equal(stats.contexts, 1); /* none of it was done */
    assert_int_equal(stats.resources, 2);
    gpu_guest_destroy(g);
}

static void unknown_commands_get_an_error_on_either_queue(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    static const uint32_t types[] = {0,     1,     0xff,  0x10e,  0x1ff,  0x20a,
                                     0x300, 0x301, 0x302, 0x1100, 0x1200, UINT32_MAX};
    uint8_t request[128] = {0};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        memcpy(request, &types[i], sizeof(types[i]));
        assert_int_equal(gpu_guest_ask(g, request, sizeof(request)), UNSPEC);
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        memcpy(request, &commands[i].type, sizeof(commands[i].type));
        uint64_t token = gpu_guest_send_to(g, PV_GPU_QUEUE_CURSOR, request, sizeof(request), 1056);
        assert_int_equal(gpu_guest_type(g, token), UNSPEC);
    }
    gpu_guest_destroy(g);
}

static void longest_request_is_a_mebibyte(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    uint32_t size = PV_GPU_REQUEST_SIZE_MAX - sizeof(struct virtio_gpu_cmd_submit);
    uint8_t *bytes = calloc(1, size + 4);
    assert_non_null(bytes);
    assert_int_equal(gpu_guest_type(g, gpu_send_submit(g, CONTEXT, bytes, size, 0, -1)), OK);
    assert_int_equal(gpu_guest_type(g, gpu_send_submit(g, CONTEXT, bytes, size + 4, 0, -1)),
                     UNSPEC);
    free(bytes);
    gpu_guest_destroy(g);
}

static void stream_that_claims_more_than_it_has_is_refused(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    struct virtio_gpu_cmd_submit request = {
        .hdr = gpu_context_header(VIRTIO_GPU_CMD_SUBMIT_3D, CONTEXT),
    };
    static const uint32_t sizes[] = {1, 4, 4096, UINT32_MAX - 3, UINT32_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        request.size = sizes[i];
        assert_int_equal(gpu_guest_ask(g, &request, sizeof(request)), BAD_PARAMETER);
    }
    request.size = 0;
    assert_int_equal(gpu_guest_ask(g, &request, sizeof(request)), OK);
    request.hdr.ctx_id = 77;
    assert_int_equal(gpu_guest_ask(g, &request, sizeof(request)),
                     VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    gpu_guest_destroy(g);
}

static void address_lists_are_bounded(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    struct {
        struct virtio_gpu_resource_attach_backing attach;
        struct virtio_gpu_mem_entry entries[2];
    } request = {
        .attach = {.hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING), .resource_id = IMAGE},
        .entries = {{.addr = GPU_GUEST_MEMORY_BASE, .length = 64}},
    };
    static const uint32_t counts[] = {3, 4, 16384, 16385, 0x10000001, UINT32_MAX};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        request.attach.nr_entries = counts[i];
        assert_int_equal(gpu_guest_ask(g, &request, sizeof(request)), BAD_PARAMETER);
    }
    request.attach.nr_entries = 2;
    request.entries[1].addr = UINT64_MAX - 15; /* would wrap */
    request.entries[1].length = 17;
    assert_int_equal(gpu_guest_ask(g, &request, sizeof(request)), BAD_PARAMETER);
    request.entries[1].length = 1;
    assert_int_equal(gpu_guest_ask(g, &request, sizeof(request)), OK);
    assert_int_equal(gpu_guest_ask(g, &request, sizeof(request)), UNSPEC); /* has one already */
    /* What the guest has no memory at is found out when it is read. */
    const struct virtio_gpu_rect one = {16, 0, 1, 1};
    assert_int_equal(gpu_transfer_2d(g, IMAGE, one, 60), OK);
    assert_int_equal(gpu_transfer_2d(g, IMAGE, one, 61), BAD_PARAMETER);
    gpu_guest_destroy(g);
}

static void longest_address_list_is_read_across_all_its_pieces(void **state)
{
    (void)state;
    struct gpu_guest *g = gpu_guest_create(&(struct gpu_guest_params){0});
    struct virtio_gpu_mem_entry *entries = calloc(16384, sizeof(*entries));
    assert_non_null(entries);
    for (uint32_t i = 0; i < 16384; i++) { /* one byte each, backwards, some empty */
        entries[i].addr = GPU_GUEST_MEMORY_BASE + 16383 - i;
        entries[i].length = i % 4 != 3;
        g->memory[16383 - i] = (uint8_t)(i * 7);
    }
    assert_int_equal(gpu_create_2d(g, IMAGE, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 64, 48), OK);
    assert_int_equal(gpu_attach_backing(g, IMAGE, entries, 16384), OK);
    const struct virtio_gpu_rect whole = {0, 0, 64, 48};
    assert_int_equal(gpu_transfer_2d(g, IMAGE, whole, 0), OK);
    assert_int_equal(gpu_transfer_2d(g, IMAGE, whole, 1), BAD_PARAMETER);
    assert_int_equal(gpu_set_scanout(g, 0, IMAGE, whole), OK);
    struct pv_gpu_image image = {.struct_size = sizeof(image)};
    assert_true(pv_gpu_scanout(g->gpu, 0, &image));
    for (uint32_t byte = 0; byte < 64 * 48 * 4; byte++) {
        uint32_t entry = byte / 3 * 4 + byte % 3;
        assert_int_equal(((const uint8_t *)image.pixels)[byte], (uint8_t)(entry * 7));
    }
    free(entries);
    gpu_guest_destroy(g);
}

static void absurd_images_are_refused(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    const uint32_t format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM;
    assert_int_equal(gpu_create_2d(g, 0, format, 8, 8), BAD_RESOURCE);
    assert_int_equal(gpu_create_2d(g, IMAGE, format, 8, 8), BAD_RESOURCE);
    assert_int_equal(gpu_create_2d(g, 10, format, 0, 8), BAD_PARAMETER);
    assert_int_equal(gpu_create_2d(g, 10, format, 8, 0), BAD_PARAMETER);
    assert_int_equal(gpu_create_2d(g, 10, format, 16385, 8), BAD_PARAMETER);
    assert_int_equal(gpu_create_2d(g, 10, format, UINT32_MAX, UINT32_MAX), BAD_PARAMETER);
    assert_int_equal(gpu_create_2d(g, 10, 0, 8, 8), BAD_PARAMETER);
    assert_int_equal(gpu_create_2d(g, 10, 5, 8, 8), BAD_PARAMETER);
    for (uint32_t id = 10; id < 12; id++) { /* a GiB each, of two */
        assert_int_equal(gpu_create_2d(g, id, format, 16384, 16384), id == 10 ? OK : NO_MEMORY);
    }
    assert_int_equal(gpu_unref(g, 10), OK);
    assert_int_equal(gpu_create_2d(g, 11, format, 16384, 16384), OK);
    gpu_guest_destroy(g);
}

static void rectangles_stay_inside(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    const struct virtio_gpu_mem_entry entry = {.addr = GPU_GUEST_MEMORY_BASE,
                                               .length = 64 * 64 * 4};
    assert_int_equal(gpu_attach_backing(g, IMAGE, &entry, 1), OK);
    static const struct virtio_gpu_rect outside[] = {
        {0, 0, 65, 1},         {0, 0, 1, 65},         {64, 0, 1, 1},
        {0, 64, 1, 1},         {1, 0, 64, 1},         {0, 1, 1, 64},
        {UINT32_MAX, 0, 2, 1}, {0, UINT32_MAX, 1, 2}, {0, 0, UINT32_MAX, UINT32_MAX},
        {0, 0, 0, 1},          {0, 0, 1, 0},
    };
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        assert_int_equal(gpu_transfer_2d(g, IMAGE, outside[i], 0), BAD_PARAMETER);
        assert_int_equal(gpu_set_scanout(g, 0, IMAGE, outside[i]), BAD_PARAMETER);
        assert_int_equal(gpu_flush(g, IMAGE, outside[i]), BAD_PARAMETER);
    }
    const struct virtio_gpu_rect last = {63, 63, 1, 1};
    assert_int_equal(gpu_transfer_2d(g, IMAGE, last, 64 * 64 * 4 - 4), OK);
    assert_int_equal(gpu_transfer_2d(g, IMAGE, last, 64 * 64 * 4 - 3), BAD_PARAMETER);
    assert_int_equal(gpu_transfer_2d(g, IMAGE, last, UINT64_MAX), BAD_PARAMETER);
    assert_int_equal(gpu_set_scanout(g, 1, IMAGE, last), BAD_SCANOUT);
    assert_int_equal(gpu_set_scanout(g, UINT32_MAX, 0, last), BAD_SCANOUT);
    assert_int_equal(gpu_set_scanout(g, 0, BLOB, last), BAD_RESOURCE);
    gpu_guest_destroy(g);
}

static void three_dimensional_images_are_plain_ones_or_none(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    const struct virtio_gpu_resource_create_3d good = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_CREATE_3D),
        .resource_id = 20,
        .target = 2,
        .format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
        .width = 16,
        .height = 16,
        .depth = 1,
        .array_size = 1,
    };
    struct virtio_gpu_resource_create_3d bad[5] = {good, good, good, good, good};
    bad[0].target = 0;
    bad[1].depth = 2;
    bad[2].array_size = 6;
    bad[3].last_level = 1;
    bad[4].nr_samples = 4;
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(gpu_guest_ask(g, &bad[i], sizeof(bad[i])), BAD_PARAMETER);
    }
    assert_int_equal(gpu_guest_ask(g, &good, sizeof(good)), OK);
    const struct virtio_gpu_mem_entry entry = {.addr = GPU_GUEST_MEMORY_BASE, .length = 4096};
    assert_int_equal(gpu_attach_backing(g, 20, &entry, 1), OK);
    struct virtio_gpu_transfer_host_3d transfer = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D),
        .box = {.x = 2, .y = 3, .w = 4, .h = 2, .d = 1},
        .offset = 100,
        .resource_id = 20,
        .stride = 32,
    };
    memcpy(g->memory + 100 + 32 + 4, "\1\2\3\4", 4);
    assert_int_equal(gpu_guest_ask(g, &transfer, sizeof(transfer)), OK);
    assert_int_equal(gpu_set_scanout(g, 0, 20, (struct virtio_gpu_rect){0, 0, 16, 16}), OK);
    struct pv_gpu_image image = {.struct_size = sizeof(image)};
    assert_true(pv_gpu_scanout(g->gpu, 0, &image));
    assert_memory_equal((const uint8_t *)image.pixels + (4 * 16 + 3) * 4, "\1\2\3\4", 4);
    transfer.box.d = 2;
    assert_int_equal(gpu_guest_ask(g, &transfer, sizeof(transfer)), BAD_PARAMETER);
    transfer.box.d = 1;
    transfer.stride = 15; /* rows of 16 bytes would overlap */
    assert_int_equal(gpu_guest_ask(g, &transfer, sizeof(transfer)), BAD_PARAMETER);
    transfer.stride = UINT32_MAX;
    assert_int_equal(gpu_guest_ask(g, &transfer, sizeof(transfer)), BAD_PARAMETER);
    gpu_guest_destroy(g);
}

static void absurd_blobs_are_refused(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    struct gpu_guest *other = open_guest();
    assert_int_equal(gpu_host_blob(g, CONTEXT, 10, 0, MAPPABLE, 0), BAD_PARAMETER);
    assert_int_equal(gpu_host_blob(g, CONTEXT, 10, 0, MAPPABLE, UINT64_MAX), BAD_PARAMETER);
    assert_int_equal(gpu_host_blob(g, CONTEXT, 10, 0, MAPPABLE, UINT64_MAX - 8191), NO_MEMORY);
    assert_int_equal(gpu_host_blob(g, CONTEXT, 10, 0, MAPPABLE, UINT64_C(2) << 30), NO_MEMORY);
    assert_int_equal(gpu_host_blob(g, CONTEXT, 10, 5, 8, 4096), BAD_PARAMETER);
    assert_int_equal(gpu_host_blob(g, CONTEXT, 0, 0, MAPPABLE, 4096), BAD_RESOURCE);
    assert_int_equal(gpu_host_blob(g, CONTEXT, BLOB, 0, MAPPABLE, 4096), BAD_RESOURCE);
    struct virtio_gpu_resource_create_blob request = {
        .hdr = gpu_context_header(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, CONTEXT),
        .resource_id = 10,
        .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST,
        .blob_flags = MAPPABLE,
        .size = 4096,
    };
    assert_int_equal(gpu_guest_ask(g, &request, sizeof(request)), BAD_PARAMETER);
    request.blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D;
    request.nr_entries = 1;
    assert_int_equal(gpu_guest_ask(g, &request, sizeof(request)), BAD_PARAMETER);
    /* An image is no blob, and a blob that is not for mapping is not mapped. */
    assert_int_equal(gpu_guest_type(g, gpu_send_map(g, IMAGE, 0)), BAD_PARAMETER);
    assert_int_equal(gpu_guest_type(g, gpu_send_map(g, 999, 0)), BAD_RESOURCE);
    (void)gpu_send_host_blob(g, CONTEXT, 11, 5, 0, 4096);
    assert_int_equal(gpu_guest_type(g, gpu_send_map(g, 11, 0)), BAD_PARAMETER);
    gpu_guest_destroy(other);
    gpu_guest_destroy(g);
}

static void device_without_a_window_maps_nothing(void **state)
{
    (void)state;
    struct gpu_guest *g = gpu_guest_create(&(struct gpu_guest_params){.without_window = true});
    assert_int_equal(gpu_ctx_create(g, CONTEXT, 4), OK);
    assert_int_equal(gpu_host_blob(g, CONTEXT, BLOB, 0, MAPPABLE, 4096), OK);
    assert_int_equal(gpu_guest_type(g, gpu_send_map(g, BLOB, 0)), BAD_PARAMETER);
    gpu_guest_destroy(g);
}

static void resources_are_counted(void **state)
{
    (void)state;
    struct guest_baseline baseline = guest_baseline();
    struct gpu_guest *g = gpu_guest_create(&(struct gpu_guest_params){
        .quota = {.struct_size = sizeof(struct pv_gpu_quota), .resources = 1000}});
    for (uint32_t i = 0; i < 1000; i++) { /* ids that a simple hash would put together */
        uint32_t id = (i + 1) << 20;
        assert_int_equal(gpu_create_2d(g, id, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 1, 1), OK);
    }
    assert_int_equal(gpu_create_2d(g, 1, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 1, 1), NO_MEMORY);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(gpu_unref(g, (i + 1) << 20), OK);
        assert_int_equal(gpu_unref(g, (i + 1) << 20), BAD_RESOURCE);
    }
    assert_int_equal(gpu_create_2d(g, 1, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 1, 1), OK);
    gpu_guest_destroy(g);
    assert_true(guest_is_back_at(&baseline, 64 * 1024));
}

static void senseless_parameters_make_no_device(void **state)
{
    (void)state;
    struct pv_gpu *gpu;
    const struct pv_gpu_callbacks none = {0};
    struct pv_gpu_params params = {.struct_size = sizeof(params), .callbacks = &none};
    assert_int_equal(pv_gpu_create(&params, &gpu), PV_UNSUPPORTED);
    assert_null(gpu);
    params.struct_size = 0;
    assert_int_equal(pv_gpu_create(&params, &gpu), PV_UNSUPPORTED);
    pv_gpu_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_requests_of_every_size_get_an_error),
        cmocka_unit_test(responses_never_exceed_their_room),
        cmocka_unit_test(unknown_commands_get_an_error_on_either_queue),
        cmocka_unit_test(longest_request_is_a_mebibyte),
        cmocka_unit_test(stream_that_claims_more_than_it_has_is_refused),
        cmocka_unit_test(address_lists_are_bounded),
        cmocka_unit_test(longest_address_list_is_read_across_all_its_pieces),
        cmocka_unit_test(absurd_images_are_refused),
        cmocka_unit_test(rectangles_stay_inside),
        cmocka_unit_test(three_dimensional_images_are_plain_ones_or_none),
        cmocka_unit_test(absurd_blobs_are_refused),
        cmocka_unit_test(device_without_a_window_maps_nothing),
        cmocka_unit_test(resources_are_counted),
        cmocka_unit_test(senseless_parameters_make_no_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
