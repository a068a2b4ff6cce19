/* Where resources lie: linear images behind a map, dedicated memory, several bound at once, and
 * what is known of a resource before there is one. */
#include "app.h"
#include "texels.h"

#include <string.h>

enum {
    WIDTH = 13, /* no row is full */
    HEIGHT = 7,
    COUNT = WIDTH * HEIGHT,
    WORDS = 64,
};

static const VkImageUsageFlags copied =
    VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;
static const VkImageLayout source = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;
static const VkImageLayout destination = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL;

/* --- linear images ---------------------------------------------------------------------------- */

struct linear {
    struct app_image image;
    uint8_t *first; /* texel, in the map */
    VkDeviceSize pitch;
};

static struct linear linear_image(struct app *app, VkImageLayout layout, VkImageUsageFlags usage,
                                  VkFormatFeatureFlags features)
{
    const VkImageSubresource subresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0};
    VkImageCreateInfo info = app_image_info(VK_FORMAT_R8G8B8A8_UNORM, WIDTH, HEIGHT, usage);
    VkSubresourceLayout at;
    VkFormatProperties properties;
    VkMemoryRequirements needs;
    struct linear made;
    void *map;
    app->vki.GetPhysicalDeviceFormatProperties(app->gpu, info.format, &properties);
    if ((properties.linearTilingFeatures & features) != features) {
        app_skip(app, "no linear tiling");
    }
    info.tiling = VK_IMAGE_TILING_LINEAR;
    info.initialLayout = layout;
    made.image = app_create_image(app, &info, &needs);
    made.image.memory = app_allocate(app, &needs, APP_MEMORY_MAPPED, NULL);
    APP_CHECK(app, BindImageMemory, app->device, made.image.image, made.image.memory, 0);
    APP_CHECK(app, MapMemory, app->device, made.image.memory, 0, VK_WHOLE_SIZE, 0, &map);
    app->vk.GetImageSubresourceLayout(app->device, made.image.image, &subresource, &at);
    app_expect(app, at.rowPitch >= WIDTH * 4, "rows are %llu bytes apart",
               (unsigned long long)at.rowPitch);
    app_expect(app, at.offset + (HEIGHT - 1) * at.rowPitch + WIDTH * 4 <= needs.size,
               "the image ends behind its memory");
    made.first = (uint8_t *)map + at.offset;
    made.pitch = at.rowPitch;
    return made;
}

static uint32_t word_of(uint32_t x, uint32_t y)
{
    return 0xff000000 | y << 8 | x;
}

static void linear_image_is_read_by_map(struct app *app)
{
    struct app_buffer from = app_buffer(app, COUNT * 4, 0);
    struct linear to =
        linear_image(app, VK_IMAGE_LAYOUT_UNDEFINED, copied, VK_FORMAT_FEATURE_TRANSFER_DST_BIT);
    uint32_t got[COUNT], expected[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        expected[i] = word_of(i % WIDTH, i / WIDTH);
    }
    memcpy(from.map, expected, sizeof(expected));
    VkCommandBuffer command = app_begin(app);
    app_transition(app, command, &to.image, VK_IMAGE_LAYOUT_UNDEFINED, destination);
    app_write(app, command, &to.image, 0, &from);
    app_transition(app, command, &to.image, destination, VK_IMAGE_LAYOUT_GENERAL);
    app_run(app, command);
    for (uint32_t y = 0; y < HEIGHT; y++) {
        memcpy(got + y * WIDTH, to.first + APP_OR(y, 0) * to.pitch, WIDTH * 4);
    }
    app_expect_words(app, "in the map", got, expected, COUNT);
}

/* Written before the first use, and again in GENERAL. */
static void linear_image_is_written_by_map(struct app *app)
{
    struct linear from = linear_image(app, VK_IMAGE_LAYOUT_PREINITIALIZED, copied,
                                      VK_FORMAT_FEATURE_TRANSFER_SRC_BIT);
    struct app_buffer to = app_buffer(app, COUNT * 4, 0);
    const VkBufferImageCopy whole = {.imageSubresource = {from.image.aspects, 0, 0, 1},
                                     .imageExtent = from.image.extent};
    VkImageLayout before = VK_IMAGE_LAYOUT_PREINITIALIZED;
    uint32_t expected[COUNT];
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            expected[i] = word_of(i % WIDTH + 16 * round, i / WIDTH);
            memcpy(from.first + i / WIDTH * from.pitch + APP_OR(i % WIDTH, 0) * 4, &expected[i], 4);
        }
        VkCommandBuffer command = app_begin(app);
        app_transition(app, command, &from.image, before, VK_IMAGE_LAYOUT_GENERAL);
        app->vk.CmdCopyImageToBuffer(command, from.image.image, VK_IMAGE_LAYOUT_GENERAL, to.buffer,
                                     1, &whole);
        app_run(app, command);
        app_expect_words(app, "from the map", to.map, expected, COUNT);
        before = VK_IMAGE_LAYOUT_GENERAL;
    }
}

/* A column of two texels, stretched over the upper part of what was white. */
static void linear_image_is_blitted_to(struct app *app)
{
    const VkImageSubresourceLayers layers = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
    const VkImageCreateInfo info = app_image_info(VK_FORMAT_R8G8B8A8_UNORM, 1, 2, copied);
    const VkImageBlit region = {
        layers, {{0, 0, 0}, {1, 2, 1}}, layers, {{0, 0, 0}, {WIDTH, APP_OR(6, 4), 1}}};
    struct app_image from = texels_numbered(app, &info, VK_IMAGE_VIEW_TYPE_MAX_ENUM, source);
    struct linear to =
        linear_image(app, VK_IMAGE_LAYOUT_UNDEFINED, copied,
                     VK_FORMAT_FEATURE_TRANSFER_DST_BIT | VK_FORMAT_FEATURE_BLIT_DST_BIT);
    const VkClearColorValue clear = {.float32 = {1, 1, 1, 1}};
    const VkImageSubresourceRange whole = app_whole(&to.image);
    uint32_t got[COUNT], expected[COUNT];
    VkCommandBuffer command = app_begin(app);
    app_transition(app, command, &to.image, VK_IMAGE_LAYOUT_UNDEFINED, destination);
    app->vk.CmdClearColorImage(command, to.image.image, destination, &clear, 1, &whole);
    app_barrier(app, command);
    app->vk.CmdBlitImage(command, from.image, source, to.image.image, destination, 1, &region,
                         VK_FILTER_NEAREST);
    app_transition(app, command, &to.image, destination, VK_IMAGE_LAYOUT_GENERAL);
    app_run(app, command);
    for (uint32_t i = 0; i < COUNT; i++) {
        expected[i] = i / WIDTH < 6 ? i / WIDTH / 3 : 0xffffffff;
    }
    for (uint32_t y = 0; y < HEIGHT; y++) {
        memcpy(got + y * WIDTH, to.first + y * to.pitch, WIDTH * 4);
    }
    app_expect_words(app, "in the map", got, expected, COUNT);
}

/* --- memory of one resource ------------------------------------------------------------------- */

static bool are_equal(const VkMemoryRequirements *a, const VkMemoryRequirements *b)
{
    return a->size == b->size && a->alignment == b->alignment &&
           a->memoryTypeBits == b->memoryTypeBits;
}

/* Whether it is asked for or not, any resource may have memory of its own. */
static void dedicated_buffer(struct app *app)
{
    const VkBufferCreateInfo described = app_buffer_info(WORDS * 4, 0);
    VkMemoryRequirements first;
    const VkBuffer buffer = app_create_buffer(app, &described, &first);
    const VkBufferMemoryRequirementsInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2, .buffer = buffer};
    VkMemoryDedicatedRequirements dedicated = {.sType =
                                                   VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS};
    VkMemoryRequirements2 needs = {.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2,
                                   .pNext = &dedicated};
    const VkMemoryDedicatedAllocateInfo only = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO, .buffer = buffer};
    uint32_t *map, expected[WORDS];
    app->vk.GetBufferMemoryRequirements2(app->device, &info, &needs);
    app_expect(app, are_equal(&first, &needs.memoryRequirements), "other requirements");
    app_expect(app, !dedicated.requiresDedicatedAllocation, "a plain buffer is not shared");
    VkDeviceMemory memory = app_allocate(app, &needs.memoryRequirements, APP_MEMORY_MAPPED, &only);
    APP_CHECK(app, BindBufferMemory, app->device, buffer, memory, 0);
    APP_CHECK(app, MapMemory, app->device, memory, 0, VK_WHOLE_SIZE, 0, (void **)&map);
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdFillBuffer(command, buffer, 0, 128, 3);
    app->vk.CmdFillBuffer(command, buffer, 128, VK_WHOLE_SIZE, APP_OR(5, 4));
    app_run(app, command);
    for (uint32_t i = 0; i < WORDS; i++) {
        expected[i] = i < 32 ? 3 : 5;
    }
    app_expect_words(app, "filled", map, expected, WORDS);
}

static void dedicated_image(struct app *app)
{
    const VkImageCreateInfo info = app_image_info(VK_FORMAT_R32_UINT, WIDTH, HEIGHT, copied);
    VkMemoryRequirements first;
    struct app_image image = app_create_image(app, &info, &first);
    const VkImageMemoryRequirementsInfo2 of = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2, .image = image.image};
    VkMemoryDedicatedRequirements dedicated = {.sType =
                                                   VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS};
    VkMemoryRequirements2 needs = {.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2,
                                   .pNext = &dedicated};
    const VkMemoryDedicatedAllocateInfo only = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO, .image = image.image};
    struct app_buffer data = app_buffer(app, COUNT * 4, 0);
    uint32_t expected[COUNT];
    app->vk.GetImageMemoryRequirements2(app->device, &of, &needs);
    app_expect(app, are_equal(&first, &needs.memoryRequirements), "other requirements");
    image.memory = app_allocate(app, &needs.memoryRequirements, APP_MEMORY_DEVICE, &only);
    APP_CHECK(app, BindImageMemory, app->device, image.image, image.memory, 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        ((uint32_t *)data.map)[i] = i * APP_OR(3, 4);
        expected[i] = i * 3;
    }
    texels_upload(app, &image, 1, &data, source);
    texels_expect_level(app, &image, source, 0, expected, COUNT);
}

/* --- several at once -------------------------------------------------------------------------- */

static VkDeviceSize align(VkDeviceSize offset, VkDeviceSize alignment)
{
    return (offset + alignment - 1) / alignment * alignment;
}

/* One after the other in one memory, the last one first. */
static void bind_buffers_at_once(struct app *app)
{
    enum { BUFFERS = 5 };
    VkBindBufferMemoryInfo binds[BUFFERS];
    VkMemoryRequirements needs = {.memoryTypeBits = UINT32_MAX};
    uint32_t expected[BUFFERS * WORDS], *map;
    VkDeviceSize sizes[BUFFERS];
    for (uint32_t i = BUFFERS; i-- > 0;) {
        VkMemoryRequirements one;
        sizes[i] = (i + 1) * 40;
        const VkBufferCreateInfo info = app_buffer_info(sizes[i], 0);
        binds[i] = (VkBindBufferMemoryInfo){.sType = VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO,
                                            .buffer = app_create_buffer(app, &info, &one)};
        binds[i].memoryOffset = align(needs.size, one.alignment);
        needs.size = binds[i].memoryOffset + one.size;
        needs.memoryTypeBits &= one.memoryTypeBits;
    }
    VkDeviceMemory memory = app_allocate(app, &needs, APP_MEMORY_MAPPED, NULL);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        binds[i].memory = memory;
    }
    APP_CHECK(app, BindBufferMemory2, app->device, BUFFERS, binds);
    APP_CHECK(app, MapMemory, app->device, memory, 0, VK_WHOLE_SIZE, 0, (void **)&map);
    VkCommandBuffer command = app_begin(app);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        app->vk.CmdFillBuffer(command, binds[i].buffer, 0, sizes[i], APP_OR(i, i / 2) + 1);
    }
    app_run(app, command);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        uint32_t count = (uint32_t)sizes[i] / 4;
        for (uint32_t k = 0; k < count; k++) {
            expected[k] = i + 1;
        }
        app_expect_words(app, "filled", map + binds[i].memoryOffset / 4, expected, count);
    }
}

static void bind_images_at_once(struct app *app)
{
    enum { IMAGES = 3 };
    const VkImageCreateInfo info = app_image_info(VK_FORMAT_R32_UINT, WIDTH, HEIGHT, copied);
    VkBindImageMemoryInfo binds[IMAGES];
    VkMemoryRequirements needs = {.memoryTypeBits = UINT32_MAX};
    struct app_image images[IMAGES];
    for (uint32_t i = 0; i < IMAGES; i++) {
        VkMemoryRequirements one;
        images[i] = app_create_image(app, &info, &one);
        binds[i] = (VkBindImageMemoryInfo){.sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO,
                                           .image = images[i].image,
                                           .memoryOffset = align(needs.size, one.alignment)};
        needs.size = binds[i].memoryOffset + one.size;
        needs.memoryTypeBits &= one.memoryTypeBits;
    }
    VkDeviceMemory memory = app_allocate(app, &needs, APP_MEMORY_DEVICE, NULL);
    for (uint32_t i = 0; i < IMAGES; i++) {
        binds[i].memory = memory;
    }
    APP_CHECK(app, BindImageMemory2, app->device, IMAGES, binds);
    for (uint32_t i = 0; i < IMAGES; i++) {
        struct app_buffer data = app_buffer(app, COUNT * 4, 0);
        for (uint32_t k = 0; k < COUNT; k++) {
            ((uint32_t *)data.map)[k] = k + APP_OR(i, 0) * 1000;
        }
        texels_upload(app, &images[i], 1, &data, source);
    }
    for (uint32_t i = 0; i < IMAGES; i++) {
        uint32_t expected[COUNT];
        for (uint32_t k = 0; k < COUNT; k++) {
            expected[k] = k + i * 1000;
        }
        texels_expect_level(app, &images[i], source, 0, expected, COUNT);
    }
}

/* --- before there is one ---------------------------------------------------------------------- */

/* Venus makes a whole number of alignments of a buffer's size, by itself. */
static void count_needs(struct app *app, const VkMemoryRequirements *needs)
{
    const uint32_t words[] = {(uint32_t)align(needs->size, needs->alignment),
                              (uint32_t)needs->alignment};
    app_result(app, words, sizeof(words));
}

static void device_buffer_requirements(struct app *app)
{
    for (uint32_t i = 1; i < 4; i++) {
        const VkBufferCreateInfo info = app_buffer_info(i * 1000, 0);
        const VkBufferCreateInfo other = app_buffer_info(APP_OR(i, 3 * i) * 1000, 0);
        const VkDeviceBufferMemoryRequirements of = {
            .sType = VK_STRUCTURE_TYPE_DEVICE_BUFFER_MEMORY_REQUIREMENTS, .pCreateInfo = &other};
        VkMemoryRequirements2 needs = {.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2};
        VkMemoryRequirements own;
        app->vk.GetDeviceBufferMemoryRequirements(app->device, &of, &needs);
        (void)app_create_buffer(app, &info, &own);
        app_expect(app, are_equal(&own, &needs.memoryRequirements), "%u bytes need something else",
                   i * 1000);
        count_needs(app, &own);
    }
}

static void device_image_requirements(struct app *app)
{
    for (uint32_t i = 1; i < 4; i++) {
        const VkImageCreateInfo info = app_image_info(VK_FORMAT_R32_UINT, 100 * i, 99, copied);
        const VkImageCreateInfo other =
            app_image_info(VK_FORMAT_R32_UINT, 100 * i, APP_OR(99, 999), copied);
        const VkDeviceImageMemoryRequirements of = {
            .sType = VK_STRUCTURE_TYPE_DEVICE_IMAGE_MEMORY_REQUIREMENTS, .pCreateInfo = &other};
        VkMemoryRequirements2 needs = {.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2};
        VkMemoryRequirements own;
        app->vk.GetDeviceImageMemoryRequirements(app->device, &of, &needs);
        (void)app_create_image(app, &info, &own);
        app_expect(app, are_equal(&own, &needs.memoryRequirements), "%u x 99 need something else",
                   i * 100);
        count_needs(app, &own);
    }
}

const struct app_case app_cases_layouts[] = {
    APP_CASE(linear_image_is_read_by_map),
    APP_CASE(linear_image_is_written_by_map),
    APP_CASE(linear_image_is_blitted_to),
    APP_CASE(dedicated_buffer),
    APP_CASE(dedicated_image),
    APP_CASE(bind_buffers_at_once),
    APP_CASE(bind_images_at_once),
    APP_CASE(device_buffer_requirements, "VkPhysicalDeviceVulkan13Features.maintenance4"),
    APP_CASE(device_image_requirements, "VkPhysicalDeviceVulkan13Features.maintenance4"),
    {0},
};
