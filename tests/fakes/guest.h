#ifndef TESTS_FAKES_GUEST_H
#define TESTS_FAKES_GUEST_H

/* A scripted guest: it behaves as Mesa's Venus driver does, until a test makes it misbehave.
 *
 *     struct guest *g = guest_create(&(struct guest_params){0});
 *     guest_open_device(g);
 *     struct pv_vkCreateFence a = {...};
 *     assert_int_equal(GUEST_RESULT(&g->ring, vkCreateFence, &a), VK_SUCCESS);
 *     guest_destroy(g);
 *
 * A ring is used by one thread at a time; the context's own stream has a lock, as in Mesa. */

#include "base/arena.h"
#include "base/log.h"
#include "base/thread.h"
#include "render/context.h"
#include "ring/ring.h"
#include "test_guest.gen.h"
#include "wire/decode.h"
#include "wire/encode.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    GUEST_RING_BUFFER_SIZE = 128 * 1024,
    GUEST_SCRATCH_SIZE = 64 * 1024,
    GUEST_REPLY_SIZE = 1024 * 1024,
    GUEST_IDS_FIRST = 0x100,
    GUEST_FENCES_MAX = 4096,
};

/* The guest's ids are the handles of its API. */
#define GUEST_HANDLE(id) ((void *)(uintptr_t)(id))

/* What the host has written. A test reads it when nobody writes any more, or takes the lock. */
struct guest_log {
    struct pv_log log;
    pthread_mutex_t lock;
    uint32_t error_count;
    uint32_t warn_count;
    char last_error[512];
};

/* How a guest reaches its host: calls in this process, or a socket. */
struct guest_transport {
    void *user;
    /* The context's own stream. False when the context is dead. */
    bool (*submit)(void *user, const void *bytes, uint64_t size);
    /* Asks for a fence; `cookie` arrives in guest_fence_retired(). */
    void (*fence)(void *user, uint32_t ring_idx, uint64_t cookie);
    /* 0 when the host refuses; else *map is valid until unref. */
    uint32_t (*create_blob)(void *user, uint64_t blob_id, uint32_t flags, uint64_t size,
                            uint8_t **map);
    void (*unref)(void *user, uint32_t resource_id, uint8_t *map, uint64_t size);
    /* New commands are in a ring; NULL: Mesa's rule, vkNotifyRingMESA. */
    void (*notify)(void *user);
    void (*close)(void *user);
    void (*free)(void *user); /* the last call; may be NULL */
};

struct guest_shm {
    uint32_t resource_id; /* 0: none */
    uint8_t *map;
    uint64_t size;
};

struct guest_ring {
    struct guest *guest;
    uint64_t id;
    struct guest_shm shm;
    struct guest_shm reply;
    struct pv_ring_layout layout;
    uint32_t tail;
    uint64_t notified_at_ns;
    uint64_t notify_count;
    uint8_t *scratch; /* GUEST_SCRATCH_SIZE: the command that is being written */
    struct pv_encoder out;
    struct pv_decoder in; /* of the last reply */
    struct pv_arena arena;
};

struct guest {
    struct guest_transport transport;
    pthread_mutex_t submit_lock; /* of the context's own stream */
    uint8_t *scratch;            /* guarded by submit_lock, GUEST_SCRATCH_SIZE */
    struct pv_encoder out;
    _Atomic uint64_t next_id;
    struct guest_ring ring; /* the primary one */
    /* Bring-up, see guest_open(). */
    uint64_t instance, physical_device, device, queue;
    VkPhysicalDeviceMemoryProperties memory;
    /* Fences, in the order in which they retired. */
    pthread_mutex_t fence_lock;
    uint32_t fence_count;
    struct {
        uint32_t ring_idx;
        uint64_t cookie;
    } fences[GUEST_FENCES_MAX];
    /* In this process only. */
    struct guest_log log;
    struct pv_render_context *context;
    _Atomic uint32_t next_resource_id;
    _Atomic uint32_t fatal_count; /* times that turned_fatal was called */
};

struct guest_params {
    struct pv_host *host; /* borrowed */
    struct pv_quota quota;
    const struct pv_memory_plans *plans;
};

/* A context in this process and a primary ring in it. Never fails: it asserts. */
struct guest *guest_create(const struct guest_params *params);
/* The same without a ring. */
struct guest *guest_create_bare(const struct guest_params *params);
/* Over a transport of the caller's, which is closed at the end; no ring yet. */
struct guest *guest_create_over(struct guest_transport transport);
/* Destroys the context with whatever is in it. */
void guest_destroy(struct guest *g);
/* For a transport: a fence has retired. */
void guest_fence_retired(struct guest *g, uint32_t ring_idx, uint64_t cookie);

uint64_t guest_id(struct guest *g);

/* --- shared memory and rings ------------------------------------------------------------------ */

struct guest_shm guest_shm_create(struct guest *g, uint64_t size);
/* resource_id 0 when the host refuses. */
struct guest_shm guest_blob_create(struct guest *g, uint64_t blob_id, uint32_t flags,
                                   uint64_t size);
void guest_shm_destroy(struct guest *g, struct guest_shm *shm);

/* Mesa's: head, tail and status on lines of their own, the buffer, four extra bytes. */
struct pv_ring_layout guest_ring_layout(uint64_t buffer_size);
VkRingCreateInfoMESA guest_ring_info(uint32_t resource_id, const struct pv_ring_layout *layout);
/* Memory and bookkeeping of a ring that the host does not know yet. */
void guest_ring_init(struct guest *g, struct guest_ring *ring, uint64_t buffer_size);
/* Tells the host; `next` is for the create info's chain. False when the context is dead. */
bool guest_ring_start(struct guest_ring *ring, const void *next);
/* Both. */
void guest_ring_create(struct guest *g, struct guest_ring *ring);
/* Tells the host, and gives the memory back. */
void guest_ring_destroy(struct guest_ring *ring);
/* The memory alone. */
void guest_ring_finish(struct guest_ring *ring);

uint32_t guest_ring_head(const struct guest_ring *ring);
uint32_t guest_ring_status(const struct guest_ring *ring);
void guest_ring_set_tail(struct guest_ring *ring, uint32_t tail);

/* Waits for one of the bits. False when none comes. */
bool guest_ring_wait_status(const struct guest_ring *ring, uint32_t bits);
/* Waits until the head has come to `seqno`; false when the ring is FATAL or it never does. */
bool guest_ring_wait(const struct guest_ring *ring, uint32_t seqno);

/* --- commands ----------------------------------------------------------------------------------
 */

/* A new command stream in the scratch. */
struct pv_encoder *guest_begin(struct guest_ring *ring);
/* Puts what was written since guest_begin() into the ring, and rings its bell by Mesa's rule. False
 * when the ring is FATAL. */
bool guest_submit(struct guest_ring *ring);
/* Any bytes. */
bool guest_write(struct guest_ring *ring, const void *bytes, uint32_t size);
/* guest_begin() with the reply stream set. */
struct pv_encoder *guest_begin_call(struct guest_ring *ring);
/* guest_submit() and the wait for the reply, which is decoded from ring->in then. */
bool guest_finish_call(struct guest_ring *ring);
/* True when the reply was well formed. */
bool guest_reply_ok(struct guest_ring *ring);
/* On the context's own stream; from begin to submit the guest holds that stream's lock. */
struct pv_encoder *guest_begin_context(struct guest *g);
bool guest_submit_context(struct guest *g);
/* Any bytes. */
bool guest_write_context(struct guest *g, const void *bytes, uint64_t size);
/* Executes shared memory as a nested stream, on a ring. */
bool guest_execute(struct guest_ring *ring, const struct guest_shm *shm, uint64_t offset,
                   uint64_t size);
/* Waits until everything in the ring is done. */
bool guest_finish(struct guest_ring *ring);

/* Without a reply. */
#define GUEST_SEND(ring_, command, ...)                                                            \
    (pv_guest_encode_##command(guest_begin(ring_), 0, &(struct pv_##command){__VA_ARGS__}),        \
     guest_submit(ring_))

/* With a reply, decoded into *args; what that points to lives until the next call. */
#define GUEST_CALL(ring_, command, args)                                                           \
    (pv_guest_encode_##command(guest_begin_call(ring_), VK_COMMAND_GENERATE_REPLY_BIT_EXT,         \
                               (args)),                                                            \
     guest_finish_call(ring_) &&                                                                   \
         (pv_guest_decode_##command##_reply(&(ring_)->in, (args)), guest_reply_ok(ring_)))

/* Of commands that return one; VK_RESULT_MAX_ENUM when there was no reply. */
#define GUEST_RESULT(ring_, command, args)                                                         \
    (GUEST_CALL(ring_, command, args) ? (args)->ret : VK_RESULT_MAX_ENUM)

/* On the context's own stream, without a reply. */
#define GUEST_CONTEXT(guest_, command, ...)                                                        \
    (pv_guest_encode_##command(guest_begin_context(guest_), 0,                                     \
                               &(struct pv_##command){__VA_ARGS__}),                               \
     guest_submit_context(guest_))

/* --- bring-up ----------------------------------------------------------------------------------
 */

enum guest_stage {
    GUEST_STAGE_NOTHING,
    GUEST_STAGE_INSTANCE,
    GUEST_STAGE_PHYSICAL_DEVICE,
    GUEST_STAGE_DEVICE,
    GUEST_STAGE_QUEUE, /* bound to timeline 1 */
    GUEST_STAGE_COUNT,
};

/* Everything up to `stage`, as far as it is not there yet. Asserts. */
void guest_open(struct guest *g, enum guest_stage stage);
void guest_open_device(struct guest *g);
/* Another queue's id, bound to a timeline. */
uint64_t guest_open_queue(struct guest *g, uint64_t device, uint32_t index, uint32_t ring_idx);
/* A device of its own beside g->device. */
uint64_t guest_create_device(struct guest *g, uint32_t queue_count);

/* --- fences ------------------------------------------------------------------------------------
 */

void guest_fence(struct guest *g, uint32_t ring_idx, uint64_t cookie);
/* How many have retired so far. */
uint32_t guest_fences_retired(struct guest *g);
/* False when fewer than `count` ever retire. */
bool guest_wait_fences(struct guest *g, uint32_t count);

/* --- a process's resources -------------------------------------------------------------------- */

struct guest_baseline {
    uint32_t fds, threads;
    uint64_t heap_bytes;
};

struct guest_baseline guest_baseline(void);
/* Waits up to 2 s for threads and descriptors to be back; the heap may have grown by `slack`. False
 * and a line on stderr otherwise. */
bool guest_is_back_at(const struct guest_baseline *baseline, uint64_t slack_bytes);

#endif
