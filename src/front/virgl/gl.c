#include "front/virgl/gl.h"

#include <dlfcn.h>
#include <string.h>

/* A function's address out of an object's, which C has no other way to say. */
static bool find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library != NULL ? library : RTLD_DEFAULT, name);
    memcpy(function, &symbol, sizeof(symbol));
    return symbol != NULL;
}

static bool find_all(struct pv_virgl_gl *gl)
{
    void *library = gl->library;
    return find(library, "glGenTextures", &gl->gen_textures) &&
           find(library, "glDeleteTextures", &gl->delete_textures) &&
           find(library, "glBindTexture", &gl->bind_texture) &&
           find(library, "glTexParameteri", &gl->tex_parameter) &&
           find(library, "glTexImage2D", &gl->tex_image) &&
           find(library, "glTexSubImage2D", &gl->tex_sub_image) &&
           find(library, "glPixelStorei", &gl->pixel_store) &&
           find(library, "glGetError", &gl->get_error) && find(library, "glFlush", &gl->flush);
}

bool pv_virgl_gl_open(struct pv_virgl_gl *gl)
{
    /* With GLVND all three reach whatever context is current; without, the one that the program
     * has loaded is the one that its contexts belong to. */
    static const char *const names[] = {"libGL.so.1", "libOpenGL.so.0", "libGLESv2.so.2"};
    static const int modes[] = {RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD, RTLD_LAZY | RTLD_LOCAL};
    memset(gl, 0, sizeof(*gl));
    if (find_all(gl)) {
        return true;
    }
    for (uint32_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        for (uint32_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
            gl->library = dlopen(names[k], modes[i]);
            if (gl->library != NULL && find_all(gl)) {
                return true;
            }
            pv_virgl_gl_close(gl);
        }
    }
    return false;
}

void pv_virgl_gl_close(struct pv_virgl_gl *gl)
{
    if (gl->library != NULL) {
        dlclose(gl->library);
    }
    memset(gl, 0, sizeof(*gl));
}
