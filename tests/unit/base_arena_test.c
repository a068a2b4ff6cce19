#include "base/arena.h"
#include "check.h"

#include <string.h>

static void arena_gives_aligned_memory_that_does_not_overlap(void **state)
{
    (void)state;
    struct pv_arena arena;
    pv_arena_init(&arena, 1 << 20);
    uint8_t *before = NULL;
    for (size_t size = 0; size < 500; size++) {
        uint8_t *memory = pv_arena_alloc(&arena, size);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % PV_ARENA_ALIGNMENT, 0);
        memset(memory, (int)size, size);
        if (before != NULL && size > 1) {
            assert_int_equal(before[size - 2], (uint8_t)(size - 1));
        }
        before = memory;
    }
    pv_arena_finish(&arena);
}

static void arena_refuses_what_exceeds_its_limit(void **state)
{
    (void)state;
    struct pv_arena arena;
    pv_arena_init(&arena, 1 << 20);
    static const size_t sizes[] = {(1 << 20) + 1, SIZE_MAX, SIZE_MAX - 15, SIZE_MAX / 2 + 1};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_null(pv_arena_alloc(&arena, sizes[i]));
    }
    size_t taken = 0;
    while (pv_arena_alloc(&arena, 1000) != NULL) {
        taken += 1000;
    }
    assert_true(taken <= 1 << 20 && taken > 1 << 19);
    pv_arena_reset(&arena);
    assert_non_null(pv_arena_alloc(&arena, 500000)); /* the limit is each command's */
    pv_arena_finish(&arena);
}

static void arena_reset_keeps_only_the_first_small_block(void **state)
{
    (void)state;
    struct pv_arena arena;
    pv_arena_init(&arena, SIZE_MAX);
    assert_non_null(pv_arena_alloc(&arena, 10 << 20));
    pv_arena_reset(&arena);
    assert_null(arena.blocks->older);
    assert_int_equal(arena.blocks->size, PV_ARENA_FIRST_BLOCK_SIZE);
    void *first = pv_arena_alloc(&arena, 100);
    pv_arena_reset(&arena);
    assert_ptr_equal(pv_arena_alloc(&arena, 200), first);
    pv_arena_finish(&arena);
    pv_arena_finish(&arena);
}

static void arena_that_was_never_used_can_be_reset_and_finished(void **state)
{
    (void)state;
    struct pv_arena arena;
    pv_arena_init(&arena, 100);
    pv_arena_reset(&arena);
    assert_non_null(pv_arena_alloc(&arena, 0));
    pv_arena_finish(&arena);
}

static void arenas_share_a_budget_and_give_back_what_they_free(void **state)
{
    (void)state;
    struct pv_budget budget = {1 << 20};
    struct pv_arena one, other;
    pv_arena_init(&one, SIZE_MAX);
    pv_arena_init(&other, SIZE_MAX);
    one.budget = &budget;
    other.budget = &budget;
    assert_non_null(pv_arena_alloc(&one, 700000));
    assert_null(pv_arena_alloc(&other, 700000));
    pv_arena_reset(&one);
    assert_non_null(pv_arena_alloc(&other, 700000));
    pv_arena_finish(&one);
    pv_arena_finish(&other);
    assert_int_equal(budget.left_bytes, 1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_gives_aligned_memory_that_does_not_overlap),
        cmocka_unit_test(arena_refuses_what_exceeds_its_limit),
        cmocka_unit_test(arena_reset_keeps_only_the_first_small_block),
        cmocka_unit_test(arena_that_was_never_used_can_be_reset_and_finished),
        cmocka_unit_test(arenas_share_a_budget_and_give_back_what_they_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
