#include "base/checked.h"
#include "base/fd.h"
#include "render/private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Device memory. What the guest may map is made of pages that we can hand out: our own, imported by
 * the driver, or the driver's, exported as an fd (host/memory_plan.h says which, and why). */

enum {
    PAGE_SIZE_MIN = 4096,
    /* What the guest's driver allocates for itself is not at the expense of its program. */
    GUEST_DRIVERS_COUNT = 64,
};

/* One vkAllocateMemory on its way. */
struct allocation {
    struct pv_exec *x;
    struct pv_device *device;
    VkMemoryAllocateInfo info;   /* a copy, with a chain that is ours to change */
    VkMemoryPropertyFlags flags; /* of the type, as the guest sees it */
    enum pv_memory_strategy strategy;
    VkExportMemoryAllocateInfo exported;
    VkImportMemoryHostPointerInfoEXT host_pointer;
    VkImportMemoryFdInfoKHR fd;
    struct pv_memory *memory; /* what comes of it */
};

/* --- which way ---------------------------------------------------------------------------------
 */

/* Asks the driver, because the guest's driver puts a dedication on nearly everything. */
static bool needs_dedication(const struct pv_device *device,
                             const VkMemoryDedicatedAllocateInfo *dedicated)
{
    VkMemoryDedicatedRequirements dedication = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS,
    };
    VkMemoryRequirements2 requirements = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2,
        .pNext = &dedication,
    };
    if (dedicated->image != VK_NULL_HANDLE) {
        VkImageMemoryRequirementsInfo2 image = {
            .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2,
            .image = dedicated->image,
        };
        device->vk.GetImageMemoryRequirements2(device->host, &image, &requirements);
    } else if (dedicated->buffer != VK_NULL_HANDLE) {
        VkBufferMemoryRequirementsInfo2 buffer = {
            .sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2,
            .buffer = dedicated->buffer,
        };
        device->vk.GetBufferMemoryRequirements2(device->host, &buffer, &requirements);
    }
    return dedication.requiresDedicatedAllocation == VK_TRUE;
}

/* What cannot be combined with imported pages loses its mapping. */
static bool host_pointer_is_possible(const struct allocation *a)
{
    const void *next = a->info.pNext;
    const VkMemoryAllocateFlagsInfo *flags =
        pv_next_find(next, VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
    const VkMemoryOpaqueCaptureAddressAllocateInfo *capture =
        pv_next_find(next, VK_STRUCTURE_TYPE_MEMORY_OPAQUE_CAPTURE_ADDRESS_ALLOCATE_INFO);
    const VkMemoryDedicatedAllocateInfo *dedicated =
        pv_next_find(next, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO);
    if (capture != NULL && capture->opaqueCaptureAddress != 0) {
        return false;
    }
    if (flags != NULL &&
        (flags->flags & VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_CAPTURE_REPLAY_BIT) != 0) {
        return false;
    }
    return dedicated == NULL || !needs_dedication(a->device, dedicated);
}

/* How this one is made mappable; what the guest asked to export decides where the driver can. */
static enum pv_memory_strategy choose_strategy(const struct allocation *a,
                                               const VkExportMemoryAllocateInfo *asked)
{
    const struct pv_physical_device *physical_device = a->device->physical_device;
    if (asked != NULL && asked->handleTypes != 0 && physical_device->has_dma_buf) {
        return PV_MEMORY_DMABUF;
    }
    if ((a->flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) == 0 ||
        (a->flags & VK_MEMORY_PROPERTY_PROTECTED_BIT) != 0) {
        return PV_MEMORY_NONE;
    }
    enum pv_memory_strategy strategy =
        (enum pv_memory_strategy)physical_device->plan->types[a->info.memoryTypeIndex].strategy;
    if (strategy == PV_MEMORY_HOST_POINTER && !host_pointer_is_possible(a)) {
        return PV_MEMORY_NONE;
    }
    return strategy;
}

/* --- the ways ----------------------------------------------------------------------------------
 */

static VkResult call_driver(struct allocation *a)
{
    VkDeviceMemory host = VK_NULL_HANDLE;
    VkResult result = a->device->vk.AllocateMemory(a->device->host, &a->info, NULL, &host);
    if (result == VK_SUCCESS) {
        a->memory->object.host = PV_HANDLE_U64(host);
    }
    return result;
}

static VkResult import_pages(struct allocation *a, struct pv_blob *taken_blob)
{
    (void)pv_next_unlink(&a->info, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO);
    (void)pv_next_unlink(&a->info, VK_STRUCTURE_TYPE_MEMORY_OPAQUE_CAPTURE_ADDRESS_ALLOCATE_INFO);
    a->host_pointer = (VkImportMemoryHostPointerInfoEXT){
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
        .pHostPointer = taken_blob->map,
    };
    pv_next_link(&a->info, &a->host_pointer);
    VkResult result = call_driver(a);
    if (result != VK_SUCCESS) {
        pv_blob_unref(taken_blob);
        return result;
    }
    a->memory->blob = taken_blob;
    return VK_SUCCESS;
}

static VkResult allocate_pages(struct allocation *a)
{
    const struct pv_physical_device *physical_device = a->device->physical_device;
    uint64_t alignment = physical_device->host_pointer_alignment;
    if (alignment < PAGE_SIZE_MIN) {
        alignment = PAGE_SIZE_MIN;
    }
    uint64_t size = 0;
    if (!pv_checked_align(a->info.allocationSize, alignment, &size)) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    struct pv_blob *blob = NULL;
    struct pv_render_context *context = a->x->context;
    if (pv_blob_create(PV_BLOB_MEMORY, size, context->log, &context->failures, &blob) != PV_OK) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    a->info.allocationSize = size;
    return import_pages(a, blob);
}

static VkResult allocate_exportable(struct allocation *a,
                                    VkExternalMemoryHandleTypeFlagBits handle_type)
{
    uint64_t size = 0;
    if (!pv_checked_align(a->info.allocationSize, PAGE_SIZE_MIN, &size)) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    /* A dedicated allocation must have its resource's very size. */
    if (pv_next_find(a->info.pNext, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO) == NULL) {
        a->info.allocationSize = size;
    }
    a->exported = (VkExportMemoryAllocateInfo){
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .handleTypes = handle_type,
    };
    pv_next_link(&a->info, &a->exported);
    a->memory->export_type = handle_type;
    return call_driver(a);
}

/* A resource that another context or device has exported. */
static VkResult import_resource(struct allocation *a, uint32_t resource_id)
{
    struct pv_blob *blob = pv_exec_resource(a->x, resource_id);
    if (blob == NULL) {
        pv_exec_fault(a->x, "imports a resource that does not exist");
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    if (blob->kind == PV_BLOB_MEMORY && a->device->physical_device->has_host_pointer) {
        a->info.allocationSize = blob->map_size;
        return import_pages(a, blob);
    }
    VkResult result = VK_ERROR_INVALID_EXTERNAL_HANDLE;
    int fd = -1;
    bool has_type = blob->kind == PV_BLOB_DMABUF ? a->device->physical_device->has_dma_buf
                                                 : blob->kind == PV_BLOB_OPAQUE;
    if (has_type && a->device->physical_device->has_memory_fd) {
        fd = pv_fd_duplicate(blob->fd);
    }
    if (fd >= 0) {
        a->fd = (VkImportMemoryFdInfoKHR){
            .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
            .handleType = blob->kind == PV_BLOB_DMABUF
                              ? VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT
                              : VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT,
            .fd = fd,
        };
        pv_next_link(&a->info, &a->fd);
        result = call_driver(a);
        if (result != VK_SUCCESS) {
            (void)close(fd); /* else it is the driver's now */
        }
    }
    pv_blob_unref(blob);
    return result;
}

static VkResult allocate(struct allocation *a)
{
    const VkImportMemoryResourceInfoMESA *resource =
        pv_next_unlink(&a->info, VK_STRUCTURE_TYPE_IMPORT_MEMORY_RESOURCE_INFO_MESA);
    const VkExportMemoryAllocateInfo *asked =
        pv_next_unlink(&a->info, VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO);
    if (resource != NULL) {
        return import_resource(a, resource->resourceId);
    }
    a->strategy = choose_strategy(a, asked);
    switch (a->strategy) {
    case PV_MEMORY_HOST_POINTER:
        return allocate_pages(a);
    case PV_MEMORY_DMABUF:
        return allocate_exportable(a, VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT);
    case PV_MEMORY_OPAQUE_FD:
        return allocate_exportable(a, VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT);
    case PV_MEMORY_NONE:
    case PV_MEMORY_DRIVER_MAPPING:
    case PV_MEMORY_STRATEGY_COUNT:
        break;
    }
    return call_driver(a);
}

/* --- commands ----------------------------------------------------------------------------------
 */

/* One more, unless there are as many as may be. */
static bool count_up(_Atomic uint64_t *count, uint64_t limit)
{
    uint64_t before = atomic_load_explicit(count, memory_order_relaxed);
    do {
        if (before >= limit + GUEST_DRIVERS_COUNT) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(count, &before, before + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static void count_down(_Atomic uint64_t *count)
{
    atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
}

/* The device's own limit, and the process's, which has the descriptors of all devices. */
static bool account_count(struct pv_render_context *context, struct pv_device *device)
{
    if (!count_up(&device->memory_count,
                  device->physical_device->properties.limits.maxMemoryAllocationCount)) {
        return false;
    }
    if (!count_up(&context->device_memory_count, context->allocation_count_limit)) {
        count_down(&device->memory_count);
        return false;
    }
    return true;
}

static void discount(struct pv_render_context *context, struct pv_device *device)
{
    count_down(&device->memory_count);
    count_down(&context->device_memory_count);
}

static bool account_bytes(struct pv_render_context *context, uint64_t size)
{
    uint64_t before =
        atomic_fetch_add_explicit(&context->device_memory_bytes, size, memory_order_relaxed);
    uint64_t after;
    if (!pv_checked_add(before, size, &after) ||
        after > context->params.quota.device_memory_bytes) {
        atomic_fetch_sub_explicit(&context->device_memory_bytes, size, memory_order_relaxed);
        return false;
    }
    return true;
}

/* Counts it against the limit that the guest was told and a few more, its bytes against the quota.
 */
static VkResult account(struct pv_render_context *context, struct pv_memory *memory)
{
    if (!account_count(context, memory->device)) {
        return VK_ERROR_TOO_MANY_OBJECTS;
    }
    if (!account_bytes(context, memory->size)) {
        discount(context, memory->device);
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    memory->accounted = memory->size;
    return VK_SUCCESS;
}

static VkResult check_request(const struct pv_physical_device *physical_device,
                              const VkMemoryAllocateInfo *info)
{
    const VkPhysicalDeviceMemoryProperties *memory = &physical_device->memory;
    if (info->memoryTypeIndex >= memory->memoryTypeCount) {
        return VK_ERROR_UNKNOWN;
    }
    uint32_t heap = memory->memoryTypes[info->memoryTypeIndex].heapIndex;
    return info->allocationSize > memory->memoryHeaps[heap].size ? VK_ERROR_OUT_OF_DEVICE_MEMORY
                                                                 : VK_SUCCESS;
}

static VkResult make_memory(struct pv_exec *x, struct pv_device *device,
                            const VkMemoryAllocateInfo *info, struct pv_memory **made)
{
    struct allocation a = {.x = x, .device = device, .info = *info};
    VkResult result = check_request(device->physical_device, info);
    if (result != VK_SUCCESS) {
        return result;
    }
    a.flags = device->physical_device->memory.memoryTypes[info->memoryTypeIndex].propertyFlags;
    a.memory = calloc(1, sizeof(*a.memory));
    if (a.memory == NULL) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    a.memory->size = info->allocationSize;
    a.memory->type_index = info->memoryTypeIndex;
    a.memory->flags = a.flags;
    a.memory->device = device;
    result = account(x->context, a.memory);
    if (result != VK_SUCCESS) {
        free(a.memory);
        return result;
    }
    result = allocate(&a);
    if (result != VK_SUCCESS) {
        pv_memory_release(x->context, a.memory);
        return result;
    }
    *made = a.memory;
    return VK_SUCCESS;
}

VkResult pv_handle_vkAllocateMemory(struct pv_exec *x, struct pv_vkAllocateMemory *a)
{
    struct pv_device *device = pv_exec_device(x);
    uint64_t id = PV_HANDLE_U64(*a->pMemory);
    if (device == NULL || !pv_exec_reserve(x, id)) {
        return VK_ERROR_UNKNOWN;
    }
    struct pv_memory *memory = NULL;
    VkResult result = make_memory(x, device, a->pAllocateInfo, &memory);
    if (result != VK_SUCCESS) {
        pv_object_abandon(&x->context->objects, id);
        return result;
    }
    memory->object.id = id;
    memory->object.owner = x->in.owner;
    pv_object_publish(&x->context->objects, id, PV_TAG(PV_OBJECT_DEVICE_MEMORY, x->in.owner),
                      PV_HANDLE_U64(memory));
    return VK_SUCCESS;
}

void pv_memory_release(struct pv_render_context *context, struct pv_memory *memory)
{
    /* It has left the table: whoever has found it there before is done with it after this. */
    pthread_mutex_lock(&context->visitor_lock);
    pthread_mutex_unlock(&context->visitor_lock);
    if (memory->object.host != 0) {
        memory->device->vk.FreeMemory(memory->device->host,
                                      (VkDeviceMemory)(uintptr_t)memory->object.host, NULL);
    }
    /* After the driver has let go of them; a resource of the guest keeps the pages alive. */
    pv_blob_unref(memory->blob);
    memory->blob = NULL;
    atomic_fetch_sub_explicit(&context->device_memory_bytes, memory->accounted,
                              memory_order_relaxed);
    discount(context, memory->device);
    pv_epoch_retire(&context->epoch, memory, free);
}

void pv_handle_vkFreeMemory(struct pv_exec *x, struct pv_vkFreeMemory *a)
{
    struct pv_memory *memory = (struct pv_memory *)(uintptr_t)pv_exec_remove(
        x, PV_HANDLE_U64(a->memory), PV_OBJECT_DEVICE_MEMORY);
    if (memory != NULL) {
        pv_memory_release(x->context, memory);
    }
}

static VkResult resource_type_bits(struct pv_device *device, const struct pv_blob *blob,
                                   uint32_t *bits)
{
    VkResult result = VK_ERROR_INVALID_EXTERNAL_HANDLE;
    if (blob->kind == PV_BLOB_DMABUF && device->vk.GetMemoryFdPropertiesKHR != NULL) {
        VkMemoryFdPropertiesKHR properties = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR,
        };
        result = device->vk.GetMemoryFdPropertiesKHR(
            device->host, VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT, blob->fd, &properties);
        *bits = properties.memoryTypeBits;
    } else if (blob->kind == PV_BLOB_MEMORY &&
               device->vk.GetMemoryHostPointerPropertiesEXT != NULL) {
        VkMemoryHostPointerPropertiesEXT properties = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT,
        };
        result = device->vk.GetMemoryHostPointerPropertiesEXT(
            device->host, VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT, blob->map,
            &properties);
        *bits = properties.memoryTypeBits;
    }
    return result;
}

VkResult pv_handle_vkGetMemoryResourcePropertiesMESA(struct pv_exec *x,
                                                     struct pv_vkGetMemoryResourcePropertiesMESA *a)
{
    struct pv_device *device = pv_exec_device(x);
    struct pv_blob *blob = pv_exec_resource(x, a->resourceId);
    if (device == NULL || blob == NULL) {
        pv_exec_fault(x, "no such resource");
        pv_blob_unref(blob);
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    uint32_t bits = 0;
    VkResult result = resource_type_bits(device, blob, &bits);
    VkMemoryResourcePropertiesMESA *properties = a->pMemoryResourceProperties;
    properties->memoryTypeBits = result == VK_SUCCESS ? bits : 0;
    VkMemoryResourceAllocationSizePropertiesMESA *size =
        (VkMemoryResourceAllocationSizePropertiesMESA *)(uintptr_t)pv_next_find(
            properties->pNext, VK_STRUCTURE_TYPE_MEMORY_RESOURCE_ALLOCATION_SIZE_PROPERTIES_MESA);
    if (size != NULL) {
        size->allocationSize = blob->size;
    }
    pv_blob_unref(blob);
    return result;
}
