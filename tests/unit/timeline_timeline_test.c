#include "base/assert.h"
#include "base/clock.h"
#include "base/thread.h"
#include "check.h"
#include "fakes/patience.h"
#include "timeline/timeline.h"

#include <stdatomic.h>
#include <stdbool.h>

enum { FENCES = 64 };

/* A host whose fences are signalled by the test. */
struct fence {
    _Atomic int state; /* 0, 1 signalled, -1 lost */
    _Atomic int recycled;
};

struct host {
    struct fence fences[FENCES];
    _Atomic uint64_t retired[FENCES + 8];
    _Atomic uint32_t retired_count;
    _Atomic uint32_t waiting;
};

static enum pv_result wait_fence(void *user, void *fence, uint64_t timeout_ns)
{
    struct host *host = user;
    struct fence *waited = fence;
    uint64_t end_ns = pv_clock_now_ns() + timeout_ns;
    enum pv_result result = PV_UNSUPPORTED;
    atomic_fetch_add(&host->waiting, 1);
    do {
        int state = atomic_load(&waited->state);
        PV_ASSERT(atomic_load(&waited->recycled) == 0);
        if (state != 0) {
            result = state > 0 ? PV_OK : PV_HOST_FAILED;
            break;
        }
        pv_clock_sleep_ns(100 * PV_NS_PER_US);
    } while (pv_clock_now_ns() < end_ns);
    atomic_fetch_sub(&host->waiting, 1);
    return result;
}

static void retired(void *user, uint64_t cookie)
{
    struct host *host = user;
    uint32_t index = atomic_fetch_add(&host->retired_count, 1);
    PV_ASSERT(index < FENCES + 8);
    atomic_store(&host->retired[index], cookie);
}

static void recycle(void *user, void *fence)
{
    (void)user;
    PV_ASSERT(atomic_fetch_add(&((struct fence *)fence)->recycled, 1) == 0);
}

static struct pv_timeline *make(struct host *host, uint32_t limit)
{
    struct pv_timeline *timeline;
    struct pv_timeline_params params = {
        .user = host, .wait = wait_fence, .retired = retired, .recycle = recycle, .limit = limit};
    assert_int_equal(pv_timeline_create(&params, &timeline), PV_OK);
    return timeline;
}

static void push(struct pv_timeline *timeline, struct host *host, uint32_t index)
{
    assert_int_equal(pv_timeline_push(timeline, &host->fences[index], 100 + index), PV_OK);
}

static void await_retired(struct host *host, uint32_t count)
{
    uint64_t end_ns = pv_clock_now_ns() + PATIENCE_NS;
    while (atomic_load(&host->retired_count) < count && pv_clock_now_ns() < end_ns) {
        pv_clock_sleep_ns(100 * PV_NS_PER_US);
    }
    assert_int_equal(atomic_load(&host->retired_count), count);
}

static void assert_in_order(struct host *host, uint32_t count)
{
    assert_int_equal(atomic_load(&host->retired_count), count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(atomic_load(&host->retired[i]), 100 + i);
    }
}

static void timeline_retires_in_order_whatever_signals_first(void **state)
{
    (void)state;
    struct host host = {0};
    struct pv_timeline *timeline = make(&host, FENCES);
    for (uint32_t i = 0; i < 10; i++) {
        push(timeline, &host, i);
    }
    for (uint32_t i = 9; i > 0; i--) {
        atomic_store(&host.fences[i].state, 1);
    }
    pv_clock_sleep_ns(5 * PV_NS_PER_MS);
    assert_int_equal(atomic_load(&host.retired_count), 0);
    atomic_store(&host.fences[0].state, 1);
    await_retired(&host, 10);
    assert_in_order(&host, 10);
    assert_int_equal(pv_timeline_in_flight(timeline), 0);
    pv_timeline_destroy(timeline);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(atomic_load(&host.fences[i].recycled), 1);
    }
}

static void timeline_goes_on_when_a_fence_takes_longer_than_a_slice(void **state)
{
    (void)state;
    struct host host = {0};
    struct pv_timeline *timeline = make(&host, FENCES);
    push(timeline, &host, 0);
    pv_clock_sleep_ns(250 * PV_NS_PER_MS);
    assert_int_equal(atomic_load(&host.retired_count), 0);
    atomic_store(&host.fences[0].state, 1);
    await_retired(&host, 1);
    pv_timeline_destroy(timeline);
}

static void timeline_has_no_thread_before_its_first_fence(void **state)
{
    (void)state;
    struct host host = {0};
    struct pv_timeline *timeline = make(&host, 1);
    assert_int_equal(pv_timeline_in_flight(timeline), 0);
    pv_timeline_destroy(timeline);
    pv_timeline_destroy(NULL);
}

static void timeline_retires_all_at_once_when_told(void **state)
{
    (void)state;
    struct host host = {0};
    struct pv_timeline *timeline = make(&host, FENCES);
    for (uint32_t i = 0; i < 10; i++) {
        push(timeline, &host, i);
    }
    while (atomic_load(&host.waiting) == 0) {
        pv_thread_yield();
    }
    pv_timeline_retire_all(timeline);
    assert_in_order(&host, 10);                                 /* before it returned */
    assert_int_equal(atomic_load(&host.fences[0].recycled), 0); /* the driver has it still */
    assert_int_equal(atomic_load(&host.fences[1].recycled), 1);
    push(timeline, &host, 10);
    assert_in_order(&host, 11);
    pv_timeline_retire_all(timeline);
    pv_timeline_destroy(timeline);
    for (uint32_t i = 0; i < 11; i++) {
        assert_int_equal(atomic_load(&host.fences[i].recycled), 1);
    }
    assert_in_order(&host, 11);
}

static void timeline_retires_all_when_the_device_is_lost(void **state)
{
    (void)state;
    struct host host = {0};
    struct pv_timeline *timeline = make(&host, FENCES);
    for (uint32_t i = 0; i < 10; i++) {
        push(timeline, &host, i);
    }
    atomic_store(&host.fences[0].state, 1);
    atomic_store(&host.fences[1].state, -1);
    await_retired(&host, 10);
    assert_in_order(&host, 10);
    push(timeline, &host, 10);
    assert_in_order(&host, 11);
    pv_timeline_destroy(timeline);
}

static void timeline_limits_fences_in_flight(void **state)
{
    (void)state;
    struct host host = {0};
    struct pv_timeline *timeline = make(&host, 4);
    for (uint32_t i = 0; i < 4; i++) {
        push(timeline, &host, i);
    }
    assert_int_equal(pv_timeline_push(timeline, &host.fences[4], 104), PV_NO_MEMORY);
    assert_int_equal(atomic_load(&host.fences[4].recycled), 1);
    atomic_store(&host.fences[0].state, 1);
    await_retired(&host, 1);
    push(timeline, &host, 5);
    assert_int_equal(pv_timeline_in_flight(timeline), 4);
    pv_timeline_destroy(timeline);
}

static void timeline_destroy_retires_what_is_left_and_is_prompt(void **state)
{
    (void)state;
    struct host host = {0};
    struct pv_timeline *timeline = make(&host, FENCES);
    for (uint32_t i = 0; i < 20; i++) {
        push(timeline, &host, i);
    }
    uint64_t before_ns = pv_clock_now_ns();
    pv_timeline_destroy(timeline);
    assert_true(pv_clock_now_ns() - before_ns < PATIENCE_NS);
    assert_in_order(&host, 20);
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(atomic_load(&host.fences[i].recycled), 1);
    }
}

static void signal_slowly(void *user)
{
    struct host *host = user;
    for (uint32_t i = 0; i < FENCES; i++) {
        atomic_store(&host->fences[i].state, 1);
        if (i % 8 == 0) {
            pv_clock_sleep_ns(PV_NS_PER_MS);
        }
    }
}

static void timeline_keeps_the_order_when_it_ends_in_the_middle(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        struct host host = {0};
        struct pv_thread thread;
        struct pv_timeline *timeline = make(&host, FENCES);
        for (uint32_t i = 0; i < FENCES; i++) {
            push(timeline, &host, i);
        }
        assert_int_equal(pv_thread_start(&thread, "signaller", signal_slowly, &host), PV_OK);
        pv_clock_sleep_ns((uint64_t)round * PV_NS_PER_MS);
        pv_timeline_retire_all(timeline);
        assert_in_order(&host, FENCES);
        pv_thread_join(&thread);
        pv_timeline_destroy(timeline);
        for (uint32_t i = 0; i < FENCES; i++) {
            assert_int_equal(atomic_load(&host.fences[i].recycled), 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timeline_retires_in_order_whatever_signals_first),
        cmocka_unit_test(timeline_goes_on_when_a_fence_takes_longer_than_a_slice),
        cmocka_unit_test(timeline_has_no_thread_before_its_first_fence),
        cmocka_unit_test(timeline_retires_all_at_once_when_told),
        cmocka_unit_test(timeline_retires_all_when_the_device_is_lost),
        cmocka_unit_test(timeline_limits_fences_in_flight),
        cmocka_unit_test(timeline_destroy_retires_what_is_left_and_is_prompt),
        cmocka_unit_test(timeline_keeps_the_order_when_it_ends_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
