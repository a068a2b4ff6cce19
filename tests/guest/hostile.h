#ifndef TESTS_GUEST_HOSTILE_H
#define TESTS_GUEST_HOSTILE_H

/* What every attack must come to: the attacker's context turns fatal, with one line in the log that
 * names the command and its byte; another context in the process goes on; and nothing is left. */

#include "base/clock.h"
#include "fakes/guest.h"
#include "fakes/world.h"
#include "unit/check.h"

#include <string.h>

struct hostile_case {
    void (*attack)(struct guest *g);
    const char *command; /* in the log line; NULL: the end is not a command's fault */
    const char *why;     /* likewise */
};

/* Lives through all tests of a program. */
static struct guest *hostile_witness;

static inline int hostile_setup(void **state)
{
    (void)state;
    world_open();
    struct guest_params params = world_params();
    hostile_witness = guest_create(&params);
    guest_open_device(hostile_witness);
    return 0;
}

static inline int hostile_teardown(void **state)
{
    (void)state;
    guest_destroy(hostile_witness);
    world_close();
    return 0;
}

/* The other context still does what it is told. */
static inline void hostile_check_witness(void)
{
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence = GUEST_HANDLE(guest_id(hostile_witness));
    struct pv_vkCreateFence create = {
        .device = GUEST_HANDLE(hostile_witness->device),
        .pCreateInfo = &info,
        .pFence = &fence,
    };
    assert_int_equal(GUEST_RESULT(&hostile_witness->ring, vkCreateFence, &create), VK_SUCCESS);
    struct pv_vkGetFenceStatus status = {.device = create.device, .fence = fence};
    assert_in_range(GUEST_RESULT(&hostile_witness->ring, vkGetFenceStatus, &status), VK_SUCCESS,
                    VK_NOT_READY);
    assert_true(GUEST_SEND(&hostile_witness->ring, vkDestroyFence, .device = create.device,
                           .fence = fence));
    assert_true(guest_finish(&hostile_witness->ring));
    assert_int_equal(hostile_witness->log.error_count, 0);
}

static inline bool hostile_wait_fatal(struct guest *g)
{
    for (int i = 0; i < 20000 && !pv_render_is_fatal(g->context); i++) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    return pv_render_is_fatal(g->context);
}

static inline void hostile_check_fatal(struct guest *g, const char *command, const char *why)
{
    assert_true(hostile_wait_fatal(g));
    assert_true(guest_ring_wait_status(&g->ring, PV_RING_STATUS_FATAL));
    /* Whoever made it fatal may still be on its way through the callbacks. */
    for (int i = 0; i < 20000 && atomic_load(&g->fatal_count) == 0; i++) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    assert_int_equal(atomic_load(&g->fatal_count), 1);
    pthread_mutex_lock(&g->log.lock);
    if (command != NULL) {
        assert_int_equal(g->log.error_count, 1);
        if (strstr(g->log.last_error, command) == NULL ||
            strstr(g->log.last_error, " at byte ") == NULL ||
            (why != NULL && strstr(g->log.last_error, why) == NULL)) {
            fail_msg("\"%s\" names neither %s nor \"%s\"", g->log.last_error, command,
                     why != NULL ? why : "");
        }
    }
    pthread_mutex_unlock(&g->log.lock);
}

static inline void hostile_run(void **state)
{
    const struct hostile_case *test = *state;
    int64_t live_objects = world_live_objects();
    struct guest_baseline baseline = guest_baseline();
    struct guest_params params = world_params();
    struct guest *g = guest_create(&params);
    guest_open_device(g);
    assert_int_equal(g->log.error_count, 0);
    test->attack(g);
    hostile_check_fatal(g, test->command, test->why);
    hostile_check_witness();
    guest_destroy(g);
    assert_true(world_live_objects() == live_objects);
    assert_true(guest_is_back_at(&baseline, UINT64_C(1) << 20));
}

/* An entry of a list of cmocka tests. */
#define HOSTILE(attack_, command_, why_)                                                           \
    {                                                                                              \
#attack_, hostile_run, NULL, NULL, &(struct hostile_case)                                  \
        {                                                                                          \
            attack_, command_, why_                                                                \
        }                                                                                          \
    }

#endif
