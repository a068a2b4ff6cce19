#ifndef PV_FRONT_VIRGL_GL_H
#define PV_FRONT_VIRGL_GL_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stdint.h>

/* The few functions of OpenGL (ES) 2 and newer that a console needs, found at run time, so that
 * hosts without OpenGL can load us. */

enum {
    PV_GL_TEXTURE_2D = 0x0de1,
    PV_GL_UNSIGNED_BYTE = 0x1401,
    PV_GL_RGBA = 0x1908,
    PV_GL_LINEAR = 0x2601,
    PV_GL_TEXTURE_MAG_FILTER = 0x2800,
    PV_GL_TEXTURE_MIN_FILTER = 0x2801,
    PV_GL_TEXTURE_WRAP_S = 0x2802,
    PV_GL_TEXTURE_WRAP_T = 0x2803,
    PV_GL_CLAMP_TO_EDGE = 0x812f,
    PV_GL_UNPACK_ALIGNMENT = 0x0cf5,
};

struct pv_virgl_gl {
    void *library; /* NULL: the program has them itself */
    void (*gen_textures)(int count, uint32_t *names);
    void (*delete_textures)(int count, const uint32_t *names);
    void (*bind_texture)(uint32_t target, uint32_t name);
    void (*tex_parameter)(uint32_t target, uint32_t parameter, int value);
    void (*tex_image)(uint32_t target, int level, int internal_format, int width, int height,
                      int border, uint32_t format, uint32_t type, const void *pixels);
    void (*tex_sub_image)(uint32_t target, int level, int x, int y, int width, int height,
                          uint32_t format, uint32_t type, const void *pixels);
    void (*pixel_store)(uint32_t parameter, int value);
    uint32_t (*get_error)(void);
    void (*flush)(void);
};

/* False when there is no OpenGL here; *gl is zeroed then. */
PV_NODISCARD bool pv_virgl_gl_open(struct pv_virgl_gl *gl);
void pv_virgl_gl_close(struct pv_virgl_gl *gl);

#endif
