#include "check.h"
#include "ring_guest.h"

#include <stdio.h>
#include <stdlib.h>

/* A lost wake-up would leave work in the ring of a host that sleeps: for ever, since it sleeps
 * without a timeout. The producer follows Mesa's rule (IDLE seen, and 1 ms since the last notify),
 * and pauses for times around the idle delay, where the windows meet. */

static enum pv_result consume(void *user, uint8_t *bytes, uint32_t size)
{
    (void)bytes;
    atomic_fetch_add((_Atomic uint64_t *)user, size);
    return PV_OK;
}

static uint32_t random_below(uint32_t *seed, uint32_t limit)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % limit;
}

static void pause_busily(uint64_t duration_ns)
{
    uint64_t until_ns = pv_clock_now_ns() + duration_ns;
    while (pv_clock_now_ns() < until_ns) {
    }
}

static void ring_never_sleeps_on_work_that_mesa_would_not_announce(void **state)
{
    (void)state;
    struct guest guest;
    _Atomic uint64_t bytes = 0;
    static const uint8_t command[4];
    uint32_t seed = (uint32_t)pv_clock_now_ns();
    printf("seed %u\n", seed);
    guest_init(&guest, 64, (struct pv_ring_consumer){.user = &bytes, .consume = consume});
    assert_int_equal(pv_ring_start(guest.ring), PV_OK);
    uint64_t end_ns = pv_clock_now_ns() + 2 * PV_NS_PER_S;
    uint64_t rounds = 0;
    while (pv_clock_now_ns() < end_ns) {
        guest_write(&guest, command, sizeof(command));
        if (!guest_wait_drained(&guest)) {
            fail_msg("work was left in a sleeping ring after %llu rounds",
                     (unsigned long long)rounds);
        }
        rounds++;
        uint64_t around_idle_ns = 900 * PV_NS_PER_US + random_below(&seed, 250 * 1000);
        pause_busily(random_below(&seed, 4) == 0 ? random_below(&seed, 2000) : around_idle_ns);
    }
    assert_int_equal(bytes, rounds * sizeof(command));
    assert_true(guest.notify_count > 0);
    guest_finish(&guest);
}

/* Two threads of one guest share the ring under a mutex, as in Mesa, but the notify of one may come
 * late: it was preempted between its look at the clock and the notify. */
static void ring_survives_notifies_that_come_late(void **state)
{
    (void)state;
    struct guest guest;
    _Atomic uint64_t bytes = 0;
    static const uint8_t command[4];
    uint32_t seed = (uint32_t)pv_clock_now_ns();
    printf("seed %u\n", seed);
    guest_init(&guest, 64, (struct pv_ring_consumer){.user = &bytes, .consume = consume});
    assert_int_equal(pv_ring_start(guest.ring), PV_OK);
    uint64_t end_ns = pv_clock_now_ns() + 2 * PV_NS_PER_S;
    while (pv_clock_now_ns() < end_ns) {
        guest_wait_for_space(&guest, sizeof(command));
        guest_set_tail(&guest, guest.tail + sizeof(command));
        bool rings = (guest_status(&guest) & PV_RING_STATUS_IDLE) != 0 &&
                     pv_clock_now_ns() >= guest.notified_at_ns + NOTIFY_WINDOW_NS;
        if (rings) {
            guest.notified_at_ns = pv_clock_now_ns();
            pause_busily(random_below(&seed, 1500 * 1000));
            /* Another thread's command meanwhile, inside the window: no notify of its own. */
            guest_wait_for_space(&guest, sizeof(command));
            guest_set_tail(&guest, guest.tail + sizeof(command));
            if (pv_clock_now_ns() >= guest.notified_at_ns + NOTIFY_WINDOW_NS) {
                guest.notified_at_ns = pv_clock_now_ns();
            }
            pv_ring_notify(guest.ring);
        }
        assert_true(guest_wait_drained(&guest));
        pause_busily(random_below(&seed, 1200 * 1000));
    }
    (void)command;
    guest_finish(&guest);
}

/* A notify that comes while the ring is awake opens a window in which Mesa keeps quiet. */
static void ring_stays_awake_for_a_millisecond_after_a_notify(void **state)
{
    (void)state;
    struct guest guest;
    _Atomic uint64_t bytes = 0;
    static const uint8_t command[4];
    int looked_at = 0;
    guest_init(&guest, 64, (struct pv_ring_consumer){.user = &bytes, .consume = consume});
    assert_int_equal(pv_ring_start(guest.ring), PV_OK);
    for (int i = 0; i < 200 && looked_at < 50; i++) {
        uint64_t written_at_ns = pv_clock_now_ns();
        guest_write(&guest, command, sizeof(command));
        assert_true(guest_wait_drained(&guest));
        pause_busily(600 * PV_NS_PER_US);
        uint64_t notified_at_ns = pv_clock_now_ns();
        pv_ring_notify(guest.ring);
        if (pv_clock_now_ns() - written_at_ns > 900 * PV_NS_PER_US) {
            continue; /* we were held up: it may be idle already */
        }
        while ((guest_status(&guest) & PV_RING_STATUS_IDLE) == 0) {
        }
        assert_true(pv_clock_now_ns() - notified_at_ns >= NOTIFY_WINDOW_NS);
        looked_at++;
    }
    guest_finish(&guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_never_sleeps_on_work_that_mesa_would_not_announce),
        cmocka_unit_test(ring_survives_notifies_that_come_late),
        cmocka_unit_test(ring_stays_awake_for_a_millisecond_after_a_notify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
