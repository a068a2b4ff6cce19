#include "base/assert.h"
#include "base/fd.h"
#include "base/thread.h"
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

static void fds_are_close_on_exec_from_the_start(void **state)
{
    (void)state;
    int ends[2];
    int pair[2];
    assert_int_equal(pv_fd_pipe(&ends[0], &ends[1]), PV_OK);
    assert_int_equal(pv_fd_socket_pair(pair), PV_OK);
    int copy = pv_fd_duplicate(pair[0]);
    int all[] = {ends[0], ends[1], pair[0], pair[1], copy};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(fcntl(all[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        pv_fd_close(&all[i]);
        assert_int_equal(all[i], -1);
        pv_fd_close(&all[i]);
    }
}

struct sender {
    int socket;
    size_t size;
};

static void send_much(void *user)
{
    struct sender *sender = user;
    static uint8_t bytes[1 << 20];
    memset(bytes, 0x5a, sizeof(bytes));
    PV_ASSERT(pv_fd_send(sender->socket, bytes, sender->size, &sender->socket, 1) == PV_OK);
}

static void transfers_are_whole_over_many_partial_ones(void **state)
{
    (void)state;
    int pair[2];
    int passed[2];
    size_t count;
    struct pv_thread thread;
    static uint8_t got[1 << 20];
    size_t before = open_count();
    assert_int_equal(pv_fd_socket_pair(pair), PV_OK);
    assert_int_equal(pv_fd_set_blocking(pair[0], false), PV_OK);
    struct sender sender = {.socket = pair[0], .size = sizeof(got)};
    assert_int_equal(pv_thread_start(&thread, "sender", send_much, &sender), PV_OK);
    assert_int_equal(pv_fd_receive(pair[1], got, 10, passed, 2, &count), PV_OK);
    assert_int_equal(count, 1);
    assert_int_equal(fcntl(passed[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(pv_fd_read(pair[1], got + 10, sizeof(got) - 10), PV_OK);
    for (size_t i = 0; i < sizeof(got); i++) {
        assert_int_equal(got[i], 0x5a);
    }
    pv_thread_join(&thread);
    pv_fd_close(&passed[0]);
    pv_fd_close(&pair[0]);
    pv_fd_close(&pair[1]);
    assert_int_equal(open_count(), before);
}

static void unwanted_fds_are_closed_and_faulted(void **state)
{
    (void)state;
    int pair[2];
    int passed[2];
    int many[PV_FD_PASS_MAX];
    size_t count = 7;
    char byte;
    assert_int_equal(pv_fd_socket_pair(pair), PV_OK);
    for (size_t i = 0; i < PV_FD_PASS_MAX; i++) {
        many[i] = pair[0];
    }
    size_t before = open_count();
    assert_int_equal(pv_fd_send(pair[0], "x", 1, many, PV_FD_PASS_MAX), PV_OK);
    assert_int_equal(pv_fd_receive(pair[1], &byte, 1, passed, 2, &count), PV_GUEST_FAULT);
    assert_int_equal(count, 0);
    assert_int_equal(pv_fd_send(pair[0], "x", 1, many, 1), PV_OK);
    assert_int_equal(pv_fd_receive(pair[1], &byte, 1, NULL, 0, NULL), PV_GUEST_FAULT);
    assert_int_equal(open_count(), before);
    pv_fd_close(&pair[0]);
    pv_fd_close(&pair[1]);
}

static void a_closed_other_end_is_no_signal_and_no_short_read(void **state)
{
    (void)state;
    int pair[2];
    char bytes[8];
    size_t count;
    int passed[1];
    assert_int_equal(pv_fd_socket_pair(pair), PV_OK);
    assert_int_equal(pv_fd_send(pair[0], "abc", 3, &pair[0], 1), PV_OK);
    pv_fd_close(&pair[0]);
    size_t before = open_count();
    /* The descriptor that came beside a truncated message goes again: it was pair[0]'s last. */
    assert_int_equal(pv_fd_set_blocking(pair[1], true), PV_OK);
    shutdown(pair[1], SHUT_RD);
    assert_int_equal(pv_fd_receive(pair[1], bytes, sizeof(bytes), passed, 1, &count), PV_CLOSED);
    assert_int_equal(count, 0);
    assert_int_equal(open_count(), before);
    assert_int_equal(pv_fd_write(pair[1], bytes, 3), PV_CLOSED);
    assert_int_equal(pv_fd_send(pair[1], bytes, 3, &pair[1], 1), PV_CLOSED);
    assert_int_equal(pv_fd_read(pair[1], bytes, 3), PV_CLOSED);
    pv_fd_close(&pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fds_are_close_on_exec_from_the_start),
        cmocka_unit_test(transfers_are_whole_over_many_partial_ones),
        cmocka_unit_test(unwanted_fds_are_closed_and_faulted),
        cmocka_unit_test(a_closed_other_end_is_no_signal_and_no_short_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
