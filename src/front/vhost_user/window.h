#ifndef PV_FRONT_VHOST_USER_WINDOW_H
#define PV_FRONT_VHOST_USER_WINDOW_H

#include "base/attributes.h"
#include "base/log.h"
#include "base/result.h"
#include "front/vhost_user/channel.h"

#include <stdbool.h>
#include <stdint.h>

/* The guest's window onto blobs. The front-end maps them, as we ask over the back-end channel: one
 * request at a time, whose reply is read when it comes. Never waited for: while the front-end maps,
 * it may itself wait for us to answer on its own socket that guest memory has changed. */

/* QEMU takes each mapping for a region of guest memory, and aborts, with its guest, when it has
 * more than 512 of those to announce. The guest's RAM needs some, too: about 4, more with hot-plug.
 */
enum { PV_VHOST_MAPPINGS_MAX = 480 };

struct pv_vhost_operation;
struct pv_vhost_live;

struct pv_vhost_window {
    const struct pv_log *log; /* borrowed */
    uint64_t page_bytes;
    struct pv_vhost_channel channel;  /* its socket is -1 while there is none */
    bool is_usable;                   /* the front-end knows what the window needs */
    struct pv_log_budget complaints;  /* about the guest, and the front-end */
    bool is_sent;                     /* the first operation is; its reply is awaited */
    struct pv_vhost_operation *first; /* in the order in which they were asked for */
    struct pv_vhost_operation **last;
    struct pv_vhost_live *live; /* what is mapped, or will be */
    uint32_t live_count;
    void (*finished)(void *user, uint64_t token, bool ok);
    void *user;
};

/* `finished`: called for each operation with a token; also from inside of the calls below. */
void pv_vhost_window_init(struct pv_vhost_window *window, const struct pv_log *log,
                          void (*finished)(void *user, uint64_t token, bool ok), void *user);
void pv_vhost_window_finish(struct pv_vhost_window *window);

/* Asks for a mapping of `fd` (which stays the caller's) from its first byte on, and for its end.
 * A `token` of 0: nobody wants to know. */
void pv_vhost_window_map(struct pv_vhost_window *window, uint64_t token, uint64_t offset,
                         uint64_t size, int fd);
void pv_vhost_window_unmap(struct pv_vhost_window *window, uint64_t token, uint64_t offset,
                           uint64_t size);

/* Nobody waits any more for what was asked for; all that is mapped goes. */
void pv_vhost_window_reset(struct pv_vhost_window *window);

/* The same where the front-end has taken away by itself what is mapped. */
void pv_vhost_window_forget(struct pv_vhost_window *window);

/* Whether it is a file of ours: the front-end announces what it has mapped as guest memory. */
bool pv_vhost_window_knows(const struct pv_vhost_window *window, int fd);

/* Reads replies. Fails when the front-end has hung up, or answers what was not asked. */
PV_NODISCARD enum pv_result pv_vhost_window_dispatch(struct pv_vhost_window *window);

#endif
