#ifndef PV_ISOLATE_WORKER_H
#define PV_ISOLATE_WORKER_H

#include "base/attributes.h"
#include "base/log.h"
#include "base/result.h"
#include "isolate/messages.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The parent's side of one worker process. Inside of isolate/: see workers.h. */

/* Each costs a descriptor: the first, at which clients look when they ask whether we are alive, and
 * the latest. */
enum { PV_WORKER_RINGS_MAX = 16 };

struct pv_worker {
    struct pv_worker *next;
    pid_t pid;
    int process; /* of process.h: readable when it has ended; -1: the control socket tells */
    struct pv_packets control; /* our end of the connection; no socket: closed */
    int client;           /* a duplicate of its client's socket, to see it hang up; -1: none yet */
    struct pv_client who; /* that client */
    bool is_probe;
    bool is_without_driver; /* which was given up: it tells clients so */
    bool is_ready;
    bool has_started;  /* has begun to read from its client */
    bool has_reported; /* has said what its client did */
    bool client_is_gone;
    bool has_ended;            /* waited for */
    uint64_t kill_deadline_ns; /* 0: none */
    uint64_t reap_after_ns;    /* it ends, and only asking tells when it has; 0: not so */
    struct {
        int memory; /* whose pages hold the status word */
        uint64_t status_offset;
    } rings[PV_WORKER_RINGS_MAX];
    uint32_t ring_count; /* that were reported, maybe more than are kept */
};

/* Starts `program worker` with `environment` and hands it its set-up. */
PV_NODISCARD enum pv_result pv_worker_spawn(const char *program, char *const *environment,
                                            const struct pv_setup *setup, const void *plans,
                                            size_t plans_size, const struct pv_log *log,
                                            struct pv_worker **worker);
/* Ends it if it has not ended, waits for it, and forgets it. NULL is accepted. */
void pv_worker_destroy(struct pv_worker *worker);

/* Keeps a ring's word; takes the descriptor. Refused if it is not sealed memory. */
void pv_worker_add_ring(struct pv_worker *worker, int taken_memory, uint64_t status_offset);
/* Sets FATAL in every ring, for a client that would else wait for a worker that is no more. */
void pv_worker_raise_fatal(struct pv_worker *worker);

void pv_worker_kill(struct pv_worker *worker);
/* If it has ended: waits for it and describes how ("killed by signal 9"). */
PV_NODISCARD bool pv_worker_reap(struct pv_worker *worker, char how[64]);

#endif
