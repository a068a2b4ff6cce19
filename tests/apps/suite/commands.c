#include "app.h"

#include <pthread.h>
#include <string.h>

/* clang-format off */
#include "scale_comp.spv.h"
/* clang-format on */

enum { WORDS = 64, THREADS = 64 };

static VkCommandBuffer allocate(struct app *app, VkCommandPool pool, VkCommandBufferLevel level)
{
    const VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = pool,
        .level = level,
        .commandBufferCount = 1,
    };
    VkCommandBuffer command;
    APP_CHECK(app, AllocateCommandBuffers, app->device, &info, &command);
    return command;
}

static void begin(struct app *app, VkCommandBuffer command, VkCommandBufferUsageFlags usage,
                  const VkCommandBufferInheritanceInfo *inheritance)
{
    const VkCommandBufferBeginInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = usage,
        .pInheritanceInfo = inheritance,
    };
    APP_CHECK(app, BeginCommandBuffer, command, &info);
}

static void secondary_command_buffers(struct app *app)
{
    struct app_buffer data = app_buffer(app, WORDS * 4, 0);
    const VkCommandBufferInheritanceInfo nothing = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO};
    VkCommandBuffer parts[2];
    uint32_t expected[WORDS];
    for (uint32_t i = 0; i < 2; i++) {
        parts[i] = allocate(app, app->pool, VK_COMMAND_BUFFER_LEVEL_SECONDARY);
        begin(app, parts[i], VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT, &nothing);
        app->vk.CmdFillBuffer(parts[i], data.buffer, 64 * i, 64, 100 + i);
        APP_CHECK(app, EndCommandBuffer, parts[i]);
    }
    for (uint32_t i = 0; i < WORDS; i++) {
        expected[i] = i < 16 ? 100 : i < 32 ? 101 : 0;
    }
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdExecuteCommands(command, APP_OR(2, 1), parts);
    app_barrier(app, command);
    app->vk.CmdExecuteCommands(command, 1, parts);
    app_run(app, command);
    app_expect_words(app, "both parts", data.map, expected, WORDS);
}

/* More than fits into what the guest's driver collects before it sends, and than its ring. */
static void big_command_buffer(struct app *app, uint32_t updates)
{
    enum { SIZE = 1024 };
    struct app_buffer data = app_buffer(app, SIZE * 4, 0);
    uint32_t words[16], expected[SIZE] = {0};
    VkCommandBuffer command = app_begin(app);
    for (uint32_t i = 0; i < updates; i++) {
        uint32_t place = i * 7 % (SIZE / 16) * 16;
        for (uint32_t k = 0; k < 16; k++) {
            words[k] = i * 16 + k + APP_OR(0, i == updates - 1);
            expected[place + k] = i * 16 + k;
        }
        if (i % (SIZE / 16) == 0) {
            app_barrier(app, command);
        }
        app->vk.CmdUpdateBuffer(command, data.buffer, place * 4, sizeof(words), words);
    }
    app_run(app, command);
    app_expect_words(app, "updated", data.map, expected, SIZE);
}

static void commands_of_16_kib(struct app *app)
{
    big_command_buffer(app, 200);
}

static void commands_of_2_mib(struct app *app)
{
    big_command_buffer(app, 24000);
}

static void command_buffers_again(struct app *app)
{
    struct app_buffer data = app_buffer(app, WORDS * 4, 0);
    VkCommandBuffer command = allocate(app, app->pool, VK_COMMAND_BUFFER_LEVEL_PRIMARY);
    uint32_t expected[WORDS];
    /* Recorded and submitted twice, reset by itself, by beginning anew, and with its pool. */
    for (uint32_t round = 0; round < 4; round++) {
        begin(app, command, 0, NULL);
        app->vk.CmdFillBuffer(command, data.buffer, 64 * round, APP_OR(64, 60), round + 1);
        app_barrier(app, command);
        APP_CHECK(app, EndCommandBuffer, command);
        app_submit(app, app->queue, command);
        app_submit(app, app->queue, command);
        if (round == 1) {
            APP_CHECK(app, ResetCommandBuffer, command,
                      VK_COMMAND_BUFFER_RESET_RELEASE_RESOURCES_BIT);
        } else if (round == 2) {
            APP_CHECK(app, ResetCommandPool, app->device, app->pool, 0);
            app->vk.TrimCommandPool(app->device, app->pool, 0);
        }
    }
    app->vk.FreeCommandBuffers(app->device, app->pool, 1, &command);
    for (uint32_t i = 0; i < WORDS; i++) {
        expected[i] = i / 16 + 1;
    }
    app_expect_words(app, "filled", data.map, expected, WORDS);
}

/* --- 64 threads ------------------------------------------------------------------------------- */

struct recorder {
    struct app *app;
    const struct app_kernel *kernel;
    const struct app_buffer *data;
    uint32_t index;
    VkCommandPool pool;
    VkCommandBuffer command;
    VkResult result;
};

/* No app_fail() here: that is for the case's own thread. */
static void *record(void *user)
{
    struct recorder *r = user;
    struct app *app = r->app;
    const VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    r->result = app->vk.BeginCommandBuffer(r->command, &info);
    for (uint32_t i = 0; i < WORDS; i++) {
        app->vk.CmdFillBuffer(r->command, r->data->buffer, (r->index * WORDS + i) * 4, 4,
                              r->index * APP_OR(1000, 1001) + i);
    }
    app_barrier(app, r->command);
    if (r->result == VK_SUCCESS) {
        r->result = app->vk.EndCommandBuffer(r->command);
    }
    return NULL;
}

static void threads_record(struct app *app)
{
    static struct recorder recorders[THREADS];
    struct app_buffer data = app_buffer(app, THREADS * WORDS * 4, 0);
    VkCommandBuffer commands[THREADS];
    pthread_t threads[THREADS];
    uint32_t expected[THREADS * WORDS], started = 0;
    for (uint32_t i = 0; i < THREADS; i++) {
        const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                              .queueFamilyIndex = app->family};
        recorders[i] = (struct recorder){.app = app, .data = &data, .index = i};
        APP_CHECK(app, CreateCommandPool, app->device, &pool, NULL, &recorders[i].pool);
        app_keep(app, COMMAND_POOL, recorders[i].pool);
        recorders[i].command = allocate(app, recorders[i].pool, VK_COMMAND_BUFFER_LEVEL_PRIMARY);
        commands[i] = recorders[i].command;
    }
    while (started < THREADS &&
           pthread_create(&threads[started], NULL, record, &recorders[started]) == 0) {
        started++;
    }
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    app_expect(app, started == THREADS, "only %u threads", started);
    for (uint32_t i = 0; i < THREADS * WORDS; i++) {
        expected[i] = i / WORDS * 1000 + i % WORDS;
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        app_check(app, recorders[i].result, "recording");
    }
    const VkSubmitInfo submit = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                 .commandBufferCount = THREADS,
                                 .pCommandBuffers = commands};
    APP_CHECK(app, QueueSubmit, app->queue, 1, &submit, VK_NULL_HANDLE);
    APP_CHECK(app, QueueWaitIdle, app->queue);
    app_expect_words(app, "of all threads", data.map, expected, THREADS * WORDS);
}

/* --- queues ----------------------------------------------------------------------------------- */

/* Every queue of a family fills its own word. */
static void use_queues(struct app *app, uint32_t family)
{
    const VkCommandPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .queueFamilyIndex = family};
    struct app_buffer data = app_buffer(app, WORDS * 4, 0); /* which no other family uses */
    uint32_t expected[WORDS] = {0};
    VkCommandPool pool;
    APP_CHECK(app, CreateCommandPool, app->device, &info, NULL, &pool);
    app_keep(app, COMMAND_POOL, pool);
    for (uint32_t i = 0; i < app->families[family].queueCount && i < 4; i++) {
        VkQueue queue;
        VkCommandBuffer command = allocate(app, pool, VK_COMMAND_BUFFER_LEVEL_PRIMARY);
        app->vk.GetDeviceQueue(app->device, family, i, &queue);
        begin(app, command, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT, NULL);
        app->vk.CmdFillBuffer(command, data.buffer, i * 4, 4, i + APP_OR(7, 8));
        app_barrier(app, command);
        APP_CHECK(app, EndCommandBuffer, command);
        app_submit(app, queue, command);
        expected[i] = i + 7;
    }
    app_expect_words(app, "of all queues", data.map, expected, WORDS);
}

static void queues_and_families(struct app *app)
{
    const VkQueueFlags able = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT;
    for (uint32_t family = 0; family < app->family_count; family++) {
        if ((app->families[family].queueFlags & able) != 0) {
            use_queues(app, family);
        }
    }
}

/* One physical device may be a group of one. */
static void device_groups(struct app *app)
{
    VkPhysicalDeviceGroupProperties groups[8];
    uint32_t count = 8, mine = 0;
    for (uint32_t i = 0; i < count; i++) {
        groups[i] = (VkPhysicalDeviceGroupProperties){
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_GROUP_PROPERTIES};
    }
    app_check(app, app->vki.EnumeratePhysicalDeviceGroups(app->instance, &count, groups),
              "vkEnumeratePhysicalDeviceGroups");
    while (mine < count && groups[mine].physicalDevices[0] != app->gpu) {
        mine++;
    }
    app_expect(app, mine < count, "the device is in no group");
    app_expect(app, groups[mine].physicalDeviceCount >= 1, "an empty group");
    struct app_buffer data = app_buffer(app, WORDS * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    const VkSpecializationMapEntry entry = {7, 0, 4};
    const uint32_t factor = 1, addend = 5;
    const VkSpecializationInfo constants = {1, &entry, 4, &factor};
    struct app_kernel kernel = app_kernel(app, APP_SHADER(app, scale_comp), &constants, 4, &data);
    uint32_t expected[WORDS];
    for (uint32_t i = 0; i < WORDS; i++) {
        ((uint32_t *)data.map)[i] = i;
        expected[i] = i + 5;
    }
    const VkDeviceGroupCommandBufferBeginInfo group = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_GROUP_COMMAND_BUFFER_BEGIN_INFO, .deviceMask = 1};
    const VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                           .pNext = &group};
    VkCommandBuffer command = allocate(app, app->pool, VK_COMMAND_BUFFER_LEVEL_PRIMARY);
    APP_CHECK(app, BeginCommandBuffer, command, &info);
    app->vk.CmdSetDeviceMask(command, 1);
    app->vk.CmdPushConstants(command, kernel.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, 4, &addend);
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, kernel.pipeline);
    app->vk.CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_COMPUTE, kernel.layout, 0, 1,
                                  &kernel.set, 0, NULL);
    app->vk.CmdDispatch(command, APP_OR(1, 0), 1, 1);
    app_run(app, command);
    app_expect_words(app, "by the group's first", data.map, expected, WORDS);
}

const struct app_case app_cases_commands[] = {
    APP_CASE(secondary_command_buffers),
    APP_CASE(commands_of_16_kib),
    APP_CASE(commands_of_2_mib),
    APP_CASE(command_buffers_again),
    APP_CASE(threads_record),
    APP_CASE(queues_and_families),
    APP_CASE(device_groups),
    {0},
};
