/* What the guest's Vulkan driver may rely on: one capability set, Venus. */

#include "front/virtio_gpu/device.h"

#include <string.h>

enum { VENUS_INDEX = 0, VENUS_VERSION = 0 };

enum pv_virtio_gpu_response pv_virtio_gpu_get_capset_info(struct pv_gpu *gpu,
                                                          struct pv_virtio_gpu_request *request)
{
    (void)gpu;
    struct pv_virtio_gpu_id_request index;
    memcpy(&index, request->body, sizeof(index));
    if (index.id != VENUS_INDEX) {
        /* An answer with an id of 0 would make Linux forget every capset. */
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    *(struct pv_virtio_gpu_capset_info *)request->answer = (struct pv_virtio_gpu_capset_info){
        .capset_id = PV_VENUS_CAPSET_ID,
        .max_version = VENUS_VERSION,
        .max_size = PV_VENUS_CAPSET_SIZE,
    };
    return PV_VIRTIO_GPU_OK_CAPSET_INFO;
}

enum pv_virtio_gpu_response pv_virtio_gpu_get_capset(struct pv_gpu *gpu,
                                                     struct pv_virtio_gpu_request *request)
{
    (void)gpu;
    struct pv_virtio_gpu_get_capset asked;
    memcpy(&asked, request->body, sizeof(asked));
    if (asked.capset_id != PV_VENUS_CAPSET_ID || asked.version != VENUS_VERSION) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    pv_renderer_capset(NULL, request->answer);
    return PV_VIRTIO_GPU_OK_CAPSET;
}
