#include "base/assert.h"
#include "base/fd.h"
#include "base/fd_system.h"

#include <string.h>
#include <unistd.h>

union control {
    struct cmsghdr alignment;
    char bytes[CMSG_SPACE(sizeof(int) * PV_FD_PASS_MAX)];
};

ssize_t pv_fd_send_once(int socket, const struct iovec *parts, size_t part_count, const int *fds,
                        size_t fd_count, int flags)
{
    PV_ASSERT(fd_count <= PV_FD_PASS_MAX);
    union control control;
    /* sendmsg() does not write to what it sends; msghdr just has no const. */
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts};
    message.msg_iovlen = (__typeof__(message.msg_iovlen))part_count;
    if (fd_count != 0) {
        memset(&control, 0, sizeof(control));
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL | flags);
}

static void take_fds(struct msghdr *message, struct pv_fd_taken *taken)
{
    if ((message->msg_flags & MSG_CTRUNC) != 0) {
        taken->too_many = true;
    }
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof(fd), sizeof(fd));
            if (taken->count < taken->limit) {
                taken->fds[taken->count++] = fd;
            } else {
                close(fd);
                taken->too_many = true;
            }
        }
    }
}

ssize_t pv_fd_receive_once(int socket, void *bytes, size_t size, int *flags,
                           struct pv_fd_taken *taken)
{
    union control control;
    struct iovec part = {.iov_base = bytes, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    ssize_t got = pv_fd_system_receive(socket, &message, *flags);
    if (got >= 0) {
        take_fds(&message, taken);
        *flags = message.msg_flags;
    }
    return got;
}

void pv_fd_drop_taken(struct pv_fd_taken *taken)
{
    while (taken->count > 0) {
        close(taken->fds[--taken->count]);
    }
}
