#include "scene.h"

#include <string.h>

static const double floor_height = -1.42;

/* A fixed stream of numbers for a seed: the same as the compute job's mixing step. */
static double pick(uint32_t seed, uint32_t index)
{
    uint32_t state =
        seed * UINT32_C(2654435769) + index * UINT32_C(747796405) + UINT32_C(2891336453);
    for (int turn = 0; turn < 2; turn++) {
        state = ((state >> ((state >> 28) + 4)) ^ state) * UINT32_C(277803737);
        state ^= state >> 22;
    }
    return (double)(state >> 8) / 16777216.0;
}

/* Hues a golden section apart: neighbouring seeds look different. */
static double base_hue(uint32_t seed)
{
    return 0.60 + (double)(seed % 1000) * 0.38196601125;
}

static double fraction(double value)
{
    return value - (double)(int64_t)value + (value < 0.0 ? 1.0 : 0.0);
}

/* Taylor's series over an eighth of a turn on both sides of 0 */
static void sincos_small(double radians, double *sine, double *cosine)
{
    const double x2 = radians * radians;
    *sine = radians * (1.0 - x2 / 6.0 * (1.0 - x2 / 20.0 * (1.0 - x2 / 42.0 * (1.0 - x2 / 72.0))));
    *cosine = 1.0 - x2 / 2.0 * (1.0 - x2 / 12.0 * (1.0 - x2 / 30.0 * (1.0 - x2 / 56.0)));
}

void demo_scene_sincos(double turns, double *sine, double *cosine)
{
    const double quarters = fraction(turns) * 4.0;
    const int quarter = (int)(quarters + 0.5);
    double s;
    double c;
    sincos_small((quarters - quarter) * 1.57079632679489662, &s, &c);
    switch (quarter % 4) {
    case 0:
        *sine = s;
        *cosine = c;
        break;
    case 1:
        *sine = c;
        *cosine = -s;
        break;
    case 2:
        *sine = -s;
        *cosine = -c;
        break;
    default:
        *sine = -c;
        *cosine = s;
        break;
    }
}

double demo_scene_sqrt(double value)
{
    double root = value > 1.0 ? value : 1.0;
    for (int step = 0; step < 40; step++) {
        root = 0.5 * (root + value / root);
    }
    return root;
}

static void normalise(double v[3])
{
    const double length = demo_scene_sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    for (int i = 0; i < 3; i++) {
        v[i] /= length;
    }
}

static void cross(const double a[3], const double b[3], double out[3])
{
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* A linear colour from hue, saturation and value in 0..1, by squaring the usual one. */
static void set_colour(float out[4], double hue, double saturation, double value)
{
    const double sector = fraction(hue) * 6.0;
    for (int i = 0; i < 3; i++) {
        double distance = sector - (double)(i * 2);
        distance = distance < 0.0 ? -distance : distance;
        distance = distance > 3.0 ? 6.0 - distance : distance;
        double level = 2.0 - distance;
        level = level < 0.0 ? 0.0 : level > 1.0 ? 1.0 : level;
        level = value * (1.0 - saturation + saturation * level);
        out[i] = (float)(level * level);
    }
    out[3] = 1.0f;
}

void demo_scene_cube(struct demo_vertex vertices[DEMO_VERTICES], uint16_t indices[DEMO_INDICES])
{
    static const float sides[6][2][3] = {
        /* outward, and the direction in which the face's picture runs to the right */
        {{0, 0, 1}, {1, 0, 0}},  {{1, 0, 0}, {0, 0, -1}}, {{0, 0, -1}, {-1, 0, 0}},
        {{-1, 0, 0}, {0, 0, 1}}, {{0, 1, 0}, {1, 0, 0}},  {{0, -1, 0}, {1, 0, 0}},
    };
    static const float corners[4][2] = {{-1, -1}, {1, -1}, {1, 1}, {-1, 1}};
    static const uint16_t quad[6] = {0, 1, 2, 0, 2, 3};
    for (unsigned side = 0; side < 6; side++) {
        const float *n = sides[side][0];
        const float *t = sides[side][1];
        const float b[3] = {n[1] * t[2] - n[2] * t[1], n[2] * t[0] - n[0] * t[2],
                            n[0] * t[1] - n[1] * t[0]};
        for (unsigned corner = 0; corner < 4; corner++) {
            struct demo_vertex *vertex = &vertices[side * 4 + corner];
            for (int i = 0; i < 3; i++) {
                vertex->position[i] = n[i] + corners[corner][0] * t[i] + corners[corner][1] * b[i];
                vertex->normal[i] = n[i];
                vertex->tangent[i] = t[i];
            }
            memcpy(vertex->corner, corners[corner], sizeof(vertex->corner));
        }
        for (unsigned i = 0; i < 6; i++) {
            indices[side * 6 + i] = (uint16_t)(side * 4 + quad[i]);
        }
    }
}

/* Vulkan's clip space: y down, depth 0 to 1. */
static void set_camera(struct demo_frame *out)
{
    const double eye[3] = {0.0, 1.55, 6.6};
    const double target[3] = {0.0, -0.10, 0.0};
    const double up_hint[3] = {0.0, 1.0, 0.0};
    const double half_height = 0.315; /* tangent of half the vertical field of view */
    const double half_width = half_height * DEMO_WIDTH / DEMO_HEIGHT;
    const double near = 0.5;
    const double far = 60.0;
    double ahead[3] = {target[0] - eye[0], target[1] - eye[1], target[2] - eye[2]};
    double right[3];
    double up[3];
    normalise(ahead);
    cross(ahead, up_hint, right);
    normalise(right);
    cross(right, ahead, up);

    const double *const rows[4] = {right, up, ahead, ahead};
    const double scale[4] = {1.0 / half_width, -1.0 / half_height, far / (far - near), 1.0};
    const double shift[4] = {0.0, 0.0, -far * near / (far - near), 0.0};
    for (int row = 0; row < 4; row++) {
        for (int column = 0; column < 3; column++) {
            out->view_projection[column * 4 + row] = (float)(rows[row][column] * scale[row]);
        }
        out->view_projection[12 + row] = (float)(-dot(rows[row], eye) * scale[row] + shift[row]);
    }
    for (int i = 0; i < 3; i++) {
        out->camera[i] = (float)eye[i];
        out->right[i] = (float)(right[i] * half_width);
        out->up[i] = (float)(up[i] * half_height);
        out->forward[i] = (float)ahead[i];
    }
    out->camera[3] = (float)floor_height;
}

void demo_scene_frame(uint32_t seed, uint32_t frame, struct demo_frame *out)
{
    (void)frame; /* the camera stands still; the cubes move */
    memset(out, 0, sizeof(*out));
    set_camera(out);
    double light[3] = {-0.42, 0.74, 0.62};
    normalise(light);
    for (int i = 0; i < 3; i++) {
        out->light[i] = (float)light[i];
    }
    const double hue = base_hue(seed);
    set_colour(out->sky, hue + 0.03, 0.75, 0.14);
    set_colour(out->horizon, hue + 0.06, 0.70, 0.30);
    set_colour(out->glow, hue + 0.10, 0.62, 0.62);
    set_colour(out->face_low, hue + 0.12, 0.80, 0.50);
    set_colour(out->face_high, hue - 0.06, 0.85, 0.80);
    set_colour(out->accent, hue - 0.12, 0.55, 0.98);
}

/* Spins about the upright axis, then leans forward. */
static void set_rotation(float out[4], double spin_turns, double lean_turns)
{
    double s;
    double c;
    double lean_s;
    double lean_c;
    demo_scene_sincos(spin_turns * 0.5, &s, &c);
    demo_scene_sincos(lean_turns * 0.5, &lean_s, &lean_c);
    out[0] = (float)(lean_s * c);
    out[1] = (float)(lean_c * s);
    out[2] = (float)(lean_s * s);
    out[3] = (float)(lean_c * c);
}

/* Satellites hover beside and behind the cube, never between it and the camera. */
static void set_satellite(uint32_t seed, uint32_t index, double turn, struct demo_instance *out)
{
    const uint32_t first = 16 + index * 8;
    const double share = (index + 0.6 * pick(seed, first + 3)) / (DEMO_INSTANCES - 1);
    const double radius = 2.5 + 1.9 * pick(seed, first + 1);
    double sway;
    double unused;
    double s;
    double c;
    demo_scene_sincos(2.0 * turn + pick(seed, first + 7), &sway, &unused);
    demo_scene_sincos(0.23 + 0.54 * share + 0.006 * sway, &s, &c);
    out->place[0] = (float)(radius * s);
    out->place[1] = (float)(-0.85 + 2.5 * pick(seed, first + 2) + 0.08 * sway);
    out->place[2] = (float)(radius * c);
    out->place[3] = (float)(0.07 + 0.13 * pick(seed, first));
    set_rotation(out->rotation, pick(seed, first + 4) + 2.0 * turn,
                 pick(seed, first + 5) + 4.0 * turn);
    set_colour(out->paint, base_hue(seed) - 0.14 + 0.36 * pick(seed, first + 6), 0.72, 0.90);
    out->paint[3] = 0.0f;
}

void demo_scene_instances(uint32_t seed, uint32_t frame,
                          struct demo_instance instances[DEMO_INSTANCES])
{
    const double turn = (double)(frame % DEMO_FRAMES_PER_TURN) / DEMO_FRAMES_PER_TURN;
    const double start = seed == 0 ? 0.0 : 0.04 * pick(seed, 1);
    instances[0] = (struct demo_instance){.place = {0.0f, 0.0f, 0.0f, 1.0f},
                                          .paint = {0.0f, 0.0f, 0.0f, 1.0f}};
    set_rotation(instances[0].rotation, start + turn, 0.0);
    for (uint32_t i = 1; i < DEMO_INSTANCES; i++) {
        set_satellite(seed, i - 1, turn, &instances[i]);
    }
}
