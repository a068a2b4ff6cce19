#ifndef PV_FRONT_VHOST_USER_QUEUE_H
#define PV_FRONT_VHOST_USER_QUEUE_H

#include "base/attributes.h"
#include "base/log.h"
#include "base/result.h"
#include "front/vhost_user/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A split virtqueue (virtio 1.3, section 2.7), seen from the device. Requests are copied out of
 * the guest's memory once; answers go back in any order. Only the guest's memory, never a pointer
 * into it, outlives a call. */

enum {
    PV_VHOST_QUEUE_SIZE_MAX = 1024,
    PV_VHOST_CHAIN_MAX = 1024, /* descriptors; the Linux driver's largest has about 300 */
};

struct pv_vhost_segment {
    uint64_t guest_address;
    uint32_t size;
};

/* A descriptor chain that the guest has made available; its place is its head's. */
struct pv_vhost_chain {
    bool is_pending;
    uint32_t segment_count, segment_room;
    struct pv_vhost_segment *segments; /* the writable part */
    uint8_t *kept;                     /* its answer, which came while the queue stood still */
    size_t kept_size;
};

struct pv_vhost_queue {
    const struct pv_log *log; /* borrowed */
    uint32_t index;
    uint32_t size;                         /* a power of two; 0: not said yet */
    uint64_t descriptors, available, used; /* addresses of the front-end's */
    int kick, call;                        /* -1: none */
    bool is_started;                       /* between SET_VRING_KICK and GET_VRING_BASE */
    bool is_enabled;
    bool is_broken;                   /* by its guest, until it starts again */
    bool has_complained;              /* likewise: guests cannot flood the log */
    bool has_event_idx, has_indirect; /* features that the guest's driver has taken */
    uint16_t next_available, next_used;
    bool wants_interrupt;
    uint32_t kept_count;
    struct pv_vhost_chain *chains; /* PV_VHOST_QUEUE_SIZE_MAX */
};

/* What was taken out of the queue. `bytes` is the caller's room. */
struct pv_vhost_taken {
    uint8_t *bytes;
    size_t room;
    size_t size; /* of the request; `room` if it is as large or larger */
    size_t response_capacity;
    uint16_t head;
};

PV_NODISCARD enum pv_result pv_vhost_queue_init(struct pv_vhost_queue *queue, uint32_t index,
                                                const struct pv_log *log);
void pv_vhost_queue_finish(struct pv_vhost_queue *queue);

/* Takes the eventfd that kicks it. PV_GUEST_FAULT: its size was never said. */
PV_NODISCARD enum pv_result pv_vhost_queue_start(struct pv_vhost_queue *queue,
                                                 const struct pv_vhost_memory *memory,
                                                 int taken_kick);
/* Nothing of it is touched any more. Requests stay pending; answers wait for the next start. */
void pv_vhost_queue_stop(struct pv_vhost_queue *queue);
/* Forgets pending requests. */
void pv_vhost_queue_drop(struct pv_vhost_queue *queue);

enum pv_vhost_take {
    PV_VHOST_EMPTY,   /* and the guest will kick us when it is not; or the queue stands still */
    PV_VHOST_REQUEST, /* there is one; pv_vhost_queue_give() must follow */
    PV_VHOST_REFUSED, /* there was a chain that makes no sense; the guest has it back */
};
PV_NODISCARD enum pv_vhost_take pv_vhost_queue_take(struct pv_vhost_queue *queue,
                                                    const struct pv_vhost_memory *memory,
                                                    struct pv_vhost_taken *taken);

/* Answers the pending chain with that head. */
void pv_vhost_queue_give(struct pv_vhost_queue *queue, const struct pv_vhost_memory *memory,
                         uint16_t head, const void *response, size_t size);

/* Interrupts the guest if it wants that for what was given since the last time. */
void pv_vhost_queue_interrupt(struct pv_vhost_queue *queue);

#endif
