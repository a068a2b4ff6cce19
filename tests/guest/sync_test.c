#include "checks.h"

/* Fences on timelines, and the effect of sync-fd exports and imports on a driver that has neither.
 */

/* What the driver was asked to submit last, and answers that a test may hold back. */
struct driver {
    uint32_t wait_count, signal_count;
    VkSemaphore signalled;
    uint32_t stage;
    uint64_t wait_value;
    _Atomic bool holds_fences; /* nothing is signalled yet */
    _Atomic bool is_lost;
    _Atomic uint64_t submits;
};

static void note_submit(struct driver *driver, const struct pv_vkQueueSubmit *a)
{
    atomic_fetch_add(&driver->submits, 1);
    if (a->submitCount == 0) {
        return;
    }
    const VkSubmitInfo *submit = &a->pSubmits[0];
    const VkTimelineSemaphoreSubmitInfo *values = submit->pNext;
    driver->wait_count = submit->waitSemaphoreCount;
    driver->signal_count = submit->signalSemaphoreCount;
    if (submit->signalSemaphoreCount != 0) {
        driver->signalled = submit->pSignalSemaphores[0];
    }
    if (submit->waitSemaphoreCount != 0) {
        driver->stage = submit->pWaitDstStageMask[0];
        if (values != NULL && values->waitSemaphoreValueCount != 0) {
            driver->wait_value = values->pWaitSemaphoreValues[0];
        }
    }
}

static bool drive(void *user, enum pv_fake_command command, void *args)
{
    struct driver *driver = user;
    switch (command) {
    case PV_FAKE_vkQueueSubmit: {
        struct pv_vkQueueSubmit *a = args;
        note_submit(driver, a);
        if (atomic_load(&driver->is_lost)) {
            a->ret = VK_ERROR_DEVICE_LOST;
            return true;
        }
        return false;
    }
    case PV_FAKE_vkWaitForFences: {
        struct pv_vkWaitForFences *a = args;
        if (atomic_load(&driver->is_lost)) {
            a->ret = VK_ERROR_DEVICE_LOST;
            return true;
        }
        if (!atomic_load(&driver->holds_fences)) {
            return false;
        }
        pv_clock_sleep_ns(a->timeout < PV_NS_PER_MS ? a->timeout : PV_NS_PER_MS);
        a->ret = VK_TIMEOUT;
        return true;
    }
    case PV_FAKE_vkGetFenceStatus:
        if (!atomic_load(&driver->holds_fences)) {
            return false;
        }
        ((struct pv_vkGetFenceStatus *)args)->ret = VK_NOT_READY;
        return true;
    default:
        return false;
    }
}

static struct driver driver;

static int setup(void **state)
{
    memset(&driver, 0, sizeof(driver));
    int result = checked_setup(state);
    pv_fake_set_hook(drive, &driver);
    return result;
}

static int teardown(void **state)
{
    atomic_store(&driver.holds_fences, false);
    return checked_teardown(state);
}

#define SYNC_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* --- timelines ---------------------------------------------------------------------------------
 */

static void a_fence_on_the_cpus_timeline_retires_at_once(void **state)
{
    struct guest *g = guest_of(state);
    guest_fence(g, 0, 42);
    assert_int_equal(guest_fences_retired(g), 1);
    assert_int_equal(g->fences[0].cookie, 42);
}

static void fences_of_a_queue_retire_in_order(void **state)
{
    struct guest *g = guest_of(state);
    atomic_store(&driver.holds_fences, true);
    for (uint64_t i = 0; i < 50; i++) {
        guest_fence(g, 1, i);
    }
    pv_clock_sleep_ns(10 * PV_NS_PER_MS);
    assert_int_equal(guest_fences_retired(g), 0);
    atomic_store(&driver.holds_fences, false);
    assert_true(guest_wait_fences(g, 50));
    for (uint32_t i = 0; i < 50; i++) {
        assert_int_equal(g->fences[i].ring_idx, 1);
        assert_int_equal(g->fences[i].cookie, i);
    }
}

static void the_cpus_timeline_does_not_wait_for_a_queue(void **state)
{
    struct guest *g = guest_of(state);
    atomic_store(&driver.holds_fences, true);
    guest_fence(g, 1, 1);
    guest_fence(g, 0, 2);
    assert_int_equal(guest_fences_retired(g), 1);
    assert_int_equal(g->fences[0].cookie, 2);
    atomic_store(&driver.holds_fences, false);
    assert_true(guest_wait_fences(g, 2));
}

static void a_fence_on_an_unbound_timeline_is_fatal_and_retires(void **state)
{
    struct guest *g = guest_of(state);
    guest_fence(g, 9, 7);
    assert_true(guest_wait_fences(g, 1));
    assert_true(is_fatal_soon(g));
    assert_true(guest_ring_wait_status(&g->ring, PV_RING_STATUS_FATAL));
}

static void a_fence_on_a_timeline_beyond_the_last_is_fatal_and_retires(void **state)
{
    struct guest *g = guest_of(state);
    guest_fence(g, UINT32_MAX, 7);
    assert_true(guest_wait_fences(g, 1));
    assert_true(is_fatal_soon(g));
}

static void all_fences_retire_when_the_context_ends(void **state)
{
    struct guest *g = guest_of(state);
    atomic_store(&driver.holds_fences, true);
    for (uint64_t i = 0; i < 20; i++) {
        guest_fence(g, 1, i);
    }
    static const uint32_t garbage[] = {7777, 0};
    (void)guest_write(&g->ring, garbage, sizeof(garbage));
    assert_true(guest_wait_fences(g, 20));
    assert_true(is_fatal_soon(g));
    guest_fence(g, 1, 99);
    assert_true(guest_wait_fences(g, 21));
}

static void fences_of_a_destroyed_device_retire(void **state)
{
    struct guest *g = guest_of(state);
    for (uint64_t i = 0; i < 20; i++) {
        guest_fence(g, 1, i);
    }
    (void)GUEST_SEND(&g->ring, vkDestroyDevice, .device = GUEST_HANDLE(g->device));
    assert_true(guest_finish(&g->ring));
    assert_true(guest_wait_fences(g, 20));
}

static void a_flood_of_fences_is_bounded(void **state)
{
    struct guest *g = guest_of(state);
    struct guest_params params = world_params();
    params.quota.fences = 100;
    struct guest *flooder = guest_create(&params);
    guest_open_device(flooder);
    atomic_store(&driver.holds_fences, true);
    for (uint64_t i = 0; i < 1000; i++) {
        guest_fence(flooder, 1, i);
    }
    assert_true(pv_render_is_fatal(flooder->context));
    assert_true(guest_wait_fences(flooder, 1000));
    assert_false(pv_render_is_fatal(g->context));
    atomic_store(&driver.holds_fences, false);
    guest_destroy(flooder);
}

static void a_wait_ends_with_the_context(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t id = make_fence(g, 0);
    VkFence fence = GUEST_HANDLE(id);
    atomic_store(&driver.holds_fences, true);
    assert_true(GUEST_SEND(&g->ring, vkWaitForFences, .device = GUEST_HANDLE(g->device),
                           .fenceCount = 1, .pFences = &fence, .waitAll = VK_TRUE,
                           .timeout = UINT64_MAX));
    pv_clock_sleep_ns(5 * PV_NS_PER_MS);
    assert_int_not_equal(guest_ring_head(&g->ring), g->ring.tail);
    /* The teardown destroys the context meanwhile; it must not hang. */
    guest_destroy(g);
    struct guest_params params = world_params();
    atomic_store(&driver.holds_fences, false);
    ((struct checked_guest *)*state)->g = guest_create(&params);
}

/* --- a lost device ------------------------------------------------------------------------------
 */

static void a_device_lost_is_told_in_a_reply(void **state)
{
    struct guest *g = guest_of(state);
    atomic_store(&driver.is_lost, true);
    struct pv_vkQueueSubmit a = {.queue = GUEST_HANDLE(g->queue)};
    assert_int_equal(GUEST_RESULT(&g->ring, vkQueueSubmit, &a), VK_ERROR_DEVICE_LOST);
    assert_false(pv_render_is_fatal(g->context));
}

static void a_device_lost_without_a_reply_ends_the_context(void **state)
{
    struct guest *g = guest_of(state);
    atomic_store(&driver.is_lost, true);
    (void)GUEST_SEND(&g->ring, vkQueueSubmit, .queue = GUEST_HANDLE(g->queue));
    assert_true(is_fatal_soon(g));
    assert_true(guest_ring_wait_status(&g->ring, PV_RING_STATUS_FATAL));
    struct pv_render_stats stats;
    pv_render_get_stats(g->context, &stats, NULL);
    assert_int_equal(stats.faults, 0);
}

/* As a program does that was told by a fence, and waits for its device before it destroys it. */
static void a_device_lost_is_told_once(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t other = guest_create_device(g, 1);
    uint64_t others_queue = guest_open_queue(g, other, 0, 2);
    atomic_store(&driver.is_lost, true);
    struct pv_vkQueueSubmit a = {.queue = GUEST_HANDLE(g->queue)};
    assert_int_equal(GUEST_RESULT(&g->ring, vkQueueSubmit, &a), VK_ERROR_DEVICE_LOST);
    assert_true(GUEST_SEND(&g->ring, vkQueueSubmit, .queue = GUEST_HANDLE(g->queue)));
    assert_true(guest_finish(&g->ring));
    assert_false(pv_render_is_fatal(g->context));
    (void)GUEST_SEND(&g->ring, vkQueueSubmit, .queue = GUEST_HANDLE(others_queue));
    assert_true(is_fatal_soon(g));
}

static void fences_retire_when_the_device_is_lost(void **state)
{
    struct guest *g = guest_of(state);
    atomic_store(&driver.is_lost, true);
    guest_fence(g, 1, 1);
    guest_fence(g, 1, 2);
    assert_true(guest_wait_fences(g, 2));
}

/* --- sync-fd without sync-fd --------------------------------------------------------------------
 */

static void import_signalled(struct guest *g, uint64_t semaphore)
{
    const VkImportSemaphoreResourceInfoMESA import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_RESOURCE_INFO_MESA,
        .semaphore = GUEST_HANDLE(semaphore),
    };
    assert_true(GUEST_SEND(&g->ring, vkImportSemaphoreResourceMESA,
                           .device = GUEST_HANDLE(g->device),
                           .pImportSemaphoreResourceInfo = &import));
}

/* Waits for the given ones, with stages 1, 2, … and values 10, 20, …; signals the last. */
static void submit_with_waits(struct guest *g, const uint64_t *semaphores, uint32_t count)
{
    VkSemaphore waits[4];
    VkPipelineStageFlags stages[4];
    uint64_t values[4];
    for (uint32_t i = 0; i < count; i++) {
        waits[i] = GUEST_HANDLE(semaphores[i]);
        stages[i] = 1U << i;
        values[i] = 10 * (i + 1);
    }
    const VkTimelineSemaphoreSubmitInfo timeline = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .waitSemaphoreValueCount = count,
        .pWaitSemaphoreValues = values,
    };
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .pNext = &timeline,
        .waitSemaphoreCount = count,
        .pWaitSemaphores = waits,
        .pWaitDstStageMask = stages,
        .signalSemaphoreCount = 1,
        .pSignalSemaphores = &waits[count - 1],
    };
    struct pv_vkQueueSubmit a = {
        .queue = GUEST_HANDLE(g->queue), .submitCount = 1, .pSubmits = &submit};
    assert_int_equal(GUEST_RESULT(&g->ring, vkQueueSubmit, &a), VK_SUCCESS);
}

static void an_import_makes_the_next_wait_on_it_go_away(void **state)
{
    struct guest *g = guest_of(state);
    const uint64_t semaphores[2] = {make_semaphore(g, VK_SEMAPHORE_TYPE_BINARY),
                                    make_semaphore(g, VK_SEMAPHORE_TYPE_BINARY)};
    import_signalled(g, semaphores[0]);
    submit_with_waits(g, semaphores, 2);
    assert_int_equal(driver.wait_count, 1);
    assert_int_equal(driver.stage, 2);
    assert_int_equal(driver.wait_value, 20);
    assert_int_equal(driver.signal_count, 1);
    submit_with_waits(g, semaphores, 2);
    assert_int_equal(driver.wait_count, 2);
    assert_int_equal(driver.stage, 1);
    assert_int_equal(driver.wait_value, 10);
}

static void a_wait_consumes_an_import_without_a_new_semaphore(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t semaphore = make_semaphore(g, VK_SEMAPHORE_TYPE_BINARY);
    uint64_t created = pv_fake_count(PV_FAKE_vkCreateSemaphore);
    import_signalled(g, semaphore);
    assert_true(GUEST_SEND(&g->ring, vkWaitSemaphoreResourceMESA, .device = GUEST_HANDLE(g->device),
                           .semaphore = GUEST_HANDLE(semaphore)));
    submit_with_waits(g, &semaphore, 1);
    assert_int_equal(driver.wait_count, 1);
    assert_int_equal(pv_fake_count(PV_FAKE_vkCreateSemaphore), created);
}

static void an_exported_semaphore_is_a_fresh_one_behind_the_same_id(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t semaphore = make_semaphore(g, VK_SEMAPHORE_TYPE_BINARY);
    submit_with_waits(g, &semaphore, 1);
    VkSemaphore before = driver.signalled;
    uint64_t submits = atomic_load(&driver.submits);
    assert_true(GUEST_SEND(&g->ring, vkWaitSemaphoreResourceMESA, .device = GUEST_HANDLE(g->device),
                           .semaphore = GUEST_HANDLE(semaphore)));
    assert_true(guest_finish(&g->ring));
    assert_int_equal(atomic_load(&driver.submits), submits); /* none of ours */
    submit_with_waits(g, &semaphore, 1);
    assert_ptr_not_equal(driver.signalled, before);
}

static void an_exported_fence_is_unsignalled_again(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = make_fence(g, VK_FENCE_CREATE_SIGNALED_BIT);
    uint64_t created = pv_fake_count(PV_FAKE_vkCreateFence);
    for (int i = 0; i < 100; i++) {
        assert_true(GUEST_SEND(&g->ring, vkResetFenceResourceMESA,
                               .device = GUEST_HANDLE(g->device), .fence = GUEST_HANDLE(fence)));
    }
    assert_true(guest_finish(&g->ring));
    assert_int_equal(pv_fake_count(PV_FAKE_vkCreateFence), created + 100);
    assert_true(pv_fake_count(PV_FAKE_vkDestroyFence) >= 80); /* replaced ones do not pile up */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYNC_TEST(a_fence_on_the_cpus_timeline_retires_at_once),
        SYNC_TEST(fences_of_a_queue_retire_in_order),
        SYNC_TEST(the_cpus_timeline_does_not_wait_for_a_queue),
        SYNC_TEST(a_fence_on_an_unbound_timeline_is_fatal_and_retires),
        SYNC_TEST(a_fence_on_a_timeline_beyond_the_last_is_fatal_and_retires),
        SYNC_TEST(all_fences_retire_when_the_context_ends),
        SYNC_TEST(fences_of_a_destroyed_device_retire),
        SYNC_TEST(a_flood_of_fences_is_bounded),
        SYNC_TEST(a_wait_ends_with_the_context),
        SYNC_TEST(a_device_lost_is_told_in_a_reply),
        SYNC_TEST(a_device_lost_without_a_reply_ends_the_context),
        SYNC_TEST(a_device_lost_is_told_once),
        SYNC_TEST(fences_retire_when_the_device_is_lost),
        SYNC_TEST(an_import_makes_the_next_wait_on_it_go_away),
        SYNC_TEST(a_wait_consumes_an_import_without_a_new_semaphore),
        SYNC_TEST(an_exported_semaphore_is_a_fresh_one_behind_the_same_id),
        SYNC_TEST(an_exported_fence_is_unsignalled_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
