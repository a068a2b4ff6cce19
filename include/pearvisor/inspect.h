/*
 * What the probe of a host found, for people and programs that want to know why a GPU is offered
 * the way it is. pv_renderer_probe() answers with bytes; these calls read them.
 *
 * The bytes may come from another process: nothing in them is believed, every index is checked, and
 * every text ends with NUL.
 *
 * Threads: nothing is kept; every function may be called at any time from any thread.
 */
#ifndef PEARVISOR_INSPECT_H
#define PEARVISOR_INSPECT_H

#include <pearvisor/version.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    PV_INSPECT_TEXT_SIZE = 256, /* of a name, in bytes with its NUL */
    PV_INSPECT_WHY_SIZE = 128,  /* of a reason */
};

/* How the memory of one type becomes visible to a guest. A guest maps plain shared memory, and
 * drivers differ in what they can share; the probe has tried these in turn and took the first that
 * showed the same bytes on both sides. */
enum pv_memory_way {
    PV_MEMORY_WAY_NONE = 0,   /* not at all: for guests the type is not host-visible */
    PV_MEMORY_WAY_DMABUF,     /* the driver exports a dma-buf */
    PV_MEMORY_WAY_HOST_PAGES, /* our own memory, imported by the driver */
    PV_MEMORY_WAY_OPAQUE_FD,  /* the driver exports a descriptor that can be mapped */
    PV_MEMORY_WAY_DRIVER,     /* the driver's own mapping: of no use to another process */
};

/* One GPU of the host. */
struct pv_gpu_info {
    uint32_t struct_size; /* sizeof(struct pv_gpu_info), set by the caller */

    char name[PV_INSPECT_TEXT_SIZE];        /* VkPhysicalDeviceProperties.deviceName */
    char driver_name[PV_INSPECT_TEXT_SIZE]; /* VkPhysicalDeviceDriverProperties */
    char driver_info[PV_INSPECT_TEXT_SIZE];
    uint32_t driver_id;      /* VkDriverId */
    uint32_t driver_version; /* as the vendor packs it */
    uint32_t vendor_id;      /* PCI's, or the Khronos registry's */
    uint32_t device_id;
    uint32_t api_version; /* as VK_MAKE_API_VERSION packs it */
    uint32_t device_type; /* VkPhysicalDeviceType: 1 integrated, 2 discrete, 3 virtual, 4 CPU */
    uint32_t memory_type_count;
    /* Pages of ours that the driver imports must begin and end at multiples of this; in bytes. 0:
     * it has no VK_EXT_external_memory_host. */
    uint64_t import_alignment;
    /* A memory type that guests can map is left, as Vulkan demands; else the GPU is not offered. */
    bool is_usable;
};

/* One memory type of a GPU. */
struct pv_memory_type_info {
    uint32_t struct_size; /* set by the caller */
    uint32_t flags;       /* the driver's own VkMemoryPropertyFlags */
    enum pv_memory_way way;
    const char *way_name;          /* "host pages"; static */
    char why[PV_INSPECT_WHY_SIZE]; /* what was found, in English */
    /* The type is host-visible on the host and for guests it is not: they see it without
     * HOST_VISIBLE, HOST_COHERENT and HOST_CACHED. */
    bool is_hidden;
};

/* What was tried besides, each with a reason. */
enum pv_gpu_ability {
    /* Memory can be exported as a dma-buf, which windowing systems want. If not, guests do not see
     * VK_EXT_external_memory_dma_buf. */
    PV_GPU_EXPORTS_DMABUF = 0,
    /* Sparse binding reads back what was written. If not, guests see no sparse features. */
    PV_GPU_BINDS_SPARSE,
    /* Semaphores and fences go in and out as SYNC_FD. If not, we do it in the driver's place. */
    PV_GPU_SHARES_SEMAPHORES,
    PV_GPU_SHARES_FENCES,
    PV_GPU_ABILITY_COUNT,
};

struct pv_gpu_ability_info {
    uint32_t struct_size; /* set by the caller */
    bool works;
    char why[PV_INSPECT_WHY_SIZE];
};

/* How many GPUs the probe saw. 0 too when the bytes are not those of this build. */
PV_API uint32_t pv_inspect_gpu_count(const void *plans, size_t size_bytes);

/* Each fills what the caller owns, and is false for an index that is not there. GPUs are numbered
 * as the probe met them, which is the driver's order. */
PV_API bool pv_inspect_gpu(const void *plans, size_t size_bytes, uint32_t gpu,
                           struct pv_gpu_info *info);
PV_API bool pv_inspect_memory_type(const void *plans, size_t size_bytes, uint32_t gpu,
                                   uint32_t type, struct pv_memory_type_info *info);
PV_API bool pv_inspect_ability(const void *plans, size_t size_bytes, uint32_t gpu,
                               enum pv_gpu_ability ability, struct pv_gpu_ability_info *info);

/* Whether pv_renderer_params.gpu of this value offers the GPU. NULL or empty offers all. */
PV_API bool pv_inspect_gpu_matches(const char *choice, uint32_t gpu, const char *name);

#ifdef __cplusplus
}
#endif

#endif
