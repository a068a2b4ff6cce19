#include "base/histogram.h"
#include "check.h"

#include <pearvisor/protocol.h>
#include <pearvisor/stats.h>
#include <string.h>

/* Rates between two looks at statistics, and the buckets of latencies. */

#define SECOND UINT64_C(1000000000)

static struct pv_stats at(uint64_t elapsed_ns)
{
    return (struct pv_stats){.struct_size = sizeof(struct pv_stats), .elapsed_ns = elapsed_ns};
}

static struct pv_stats_rates between(const struct pv_stats *before, const struct pv_stats *after)
{
    struct pv_stats_rates rates;
    memset(&rates, 0xee, sizeof(rates));
    rates.struct_size = sizeof(rates);
    pv_stats_between(before, after, &rates);
    return rates;
}

static void assert_all_zero(const struct pv_stats_rates *rates)
{
    struct pv_stats_rates zero = {.struct_size = sizeof(zero)};
    assert_int_equal(rates->struct_size, sizeof(*rates));
    assert_true(rates->commands_per_s == 0.0 && rates->stream_bytes_per_s == 0.0);
    assert_true(rates->replies_per_s == 0.0 && rates->ring_idle_ratio == 0.0);
    assert_memory_equal(&rates->latency_p50_ns, &zero.latency_p50_ns, 3 * sizeof(uint64_t));
}

static void a_bucket_holds_a_power_of_two(void **state)
{
    (void)state;
    assert_int_equal(pv_histogram_bucket(0), 0);
    assert_int_equal(pv_histogram_bucket(1), 0);
    for (uint32_t i = 1; i < 31; i++) {
        assert_int_equal(pv_histogram_bucket(UINT64_C(1) << i), i);
        assert_int_equal(pv_histogram_bucket((UINT64_C(2) << i) - 1), i);
    }
    assert_int_equal(pv_histogram_bucket(UINT64_C(1) << 31), 31);
    assert_int_equal(pv_histogram_bucket(UINT64_C(1) << 32), 31);
    assert_int_equal(pv_histogram_bucket(UINT64_MAX), 31);
}

static void rates_are_of_the_time_between(void **state)
{
    (void)state;
    struct pv_stats before = at(10 * SECOND);
    struct pv_stats after = at(14 * SECOND);
    before.commands = 1000;
    after.commands = 9000;
    before.stream_bytes = 5;
    after.stream_bytes = 45;
    before.replies = 7;
    after.replies = 9;
    before.ring_ns = 100;
    before.ring_idle_ns = 100;
    after.ring_ns = 500;
    after.ring_idle_ns = 200;
    struct pv_stats_rates rates = between(&before, &after);
    assert_true(rates.commands_per_s == 2000.0);
    assert_true(rates.stream_bytes_per_s == 10.0);
    assert_true(rates.replies_per_s == 0.5);
    assert_true(rates.ring_idle_ratio == 0.25);
    rates = between(NULL, &after);
    assert_true(rates.commands_per_s == 9000.0 / 14.0);
    assert_true(rates.ring_idle_ratio == 0.4);
}

static void percentiles_are_where_their_bucket_ends(void **state)
{
    (void)state;
    struct pv_stats before = at(SECOND);
    struct pv_stats after = at(2 * SECOND);
    before.latency[31] = after.latency[31] = 5; /* long ago */
    after.latency[10] = 50;
    after.latency[12] = 49;
    after.latency[20] = 1;
    struct pv_stats_rates rates = between(&before, &after);
    assert_int_equal(rates.latency_p50_ns, 1 << 11);
    assert_int_equal(rates.latency_p99_ns, 1 << 13);
    assert_int_equal(rates.latency_max_ns, 1 << 21);
    after.latency[12] = 48;
    rates = between(&before, &after);
    assert_int_equal(rates.latency_p99_ns, 1 << 21); /* 98.99 are not 99 of 100 */
    rates = between(NULL, &after);
    assert_int_equal(rates.latency_max_ns, UINT64_MAX);
}

static void one_reply_is_all_percentiles(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PV_STATS_LATENCY_BUCKETS; i++) {
        struct pv_stats after = at(1);
        after.latency[i] = 1;
        struct pv_stats_rates rates = between(NULL, &after);
        assert_int_equal(rates.latency_p50_ns, i < 31 ? UINT64_C(2) << i : UINT64_MAX);
        assert_int_equal(rates.latency_p99_ns, rates.latency_p50_ns);
        assert_int_equal(rates.latency_max_ns, rates.latency_p50_ns);
    }
}

static void no_time_no_rings_and_no_replies_are_zero(void **state)
{
    (void)state;
    struct pv_stats one = at(SECOND);
    one.commands = one.stream_bytes = one.replies = 3;
    struct pv_stats other = one;
    other.commands = 8;
    struct pv_stats_rates rates = between(&one, &other);
    assert_all_zero(&rates);
    one = at(0);
    rates = between(NULL, &one);
    assert_all_zero(&rates);
}

static void a_callers_mistakes_are_zero(void **state)
{
    (void)state;
    struct pv_stats early = at(SECOND);
    struct pv_stats late = at(2 * SECOND);
    late.commands = late.replies = late.ring_ns = late.ring_idle_ns = late.latency[3] = 10;
    struct pv_stats_rates rates = between(&late, &early);
    assert_all_zero(&rates);
    rates = between(&early, NULL);
    assert_all_zero(&rates);
    late.struct_size = 0;
    rates = between(&early, &late);
    assert_all_zero(&rates);
    rates = between(&late, &early);
    assert_all_zero(&rates);
}

/* The later look at another context, say: nothing below zero, and no ratio above one. */
static void figures_that_do_not_belong_together_stay_in_their_bounds(void **state)
{
    (void)state;
    struct pv_stats before = at(SECOND);
    struct pv_stats after = at(2 * SECOND);
    memset(before.latency, 0xff, sizeof(before.latency));
    before.commands = before.replies = before.stream_bytes = UINT64_MAX;
    after.commands = 5;
    after.ring_ns = 5;
    after.ring_idle_ns = 50;
    struct pv_stats_rates rates = between(&before, &after);
    assert_true(rates.ring_idle_ratio == 1.0);
    rates.ring_idle_ratio = 0.0;
    assert_all_zero(&rates);
    memset(after.latency, 0xff, sizeof(after.latency));
    rates = between(NULL, &after);
    assert_true(rates.latency_p50_ns <= rates.latency_p99_ns);
}

/* An older program has shorter structs, and gets what fits. */
static void older_callers_get_what_they_know(void **state)
{
    (void)state;
    struct pv_stats after = at(SECOND);
    after.struct_size = offsetof(struct pv_stats, latency);
    after.commands = 6;
    memset(after.latency, 0xff, sizeof(after.latency)); /* not theirs */
    struct pv_stats_rates rates;
    memset(&rates, 0xee, sizeof(rates));
    rates.struct_size = offsetof(struct pv_stats_rates, stream_bytes_per_s);
    pv_stats_between(NULL, &after, &rates);
    assert_true(rates.commands_per_s == 6.0);
    uint8_t untouched[sizeof(double)];
    memset(untouched, 0xee, sizeof(untouched));
    assert_memory_equal(&rates.stream_bytes_per_s, untouched, sizeof(untouched));
    rates = between(NULL, &after);
    assert_int_equal(rates.latency_max_ns, 0);
}

static void every_command_has_a_kind_and_every_kind_a_command(void **state)
{
    (void)state;
    uint32_t counts[PV_COMMAND_KIND_COUNT] = {0};
    for (uint32_t number = 0; number < pv_protocol_command_count(); number++) {
        struct pv_command_info info;
        pv_protocol_command(number, &info);
        assert_in_range(info.kind, 0, PV_COMMAND_KIND_COUNT - 1);
        if (info.name != NULL) {
            counts[info.kind]++;
            bool is_recorded = strncmp(info.name, "vkCmd", 5) == 0;
            assert_true(!is_recorded || info.kind == PV_COMMAND_KIND_RECORD);
        }
    }
    for (uint32_t kind = 0; kind < PV_COMMAND_KIND_COUNT; kind++) {
        assert_true(counts[kind] != 0);
        assert_non_null(pv_protocol_kind_name((enum pv_command_kind)kind));
    }
    assert_string_equal(pv_protocol_kind_name(PV_COMMAND_KIND_WAIT), "wait");
    assert_null(pv_protocol_kind_name(PV_COMMAND_KIND_COUNT));
    assert_null(pv_protocol_kind_name((enum pv_command_kind) - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_holds_a_power_of_two),
        cmocka_unit_test(rates_are_of_the_time_between),
        cmocka_unit_test(percentiles_are_where_their_bucket_ends),
        cmocka_unit_test(one_reply_is_all_percentiles),
        cmocka_unit_test(no_time_no_rings_and_no_replies_are_zero),
        cmocka_unit_test(a_callers_mistakes_are_zero),
        cmocka_unit_test(figures_that_do_not_belong_together_stay_in_their_bounds),
        cmocka_unit_test(older_callers_get_what_they_know),
        cmocka_unit_test(every_command_has_a_kind_and_every_kind_a_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
