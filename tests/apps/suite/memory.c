#include "app.h"

#include <string.h>

enum { WORDS = 256 };

static const VkMemoryPropertyFlags visible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;

static VkBuffer create_buffer(struct app *app, VkDeviceSize size, VkMemoryRequirements *needs)
{
    const VkBufferCreateInfo info = app_buffer_info(size, 0);
    return app_create_buffer(app, &info, needs);
}

static VkResult allocate(struct app *app, VkDeviceSize size, uint32_t type, VkDeviceMemory *memory)
{
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = size,
        .memoryTypeIndex = type,
    };
    return app->vk.AllocateMemory(app->device, &info, NULL, memory);
}

/* The GPU fills memory of each type; it is read by way of a copy, and through its map. */
static void memory_types(struct app *app)
{
    struct app_buffer data = app_buffer(app, WORDS * 4, 0);
    uint32_t expected[WORDS];
    for (uint32_t i = 0; i < app->memory.memoryTypeCount; i++) {
        VkMemoryPropertyFlags flags = app->memory.memoryTypes[i].propertyFlags;
        const VkBufferCopy region = {0, 0, WORDS * 4};
        VkMemoryRequirements needs;
        VkBuffer buffer = create_buffer(app, WORDS * 4, &needs);
        VkDeviceMemory memory;
        if ((needs.memoryTypeBits & 1u << i) == 0 ||
            (flags & VK_MEMORY_PROPERTY_PROTECTED_BIT) != 0) {
            continue;
        }
        app_check(app, allocate(app, needs.size, i, &memory), "vkAllocateMemory");
        app_keep(app, DEVICE_MEMORY, memory);
        APP_CHECK(app, BindBufferMemory, app->device, buffer, memory, 0);
        VkCommandBuffer command = app_begin(app);
        app->vk.CmdFillBuffer(command, buffer, 0, WORDS * 2, 0x1000 + i);
        app->vk.CmdFillBuffer(command, buffer, WORDS * 2, WORDS * 2, APP_OR(0x2000, 0x3000) + i);
        app_barrier(app, command);
        app->vk.CmdCopyBuffer(command, buffer, data.buffer, 1, &region);
        app_run(app, command);
        for (uint32_t k = 0; k < WORDS; k++) {
            expected[k] = (k < WORDS / 2 ? 0x1000 : 0x2000) + i;
        }
        app_expect_words(app, "copied", data.map, expected, WORDS);
        if ((flags & visible) != 0) {
            const VkMappedMemoryRange range = {.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
                                               .memory = memory,
                                               .size = VK_WHOLE_SIZE};
            void *map;
            APP_CHECK(app, MapMemory, app->device, memory, 0, VK_WHOLE_SIZE, 0, &map);
            app_check(app, APP_FIND(app, vkInvalidateMappedMemoryRanges)(app->device, 1, &range),
                      "vkInvalidateMappedMemoryRanges");
            /* Not for the checksum: not all types of the host's can be mapped in a guest. */
            app_expect(app, memcmp(map, expected, sizeof(expected)) == 0,
                       "type %u reads otherwise through its map", i);
            app->vk.UnmapMemory(app->device, memory);
        }
    }
}

/* Mapped once, and both sides go on writing. */
static void persistent_map(struct app *app)
{
    struct app_buffer data = app_buffer(app, WORDS * 4, 0);
    volatile uint32_t *words = data.map;
    uint32_t expected[WORDS];
    for (uint32_t round = 1; round <= 8; round++) {
        const VkBufferCopy region = {0, WORDS * 2, WORDS * 2};
        for (uint32_t i = 0; i < WORDS / 2; i++) {
            words[i] = round * 1000 + i;
        }
        VkCommandBuffer command = app_begin(app);
        app->vk.CmdCopyBuffer(command, data.buffer, data.buffer, APP_OR(1, round < 8), &region);
        app_run(app, command);
        for (uint32_t i = 0; i < WORDS; i++) {
            expected[i] = round * 1000 + i % (WORDS / 2);
        }
        app_expect_words(app, "copied", data.map, expected, WORDS);
    }
}

/* Sixteen times 256 MiB, written at both ends of each. */
static void memory_of_4_gib(struct app *app)
{
    enum { COUNT = 16 };
    const VkDeviceSize size = 256 << 20;
    struct app_buffer data = app_buffer(app, COUNT * 8, 0);
    uint32_t expected[2 * COUNT];
    VkCommandBuffer command = app_begin(app);
    for (uint32_t i = 0; i < COUNT; i++) {
        VkMemoryRequirements needs;
        VkDeviceMemory memory;
        VkBuffer buffer = create_buffer(app, size, &needs);
        /* A guest learns too late of an allocation that fails. */
        uint32_t type = app_find_type(app, needs.memoryTypeBits, 0);
        uint32_t heap = app->memory.memoryTypes[type].heapIndex;
        if (app->memory.memoryHeaps[heap].size < UINT64_C(8) << 30) {
            app_skip(app, "no heap of 8 GiB");
        }
        app_check(app, allocate(app, needs.size, type, &memory), "vkAllocateMemory");
        app_keep(app, DEVICE_MEMORY, memory);
        APP_CHECK(app, BindBufferMemory, app->device, buffer, memory, 0);
        app->vk.CmdFillBuffer(command, buffer, 0, 4, 2 * i);
        app->vk.CmdFillBuffer(command, buffer, size - 4, 4, 2 * i + APP_OR(1, 2));
        app_barrier(app, command);
        app->vk.CmdCopyBuffer(command, buffer, data.buffer, 1, &(VkBufferCopy){0, i * 8, 4});
        app->vk.CmdCopyBuffer(command, buffer, data.buffer, 1,
                              &(VkBufferCopy){size - 4, i * 8 + 4, 4});
    }
    app_run(app, command);
    for (uint32_t i = 0; i < 2 * COUNT; i++) {
        expected[i] = i;
    }
    app_expect_words(app, "of both ends", data.map, expected, 2 * COUNT);
}

/* Ten thousand at once; every hundredth is used. */
static void memory_10000_allocations(struct app *app)
{
    enum { COUNT = 10000, EVERY = 100 };
    struct app_buffer data = app_buffer(app, COUNT / EVERY * 4, 0);
    uint32_t expected[COUNT / EVERY];
    if (app->properties.limits.maxMemoryAllocationCount < COUNT + 100) {
        app_skip(app, "no 10000 allocations");
    }
    VkMemoryRequirements needs;
    (void)create_buffer(app, 64, &needs);
    uint32_t type = app_find_type(app, needs.memoryTypeBits, 0);
    VkCommandBuffer command = app_begin(app);
    for (uint32_t i = 0; i < COUNT; i++) {
        VkDeviceMemory memory;
        app_check(app, allocate(app, 4096, type, &memory), "vkAllocateMemory");
        app_keep(app, DEVICE_MEMORY, memory);
        if (i % EVERY == 0) {
            VkBuffer buffer = create_buffer(app, 64, &needs);
            APP_CHECK(app, BindBufferMemory, app->device, buffer, memory, 0);
            app->vk.CmdFillBuffer(command, buffer, 0, 64, APP_OR(i, i + i / 9900));
            app_barrier(app, command);
            app->vk.CmdCopyBuffer(command, buffer, data.buffer, 1,
                                  &(VkBufferCopy){0, i / EVERY * 4, 4});
            expected[i / EVERY] = i;
        }
    }
    app_run(app, command);
    app_expect_words(app, "of every hundredth", data.map, expected, COUNT / EVERY);
}

/* A million, each freed before the next: nothing may pile up. */
static void memory_a_million_in_turn(struct app *app)
{
    enum { MILLION = 1000000, EVERY = 20000 };
    struct app_buffer data = app_buffer(app, MILLION / EVERY * 4, 0);
    uint32_t expected[MILLION / EVERY];
    VkMemoryRequirements needs;
    (void)create_buffer(app, 64, &needs);
    uint32_t type = app_find_type(app, needs.memoryTypeBits, visible);
    for (uint32_t i = 0; i < MILLION; i++) {
        VkDeviceMemory memory;
        app_check(app, allocate(app, 4096, type, &memory), "vkAllocateMemory");
        if (i % EVERY == 0) {
            VkBuffer buffer = create_buffer(app, 64, &needs);
            APP_CHECK(app, BindBufferMemory, app->device, buffer, memory, 0);
            VkCommandBuffer command = app_begin(app);
            app->vk.CmdFillBuffer(command, buffer, 0, 64, APP_OR(i, i % 900000));
            app_barrier(app, command);
            app->vk.CmdCopyBuffer(command, buffer, data.buffer, 1,
                                  &(VkBufferCopy){0, i / EVERY * 4, 4});
            app_run(app, command);
            expected[i / EVERY] = i;
        }
        app->vk.FreeMemory(app->device, memory, NULL);
    }
    app_expect_words(app, "of every so many", data.map, expected, MILLION / EVERY);
}

/* A program that asks for too many is told so, and goes on with those that it has. PearVisor says
 * that of guests; Vulkan lets no program ask for so many, so no other driver is asked. */
static void memory_one_past_the_limit(struct app *app)
{
    enum { MORE = 256 }; /* PearVisor leaves room for some of the client's own */
    uint32_t limit = app->properties.limits.maxMemoryAllocationCount, count = 1;
    if (!app_is_venus(app)) {
        app_skip(app, "no Venus");
    }
    app_must_learn(app, "no_async_mem_alloc");
    struct app_buffer data = app_buffer(app, WORDS * 4, 0);
    app_run(app, app_begin(app)); /* what drivers allocate for that, they have behind it */
    VkMemoryRequirements needs;
    VkBuffer buffer = create_buffer(app, WORDS * 4, &needs);
    uint32_t type = app_find_type(app, needs.memoryTypeBits, 0);
    VkDeviceMemory memory = VK_NULL_HANDLE, last = VK_NULL_HANDLE, none;
    VkResult result = VK_SUCCESS;
    for (; count < limit + MORE; count++, last = memory) {
        result = allocate(app, needs.size, type, &memory);
        if (result != VK_SUCCESS) {
            break;
        }
        if (last != VK_NULL_HANDLE) {
            app_keep(app, DEVICE_MEMORY, last);
        }
    }
    app->vk.FreeMemory(app->device, last, NULL);
    app_expect(app, result == VK_ERROR_TOO_MANY_OBJECTS, "vkAllocateMemory: VkResult %d behind %u",
               (int)result, count);
    app_expect(app, count >= limit, "%u allocations, of %u", count, limit);
    app_check(app, allocate(app, needs.size, type, &memory), "vkAllocateMemory behind a free");
    app_keep(app, DEVICE_MEMORY, memory);
    result = allocate(app, needs.size, type, &none);
    app_expect(app, result == VK_ERROR_TOO_MANY_OBJECTS, "vkAllocateMemory: VkResult %d again",
               (int)result);
    APP_CHECK(app, BindBufferMemory, app->device, buffer, memory, 0);
    const VkBufferCopy region = {0, 0, WORDS * 2};
    const uint32_t expected[WORDS] = {[0] = 5, [WORDS / 2 - 1] = 5};
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdFillBuffer(command, buffer, 0, WORDS * 2, 0);
    app_barrier(app, command);
    app->vk.CmdFillBuffer(command, buffer, 0, 4, APP_OR(5, 6));
    app->vk.CmdFillBuffer(command, buffer, WORDS * 2 - 4, 4, 5);
    app_barrier(app, command);
    app->vk.CmdCopyBuffer(command, buffer, data.buffer, 1, &region);
    app_run(app, command);
    app_expect_words(app, "in the last one", data.map, expected, WORDS);
}

static void memory_budget(struct app *app)
{
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
    VkPhysicalDeviceMemoryProperties2 memory = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, .pNext = &budget};
    app->vki.GetPhysicalDeviceMemoryProperties2(app->gpu, &memory);
    uint32_t count = memory.memoryProperties.memoryHeapCount;
    for (uint32_t i = 0; i < VK_MAX_MEMORY_HEAPS; i++) {
        VkDeviceSize size = i < count ? memory.memoryProperties.memoryHeaps[i].size : 0;
        app_expect(app, (budget.heapBudget[i] != 0) == (APP_OR(i, i + 1) < count),
                   "heap %u has a budget of %llu", i, (unsigned long long)budget.heapBudget[i]);
        app_expect(app, budget.heapBudget[i] <= size, "heap %u has more than there is", i);
    }
    app_result(app, (const uint32_t[]){count, count + 1}, 8);
}

const struct app_case app_cases_memory[] = {
    APP_CASE(memory_types),
    APP_CASE(persistent_map),
    APP_CASE(memory_of_4_gib),
    APP_CASE(memory_10000_allocations),
    APP_CASE(memory_a_million_in_turn),
    APP_CASE(memory_one_past_the_limit),
    APP_CASE(memory_budget, "VK_EXT_memory_budget"),
    {0},
};
