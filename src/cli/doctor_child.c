#include "base/clock.h"
#include "base/fd.h"
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_MAX = 512 * 1024, STATUS_SIGNAL = 128 };

/* After it was asked to end. `serve` tidies up in less. */
static const uint64_t grace_ns = 2 * PV_NS_PER_S;

struct stream {
    int fd;
    char *text; /* of OUTPUT_MAX + 1 */
    size_t size;
};

static bool open_stream(struct stream *stream, int *child_end)
{
    stream->fd = -1;
    *child_end = -1;
    stream->text = calloc(1, OUTPUT_MAX + 1);
    return stream->text != NULL && pv_fd_pipe(&stream->fd, child_end) == PV_OK &&
           pv_fd_set_blocking(stream->fd, false) == PV_OK;
}

static int spawn(const struct pv_doctor_child *child, int out, int err, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0) {
        return error;
    }
    error = posix_spawnattr_init(&attributes);
    if (error == 0) {
        (void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        (void)posix_spawn_file_actions_adddup2(&actions, out, 1);
        (void)posix_spawn_file_actions_adddup2(&actions, err, 2);
        /* A group of its own, so that all of it can be ended at once. */
        (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
        error = posix_spawn(pid, child->arguments[0], &actions, &attributes, child->arguments,
                            child->environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* Reads what there is; what does not fit is thrown away, so that the child never blocks on us. */
static void drain(struct stream *stream)
{
    char scratch[4096];
    for (;;) {
        size_t room = OUTPUT_MAX - stream->size;
        ssize_t got = room > 0 ? read(stream->fd, stream->text + stream->size, room)
                               : read(stream->fd, scratch, sizeof(scratch));
        if (got > 0) {
            stream->size += room > 0 ? (size_t)got : 0;
        } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
            pv_fd_close(&stream->fd);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

static bool has_ended(pid_t pid, int *status)
{
    int wait_status;
    if (waitpid(pid, &wait_status, WNOHANG) != pid) {
        return false;
    }
    *status =
        WIFSIGNALED(wait_status) ? STATUS_SIGNAL + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
    return true;
}

/* Reads until the process has ended, or the time is up. */
static bool follow(pid_t pid, struct stream streams[2], uint64_t deadline_ns, int *status)
{
    for (;;) {
        bool ended = has_ended(pid, status);
        struct pollfd fds[2] = {
            {.fd = streams[0].fd, .events = POLLIN},
            {.fd = streams[1].fd, .events = POLLIN},
        };
        (void)poll(fds, 2, ended ? 0 : 20);
        for (int i = 0; i < 2; i++) {
            if (fds[i].revents != 0) {
                drain(&streams[i]);
            }
        }
        if (ended) {
            return true;
        }
        if (streams[0].fd < 0 && streams[1].fd < 0) {
            pv_clock_sleep_ns(PV_NS_PER_MS); /* poll() with nothing in it returns late or never */
        }
        if (pv_clock_now_ns() >= deadline_ns) {
            return false;
        }
    }
}

static void run(struct pv_doctor_child *child, struct stream streams[2], int ends[2])
{
    pid_t pid = 0;
    int error = spawn(child, ends[0], ends[1], &pid);
    pv_fd_close(&ends[0]);
    pv_fd_close(&ends[1]);
    if (error != 0) {
        snprintf(streams[1].text, OUTPUT_MAX, "%s", strerror(error));
        return;
    }
    uint64_t timeout_ns = child->timeout_ms * PV_NS_PER_MS;
    if (follow(pid, streams, pv_clock_now_ns() + timeout_ns, &child->status)) {
        return;
    }
    child->timed_out = true;
    kill(-pid, SIGTERM);
    if (!follow(pid, streams, pv_clock_now_ns() + grace_ns, &child->status)) {
        kill(-pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        child->status = STATUS_SIGNAL + SIGKILL;
    }
}

void pv_doctor_child_run(struct pv_doctor_child *child)
{
    struct stream streams[2] = {{.fd = -1}, {.fd = -1}};
    int ends[2] = {-1, -1};
    child->status = -1;
    child->timed_out = false;
    if (open_stream(&streams[0], &ends[0]) && open_stream(&streams[1], &ends[1])) {
        run(child, streams, ends);
    }
    for (int i = 0; i < 2; i++) {
        pv_fd_close(&streams[i].fd);
        pv_fd_close(&ends[i]);
    }
    child->out = streams[0].text;
    child->err = streams[1].text;
}

void pv_doctor_last_line(const char *text, char *line, size_t size)
{
    line[0] = '\0';
    while (text != NULL && *text != '\0') {
        size_t length = strcspn(text, "\n");
        if (length > 0) {
            snprintf(line, size, "%.*s", (int)length, text);
        }
        text += length + (text[length] == '\n' ? 1 : 0);
    }
}
