#ifndef PV_BLOB_SHM_H
#define PV_BLOB_SHM_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stdint.h>

/* Anonymous shared memory whose size can never change again; the part of blob/ that differs
 * between systems. */

/* A new zero-filled one of `size` bytes (a multiple of the page size), or -1 with errno set. */
PV_NODISCARD int pv_shm_create(uint64_t size);
/* Whether nobody can shrink it any more. */
PV_NODISCARD bool pv_shm_is_sealed(int fd);

#endif
