#ifndef PV_BASE_PARAMS_H
#define PV_BASE_PARAMS_H

#include "base/result.h"

#include <stddef.h>

/* Structures with a size in front cross the public API in both directions, and either side may be
 * the older one. */

/* Copies a caller's structure into ours of `size` bytes: what it lacks becomes zero. PV_UNSUPPORTED
 * when it sets a byte that we do not know, or is too short to be one. */
enum pv_result pv_params_read(void *ours, size_t size, const void *callers);

/* Copies ours into the caller's, as far as the caller's goes; its struct_size stays. */
void pv_params_write(void *callers, const void *ours, size_t size);

#endif
