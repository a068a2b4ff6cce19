/* What the guest's driver reads before it says anything: features, and the configuration space. */

#include "base/checked.h"
#include "front/virtio_gpu/device.h"

#include <string.h>

uint64_t pv_gpu_features(const struct pv_gpu *gpu)
{
    uint64_t features = UINT64_C(1) << PV_VIRTIO_GPU_F_VIRGL | UINT64_C(1) << PV_VIRTIO_GPU_F_EDID |
                        UINT64_C(1) << PV_VIRTIO_GPU_F_RESOURCE_UUID |
                        UINT64_C(1) << PV_VIRTIO_GPU_F_RESOURCE_BLOB |
                        UINT64_C(1) << PV_VIRTIO_GPU_F_CONTEXT_INIT;
    if (gpu->blob_alignment != 0) {
        features |= UINT64_C(1) << PV_VIRTIO_GPU_F_BLOB_ALIGNMENT;
    }
    return features;
}

uint32_t pv_gpu_config_size(const struct pv_gpu *gpu)
{
    return gpu->blob_alignment != 0 ? sizeof(struct pv_virtio_gpu_config)
                                    : offsetof(struct pv_virtio_gpu_config, blob_alignment);
}

void pv_gpu_read_config(const struct pv_gpu *gpu, uint32_t offset, void *bytes, size_t size)
{
    const struct pv_virtio_gpu_config config = {
        .events_read = gpu->events,
        .num_scanouts = gpu->scanout_count,
        .num_capsets = 1, /* Venus: see capset.c */
        .blob_alignment = gpu->blob_alignment,
    };
    memset(bytes, 0, size);
    if (offset < sizeof(config)) {
        size_t left = sizeof(config) - offset;
        memcpy(bytes, (const uint8_t *)&config + offset, size < left ? size : left);
    }
}

void pv_gpu_write_config(struct pv_gpu *gpu, uint32_t offset, const void *bytes, size_t size)
{
    uint32_t cleared = 0;
    const uint32_t begin = offsetof(struct pv_virtio_gpu_config, events_clear);
    /* Drivers write the whole word; what falls beside it means nothing. */
    for (size_t i = 0; i < size && i < sizeof(struct pv_virtio_gpu_config); i++) {
        uint64_t at = (uint64_t)offset + i;
        if (at >= begin && at < begin + sizeof(cleared)) {
            memcpy((uint8_t *)&cleared + (at - begin), (const uint8_t *)bytes + i, 1);
        }
    }
    gpu->events &= ~cleared;
}
