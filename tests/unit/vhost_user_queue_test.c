/* Virtqueues of a guest that writes its descriptors itself. */

#include "front/vhost_user/queue.h"
#include "vhost_user_driver.h"

#include <stdio.h>
#include <sys/eventfd.h>

enum { ROOM = 4096 };

struct world {
    struct driver d;
    struct pv_vhost_memory memory;
    struct pv_vhost_queue queue;
    struct pv_log log;
    uint32_t line_count;
    int call;
    uint8_t bytes[ROOM];
    struct pv_vhost_taken taken;
};

static void count_line(void *user, enum pv_log_level level, const char *line)
{
    (void)level;
    (void)line;
    ((struct world *)user)->line_count++;
}

static void start(struct world *w)
{
    assert_int_equal(
        pv_vhost_queue_start(&w->queue, &w->memory, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), PV_OK);
    w->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->queue.call = w->call;
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    w->log = (struct pv_log){.level = PV_LOG_DEBUG, .write = count_line, .user = w};
    driver_init(&w->d);
    const struct pv_vhost_region region = driver_region();
    assert_int_equal(pv_vhost_memory_add(&w->memory, &region, w->d.fd), PV_OK);
    assert_int_equal(pv_vhost_queue_init(&w->queue, 0, &w->log), PV_OK);
    w->queue.size = QUEUE_SIZE;
    w->queue.descriptors = ram_user + AT_DESCRIPTORS;
    w->queue.available = ram_user + AT_AVAILABLE;
    w->queue.used = ram_user + AT_USED;
    w->queue.is_enabled = w->queue.has_indirect = true;
    start(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    pv_vhost_queue_finish(&w->queue);
    pv_vhost_memory_finish(&w->memory);
    driver_finish(&w->d);
    free(w);
    return 0;
}

static enum pv_vhost_take take(struct world *w)
{
    w->taken = (struct pv_vhost_taken){.bytes = w->bytes, .room = ROOM};
    return pv_vhost_queue_take(&w->queue, &w->memory, &w->taken);
}

static void give(struct world *w, uint16_t head, const char *answer)
{
    pv_vhost_queue_give(&w->queue, &w->memory, head, answer, strlen(answer));
}

static bool was_interrupted(struct world *w)
{
    uint64_t count;
    pv_vhost_queue_interrupt(&w->queue);
    return read(w->call, &count, sizeof(count)) == sizeof(count);
}

/* A request of 4 bytes at `slot`, and room for 8 in the next one. */
static void offer_simple(struct world *w, uint16_t slot)
{
    const uint32_t at = AT_DATA + 64 * (uint32_t)slot;
    memcpy(w->d.ram + at, "ping", 4);
    driver_describe(&w->d, slot, RAM_GUEST + at, 4, NEXT, slot + 1u);
    driver_describe(&w->d, slot + 1u, RAM_GUEST + at + 16, 8, WRITE, 0);
    driver_offer(&w->d, slot);
}

/* The guest has the chain back, with so many bytes in it. */
static void check_used(struct world *w, uint32_t head, uint32_t size)
{
    uint32_t used_head, used_size;
    assert_true(driver_take_used(&w->d, &used_head, &used_size));
    assert_int_equal(used_head, head);
    assert_int_equal(used_size, size);
}

/* The queue still serves a guest that behaves. */
static void check_serves(struct world *w)
{
    offer_simple(w, 6);
    assert_int_equal(take(w), PV_VHOST_REQUEST);
    assert_int_equal(w->taken.size, 4);
    give(w, 6, "pong");
    check_used(w, 6, 4);
}

static void a_request_is_gathered_and_its_answer_scattered(void **state)
{
    struct world *w = *state;
    uint8_t *data = w->d.ram + AT_DATA;
    memcpy(data, "HeadTail", 8);
    driver_describe(&w->d, 3, RAM_GUEST + AT_DATA, 4, NEXT, 5);
    driver_describe(&w->d, 5, RAM_GUEST + AT_DATA + 4, 4, NEXT, 1);
    driver_describe(&w->d, 1, RAM_GUEST + AT_DATA + 100, 3, WRITE | NEXT, 0);
    driver_describe(&w->d, 0, RAM_GUEST + AT_DATA + 200, 20, WRITE, 0);
    driver_offer(&w->d, 3);
    assert_int_equal(take(w), PV_VHOST_REQUEST);
    memset(data, 'x', 8); /* too late */
    assert_int_equal(w->taken.size, 8);
    assert_memory_equal(w->bytes, "HeadTail", 8);
    assert_int_equal(w->taken.response_capacity, 23);
    give(w, w->taken.head, "answer");
    assert_memory_equal(data + 100, "ans", 3);
    assert_memory_equal(data + 200, "wer", 4);
    check_used(w, 3, 6);
    assert_int_equal(take(w), PV_VHOST_EMPTY);
}

static void an_indirect_table_may_be_longer_than_the_queue(void **state)
{
    struct world *w = *state;
    enum { COUNT = 300 };
    for (uint32_t i = 0; i < COUNT; i++) {
        w->d.ram[AT_DATA + i] = (uint8_t)i;
        driver_describe_at(&w->d, AT_TABLE, i, RAM_GUEST + AT_DATA + i, 1, NEXT, i + 1);
    }
    driver_describe_at(&w->d, AT_TABLE, COUNT, RAM_GUEST + AT_DATA + 512, 8, WRITE, 0);
    /* Its own write flag means nothing. */
    driver_describe(&w->d, 2, RAM_GUEST + AT_TABLE, 16 * (COUNT + 1), INDIRECT | WRITE, 0);
    driver_offer(&w->d, 2);
    assert_int_equal(take(w), PV_VHOST_REQUEST);
    assert_int_equal(w->taken.size, COUNT);
    assert_int_equal(w->taken.response_capacity, 8);
    assert_memory_equal(w->bytes, w->d.ram + AT_DATA, COUNT);
    give(w, 2, "ok");
    check_used(w, 2, 2);
}

static void bytes_may_lie_across_regions(void **state)
{
    struct world *w = *state;
    struct driver more;
    driver_init(&more);
    struct pv_vhost_region region = driver_region();
    region.guest_address += RAM_SIZE;
    region.user_address += UINT64_C(4) * RAM_SIZE;
    assert_int_equal(pv_vhost_memory_add(&w->memory, &region, more.fd), PV_OK);
    memcpy(w->d.ram + RAM_SIZE - 2, "ab", 2);
    memcpy(more.ram, "cd", 2);
    driver_describe(&w->d, 0, RAM_GUEST + RAM_SIZE - 2, 4, NEXT, 1);
    driver_describe(&w->d, 1, RAM_GUEST + RAM_SIZE - 2, 4, WRITE, 0);
    driver_offer(&w->d, 0);
    assert_int_equal(take(w), PV_VHOST_REQUEST);
    assert_memory_equal(w->bytes, "abcd", 4);
    give(w, 0, "wxyz");
    assert_memory_equal(w->d.ram + RAM_SIZE - 2, "wx", 2);
    assert_memory_equal(more.ram, "yz", 2);
    driver_finish(&more);
}

static void answers_come_in_any_order(void **state)
{
    struct world *w = *state;
    for (uint16_t i = 0; i < 3; i++) {
        offer_simple(w, (uint16_t)(2 * i));
        assert_int_equal(take(w), PV_VHOST_REQUEST);
        assert_int_equal(w->taken.head, 2 * i);
    }
    give(w, 4, "third");
    give(w, 0, "first");
    offer_simple(w, 0); /* its place is free again */
    assert_int_equal(take(w), PV_VHOST_REQUEST);
    give(w, 2, "second");
    give(w, 0, "again");
    check_used(w, 4, 5);
    check_used(w, 0, 5);
    check_used(w, 2, 6);
    check_used(w, 0, 5);
}

static void indices_wrap_around(void **state)
{
    struct world *w = *state;
    w->queue.has_event_idx = true;
    pv_vhost_queue_stop(&w->queue);
    w->d.available = w->d.used = w->queue.next_available = UINT16_MAX - 3;
    *driver_halfword(&w->d, AT_USED + 2) = w->d.used;
    *driver_halfword(&w->d, AT_AVAILABLE + 2) = w->d.available;
    start(w);
    for (int i = 0; i < 20; i++) {
        driver_want_used(&w->d, w->d.used);
        assert_int_equal(take(w), PV_VHOST_EMPTY);
        assert_int_equal(driver_kick_index(&w->d), w->d.available);
        check_serves(w);
        assert_true(was_interrupted(w));
    }
    assert_int_equal(w->d.used, 16);
}

static void a_guest_is_interrupted_when_it_wants_to_be(void **state)
{
    struct world *w = *state;
    check_serves(w);
    assert_true(was_interrupted(w));
    assert_false(was_interrupted(w));
    *driver_halfword(&w->d, AT_AVAILABLE) = 1; /* no interrupts */
    check_serves(w);
    assert_false(was_interrupted(w));
    /* With event indices that flag means nothing, and only one answer of these is waited for. */
    w->queue.has_event_idx = true;
    driver_want_used(&w->d, 3);
    check_serves(w);
    assert_false(was_interrupted(w));
    check_serves(w);
    assert_true(was_interrupted(w));
    check_serves(w);
    assert_false(was_interrupted(w));
}

static void a_chain_of_nothing_is_a_request(void **state)
{
    struct world *w = *state;
    driver_describe(&w->d, 0, UINT64_MAX, 0, NEXT, 1);
    driver_describe(&w->d, 1, 0, 0, WRITE, 0);
    driver_offer(&w->d, 0);
    assert_int_equal(take(w), PV_VHOST_REQUEST);
    assert_int_equal(w->taken.size, 0);
    assert_int_equal(w->taken.response_capacity, 0);
    give(w, 0, "");
    check_used(w, 0, 0);
    assert_int_equal(w->line_count, 0);
}

static void what_is_too_long_is_cut_where_the_room_ends(void **state)
{
    struct world *w = *state;
    for (uint32_t i = 0; i < 4; i++) {
        driver_describe(&w->d, i, RAM_GUEST, RAM_SIZE, i < 3 ? NEXT : 0, i + 1);
    }
    driver_offer(&w->d, 0);
    assert_int_equal(take(w), PV_VHOST_REQUEST);
    assert_int_equal(w->taken.size, ROOM);
    give(w, 0, "");
    check_used(w, 0, 0);
}

static void senseless_chains_go_back_and_the_next_is_served(void **state)
{
    static const struct {
        uint64_t address;
        uint32_t size, flags, next;
    } chains[][3] = {
        {{RAM_GUEST, 4, NEXT, 1}, {RAM_GUEST, 4, NEXT, 0}},          /* a loop */
        {{RAM_GUEST, 0, NEXT, 0}},                                   /* a short one */
        {{RAM_GUEST, 4, NEXT, QUEUE_SIZE}},                          /* beyond the table */
        {{RAM_GUEST, 4, NEXT, UINT16_MAX}},                          /* far beyond it */
        {{0, 4, 0, 0}},                                              /* below RAM */
        {{RAM_GUEST + RAM_SIZE, 1, 0, 0}},                           /* behind it */
        {{RAM_GUEST + RAM_SIZE - 1, 2, 0, 0}},                       /* half of it */
        {{UINT64_MAX, UINT32_MAX, 0, 0}},                            /* around the end */
        {{RAM_GUEST, 4, NEXT, 1}, {RAM_GUEST + RAM_SIZE, 4, WRITE}}, /* an answer beyond RAM */
        {{RAM_GUEST, UINT32_MAX, WRITE, 0}},                         /* 4 GiB of it */
        {{UINT64_MAX - 3, 8, WRITE, 0}},                             /* around the end */
        {{RAM_GUEST, 4, NEXT | WRITE, 1}, {RAM_GUEST, 4, 0, 0}},     /* the wrong order */
        {{RAM_GUEST + AT_TABLE, 32, INDIRECT | NEXT, 1}},            /* a table and more */
        {{RAM_GUEST + AT_TABLE, 24, INDIRECT, 0}},                   /* a half one */
        {{RAM_GUEST + AT_TABLE, 0, INDIRECT, 0}},                    /* an empty one */
        {{RAM_GUEST + RAM_SIZE - 16, 32, INDIRECT, 0}},              /* one that ends beyond RAM */
        {{UINT64_MAX - 7, 4096, INDIRECT, 0}},                       /* around the end */
        {{RAM_GUEST + AT_TABLE + 64, 16, INDIRECT, 0}},              /* a table in a table */
        {{RAM_GUEST + AT_TABLE + 128, 16, INDIRECT, 0}},             /* a loop in a table */
    };
    struct world *w = *state;
    driver_describe_at(&w->d, RAM_SIZE - 16, 0, RAM_GUEST, 1, NEXT, 1);
    driver_describe_at(&w->d, AT_TABLE + 64, 0, RAM_GUEST + AT_TABLE, 16, INDIRECT, 0);
    driver_describe_at(&w->d, AT_TABLE + 128, 0, RAM_GUEST, 1, NEXT, 0);
    for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
        for (uint32_t k = 0; k < 3; k++) {
            driver_describe(&w->d, k, chains[i][k].address, chains[i][k].size, chains[i][k].flags,
                            chains[i][k].next);
        }
        driver_offer(&w->d, 0);
        if (take(w) != PV_VHOST_REFUSED) {
            fail_msg("chain %zu was taken", i);
        }
        check_used(w, 0, 0);
        check_serves(w);
    }
    assert_int_equal(w->line_count, 1); /* a guest cannot flood the log */
    w->queue.has_indirect = false;
    driver_describe_at(&w->d, AT_TABLE, 0, RAM_GUEST, 1, 0, 0);
    driver_describe(&w->d, 0, RAM_GUEST + AT_TABLE, 16, INDIRECT, 0);
    driver_offer(&w->d, 0);
    assert_int_equal(take(w), PV_VHOST_REFUSED);
}

static void restart(struct world *w)
{
    pv_vhost_queue_stop(&w->queue);
    pv_vhost_queue_drop(&w->queue);
    memset(w->d.ram + AT_AVAILABLE, 0, 64);
    memset(w->d.ram + AT_USED, 0, 128);
    w->d.available = w->d.used = w->queue.next_available = 0;
    start(w);
}

static void a_senseless_ring_breaks_the_queue_until_it_starts_again(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3; i++) {
        if (i == 0) { /* more than fits */
            pv_guest_store_u16(driver_halfword(&w->d, AT_AVAILABLE + 2), QUEUE_SIZE + 1);
        } else if (i == 1) { /* no such descriptor */
            driver_offer(&w->d, QUEUE_SIZE);
        } else { /* one that the device has already */
            offer_simple(w, 0);
            assert_int_equal(take(w), PV_VHOST_REQUEST);
            driver_offer(&w->d, 0);
        }
        assert_int_equal(take(w), PV_VHOST_EMPTY);
        assert_true(w->queue.is_broken);
        assert_int_equal(w->line_count, i + 1);
        offer_simple(w, 2);
        assert_int_equal(take(w), PV_VHOST_EMPTY);
        restart(w);
        check_serves(w);
        restart(w);
    }
    pv_vhost_queue_stop(&w->queue);
    w->queue.used = ram_user + RAM_SIZE - 8; /* half outside */
    start(w);
    assert_true(w->queue.is_broken);
    w->queue.used = ram_user + AT_USED;
    restart(w);
    check_serves(w);
}

static void answers_wait_while_the_queue_stands_still(void **state)
{
    struct world *w = *state;
    uint32_t head, size;
    offer_simple(w, 0);
    assert_int_equal(take(w), PV_VHOST_REQUEST);
    offer_simple(w, 2);
    assert_int_equal(take(w), PV_VHOST_REQUEST);
    pv_vhost_queue_stop(&w->queue);
    give(w, 2, "later");
    assert_false(driver_take_used(&w->d, &head, &size));
    start(w);
    assert_int_equal(take(w), PV_VHOST_EMPTY);
    check_used(w, 2, 5);
    assert_true(was_interrupted(w));
    give(w, 0, "now");
    check_used(w, 0, 3);
}

static void dropped_requests_leave_nothing_behind(void **state)
{
    struct world *w = *state;
    offer_simple(w, 0);
    assert_int_equal(take(w), PV_VHOST_REQUEST);
    pv_vhost_queue_stop(&w->queue);
    give(w, 0, "never seen");
    restart(w);
    check_serves(w);
    assert_int_equal(w->d.used, 1);
}

static void memory_may_go_and_come_while_requests_are_pending(void **state)
{
    struct world *w = *state;
    struct driver data;
    driver_init(&data);
    struct pv_vhost_region region = driver_region();
    region.guest_address = UINT64_C(1) << 40;
    region.user_address += UINT64_C(1) << 40;
    assert_int_equal(pv_vhost_memory_add(&w->memory, &region, data.fd), PV_OK);
    for (uint32_t i = 0; i < 2; i++) {
        driver_describe(&w->d, i, region.guest_address + 64 * i, 8, WRITE, 0);
        driver_offer(&w->d, (uint16_t)i);
        assert_int_equal(take(w), PV_VHOST_REQUEST);
    }
    assert_true(pv_vhost_memory_remove(&w->memory, &region));
    assert_false(pv_vhost_memory_remove(&w->memory, &region));
    give(w, 0, "lost");
    check_used(w, 0, 0);
    assert_int_equal(w->line_count, 1);
    assert_int_equal(pv_vhost_memory_add(&w->memory, &region, data.fd), PV_OK);
    give(w, 1, "found");
    check_used(w, 1, 5);
    assert_memory_equal(data.ram + 64, "found", 5);

    /* The queue's own memory, too. */
    const struct pv_vhost_region own = driver_region();
    offer_simple(w, 4);
    assert_int_equal(take(w), PV_VHOST_REQUEST);
    assert_true(pv_vhost_memory_remove(&w->memory, &own));
    assert_int_equal(take(w), PV_VHOST_EMPTY);
    give(w, 4, "kept");
    assert_int_equal(pv_vhost_memory_add(&w->memory, &own, w->d.fd), PV_OK);
    assert_int_equal(take(w), PV_VHOST_EMPTY);
    check_used(w, 4, 4);
    driver_finish(&data);
}

static void impossible_regions_are_refused(void **state)
{
    struct world *w = *state;
    static const struct pv_vhost_region regions[] = {
        {RAM_GUEST, 0, 0, 0},
        {RAM_GUEST, RAM_SIZE + 1, 0, 0},
        {RAM_GUEST, RAM_SIZE, 0, 1},
        {RAM_GUEST, UINT64_MAX, 0, 0},
        {RAM_GUEST, 4096, 0, UINT64_MAX - 4095},
        {UINT64_MAX - 1, 4096, 0, 0},
        {RAM_GUEST, 4096, UINT64_MAX - 1, 0},
    };
    for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
        assert_int_equal(pv_vhost_memory_add(&w->memory, &regions[i], w->d.fd), PV_GUEST_FAULT);
    }
    assert_int_equal(pv_vhost_memory_add(&w->memory, &(struct pv_vhost_region){.size = 1}, -1),
                     PV_GUEST_FAULT);
    assert_int_equal(w->memory.count, 1);
    /* One that begins in the middle of a page is fine. */
    const struct pv_vhost_region odd = {0x1000, 100, 0x1000, AT_DATA + 8};
    memcpy(w->d.ram + AT_DATA + 8, "odd", 3);
    char bytes[3];
    assert_int_equal(pv_vhost_memory_add(&w->memory, &odd, w->d.fd), PV_OK);
    assert_true(pv_vhost_memory_read(&w->memory, 0x1000, bytes, 3));
    assert_memory_equal(bytes, "odd", 3);
    for (size_t i = w->memory.count; i < PV_VHOST_REGIONS_MAX; i++) {
        assert_int_equal(pv_vhost_memory_add(&w->memory, &odd, w->d.fd), PV_OK);
    }
    assert_int_equal(pv_vhost_memory_add(&w->memory, &odd, w->d.fd), PV_GUEST_FAULT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_gathered_and_its_answer_scattered),
        TEST(an_indirect_table_may_be_longer_than_the_queue),
        TEST(bytes_may_lie_across_regions),
        TEST(answers_come_in_any_order),
        TEST(indices_wrap_around),
        TEST(a_guest_is_interrupted_when_it_wants_to_be),
        TEST(a_chain_of_nothing_is_a_request),
        TEST(what_is_too_long_is_cut_where_the_room_ends),
        TEST(senseless_chains_go_back_and_the_next_is_served),
        TEST(a_senseless_ring_breaks_the_queue_until_it_starts_again),
        TEST(answers_wait_while_the_queue_stands_still),
        TEST(dropped_requests_leave_nothing_behind),
        TEST(memory_may_go_and_come_while_requests_are_pending),
        TEST(impossible_regions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
