#include "isolate/messages.h"

#include "base/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum fd_rule { NO_FD, ONE_FD, MAYBE_FD };

#define EXACTLY(type) sizeof(type), sizeof(type)

/* The table: what each message must look like. */
static const struct {
    size_t min_size, max_size; /* behind the header */
    enum pv_message_route route;
    enum fd_rule fd;
} shapes[PV_MESSAGE_TYPE_COUNT] = {
    [PV_MESSAGE_SETUP] = {sizeof(struct pv_setup), PV_MESSAGE_SIZE_MAX, PV_MESSAGE_TO_WORKER},
    [PV_MESSAGE_READY] = {EXACTLY(struct pv_ready), PV_MESSAGE_FROM_WORKER},
    [PV_MESSAGE_PROBED] = {0, PV_MESSAGE_SIZE_MAX, PV_MESSAGE_FROM_WORKER},
    [PV_MESSAGE_CLIENT] = {EXACTLY(struct pv_client), PV_MESSAGE_TO_WORKER, ONE_FD},
    [PV_MESSAGE_STARTED] = {0, 0, PV_MESSAGE_FROM_WORKER},
    [PV_MESSAGE_RING] = {EXACTLY(struct pv_ring_word), PV_MESSAGE_FROM_WORKER, ONE_FD},
    [PV_MESSAGE_STATS] = {sizeof(struct pv_client_stats), PV_MESSAGE_SIZE_MAX,
                          PV_MESSAGE_FROM_WORKER},
    [PV_MESSAGE_SUBMIT] = {sizeof(struct pv_submit_piece),
                           sizeof(struct pv_submit_piece) + PV_SUBMIT_PIECE_MAX,
                           PV_MESSAGE_TO_CONTEXT},
    [PV_MESSAGE_FENCE] = {EXACTLY(struct pv_fence_word), PV_MESSAGE_TO_CONTEXT},
    [PV_MESSAGE_BLOB] = {EXACTLY(struct pv_blob_request), PV_MESSAGE_TO_CONTEXT},
    [PV_MESSAGE_ATTACH] = {EXACTLY(struct pv_attach_request), PV_MESSAGE_TO_CONTEXT, ONE_FD},
    [PV_MESSAGE_UNREF] = {EXACTLY(struct pv_unref_request), PV_MESSAGE_TO_CONTEXT},
    [PV_MESSAGE_BLOB_CREATED] = {EXACTLY(struct pv_blob_reply), PV_MESSAGE_FROM_CONTEXT, MAYBE_FD},
    [PV_MESSAGE_FENCE_RETIRED] = {EXACTLY(struct pv_fence_word), PV_MESSAGE_FROM_CONTEXT},
    [PV_MESSAGE_LOST] = {0, 0, PV_MESSAGE_FROM_CONTEXT},
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

struct part {
    const void *bytes;
    size_t size;
};

static enum pv_result send_packet(int socket, enum pv_message_type type, struct part head,
                                  struct part tail, int fd, int flags, bool *sent)
{
    uint32_t header[2] = {type, 0};
    /* sendmsg() does not write to what it sends; iovec just has no const. */
    struct iovec parts[3] = {
        {.iov_base = header, .iov_len = sizeof(header)},
        {.iov_base = (void *)(uintptr_t)head.bytes, .iov_len = head.size},
        {.iov_base = (void *)(uintptr_t)tail.bytes, .iov_len = tail.size},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
    union control control;
    if (fd >= 0) {
        attach_fd(&message, &control, fd);
    }
    ssize_t put;
    do {
        put = sendmsg(socket, &message, MSG_NOSIGNAL | flags);
    } while (put < 0 && errno == EINTR);
    *sent = put >= 0;
    if (*sent || (flags != 0 && (errno == EAGAIN || errno == EWOULDBLOCK))) {
        return PV_OK;
    }
    return errno == EPIPE || errno == ECONNRESET ? PV_CLOSED : PV_HOST_FAILED;
}

enum pv_result pv_message_send(int socket, enum pv_message_type type, const void *head,
                               size_t head_size, const void *tail, size_t tail_size, int fd)
{
    bool sent;
    return send_packet(socket, type, (struct part){head, head_size}, (struct part){tail, tail_size},
                       fd, 0, &sent);
}

enum pv_result pv_message_try_send(int socket, enum pv_message_type type, const void *head,
                                   size_t head_size, const void *tail, size_t tail_size, int fd,
                                   bool *sent)
{
    return send_packet(socket, type, (struct part){head, head_size}, (struct part){tail, tail_size},
                       fd, MSG_DONTWAIT, sent);
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

static bool is_well_formed(uint32_t type, size_t size, enum pv_message_route route,
                           uint32_t fd_count)
{
    if (type == 0 || type >= PV_MESSAGE_TYPE_COUNT || shapes[type].route != route ||
        size < shapes[type].min_size || size > shapes[type].max_size) {
        return false;
    }
    return fd_count == (shapes[type].fd == NO_FD ? 0 : 1) ||
           (shapes[type].fd == MAYBE_FD && fd_count == 0);
}

enum pv_result pv_message_receive(int socket, enum pv_message_route route, bool wait,
                                  uint8_t *buffer, struct pv_message *message)
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
        /* ECONNRESET comes once, in front of what the other side had sent before it went. */
    } while (got < 0 && (errno == EINTR || errno == ECONNRESET));
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
    if (!is_well_formed(type, (size_t)got - (type != 0 ? HEADER_SIZE : 0), route, fd_count)) {
        pv_fd_close(&message->fd);
        return PV_GUEST_FAULT;
    }
    message->type = (enum pv_message_type)type;
    message->payload = buffer + HEADER_SIZE;
    message->size = (size_t)got - HEADER_SIZE;
    return PV_OK;
}
