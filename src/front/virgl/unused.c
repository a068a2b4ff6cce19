#include "base/fd.h"
#include "front/virgl/renderer.h"

#include <errno.h>

/* What the ABI has beside, for OpenGL or for others' fences: there is none here, and callers get by
 * without. */

int virgl_renderer_transfer_read_iov(uint32_t resource_id, uint32_t context_id, uint32_t level,
                                     uint32_t stride, uint32_t layer_stride,
                                     struct pv_virgl_box *box, uint64_t offset, struct iovec *iov,
                                     int iov_count)
{
    (void)context_id, (void)level, (void)stride, (void)layer_stride;
    (void)box, (void)offset, (void)iov, (void)iov_count;
    /* We never draw into an image: what the guest has written is what there is. */
    return pv_virgl_find_resource(resource_id) != NULL ? 0 : EINVAL;
}

int virgl_renderer_resource_import_blob(const struct pv_virgl_import_args *args)
{
    (void)args;
    return -EOPNOTSUPP;
}

int virgl_renderer_resource_import_eglimage(struct pv_virgl_resource_args *args, void *image)
{
    (void)args, (void)image;
    return EINVAL;
}

void virgl_renderer_get_rect(int resource_id, struct iovec *iov, unsigned int iov_count,
                             uint32_t offset, int x, int y, int width, int height)
{
    (void)resource_id, (void)iov, (void)iov_count, (void)offset;
    (void)x, (void)y, (void)width, (void)height;
}

int virgl_renderer_get_fd_for_texture(uint32_t texture, int *fd)
{
    (void)texture, (void)fd;
    return -1;
}

int virgl_renderer_get_fd_for_texture2(uint32_t texture, int *fd, int *stride, int *offset)
{
    (void)texture, (void)fd, (void)stride, (void)offset;
    return -1;
}

int virgl_renderer_execute(void *args, uint32_t size)
{
    (void)args, (void)size;
    return -EINVAL;
}

int virgl_renderer_export_fence(uint64_t fence_id, int *fd)
{
    (void)fence_id, (void)fd;
    return -EINVAL;
}

int virgl_renderer_export_signalled_fence(void)
{
    return -1;
}

int virgl_renderer_attach_fence(int context_id, int taken_fd)
{
    (void)context_id;
    pv_fd_close(&taken_fd);
    return -EINVAL;
}

int virgl_renderer_get_fence_fd(uint64_t fence_id)
{
    (void)fence_id;
    return -1;
}

int virgl_renderer_get_dev_fd(int context_id)
{
    (void)context_id;
    return -ENODEV;
}

void virgl_renderer_context_poll(uint32_t context_id)
{
    (void)context_id;
}

int virgl_renderer_context_get_poll_fd(uint32_t context_id)
{
    (void)context_id;
    return -1;
}
