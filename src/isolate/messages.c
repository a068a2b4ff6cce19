#include "isolate/messages.h"

#include "base/fd.h"

#include <string.h>

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

struct part {
    const void *bytes;
    size_t size;
};

static enum pv_result send_packet(struct pv_packets *packets, enum pv_message_type type,
                                  struct part head, struct part tail, int fd, bool wait, bool *sent)
{
    uint32_t header[2] = {type, 0};
    /* What is sent is not written to; iovec just has no const. */
    const struct iovec parts[3] = {
        {.iov_base = header, .iov_len = sizeof(header)},
        {.iov_base = (void *)(uintptr_t)head.bytes, .iov_len = head.size},
        {.iov_base = (void *)(uintptr_t)tail.bytes, .iov_len = tail.size},
    };
    const struct pv_packet_parts packet = {
        .parts = parts,
        .part_count = 3,
        .fds = &fd,
        .fd_count = fd >= 0 ? 1 : 0,
    };
    return pv_packets_send(packets, &packet, wait, sent);
}

enum pv_result pv_message_send(struct pv_packets *packets, enum pv_message_type type,
                               const void *head, size_t head_size, const void *tail,
                               size_t tail_size, int fd)
{
    bool sent;
    return send_packet(packets, type, (struct part){head, head_size},
                       (struct part){tail, tail_size}, fd, true, &sent);
}

enum pv_result pv_message_try_send(struct pv_packets *packets, enum pv_message_type type,
                                   const void *head, size_t head_size, const void *tail,
                                   size_t tail_size, int fd, bool *sent)
{
    return send_packet(packets, type, (struct part){head, head_size},
                       (struct part){tail, tail_size}, fd, false, sent);
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

enum pv_result pv_message_receive(struct pv_packets *packets, enum pv_message_route route,
                                  bool wait, uint8_t *buffer, struct pv_message *message)
{
    *message = (struct pv_message){.fd = -1};
    struct pv_packet packet;
    enum pv_result result = pv_packets_receive(packets, wait, buffer, &packet);
    if (result != PV_OK || packet.size == 0) {
        return result;
    }
    uint32_t type = 0;
    if (packet.size >= HEADER_SIZE) {
        memcpy(&type, buffer, sizeof(type));
    }
    size_t size = packet.size - (type != 0 ? HEADER_SIZE : 0);
    if (!is_well_formed(type, size, route, packet.fd_count)) {
        pv_fd_close(&packet.fd);
        return PV_GUEST_FAULT;
    }
    *message = (struct pv_message){
        .type = (enum pv_message_type)type,
        .payload = buffer + HEADER_SIZE,
        .size = size,
        .fd = packet.fd,
    };
    return PV_OK;
}
