#ifndef PV_FRONT_VHOST_USER_PRIVATE_H
#define PV_FRONT_VHOST_USER_PRIVATE_H

#include "front/vhost_user/channel.h"
#include "front/vhost_user/memory.h"
#include "front/vhost_user/queue.h"
#include "front/vhost_user/vhost_user.h"
#include "front/vhost_user/window.h"

/* Inside of the back-end: what its parts share. */

struct pv_vhost_user {
    const struct pv_log *log;
    struct pv_gpu *gpu;
    uint64_t window_bytes;
    struct pv_vhost_channel front;
    struct pv_vhost_window window;
    struct pv_vhost_memory memory;
    struct pv_vhost_queue queues[PV_GPU_QUEUE_COUNT];
    uint64_t features, protocol_features; /* that the front-end has taken */
    uint8_t *request;                     /* room for one */
    uint32_t blob_regions;                /* of memory that we have taken but that are blobs */
    bool is_used;                         /* the device has had a request since its last reset */
};

/* Does what the message in `front.input` asks, and replies. On failure *why says what was wrong
 * with it. */
PV_NODISCARD enum pv_result pv_vhost_user_handle(struct pv_vhost_user *vhost_user,
                                                 const char **why);

/* The device, as a guest finds it first; nothing that was asked of it is answered. */
void pv_vhost_user_reset(struct pv_vhost_user *vhost_user);

#endif
