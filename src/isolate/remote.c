#include "isolate/remote.h"

#include "base/assert.h"
#include "base/checked.h"
#include "base/fd.h"
#include "base/poll_set.h"
#include "base/wake.h"
#include "blob/shm.h"
#include "isolate/messages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    /* Of answers in one dispatch, before others have their turn. */
    MESSAGES_MAX = 64,
    /* Fences, and blobs, that a guest may wait for at once. */
    PENDING_MAX = 64 * 1024,
    /* As in pearvisor/context.h. */
    KIND_SHM = 1,
    KIND_MEMORY = 2,
    KIND_LAST = 4,
    CACHING_LAST = 3,
};

/* A message that the socket could not take yet. */
struct packet {
    struct packet *next;
    enum pv_message_type type;
    int fd; /* a duplicate; -1: none */
    size_t size;
    uint8_t bytes[];
};

/* Something that the other side must answer. */
struct pending {
    struct pending *next;
    uint64_t id;
};

struct pendings {
    struct pending *first, *last;
    uint32_t count;
};

struct pv_remote {
    struct pv_remote_events events;
    struct pv_log log;
    struct pv_packets packets;  /* no socket: lost */
    struct pv_poll_set own_set; /* what the caller polls: the socket and the bell */
    struct pv_poll_set *set;    /* that one, or the caller's */
    void *set_user;
    struct pv_wake bell; /* a lost context has something to say */
    struct packet *first, *last;
    uint64_t pending_bytes, pending_bytes_limit;
    struct pendings blobs;                      /* by resource id */
    struct pendings fences[PV_FENCE_TIMELINES]; /* by fence id */
    bool is_watched;                            /* in the set */
    bool is_waiting;                            /* for room in the socket */
    bool is_lost, is_lost_told;
    const char *why;
    uint8_t *buffer; /* for one message */
};

/* --- what is pending ---------------------------------------------------------------------------
 */

static void append(struct pendings *pendings, uint64_t id)
{
    struct pending *made = malloc(sizeof(*made));
    PV_ASSERT(made != NULL); /* whoever waits for it would wait for ever */
    *made = (struct pending){.id = id};
    if (pendings->last != NULL) {
        pendings->last->next = made;
    } else {
        pendings->first = made;
    }
    pendings->last = made;
    pendings->count++;
}

/* Takes out the first one. False when there is none. */
static bool take(struct pendings *pendings, uint64_t *id)
{
    struct pending *taken = pendings->first;
    if (taken == NULL) {
        return false;
    }
    *id = taken->id;
    pendings->first = taken->next;
    if (taken->next == NULL) {
        pendings->last = NULL;
    }
    pendings->count--;
    free(taken);
    return true;
}

/* Takes out the first one if it is `id`: answers come in order. */
static bool take_expected(struct pendings *pendings, uint64_t id)
{
    uint64_t taken;
    return pendings->first != NULL && pendings->first->id == id && take(pendings, &taken);
}

static void drop_all(struct pendings *pendings)
{
    uint64_t id;
    while (take(pendings, &id)) {
    }
}

/* --- the queue ---------------------------------------------------------------------------------
 */

static void drop_packet(struct pv_remote *remote)
{
    struct packet *packet = remote->first;
    remote->first = packet->next;
    if (packet->next == NULL) {
        remote->last = NULL;
    }
    remote->pending_bytes -= sizeof(*packet) + packet->size;
    pv_fd_close(&packet->fd);
    free(packet);
}

static void hang_up(struct pv_remote *remote)
{
    while (remote->first != NULL) {
        drop_packet(remote);
    }
    if (remote->packets.socket >= 0) {
        if (remote->is_watched) {
            pv_poll_set_remove(remote->set, remote->packets.socket);
        }
        pv_packets_close(&remote->packets);
    }
}

/* `why` is static; NULL: the other side has gone. */
static void lose(struct pv_remote *remote, const char *why)
{
    if (!remote->is_lost) {
        remote->is_lost = true;
        remote->why = why;
        hang_up(remote);
        pv_wake_raise(&remote->bell);
    }
}

/* Listens for room in the socket only while something waits for it. */
static void watch_socket(struct pv_remote *remote)
{
    bool is_waiting = remote->first != NULL || pv_packets_is_behind(&remote->packets);
    if (is_waiting != remote->is_waiting) {
        remote->is_waiting = is_waiting;
        pv_poll_set_change(remote->set, remote->packets.socket,
                           PV_POLL_READABLE | (is_waiting ? (uint32_t)PV_POLL_WRITABLE : 0),
                           remote->set_user);
    }
}

/* Sends at once where nothing waits before it. Where the other side has gone, what it had to say
 * can still be read: that is left to the next dispatch, which finds the end behind it. */
static bool send_now(struct pv_remote *remote, enum pv_message_type type, const void *head,
                     size_t head_size, const void *tail, size_t tail_size, int fd)
{
    bool sent = false;
    enum pv_result result =
        pv_message_try_send(&remote->packets, type, head, head_size, tail, tail_size, fd, &sent);
    if (result == PV_HOST_FAILED || result == PV_NO_MEMORY) {
        pv_log_error(&remote->log, "cannot reach its worker: %s", strerror(errno));
        lose(remote, "its worker cannot be reached");
    } else if (sent) {
        watch_socket(remote);
    }
    return sent || result != PV_OK;
}

static struct packet *new_packet(enum pv_message_type type, const void *head, size_t head_size,
                                 const void *tail, size_t tail_size, int fd)
{
    struct packet *packet = malloc(sizeof(*packet) + head_size + tail_size);
    if (packet == NULL) {
        return NULL;
    }
    *packet = (struct packet){.type = type, .fd = -1, .size = head_size + tail_size};
    memcpy(packet->bytes, head, head_size);
    if (tail_size != 0) {
        memcpy(packet->bytes + head_size, tail, tail_size);
    }
    if (fd >= 0) {
        packet->fd = pv_fd_duplicate(fd);
        if (packet->fd < 0) {
            free(packet);
            return NULL;
        }
    }
    return packet;
}

static void request(struct pv_remote *remote, enum pv_message_type type, const void *head,
                    size_t head_size, const void *tail, size_t tail_size, int fd)
{
    if (remote->is_lost ||
        (remote->first == NULL && send_now(remote, type, head, head_size, tail, tail_size, fd))) {
        return;
    }
    uint64_t cost = sizeof(struct packet) + head_size + tail_size;
    if (cost > remote->pending_bytes_limit - remote->pending_bytes) {
        lose(remote, "more requests wait than there may be");
        return;
    }
    struct packet *packet = new_packet(type, head, head_size, tail, tail_size, fd);
    if (packet == NULL) {
        lose(remote, "a request finds no memory, or no descriptor, to wait in");
        return;
    }
    remote->pending_bytes += cost;
    if (remote->last != NULL) {
        remote->last->next = packet;
        remote->last = packet;
    } else {
        remote->first = remote->last = packet;
        watch_socket(remote);
    }
}

static void flush(struct pv_remote *remote)
{
    (void)!pv_packets_flush(&remote->packets); /* an end is found by reading */
    while (remote->first != NULL && send_now(remote, remote->first->type, remote->first->bytes,
                                             remote->first->size, NULL, 0, remote->first->fd)) {
        if (remote->is_lost) {
            return;
        }
        drop_packet(remote);
    }
    watch_socket(remote);
}

/* --- answers -----------------------------------------------------------------------------------
 */

/* What may be mapped without a fault later: no more than there is; of a file only what nobody can
 * take away again, whatever its sender calls it. 0: nothing. */
static uint64_t mappable_size(const struct pv_blob_reply *reply, int fd)
{
    bool is_sealed = pv_shm_is_sealed(fd); /* before its size is looked at */
    uint64_t real_size;
    if (pv_shm_measure(fd, &real_size) || reply->kind <= KIND_MEMORY) {
        real_size = is_sealed ? real_size : 0;
    } else {
        off_t end = lseek(fd, 0, SEEK_END); /* of a dma-buf; others do not tell */
        real_size = end > 0 ? (uint64_t)end : UINT64_MAX;
    }
    uint64_t size = real_size < reply->map_size ? real_size : reply->map_size;
    return size & ~((uint64_t)sysconf(_SC_PAGESIZE) - 1);
}

/* False for nonsense. Takes the descriptor. */
static bool on_blob_created(struct pv_remote *remote, const struct pv_message *message)
{
    struct pv_blob_reply reply;
    memcpy(&reply, message->payload, sizeof(reply));
    int fd = message->fd;
    bool is_good = reply.result <= PV_CLOSED && (reply.result == PV_OK) == (fd >= 0);
    uint64_t map_size = 0;
    if (is_good && fd >= 0) {
        map_size = mappable_size(&reply, fd);
        is_good = reply.kind >= KIND_SHM && reply.kind <= KIND_LAST && reply.caching >= 1 &&
                  reply.caching <= CACHING_LAST && map_size != 0;
    }
    if (!is_good || !take_expected(&remote->blobs, reply.resource_id)) {
        pv_fd_close(&fd);
        return false;
    }
    const struct pv_remote_blob blob = {
        .taken_fd = fd,
        .map_size = map_size,
        .caching = reply.caching,
        .kind = reply.kind,
    };
    remote->events.blob_created(remote->events.user, reply.resource_id,
                                (enum pv_result)reply.result, fd >= 0 ? &blob : NULL);
    return true;
}

static bool on_fence_retired(struct pv_remote *remote, const struct pv_message *message)
{
    struct pv_fence_word word;
    memcpy(&word, message->payload, sizeof(word));
    if (word.ring_idx >= PV_FENCE_TIMELINES ||
        !take_expected(&remote->fences[word.ring_idx], word.fence_id)) {
        return false;
    }
    remote->events.fence_retired(remote->events.user, word.ring_idx, word.fence_id);
    return true;
}

static bool on_message(struct pv_remote *remote, const struct pv_message *message)
{
    switch (message->type) {
    case PV_MESSAGE_BLOB_CREATED:
        return on_blob_created(remote, message);
    case PV_MESSAGE_FENCE_RETIRED:
        return on_fence_retired(remote, message);
    default: /* LOST: the table lets nothing else through */
        lose(remote, "its guest broke the protocol, or the GPU was lost");
        return true;
    }
}

static void read_messages(struct pv_remote *remote)
{
    for (uint32_t count = 0; count < MESSAGES_MAX && !remote->is_lost; count++) {
        struct pv_message message;
        enum pv_result result = pv_message_receive(&remote->packets, PV_MESSAGE_FROM_CONTEXT, false,
                                                   remote->buffer, &message);
        if (result == PV_CLOSED) {
            lose(remote, NULL);
        } else if (result != PV_OK || (message.type != 0 && !on_message(remote, &message))) {
            pv_log_error(&remote->log, "its worker said something impossible");
            lose(remote, "its worker said something impossible");
        } else if (message.type == 0) {
            return;
        }
    }
}

/* What was asked for meanwhile, from inside of the callbacks too, rings the bell again. */
static void answer_lost(struct pv_remote *remote)
{
    pv_wake_take(&remote->bell);
    if (!remote->is_lost_told) {
        remote->is_lost_told = true;
        remote->events.lost(remote->events.user, remote->why);
    }
    uint64_t id;
    for (uint32_t count = remote->blobs.count; count > 0 && take(&remote->blobs, &id); count--) {
        remote->events.blob_created(remote->events.user, (uint32_t)id, PV_HOST_FAILED, NULL);
    }
    for (uint32_t i = 0; i < PV_FENCE_TIMELINES; i++) {
        struct pendings *fences = &remote->fences[i];
        for (uint32_t count = fences->count; count > 0 && take(fences, &id); count--) {
            remote->events.fence_retired(remote->events.user, i, id);
        }
    }
}

/* --- its caller's side -------------------------------------------------------------------------
 */

static bool watch(struct pv_remote *remote)
{
    struct pv_poll_set *set = remote->set;
    if (pv_poll_set_add(set, remote->bell.read_end, PV_POLL_READABLE, remote->set_user) != PV_OK) {
        return false;
    }
    remote->is_watched = true;
    return pv_poll_set_add(set, remote->packets.socket, PV_POLL_READABLE, remote->set_user) ==
           PV_OK;
}

enum pv_result pv_remote_create(const struct pv_remote_params *params, struct pv_remote **remote)
{
    *remote = NULL;
    struct pv_remote *made = calloc(1, sizeof(*made));
    int socket = params->taken_socket;
    if (made == NULL) {
        pv_fd_close(&socket);
        return PV_NO_MEMORY;
    }
    made->packets.socket = socket;
    made->own_set.fd = -1;
    made->set = params->set != NULL ? params->set : &made->own_set;
    made->set_user = params->set_user;
    made->bell = (struct pv_wake)PV_WAKE_NONE;
    made->events = params->events;
    made->log = *params->log;
    made->log.context_id = params->id;
    made->pending_bytes_limit = params->pending_bytes_limit;
    made->buffer = malloc(PV_MESSAGE_SIZE_MAX);
    if (made->buffer == NULL || pv_packets_init(&made->packets, socket) != PV_OK ||
        (params->set == NULL && pv_poll_set_init(&made->own_set) != PV_OK) ||
        pv_wake_init(&made->bell) != PV_OK || !watch(made)) {
        pv_remote_destroy(made);
        return PV_HOST_FAILED;
    }
    *remote = made;
    return PV_OK;
}

void pv_remote_destroy(struct pv_remote *remote)
{
    if (remote == NULL) {
        return;
    }
    hang_up(remote);
    drop_all(&remote->blobs);
    for (uint32_t i = 0; i < PV_FENCE_TIMELINES; i++) {
        drop_all(&remote->fences[i]);
    }
    if (remote->is_watched) {
        pv_poll_set_remove(remote->set, remote->bell.read_end);
    }
    pv_poll_set_finish(&remote->own_set);
    pv_wake_finish(&remote->bell);
    free(remote->buffer);
    free(remote);
}

int pv_remote_poll_fd(const struct pv_remote *remote)
{
    PV_ASSERT(remote->set == &remote->own_set);
    return remote->own_set.fd;
}

void pv_remote_dispatch(struct pv_remote *remote)
{
    if (!remote->is_lost) {
        read_messages(remote);
    }
    if (!remote->is_lost) {
        flush(remote);
    }
    if (remote->is_lost) {
        answer_lost(remote);
    }
    if (remote->set == &remote->own_set) {
        pv_poll_set_listen(remote->set);
    }
}

bool pv_remote_is_lost(const struct pv_remote *remote)
{
    return remote->is_lost;
}

uint64_t pv_remote_pending_bytes(const struct pv_remote *remote)
{
    return remote->pending_bytes;
}

void pv_remote_submit(struct pv_remote *remote, const void *bytes, uint64_t size_bytes)
{
    if (size_bytes > PV_SUBMIT_SIZE_MAX) {
        lose(remote, "a command stream that is too long");
        return;
    }
    const struct pv_submit_piece head = {.size_bytes = size_bytes};
    for (uint64_t done = 0; done < size_bytes;) {
        uint64_t left = size_bytes - done;
        size_t piece = left < PV_SUBMIT_PIECE_MAX ? (size_t)left : PV_SUBMIT_PIECE_MAX;
        request(remote, PV_MESSAGE_SUBMIT, &head, sizeof(head), (const uint8_t *)bytes + done,
                piece, -1);
        done += piece;
    }
}

/* Remembers what must be answered, of a lost context too. */
static void expect(struct pv_remote *remote, struct pendings *pendings, uint64_t id)
{
    append(pendings, id);
    if (pendings->count > PENDING_MAX) {
        lose(remote, "more of its requests wait for an answer than may");
    }
    if (remote->is_lost) {
        pv_wake_raise(&remote->bell);
    }
}

void pv_remote_fence(struct pv_remote *remote, uint32_t ring_idx, uint64_t fence_id)
{
    PV_ASSERT(ring_idx < PV_FENCE_TIMELINES);
    expect(remote, &remote->fences[ring_idx], fence_id);
    const struct pv_fence_word word = {.ring_idx = ring_idx, .fence_id = fence_id};
    request(remote, PV_MESSAGE_FENCE, &word, sizeof(word), NULL, 0, -1);
}

void pv_remote_create_blob(struct pv_remote *remote, uint32_t resource_id, uint64_t blob_id,
                           uint32_t flags, uint64_t size_bytes)
{
    expect(remote, &remote->blobs, resource_id);
    const struct pv_blob_request blob = {
        .blob_id = blob_id,
        .size_bytes = size_bytes,
        .resource_id = resource_id,
        .flags = flags,
    };
    request(remote, PV_MESSAGE_BLOB, &blob, sizeof(blob), NULL, 0, -1);
}

void pv_remote_attach(struct pv_remote *remote, uint32_t resource_id, uint32_t kind, int fd,
                      uint64_t size_bytes)
{
    const struct pv_attach_request attach = {
        .size_bytes = size_bytes,
        .resource_id = resource_id,
        .kind = kind,
    };
    request(remote, PV_MESSAGE_ATTACH, &attach, sizeof(attach), NULL, 0, fd);
}

void pv_remote_unref(struct pv_remote *remote, uint32_t resource_id)
{
    const struct pv_unref_request unref = {.resource_id = resource_id};
    request(remote, PV_MESSAGE_UNREF, &unref, sizeof(unref), NULL, 0, -1);
}

uint32_t pv_remote_blob_limit(void)
{
    struct rlimit descriptors;
    if (getrlimit(RLIMIT_NOFILE, &descriptors) != 0 || descriptors.rlim_cur > UINT32_MAX) {
        return UINT32_MAX;
    }
    return (uint32_t)(descriptors.rlim_cur - descriptors.rlim_cur / 4);
}

int pv_remote_shm_create(uint64_t size_bytes)
{
    uint64_t size;
    if (size_bytes == 0 || !pv_checked_align(size_bytes, (uint64_t)sysconf(_SC_PAGESIZE), &size)) {
        errno = EINVAL;
        return -1;
    }
    return pv_shm_create(size);
}
