/*
 * The demo's scene as numbers: what stands where in which colour, for a seed and a frame number.
 * Only additions, multiplications, divisions and tables: no libm, no clock, no random source, so
 * that the same program hands the same bits to every driver.
 */
#ifndef PV_CLI_DEMO_SCENE_H
#define PV_CLI_DEMO_SCENE_H

#include <stdint.h>

enum {
    DEMO_WIDTH = 1280,
    DEMO_HEIGHT = 720,
    DEMO_INSTANCES = 19, /* the cube with the name, and its satellites */
    DEMO_VERTICES = 24,
    DEMO_INDICES = 36,
    DEMO_FRAMES_PER_TURN = 600,
    DEMO_PICTURE_FRAME = 50, /* the frame that is written to the picture */
};

/* The uniform block of frame.glsl, std140. */
struct demo_frame {
    float view_projection[16]; /* column by column */
    float camera[4];
    float right[4];
    float up[4];
    float forward[4];
    float light[4];
    float sky[4];
    float horizon[4];
    float glow[4];
    float face_low[4];
    float face_high[4];
    float accent[4];
};

struct demo_vertex {
    float position[3];
    float normal[3];
    float tangent[3];
    float corner[2];
};

struct demo_instance {
    float place[4];    /* centre, half the side */
    float rotation[4]; /* quaternion */
    float paint[4];    /* linear colour, 1 for the cube with the name */
};

/* Sine and cosine of a fraction of a full turn, to about 1e-7; any finite value. */
void demo_scene_sincos(double turns, double *sine, double *cosine);

/* Square root by Newton's method, of a value between 1e-6 and 1e6. */
double demo_scene_sqrt(double value);

void demo_scene_cube(struct demo_vertex vertices[DEMO_VERTICES], uint16_t indices[DEMO_INDICES]);
void demo_scene_frame(uint32_t seed, uint32_t frame, struct demo_frame *out);
void demo_scene_instances(uint32_t seed, uint32_t frame,
                          struct demo_instance instances[DEMO_INSTANCES]);

#endif
