#ifndef PV_ISOLATE_ENVIRONMENT_H
#define PV_ISOLATE_ENVIRONMENT_H

#include "base/attributes.h"
#include "base/result.h"

/* A worker's environment, made from nothing. What the caller has set for its own Vulkan (layers,
 * drivers, VN_… and VTEST_… above all: a worker must never load the Venus driver and connect to
 * ourselves) stays outside. */

struct pv_environment_params {
    const char *driver_files;    /* VK_DRIVER_FILES: manifests, with colons in between */
    const char *cache_directory; /* where drivers may keep what they compiled; may be NULL */
};

/* NULL-terminated; for pv_environment_destroy(). */
PV_NODISCARD enum pv_result pv_environment_create(const struct pv_environment_params *params,
                                                  char ***environment);
void pv_environment_destroy(char **environment);

#endif
