/* The demo's verdict: two pictures are the same or they are not, and an empty one is noticed. */
#include "cli/demo/picture.h"
#include "cmocka_in_order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WIDTH = 64, HEIGHT = 48, PIXELS = WIDTH * HEIGHT };

static struct demo_picture make_gradient(void)
{
    uint8_t rgba[PIXELS * 4];
    struct demo_picture picture;
    for (unsigned i = 0; i < PIXELS; i++) {
        const uint8_t pixel[4] = {(uint8_t)i, (uint8_t)(i / WIDTH), (uint8_t)(i % WIDTH), 77};
        memcpy(rgba + i * 4, pixel, 4);
    }
    assert_true(demo_picture_from_rgba(&picture, rgba, WIDTH, HEIGHT));
    return picture;
}

static void equal_pictures_are_identical(void **state)
{
    (void)state;
    struct demo_picture a = make_gradient();
    struct demo_picture b = make_gradient();
    struct demo_difference difference;
    demo_picture_compare(&a, &b, &difference);
    assert_true(difference.same_size);
    assert_int_equal(difference.pixels, PIXELS);
    assert_int_equal(difference.different, 0);
    assert_int_equal(difference.largest, 0);
    demo_picture_finish(&a);
    demo_picture_finish(&b);
}

static void one_changed_channel_is_one_different_pixel(void **state)
{
    (void)state;
    struct demo_picture a = make_gradient();
    struct demo_picture b = make_gradient();
    struct demo_difference difference;
    b.rgb[3 * (PIXELS - 1) + 2] = (uint8_t)(b.rgb[3 * (PIXELS - 1) + 2] - 9);
    demo_picture_compare(&a, &b, &difference);
    assert_int_equal(difference.different, 1);
    assert_int_equal(difference.largest, 9);
    demo_picture_compare(&b, &a, &difference);
    assert_int_equal(difference.different, 1);
    assert_int_equal(difference.largest, 9);
    demo_picture_finish(&a);
    demo_picture_finish(&b);
}

static void pictures_of_different_sizes_differ_everywhere(void **state)
{
    (void)state;
    struct demo_picture a = make_gradient();
    struct demo_picture b = make_gradient();
    struct demo_difference difference;
    b.width = HEIGHT;
    b.height = WIDTH;
    demo_picture_compare(&a, &b, &difference);
    assert_false(difference.same_size);
    assert_int_equal(difference.different, PIXELS);
    demo_picture_finish(&a);
    demo_picture_finish(&b);
}

static void a_png_gives_back_every_pixel(void **state)
{
    (void)state;
    char path[] = "/tmp/pearvisor-picture-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    struct demo_picture a = make_gradient();
    struct demo_picture b;
    struct demo_difference difference;
    assert_true(demo_picture_write(&a, path));
    assert_true(demo_picture_read(&b, path));
    demo_picture_compare(&a, &b, &difference);
    assert_true(difference.same_size);
    assert_int_equal(difference.different, 0);
    demo_picture_finish(&a);
    demo_picture_finish(&b);
    assert_int_equal(truncate(path, 100), 0);
    assert_false(demo_picture_read(&b, path));
    assert_null(b.rgb);
    unlink(path);
    assert_false(demo_picture_read(&b, path));
}

static void one_colour_is_uniform_and_a_gradient_is_not(void **state)
{
    (void)state;
    struct demo_picture picture = make_gradient();
    struct demo_variety variety;
    assert_true(demo_picture_measure(&picture, &variety));
    assert_int_equal(variety.colours, PIXELS);
    assert_false(demo_picture_is_uniform(&variety));
    memset(picture.rgb, 30, PIXELS * 3);
    assert_true(demo_picture_measure(&picture, &variety));
    assert_int_equal(variety.colours, 1);
    assert_true(demo_picture_is_uniform(&variety));
    demo_picture_finish(&picture);
}

static void one_colour_that_covers_nearly_all_is_uniform(void **state)
{
    (void)state;
    const struct demo_variety speckled = {.colours = 5000, .largest_share = 0.99};
    const struct demo_variety few = {.colours = 12, .largest_share = 0.10};
    const struct demo_variety rich = {.colours = 5000, .largest_share = 0.60};
    assert_true(demo_picture_is_uniform(&speckled));
    assert_true(demo_picture_is_uniform(&few));
    assert_false(demo_picture_is_uniform(&rich));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_pictures_are_identical),
        cmocka_unit_test(one_changed_channel_is_one_different_pixel),
        cmocka_unit_test(pictures_of_different_sizes_differ_everywhere),
        cmocka_unit_test(a_png_gives_back_every_pixel),
        cmocka_unit_test(one_colour_is_uniform_and_a_gradient_is_not),
        cmocka_unit_test(one_colour_that_covers_nearly_all_is_uniform),
    };
    return cmocka_run_group_tests_name("demo_picture", tests, NULL, NULL);
}
