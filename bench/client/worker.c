#include "worker.h"

#include <stdio.h>

static void *run(void *user)
{
    struct bench_worker *worker = user;
    bool done = !worker->begin || worker->begin(worker);
    while (done && !atomic_load(&worker->stop)) {
        done = worker->turn(worker);
        atomic_fetch_add(&worker->turns, 1);
    }
    atomic_store(&worker->failed, !done);
    return NULL;
}

bool bench_worker_start(struct bench_worker *worker)
{
    if (pthread_create(&worker->thread, NULL, run, worker) != 0) {
        fprintf(stderr, "vulkan_bench: cannot start a thread\n");
        return false;
    }
    return true;
}

bool bench_worker_stop(struct bench_worker *worker)
{
    struct demo_vulkan *vk = &worker->rig->bench->vk;
    atomic_store(&worker->stop, true);
    pthread_join(worker->thread, NULL);
    vk->DeviceWaitIdle(vk->device);
    vk->DestroyCommandPool(vk->device, worker->pool, NULL);
    return !atomic_load(&worker->failed);
}

bool bench_worker_create_pool(struct bench_worker *worker)
{
    struct bench *bench = worker->rig->bench;
    return bench_pool_create(bench, &worker->pool) &&
           bench_command_allocate(bench, worker->pool, &worker->command);
}

bool bench_worker_record_draws(struct bench_worker *worker)
{
    enum { TURNS_TO_DRAIN = 16 };
    const bool done = bench_rig_record_draws(worker->rig, worker->command, BENCH_WORKER_DRAWS);
    if (atomic_load(&worker->turns) % TURNS_TO_DRAIN == TURNS_TO_DRAIN - 1) {
        bench_sync(worker->rig->bench);
    }
    return done;
}
