#include "base/clock.h"
#include "base/fd.h"
#include "base/thread.h"
#include "fakes/guest_remote.h"
#include "fakes/patience.h"
#include "isolate/hosts.h"
#include "unit/check.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Contexts in real workers, as a device has them. */

enum { BURST = 10, LIGHT_BURST = 100, LEAVING = 40, LEAVING_LIMIT = 32, RING_FATAL = 2 };

/* The device's thread. */
struct device {
    struct pv_log log;
    struct pv_worker_setup setup;
    struct pv_hosts *hosts;
    pthread_mutex_t lock; /* of hosts */
    struct pv_thread thread;
    int stop_read, stop_write;
    uint32_t most_processes;
    bool is_quiet;
    _Atomic uint32_t refusal_count; /* workers that could not be started */
};

static void on_line(void *user, enum pv_log_level level, const char *line)
{
    struct device *device = user;
    atomic_fetch_add(&device->refusal_count, strstr(line, "cannot start a worker") != NULL ? 1 : 0);
    if (!device->is_quiet) {
        const struct pv_log log = pv_log_stderr(level);
        pv_log_line(&log, level, "%s", line);
    }
}

static void run_device(void *user)
{
    struct device *device = user;
    struct pollfd fds[] = {
        {.fd = pv_hosts_poll_fd(device->hosts), .events = POLLIN},
        {.fd = device->stop_read, .events = POLLIN},
    };
    while (fds[1].revents == 0) {
        pthread_mutex_lock(&device->lock);
        pv_hosts_dispatch(device->hosts);
        uint32_t processes = pv_hosts_process_count(device->hosts);
        device->most_processes =
            processes > device->most_processes ? processes : device->most_processes;
        int timeout_ms = pv_hosts_timeout_ms(device->hosts);
        pthread_mutex_unlock(&device->lock);
        /* A context that is opened meanwhile may need an earlier look. */
        (void)poll(fds, 2, timeout_ms < 0 || timeout_ms > 100 ? 100 : timeout_ms);
    }
}

/* `program` NULL: the real one. */
static void open_device_of(struct device *device, const char *driver, uint32_t limit, bool is_quiet,
                           const char *program, uint64_t retry_delay_ns)
{
    memset(device, 0, sizeof(*device));
    device->is_quiet = is_quiet;
    device->log = (struct pv_log){.level = PV_LOG_ERROR, .write = on_line, .user = device};
    const struct pv_worker_setup_params setup = {.driver = driver, .without_cache = true};
    assert_int_equal(pv_worker_setup_init(&device->setup, &setup), PV_OK);
    const struct pv_hosts_params params = {
        .log = &device->log,
        .setup = &device->setup,
        .program = program != NULL ? program : getenv("PV_TEST_PROGRAM"),
        .limit = limit,
        .retry_delay_ns = retry_delay_ns,
    };
    assert_int_equal(pv_hosts_create(&params, &device->hosts), PV_OK);
    assert_int_equal(pthread_mutex_init(&device->lock, NULL), 0);
    assert_int_equal(pv_fd_pipe(&device->stop_read, &device->stop_write), PV_OK);
    assert_int_equal(pv_thread_start(&device->thread, "device", run_device, device), PV_OK);
}

static void open_device(struct device *device, const char *driver, uint32_t limit, bool is_quiet)
{
    open_device_of(device, driver, limit, is_quiet, NULL, 0);
}

static void close_device(struct device *device)
{
    const uint8_t byte = 0;
    assert_int_equal(pv_fd_write(device->stop_write, &byte, 1), PV_OK);
    pv_thread_join(&device->thread);
    pv_hosts_destroy(device->hosts);
    pv_worker_setup_finish(&device->setup);
    pthread_mutex_destroy(&device->lock);
    pv_fd_close(&device->stop_read);
    pv_fd_close(&device->stop_write);
}

static struct guest *open_context(struct device *device, uint32_t id)
{
    int socket;
    pthread_mutex_lock(&device->lock);
    enum pv_result result = pv_hosts_open(device->hosts, id, &socket);
    pthread_mutex_unlock(&device->lock);
    return result == PV_OK ? guest_create_remote(socket) : NULL;
}

static void check_context(struct guest *g)
{
    guest_ring_create(g, &g->ring);
    guest_open_device(g);
    guest_fence(g, 0, 1);
    guest_fence(g, 1, 2);
    assert_true(guest_wait_fences(g, 2));
}

/* Before the probe has answered, with one spare worker at most: all are served, each by a worker of
 * its own. */
static void a_burst_of_contexts_is_served_whole(void **state)
{
    (void)state;
    struct device device;
    struct guest *guests[BURST];
    open_device(&device, NULL, BURST, false);
    for (uint32_t i = 0; i < BURST; i++) {
        guests[i] = open_context(&device, i + 1);
        assert_non_null(guests[i]);
    }
    assert_null(open_context(&device, BURST + 1)); /* the limit */
    for (uint32_t i = 0; i < BURST; i++) {
        check_context(guests[i]);
    }
    pthread_mutex_lock(&device.lock);
    assert_true(device.most_processes >= BURST);
    pthread_mutex_unlock(&device.lock);
    for (uint32_t i = 0; i < BURST; i++) {
        guest_destroy(guests[i]);
    }
    struct guest *another = open_context(&device, 1); /* there is room again */
    assert_non_null(another);
    check_context(another);
    guest_destroy(another);
    close_device(&device);
}

/* Where there is no driver workers are light, and tell each context that it is lost. */
static void a_hundred_contexts_at_once_each_get_their_answers(void **state)
{
    (void)state;
    char manifest[] = "/tmp/pearvisor-test-XXXXXX";
    int fd = mkstemp(manifest);
    static const char text[] = "{\"ICD\": {\"library_path\": \"/nowhere/libvulkan.so\"}}";
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    struct device device;
    static struct guest *guests[LIGHT_BURST];
    open_device(&device, manifest, LIGHT_BURST, false);
    for (uint32_t i = 0; i < LIGHT_BURST; i++) {
        guests[i] = open_context(&device, i + 1);
        assert_non_null(guests[i]);
        guest_fence(guests[i], 0, 1);
    }
    for (uint32_t i = 0; i < LIGHT_BURST; i++) {
        const char *why = NULL;
        assert_true(guest_remote_wait_lost(guests[i], &why));
        assert_non_null(why); /* said by a worker, not by its death */
        assert_true(guest_wait_fences(guests[i], 1));
    }
    for (uint32_t i = 0; i < LIGHT_BURST; i++) {
        guest_destroy(guests[i]);
    }
    close_device(&device);
    (void)unlink(manifest);
}

/* Every worker of this process. */
static void kill_children(void)
{
    DIR *directory = opendir("/proc");
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        char path[300], state;
        int pid = atoi(entry->d_name), parent = 0;
        snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        FILE *file = pid > 0 ? fopen(path, "re") : NULL;
        if (file == NULL) {
            continue;
        }
        if (fscanf(file, "%*d (%*[^)]) %c %d", &state, &parent) == 2 && parent == getpid()) {
            (void)kill(pid, SIGKILL);
        }
        fclose(file);
    }
    closedir(directory);
}

static void a_killed_worker_loses_its_context_and_tells_the_guest(void **state)
{
    (void)state;
    struct device device;
    const char *why = "";
    open_device(&device, NULL, 4, true); /* a worker will be killed */
    struct guest *g = open_context(&device, 1);
    assert_non_null(g);
    check_context(g);
    struct guest_ring second = {0}; /* not only the first one is told */
    guest_ring_create(g, &second);
    guest_fence(g, 0, 3);
    assert_true(guest_wait_fences(g, 3)); /* it is there, not on its way */
    kill_children();
    guest_fence(g, 0, 4);
    assert_true(guest_remote_wait_lost(g, &why));
    assert_null(why);
    assert_true(guest_wait_fences(g, 4));
    assert_true(guest_ring_wait_status(&g->ring, RING_FATAL));
    assert_true(guest_ring_wait_status(&second, RING_FATAL));
    guest_ring_finish(&second);
    guest_destroy(g);
    struct guest *another = open_context(&device, 2); /* and others are served */
    assert_non_null(another);
    check_context(another);
    guest_destroy(another);
    close_device(&device);
}

/* A program in the workers' place: the first one, which is the probe, is real; what the `next` ones
 * do is shell, and those after them are real again. */
struct stand_in {
    char folder[32], path[64];
};

static void create_stand_in(struct stand_in *program, uint32_t count, const char *next)
{
    snprintf(program->folder, sizeof(program->folder), "/tmp/pearvisor-test-XXXXXX");
    assert_non_null(mkdtemp(program->folder));
    snprintf(program->path, sizeof(program->path), "%s/program", program->folder);
    FILE *file = fopen(program->path, "we");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\ncd %s || exit\nif ! mkdir 0 2>/dev/null; then\n", program->folder);
    for (uint32_t i = 1; i <= count; i++) {
        fprintf(file, "mkdir %u 2>/dev/null && %s\n", i, next);
    }
    fprintf(file, "fi\nexec %s \"$@\"\n", getenv("PV_TEST_PROGRAM"));
    assert_int_equal(fchmod(fileno(file), 0700), 0);
    assert_int_equal(fclose(file), 0);
}

/* Whether so many of the next ones have begun. */
static bool has_run(const struct stand_in *program, uint32_t count)
{
    char path[80];
    snprintf(path, sizeof(path), "%s/%u", program->folder, count);
    return access(path, F_OK) == 0;
}

static void destroy_stand_in(struct stand_in *program)
{
    char path[80];
    for (uint32_t i = 0; i <= LEAVING; i++) {
        snprintf(path, sizeof(path), "%s/%u", program->folder, i);
        (void)rmdir(path);
    }
    (void)unlink(program->path);
    assert_int_equal(rmdir(program->folder), 0);
}

static void a_driver_that_was_given_up_is_tried_again(void **state)
{
    (void)state;
    struct device device;
    struct stand_in program;
    const char *why = NULL;
    create_stand_in(&program, 3, "exit 1");
    open_device_of(&device, NULL, 4, true, program.path, 12 * PV_NS_PER_S);
    /* Three have died, and the fourth does not even try. */
    struct guest *g = open_context(&device, 1);
    assert_non_null(g);
    assert_true(guest_remote_wait_lost(g, &why));
    assert_non_null(why);
    guest_destroy(g);
    pv_clock_sleep_ns(9 * PV_NS_PER_S); /* beyond 12 from the last death, 4 before this one */
    g = open_context(&device, 2);
    assert_non_null(g);
    check_context(g);
    guest_destroy(g);
    close_device(&device);
    destroy_stand_in(&program);
}

/* It says nothing of the driver, which serves when it is over. */
static void a_shortage_of_descriptors_gives_no_driver_up(void **state)
{
    (void)state;
    struct device device;
    struct rlimit before;
    open_device(&device, NULL, 4, true);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit low = {.rlim_cur = 4, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0); /* below those that are open */
    while (atomic_load(&device.refusal_count) < 3) {
        pv_clock_sleep_ns(10 * PV_NS_PER_MS);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    struct guest *g = open_context(&device, 1);
    assert_non_null(g);
    check_context(g);
    guest_destroy(g);
    close_device(&device);
}

static void count_overdue(void *user, enum pv_log_level level, const char *line)
{
    (void)level;
    *(uint32_t *)user += strstr(line, "did not leave in time") != NULL ? 1 : 0;
}

static void dispatch_until(struct pv_hosts *hosts, uint32_t process_count)
{
    uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
    while (pv_hosts_process_count(hosts) != process_count) {
        assert_true(pv_clock_now_ns() < deadline_ns);
        struct pollfd ready = {.fd = pv_hosts_poll_fd(hosts), .events = POLLIN};
        (void)poll(&ready, 1, 10);
        pv_hosts_dispatch(hosts);
    }
}

/* As of a guest that creates and destroys contexts in a loop, faster than drivers let go. */
static void of_too_many_that_leave_the_oldest_have_no_time(void **state)
{
    (void)state;
    struct stand_in program;
    struct pv_worker_setup setup;
    uint32_t overdue_count = 0;
    int sockets[LEAVING];
    create_stand_in(&program, LEAVING, "exec sleep 120");
    assert_int_equal(
        pv_worker_setup_init(&setup, &(struct pv_worker_setup_params){.without_cache = true}),
        PV_OK);
    const struct pv_log log = {
        .level = PV_LOG_INFO, .write = count_overdue, .user = &overdue_count};
    const struct pv_hosts_params params = {
        .log = &log, .setup = &setup, .program = program.path, .limit = LEAVING};
    struct pv_hosts *hosts;
    assert_int_equal(pv_hosts_create(&params, &hosts), PV_OK);
    for (uint32_t i = 0; i < LEAVING; i++) {
        assert_int_equal(pv_hosts_open(hosts, i + 1, &sockets[i]), PV_OK);
    }
    while (!has_run(&program, LEAVING)) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
        pv_hosts_dispatch(hosts);
    }
    dispatch_until(hosts, LEAVING); /* the probe has gone */
    assert_int_equal(overdue_count, 0);
    for (uint32_t i = 0; i < LEAVING; i++) {
        close(sockets[i]);
    }
    pv_hosts_dispatch(hosts); /* in which none can have had its time */
    assert_int_equal(overdue_count, LEAVING - LEAVING_LIMIT);
    dispatch_until(hosts, 1); /* the spare one: the others' time comes, too */
    assert_int_equal(overdue_count, LEAVING);
    pv_hosts_destroy(hosts);
    pv_worker_setup_finish(&setup);
    destroy_stand_in(&program);
}

static void without_a_program_there_are_no_hosts(void **state)
{
    (void)state;
    static const struct pv_log silent;
    static const struct pv_worker_setup setup;
    struct pv_hosts *hosts;
    setenv("PEARVISOR_PROGRAM", "/nowhere/pearvisor", 1);
    const struct pv_hosts_params params = {.log = &silent, .setup = &setup, .limit = 1};
    assert_int_equal(pv_hosts_create(&params, &hosts), PV_HOST_FAILED);
    assert_null(hosts);
    unsetenv("PEARVISOR_PROGRAM");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_of_contexts_is_served_whole),
        cmocka_unit_test(a_hundred_contexts_at_once_each_get_their_answers),
        cmocka_unit_test(a_killed_worker_loses_its_context_and_tells_the_guest),
        cmocka_unit_test(a_driver_that_was_given_up_is_tried_again),
        cmocka_unit_test(a_shortage_of_descriptors_gives_no_driver_up),
        cmocka_unit_test(of_too_many_that_leave_the_oldest_have_no_time),
        cmocka_unit_test(without_a_program_there_are_no_hosts),
    };
    return cmocka_run_group_tests_name("hosts", tests, NULL, NULL);
}
