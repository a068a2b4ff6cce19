#include "child.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS_NOT_STARTED = 127 };

static void place(int fd, int target)
{
    int source = fd >= 0 ? fd : open("/dev/null", O_RDWR | O_CLOEXEC);
    if (source != target) {
        dup2(source, target);
    } else {
        fcntl(target, F_SETFD, 0);
    }
}

/* Ends its group when we have ended, which closes the lifeline; SIGTERM lets an X server tidy up.
 */
static void guard(int lifeline)
{
    char nothing;
    setpgid(0, 0);
    signal(SIGTERM, SIG_IGN);
    if (dup2(lifeline, 0) == 0) {
        close_range(1, UINT_MAX, 0); /* the other end of ours too, and of all guards */
        while (read(0, &nothing, 1) < 0 && errno == EINTR) {
        }
        kill(0, SIGTERM);
        sleep(1);
    }
    kill(0, SIGKILL);
}

/* In the child, which has one thread, since we have. */
static void become(const struct pv_child_params *params, pid_t group, int report)
{
    if (setpgid(0, group) != 0) {
        _exit(STATUS_NOT_STARTED); /* we have ended already, and the guard too */
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    place(-1, STDIN_FILENO);
    place(params->output, STDOUT_FILENO);
    place(params->errors, STDERR_FILENO);
    for (size_t i = 0; i < params->kept_count; i++) {
        if (params->kept[i] >= 0) {
            fcntl(params->kept[i], F_SETFD, 0);
        }
    }
    for (char *const *variable = params->environment; variable != NULL && *variable != NULL;
         variable++) {
        putenv(*variable);
    }
    execvp(params->arguments[0], params->arguments);
    int error = errno;
    (void)!write(report, &error, sizeof(error));
    _exit(STATUS_NOT_STARTED);
}

/* The lifeline stays open as long as we live. */
static int start_guard(struct pv_child *child)
{
    int lifeline, ours;
    if (pv_fd_pipe(&lifeline, &ours) != PV_OK) {
        return errno;
    }
    child->group = fork();
    if (child->group == 0) {
        guard(lifeline);
    }
    int error = child->group < 0 ? errno : 0;
    close(lifeline);
    if (error == 0) {
        setpgid(child->group, child->group); /* whoever is first */
        child->lifeline = ours;
    } else {
        close(ours);
    }
    return error;
}

/* With all that the program has left in its group. */
static void end_group(struct pv_child *child)
{
    kill(-child->group, SIGKILL);
    waitpid(child->group, NULL, 0);
    pv_fd_close(&child->lifeline);
    pv_fd_close(&child->process);
    child->pid = 0;
}

int pv_child_start(struct pv_child *child, const struct pv_child_params *params)
{
    *child = (struct pv_child){.process = -1, .lifeline = -1};
    int report_read, report_write;
    int error = start_guard(child);
    if (error != 0) {
        return error;
    }
    if (pv_fd_pipe(&report_read, &report_write) != PV_OK) {
        error = errno;
        end_group(child);
        return error;
    }
    child->pid = fork();
    if (child->pid == 0) {
        become(params, child->group, report_write);
    }
    error = child->pid < 0 ? errno : 0;
    close(report_write);
    if (error == 0 && pv_fd_read(report_read, &error, sizeof(error)) != PV_OK) {
        error = 0; /* it closed unwritten: the program runs */
    }
    close(report_read);
    if (error == 0) {
        child->process = (int)syscall(SYS_pidfd_open, child->pid, 0);
        error = child->process < 0 ? errno : 0;
    }
    if (error != 0) {
        pid_t pid = child->pid;
        end_group(child);
        if (pid > 0) {
            waitpid(pid, NULL, 0);
        }
    }
    return error;
}

bool pv_child_has_ended(struct pv_child *child, int *status)
{
    if (child->pid <= 0 || waitpid(child->pid, status, WNOHANG) != child->pid) {
        return false;
    }
    end_group(child);
    return true;
}

static bool wait_for(struct pv_child *child, uint64_t patience_ns)
{
    struct pollfd process = {.fd = child->process, .events = POLLIN};
    uint64_t deadline_ns = pv_clock_now_ns() + patience_ns;
    for (;;) {
        int status;
        uint64_t now_ns = pv_clock_now_ns();
        if (pv_child_has_ended(child, &status)) {
            return true;
        }
        if (now_ns >= deadline_ns) {
            return false;
        }
        (void)poll(&process, 1, (int)((deadline_ns - now_ns) / PV_NS_PER_MS) + 1);
    }
}

void pv_child_finish(struct pv_child *child, uint64_t patience_ns)
{
    if (child->pid <= 0 || wait_for(child, patience_ns)) {
        return;
    }
    kill(-child->group, SIGTERM);
    if (!wait_for(child, PV_NS_PER_S)) {
        kill(-child->group, SIGKILL);
        (void)wait_for(child, UINT64_MAX / 2);
    }
}
