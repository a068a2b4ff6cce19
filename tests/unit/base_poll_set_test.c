#include "base/clock.h"
#include "base/fd.h"
#include "base/poll_set.h"
#include "base/thread.h"
#include "base/wake.h"
#include "check.h"

#include <poll.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000, QUIET_MS = 20 };

static const uint8_t byte = 1;

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd state = {.fd = fd, .events = POLLIN};
    return poll(&state, 1, timeout_ms) > 0;
}

/* As one who deals with all that is ready, by what the caller does before the next. */
static size_t take(struct pv_poll_set *set, void **users, size_t limit)
{
    size_t count = pv_poll_set_take(set, users, limit);
    pv_poll_set_listen(set);
    return count;
}

static void open_set(struct pv_poll_set *set)
{
    assert_int_equal(pv_poll_set_init(set), PV_OK);
}

static void open_pair(int pair[2])
{
    assert_int_equal(pv_fd_socket_pair(pair), PV_OK);
}

static void close_pair(int pair[2])
{
    pv_fd_close(&pair[0]);
    pv_fd_close(&pair[1]);
}

static void sets_are_readable_while_one_in_them_is(void **state)
{
    (void)state;
    struct pv_poll_set set;
    int pair[2], mark = 0;
    void *users[4];
    uint8_t got;
    open_set(&set);
    open_pair(pair);
    assert_int_equal(pv_poll_set_add(&set, pair[0], PV_POLL_READABLE, &mark), PV_OK);
    assert_false(is_readable(set.fd, QUIET_MS));
    assert_int_equal(take(&set, users, 4), 0);
    assert_int_equal(pv_fd_write(pair[1], &byte, 1), PV_OK);
    for (int i = 0; i < 3; i++) { /* as long as nobody reads it */
        assert_true(is_readable(set.fd, PATIENCE_MS));
        assert_int_equal(take(&set, users, 4), 1);
        assert_ptr_equal(users[0], &mark);
    }
    assert_int_equal(pv_fd_read(pair[0], &got, 1), PV_OK);
    assert_int_equal(take(&set, users, 4), 0);
    assert_false(is_readable(set.fd, QUIET_MS));
    pv_poll_set_remove(&set, pair[0]);
    close_pair(pair);
    pv_poll_set_finish(&set);
}

static void sets_tell_of_room_only_when_asked(void **state)
{
    (void)state;
    struct pv_poll_set set;
    int pair[2], first = 0, second = 0;
    void *users[4];
    open_set(&set);
    open_pair(pair);
    assert_int_equal(pv_poll_set_add(&set, pair[0], PV_POLL_READABLE, &first), PV_OK);
    assert_false(is_readable(set.fd, QUIET_MS));
    pv_poll_set_change(&set, pair[0], PV_POLL_READABLE | PV_POLL_WRITABLE, &second);
    assert_true(is_readable(set.fd, PATIENCE_MS));
    assert_int_equal(take(&set, users, 4), 1);
    assert_ptr_equal(users[0], &second);
    pv_poll_set_change(&set, pair[0], PV_POLL_READABLE, &first);
    assert_int_equal(take(&set, users, 4), 0);
    assert_false(is_readable(set.fd, QUIET_MS));
    pv_poll_set_remove(&set, pair[0]);
    close_pair(pair);
    pv_poll_set_finish(&set);
}

static void hang_ups_are_told_and_data_is_not(void **state)
{
    (void)state;
    struct pv_poll_set set;
    int pair[2], mark = 0;
    void *users[4];
    open_set(&set);
    open_pair(pair);
    assert_int_equal(pv_poll_set_add(&set, pair[0], PV_POLL_HANG_UP, &mark), PV_OK);
    assert_int_equal(pv_fd_write(pair[1], &byte, 1), PV_OK);
    assert_false(is_readable(set.fd, QUIET_MS));
    assert_false(pv_fd_has_hung_up(pair[0]));
    pv_fd_close(&pair[1]);
    assert_true(is_readable(set.fd, PATIENCE_MS));
    assert_int_equal(take(&set, users, 4), 1);
    assert_true(pv_fd_has_hung_up(pair[0]));
    pv_poll_set_remove(&set, pair[0]);
    pv_fd_close(&pair[0]);
    pv_poll_set_finish(&set);
}

static void what_was_removed_is_told_no_more(void **state)
{
    (void)state;
    struct pv_poll_set set;
    int pair[2], mark = 0;
    void *users[4];
    open_set(&set);
    open_pair(pair);
    assert_int_equal(pv_poll_set_add(&set, pair[0], PV_POLL_READABLE, &mark), PV_OK);
    assert_int_equal(pv_fd_write(pair[1], &byte, 1), PV_OK);
    assert_true(is_readable(set.fd, PATIENCE_MS));
    pv_poll_set_remove(&set, pair[0]);
    pv_poll_set_remove(&set, pair[0]);
    close_pair(pair);
    assert_int_equal(take(&set, users, 4), 0);
    assert_false(is_readable(set.fd, QUIET_MS));
    pv_poll_set_finish(&set);
}

/* A caller is not told twice of what it is about to deal with. */
static void sets_are_quiet_when_all_was_dealt_with(void **state)
{
    (void)state;
    struct pv_poll_set set;
    int pair[2];
    void *users[4];
    uint8_t got;
    open_set(&set);
    open_pair(pair);
    assert_int_equal(pv_poll_set_add(&set, pair[0], PV_POLL_READABLE, NULL), PV_OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(pv_fd_write(pair[1], &byte, 1), PV_OK);
        assert_true(is_readable(set.fd, PATIENCE_MS));
        assert_int_equal(pv_poll_set_take(&set, users, 4), 1);
        pv_clock_sleep_ns(PV_NS_PER_MS); /* time for a thread to look again */
        assert_int_equal(pv_fd_read(pair[0], &got, 1), PV_OK);
        pv_poll_set_listen(&set);
        assert_false(is_readable(set.fd, 2));
    }
    pv_poll_set_remove(&set, pair[0]);
    close_pair(pair);
    pv_poll_set_finish(&set);
}

static void many_have_their_turn_whatever_fits_at_once(void **state)
{
    (void)state;
    enum { COUNT = 40, LIMIT = 7 };
    struct pv_poll_set set;
    int pairs[COUNT][2];
    uint32_t left = COUNT;
    open_set(&set);
    for (uint32_t i = 0; i < COUNT; i++) {
        open_pair(pairs[i]);
        assert_int_equal(pv_poll_set_add(&set, pairs[i][0], PV_POLL_READABLE, pairs[i]), PV_OK);
        assert_int_equal(pv_fd_write(pairs[i][1], &byte, 1), PV_OK);
    }
    while (left > 0) {
        void *users[LIMIT];
        assert_true(is_readable(set.fd, PATIENCE_MS));
        size_t count = pv_poll_set_take(&set, users, LIMIT);
        assert_in_range(count, 1, LIMIT);
        for (size_t i = 0; i < count; i++) {
            int *pair = users[i];
            pv_poll_set_remove(&set, pair[0]);
            close_pair(pair);
            left--;
        }
        pv_poll_set_listen(&set);
    }
    assert_false(is_readable(set.fd, QUIET_MS));
    pv_poll_set_finish(&set);
}

static void sets_can_be_in_sets(void **state)
{
    (void)state;
    struct pv_poll_set outer, inner;
    int pair[2], mark = 0;
    void *users[4];
    open_set(&outer);
    open_set(&inner);
    open_pair(pair);
    assert_int_equal(pv_poll_set_add(&outer, inner.fd, PV_POLL_READABLE, &inner), PV_OK);
    assert_int_equal(pv_poll_set_add(&inner, pair[0], PV_POLL_READABLE, &mark), PV_OK);
    assert_false(is_readable(outer.fd, QUIET_MS));
    assert_int_equal(pv_fd_write(pair[1], &byte, 1), PV_OK);
    assert_true(is_readable(outer.fd, PATIENCE_MS));
    assert_int_equal(take(&outer, users, 4), 1);
    assert_ptr_equal(users[0], &inner);
    assert_int_equal(take(&inner, users, 4), 1);
    pv_poll_set_remove(&inner, pair[0]);
    assert_int_equal(take(&inner, users, 4), 0);
    assert_int_equal(take(&outer, users, 4), 0);
    pv_poll_set_finish(&outer);
    pv_poll_set_finish(&inner);
    close_pair(pair);
}

enum { ROUNDS = 500 };

static void raise_often(void *user)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        pv_wake_raise(user);
        if (i % 8 == 0) {
            pv_thread_yield();
        }
    }
}

/* What another thread says is never lost, while this one takes, and changes the set. */
static void wakes_reach_a_set_from_any_thread(void **state)
{
    (void)state;
    struct pv_poll_set set;
    struct pv_wake wake, last;
    struct pv_thread thread;
    int pair[2];
    void *users[4];
    bool is_over = false;
    open_set(&set);
    open_pair(pair);
    assert_int_equal(pv_wake_init(&wake), PV_OK);
    assert_int_equal(pv_wake_init(&last), PV_OK);
    assert_int_equal(pv_poll_set_add(&set, wake.read_end, PV_POLL_READABLE, &wake), PV_OK);
    assert_int_equal(pv_poll_set_add(&set, last.read_end, PV_POLL_READABLE, &last), PV_OK);
    assert_int_equal(pv_thread_start(&thread, "raiser", raise_often, &wake), PV_OK);
    for (uint32_t i = 0; i < 50; i++) {
        assert_int_equal(pv_poll_set_add(&set, pair[0], PV_POLL_READABLE, pair), PV_OK);
        size_t count = take(&set, users, 4);
        for (size_t j = 0; j < count; j++) {
            pv_wake_take(users[j]);
        }
        pv_poll_set_remove(&set, pair[0]);
    }
    pv_thread_join(&thread);
    pv_wake_raise(&last);
    while (!is_over) {
        assert_true(is_readable(set.fd, PATIENCE_MS));
        size_t count = take(&set, users, 4);
        for (size_t j = 0; j < count; j++) {
            is_over = is_over || users[j] == &last;
            pv_wake_take(users[j]);
        }
    }
    assert_int_equal(take(&set, users, 4), 0);
    assert_false(is_readable(set.fd, QUIET_MS));
    pv_poll_set_finish(&set);
    pv_wake_finish(&wake);
    pv_wake_finish(&last);
    close_pair(pair);
}

static void wakes_are_readable_until_they_are_taken(void **state)
{
    (void)state;
    struct pv_wake wake;
    assert_int_equal(pv_wake_init(&wake), PV_OK);
    assert_false(is_readable(wake.read_end, 0));
    pv_wake_take(&wake); /* which does not wait */
    for (uint32_t i = 0; i < 100000; i++) {
        pv_wake_raise(&wake); /* nor does this, ever */
    }
    assert_true(is_readable(wake.read_end, 0));
    pv_wake_take(&wake);
    assert_false(is_readable(wake.read_end, 0));
    pv_wake_finish(&wake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_readable_while_one_in_them_is),
        cmocka_unit_test(sets_tell_of_room_only_when_asked),
        cmocka_unit_test(hang_ups_are_told_and_data_is_not),
        cmocka_unit_test(what_was_removed_is_told_no_more),
        cmocka_unit_test(sets_are_quiet_when_all_was_dealt_with),
        cmocka_unit_test(many_have_their_turn_whatever_fits_at_once),
        cmocka_unit_test(sets_can_be_in_sets),
        cmocka_unit_test(wakes_reach_a_set_from_any_thread),
        cmocka_unit_test(wakes_are_readable_until_they_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
