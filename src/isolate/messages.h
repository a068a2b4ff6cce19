#ifndef PV_ISOLATE_MESSAGES_H
#define PV_ISOLATE_MESSAGES_H

#include "base/attributes.h"
#include "base/result.h"
#include "isolate/sandbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All that a worker and its parent say to each other, over a SOCK_SEQPACKET pair: one packet, one
 * message. A worker that a guest has taken over must find nothing here that harms the parent: sizes
 * and descriptors are checked against one table, and the parent never maps what it is handed.
 *
 *   parent → worker   SETUP    once, first: struct pv_setup, then the memory plans (maybe none)
 *   worker → parent   READY    once: struct pv_ready; the driver is loaded, if there is one
 *   worker → parent   PROBED   instead, from a probe: the memory plans; then it exits
 *   parent → worker   CLIENT   once: struct pv_client, and the client's socket
 *   worker → parent   STARTED  once: nothing of the client was read before it
 *   worker → parent   RING     for each ring: struct pv_ring_word, and the memory's descriptor
 *   worker → parent   STATS    at the end: struct pv_client_stats, then 64-bit counts by command
 */
enum pv_message_type {
    PV_MESSAGE_SETUP = 1,
    PV_MESSAGE_READY,
    PV_MESSAGE_PROBED,
    PV_MESSAGE_CLIENT,
    PV_MESSAGE_STARTED,
    PV_MESSAGE_RING,
    PV_MESSAGE_STATS,
    PV_MESSAGE_TYPE_COUNT,
};

enum {
    PV_MESSAGE_SIZE_MAX = 160 * 1024, /* fits the default socket buffer */
    PV_SETUP_GPU_SIZE = 256,
    PV_SETUP_PATH_SIZE = 1024,
    PV_SETUP_READ_PATHS_MAX = 16,
    PV_CLIENT_NAME_SIZE = 64,
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

struct pv_client {
    uint32_t context_id;
};

/* Where a ring's status word is in the memory that comes with it. */
struct pv_ring_word {
    uint64_t status_offset;
};

struct pv_client_stats {
    char name[PV_CLIENT_NAME_SIZE]; /* printable, ends with NUL */
    uint64_t commands, replies, faults, objects_created, fences_retired;
};

/* PV_CLOSED when the other side has gone, PV_HOST_FAILED otherwise. `fd` is -1 for the types that
 * carry none; it stays the caller's. `tail` follows `head` and may be NULL with size 0. */
PV_NODISCARD enum pv_result pv_message_send(int socket, enum pv_message_type type, const void *head,
                                            size_t head_size, const void *tail, size_t tail_size,
                                            int fd);

struct pv_message {
    enum pv_message_type type;
    const uint8_t *payload; /* in the caller's buffer */
    size_t size;
    int fd; /* the caller's now; -1 for the types that carry none */
};

/* One message into `buffer` of PV_MESSAGE_SIZE_MAX bytes. `from_worker`: which direction is
 * expected. With `wait` false and nothing there, PV_OK with a type of 0. PV_CLOSED when the other
 * side has gone, PV_GUEST_FAULT for what is no message (nothing stays open). */
PV_NODISCARD enum pv_result pv_message_receive(int socket, bool from_worker, bool wait,
                                               uint8_t *buffer, struct pv_message *message);

#endif
