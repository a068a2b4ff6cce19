#ifndef PV_RENDER_PRIVATE_H
#define PV_RENDER_PRIVATE_H

#include "render/context.h"
#include "render/device.h"
#include "render/exec.h"

/* What the files of this folder tell each other. */

/* The number in a handle: the guest's id where the wire has put one, the host's handle elsewhere.
 * Both kinds of handles are 64 bits wide on the machines we run on. */
#define PV_HANDLE_U64(handle) ((uint64_t)(uintptr_t)(handle))

/* --- exec.c ----------------------------------------------------------------------------------- */

/* Executes a nested stream; the bytes must be private. Its fault is the command's fault. */
void pv_exec_nested(struct pv_exec *x, uint8_t *bytes, uint64_t size);

/* Gives the private copy of the last nested stream back. */
void pv_exec_free_nested(struct pv_exec *x);

/* --- objects.c -------------------------------------------------------------------------------- */

/* Takes it out of the table if it is still there. */
void pv_object_forget(struct pv_objects *objects, uint64_t id, uint64_t tag);
/* The ids of everything allocated from a pool leave the table. */
void pv_pool_forget_children(struct pv_render_context *context, struct pv_pool *pool,
                             uint32_t child_type);
/* After a pool or semaphore has left the table: its struct is freed when nobody can hold it. */
void pv_object_retire_own(struct pv_render_context *context, uint32_t type,
                          struct pv_object *object);

/* --- rings.c ---------------------------------------------------------------------------------- */

struct pv_render_ring {
    struct pv_render_ring *next; /* guarded by the context's lock */
    struct pv_ring *ring;
    bool is_monitored;
    bool is_callers; /* polled by threads of the caller's: no command can name it */
    struct pv_exec exec;
};

/* NULL when there is none. Only the thread of the context's own stream changes the list, so that it
 * looks without the lock. */
struct pv_render_ring *pv_rings_find(struct pv_render_context *context, uint64_t id);
/* Makes one that executes in this context; neither listed nor running. `params`: what is fixed by
 * the context (consumer, log, never_spins) is filled in here. As of pv_ring_create(), and
 * PV_HOST_FAILED without a thread for its monitor. */
PV_NODISCARD enum pv_result pv_rings_make(struct pv_render_context *context,
                                          const struct pv_ring_params *params,
                                          struct pv_render_ring **ring);
/* From here on streams find it, and it ends with the context at the latest. On the thread of the
 * context's own stream. */
void pv_rings_list(struct pv_render_context *context, struct pv_render_ring *ring);
/* Makes its batch end, and waits inside of it; pv_rings_end() is still due. Any thread. */
void pv_rings_interrupt(struct pv_render_context *context, struct pv_render_ring *ring);
/* Stops it, takes it out of the list and frees it. On the thread of the context's own stream. */
void pv_rings_end(struct pv_render_context *context, struct pv_render_ring *ring);

/* Where a stream's replies go, for when that stream is made anew. Of the thread that runs it. */
struct pv_reply_place {
    uint32_t resource_id; /* 0: nowhere */
    uint64_t offset, size;
    uint64_t position; /* in that, of the next reply */
};
struct pv_reply_place pv_reply_place(const struct pv_exec *x);
/* Nowhere, where there is no such memory any more. */
void pv_reply_resume(struct pv_exec *x, const struct pv_reply_place *place);
/* Stops every ring and frees it. On the thread of the context's own stream. */
void pv_rings_destroy(struct pv_render_context *context);
/* Says FATAL on every ring; the context's lock is held. */
void pv_rings_raise_fatal(struct pv_render_context *context);

/* --- instance.c, physical_device.c ------------------------------------------------------------ */

/* Destroys devices and instance; every ring has been stopped, or the guest asked for it. */
void pv_instance_destroy(struct pv_render_context *context, struct pv_instance *instance);

/* Lists and inspects the devices that the guest may see. */
PV_NODISCARD VkResult pv_physical_devices_create(struct pv_render_context *context,
                                                 struct pv_instance *instance);
void pv_physical_devices_destroy(struct pv_instance *instance);
/* Ours of the host's; NULL when it is not offered. */
struct pv_physical_device *pv_physical_device_find(struct pv_instance *instance,
                                                   VkPhysicalDevice host);
const VkExtensionProperties *
pv_physical_device_extension(const struct pv_physical_device *physical_device, const char *name);

/* --- device.c, cleanup.c ---------------------------------------------------------------------- */

/* False when the device of that number is going or gone. */
bool pv_device_is_alive(struct pv_render_context *context, uint32_t owner);
/* Waits until it is idle and destroys everything of it; any thread that is awake as a reader. */
void pv_device_destroy(struct pv_render_context *context, struct pv_device *device);
/* Every object of the device, in an order in which nothing is destroyed while something else needs
 * it; the device is idle. */
void pv_device_destroy_objects(struct pv_render_context *context, struct pv_device *device);
/* One host object of a plain or own type. False for types that die with something else. */
bool pv_device_destroy_host(struct pv_device *device, uint32_t type, uint64_t host);

/* --- memory.c --------------------------------------------------------------------------------- */

/* The driver's memory, our pages and the struct, which is retired. Not the table's slot. */
void pv_memory_release(struct pv_render_context *context, struct pv_memory *memory);

/* --- timelines.c ------------------------------------------------------------------------------ */

/* Binds a queue to a timeline of its own; false when `ring_idx` is taken or there is no memory. */
PV_NODISCARD bool pv_queue_bind_timeline(struct pv_queue *queue, uint32_t ring_idx);
/* Retires what is pending and frees the number again; the device is idle. */
void pv_queue_unbind_timeline(struct pv_queue *queue);
/* Retires all fences of all queues. */
void pv_timelines_retire(struct pv_render_context *context);
void pv_device_free_fences(struct pv_device *device);

/* --- sync.c ----------------------------------------------------------------------------------- */

/* Destroys a replaced semaphore or fence (one of the two) once it is no longer in use. */
void pv_device_retire_sync(struct pv_device *device, struct pv_retired_sync retired);
/* Destroys everything that was retired; the device is idle. */
void pv_device_destroy_retired_sync(struct pv_device *device);

/* --- stats.c ---------------------------------------------------------------------------------- */

/* Keeps the figures of a ring that is about to go; the context's lock is held. */
void pv_rings_account(struct pv_render_context *context, const struct pv_render_ring *ring);

/* --- status.c --------------------------------------------------------------------------------- */

/* For a status query whose answer is still "not yet": whether it may be put off, because it only
 * repeats the stream's last command. `size`: of the command on the wire. */
struct pv_hold {
    uint64_t until_ns;
};
PV_NODISCARD bool pv_hold_begin(struct pv_exec *x, struct pv_hold *hold, uint64_t object,
                                uint32_t size);
/* Lets others run; false when the answer must go out now, whatever it is. */
PV_NODISCARD bool pv_hold_goes_on(struct pv_exec *x, const struct pv_hold *hold);
/* The answer is about to go out. For every such query, held or not. */
void pv_hold_end(struct pv_exec *x, uint64_t object);

/* --- chains ----------------------------------------------------------------------------------- */

/* Of a portability driver's device: asks for all that the driver has of what may be missing there
 * (VK_KHR_portability_subset), since guests do not know that they must. */
VkResult pv_portability_link(struct pv_exec *x, const struct pv_physical_device *device,
                             VkDeviceCreateInfo *info);

/* The struct of that type in a chain, or NULL. */
const void *pv_next_find(const void *next, VkStructureType type);
/* Takes every struct of that type out of a decoded chain (which is writable scratch), and returns
 * the first of them or NULL. `base` is any chained struct. */
const void *pv_next_unlink(const void *base, VkStructureType type);
/* Puts `link` in front of a base's chain. */
void pv_next_link(void *base, void *link);

#endif
