#include "base/fd.h"

#include "base/assert.h"
#include "base/fd_system.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

void pv_fd_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

enum pv_result pv_fd_pipe(int *read_end, int *write_end)
{
    int ends[2];
    if (pv_fd_system_pipe(ends) != 0) {
        return PV_HOST_FAILED;
    }
    *read_end = ends[0];
    *write_end = ends[1];
    return PV_OK;
}

enum pv_result pv_fd_socket_pair(int ends[2])
{
    return pv_fd_system_socket_pair(SOCK_STREAM, ends) == 0 ? PV_OK : PV_HOST_FAILED;
}

bool pv_fd_has_hung_up(int socket)
{
    struct pollfd state = {.fd = socket, .events = pv_fd_hang_up_events};
    return poll(&state, 1, 0) > 0;
}

int pv_fd_duplicate(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

enum pv_result pv_fd_set_blocking(int fd, bool blocking)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) {
        return PV_HOST_FAILED;
    }
    flags = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    return fcntl(fd, F_SETFL, flags) == 0 ? PV_OK : PV_HOST_FAILED;
}

/* After a transfer that failed: whether to try again. Waits where the fd was not ready. */
static enum pv_result result_of_errno(int fd, short events)
{
    switch (errno) {
    case EINTR:
        return PV_OK;
    case EAGAIN: {
        struct pollfd ready = {.fd = fd, .events = events};
        return poll(&ready, 1, -1) >= 0 || errno == EINTR ? PV_OK : PV_HOST_FAILED;
    }
    case EPIPE:
    case ECONNRESET:
        return PV_CLOSED;
    case ENOMEM:
    case ENOBUFS:
        return PV_NO_MEMORY;
    default:
        return PV_HOST_FAILED;
    }
}

enum pv_result pv_fd_read(int fd, void *bytes, size_t size)
{
    uint8_t *at = bytes;
    while (size > 0) {
        ssize_t got = read(fd, at, size);
        if (got == 0) {
            return PV_CLOSED;
        }
        if (got < 0) {
            enum pv_result result = result_of_errno(fd, POLLIN);
            if (result != PV_OK) {
                return result;
            }
            continue;
        }
        at += got;
        size -= (size_t)got;
    }
    return PV_OK;
}

/* Sockets are written with send, which can be told not to raise SIGPIPE. */
static ssize_t write_some(int fd, const void *bytes, size_t size)
{
    ssize_t put = send(fd, bytes, size, MSG_NOSIGNAL);
    if (put < 0 && errno == ENOTSOCK) {
        put = write(fd, bytes, size);
    }
    return put;
}

enum pv_result pv_fd_write(int fd, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size > 0) {
        ssize_t put = write_some(fd, at, size);
        if (put < 0) {
            enum pv_result result = result_of_errno(fd, POLLOUT);
            if (result != PV_OK) {
                return result;
            }
            continue;
        }
        at += put;
        size -= (size_t)put;
    }
    return PV_OK;
}

enum pv_result pv_fd_send(int socket, const void *bytes, size_t size, const int *fds,
                          size_t fd_count)
{
    PV_ASSERT(size > 0 && fd_count <= PV_FD_PASS_MAX);
    if (fd_count == 0) {
        return pv_fd_write(socket, bytes, size);
    }
    struct iovec whole = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    ssize_t put;
    while ((put = pv_fd_send_once(socket, &whole, 1, fds, fd_count, 0)) < 0) {
        enum pv_result result = result_of_errno(socket, POLLOUT);
        if (result != PV_OK) {
            return result;
        }
    }
    /* The descriptors went with the first byte; the rest is plain. */
    return pv_fd_write(socket, (const uint8_t *)bytes + put, size - (size_t)put);
}

static enum pv_result receive_all(int socket, uint8_t *at, size_t size, struct pv_fd_taken *taken)
{
    while (size > 0) {
        int flags = 0;
        ssize_t got = pv_fd_receive_once(socket, at, size, &flags, taken);
        if (got == 0) {
            return PV_CLOSED;
        }
        if (got < 0) {
            enum pv_result result = result_of_errno(socket, POLLIN);
            if (result != PV_OK) {
                return result;
            }
            continue;
        }
        if (taken->too_many) {
            return PV_GUEST_FAULT;
        }
        at += got;
        size -= (size_t)got;
    }
    return PV_OK;
}

enum pv_result pv_fd_receive(int socket, void *bytes, size_t size, int *fds, size_t fd_limit,
                             size_t *fd_count)
{
    struct pv_fd_taken taken = {.fds = fds, .limit = fd_limit};
    enum pv_result result = receive_all(socket, bytes, size, &taken);
    if (result != PV_OK) {
        pv_fd_drop_taken(&taken);
    }
    if (fd_count != NULL) {
        *fd_count = taken.count;
    }
    return result;
}
