#include "base/fd.h"
#include "base/fd_system.h"
#include "isolate/packets.h"

#include <errno.h>

enum pv_result pv_packets_connect(int ends[2])
{
    return pv_fd_system_socket_pair(SOCK_SEQPACKET, ends) == 0 ? PV_OK : PV_HOST_FAILED;
}

enum pv_result pv_packets_init(struct pv_packets *packets, int socket)
{
    *packets = (struct pv_packets){.socket = socket};
    return PV_OK;
}

void pv_packets_finish(struct pv_packets *packets)
{
    packets->socket = -1;
}

void pv_packets_close(struct pv_packets *packets)
{
    pv_fd_close(&packets->socket);
}

enum pv_result pv_packets_send(struct pv_packets *packets, const struct pv_packet_parts *packet,
                               bool wait, bool *sent)
{
    ssize_t put;
    do {
        put = pv_fd_send_once(packets->socket, packet->parts, packet->part_count, packet->fds,
                              packet->fd_count, wait ? 0 : MSG_DONTWAIT);
    } while (put < 0 && errno == EINTR);
    *sent = put >= 0;
    if (*sent || (!wait && (errno == EAGAIN || errno == EWOULDBLOCK))) {
        return PV_OK;
    }
    return errno == EPIPE || errno == ECONNRESET ? PV_CLOSED : PV_HOST_FAILED;
}

bool pv_packets_is_behind(const struct pv_packets *packets)
{
    (void)packets;
    return false;
}

enum pv_result pv_packets_flush(struct pv_packets *packets)
{
    (void)packets;
    return PV_OK;
}

enum pv_result pv_packets_receive(struct pv_packets *packets, bool wait, uint8_t *bytes,
                                  struct pv_packet *packet)
{
    *packet = (struct pv_packet){.fd = -1};
    struct pv_fd_taken taken = {.fds = &packet->fd, .limit = 1};
    ssize_t got;
    int flags;
    do {
        flags = wait ? 0 : MSG_DONTWAIT;
        got = pv_fd_receive_once(packets->socket, bytes, PV_PACKET_SIZE_MAX, &flags, &taken);
        /* ECONNRESET comes once, in front of what the other side had sent before it went. */
    } while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return PV_OK;
    }
    if (got <= 0) {
        pv_fd_close(&packet->fd); /* an empty packet can bring one, too */
        return PV_CLOSED;
    }
    packet->size = (size_t)got;
    packet->fd_count = taken.too_many ? 2 : (uint32_t)taken.count;
    if ((flags & MSG_TRUNC) != 0) {
        pv_fd_close(&packet->fd);
        return PV_GUEST_FAULT;
    }
    return PV_OK;
}
