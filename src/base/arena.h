#ifndef PV_BASE_ARENA_H
#define PV_BASE_ARENA_H

#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that several holders may have together. Any thread. */
struct pv_budget {
    _Atomic uint64_t left_bytes;
};

/* False when less is left. A NULL budget is without bounds. */
PV_NODISCARD bool pv_budget_take(struct pv_budget *budget, uint64_t size);
void pv_budget_give(struct pv_budget *budget, uint64_t size);

/* Scratch memory for one command: bump-allocated, gone at pv_arena_reset(). One thread at a time.
 * The first block is kept over resets, so that the common command never calls malloc. */
struct pv_arena {
    uint8_t *cursor;
    uint8_t *end;
    uint8_t *start;                /* of the block that is kept: the cursor's place after a reset */
    struct pv_arena_block *blocks; /* newest first; the last one is kept */
    size_t used_bytes;             /* in the blocks before the newest */
    size_t limit_bytes;            /* of all blocks since the last reset */
    size_t first_block_size;       /* smaller when set after the init, for one of many arenas */
    struct pv_budget *budget;      /* shared with other arenas; NULL, or set after the init */
};

enum {
    PV_ARENA_ALIGNMENT = 16,
    PV_ARENA_FIRST_BLOCK_SIZE = 64 * 1024,
};

/* Allocates nothing. `limit_bytes` bounds what one command may take (a quota on guest-chosen
 * counts: a few wire bytes can ask for a large struct). */
void pv_arena_init(struct pv_arena *arena, size_t limit_bytes);
void pv_arena_finish(struct pv_arena *arena);

/* Slow path of pv_arena_alloc(). */
PV_NODISCARD PV_COLD void *pv_arena_grow(struct pv_arena *arena, size_t size);
PV_COLD void pv_arena_drop_blocks(struct pv_arena *arena);

/* `size` bytes, 16-byte aligned, not initialised; NULL when the limit is reached or malloc fails.
 * A size of 0 gives a valid pointer. */
PV_NODISCARD static PV_ALWAYS_INLINE void *pv_arena_alloc(struct pv_arena *arena, size_t size)
{
    uint8_t *result = arena->cursor;
    if (PV_UNLIKELY(size > (size_t)(arena->end - result))) {
        return pv_arena_grow(arena, size);
    }
    /* What is left is a multiple of the alignment, so that the rounded size fits as well. */
    arena->cursor =
        result + ((size + (PV_ARENA_ALIGNMENT - 1)) & ~(size_t)(PV_ARENA_ALIGNMENT - 1));
    return result;
}

struct pv_arena_block {
    struct pv_arena_block *older;
    size_t size; /* of `bytes` */
    _Alignas(PV_ARENA_ALIGNMENT) uint8_t bytes[];
};

/* Everything allocated since the last reset is gone. */
static PV_ALWAYS_INLINE void pv_arena_reset(struct pv_arena *arena)
{
    if (arena->cursor == arena->start) {
        return;
    }
    if (PV_UNLIKELY(arena->blocks->older != NULL)) {
        pv_arena_drop_blocks(arena);
    }
    arena->cursor = arena->start;
}

#endif
