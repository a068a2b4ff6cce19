#ifndef TESTS_GUEST_CHECKS_H
#define TESTS_GUEST_CHECKS_H

/* One guest for each test, and what must be back when it has gone. */

#include "base/assert.h"
#include "base/clock.h"
#include "fakes/fake_vulkan.h"
#include "fakes/guest.h"
#include "fakes/world.h"
#include "unit/check.h"

#include <stdlib.h>
#include <string.h>

struct checked_guest {
    struct guest *g;
    int64_t live_objects;
    struct guest_baseline baseline;
};

/* A guest with a primary ring. */
static inline int checked_setup_bare(void **state)
{
    struct checked_guest *checked = calloc(1, sizeof(*checked));
    if (checked == NULL) {
        return -1;
    }
    world_open();
    checked->live_objects = world_live_objects();
    checked->baseline = guest_baseline();
    struct guest_params params = world_params();
    checked->g = guest_create(&params);
    *state = checked;
    return 0;
}

/* And with a device and a queue on timeline 1. */
static inline int checked_setup(void **state)
{
    if (checked_setup_bare(state) != 0) {
        return -1;
    }
    guest_open_device(((struct checked_guest *)*state)->g);
    return 0;
}

static inline int checked_teardown(void **state)
{
    struct checked_guest *checked = *state;
    guest_destroy(checked->g);
    bool is_back = world_live_objects() == checked->live_objects &&
                   guest_is_back_at(&checked->baseline, UINT64_C(1) << 20);
    world_close();
    free(checked);
    return is_back ? 0 : -1;
}

static inline struct guest *guest_of(void **state)
{
    return ((struct checked_guest *)*state)->g;
}

#define GUEST_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, checked_setup, checked_teardown)
#define GUEST_TEST_BARE(function)                                                                  \
    cmocka_unit_test_setup_teardown(function, checked_setup_bare, checked_teardown)

/* --- small things that many tests need ---------------------------------------------------------
 */

static inline uint64_t make_fence(struct guest *g, VkFenceCreateFlags flags)
{
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO, .flags = flags};
    uint64_t id = guest_id(g);
    VkFence fence = GUEST_HANDLE(id);
    struct pv_vkCreateFence a = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &info, .pFence = &fence};
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateFence, &a), VK_SUCCESS);
    return id;
}

static inline uint64_t make_semaphore(struct guest *g, VkSemaphoreType type)
{
    const VkSemaphoreTypeCreateInfo type_info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO, .semaphoreType = type};
    const VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
                                        .pNext = &type_info};
    uint64_t id = guest_id(g);
    VkSemaphore semaphore = GUEST_HANDLE(id);
    struct pv_vkCreateSemaphore a = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &info, .pSemaphore = &semaphore};
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateSemaphore, &a), VK_SUCCESS);
    return id;
}

static inline uint64_t make_buffer(struct guest *g, VkDeviceSize size)
{
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size,
        .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    uint64_t id = guest_id(g);
    VkBuffer buffer = GUEST_HANDLE(id);
    struct pv_vkCreateBuffer a = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &info, .pBuffer = &buffer};
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateBuffer, &a), VK_SUCCESS);
    return id;
}

static inline uint64_t make_command_pool(struct guest *g)
{
    const VkCommandPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    uint64_t id = guest_id(g);
    VkCommandPool pool = GUEST_HANDLE(id);
    struct pv_vkCreateCommandPool a = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &info, .pCommandPool = &pool};
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateCommandPool, &a), VK_SUCCESS);
    return id;
}

static inline VkResult make_command_buffers(struct guest *g, uint64_t pool, uint32_t count,
                                            VkCommandBuffer *buffers)
{
    const VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = GUEST_HANDLE(pool),
        .commandBufferCount = count,
    };
    for (uint32_t i = 0; i < count; i++) {
        buffers[i] = GUEST_HANDLE(guest_id(g));
    }
    struct pv_vkAllocateCommandBuffers a = {
        .device = GUEST_HANDLE(g->device), .pAllocateInfo = &info, .pCommandBuffers = buffers};
    return GUEST_RESULT(&g->ring, vkAllocateCommandBuffers, &a);
}

static inline uint64_t objects_alive(struct guest *g)
{
    struct pv_render_stats stats;
    pv_render_get_stats(g->context, &stats, NULL);
    return stats.objects_alive;
}

static inline bool is_fatal_soon(struct guest *g)
{
    for (int i = 0; i < 20000 && !pv_render_is_fatal(g->context); i++) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    return pv_render_is_fatal(g->context);
}

#endif
