#include "check.h"
#include "fakes/gpu_guest.h"

#include <string.h>

/* The EDID, read as a driver does: VESA E-EDID 1.4, tables 3.1 and 3.18 to 3.22. */

static const uint8_t *get_edid(struct gpu_guest *g, uint32_t scanout, uint32_t *size)
{
    const struct virtio_gpu_cmd_get_edid request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_GET_EDID),
        .scanout = scanout,
    };
    uint64_t token = gpu_guest_send(g, &request, sizeof(request));
    if (gpu_guest_type(g, token) != VIRTIO_GPU_RESP_OK_EDID) {
        return NULL;
    }
    const struct virtio_gpu_resp_edid *told = (const void *)gpu_guest_answer(g, token)->bytes;
    *size = told->size;
    return told->edid;
}

static void edid_describes_a_monitor_of_the_scanouts_size(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, height;
    } sizes[] = {{1920, 1080}, {800, 600}, {1280, 800}, {2560, 1440}, {3840, 2160}, {320, 200}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct gpu_guest *g = gpu_guest_create(
            &(struct gpu_guest_params){.width = sizes[i].width, .height = sizes[i].height});
        uint32_t size;
        const uint8_t *edid = get_edid(g, 0, &size);
        assert_non_null(edid);
        assert_int_equal(size, 128);
        assert_memory_equal(edid, "\0\xff\xff\xff\xff\xff\xff\0", 8);
        assert_int_equal(edid[18], 1);
        assert_int_equal(edid[19], 4);
        assert_int_equal(edid[126], 0); /* extensions */
        uint8_t sum = 0;
        for (uint32_t at = 0; at < 128; at++) {
            sum = (uint8_t)(sum + edid[at]);
        }
        assert_int_equal(sum, 0);
        const uint8_t *timing = edid + 54;
        uint32_t clock_khz = 10 * ((uint32_t)timing[0] | (uint32_t)timing[1] << 8);
        uint32_t width = timing[2] | (timing[4] & 0xf0u) << 4;
        uint32_t height = timing[5] | (timing[7] & 0xf0u) << 4;
        uint32_t total = (width + (timing[3] | (timing[4] & 15u) << 8)) *
                         (height + (timing[6] | (timing[7] & 15u) << 8));
        assert_int_equal(width, sizes[i].width);
        assert_int_equal(height, sizes[i].height);
        uint32_t millihertz = (uint32_t)((uint64_t)clock_khz * 1000 * 1000 / total);
        assert_in_range(millihertz, 59500, 60500);
        assert_memory_equal(edid + 72, "\0\0\0\xfc\0PearVisor\n   ", 18);
        gpu_guest_destroy(g);
    }
}

static void edid_follows_the_monitor(void **state)
{
    (void)state;
    struct gpu_guest *g = gpu_guest_create(&(struct gpu_guest_params){.scanouts = 2});
    uint32_t size;
    assert_null(get_edid(g, 2, &size));
    const uint8_t *first = get_edid(g, 0, &size);
    const uint8_t *second = get_edid(g, 1, &size);
    assert_memory_not_equal(first, second, 128); /* two monitors, not one twice */
    pv_gpu_resize(g->gpu, 1, 640, 480);
    const uint8_t *edid = get_edid(g, 1, &size);
    assert_int_equal(edid[54 + 2] | (edid[54 + 4] & 0xf0) << 4, 640);
    pv_gpu_resize(g->gpu, 1, 0, 0);
    assert_null(get_edid(g, 1, &size));
    pv_gpu_resize(g->gpu, 1, 7680, 4320); /* more than an EDID can say: the display info does */
    assert_null(get_edid(g, 1, &size));
    gpu_guest_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edid_describes_a_monitor_of_the_scanouts_size),
        cmocka_unit_test(edid_follows_the_monitor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
