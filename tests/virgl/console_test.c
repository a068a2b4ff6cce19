#include "unit/check.h"
#include "virgl/caller.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A guest's images as textures of an OpenGL of ours, which this program has among its own symbols
 * as QEMU's display module may have the real one. */

enum { TEXTURES_MAX = 8, EDGE = 4, PIXEL = 4 };

static struct {
    bool exists;
    int width, height;
    uint8_t pixels[EDGE * EDGE * PIXEL];
} textures[TEXTURES_MAX];
static uint32_t bound, current_error, uploads, contexts, flushes;
static bool is_current, refuses_contexts;

void glGenTextures(int count, uint32_t *names);
void glDeleteTextures(int count, const uint32_t *names);
void glBindTexture(uint32_t target, uint32_t name);
void glTexParameteri(uint32_t target, uint32_t parameter, int value);
void glTexImage2D(uint32_t target, int level, int internal_format, int width, int height,
                  int border, uint32_t format, uint32_t type, const void *pixels);
void glTexSubImage2D(uint32_t target, int level, int x, int y, int width, int height,
                     uint32_t format, uint32_t type, const void *pixels);
void glPixelStorei(uint32_t parameter, int value);
uint32_t glGetError(void);
void glFlush(void);

PV_EXPORT void glGenTextures(int count, uint32_t *names)
{
    assert_true(is_current && count == 1);
    *names = 1;
    while (textures[*names].exists) {
        ++*names;
        assert_true(*names < TEXTURES_MAX);
    }
    textures[*names].exists = true;
}

PV_EXPORT void glDeleteTextures(int count, const uint32_t *names)
{
    assert_true(is_current && count == 1 && textures[*names].exists);
    memset(&textures[*names], 0, sizeof(textures[*names]));
}

PV_EXPORT void glBindTexture(uint32_t target, uint32_t name)
{
    assert_true(is_current && target == 0x0de1 && textures[name].exists);
    bound = name;
}

PV_EXPORT void glTexParameteri(uint32_t target, uint32_t parameter, int value)
{
    assert_true(is_current && target == 0x0de1 && parameter >= 0x2800 && value != 0);
}

PV_EXPORT void glTexImage2D(uint32_t target, int level, int internal_format, int width, int height,
                            int border, uint32_t format, uint32_t type, const void *pixels)
{
    assert_true(is_current && target == 0x0de1 && level == 0 && border == 0 && pixels == NULL);
    assert_true(internal_format == 0x1908 && format == 0x1908 && type == 0x1401);
    if (width > EDGE || height > EDGE) {
        current_error = 0x0501;
        return;
    }
    textures[bound].width = width;
    textures[bound].height = height;
}

PV_EXPORT void glTexSubImage2D(uint32_t target, int level, int x, int y, int width, int height,
                               uint32_t format, uint32_t type, const void *pixels)
{
    assert_true(is_current && target == 0x0de1 && level == 0 && format == 0x1908 && type == 0x1401);
    assert_true(x >= 0 && x + width <= textures[bound].width);
    assert_true(y >= 0 && y + height <= textures[bound].height);
    for (int row = 0; row < height; row++) {
        memcpy(&textures[bound].pixels[((y + row) * textures[bound].width + x) * PIXEL],
               (const uint8_t *)pixels + row * width * PIXEL, (size_t)width * PIXEL);
    }
    uploads++;
}

PV_EXPORT void glPixelStorei(uint32_t parameter, int value)
{
    assert_true(is_current && parameter == 0x0cf5 && value == 4);
}

PV_EXPORT uint32_t glGetError(void)
{
    uint32_t error = current_error;
    current_error = 0;
    return error;
}

PV_EXPORT void glFlush(void)
{
    flushes++;
}

static void *create_gl_context(void *cookie, int scanout, struct pv_virgl_gl_params *params)
{
    (void)cookie;
    assert_true(scanout == 0 && params->version >= 1);
    if (refuses_contexts || params->major > 2) {
        return NULL; /* an old OpenGL ES: the last that is tried */
    }
    contexts++;
    return &contexts;
}

static void destroy_gl_context(void *cookie, void *context)
{
    (void)cookie;
    assert_ptr_equal(context, &contexts);
    contexts--;
}

static int make_current(void *cookie, int scanout, void *context)
{
    (void)cookie;
    assert_int_equal(scanout, 0);
    is_current = context == &contexts;
    return is_current ? 0 : -1;
}

static struct caller caller;

static int open_caller(void **state)
{
    (void)state;
    memset(&caller, 0, sizeof(caller));
    memset(textures, 0, sizeof(textures));
    uploads = flushes = 0;
    caller.callbacks.create_gl_context = create_gl_context;
    caller.callbacks.destroy_gl_context = destroy_gl_context;
    caller.callbacks.make_current = make_current;
    caller_open(&caller, 0);
    return 0;
}

static int close_caller(void **state)
{
    (void)state;
    caller_close(&caller);
    for (uint32_t i = 0; i < TEXTURES_MAX; i++) {
        if (textures[i].exists) {
            return -1;
        }
    }
    return contexts == 0 ? 0 : -1;
}

static uint32_t create_image(uint32_t id, uint32_t format, uint32_t flags, uint32_t edge)
{
    struct pv_virgl_resource_args args = {.handle = id,
                                          .target = 2,
                                          .format = format,
                                          .bind = 2,
                                          .width = edge,
                                          .height = edge,
                                          .depth = 1,
                                          .array_size = 1,
                                          .flags = flags};
    assert_int_equal(virgl_renderer_resource_create(&args, NULL, 0), 0);
    struct pv_virgl_info_ext info;
    memset(&info, 0xee, sizeof(info));
    assert_int_equal(virgl_renderer_resource_get_info_ext((int)id, &info), 0);
    assert_int_equal(info.base.handle, id);
    assert_int_equal(info.base.width, edge);
    assert_int_equal(info.base.height, edge);
    assert_int_equal(info.base.stride, edge * PIXEL);
    assert_int_equal(info.base.flags, flags);
    assert_int_equal(info.base.fd, -1);
    assert_false(info.has_dmabuf_export);
    return info.base.texture;
}

/* Each byte of the backing says where it is. */
static void fill(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)i;
    }
}

static void pixels_become_red_green_blue_and_rows_are_turned_over(void **state)
{
    (void)state;
    uint8_t bytes[EDGE * EDGE * PIXEL];
    fill(bytes, sizeof(bytes));
    /* In pieces that end in the midst of a pixel. */
    struct iovec iov[3] = {{bytes, 7}, {bytes + 7, 0}, {bytes + 7, sizeof(bytes) - 7}};
    struct pv_virgl_box whole = {0, 0, 0, EDGE, EDGE, 1};
    uint32_t texture = create_image(5, 2, PV_VIRGL_Y_0_TOP, EDGE);
    assert_int_not_equal(texture, 0);
    assert_int_equal(virgl_renderer_resource_attach_iov(5, iov, 3), 0);
    assert_int_equal(virgl_renderer_transfer_write_iov(5, 0, 0, 0, 0, &whole, 0, NULL, 0), 0);
    assert_int_equal(uploads, 1);
    assert_int_equal(flushes, 1);
    for (uint32_t y = 0; y < EDGE; y++) {
        for (uint32_t x = 0; x < EDGE; x++) {
            const uint8_t *pixel = &textures[texture].pixels[((EDGE - 1 - y) * EDGE + x) * PIXEL];
            uint32_t first = (y * EDGE + x) * PIXEL;
            assert_int_equal(pixel[0], first + 2);
            assert_int_equal(pixel[1], first + 1);
            assert_int_equal(pixel[2], first);
            assert_int_equal(pixel[3], 0xff);
        }
    }
}

static void a_box_is_read_from_its_offset_and_keeps_alpha(void **state)
{
    (void)state;
    uint8_t bytes[EDGE * EDGE * PIXEL];
    fill(bytes, sizeof(bytes));
    struct iovec iov = {bytes, sizeof(bytes)};
    struct pv_virgl_box box = {1, 2, 0, 2, 2, 1};
    uint32_t texture = create_image(5, 1, 0, EDGE);
    uint64_t offset = (2 * EDGE + 1) * PIXEL;
    assert_int_equal(virgl_renderer_transfer_write_iov(5, 0, 0, 0, 0, &box, offset, &iov, 1), 0);
    for (uint32_t y = 0; y < EDGE; y++) {
        for (uint32_t x = 0; x < EDGE; x++) {
            const uint8_t *pixel = &textures[texture].pixels[(y * EDGE + x) * PIXEL];
            bool inside = x >= 1 && x < 3 && y >= 2;
            assert_int_equal(pixel[0], inside ? (y * EDGE + x) * PIXEL + 2 : 0);
            assert_int_equal(pixel[3], inside ? (y * EDGE + x) * PIXEL + 3 : 0);
        }
    }
}

static void boxes_and_backings_that_do_not_fit_change_nothing_else(void **state)
{
    (void)state;
    uint8_t bytes[EDGE * PIXEL];
    fill(bytes, sizeof(bytes));
    struct iovec iov = {bytes, sizeof(bytes)};
    create_image(5, 2, 0, EDGE);
    struct pv_virgl_box boxes[] = {{1, 0, 0, EDGE, 1, 1},
                                   {0, EDGE, 0, 1, 1, 1},
                                   {UINT32_MAX, 0, 0, 2, 1, 1},
                                   {0, 2, 0, 1, UINT32_MAX, 1}};
    for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++) {
        assert_int_equal(virgl_renderer_transfer_write_iov(5, 0, 0, 0, 0, &boxes[i], 0, &iov, 1),
                         EINVAL);
    }
    struct pv_virgl_box whole = {0, 0, 0, EDGE, EDGE, 1};
    /* Far outside, without any, with half of a row. */
    assert_int_equal(virgl_renderer_transfer_write_iov(5, 0, 0, 0, 0, &whole, UINT64_MAX, &iov, 1),
                     0);
    assert_int_equal(virgl_renderer_transfer_write_iov(5, 0, 0, 0, 0, &whole, 0, NULL, 0), 0);
    assert_int_equal(virgl_renderer_transfer_write_iov(5, 0, 0, 0, 0, &whole, 8, &iov, 1), 0);
    assert_int_equal(virgl_renderer_transfer_write_iov(6, 0, 0, 0, 0, &whole, 0, &iov, 1), EINVAL);
    assert_int_equal(uploads, 0);
    /* One row of four. */
    assert_int_equal(virgl_renderer_transfer_write_iov(5, 0, 0, 0, 0, &whole, 0, &iov, 1), 0);
    assert_int_equal(uploads, 1);
}

static void what_cannot_be_a_texture_is_an_image_all_the_same(void **state)
{
    (void)state;
    uint8_t bytes[64] = {0};
    struct iovec iov = {bytes, sizeof(bytes)};
    struct pv_virgl_box whole = {0, 0, 0, EDGE, EDGE, 1};
    assert_int_equal(create_image(5, 2, 0, EDGE + 1), 0); /* too large for this OpenGL */
    assert_int_equal(create_image(6, 999, 0, EDGE), 0);   /* a format of other things */
    assert_int_equal(virgl_renderer_transfer_write_iov(6, 0, 0, 0, 0, &whole, 0, &iov, 1), 0);
    assert_int_equal(uploads, 0);
}

static void without_a_context_the_console_stays_black(void **state)
{
    (void)state;
    caller_close(&caller);
    refuses_contexts = true;
    (void)open_caller(NULL);
    assert_int_equal(create_image(5, 2, PV_VIRGL_Y_0_TOP, EDGE), 0);
    caller_close(&caller);
    refuses_contexts = false;
    memset(&caller.callbacks, 0, sizeof(caller.callbacks)); /* nor with a caller that has none */
    caller_open(&caller, 0);
    assert_int_equal(create_image(5, 2, PV_VIRGL_Y_0_TOP, EDGE), 0);
}

static void a_cursor_is_what_the_guest_has_drawn(void **state)
{
    (void)state;
    uint8_t bytes[EDGE * EDGE * PIXEL];
    fill(bytes, sizeof(bytes));
    struct iovec iov[2] = {{bytes, 10}, {bytes + 10, sizeof(bytes) - 10}};
    uint32_t width = 0, height = 0;
    create_image(5, 1, PV_VIRGL_Y_0_TOP, EDGE);
    assert_null(virgl_renderer_get_cursor_data(5, &width, &height));
    assert_int_equal(virgl_renderer_resource_attach_iov(5, iov, 2), 0);
    uint8_t *pixels = virgl_renderer_get_cursor_data(5, &width, &height);
    assert_non_null(pixels);
    assert_int_equal(width, EDGE);
    assert_int_equal(height, EDGE);
    assert_memory_equal(pixels, bytes, sizeof(bytes));
    free(pixels);
    assert_null(virgl_renderer_get_cursor_data(6, &width, &height));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_caller, close_caller)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pixels_become_red_green_blue_and_rows_are_turned_over),
        TEST(a_box_is_read_from_its_offset_and_keeps_alpha),
        TEST(boxes_and_backings_that_do_not_fit_change_nothing_else),
        TEST(what_cannot_be_a_texture_is_an_image_all_the_same),
        TEST(without_a_context_the_console_stays_black),
        TEST(a_cursor_is_what_the_guest_has_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
