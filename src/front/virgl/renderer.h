#ifndef PV_FRONT_VIRGL_RENDERER_H
#define PV_FRONT_VIRGL_RENDERER_H

#include "base/attributes.h"
#include "base/log.h"
#include "base/thread.h"
#include "front/virgl/console.h"
#include "front/virgl/virgl_functions.h"
#include "isolate/hosts.h"
#include "isolate/remote.h"

#include <pearvisor/context.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Inside of front/virgl: what the files behind the ABI's functions share.
 *
 * Two threads: the caller's, which makes one call at a time, and ours, which waits for workers.
 * Contexts, fences and hosts belong to whoever has the lock; resources and the console are the
 * caller's thread alone. The caller's callbacks are called without the lock. */

enum {
    PV_VIRGL_CONTEXTS_MAX = 128,
    PV_VIRGL_RESOURCES_MAX = 64 * 1024,
    PV_VIRGL_BUCKETS = 1024,     /* of the table of resources */
    PV_VIRGL_TIMELINES_MAX = 64, /* of a context */
};

/* Of images and of shared memory without a VkDeviceMemory, all contexts together. */
#define PV_VIRGL_RESOURCE_BYTES_MAX (UINT64_C(2) << 30)
/* Of requests that wait for one context. */
#define PV_VIRGL_PENDING_BYTES_MAX (UINT64_C(64) << 20)
/* How long a call may wait for a worker. */
#define PV_VIRGL_WAIT_NS (2 * UINT64_C(1000000000))

struct pv_virgl_fence {
    struct pv_virgl_fence *next;
    uint64_t serial;      /* its name towards the context */
    uint64_t context_key; /* 0: of none */
    uint32_t context_id;
    uint32_t ring_idx;
    uint64_t id;
    bool is_ringed; /* on a timeline of a context; else on the device's, which has one order */
    bool is_mergeable;
    bool is_done; /* but a fence before it is not */
};

struct pv_virgl_fences {
    struct pv_virgl_fence *first, **end;
};

/* The memory that the caller's thread waits for. */
struct pv_virgl_answer {
    uint32_t resource_id;
    bool is_awaited, has_come;
    enum pv_result result;
    struct pv_remote_blob blob;
};

struct pv_virgl_context {
    struct pv_virgl_context *next;
    uint64_t key; /* ids are used again, keys never */
    uint32_t id;
    uint32_t capset;
    struct pv_remote *remote; /* NULL: not of Venus, or given up; what it is told is swallowed */
    struct pv_virgl_answer answer;
};

struct pv_virgl_resource {
    struct pv_virgl_resource *next;
    uint32_t id;
    void *user;        /* the caller's */
    struct iovec *iov; /* likewise */
    uint32_t iov_count;
    /* An image. */
    struct pv_virgl_image image; /* width 0: a blob */
    /* A blob. */
    bool is_host_blob;
    int fd; /* -1: none */
    uint32_t kind, caching;
    uint64_t size_bytes; /* as asked for */
    uint64_t map_size;   /* of what is behind the descriptor: never map more */
    void *map;           /* of virgl_renderer_resource_map() */
    uint64_t charged_bytes;
    /* The contexts that see it, by key. */
    uint64_t *contexts;
    uint32_t context_count;
};

struct pv_virgl {
    struct pv_log log;
    /* The caller's thread. */
    bool is_running;
    void *cookie;
    int flags;
    struct pv_virgl_callbacks callbacks; /* what its version does not cover is NULL */
    struct pv_virgl_console console;
    struct pv_virgl_resource *resources[PV_VIRGL_BUCKETS];
    uint32_t resource_count;
    uint64_t resource_bytes;
    uint32_t host_blob_count, host_blob_limit; /* each holds a descriptor */
    uint32_t submitted_context;                /* by the request that is under way; 0: none */
    struct pv_thread thread;
    /* Constant while it runs. */
    int epoll;
    int wake; /* wakes our thread */
    int poll; /* readable when virgl_renderer_poll() has fences to report; -1 in async mode */
    /* Guarded by the lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool has_started, must_stop;
    bool is_reporting; /* our thread is inside of a callback */
    struct pv_hosts *hosts;
    struct pv_virgl_context *contexts;
    uint32_t context_count;
    uint64_t next_key, next_serial;
    struct pv_virgl_fences pending, retired; /* in the order of creation, of retirement */
    uint32_t timeout_count;
    /* Of either thread. */
    struct pv_log_budget complaints;
};

/* The one of this process: the ABI has no handle. */
extern struct pv_virgl pv_virgl;

/* --- context.c: with the lock ----------------------------------------------------------------- */

struct pv_virgl_context *pv_virgl_find_context(uint32_t id);
struct pv_virgl_context *pv_virgl_find_context_by_key(uint64_t key);
/* Hangs up, so that its worker ends; the context stays, and swallows. */
void pv_virgl_give_up_context(struct pv_virgl_context *context);
void pv_virgl_destroy_contexts(void);

/* --- fence.c: with the lock ------------------------------------------------------------------- */

void pv_virgl_fences_init(void);
/* The remote's callback; `serial` is of a pending fence. */
void pv_virgl_retire_fence(uint64_t context_key, uint64_t serial);
void pv_virgl_retire_fences_of(uint64_t context_key);
void pv_virgl_drop_fences(void);
/* Reports what has retired, without the lock in between. In async mode our thread's alone. */
void pv_virgl_report_fences(void);
/* Returns when our thread is in no callback any more. */
void pv_virgl_await_reports(void);

/* --- loop.c ------------------------------------------------------------------------------------
 */

/* Starts our thread, with workers if `wants_workers`. False when there is no thread to be had. */
PV_NODISCARD bool pv_virgl_loop_start(bool wants_workers);
void pv_virgl_loop_stop(void);
/* Has our thread look at everything again. */
void pv_virgl_loop_wake(void);
PV_NODISCARD bool pv_virgl_loop_watch(int fd, uint64_t context_key);
void pv_virgl_loop_forget(int fd);

/* --- resource.c: the caller's thread ---------------------------------------------------------- */

struct pv_virgl_resource *pv_virgl_find_resource(uint32_t id);
/* NULL when the id is 0 or taken, or the quota is used up. */
struct pv_virgl_resource *pv_virgl_add_resource(uint32_t id, uint64_t charged_bytes);
void pv_virgl_remove_resource(struct pv_virgl_resource *resource);
void pv_virgl_destroy_resources(void);
/* Remembers that a context sees it. False without memory. */
PV_NODISCARD bool pv_virgl_add_viewer(struct pv_virgl_resource *resource, uint64_t context_key);
bool pv_virgl_has_viewer(const struct pv_virgl_resource *resource, uint64_t context_key);
void pv_virgl_remove_viewer(struct pv_virgl_resource *resource, uint64_t context_key);
/* Copies `size` bytes from `offset` on out of its backing; false when they are not all there. */
PV_NODISCARD bool pv_virgl_gather(const struct iovec *iov, uint32_t iov_count, uint64_t offset,
                                  void *bytes, uint64_t size);

/* Of what a guest can bring about as often as it likes. */
#define pv_virgl_complain(...)                                                                     \
    (pv_log_allows(&pv_virgl.complaints) ? pv_log_warn(&pv_virgl.log, __VA_ARGS__) : (void)0)

/* --- log.c ------------------------------------------------------------------------------------ */

void pv_virgl_log_line(void *user, enum pv_log_level level, const char *line);

#endif
