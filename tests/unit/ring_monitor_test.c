#include "check.h"
#include "ring/monitor.h"
#include "ring_guest.h"

static enum pv_result consume(void *user, uint8_t *bytes, uint32_t size)
{
    (void)user;
    (void)bytes;
    (void)size;
    return PV_OK;
}

static void clear_alive(struct guest *guest)
{
    __atomic_fetch_and(guest_word(guest, guest->layout.status_offset),
                       ~(uint32_t)PV_RING_STATUS_ALIVE, __ATOMIC_SEQ_CST);
}

static void monitor_raises_alive_on_all_rings_when_one_is_added(void **state)
{
    (void)state;
    struct guest guests[2];
    struct pv_ring_monitor *monitor;
    assert_int_equal(pv_ring_monitor_create(&monitor), PV_OK);
    for (size_t i = 0; i < 2; i++) {
        guest_init(&guests[i], 64, (struct pv_ring_consumer){.consume = consume});
        guests[i].ring->params.monitor_period_us = 3000000;
    }
    assert_int_equal(pv_ring_monitor_add(monitor, guests[0].ring), PV_OK);
    assert_int_equal(guest_status(&guests[0]), PV_RING_STATUS_ALIVE);
    clear_alive(&guests[0]);
    assert_int_equal(pv_ring_monitor_add(monitor, guests[1].ring), PV_OK);
    assert_int_equal(guest_status(&guests[0]), PV_RING_STATUS_ALIVE);
    assert_int_equal(guest_status(&guests[1]), PV_RING_STATUS_ALIVE);
    pv_ring_monitor_destroy(monitor);
    guest_finish(&guests[0]);
    guest_finish(&guests[1]);
}

static void monitor_raises_alive_again_within_the_shortest_period(void **state)
{
    (void)state;
    struct guest slow;
    struct guest fast;
    struct pv_ring_monitor *monitor;
    assert_int_equal(pv_ring_monitor_create(&monitor), PV_OK);
    guest_init(&slow, 64, (struct pv_ring_consumer){.consume = consume});
    guest_init(&fast, 64, (struct pv_ring_consumer){.consume = consume});
    slow.ring->params.monitor_period_us = 3000 * 1000 * 1000u;
    fast.ring->params.monitor_period_us = 60000;
    assert_int_equal(pv_ring_monitor_add(monitor, slow.ring), PV_OK);
    assert_int_equal(pv_ring_monitor_add(monitor, fast.ring), PV_OK);
    uint64_t before_ns = pv_clock_now_ns();
    for (int i = 0; i < 5; i++) {
        clear_alive(&slow);
        clear_alive(&fast);
        assert_true(guest_wait_status(&slow, PV_RING_STATUS_ALIVE));
        assert_true(guest_wait_status(&fast, PV_RING_STATUS_ALIVE));
    }
    assert_true(pv_clock_now_ns() - before_ns < 20 * PV_NS_PER_S);
    pv_ring_monitor_destroy(monitor);
    guest_finish(&slow);
    guest_finish(&fast);
}

static void monitor_leaves_rings_alone_that_are_removed(void **state)
{
    (void)state;
    struct guest guest;
    struct pv_ring_monitor *monitor;
    assert_int_equal(pv_ring_monitor_create(&monitor), PV_OK);
    for (int i = 0; i < 3; i++) {
        guest_init(&guest, 64, (struct pv_ring_consumer){.consume = consume});
        assert_int_equal(pv_ring_monitor_add(monitor, guest.ring), PV_OK);
        pv_ring_monitor_remove(monitor, guest.ring);
        pv_ring_monitor_remove(monitor, guest.ring);
        clear_alive(&guest);
        pv_clock_sleep_ns(30 * PV_NS_PER_MS);
        assert_int_equal(guest_status(&guest), 0);
        guest_finish(&guest);
    }
    pv_ring_monitor_destroy(monitor);
}

static void monitor_stops_telling_that_we_live(void **state)
{
    (void)state;
    struct guest guest;
    struct pv_ring_monitor *monitor;
    assert_int_equal(pv_ring_monitor_create(&monitor), PV_OK);
    guest_init(&guest, 64, (struct pv_ring_consumer){.consume = consume});
    assert_int_equal(pv_ring_monitor_add(monitor, guest.ring), PV_OK);
    pv_ring_monitor_stop(monitor);
    pv_ring_monitor_stop(monitor);
    clear_alive(&guest);
    pv_clock_sleep_ns(30 * PV_NS_PER_MS);
    assert_int_equal(guest_status(&guest), 0);
    pv_ring_monitor_destroy(monitor);
    guest_finish(&guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monitor_raises_alive_on_all_rings_when_one_is_added),
        cmocka_unit_test(monitor_raises_alive_again_within_the_shortest_period),
        cmocka_unit_test(monitor_leaves_rings_alone_that_are_removed),
        cmocka_unit_test(monitor_stops_telling_that_we_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
