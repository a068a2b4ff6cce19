#include "check.h"
#include "fakes/gpu_guest.h"
#include "fakes/guest.h"

#include <string.h>

/* What Linux' driver says until there is a console, and what the host sees of it. */

enum { WIDTH = 64, HEIGHT = 32, FB = 1, CURSOR = 2, PAGE = 4096 };

static const struct virtio_gpu_rect whole = {0, 0, WIDTH, HEIGHT};

static struct gpu_guest *open_guest(void)
{
    return gpu_guest_create(&(struct gpu_guest_params){.width = WIDTH, .height = HEIGHT});
}

static uint8_t *at(struct gpu_guest *g, uint64_t guest_address)
{
    return g->memory + (guest_address - GPU_GUEST_MEMORY_BASE);
}

/* A console whose pages are scattered, as a guest's are: every second one. */
static void open_console(struct gpu_guest *g, uint32_t format)
{
    struct virtio_gpu_mem_entry pages[WIDTH * HEIGHT * 4 / PAGE] = {0};
    for (uint32_t i = 0; i < WIDTH * HEIGHT * 4 / PAGE; i++) {
        pages[i].addr = GPU_GUEST_MEMORY_BASE + 2 * i * PAGE;
        pages[i].length = PAGE;
    }
    assert_int_equal(gpu_create_2d(g, FB, format, WIDTH, HEIGHT), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(gpu_attach_backing(g, FB, pages, WIDTH * HEIGHT * 4 / PAGE),
                     VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(gpu_set_scanout(g, 0, FB, whole), VIRTIO_GPU_RESP_OK_NODATA);
}

/* Where the guest keeps a pixel of it. */
static uint8_t *pixel(struct gpu_guest *g, uint32_t x, uint32_t y)
{
    uint32_t offset = (y * WIDTH + x) * 4;
    return at(g, GPU_GUEST_MEMORY_BASE + offset / PAGE * 2 * PAGE + offset % PAGE);
}

static void draw(struct gpu_guest *g)
{
    for (uint32_t y = 0; y < HEIGHT; y++) {
        for (uint32_t x = 0; x < WIDTH; x++) {
            const uint8_t bgrx[4] = {(uint8_t)x, (uint8_t)y, (uint8_t)(x ^ y), 0xff};
            memcpy(pixel(g, x, y), bgrx, 4);
        }
    }
}

static const uint8_t *shown(struct gpu_guest *g, uint32_t x, uint32_t y)
{
    struct pv_gpu_image image = {.struct_size = sizeof(image)};
    assert_true(pv_gpu_scanout(g->gpu, 0, &image));
    assert_non_null(image.pixels);
    return (const uint8_t *)image.pixels + y * image.stride_bytes + x * 4;
}

static void driver_finds_what_venus_needs(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    assert_int_equal(pv_gpu_features(g->gpu), 1 << VIRTIO_GPU_F_VIRGL | 1 << VIRTIO_GPU_F_EDID |
                                                  1 << VIRTIO_GPU_F_RESOURCE_UUID |
                                                  1 << VIRTIO_GPU_F_RESOURCE_BLOB |
                                                  1 << VIRTIO_GPU_F_CONTEXT_INIT);
    struct virtio_gpu_config config;
    assert_int_equal(pv_gpu_config_size(g->gpu), sizeof(config));
    pv_gpu_read_config(g->gpu, 0, &config, sizeof(config));
    assert_int_equal(config.events_read, 0);
    assert_int_equal(config.num_scanouts, 1);
    assert_int_equal(config.num_capsets, 1);
    uint8_t beyond[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    pv_gpu_read_config(g->gpu, 12, beyond, sizeof(beyond));
    assert_memory_equal(beyond, "\1\0\0\0\0\0\0\0", 8);
    pv_gpu_read_config(g->gpu, UINT32_MAX, beyond, sizeof(beyond));
    assert_memory_equal(beyond, "\0\0\0\0\0\0\0\0", 8);
    gpu_guest_destroy(g);
}

static void blob_alignment_is_offered_only_when_asked_for(void **state)
{
    (void)state;
    struct gpu_guest *g = gpu_guest_create(&(struct gpu_guest_params){.blob_alignment = 16384});
    assert_true((pv_gpu_features(g->gpu) & 1 << 5) != 0);
    assert_int_equal(pv_gpu_config_size(g->gpu), 20);
    uint32_t alignment;
    pv_gpu_read_config(g->gpu, 16, &alignment, sizeof(alignment));
    assert_int_equal(alignment, 16384);
    gpu_guest_destroy(g);
}

static void only_capset_is_venus(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    struct virtio_gpu_get_capset_info info = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_GET_CAPSET_INFO),
    };
    uint64_t token = gpu_guest_send(g, &info, sizeof(info));
    const struct gpu_answer *answer = gpu_guest_answer(g, token);
    const struct virtio_gpu_resp_capset_info *told = (const void *)answer->bytes;
    assert_int_equal(answer->size, sizeof(*told));
    assert_int_equal(told->hdr.type, VIRTIO_GPU_RESP_OK_CAPSET_INFO);
    assert_int_equal(told->capset_id, 4);
    assert_int_equal(told->capset_max_version, 0);
    assert_int_equal(told->capset_max_size, 160);
    info.capset_index = 1;
    assert_int_equal(gpu_guest_ask(g, &info, sizeof(info)), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);

    struct virtio_gpu_get_capset get = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_GET_CAPSET),
        .capset_id = 4,
    };
    token = gpu_guest_send(g, &get, sizeof(get));
    answer = gpu_guest_answer(g, token);
    assert_int_equal(gpu_guest_type(g, token), VIRTIO_GPU_RESP_OK_CAPSET);
    assert_int_equal(answer->size, sizeof(struct virtio_gpu_ctrl_hdr) + 160);
    uint8_t capset[160];
    pv_renderer_capset(NULL, capset);
    assert_memory_equal(answer->bytes + sizeof(struct virtio_gpu_ctrl_hdr), capset, 160);
    get.capset_id = 1;
    assert_int_equal(gpu_guest_ask(g, &get, sizeof(get)), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    gpu_guest_destroy(g);
}

static void console_is_shown_as_the_guest_drew_it(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    struct virtio_gpu_ctrl_hdr get = gpu_header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO);
    uint64_t token = gpu_guest_send(g, &get, sizeof(get));
    const struct virtio_gpu_resp_display_info *info =
        (const void *)gpu_guest_answer(g, token)->bytes;
    assert_int_equal(info->pmodes[0].enabled, 1);
    assert_int_equal(info->pmodes[0].r.width, WIDTH);
    assert_int_equal(info->pmodes[0].r.height, HEIGHT);
    assert_int_equal(info->pmodes[1].enabled, 0);

    open_console(g, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM);
    assert_int_equal(g->display_count, 1);
    draw(g);
    assert_int_equal(shown(g, 5, 3)[0], 0); /* not before the transfer */
    assert_int_equal(gpu_transfer_2d(g, FB, whole, 0), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(gpu_flush(g, FB, whole), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(g->display_count, 2);
    for (uint32_t y = 0; y < HEIGHT; y++) {
        for (uint32_t x = 0; x < WIDTH; x++) {
            assert_memory_equal(shown(g, x, y), pixel(g, x, y), 4);
        }
    }
    gpu_guest_destroy(g);
}

static void blinking_cursor_changes_its_rectangle_alone(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    open_console(g, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM);
    draw(g);
    const struct virtio_gpu_rect rect = {8, 16, 4, 2};
    assert_int_equal(gpu_transfer_2d(g, FB, rect, (16 * WIDTH + 8) * 4), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(gpu_flush(g, FB, rect), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(g->displayed.x, 8);
    assert_int_equal(g->displayed.y, 16);
    assert_int_equal(g->displayed.width, 4);
    assert_int_equal(g->displayed.height, 2);
    assert_memory_equal(shown(g, 8, 16), pixel(g, 8, 16), 16);
    assert_memory_equal(shown(g, 8, 17), pixel(g, 8, 17), 16);
    assert_memory_equal(shown(g, 7, 16), "\0\0\0\0", 4);
    assert_memory_equal(shown(g, 12, 16), "\0\0\0\0", 4);
    assert_memory_equal(shown(g, 8, 18), "\0\0\0\0", 4);
    gpu_guest_destroy(g);
}

static void every_format_is_shown_in_its_colours(void **state)
{
    (void)state;
    /* Blue 1, green 2, red 3, as each format has them in memory; 9: what is left. */
    static const struct {
        uint32_t format;
        uint8_t bytes[4];
    } formats[] = {
        {VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, {1, 2, 3, 9}},
        {VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, {1, 2, 3, 9}},
        {VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM, {9, 3, 2, 1}},
        {VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, {9, 3, 2, 1}},
        {VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM, {3, 2, 1, 9}},
        {VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, {9, 1, 2, 3}},
        {VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM, {9, 1, 2, 3}},
        {VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, {3, 2, 1, 9}},
    };
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct gpu_guest *g = open_guest();
        open_console(g, formats[i].format);
        memcpy(pixel(g, 60, 30), formats[i].bytes, 4);
        assert_int_equal(gpu_transfer_2d(g, FB, whole, 0), VIRTIO_GPU_RESP_OK_NODATA);
        assert_memory_equal(shown(g, 60, 30), "\1\2\3", 3);
        assert_memory_equal(shown(g, 59, 30), "\0\0\0", 3);
        gpu_guest_destroy(g);
    }
}

static void scanout_ends_with_its_resource(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    struct pv_gpu_image image = {.struct_size = sizeof(image)};
    open_console(g, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM);
    assert_int_equal(gpu_unref(g, FB), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(g->display_count, 2);
    assert_true(pv_gpu_scanout(g->gpu, 0, &image));
    assert_int_equal(image.width, 0);
    assert_null(image.pixels);
    assert_false(pv_gpu_scanout(g->gpu, 1, &image));
    open_console(g, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM);
    assert_int_equal(gpu_set_scanout(g, 0, 0, (struct virtio_gpu_rect){0}),
                     VIRTIO_GPU_RESP_OK_NODATA);
    assert_true(pv_gpu_scanout(g->gpu, 0, &image));
    assert_int_equal(image.width, 0);
    gpu_guest_destroy(g);
}

static void resize_tells_the_guest(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    pv_gpu_resize(g->gpu, 0, 800, 600);
    assert_int_equal(g->config_count, 1);
    uint32_t events;
    pv_gpu_read_config(g->gpu, 0, &events, sizeof(events));
    assert_int_equal(events, VIRTIO_GPU_EVENT_DISPLAY);
    pv_gpu_write_config(g->gpu, 0, &events, sizeof(events)); /* read only */
    pv_gpu_read_config(g->gpu, 0, &events, sizeof(events));
    assert_int_equal(events, VIRTIO_GPU_EVENT_DISPLAY);
    pv_gpu_write_config(g->gpu, 4, &events, sizeof(events));
    pv_gpu_read_config(g->gpu, 0, &events, sizeof(events));
    assert_int_equal(events, 0);
    struct virtio_gpu_ctrl_hdr get = gpu_header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO);
    const struct virtio_gpu_resp_display_info *info =
        (const void *)gpu_guest_answer(g, gpu_guest_send(g, &get, sizeof(get)))->bytes;
    assert_int_equal(info->pmodes[0].r.width, 800);
    pv_gpu_resize(g->gpu, 0, 0, 0);
    info = (const void *)gpu_guest_answer(g, gpu_guest_send(g, &get, sizeof(get)))->bytes;
    assert_int_equal(info->pmodes[0].enabled, 0);
    gpu_guest_destroy(g);
}

static void cursor_queue_takes_what_it_gets(void **state)
{
    (void)state;
    struct gpu_guest *g = open_guest();
    assert_int_equal(gpu_create_2d(g, CURSOR, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 64, 64),
                     VIRTIO_GPU_RESP_OK_NODATA);
    struct virtio_gpu_update_cursor request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_UPDATE_CURSOR),
        .pos = {.x = 5, .y = 6},
        .resource_id = CURSOR,
    };
    uint64_t token = gpu_guest_send_to(g, PV_GPU_QUEUE_CURSOR, &request, sizeof(request), 0);
    assert_int_equal(gpu_guest_answer(g, token)->size, 0);
    request.hdr.type = VIRTIO_GPU_CMD_MOVE_CURSOR;
    token = gpu_guest_send_to(g, PV_GPU_QUEUE_CURSOR, &request, sizeof(request), 24);
    assert_int_equal(gpu_guest_type(g, token), VIRTIO_GPU_RESP_OK_NODATA);
    request.pos.scanout_id = 1;
    token = gpu_guest_send_to(g, PV_GPU_QUEUE_CURSOR, &request, sizeof(request), 24);
    assert_int_equal(gpu_guest_type(g, token), VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID);
    token = gpu_guest_send_to(g, PV_GPU_QUEUE_CONTROL, &request, sizeof(request), 24);
    assert_int_equal(gpu_guest_type(g, token), VIRTIO_GPU_RESP_ERR_UNSPEC);
    gpu_guest_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(driver_finds_what_venus_needs),
        cmocka_unit_test(blob_alignment_is_offered_only_when_asked_for),
        cmocka_unit_test(only_capset_is_venus),
        cmocka_unit_test(console_is_shown_as_the_guest_drew_it),
        cmocka_unit_test(blinking_cursor_changes_its_rectangle_alone),
        cmocka_unit_test(every_format_is_shown_in_its_colours),
        cmocka_unit_test(scanout_ends_with_its_resource),
        cmocka_unit_test(resize_tells_the_guest),
        cmocka_unit_test(cursor_queue_takes_what_it_gets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
