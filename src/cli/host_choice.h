#ifndef PV_CLI_HOST_CHOICE_H
#define PV_CLI_HOST_CHOICE_H

#include "base/attributes.h"
#include "icd.h"
#include "isolate/messages.h"

#include <stdbool.h>

/* What --gpu and --driver say, and how a worker is set up for it. */

struct pv_host_choice {
    const char *gpu; /* NULL: all */
    char *driver;    /* absolute; NULL: all of the host's; for pv_host_choice_finish() */
};

/* Take an option's value. NULL when it is good, else what is wrong (static). */
const char *pv_host_choice_set_gpu(struct pv_host_choice *choice, const char *value);
const char *pv_host_choice_set_driver(struct pv_host_choice *choice, const char *value);
void pv_host_choice_finish(struct pv_host_choice *choice);

/* Lists the manifests of the drivers that workers may load, with colons in between, and fills in
 * the setup: GPU, Venus or not, and what the sandbox must leave readable. False when the host has
 * no driver. */
PV_NODISCARD bool pv_host_choice_apply(const struct pv_host_choice *choice,
                                       char drivers[PV_ICD_LIST_SIZE], struct pv_setup *setup);

#endif
