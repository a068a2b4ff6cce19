/* Lists of pieces of guest memory. */

#include "base/checked.h"
#include "front/virtio_gpu/device.h"

#include <stdlib.h>
#include <string.h>

struct pv_virtio_gpu_piece {
    uint64_t address; /* in the guest's memory */
    uint64_t begin;   /* in the backing */
    uint64_t size;
};

enum pv_virtio_gpu_response pv_virtio_gpu_backing_init(struct pv_gpu *gpu,
                                                       struct pv_virtio_gpu_backing *backing,
                                                       const uint8_t *entries, size_t entries_size,
                                                       uint32_t count)
{
    *backing = (struct pv_virtio_gpu_backing){0};
    if (count > PV_VIRTIO_GPU_BACKING_ENTRIES_MAX ||
        entries_size / sizeof(struct pv_virtio_gpu_entry) < count) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    if (count == 0) {
        return PV_VIRTIO_GPU_OK_NODATA;
    }
    if (!pv_virtio_gpu_charge(gpu, count * sizeof(struct pv_virtio_gpu_piece))) {
        return PV_VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
    backing->count = count;
    backing->pieces = calloc(count, sizeof(struct pv_virtio_gpu_piece));
    if (backing->pieces == NULL) {
        pv_virtio_gpu_backing_finish(gpu, backing);
        return PV_VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct pv_virtio_gpu_entry entry;
        memcpy(&entry, entries + i * sizeof(entry), sizeof(entry));
        if (!pv_range_inside(entry.address, entry.size, UINT64_MAX)) {
            pv_virtio_gpu_backing_finish(gpu, backing);
            return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
        }
        backing->pieces[i] = (struct pv_virtio_gpu_piece){
            .address = entry.address,
            .begin = backing->size,
            .size = entry.size,
        };
        backing->size += entry.size; /* 2^14 sizes below 2^32 */
    }
    return PV_VIRTIO_GPU_OK_NODATA;
}

void pv_virtio_gpu_backing_finish(struct pv_gpu *gpu, struct pv_virtio_gpu_backing *backing)
{
    pv_virtio_gpu_discharge(gpu, backing->count * sizeof(struct pv_virtio_gpu_piece));
    free(backing->pieces);
    *backing = (struct pv_virtio_gpu_backing){0};
}

/* The piece that `offset`, which is inside, lies in: the last one that begins there or before. */
static uint32_t find_piece(const struct pv_virtio_gpu_backing *backing, uint64_t offset)
{
    uint32_t low = 0;
    uint32_t high = backing->count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (backing->pieces[middle].begin <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

bool pv_virtio_gpu_backing_read(const struct pv_gpu *gpu,
                                const struct pv_virtio_gpu_backing *backing, uint64_t offset,
                                void *bytes, uint64_t size)
{
    if (!pv_range_inside(offset, size, backing->size)) {
        return false;
    }
    uint8_t *at = bytes;
    for (uint32_t i = size != 0 ? find_piece(backing, offset) : 0; size != 0; i++) {
        const struct pv_virtio_gpu_piece *piece = &backing->pieces[i];
        uint64_t skipped = offset - piece->begin;
        uint64_t part = piece->size - skipped < size ? piece->size - skipped : size;
        if (part != 0 &&
            !gpu->callbacks.read_memory(gpu->user, piece->address + skipped, at, part)) {
            return false;
        }
        at += part;
        offset += part;
        size -= part;
    }
    return true;
}
