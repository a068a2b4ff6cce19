#ifndef PV_WIRE_ENCODE_H
#define PV_WIRE_ENCODE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Vulkan structs → bytes: the host's replies, and (in the tests, the fuzzers and replay) a guest's
 * requests. Handles are written as the u64 they hold, which must be the guest's ids.
 *
 * The bytes may lie in memory shared with a guest: they are only written, never read back, and
 * padding is zeroed. Running out of room is sticky: nothing more is written, `overflow` is set. */
struct pv_encoder {
    uint8_t *cursor;
    uint8_t *end;
    bool overflow;
};

static PV_ALWAYS_INLINE uint8_t *pv_encode_room(struct pv_encoder *out, size_t size)
{
    uint8_t *bytes = out->cursor;
    if (PV_UNLIKELY((size_t)(out->end - bytes) < size)) {
        out->overflow = true;
        out->end = out->cursor;
        return NULL;
    }
    out->cursor = bytes + size;
    return bytes;
}

static PV_ALWAYS_INLINE void pv_encode_u32(struct pv_encoder *out, uint32_t value)
{
    uint8_t *bytes = pv_encode_room(out, sizeof(value));
    if (PV_LIKELY(bytes != NULL)) {
        memcpy(bytes, &value, sizeof(value));
    }
}

static PV_ALWAYS_INLINE void pv_encode_i32(struct pv_encoder *out, int32_t value)
{
    pv_encode_u32(out, (uint32_t)value);
}

static PV_ALWAYS_INLINE void pv_encode_u64(struct pv_encoder *out, uint64_t value)
{
    uint8_t *bytes = pv_encode_room(out, sizeof(value));
    if (PV_LIKELY(bytes != NULL)) {
        memcpy(bytes, &value, sizeof(value));
    }
}

static PV_ALWAYS_INLINE void pv_encode_i64(struct pv_encoder *out, int64_t value)
{
    pv_encode_u64(out, (uint64_t)value);
}

static PV_ALWAYS_INLINE void pv_encode_f32(struct pv_encoder *out, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    pv_encode_u32(out, bits);
}

static PV_ALWAYS_INLINE void pv_encode_f64(struct pv_encoder *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    pv_encode_u64(out, bits);
}

/* `count` × `element_size` packed bytes, padded with zeros to 4; the size is not written. */
void pv_encode_packed(struct pv_encoder *out, const void *data, uint64_t count,
                      size_t element_size);

/* u64 strlen+1, the bytes with their NUL, padding; NULL: u64 0. */
void pv_encode_string(struct pv_encoder *out, const char *text);

struct pv_encode_link {
    int32_t type;
    void (*encode)(struct pv_encoder *out, const void *self); /* body only */
};

struct pv_encode_chain {
    const struct pv_encode_link *links; /* sorted by type */
    uint32_t count;
};

/* Writes a pNext chain; structs that are not in `known` are left out, as Mesa does. */
void pv_encode_chain(struct pv_encoder *out, const void *next, const struct pv_encode_chain *known);

#endif
