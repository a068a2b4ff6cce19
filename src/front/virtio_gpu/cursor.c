/* The cursor queue. Nobody draws the guest's pointer, so what it says is checked, and that is all.
 */

#include "front/virtio_gpu/device.h"

#include <string.h>

static enum pv_virtio_gpu_response move(struct pv_gpu *gpu,
                                        const struct pv_virtio_gpu_request *request,
                                        struct pv_virtio_gpu_update_cursor *asked)
{
    memcpy(asked, request->body, sizeof(*asked));
    return asked->scanout_id < gpu->scanout_count ? PV_VIRTIO_GPU_OK_NODATA
                                                  : PV_VIRTIO_GPU_ERR_INVALID_SCANOUT_ID;
}

enum pv_virtio_gpu_response pv_virtio_gpu_move_cursor(struct pv_gpu *gpu,
                                                      struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_update_cursor asked;
    return move(gpu, request, &asked);
}

enum pv_virtio_gpu_response pv_virtio_gpu_update_cursor(struct pv_gpu *gpu,
                                                        struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_update_cursor asked;
    enum pv_virtio_gpu_response type = move(gpu, request, &asked);
    if (type == PV_VIRTIO_GPU_OK_NODATA && asked.resource_id != 0 &&
        pv_virtio_gpu_find_resource(gpu, asked.resource_id) == NULL) {
        return PV_VIRTIO_GPU_ERR_INVALID_RESOURCE_ID;
    }
    return type;
}
