/* What the cases that draw share. Pictures are 64 x 64; positions are in pixels, and colours RGBA
 * bytes in memory order (0xaabbggrr). */
#ifndef PV_APPS_DRAW_H
#define PV_APPS_DRAW_H

#include "app.h"

#define RED 0xff0000ffu
#define GREEN 0xff00ff00u
#define BLUE 0xffff0000u
#define WHITE 0xffffffffu
#define BLACK 0xff000000u

#define DRAW_DEPTH VK_FORMAT_D16_UNORM

#define DRAW_CASE(function, ...)                                                                   \
    APP_CASE(function, "VkPhysicalDeviceVulkan13Features.dynamicRendering", __VA_ARGS__)

enum { DRAW_PIXELS = APP_WIDTH * APP_HEIGHT };

struct draw_vertex {
    float x, y;
    uint32_t colour;
};

/* A picture that is being drawn. */
struct draw {
    struct app_image target;
    struct app_buffer pixels;
    VkPipelineLayout layout;
    VkCommandBuffer command;
    uint32_t expected[DRAW_PIXELS]; /* black, first */
};

/* Push constants for draw_rect(), and for a fragment shader from byte 32 on. */
VkPipelineLayout draw_layout(struct app *app);
/* A pipeline for draw_rect(). */
void draw_rects_init(struct app *app, struct app_graphics *g);
/* The same, with a test against DRAW_DEPTH. */
void draw_depth_init(struct app *app, struct app_graphics *g, VkCompareOp compare);
/* One for vertices: binding 0 is struct draw_vertex. */
void draw_vertices_init(struct app *app, struct app_graphics *g);
/* Values for the constants of draw_vertex.vert. */
void draw_specialize(struct app_graphics *g, VkSpecializationInfo *info, const float values[2]);
/* A rectangle's corners, as a strip. */
void draw_corners(struct draw_vertex *vertices, int left, int top, int right, int bottom,
                  uint32_t colour);

/* The picture, but nothing is begun; cases with other attachments begin by themselves. */
void draw_init(struct app *app, struct draw *draw);
void draw_begin(struct app *app, struct draw *draw);
/* With a picture for depth, or stencil, or both, which is returned. */
struct app_image draw_begin_deep(struct app *app, struct draw *draw, VkFormat format, float depth,
                                 uint32_t stencil);
/* Of depth and stencil: a driver has one or the other. */
VkFormat draw_stencil_format(struct app *app);
/* Into four samples, which are resolved into the picture. */
void draw_begin_samples(struct app *app, struct draw *draw);
void draw_bind(struct app *app, struct draw *draw, VkPipeline pipeline);
void draw_rect(struct app *app, struct draw *draw, int left, int top, int right, int bottom,
               float depth, uint32_t colour);
/* What draw_rect() should do. */
void draw_expect(struct draw *draw, int left, int top, int right, int bottom, uint32_t colour);
/* From binding 0. */
void draw_bind_vertices(struct app *app, struct draw *draw, const struct draw_vertex *vertices,
                        size_t count);
/* Ends it, runs it, and compares all pixels. */
void draw_end(struct app *app, struct draw *draw);
void draw_compare(struct app *app, struct draw *draw); /* without the end of the rendering */

#endif
