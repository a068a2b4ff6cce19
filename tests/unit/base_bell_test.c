#include "base/bell.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/thread.h"
#include "check.h"
#include "fakes/patience.h"

/* A sleeper that counts how often it wakes. */
struct sleeper {
    struct pv_bell bell;
    struct pv_thread thread;
    _Atomic bool is_stopping;
    _Atomic uint32_t wakes;
};

static void run_sleeper(void *user)
{
    struct sleeper *sleeper = user;
    for (;;) {
        uint32_t ticket = pv_bell_prepare(&sleeper->bell);
        if (atomic_load(&sleeper->is_stopping)) {
            pv_bell_cancel(&sleeper->bell);
            return;
        }
        pv_bell_wait(&sleeper->bell, ticket);
        atomic_fetch_add(&sleeper->wakes, 1);
    }
}

static void start(struct sleeper *sleeper, int source)
{
    *sleeper = (struct sleeper){0};
    assert_int_equal(pv_bell_init(&sleeper->bell, source), PV_OK);
    assert_int_equal(pv_thread_start(&sleeper->thread, "sleeper", run_sleeper, sleeper), PV_OK);
}

static void stop(struct sleeper *sleeper)
{
    atomic_store(&sleeper->is_stopping, true);
    pv_bell_ring(&sleeper->bell);
    pv_thread_join(&sleeper->thread);
    pv_bell_finish(&sleeper->bell);
}

static bool wait_for_wakes(struct sleeper *sleeper, uint32_t count)
{
    uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
    while (atomic_load(&sleeper->wakes) < count) {
        if (pv_clock_now_ns() > deadline_ns) {
            return false;
        }
        pv_clock_sleep_ns(100 * PV_NS_PER_US);
    }
    return true;
}

static void bells_wake_whoever_sleeps(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(pv_fd_socket_pair(pair), PV_OK);
    const int sources[] = {0, pair[0]};
    for (size_t i = 0; i < 2; i++) {
        struct sleeper sleeper;
        start(&sleeper, sources[i]);
        for (uint32_t round = 1; round <= 20; round++) {
            uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
            while (atomic_load(&sleeper.wakes) < round && pv_clock_now_ns() < deadline_ns) {
                pv_bell_ring(&sleeper.bell); /* of no use before it sleeps */
                pv_thread_yield();
            }
            assert_true(atomic_load(&sleeper.wakes) >= round);
        }
        stop(&sleeper);
    }
    pv_fd_close(&pair[0]);
    pv_fd_close(&pair[1]);
}

static void bells_hear_what_arrives_at_their_descriptor_once(void **state)
{
    (void)state;
    struct sleeper sleeper;
    int pair[2];
    const uint8_t byte = 1;
    assert_int_equal(pv_fd_socket_pair(pair), PV_OK);
    start(&sleeper, pair[0]);
    if (sleeper.bell.set < 0) {
        stop(&sleeper);
        pv_fd_close(&pair[0]);
        pv_fd_close(&pair[1]);
        print_message("bells of this build hear nothing but rings\n");
        skip();
    }
    assert_int_equal(pv_fd_write(pair[1], &byte, 1), PV_OK);
    assert_true(wait_for_wakes(&sleeper, 1));
    /* Nobody has read it, and nobody is woken for it again. */
    pv_clock_sleep_ns(20 * PV_NS_PER_MS);
    assert_int_equal(atomic_load(&sleeper.wakes), 1);
    assert_int_equal(pv_fd_write(pair[1], &byte, 1), PV_OK);
    assert_true(wait_for_wakes(&sleeper, 2));
    stop(&sleeper);
    pv_fd_close(&pair[0]);
    pv_fd_close(&pair[1]);
}

static void bells_return_at_their_deadline(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(pv_fd_socket_pair(pair), PV_OK);
    const int sources[] = {0, pair[0]};
    for (size_t i = 0; i < 2; i++) {
        struct pv_bell bell;
        assert_int_equal(pv_bell_init(&bell, sources[i]), PV_OK);
        uint64_t deadline_ns = pv_clock_now_ns() + 2 * PV_NS_PER_MS;
        pv_bell_wait_until(&bell, pv_bell_prepare(&bell), deadline_ns);
        assert_true(pv_clock_now_ns() >= deadline_ns);
        pv_bell_finish(&bell);
    }
    pv_fd_close(&pair[0]);
    pv_fd_close(&pair[1]);
}

static void bells_refuse_descriptors_that_say_nothing(void **state)
{
    (void)state;
    struct pv_bell bell;
    enum pv_result result = pv_bell_init(&bell, 1 << 20);
    /* One that hears nothing but rings does not look at it. */
    assert_int_equal(result, bell.set < 0 && result == PV_OK ? PV_OK : PV_HOST_FAILED);
    pv_bell_finish(&bell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bells_wake_whoever_sleeps),
        cmocka_unit_test(bells_hear_what_arrives_at_their_descriptor_once),
        cmocka_unit_test(bells_return_at_their_deadline),
        cmocka_unit_test(bells_refuse_descriptors_that_say_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
