/* What the host does by itself: copies into and out of images, and memory that it maps, hands on
 * or brings along. */
#include "app.h"
#include "texels.h"

#include <string.h>
#include <sys/mman.h>

#define HOST_COPIES "VK_EXT_host_image_copy", "VkPhysicalDeviceHostImageCopyFeatures.hostImageCopy"

#define PLACED_MAPS                                                                                \
    "VK_EXT_map_memory_placed", "VK_KHR_map_memory2",                                              \
        "VkPhysicalDeviceMapMemoryPlacedFeaturesEXT.memoryMapPlaced"

enum {
    SIDE = 8,
    TEXELS = SIDE * SIDE,
    WORDS = 64,
    IMPORTED = 65536, /* and its alignment: what all devices can import */
    PLACED = 65536,   /* an alignment that all devices can place maps at */
    PLACED_SIZE = 2 * PLACED,
};

static const VkImageLayout general = VK_IMAGE_LAYOUT_GENERAL;

/* --- images ----------------------------------------------------------------------------------- */

/* In GENERAL, by the host. */
static struct app_image host_image(struct app *app)
{
    const VkImageCreateInfo info =
        app_image_info(VK_FORMAT_R32_UINT, SIDE, SIDE,
                       VK_IMAGE_USAGE_HOST_TRANSFER_BIT_EXT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT |
                           VK_IMAGE_USAGE_TRANSFER_DST_BIT);
    VkFormatProperties3 features = {.sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_3};
    VkFormatProperties2 properties = {.sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2,
                                      .pNext = &features};
    app->vki.GetPhysicalDeviceFormatProperties2(app->gpu, info.format, &properties);
    if ((features.optimalTilingFeatures & VK_FORMAT_FEATURE_2_HOST_IMAGE_TRANSFER_BIT_EXT) == 0) {
        app_skip(app, "no host copies of VK_FORMAT_R32_UINT");
    }
    struct app_image image = app_image(app, &info, VK_IMAGE_VIEW_TYPE_MAX_ENUM);
    const VkHostImageLayoutTransitionInfo transition = {
        .sType = VK_STRUCTURE_TYPE_HOST_IMAGE_LAYOUT_TRANSITION_INFO_EXT,
        .image = image.image,
        .oldLayout = VK_IMAGE_LAYOUT_UNDEFINED,
        .newLayout = general,
        .subresourceRange = app_whole(&image),
    };
    APP_CHECK(app, TransitionImageLayout, app->device, 1, &transition);
    return image;
}

/* A part of the image, from rows of `row_length` texels. */
static void copy_in(struct app *app, const struct app_image *image, const uint32_t *words,
                    uint32_t row_length, VkOffset3D offset, VkExtent3D extent)
{
    const VkMemoryToImageCopy region = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_TO_IMAGE_COPY_EXT,
        .pHostPointer = words,
        .memoryRowLength = row_length,
        .imageSubresource = {image->aspects, 0, 0, 1},
        .imageOffset = offset,
        .imageExtent = extent,
    };
    const VkCopyMemoryToImageInfo info = {
        .sType = VK_STRUCTURE_TYPE_COPY_MEMORY_TO_IMAGE_INFO_EXT,
        .dstImage = image->image,
        .dstImageLayout = general,
        .regionCount = 1,
        .pRegions = &region,
    };
    APP_CHECK(app, CopyMemoryToImage, app->device, &info);
}

static void copy_out(struct app *app, const struct app_image *image, uint32_t *words)
{
    const VkImageToMemoryCopy region = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_TO_MEMORY_COPY_EXT,
        .pHostPointer = words,
        .imageSubresource = {image->aspects, 0, 0, 1},
        .imageExtent = image->extent,
    };
    const VkCopyImageToMemoryInfo info = {
        .sType = VK_STRUCTURE_TYPE_COPY_IMAGE_TO_MEMORY_INFO_EXT,
        .srcImage = image->image,
        .srcImageLayout = general,
        .regionCount = 1,
        .pRegions = &region,
    };
    APP_CHECK(app, CopyImageToMemory, app->device, &info);
}

static void number(uint32_t *words, uint32_t first)
{
    for (uint32_t i = 0; i < TEXELS; i++) {
        words[i] = first + i * 3;
    }
}

/* All of it, then three columns in the middle of it; back to the host, and to the GPU. */
static void host_copies_memory_to_image(struct app *app)
{
    struct app_image image = host_image(app);
    uint32_t words[TEXELS], more[TEXELS], expected[TEXELS], got[TEXELS];
    number(words, 1);
    number(more, 1000);
    memcpy(expected, words, sizeof(expected));
    for (uint32_t i = 0; i < 12; i++) {
        expected[(2 + i / 3) * SIDE + 4 + i % 3] = more[i / 3 * 5 + i % 3];
    }
    copy_in(app, &image, words, 0, (VkOffset3D){0, 0, 0}, image.extent);
    copy_in(app, &image, more, APP_OR(5, 3), (VkOffset3D){4, 2, 0}, (VkExtent3D){3, 4, 1});
    copy_out(app, &image, got);
    app_expect_words(app, "at the host", got, expected, TEXELS);
    texels_expect_level(app, &image, general, 0, expected, TEXELS);
}

static void host_copies_what_gpu_wrote(struct app *app)
{
    static const VkClearColorValue colour = {.uint32 = {APP_OR(77, 78)}};
    struct app_image image = host_image(app);
    const VkImageSubresourceRange whole = app_whole(&image);
    uint32_t words[TEXELS], got[TEXELS];
    number(words, 5);
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdClearColorImage(command, image.image, general, &colour, 1, &whole);
    app_run(app, command);
    copy_in(app, &image, words, 0, (VkOffset3D){0, 0, 0}, (VkExtent3D){SIDE, 1, 1});
    copy_out(app, &image, got);
    for (uint32_t i = SIDE; i < TEXELS; i++) {
        words[i] = 77;
    }
    app_expect_words(app, "at the host", got, words, TEXELS);
}

static void host_copies_image_to_image(struct app *app)
{
    struct app_image from = host_image(app), to = host_image(app);
    const VkImageSubresourceLayers layers = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
    const VkImageCopy2 region = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_COPY_2,
        .srcSubresource = layers,
        .srcOffset = {0, 4, 0},
        .dstSubresource = layers,
        .dstOffset = {4, APP_OR(0, 1), 0},
        .extent = {4, 4, 1},
    };
    const VkCopyImageToImageInfo info = {
        .sType = VK_STRUCTURE_TYPE_COPY_IMAGE_TO_IMAGE_INFO_EXT,
        .srcImage = from.image,
        .srcImageLayout = general,
        .dstImage = to.image,
        .dstImageLayout = general,
        .regionCount = 1,
        .pRegions = &region,
    };
    uint32_t words[TEXELS], expected[TEXELS], got[TEXELS];
    number(words, 1);
    number(expected, 1000);
    copy_in(app, &from, words, 0, (VkOffset3D){0, 0, 0}, from.extent);
    copy_in(app, &to, expected, 0, (VkOffset3D){0, 0, 0}, to.extent);
    APP_CHECK(app, CopyImageToImage, app->device, &info);
    copy_out(app, &to, got);
    for (uint32_t i = 0; i < 16; i++) {
        expected[i / 4 * SIDE + 4 + i % 4] = words[(i / 4 + 4) * SIDE + i % 4];
    }
    app_expect_words(app, "at the host", got, expected, TEXELS);
}

/* --- memory ----------------------------------------------------------------------------------- */

static VkBuffer create_buffer(struct app *app, VkDeviceSize size,
                              VkExternalMemoryHandleTypeFlags handles, VkMemoryRequirements *needs)
{
    const VkExternalMemoryBufferCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO, .handleTypes = handles};
    VkBufferCreateInfo info = app_buffer_info(size, 0);
    info.pNext = handles != 0 ? &external : NULL;
    return app_create_buffer(app, &info, needs);
}

static void map_memory_2(struct app *app)
{
    PFN_vkMapMemory2KHR map_2 = APP_FIND(app, vkMapMemory2KHR);
    PFN_vkUnmapMemory2KHR unmap_2 = APP_FIND(app, vkUnmapMemory2KHR);
    VkMemoryRequirements needs;
    VkBuffer buffer = create_buffer(app, WORDS * 4, 0, &needs);
    VkDeviceMemory memory = app_allocate(app, &needs, APP_MEMORY_MAPPED, NULL);
    const VkMemoryMapInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_MAP_INFO_KHR,
        .memory = memory,
        .offset = 64,
        .size = VK_WHOLE_SIZE,
    };
    const VkMemoryUnmapInfoKHR end = {.sType = VK_STRUCTURE_TYPE_MEMORY_UNMAP_INFO_KHR,
                                      .memory = memory};
    uint32_t expected[WORDS - 16];
    APP_CHECK(app, BindBufferMemory, app->device, buffer, memory, 0);
    for (uint32_t round = 0; round < 2; round++) {
        void *map;
        VkCommandBuffer command = app_begin(app);
        app->vk.CmdFillBuffer(command, buffer, 0, APP_OR(128, 64), round + 1);
        app->vk.CmdFillBuffer(command, buffer, 128, VK_WHOLE_SIZE, round + 9);
        app_run(app, command);
        app_check(app, map_2(app->device, &info, &map), "vkMapMemory2");
        for (uint32_t i = 0; i < WORDS - 16; i++) {
            expected[i] = round + (i < 16 ? 1 : 9);
        }
        app_expect_words(app, "in the map", map, expected, WORDS - 16);
        app_check(app, unmap_2(app->device, &end), "vkUnmapMemory2");
    }
}

/* Addresses that nothing else is at, from a multiple of PLACED on. They stay reserved where neither
 * the driver nor the case gives them up. */
static void *reserve_addresses(struct app *app)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    uint8_t *all = mmap(NULL, PLACED_SIZE + PLACED, PROT_NONE, flags, -1, 0);
    app_expect(app, all != MAP_FAILED, "no addresses");
    size_t before = -(uintptr_t)all % PLACED, behind = PLACED - before;
    app_expect(app, before == 0 || munmap(all, before) == 0, "munmap() before");
    app_expect(app, munmap(all + before + PLACED_SIZE, behind) == 0, "munmap() behind");
    return all + before;
}

/* Whether something is at all pages, so that no other map is put there: mincore() fails for others.
 * It does not say what; a driver may leave the map itself there, and Mesa's Venus does. */
static bool is_reserved(void *address)
{
    unsigned char pages[PLACED_SIZE / 4096];
    return mincore(address, PLACED_SIZE, pages) == 0;
}

/* The GPU fills memory before it is mapped and meanwhile, and it is read at the addresses that were
 * reserved for it. Mapped again only where they stay so: Mesa's Venus keeps the first map until the
 * memory is freed, wherever a second one is to be placed. */
static void place_maps(struct app *app, VkMemoryUnmapFlags unmap_flags)
{
    enum { COUNT = PLACED_SIZE / 4, LATER = 4096 };
    static uint32_t expected[COUNT];
    PFN_vkMapMemory2KHR map_2 = APP_FIND(app, vkMapMemory2KHR);
    PFN_vkUnmapMemory2KHR unmap_2 = APP_FIND(app, vkUnmapMemory2KHR);
    VkMemoryRequirements needs;
    VkBuffer buffer = create_buffer(app, PLACED_SIZE, 0, &needs);
    if (needs.size != PLACED_SIZE) {
        app_skip(app, "no buffers without padding");
    }
    VkDeviceMemory memory = app_allocate(app, &needs, APP_MEMORY_MAPPED, NULL);
    const VkMemoryMapPlacedInfoEXT place = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_MAP_PLACED_INFO_EXT,
        .pPlacedAddress = reserve_addresses(app),
    };
    const VkMemoryMapInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_MAP_INFO_KHR,
        .pNext = &place,
        .flags = APP_OR(VK_MEMORY_MAP_PLACED_BIT_EXT, 0),
        .memory = memory,
        .size = VK_WHOLE_SIZE,
    };
    const VkMemoryUnmapInfoKHR end = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_UNMAP_INFO_KHR, .flags = unmap_flags, .memory = memory};
    APP_CHECK(app, BindBufferMemory, app->device, buffer, memory, 0);
    for (uint32_t round = 0; round < (unmap_flags != 0 ? 2 : 1); round++) {
        void *map;
        VkCommandBuffer command = app_begin(app);
        app->vk.CmdFillBuffer(command, buffer, 0, PLACED_SIZE, round + 1);
        app_run(app, command);
        app_check(app, map_2(app->device, &info, &map), "vkMapMemory2");
        app_expect(app, map == place.pPlacedAddress, "mapped elsewhere");
        command = app_begin(app);
        app->vk.CmdFillBuffer(command, buffer, PLACED_SIZE - LATER, LATER, round + 9);
        app_run(app, command);
        for (uint32_t i = 0; i < COUNT; i++) {
            expected[i] = round + (i < COUNT - LATER / 4 ? 1 : 9);
        }
        app_expect_words(app, "in the map", map, expected, COUNT);
        app_check(app, unmap_2(app->device, &end), "vkUnmapMemory2");
        app_expect(app, unmap_flags == 0 || is_reserved(map), "reserved no more");
    }
}

static void placed_map(struct app *app)
{
    VkPhysicalDeviceMapMemoryPlacedPropertiesEXT limits = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAP_MEMORY_PLACED_PROPERTIES_EXT};
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &limits};
    app->vki.GetPhysicalDeviceProperties2(app->gpu, &properties);
    /* Not for the checksum: it may be a guest's own answer. */
    VkDeviceSize alignment = limits.minPlacedMemoryMapAlignment;
    app_expect(app, alignment != 0 && PLACED % alignment == 0, "an alignment of %llu",
               (unsigned long long)alignment);
    place_maps(app, 0);
}

static void placed_map_leaves_addresses_reserved(struct app *app)
{
    place_maps(app, VK_MEMORY_UNMAP_RESERVE_BIT_EXT);
}

/* Exported as a file descriptor, and imported: two buffers are one. */
static void memory_fd_is_imported(struct app *app)
{
    const VkExternalMemoryHandleTypeFlagBits handle = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
    const VkPhysicalDeviceExternalBufferInfo about = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
        .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
        .handleType = handle,
    };
    const VkExportMemoryAllocateInfo exported = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO, .handleTypes = handle};
    VkExternalBufferProperties can = {.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES};
    VkImportMemoryFdInfoKHR imported = {.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
                                        .handleType = handle};
    VkMemoryGetFdInfoKHR get = {.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
                                .handleType = handle};
    struct app_buffer data = app_buffer(app, WORDS * 4, 0);
    const VkBufferCopy whole = {0, 0, WORDS * 4};
    VkMemoryRequirements needs;
    VkBuffer buffers[2];
    uint32_t expected[WORDS];
    app->vki.GetPhysicalDeviceExternalBufferProperties(app->gpu, &about, &can);
    if ((can.externalMemoryProperties.externalMemoryFeatures &
         VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) == 0 ||
        (can.externalMemoryProperties.externalMemoryFeatures &
         VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT) != 0) {
        app_skip(app, "no memory of opaque descriptors");
    }
    for (uint32_t i = 0; i < 2; i++) {
        buffers[i] = create_buffer(app, WORDS * 4, handle, &needs);
        VkDeviceMemory memory =
            app_allocate(app, &needs, APP_MEMORY_DEVICE,
                         i < APP_OR(1u, 2u) ? (const void *)&exported : &imported);
        APP_CHECK(app, BindBufferMemory, app->device, buffers[i], memory, 0);
        if (i == 0) {
            get.memory = memory;
            APP_CHECK(app, GetMemoryFdKHR, app->device, &get, &imported.fd);
        }
    }
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdFillBuffer(command, buffers[0], 0, 128, 11);
    app->vk.CmdFillBuffer(command, buffers[1], 128, VK_WHOLE_SIZE, 22);
    app_barrier(app, command);
    app->vk.CmdCopyBuffer(command, buffers[0], data.buffer, 1, &whole);
    app_run(app, command);
    for (uint32_t i = 0; i < WORDS; i++) {
        expected[i] = i < 32 ? 11 : 22;
    }
    app_expect_words(app, "in both", data.map, expected, WORDS);
}

/* The GPU writes what the program has had all along. */
static void host_memory_is_imported(struct app *app)
{
    static _Alignas(IMPORTED) uint32_t block[IMPORTED / 4];
    const VkExternalMemoryHandleTypeFlagBits handle =
        VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
    VkPhysicalDeviceExternalMemoryHostPropertiesEXT limits = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT};
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &limits};
    VkMemoryHostPointerPropertiesEXT pointer = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT};
    const VkImportMemoryHostPointerInfoEXT imported = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
        .handleType = handle,
        .pHostPointer = block,
    };
    VkMemoryRequirements needs;
    uint32_t expected[WORDS];
    app->vki.GetPhysicalDeviceProperties2(app->gpu, &properties);
    app_expect(app, limits.minImportedHostPointerAlignment <= IMPORTED, "an alignment of %llu",
               (unsigned long long)limits.minImportedHostPointerAlignment);
    VkBuffer buffer = create_buffer(app, IMPORTED, handle, &needs);
    APP_CHECK(app, GetMemoryHostPointerPropertiesEXT, app->device, handle, block, &pointer);
    needs.memoryTypeBits &= pointer.memoryTypeBits;
    if (needs.size != IMPORTED || needs.memoryTypeBits == 0) {
        app_skip(app, "no memory type for pointers");
    }
    for (uint32_t i = 0; i < WORDS; i++) {
        block[i] = i + 1;
        expected[i] = i >= 16 && i < 48 ? 99 : i + 1;
    }
    VkDeviceMemory memory = app_allocate(app, &needs, APP_MEMORY_MAPPED, &imported);
    APP_CHECK(app, BindBufferMemory, app->device, buffer, memory, 0);
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdFillBuffer(command, buffer, 64, APP_OR(128, 64), 99);
    app_run(app, command);
    app_expect_words(app, "in the program", block, expected, WORDS);
}

const struct app_case app_cases_host_copies[] = {
    APP_CASE(host_copies_memory_to_image, HOST_COPIES),
    APP_CASE(host_copies_what_gpu_wrote, HOST_COPIES),
    APP_CASE(host_copies_image_to_image, HOST_COPIES),
    APP_CASE(map_memory_2, "VK_KHR_map_memory2"),
    APP_CASE(placed_map, PLACED_MAPS),
    APP_CASE(placed_map_leaves_addresses_reserved, PLACED_MAPS,
             "VkPhysicalDeviceMapMemoryPlacedFeaturesEXT.memoryUnmapReserve"),
    APP_CASE(memory_fd_is_imported, "VK_KHR_external_memory_fd"),
    APP_CASE(host_memory_is_imported, "VK_EXT_external_memory_host"),
    {0},
};
