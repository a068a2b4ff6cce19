/* Images that the guest's driver draws itself (a console, a cursor): pixels in host memory, copied
 * from the guest's when it says so. */

#include "base/checked.h"
#include "front/virtio_gpu/device.h"

#include <stdlib.h>
#include <string.h>

enum { PIXEL_BYTES = 4 };

static enum pv_virtio_gpu_response create_image(struct pv_gpu *gpu, uint32_t id, uint32_t format,
                                                uint32_t width, uint32_t height)
{
    if (width == 0 || width > PV_VIRTIO_GPU_IMAGE_SIDE_MAX || height == 0 ||
        height > PV_VIRTIO_GPU_IMAGE_SIDE_MAX || !pv_virtio_gpu_format_is_known(format)) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    uint64_t bytes = (uint64_t)width * height * PIXEL_BYTES;
    enum pv_virtio_gpu_response why;
    struct pv_virtio_gpu_resource *resource =
        pv_virtio_gpu_new_resource(gpu, id, PV_VIRTIO_GPU_IMAGE, bytes, &why);
    if (resource == NULL) {
        return why;
    }
    resource->format = format;
    resource->width = width;
    resource->height = height;
    resource->pixels = calloc(1, bytes);
    if (resource->pixels == NULL) {
        pv_virtio_gpu_destroy_resource(gpu, resource);
        return PV_VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
    return PV_VIRTIO_GPU_OK_NODATA;
}

enum pv_virtio_gpu_response pv_virtio_gpu_create_2d(struct pv_gpu *gpu,
                                                    struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_create_2d asked;
    memcpy(&asked, request->body, sizeof(asked));
    return create_image(gpu, asked.resource_id, asked.format, asked.width, asked.height);
}

/* There is no OpenGL here; what a guest can have is a plain image, whose formats have the same
 * numbers. */
enum pv_virtio_gpu_response pv_virtio_gpu_create_3d(struct pv_gpu *gpu,
                                                    struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_create_3d asked;
    memcpy(&asked, request->body, sizeof(asked));
    if (asked.target != PV_VIRTIO_GPU_TEXTURE_2D || asked.depth != 1 || asked.array_size != 1 ||
        asked.last_level != 0 || asked.samples > 1) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    return create_image(gpu, asked.resource_id, asked.format, asked.width, asked.height);
}

/* `stride`: of the guest's rows. */
static enum pv_virtio_gpu_response transfer(struct pv_gpu *gpu, uint32_t id,
                                            const struct pv_virtio_gpu_rect *rect, uint64_t offset,
                                            uint64_t stride)
{
    struct pv_virtio_gpu_resource *resource = pv_virtio_gpu_find_resource(gpu, id);
    if (resource == NULL || resource->kind != PV_VIRTIO_GPU_IMAGE) {
        return PV_VIRTIO_GPU_ERR_INVALID_RESOURCE_ID;
    }
    if (!pv_virtio_gpu_rect_is_inside(rect, resource->width, resource->height)) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    uint64_t row_bytes = (uint64_t)rect->width * PIXEL_BYTES;
    uint64_t all_bytes = (rect->height - 1) * stride + row_bytes; /* 2^14 strides below 2^32 */
    /* Rows do not overlap, so no guest has us read the same pieces over and over. */
    if ((rect->height > 1 && stride < row_bytes) ||
        !pv_range_inside(offset, all_bytes, resource->backing.size)) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    for (uint64_t y = 0; y < rect->height; y++) {
        uint8_t *row =
            resource->pixels + ((rect->y + y) * resource->width + rect->x) * (uint64_t)PIXEL_BYTES;
        if (!pv_virtio_gpu_backing_read(gpu, &resource->backing, offset + y * stride, row,
                                        row_bytes)) {
            return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
        }
    }
    return PV_VIRTIO_GPU_OK_NODATA;
}

enum pv_virtio_gpu_response pv_virtio_gpu_transfer_2d(struct pv_gpu *gpu,
                                                      struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_transfer_2d asked;
    memcpy(&asked, request->body, sizeof(asked));
    struct pv_virtio_gpu_resource *resource = pv_virtio_gpu_find_resource(gpu, asked.resource_id);
    uint64_t stride = resource != NULL ? (uint64_t)resource->width * PIXEL_BYTES : 0;
    return transfer(gpu, asked.resource_id, &asked.rect, asked.offset, stride);
}

enum pv_virtio_gpu_response pv_virtio_gpu_transfer_3d(struct pv_gpu *gpu,
                                                      struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_transfer_3d asked;
    memcpy(&asked, request->body, sizeof(asked));
    if (asked.z != 0 || asked.depth != 1 || asked.level != 0) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    const struct pv_virtio_gpu_rect rect = {asked.x, asked.y, asked.width, asked.height};
    uint64_t stride = asked.stride != 0 ? asked.stride : (uint64_t)asked.width * PIXEL_BYTES;
    return transfer(gpu, asked.resource_id, &rect, asked.offset, stride);
}
