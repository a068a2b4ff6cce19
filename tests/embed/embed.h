#ifndef TESTS_EMBED_EMBED_H
#define TESTS_EMBED_EMBED_H

#include "base/assert.h"
#include "base/clock.h"
#include "base/thread.h"
#include "fakes/fake_vulkan.h"
#include "fakes/guest_embed.h"
#include "fakes/world.h"
#include "unit/check.h"

#include <stdlib.h>
#include <string.h>

/* What the tests of the embedding calls share. */

static inline int world_setup(void **state)
{
    (void)state;
    world_open();
    return 0;
}

static inline int world_teardown(void **state)
{
    (void)state;
    bool is_clean = world_live_objects() == 0;
    world_close();
    return is_clean ? 0 : -1;
}

#define EMBED_TEST(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)

static inline struct pv_venus_stats venus_stats(struct pv_context *context)
{
    struct pv_venus_stats stats;
    assert_int_not_equal(pv_venus_get_stats(context, &stats), PV_INVALID);
    assert_int_equal(stats.padding, 0);
    return stats;
}

/* One command without a reply. */
static inline bool send_fence(struct guest *g)
{
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence = GUEST_HANDLE(guest_id(g));
    return GUEST_SEND(&g->ring, vkCreateFence, .device = GUEST_HANDLE(g->device),
                      .pCreateInfo = &info, .pFence = &fence);
}

#endif
