#include "check.h"
#include "ring_guest.h"

struct waiter {
    struct pv_ring *ring;
    uint64_t seqno;
    uint64_t delay_ns;
    uint32_t hold_at; /* stay there inside a batch until ... (0: nowhere) */
    enum pv_result result;
    _Atomic bool may_go_on;
    _Atomic bool has_begun;
    _Atomic bool is_done;
    _Atomic uint32_t sleeps;
    _Atomic uint32_t wakes;
};

/* Each command is one byte count of what to wait for; a batch waits for its first. */
static enum pv_result wait_for_virtqueue(void *user, uint8_t *bytes, uint32_t size)
{
    struct waiter *waiter = user;
    atomic_store(&waiter->has_begun, true);
    for (uint32_t i = 0; i < size; i += 4) {
        waiter->result = pv_ring_wait_virtqueue_seqno(waiter->ring, bytes[i]);
        if (waiter->result != PV_OK) {
            return waiter->result;
        }
    }
    atomic_store(&waiter->is_done, true);
    return PV_OK;
}

static void sleeps(void *user)
{
    atomic_fetch_add(&((struct waiter *)user)->sleeps, 1);
}

static void wakes(void *user)
{
    atomic_fetch_add(&((struct waiter *)user)->wakes, 1);
}

static struct pv_ring_consumer consumer_of(struct waiter *waiter)
{
    return (struct pv_ring_consumer){
        .user = waiter, .consume = wait_for_virtqueue, .sleeps = sleeps, .wakes = wakes};
}

static void await(const _Atomic bool *flag)
{
    uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
    while (!atomic_load(flag)) {
        assert_true(pv_clock_now_ns() < deadline_ns);
        pv_clock_sleep_ns(100 * PV_NS_PER_US);
    }
}

static void wait_for_ring(void *user)
{
    struct waiter *waiter = user;
    waiter->result = pv_ring_wait_seqno(waiter->ring, (uint32_t)waiter->seqno);
    atomic_store(&waiter->is_done, true);
}

static void ring_waits_until_the_virtqueue_has_reached_a_seqno(void **state)
{
    (void)state;
    struct waiter waiter = {0};
    struct guest guest;
    static const uint8_t command[4] = {3};
    guest_init(&guest, 64, consumer_of(&waiter));
    waiter.ring = guest.ring;
    assert_int_equal(pv_ring_submit_virtqueue_seqno(guest.ring, 1), PV_OK);
    assert_int_equal(pv_ring_start(guest.ring), PV_OK);
    guest_write(&guest, command, sizeof(command));
    await(&waiter.has_begun);
    assert_int_equal(pv_ring_submit_virtqueue_seqno(guest.ring, 2), PV_OK);
    pv_clock_sleep_ns(3 * PV_NS_PER_MS);
    assert_false(atomic_load(&waiter.is_done));
    uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
    while (atomic_load(&waiter.sleeps) != atomic_load(&waiter.wakes)) {
        assert_true(pv_clock_now_ns() < deadline_ns);
        pv_clock_sleep_ns(100 * PV_NS_PER_US);
    }
    assert_int_equal(pv_ring_submit_virtqueue_seqno(guest.ring, 3), PV_OK);
    assert_true(guest_wait_drained(&guest));
    guest_finish(&guest);
}

static void ring_refuses_a_virtqueue_seqno_that_goes_backwards(void **state)
{
    (void)state;
    struct waiter waiter = {0};
    struct guest guest;
    guest_init(&guest, 64, consumer_of(&waiter));
    assert_int_equal(pv_ring_submit_virtqueue_seqno(guest.ring, 7), PV_OK);
    assert_int_equal(pv_ring_submit_virtqueue_seqno(guest.ring, 7), PV_OK);
    assert_int_equal(pv_ring_submit_virtqueue_seqno(guest.ring, 6), PV_GUEST_FAULT);
    assert_true(pv_ring_has_virtqueue_seqno(guest.ring, 7));
    assert_false(pv_ring_has_virtqueue_seqno(guest.ring, 8));
    guest_finish(&guest);
}

static void ring_stop_ends_a_wait_for_the_virtqueue_without_a_fault(void **state)
{
    (void)state;
    struct waiter waiter = {0};
    struct guest guest;
    static const uint8_t command[4] = {255};
    guest_init(&guest, 64, consumer_of(&waiter));
    waiter.ring = guest.ring;
    assert_int_equal(pv_ring_start(guest.ring), PV_OK);
    guest_write(&guest, command, sizeof(command));
    /* Stopped before it begins to wait, the ring would not execute the command at all. */
    await(&waiter.has_begun);
    pv_ring_stop(guest.ring);
    assert_int_equal(waiter.result, PV_CLOSED);
    assert_int_equal(guest_status(&guest) & PV_RING_STATUS_FATAL, 0);
    guest_finish(&guest);
}

static enum pv_result publish_each(void *user, uint8_t *bytes, uint32_t size)
{
    struct waiter *waiter = user;
    (void)bytes;
    for (uint32_t done = 4; done <= size; done += 4) {
        uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
        do {
            if (pv_ring_is_awaited(waiter->ring)) {
                pv_ring_publish(waiter->ring, done);
            }
            pv_clock_sleep_ns(waiter->delay_ns);
        } while (done == waiter->hold_at && !atomic_load(&waiter->may_go_on) &&
                 pv_clock_now_ns() < deadline_ns);
    }
    atomic_store(&waiter->is_done, true);
    return PV_OK;
}

static void seqno_wait_returns_when_the_ring_has_executed_so_far(void **state)
{
    (void)state;
    struct waiter consumer = {.delay_ns = 100 * PV_NS_PER_US, .hold_at = 12};
    struct guest guest;
    static const uint8_t bytes[64];
    guest_init(&guest, 64, (struct pv_ring_consumer){.user = &consumer, .consume = publish_each});
    consumer.ring = guest.ring;
    guest_start_at(&guest, UINT32_MAX - 7);
    assert_int_equal(pv_ring_start(guest.ring), PV_OK);
    assert_true(guest_wait_status(&guest, PV_RING_STATUS_IDLE));
    /* Nobody notifies: the wait does. */
    guest_copy_in(&guest, bytes, 32);
    guest_set_tail(&guest, guest.tail + 32);
    uint32_t third = guest.tail - 20;
    assert_int_equal(pv_ring_wait_seqno(guest.ring, third), PV_OK);
    /* Not only at the end of the batch. */
    assert_false(atomic_load(&consumer.is_done));
    atomic_store(&consumer.may_go_on, true);
    assert_int_equal(pv_ring_wait_seqno(guest.ring, guest.tail), PV_OK);
    assert_int_equal(pv_ring_wait_seqno(guest.ring, guest.tail - 1000), PV_OK);
    guest_finish(&guest);
}

static void seqno_wait_serves_several_waiters(void **state)
{
    (void)state;
    struct waiter consumer = {.delay_ns = 100 * PV_NS_PER_US};
    struct guest guest;
    static const uint8_t bytes[64];
    guest_init(&guest, 64, (struct pv_ring_consumer){.user = &consumer, .consume = publish_each});
    consumer.ring = guest.ring;
    assert_int_equal(pv_ring_start(guest.ring), PV_OK);
    for (int round = 0; round < 20; round++) {
        struct waiter waiters[3];
        struct pv_thread threads[3];
        guest_wait_for_space(&guest, 48);
        guest_copy_in(&guest, bytes, 48);
        guest_set_tail(&guest, guest.tail + 48);
        for (uint32_t i = 0; i < 3; i++) {
            waiters[i] = (struct waiter){.ring = guest.ring, .seqno = guest.tail - 16 * i};
            assert_int_equal(pv_thread_start(&threads[i], "waiter", wait_for_ring, &waiters[i]),
                             PV_OK);
        }
        for (size_t i = 0; i < 3; i++) {
            pv_thread_join(&threads[i]);
            assert_int_equal(waiters[i].result, PV_OK);
        }
    }
    guest_finish(&guest);
}

static void seqno_wait_faults_when_the_ring_is_drained_before_it(void **state)
{
    (void)state;
    struct waiter consumer = {.delay_ns = PV_NS_PER_MS};
    struct guest guest;
    static const uint8_t bytes[64];
    guest_init(&guest, 64, (struct pv_ring_consumer){.user = &consumer, .consume = publish_each});
    consumer.ring = guest.ring;
    assert_int_equal(pv_ring_start(guest.ring), PV_OK);
    assert_int_equal(pv_ring_wait_seqno(guest.ring, 36), PV_GUEST_FAULT);
    guest_write(&guest, bytes, 32);
    assert_int_equal(pv_ring_wait_seqno(guest.ring, 36), PV_GUEST_FAULT);
    guest_finish(&guest);
}

static void seqno_wait_faults_when_the_guest_takes_its_tail_back(void **state)
{
    (void)state;
    struct waiter consumer = {0};
    struct guest guest;
    struct pv_thread thread;
    guest_init(&guest, 64, (struct pv_ring_consumer){.user = &consumer, .consume = publish_each});
    consumer.ring = guest.ring;
    guest.ring->is_threaded = true; /* but nobody runs it yet */
    guest_set_tail(&guest, 32);
    struct waiter waiter = {.ring = guest.ring, .seqno = 32};
    assert_int_equal(pv_thread_start(&thread, "waiter", wait_for_ring, &waiter), PV_OK);
    while (!pv_ring_is_awaited(guest.ring)) {
        pv_thread_yield();
    }
    guest_set_tail(&guest, 0);
    guest.ring->is_threaded = false;
    assert_int_equal(pv_ring_start(guest.ring), PV_OK);
    pv_thread_join(&thread);
    assert_int_equal(waiter.result, PV_GUEST_FAULT);
    guest_finish(&guest);
}

static void seqno_wait_ends_when_the_ring_stops(void **state)
{
    (void)state;
    struct waiter consumer = {.delay_ns = 0};
    struct guest guest;
    struct pv_thread thread;
    static const uint8_t command[4] = {255};
    guest_init(&guest, 64, consumer_of(&consumer));
    consumer.ring = guest.ring;
    assert_int_equal(pv_ring_start(guest.ring), PV_OK);
    guest_write(&guest, command, sizeof(command));
    struct waiter waiter = {.ring = guest.ring, .seqno = 4};
    assert_int_equal(pv_thread_start(&thread, "waiter", wait_for_ring, &waiter), PV_OK);
    pv_clock_sleep_ns(5 * PV_NS_PER_MS);
    assert_false(atomic_load(&waiter.is_done));
    pv_ring_stop(guest.ring);
    pv_thread_join(&thread);
    assert_int_equal(waiter.result, PV_CLOSED);
    guest_finish(&guest);
}

static void seqno_wait_polls_a_ring_that_has_no_thread(void **state)
{
    (void)state;
    struct waiter consumer = {0};
    struct guest guest;
    static const uint8_t bytes[64];
    guest_init(&guest, 64, (struct pv_ring_consumer){.user = &consumer, .consume = publish_each});
    consumer.ring = guest.ring;
    guest_write(&guest, bytes, 32);
    assert_int_equal(pv_ring_wait_seqno(guest.ring, 32), PV_OK);
    assert_int_equal(pv_ring_wait_seqno(guest.ring, 36), PV_GUEST_FAULT);
    guest_finish(&guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_waits_until_the_virtqueue_has_reached_a_seqno),
        cmocka_unit_test(ring_refuses_a_virtqueue_seqno_that_goes_backwards),
        cmocka_unit_test(ring_stop_ends_a_wait_for_the_virtqueue_without_a_fault),
        cmocka_unit_test(seqno_wait_returns_when_the_ring_has_executed_so_far),
        cmocka_unit_test(seqno_wait_serves_several_waiters),
        cmocka_unit_test(seqno_wait_faults_when_the_ring_is_drained_before_it),
        cmocka_unit_test(seqno_wait_faults_when_the_guest_takes_its_tail_back),
        cmocka_unit_test(seqno_wait_ends_when_the_ring_stops),
        cmocka_unit_test(seqno_wait_polls_a_ring_that_has_no_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
