#include "base/arena.h"

#include "base/checked.h"

#include <stdbool.h>
#include <stdlib.h>

/* Where an arena without blocks points: also the first request may be for 0 bytes. */
static _Alignas(PV_ARENA_ALIGNMENT) uint8_t no_block[PV_ARENA_ALIGNMENT];

void pv_arena_init(struct pv_arena *arena, size_t limit_bytes)
{
    *arena = (struct pv_arena){.cursor = no_block,
                               .end = no_block,
                               .start = no_block,
                               .limit_bytes = limit_bytes,
                               .first_block_size = PV_ARENA_FIRST_BLOCK_SIZE};
}

bool pv_budget_take(struct pv_budget *budget, uint64_t size)
{
    if (budget == NULL) {
        return true;
    }
    uint64_t left = atomic_load_explicit(&budget->left_bytes, memory_order_relaxed);
    do {
        if (size > left) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&budget->left_bytes, &left, left - size,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void pv_budget_give(struct pv_budget *budget, uint64_t size)
{
    if (budget != NULL) {
        atomic_fetch_add_explicit(&budget->left_bytes, size, memory_order_relaxed);
    }
}

static void free_newest(struct pv_arena *arena)
{
    struct pv_arena_block *block = arena->blocks;
    arena->blocks = block->older;
    pv_budget_give(arena->budget, block->size);
    free(block);
}

void pv_arena_finish(struct pv_arena *arena)
{
    while (arena->blocks != NULL) {
        free_newest(arena);
    }
    struct pv_arena was = *arena;
    pv_arena_init(arena, was.limit_bytes);
    arena->first_block_size = was.first_block_size;
    arena->budget = was.budget;
}

/* Each block doubles, so that a command of n bytes costs O(log n) calls of malloc. */
static size_t next_block_size(const struct pv_arena *arena, size_t wanted, size_t allowed)
{
    size_t size = arena->first_block_size;
    if (arena->blocks != NULL) {
        size = arena->blocks->size <= SIZE_MAX / 2 ? arena->blocks->size * 2 : arena->blocks->size;
    }
    if (size > allowed) {
        size = allowed & ~(size_t)(PV_ARENA_ALIGNMENT - 1);
    }
    return size < wanted ? wanted : size;
}

static bool add_block(struct pv_arena *arena, size_t wanted)
{
    size_t used = arena->used_bytes;
    if (arena->blocks != NULL) {
        /* What is left in the newest block is lost, and counts: the limit bounds memory held. */
        used += arena->blocks->size;
    }
    if (used > arena->limit_bytes || wanted > arena->limit_bytes - used) {
        return false;
    }
    size_t size = next_block_size(arena, wanted, arena->limit_bytes - used);
    if (!pv_budget_take(arena->budget, size)) {
        return false;
    }
    struct pv_arena_block *block = malloc(sizeof(*block) + size);
    if (block == NULL) {
        pv_budget_give(arena->budget, size);
        return false;
    }
    block->older = arena->blocks;
    block->size = size;
    arena->blocks = block;
    arena->used_bytes = used;
    arena->cursor = block->bytes;
    arena->end = block->bytes + size;
    if (block->older == NULL) {
        arena->start = block->bytes;
    }
    return true;
}

void *pv_arena_grow(struct pv_arena *arena, size_t size)
{
    uint64_t wanted;
    if (!pv_checked_align(size, PV_ARENA_ALIGNMENT, &wanted) || wanted > SIZE_MAX / 2) {
        return NULL;
    }
    /* The oldest block is the one that is kept: it is small even if the first request is not. */
    if (arena->blocks == NULL && wanted > arena->first_block_size && !add_block(arena, 0)) {
        return NULL;
    }
    if (!add_block(arena, (size_t)wanted)) {
        return NULL;
    }
    arena->cursor += wanted;
    return arena->blocks->bytes;
}

void pv_arena_drop_blocks(struct pv_arena *arena)
{
    while (arena->blocks->older != NULL) {
        free_newest(arena);
    }
    arena->used_bytes = 0;
    arena->end = arena->blocks->bytes + arena->blocks->size;
}
