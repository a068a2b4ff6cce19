#ifndef PV_HOST_MEMORY_PLAN_H
#define PV_HOST_MEMORY_PLAN_H

#include "base/attributes.h"
#include "base/log.h"
#include "base/result.h"
#include "host/host.h"

#include <stdbool.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

/* How a guest gets at host-visible memory, found out by trying.
 *
 * Drivers differ in what they say and, worse, in what they do: lavapipe's opaque fd maps without an
 * error and shows the data 4096 bytes further on; lavapipe 25.0 binds sparse buffers to imported
 * pages and reads back something else. So the probe allocates, maps on both sides, lets the GPU
 * write, and compares what is there. It needs a VkDevice and may upset a driver, so it runs once in
 * a throw-away process; its answer is plain data that can be sent to the workers. */

enum {
    PV_MEMORY_PLANS_VERSION = 1,
    PV_MEMORY_PLANS_MAX = 16,
    PV_MEMORY_WHY_SIZE = 112,
};

/* In order of preference. */
enum pv_memory_strategy {
    PV_MEMORY_NONE = 0,       /* the guest cannot map this type: it loses HOST_VISIBLE */
    PV_MEMORY_DMABUF,         /* exported as dma-buf */
    PV_MEMORY_HOST_POINTER,   /* pages of our own memfd, imported by the driver */
    PV_MEMORY_OPAQUE_FD,      /* exported as opaque fd, whose mmap shows the right bytes */
    PV_MEMORY_DRIVER_MAPPING, /* vkMapMemory alone: only in the driver's own process */
    PV_MEMORY_STRATEGY_COUNT,
};

/* "dma-buf", "host pages", …: static, never NULL. */
const char *pv_memory_strategy_name(enum pv_memory_strategy strategy);

struct pv_memory_type_plan {
    uint32_t strategy;            /* enum pv_memory_strategy */
    VkMemoryPropertyFlags flags;  /* the driver's own */
    char why[PV_MEMORY_WHY_SIZE]; /* what was found, for a person */
};

/* One fact that a person may ask the reason of. */
struct pv_memory_fact {
    uint32_t works; /* 0 or 1 */
    char why[PV_MEMORY_WHY_SIZE];
};

/* Plain data of fixed size: no pointers, so that it can cross a process boundary. */
struct pv_memory_plan {
    uint8_t device_uuid[VK_UUID_SIZE]; /* the three that a plan is found by */
    uint8_t driver_uuid[VK_UUID_SIZE];
    uint32_t driver_version;
    uint32_t vendor_id, device_id;
    uint32_t api_version;
    uint32_t device_type; /* VkPhysicalDeviceType */
    uint32_t driver_id;   /* VkDriverId */
    char device_name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE];
    char driver_name[VK_MAX_DRIVER_NAME_SIZE];
    char driver_info[VK_MAX_DRIVER_INFO_SIZE];
    uint32_t type_count;
    uint32_t usable; /* 1: a visible and coherent type is left, so the device can be offered */
    struct pv_memory_type_plan types[VK_MAX_MEMORY_TYPES];
    uint64_t host_pointer_alignment;         /* 0: no VK_EXT_external_memory_host */
    struct pv_memory_fact dma_buf;           /* export works, contents compared */
    struct pv_memory_fact sparse;            /* sparse binding works with the chosen strategies */
    struct pv_memory_fact semaphore_sync_fd; /* really imports and exports */
    struct pv_memory_fact fence_sync_fd;     /* really exports */
};

struct pv_memory_plans {
    uint32_t version; /* PV_MEMORY_PLANS_VERSION, else ignore the rest */
    uint32_t count;
    struct pv_memory_plan plans[PV_MEMORY_PLANS_MAX];
};

/* Creates an instance of its own and probes every device of the host; devices whose driver is Venus
 * itself are left out unless `allow_venus`. PV_HOST_FAILED when there is no working Vulkan. */
PV_NODISCARD enum pv_result pv_memory_plans_probe(const struct pv_host *host, bool allow_venus,
                                                  struct pv_memory_plans *plans);

/* Probes one device. PV_HOST_FAILED when it gives no VkDevice; `plan` then says nothing works. */
PV_NODISCARD enum pv_result pv_memory_plan_probe(const struct pv_instance_table *vk,
                                                 VkPhysicalDevice device, const struct pv_log *log,
                                                 struct pv_memory_plan *plan);

/* The plan of a device, or NULL; `plans` may be NULL or come from another process. */
const struct pv_memory_plan *pv_memory_plans_find(const struct pv_memory_plans *plans,
                                                  const struct pv_instance_table *vk,
                                                  VkPhysicalDevice device);

#endif
