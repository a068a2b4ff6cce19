#ifndef PV_RENDER_COMPILES_H
#define PV_RENDER_COMPILES_H

#include "base/arena.h"
#include "base/attributes.h"
#include "base/result.h"
#include "base/thread.h"
#include "wire/decode.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

/* Pipelines that a guest creates without asking for a reply are compiled on threads of their own,
 * so that no ring stands still meanwhile (protocol/commands.toml, [compiles]).
 *
 * A job owns all that its driver call reads: a copy of the command's bytes, and what they decode
 * to. Its ids stay reserved until the driver is done. Who needs one of them earlier waits for the
 * job, or does it himself where no thread has begun. A job waits for nothing but the driver.
 *
 * Who destroys one of them earlier does not wait: the id is dead at once, and the job loses it. A
 * job without ids that no thread has begun is gone; one that runs gives the driver back what nobody
 * wants. What becomes of an id is decided under the lock.
 *
 * What a job's arguments name must outlive it: while jobs are pending, such an object leaves the
 * table at once, but the driver's destroy of it is late: it comes when all jobs before it are done.
 *
 * Compile threads are no readers of the epoch: they touch no slots but those that their job has
 * reserved, which keeps the pages of these, and no device but the job's, which waits for it. */

struct pv_device;
struct pv_exec;
struct pv_render_context;
struct pv_late_destroy;

enum {
    PV_COMPILE_THREADS_MAX = 4,
    PV_COMPILE_JOBS_MAX = 4096,              /* pending; beyond, the ring compiles itself */
    PV_COMPILE_BYTES_MAX = 64 * 1024 * 1024, /* that all pending jobs hold; likewise */
    PV_COMPILE_DESTROYS_MAX = 16384,         /* late ones; beyond, the ring waits */
};

/* The driver's part of a command; generated. */
typedef VkResult (*pv_compile_call)(const struct pv_device *device, const void *args,
                                    VkPipeline *hosts);

struct pv_compile {
    struct pv_compile *older, *newer; /* guarded by lock, like state, wanted and ids' values */
    enum { PV_COMPILE_QUEUED, PV_COMPILE_RUNNING, PV_COMPILE_DONE } state;
    uint64_t serial;
    uint32_t command;
    uint32_t owner; /* the device's number */
    struct pv_device *device;
    struct pv_decoder in; /* of its own bytes */
    struct pv_arena arena;
    uint8_t *bytes;
    size_t size;
    void *args; /* for the command's struct pv_vk…; the caller decodes into it */
    pv_compile_call call;
    uint32_t count;
    uint32_t wanted; /* ids that are not 0 */
    uint64_t *ids;   /* 0: destroyed meanwhile */
    VkPipeline *hosts;
};

/* One per context; all but the atomics is guarded by lock, which is taken last. */
struct pv_compiles {
    _Atomic uint32_t pending_count; /* jobs that are made, wait, run or have destroys to do */
    _Atomic uint64_t finished_count;
    pthread_mutex_t lock;
    pthread_cond_t work;     /* there is a job to do */
    pthread_cond_t progress; /* a job is done or gone, or a wait must end */
    bool is_ready;
    bool stopping;
    bool is_destroying; /* a thread calls late destroys, until none is ready: so in their order */
    uint64_t last_serial;
    struct pv_compile *oldest, *newest;
    struct pv_late_destroy *destroys;
    struct pv_late_destroy **destroys_tail;
    uint32_t destroy_count;
    struct pv_budget budget;
    uint32_t thread_limit; /* 0 on a single core */
    uint32_t thread_count, idle_count;
    uint32_t queued_count; /* jobs that no thread has begun */
    struct pv_thread threads[PV_COMPILE_THREADS_MAX];
};

PV_NODISCARD enum pv_result pv_compiles_init(struct pv_compiles *compiles);
/* Ends the threads. All devices have been destroyed. */
void pv_compiles_finish(struct pv_compiles *compiles);

/* A job for the command whose arguments begin at `p` and end at the decoder's cursor. NULL when the
 * command is better executed at once: it wants a reply, or there is no core, thread or room. */
struct pv_compile *pv_compile_begin(struct pv_exec *x, struct pv_device *device, const uint8_t *p,
                                    size_t args_size);
/* Takes the job, into whose `args` the caller has decoded. Claims `count` ids and lets a thread do
 * the rest. False: the job has come to nothing, and the command is to be executed at once. */
PV_NODISCARD bool pv_compile_submit(struct pv_exec *x, struct pv_compile *taken_job,
                                    pv_compile_call call, uint32_t count, const uint64_t *ids);

/* The decoder's hook: waits for the job that makes `id`, if there is one. False where no job ever
 * does. The caller may hold pointers to our own structs: it stays awake as a reader, as in any call
 * of the driver's. */
bool pv_compiles_await(struct pv_decoder *in, uint64_t id, uint32_t type);

/* Waits for all jobs that are pending now; false and a fault when the context or ring ends first.
 */
PV_NODISCARD bool pv_compiles_wait(struct pv_exec *x);
/* Waits however long it takes; jobs of devices that are gone from the context's list only give
 * their ids back. Afterwards no job and no late destroy is left of such a device. */
void pv_compiles_drain(struct pv_render_context *context);
/* Lets waits notice that they must end. */
void pv_compiles_wake(struct pv_compiles *compiles);

/* Slow path of pv_exec_cancel(). */
PV_NODISCARD PV_COLD bool pv_compiles_cancel(struct pv_exec *x, uint64_t id);
/* Slow path of pv_exec_destroy_later(). */
PV_NODISCARD PV_COLD bool pv_compiles_destroy_later(struct pv_exec *x, struct pv_device *device,
                                                    uint32_t type, uint64_t host);

#endif
