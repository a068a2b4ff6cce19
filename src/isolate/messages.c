#include "isolate/messages.h"

#include "base/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The table: what each message must look like. */
static const struct {
    size_t min_size, max_size; /* behind the header */
    bool from_worker;
    bool has_fd;
} shapes[PV_MESSAGE_TYPE_COUNT] = {
    [PV_MESSAGE_SETUP] = {sizeof(struct pv_setup), PV_MESSAGE_SIZE_MAX, false, false},
    [PV_MESSAGE_READY] = {sizeof(struct pv_ready), sizeof(struct pv_ready), true, false},
    [PV_MESSAGE_PROBED] = {0, PV_MESSAGE_SIZE_MAX, true, false},
    [PV_MESSAGE_CLIENT] = {sizeof(struct pv_client), sizeof(struct pv_client), false, true},
    [PV_MESSAGE_STARTED] = {0, 0, true, false},
    [PV_MESSAGE_RING] = {sizeof(struct pv_ring_word), sizeof(struct pv_ring_word), true, true},
    [PV_MESSAGE_STATS] = {sizeof(struct pv_client_stats), PV_MESSAGE_SIZE_MAX, true, false},
};

enum { HEADER_SIZE = 8 /* the type, and as many bytes of padding, so that payloads are aligned */ };

union control {
    struct cmsghdr alignment;
    char bytes[CMSG_SPACE(sizeof(int) * PV_FD_PASS_MAX)];
};

static void attach_fd(struct msghdr *message, union control *control, int fd)
{
    memset(control, 0, sizeof(*control));
    message->msg_control = control->bytes;
    message->msg_controllen = CMSG_SPACE(sizeof(fd));
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
}

enum pv_result pv_message_send(int socket, enum pv_message_type type, const void *head,
                               size_t head_size, const void *tail, size_t tail_size, int fd)
{
    uint32_t header[2] = {type, 0};
    /* sendmsg() does not write to what it sends; iovec just has no const. */
    struct iovec parts[3] = {
        {.iov_base = header, .iov_len = sizeof(header)},
        {.iov_base = (void *)(uintptr_t)head, .iov_len = head_size},
        {.iov_base = (void *)(uintptr_t)tail, .iov_len = tail_size},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
    union control control;
    if (fd >= 0) {
        attach_fd(&message, &control, fd);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        return PV_OK;
    }
    return errno == EPIPE || errno == ECONNRESET ? PV_CLOSED : PV_HOST_FAILED;
}

/* Keeps the first descriptor that came along and closes any other; returns how many there were. */
static uint32_t take_fds(struct msghdr *message, int *first)
{
    uint32_t total = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof(fd), sizeof(fd));
            if (total++ == 0) {
                *first = fd;
            } else {
                close(fd);
            }
        }
    }
    return total;
}

static bool is_well_formed(uint32_t type, size_t size, bool from_worker, uint32_t fd_count)
{
    return type > 0 && type < PV_MESSAGE_TYPE_COUNT && shapes[type].from_worker == from_worker &&
           size >= shapes[type].min_size && size <= shapes[type].max_size &&
           fd_count == (shapes[type].has_fd ? 1 : 0);
}

enum pv_result pv_message_receive(int socket, bool from_worker, bool wait, uint8_t *buffer,
                                  struct pv_message *message)
{
    *message = (struct pv_message){.fd = -1};
    union control control;
    struct iovec part = {.iov_base = buffer, .iov_len = PV_MESSAGE_SIZE_MAX};
    struct msghdr packet = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    ssize_t got;
    do {
        got = recvmsg(socket, &packet, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
    } while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return PV_OK;
    }
    if (got <= 0) {
        return PV_CLOSED;
    }
    uint32_t fd_count = take_fds(&packet, &message->fd);
    uint32_t type = 0;
    if ((size_t)got >= HEADER_SIZE && (packet.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0) {
        memcpy(&type, buffer, sizeof(type));
    }
    if (!is_well_formed(type, (size_t)got - (type != 0 ? HEADER_SIZE : 0), from_worker, fd_count)) {
        pv_fd_close(&message->fd);
        return PV_GUEST_FAULT;
    }
    message->type = (enum pv_message_type)type;
    message->payload = buffer + HEADER_SIZE;
    message->size = (size_t)got - HEADER_SIZE;
    return PV_OK;
}
