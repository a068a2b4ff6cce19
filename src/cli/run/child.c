#include "child.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
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

/* In the child, which has one thread, since we have. */
static void become(const struct pv_child_params *params, pid_t parent, int report)
{
    setpgid(0, 0);
    /* So that nothing is left of us however we end; SIGTERM lets an X server tidy up. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) {
        _exit(STATUS_NOT_STARTED);
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

int pv_child_start(struct pv_child *child, const struct pv_child_params *params)
{
    *child = (struct pv_child){.process = -1};
    int report_read, report_write;
    if (pv_fd_pipe(&report_read, &report_write) != PV_OK) {
        return errno;
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        become(params, parent, report_write);
    }
    int error = pid < 0 ? errno : 0;
    close(report_write);
    if (pid > 0 && pv_fd_read(report_read, &error, sizeof(error)) != PV_OK) {
        error = 0; /* it closed unwritten: the program runs */
    }
    close(report_read);
    if (pid > 0 && error == 0) {
        child->process = (int)syscall(SYS_pidfd_open, pid, 0);
        error = child->process < 0 ? errno : 0;
    }
    if (pid > 0 && error != 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    } else if (pid > 0) {
        child->pid = pid;
    }
    return error;
}

bool pv_child_has_ended(struct pv_child *child, int *status)
{
    if (child->pid <= 0 || waitpid(child->pid, status, WNOHANG) != child->pid) {
        return false;
    }
    kill(-child->pid, SIGKILL); /* what it has left of its group */
    pv_fd_close(&child->process);
    child->pid = 0;
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
    kill(-child->pid, SIGTERM);
    if (!wait_for(child, PV_NS_PER_S)) {
        kill(-child->pid, SIGKILL);
        (void)wait_for(child, UINT64_MAX / 2);
    }
}
