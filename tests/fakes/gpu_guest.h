#ifndef TESTS_FAKES_GPU_GUEST_H
#define TESTS_FAKES_GPU_GUEST_H

/* A machine around a virtio-gpu device, and a guest in it that speaks with the structs of Linux.
 *
 *     struct gpu_guest *g = gpu_guest_create(&(struct gpu_guest_params){0});
 *     assert_int_equal(gpu_guest_ask(g, &request, sizeof(request)), VIRTIO_GPU_RESP_OK_NODATA);
 *     gpu_guest_destroy(g);
 *
 * Contexts are served by the test itself, which reads and writes their sockets
 * (gpu_guest_peer); or for real, on threads with a renderer, or in workers. */

#include "base/thread.h"
#include "isolate/messages.h"

#include <linux/virtio_gpu.h>
#include <pearvisor/gpu.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    GPU_GUEST_MEMORY_BASE = 0x100000, /* guest address of its first byte */
    GPU_GUEST_MEMORY_SIZE = 256 * 1024,
    GPU_GUEST_WINDOW_SIZE = 64 * 1024 * 1024,
    GPU_GUEST_TOKENS_MAX = 64 * 1024,
    GPU_GUEST_MAPPINGS_MAX = 4096,
    GPU_GUEST_CONTEXTS_MAX = 1024,
};

struct gpu_guest_params {
    struct pv_renderer *renderer; /* contexts on threads, for real */
    const char *program;          /* contexts in workers, for real */
    const char *driver;           /* of those */
    bool without_window;
    uint32_t width, height, scanouts, blob_alignment;
    struct pv_gpu_quota quota;
    struct pv_context_quota context_quota;
};

/* A response, as it was written into the chain. */
struct gpu_answer {
    uint32_t count; /* times that the chain was given back */
    uint32_t order; /* of all answers, from 1 */
    size_t size;
    _Alignas(8) uint8_t bytes[PV_GPU_RESPONSE_SIZE_MAX];
};

/* In the window now, or on its way. */
struct gpu_mapping {
    uint64_t token;
    uint64_t offset, size;
    int fd; /* of our own */
    uint32_t caching;
};

struct gpu_guest {
    struct pv_gpu *gpu;
    uint8_t *memory;
    uint8_t *window; /* where mappings appear, as in a virtual machine */
    uint64_t last_token;
    struct gpu_answer *answers[GPU_GUEST_TOKENS_MAX];
    size_t capacities[GPU_GUEST_TOKENS_MAX];
    uint32_t answer_count;

    bool maps_later; /* the test calls gpu_guest_finish_map() */
    bool maps_fail;
    uint64_t map_token;                            /* of the last map or unmap */
    uint64_t waiting_tokens[GPU_GUEST_TOKENS_MAX]; /* of those that the test has to finish */
    uint32_t waiting_count;
    uint32_t map_count, unmap_count;
    struct gpu_mapping mappings[GPU_GUEST_MAPPINGS_MAX];
    uint32_t mapping_count;

    uint32_t display_count, config_count;
    uint32_t display_scanout;
    struct pv_gpu_rect displayed;
    bool is_destroyed;

    pthread_mutex_t lock; /* of what is below */
    pthread_cond_t changed;
    struct pv_packets peers[GPU_GUEST_CONTEXTS_MAX]; /* by context; no socket: none */
    uint32_t error_count, warn_count;
    char last_line[512];
};

/* Never fails: it asserts. */
struct gpu_guest *gpu_guest_create(const struct gpu_guest_params *params);
void gpu_guest_destroy(struct gpu_guest *g);

/* --- requests ----------------------------------------------------------------------------------
 */

/* Returns the token. `capacity`: bytes that the device may write. */
uint64_t gpu_guest_send_to(struct gpu_guest *g, enum pv_gpu_queue queue, const void *request,
                           size_t size, size_t capacity);
uint64_t gpu_guest_send(struct gpu_guest *g, const void *request, size_t size);
/* NULL when it is not given back yet. Asserts that it was at most once. */
const struct gpu_answer *gpu_guest_answer(struct gpu_guest *g, uint64_t token);
/* The response's type; 0 when there is none yet. */
uint32_t gpu_guest_type(struct gpu_guest *g, uint64_t token);
/* Sends and returns the type, for what is answered at once. */
uint32_t gpu_guest_ask(struct gpu_guest *g, const void *request, size_t size);
/* Dispatches until it is answered; false when nothing comes. */
bool gpu_guest_wait(struct gpu_guest *g, uint64_t token);
/* Finishes one that waits; a map that fails is taken away again. */
void gpu_guest_finish_map(struct gpu_guest *g, uint64_t token, bool ok);
/* Dispatches as long as there is something to do. */
void gpu_guest_pump(struct gpu_guest *g);

struct virtio_gpu_ctrl_hdr gpu_header(uint32_t type);
struct virtio_gpu_ctrl_hdr gpu_context_header(uint32_t type, uint32_t context_id);
/* With a fence; ring_idx -1: without one. */
struct virtio_gpu_ctrl_hdr gpu_fenced_header(uint32_t type, uint32_t context_id, uint64_t fence_id,
                                             int ring_idx);

/* Those that need no more words; each returns the response's type, or 0 while there is none. */
uint32_t gpu_create_2d(struct gpu_guest *g, uint32_t id, uint32_t format, uint32_t width,
                       uint32_t height);
uint32_t gpu_unref(struct gpu_guest *g, uint32_t id);
uint32_t gpu_attach_backing(struct gpu_guest *g, uint32_t id, const struct virtio_gpu_mem_entry *e,
                            uint32_t count);
uint32_t gpu_transfer_2d(struct gpu_guest *g, uint32_t id, struct virtio_gpu_rect rect,
                         uint64_t offset);
uint32_t gpu_set_scanout(struct gpu_guest *g, uint32_t scanout, uint32_t id,
                         struct virtio_gpu_rect rect);
uint32_t gpu_flush(struct gpu_guest *g, uint32_t id, struct virtio_gpu_rect rect);
uint32_t gpu_ctx_create(struct gpu_guest *g, uint32_t context_id, uint32_t capset_id);
uint32_t gpu_ctx_destroy(struct gpu_guest *g, uint32_t context_id);
uint32_t gpu_ctx_attach(struct gpu_guest *g, uint32_t context_id, uint32_t resource_id);
uint32_t gpu_ctx_detach(struct gpu_guest *g, uint32_t context_id, uint32_t resource_id);
uint64_t gpu_send_host_blob(struct gpu_guest *g, uint32_t context_id, uint32_t id, uint64_t blob_id,
                            uint32_t flags, uint64_t size);
uint32_t gpu_host_blob(struct gpu_guest *g, uint32_t context_id, uint32_t id, uint64_t blob_id,
                       uint32_t flags, uint64_t size);
uint64_t gpu_send_map(struct gpu_guest *g, uint32_t id, uint64_t offset);
uint64_t gpu_send_unmap(struct gpu_guest *g, uint32_t id);
/* `fence_id` 0: without a fence. */
uint64_t gpu_send_submit(struct gpu_guest *g, uint32_t context_id, const void *bytes, uint32_t size,
                         uint64_t fence_id, int ring_idx);

/* --- the other end of contexts -----------------------------------------------------------------
 */

/* Waits for it; it stays the guest's. */
struct pv_packets *gpu_guest_peer(struct gpu_guest *g, uint32_t context_id);
/* Reads the next message of that type, and only it may come. The descriptor, if any, is closed. */
struct pv_message gpu_peer_expect(struct gpu_guest *g, uint32_t context_id,
                                  enum pv_message_type type);
bool gpu_peer_is_silent(struct gpu_guest *g, uint32_t context_id);
void gpu_peer_retire(struct gpu_guest *g, uint32_t context_id, uint32_t ring_idx,
                     uint64_t fence_id);
/* `size` 0: it fails with `result`. */
void gpu_peer_answer_blob(struct gpu_guest *g, uint32_t context_id, uint32_t resource_id,
                          enum pv_result result, uint64_t size);
void gpu_peer_hang_up(struct gpu_guest *g, uint32_t context_id);

#endif
