/* A second thread that does one thing again and again until it is told to stop. */
#ifndef PV_BENCH_WORKER_H
#define PV_BENCH_WORKER_H

#include "rig.h"

#include <pthread.h>
#include <stdatomic.h>

struct bench_worker {
    const struct bench_rig *rig;
    /* Once, on the thread, before `turn`; NULL: nothing. Both return false to give up. */
    bool (*begin)(struct bench_worker *worker);
    bool (*turn)(struct bench_worker *worker);
    VkCommandPool pool; /* made by bench_worker_create_pool and destroyed with the worker */
    VkCommandBuffer command;
    pthread_t thread;
    _Atomic uint64_t turns;
    _Atomic bool stop;
    _Atomic bool failed;
};

bool bench_worker_start(struct bench_worker *worker);
/* False if a turn failed; `turns` says how many there were. */
bool bench_worker_stop(struct bench_worker *worker);

/* A `begin`: a command pool and a command buffer of the thread's own. */
bool bench_worker_create_pool(struct bench_worker *worker);

/* A `turn`: records so many draws into the worker's command buffer; now and then it waits until the
 * driver has them, so that nothing piles up. */
enum { BENCH_WORKER_DRAWS = 1000 };
bool bench_worker_record_draws(struct bench_worker *worker);

/* Of record.c: begins, draws so often and ends; nothing is submitted. */
bool bench_rig_record_draws(const struct bench_rig *rig, VkCommandBuffer command, uint32_t count);

#endif
