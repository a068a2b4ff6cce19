#ifndef PV_RENDER_DEVICE_H
#define PV_RENDER_DEVICE_H

#include "blob/blob.h"
#include "host/host.h"
#include "object/object.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

/* Our own structs for the object types that need more than the host's handle. Each begins with
 * struct pv_object, lies behind its slot's host word, and is freed through the epoch. */

struct pv_instance {
    struct pv_object object;
    VkInstance host;
    uint32_t api_version; /* that vkCreateInstance was asked for */
    struct pv_instance_table vk;
    uint32_t physical_device_count;
    struct pv_physical_device *physical_devices; /* offered ones, in a fixed order */
};

struct pv_physical_device {
    struct pv_object object; /* id 0 until the guest has named it; guarded by the context's lock */
    VkPhysicalDevice host;
    struct pv_instance *instance;
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceMemoryProperties memory; /* as the guest sees it */
    VkPhysicalDeviceMemoryProperties host_memory;
    const struct pv_memory_plan *plan;
    struct pv_memory_plan *own_plan; /* probed here; NULL when the plan is borrowed */
    bool has_portability_subset;
    bool has_deferred_operations;
    VkExtensionProperties *extensions; /* as the guest sees them */
    uint32_t extension_count;
    bool has_semaphore_sync_fd; /* the driver really imports and exports; else we emulate */
    bool has_fence_sync_fd;
    bool has_memory_fd; /* the driver's own VK_KHR_external_memory_fd */
    bool has_host_pointer;
    bool has_dma_buf;      /* and its export really works */
    bool has_semaphore_fd; /* the extensions, whatever they can do */
    bool has_fence_fd;
    VkDeviceSize host_pointer_alignment;
};

struct pv_queue {
    struct pv_object object;
    VkQueue host;
    struct pv_device *device;
    uint32_t family, index;
    VkDeviceQueueCreateFlags flags;
    uint32_t ring_idx;    /* 0 until vkGetDeviceQueue2 has bound it */
    pthread_mutex_t lock; /* vkQueue… is externally synchronised, and fences are submitted too */
    struct pv_timeline *timeline; /* guarded by the context's timelines_lock */
    /* Submissions so far (guarded by lock), and how many of them a retired fence covers. */
    uint64_t submitted;
    _Atomic uint64_t completed;
};

/* A fence on its way through a queue and its timeline. */
struct pv_queue_fence {
    struct pv_queue_fence *next;
    VkFence fence;
    uint64_t serial; /* of the queue's submissions that it covers */
};

/* A semaphore or fence of the driver that was replaced while it may still be in use. */
struct pv_retired_sync {
    struct pv_retired_sync *next;
    VkSemaphore semaphore; /* one of the two */
    VkFence fence;
    struct pv_queue *queue; /* that signals the semaphore, by its submission number `serial` */
    uint64_t serial;
};

struct pv_device {
    struct pv_object object; /* object.owner is this device's own number */
    VkDevice host;
    struct pv_physical_device *physical_device;
    struct pv_device_table vk;
    struct pv_queue *queues;
    uint32_t queue_count;
    struct pv_render_context *context;
    pthread_mutex_t lock;                 /* guards free fences and retired sync objects */
    struct pv_queue_fence *free_fences;   /* unsignalled */
    struct pv_retired_sync *retired_sync; /* oldest first */
    struct pv_retired_sync **retired_sync_tail;
    uint32_t retired_sync_count;
    _Atomic uint64_t memory_count; /* allocations that live */
    _Atomic bool is_known_lost;    /* a reply has told the guest */
    bool has_lock;
};

static inline bool pv_device_is_known_lost(const struct pv_device *device)
{
    return atomic_load_explicit(&device->is_known_lost, memory_order_relaxed);
}

/* A pool's children, so that they leave the table with it: ranges of ids, in allocation order. */
struct pv_id_range {
    uint64_t first, count;
};

struct pv_pool {
    struct pv_object object;
    pthread_mutex_t lock; /* guards ranges: the guest's synchronisation is not to be trusted */
    struct pv_id_range *ranges;
    uint32_t range_count, range_capacity;
    uint64_t live_count;
};

struct pv_memory {
    struct pv_object object;
    VkDeviceSize size; /* as the guest asked */
    uint32_t type_index;
    VkMemoryPropertyFlags flags; /* of its type, as the guest sees it */
    uint64_t accounted;          /* bytes that it counts for in the context's quota */
    struct pv_blob *blob;        /* pages of ours that the driver imported; NULL otherwise */
    VkExternalMemoryHandleTypeFlagBits export_type; /* 0: cannot be exported */
    _Atomic bool exported;                          /* at most one blob per memory */
    struct pv_device *device;
};

struct pv_semaphore {
    struct pv_object object; /* object.host changes when the semaphore behind the id is replaced */
    _Atomic bool signalled_by_import; /* the next wait on it is dropped */
    bool is_timeline;
    /* Where it was last signalled; written by submits, read when it is replaced. */
    struct pv_queue *_Atomic signal_queue;
    _Atomic uint64_t signal_serial;
};

#endif
