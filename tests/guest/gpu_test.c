#include "checks.h"
#include "fakes/fake_vulkan.h"
#include "fakes/guest_gpu.h"
#include "fakes/guest_remote.h"

/* Guests behind a virtio-gpu device, whose contexts are real: on threads, with the fake driver. */

enum { CONTEXTS = 3 };

struct gpu_state {
    struct pv_renderer *renderer;
    struct guest_machine machine;
    struct guest_baseline baseline;
    int64_t live_objects;
};

static const struct pv_log silent;

static int setup(void **state)
{
    struct gpu_state *test = calloc(1, sizeof(*test));
    if (test == NULL) {
        return -1;
    }
    pv_fake_reset();
    test->live_objects = pv_fake_alive_count();
    test->baseline = guest_baseline();
    test->renderer = remote_renderer_create(&silent);
    guest_machine_open(&test->machine, &(struct gpu_guest_params){.renderer = test->renderer});
    *state = test;
    return 0;
}

static int teardown(void **state)
{
    struct gpu_state *test = *state;
    guest_machine_close(&test->machine);
    remote_renderer_destroy(test->renderer);
    bool is_back = pv_fake_alive_count() == test->live_objects &&
                   guest_is_back_at(&test->baseline, UINT64_C(1) << 20);
    free(test);
    return is_back ? 0 : -1;
}

#define GPU_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static struct guest *open_guest(void **state, uint32_t context_id)
{
    struct gpu_state *test = *state;
    struct guest *g = guest_create_gpu(&test->machine, context_id);
    assert_non_null(g);
    guest_ring_create(g, &g->ring);
    guest_open_device(g);
    return g;
}

static void guest_opens_a_device_and_waits_for_its_queue(void **state)
{
    struct guest *g = open_guest(state, 2);
    for (uint32_t i = 0; i < 100; i++) {
        guest_fence(g, i % 2, i);
    }
    assert_true(guest_wait_fences(g, 100));
    uint64_t last[2] = {0, 0};
    for (uint32_t i = 0; i < 100; i++) { /* in order within each timeline */
        assert_true(g->fences[i].cookie >= last[g->fences[i].ring_idx]);
        last[g->fences[i].ring_idx] = g->fences[i].cookie;
    }
    guest_destroy(g);
}

static void memory_is_seen_through_the_window(void **state)
{
    struct gpu_state *test = *state;
    struct guest *g = open_guest(state, 2);
    struct guest_shm shm;
    assert_int_equal(world_allocate(g, 10000, &shm, NULL), VK_SUCCESS);
    assert_int_not_equal(shm.resource_id, 0);
    shm.map[9999] = 1;
    pthread_mutex_lock(&test->machine.lock);
    struct pv_gpu_stats stats = {.struct_size = sizeof(stats)};
    pv_gpu_get_stats(test->machine.gpu->gpu, &stats);
    pthread_mutex_unlock(&test->machine.lock);
    assert_int_equal(stats.mappings, 3); /* the ring, its replies, and this */
    guest_shm_destroy(g, &shm);
    /* What is no memory cannot be mapped, and nothing else is wrong then. */
    shm = guest_blob_create(g, 0xdead, PV_CONTEXT_BLOB_MAPPABLE, 4096);
    assert_int_equal(shm.resource_id, 0);
    guest_fence(g, 0, 1);
    assert_true(guest_wait_fences(g, 1));
    guest_destroy(g);
}

static void context_that_breaks_the_protocol_is_lost_alone(void **state)
{
    struct gpu_state *test = *state;
    struct guest *bad = open_guest(state, 2);
    struct guest *good = open_guest(state, 3);
    assert_true(guest_write_context(bad, "garbage!", 8));
    guest_fence(bad, 0, 1);
    guest_fence(bad, 1, 2);
    assert_true(guest_wait_fences(bad, 2));
    guest_fence(good, 0, 1);
    guest_fence(good, 1, 2);
    assert_true(guest_wait_fences(good, 2));
    struct pv_gpu_stats stats = {.struct_size = sizeof(stats)};
    pthread_mutex_lock(&test->machine.lock);
    pv_gpu_get_stats(test->machine.gpu->gpu, &stats);
    pthread_mutex_unlock(&test->machine.lock);
    assert_int_equal(stats.contexts_lost, 1);
    guest_destroy(bad);
    guest_destroy(good);
}

static void contexts_share_a_device(void **state)
{
    struct guest *guests[CONTEXTS];
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < CONTEXTS; i++) {
            guests[i] = open_guest(state, 2 + i);
            guest_fence(guests[i], 1, i);
        }
        for (uint32_t i = 0; i < CONTEXTS; i++) {
            assert_true(guest_wait_fences(guests[i], 1));
            guest_destroy(guests[i]);
        }
    }
}

static void reset_in_mid_flight_leaves_a_device_that_works(void **state)
{
    struct gpu_state *test = *state;
    struct gpu_guest *gpu = test->machine.gpu;
    for (uint32_t round = 0; round < 3; round++) {
        pthread_mutex_lock(&test->machine.lock);
        for (uint32_t id = 2; id < 6; id++) {
            assert_int_equal(gpu_ctx_create(gpu, id, 4), VIRTIO_GPU_RESP_OK_NODATA);
            (void)gpu_host_blob(gpu, id, 1000 + id, 0, 1, 4096);
            (void)gpu_send_map(gpu, 1000 + id, 4096 * (uint64_t)id);
            (void)gpu_send_host_blob(gpu, id, 2000 + id, 9, 1, 4096);
            (void)gpu_send_submit(gpu, id, NULL, 0, id, 0);
        }
        pv_gpu_reset(gpu->gpu);
        assert_int_equal(gpu->mapping_count, 0);
        pthread_mutex_unlock(&test->machine.lock);
        struct guest *g = open_guest(state, 2);
        guest_fence(g, 1, 1);
        assert_true(guest_wait_fences(g, 1));
        guest_destroy(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GPU_TEST(guest_opens_a_device_and_waits_for_its_queue),
        GPU_TEST(memory_is_seen_through_the_window),
        GPU_TEST(context_that_breaks_the_protocol_is_lost_alone),
        GPU_TEST(contexts_share_a_device),
        GPU_TEST(reset_in_mid_flight_leaves_a_device_that_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
