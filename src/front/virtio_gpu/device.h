#ifndef PV_FRONT_VIRTIO_GPU_DEVICE_H
#define PV_FRONT_VIRTIO_GPU_DEVICE_H

#include "base/attributes.h"
#include "base/log.h"
#include "base/poll_set.h"
#include "front/virtio_gpu/protocol.h"
#include "front/virtio_gpu/table.h"
#include "isolate/remote.h"

#include <pearvisor/gpu.h>
#include <stdbool.h>
#include <stdint.h>

/* Inside of the device: its state, and what its files give each other.
 *
 * A request is looked up in the table of request.c, and its handler says the response. Most say it
 * at once. One that has to wait (for a blob, for the window) defers itself; so does every one with
 * a fence. What is deferred is a struct pv_virtio_gpu_pending until its response is known
 * (pv_virtio_gpu_answer) and its fence has retired; then the guest gets its chain back. */

struct pv_virtio_gpu_command;

struct pv_virtio_gpu_request {
    struct pv_virtio_gpu_header header;
    const struct pv_virtio_gpu_command *command;
    uint64_t token;
    const uint8_t *body; /* behind the header; at least what the command's table row says */
    size_t body_size;
    void *answer; /* where the handler puts the response's body: zeroed, as long as its row says */
    struct pv_virtio_gpu_header response_header;
    uint32_t response_size;                /* with the header; 0: there is no room for one */
    struct pv_virtio_gpu_pending *pending; /* set by pv_virtio_gpu_defer() */
};

/* Does what the request says and returns the response's type; PV_VIRTIO_GPU_DEFERRED if that will
 * be told later. */
typedef enum pv_virtio_gpu_response pv_virtio_gpu_handler(struct pv_gpu *gpu,
                                                          struct pv_virtio_gpu_request *request);

struct pv_virtio_gpu_command {
    uint32_t type;
    uint32_t queue;         /* enum pv_gpu_queue */
    uint32_t request_size;  /* at least, with the header */
    uint32_t response_size; /* with the header */
    pv_virtio_gpu_handler *handler;
    const char *name;
};

/* Fenced requests that are returned in order. */
struct pv_virtio_gpu_timeline {
    struct pv_virtio_gpu_pending *first, *last;
};

struct pv_virtio_gpu_pending {
    struct pv_virtio_gpu_pending *next, *previous; /* of all */
    struct pv_virtio_gpu_pending *next_in_timeline;
    struct pv_virtio_gpu_pending *next_in_queue; /* see struct pv_virtio_gpu_queue */
    uint64_t token;
    uint64_t id; /* unique; names it towards the caller's map callbacks and the context's fences */
    struct pv_virtio_gpu_timeline *timeline; /* NULL: it goes as soon as it is answered */
    struct pv_virtio_gpu_context *context;   /* whose fence `id` it waits for; NULL: none */
    uint32_t ring_idx;
    bool is_held; /* its pv_gpu_request() still runs */
    bool is_fence;
    bool is_answered;
    bool is_map;                             /* of a blob into the window; else an unmap */
    struct pv_virtio_gpu_resource *resource; /* that it is about; NULL when that has gone */
    uint32_t blob_resource_id;               /* of a blob that a context was asked for */
    uint32_t size;                           /* of the response; 0: no room for one */
    _Alignas(8) uint8_t response[];          /* its header, and what belongs behind it */
};

/* Requests that somebody else finishes, in order. */
struct pv_virtio_gpu_queue {
    struct pv_virtio_gpu_pending *first, *last;
};

struct pv_virtio_gpu_context {
    struct pv_virtio_gpu_node node;
    struct pv_gpu *gpu;
    struct pv_remote *remote; /* NULL: not Venus, or ended early */
    bool is_lost;
    uint64_t pending_bytes;                /* its part of the device's sum */
    struct pv_virtio_gpu_queue blobs;      /* that were asked of it */
    uint64_t retired[PV_VIRTIO_GPU_RINGS]; /* the last fence of each */
    struct pv_virtio_gpu_timeline timelines[PV_VIRTIO_GPU_RINGS];
};

/* A list of pieces of guest memory, read as one. */
struct pv_virtio_gpu_backing {
    struct pv_virtio_gpu_piece *pieces;
    uint32_t count;
    uint64_t size; /* of all together */
};

enum {
    /* Of any image, in pixels: its bytes fit in 32 bits, times 4 and a row more in 64. */
    PV_VIRTIO_GPU_IMAGE_SIDE_MAX = 16384,
};

enum pv_virtio_gpu_kind {
    PV_VIRTIO_GPU_IMAGE,      /* pixels in host memory */
    PV_VIRTIO_GPU_GUEST_BLOB, /* guest memory */
    PV_VIRTIO_GPU_HOST_BLOB,  /* a descriptor */
};

enum pv_virtio_gpu_map_state {
    PV_VIRTIO_GPU_UNMAPPED,
    PV_VIRTIO_GPU_MAP_WAITS, /* for the blob; its range is taken */
    PV_VIRTIO_GPU_MAPPED,    /* the caller was told to */
};

/* A context that knows a resource by its id. */
struct pv_virtio_gpu_viewer {
    struct pv_virtio_gpu_context *context;
    bool is_told; /* false: when the blob is there */
};

struct pv_virtio_gpu_resource {
    struct pv_virtio_gpu_node node;
    enum pv_virtio_gpu_kind kind;
    uint64_t charged_bytes; /* to the quota */
    uint8_t uuid[16];
    bool has_uuid;

    /* An image: rows of width × 4 bytes. */
    uint32_t format, width, height;
    uint8_t *pixels;

    struct pv_virtio_gpu_backing backing;

    /* A blob. */
    uint64_t size; /* as the guest has it */
    uint32_t flags;
    int fd;            /* of a host blob; -1 until it is there */
    uint64_t map_size; /* of what is behind fd */
    uint32_t caching, blob_kind;
    struct pv_virtio_gpu_pending *creation; /* that is under way */
    struct pv_virtio_gpu_viewer *viewers;
    uint32_t viewer_count, viewer_capacity;

    enum pv_virtio_gpu_map_state map_state;
    uint64_t map_offset, map_bytes;            /* the range in the window */
    struct pv_virtio_gpu_pending *map_request; /* that is not answered yet */
};

/* Where pixels are in a resource. */
struct pv_virtio_gpu_layout {
    uint32_t format, width, height;
    uint32_t stride;
    uint64_t offset;
};

struct pv_virtio_gpu_scanout {
    uint32_t monitor_width, monitor_height;  /* 0: no monitor */
    struct pv_virtio_gpu_resource *resource; /* NULL: off */
    struct pv_virtio_gpu_layout layout;
    struct pv_virtio_gpu_rect rect; /* of the layout, that is shown */
    uint8_t *copy;                  /* what pv_gpu_scanout() has given out */
    uint64_t copy_bytes;
};

struct pv_gpu {
    struct pv_log log;
    struct pv_gpu_callbacks callbacks;
    void *user;
    struct pv_gpu_quota quota;
    uint64_t window_bytes;
    uint32_t blob_alignment;
    struct pv_hosts *hosts;
    struct pv_virtio_gpu_host *host; /* what the hosts stand on; NULL: somebody else's */
    struct pv_poll_set set;

    uint32_t events; /* enum pv_virtio_gpu_event */
    uint32_t scanout_count;
    struct pv_virtio_gpu_scanout scanouts[PV_GPU_SCANOUTS_MAX];

    struct pv_virtio_gpu_table contexts, resources;
    uint32_t host_blob_count, host_blob_limit; /* each holds a descriptor */
    struct pv_virtio_gpu_resource **mapped;    /* whose ranges are taken, by offset */
    uint32_t mapped_count, mapped_capacity;

    struct pv_virtio_gpu_pending *pending; /* all */
    uint64_t last_pending_id;
    uint32_t pending_count;
    struct pv_virtio_gpu_timeline timeline;  /* of fences without a ring_idx */
    struct pv_virtio_gpu_queue window_queue; /* what the caller maps and unmaps */

    struct pv_gpu_stats stats;
    struct pv_log_budget complaints; /* about the guest */
};

/* --- request.c ---------------------------------------------------------------------------------
 */

/* Returns a chain to the guest, with a response that begins with its header. */
void pv_virtio_gpu_respond(struct pv_gpu *gpu, uint64_t token, uint8_t *response, size_t size);

/* --- pending.c ---------------------------------------------------------------------------------
 */

/* Makes a request pending; what it answers is told by pv_virtio_gpu_answer(). NULL when there is no
 * memory, or too many are. */
PV_NODISCARD struct pv_virtio_gpu_pending *
pv_virtio_gpu_defer(struct pv_gpu *gpu, struct pv_virtio_gpu_request *request);
/* The response's body, zeroed, for one that has one. */
void *pv_virtio_gpu_pending_body(struct pv_virtio_gpu_pending *pending);
/* The response is known. The request may be gone afterwards. */
void pv_virtio_gpu_answer(struct pv_gpu *gpu, struct pv_virtio_gpu_pending *taken_pending,
                          enum pv_virtio_gpu_response type);
/* Its request is done, so whoever works for it can be asked when that is finished. The last step of
 * pv_gpu_request(); nothing pending goes before it. */
void pv_virtio_gpu_begin_fence(struct pv_gpu *gpu, struct pv_virtio_gpu_pending *taken_pending);
/* A context's fence has retired. */
void pv_virtio_gpu_retire(struct pv_virtio_gpu_context *context, uint32_t ring_idx, uint64_t id);
/* No fence of it will retire any more: all have. */
void pv_virtio_gpu_retire_all(struct pv_virtio_gpu_context *context);
/* Nothing may point to the context any more. */
void pv_virtio_gpu_forget_context(struct pv_virtio_gpu_context *context);
/* Frees all without a response. */
void pv_virtio_gpu_drop_pending(struct pv_gpu *gpu);

void pv_virtio_gpu_queue_push(struct pv_virtio_gpu_queue *queue,
                              struct pv_virtio_gpu_pending *pending);
struct pv_virtio_gpu_pending *pv_virtio_gpu_queue_pop(struct pv_virtio_gpu_queue *queue);
/* Takes out the one with this id; NULL when there is none. */
struct pv_virtio_gpu_pending *pv_virtio_gpu_queue_take(struct pv_virtio_gpu_queue *queue,
                                                       uint64_t id);

/* --- resource.c --------------------------------------------------------------------------------
 */

/* Against quota.resource_bytes. */
PV_NODISCARD bool pv_virtio_gpu_charge(struct pv_gpu *gpu, uint64_t bytes);
void pv_virtio_gpu_discharge(struct pv_gpu *gpu, uint64_t bytes);

struct pv_virtio_gpu_resource *pv_virtio_gpu_find_resource(const struct pv_gpu *gpu, uint32_t id);
/* A new one of that id, charged with `bytes`. NULL and *why when it cannot be. */
PV_NODISCARD struct pv_virtio_gpu_resource *
pv_virtio_gpu_new_resource(struct pv_gpu *gpu, uint32_t id, enum pv_virtio_gpu_kind kind,
                           uint64_t bytes, enum pv_virtio_gpu_response *why);
/* Ends whatever uses it. */
void pv_virtio_gpu_destroy_resource(struct pv_gpu *gpu, struct pv_virtio_gpu_resource *resource);

/* --- backing.c ---------------------------------------------------------------------------------
 */

/* Reads the list behind a request's struct. `entries_size`: bytes that are there. */
PV_NODISCARD enum pv_virtio_gpu_response
pv_virtio_gpu_backing_init(struct pv_gpu *gpu, struct pv_virtio_gpu_backing *backing,
                           const uint8_t *entries, size_t entries_size, uint32_t count);
void pv_virtio_gpu_backing_finish(struct pv_gpu *gpu, struct pv_virtio_gpu_backing *backing);
/* False when it goes beyond the end, or the guest has no memory there. */
PV_NODISCARD bool pv_virtio_gpu_backing_read(const struct pv_gpu *gpu,
                                             const struct pv_virtio_gpu_backing *backing,
                                             uint64_t offset, void *bytes, uint64_t size);

/* --- context.c ---------------------------------------------------------------------------------
 */

struct pv_virtio_gpu_context *pv_virtio_gpu_find_context(const struct pv_gpu *gpu, uint32_t id);
void pv_virtio_gpu_destroy_context(struct pv_virtio_gpu_context *context);
/* Counts what waits for it; called after each thing that was asked of it. */
void pv_virtio_gpu_count_pending(struct pv_virtio_gpu_context *context);
/* Ends the greediest contexts while too much waits for all together. Not from inside of a
 * context's dispatch. */
void pv_virtio_gpu_keep_pending_quota(struct pv_gpu *gpu);
/* The context knows the resource from now on. */
PV_NODISCARD bool pv_virtio_gpu_add_viewer(struct pv_virtio_gpu_resource *resource,
                                           struct pv_virtio_gpu_context *context, bool is_told);
/* The blob is there: tells those who asked for it before. */
void pv_virtio_gpu_tell_viewers(struct pv_virtio_gpu_resource *resource);
void pv_virtio_gpu_remove_viewer(struct pv_virtio_gpu_resource *resource,
                                 const struct pv_virtio_gpu_context *context);
void pv_virtio_gpu_forget_viewers(struct pv_virtio_gpu_resource *resource);

/* --- blob.c ------------------------------------------------------------------------------------
 */

/* What a context says to CREATE_BLOB (pv_remote_events). */
void pv_virtio_gpu_blob_created(struct pv_virtio_gpu_context *context, uint32_t resource_id,
                                enum pv_result result, const struct pv_remote_blob *blob);

/* --- window.c ----------------------------------------------------------------------------------
 */

/* The blob of a map that waits is there. */
void pv_virtio_gpu_start_map(struct pv_gpu *gpu, struct pv_virtio_gpu_resource *resource);
/* Whatever state it is in, it is unmapped then. */
void pv_virtio_gpu_end_map(struct pv_gpu *gpu, struct pv_virtio_gpu_resource *resource);

/* --- scanout.c ---------------------------------------------------------------------------------
 */

/* Turns scanouts off that show it. */
void pv_virtio_gpu_hide_resource(struct pv_gpu *gpu, const struct pv_virtio_gpu_resource *resource);
void pv_virtio_gpu_scanout_off(struct pv_gpu *gpu, uint32_t scanout);

/* --- pixels.c ----------------------------------------------------------------------------------
 */

/* Whether it is one of the eight formats of virtio, all of four bytes. */
bool pv_virtio_gpu_format_is_known(uint32_t format);
/* Whether its bytes are B, G, R and one more. */
bool pv_virtio_gpu_format_is_bgrx(uint32_t format);
/* In place. */
void pv_virtio_gpu_convert_to_bgrx(uint32_t format, uint8_t *pixels, uint64_t count);
/* Copies a part of the pixels, row behind row without a gap. The rectangle lies inside of the
 * layout, and the layout inside of the resource. False when they cannot be read. */
PV_NODISCARD bool pv_virtio_gpu_read_pixels(const struct pv_gpu *gpu,
                                            const struct pv_virtio_gpu_resource *resource,
                                            const struct pv_virtio_gpu_layout *layout,
                                            const struct pv_virtio_gpu_rect *rect, uint8_t *pixels);
/* Whether it is not empty and lies inside of width × height. */
bool pv_virtio_gpu_rect_is_inside(const struct pv_virtio_gpu_rect *rect, uint32_t width,
                                  uint32_t height);

/* --- edid.c ------------------------------------------------------------------------------------
 */

/* The monitor's self-description; returns its size, at most PV_VIRTIO_GPU_EDID_SIZE. 0 for one that
 * is too large for its words. */
uint32_t pv_virtio_gpu_edid(uint8_t *edid, uint32_t scanout, uint32_t width, uint32_t height);

/* --- host.c ------------------------------------------------------------------------------------
 */

/* Says how params->renderer, or workers, run contexts; everything in *hosts_params lives as long as
 * the host. */
PV_NODISCARD enum pv_result pv_virtio_gpu_host_create(const struct pv_gpu_params *params,
                                                      struct pv_virtio_gpu_host **host,
                                                      struct pv_hosts_params *hosts_params);
void pv_virtio_gpu_host_destroy(struct pv_virtio_gpu_host *host);

/* --- gpu.c -------------------------------------------------------------------------------------
 */

/* pv_gpu_create() with contexts that somebody else serves, on threads: tests do. */
PV_NODISCARD enum pv_result
pv_virtio_gpu_create_served(const struct pv_gpu_params *params,
                            void (*serve)(void *user, uint32_t context_id, int taken_socket),
                            void *user, struct pv_gpu **gpu);

/* --- the commands, each in its subject's file --------------------------------------------------
 */

pv_virtio_gpu_handler pv_virtio_gpu_get_display_info, pv_virtio_gpu_set_scanout,
    pv_virtio_gpu_set_scanout_blob, pv_virtio_gpu_flush, pv_virtio_gpu_get_edid;
pv_virtio_gpu_handler pv_virtio_gpu_unref, pv_virtio_gpu_attach_backing,
    pv_virtio_gpu_detach_backing, pv_virtio_gpu_assign_uuid;
pv_virtio_gpu_handler pv_virtio_gpu_create_2d, pv_virtio_gpu_transfer_2d, pv_virtio_gpu_create_3d,
    pv_virtio_gpu_transfer_3d, pv_virtio_gpu_refuse;
pv_virtio_gpu_handler pv_virtio_gpu_get_capset_info, pv_virtio_gpu_get_capset;
pv_virtio_gpu_handler pv_virtio_gpu_ctx_create, pv_virtio_gpu_ctx_destroy, pv_virtio_gpu_ctx_attach,
    pv_virtio_gpu_ctx_detach, pv_virtio_gpu_submit;
pv_virtio_gpu_handler pv_virtio_gpu_create_blob, pv_virtio_gpu_map_blob, pv_virtio_gpu_unmap_blob;
pv_virtio_gpu_handler pv_virtio_gpu_update_cursor, pv_virtio_gpu_move_cursor;

#endif
