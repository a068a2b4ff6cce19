#ifndef PV_ISOLATE_ICD_H
#define PV_ISOLATE_ICD_H

#include <stdbool.h>
#include <stddef.h>

/* Vulkan drivers as their manifests (…_icd.json) describe them. Nothing is loaded. */

enum { PV_ICD_LIST_SIZE = 8192, PV_ICD_PATH_SIZE = 1024 };

/* What one manifest says. */
struct pv_icd {
    char library[PV_ICD_PATH_SIZE]; /* its library_path, as it stands there */
    char api_version[32];           /* empty: it does not tell */
};

/* False when there is no manifest, or it names no library. */
bool pv_icd_read(const char *manifest, struct pv_icd *icd);

/* Calls `visit` for each manifest in the folders where Vulkan loaders look, those for other
 * processors too, until it returns true. Returns whether it has. */
bool pv_icd_visit(bool (*visit)(void *user, const char *manifest), void *user);

/* The manifests of the host's own drivers, with colons in between: all but those for guests (Venus,
 * gfxstream), through which a worker would reach a renderer again. False when there is none. */
bool pv_icd_find_host_drivers(char list[PV_ICD_LIST_SIZE]);

/* The manifest of Mesa's Venus driver, for programs that we serve. False when it is not installed.
 */
bool pv_icd_find_venus(char path[PV_ICD_PATH_SIZE]);

/* Whether a manifest is Mesa's Venus driver. */
bool pv_icd_is_venus(const char *manifest);

/* The folder of the library that a manifest names with a path; false when it names none, or the
 * loader finds it by itself. */
bool pv_icd_library_folder(const char *manifest, char folder[PV_ICD_PATH_SIZE]);

#endif
