#ifndef PV_FRONT_CONTEXT_SERVE_H
#define PV_FRONT_CONTEXT_SERVE_H

#include "base/log.h"

#include <pearvisor/context.h>
#include <pearvisor/renderer.h>
#include <stdint.h>

/* Serves one context of a device: the other end of isolate/remote.h. */

struct pv_context_serve_params {
    struct pv_renderer *renderer; /* NULL: the context is lost from the start */
    const struct pv_log *log;
    uint32_t context_id; /* for the log */
    struct pv_context_quota quota;

    /* A ring was set up: its status word is at `status_offset` of the memory behind `taken_fd`, for
     * whoever outlives this process. On the context's threads, one at a time. May be NULL. */
    void (*ring_created)(void *user, int taken_fd, uint64_t status_offset);

    /* The device has gone, and nothing is tidied up yet: a process that serves only this context
     * may exit here. `counts`: by command number, pv_command_count() of them. May be NULL. */
    void (*finished)(void *user, const struct pv_stats *stats, const uint64_t *counts);
    void *user;
};

/* Returns when the device has hung up, or broken the rules of messages.h. The socket stays the
 * caller's. SIGPIPE must be ignored in this process. The calling thread reads; a second one
 * executes what can take long, in the order in which it came. */
void pv_context_serve(int socket, const struct pv_context_serve_params *params);

#endif
