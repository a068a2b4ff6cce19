#include "base/checked.h"
#include "base/pages.h"
#include "render/private.h"

#include <string.h>

/* Copies between images and the guest's bytes without a queue; descriptors and shader groups'
 * handles as bytes.
 *
 * The driver takes bare pointers, and how much it reads or writes behind one depends on the image's
 * format, which we do not keep. So where a guest sends less than the largest format would need, the
 * driver gets room for that much; untouched pages of it cost nothing. */

enum {
    TEXEL_SIZE_MAX = 32, /* of any format, in bytes per texel of its blocks */
    LAYERS_MAX = 16384,
    DESCRIPTOR_SIZE_MAX = 1024, /* far beyond any driver's */
    GROUP_HANDLE_SIZE_MAX = 64, /* Vulkan's limit for replay handles; others have 32 bytes */
};

#define ROOM_MAX (UINT64_C(16) << 30)

/* Bytes that a copy can touch at most; false when that is absurd. */
static bool bound_copy(uint32_t row_length, uint32_t image_height, const VkExtent3D *extent,
                       uint32_t layer_count, uint64_t *bound)
{
    uint64_t width = row_length > extent->width ? row_length : extent->width;
    uint64_t height = image_height > extent->height ? image_height : extent->height;
    uint64_t layers = layer_count == VK_REMAINING_ARRAY_LAYERS ? LAYERS_MAX : layer_count;
    /* Compressed blocks of up to 12 × 12 texels are counted whole. */
    return pv_checked_mul(width + 16, TEXEL_SIZE_MAX, bound) &&
           pv_checked_mul(*bound, height + 16, bound) &&
           pv_checked_mul(*bound, extent->depth, bound) && pv_checked_mul(*bound, layers, bound) &&
           *bound <= ROOM_MAX;
}

/* The exact size of a copy in the driver's own layout (VK_HOST_IMAGE_COPY_MEMCPY). */
static bool memcpy_size(const struct pv_device *device, VkImage image,
                        const VkImageSubresourceLayers *layers, uint64_t *size)
{
    if (device->vk.GetImageSubresourceLayout2 == NULL) {
        return false;
    }
    VkSubresourceHostMemcpySize memcpy_info = {
        .sType = VK_STRUCTURE_TYPE_SUBRESOURCE_HOST_MEMCPY_SIZE,
    };
    VkSubresourceLayout2 layout = {
        .sType = VK_STRUCTURE_TYPE_SUBRESOURCE_LAYOUT_2,
        .pNext = &memcpy_info,
    };
    VkImageSubresource2 subresource = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_SUBRESOURCE_2,
        .imageSubresource = {layers->aspectMask, layers->mipLevel, layers->baseArrayLayer},
    };
    device->vk.GetImageSubresourceLayout2(device->host, image, &subresource, &layout);
    uint64_t count =
        layers->layerCount == VK_REMAINING_ARRAY_LAYERS ? LAYERS_MAX : layers->layerCount;
    return pv_checked_mul(memcpy_info.size, count, size) && *size <= ROOM_MAX;
}

/* --- image to memory ---------------------------------------------------------------------------
 */

static VkResult copy_from_image(struct pv_device *device, const VkCopyImageToMemoryInfoMESA *from,
                                void *to)
{
    VkImageToMemoryCopy region = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_TO_MEMORY_COPY,
        .pHostPointer = to,
        .memoryRowLength = from->memoryRowLength,
        .memoryImageHeight = from->memoryImageHeight,
        .imageSubresource = from->imageSubresource,
        .imageOffset = from->imageOffset,
        .imageExtent = from->imageExtent,
    };
    VkCopyImageToMemoryInfo info = {
        .sType = VK_STRUCTURE_TYPE_COPY_IMAGE_TO_MEMORY_INFO,
        .flags = from->flags,
        .srcImage = from->srcImage,
        .srcImageLayout = from->srcImageLayout,
        .regionCount = 1,
        .pRegions = &region,
    };
    return device->vk.CopyImageToMemory(device->host, &info);
}

VkResult pv_handle_vkCopyImageToMemoryMESA(struct pv_exec *x, struct pv_vkCopyImageToMemoryMESA *a)
{
    struct pv_device *device = pv_exec_device(x);
    const VkCopyImageToMemoryInfoMESA *from = a->pCopyImageToMemoryInfo;
    uint64_t bound = 0;
    if (device == NULL || device->vk.CopyImageToMemory == NULL) {
        pv_exec_absent(x);
        return VK_ERROR_EXTENSION_NOT_PRESENT;
    }
    bool bounded = (from->flags & VK_HOST_IMAGE_COPY_MEMCPY_EXT) != 0
                       ? memcpy_size(device, from->srcImage, &from->imageSubresource, &bound)
                       : bound_copy(from->memoryRowLength, from->memoryImageHeight,
                                    &from->imageExtent, from->imageSubresource.layerCount, &bound);
    if (!bounded || a->pData == NULL) {
        pv_exec_fault(x, "a copy from an image of an impossible size");
        return VK_ERROR_UNKNOWN;
    }
    memset(a->pData, 0, a->dataSize);
    if (a->dataSize >= bound) {
        return copy_from_image(device, from, a->pData);
    }
    void *room = pv_pages_map(bound);
    if (room == NULL) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    VkResult result = copy_from_image(device, from, room);
    if (result == VK_SUCCESS) {
        memcpy(a->pData, room, a->dataSize);
    }
    pv_pages_unmap(room, bound);
    return result;
}

/* --- memory to image ---------------------------------------------------------------------------
 */

static VkResult copy_region(struct pv_exec *x, struct pv_device *device,
                            const VkCopyMemoryToImageInfoMESA *to,
                            const VkMemoryToImageCopyMESA *from)
{
    uint64_t bound = 0;
    bool bounded = (to->flags & VK_HOST_IMAGE_COPY_MEMCPY_EXT) != 0
                       ? memcpy_size(device, to->dstImage, &from->imageSubresource, &bound)
                       : bound_copy(from->memoryRowLength, from->memoryImageHeight,
                                    &from->imageExtent, from->imageSubresource.layerCount, &bound);
    if (!bounded || from->pData == NULL) {
        pv_exec_fault(x, "a copy to an image of an impossible size");
        return VK_ERROR_UNKNOWN;
    }
    void *room = NULL;
    if (from->dataSize < bound) {
        room = pv_pages_map(bound);
        if (room == NULL) {
            return VK_ERROR_OUT_OF_HOST_MEMORY;
        }
        memcpy(room, from->pData, from->dataSize);
    }
    VkMemoryToImageCopy region = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_TO_IMAGE_COPY,
        .pHostPointer = room != NULL ? room : from->pData,
        .memoryRowLength = from->memoryRowLength,
        .memoryImageHeight = from->memoryImageHeight,
        .imageSubresource = from->imageSubresource,
        .imageOffset = from->imageOffset,
        .imageExtent = from->imageExtent,
    };
    VkCopyMemoryToImageInfo info = {
        .sType = VK_STRUCTURE_TYPE_COPY_MEMORY_TO_IMAGE_INFO,
        .flags = to->flags,
        .dstImage = to->dstImage,
        .dstImageLayout = to->dstImageLayout,
        .regionCount = 1,
        .pRegions = &region,
    };
    VkResult result = device->vk.CopyMemoryToImage(device->host, &info);
    pv_pages_unmap(room, bound);
    return result;
}

VkResult pv_handle_vkCopyMemoryToImageMESA(struct pv_exec *x, struct pv_vkCopyMemoryToImageMESA *a)
{
    struct pv_device *device = pv_exec_device(x);
    const VkCopyMemoryToImageInfoMESA *to = a->pCopyMemoryToImageInfo;
    if (device == NULL || device->vk.CopyMemoryToImage == NULL) {
        pv_exec_absent(x);
        return VK_ERROR_EXTENSION_NOT_PRESENT;
    }
    VkResult result = VK_SUCCESS;
    for (uint32_t i = 0; i < to->regionCount && result == VK_SUCCESS; i++) {
        result = copy_region(x, device, to, &to->pRegions[i]);
    }
    return result;
}

/* --- descriptors as bytes ----------------------------------------------------------------------
 */

#if defined(VK_EXT_descriptor_heap)
VkResult pv_handle_vkWriteSamplerDescriptorMESA(struct pv_exec *x,
                                                struct pv_vkWriteSamplerDescriptorMESA *a)
{
    struct pv_device *device = pv_exec_device(x);
    uint8_t bytes[DESCRIPTOR_SIZE_MAX] = {0};
    if (device == NULL || device->vk.WriteSamplerDescriptorsEXT == NULL) {
        pv_exec_absent(x);
        return VK_ERROR_EXTENSION_NOT_PRESENT;
    }
    if (a->pData == NULL || a->dataSize > sizeof(bytes)) {
        pv_exec_fault(x, "a descriptor of an impossible size");
        return VK_ERROR_UNKNOWN;
    }
    VkHostAddressRangeEXT range = {.address = bytes, .size = a->dataSize};
    VkResult result = device->vk.WriteSamplerDescriptorsEXT(device->host, 1, a->pSampler, &range);
    memcpy(a->pData, bytes, a->dataSize);
    return result;
}

VkResult pv_handle_vkWriteResourceDescriptorMESA(struct pv_exec *x,
                                                 struct pv_vkWriteResourceDescriptorMESA *a)
{
    struct pv_device *device = pv_exec_device(x);
    uint8_t bytes[DESCRIPTOR_SIZE_MAX] = {0};
    if (device == NULL || device->vk.WriteResourceDescriptorsEXT == NULL) {
        pv_exec_absent(x);
        return VK_ERROR_EXTENSION_NOT_PRESENT;
    }
    if (a->pData == NULL || a->dataSize > sizeof(bytes)) {
        pv_exec_fault(x, "a descriptor of an impossible size");
        return VK_ERROR_UNKNOWN;
    }
    VkHostAddressRangeEXT range = {.address = bytes, .size = a->dataSize};
    VkResult result = device->vk.WriteResourceDescriptorsEXT(device->host, 1, a->pResource, &range);
    memcpy(a->pData, bytes, a->dataSize);
    return result;
}
#endif

/* --- handles of shader groups ------------------------------------------------------------------
 */

/* Drivers write as many handles as they are asked for, whatever `size` is said to be. Room for them
 * all; NULL and a fault where there is none. */
static void *group_handle_room(struct pv_exec *x, uint32_t count, size_t *size, void *data)
{
    uint64_t needed = (uint64_t)count * GROUP_HANDLE_SIZE_MAX;
    if (*size >= needed && data != NULL) {
        return data;
    }
    void *room = needed <= SIZE_MAX ? pv_arena_alloc(x->in.arena, (size_t)needed) : NULL;
    if (room == NULL || *size > needed) {
        pv_exec_fault(x, "shader group handles that do not fit in memory");
        return NULL;
    }
    memset(room, 0, (size_t)needed);
    *size = (size_t)needed;
    return room;
}

VkResult
pv_handle_vkGetRayTracingShaderGroupHandlesKHR(struct pv_exec *x,
                                               struct pv_vkGetRayTracingShaderGroupHandlesKHR *a)
{
    struct pv_device *device = pv_exec_device(x);
    if (device == NULL || device->vk.GetRayTracingShaderGroupHandlesKHR == NULL) {
        pv_exec_absent(x);
        return VK_ERROR_EXTENSION_NOT_PRESENT;
    }
    size_t size = a->dataSize;
    void *room = group_handle_room(x, a->groupCount, &size, a->pData);
    if (room == NULL) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    a->pData = room;
    return device->vk.GetRayTracingShaderGroupHandlesKHR(device->host, a->pipeline, a->firstGroup,
                                                         a->groupCount, size, room);
}

VkResult pv_handle_vkGetRayTracingCaptureReplayShaderGroupHandlesKHR(
    struct pv_exec *x, struct pv_vkGetRayTracingCaptureReplayShaderGroupHandlesKHR *a)
{
    struct pv_device *device = pv_exec_device(x);
    if (device == NULL || device->vk.GetRayTracingCaptureReplayShaderGroupHandlesKHR == NULL) {
        pv_exec_absent(x);
        return VK_ERROR_EXTENSION_NOT_PRESENT;
    }
    size_t size = a->dataSize;
    void *room = group_handle_room(x, a->groupCount, &size, a->pData);
    if (room == NULL) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    a->pData = room;
    return device->vk.GetRayTracingCaptureReplayShaderGroupHandlesKHR(
        device->host, a->pipeline, a->firstGroup, a->groupCount, size, room);
}
