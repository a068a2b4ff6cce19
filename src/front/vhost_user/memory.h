#ifndef PV_FRONT_VHOST_USER_MEMORY_H
#define PV_FRONT_VHOST_USER_MEMORY_H

#include "base/attributes.h"
#include "base/result.h"
#include "front/vhost_user/protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The guest's RAM, mapped region by region as the front-end announces it. Regions come and go while
 * requests are pending: nobody keeps a pointer into them, addresses are looked up at each use. */

enum { PV_VHOST_REGIONS_MAX = 512 };

struct pv_vhost_ram {
    struct pv_vhost_region region;
    uint8_t *bytes; /* of the region's first byte */
    void *mapping;  /* what was mapped, from a page that the file's kind demands */
    size_t mapped_size;
};

struct pv_vhost_memory {
    struct pv_vhost_ram *regions;
    size_t count;
};

void pv_vhost_memory_finish(struct pv_vhost_memory *memory);

/* Maps a region; the descriptor stays the caller's. PV_GUEST_FAULT: what the front-end says makes
 * no sense (more than the file has, too many, wraps around); PV_HOST_FAILED: it cannot be mapped.
 */
PV_NODISCARD enum pv_result pv_vhost_memory_add(struct pv_vhost_memory *memory,
                                                const struct pv_vhost_region *region, int fd);
/* False when there is no such region. */
bool pv_vhost_memory_remove(struct pv_vhost_memory *memory, const struct pv_vhost_region *region);

/* `size` bytes in a row at an address of the front-end's, aligned as asked; NULL when they are no
 * RAM of one region. For the call's duration: a message may take the region away. */
PV_NODISCARD uint8_t *pv_vhost_memory_at_user(const struct pv_vhost_memory *memory,
                                              uint64_t user_address, uint64_t size,
                                              size_t alignment);

/* Copies at a guest's address, also across regions. False when any of it is no RAM. */
PV_NODISCARD bool pv_vhost_memory_read(const struct pv_vhost_memory *memory, uint64_t guest_address,
                                       void *bytes, size_t size);
PV_NODISCARD bool pv_vhost_memory_write(const struct pv_vhost_memory *memory,
                                        uint64_t guest_address, const void *bytes, size_t size);
/* Whether all of it is RAM. */
PV_NODISCARD bool pv_vhost_memory_covers(const struct pv_vhost_memory *memory,
                                         uint64_t guest_address, uint64_t size);

#endif
