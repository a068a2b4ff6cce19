#ifndef PV_FRONT_VTEST_VTEST_H
#define PV_FRONT_VTEST_VTEST_H

#include "base/log.h"

#include <pearvisor/context.h>
#include <pearvisor/renderer.h>
#include <stdbool.h>
#include <stdint.h>

/* Serves one vtest client: Mesa's Venus driver with VN_DEBUG=vtest, over a unix stream socket. */

enum { PV_VTEST_CLIENT_NAME_SIZE = 64 };

struct pv_vtest_params {
    struct pv_renderer *renderer; /* NULL: the client is told that there is no Venus here */
    const struct pv_log *log;
    uint32_t context_id; /* for the log */
    struct pv_context_quota quota;
    uint32_t linger_ms; /* how long a client that broke the protocol is kept; 0: 10 s */

    /* A ring was set up: its status word is at `status_offset` of the memory behind `taken_fd`, for
     * whoever outlives this process. May be NULL. */
    void (*ring_created)(void *user, int taken_fd, uint64_t status_offset);

    /* The client has gone, and nothing is tidied up yet: a process that serves only this client may
     * exit here. `counts`: by command number, pv_command_count() of them. May be NULL. */
    void (*finished)(void *user, const char *client_name, const struct pv_stats *stats,
                     const uint64_t *counts);
    void *user;
};

/* Returns when the client has gone, or was sent away. The socket stays the caller's. SIGPIPE must
 * be ignored in this process. The calling thread reads requests and answers; a second one executes
 * what can take long, in the order in which it came. */
void pv_vtest_serve(int socket, const struct pv_vtest_params *params);

#endif
