#include "base/assert.h"
#include "fakes/args.h"
#include "test_args.gen.h"
#include "unit/check.h"

#include <stdlib.h>
#include <string.h>

/* Guest-side encoder and host-side decoder come from the same wire programs, the arguments from
 * vk.xml's declarations: what goes in on one side must come out on the other. */

enum {
    STREAM_SIZE = 4 << 20,
    ARENA_LIMIT = 64 << 20,
    SEEDS = 40,
    FULL_SEEDS = 3,
    ARGS_SIZE_MAX = 256,
};

struct trip {
    struct pv_arena sent_arena, got_arena;
    uint8_t *stream;
    struct pv_random random;
    uint64_t seed;
};

static struct trip trip;
static uint8_t seen[PV_ARGS_LINK_COUNT], seen_partly[PV_ARGS_LINK_COUNT];

static void trip_init(uint64_t seed)
{
    pv_arena_init(&trip.sent_arena, ARENA_LIMIT);
    pv_arena_init(&trip.got_arena, ARENA_LIMIT);
    trip.stream = malloc(STREAM_SIZE);
    assert_non_null(trip.stream);
    pv_random_init(&trip.random, seed);
    trip.seed = seed;
    trip.random.seen = seen;
    trip.random.seen_partly = seen_partly;
}

static void trip_finish(void)
{
    pv_arena_finish(&trip.sent_arena);
    pv_arena_finish(&trip.got_arena);
    free(trip.stream);
}

/* A request there and decoded; compares. */
static void check_request(const struct pv_args_command *command)
{
    _Alignas(16) uint8_t sent[ARGS_SIZE_MAX], got[ARGS_SIZE_MAX];
    assert_true(command->type.size <= ARGS_SIZE_MAX);
    pv_arena_reset(&trip.sent_arena);
    pv_arena_reset(&trip.got_arena);
    pv_random_args(&trip.random, &trip.sent_arena, command, sent);

    struct pv_encoder out = {trip.stream, trip.stream + STREAM_SIZE, false};
    command->encode(&out, 1, sent);
    assert_false(out.overflow);
    struct pv_decoder in = {.cursor = trip.stream, .end = out.cursor, .arena = &trip.got_arena};
    assert_int_equal(pv_load_u32(pv_decode_take(&in, 4)), command->number);
    assert_int_equal(pv_load_u32(pv_decode_take(&in, 4)), 1);
    memset(got, 0, sizeof(got));
    command->decode(&in, got);
    if (!pv_decode_ok(&in)) {
        fail_msg("%s: %s (PV_SEED=%llu)", command->type.name, in.fault,
                 (unsigned long long)trip.seed);
    }
    assert_ptr_equal(in.cursor, in.end);
    struct pv_compare compare = {0};
    if (!pv_args_equal(&compare, command, sent, got)) {
        fail_msg("%s: %s (PV_SEED=%llu)", command->type.name, compare.difference,
                 (unsigned long long)trip.seed);
    }
}

static void requests_come_out_as_they_went_in(void **state)
{
    (void)state;
    trip_init(pv_random_seed("requests", 1));
    for (uint32_t i = 0; i < PV_ARGS_COMMAND_COUNT; i++) {
        for (uint32_t round = 0; round < SEEDS; round++) {
            check_request(pv_args_commands[i]);
        }
    }
    trip_finish();
}

static void requests_with_everything_come_out_as_they_went_in(void **state)
{
    (void)state;
    trip_init(pv_random_seed("full requests", 2));
    trip.random.full = true;
    for (uint32_t i = 0; i < PV_ARGS_COMMAND_COUNT; i++) {
        for (uint32_t round = 0; round < FULL_SEEDS; round++) {
            check_request(pv_args_commands[i]);
        }
    }
    trip_finish();
}

/* Runs after the two above. */
static void every_struct_has_been_in_every_chain_that_accepts_it(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < pv_args_base_count; i++) {
        const struct pv_args_type *base = pv_args_bases[i];
        for (uint32_t j = 0; j < base->link_count; j++) {
            uint32_t link = base->first_link + j;
            if (!seen[link] && !seen_partly[link]) {
                fail_msg("%s was never in the chain of %s", base->links[j].type->name, base->name);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_come_out_as_they_went_in),
        cmocka_unit_test(requests_with_everything_come_out_as_they_went_in),
        cmocka_unit_test(every_struct_has_been_in_every_chain_that_accepts_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
