/* Each test runs in a process of its own, since a sandbox cannot be left. */

#include "check.h"
#include "isolate/landlock.h"
#include "isolate/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct pv_log silent;

/* In a child: 0 when all that `run` checks holds, else the number of the line that does not. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            return __LINE__;                                                                       \
        }                                                                                          \
    } while (0)

static int status_of(int (*run)(void))
{
    pid_t child = fork();
    if (child == 0) {
        int line = run();
        if (line != 0) {
            dprintf(2, "line %d: errno %d (%s)\n", line, errno, strerror(errno));
        }
        _exit(line != 0 ? 1 : 0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static bool confine_files(const char *cache)
{
    struct pv_sandbox_params params = {.log = &silent, .cache_directory = cache};
    struct pv_sandbox_report report;
    return pv_sandbox_confine_files(&params, &report) == PV_OK && report.no_new_privileges == 1;
}

static bool confine_calls_but(bool may_listen)
{
    struct pv_sandbox_report report;
    return pv_sandbox_confine_calls(&silent, may_listen, &report) == PV_OK &&
           report.calls_confined == 1;
}

static bool confine_calls(void)
{
    return confine_calls_but(false);
}

/* --- files ------------------------------------------------------------------------------------ */

static char folder[] = "/tmp/pearvisor-sandbox-XXXXXX";

static int cannot_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        return false;
    }
    return errno == EACCES;
}

static int check_files(void)
{
    char inside[64];
    snprintf(inside, sizeof(inside), "%s/cached", folder);
    CHECK(confine_files(folder));
    CHECK(cannot_open("/etc/passwd", O_RDONLY));
    CHECK(cannot_open("/root", O_RDONLY | O_DIRECTORY));
    CHECK(cannot_open("/tmp/pearvisor-outside", O_RDWR | O_CREAT));
    CHECK(cannot_open("/dev/shm/pearvisor-outside", O_RDWR | O_CREAT));
    CHECK(cannot_open("/proc/1/environ", O_RDONLY));
    CHECK(cannot_open("/usr/bin/pearvisor-outside", O_RDWR | O_CREAT));
    int fd = open(inside, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK(close(fd) == 0 && unlink(inside) == 0);
    fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && close(fd) == 0);
    fd = open("/usr/lib", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0 && close(fd) == 0);
    return 0;
}

static void files_outside_of_the_drivers_are_closed(void **state)
{
    (void)state;
    if (pv_landlock_abi() == 0) {
        print_message("this kernel has no Landlock\n");
        skip();
    }
    assert_non_null(mkdtemp(folder));
    int status = status_of(check_files);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(status, 0);
}

static int check_limits(void)
{
    struct rlimit limit;
    CHECK(confine_files(NULL));
    CHECK(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == limit.rlim_max);
    return 0;
}

static void limits_are_set(void **state)
{
    (void)state;
    assert_int_equal(status_of(check_limits), 0);
}

/* --- calls ------------------------------------------------------------------------------------ */

static int check_refused(void)
{
    char path[] = "/bin/true";
    char *const arguments[] = {path, NULL};
    int pair[2];
    CHECK(confine_calls());
    CHECK(socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == EPERM);
    CHECK(socket(AF_UNIX, SOCK_STREAM, 0) == -1 && errno == EPERM);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1 && errno == EPERM);
    CHECK(execv(path, arguments) == -1 && errno == EPERM);
    CHECK(syscall(SYS_execveat, -1, path, arguments, NULL, 0) == -1 && errno == EPERM);
    CHECK(kill(getppid(), 0) == -1 && errno == EPERM);
    CHECK(syscall(SYS_perf_event_open, NULL, 0, 0, -1, 0) == -1 && errno == EPERM);
    CHECK(syscall(SYS_io_uring_setup, 1, NULL) == -1 && errno == EPERM);
    CHECK(fork() == -1);
    CHECK(syscall(SYS_tgkill, getppid(), getppid(), 0) == -1);
    /* A call from the future is answered as an older kernel would. */
    CHECK(syscall(1000) == -1 && errno == ENOSYS);
    return 0;
}

static void programs_networks_and_other_processes_are_refused(void **state)
{
    (void)state;
    assert_int_equal(status_of(check_refused), 0);
}

/* As CUDA does when it starts, and a little more. */
static int check_listening(void)
{
    struct sockaddr_un none = {.sun_family = AF_UNIX, .sun_path = "/tmp/nvidia-mps/control"};
    struct sockaddr_un ours = {.sun_family = AF_UNIX};
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + 32;
    snprintf(ours.sun_path + 1, 31, "pearvisor-test-%d", (int)getpid()); /* abstract */
    CHECK(confine_calls_but(true));
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK(connect(fd, (struct sockaddr *)&none, sizeof(none)) == -1 && errno == ENOENT);
    CHECK(bind(fd, (struct sockaddr *)&ours, size) == 0 && listen(fd, 128) == 0);
    CHECK(accept(fd, NULL, NULL) == -1 && errno == EPERM);
    CHECK(accept4(fd, NULL, NULL, SOCK_CLOEXEC) == -1 && errno == EPERM);
    fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    CHECK(fd >= 0);
    CHECK(connect(fd, (struct sockaddr *)&ours, size) == -1 && errno == ENOENT);
    CHECK(socket(AF_UNIX, SOCK_STREAM, 0) == -1 && errno == EPERM);
    CHECK(socket(AF_UNIX, SOCK_DGRAM, 0) == -1 && errno == EPERM);
    CHECK(socket(AF_INET, SOCK_SEQPACKET, 0) == -1 && errno == EPERM);
    CHECK(socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == EPERM);
    return 0;
}

static void a_driver_may_listen_where_it_must(void **state)
{
    (void)state;
    assert_int_equal(status_of(check_listening), 0);
}

/* The kernel looks at 32 bits of these; what lies above them must not hide them. */
static int check_arguments(void)
{
    const unsigned long above = 1UL << 32;
    const char c = 'x';
    int pair[2];
    pid_t parent = getppid();
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(confine_calls());
    for (unsigned long more = 0; more <= above; more += above) {
        CHECK(syscall(SYS_ioctl, 0, TIOCSTI | more, &c) == -1 && errno == EPERM);
        CHECK(syscall(SYS_ioctl, pair[0], FIOSETOWN | more, &parent) == -1 && errno == EPERM);
        CHECK(syscall(SYS_ioctl, pair[0], SIOCSPGRP | more, &parent) == -1 && errno == EPERM);
        CHECK(syscall(SYS_fcntl, pair[0], F_SETOWN | more, parent) == -1 && errno == EPERM);
        CHECK(syscall(SYS_fcntl, pair[0], F_SETSIG | more, SIGKILL) == -1 && errno == EPERM);
        CHECK(syscall(SYS_setpriority, PRIO_USER | more, 0, 19) == -1 && errno == EPERM);
    }
    int unread = -1;
    CHECK(ioctl(pair[0], FIONREAD, &unread) == 0 && unread == 0);
    CHECK(fcntl(pair[0], F_GETFL) >= 0);
    return 0;
}

static void signals_through_descriptors_and_typing_are_refused(void **state)
{
    (void)state;
    assert_int_equal(status_of(check_arguments), 0);
}

static int attack_ptrace(void)
{
    CHECK(confine_calls());
    ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
    return 0;
}

static int attack_unshare(void)
{
    CHECK(confine_calls());
    (void)!unshare(CLONE_NEWUSER);
    return 0;
}

static int attack_memory(void)
{
    CHECK(confine_calls());
    (void)!syscall(SYS_process_vm_writev, getppid(), NULL, 0, NULL, 0, 0);
    return 0;
}

static int attack_keys(void)
{
    CHECK(confine_calls());
    (void)!syscall(SYS_keyctl, 0, 0, 0, 0, 0);
    return 0;
}

static void attacks_kill(void **state)
{
    (void)state;
    int (*const attacks[])(void) = {attack_ptrace, attack_unshare, attack_memory, attack_keys};
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        int status = status_of(attacks[i]);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
    }
}

static void *try_socket(void *user)
{
    _Atomic bool *confined = user;
    while (!*confined) {
        sched_yield();
    }
    return (void *)(intptr_t)(socket(AF_UNIX, SOCK_STREAM, 0) == -1 && errno == EPERM);
}

static int check_older_threads(void)
{
    static _Atomic bool confined;
    pthread_t thread;
    void *refused = NULL;
    CHECK(pthread_create(&thread, NULL, try_socket, (void *)(uintptr_t)&confined) == 0);
    CHECK(confine_calls());
    confined = true;
    CHECK(pthread_join(thread, &refused) == 0);
    CHECK(refused != NULL);
    return 0;
}

static void threads_that_were_there_before_are_confined_too(void **state)
{
    (void)state;
    assert_int_equal(status_of(check_older_threads), 0);
}

static void *add_one(void *user)
{
    return (void *)((intptr_t)user + 1);
}

/* What drivers with a compiler do all the time. */
static int check_allowed(void)
{
    CHECK(confine_files(NULL));
    CHECK(confine_calls());
    pthread_t thread;
    void *result;
    CHECK(pthread_create(&thread, NULL, add_one, (void *)(intptr_t)41) == 0);
    CHECK(pthread_join(thread, &result) == 0 && (intptr_t)result == 42);
    uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(code != MAP_FAILED);
    CHECK(mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0);
    int fd = memfd_create("a test", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    CHECK(setpriority(PRIO_PROCESS, 0, 5) == 0);
    CHECK(pthread_setname_np(pthread_self(), "confined") == 0);
    fd = open("/usr/lib", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    return 0;
}

static void threads_memory_and_compiled_code_are_allowed(void **state)
{
    (void)state;
    assert_int_equal(status_of(check_allowed), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_outside_of_the_drivers_are_closed),
        cmocka_unit_test(limits_are_set),
        cmocka_unit_test(programs_networks_and_other_processes_are_refused),
        cmocka_unit_test(a_driver_may_listen_where_it_must),
        cmocka_unit_test(signals_through_descriptors_and_typing_are_refused),
        cmocka_unit_test(attacks_kill),
        cmocka_unit_test(threads_that_were_there_before_are_confined_too),
        cmocka_unit_test(threads_memory_and_compiled_code_are_allowed),
    };
    return cmocka_run_group_tests_name("isolate_sandbox", tests, NULL, NULL);
}
