#ifndef TESTS_FAKES_WORLD_H
#define TESTS_FAKES_WORLD_H

/* What a scripted guest's host stands on: a Vulkan driver, the same for all contexts of a test
 * program. PV_TEST_DRIVER=loader takes the machine's own instead of the fake one. */

#include "fakes/guest.h"
#include "host/host.h"

void world_open(void);
void world_close(void);
/* For a guest on it. */
struct guest_params world_params(void);
bool world_is_fake(void);

/* Objects of the driver that are alive; 0 where that cannot be known. */
int64_t world_live_objects(void);

/* Memory of a type that the guest can map, with its blob; either pointer may be NULL. */
VkResult world_allocate(struct guest *g, uint64_t size, struct guest_shm *shm, uint64_t *id);
/* Index of such a type. */
uint32_t world_visible_type(const struct guest *g);

#endif
