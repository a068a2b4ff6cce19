#include "base/thread.h"
#include "check.h"
#include "fakes/vtest_client.h"
#include "front/vtest/sync.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct entry {
    uint32_t id, low, high;
};

static int wait_for(struct pv_vtest_syncs *syncs, bool any, uint32_t timeout_ms,
                    const struct entry *entries, uint32_t count)
{
    int fd = -1;
    assert_int_equal(
        pv_vtest_syncs_wait(syncs, any, timeout_ms, (const uint8_t *)entries, count, &fd), PV_OK);
    return fd;
}

static int state_of(int fd)
{
    return vtest_client_poll(fd, 0);
}

static struct pv_vtest_syncs *new_syncs(void)
{
    static struct pv_vtest_syncs syncs;
    assert_int_equal(pv_vtest_syncs_init(&syncs), PV_OK);
    return &syncs;
}

static void a_wait_is_readable_once_its_value_is_reached(void **state)
{
    (void)state;
    struct pv_vtest_syncs *syncs = new_syncs();
    uint32_t id;
    assert_int_equal(pv_vtest_syncs_create(syncs, 3, &id), PV_OK);
    const struct entry reached = {id, 3, 0}, later = {id, 5, 0};
    int now = wait_for(syncs, false, 0, &reached, 1);
    int then = wait_for(syncs, false, UINT32_MAX, &later, 1);
    assert_true((state_of(now) & POLLIN) != 0);
    assert_int_equal(state_of(then), 0);
    assert_true(pv_vtest_syncs_write(syncs, id, 4));
    assert_int_equal(state_of(then), 0);
    assert_true(pv_vtest_syncs_write(syncs, id, 5));
    assert_true((state_of(then) & POLLIN) != 0);
    close(now);
    close(then);
    pv_vtest_syncs_finish(syncs);
}

static void a_wait_for_any_needs_one_and_a_wait_for_all_needs_all(void **state)
{
    (void)state;
    struct pv_vtest_syncs *syncs = new_syncs();
    uint32_t a, b;
    assert_int_equal(pv_vtest_syncs_create(syncs, 0, &a), PV_OK);
    assert_int_equal(pv_vtest_syncs_create(syncs, 0, &b), PV_OK);
    const struct entry both[] = {{a, 1, 0}, {b, 1, 0}};
    int any = wait_for(syncs, true, UINT32_MAX, both, 2);
    int all = wait_for(syncs, false, UINT32_MAX, both, 2);
    int none = wait_for(syncs, false, UINT32_MAX, NULL, 0);
    assert_true((state_of(none) & POLLIN) != 0);
    assert_true(pv_vtest_syncs_write(syncs, b, 1));
    assert_true((state_of(any) & POLLIN) != 0);
    assert_int_equal(state_of(all), 0);
    assert_true(pv_vtest_syncs_write(syncs, a, 1));
    assert_true((state_of(all) & POLLIN) != 0);
    close(any);
    close(all);
    close(none);
    pv_vtest_syncs_finish(syncs);
}

static void a_wait_outlives_the_id_of_its_sync(void **state)
{
    (void)state;
    struct pv_vtest_syncs *syncs = new_syncs();
    uint32_t id;
    struct pv_vtest_signal *signal;
    assert_int_equal(pv_vtest_syncs_create(syncs, 0, &id), PV_OK);
    const struct entry one = {id, 1, 0};
    assert_int_equal(pv_vtest_signal_create(syncs, (const uint8_t *)&one, 1, &signal), PV_OK);
    int fd = wait_for(syncs, false, UINT32_MAX, &one, 1);
    assert_true(pv_vtest_syncs_unref(syncs, id));
    assert_false(pv_vtest_syncs_unref(syncs, id));
    pv_vtest_signal_fire(syncs, signal);
    assert_true((state_of(fd) & POLLIN) != 0);
    close(fd);
    pv_vtest_syncs_finish(syncs);
}

/* What a client takes for VK_ERROR_DEVICE_LOST. */
static void lost_waits_hang_up_without_a_byte(void **state)
{
    (void)state;
    struct pv_vtest_syncs *syncs = new_syncs();
    uint32_t id;
    assert_int_equal(pv_vtest_syncs_create(syncs, 0, &id), PV_OK);
    const struct entry one = {id, 1, 0}, reached = {id, 0, 0};
    int before = wait_for(syncs, false, UINT32_MAX, &one, 1);
    pv_vtest_syncs_lose(syncs);
    int after = wait_for(syncs, false, UINT32_MAX, &one, 1);
    int satisfied = wait_for(syncs, false, UINT32_MAX, &reached, 1);
    assert_int_equal(state_of(before), POLLHUP);
    assert_int_equal(state_of(after), POLLHUP);
    assert_int_equal(state_of(satisfied), POLLHUP);
    close(before);
    close(after);
    close(satisfied);
    pv_vtest_syncs_finish(syncs);
}

/* A fence that never retires holds on to its entries: all fences together must not take everything.
 */
static void fences_together_have_a_limit(void **state)
{
    (void)state;
    enum { ENTRIES = PV_VTEST_SIGNAL_ENTRIES_MAX / 4 };
    struct pv_vtest_syncs *syncs = new_syncs();
    uint32_t id;
    struct pv_vtest_signal *signals[4], *more;
    assert_int_equal(pv_vtest_syncs_create(syncs, 0, &id), PV_OK);
    struct entry *entries = calloc(ENTRIES, sizeof(*entries));
    assert_non_null(entries);
    for (size_t i = 0; i < ENTRIES; i++) {
        entries[i] = (struct entry){id, 1, 0};
    }
    const uint8_t *bytes = (const uint8_t *)entries;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pv_vtest_signal_create(syncs, bytes, ENTRIES, &signals[i]), PV_OK);
    }
    assert_int_equal(pv_vtest_signal_create(syncs, bytes, 1, &more), PV_NO_MEMORY);
    pv_vtest_signal_fire(syncs, signals[0]);
    assert_int_equal(pv_vtest_signal_create(syncs, bytes, 1, &more), PV_OK);
    pv_vtest_signal_drop(syncs, more);
    for (size_t i = 1; i < 4; i++) {
        pv_vtest_signal_drop(syncs, signals[i]);
    }
    free(entries);
    pv_vtest_syncs_finish(syncs);
}

static void unknown_ids_are_faults(void **state)
{
    (void)state;
    struct pv_vtest_syncs *syncs = new_syncs();
    uint32_t id;
    int fd;
    struct pv_vtest_signal *signal;
    assert_int_equal(pv_vtest_syncs_create(syncs, 0, &id), PV_OK);
    const uint32_t unknown[] = {0, id + 1, 1000, UINT32_MAX};
    for (size_t i = 0; i < 4; i++) {
        uint64_t value;
        const struct entry pair[] = {{id, 1, 0}, {unknown[i], 1, 0}};
        const uint8_t *bytes = (const uint8_t *)pair;
        assert_int_equal(pv_vtest_syncs_wait(syncs, false, 0, bytes, 2, &fd), PV_GUEST_FAULT);
        assert_int_equal(pv_vtest_signal_create(syncs, bytes, 2, &signal), PV_GUEST_FAULT);
        assert_false(pv_vtest_syncs_read(syncs, unknown[i], &value));
        assert_false(pv_vtest_syncs_write(syncs, unknown[i], 1));
        assert_false(pv_vtest_syncs_unref(syncs, unknown[i]));
    }
    pv_vtest_syncs_finish(syncs);
}

/* A client that polls with a short timeout closes its end each time: no descriptor stays. */
static void abandoned_waits_are_swept(void **state)
{
    (void)state;
    struct pv_vtest_syncs *syncs = new_syncs();
    uint32_t id;
    assert_int_equal(pv_vtest_syncs_create(syncs, 0, &id), PV_OK);
    const struct entry one = {id, 1, 0};
    for (uint32_t i = 0; i < 5000; i++) {
        close(wait_for(syncs, false, UINT32_MAX, &one, 1));
    }
    assert_true(syncs->wait_count < 100);
    pv_vtest_syncs_finish(syncs);
}

static void syncs_and_waits_have_limits(void **state)
{
    (void)state;
    struct pv_vtest_syncs *syncs = new_syncs();
    uint32_t id, last = 0;
    for (uint32_t i = 0; i < PV_VTEST_SYNCS_MAX; i++) {
        assert_int_equal(pv_vtest_syncs_create(syncs, i, &last), PV_OK);
    }
    assert_int_equal(pv_vtest_syncs_create(syncs, 0, &id), PV_NO_MEMORY);
    assert_true(pv_vtest_syncs_unref(syncs, 77));
    assert_int_equal(pv_vtest_syncs_create(syncs, 0, &id), PV_OK);
    assert_int_equal(id, 77);
    static struct entry many[PV_VTEST_WAIT_ENTRIES_MAX + 1];
    for (uint32_t i = 0; i < PV_VTEST_WAIT_ENTRIES_MAX + 1; i++) {
        many[i] = (struct entry){last, 0, 1};
    }
    int fd = wait_for(syncs, false, UINT32_MAX, many, PV_VTEST_WAIT_ENTRIES_MAX);
    int refused;
    const uint8_t *bytes = (const uint8_t *)many;
    assert_int_equal(pv_vtest_syncs_wait(syncs, false, 0, bytes, 1, &refused), PV_NO_MEMORY);
    assert_int_equal(
        pv_vtest_syncs_wait(syncs, false, 0, bytes, PV_VTEST_WAIT_ENTRIES_MAX + 1, &refused),
        PV_NO_MEMORY);
    close(fd);
    pv_vtest_syncs_finish(syncs);
}

struct racer {
    struct pv_vtest_syncs *syncs;
    uint32_t id;
};

static void count_up(void *user)
{
    struct racer *racer = user;
    for (uint64_t i = 1; i <= 2000; i++) {
        (void)!pv_vtest_syncs_write(racer->syncs, racer->id, i);
    }
}

static void waits_and_signals_race_on_two_threads(void **state)
{
    (void)state;
    struct pv_vtest_syncs *syncs = new_syncs();
    struct racer racer = {.syncs = syncs};
    struct pv_thread thread;
    assert_int_equal(pv_vtest_syncs_create(syncs, 0, &racer.id), PV_OK);
    assert_int_equal(pv_thread_start(&thread, "counter", count_up, &racer), PV_OK);
    for (uint32_t i = 1; i <= 2000; i += 7) {
        const struct entry one = {racer.id, i, 0};
        int fd = wait_for(syncs, false, UINT32_MAX, &one, 1);
        assert_true((vtest_client_poll(fd, 20000) & POLLIN) != 0);
        close(fd);
    }
    pv_thread_join(&thread);
    pv_vtest_syncs_finish(syncs);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_is_readable_once_its_value_is_reached),
        cmocka_unit_test(a_wait_for_any_needs_one_and_a_wait_for_all_needs_all),
        cmocka_unit_test(a_wait_outlives_the_id_of_its_sync),
        cmocka_unit_test(lost_waits_hang_up_without_a_byte),
        cmocka_unit_test(fences_together_have_a_limit),
        cmocka_unit_test(unknown_ids_are_faults),
        cmocka_unit_test(abandoned_waits_are_swept),
        cmocka_unit_test(syncs_and_waits_have_limits),
        cmocka_unit_test(waits_and_signals_race_on_two_threads),
    };
    return cmocka_run_group_tests_name("vtest_sync", tests, NULL, NULL);
}
