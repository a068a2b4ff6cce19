#include "base/fd.h"

#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
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
#if defined(__linux__)
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return PV_HOST_FAILED;
    }
#else
    if (pipe(ends) != 0) {
        return PV_HOST_FAILED;
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
#endif
    *read_end = ends[0];
    *write_end = ends[1];
    return PV_OK;
}

enum pv_result pv_fd_socket_pair(int ends[2])
{
#if defined(__linux__)
    int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
#else
    int rc = socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    if (rc == 0) {
        fcntl(ends[0], F_SETFD, FD_CLOEXEC);
        fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    }
#endif
    return rc == 0 ? PV_OK : PV_HOST_FAILED;
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
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(PV_FD_PASS_MAX * sizeof(int))];
    } control;
    memset(&control, 0, sizeof(control));
    struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = CMSG_SPACE(fd_count * sizeof(int)),
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));

    ssize_t put;
    while ((put = sendmsg(socket, &message, MSG_NOSIGNAL)) < 0) {
        enum pv_result result = result_of_errno(socket, POLLOUT);
        if (result != PV_OK) {
            return result;
        }
    }
    /* The descriptors went with the first byte; the rest is plain. */
    return pv_fd_write(socket, (const uint8_t *)bytes + put, size - (size_t)put);
}

struct collected {
    int *fds;
    size_t limit;
    size_t count;
    bool too_many;
};

static void collect_fds(struct msghdr *message, struct collected *collected)
{
    if ((message->msg_flags & MSG_CTRUNC) != 0) {
        collected->too_many = true;
    }
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
            if (collected->count < collected->limit) {
                collected->fds[collected->count++] = fd;
            } else {
                close(fd);
                collected->too_many = true;
            }
        }
    }
}

static enum pv_result receive_all(int socket, uint8_t *at, size_t size, struct collected *collected)
{
    while (size > 0) {
        union {
            struct cmsghdr header;
            char space[CMSG_SPACE(PV_FD_PASS_MAX * sizeof(int))];
        } control;
        struct iovec piece = {.iov_base = at, .iov_len = size};
        struct msghdr message = {
            .msg_iov = &piece,
            .msg_iovlen = 1,
            .msg_control = &control,
            .msg_controllen = sizeof(control),
        };
        int flags = 0;
#if defined(MSG_CMSG_CLOEXEC)
        flags = MSG_CMSG_CLOEXEC;
#endif
        ssize_t got = recvmsg(socket, &message, flags);
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
        collect_fds(&message, collected);
        if (collected->too_many) {
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
    struct collected collected = {.fds = fds, .limit = fd_limit};
    enum pv_result result = receive_all(socket, bytes, size, &collected);
    if (result != PV_OK) {
        while (collected.count > 0) {
            close(fds[--collected.count]);
        }
    }
    if (fd_count != NULL) {
        *fd_count = collected.count;
    }
    return result;
}
