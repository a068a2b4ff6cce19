#ifndef PV_BLOB_SHM_H
#define PV_BLOB_SHM_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stdint.h>

/* Anonymous shared memory whose size can never change again; the part of blob/ that differs
 * between systems. Linux: a sealed memfd. Darwin: a POSIX shared memory object without a name,
 * which the kernel lets be sized only once. */

/* Whether the system keeps the size for us. False only where the portable half is built on Linux,
 * to be exercised: then every memory file counts as sealed, and whoever holds one can take pages
 * away under us. */
extern const bool pv_shm_has_seals;

/* A new zero-filled one of `size` bytes (a multiple of the page size), or -1 with errno set. */
PV_NODISCARD int pv_shm_create(uint64_t size);
/* Whether nobody can shrink it any more. */
PV_NODISCARD bool pv_shm_is_sealed(int fd);
/* The size of shared memory or another file, which the fd's holders may not have told truly. False
 * for what is neither: a dma-buf, a socket. */
PV_NODISCARD bool pv_shm_measure(int fd, uint64_t *size);
/* Stores a word at a multiple of 4, which must be inside of memory that is sealed. */
void pv_shm_store_u32(int fd, uint64_t offset, uint32_t value);

#endif
