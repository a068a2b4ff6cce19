#ifndef PV_BASE_CHECKED_H
#define PV_BASE_CHECKED_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Arithmetic on sizes that a guest chose: false when the true result does not fit. */

PV_NODISCARD static inline bool pv_checked_add(uint64_t a, uint64_t b, uint64_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

PV_NODISCARD static inline bool pv_checked_mul(uint64_t a, uint64_t b, uint64_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

/* Whether [offset, offset + size) lies inside [0, limit), without overflow. */
static inline bool pv_range_inside(uint64_t offset, uint64_t size, uint64_t limit)
{
    return offset <= limit && size <= limit - offset;
}

/* `alignment` is a power of two; false on overflow. */
PV_NODISCARD static inline bool pv_checked_align(uint64_t value, uint64_t alignment, uint64_t *up)
{
    uint64_t sum;
    if (!pv_checked_add(value, alignment - 1, &sum)) {
        return false;
    }
    *up = sum & ~(alignment - 1);
    return true;
}

#endif
