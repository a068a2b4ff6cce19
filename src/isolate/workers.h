#ifndef PV_ISOLATE_WORKERS_H
#define PV_ISOLATE_WORKERS_H

#include "base/attributes.h"
#include "base/log.h"
#include "base/result.h"
#include "isolate/messages.h"

#include <stdbool.h>
#include <stdint.h>

/* The worker processes of a server: one for each client, and a spare one with the driver already
 * loaded for the next. One thread. A worker that ends, however it ends, ends one client. */

struct pv_workers;

struct pv_workers_params {
    const struct pv_log *log;     /* borrowed, like all below */
    const char *program;          /* what is started, with the argument "worker" */
    char *const *environment;     /* theirs: see environment.h */
    const struct pv_setup *setup; /* theirs; `probe` is set as needed */
    uint32_t client_limit;        /* at once; at least 1 */
    /* From where a driver is given up, since its workers die one after the other, to where it is
     * tried again; 0: a minute. */
    uint64_t retry_delay_ns;
    /* The memory plans are known. Called once, before the first worker is started; `size` is 0 when
     * the probe has failed. May be NULL. */
    void (*probed)(void *user, const void *plans, size_t size);
    /* A client has gone. `counts` by command number. May be NULL. */
    void (*client_finished)(void *user, const struct pv_client_stats *stats, const uint64_t *counts,
                            size_t count);
    void *user;
};

/* Tells the log what a client has done that has gone. */
void pv_workers_log_client(const struct pv_log *log, const struct pv_client_stats *stats);

/* Starts the probe; the first spare worker follows when it has answered. */
PV_NODISCARD enum pv_result pv_workers_create(const struct pv_workers_params *params,
                                              struct pv_workers **workers);
/* Ends every worker; their clients are told. NULL is accepted. */
void pv_workers_destroy(struct pv_workers *workers);

/* Readable (poll it) when pv_workers_dispatch() has something to do. */
int pv_workers_poll_fd(const struct pv_workers *workers);
/* Milliseconds until pv_workers_dispatch() wants to be called in any case; -1: never. */
int pv_workers_timeout_ms(const struct pv_workers *workers);
/* Does what there is to do; does not block. */
void pv_workers_dispatch(struct pv_workers *workers);

/* Whether another client can be served now. If not, leave it in the listening socket's queue. */
bool pv_workers_has_room(const struct pv_workers *workers);
/* Gives a client to a worker, which may still be loading its driver; while there is none, the
 * client waits in a queue. Takes the socket. Clients that are served and that wait must be fewer
 * than the limit. A context_id of 0 is replaced by a number of our own. */
void pv_workers_serve(struct pv_workers *workers, struct pv_client client, int taken_socket);

/* How many clients are being served. */
uint32_t pv_workers_client_count(const struct pv_workers *workers);
/* How many wait for a worker. */
uint32_t pv_workers_waiting_count(const struct pv_workers *workers);
/* How many workers have a client, or had one and have not ended yet. */
uint32_t pv_workers_busy_count(const struct pv_workers *workers);
/* How many processes there are, spare and ending ones too. */
uint32_t pv_workers_process_count(const struct pv_workers *workers);

#endif
