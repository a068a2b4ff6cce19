#ifndef PV_WIRE_DECODE_H
#define PV_WIRE_DECODE_H

#include "base/arena.h"
#include "base/attributes.h"
#include "object/object.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Guest bytes → Vulkan structs.
 *
 * A decoder reads private memory only: the bytes were copied out of shared memory before. Its error
 * is sticky. After a fault every read yields zeros, so a generated decoder runs straight through
 * and asks pv_decode_ok() once, before anything acts on the result. Everything on the wire is a
 * multiple of 4 bytes and aligned to 4, never to 8. */
struct pv_decoder {
    const uint8_t *cursor;
    const uint8_t *end;
    struct pv_arena *arena;     /* memory for what is decoded */
    struct pv_objects *objects; /* resolves handles; NULL: handles stay the guest's ids */
    const char *fault;          /* why, a static string; NULL while all is well */
    uint32_t owner;             /* of the objects a command may name, from its first argument */
    /* Those of `objects`, at hand for each look-up; none without a table. */
    uint32_t directory_count;
    struct pv_object_directory *_Atomic *directories;
    /* An id was not alive at the first look: waits for whoever makes the object. True if a second
     * look may find it, as also when it has come between the two. NULL: nobody waits. */
    bool (*await)(struct pv_decoder *in, uint64_t id, uint32_t type);
};

/* From now on handles are looked up in `objects`. */
static inline void pv_decode_use_objects(struct pv_decoder *in, struct pv_objects *objects)
{
    in->objects = objects;
    in->directories = objects->directories;
    in->directory_count = PV_OBJECT_DIRECTORIES;
}

enum {
    /* The most that one pv_decode_take() may ask for: after a fault it points into zeros. */
    PV_DECODE_TAKE_MAX = 4096,
    /* Links of one pNext chain. The longest honest one is a feature query with every struct. */
    PV_CHAIN_LINKS_MAX = 512,
};

extern const uint8_t pv_decode_zeros[PV_DECODE_TAKE_MAX];

/* Records the first fault and stops the stream: nothing is left to read, and no device is the
 * command's any more. */
PV_COLD void pv_decode_fault(struct pv_decoder *in, const char *why);

static PV_ALWAYS_INLINE bool pv_decode_ok(const struct pv_decoder *in)
{
    return PV_LIKELY(in->fault == NULL);
}

/* The next `size` bytes (a multiple of 4), or zeros and a fault. */
static PV_ALWAYS_INLINE const uint8_t *pv_decode_take(struct pv_decoder *in, size_t size)
{
    const uint8_t *bytes = in->cursor;
    if (PV_UNLIKELY((size_t)(in->end - bytes) < size)) {
        pv_decode_fault(in, "the command is cut short");
        return pv_decode_zeros;
    }
    in->cursor = bytes + size;
    return bytes;
}

/* Loads; `bytes` need no alignment. */
static PV_ALWAYS_INLINE uint32_t pv_load_u32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static PV_ALWAYS_INLINE uint64_t pv_load_u64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static PV_ALWAYS_INLINE int32_t pv_load_i32(const uint8_t *bytes)
{
    return (int32_t)pv_load_u32(bytes);
}

static PV_ALWAYS_INLINE int64_t pv_load_i64(const uint8_t *bytes)
{
    return (int64_t)pv_load_u64(bytes);
}

static PV_ALWAYS_INLINE float pv_load_f32(const uint8_t *bytes)
{
    float value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static PV_ALWAYS_INLINE double pv_load_f64(const uint8_t *bytes)
{
    double value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

/* What a handle on the wire must be. */
enum pv_handle_rule {
    PV_HANDLE_REQUIRED,
    PV_HANDLE_OPTIONAL, /* id 0 gives VK_NULL_HANDLE */
};

/* Cold half of the lookups: id 0, a guest-side decoder, or a fault that names what was wrong. */
PV_COLD uint64_t pv_decode_handle_miss(struct pv_decoder *in, uint64_t id, uint32_t type,
                                       enum pv_handle_rule rule);

/* The host's word for `id`, which must be a `type` of the command's device (instance-level types:
 * owner 0). For a type with a struct of our own that is the struct's address. */
static PV_ALWAYS_INLINE uint64_t pv_decode_lookup(struct pv_decoder *in, uint64_t id, uint32_t type,
                                                  uint32_t owner, enum pv_handle_rule rule)
{
    struct pv_slot *slot = pv_object_find(in->directories, in->directory_count, id);
    if (PV_LIKELY(slot != NULL &&
                  atomic_load_explicit(&slot->tag, memory_order_acquire) == PV_TAG(type, owner))) {
        return atomic_load_explicit(&slot->host, memory_order_relaxed);
    }
    return pv_decode_handle_miss(in, id, type, rule);
}

/* As above, for a type with a struct of our own (struct pv_object first): its host handle. */
static PV_ALWAYS_INLINE uint64_t pv_decode_lookup_own(struct pv_decoder *in, uint64_t id,
                                                      uint32_t type, uint32_t owner,
                                                      enum pv_handle_rule rule)
{
    struct pv_slot *slot = pv_object_find(in->directories, in->directory_count, id);
    if (PV_LIKELY(slot != NULL &&
                  atomic_load_explicit(&slot->tag, memory_order_acquire) == PV_TAG(type, owner))) {
        uint64_t word = atomic_load_explicit(&slot->host, memory_order_relaxed);
        return __atomic_load_n(&((const struct pv_object *)(uintptr_t)word)->host,
                               __ATOMIC_RELAXED);
    }
    return pv_decode_handle_miss(in, id, type, rule);
}

/* A command's first argument: any owner will do, and becomes the owner of the command's other
 * handles. The host's word: a handle, or the address of our struct. */
static PV_ALWAYS_INLINE uint64_t pv_decode_first(struct pv_decoder *in, uint64_t id, uint32_t type)
{
    struct pv_slot *slot = pv_object_find(in->directories, in->directory_count, id);
    if (PV_LIKELY(slot != NULL)) {
        uint64_t tag = atomic_load_explicit(&slot->tag, memory_order_acquire);
        if (PV_LIKELY(PV_TAG_TYPE(tag) == type)) {
            in->owner = PV_TAG_OWNER(tag);
            return atomic_load_explicit(&slot->host, memory_order_relaxed);
        }
    }
    return pv_decode_handle_miss(in, id, type, PV_HANDLE_REQUIRED);
}

/* The same for a type with a struct of ours: the host's handle. What a device's commands name
 * belongs to that device: its own number is in its struct, not in its tag. */
static PV_ALWAYS_INLINE uint64_t pv_decode_first_own(struct pv_decoder *in, uint64_t id,
                                                     uint32_t type, bool is_owner)
{
    struct pv_slot *slot = pv_object_find(in->directories, in->directory_count, id);
    if (PV_LIKELY(slot != NULL)) {
        uint64_t tag = atomic_load_explicit(&slot->tag, memory_order_acquire);
        if (PV_LIKELY(PV_TAG_TYPE(tag) == type)) {
            uint64_t word = atomic_load_explicit(&slot->host, memory_order_relaxed);
            const struct pv_object *object = (const struct pv_object *)(uintptr_t)word;
            in->owner = is_owner ? object->owner : PV_TAG_OWNER(tag);
            return object->host;
        }
    }
    return pv_decode_handle_miss(in, id, type, PV_HANDLE_REQUIRED);
}

/* --- what most commands are made of: the common case inline, faults in decode.c --- */

PV_NODISCARD PV_COLD void *pv_decode_alloc_refused(struct pv_decoder *in, uint64_t count,
                                                   size_t wire_size);
PV_COLD void pv_decode_array_size_differs(struct pv_decoder *in, uint64_t size);
PV_NODISCARD PV_COLD bool pv_decode_absent(struct pv_decoder *in, uint64_t present, bool required);

/* `count` elements of `element_size` bytes from the arena, not initialised; NULL and a fault when
 * that is too much. `wire_size` is what one element takes on the wire at least: a count that the
 * rest of the stream cannot hold is refused before anything is allocated. */
PV_NODISCARD static PV_ALWAYS_INLINE void *pv_decode_alloc(struct pv_decoder *in, uint64_t count,
                                                           size_t element_size, size_t wire_size)
{
    uint64_t needed, size;
    /* After a fault nothing is left, so that what takes bytes on the wire is refused by that. */
    if (PV_LIKELY(!__builtin_mul_overflow(count, wire_size, &needed) &&
                  needed <= (uint64_t)(in->end - in->cursor) &&
                  !__builtin_mul_overflow(count, element_size, &size) && size <= SIZE_MAX / 2 &&
                  (wire_size != 0 || pv_decode_ok(in)))) {
        void *memory = pv_arena_alloc(in->arena, (size_t)size);
        if (PV_LIKELY(memory != NULL)) {
            return memory;
        }
    }
    return pv_decode_alloc_refused(in, count, wire_size);
}

/* Takes what pv_decode_alloc() has just found to be there: count × wire_size bytes. */
static PV_ALWAYS_INLINE const uint8_t *pv_decode_allowed(struct pv_decoder *in, uint64_t size)
{
    const uint8_t *bytes = in->cursor;
    in->cursor = bytes + size;
    return bytes;
}

/* The size that precedes an array. 0 means NULL and is a fault when `required` and `expected` is
 * not 0; any other value must equal `expected`. */
PV_NODISCARD static PV_ALWAYS_INLINE uint64_t pv_decode_array_size(struct pv_decoder *in,
                                                                   uint64_t size, uint64_t expected,
                                                                   bool required)
{
    if (PV_LIKELY(size == expected)) {
        return expected;
    }
    if (PV_UNLIKELY(size != 0 || required)) {
        pv_decode_array_size_differs(in, size);
    }
    return 0;
}

/* A fixed array's size, which is sent although it is constant. */
static PV_ALWAYS_INLINE void pv_decode_fixed_size(struct pv_decoder *in, uint64_t size,
                                                  uint64_t expected)
{
    if (PV_UNLIKELY(size != expected)) {
        pv_decode_fault(in, "a fixed array has another size");
    }
}

/* Whether a simple pointer is there: 0 or 1; 0 is a fault when `required`. */
PV_NODISCARD static PV_ALWAYS_INLINE bool pv_decode_present(struct pv_decoder *in, uint64_t present,
                                                            bool required)
{
    return PV_LIKELY(present == 1) || pv_decode_absent(in, present, required);
}

/* A pointer that the wire cannot carry: must be 0. */
static PV_ALWAYS_INLINE void pv_decode_null(struct pv_decoder *in, uint64_t present)
{
    if (PV_UNLIKELY(present != 0)) {
        pv_decode_fault(in, "a pointer that the protocol cannot carry");
    }
}

/* A fixed array of scalars at `bytes`: its size, which must be `count`, and the packed elements. */
static PV_ALWAYS_INLINE void pv_decode_fixed_scalars(struct pv_decoder *in, const uint8_t *bytes,
                                                     void *out, uint64_t count, size_t element_size)
{
    pv_decode_fixed_size(in, pv_load_u64(bytes), count);
    memcpy(out, bytes + 8, (size_t)count * element_size);
}

/* The same for text: the last byte becomes NUL. */
static PV_ALWAYS_INLINE void pv_decode_fixed_chars(struct pv_decoder *in, const uint8_t *bytes,
                                                   char *out, uint64_t count)
{
    pv_decode_fixed_scalars(in, bytes, out, count, 1);
    out[count - 1] = '\0';
}

PV_NODISCARD void *pv_decode_packed_slowly(struct pv_decoder *in, uint64_t count,
                                           size_t element_size, size_t alignment);

/* `count` × `element_size` packed bytes, padded to 4: in place in the decoder's bytes where they
 * are aligned to `alignment` (at most 8), else a copy in the arena. NULL when count is 0 or at a
 * fault. The memory is writable scratch of this command only. */
PV_NODISCARD static PV_ALWAYS_INLINE void *pv_decode_packed(struct pv_decoder *in, uint64_t count,
                                                            size_t element_size, size_t alignment)
{
    const uint8_t *bytes = in->cursor;
    uint64_t left = (uint64_t)(in->end - bytes);
    uint64_t size, padded;
    if (count == 0) {
        return NULL;
    }
    if (PV_LIKELY(!__builtin_mul_overflow(count, element_size, &size) &&
                  !__builtin_add_overflow(size, 3, &padded) && (padded & ~UINT64_C(3)) <= left &&
                  ((uintptr_t)bytes & (alignment - 1)) == 0)) {
        in->cursor = bytes + (padded & ~UINT64_C(3));
        return (void *)(uintptr_t)bytes;
    }
    return pv_decode_packed_slowly(in, count, element_size, alignment);
}

/* A string of `size` bytes, its NUL included: the last byte becomes it. 0 means NULL. */
PV_NODISCARD char *pv_decode_string(struct pv_decoder *in, uint64_t size, bool required);

/* `count` strings; none may be NULL. */
PV_NODISCARD char **pv_decode_strings(struct pv_decoder *in, uint64_t count);

/* One struct that a chain may hold. */
struct pv_chain_entry {
    int32_t type; /* VkStructureType */
    bool repeats; /* vk.xml's allowduplicate */
    uint32_t size;
    uint32_t wire_size; /* the least its body takes */
    uint32_t head_size; /* what its body begins with, of fixed size */
    /* The body only, after the chain. `p`: its head, taken already. */
    void (*decode)(struct pv_decoder *in, const uint8_t *p, void *self);
};

/* The structs that one base struct accepts, sorted by type. */
struct pv_chain {
    const struct pv_chain_entry *entries;
    uint32_t count;
};

/* A struct's sType, which must be `type`, and its pNext chain, of which `accepted` may be links
 * (NULL: none). Reads all links' headers, outermost first, then their bodies, innermost first; in
 * two loops, never by recursion. Returns the first link, NULL when there is none. */
PV_NODISCARD PV_COLD void *pv_decode_chain(struct pv_decoder *in, int32_t type,
                                           const struct pv_chain *accepted);

/* The same, and what the struct's body begins with: `size` bytes, to which the result points.
 * Without a chain, as most structs are, one check of the bounds does for all of it. */
PV_NODISCARD static PV_ALWAYS_INLINE const uint8_t *pv_decode_head(struct pv_decoder *in,
                                                                   int32_t type,
                                                                   const struct pv_chain *accepted,
                                                                   size_t size, void **next)
{
    const uint8_t *bytes = in->cursor;
    if (PV_LIKELY((size_t)(in->end - bytes) >= 12 + size && pv_load_i32(bytes) == type &&
                  pv_load_u64(bytes + 4) == 0)) {
        in->cursor = bytes + 12 + size;
        *next = NULL;
        return bytes + 12;
    }
    *next = pv_decode_chain(in, type, accepted);
    return pv_decode_take(in, size);
}

#endif
