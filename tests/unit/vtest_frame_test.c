#include "check.h"
#include "front/vtest/frame.h"

#include <stdlib.h>
#include <string.h>

static const char *parse_header(uint32_t length, uint32_t command, struct pv_vtest_header *header)
{
    const uint32_t dwords[2] = {length, command};
    return pv_vtest_header_parse((const uint8_t *)dwords, header);
}

static const char *parse_submit(const uint32_t *dwords, uint32_t count,
                                struct pv_vtest_submit *submit)
{
    return pv_vtest_submit_parse((const uint8_t *)dwords, count * 4, submit);
}

static void headers_count_dwords_but_for_the_name(void **state)
{
    (void)state;
    struct pv_vtest_header header;
    assert_null(parse_header(6, PV_VTEST_RESOURCE_CREATE_BLOB, &header));
    assert_int_equal(header.payload_size, 24);
    assert_true(header.wants_reply);
    assert_null(parse_header(4, PV_VTEST_CREATE_RENDERER, &header));
    assert_int_equal(header.payload_size, 4);
    assert_false(header.wants_reply);
}

static void headers_of_the_wrong_size_are_refused(void **state)
{
    (void)state;
    struct pv_vtest_header header;
    const struct {
        uint32_t length, command;
    } bad[] = {
        {0, PV_VTEST_CREATE_RENDERER},
        {PV_VTEST_NAME_MAX + 1, PV_VTEST_CREATE_RENDERER},
        {UINT32_MAX, PV_VTEST_CREATE_RENDERER},
        {1, PV_VTEST_PING_PROTOCOL_VERSION},
        {5, PV_VTEST_RESOURCE_CREATE_BLOB},
        {7, PV_VTEST_RESOURCE_CREATE_BLOB},
        {0, PV_VTEST_SUBMIT_CMD2},
        {PV_VTEST_PAYLOAD_MAX / 4 + 1, PV_VTEST_SUBMIT_CMD2},
        {0x40000001, PV_VTEST_SUBMIT_CMD2}, /* four bytes, modulo 2^32 */
        {UINT32_MAX, PV_VTEST_SUBMIT_CMD2},
        {1, PV_VTEST_SYNC_WAIT},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_non_null(parse_header(bad[i].length, bad[i].command, &header));
    }
}

static void unknown_commands_are_refused(void **state)
{
    (void)state;
    struct pv_vtest_header header;
    const uint32_t unknown[] = {0, 1, 2, 4, 5, 6, 9, 12, 13, 14, 25, 38, 255, UINT32_MAX};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_non_null(parse_header(2, unknown[i], &header));
        assert_null(pv_vtest_command_name(unknown[i]));
    }
}

static void a_batch_header_is_6_or_8_dwords_by_its_own_words(void **state)
{
    (void)state;
    struct pv_vtest_submit submit;
    struct pv_vtest_batch batch;
    /* As captured from Mesa: vkDestroyRingMESA with one sync. */
    const uint32_t new_style[] = {1, 1, 9, 4, 13, 1, 0, 0, 0, 0xbd, 0, 0x5b628100, 0x5555, 1, 1, 0};
    assert_null(parse_submit(new_style, 16, &submit));
    assert_int_equal(submit.stride, 8);
    pv_vtest_submit_batch(&submit, 0, &batch);
    assert_int_equal(batch.commands_size, 16);
    assert_int_equal(pv_vtest_dword(batch.commands, 0), 0xbd);
    assert_int_equal(batch.sync_count, 1);
    assert_int_equal(pv_vtest_qword(batch.syncs, 1), 1);
    const uint32_t old_style[] = {1, 1, 7, 4, 11, 1, 5, 0xbd, 0, 0x5b628100, 0x5555, 1, 1, 0};
    assert_null(parse_submit(old_style, 14, &submit));
    assert_int_equal(submit.stride, 6);
    pv_vtest_submit_batch(&submit, 0, &batch);
    assert_int_equal(batch.ring_idx, 5);
    assert_int_equal(pv_vtest_dword(batch.commands, 0), 0xbd);
    const uint32_t neither[] = {1, 1, 8, 4, 12, 1, 0, 0, 0xbd, 0, 0, 0, 1, 1, 0};
    assert_non_null(parse_submit(neither, 15, &submit));
}

static void a_batch_may_be_empty(void **state)
{
    (void)state;
    struct pv_vtest_submit submit;
    struct pv_vtest_batch batch;
    const uint32_t empty[] = {1, 1, 9, 0, 9, 0, 0, 0, 0};
    assert_null(parse_submit(empty, 9, &submit));
    pv_vtest_submit_batch(&submit, 0, &batch);
    assert_int_equal(batch.commands_size, 0);
    assert_int_equal(batch.sync_count, 0);
    const uint32_t none = 0;
    assert_null(parse_submit(&none, 1, &submit));
    assert_int_equal(submit.batch_count, 0);
}

static void batches_that_reach_outside_are_refused(void **state)
{
    (void)state;
    struct pv_vtest_submit submit;
    const uint32_t bad[][9] = {
        {1, 1, 9, 1, 9, 0, 0, 0, 0},          /* commands behind the end */
        {1, 1, 9, UINT32_MAX, 9, 0, 0, 0, 0}, /* wraps in bytes */
        {1, 1, 9, 0x40000000, 9, 0, 0, 0, 0}, /* 0 bytes modulo 2^32 */
        {1, 1, 9, 0, 0, 1, 64, 0, 0},         /* no such timeline */
        {1, 1, 9, 0, 9, 1, 0, 0, 0},          /* syncs behind the end */
        {1, 1, 9, 0, 9, 0x55555556, 0, 0, 0}, /* 2 dwords of syncs modulo 2^32 */
        {1, 1, 9, 0, UINT32_MAX, 1, 0, 0, 0}, /* far away */
        {1, 1, 9, 0, 9, 0, 0, 1, 0},          /* sync objects of DRM */
        {2, 1, 17, 0, 9, 0, 0, 0, 0},         /* half of the headers */
        {UINT32_MAX, 1, 9, 0, 9, 0, 0, 0, 0}, /* very many */
        {0x20000000, 1, 1, 0, 9, 0, 0, 0, 0}, /* headers of 0 bytes modulo 2^32 */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_non_null(parse_submit(bad[i], 9, &submit));
    }
}

/* Otherwise 16 MiB could ask for terabytes of work. */
static void batches_that_share_their_commands_are_refused(void **state)
{
    (void)state;
    struct pv_vtest_submit submit;
    const uint32_t shared[] = {2, 1, 13, 4, 0, 0, 0, 1, 13, 4, 0, 0, 0, 190, 0, 1, 0};
    assert_non_null(parse_submit(shared, 17, &submit));
    const uint32_t apart[] = {2, 1, 13, 2, 0, 0, 0, 1, 15, 2, 0, 0, 0, 190, 0, 1, 0};
    assert_null(parse_submit(apart, 17, &submit));
    assert_int_equal(submit.batch_count, 2);
}

/* Whatever the bytes are: nothing is read outside of them (sanitizers watch), and what is accepted
 * is inside. */
static void random_submits_never_reach_outside(void **state)
{
    (void)state;
    unsigned int seed = 20;
    print_message("seed %u\n", seed);
    srand(seed);
    for (uint32_t round = 0; round < 200000; round++) {
        uint32_t count = 1 + (uint32_t)rand() % 40;
        uint32_t *dwords = malloc(count * sizeof(*dwords));
        for (uint32_t i = 0; i < count; i++) {
            dwords[i] = rand() % 8 == 0 ? (uint32_t)rand() * 5u : (uint32_t)rand() % 20;
        }
        struct pv_vtest_submit submit;
        if (parse_submit(dwords, count, &submit) == NULL) {
            for (uint32_t i = 0; i < submit.batch_count; i++) {
                struct pv_vtest_batch batch;
                pv_vtest_submit_batch(&submit, i, &batch);
                const uint8_t *end = (const uint8_t *)(dwords + count);
                assert_true(batch.commands_size == 0 ||
                            batch.commands + batch.commands_size <= end);
                assert_true(batch.sync_count == 0 || batch.syncs + batch.sync_count * 12 <= end);
            }
        }
        free(dwords);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_count_dwords_but_for_the_name),
        cmocka_unit_test(headers_of_the_wrong_size_are_refused),
        cmocka_unit_test(unknown_commands_are_refused),
        cmocka_unit_test(a_batch_header_is_6_or_8_dwords_by_its_own_words),
        cmocka_unit_test(a_batch_may_be_empty),
        cmocka_unit_test(batches_that_reach_outside_are_refused),
        cmocka_unit_test(batches_that_share_their_commands_are_refused),
        cmocka_unit_test(random_submits_never_reach_outside),
    };
    return cmocka_run_group_tests_name("vtest_frame", tests, NULL, NULL);
}
