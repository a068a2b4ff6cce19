/*
 * A context: one guest program's Vulkan (one VkInstance of it, with all that belongs to it).
 *
 * Threads. Most calls may come from any thread, several at once; each that may not says so. The
 * two callbacks come from threads of the library, or from inside of a call of the caller's own.
 * They may call pv_context_get_stats() and nothing else of the context, and must not wait for a
 * thread that is inside one of its calls.
 *
 * Fatal is sticky. A guest that breaks the protocol, or a driver that loses the device where
 * nothing can tell the guest, ends the context: rings say FATAL, fences retire, commands are
 * dropped. The object stays valid until pv_context_destroy().
 */
#ifndef PEARVISOR_CONTEXT_H
#define PEARVISOR_CONTEXT_H

#include <pearvisor/renderer.h>
#include <pearvisor/result.h>
#include <pearvisor/stats.h>
#include <pearvisor/version.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opaque. Heap; ends with pv_context_destroy(). */
struct pv_context;

/* What one guest may use up. Zero means the default that stands beside each. Where a command of the
 * guest reaches one, it gets a VkResult if the command has one; otherwise its context ends. */
struct pv_context_quota {
    uint32_t struct_size;         /* sizeof(struct pv_context_quota) */
    uint64_t objects;             /* alive at once: 16 Mi */
    uint64_t resources;           /* blobs at once: 64 Ki */
    uint64_t resource_bytes;      /* of shared memory without a VkDeviceMemory: 4 GiB */
    uint64_t device_memory_bytes; /* sum of live allocations: no limit */
    uint64_t rings;               /* at once: 255 */
    uint64_t arena_bytes;         /* that one command may decode into: 256 MiB */
    uint64_t fences;              /* in flight: 64 Ki */
    uint64_t stream_bytes;        /* of one nested command stream: 256 MiB */
    /* All streams of a context together hold no more to decode than arena_bytes + stream_bytes. */
};

struct pv_context_params {
    uint32_t struct_size; /* sizeof(struct pv_context_params) */
    uint32_t id;          /* stands in front of each log line; 0: none */

    struct pv_context_quota quota; /* zeroed: defaults */

    /* The descriptor at which the guest's command streams arrive: a socket, an eventfd. The library
     * never reads from it. When nothing is left to do, the guest's main ring sleeps until its
     * memory has new commands, and the guest says so in a command stream (vkNotifyRingMESA); with
     * this descriptor the ring wakes up as soon as something arrives, at the same time as the
     * caller, and looks by itself. Borrowed until the context is destroyed; 0: none, and a ring
     * wakes one thread switch later. */
    int notify_fd;

    /* The fence that pv_context_fence() asked for with `cookie` has retired. Once for each, in
     * order within one timeline; any thread, maybe inside of pv_context_fence() itself. */
    void (*fence_retired)(void *user, uint32_t ring_idx, uint64_t cookie);

    /* The context has turned fatal. At most once; any thread, maybe inside of one of its calls. May
     * be NULL. */
    void (*turned_fatal)(void *user);

    void *user; /* handed to both */
};

/* Creates a context without objects, which costs little: no driver is called.
 *
 *   PV_OK            *context is the caller's, to be given to pv_context_destroy()
 *   PV_NO_MEMORY
 *   PV_UNSUPPORTED   `params` asks for something that this version does not know
 *
 * On failure *context is NULL. `renderer` must outlive the context. */
PV_API enum pv_result pv_context_create(struct pv_renderer *renderer,
                                        const struct pv_context_params *params,
                                        struct pv_context **context);

/* Stops rings, waits for the GPU, destroys what the guest has left. All callbacks are over when it
 * returns. No other call of the context may be under way. NULL is accepted. */
PV_API void pv_context_destroy(struct pv_context *context);

/* Executes a command stream of the context itself (virtio-gpu's SUBMIT_3D, vtest's SUBMIT_CMD2).
 * `bytes` are copied before they are looked at. Blocks until they are executed, which can take as
 * long as the guest likes if it waits for a ring of its own (vkWaitRingSeqnoMESA). One thread at a
 * time, together with pv_context_fence().
 *
 *   PV_OK
 *   PV_GUEST_FAULT   the context is fatal, now or since long
 *   PV_NO_MEMORY     likewise: the context is fatal, since a command was lost */
PV_API enum pv_result pv_context_submit(struct pv_context *context, const void *bytes,
                                        uint64_t size_bytes);

/* Whether pv_context_submit() of these bytes would return at once: they only tell rings that there
 * is work, or wait for work that a ring has done already. A caller that hands streams to a thread
 * of their own spares itself that for the quick ones, as long as nothing is before them. A hint,
 * not a check of the bytes. One thread at a time, together with pv_context_submit(). */
PV_API bool pv_context_is_quick(struct pv_context *context, const void *bytes, uint64_t size_bytes);

/* Asks for `fence_retired(ring_idx, cookie)` once everything submitted on that timeline so far is
 * done. Timeline 0 is the CPU: what pv_context_submit() has executed, so it retires at once. The
 * others are VkQueues that the guest has bound to a number below 64; one that it has not bound is a
 * guest's fault. The fence retires in any case, also in a fatal context. One thread at a time,
 * together with pv_context_submit(). */
PV_API void pv_context_fence(struct pv_context *context, uint32_t ring_idx, uint64_t cookie);

/* What a guest wants a blob for (virtio-gpu's blob flags). */
enum pv_context_blob_flags {
    PV_CONTEXT_BLOB_MAPPABLE = 1,
    PV_CONTEXT_BLOB_SHAREABLE = 2,
    PV_CONTEXT_BLOB_CROSS_DEVICE = 4,
};

/* How the memory must be mapped into a guest (virtio-gpu's map info). */
enum pv_context_map_caching {
    PV_CONTEXT_MAP_CACHED = 1,
    PV_CONTEXT_MAP_UNCACHED = 2,
    PV_CONTEXT_MAP_WRITE_COMBINED = 3,
};

/* What is behind a blob's descriptor. */
enum pv_context_blob_kind {
    PV_CONTEXT_BLOB_SHM = 1, /* plain shared memory: rings, replies, command streams */
    PV_CONTEXT_BLOB_MEMORY,  /* the pages of a VkDeviceMemory, in a memory file of the library's */
    PV_CONTEXT_BLOB_DMABUF,  /* a VkDeviceMemory that the driver has exported as dma-buf */
    PV_CONTEXT_BLOB_OPAQUE,  /* likewise as an opaque fd, which can be mapped */
};

/* A blob, to be given to a guest. */
struct pv_context_blob {
    uint32_t struct_size;    /* sizeof(struct pv_context_blob), set by the caller */
    int fd;                  /* the caller's to close; close-on-exec; -1 where there is none */
    uint64_t size_bytes;     /* as asked for */
    uint64_t map_size_bytes; /* of the real backing, whole pages: never map beyond it */
    void *map; /* the library's own mapping, valid until the resource is gone; NULL: none */
    enum pv_context_map_caching caching;
    enum pv_context_blob_kind kind;
};

struct pv_context_blob_params {
    uint32_t struct_size; /* sizeof(struct pv_context_blob_params) */
    uint32_t resource_id; /* the guest's name for it from now on; not 0, not in use */
    uint64_t blob_id;     /* 0: new zero-filled memory; else the guest's id of a VkDeviceMemory */
    uint32_t flags;       /* enum pv_context_blob_flags */
    uint64_t size_bytes;
};

/* Creates a blob and registers it as a resource of the context. Any thread; does not wait for the
 * guest or the GPU. The memory behind a blob id may be allocated by a command that is still on its
 * way in a ring: callers keep the order in which the guest's requests arrived.
 *
 *   PV_OK            *blob is filled in; the fd in it is the caller's
 *   PV_GUEST_FAULT   no such memory, not mappable, exported already, or a bad resource id
 *   PV_NO_MEMORY     or a quota is reached
 *   PV_HOST_FAILED   the system or the driver refused */
PV_API enum pv_result pv_context_create_blob(struct pv_context *context,
                                             const struct pv_context_blob_params *params,
                                             struct pv_context_blob *blob);

/* Makes memory that comes from elsewhere a resource of the context: shared memory of the caller's,
 * or a blob that another context has exported (which a guest imports then with
 * VkImportMemoryResourceInfoMESA). `fd` is the caller's; the context keeps a duplicate. The kinds
 * SHM and MEMORY are mapped, so they must be memory files that are sealed against shrinking. SHM
 * counts against the quota's resource_bytes. Any thread.
 *
 *   PV_OK
 *   PV_GUEST_FAULT   resource id 0, or one that is in use
 *   PV_NO_MEMORY     or a quota is reached
 *   PV_UNSUPPORTED   no such kind, or not sealed
 *   PV_HOST_FAILED   no descriptor left, or less than `size_bytes` (at least 1) is behind it */
PV_API enum pv_result pv_context_attach_resource(struct pv_context *context, uint32_t resource_id,
                                                 enum pv_context_blob_kind kind, int fd,
                                                 uint64_t size_bytes);

/* Makes memory of the caller's, in this process, a resource of the context: where the caller shares
 * memory with its guest by itself, replies go there, and command streams are read from there. It
 * begins at a multiple of 4 and stays mapped, readable and writable until `released(user)` is
 * called: once, from any thread, when the library refers to it no more. That is when the resource
 * is gone and no stream writes its replies there any longer; at the latest inside of
 * pv_context_destroy(). `released` may be NULL, must not call the library, and is not called when
 * this call fails. Any thread.
 *
 *   PV_OK
 *   PV_GUEST_FAULT   resource id 0, or one that is in use
 *   PV_NO_MEMORY     or a quota is reached
 *   PV_INVALID       `context` or `memory` is NULL, not aligned, `size_bytes` is 0, or beyond the
 *                    end of the address space */
PV_API enum pv_result pv_context_attach_memory(struct pv_context *context, uint32_t resource_id,
                                               void *memory, uint64_t size_bytes,
                                               void (*released)(void *user), void *user);

/* Forgets a resource. A ring or stream that uses its memory keeps that, and so does whoever has
 * mapped the fd. False when there is none with that id. Any thread. */
PV_API bool pv_context_unref_resource(struct pv_context *context, uint32_t resource_id);

/* Describes a resource again, with a new fd. False when there is none with that id, or no
 * descriptor to be had. Any thread. */
PV_API bool pv_context_export_resource(struct pv_context *context, uint32_t resource_id,
                                       struct pv_context_blob *blob);

/* Ends the context. `why` is for the log and must stay valid (a literal); only the first reason
 * counts. Any thread. */
PV_API void pv_context_set_fatal(struct pv_context *context, const char *why);

/* Any thread. */
PV_API bool pv_context_is_fatal(struct pv_context *context);

/* Fills in *stats, as far as its struct_size goes. `counts` gets how often each command was
 * executed, by its number: pv_command_count() of them; or NULL. Any thread; figures may be some
 * commands old. */
PV_API void pv_context_get_stats(struct pv_context *context, struct pv_stats *stats,
                                 uint64_t *counts);

#ifdef __cplusplus
}
#endif

#endif
