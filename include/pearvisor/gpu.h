/*
 * A virtio-gpu device (virtio 1.3, section 5.7; device id 16) whose guests draw with Vulkan: stock
 * Linux (virtio_gpu.ko) and stock Mesa (Venus). For virtual machine monitors.
 *
 * It speaks no transport. The caller owns the virtqueues and the guest's memory: it hands over the
 * bytes of each request and gets the bytes of each response, at once or later. What the device
 * needs of the machine around it are the callbacks of struct pv_gpu_callbacks.
 *
 *     pv_gpu_create()
 *       pv_gpu_features(), pv_gpu_read_config()   what the guest's driver reads first
 *       pv_gpu_request()                          for each descriptor chain of either queue
 *         … callbacks->respond()                  gives that chain back, with these bytes in it
 *       pv_gpu_dispatch()                         whenever pv_gpu_poll_fd() is readable
 *       pv_gpu_reset()                            the guest resets the device, or reboots
 *     pv_gpu_destroy()
 *
 * Vulkan itself runs elsewhere: each context of the guest gets a worker process of its own, which
 * loads the driver (or a thread of this process, if the caller brings a renderer). No call waits
 * for it, for the GPU or for the guest.
 *
 * Threads: one thread at a time for a device. Callbacks come on that thread, from inside of the
 * calls; they may call pv_gpu_finish_map() and nothing else of the device.
 *
 * A guest is hostile: every request is checked, every count has a limit. What is wrong gets
 * virtio's error response; a context that breaks the Venus protocol, or whose worker dies, is lost
 * alone.
 */
#ifndef PEARVISOR_GPU_H
#define PEARVISOR_GPU_H

#include <pearvisor/context.h>
#include <pearvisor/log_level.h>
#include <pearvisor/renderer.h>
#include <pearvisor/result.h>
#include <pearvisor/version.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opaque. Heap; ends with pv_gpu_destroy(). */
struct pv_gpu;

enum {
    PV_GPU_DEVICE_ID = 16,   /* of virtio; PCI: vendor 1af4, device 1050 */
    PV_GPU_QUEUE_COUNT = 2,  /* see enum pv_gpu_queue */
    PV_GPU_QUEUE_SIZE = 256, /* that is advised for both */
    PV_GPU_WINDOW_ID = 1,    /* of the shared memory region that blobs are mapped into */
    PV_GPU_SCANOUTS_MAX = 16,
    PV_GPU_REQUEST_SIZE_MAX = 1024 * 1024, /* of one request; longer ones get an error */
    PV_GPU_RESPONSE_SIZE_MAX = 1056,       /* of any response (an EDID) */
};

enum pv_gpu_queue {
    PV_GPU_QUEUE_CONTROL = 0,
    PV_GPU_QUEUE_CURSOR = 1,
};

struct pv_gpu_rect {
    uint32_t x, y, width, height; /* in pixels */
};

/* A blob that the guest wants to see in its window. */
struct pv_gpu_mapping {
    uint64_t offset; /* in the window, in bytes; a multiple of 4096, maybe not of the host's page */
    uint64_t size_bytes; /* likewise; it lies in the window, and overlaps no other mapping */
    int fd;              /* what to map, from its byte 0 on; the device's, valid during the call */
    enum pv_context_map_caching caching;
};

/* The machine around the device. All get `user` of the params. */
struct pv_gpu_callbacks {
    /* The request that came with `token` is done: write these bytes into the chain's writable part
     * (they fit in the capacity that was told), put the chain into the used ring, interrupt the
     * guest. `size` may be 0 (cursor queue). Exactly once for each request, except that a reset
     * drops those that are pending. May come from inside of pv_gpu_request(). */
    void (*respond)(void *user, uint64_t token, const void *response, size_t size);

    /* Copies guest memory. False when any of it is no memory of the guest's. */
    bool (*read_memory)(void *user, uint64_t guest_address, void *bytes, size_t size);

    /* Maps a blob into the window, and takes one away (the range of an earlier mapping, whole).
     * Done when pv_gpu_finish_map(token, …) is called, from inside of the callback or later; the
     * guest is answered then. Take effect in the order in which they were called; after an unmap
     * the guest may no longer see the pages. An unmap can come before its map is finished, and then
     * be for one that fails: there is nothing to take away then, which is no error. With a `token`
     * of 0 nobody waits for it: do not call pv_gpu_finish_map(). NULL, both: no window, so no
     * host-visible blobs. */
    void (*map)(void *user, uint64_t token, const struct pv_gpu_mapping *mapping);
    void (*unmap)(void *user, uint64_t token, uint64_t offset, uint64_t size_bytes);

    /* The guest shows something on a scanout, or has changed these pixels of it; pv_gpu_scanout()
     * has them. May be NULL. */
    void (*display)(void *user, uint32_t scanout, const struct pv_gpu_rect *changed);

    /* The device's configuration has changed (events_read): interrupt the guest. May be NULL. */
    void (*config_changed)(void *user);
};

/* What a guest may use up. Zero means the default beside each. */
struct pv_gpu_quota {
    uint32_t struct_size;            /* sizeof(struct pv_gpu_quota) */
    uint32_t contexts;               /* at once: 128 */
    uint32_t resources;              /* at once, of all contexts: 64 Ki */
    uint64_t resource_bytes;         /* of 2D images and plain shared blobs: 2 GiB */
    uint64_t pending_bytes;          /* of requests that wait for a context: 64 MiB */
    struct pv_context_quota context; /* of each; only with `renderer` */
};

struct pv_gpu_params {
    uint32_t struct_size; /* sizeof(struct pv_gpu_params) */

    /* Contexts run in this process, on threads, with this renderer (borrowed). NULL, as it should
     * be wherever the guest is not trusted: each in a worker process. */
    struct pv_renderer *renderer;

    /* For workers. Strings are copied. */
    const char
        *program;    /* the program `pearvisor`; NULL: where this library was installed with it */
    const char *gpu; /* as in pv_renderer_params */
    const char *driver; /* a Vulkan driver's manifest (JSON); NULL: all that the host has */
    enum pv_waiting waiting;
    bool allow_venus;

    uint64_t window_bytes;  /* size of the guest's window; a multiple of 4096 */
    uint32_t scanouts;      /* 1 to PV_GPU_SCANOUTS_MAX; 0: 1 */
    uint32_t width, height; /* of each scanout, in pixels; 0: 1920 × 1080 */

    /* Offer VIRTIO_GPU_F_BLOB_ALIGNMENT with this (a power of two ≥ 4096); 0: do not. Stock Mesa
     * does not round its sizes up to it, so only for hosts with larger pages than the guest. */
    uint32_t blob_alignment;

    struct pv_gpu_quota quota; /* zeroed: defaults */

    const struct pv_gpu_callbacks *callbacks; /* copied */
    void *user;

    void (*log)(void *user, enum pv_log_level level,
                const char *line); /* as in pv_renderer_params */
    void *log_user;
    enum pv_log_level log_level;
};

/* Creates a device as a guest finds it after a reset. With workers, the first one begins to load
 * the driver at once, so that the guest's first context need not wait for it.
 *
 *   PV_OK            *gpu is the caller's
 *   PV_NO_MEMORY
 *   PV_HOST_FAILED   no worker program, no driver, or none can be started
 *   PV_UNSUPPORTED   `params` asks for something that this version does not know, or makes no sense
 */
PV_API enum pv_result pv_gpu_create(const struct pv_gpu_params *params, struct pv_gpu **gpu);

/* Ends contexts and workers. Nothing is answered any more; mappings are the caller's to remove.
 * NULL is accepted. */
PV_API void pv_gpu_destroy(struct pv_gpu *gpu);

/* The device's own feature bits (0 to 23). Those of the transport and VIRTIO_F_VERSION_1, which the
 * guest needs, are the caller's to add. */
PV_API uint64_t pv_gpu_features(const struct pv_gpu *gpu);

/* Configuration space (struct virtio_gpu_config): bytes beyond its end read as 0, and writes to
 * anything but events_clear are ignored. */
PV_API uint32_t pv_gpu_config_size(const struct pv_gpu *gpu);
PV_API void pv_gpu_read_config(const struct pv_gpu *gpu, uint32_t offset, void *bytes, size_t size);
PV_API void pv_gpu_write_config(struct pv_gpu *gpu, uint32_t offset, const void *bytes,
                                size_t size);

/* Takes a request: the readable bytes of a descriptor chain, gathered in private memory (borrowed
 * for the call; the guest must not be able to change them), and the size of its writable part.
 * `token` is the caller's name for the chain, not 0, unique among pending ones. Answers through
 * `respond`, in any case. */
PV_API void pv_gpu_request(struct pv_gpu *gpu, enum pv_gpu_queue queue, uint64_t token,
                           const void *request, size_t size, size_t response_capacity);

/* A map or unmap callback's work is done, or could not be (a failed unmap is an error in the log).
 */
PV_API void pv_gpu_finish_map(struct pv_gpu *gpu, uint64_t token, bool ok);

/* Readable (poll it) when pv_gpu_dispatch() has something to do; constant. */
PV_API int pv_gpu_poll_fd(const struct pv_gpu *gpu);
/* Milliseconds until pv_gpu_dispatch() wants to be called in any case; -1: never. */
PV_API int pv_gpu_timeout_ms(const struct pv_gpu *gpu);
/* Does what there is to do: answers of contexts, fences, workers that have come or gone. */
PV_API void pv_gpu_dispatch(struct pv_gpu *gpu);

/* The guest has reset the device: contexts end, resources go, pending requests are dropped without
 * a response, `unmap` is called (with token 0) for what is mapped. */
PV_API void pv_gpu_reset(struct pv_gpu *gpu);

/* What a scanout shows. */
struct pv_gpu_image {
    uint32_t struct_size; /* sizeof(struct pv_gpu_image), set by the caller */
    uint32_t width, height;
    uint32_t stride_bytes;
    const void
        *pixels; /* B, G, R, X, a byte each; the device's, until its next call; NULL: nothing */
};

/* False when the scanout does not exist. A scanout that is off has width 0. Without the guest's
 * pointer, which is not drawn into it. */
PV_API bool pv_gpu_scanout(struct pv_gpu *gpu, uint32_t scanout, struct pv_gpu_image *image);

/* The monitor of a scanout has another size now, or none (0 × 0): the guest is told. */
PV_API void pv_gpu_resize(struct pv_gpu *gpu, uint32_t scanout, uint32_t width, uint32_t height);

struct pv_gpu_stats {
    uint32_t struct_size;                   /* sizeof(struct pv_gpu_stats), set by the caller */
    uint32_t contexts, resources, mappings; /* now */
    uint32_t workers;                       /* processes, spare ones too */
    uint64_t requests, errors;              /* since the beginning; errors: answered with one */
    uint64_t fences;                        /* that have retired */
    uint64_t contexts_lost; /* whose worker died, or whose guest broke the protocol */
    uint64_t mapped_bytes, resource_bytes, pending_bytes; /* now */
};

PV_API void pv_gpu_get_stats(const struct pv_gpu *gpu, struct pv_gpu_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
