/* Sparse resources: bound block by block, bound anew, and bound in part. */
#include "app.h"
#include "texels.h"

#include <string.h>

/* clang-format off */
#include "sparse_resident_comp.spv.h"
/* clang-format on */

#define SPARSE "VkPhysicalDeviceFeatures.sparseBinding"

enum {
    PAGE = 65536, /* which most devices have */
    PAGES = 4,
    PAGE_WORDS = PAGE / 4,
    LEVELS = 4,
};

static const VkImageUsageFlags copied =
    VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;
static const VkImageLayout source = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;

static VkQueue sparse_queue(struct app *app)
{
    uint32_t family = app->family;
    VkQueue queue;
    for (uint32_t i = 0; i < app->family_count; i++) {
        if ((app->families[family].queueFlags & VK_QUEUE_SPARSE_BINDING_BIT) != 0) {
            break;
        }
        family = i;
    }
    if ((app->families[family].queueFlags & VK_QUEUE_SPARSE_BINDING_BIT) == 0) {
        app_fail(app, "no queue binds");
    }
    app->vk.GetDeviceQueue(app->device, family, 0, &queue);
    return queue;
}

/* And waits. */
static void bind(struct app *app, const VkBindSparseInfo *info)
{
    const VkFenceCreateInfo fence_info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence;
    APP_CHECK(app, CreateFence, app->device, &fence_info, NULL, &fence);
    app_keep(app, FENCE, fence);
    APP_CHECK(app, QueueBindSparse, sparse_queue(app), 1, info, fence);
    APP_CHECK(app, WaitForFences, app->device, 1, &fence, VK_TRUE, UINT64_C(300000000000));
}

static void bind_buffer(struct app *app, VkBuffer buffer, const VkSparseMemoryBind *binds,
                        uint32_t count)
{
    const VkSparseBufferMemoryBindInfo one = {buffer, count, binds};
    const VkBindSparseInfo info = {
        .sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO, .bufferBindCount = 1, .pBufferBinds = &one};
    bind(app, &info);
}

static VkSparseMemoryBind page_bind(uint32_t page, VkDeviceMemory memory, uint32_t memory_page)
{
    return (VkSparseMemoryBind){(VkDeviceSize)page * PAGE, PAGE, memory,
                                (VkDeviceSize)memory_page * PAGE, 0};
}

/* Of some pages; `needs` is then what memory for one page must be. */
static VkBuffer sparse_buffer(struct app *app, VkBufferCreateFlags flags, uint32_t pages,
                              VkMemoryRequirements *needs)
{
    VkBufferCreateInfo info = app_buffer_info((VkDeviceSize)pages * PAGE, 0);
    info.flags = flags;
    VkBuffer buffer = app_create_buffer(app, &info, needs);
    if (PAGE % needs->alignment != 0 || needs->size != info.size) {
        app_skip(app, "no sparse blocks of 64 KiB");
    }
    needs->size = PAGE;
    return buffer;
}

static void number(const struct app_buffer *buffer)
{
    for (uint32_t i = 0; i < buffer->size / 4; i++) {
        ((uint32_t *)buffer->map)[i] = i * 2654435761u;
    }
}

/* --- buffers ---------------------------------------------------------------------------------- */

/* Its pages lie in memory in reverse order: a plain buffer there shows it. */
static void sparse_buffer_binds_pages(struct app *app)
{
    static uint32_t expected[PAGES * PAGE_WORDS];
    struct app_buffer data = app_buffer(app, PAGES * PAGE, 0);
    const VkBufferCopy whole = {0, 0, PAGES * PAGE};
    VkSparseMemoryBind binds[PAGES];
    VkMemoryRequirements needs, plain_needs;
    VkBuffer plain = sparse_buffer(app, 0, PAGES, &plain_needs);
    VkBuffer buffer = sparse_buffer(app, VK_BUFFER_CREATE_SPARSE_BINDING_BIT, PAGES, &needs);
    needs.size *= PAGES;
    needs.memoryTypeBits &= plain_needs.memoryTypeBits;
    VkDeviceMemory memory = app_allocate(app, &needs, APP_MEMORY_DEVICE, NULL);
    for (uint32_t i = 0; i < PAGES; i++) {
        binds[i] = page_bind(i, memory, APP_OR(PAGES - 1 - i, i));
    }
    bind_buffer(app, buffer, binds, PAGES);
    APP_CHECK(app, BindBufferMemory, app->device, plain, memory, 0);
    number(&data);
    for (uint32_t i = 0; i < PAGES; i++) {
        memcpy(expected + i * PAGE_WORDS, (uint8_t *)data.map + (PAGES - 1 - i) * PAGE, PAGE);
    }
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdCopyBuffer(command, data.buffer, buffer, 1, &whole);
    app_barrier(app, command);
    app->vk.CmdCopyBuffer(command, plain, data.buffer, 1, &whole);
    app_run(app, command);
    app_expect_words(app, "in memory", data.map, expected, PAGES * PAGE_WORDS);
}

/* One page, now here and now there; what was written stays where it was. */
static void sparse_buffer_is_bound_anew(struct app *app)
{
    struct app_buffer data = app_buffer(app, 2 * PAGE, 0);
    VkMemoryRequirements needs;
    VkBuffer buffer = sparse_buffer(app, VK_BUFFER_CREATE_SPARSE_BINDING_BIT, 1, &needs);
    VkSparseMemoryBind binds[2];
    static uint32_t expected[2 * PAGE_WORDS];
    for (uint32_t i = 0; i < 2; i++) {
        VkDeviceMemory memory = app_allocate(app, &needs, APP_MEMORY_DEVICE, NULL);
        binds[i] = page_bind(0, memory, 0);
        bind_buffer(app, buffer, &binds[i], 1);
        VkCommandBuffer command = app_begin(app);
        app->vk.CmdFillBuffer(command, buffer, 0, VK_WHOLE_SIZE, 100 + i);
        app_run(app, command);
    }
    for (uint32_t i = 0; i < 2; i++) {
        const VkBufferCopy out = {0, (VkDeviceSize)i * PAGE, PAGE};
        bind_buffer(app, buffer, &binds[APP_OR(i, 0)], 1);
        VkCommandBuffer command = app_begin(app);
        app->vk.CmdCopyBuffer(command, buffer, data.buffer, 1, &out);
        app_run(app, command);
    }
    for (uint32_t i = 0; i < 2 * PAGE_WORDS; i++) {
        expected[i] = 100 + i / PAGE_WORDS;
    }
    app_expect_words(app, "in each memory", data.map, expected, 2 * PAGE_WORDS);
}

static VkSemaphore semaphore(struct app *app)
{
    const VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
    VkSemaphore made;
    APP_CHECK(app, CreateSemaphore, app->device, &info, NULL, &made);
    app_keep(app, SEMAPHORE, made);
    return made;
}

/* Binding, filling and binding anew wait for each other, and nobody for them before the end. */
static void sparse_binding_with_semaphores(struct app *app)
{
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    struct app_buffer data = app_buffer(app, 2 * PAGE, 0);
    VkMemoryRequirements needs;
    VkBuffer buffer = sparse_buffer(app, VK_BUFFER_CREATE_SPARSE_BINDING_BIT, 1, &needs);
    VkSemaphore filled = VK_NULL_HANDLE;
    static uint32_t expected[2 * PAGE_WORDS];
    for (uint32_t i = 0; i < 2; i++) {
        const VkBufferCopy out = {0, (VkDeviceSize)i * PAGE, PAGE};
        VkDeviceMemory memory = app_allocate(app, &needs, APP_MEMORY_DEVICE, NULL);
        const VkSparseMemoryBind page = page_bind(0, memory, 0);
        const VkSparseBufferMemoryBindInfo one = {buffer, 1, &page};
        VkSemaphore bound = semaphore(app), next = semaphore(app);
        VkCommandBuffer command = app_begin(app);
        const VkBindSparseInfo info = {
            .sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO,
            .waitSemaphoreCount = i,
            .pWaitSemaphores = &filled,
            .bufferBindCount = 1,
            .pBufferBinds = &one,
            .signalSemaphoreCount = 1,
            .pSignalSemaphores = &bound,
        };
        const VkSubmitInfo submit = {
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
            .waitSemaphoreCount = 1,
            .pWaitSemaphores = &bound,
            .pWaitDstStageMask = &stage,
            .commandBufferCount = 1,
            .pCommandBuffers = &command,
            .signalSemaphoreCount = 1,
            .pSignalSemaphores = &next,
        };
        app->vk.CmdFillBuffer(command, buffer, 0, VK_WHOLE_SIZE, APP_OR(7, 8) * (i + 1));
        app_barrier(app, command);
        app->vk.CmdCopyBuffer(command, buffer, data.buffer, 1, &out);
        app_barrier(app, command);
        APP_CHECK(app, EndCommandBuffer, command);
        APP_CHECK(app, QueueBindSparse, sparse_queue(app), 1, &info, VK_NULL_HANDLE);
        APP_CHECK(app, QueueSubmit, app->queue, 1, &submit, VK_NULL_HANDLE);
        filled = next;
    }
    APP_CHECK(app, QueueWaitIdle, app->queue);
    for (uint32_t i = 0; i < 2 * PAGE_WORDS; i++) {
        expected[i] = 7 * (i / PAGE_WORDS + 1);
    }
    app_expect_words(app, "in each memory", data.map, expected, 2 * PAGE_WORDS);
}

/* Two of four pages are there; then the first one's memory becomes the second page. */
static void sparse_buffer_bound_in_part(struct app *app)
{
    static const uint32_t pages[] = {1, 2};
    static uint32_t expected[2 * PAGE_WORDS];
    struct app_buffer data = app_buffer(app, 2 * PAGE, 0);
    VkMemoryRequirements needs;
    VkBuffer buffer = sparse_buffer(
        app, VK_BUFFER_CREATE_SPARSE_BINDING_BIT | VK_BUFFER_CREATE_SPARSE_RESIDENCY_BIT, PAGES,
        &needs);
    VkDeviceMemory first = app_allocate(app, &needs, APP_MEMORY_DEVICE, NULL);
    VkDeviceMemory second = app_allocate(app, &needs, APP_MEMORY_DEVICE, NULL);
    const VkSparseMemoryBind before[] = {page_bind(0, first, 0), page_bind(2, second, 0)};
    const VkSparseMemoryBind after[] = {page_bind(0, VK_NULL_HANDLE, 0),
                                        page_bind(1, APP_OR(first, second), 0)};
    bind_buffer(app, buffer, before, 2);
    VkCommandBuffer command = app_begin(app);
    for (uint32_t i = 0; i < PAGES; i++) {
        app->vk.CmdFillBuffer(command, buffer, (VkDeviceSize)i * PAGE, PAGE, 30 + i);
    }
    app_run(app, command);
    bind_buffer(app, buffer, after, 2);
    command = app_begin(app);
    for (uint32_t i = 0; i < 2; i++) {
        const VkBufferCopy out = {(VkDeviceSize)pages[i] * PAGE, (VkDeviceSize)i * PAGE, PAGE};
        app->vk.CmdCopyBuffer(command, buffer, data.buffer, 1, &out);
    }
    app_run(app, command);
    for (uint32_t i = 0; i < 2 * PAGE_WORDS; i++) {
        expected[i] = 30 + i / PAGE_WORDS * 2;
    }
    app_expect_words(app, "bound pages", data.map, expected, 2 * PAGE_WORDS);
}

/* --- images ----------------------------------------------------------------------------------- */

/* All of it, the last block first. */
static void sparse_image_binds_all(struct app *app)
{
    enum { SIDE = 256, BLOCKS_MAX = 64 };
    static uint32_t expected[SIDE * SIDE];
    VkImageCreateInfo info = app_image_info(VK_FORMAT_R32_UINT, SIDE, SIDE, copied);
    VkSparseMemoryBind binds[BLOCKS_MAX];
    VkMemoryRequirements needs;
    info.flags = VK_IMAGE_CREATE_SPARSE_BINDING_BIT;
    struct app_image image = app_create_image(app, &info, &needs);
    struct app_buffer data = app_buffer(app, sizeof(expected), 0);
    const uint32_t count = (uint32_t)(needs.size / needs.alignment);
    if (count > BLOCKS_MAX) {
        app_skip(app, "no sparse blocks of 64 KiB");
    }
    VkDeviceMemory memory = app_allocate(app, &needs, APP_MEMORY_DEVICE, NULL);
    for (uint32_t i = 0; i < count; i++) {
        binds[i] = (VkSparseMemoryBind){i * needs.alignment, needs.alignment, memory,
                                        (count - 1 - i) * needs.alignment, 0};
    }
    const VkSparseImageOpaqueMemoryBindInfo one = {image.image, count, binds};
    const VkBindSparseInfo all = {.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO,
                                  .imageOpaqueBindCount = 1,
                                  .pImageOpaqueBinds = &one};
    bind(app, &all);
    number(&data);
    memcpy(expected, data.map, sizeof(expected));
    ((uint32_t *)data.map)[SIDE] += APP_OR(0, 1);
    texels_upload(app, &image, 1, &data, source);
    texels_expect_level(app, &image, source, 0, expected, SIDE * SIDE);
}

/* Two by two blocks, and smaller levels. */
struct blocks {
    struct app_image image;
    VkMemoryRequirements needs; /* of one block */
    VkSparseImageMemoryRequirements sparse;
};

static struct blocks blocks(struct app *app, uint32_t levels, VkImageUsageFlags usage)
{
    VkImageCreateInfo info = app_image_info(VK_FORMAT_R32_UINT, 0, 0, usage | copied);
    VkSparseImageFormatProperties format;
    struct blocks made;
    uint32_t count = 1;
    app->vki.GetPhysicalDeviceSparseImageFormatProperties(app->gpu, info.format, info.imageType,
                                                          info.samples, info.usage, info.tiling,
                                                          &count, &format);
    if (count == 0) {
        app_skip(app, "no sparse VK_FORMAT_R32_UINT");
    }
    info.extent.width = 2 * format.imageGranularity.width;
    info.extent.height = 2 * format.imageGranularity.height;
    info.mipLevels = levels;
    info.flags = VK_IMAGE_CREATE_SPARSE_BINDING_BIT | VK_IMAGE_CREATE_SPARSE_RESIDENCY_BIT;
    made.image = app_create_image(app, &info, &made.needs);
    made.needs.size = made.needs.alignment;
    count = 1;
    app->vk.GetImageSparseMemoryRequirements(app->device, made.image.image, &count, &made.sparse);
    app_expect(app, count == 1, "%u aspects", count);
    app_expect(app,
               memcmp(&made.sparse.formatProperties.imageGranularity, &format.imageGranularity,
                      sizeof(VkExtent3D)) == 0,
               "another granularity");
    return made;
}

static uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static VkSparseImageMemoryBind block_bind(struct app *app, const struct blocks *b, uint32_t level,
                                          uint32_t x, uint32_t y)
{
    const VkExtent3D size = b->sparse.formatProperties.imageGranularity;
    return (VkSparseImageMemoryBind){
        .subresource = {VK_IMAGE_ASPECT_COLOR_BIT, level, 0},
        .offset = {(int32_t)(x * size.width), (int32_t)(y * size.height), 0},
        .extent = {lesser(size.width, b->image.extent.width >> level),
                   lesser(size.height, b->image.extent.height >> level), 1},
        .memory = app_allocate(app, &b->needs, APP_MEMORY_DEVICE, NULL),
    };
}

static void bind_image(struct app *app, const struct blocks *b,
                       const VkSparseImageMemoryBind *binds, uint32_t count,
                       const VkSparseMemoryBind *tail)
{
    const VkSparseImageMemoryBindInfo some = {b->image.image, count, binds};
    const VkSparseImageOpaqueMemoryBindInfo opaque = {b->image.image, 1, tail};
    const VkBindSparseInfo info = {
        .sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO,
        .imageOpaqueBindCount = tail != NULL ? 1 : 0,
        .pImageOpaqueBinds = &opaque,
        .imageBindCount = 1,
        .pImageBinds = &some,
    };
    bind(app, &info);
}

/* Two blocks that touch at a corner: what is written beside them is lost. */
static void sparse_image_bound_in_part(struct app *app)
{
    struct blocks b = blocks(app, 1, 0);
    const uint32_t width = b.image.extent.width, height = b.image.extent.height;
    const VkSparseImageMemoryBind binds[] = {block_bind(app, &b, 0, 0, 0),
                                             block_bind(app, &b, 0, 1, 1)};
    struct app_buffer data = app_buffer(app, (VkDeviceSize)4 * width * height, 0);
    struct app_buffer got = app_buffer(app, data.size, 0);
    const uint32_t *words = got.map, *written = data.map;
    if (b.sparse.imageMipTailFirstLod == 0) {
        app_skip(app, "no sparse VK_FORMAT_R32_UINT");
    }
    bind_image(app, &b, binds, 2, NULL);
    number(&data);
    texels_upload(app, &b.image, 1, &data, source);
    VkCommandBuffer command = app_begin(app);
    app_read(app, command, &b.image, 0, &got);
    app_run(app, command);
    for (uint32_t y = 0; y < height; y++) {
        const uint32_t at = y * width + (y < height / 2 ? 0 : width / 2);
        app_expect_words(app, "bound texels", words + at, written + at + APP_OR(0, 1), width / 2);
    }
}

/* Those that have blocks, and those that lie in the tail. */
static void sparse_image_levels(struct app *app)
{
    struct blocks b = blocks(app, LEVELS, 0);
    const uint32_t in_blocks = lesser(b.sparse.imageMipTailFirstLod, LEVELS);
    VkSparseImageMemoryBind binds[4 + LEVELS];
    VkMemoryRequirements tail_needs = b.needs;
    VkSparseMemoryBind tail = {b.sparse.imageMipTailOffset, b.sparse.imageMipTailSize,
                               VK_NULL_HANDLE, 0, 0};
    uint32_t texels = 0, count = 0;
    if (in_blocks == 0) {
        app_skip(app, "no sparse VK_FORMAT_R32_UINT");
    }
    for (uint32_t i = 0; i < 3 + in_blocks; i++) {
        binds[count++] =
            i < 4 ? block_bind(app, &b, 0, i % 2, i / 2) : block_bind(app, &b, i - 3, 0, 0);
    }
    if (in_blocks < LEVELS) {
        tail_needs.size = tail.size;
        tail.memory = app_allocate(app, &tail_needs, APP_MEMORY_DEVICE, NULL);
    }
    bind_image(app, &b, binds, count, in_blocks < LEVELS ? &tail : NULL);
    for (uint32_t i = 0; i < LEVELS; i++) {
        texels += (b.image.extent.width >> i) * (b.image.extent.height >> i);
    }
    struct app_buffer data = app_buffer(app, (VkDeviceSize)4 * texels, 0);
    number(&data);
    texels_upload(app, &b.image, LEVELS, &data, source);
    const uint32_t *expected = data.map;
    for (uint32_t i = 0; i < LEVELS; i++) {
        const uint32_t size = (b.image.extent.width >> i) * (b.image.extent.height >> i);
        texels_expect_level(app, &b.image, source, i, expected, size);
        expected += APP_OR(size, size - 1);
    }
}

/* A shader asks what is there. */
static void sparse_texels_resident(struct app *app)
{
    static const VkDescriptorType types[] = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                             VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER};
    struct blocks b = blocks(app, 1, VK_IMAGE_USAGE_SAMPLED_BIT);
    const uint32_t width = b.image.extent.width, height = b.image.extent.height;
    const VkSparseImageMemoryBind binds[] = {block_bind(app, &b, 0, 0, 0),
                                             block_bind(app, &b, 0, 1, 1)};
    const uint32_t asked[] = {5, 7, width - 1, 3, 2, height - 1, width - 2, APP_OR(height - 1, 0)};
    struct app_buffer texels = app_buffer(app, (VkDeviceSize)4 * width * height, 0);
    struct app_buffer data = app_buffer(app, sizeof(asked), VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    struct app_kernel kernel = {.set_layout = app_set_layout(app, types, 2)};
    uint32_t expected[8] = {1, 0, 0, 0, 0, 0, 1, 0}, *words = data.map;
    if (b.sparse.imageMipTailFirstLod == 0) {
        app_skip(app, "no sparse VK_FORMAT_R32_UINT");
    }
    bind_image(app, &b, binds, 2, NULL);
    number(&texels);
    texels_upload(app, &b.image, 1, &texels, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL);
    kernel.layout = app_layout(app, kernel.set_layout, 0, 0);
    kernel.pipeline = app_compute(app, kernel.layout, APP_SHADER(app, sparse_resident_comp), NULL);
    kernel.set = app_set(app, kernel.set_layout, types, 2);
    b.image.view = app_view(app, &b.image, VK_IMAGE_VIEW_TYPE_2D, app_whole(&b.image));
    app_write_buffer(app, kernel.set, 0, types[0], data.buffer);
    app_write_image(app, kernel.set, 1, types[1], b.image.view, app_sampler(app, VK_FILTER_NEAREST),
                    VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL);
    memcpy(words, asked, sizeof(asked));
    VkCommandBuffer command = app_begin(app);
    app_dispatch(app, command, &kernel, 4);
    app_run(app, command);
    expected[1] = ((const uint32_t *)texels.map)[7 * width + 5];
    expected[7] = ((const uint32_t *)texels.map)[height * width - 2];
    words[3] = words[5] = 0; /* any value */
    app_expect_words(app, "resident", words, expected, 8);
}

const struct app_case app_cases_sparse[] = {
    APP_CASE(sparse_buffer_binds_pages, SPARSE),
    APP_CASE(sparse_buffer_is_bound_anew, SPARSE),
    APP_CASE(sparse_binding_with_semaphores, SPARSE),
    APP_CASE(sparse_image_binds_all, SPARSE),
    APP_CASE(sparse_buffer_bound_in_part, SPARSE, "VkPhysicalDeviceFeatures.sparseResidencyBuffer"),
    APP_CASE(sparse_image_bound_in_part, SPARSE, "VkPhysicalDeviceFeatures.sparseResidencyImage2D"),
    APP_CASE(sparse_image_levels, SPARSE, "VkPhysicalDeviceFeatures.sparseResidencyImage2D"),
    APP_CASE(sparse_texels_resident, SPARSE, "VkPhysicalDeviceFeatures.sparseResidencyImage2D",
             "VkPhysicalDeviceFeatures.shaderResourceResidency"),
    {0},
};
