#include "base/clock.h"
#include "check.h"
#include "ring/wait.h"

#define US PV_NS_PER_US
#define IDLE_DELAY_NS PV_NS_PER_MS

/* Runs one wait on a made-up clock, on which a spin takes 1 us and a sleep just what it asks for.
 * Returns how long it spun; stops after `gap_ns`, or when the wait wants to be idle. */
static uint64_t wait_through(struct pv_ring_wait *wait, uint64_t *now_ns, uint64_t gap_ns)
{
    uint64_t arrival_ns = *now_ns + gap_ns;
    uint64_t spun_ns = 0;
    pv_ring_wait_begin(wait, *now_ns);
    while (*now_ns < arrival_ns) {
        switch (pv_ring_wait_next(wait, *now_ns, true)) {
        case PV_RING_WAIT_SPIN:
        case PV_RING_WAIT_YIELD:
            *now_ns += US;
            spun_ns += US;
            break;
        case PV_RING_WAIT_SLEEP:
            *now_ns += wait->sleep_ns;
            break;
        case PV_RING_WAIT_IDLE:
            *now_ns = arrival_ns;
            break;
        }
    }
    pv_ring_wait_end(wait, *now_ns);
    return spun_ns;
}

static void ring_wait_spins_through_gaps_that_recur(void **state)
{
    (void)state;
    static const uint64_t gaps_us[] = {5, 30, 200};
    for (size_t i = 0; i < 3; i++) {
        struct pv_ring_wait wait;
        uint64_t now_ns = PV_NS_PER_S;
        pv_ring_wait_init(&wait, IDLE_DELAY_NS);
        for (int j = 0; j < 100; j++) {
            wait_through(&wait, &now_ns, gaps_us[i] * US);
        }
        assert_int_equal(wait_through(&wait, &now_ns, gaps_us[i] * US), gaps_us[i] * US);
    }
}

static void ring_wait_spins_little_when_the_guest_comes_once_a_frame(void **state)
{
    (void)state;
    struct pv_ring_wait wait;
    uint64_t now_ns = PV_NS_PER_S;
    uint64_t spun_ns = 0;
    pv_ring_wait_init(&wait, IDLE_DELAY_NS);
    for (int frame = 0; frame < 200; frame++) {
        for (int i = 0; i < 20; i++) {
            spun_ns += wait_through(&wait, &now_ns, 4 * US);
        }
        spun_ns += wait_through(&wait, &now_ns, 16 * PV_NS_PER_MS);
    }
    assert_true(spun_ns / 200 < 200 * US); /* of 16 ms */
}

static void ring_wait_learns_when_the_rhythm_changes(void **state)
{
    (void)state;
    struct pv_ring_wait wait;
    uint64_t now_ns = PV_NS_PER_S;
    pv_ring_wait_init(&wait, IDLE_DELAY_NS);
    for (int i = 0; i < 500; i++) {
        wait_through(&wait, &now_ns, 5 * PV_NS_PER_MS);
    }
    assert_true(wait_through(&wait, &now_ns, 5 * PV_NS_PER_MS) <= 50 * US);
    for (int i = 0; i < 300; i++) {
        wait_through(&wait, &now_ns, 100 * US);
    }
    assert_int_equal(wait_through(&wait, &now_ns, 100 * US), 100 * US);
}

/* The same as wait_through(), with the guest's rhythm: whether it found us awake, and how long we
 * spun for it beyond the idle delay. */
struct beat {
    bool found_awake;
    uint64_t spun_ns;
    uint32_t wakes;
};

static struct beat wait_for_beat(struct pv_ring_wait *wait, uint64_t *now_ns, uint64_t gap_ns,
                                 uint64_t late_ns)
{
    struct beat beat = {0};
    uint64_t arrival_ns = *now_ns + gap_ns;
    uint64_t idle_at_ns = *now_ns + IDLE_DELAY_NS;
    pv_ring_wait_begin(wait, *now_ns);
    while (*now_ns < arrival_ns) {
        beat.found_awake = true;
        switch (pv_ring_wait_next(wait, *now_ns, true)) {
        case PV_RING_WAIT_SPIN:
        case PV_RING_WAIT_YIELD:
            beat.spun_ns += *now_ns >= idle_at_ns ? US : 0;
            *now_ns += US;
            break;
        case PV_RING_WAIT_SLEEP:
            *now_ns += wait->sleep_ns;
            break;
        case PV_RING_WAIT_IDLE:
            if (wait->wake_at_ns == 0 || wait->wake_at_ns + late_ns >= arrival_ns) {
                beat.found_awake = false;
                *now_ns = arrival_ns;
            } else {
                *now_ns = wait->wake_at_ns + late_ns;
                beat.wakes++;
                pv_ring_wait_woken(wait, *now_ns);
            }
            break;
        }
    }
    pv_ring_wait_end(wait, *now_ns);
    return beat;
}

static void ring_wait_is_awake_when_the_next_beat_is_due(void **state)
{
    (void)state;
    static const uint64_t gaps_us[] = {2000, 6900, 16600};
    for (size_t i = 0; i < 3; i++) {
        struct pv_ring_wait wait;
        uint64_t now_ns = PV_NS_PER_S;
        uint64_t spun_ns = 0;
        uint32_t awake = 0;
        pv_ring_wait_init(&wait, IDLE_DELAY_NS);
        for (uint32_t j = 0; j < 200; j++) {
            /* Early and late by up to 40 us, and our own timer by 90. */
            uint64_t gap_ns = gaps_us[i] * US + j * 7919 % 80 * US - 40 * US;
            struct beat beat = wait_for_beat(&wait, &now_ns, gap_ns, 90 * US);
            awake += beat.found_awake ? 1 : 0;
            spun_ns += beat.spun_ns;
        }
        assert_true(awake > 180);
        assert_true(spun_ns / 200 < gaps_us[i] * US / 8);
        assert_true(gaps_us[i] < 16000 || spun_ns / 200 < gaps_us[i] * US / 50);
    }
}

static void ring_wait_wakes_for_nothing_only_a_few_times_after_the_last_beat(void **state)
{
    (void)state;
    struct pv_ring_wait wait;
    uint64_t now_ns = PV_NS_PER_S;
    uint32_t wakes = 0;
    pv_ring_wait_init(&wait, IDLE_DELAY_NS);
    for (uint32_t j = 0; j < 100; j++) {
        (void)wait_for_beat(&wait, &now_ns, 16600 * US, 0);
    }
    struct beat last = wait_for_beat(&wait, &now_ns, 100 * PV_NS_PER_S, 0);
    assert_int_equal(last.wakes, 1);
    assert_true(last.spun_ns < PV_NS_PER_MS);
    for (uint32_t j = 0; j < 20; j++) {
        wakes += wait_for_beat(&wait, &now_ns, PV_NS_PER_S, 0).wakes;
    }
    assert_true(wakes <= 1);
}

static void ring_wait_does_not_wake_for_a_guest_without_rhythm(void **state)
{
    (void)state;
    struct pv_ring_wait wait;
    uint64_t now_ns = PV_NS_PER_S;
    uint32_t wakes = 0;
    pv_ring_wait_init(&wait, IDLE_DELAY_NS);
    for (uint64_t j = 0; j < 500; j++) {
        uint64_t gap_us = 2000 + j * 7919 % 9973 * 3;
        wakes += wait_for_beat(&wait, &now_ns, gap_us * US, 0).wakes;
    }
    assert_true(wakes < 25);
}

static void ring_wait_never_spins_without_a_spare_core(void **state)
{
    (void)state;
    struct pv_ring_wait wait;
    pv_ring_wait_init(&wait, IDLE_DELAY_NS);
    pv_ring_wait_begin(&wait, 0);
    for (uint64_t now_ns = 0; now_ns < IDLE_DELAY_NS; now_ns += 10 * US) {
        assert_int_equal(pv_ring_wait_next(&wait, now_ns, false), PV_RING_WAIT_SLEEP);
        assert_true(wait.sleep_ns <= 100 * US);
    }
}

static void ring_wait_goes_idle_one_delay_after_the_last_sign_of_life(void **state)
{
    (void)state;
    struct pv_ring_wait wait;
    pv_ring_wait_init(&wait, IDLE_DELAY_NS);
    pv_ring_wait_begin(&wait, 1000 * US);
    assert_int_not_equal(pv_ring_wait_next(&wait, 1999 * US, true), PV_RING_WAIT_IDLE);
    pv_ring_wait_notified(&wait, 1500 * US);
    assert_int_not_equal(pv_ring_wait_next(&wait, 2499 * US, true), PV_RING_WAIT_IDLE);
    assert_int_equal(pv_ring_wait_next(&wait, 2500 * US, true), PV_RING_WAIT_IDLE);
}

static void ring_wait_yields_when_its_core_was_taken_away(void **state)
{
    (void)state;
    struct pv_ring_wait wait;
    pv_ring_wait_init(&wait, IDLE_DELAY_NS);
    pv_ring_wait_begin(&wait, 0);
    assert_int_equal(pv_ring_wait_next(&wait, US, true), PV_RING_WAIT_SPIN);
    assert_int_equal(pv_ring_wait_next(&wait, 101 * US, true), PV_RING_WAIT_YIELD);
}

static bool would_spin(struct pv_ring_wait *wait, uint64_t now_ns)
{
    pv_ring_wait_begin(wait, now_ns);
    enum pv_ring_wait_action action = pv_ring_wait_next(wait, now_ns, true);
    pv_ring_wait_end(wait, now_ns);
    return action == PV_RING_WAIT_SPIN;
}

/* How many waits sleep at once after a yield that has cost a slice. */
static uint32_t starve(struct pv_ring_wait *wait)
{
    pv_ring_wait_begin(wait, 0);
    assert_false(pv_ring_wait_yielded(wait, 0, 100 * US));
    assert_true(pv_ring_wait_yielded(wait, 0, 3 * PV_NS_PER_MS));
    assert_int_equal(pv_ring_wait_next(wait, US, true), PV_RING_WAIT_SLEEP);
    pv_ring_wait_end(wait, US);
    uint32_t waits = 0;
    while (!would_spin(wait, 0)) {
        waits++;
    }
    return waits;
}

static void ring_wait_sleeps_where_yields_cost_too_much(void **state)
{
    (void)state;
    struct pv_ring_wait wait;
    pv_ring_wait_init(&wait, IDLE_DELAY_NS);
    uint32_t first = starve(&wait);
    assert_true(first >= 8);
    assert_int_equal(starve(&wait), first); /* a spin went well meanwhile */
    /* Where none does, it tries ever less often. */
    uint32_t before = first;
    for (int i = 0; i < 10; i++) {
        pv_ring_wait_begin(&wait, 0);
        assert_true(pv_ring_wait_yielded(&wait, 0, 3 * PV_NS_PER_MS));
        uint32_t waits = wait.starved_waits;
        assert_true(waits >= before && waits <= 1000);
        before = waits;
        wait.starved_waits = 0;
    }
    assert_true(before >= first * 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_wait_spins_through_gaps_that_recur),
        cmocka_unit_test(ring_wait_spins_little_when_the_guest_comes_once_a_frame),
        cmocka_unit_test(ring_wait_learns_when_the_rhythm_changes),
        cmocka_unit_test(ring_wait_is_awake_when_the_next_beat_is_due),
        cmocka_unit_test(ring_wait_wakes_for_nothing_only_a_few_times_after_the_last_beat),
        cmocka_unit_test(ring_wait_does_not_wake_for_a_guest_without_rhythm),
        cmocka_unit_test(ring_wait_never_spins_without_a_spare_core),
        cmocka_unit_test(ring_wait_goes_idle_one_delay_after_the_last_sign_of_life),
        cmocka_unit_test(ring_wait_yields_when_its_core_was_taken_away),
        cmocka_unit_test(ring_wait_sleeps_where_yields_cost_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
