#include "base/clock.h"
#include "fakes/guest_gpu.h"
#include "fakes/world.h"
#include "unit/check.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A virtio-gpu device whose contexts are in real workers, with the machine's own driver. */

enum { CONTEXTS = 5, RING_FATAL = 2 };

static struct guest_baseline baseline;

/* Calls `each` for every child process; returns how many there are. */
static uint32_t each_child(void (*each)(int pid))
{
    uint32_t count = 0;
    DIR *directory = opendir("/proc");
    struct dirent *entry;
    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL) {
        char path[300], state;
        int pid = atoi(entry->d_name), parent = 0;
        (void)snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        FILE *file = pid > 0 ? fopen(path, "re") : NULL;
        if (file == NULL) {
            continue;
        }
        if (fscanf(file, "%*d (%*[^)]) %c %d", &state, &parent) == 2 && parent == getpid()) {
            count++;
            if (each != NULL) {
                each(pid);
            }
        }
        (void)fclose(file);
    }
    (void)closedir(directory);
    return count;
}

static void kill_it(int pid)
{
    (void)kill(pid, SIGKILL);
}

static int setup(void **state)
{
    struct guest_machine *machine = calloc(1, sizeof(*machine));
    baseline = guest_baseline();
    guest_machine_open(machine, &(struct gpu_guest_params){.program = getenv("PV_TEST_PROGRAM")});
    *state = machine;
    return 0;
}

/* No descriptor, thread or process may be left. */
static int teardown(void **state)
{
    guest_machine_close(*state);
    free(*state);
    return guest_is_back_at(&baseline, UINT64_C(8) << 20) && each_child(NULL) == 0 ? 0 : -1;
}

#define WORKERS_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static struct guest *open_guest(struct guest_machine *machine, uint32_t context_id)
{
    struct guest *g = guest_create_gpu(machine, context_id);
    assert_non_null(g);
    guest_ring_create(g, &g->ring);
    guest_open_device(g);
    return g;
}

static struct pv_gpu_stats stats_of(struct guest_machine *machine)
{
    struct pv_gpu_stats stats = {.struct_size = sizeof(stats)};
    pthread_mutex_lock(&machine->lock);
    pv_gpu_get_stats(machine->gpu->gpu, &stats);
    pthread_mutex_unlock(&machine->lock);
    return stats;
}

static void guests_draw_in_workers_of_their_own(void **state)
{
    struct guest_machine *machine = *state;
    struct guest *guests[CONTEXTS];
    for (uint32_t i = 0; i < CONTEXTS; i++) {
        guests[i] = open_guest(machine, 2 + i);
        guest_fence(guests[i], 0, 1);
        guest_fence(guests[i], 1, 2);
    }
    assert_true(stats_of(machine).workers >= CONTEXTS);
    for (uint32_t i = 0; i < CONTEXTS; i++) {
        assert_true(guest_wait_fences(guests[i], 2));
        struct guest_shm shm;
        assert_int_equal(world_allocate(guests[i], 1 << 20, &shm, NULL), VK_SUCCESS);
        assert_int_not_equal(shm.resource_id, 0);
        shm.map[(1 << 20) - 1] = 1; /* it is really there */
        guest_shm_destroy(guests[i], &shm);
        guest_destroy(guests[i]);
    }
    assert_int_equal(stats_of(machine).contexts_lost, 0);
}

static void killed_worker_costs_one_program(void **state)
{
    struct guest_machine *machine = *state;
    struct guest *g = open_guest(machine, 2);
    (void)each_child(kill_it); /* the spare one too */
    guest_fence(g, 0, 1);
    guest_fence(g, 1, 2);
    assert_true(guest_wait_fences(g, 2));
    assert_true(guest_ring_wait_status(&g->ring, RING_FATAL));
    assert_int_equal(stats_of(machine).contexts_lost, 1);
    struct guest *next = open_guest(machine, 3);
    guest_fence(next, 1, 1);
    assert_true(guest_wait_fences(next, 1));
    guest_destroy(next);
    guest_destroy(g);
}

static void reset_in_mid_flight_ends_all_workers(void **state)
{
    struct guest_machine *machine = *state;
    struct gpu_guest *gpu = machine->gpu;
    for (uint32_t round = 0; round < 2; round++) {
        pthread_mutex_lock(&machine->lock);
        for (uint32_t id = 2; id < 2 + CONTEXTS; id++) {
            assert_int_equal(gpu_ctx_create(gpu, id, 4), VIRTIO_GPU_RESP_OK_NODATA);
            (void)gpu_host_blob(gpu, id, 1000 + id, 0, 1, 4096);
            (void)gpu_send_map(gpu, 1000 + id, 4096 * (uint64_t)id);
            (void)gpu_send_host_blob(gpu, id, 2000 + id, 9, 1, 4096);
            (void)gpu_send_submit(gpu, id, NULL, 0, id, 0);
        }
        pv_gpu_reset(gpu->gpu);
        assert_int_equal(gpu->mapping_count, 0);
        pthread_mutex_unlock(&machine->lock);
        struct guest *g = open_guest(machine, 2);
        guest_fence(g, 1, 1);
        assert_true(guest_wait_fences(g, 1));
        guest_destroy(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKERS_TEST(guests_draw_in_workers_of_their_own),
        WORKERS_TEST(killed_worker_costs_one_program),
        WORKERS_TEST(reset_in_mid_flight_ends_all_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
