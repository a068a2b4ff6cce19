#include "base/thread.h"
#include "checks.h"

/* When the answer to a status query is put off, told by how often the driver was asked: once for a
 * query that is answered at once, more often for one that is held. */

enum { TRIES = 2000, FENCES = 4 };

struct driver {
    _Atomic bool is_signalled;
    _Atomic uint64_t value; /* of every semaphore */
    _Atomic uint64_t asked;
};

static struct driver driver;

static bool drive(void *user, enum pv_fake_command command, void *args)
{
    struct driver *d = user;
    switch (command) {
    case PV_FAKE_vkGetFenceStatus:
        atomic_fetch_add(&d->asked, 1);
        ((struct pv_vkGetFenceStatus *)args)->ret =
            atomic_load(&d->is_signalled) ? VK_SUCCESS : VK_NOT_READY;
        return true;
    case PV_FAKE_vkGetSemaphoreCounterValue: {
        struct pv_vkGetSemaphoreCounterValue *a = args;
        atomic_fetch_add(&d->asked, 1);
        *a->pValue = atomic_load(&d->value);
        a->ret = VK_SUCCESS;
        return true;
    }
    case PV_FAKE_vkGetQueryPoolResults:
        atomic_fetch_add(&d->asked, 1);
        ((struct pv_vkGetQueryPoolResults *)args)->ret = VK_NOT_READY;
        return true;
    default:
        return false;
    }
}

static int setup(void **state)
{
    memset(&driver, 0, sizeof(driver));
    int result = checked_setup(state);
    pv_fake_set_hook(drive, &driver);
    return result;
}

#define STATUS_TEST(function) cmocka_unit_test_setup_teardown(function, setup, checked_teardown)

static uint64_t create_fence(struct guest *g)
{
    VkFence fence = GUEST_HANDLE(guest_id(g));
    VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    assert_true(GUEST_SEND(&g->ring, vkCreateFence, .device = GUEST_HANDLE(g->device),
                           .pCreateInfo = &info, .pFence = &fence));
    return (uint64_t)(uintptr_t)fence;
}

/* How often the driver was asked for this one answer. */
static uint64_t ask_fence(struct guest *g, uint64_t fence)
{
    uint64_t before = atomic_load(&driver.asked);
    struct pv_vkGetFenceStatus a = {GUEST_HANDLE(g->device), GUEST_HANDLE(fence), VK_SUCCESS};
    VkResult result = GUEST_RESULT(&g->ring, vkGetFenceStatus, &a);
    assert_true(result == VK_NOT_READY || result == VK_SUCCESS);
    return atomic_load(&driver.asked) - before;
}

static void destroy_fence(struct guest *g, uint64_t fence)
{
    assert_true(GUEST_SEND(&g->ring, vkDestroyFence, .device = GUEST_HANDLE(g->device),
                           .fence = GUEST_HANDLE(fence)));
}

/* Asks twice in one batch, so that no other load of this machine comes between; how often the
 * driver was asked. The first question has something behind it and is never held. */
#define ASK_TWICE(g, command, args)                                                                \
    ({                                                                                             \
        uint64_t before = atomic_load(&driver.asked);                                              \
        struct pv_encoder *out = guest_begin_call(&(g)->ring);                                     \
        pv_guest_encode_##command(out, VK_COMMAND_GENERATE_REPLY_BIT_EXT, args);                   \
        pv_guest_encode_##command(out, VK_COMMAND_GENERATE_REPLY_BIT_EXT, args);                   \
        assert_true(guest_submit(&(g)->ring) && guest_finish(&(g)->ring));                         \
        atomic_load(&driver.asked) - before;                                                       \
    })

static bool can_hold(void)
{
    return pv_thread_core_count() > 1; /* one core is the guest's */
}

static void a_query_that_repeats_the_last_one_is_held_until_the_answer_changes(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = create_fence(g);
    struct pv_vkGetFenceStatus a = {GUEST_HANDLE(g->device), GUEST_HANDLE(fence), VK_SUCCESS};
    uint64_t held = 0;
    for (uint32_t i = 0; i < TRIES && held == 0; i++) {
        held += ASK_TWICE(g, vkGetFenceStatus, &a) > 2 ? 1 : 0;
    }
    assert_true(held > 0 || !can_hold());
    atomic_store(&driver.is_signalled, true);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(ASK_TWICE(g, vkGetFenceStatus, &a), 2);
    }
    destroy_fence(g, fence);
}

/* Never signalled. A machine that is busy with other things makes it longer, not shorter; how much
 * shows an answer that is never held: the next command's. */
static void a_held_answer_goes_out_in_time(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = create_fence(g);
    struct pv_vkGetFenceStatus a = {GUEST_HANDLE(g->device), GUEST_HANDLE(fence), VK_SUCCESS};
    uint64_t best_ns = UINT64_MAX;
    uint64_t plain_ns = UINT64_MAX;
    for (uint32_t i = 0; i < TRIES && best_ns >= PV_NS_PER_MS; i++) {
        uint64_t begin_ns = pv_clock_now_ns();
        uint64_t asked = ASK_TWICE(g, vkGetFenceStatus, &a);
        uint64_t took_ns = pv_clock_now_ns() - begin_ns;
        best_ns = asked > 2 && took_ns < best_ns ? took_ns : best_ns;
        begin_ns = pv_clock_now_ns();
        destroy_fence(g, 0);
        assert_true(guest_finish(&g->ring));
        took_ns = pv_clock_now_ns() - begin_ns;
        plain_ns = took_ns < plain_ns ? took_ns : plain_ns;
    }
    assert_true(best_ns < PV_NS_PER_MS + 4 * plain_ns || !can_hold());
    destroy_fence(g, fence);
}

/* How Mesa waits for any of several. */
static void queries_that_take_turns_are_never_held(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fences[FENCES];
    for (uint32_t i = 0; i < FENCES; i++) {
        fences[i] = create_fence(g);
    }
    for (uint32_t i = 0; i < TRIES; i++) {
        assert_int_equal(ask_fence(g, fences[i % FENCES]), 1);
    }
    for (uint32_t i = 0; i < FENCES; i++) {
        destroy_fence(g, fences[i]);
    }
}

static void a_command_between_two_queries_means_that_the_guest_does_not_wait(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = create_fence(g);
    uint64_t other = create_fence(g);
    for (uint32_t i = 0; i < TRIES; i++) {
        VkFence reset = GUEST_HANDLE(other);
        assert_int_equal(ask_fence(g, fence), 1);
        assert_true(GUEST_SEND(&g->ring, vkResetFences, .device = GUEST_HANDLE(g->device),
                               .fenceCount = 1, .pFences = &reset));
    }
    destroy_fence(g, other);
    destroy_fence(g, fence);
}

static void a_program_that_asks_once_in_a_while_is_answered_at_once(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = create_fence(g);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(ask_fence(g, fence), 1);
        pv_clock_sleep_ns(20 * PV_NS_PER_US);
    }
    destroy_fence(g, fence);
}

/* Another thread of the guest has written behind the query: it must not wait for our answer. */
static void a_query_with_more_behind_it_is_never_held(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = create_fence(g);
    uint64_t other = create_fence(g);
    VkFence reset = GUEST_HANDLE(other);
    struct pv_vkGetFenceStatus a = {GUEST_HANDLE(g->device), GUEST_HANDLE(fence), VK_SUCCESS};
    struct pv_vkResetFences behind = {GUEST_HANDLE(g->device), 1, &reset, VK_SUCCESS};
    for (uint32_t i = 0; i < TRIES; i++) {
        uint64_t before = atomic_load(&driver.asked);
        struct pv_encoder *out = guest_begin_call(&g->ring);
        pv_guest_encode_vkGetFenceStatus(out, VK_COMMAND_GENERATE_REPLY_BIT_EXT, &a);
        pv_guest_encode_vkGetFenceStatus(out, VK_COMMAND_GENERATE_REPLY_BIT_EXT, &a);
        pv_guest_encode_vkResetFences(out, 0, &behind);
        assert_true(guest_submit(&g->ring) && guest_finish(&g->ring));
        assert_int_equal(atomic_load(&driver.asked) - before, 2);
    }
    destroy_fence(g, other);
    destroy_fence(g, fence);
}

static void semaphores_are_held_until_they_pass_what_was_told(void **state)
{
    struct guest *g = guest_of(state);
    VkSemaphore semaphore = GUEST_HANDLE(guest_id(g));
    VkSemaphoreTypeCreateInfo type = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
        .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
    };
    VkSemaphoreCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
        .pNext = &type,
    };
    assert_true(GUEST_SEND(&g->ring, vkCreateSemaphore, .device = GUEST_HANDLE(g->device),
                           .pCreateInfo = &info, .pSemaphore = &semaphore));
    uint64_t value = 0;
    struct pv_vkGetSemaphoreCounterValue a = {GUEST_HANDLE(g->device), semaphore, &value,
                                              VK_SUCCESS};
    uint64_t held = 0;
    for (uint32_t i = 0; i < TRIES && held == 0; i++) {
        held += ASK_TWICE(g, vkGetSemaphoreCounterValue, &a) > 2 ? 1 : 0;
    }
    assert_true(held > 0 || !can_hold());
    /* Whatever has passed what was told is told at once. */
    for (uint64_t i = 1; i < 100; i++) {
        uint64_t before = atomic_load(&driver.asked);
        atomic_store(&driver.value, i);
        assert_int_equal(GUEST_RESULT(&g->ring, vkGetSemaphoreCounterValue, &a), VK_SUCCESS);
        assert_int_equal(*a.pValue, i);
        assert_int_equal(atomic_load(&driver.asked) - before, 1);
    }
    assert_true(GUEST_SEND(&g->ring, vkDestroySemaphore, .device = GUEST_HANDLE(g->device),
                           .semaphore = semaphore));
}

static void query_results_are_held_too(void **state)
{
    struct guest *g = guest_of(state);
    VkQueryPool pool = GUEST_HANDLE(guest_id(g));
    VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_OCCLUSION,
        .queryCount = 2,
    };
    assert_true(GUEST_SEND(&g->ring, vkCreateQueryPool, .device = GUEST_HANDLE(g->device),
                           .pCreateInfo = &info, .pQueryPool = &pool));
    uint32_t value = 0;
    struct pv_vkGetQueryPoolResults a = {
        .device = GUEST_HANDLE(g->device),
        .queryPool = pool,
        .queryCount = 1,
        .dataSize = sizeof(value),
        .pData = &value,
        .stride = sizeof(value),
    };
    uint64_t held = 0;
    for (uint32_t i = 0; i < TRIES && held == 0; i++) {
        held += ASK_TWICE(g, vkGetQueryPoolResults, &a) > 2 ? 1 : 0;
    }
    assert_true(held > 0 || !can_hold());
    assert_true(GUEST_SEND(&g->ring, vkDestroyQueryPool, .device = GUEST_HANDLE(g->device),
                           .queryPool = pool));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATUS_TEST(a_query_that_repeats_the_last_one_is_held_until_the_answer_changes),
        STATUS_TEST(a_held_answer_goes_out_in_time),
        STATUS_TEST(queries_that_take_turns_are_never_held),
        STATUS_TEST(a_command_between_two_queries_means_that_the_guest_does_not_wait),
        STATUS_TEST(a_program_that_asks_once_in_a_while_is_answered_at_once),
        STATUS_TEST(a_query_with_more_behind_it_is_never_held),
        STATUS_TEST(semaphores_are_held_until_they_pass_what_was_told),
        STATUS_TEST(query_results_are_held_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
