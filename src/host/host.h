#ifndef PV_HOST_HOST_H
#define PV_HOST_HOST_H

#include "base/log.h"
#include "base/result.h"
#include "host_tables.gen.h" /* struct pv_instance_table, struct pv_device_table */

#include <stdbool.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

/* The host's Vulkan loader, found at run time and never linked. */
struct pv_host {
    void *library; /* dlopen's handle; NULL when the entry point came from the caller */
    PFN_vkGetInstanceProcAddr get_instance_proc_addr;
    const struct pv_log *log;
};

/* `library` NULL means the loader under its usual names, or, where there is none, a driver that can
 * do without (MoltenVK, KosmicKrisp). */
PV_NODISCARD enum pv_result pv_host_open(struct pv_host *host, const char *library,
                                         const struct pv_log *log);
/* For tests and for embedding callers that bring their own loader. */
void pv_host_from_entry(struct pv_host *host, PFN_vkGetInstanceProcAddr entry,
                        const struct pv_log *log);
void pv_host_close(struct pv_host *host);

/* vkCreateInstance with no layers; portability drivers are listed too, where the loader can. */
VkResult pv_host_create_instance(const struct pv_host *host, const VkApplicationInfo *application,
                                 VkInstance *instance);

/* Whether a device's driver is Venus, through which a renderer would reach a renderer again. */
bool pv_host_is_venus(const struct pv_instance_table *vk, VkPhysicalDevice device);
/* Whether `choice` names this GPU: its number, or a part of its name, whatever the case. NULL or
 * empty chooses all. */
bool pv_host_gpu_matches(const char *choice, uint32_t index, const char *name);

/* Fills the table; a command is there when the version is at least the one that made it core, or
 * an extension that brings it (under whichever alias) is enabled. What is absent stays NULL.
 * NULL, or the name of a command of Vulkan 1.0 or 1.1 that the driver lacks: no device of an older
 * version is offered, and those are called without a look. Generated: host_tables.gen.c. */
PV_NODISCARD const char *pv_instance_table_load(struct pv_instance_table *table,
                                                PFN_vkGetInstanceProcAddr get, VkInstance instance,
                                                uint32_t api_version);
PV_NODISCARD const char *pv_device_table_load(struct pv_device_table *table,
                                              PFN_vkGetDeviceProcAddr get, VkDevice device,
                                              uint32_t api_version, const char *const *extensions,
                                              uint32_t extension_count);

/* What the protocol knows of a device extension (extensions that the wire can carry). Generated. */
struct pv_extension {
    const char *name;
    uint32_t number;       /* vk.xml's, the bit in the capset's mask */
    uint32_t spec_version; /* that the protocol was made for */
    bool guest_only;       /* Mesa implements it itself: never offered by us */
};
extern const struct pv_extension pv_extensions[];
extern const uint32_t pv_extension_count;
const struct pv_extension *pv_extension_find(const char *name);

#endif
