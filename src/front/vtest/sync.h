#ifndef PV_FRONT_VTEST_SYNC_H
#define PV_FRONT_VTEST_SYNC_H

#include "base/attributes.h"
#include "base/result.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A client's syncs: 64-bit counters, and waits for them.
 *
 * A wait is answered at once with the read end of a pipe. It becomes readable when the condition
 * holds, and hangs up without a byte when the context is lost or this process dies: the client
 * takes that for VK_ERROR_DEVICE_LOST, where an eventfd would leave it waiting for ever. */

enum {
    PV_VTEST_SYNCS_MAX = 64 * 1024,                /* alive at once */
    PV_VTEST_WAITS_MAX = 1024,                     /* in flight; each costs a descriptor */
    PV_VTEST_WAIT_ENTRIES_MAX = 64 * 1024,         /* of all waits in flight */
    PV_VTEST_SIGNAL_ENTRIES_MAX = 4 * 1024 * 1024, /* of all fences in flight */
};

struct pv_vtest_sync;
struct pv_vtest_wait;

struct pv_vtest_syncs {
    pthread_mutex_t lock;         /* guards all below */
    struct pv_vtest_sync **slots; /* by id − 1; NULL where there is none */
    uint32_t slot_count;          /* allocated */
    uint32_t next_slot;           /* where the search for a free one begins */
    uint32_t alive_count;
    struct pv_vtest_wait *waits;
    uint32_t wait_count, wait_entries;
    uint32_t signal_entries;
    uint32_t sweep_count; /* waits at which those that nobody reads any more are looked for */
    bool lost;
};

PV_NODISCARD enum pv_result pv_vtest_syncs_init(struct pv_vtest_syncs *syncs);
void pv_vtest_syncs_finish(struct pv_vtest_syncs *syncs);

/* PV_NO_MEMORY also when there are too many. */
PV_NODISCARD enum pv_result pv_vtest_syncs_create(struct pv_vtest_syncs *syncs, uint64_t value,
                                                  uint32_t *id);
/* These three: false when there is none with that id. Fences and waits that use a sync keep it. */
PV_NODISCARD bool pv_vtest_syncs_unref(struct pv_vtest_syncs *syncs, uint32_t id);
PV_NODISCARD bool pv_vtest_syncs_read(struct pv_vtest_syncs *syncs, uint32_t id, uint64_t *value);
PV_NODISCARD bool pv_vtest_syncs_write(struct pv_vtest_syncs *syncs, uint32_t id, uint64_t value);

/* `entries`: {id, value_lo, value_hi} each, in private memory. The read end is the caller's.
 * PV_GUEST_FAULT for an unknown id, PV_NO_MEMORY at a limit. */
PV_NODISCARD enum pv_result pv_vtest_syncs_wait(struct pv_vtest_syncs *syncs, bool any,
                                                uint32_t timeout_ms, const uint8_t *entries,
                                                uint32_t count, int *read_end);

/* Every wait that is in flight, or begins from now on, ends without a byte. Any thread. */
void pv_vtest_syncs_lose(struct pv_vtest_syncs *syncs);

/* What a fence does when it retires: sets counters. Holds references. PV_GUEST_FAULT for an unknown
 * id, PV_NO_MEMORY at a limit. */
struct pv_vtest_signal;
PV_NODISCARD enum pv_result pv_vtest_signal_create(struct pv_vtest_syncs *syncs,
                                                   const uint8_t *entries, uint32_t count,
                                                   struct pv_vtest_signal **signal);
/* Sets them and is gone. Any thread. */
void pv_vtest_signal_fire(struct pv_vtest_syncs *syncs, struct pv_vtest_signal *taken_signal);
/* Gone without effect. NULL is accepted. */
void pv_vtest_signal_drop(struct pv_vtest_syncs *syncs, struct pv_vtest_signal *taken_signal);

#endif
