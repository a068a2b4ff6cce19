#ifndef PV_RENDER_EXEC_H
#define PV_RENDER_EXEC_H

#include "base/arena.h"
#include "base/command_kind.h"
#include "object/epoch.h"
#include "object_types.gen.h"
#include "render/context.h"
#include "render/device.h"
#include "wire/decode.h"
#include "wire/encode.h"

#include <stdbool.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

/* The executor: bytes in, driver calls out. One per command stream: one for the context's own
 * stream (the virtqueue, SUBMIT_CMD2) and one per ring. Used by one thread at a time. */

/* Where replies go: a window in a shared-memory resource. */
struct pv_reply_stream {
    struct pv_blob *blob; /* our reference; NULL: none set */
    uint32_t resource_id;
    uint64_t generation; /* of the resources when `blob` was looked up */
    uint64_t offset, size;
};

/* The last status query of a stream and what became of it (status.c). */
struct pv_question {
    uint32_t command;  /* its number */
    uint64_t object;   /* that it asked about, by the host's name */
    uint64_t value;    /* told; of a semaphore */
    uint64_t position; /* of its end in the stream */
    uint64_t answered_ns;
};

struct pv_exec {
    struct pv_decoder in;
    struct pv_encoder out; /* at the reply stream's position; empty without a stream */
    uint32_t command;      /* being executed: its number */
    bool wants_reply;
    bool nested; /* inside vkExecuteCommandStreamsMESA: no deeper */
    struct pv_render_context *context;
    struct pv_ring *ring;      /* NULL: the context's own stream */
    const uint8_t *batch;      /* first byte of what the ring handed us */
    const uint8_t *boundary;   /* end of the last command that is done; in the batch, not nested */
    uint32_t published;        /* bytes of the batch whose head is already published */
    const uint8_t *publish_at; /* where the head is due again */
    const uint8_t *attend_at;  /* what ends here or later needs more than the next command */
    const _Atomic uint32_t *awaiters; /* threads of ours that wait for this ring's progress */
    bool fault_reported;
    struct pv_reply_stream reply;
    struct pv_arena arena;
    struct pv_arena nested_arena; /* while nested: the outer command's arguments are in `arena` */
    uint8_t *nested_bytes;        /* private copy of the nested stream; kept for the next */
    size_t nested_capacity;
    _Atomic bool stopping; /* the ring is being stopped: waits end */
    struct pv_question question;
    struct pv_epoch_reader *reader;
    struct pv_tally tally;
    uint64_t reply_began_ns;      /* when the decoding of a command that wants a reply began */
    uint64_t fault_offset;        /* in the stream, of the command that faulted */
    uint64_t arrival_deadline_ns; /* for memory on its way to this batch; 0: none was waited for */
};

/* For the context's own stream. */
PV_NODISCARD enum pv_result pv_exec_init(struct pv_exec *x, struct pv_render_context *context);
/* Makes it a ring's; before anything is executed. */
void pv_exec_attach(struct pv_exec *x, struct pv_ring *ring);
void pv_exec_finish(struct pv_exec *x);

/* Executes all commands in `bytes`, which must be private, writable and stay valid meanwhile. On a
 * fault: logs one line with command name and byte offset, makes the context fatal, returns
 * PV_GUEST_FAULT. PV_CLOSED: the ring is being stopped. */
PV_NODISCARD enum pv_result pv_exec_stream(struct pv_exec *x, uint8_t *bytes, uint64_t size);

/* Records a guest's fault; the stream ends after the current command. `why` is static. */
PV_COLD void pv_exec_fault(struct pv_exec *x, const char *why);

/* Before a command that may block or run long: what is executed so far becomes visible to the
 * guest, so that ring and virtqueue cannot wait for each other. */
void pv_exec_publish(struct pv_exec *x);

/* Whether a wait inside a command must end: the context has turned fatal or the ring is stopped. */
bool pv_exec_must_stop(const struct pv_exec *x);

/* A reference to what the guest calls by that id; NULL: there is none. Memory that a device
 * attaches reaches us by another way than the guest's rings, and the device has told the guest of
 * it by then: so a ring that is ahead of it waits, for a bounded time. */
PV_NODISCARD struct pv_blob *pv_exec_resource(struct pv_exec *x, uint32_t resource_id);

/* Around a wait inside a command that holds no pointer into tables meanwhile. */
void pv_exec_sleep(struct pv_exec *x);
void pv_exec_wake(struct pv_exec *x);

static PV_ALWAYS_INLINE struct pv_device *pv_exec_find_device(const struct pv_exec *x)
{
    const uint32_t owner = x->in.owner;
    struct pv_device *device = atomic_load_explicit(
        &x->context->devices[owner & (PV_DEVICES_MAX - 1)], memory_order_acquire);
    return PV_LIKELY(device != NULL && device->object.owner == owner) ? device : NULL;
}

/* The device of the command's first argument (a device, queue or command buffer); NULL and a fault
 * when it is being destroyed. NULL also after any fault before, which leaves the command without an
 * owner: who asks for the device need not ask pv_decode_ok(). */
static PV_ALWAYS_INLINE struct pv_device *pv_exec_device(struct pv_exec *x)
{
    struct pv_device *device = pv_exec_find_device(x);
    if (PV_UNLIKELY(device == NULL)) {
        pv_exec_fault(x, "the device is gone");
    }
    return device;
}

/* The context's one instance; NULL and a fault when there is none. */
struct pv_instance *pv_exec_instance(struct pv_exec *x);

/* The driver lacks this command, or its extension is not enabled: a fault. */
PV_COLD void pv_exec_absent(struct pv_exec *x);

/* Claims an id for an object that the command is about to create; false and a fault otherwise. */
PV_NODISCARD bool pv_exec_reserve(struct pv_exec *x, uint64_t id);
/* Claims `count` ids or none. */
PV_NODISCARD bool pv_exec_reserve_array(struct pv_exec *x, uint64_t count, const uint64_t *ids);
/* Publishes the reserved id when `host` is not 0, else gives it back (it is dead then). */
void pv_exec_settle(struct pv_exec *x, uint64_t id, uint32_t type, uint64_t host);

/* For a destroy command: removes `id` from the table and returns its host word. 0 for id 0
 * (nothing to do); 0 and a fault for an id that is not a `type` of the command's device, but no
 * fault for a dead one where that device is known to be lost. */
PV_NODISCARD uint64_t pv_exec_remove(struct pv_exec *x, uint64_t id, uint32_t type);

/* The same two for types with a struct of our own (pools, semaphores; policy: own): settle also
 * makes the struct, remove also takes a pool's children out of the table and retires the struct. */
void pv_exec_settle_own(struct pv_exec *x, uint64_t id, uint32_t type, uint64_t host);
PV_NODISCARD uint64_t pv_exec_remove_own(struct pv_exec *x, uint64_t id, uint32_t type);

/* For a destroy command of what a pipeline's creation may name: true when the driver's destroy will
 * come later, since compile threads may still use the object. */
PV_NODISCARD static PV_ALWAYS_INLINE bool
pv_exec_destroy_later(struct pv_exec *x, struct pv_device *device, uint32_t type, uint64_t host)
{
    return PV_UNLIKELY(atomic_load_explicit(&x->context->compiles.pending_count,
                                            memory_order_acquire) != 0) &&
           pv_compiles_destroy_later(x, device, type, host);
}

/* For a destroy command of what compile threads make: true when `id` is still to be made. Nobody
 * waits for that any more, the id is dead, and the driver's destroy is the compile's own affair. */
PV_NODISCARD static PV_ALWAYS_INLINE bool pv_exec_cancel(struct pv_exec *x, uint64_t id)
{
    return PV_UNLIKELY(atomic_load_explicit(&x->context->compiles.pending_count,
                                            memory_order_acquire) != 0) &&
           pv_compiles_cancel(x, id);
}

/* What the guest sees of a device is not always what the driver says (policy: filters). Called
 * after the driver, for each such struct in an answer. */
void pv_filter_VkPhysicalDeviceFeatures(struct pv_exec *x, VkPhysicalDevice device,
                                        VkPhysicalDeviceFeatures *features);
void pv_filter_VkPhysicalDeviceProperties(struct pv_exec *x, VkPhysicalDevice device,
                                          VkPhysicalDeviceProperties *properties);
void pv_filter_VkPhysicalDeviceMemoryProperties(struct pv_exec *x, VkPhysicalDevice device,
                                                VkPhysicalDeviceMemoryProperties *properties);
void pv_filter_VkQueueFamilyProperties(struct pv_exec *x, VkPhysicalDevice device,
                                       VkQueueFamilyProperties *properties);

/* The driver's error. Without a reply there is no way to tell the guest: a device that is lost ends
 * the context, unless a reply has told the guest before; anything else is for who reads the log. */
PV_COLD void pv_exec_failed(struct pv_exec *x, VkResult result);

/* A driver's VkResult on its way to the guest. */
static PV_ALWAYS_INLINE void pv_exec_check_result(struct pv_exec *x, VkResult result)
{
    if (PV_UNLIKELY(result < 0)) {
        pv_exec_failed(x, result);
    }
}

enum { PV_COMMAND_HEADER_SIZE = 8 /* on the wire: number and flags */ };

/* One row per command number; generated. Four words, so that a row is found by a shift. */
enum pv_command_flags {
    PV_COMMAND_MAY_BLOCK = 1,      /* publish the head first */
    PV_COMMAND_ON_CONTEXT = 2,     /* allowed on the context's stream only */
    PV_COMMAND_ON_RING = 4,        /* allowed on a ring only */
    PV_COMMAND_NO_EXEC = 8,        /* a hole in the numbering, without encoding, or refused */
    PV_COMMAND_SPECIAL = 15,       /* any of these: not the fast path */
    PV_COMMAND_ENCODED = 16,       /* has a form on the wire */
    PV_COMMAND_HANDLED = 32,       /* thinks: a function written by hand */
    PV_COMMAND_TELLS_NOTHING = 64, /* its reply is its number alone */
};

struct pv_command {
    void (*exec)(struct pv_exec *x, const uint8_t *p); /* `p`: behind the header */
    const char *name;                                  /* NULL for a hole in the numbering */
    const char *note; /* the handler's file, or why the command is refused; NULL otherwise */
    uint16_t flags;
    uint16_t kind; /* enum pv_command_kind */
    uint32_t size; /* of the header and what is of fixed size behind it: never less is sent */
};
_Static_assert(sizeof(struct pv_command) == 32, "found by a shift");

#include "exec.gen.h" /* PV_COMMAND_COUNT, pv_commands[], struct pv_vk…, the handlers' prototypes */

#endif
