#ifndef PV_ISOLATE_MESSAGES_H
#define PV_ISOLATE_MESSAGES_H

#include "base/attributes.h"
#include "base/result.h"
#include "isolate/packets.h"
#include "isolate/sandbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All that a worker and its parent say to each other, in packets (packets.h): one packet, one
 * message; and over another such connection, a context and the device that it belongs to. A worker
 * that a guest has taken over must find nothing here that harms the parent: sizes and descriptors
 * are checked against one table, and on Linux the parent never maps what it is handed.
 *
 *   parent → worker   SETUP    once, first: struct pv_setup, then the memory plans (maybe none)
 *   worker → parent   READY    once: struct pv_ready; the driver is loaded, if there is one
 *   worker → parent   PROBED   instead, from a probe: the memory plans; then it exits
 *   parent → worker   CLIENT   once: struct pv_client, and its socket
 *   worker → parent   STARTED  once: nothing of the client was read before it
 *   worker → parent   RING     for each ring: struct pv_ring_word, and the memory's descriptor
 *   worker → parent   STATS    at the end: struct pv_client_stats, then 64-bit counts by command
 *
 *   device → context  SUBMIT   struct pv_submit_piece, then a piece of a command stream
 *   device → context  FENCE    struct pv_fence_word: asks for it
 *   device → context  BLOB     struct pv_blob_request
 *   device → context  ATTACH   struct pv_attach_request, and the memory's descriptor
 *   device → context  UNREF    struct pv_unref_request
 *   context → device  BLOB_CREATED   for each BLOB, in order: struct pv_blob_reply, and the
 *                                    memory's descriptor if there is one
 *   context → device  FENCE_RETIRED  for each FENCE, in order within a timeline
 *   context → device  LOST           at most once: nothing works for this guest any more
 */
enum pv_message_type {
    PV_MESSAGE_SETUP = 1,
    PV_MESSAGE_READY,
    PV_MESSAGE_PROBED,
    PV_MESSAGE_CLIENT,
    PV_MESSAGE_STARTED,
    PV_MESSAGE_RING,
    PV_MESSAGE_STATS,
    PV_MESSAGE_SUBMIT,
    PV_MESSAGE_FENCE,
    PV_MESSAGE_BLOB,
    PV_MESSAGE_ATTACH,
    PV_MESSAGE_UNREF,
    PV_MESSAGE_BLOB_CREATED,
    PV_MESSAGE_FENCE_RETIRED,
    PV_MESSAGE_LOST,
    PV_MESSAGE_TYPE_COUNT,
};

/* Who listens to whom. */
enum pv_message_route {
    PV_MESSAGE_TO_WORKER,
    PV_MESSAGE_FROM_WORKER,
    PV_MESSAGE_TO_CONTEXT,
    PV_MESSAGE_FROM_CONTEXT,
};

enum {
    PV_MESSAGE_SIZE_MAX = PV_PACKET_SIZE_MAX,
    PV_SETUP_GPU_SIZE = 256,
    PV_SETUP_PATH_SIZE = 1024,
    PV_SETUP_READ_PATHS_MAX = 16,
    PV_CLIENT_NAME_SIZE = 64,
    PV_SUBMIT_PIECE_MAX = 64 * 1024,        /* of a command stream, in one message */
    PV_SUBMIT_SIZE_MAX = 256 * 1024 * 1024, /* of a whole one */
    PV_FENCE_TIMELINES = 256,               /* that ring_idx can name */
};

struct pv_setup {
    uint32_t log_level;   /* enum pv_log_level */
    uint32_t allow_venus; /* 0 or 1 */
    uint32_t probe;       /* 1: only probe, answer and exit */
    uint32_t waiting;     /* enum pv_waiting */
    uint32_t read_path_count;
    char gpu[PV_SETUP_GPU_SIZE];              /* empty: all */
    char cache_directory[PV_SETUP_PATH_SIZE]; /* empty: none */
    char read_paths[PV_SETUP_READ_PATHS_MAX][PV_SETUP_PATH_SIZE];
};

struct pv_ready {
    struct pv_sandbox_report sandbox;
    uint32_t has_renderer; /* 0: clients are told that there is no Venus here */
    uint32_t padding;
};

enum pv_client_kind {
    PV_CLIENT_VTEST,   /* a stream socket, whose other end is a program with Mesa's Venus */
    PV_CLIENT_CONTEXT, /* a packet socket, whose other end is a device (remote.h) */
};

struct pv_client {
    uint32_t context_id; /* for the log */
    uint32_t kind;       /* enum pv_client_kind */
};

/* Where a ring's status word is in the memory that comes with it. */
struct pv_ring_word {
    uint64_t status_offset;
};

struct pv_client_stats {
    char name[PV_CLIENT_NAME_SIZE]; /* printable, ends with NUL */
    uint64_t commands, replies, faults, objects_created, fences_retired;
    uint64_t elapsed_ns, stream_bytes;
    uint64_t ring_ns, ring_idle_ns;
    uint64_t latency_p50_ns, latency_p99_ns, latency_max_ns; /* of replies; less than that */
};

/* A piece of a command stream of `size_bytes`; the stream's pieces follow each other. */
struct pv_submit_piece {
    uint64_t size_bytes;
};

struct pv_fence_word {
    uint32_t ring_idx;
    uint32_t padding;
    uint64_t fence_id;
};

struct pv_blob_request {
    uint64_t blob_id;
    uint64_t size_bytes;
    uint32_t resource_id;
    uint32_t flags; /* enum pv_context_blob_flags */
};

struct pv_blob_reply {
    uint64_t map_size;
    uint32_t resource_id;
    uint32_t result;  /* enum pv_result; a descriptor comes with PV_OK alone */
    uint32_t caching; /* enum pv_context_map_caching */
    uint32_t kind;    /* enum pv_context_blob_kind */
};

struct pv_attach_request {
    uint64_t size_bytes;
    uint32_t resource_id;
    uint32_t kind; /* enum pv_context_blob_kind */
};

struct pv_unref_request {
    uint32_t resource_id;
};

/* PV_CLOSED when the other side has gone, PV_HOST_FAILED otherwise. `fd` is -1 for the types that
 * carry none; it stays the caller's. `tail` follows `head` and may be NULL with size 0. */
PV_NODISCARD enum pv_result pv_message_send(struct pv_packets *packets, enum pv_message_type type,
                                            const void *head, size_t head_size, const void *tail,
                                            size_t tail_size, int fd);

/* The same without waiting: PV_OK and *sent false where the socket has no room for it now. */
PV_NODISCARD enum pv_result pv_message_try_send(struct pv_packets *packets,
                                                enum pv_message_type type, const void *head,
                                                size_t head_size, const void *tail,
                                                size_t tail_size, int fd, bool *sent);

struct pv_message {
    enum pv_message_type type;
    const uint8_t *payload; /* in the caller's buffer */
    size_t size;
    int fd; /* the caller's now; -1 where there is none */
};

/* One message into `buffer` of PV_MESSAGE_SIZE_MAX bytes; others than those of `route` are none.
 * With `wait` false and nothing there, PV_OK with a type of 0. PV_CLOSED when the other
 * side has gone, PV_GUEST_FAULT for what is no message (nothing stays open). */
PV_NODISCARD enum pv_result pv_message_receive(struct pv_packets *packets,
                                               enum pv_message_route route, bool wait,
                                               uint8_t *buffer, struct pv_message *message);

#endif
