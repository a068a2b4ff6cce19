#ifndef PV_BASE_RANDOM_H
#define PV_BASE_RANDOM_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>

/* Random bytes from the system, at most 256. False where there are none, as early in a boot of
 * Linux, where it does not wait for them. */
PV_NODISCARD bool pv_random_fill(void *bytes, size_t size);

#endif
