#ifndef PV_ISOLATE_HOSTS_H
#define PV_ISOLATE_HOSTS_H

#include "base/attributes.h"
#include "base/log.h"
#include "base/result.h"
#include "isolate/host_setup.h"

#include <stdint.h>

/* Where the other ends of contexts (remote.h) come from: a worker process for each, or a thread of
 * this process. One thread. */
struct pv_hosts;

struct pv_hosts_params {
    const struct pv_log *log; /* borrowed, like all below */
    /* Threads of this process: serves a context at `taken_socket` until the other side hangs up, on
     * a thread that is started for it. NULL: workers, and the rest says how. */
    void (*serve)(void *user, uint32_t context_id, int taken_socket);
    void *user;
    const struct pv_worker_setup *setup; /* of host_setup.h */
    const char *program;                 /* NULL: pv_worker_program() */
    uint32_t limit;                      /* contexts at once */
    uint64_t retry_delay_ns;             /* as in workers.h */
};

PV_NODISCARD enum pv_result pv_hosts_create(const struct pv_hosts_params *params,
                                            struct pv_hosts **hosts);
/* Every remote is destroyed by now. Ends workers, joins threads. NULL is accepted. */
void pv_hosts_destroy(struct pv_hosts *hosts);
/* As in workers.h. */
int pv_hosts_poll_fd(const struct pv_hosts *hosts);
int pv_hosts_timeout_ms(const struct pv_hosts *hosts);
void pv_hosts_dispatch(struct pv_hosts *hosts);
uint32_t pv_hosts_process_count(const struct pv_hosts *hosts);
/* Our end of a new context's socket. It can be written to at once: if no spare worker is ready,
 * what is written waits for one. PV_NO_MEMORY at the limit, PV_HOST_FAILED when none can be had. */
PV_NODISCARD enum pv_result pv_hosts_open(struct pv_hosts *hosts, uint32_t context_id,
                                          int *taken_socket);

#endif
