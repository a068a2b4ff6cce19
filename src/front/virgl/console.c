#include "front/virgl/console.h"

#include "base/checked.h"
#include "front/virgl/renderer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIXEL_SIZE = 4,
    STAGING_SIZE = 1024 * 1024, /* of pixels that are converted at a time; at least one row */
    CURSOR_EDGE_MAX = 256,
};

/* Where a pixel's bytes are, in virtio-gpu's formats. */
struct layout {
    uint32_t format;
    uint8_t red, green, blue;
    int8_t alpha; /* -1: it has none */
};

static const struct layout layouts[] = {
    {1, 2, 1, 0, 3},    /* B8G8R8A8 */
    {2, 2, 1, 0, -1},   /* B8G8R8X8 */
    {3, 1, 2, 3, 0},    /* A8R8G8B8 */
    {4, 1, 2, 3, -1},   /* X8R8G8B8 */
    {67, 0, 1, 2, 3},   /* R8G8B8A8 */
    {68, 3, 2, 1, -1},  /* X8B8G8R8 */
    {121, 3, 2, 1, 0},  /* A8B8G8R8 */
    {134, 0, 1, 2, -1}, /* R8G8B8X8 */
};

static const struct layout *layout_of(uint32_t format)
{
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        if (layouts[i].format == format) {
            return &layouts[i];
        }
    }
    return NULL;
}

/* Ours, until the caller makes its own current again, as it does before it draws. */
static bool make_current(void)
{
    const struct pv_virgl_callbacks *callbacks = &pv_virgl.callbacks;
    return pv_virgl.console.context != NULL &&
           callbacks->make_current(pv_virgl.cookie, 0, pv_virgl.console.context) == 0;
}

static void destroy_gl_context(void)
{
    if (pv_virgl.console.context != NULL) {
        pv_virgl.callbacks.destroy_gl_context(pv_virgl.cookie, pv_virgl.console.context);
        pv_virgl.console.context = NULL;
    }
}

void pv_virgl_console_open(void)
{
    /* Newest first; an OpenGL ES context has 3.0 or 2.0. */
    static const struct {
        int major, minor;
    } versions[] = {{3, 2}, {3, 0}, {2, 0}};
    struct pv_virgl_console *console = &pv_virgl.console;
    const struct pv_virgl_callbacks *callbacks = &pv_virgl.callbacks;
    memset(console, 0, sizeof(*console));
    if (callbacks->create_gl_context == NULL || callbacks->destroy_gl_context == NULL ||
        callbacks->make_current == NULL || !pv_virgl_gl_open(&console->gl)) {
        pv_log_info(&pv_virgl.log, "no OpenGL here: the guest's console stays black");
        return;
    }
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        struct pv_virgl_gl_params params = {
            .version = 2,
            .major = versions[i].major,
            .minor = versions[i].minor,
        };
        console->context = callbacks->create_gl_context(pv_virgl.cookie, 0, &params);
        if (make_current()) {
            return;
        }
        destroy_gl_context();
    }
    pv_virgl_console_close();
    pv_log_warn(&pv_virgl.log, "no OpenGL context to be had: the guest's console stays black");
}

void pv_virgl_console_close(void)
{
    destroy_gl_context();
    pv_virgl_gl_close(&pv_virgl.console.gl);
}

void pv_virgl_image_create(struct pv_virgl_image *image)
{
    const struct pv_virgl_gl *gl = &pv_virgl.console.gl;
    if (image->width == 0 || layout_of(image->format) == NULL || !make_current()) {
        return;
    }
    while (gl->get_error() != 0) {
        /* of others who have used this context */
    }
    gl->gen_textures(1, &image->texture);
    gl->bind_texture(PV_GL_TEXTURE_2D, image->texture);
    gl->tex_parameter(PV_GL_TEXTURE_2D, PV_GL_TEXTURE_MIN_FILTER, PV_GL_LINEAR);
    gl->tex_parameter(PV_GL_TEXTURE_2D, PV_GL_TEXTURE_MAG_FILTER, PV_GL_LINEAR);
    gl->tex_parameter(PV_GL_TEXTURE_2D, PV_GL_TEXTURE_WRAP_S, PV_GL_CLAMP_TO_EDGE);
    gl->tex_parameter(PV_GL_TEXTURE_2D, PV_GL_TEXTURE_WRAP_T, PV_GL_CLAMP_TO_EDGE);
    gl->tex_image(PV_GL_TEXTURE_2D, 0, PV_GL_RGBA, (int)image->width, (int)image->height, 0,
                  PV_GL_RGBA, PV_GL_UNSIGNED_BYTE, NULL);
    if (gl->get_error() != 0) { /* too large, or out of memory */
        pv_virgl_image_destroy(image);
    }
}

void pv_virgl_image_destroy(struct pv_virgl_image *image)
{
    if (image->texture != 0 && make_current()) {
        pv_virgl.console.gl.delete_textures(1, &image->texture);
    }
    image->texture = 0;
}

/* In place: the bytes are red, green, blue and alpha then, as every OpenGL takes them. */
static void convert(const struct layout *layout, uint8_t *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t *pixel = pixels + i * PIXEL_SIZE;
        uint8_t red = pixel[layout->red], green = pixel[layout->green], blue = pixel[layout->blue];
        uint8_t alpha = layout->alpha < 0 ? 0xff : pixel[layout->alpha];
        pixel[0] = red;
        pixel[1] = green;
        pixel[2] = blue;
        pixel[3] = alpha;
    }
}

/* Where an image's pixels are in its backing. */
struct source {
    const struct iovec *iov;
    uint32_t iov_count;
    uint64_t offset; /* of the box's first pixel */
    uint64_t stride; /* of a row */
};

/* Rows on their way into a texture, as many at a time as there is room for. */
struct staging {
    const struct pv_virgl_image *image;
    uint8_t *pixels;
    size_t row_size;
    uint32_t x, y; /* of the next upload */
    uint32_t width;
    uint32_t count, limit;
    bool is_flipped;
};

/* Where the next row goes. Of an image whose first row is the top one, the last row comes first in
 * the texture: so the caller expects it. */
static uint8_t *next_row(const struct staging *staging)
{
    uint32_t row = staging->is_flipped ? staging->limit - 1 - staging->count : staging->count;
    return staging->pixels + row * staging->row_size;
}

static void upload(struct staging *staging)
{
    const struct pv_virgl_gl *gl = &pv_virgl.console.gl;
    uint32_t y = staging->y, count = staging->count;
    uint8_t *pixels = staging->pixels;
    if (count == 0) {
        return;
    }
    if (staging->is_flipped) {
        y = staging->image->height - y - count;
        pixels += (staging->limit - count) * staging->row_size;
    }
    convert(layout_of(staging->image->format), pixels, (size_t)count * staging->width);
    gl->tex_sub_image(PV_GL_TEXTURE_2D, 0, (int)staging->x, (int)y, (int)staging->width, (int)count,
                      PV_GL_RGBA, PV_GL_UNSIGNED_BYTE, pixels);
    staging->y += count;
    staging->count = 0;
}

static void upload_box(const struct pv_virgl_image *image, const struct pv_virgl_box *box,
                       const struct source *source)
{
    const struct pv_virgl_gl *gl = &pv_virgl.console.gl;
    struct staging staging = {
        .image = image,
        .row_size = (size_t)box->width * PIXEL_SIZE,
        .x = box->x,
        .y = box->y,
        .width = box->width,
        .is_flipped = (image->flags & PV_VIRGL_Y_0_TOP) != 0,
    };
    staging.limit = STAGING_SIZE / (uint32_t)staging.row_size; /* a row has 64 KiB at most */
    staging.pixels = malloc(staging.limit * staging.row_size);
    if (staging.pixels == NULL || !make_current()) {
        free(staging.pixels);
        return;
    }
    gl->bind_texture(PV_GL_TEXTURE_2D, image->texture);
    gl->pixel_store(PV_GL_UNPACK_ALIGNMENT, PIXEL_SIZE);
    for (uint32_t y = 0; y < box->height; y++) {
        /* A row that is not all there ends it: what follows is even further out. */
        if (!pv_virgl_gather(source->iov, source->iov_count, source->offset + y * source->stride,
                             next_row(&staging), staging.row_size)) {
            break;
        }
        if (++staging.count == staging.limit) {
            upload(&staging);
        }
    }
    upload(&staging);
    gl->flush(); /* another context is about to show it */
    free(staging.pixels);
}

/* 0 or an errno. */
int virgl_renderer_transfer_write_iov(uint32_t resource_id, uint32_t context_id, int level,
                                      uint32_t stride, uint32_t layer_stride,
                                      struct pv_virgl_box *box, uint64_t offset, struct iovec *iov,
                                      unsigned int iov_count)
{
    (void)context_id, (void)layer_stride;
    const struct pv_virgl_resource *resource = pv_virgl_find_resource(resource_id);
    if (resource == NULL || box == NULL) {
        return EINVAL;
    }
    const struct pv_virgl_image *image = &resource->image;
    if (!pv_range_inside(box->x, box->width, image->width) ||
        !pv_range_inside(box->y, box->height, image->height)) {
        return EINVAL;
    }
    if (image->texture == 0 || level != 0 || box->width == 0 || offset > INT64_MAX) {
        return 0;
    }
    struct source source = {
        .iov = iov != NULL ? iov : resource->iov,
        .iov_count = iov != NULL ? iov_count : resource->iov_count,
        .offset = offset,
        .stride = stride != 0 ? stride : (uint64_t)image->width * PIXEL_SIZE,
    };
    upload_box(image, box, &source);
    return 0;
}

/* As the guest has it: B, G, R and alpha, the top row first. The caller frees it. */
void *virgl_renderer_get_cursor_data(uint32_t resource_id, uint32_t *width, uint32_t *height)
{
    const struct pv_virgl_resource *resource = pv_virgl_find_resource(resource_id);
    if (resource == NULL || resource->image.width == 0 || resource->image.width > CURSOR_EDGE_MAX ||
        resource->image.height > CURSOR_EDGE_MAX) {
        return NULL;
    }
    const struct pv_virgl_image *image = &resource->image;
    uint64_t size = (uint64_t)image->width * image->height * PIXEL_SIZE;
    void *pixels = malloc(size);
    if (pixels == NULL || !pv_virgl_gather(resource->iov, resource->iov_count, 0, pixels, size)) {
        free(pixels);
        return NULL;
    }
    *width = image->width;
    *height = image->height;
    return pixels;
}
