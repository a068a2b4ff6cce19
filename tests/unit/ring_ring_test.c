#include "base/fd.h"
#include "base/guest.h"
#include "check.h"
#include "ring_guest.h"

#include <stdlib.h>
#include <string.h>

/* Takes in everything, and checks that it is the count that the producer sends. */
struct reader {
    struct pv_ring *ring;
    uint8_t next;
    _Atomic uint64_t bytes;
    _Atomic uint32_t wrong;
    uint32_t largest;
    int awake;
    enum pv_result answer;
    uint32_t faults;
    const char *why;
};

static enum pv_result consume(void *user, uint8_t *bytes, uint32_t size)
{
    struct reader *reader = user;
    PV_ASSERT(((uintptr_t)bytes & 7) == 0 && reader->awake == 1);
    if (reader->answer != PV_OK) {
        return reader->answer;
    }
    for (uint32_t i = 0; i < size; i++) {
        if (bytes[i] != reader->next++) {
            atomic_fetch_add(&reader->wrong, 1);
        }
        bytes[i] = 0xee; /* it is ours to write into */
    }
    reader->largest = size > reader->largest ? size : reader->largest;
    atomic_fetch_add(&reader->bytes, size);
    return PV_OK;
}

static void sleeps(void *user)
{
    struct reader *reader = user;
    PV_ASSERT(--reader->awake == 0);
}

static void wakes(void *user)
{
    struct reader *reader = user;
    PV_ASSERT(++reader->awake == 1);
}

static void faulted(void *user, const char *why)
{
    struct reader *reader = user;
    reader->faults++;
    reader->why = why;
}

static struct pv_ring_consumer consumer_of(struct reader *reader)
{
    return (struct pv_ring_consumer){
        .user = reader, .consume = consume, .sleeps = sleeps, .wakes = wakes, .faulted = faulted};
}

struct producer {
    struct guest *guest;
    uint64_t total;
    uint32_t seed;
    uint8_t next;
};

static uint32_t random_below(uint32_t *seed, uint32_t limit)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % limit;
}

static void produce(void *user)
{
    struct producer *producer = user;
    uint8_t bytes[512];
    for (uint64_t sent = 0; sent < producer->total;) {
        uint32_t size = 4 + 4 * random_below(&producer->seed, 64);
        for (uint32_t i = 0; i < size; i++) {
            bytes[i] = producer->next++;
        }
        guest_write(producer->guest, bytes, size);
        sent += size;
    }
}

static void send_bytes(struct guest *guest, uint8_t *next, uint32_t size)
{
    uint8_t *bytes = malloc(size);
    for (uint32_t i = 0; i < size; i++) {
        bytes[i] = (*next)++;
    }
    guest_write(guest, bytes, size);
    free(bytes);
}

static void ring_executes_what_lies_between_head_and_tail(void **state)
{
    (void)state;
    struct reader reader = {0};
    struct guest guest;
    uint8_t next = 0;
    guest_init(&guest, 256, consumer_of(&reader));
    assert_int_equal(pv_ring_poll(guest.ring), PV_RING_EMPTY);
    send_bytes(&guest, &next, 36);
    assert_int_equal(pv_ring_poll(guest.ring), PV_RING_WORKED);
    assert_int_equal(guest_head(&guest), 36);
    assert_int_equal(reader.bytes, 36);
    assert_int_equal(pv_ring_poll(guest.ring), PV_RING_EMPTY);
    struct pv_ring_stats stats;
    pv_ring_get_stats(guest.ring, &stats);
    assert_int_equal(stats.bytes, 36);
    assert_int_equal(stats.batches, 1);
    assert_int_equal(pv_ring_id(guest.ring), 0x1234);
    guest_finish(&guest);
}

static enum pv_result consume_slowly(void *user, uint8_t *bytes, uint32_t size)
{
    (void)user;
    (void)bytes;
    (void)size;
    pv_clock_sleep_ns(2 * PV_NS_PER_MS);
    return PV_OK;
}

/* Without a thread of its own: idle is all time in which it executes nothing. */
static void ring_in_polling_mode_is_idle_between_its_batches(void **state)
{
    (void)state;
    struct guest guest;
    uint8_t next = 0;
    struct pv_ring_stats before;
    struct pv_ring_stats after;
    guest_init(&guest, 256, (struct pv_ring_consumer){.consume = consume_slowly});
    for (uint32_t i = 0; i < 5; i++) {
        send_bytes(&guest, &next, 16);
        assert_int_equal(pv_ring_poll(guest.ring), PV_RING_WORKED);
    }
    pv_ring_get_stats(guest.ring, &before);
    assert_true(before.age_ns - before.idle_ns >= 10 * PV_NS_PER_MS);
    pv_clock_sleep_ns(10 * PV_NS_PER_MS);
    assert_int_equal(pv_ring_poll(guest.ring), PV_RING_EMPTY);
    pv_ring_get_stats(guest.ring, &after);
    assert_true(after.idle_ns - before.idle_ns >= 10 * PV_NS_PER_MS);
    guest_finish(&guest);
}

static void ring_takes_a_full_buffer_in_one_batch(void **state)
{
    (void)state;
    struct reader reader = {0};
    struct guest guest;
    uint8_t next = 0;
    guest_init(&guest, 256, consumer_of(&reader));
    send_bytes(&guest, &next, 100);
    assert_int_equal(pv_ring_poll(guest.ring), PV_RING_WORKED);
    send_bytes(&guest, &next, 256);
    assert_true(pv_ring_utilization(guest.ring) == 1.0);
    assert_int_equal(pv_ring_poll(guest.ring), PV_RING_WORKED);
    assert_int_equal(reader.largest, 256);
    assert_int_equal(reader.wrong, 0);
    assert_true(pv_ring_utilization(guest.ring) == 0.0);
    guest_finish(&guest);
}

static void ring_joins_records_that_wrap_around_the_buffer(void **state)
{
    (void)state;
    struct reader reader = {0};
    struct guest guest;
    uint8_t next = 0;
    guest_init(&guest, 64, consumer_of(&reader));
    for (int i = 0; i < 1000; i++) {
        send_bytes(&guest, &next, 4 + 4 * (uint32_t)(i % 16));
        assert_int_equal(pv_ring_poll(guest.ring), PV_RING_WORKED);
    }
    assert_int_equal(reader.wrong, 0);
    guest_finish(&guest);
}

static void ring_survives_counters_that_overflow_32_bits(void **state)
{
    (void)state;
    struct reader reader = {0};
    struct guest guest;
    uint8_t next = 0;
    guest_init(&guest, 64, consumer_of(&reader));
    guest_start_at(&guest, UINT32_MAX - 99);
    for (int i = 0; i < 20; i++) {
        send_bytes(&guest, &next, 36);
        assert_int_equal(pv_ring_poll(guest.ring), PV_RING_WORKED);
        assert_int_equal(guest_head(&guest), guest.tail);
    }
    assert_true(guest.tail < 1000);
    assert_int_equal(reader.wrong, 0);
    assert_int_equal(reader.bytes, 720);
    guest_finish(&guest);
}

static void ring_turns_fatal_when_the_tail_lies(void **state)
{
    (void)state;
    static const uint32_t lies[] = {260, UINT32_MAX, 0x80000000, 4 + 256 + 4};
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct reader reader = {0};
        struct guest guest;
        guest_init(&guest, 256, consumer_of(&reader));
        guest_set_tail(&guest, lies[i]);
        assert_int_equal(pv_ring_poll(guest.ring), PV_RING_ENDED);
        assert_int_equal(guest_status(&guest), PV_RING_STATUS_FATAL);
        assert_int_equal(reader.bytes, 0);
        assert_int_equal(reader.faults, 1);
        assert_non_null(reader.why);
        guest_set_tail(&guest, 0);
        assert_int_equal(pv_ring_poll(guest.ring), PV_RING_ENDED);
        assert_int_equal(pv_ring_wait_seqno(guest.ring, 4), PV_CLOSED);
        guest_finish(&guest);
    }
}

static void ring_turns_fatal_when_the_consumer_fails(void **state)
{
    (void)state;
    struct reader reader = {.answer = PV_GUEST_FAULT};
    struct guest guest;
    uint8_t next = 0;
    guest_init(&guest, 256, consumer_of(&reader));
    send_bytes(&guest, &next, 8);
    assert_int_equal(pv_ring_poll(guest.ring), PV_RING_ENDED);
    assert_int_equal(guest_status(&guest), PV_RING_STATUS_FATAL);
    assert_int_equal(guest_head(&guest), 0);
    assert_int_equal(reader.faults, 1);
    assert_null(reader.why);
    guest_finish(&guest);
}

static void ring_create_refuses_a_head_or_status_that_is_not_0(void **state)
{
    (void)state;
    struct reader reader = {0};
    struct guest guest;
    guest_init(&guest, 256, consumer_of(&reader));
    struct pv_ring_params params = guest.ring->params;
    struct pv_ring *second;
    *guest_word(&guest, 64) = 36; /* a tail that already moves is fine */
    assert_int_equal(pv_ring_create(&params, &second), PV_OK);
    pv_ring_destroy(second);
    *guest_word(&guest, 0) = 4;
    assert_int_equal(pv_ring_create(&params, &second), PV_GUEST_FAULT);
    *guest_word(&guest, 0) = 0;
    *guest_word(&guest, 128) = PV_RING_STATUS_ALIVE;
    assert_int_equal(pv_ring_create(&params, &second), PV_GUEST_FAULT);
    assert_null(second);
    guest_finish(&guest);
}

static void ring_publishes_inside_a_batch_what_the_consumer_says(void **state)
{
    (void)state;
    struct reader reader = {0};
    struct guest guest;
    uint8_t next = 0;
    guest_init(&guest, 256, consumer_of(&reader));
    send_bytes(&guest, &next, 100);
    assert_int_equal(pv_ring_poll(guest.ring), PV_RING_WORKED);
    pv_ring_publish(guest.ring, 36); /* of the batch that begins here */
    assert_int_equal(guest_head(&guest), 136);
    assert_false(pv_ring_is_awaited(guest.ring));
    guest_finish(&guest);
}

static void ring_writes_extra_words_only_inside_the_extra_region(void **state)
{
    (void)state;
    struct reader reader = {0};
    struct guest guest;
    guest_init(&guest, 256, consumer_of(&reader));
    assert_true(pv_ring_write_extra(guest.ring, 0, 0xabcd));
    assert_int_equal(*guest_word(&guest, guest.layout.extra_offset), 0xabcd);
    assert_false(pv_ring_write_extra(guest.ring, 2, 1));
    assert_false(pv_ring_write_extra(guest.ring, 4, 1));
    assert_false(pv_ring_write_extra(guest.ring, UINT64_MAX - 3, 1));
    guest_finish(&guest);
}

static void ring_thread_reads_what_a_producer_thread_writes(void **state)
{
    (void)state;
    struct reader reader = {0};
    struct guest guest;
    struct pv_thread thread;
    guest_init(&guest, 1024, consumer_of(&reader));
    struct producer producer = {.guest = &guest, .total = 2000000, .seed = 1};
    guest_start_at(&guest, UINT32_MAX - 1000003);
    assert_int_equal(pv_ring_start(guest.ring), PV_OK);
    assert_int_equal(pv_thread_start(&thread, "producer", produce, &producer), PV_OK);
    pv_thread_join(&thread);
    assert_true(guest_wait_drained(&guest));
    pv_ring_stop(guest.ring);
    assert_int_equal(reader.wrong, 0);
    assert_int_equal(reader.awake, 0);
    assert_true(reader.bytes >= 2000000);
    guest_finish(&guest);
}

static void scribble(void *user)
{
    struct producer *producer = user;
    struct guest *guest = producer->guest;
    while (producer->total-- > 0) {
        uint64_t offset =
            producer->total % 2 == 0 ? guest->layout.head_offset : guest->layout.status_offset;
        __atomic_store_n(guest_word(guest, offset), random_below(&producer->seed, UINT32_MAX),
                         __ATOMIC_SEQ_CST);
    }
}

static void ring_ignores_a_guest_that_scribbles_over_head_and_status(void **state)
{
    (void)state;
    struct reader reader = {0};
    struct guest guest;
    struct pv_thread thread;
    uint8_t next = 0;
    guest_init(&guest, 1024, consumer_of(&reader));
    struct producer scribbler = {.guest = &guest, .total = 200000, .seed = 7};
    assert_int_equal(pv_ring_start(guest.ring), PV_OK);
    assert_int_equal(pv_thread_start(&thread, "scribbler", scribble, &scribbler), PV_OK);
    uint64_t sent = 0;
    for (int i = 0; i < 300; i++) {
        uint8_t bytes[64];
        for (size_t j = 0; j < sizeof(bytes); j++) {
            bytes[j] = next++;
        }
        guest_copy_in(&guest, bytes, sizeof(bytes));
        guest_set_tail(&guest, guest.tail + sizeof(bytes));
        sent += sizeof(bytes);
        /* The host's own head tells, whatever stands in the shared one. */
        assert_int_equal(pv_ring_wait_seqno(guest.ring, guest.tail), PV_OK);
    }
    pv_thread_join(&thread);
    pv_ring_stop(guest.ring);
    assert_int_equal(reader.bytes, sent);
    assert_int_equal(reader.wrong, 0);
    guest_finish(&guest);
}

static void ring_goes_idle_and_wakes_when_it_is_notified(void **state)
{
    (void)state;
    struct reader reader = {0};
    struct guest guest;
    uint8_t next = 0;
    guest_init(&guest, 1024, consumer_of(&reader));
    assert_int_equal(pv_ring_start(guest.ring), PV_OK);
    for (int i = 0; i < 20; i++) {
        assert_true(guest_wait_status(&guest, PV_RING_STATUS_IDLE));
        /* Without rhythm, or the ring would be awake when we come. */
        pv_clock_sleep_ns((2 + (uint64_t)i % 5 * 7) * PV_NS_PER_MS);
        send_bytes(&guest, &next, 16);
        assert_true(guest_wait_drained(&guest));
    }
    assert_int_equal(guest.notify_count, 20);
    pv_ring_stop(guest.ring);
    struct pv_ring_stats stats;
    pv_ring_get_stats(guest.ring, &stats);
    assert_true(stats.wakes >= 20);
    assert_int_equal(reader.wrong, 0);
    guest_finish(&guest);
}

/* A notify is on its way: whoever reads it has not told us yet. */
static void ring_wakes_by_itself_when_something_arrives_where_its_notifies_do(void **state)
{
    (void)state;
    struct reader reader = {0};
    struct guest guest;
    int pair[2];
    uint8_t bytes[16];
    uint8_t next = 0;
    assert_int_equal(pv_fd_socket_pair(pair), PV_OK);
    guest_init(&guest, 1024, consumer_of(&reader));
    struct pv_ring_params params = guest.ring->params;
    pv_ring_destroy(guest.ring);
    params.notify_fd = pair[0];
    assert_int_equal(pv_ring_create(&params, &guest.ring), PV_OK);
    if (guest.ring->doorbell.set < 0) {
        guest_finish(&guest);
        pv_fd_close(&pair[0]);
        pv_fd_close(&pair[1]);
        print_message("bells of this build hear nothing but rings\n");
        skip();
    }
    assert_int_equal(pv_ring_start(guest.ring), PV_OK);
    for (uint64_t i = 0; i < 10; i++) {
        assert_true(guest_wait_status(&guest, PV_RING_STATUS_IDLE));
        pv_clock_sleep_ns((2 + i % 5 * 7) * PV_NS_PER_MS);
        /* A message for somebody else: it looks and sleeps on. */
        assert_int_equal(pv_fd_write(pair[1], bytes, 1), PV_OK);
        pv_clock_sleep_ns(PV_NS_PER_MS);
        assert_int_equal(guest_status(&guest) & PV_RING_STATUS_IDLE, PV_RING_STATUS_IDLE);
        for (size_t j = 0; j < sizeof(bytes); j++) {
            bytes[j] = next++;
        }
        guest_copy_in(&guest, bytes, sizeof(bytes));
        guest_set_tail(&guest, guest.tail + sizeof(bytes));
        assert_int_equal(pv_fd_write(pair[1], bytes, 1), PV_OK);
        assert_true(guest_wait_drained(&guest));
    }
    assert_int_equal(reader.wrong, 0);
    guest_finish(&guest);
    pv_fd_close(&pair[0]);
    pv_fd_close(&pair[1]);
}

static void ring_sleeps_without_waking_while_nothing_happens(void **state)
{
    (void)state;
    struct reader reader = {0};
    struct guest guest;
    guest_init(&guest, 1024, consumer_of(&reader));
    assert_int_equal(pv_ring_start(guest.ring), PV_OK);
    assert_true(guest_wait_status(&guest, PV_RING_STATUS_IDLE));
    pv_clock_sleep_ns(200 * PV_NS_PER_MS);
    struct pv_ring_stats stats;
    pv_ring_get_stats(guest.ring, &stats);
    assert_int_equal(stats.sleeps, 1);
    assert_int_equal(stats.wakes, 0);
    guest_finish(&guest);
}

static void ring_stops_at_once_while_it_sleeps(void **state)
{
    (void)state;
    uint64_t took_ns = 0; /* by 50 together: a second of one's may be another's process's */
    for (int i = 0; i < 50; i++) {
        struct reader reader = {0};
        struct guest guest;
        guest_init(&guest, 1024, consumer_of(&reader));
        assert_int_equal(pv_ring_start(guest.ring), PV_OK);
        pv_clock_sleep_ns((uint64_t)(i % 10) * 300 * PV_NS_PER_US);
        uint64_t before_ns = pv_clock_now_ns();
        pv_ring_stop(guest.ring);
        pv_ring_stop(guest.ring);
        took_ns += pv_clock_now_ns() - before_ns;
        assert_int_equal(pv_ring_poll(guest.ring), PV_RING_ENDED);
        guest_finish(&guest);
    }
    assert_true(took_ns < 25 * PV_NS_PER_S);
}

static void ring_can_be_run_by_a_thread_that_sleeps_elsewhere(void **state)
{
    (void)state;
    struct reader reader = {0};
    struct guest guest;
    uint8_t next = 0;
    guest_init(&guest, 1024, consumer_of(&reader));
    assert_true(pv_ring_idle_delay_ns(guest.ring) >= PV_NS_PER_MS);
    assert_true(pv_ring_enter_idle(guest.ring));
    assert_int_equal(guest_status(&guest), PV_RING_STATUS_IDLE);
    send_bytes(&guest, &next, 8);
    assert_int_equal(guest.notify_count, 1);
    pv_ring_leave_idle(guest.ring);
    assert_false(pv_ring_enter_idle(guest.ring));
    assert_int_equal(guest_status(&guest), 0);
    assert_int_equal(pv_ring_poll(guest.ring), PV_RING_WORKED);
    guest_finish(&guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_executes_what_lies_between_head_and_tail),
        cmocka_unit_test(ring_in_polling_mode_is_idle_between_its_batches),
        cmocka_unit_test(ring_takes_a_full_buffer_in_one_batch),
        cmocka_unit_test(ring_joins_records_that_wrap_around_the_buffer),
        cmocka_unit_test(ring_survives_counters_that_overflow_32_bits),
        cmocka_unit_test(ring_turns_fatal_when_the_tail_lies),
        cmocka_unit_test(ring_turns_fatal_when_the_consumer_fails),
        cmocka_unit_test(ring_create_refuses_a_head_or_status_that_is_not_0),
        cmocka_unit_test(ring_publishes_inside_a_batch_what_the_consumer_says),
        cmocka_unit_test(ring_writes_extra_words_only_inside_the_extra_region),
        cmocka_unit_test(ring_thread_reads_what_a_producer_thread_writes),
        cmocka_unit_test(ring_ignores_a_guest_that_scribbles_over_head_and_status),
        cmocka_unit_test(ring_goes_idle_and_wakes_when_it_is_notified),
        cmocka_unit_test(ring_wakes_by_itself_when_something_arrives_where_its_notifies_do),
        cmocka_unit_test(ring_sleeps_without_waking_while_nothing_happens),
        cmocka_unit_test(ring_stops_at_once_while_it_sleeps),
        cmocka_unit_test(ring_can_be_run_by_a_thread_that_sleeps_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
