/* Bytes on their way between a guest and whoever has started it. */

#include "base/fd.h"
#include "cli/run/pump.h"
#include "cmocka_in_order.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void step(struct pv_pump *pump)
{
    struct pollfd waits[2];
    pv_pump_prepare(pump, waits);
    assert_true(poll(waits, 2, 1000) >= 0);
    pv_pump_step(pump, waits);
}

static void a_pump_moves_all_and_ends(void **state)
{
    (void)state;
    enum { SIZE = 200000 };
    struct pv_pump *pump = calloc(1, sizeof(*pump));
    int from[2], to[2];
    char *sent = malloc(SIZE), *received = malloc(SIZE);
    size_t got = 0, given = 0;
    assert_true(pump != NULL && sent != NULL && received != NULL);
    assert_int_equal(pv_fd_socket_pair(from), PV_OK);
    assert_int_equal(pv_fd_socket_pair(to), PV_OK);
    for (size_t i = 0; i < SIZE; i++) {
        sent[i] = (char)(i * 7 + i / 251);
    }
    pv_pump_open(pump, from[1], to[0]);
    while (got < SIZE) {
        if (given < SIZE) {
            ssize_t size = send(from[0], sent + given, SIZE - given, MSG_DONTWAIT);
            given += size > 0 ? (size_t)size : 0;
        }
        step(pump);
        ssize_t size = recv(to[1], received + got, SIZE - got, MSG_DONTWAIT);
        got += size > 0 ? (size_t)size : 0;
    }
    assert_memory_equal(sent, received, SIZE);
    assert_int_equal(pump->read_count, SIZE);
    close(from[0]);
    step(pump);
    assert_int_equal(pump->from, -1);
    assert_true(pv_pump_is_empty(pump));
    close(from[1]);
    close(to[0]);
    close(to[1]);
    free(sent);
    free(received);
    free(pump);
}

static void a_pump_whose_target_fails_swallows_the_rest(void **state)
{
    (void)state;
    struct pv_pump *pump = calloc(1, sizeof(*pump));
    int from[2], to[2];
    assert_non_null(pump);
    assert_int_equal(pv_fd_socket_pair(from), PV_OK);
    assert_int_equal(pv_fd_socket_pair(to), PV_OK);
    pv_pump_open(pump, from[1], to[0]);
    close(to[1]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(write(from[0], "x", 1), 1);
        step(pump);
        step(pump);
        assert_int_equal(pump->error, EPIPE);
        assert_int_equal(pump->to, -1);
        assert_true(pv_pump_is_empty(pump));
        assert_int_equal(pump->from, from[1]);
    }
    close(from[0]);
    close(from[1]);
    close(to[0]);
    free(pump);
}

static void lines_come_one_by_one_and_overlong_ones_never(void **state)
{
    (void)state;
    struct pv_lines lines = {0};
    char line[PV_LINES_SIZE];
    int ends[2];
    assert_int_equal(pv_fd_socket_pair(ends), PV_OK);
    assert_int_equal(write(ends[0], "one\r\n\ntwo\nthr", 13), 13);
    assert_true(pv_lines_read(&lines, ends[1]));
    assert_true(pv_lines_next(&lines, line));
    assert_string_equal(line, "one");
    assert_true(pv_lines_next(&lines, line));
    assert_string_equal(line, "");
    assert_true(pv_lines_next(&lines, line));
    assert_string_equal(line, "two");
    assert_false(pv_lines_next(&lines, line));
    memset(line, 'x', sizeof(line));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(write(ends[0], line, sizeof(line)), sizeof(line));
        assert_true(pv_lines_read(&lines, ends[1]));
        assert_true(pv_lines_read(&lines, ends[1]));
        assert_false(pv_lines_next(&lines, line));
    }
    assert_int_equal(write(ends[0], "\nfour\n", 6), 6);
    close(ends[0]);
    while (pv_lines_read(&lines, ends[1])) {
    }
    assert_true(pv_lines_next(&lines, line));
    assert_string_equal(line, "four");
    assert_false(pv_lines_next(&lines, line));
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pump_moves_all_and_ends),
        cmocka_unit_test(a_pump_whose_target_fails_swallows_the_rest),
        cmocka_unit_test(lines_come_one_by_one_and_overlong_ones_never),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("run_pump", tests, NULL, NULL);
}
