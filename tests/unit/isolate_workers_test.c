#include "base/clock.h"
#include "check.h"
#include "fakes/patience.h"
#include "isolate/worker.h"
#include "isolate/workers.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Processes that are no workers, but end and hang as workers might. */

static char program[64];
static char lines[4096];
static char *no_environment[] = {NULL};
static struct pv_setup setup;
static uint32_t probed_count;
static size_t probed_size;

static void keep_line(void *user, enum pv_log_level level, const char *line)
{
    (void)user;
    (void)level;
    size_t used = strlen(lines);
    snprintf(lines + used, sizeof(lines) - used, "%s\n", line);
}

static const struct pv_log log_of_test = {.level = PV_LOG_ERROR, .write = keep_line};

static void write_program(const char *commands)
{
    snprintf(program, sizeof(program), "/tmp/pearvisor-test-XXXXXX");
    int fd = mkstemp(program);
    assert_true(fd >= 0);
    dprintf(fd, "#!/bin/sh\n%s\n", commands);
    assert_int_equal(fchmod(fd, S_IRWXU), 0);
    close(fd);
    lines[0] = '\0';
    probed_count = 0;
}

static void on_probed(void *user, const void *plans, size_t size)
{
    (void)user;
    (void)plans;
    probed_count++;
    probed_size = size;
}

static struct pv_workers *create_workers(void)
{
    const struct pv_workers_params params = {
        .log = &log_of_test,
        .program = program,
        .environment = no_environment,
        .setup = &setup,
        .client_limit = 1,
        .probed = on_probed,
    };
    struct pv_workers *workers;
    assert_int_equal(pv_workers_create(&params, &workers), PV_OK);
    return workers;
}

/* As a program does that polls the one descriptor; until the probe has ended, or so long. */
static void turn(struct pv_workers *workers, uint64_t duration_ns)
{
    uint64_t deadline_ns = pv_clock_now_ns() + duration_ns;
    while (probed_count == 0 && pv_clock_now_ns() < deadline_ns) {
        int timeout_ms = pv_workers_timeout_ms(workers);
        uint64_t left_ms = (deadline_ns - pv_clock_now_ns()) / PV_NS_PER_MS + 1;
        if (timeout_ms < 0 || (uint64_t)timeout_ms > left_ms) {
            timeout_ms = (int)left_ms;
        }
        struct pollfd ready = {.fd = pv_workers_poll_fd(workers), .events = POLLIN};
        (void)poll(&ready, 1, timeout_ms);
        pv_workers_dispatch(workers);
    }
}

static void expect_no_child(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    unlink(program);
}

static void a_process_that_ends_is_heard_of_and_waited_for(void **state)
{
    (void)state;
    write_program("sleep 0.3; exit 3");
    struct pv_workers *workers = create_workers();
    turn(workers, PATIENCE_NS);
    assert_int_equal(probed_count, 1);
    assert_int_equal(probed_size, 0);
    assert_non_null(strstr(lines, "the probe ended with status 3"));
    pv_workers_destroy(workers);
    expect_no_child();
}

static void a_process_that_is_killed_is_told_from_one_that_ends(void **state)
{
    (void)state;
    write_program("sleep 0.3; kill -TERM $$");
    struct pv_workers *workers = create_workers();
    turn(workers, PATIENCE_NS);
    assert_int_equal(probed_count, 1);
    assert_non_null(strstr(lines, "the probe was killed by signal 15"));
    pv_workers_destroy(workers);
    expect_no_child();
}

static void processes_that_hang_end_with_their_parent(void **state)
{
    (void)state;
    write_program("exec sleep 1000");
    struct pv_workers *workers = create_workers();
    turn(workers, 100 * PV_NS_PER_MS);
    assert_int_equal(probed_count, 0);
    assert_int_equal(pv_workers_process_count(workers), 1);
    uint64_t begin_ns = pv_clock_now_ns();
    pv_workers_destroy(workers);
    assert_true(pv_clock_now_ns() - begin_ns < PATIENCE_NS);
    expect_no_child();
}

/* Where its control socket is all that tells of a process, one without is ended. */
static void a_process_that_closes_its_control_socket_is_ended(void **state)
{
    (void)state;
    struct pv_worker *worker;
    write_program("sleep 0.3; exec 3>&-; exec sleep 1000");
    assert_int_equal(
        pv_worker_spawn(program, no_environment, &setup, NULL, 0, &log_of_test, &worker), PV_OK);
    bool has_descriptor = worker->process >= 0;
    pv_worker_destroy(worker);
    if (has_descriptor) {
        expect_no_child();
        print_message("processes of this build have descriptors of their own\n");
        skip();
    }
    struct pv_workers *workers = create_workers();
    turn(workers, PATIENCE_NS);
    assert_int_equal(probed_count, 1);
    assert_non_null(strstr(lines, "the probe was killed by signal 9"));
    pv_workers_destroy(workers);
    expect_no_child();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_that_ends_is_heard_of_and_waited_for),
        cmocka_unit_test(a_process_that_is_killed_is_told_from_one_that_ends),
        cmocka_unit_test(processes_that_hang_end_with_their_parent),
        cmocka_unit_test(a_process_that_closes_its_control_socket_is_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
