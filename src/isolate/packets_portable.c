#include "base/assert.h"
#include "base/fd.h"
#include "base/fd_system.h"
#include "isolate/packets.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    LENGTH_SIZE = 4,
    PARTS_MAX = 3,
    SOCKET_BUFFER_SIZE = PV_PACKET_SIZE_MAX + 32 * 1024, /* Darwin begins with 8 KiB */
};

struct pv_frames {
    pthread_mutex_t lock; /* a frame goes whole: guards the sending of it, and what follows */
    uint8_t *unsent;      /* the rest of one that was taken; NULL: none */
    size_t unsent_size, unsent_done;
    bool is_cut; /* there was no memory for the rest: the other side would take the next for it */

    /* The receiving thread's: how much of a frame is here, its length included. */
    uint8_t length[LENGTH_SIZE];
    size_t received;
    uint8_t *bytes; /* of PV_PACKET_SIZE_MAX, from the first frame on that does not come at once */
    int fd;         /* the first that came with it */
    uint32_t fd_count;
    bool is_broken; /* nobody knows where the next frame would begin */
};

enum pv_result pv_packets_connect(int ends[2])
{
    const int size = SOCKET_BUFFER_SIZE;
    if (pv_fd_system_socket_pair(SOCK_STREAM, ends) != 0) {
        return PV_HOST_FAILED;
    }
    for (size_t i = 0; i < 2; i++) {
        /* Best effort: a smaller one costs waits, no more. */
        (void)setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        (void)setsockopt(ends[i], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    }
    return PV_OK;
}

enum pv_result pv_packets_init(struct pv_packets *packets, int socket)
{
    *packets = (struct pv_packets){.socket = socket};
    struct pv_frames *made = calloc(1, sizeof(*made));
    if (made == NULL || pthread_mutex_init(&made->lock, NULL) != 0) {
        free(made);
        return PV_NO_MEMORY;
    }
    made->fd = -1;
    packets->frames = made;
    return PV_OK;
}

void pv_packets_finish(struct pv_packets *packets)
{
    struct pv_frames *frames = packets->frames;
    if (frames != NULL) {
        pthread_mutex_destroy(&frames->lock);
        pv_fd_close(&frames->fd);
        free(frames->unsent);
        free(frames->bytes);
        free(frames);
        packets->frames = NULL;
    }
    packets->socket = -1;
}

void pv_packets_close(struct pv_packets *packets)
{
    int socket = packets->socket;
    pv_packets_finish(packets);
    pv_fd_close(&socket);
}

/* --- sending -----------------------------------------------------------------------------------
 */

static enum pv_result result_of_errno(void)
{
    return errno == EPIPE || errno == ECONNRESET ? PV_CLOSED : PV_HOST_FAILED;
}

static bool is_full(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

/* Sends what it can of the rest; all of it with `wait`. The lock is held. */
static enum pv_result send_rest(int socket, struct pv_frames *frames, bool wait)
{
    while (frames->unsent != NULL) {
        struct iovec rest = {
            .iov_base = frames->unsent + frames->unsent_done,
            .iov_len = frames->unsent_size - frames->unsent_done,
        };
        ssize_t put = pv_fd_send_once(socket, &rest, 1, NULL, 0, MSG_DONTWAIT);
        if (put < 0 && is_full()) {
            struct pollfd room = {.fd = socket, .events = POLLOUT};
            if (!wait) {
                return PV_OK;
            }
            (void)poll(&room, 1, -1);
        } else if (put < 0 && errno != EINTR) {
            return result_of_errno();
        } else if (put > 0) {
            frames->unsent_done += (size_t)put;
            if (frames->unsent_done == frames->unsent_size) {
                free(frames->unsent);
                frames->unsent = NULL;
            }
        }
    }
    return PV_OK;
}

/* Keeps what is behind the first `done` bytes of a frame. The lock is held. */
static bool keep_rest(struct pv_frames *frames, const struct iovec *parts, size_t part_count,
                      size_t size, size_t done)
{
    frames->unsent = malloc(size - done);
    if (frames->unsent == NULL) {
        return false;
    }
    frames->unsent_size = size - done;
    frames->unsent_done = 0;
    size_t filled = 0;
    for (size_t i = 0; i < part_count; i++) {
        size_t skipped = done < parts[i].iov_len ? done : parts[i].iov_len;
        size_t left = parts[i].iov_len - skipped;
        done -= skipped;
        if (left != 0) {
            memcpy(frames->unsent + filled, (const uint8_t *)parts[i].iov_base + skipped, left);
            filled += left;
        }
    }
    return true;
}

/* The lock is held, and nothing is left of an earlier frame. */
static enum pv_result send_frame(int socket, struct pv_frames *frames,
                                 const struct pv_packet_parts *packet, bool wait, bool *sent)
{
    uint8_t length[LENGTH_SIZE];
    struct iovec parts[1 + PARTS_MAX] = {{.iov_base = length, .iov_len = sizeof(length)}};
    size_t size = 0;
    PV_ASSERT(packet->part_count <= PARTS_MAX);
    for (size_t i = 0; i < packet->part_count; i++) {
        parts[1 + i] = packet->parts[i];
        size += packet->parts[i].iov_len;
    }
    if (size == 0 || size > PV_PACKET_SIZE_MAX) {
        errno = EMSGSIZE;
        return PV_HOST_FAILED;
    }
    for (size_t i = 0; i < LENGTH_SIZE; i++) {
        length[i] = (uint8_t)(size >> (8 * i));
    }
    ssize_t put;
    while ((put = pv_fd_send_once(socket, parts, 1 + packet->part_count, packet->fds,
                                  packet->fd_count, MSG_DONTWAIT)) < 0) {
        if (is_full()) {
            struct pollfd room = {.fd = socket, .events = POLLOUT};
            if (!wait) {
                return PV_OK;
            }
            (void)poll(&room, 1, -1);
        } else if (errno != EINTR) {
            return result_of_errno();
        }
    }
    size_t whole = LENGTH_SIZE + size;
    *sent = true;
    if ((size_t)put == whole) {
        return PV_OK;
    }
    if (!keep_rest(frames, parts, 1 + packet->part_count, whole, (size_t)put)) {
        frames->is_cut = true;
        return PV_NO_MEMORY;
    }
    return send_rest(socket, frames, wait);
}

enum pv_result pv_packets_send(struct pv_packets *packets, const struct pv_packet_parts *packet,
                               bool wait, bool *sent)
{
    struct pv_frames *frames = packets->frames;
    *sent = false;
    pthread_mutex_lock(&frames->lock);
    enum pv_result result =
        frames->is_cut ? PV_NO_MEMORY : send_rest(packets->socket, frames, wait);
    if (result == PV_OK && frames->unsent == NULL) {
        result = send_frame(packets->socket, frames, packet, wait, sent);
    }
    pthread_mutex_unlock(&frames->lock);
    return result;
}

bool pv_packets_is_behind(const struct pv_packets *packets)
{
    pthread_mutex_lock(&packets->frames->lock);
    bool is_behind = packets->frames->unsent != NULL;
    pthread_mutex_unlock(&packets->frames->lock);
    return is_behind;
}

enum pv_result pv_packets_flush(struct pv_packets *packets)
{
    pthread_mutex_lock(&packets->frames->lock);
    enum pv_result result = send_rest(packets->socket, packets->frames, false);
    pthread_mutex_unlock(&packets->frames->lock);
    return result;
}

/* --- receiving ---------------------------------------------------------------------------------
 */

/* Of the frame whose length is here; 0 where it cannot be one. */
static size_t frame_size(const struct pv_frames *frames)
{
    size_t size = 0;
    for (size_t i = 0; i < LENGTH_SIZE; i++) {
        size |= (size_t)frames->length[i] << (8 * i);
    }
    return size <= PV_PACKET_SIZE_MAX ? size : 0;
}

/* Where the next bytes go, and how many may come: never any of the next frame, whose descriptors
 * would come with them. */
static struct iovec missing(struct pv_frames *frames)
{
    if (frames->received < LENGTH_SIZE) {
        return (struct iovec){frames->length + frames->received, LENGTH_SIZE - frames->received};
    }
    size_t done = frames->received - LENGTH_SIZE;
    return (struct iovec){frames->bytes + done, frame_size(frames) - done};
}

/* PV_OK and *empty: nothing is there now. */
static enum pv_result receive_some(int socket, struct pv_frames *frames, bool wait, bool *empty)
{
    struct iovec room = missing(frames);
    int fd = -1;
    struct pv_fd_taken taken = {.fds = &fd, .limit = 1};
    ssize_t got;
    uint32_t resets = 0;
    do {
        int flags = wait ? 0 : MSG_DONTWAIT;
        got = pv_fd_receive_once(socket, room.iov_base, room.iov_len, &flags, &taken);
        /* ECONNRESET may come once, in front of what the other side had sent before it went. */
    } while (got < 0 && (errno == EINTR || (errno == ECONNRESET && resets++ == 0)));
    *empty = got < 0 && is_full();
    if (*empty) {
        struct pollfd ready = {.fd = socket, .events = POLLIN};
        if (wait) {
            (void)poll(&ready, 1, -1); /* somebody has made the socket a non-blocking one */
        }
        return PV_OK;
    }
    if (got <= 0) {
        return PV_CLOSED;
    }
    frames->received += (size_t)got;
    frames->fd_count += taken.too_many ? 2 : (uint32_t)taken.count;
    if (fd >= 0 && frames->fd < 0) {
        frames->fd = fd;
    } else {
        pv_fd_close(&fd);
    }
    return PV_OK;
}

enum pv_result pv_packets_receive(struct pv_packets *packets, bool wait, uint8_t *bytes,
                                  struct pv_packet *packet)
{
    struct pv_frames *frames = packets->frames;
    *packet = (struct pv_packet){.fd = -1};
    if (frames->bytes == NULL) {
        frames->bytes = malloc(PV_PACKET_SIZE_MAX);
    }
    if (frames->bytes == NULL) {
        return PV_NO_MEMORY;
    }
    if (frames->is_broken) {
        return PV_GUEST_FAULT;
    }
    while (frames->received < LENGTH_SIZE || frames->received < LENGTH_SIZE + frame_size(frames)) {
        bool empty;
        enum pv_result result = receive_some(packets->socket, frames, wait, &empty);
        if (result == PV_OK && frames->received >= LENGTH_SIZE && frame_size(frames) == 0) {
            frames->is_broken = true;
            result = PV_GUEST_FAULT;
        }
        if (result != PV_OK) {
            pv_fd_close(&frames->fd);
            return result;
        }
        if (empty && !wait) {
            return PV_OK;
        }
    }
    packet->size = frame_size(frames);
    packet->fd = frames->fd;
    packet->fd_count = frames->fd_count;
    memcpy(bytes, frames->bytes, packet->size);
    frames->received = 0;
    frames->fd = -1;
    frames->fd_count = 0;
    return PV_OK;
}
