/* Draws recorded by several threads at once, each with a command pool of its own. */
#include "worker.h"

#include <stdio.h>

enum { THREADS_MAX = 4, DRAWS = 1000, BUFFERS = 32 };

struct crew {
    const struct bench_rig *rig;
    pthread_barrier_t barrier;
    _Atomic bool stop;
    _Atomic bool failed;
};

struct member {
    struct crew *crew;
    VkCommandPool pool;
    VkCommandBuffer commands[BUFFERS];
    pthread_t thread;
};

/* Between two barriers each member records its share; after the second the main thread looks. */
static void *work(void *user)
{
    struct member *member = user;
    struct crew *crew = member->crew;
    for (;;) {
        pthread_barrier_wait(&crew->barrier);
        if (atomic_load(&crew->stop)) {
            return NULL;
        }
        for (int i = 0; i < BUFFERS; i++) {
            if (!bench_rig_record_draws(crew->rig, member->commands[i], DRAWS)) {
                atomic_store(&crew->failed, true);
            }
        }
        pthread_barrier_wait(&crew->barrier);
    }
}

static bool prepare(struct bench *bench, struct member *member)
{
    bool done = bench_pool_create(bench, &member->pool);
    for (uint32_t i = 0; done && i < BUFFERS; i++) {
        done = bench_command_allocate(bench, member->pool, &member->commands[i]);
    }
    return done;
}

static void measure_crew(struct crew *crew, uint32_t threads, const char *name)
{
    struct bench *bench = crew->rig->bench;
    struct bench_samples samples;
    bench_samples_start(&samples, bench);
    while (!atomic_load(&crew->failed) && bench_samples_want(&samples)) {
        const uint64_t start_ns = bench_clock_ns();
        pthread_barrier_wait(&crew->barrier);
        pthread_barrier_wait(&crew->barrier);
        bench_sync(bench);
        bench_samples_add(&samples, bench_clock_ns() - start_ns);
    }
    atomic_store(&crew->stop, true);
    pthread_barrier_wait(&crew->barrier);
    if (!atomic_load(&crew->failed)) {
        bench_report_rate(
            name, &samples, (double)threads * BUFFERS * DRAWS, "commands/s",
            "each thread records 32 command buffers of 1000 draws; a round ends with a "
            "synchronous call after all of them");
    }
    bench_samples_finish(&samples);
}

static bool measure(const struct bench_rig *rig, uint32_t threads)
{
    struct bench *bench = rig->bench;
    struct crew crew = {.rig = rig};
    struct member members[THREADS_MAX] = {0};
    char name[32];
    snprintf(name, sizeof(name), "threads.%u", threads);
    for (uint32_t i = 0; i < threads; i++) {
        members[i].crew = &crew;
        if (!prepare(bench, &members[i])) {
            return false;
        }
    }
    pthread_barrier_init(&crew.barrier, NULL, threads + 1);
    for (uint32_t i = 0; i < threads; i++) {
        if (pthread_create(&members[i].thread, NULL, work, &members[i]) != 0) {
            /* Those that run wait at a barrier that nobody else will come to. */
            fprintf(stderr, "vulkan_bench: cannot start a thread\n");
            return false;
        }
    }
    measure_crew(&crew, threads, name);
    for (uint32_t i = 0; i < threads; i++) {
        pthread_join(members[i].thread, NULL);
        bench->vk.DestroyCommandPool(bench->vk.device, members[i].pool, NULL);
    }
    pthread_barrier_destroy(&crew.barrier);
    return !atomic_load(&crew.failed);
}

bool bench_threads(struct bench *bench)
{
    struct bench_rig rig = {0};
    bool done = bench_rig_create(&rig, bench, 64, 64);
    for (uint32_t threads = 1; done && threads <= THREADS_MAX; threads *= 2) {
        done = measure(&rig, threads);
    }
    bench_rig_destroy(&rig);
    return done;
}
