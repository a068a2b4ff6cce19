#include "base/checked.h"
#include "ring/ring.h"

#include <stddef.h>

struct region {
    uint64_t begin;
    uint64_t end;
};

enum { REGION_COUNT = 5 };

/* From ring-relative to blob-relative; false when it leaves the ring or 2^64. */
static bool place(const struct pv_ring_layout *layout, uint64_t offset, uint64_t size,
                  struct region *region)
{
    if (!pv_range_inside(offset, size, layout->size)) {
        return false;
    }
    region->begin = layout->offset + offset; /* both inside the blob: no overflow */
    region->end = region->begin + size;
    return true;
}

static bool overlap(const struct region *a, const struct region *b)
{
    return a->begin < b->end && b->begin < a->end;
}

static bool any_overlap(const struct region regions[REGION_COUNT])
{
    for (size_t i = 0; i < REGION_COUNT; i++) {
        for (size_t j = i + 1; j < REGION_COUNT; j++) {
            if (overlap(&regions[i], &regions[j])) {
                return true;
            }
        }
    }
    return false;
}

static bool all_aligned(const struct region regions[REGION_COUNT])
{
    for (size_t i = 0; i < REGION_COUNT; i++) {
        if (regions[i].begin % 4 != 0 || regions[i].end % 4 != 0) {
            return false;
        }
    }
    return true;
}

const char *pv_ring_layout_fault(const struct pv_ring_layout *layout, uint64_t blob_size)
{
    if (!pv_range_inside(layout->offset, layout->size, blob_size)) {
        return "the ring is not inside its resource";
    }
    uint64_t buffer_size = layout->buffer_size;
    if (buffer_size == 0 || (buffer_size & (buffer_size - 1)) != 0) {
        return "the ring's buffer size is not a power of two";
    }
    if (buffer_size > PV_RING_BUFFER_SIZE_MAX) {
        return "the ring's buffer is larger than its positions can tell";
    }
    struct region regions[REGION_COUNT];
    if (!place(layout, layout->head_offset, 4, &regions[0]) ||
        !place(layout, layout->tail_offset, 4, &regions[1]) ||
        !place(layout, layout->status_offset, 4, &regions[2]) ||
        !place(layout, layout->buffer_offset, buffer_size, &regions[3]) ||
        !place(layout, layout->extra_offset, layout->extra_size, &regions[4])) {
        return "a region of the ring is not inside the ring";
    }
    if (!all_aligned(regions)) {
        return "a region of the ring is not aligned to 4 bytes";
    }
    if (any_overlap(regions)) {
        return "regions of the ring overlap";
    }
    return NULL;
}
