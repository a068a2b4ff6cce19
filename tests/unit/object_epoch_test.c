#include "base/assert.h"
#include "base/clock.h"
#include "base/thread.h"
#include "check.h"
#include "object/epoch.h"

#include <stdlib.h>

static _Atomic int freed;

static void note_free(void *memory)
{
    *(int *)memory = -1;
    atomic_fetch_add(&freed, 1);
    free(memory);
}

static int *new_number(int value)
{
    int *number = malloc(sizeof(*number));
    *number = value;
    return number;
}

static void start(struct pv_epoch *epoch)
{
    atomic_store(&freed, 0);
    assert_int_equal(pv_epoch_init(epoch), PV_OK);
}

static void epoch_frees_at_once_while_nobody_reads(void **state)
{
    (void)state;
    struct pv_epoch epoch;
    start(&epoch);
    struct pv_epoch_reader *asleep = pv_epoch_join(&epoch);
    pv_epoch_retire(&epoch, new_number(1), note_free);
    assert_int_equal(freed, 1);
    pv_epoch_leave(&epoch, asleep);
    pv_epoch_finish(&epoch);
}

static void epoch_frees_nothing_that_a_reader_may_hold(void **state)
{
    (void)state;
    struct pv_epoch epoch;
    start(&epoch);
    struct pv_epoch_reader *busy = pv_epoch_join(&epoch);
    struct pv_epoch_reader *other = pv_epoch_join(&epoch);
    pv_epoch_wake(&epoch, busy);
    pv_epoch_wake(&epoch, other);
    pv_epoch_retire(&epoch, new_number(1), note_free);
    pv_epoch_quiet(&epoch, other);
    pv_epoch_quiet(&epoch, other);
    assert_int_equal(freed, 0);
    pv_epoch_quiet(&epoch, busy);
    assert_int_equal(freed, 1);
    pv_epoch_retire(&epoch, new_number(1), note_free);
    pv_epoch_sleep(busy);
    pv_epoch_quiet(&epoch, other);
    assert_int_equal(freed, 2);
    pv_epoch_leave(&epoch, busy);
    pv_epoch_leave(&epoch, other);
    pv_epoch_finish(&epoch);
}

static void epoch_holds_back_nothing_older_than_the_readers_waking(void **state)
{
    (void)state;
    struct pv_epoch epoch;
    start(&epoch);
    struct pv_epoch_reader *first = pv_epoch_join(&epoch);
    struct pv_epoch_reader *second = pv_epoch_join(&epoch);
    pv_epoch_wake(&epoch, first);
    pv_epoch_retire(&epoch, new_number(1), note_free);
    pv_epoch_wake(&epoch, second);
    pv_epoch_retire(&epoch, new_number(2), note_free);
    pv_epoch_quiet(&epoch, first);
    assert_int_equal(freed, 1);
    pv_epoch_leave(&epoch, second);
    assert_int_equal(freed, 2);
    pv_epoch_leave(&epoch, first);
    pv_epoch_finish(&epoch);
}

static void epoch_finish_frees_all_that_is_left(void **state)
{
    (void)state;
    struct pv_epoch epoch;
    start(&epoch);
    struct pv_epoch_reader *reader = pv_epoch_join(&epoch);
    pv_epoch_wake(&epoch, reader);
    for (int i = 0; i < 100; i++) {
        pv_epoch_defer(&epoch, new_number(i), note_free);
    }
    pv_epoch_leave(&epoch, reader);
    pv_epoch_finish(&epoch);
    assert_int_equal(freed, 100);
    pv_epoch_finish(&epoch);
}

static void epoch_has_a_place_for_each_of_256_readers(void **state)
{
    (void)state;
    struct pv_epoch epoch;
    struct pv_epoch_reader *readers[PV_EPOCH_READERS_MAX];
    start(&epoch);
    for (int i = 0; i < PV_EPOCH_READERS_MAX; i++) {
        readers[i] = pv_epoch_join(&epoch);
        assert_non_null(readers[i]);
    }
    assert_null(pv_epoch_join(&epoch));
    pv_epoch_leave(&epoch, readers[100]);
    assert_ptr_equal(pv_epoch_join(&epoch), readers[100]);
    for (int i = 0; i < PV_EPOCH_READERS_MAX; i++) {
        pv_epoch_leave(&epoch, readers[i]);
    }
    pv_epoch_finish(&epoch);
}

struct shared {
    struct pv_epoch epoch;
    int *_Atomic current;
    _Atomic bool is_over;
};

static void read_often(void *user)
{
    struct shared *shared = user;
    struct pv_epoch_reader *reader = pv_epoch_join(&shared->epoch);
    pv_epoch_wake(&shared->epoch, reader);
    for (unsigned i = 0; !atomic_load(&shared->is_over); i++) {
        int *number = atomic_load_explicit(&shared->current, memory_order_acquire);
        for (int j = 0; j < 10; j++) {
            PV_ASSERT(*(volatile int *)number > 0); /* freed ones are -1, or ASan's */
        }
        if (i % 64 == 0) {
            pv_epoch_sleep(reader);
            pv_epoch_wake(&shared->epoch, reader);
        } else {
            pv_epoch_quiet(&shared->epoch, reader);
        }
    }
    pv_epoch_leave(&shared->epoch, reader);
}

static void epoch_keeps_what_four_readers_race_for(void **state)
{
    (void)state;
    struct shared shared;
    struct pv_thread threads[4];
    start(&shared.epoch);
    atomic_init(&shared.current, new_number(1));
    atomic_init(&shared.is_over, false);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pv_thread_start(&threads[i], "reader", read_often, &shared), PV_OK);
    }
    enum { ROUNDS = 20000 };
    for (int i = 2; i < ROUNDS; i++) {
        int *old = atomic_exchange_explicit(&shared.current, new_number(i), memory_order_acq_rel);
        pv_epoch_retire(&shared.epoch, old, note_free);
    }
    atomic_store(&shared.is_over, true);
    for (int i = 0; i < 4; i++) {
        pv_thread_join(&threads[i]);
    }
    assert_int_equal(freed, ROUNDS - 2);
    free(atomic_load(&shared.current));
    pv_epoch_finish(&shared.epoch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epoch_frees_at_once_while_nobody_reads),
        cmocka_unit_test(epoch_frees_nothing_that_a_reader_may_hold),
        cmocka_unit_test(epoch_holds_back_nothing_older_than_the_readers_waking),
        cmocka_unit_test(epoch_finish_frees_all_that_is_left),
        cmocka_unit_test(epoch_has_a_place_for_each_of_256_readers),
        cmocka_unit_test(epoch_keeps_what_four_readers_race_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
