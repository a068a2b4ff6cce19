#ifndef PV_RENDER_CONTEXT_H
#define PV_RENDER_CONTEXT_H

#include "base/arena.h"
#include "base/command_kind.h"
#include "base/histogram.h"
#include "base/log.h"
#include "base/result.h"
#include "blob/blob.h"
#include "host/host.h"
#include "host/memory_plan.h"
#include "object/epoch.h"
#include "object/object.h"
#include "render/compiles.h"
#include "ring/monitor.h"
#include "ring/ring.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pv_device;
struct pv_exec;
struct pv_instance;
struct pv_render_context;

/* One guest context: an object table, resources, at most one VkInstance, rings, timelines.
 *
 * Fatal is sticky: once a guest has broken the protocol (or a driver lost the device without a way
 * to tell), every ring turns FATAL, every fence retires, and nothing is executed any more. The
 * context object itself stays valid until it is destroyed. */

enum {
    PV_DEVICES_MAX = 64,   /* alive at once in a context; a power of two */
    PV_TIMELINES_MAX = 64, /* ring_idx 0 … 63; 0 is the CPU */
};

/* What a guest may use up. Zero means the default given here. */
struct pv_quota {
    uint64_t objects;             /* 16 Mi */
    uint64_t resources;           /* 64 Ki */
    uint64_t resource_bytes;      /* of shared memory created for blob id 0: 4 GiB */
    uint64_t device_memory_bytes; /* sum of live allocations: no limit */
    uint64_t rings;               /* 256 minus the context's own reader */
    uint64_t arena_bytes;         /* that one command may decode into: 256 MiB */
    uint64_t fences;              /* in flight: 64 Ki */
    uint64_t stream_bytes;        /* of one nested stream: 256 MiB */
};

struct pv_render_params {
    struct pv_host *host;     /* borrowed */
    const struct pv_log *log; /* borrowed */
    struct pv_quota quota;
    const char *device_filter; /* GPU name (substring) or index to offer; NULL: all */
    bool allow_venus;          /* offer devices whose driver is Venus itself */
    /* Which memory a guest can map and how, from a probe process; borrowed. A device without a plan
     * in it is probed at vkCreateInstance, in this process. NULL: all are. */
    const struct pv_memory_plans *plans;
    int notify_fd;    /* as pv_context_params has it */
    bool never_spins; /* rings sleep whenever they have nothing to do */
    /* A fence retired. Any thread; `cookie` as given to pv_render_fence(). */
    void (*fence_retired)(void *user, uint32_t ring_idx, uint64_t cookie);
    /* The context turned fatal; once, any thread. */
    void (*turned_fatal)(void *user);
    void *user;
};

PV_NODISCARD enum pv_result pv_render_create(const struct pv_render_params *params,
                                             struct pv_render_context **context);
/* Stops rings, waits for devices, destroys everything the guest left. NULL is accepted. */
void pv_render_destroy(struct pv_render_context *context);

/* Executes a command stream of the context itself (SUBMIT_3D, SUBMIT_CMD2); copies `bytes` first.
 * May block in vkWaitRingSeqnoMESA. One thread at a time. */
PV_NODISCARD enum pv_result pv_render_submit(struct pv_render_context *context, const void *bytes,
                                             uint64_t size);

/* Whether pv_render_submit() of this stream would neither wait nor call the driver: it only rings
 * bells, and waits for what rings have done already. On the thread of pv_render_submit(). */
PV_NODISCARD bool pv_render_is_quick(struct pv_render_context *context, const uint8_t *bytes,
                                     uint64_t size);

/* Asks for `fence_retired(ring_idx, cookie)` once everything submitted so far on that timeline is
 * done; ring_idx 0 at once. An unbound ring_idx is a guest fault, and the fence retires all the
 * same. Called on the thread of pv_render_submit(). */
void pv_render_fence(struct pv_render_context *context, uint32_t ring_idx, uint64_t cookie);

/* What RESOURCE_CREATE_BLOB asks for. */
enum pv_blob_flags {
    PV_BLOB_FLAG_MAPPABLE = 1,
    PV_BLOB_FLAG_SHAREABLE = 2,
    PV_BLOB_FLAG_CROSS_DEVICE = 4,
};

/* Creates the blob of `blob_id` (0: shared memory, else the id of a VkDeviceMemory) and registers
 * it as resource `resource_id`. The caller gets a reference. PV_GUEST_FAULT when the memory does
 * not exist, is not mappable, or has been exported already. Any thread; does not block. */
PV_NODISCARD enum pv_result pv_render_create_blob(struct pv_render_context *context,
                                                  uint32_t resource_id, uint64_t blob_id,
                                                  uint32_t flags, uint64_t size,
                                                  struct pv_blob **blob);
/* Registers memory from elsewhere; takes the fd in any case. Results as of pv_blob_wrap_fd() and
 * pv_resources_add(), and PV_NO_MEMORY at the quota. Any thread; does not block. */
PV_NODISCARD enum pv_result pv_render_attach_resource(struct pv_render_context *context,
                                                      uint32_t resource_id, enum pv_blob_kind kind,
                                                      int taken_fd, uint64_t size);
/* Registers memory of the caller's; `released` as of pv_blob_wrap_memory(), only if it worked. It
 * counts against no quota of bytes. Any thread; does not block. */
PV_NODISCARD enum pv_result pv_render_attach_memory(struct pv_render_context *context,
                                                    uint32_t resource_id, void *memory,
                                                    uint64_t size, void (*released)(void *user),
                                                    void *user);
/* False when there is none with that id. A ring or stream that uses it keeps its own reference. */
bool pv_render_unref_resource(struct pv_render_context *context, uint32_t resource_id);

/* Ends the context. `why` is for the log and must be static; only the first call counts. */
void pv_render_set_fatal(struct pv_render_context *context, const char *why);
/* The same by the guest's fault, which is counted. */
void pv_render_guest_fault(struct pv_render_context *context, const char *why);
bool pv_render_is_fatal(const struct pv_render_context *context);
/* The driver failed a command of a guest that has asked for no reply: into the log, a few times a
 * minute. What the command should have made, if anything, does not exist. */
void pv_render_tell_failure(struct pv_render_context *context, uint32_t command, VkResult result);
/* A command of Vulkan 1.0 or 1.1 that the driver lacks, for which a create has failed: logged
 * likewise. */
void pv_render_tell_lacking(struct pv_render_context *context, const char *command);

/* The 160 bytes of the Venus capset. */
enum { PV_CAPSET_VENUS_ID = 4, PV_CAPSET_VENUS_SIZE = 160 };
void pv_render_capset(uint8_t capset[PV_CAPSET_VENUS_SIZE]);

/* What a command stream counts. Its own thread writes, others read it as it stands. */
struct pv_tally {
    uint64_t *counts; /* executed, by command number: PV_COMMAND_COUNT of them */
    uint64_t bytes;
    uint64_t latency[PV_HISTOGRAM_BUCKETS]; /* of replies */
};

struct pv_render_stats {
    uint64_t elapsed_ns;
    uint64_t commands, commands_by_kind[PV_COMMAND_KIND_COUNT];
    uint64_t bytes, replies, faults;
    uint64_t objects_alive, objects_created;
    uint64_t mapped_bytes, device_memory_bytes;
    uint64_t rings;
    struct pv_ring_stats of_rings; /* their sum, with those that have ended */
    uint64_t fences_retired;
    uint64_t compiles_pending, compiles_finished; /* of pipelines, on threads of their own */
    uint64_t latency[PV_HISTOGRAM_BUCKETS];
};
/* `counts`: PV_COMMAND_COUNT numbers, or NULL. Any thread; figures may be a batch old. */
void pv_render_get_stats(struct pv_render_context *context, struct pv_render_stats *stats,
                         uint64_t *counts);

struct pv_exec;
struct pv_instance;
struct pv_device;
struct pv_queue;
struct pv_render_ring;

struct pv_render_context {
    struct pv_host *host;
    const struct pv_log *log;
    struct pv_render_params params;
    struct pv_objects objects;
    struct pv_epoch epoch;
    struct pv_resources resources;
    _Atomic bool fatal;
    struct pv_log_budget failures;                       /* see pv_render_tell_failure() */
    _Atomic(struct pv_device *) devices[PV_DEVICES_MAX]; /* by owner number modulo the maximum */
    uint32_t next_owner;                                 /* guarded by lock */
    struct pv_instance *_Atomic instance;
    struct pv_exec *exec; /* of the context's own stream */
    /* Guards the list of rings, owner numbers, and the ids of instance and physical devices. */
    pthread_mutex_t lock;
    struct pv_render_ring *rings; /* guarded by lock; changed on the context's own stream only */
    uint64_t ring_count;
    struct pv_ring_monitor *monitor;
    /* Held while instance, devices and queues come and go, so that none is made of one that is
     * going; taken before the locks below. */
    pthread_mutex_t lifecycle_lock;
    pthread_mutex_t timelines_lock;            /* taken before `lock` */
    struct pv_queue *queues[PV_TIMELINES_MAX]; /* by ring_idx; guarded by timelines_lock */
    /* A look into the table from a thread that runs no stream: one at a time. Who frees memory
     * takes the lock once, after which nobody exports it any more. */
    pthread_mutex_t visitor_lock;
    struct pv_epoch_reader *visitor;
    bool has_locks;
    uint64_t created_ns;
    struct pv_tally ended;            /* of rings that are gone; guarded by lock */
    struct pv_ring_stats ended_rings; /* likewise */
    _Atomic uint64_t faults;
    struct pv_compiles compiles;
    struct pv_budget scratch; /* what all streams hold to decode: arena_bytes and stream_bytes */
    _Atomic uint64_t device_memory_bytes;
    _Atomic uint64_t device_memory_count; /* allocations that live, of all devices */
    uint32_t allocation_count_limit;      /* for them; known from the instance on */
    _Atomic uint64_t shm_bytes;
    _Atomic bool has_attached; /* memory comes from elsewhere, beside what rings say */
    _Atomic uint64_t fences_in_flight;
    _Atomic uint64_t fences_retired;
};

#endif
