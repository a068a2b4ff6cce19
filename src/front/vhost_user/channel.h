#ifndef PV_FRONT_VHOST_USER_CHANNEL_H
#define PV_FRONT_VHOST_USER_CHANNEL_H

#include "base/attributes.h"
#include "base/result.h"
#include "front/vhost_user/protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One of the two sockets between front-end and back-end: whole messages in, whole messages out,
 * without ever waiting. */

enum {
    PV_VHOST_PAYLOAD_MAX = 512, /* of what we may receive */
    PV_VHOST_FDS_MAX = PV_VHOST_TABLE_REGIONS_MAX,
};

struct pv_vhost_message {
    struct pv_vhost_header header;
    _Alignas(8) uint8_t payload[PV_VHOST_PAYLOAD_MAX];
    int fds[PV_VHOST_FDS_MAX]; /* the message's; taken ones are -1 */
    size_t fd_count;
};

struct pv_vhost_channel {
    int socket;                    /* -1: none */
    size_t got;                    /* bytes of a message that is arriving */
    struct pv_vhost_message input; /* that message; complete when receive says so */
};

/* The channel takes the socket. PV_HOST_FAILED if it cannot be made non-blocking. */
PV_NODISCARD enum pv_result pv_vhost_channel_init(struct pv_vhost_channel *channel,
                                                  int taken_socket);
void pv_vhost_channel_finish(struct pv_vhost_channel *channel);

/* Reads what there is of one message. *whole: `input` has one, until the next call, which closes
 * the descriptors that nobody took. PV_CLOSED: the other side has gone; PV_GUEST_FAULT: it sent
 * what is no message. */
PV_NODISCARD enum pv_result pv_vhost_channel_receive(struct pv_vhost_channel *channel, bool *whole);

/* Takes a descriptor of the message out of it; -1 when it has none there. */
PV_NODISCARD int pv_vhost_message_take_fd(struct pv_vhost_message *message, size_t at);

/* Sends a message with one descriptor (-1: none), which stays the caller's. Fails, too, when the
 * other side does not read: it waits for replies one by one, so that never is for want of room. */
PV_NODISCARD enum pv_result pv_vhost_channel_send(struct pv_vhost_channel *channel,
                                                  uint32_t request, uint32_t flags,
                                                  const void *payload, size_t size, int fd);

#endif
