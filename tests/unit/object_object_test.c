#include "base/assert.h"
#include "base/thread.h"
#include "check.h"
#include "object/epoch.h"
#include "object/object.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BUFFER = 7, IMAGE = 8 };

struct table {
    struct pv_epoch epoch;
    struct pv_objects objects;
    struct pv_epoch_reader *reader;
};

static void set_up(struct table *table, uint64_t limit)
{
    assert_int_equal(pv_epoch_init(&table->epoch), PV_OK);
    assert_int_equal(pv_objects_init(&table->objects, &table->epoch, limit), PV_OK);
    table->reader = pv_epoch_join(&table->epoch);
    pv_epoch_wake(&table->epoch, table->reader);
}

static void tear_down(struct table *table)
{
    pv_epoch_leave(&table->epoch, table->reader);
    pv_objects_finish(&table->objects);
    pv_epoch_finish(&table->epoch);
}

static void create(struct table *table, uint64_t id, uint64_t tag)
{
    assert_int_equal(pv_object_reserve(&table->objects, id), PV_OBJECT_DONE);
    pv_object_publish(&table->objects, id, tag, id * 16);
}

static void object_is_found_only_under_its_type_and_owner(void **state)
{
    (void)state;
    struct table table;
    set_up(&table, 1000);
    create(&table, 1, PV_TAG(BUFFER, 3));
    assert_int_equal(pv_object_lookup(&table.objects, 1, PV_TAG(BUFFER, 3)), 16);
    assert_int_equal(pv_object_lookup(&table.objects, 1, PV_TAG(IMAGE, 3)), 0);
    assert_int_equal(pv_object_lookup(&table.objects, 1, PV_TAG(BUFFER, 4)), 0);
    assert_int_equal(pv_object_lookup(&table.objects, 2, PV_TAG(BUFFER, 3)), 0);
    assert_int_equal(pv_objects_alive_count(&table.objects), 1);
    tear_down(&table);
}

static void object_is_not_found_between_reserve_and_publish(void **state)
{
    (void)state;
    struct table table;
    set_up(&table, 1000);
    assert_int_equal(pv_object_reserve(&table.objects, 5), PV_OBJECT_DONE);
    assert_int_equal(pv_object_lookup(&table.objects, 5, PV_TAG(BUFFER, 0)), 0);
    assert_int_equal(pv_object_remove(&table.objects, 5, PV_TAG(BUFFER, 0)), 0);
    assert_int_equal(pv_object_reserve(&table.objects, 5), PV_OBJECT_ID_IN_USE);
    pv_object_publish(&table.objects, 5, PV_TAG(BUFFER, 0), 1);
    assert_int_equal(pv_object_lookup(&table.objects, 5, PV_TAG(BUFFER, 0)), 1);
    tear_down(&table);
}

static void object_ids_are_never_reused(void **state)
{
    (void)state;
    struct table table;
    set_up(&table, 1000);
    create(&table, 9, PV_TAG(BUFFER, 0));
    assert_int_equal(pv_object_reserve(&table.objects, 9), PV_OBJECT_ID_IN_USE);
    assert_int_equal(pv_object_remove(&table.objects, 9, PV_TAG(IMAGE, 0)), 0);
    assert_int_equal(pv_object_remove(&table.objects, 9, PV_TAG(BUFFER, 0)), 9 * 16);
    assert_int_equal(pv_object_remove(&table.objects, 9, PV_TAG(BUFFER, 0)), 0);
    assert_int_equal(pv_object_lookup(&table.objects, 9, PV_TAG(BUFFER, 0)), 0);
    assert_int_equal(pv_object_reserve(&table.objects, 9), PV_OBJECT_ID_IN_USE);
    assert_int_equal(pv_object_reserve(&table.objects, 10), PV_OBJECT_DONE);
    pv_object_abandon(&table.objects, 10);
    assert_int_equal(pv_object_reserve(&table.objects, 10), PV_OBJECT_ID_IN_USE);
    assert_int_equal(pv_objects_alive_count(&table.objects), 0);
    tear_down(&table);
}

static void object_page_gives_its_memory_back_when_all_its_ids_are_dead(void **state)
{
    (void)state;
    struct table table;
    set_up(&table, 100000);
    for (uint64_t id = 256; id < 768; id++) {
        create(&table, id, PV_TAG(BUFFER, 0));
    }
    uint64_t pages = atomic_load(&table.objects.page_count);
    for (uint64_t id = 256; id < 512; id++) {
        assert_int_equal(pv_object_remove(&table.objects, id, PV_TAG(BUFFER, 0)), id * 16);
    }
    assert_int_equal(atomic_load(&table.objects.page_count), pages - 1);
    assert_int_equal(atomic_load(&table.epoch.pending_count), 1); /* we may look into it still */
    pv_epoch_quiet(&table.epoch, table.reader);
    assert_int_equal(atomic_load(&table.epoch.pending_count), 0);
    assert_int_equal(pv_object_lookup(&table.objects, 300, PV_TAG(BUFFER, 0)), 0);
    assert_int_equal(pv_object_reserve(&table.objects, 300), PV_OBJECT_ID_IN_USE);
    assert_int_equal(pv_object_remove_range(&table.objects, 256, 256, PV_TAG(BUFFER, 0)), 0);
    assert_int_equal(pv_object_lookup(&table.objects, 512, PV_TAG(BUFFER, 0)), 512 * 16);
    tear_down(&table);
}

static void object_directory_goes_when_all_its_pages_are_dead(void **state)
{
    (void)state;
    struct table table;
    enum { FIRST = 1 << 20 };
    set_up(&table, UINT64_MAX / 2);
    for (uint64_t id = FIRST; id < 2 * FIRST; id++) {
        create(&table, id, PV_TAG(BUFFER, 0));
    }
    assert_int_equal(atomic_load(&table.objects.page_count), 4096 + 8);
    assert_int_equal(pv_object_remove_range(&table.objects, FIRST, FIRST, PV_TAG(BUFFER, 0)),
                     FIRST);
    pv_epoch_quiet(&table.epoch, table.reader);
    assert_int_equal(atomic_load(&table.objects.page_count), 0);
    assert_int_equal(pv_object_reserve(&table.objects, FIRST + 5), PV_OBJECT_ID_IN_USE);
    assert_int_equal(pv_object_lookup(&table.objects, FIRST + 5, PV_TAG(BUFFER, 0)), 0);
    create(&table, 2 * FIRST, PV_TAG(BUFFER, 0));
    tear_down(&table);
}

static void object_ids_absurdly_far_away_are_refused(void **state)
{
    (void)state;
    struct table table;
    set_up(&table, 1000);
    uint64_t jump = PV_OBJECT_JUMP_MAX;
    assert_int_equal(pv_object_reserve(&table.objects, 0), PV_OBJECT_ID_TOO_FAR);
    assert_int_equal(pv_object_reserve(&table.objects, UINT64_MAX), PV_OBJECT_ID_TOO_FAR);
    assert_int_equal(pv_object_reserve(&table.objects, UINT64_C(1) << 40), PV_OBJECT_ID_TOO_FAR);
    create(&table, 5, PV_TAG(BUFFER, 0));
    assert_int_equal(pv_object_reserve(&table.objects, 5 + jump + 1), PV_OBJECT_ID_TOO_FAR);
    assert_int_equal(pv_object_lookup(&table.objects, 5 + jump + 1, PV_TAG(BUFFER, 0)), 0);
    create(&table, 5 + jump, PV_TAG(BUFFER, 0));
    create(&table, 5 + 2 * jump, PV_TAG(BUFFER, 0));
    assert_int_equal(pv_object_lookup(&table.objects, 5 + 2 * jump, PV_TAG(BUFFER, 0)),
                     (5 + 2 * jump) * 16);
    /* Nobody takes the top 24 bits for nothing. */
    assert_int_equal(pv_object_lookup(&table.objects, 5 + (UINT64_C(1) << 40), PV_TAG(BUFFER, 0)),
                     0);
    tear_down(&table);
}

static void object_first_id_may_be_any(void **state)
{
    (void)state;
    struct table table;
    set_up(&table, 1000);
    create(&table, UINT64_C(0x123456789), PV_TAG(BUFFER, 0)); /* a process's second instance */
    tear_down(&table);
}

static void object_count_is_limited(void **state)
{
    (void)state;
    struct table table;
    set_up(&table, 10);
    for (uint64_t id = 1; id <= 10; id++) {
        create(&table, id, PV_TAG(BUFFER, 0));
    }
    assert_int_equal(pv_object_reserve(&table.objects, 11), PV_OBJECT_QUOTA);
    assert_int_not_equal(pv_object_remove(&table.objects, 3, PV_TAG(BUFFER, 0)), 0);
    create(&table, 11, PV_TAG(BUFFER, 0));
    tear_down(&table);
}

static void object_table_memory_is_limited_for_scattered_ids(void **state)
{
    (void)state;
    struct table table;
    set_up(&table, 1000);
    table.objects.page_limit = 100;
    enum pv_object_status status = PV_OBJECT_DONE;
    uint64_t id = 1;
    while (status == PV_OBJECT_DONE && id < 1000 * 1024) {
        status = pv_object_reserve(&table.objects, id);
        id += 1024;
    }
    assert_int_equal(status, PV_OBJECT_QUOTA);
    assert_true(atomic_load(&table.objects.page_count) <= 100);
    tear_down(&table);
}

static void object_ids_that_never_came_expire_far_behind_the_newest(void **state)
{
    (void)state;
    struct table table;
    set_up(&table, 1 << 20);
    uint64_t peak = 0;
    uint64_t survivor = 777;
    create(&table, survivor, PV_TAG(IMAGE, 0));
    /* Every second page is touched by one object that dies at once: none is ever full. */
    for (uint64_t id = 1024; id < UINT64_C(1) << 26; id += 512) {
        create(&table, id, PV_TAG(BUFFER, 0));
        assert_int_not_equal(pv_object_remove(&table.objects, id, PV_TAG(BUFFER, 0)), 0);
        uint64_t pages = atomic_load(&table.objects.page_count);
        peak = pages > peak ? pages : peak;
        pv_epoch_quiet(&table.epoch, table.reader);
    }
    assert_true(peak < (PV_OBJECT_EXPIRY >> 8));
    assert_int_equal(pv_object_lookup(&table.objects, survivor, PV_TAG(IMAGE, 0)), survivor * 16);
    assert_int_equal(pv_object_reserve(&table.objects, 1025), PV_OBJECT_ID_IN_USE);
    assert_int_not_equal(pv_object_remove(&table.objects, survivor, PV_TAG(IMAGE, 0)), 0);
    tear_down(&table);
}

static void object_range_removal_takes_whole_pages_parts_and_pages_with_dead_slots(void **state)
{
    (void)state;
    struct table table;
    set_up(&table, 100000);
    for (uint64_t id = 200; id < 256 + 4 * 256; id++) {
        create(&table, id, PV_TAG(id < 256 ? IMAGE : BUFFER, 1));
    }
    uint64_t pages = atomic_load(&table.objects.page_count);
    assert_int_not_equal(pv_object_remove(&table.objects, 600, PV_TAG(BUFFER, 1)), 0);
    /* One page in part, one whole, one with a dead one, one in part. */
    assert_int_equal(pv_object_remove_range(&table.objects, 257, 900, PV_TAG(BUFFER, 1)), 899);
    assert_int_equal(pv_objects_alive_count(&table.objects), 56 + 1024 - 900);
    assert_int_equal(atomic_load(&table.objects.page_count), pages - 2);
    assert_int_equal(pv_object_lookup(&table.objects, 256, PV_TAG(BUFFER, 1)), 256 * 16);
    assert_int_equal(pv_object_lookup(&table.objects, 1157, PV_TAG(BUFFER, 1)), 1157 * 16);
    for (uint64_t id = 257; id < 257 + 900; id++) {
        assert_int_equal(pv_object_lookup(&table.objects, id, PV_TAG(BUFFER, 1)), 0);
        assert_int_equal(pv_object_reserve(&table.objects, id), PV_OBJECT_ID_IN_USE);
    }
    assert_int_equal(atomic_load(&table.epoch.pending_count), 1); /* both pages together */
    assert_int_equal(pv_object_remove_range(&table.objects, 257, 900, PV_TAG(BUFFER, 1)), 0);
    assert_int_equal(pv_object_remove_range(&table.objects, 256, 0, PV_TAG(BUFFER, 1)), 0);
    assert_int_equal(pv_object_remove_range(&table.objects, UINT64_MAX, 9, PV_TAG(BUFFER, 1)), 0);
    assert_int_equal(pv_object_lookup(&table.objects, 255, PV_TAG(IMAGE, 1)), 255 * 16);
    tear_down(&table);
}

static void object_directory_is_ready_before_it_is_needed(void **state)
{
    (void)state;
    struct table table;
    enum { FIRST = 1 << 20 };
    set_up(&table, UINT64_MAX / 2);
    for (uint64_t id = FIRST; id < FIRST + FIRST / 2; id++) {
        create(&table, id, PV_TAG(BUFFER, 0));
    }
    assert_non_null(table.objects.spare);
    assert_int_equal(table.objects.spare_pages, PV_OBJECT_DIRECTORY_PAGES);
    create(&table, 2 * FIRST, PV_TAG(BUFFER, 0));
    assert_int_equal(pv_object_lookup(&table.objects, 2 * FIRST, PV_TAG(BUFFER, 0)),
                     2 * FIRST * UINT64_C(16));
    assert_int_equal(pv_object_lookup(&table.objects, 3 * FIRST - 1, PV_TAG(BUFFER, 0)), 0);
    assert_null(table.objects.spare);
    tear_down(&table);
}

struct visits {
    struct table *table;
    uint64_t last_id;
    uint64_t count;
};

static void visit(void *user, uint64_t id, uint64_t tag, uint64_t host)
{
    struct visits *visits = user;
    assert_true(id > visits->last_id);
    assert_int_equal(host, id * 16);
    visits->last_id = id;
    visits->count++;
    assert_int_equal(pv_object_remove(&visits->table->objects, id, tag), host);
}

static void object_visits_see_one_owners_objects_in_order(void **state)
{
    (void)state;
    struct table table;
    set_up(&table, 100000);
    for (uint64_t id = 1; id <= 1000; id++) {
        create(&table, id * 5000, PV_TAG(id % 2 == 0 ? IMAGE : BUFFER, id % 4));
    }
    struct visits images = {.table = &table};
    pv_objects_each(&table.objects, 2, IMAGE, visit, &images);
    assert_int_equal(images.count, 250);
    struct visits none = {.table = &table};
    pv_objects_each(&table.objects, 2, 0, visit, &none);
    assert_int_equal(none.count, 0);
    struct visits all = {.table = &table};
    pv_objects_each(&table.objects, 3, 0, visit, &all);
    assert_int_equal(all.count, 250);
    tear_down(&table);
}

enum { WORKERS = 4, ROUNDS = 60000 };

struct worker {
    struct table *table;
    _Atomic uint64_t *next_id;
    uint64_t won;
};

/* Each makes objects with ids of the common counter, sees to it that it finds just them, and races
 * with all others to remove those of its neighbours. */
static void work(void *user)
{
    struct worker *worker = user;
    struct pv_objects *objects = &worker->table->objects;
    struct pv_epoch_reader *reader = pv_epoch_join(&worker->table->epoch);
    pv_epoch_wake(&worker->table->epoch, reader);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t id = atomic_fetch_add(worker->next_id, 1);
        PV_ASSERT(pv_object_reserve(objects, id) == PV_OBJECT_DONE);
        PV_ASSERT(pv_object_reserve(objects, id) == PV_OBJECT_ID_IN_USE);
        if (id % 64 == 0) {
            pv_object_abandon(objects, id);
        } else {
            pv_object_publish(objects, id, PV_TAG(BUFFER, 1), id);
        }
        uint64_t other = id - (uint64_t)i % 8;
        uint64_t host = pv_object_lookup(objects, other, PV_TAG(BUFFER, 1));
        PV_ASSERT(host == 0 || host == other);
        for (uint64_t old = id > 8 ? id - 8 : 1; old <= id; old++) {
            worker->won += pv_object_remove(objects, old, PV_TAG(BUFFER, 1)) != 0 ? 1 : 0;
        }
        if (i % 16 == 0) {
            pv_epoch_quiet(&worker->table->epoch, reader);
        }
    }
    pv_epoch_leave(&worker->table->epoch, reader);
}

static void object_table_works_for_four_threads_at_once(void **state)
{
    (void)state;
    struct table table;
    struct pv_thread threads[WORKERS];
    struct worker workers[WORKERS];
    _Atomic uint64_t next_id = 1;
    set_up(&table, 1 << 20);
    pv_epoch_sleep(table.reader);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.table = &table, .next_id = &next_id};
        assert_int_equal(pv_thread_start(&threads[i], "worker", work, &workers[i]), PV_OK);
    }
    uint64_t won = 0;
    for (int i = 0; i < WORKERS; i++) {
        pv_thread_join(&threads[i]);
        won += workers[i].won;
    }
    pv_epoch_wake(&table.epoch, table.reader);
    uint64_t left = pv_objects_alive_count(&table.objects);
    uint64_t last = WORKERS * ROUNDS;
    assert_int_equal(won + left, last - last / 64); /* each removed once */
    assert_int_equal(pv_object_remove_range(&table.objects, 1, last, PV_TAG(BUFFER, 1)), left);
    pv_epoch_quiet(&table.epoch, table.reader);
    assert_int_equal(atomic_load(&table.epoch.pending_count), 0);
    assert_true(atomic_load(&table.objects.page_count) <= 2 + 8);
    tear_down(&table);
}

/* Of the whole pages of an array. */
static size_t backed_bytes(const void *array, size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)array + page - 1) & ~(page - 1);
    size_t count = ((uintptr_t)array + size - begin) / page;
    unsigned char *pages = malloc(count);
    assert_non_null(pages);
    assert_int_equal(mincore((void *)begin, count * page, pages), 0);
    size_t backed = 0;
    for (size_t i = 0; i < count; i++) {
        backed += (pages[i] & 1) != 0 ? page : 0;
    }
    free(pages);
    return backed;
}

/* The 8 MiB of pointers: also where the heap gives back what a table before has had. */
static void object_table_backs_only_what_it_uses(void **state)
{
    (void)state;
    const size_t size = PV_OBJECT_DIRECTORIES * sizeof(void *);
    struct table table;
    for (int i = 0; i < 5; i++) {
        set_up(&table, 1 << 20);
        create(&table, 1, PV_TAG(BUFFER, 1));
        assert_true(backed_bytes((const void *)table.objects.directories, size) <= 64 * 1024);
        tear_down(&table);
        volatile uint8_t *used = malloc(size); /* the next table's, if that came from the heap */
        assert_non_null(used);
        for (size_t k = 0; k < size; k += 4096) {
            used[k] = 0xa5;
        }
        free((void *)used);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(object_is_found_only_under_its_type_and_owner),
        cmocka_unit_test(object_is_not_found_between_reserve_and_publish),
        cmocka_unit_test(object_ids_are_never_reused),
        cmocka_unit_test(object_page_gives_its_memory_back_when_all_its_ids_are_dead),
        cmocka_unit_test(object_directory_goes_when_all_its_pages_are_dead),
        cmocka_unit_test(object_ids_absurdly_far_away_are_refused),
        cmocka_unit_test(object_first_id_may_be_any),
        cmocka_unit_test(object_count_is_limited),
        cmocka_unit_test(object_table_memory_is_limited_for_scattered_ids),
        cmocka_unit_test(object_ids_that_never_came_expire_far_behind_the_newest),
        cmocka_unit_test(object_range_removal_takes_whole_pages_parts_and_pages_with_dead_slots),
        cmocka_unit_test(object_directory_is_ready_before_it_is_needed),
        cmocka_unit_test(object_visits_see_one_owners_objects_in_order),
        cmocka_unit_test(object_table_backs_only_what_it_uses),
        cmocka_unit_test(object_table_works_for_four_threads_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
