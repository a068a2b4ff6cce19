#include "blob/blob.h"
#include "host/probe.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    TEST_SIZE = 64 * 1024,
    IMAGE_EDGE = 64,
    FILL_WORD = 0x5eed1234,
};

static const uint64_t bind_timeout_ns = UINT64_C(5000000000);

/* One allocation, and the mapping that a guest would have of it. */
struct trial {
    VkDeviceMemory memory;
    uint8_t *map;
    uint64_t size;
    struct pv_blob *blob; /* of PV_MEMORY_HOST_POINTER */
    bool mapped_by_driver;
};

static void trial_finish(struct pv_probe *probe, struct trial *trial)
{
    if (trial->map != NULL && !trial->mapped_by_driver) {
        (void)munmap(trial->map, trial->size);
    }
    probe->vk.FreeMemory(probe->device, trial->memory, NULL);
    pv_blob_unref(trial->blob);
    memset(trial, 0, sizeof(*trial));
}

/* A mapping that does not go through the driver. The file's size is asked first: to touch a page
 * behind its end would kill us. */
static const char *map_fd(struct trial *trial, int fd)
{
    off_t file_size = lseek(fd, 0, SEEK_END);
    if (file_size >= 0 && (uint64_t)file_size < trial->size) {
        return "the exported file is smaller than the memory";
    }
    void *map = mmap(NULL, trial->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        return "the exported fd cannot be mapped";
    }
    trial->map = map;
    return NULL;
}

static const char *allocate_imported(struct pv_probe *probe, uint32_t type, struct trial *trial)
{
    if (!probe->has_host_pointer || probe->vk.GetMemoryHostPointerPropertiesEXT == NULL) {
        return "the driver has no VK_EXT_external_memory_host";
    }
    if (pv_blob_create(PV_BLOB_MEMORY, trial->size, probe->log, NULL, &trial->blob) != PV_OK) {
        return "no shared memory could be created";
    }
    VkMemoryHostPointerPropertiesEXT properties = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT,
    };
    VkResult result = probe->vk.GetMemoryHostPointerPropertiesEXT(
        probe->device, VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT, trial->blob->map,
        &properties);
    if (result != VK_SUCCESS || (properties.memoryTypeBits & (1U << type)) == 0) {
        return "the driver does not import host pages into this type";
    }
    VkImportMemoryHostPointerInfoEXT import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
        .pHostPointer = trial->blob->map,
    };
    VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = &import,
        .allocationSize = trial->size,
        .memoryTypeIndex = type,
    };
    if (probe->vk.AllocateMemory(probe->device, &info, NULL, &trial->memory) != VK_SUCCESS) {
        return "importing host pages failed";
    }
    return map_fd(trial, trial->blob->fd);
}

static const char *allocate_exported(struct pv_probe *probe, uint32_t type,
                                     VkExternalMemoryHandleTypeFlagBits handle, struct trial *trial)
{
    bool offered =
        handle == VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT ? probe->has_dma_buf : true;
    if (!offered || !probe->has_memory_fd || probe->vk.GetMemoryFdKHR == NULL) {
        return "the driver has no such extension";
    }
    VkExportMemoryAllocateInfo exported = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .handleTypes = handle,
    };
    VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = &exported,
        .allocationSize = trial->size,
        .memoryTypeIndex = type,
    };
    if (probe->vk.AllocateMemory(probe->device, &info, NULL, &trial->memory) != VK_SUCCESS) {
        return "allocating exportable memory failed";
    }
    VkMemoryGetFdInfoKHR get = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
        .memory = trial->memory,
        .handleType = handle,
    };
    int fd = -1;
    if (probe->vk.GetMemoryFdKHR(probe->device, &get, &fd) != VK_SUCCESS || fd < 0) {
        return "exporting an fd failed";
    }
    const char *fault = map_fd(trial, fd);
    (void)close(fd);
    return fault;
}

static const char *allocate_mapped(struct pv_probe *probe, uint32_t type, struct trial *trial)
{
    VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = trial->size,
        .memoryTypeIndex = type,
    };
    if (probe->vk.AllocateMemory(probe->device, &info, NULL, &trial->memory) != VK_SUCCESS) {
        return "allocating failed";
    }
    void *map = NULL;
    if (probe->vk.MapMemory(probe->device, trial->memory, 0, VK_WHOLE_SIZE, 0, &map) !=
        VK_SUCCESS) {
        return "vkMapMemory failed";
    }
    trial->map = map;
    trial->mapped_by_driver = true;
    return NULL;
}

/* NULL when it went well, else why not. `trial` is to be finished in both cases. */
static const char *trial_init(struct pv_probe *probe, enum pv_memory_strategy strategy,
                              uint32_t type, uint64_t size, struct trial *trial)
{
    memset(trial, 0, sizeof(*trial));
    trial->size = (size + (TEST_SIZE - 1)) & ~(uint64_t)(TEST_SIZE - 1);
    switch (strategy) {
    case PV_MEMORY_DMABUF:
        return allocate_exported(probe, type, VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
                                 trial);
    case PV_MEMORY_HOST_POINTER:
        return allocate_imported(probe, type, trial);
    case PV_MEMORY_OPAQUE_FD:
        return allocate_exported(probe, type, VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT, trial);
    case PV_MEMORY_DRIVER_MAPPING:
        return allocate_mapped(probe, type, trial);
    case PV_MEMORY_NONE:
    case PV_MEMORY_STRATEGY_COUNT:
        break;
    }
    return "no such strategy";
}

static void barrier(struct pv_probe *probe)
{
    VkMemoryBarrier all = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask =
            VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT | VK_ACCESS_HOST_READ_BIT,
    };
    probe->vk.CmdPipelineBarrier(probe->commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                                 VK_PIPELINE_STAGE_TRANSFER_BIT | VK_PIPELINE_STAGE_HOST_BIT, 0, 1,
                                 &all, 0, NULL, 0, NULL);
}

static uint32_t pattern(uint32_t index)
{
    return index * UINT32_C(2654435761) + 1;
}

static uint32_t word_at(const struct trial *trial, uint32_t index)
{
    uint32_t word;
    memcpy(&word, trial->map + (size_t)index * sizeof(word), sizeof(word));
    return word;
}

/* The CPU writes a pattern through the guest's mapping, the GPU copies it into the second half and
 * fills the first quarter; both must be seen through the guest's mapping. */
static const char *compare_buffer(struct pv_probe *probe, VkBuffer buffer, struct trial *trial)
{
    const uint32_t words = TEST_SIZE / sizeof(uint32_t);
    for (uint32_t i = 0; i < words; i++) {
        uint32_t word = i < words / 2 ? pattern(i) : 0;
        memcpy(trial->map + (size_t)i * sizeof(word), &word, sizeof(word));
    }
    if (!pv_probe_begin(probe)) {
        return "recording failed";
    }
    VkBufferCopy copy = {.srcOffset = 0, .dstOffset = TEST_SIZE / 2, .size = TEST_SIZE / 2};
    probe->vk.CmdCopyBuffer(probe->commands, buffer, buffer, 1, &copy);
    barrier(probe);
    probe->vk.CmdFillBuffer(probe->commands, buffer, 0, TEST_SIZE / 4, FILL_WORD);
    barrier(probe);
    if (!pv_probe_run(probe)) {
        return "a copy did not finish";
    }
    for (uint32_t i = 0; i < words; i++) {
        uint32_t expected = i < words / 4 ? (uint32_t)FILL_WORD : pattern(i % (words / 2));
        if (word_at(trial, i) != expected) {
            return "the two sides see different contents";
        }
    }
    return NULL;
}

static VkBuffer create_buffer(struct pv_probe *probe, VkBufferCreateFlags flags,
                              VkMemoryRequirements *requirements)
{
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .flags = flags,
        .size = TEST_SIZE,
        .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    VkBuffer buffer = VK_NULL_HANDLE;
    if (probe->vk.CreateBuffer(probe->device, &info, NULL, &buffer) != VK_SUCCESS) {
        return VK_NULL_HANDLE;
    }
    probe->vk.GetBufferMemoryRequirements(probe->device, buffer, requirements);
    return buffer;
}

static const char *try_buffer(struct pv_probe *probe, enum pv_memory_strategy strategy,
                              uint32_t type)
{
    VkMemoryRequirements requirements = {0};
    VkBuffer buffer = create_buffer(probe, 0, &requirements);
    if (buffer == VK_NULL_HANDLE) {
        return "vkCreateBuffer failed";
    }
    struct trial trial = {0};
    const char *fault = "no plain buffer can lie in this type";
    if ((requirements.memoryTypeBits & (1U << type)) != 0) {
        fault = trial_init(probe, strategy, type, requirements.size, &trial);
    }
    if (fault == NULL &&
        probe->vk.BindBufferMemory(probe->device, buffer, trial.memory, 0) != VK_SUCCESS) {
        fault = "binding a buffer failed";
    }
    if (fault == NULL) {
        fault = compare_buffer(probe, buffer, &trial);
    }
    probe->vk.DestroyBuffer(probe->device, buffer, NULL);
    trial_finish(probe, &trial);
    return fault;
}

static void image_barrier(struct pv_probe *probe, VkImage image, VkImageLayout from,
                          VkImageLayout to)
{
    VkImageMemoryBarrier change = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
        .oldLayout = from,
        .newLayout = to,
        .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .image = image,
        .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
    };
    probe->vk.CmdPipelineBarrier(probe->commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                                 VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0, NULL, 0, NULL, 1, &change);
}

/* The GPU clears the image and copies it into the buffer behind `readback`. */
static const char *compare_image(struct pv_probe *probe, VkImage image, VkBuffer buffer,
                                 struct trial *readback)
{
    memset(readback->map, 0, (size_t)readback->size);
    if (!pv_probe_begin(probe)) {
        return "recording failed";
    }
    const VkImageLayout general = VK_IMAGE_LAYOUT_GENERAL;
    image_barrier(probe, image, VK_IMAGE_LAYOUT_UNDEFINED, general);
    VkClearColorValue colour = {.float32 = {1.0F, 0.0F, 1.0F, 0.0F}};
    VkImageSubresourceRange range = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    probe->vk.CmdClearColorImage(probe->commands, image, general, &colour, 1, &range);
    image_barrier(probe, image, general, general);
    VkBufferImageCopy copy = {
        .imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
        .imageExtent = {IMAGE_EDGE, IMAGE_EDGE, 1},
    };
    probe->vk.CmdCopyImageToBuffer(probe->commands, image, general, buffer, 1, &copy);
    barrier(probe);
    if (!pv_probe_run(probe)) {
        return "clearing an image did not finish";
    }
    for (uint32_t i = 0; i < IMAGE_EDGE * IMAGE_EDGE; i++) {
        const uint8_t expected[4] = {0xff, 0, 0xff, 0};
        if (memcmp(readback->map + (size_t)i * 4, expected, sizeof(expected)) != 0) {
            return "an image in this memory reads back something else";
        }
    }
    return NULL;
}

static const char *bind_and_compare_image(struct pv_probe *probe, VkImage image,
                                          enum pv_memory_strategy strategy, uint32_t type)
{
    VkMemoryRequirements of_image = {0};
    VkMemoryRequirements of_buffer = {0};
    probe->vk.GetImageMemoryRequirements(probe->device, image, &of_image);
    if ((of_image.memoryTypeBits & (1U << type)) == 0) {
        return NULL; /* the driver never puts such an image here */
    }
    struct trial pixels = {0};
    struct trial readback = {0};
    VkBuffer buffer = create_buffer(probe, 0, &of_buffer);
    const char *fault = buffer == VK_NULL_HANDLE ? "vkCreateBuffer failed" : NULL;
    if (fault == NULL) {
        fault = trial_init(probe, strategy, type, of_image.size, &pixels);
    }
    if (fault == NULL) {
        fault = trial_init(probe, strategy, type, of_buffer.size, &readback);
    }
    if (fault == NULL &&
        (probe->vk.BindImageMemory(probe->device, image, pixels.memory, 0) != VK_SUCCESS ||
         probe->vk.BindBufferMemory(probe->device, buffer, readback.memory, 0) != VK_SUCCESS)) {
        fault = "binding an image failed";
    }
    if (fault == NULL) {
        fault = compare_image(probe, image, buffer, &readback);
    }
    probe->vk.DestroyBuffer(probe->device, buffer, NULL);
    trial_finish(probe, &readback);
    trial_finish(probe, &pixels);
    return fault;
}

static const char *try_image(struct pv_probe *probe, enum pv_memory_strategy strategy,
                             uint32_t type, VkImageTiling tiling)
{
    const VkFormat format = VK_FORMAT_R8G8B8A8_UNORM;
    const VkFormatFeatureFlags needed =
        VK_FORMAT_FEATURE_TRANSFER_SRC_BIT | VK_FORMAT_FEATURE_TRANSFER_DST_BIT;
    VkFormatProperties properties;
    probe->instance_vk->GetPhysicalDeviceFormatProperties(probe->physical_device, format,
                                                          &properties);
    VkFormatFeatureFlags features = tiling == VK_IMAGE_TILING_LINEAR
                                        ? properties.linearTilingFeatures
                                        : properties.optimalTilingFeatures;
    if ((features & needed) != needed) {
        return NULL;
    }
    VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = format,
        .extent = {IMAGE_EDGE, IMAGE_EDGE, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .tiling = tiling,
        .usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT,
    };
    VkImage image = VK_NULL_HANDLE;
    if (probe->vk.CreateImage(probe->device, &info, NULL, &image) != VK_SUCCESS) {
        return "vkCreateImage failed";
    }
    const char *fault = bind_and_compare_image(probe, image, strategy, type);
    probe->vk.DestroyImage(probe->device, image, NULL);
    return fault;
}

static const char *bind_sparse(struct pv_probe *probe, VkBuffer buffer, const struct trial *trial,
                               uint64_t size)
{
    VkSparseMemoryBind bind = {.size = size, .memory = trial->memory};
    VkSparseBufferMemoryBindInfo buffer_bind = {.buffer = buffer, .bindCount = 1, .pBinds = &bind};
    VkBindSparseInfo info = {
        .sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO,
        .bufferBindCount = 1,
        .pBufferBinds = &buffer_bind,
    };
    if (probe->vk.QueueBindSparse(probe->queue, 1, &info, probe->fence) != VK_SUCCESS ||
        probe->vk.WaitForFences(probe->device, 1, &probe->fence, VK_TRUE, bind_timeout_ns) !=
            VK_SUCCESS ||
        probe->vk.ResetFences(probe->device, 1, &probe->fence) != VK_SUCCESS) {
        return "vkQueueBindSparse failed";
    }
    return NULL;
}

static const char *try_sparse(struct pv_probe *probe, enum pv_memory_strategy strategy,
                              uint32_t type)
{
    VkMemoryRequirements requirements = {0};
    VkBuffer buffer = create_buffer(probe, VK_BUFFER_CREATE_SPARSE_BINDING_BIT, &requirements);
    if (buffer == VK_NULL_HANDLE) {
        return "creating a sparse buffer failed";
    }
    struct trial trial = {0};
    const char *fault = NULL;
    if ((requirements.memoryTypeBits & (1U << type)) != 0) {
        fault = trial_init(probe, strategy, type, requirements.size, &trial);
        if (fault == NULL) {
            fault = bind_sparse(probe, buffer, &trial, requirements.size);
        }
        if (fault == NULL) {
            fault = compare_buffer(probe, buffer, &trial);
        }
    }
    probe->vk.DestroyBuffer(probe->device, buffer, NULL);
    trial_finish(probe, &trial);
    return fault;
}

static const char *try_strategy(struct pv_probe *probe, enum pv_memory_strategy strategy,
                                uint32_t type)
{
    const char *fault = try_buffer(probe, strategy, type);
    if (fault == NULL) {
        fault = try_image(probe, strategy, type, VK_IMAGE_TILING_LINEAR);
    }
    if (fault == NULL) {
        fault = try_image(probe, strategy, type, VK_IMAGE_TILING_OPTIMAL);
    }
    return fault;
}

/* The first strategy that works; the reasons of those before it stay readable for a person. */
static void plan_type(struct pv_probe *probe, struct pv_memory_plan *plan, uint32_t type)
{
    struct pv_memory_type_plan *chosen = &plan->types[type];
    chosen->strategy = PV_MEMORY_NONE;
    if ((chosen->flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) == 0) {
        pv_probe_note(chosen->why, "not host-visible");
        return;
    }
    if ((chosen->flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) == 0) {
        pv_probe_note(chosen->why, "not coherent, and the protocol carries no flushes");
        return;
    }
    const char *last = NULL;
    for (uint32_t i = PV_MEMORY_DMABUF; i < PV_MEMORY_STRATEGY_COUNT; i++) {
        enum pv_memory_strategy strategy = (enum pv_memory_strategy)i;
        const char *fault = try_strategy(probe, strategy, type);
        if (strategy == PV_MEMORY_DMABUF && plan->dma_buf.works == 0) {
            plan->dma_buf.works = fault == NULL ? 1 : 0;
            pv_probe_note(plan->dma_buf.why, "%s", fault == NULL ? "export works" : fault);
        }
        if (fault == NULL) {
            chosen->strategy = i;
            pv_probe_note(chosen->why, "works, contents compared%s%s",
                          last != NULL ? "; before it: " : "", last != NULL ? last : "");
            return;
        }
        last = fault;
        pv_log_debug(probe->log, "memory type %u: %s: %s", type, pv_memory_strategy_name(strategy),
                     fault);
    }
    pv_probe_note(chosen->why, "%s", last);
}

static void plan_sparse(struct pv_probe *probe, struct pv_memory_plan *plan)
{
    if (!probe->has_sparse) {
        pv_probe_note(plan->sparse.why, "the driver has no sparse binding");
        return;
    }
    for (uint32_t i = 0; i < plan->type_count; i++) {
        enum pv_memory_strategy strategy = (enum pv_memory_strategy)plan->types[i].strategy;
        if (strategy == PV_MEMORY_NONE) {
            continue;
        }
        const char *fault = try_sparse(probe, strategy, i);
        if (fault != NULL) {
            pv_probe_note(plan->sparse.why, "memory type %u (%s): %s", i,
                          pv_memory_strategy_name(strategy), fault);
            return;
        }
    }
    plan->sparse.works = 1;
    pv_probe_note(plan->sparse.why, "works, contents compared");
}

void pv_probe_memory(struct pv_probe *probe, struct pv_memory_plan *plan)
{
    pv_probe_note(plan->dma_buf.why, "no host-visible memory type");
    for (uint32_t i = 0; i < plan->type_count; i++) {
        plan_type(probe, plan, i);
        uint32_t strategy = plan->types[i].strategy;
        if (strategy != PV_MEMORY_NONE && strategy != PV_MEMORY_DRIVER_MAPPING) {
            plan->usable = 1;
        }
    }
    plan_sparse(probe, plan);
}
