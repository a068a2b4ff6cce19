#include "base/fd.h"
#include "base/fd_system.h"
#include "base/thread.h"
#include "check.h"
#include "isolate/packets.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static uint8_t buffer[PV_PACKET_SIZE_MAX];

static void open_pair(struct pv_packets ends[2])
{
    int sockets[2];
    assert_int_equal(pv_packets_connect(sockets), PV_OK);
    assert_int_equal(pv_packets_init(&ends[0], sockets[0]), PV_OK);
    assert_int_equal(pv_packets_init(&ends[1], sockets[1]), PV_OK);
}

static void close_pair(struct pv_packets ends[2])
{
    pv_packets_close(&ends[0]);
    pv_packets_close(&ends[1]);
}

static size_t open_count(void)
{
    size_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count;
}

static bool try_send(struct pv_packets *end, const void *bytes, size_t size, int fd, bool wait)
{
    const struct iovec part = {(void *)(uintptr_t)bytes, size};
    const struct pv_packet_parts packet = {&part, 1, &fd, fd >= 0 ? 1 : 0};
    bool sent = false;
    assert_int_equal(pv_packets_send(end, &packet, wait, &sent), PV_OK);
    return sent;
}

static void packets_arrive_whole_with_their_descriptors(void **state)
{
    (void)state;
    struct pv_packets ends[2];
    struct pv_packet packet;
    static const size_t sizes[] = {1, 3, 4, 5, 4096, 100000, PV_PACKET_SIZE_MAX};
    static uint8_t bytes[PV_PACKET_SIZE_MAX];
    open_pair(ends);
    size_t before = open_count();
    for (uint8_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memset(bytes, i + 1, sizes[i]);
        assert_true(try_send(&ends[0], bytes, sizes[i], i % 2 == 0 ? ends[0].socket : -1, true));
        assert_int_equal(pv_packets_receive(&ends[1], true, buffer, &packet), PV_OK);
        assert_int_equal(packet.size, sizes[i]);
        assert_memory_equal(buffer, bytes, sizes[i]);
        assert_int_equal(packet.fd_count, i % 2 == 0 ? 1 : 0);
        if (packet.fd >= 0) {
            assert_int_equal(fcntl(packet.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        }
        pv_fd_close(&packet.fd);
    }
    assert_int_equal(pv_packets_receive(&ends[1], false, buffer, &packet), PV_OK);
    assert_int_equal(packet.size, 0);
    assert_int_equal(open_count(), before);
    pv_packets_close(&ends[0]);
    assert_int_equal(pv_packets_receive(&ends[1], true, buffer, &packet), PV_CLOSED);
    pv_packets_close(&ends[1]);
}

static void what_is_too_large_is_not_sent(void **state)
{
    (void)state;
    struct pv_packets ends[2];
    static uint8_t bytes[4 << 20];
    open_pair(ends);
    const struct iovec part = {bytes, sizeof(bytes)};
    const struct pv_packet_parts packet = {&part, 1, NULL, 0};
    bool sent = true;
    assert_int_equal(pv_packets_send(&ends[0], &packet, true, &sent), PV_HOST_FAILED);
    assert_false(sent);
    close_pair(ends);
}

/* Without waiting, what was taken arrives, in order, and what was not does not. */
static void a_full_connection_loses_nothing(void **state)
{
    (void)state;
    struct pv_packets ends[2];
    struct pv_packet packet;
    static uint8_t bytes[70000];
    uint8_t count = 0;
    open_pair(ends);
    memset(bytes, count, sizeof(bytes));
    while (try_send(&ends[0], bytes, sizeof(bytes), ends[0].socket, false)) {
        memset(bytes, ++count, sizeof(bytes));
    }
    assert_true(count > 0);
    for (uint8_t i = 0; i < count; i++) {
        do {
            assert_int_equal(pv_packets_flush(&ends[0]), PV_OK);
            assert_int_equal(pv_packets_receive(&ends[1], false, buffer, &packet), PV_OK);
        } while (packet.size == 0);
        assert_int_equal(packet.size, sizeof(bytes));
        assert_int_equal(packet.fd_count, 1);
        assert_int_equal(buffer[0], i);
        assert_int_equal(buffer[sizeof(bytes) - 1], i);
        pv_fd_close(&packet.fd);
    }
    assert_false(pv_packets_is_behind(&ends[0]));
    assert_int_equal(pv_packets_receive(&ends[1], false, buffer, &packet), PV_OK);
    assert_int_equal(packet.size, 0);
    close_pair(ends);
}

enum { SENDERS = 3, PACKETS = 60, LARGE = 50000 };

struct sender {
    struct pv_thread thread;
    struct pv_packets *end;
    uint8_t number;
};

static void send_packets(void *user)
{
    struct sender *sender = user;
    static _Thread_local uint8_t bytes[LARGE];
    memset(bytes, sender->number, sizeof(bytes));
    for (uint32_t i = 0; i < PACKETS; i++) {
        (void)try_send(sender->end, bytes, 1 + (size_t)i * (LARGE - 1) / PACKETS, -1, true);
    }
}

static void packets_of_several_threads_do_not_mix(void **state)
{
    (void)state;
    struct pv_packets ends[2];
    struct sender senders[SENDERS];
    uint32_t counts[SENDERS] = {0};
    open_pair(ends);
    for (uint8_t i = 0; i < SENDERS; i++) {
        senders[i].end = &ends[0];
        senders[i].number = i;
        assert_int_equal(pv_thread_start(&senders[i].thread, "sender", send_packets, &senders[i]),
                         PV_OK);
    }
    for (uint32_t i = 0; i < SENDERS * PACKETS; i++) {
        struct pv_packet packet;
        assert_int_equal(pv_packets_receive(&ends[1], true, buffer, &packet), PV_OK);
        assert_in_range(buffer[0], 0, SENDERS - 1);
        for (size_t at = 0; at < packet.size; at++) {
            assert_true(buffer[at] == buffer[0]);
        }
        uint32_t number = counts[buffer[0]]++; /* in order, of each */
        assert_int_equal(packet.size, 1 + (size_t)number * (LARGE - 1) / PACKETS);
    }
    for (uint8_t i = 0; i < SENDERS; i++) {
        pv_thread_join(&senders[i].thread);
    }
    close_pair(ends);
}

/* --- frames on a stream, as a sender makes them that means harm --------------------------------
 */

static void open_stream(struct pv_packets ends[2])
{
    open_pair(ends);
    if (ends[0].frames == NULL) {
        close_pair(ends);
        print_message("packets of this build are the kernel's own\n");
        skip();
    }
}

static void write_raw(const struct pv_packets *end, const void *bytes, size_t size, const int *fds,
                      size_t fd_count)
{
    assert_int_equal(pv_fd_send(end->socket, bytes, size, fds, fd_count), PV_OK);
}

static void lengths_that_cannot_be_end_the_connection(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {
        0, PV_PACKET_SIZE_MAX + 1, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct pv_packets ends[2];
        struct pv_packet packet;
        open_stream(ends);
        size_t before = open_count();
        const uint8_t length[4] = {(uint8_t)lengths[i], (uint8_t)(lengths[i] >> 8),
                                   (uint8_t)(lengths[i] >> 16), (uint8_t)(lengths[i] >> 24)};
        write_raw(&ends[0], length, 4, &ends[0].socket, 1);
        assert_int_equal(pv_packets_receive(&ends[1], false, buffer, &packet), PV_GUEST_FAULT);
        assert_int_equal(packet.fd, -1);
        assert_int_equal(open_count(), before);
        /* A good one behind it changes nothing: nobody knows where it begins. */
        assert_true(try_send(&ends[0], "good", 4, -1, true));
        assert_int_equal(pv_packets_receive(&ends[1], false, buffer, &packet), PV_GUEST_FAULT);
        close_pair(ends);
    }
}

static void frames_may_come_byte_by_byte(void **state)
{
    (void)state;
    struct pv_packets ends[2];
    struct pv_packet packet;
    static const uint8_t frames[] = {3, 0, 0, 0,   'o', 'n', 'e', 5,
                                     0, 0, 0, 't', 'h', 'r', 'e', 'e'};
    open_stream(ends);
    size_t before = open_count();
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof(frames); i++) {
        bool begins = i == 0 || i == 7;
        write_raw(&ends[0], &frames[i], 1, &ends[0].socket, begins ? 1 : 0);
        assert_int_equal(pv_packets_receive(&ends[1], false, buffer, &packet), PV_OK);
        assert_int_equal(packet.size, i == 6 ? 3 : i == 15 ? 5 : 0);
        if (packet.size != 0) {
            assert_memory_equal(buffer, count == 0 ? "one" : "three", packet.size);
            assert_int_equal(packet.fd_count, 1);
            pv_fd_close(&packet.fd);
            count++;
        } else {
            assert_int_equal(packet.fd, -1);
        }
    }
    assert_int_equal(count, 2);
    assert_int_equal(open_count(), before);
    close_pair(ends);
}

/* The second frame's descriptor is not taken for the first one's, though both are there. */
static void frames_that_come_at_once_stay_apart(void **state)
{
    (void)state;
    struct pv_packets ends[2];
    struct pv_packet packet;
    open_stream(ends);
    assert_true(try_send(&ends[0], "first", 5, -1, true));
    assert_true(try_send(&ends[0], "second", 6, ends[0].socket, true));
    assert_true(try_send(&ends[0], "third", 5, -1, true));
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(pv_packets_receive(&ends[1], false, buffer, &packet), PV_OK);
        assert_int_equal(packet.size, i == 1 ? 6 : 5);
        assert_int_equal(packet.fd_count, i == 1 ? 1 : 0);
        pv_fd_close(&packet.fd);
    }
    close_pair(ends);
}

static void descriptors_beyond_one_are_counted_and_closed(void **state)
{
    (void)state;
    static const uint8_t frame[] = {4, 0, 0, 0, 'm', 'a', 'n', 'y'};
    struct pv_packets ends[2];
    struct pv_packet packet;
    open_stream(ends);
    int fds[PV_FD_PASS_MAX];
    for (size_t i = 0; i < PV_FD_PASS_MAX; i++) {
        fds[i] = ends[0].socket;
    }
    size_t before = open_count();
    write_raw(&ends[0], frame, sizeof(frame), fds, PV_FD_PASS_MAX); /* at once */
    assert_int_equal(pv_packets_receive(&ends[1], false, buffer, &packet), PV_OK);
    assert_true(packet.fd_count >= 2);
    pv_fd_close(&packet.fd);
    for (size_t i = 0; i < sizeof(frame); i++) { /* one with each byte */
        write_raw(&ends[0], &frame[i], 1, fds, 1);
    }
    assert_int_equal(pv_packets_receive(&ends[1], false, buffer, &packet), PV_OK);
    assert_int_equal(packet.size, 4);
    assert_int_equal(packet.fd_count, sizeof(frame));
    pv_fd_close(&packet.fd);
    assert_int_equal(open_count(), before);
    close_pair(ends);
}

static void a_frame_that_is_never_finished_is_an_end(void **state)
{
    (void)state;
    static const uint8_t half[] = {200, 0, 0, 0, 'h', 'a', 'l', 'f'};
    for (size_t size = 1; size <= sizeof(half); size++) {
        struct pv_packets ends[2];
        struct pv_packet packet;
        open_stream(ends);
        size_t before = open_count();
        write_raw(&ends[0], half, size, &ends[1].socket, 1);
        assert_int_equal(pv_packets_receive(&ends[1], false, buffer, &packet), PV_OK);
        assert_int_equal(packet.size, 0);
        pv_packets_close(&ends[0]);
        assert_int_equal(pv_packets_receive(&ends[1], size % 2 == 0, buffer, &packet), PV_CLOSED);
        assert_int_equal(packet.fd, -1);
        assert_int_equal(open_count(), before - 1);
        pv_packets_close(&ends[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_arrive_whole_with_their_descriptors),
        cmocka_unit_test(what_is_too_large_is_not_sent),
        cmocka_unit_test(a_full_connection_loses_nothing),
        cmocka_unit_test(packets_of_several_threads_do_not_mix),
        cmocka_unit_test(lengths_that_cannot_be_end_the_connection),
        cmocka_unit_test(frames_may_come_byte_by_byte),
        cmocka_unit_test(frames_that_come_at_once_stay_apart),
        cmocka_unit_test(descriptors_beyond_one_are_counted_and_closed),
        cmocka_unit_test(a_frame_that_is_never_finished_is_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
