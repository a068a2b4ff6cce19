#ifndef PV_ISOLATE_PACKETS_H
#define PV_ISOLATE_PACKETS_H

#include "base/attributes.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Packets with descriptors, between two processes: each arrives whole or not at all, and none
 * counts on the other's good will. Linux: SOCK_SEQPACKET. Elsewhere: a stream, on which each packet
 * is a frame: its size (4 bytes, little-endian), then its bytes, with descriptors beside the first.
 *
 * One thread receives; any sends. */

enum { PV_PACKET_SIZE_MAX = 160 * 1024 /* fits the default socket buffer of Linux */ };

struct pv_packets {
    int socket;               /* the caller's; -1: none */
    struct pv_frames *frames; /* of a stream: what is half sent and half received */
};

/* The two ends of a connection, with room for the largest packet. PV_HOST_FAILED with errno. */
PV_NODISCARD enum pv_result pv_packets_connect(int ends[2]);

/* One end. PV_NO_MEMORY. */
PV_NODISCARD enum pv_result pv_packets_init(struct pv_packets *packets, int socket);
/* The socket stays the caller's. Zeroes are accepted. */
void pv_packets_finish(struct pv_packets *packets);
/* pv_packets_finish(), and closes the socket. */
void pv_packets_close(struct pv_packets *packets);

struct pv_packet_parts {
    const struct iovec *parts; /* at most 3 */
    size_t part_count;
    const int *fds; /* the caller's; they go with the packet */
    size_t fd_count;
};

/* PV_OK and *sent; false (only without `wait`): there is no room for it now. PV_CLOSED when the
 * other side has gone, PV_HOST_FAILED (errno) or PV_NO_MEMORY otherwise. */
PV_NODISCARD enum pv_result pv_packets_send(struct pv_packets *packets,
                                            const struct pv_packet_parts *packet, bool wait,
                                            bool *sent);
/* Whether a packet was taken of which the socket has not had room for all: then
 * pv_packets_flush() must be called when it has, and is writable. */
bool pv_packets_is_behind(const struct pv_packets *packets);
PV_NODISCARD enum pv_result pv_packets_flush(struct pv_packets *packets);

struct pv_packet {
    size_t size;       /* 0: there is none now (only without `wait`) */
    int fd;            /* the first that came along, the caller's now; -1: none */
    uint32_t fd_count; /* as many, the others of which were closed; at least 2: too many */
};

/* Into `bytes` of PV_PACKET_SIZE_MAX. PV_CLOSED when the other side has gone. PV_GUEST_FAULT for
 * what is too long to be a packet; nothing stays open then. */
PV_NODISCARD enum pv_result pv_packets_receive(struct pv_packets *packets, bool wait,
                                               uint8_t *bytes, struct pv_packet *packet);

#endif
