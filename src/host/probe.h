#ifndef PV_HOST_PROBE_H
#define PV_HOST_PROBE_H

#include "host/memory_plan.h"

#include <stdbool.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

/* Inside of the probe: a device of our own, one queue, one command buffer. */

struct pv_probe {
    const struct pv_instance_table *instance_vk;
    VkPhysicalDevice physical_device;
    const struct pv_log *log;
    VkPhysicalDeviceMemoryProperties memory;
    VkDevice device;
    struct pv_device_table vk;
    uint32_t family;
    VkQueueFlags family_flags;
    VkQueue queue;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkFence fence;
    bool has_host_pointer; /* extensions that the device has and that are enabled */
    bool has_memory_fd;
    bool has_dma_buf;
    bool has_semaphore_fd;
    bool has_fence_fd;
    bool has_sparse; /* the feature, enabled */
};

/* Starts recording; false when the driver refuses. */
bool pv_probe_begin(struct pv_probe *probe);
/* Ends, submits and waits, for seconds at most. */
bool pv_probe_run(struct pv_probe *probe);

/* Fills plan->types, dma_buf and sparse. */
void pv_probe_memory(struct pv_probe *probe, struct pv_memory_plan *plan);
/* Fills plan->semaphore_sync_fd and fence_sync_fd. */
void pv_probe_sync_fd(struct pv_probe *probe, struct pv_memory_plan *plan);

/* Text into a fixed field, cut where it is too long. */
PV_PRINTF(2, 3)
void pv_probe_note(char why[PV_MEMORY_WHY_SIZE], const char *format, ...);

#endif
