#include "front/vhost_user/channel.h"

#include "base/assert.h"
#include "base/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static void close_fds(struct pv_vhost_message *message)
{
    for (size_t i = 0; i < message->fd_count; i++) {
        pv_fd_close(&message->fds[i]);
    }
    message->fd_count = 0;
}

enum pv_result pv_vhost_channel_init(struct pv_vhost_channel *channel, int taken_socket)
{
    channel->socket = taken_socket;
    channel->got = 0;
    channel->input.fd_count = 0;
    return pv_fd_set_blocking(taken_socket, false);
}

void pv_vhost_channel_finish(struct pv_vhost_channel *channel)
{
    close_fds(&channel->input);
    pv_fd_close(&channel->socket);
}

/* False when there are more than any message has. */
static bool collect_fds(struct pv_vhost_message *message, struct msghdr *received)
{
    bool good = (received->msg_flags & MSG_CTRUNC) == 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(received); header != NULL;
         header = CMSG_NXTHDR(received, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
            if (message->fd_count < PV_VHOST_FDS_MAX) {
                message->fds[message->fd_count++] = fd;
            } else {
                close(fd);
                good = false;
            }
        }
    }
    return good;
}

/* Reads up to `size` bytes behind those that are there. */
static enum pv_result receive_some(struct pv_vhost_channel *channel, void *at, size_t size,
                                   size_t *received)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(PV_VHOST_FDS_MAX * sizeof(int))];
    } control;
    struct iovec piece = {.iov_base = at, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    ssize_t count;
    do {
        count = recvmsg(channel->socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
    *received = count > 0 ? (size_t)count : 0;
    if (count < 0) {
        return errno == EAGAIN ? PV_OK : PV_CLOSED;
    }
    if (count == 0) {
        return PV_CLOSED;
    }
    return collect_fds(&channel->input, &message) ? PV_OK : PV_GUEST_FAULT;
}

enum pv_result pv_vhost_channel_receive(struct pv_vhost_channel *channel, bool *whole)
{
    struct pv_vhost_message *input = &channel->input;
    const size_t head = sizeof(input->header);
    *whole = false;
    if (channel->got == 0) {
        close_fds(input);
    }
    for (;;) {
        size_t end = channel->got < head ? head : head + input->header.size;
        if (channel->got == end) {
            *whole = true;
            channel->got = 0;
            return PV_OK;
        }
        uint8_t *at = channel->got < head ? (uint8_t *)&input->header + channel->got
                                          : input->payload + (channel->got - head);
        size_t received;
        enum pv_result result = receive_some(channel, at, end - channel->got, &received);
        if (result != PV_OK || received == 0) {
            return result;
        }
        channel->got += received;
        if (channel->got == head &&
            (input->header.size > PV_VHOST_PAYLOAD_MAX ||
             (input->header.flags & PV_VHOST_VERSION_MASK) != PV_VHOST_VERSION)) {
            return PV_GUEST_FAULT;
        }
    }
}

int pv_vhost_message_take_fd(struct pv_vhost_message *message, size_t at)
{
    if (at >= message->fd_count) {
        return -1;
    }
    int fd = message->fds[at];
    message->fds[at] = -1;
    return fd;
}

enum pv_result pv_vhost_channel_send(struct pv_vhost_channel *channel, uint32_t request,
                                     uint32_t flags, const void *payload, size_t size, int fd)
{
    struct pv_vhost_header header = {request, PV_VHOST_VERSION | flags, (uint32_t)size};
    struct iovec pieces[] = {
        {.iov_base = &header, .iov_len = sizeof(header)},
        {.iov_base = (void *)(uintptr_t)payload, .iov_len = size},
    };
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    memset(&control, 0, sizeof(control));
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = size > 0 ? 2 : 1};
    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        struct cmsghdr *passed = CMSG_FIRSTHDR(&message);
        passed->cmsg_level = SOL_SOCKET;
        passed->cmsg_type = SCM_RIGHTS;
        passed->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(passed), &fd, sizeof(int));
    }
    ssize_t sent;
    do {
        sent = sendmsg(channel->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    /* A stream socket may take a part only when its buffer is full. */
    return sent == (ssize_t)(sizeof(header) + size) ? PV_OK : PV_CLOSED;
}
