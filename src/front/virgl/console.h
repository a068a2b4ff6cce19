#ifndef PV_FRONT_VIRGL_CONSOLE_H
#define PV_FRONT_VIRGL_CONSOLE_H

#include "base/attributes.h"
#include "front/virgl/gl.h"

#include <stdbool.h>
#include <stdint.h>

/* What a guest draws by itself, before or beside Vulkan: its boot console, a software desktop. QEMU
 * shows it as an OpenGL texture, or not at all; so each of the guest's images is one, if the caller
 * lets us have a context, and OpenGL is there at run time. The caller's thread. */

struct pv_virgl_console {
    struct pv_virgl_gl gl;
    void *context; /* the caller's; NULL: no OpenGL, so images stay black */
};

struct pv_virgl_image {
    uint32_t width, height; /* in pixels; 0: none */
    uint32_t format;        /* virtio-gpu's */
    uint32_t flags;         /* as it was created; PV_VIRGL_Y_0_TOP and others */
    uint32_t texture;       /* OpenGL's name; 0: none */
};

/* Asks the caller for a context, and looks for OpenGL. Without either, it does nothing. */
void pv_virgl_console_open(void);
void pv_virgl_console_close(void);

/* Makes `image`'s texture, if it is of a kind that can be shown. */
void pv_virgl_image_create(struct pv_virgl_image *image);
void pv_virgl_image_destroy(struct pv_virgl_image *image);

#endif
