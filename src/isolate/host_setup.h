#ifndef PV_ISOLATE_HOST_SETUP_H
#define PV_ISOLATE_HOST_SETUP_H

#include "base/attributes.h"
#include "base/log.h"
#include "base/result.h"
#include "isolate/icd.h"
#include "isolate/messages.h"

#include <stdbool.h>
#include <stdint.h>

/* What workers of this host are given: drivers, what the sandbox leaves readable, and an
 * environment. */

struct pv_worker_setup_params {
    const char *gpu;    /* as in pv_renderer_params; NULL: all */
    const char *driver; /* a driver's manifest; NULL: all of the host's own */
    bool allow_venus;   /* a driver that is named may be Venus in any case */
    bool without_cache; /* drivers keep no compiled shaders */
    uint32_t waiting;   /* enum pv_waiting */
    enum pv_log_level log_level;
};

struct pv_worker_setup {
    struct pv_setup setup;
    char drivers[PV_ICD_LIST_SIZE]; /* manifests, with colons in between */
    char **environment;
};

/* PV_UNSUPPORTED when the host has no driver, or what was named cannot be one; then it need not be
 * finished. */
PV_NODISCARD enum pv_result pv_worker_setup_init(struct pv_worker_setup *setup,
                                                 const struct pv_worker_setup_params *params);
/* Zeroes are accepted. */
void pv_worker_setup_finish(struct pv_worker_setup *setup);

/* The program whose subcommand `worker` is to be started: $PEARVISOR_PROGRAM, or the one that was
 * built or installed together with this code. False when there is none. */
PV_NODISCARD bool pv_worker_program(char path[PV_SETUP_PATH_SIZE]);

#endif
