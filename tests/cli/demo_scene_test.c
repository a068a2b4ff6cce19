/* The numbers behind the demo's picture: near enough to libm's, and the same for the same seed. */
#include "cli/demo/scene.h"
#include "cmocka_in_order.h"

#include <math.h>
#include <string.h>

static void sines_and_roots_are_near_those_of_libm(void **state)
{
    (void)state;
    for (int i = -4000; i <= 4000; i++) {
        const double turns = i / 1000.0;
        double sine;
        double cosine;
        demo_scene_sincos(turns, &sine, &cosine);
        assert_true(fabs(sine - sin(turns * 6.283185307179586)) < 1e-6);
        assert_true(fabs(cosine - cos(turns * 6.283185307179586)) < 1e-6);
    }
    for (double value = 1e-6; value < 1e6; value *= 1.7) {
        assert_true(fabs(demo_scene_sqrt(value) - sqrt(value)) < 1e-9 * sqrt(value));
    }
}

static void every_face_looks_outward_and_winds_the_same_way(void **state)
{
    (void)state;
    struct demo_vertex vertices[DEMO_VERTICES];
    uint16_t indices[DEMO_INDICES];
    demo_scene_cube(vertices, indices);
    for (unsigned i = 0; i < DEMO_INDICES; i += 3) {
        const float *a = vertices[indices[i]].position;
        const float *b = vertices[indices[i + 1]].position;
        const float *c = vertices[indices[i + 2]].position;
        const float *normal = vertices[indices[i]].normal;
        float facing = 0.0f;
        for (unsigned k = 0; k < 3; k++) {
            const unsigned l = (k + 1) % 3;
            const unsigned m = (k + 2) % 3;
            facing += normal[k] * ((b[l] - a[l]) * (c[m] - a[m]) - (b[m] - a[m]) * (c[l] - a[l]));
        }
        assert_true(facing > 0.0f);
        assert_true(normal[0] * a[0] + normal[1] * a[1] + normal[2] * a[2] > 0.0f);
    }
}

static void a_seed_and_a_frame_always_give_the_same_scene(void **state)
{
    (void)state;
    struct demo_frame first;
    struct demo_frame again;
    struct demo_instance cubes[DEMO_INSTANCES];
    struct demo_instance cubes_again[DEMO_INSTANCES];
    demo_scene_frame(7, 50, &first);
    demo_scene_frame(7, 50, &again);
    demo_scene_instances(7, 50, cubes);
    demo_scene_instances(7, 50, cubes_again);
    assert_memory_equal(&first, &again, sizeof(first));
    assert_memory_equal(cubes, cubes_again, sizeof(cubes));
}

static void another_seed_changes_colours_and_places(void **state)
{
    (void)state;
    struct demo_frame a;
    struct demo_frame b;
    struct demo_instance cubes_a[DEMO_INSTANCES];
    struct demo_instance cubes_b[DEMO_INSTANCES];
    demo_scene_frame(1, 50, &a);
    demo_scene_frame(2, 50, &b);
    demo_scene_instances(1, 50, cubes_a);
    demo_scene_instances(2, 50, cubes_b);
    assert_memory_not_equal(a.face_low, b.face_low, sizeof(a.face_low));
    assert_memory_not_equal(cubes_a[1].place, cubes_b[1].place, sizeof(cubes_a[1].place));
}

static void the_last_frame_of_a_turn_leads_back_to_the_first(void **state)
{
    (void)state;
    struct demo_instance first[DEMO_INSTANCES];
    struct demo_instance next[DEMO_INSTANCES];
    demo_scene_instances(3, 0, first);
    demo_scene_instances(3, DEMO_FRAMES_PER_TURN, next);
    assert_memory_equal(first, next, sizeof(first));
}

static void quaternions_have_length_one(void **state)
{
    (void)state;
    struct demo_instance cubes[DEMO_INSTANCES];
    for (uint32_t frame = 0; frame < DEMO_FRAMES_PER_TURN; frame += 37) {
        demo_scene_instances(9, frame, cubes);
        for (unsigned i = 0; i < DEMO_INSTANCES; i++) {
            const float *q = cubes[i].rotation;
            const float length = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
            assert_true(length > 0.99999f && length < 1.00001f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sines_and_roots_are_near_those_of_libm),
        cmocka_unit_test(every_face_looks_outward_and_winds_the_same_way),
        cmocka_unit_test(a_seed_and_a_frame_always_give_the_same_scene),
        cmocka_unit_test(another_seed_changes_colours_and_places),
        cmocka_unit_test(the_last_frame_of_a_turn_leads_back_to_the_first),
        cmocka_unit_test(quaternions_have_length_one),
    };
    return cmocka_run_group_tests_name("demo_scene", tests, NULL, NULL);
}
