#include "lost.h"

#include "app.h"

#include <stdlib.h>
#include <time.h>

/* clang-format off */
#include "lost_write_comp.spv.h"
/* clang-format on */

enum { WORDS = 4, TRIES = 300 }; /* with a pause of 10 ms: a GPU takes a moment to fail */

static const uint64_t long_ns = UINT64_C(10000000000);

struct pushed {
    VkDeviceAddress at;
    uint32_t value, unused;
};

/* A dispatch that writes the value to an address; not ended. */
static VkCommandBuffer write_to(struct app *app, VkDeviceAddress at, uint32_t value)
{
    const struct pushed pushed = {.at = at, .value = value};
    const VkShaderStageFlags stage = VK_SHADER_STAGE_COMPUTE_BIT;
    VkPipelineLayout layout = app_layout(app, VK_NULL_HANDLE, sizeof(pushed), stage);
    VkPipeline pipeline = app_compute(app, layout, APP_SHADER(app, lost_write_comp), NULL);
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    app->vk.CmdPushConstants(command, layout, stage, 0, sizeof(pushed), &pushed);
    app->vk.CmdDispatch(command, 1, 1, 1);
    return command;
}

static void expect_to_work(struct app *app, uint32_t value)
{
    struct app_buffer data =
        app_buffer(app, WORDS * 4,
                   VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT);
    const uint32_t expected[WORDS] = {value};
    app_run(app, write_to(app, app_address(app, &data), value));
    app_expect_words(app, "written", data.map, expected, WORDS);
}

/* What is asked of a device that is lost. */
struct lost {
    VkFence fence; /* these two the GPU was to signal */
    VkSemaphore timeline;
    VkCommandBuffer harmless;
};

static VkResult wait_for_fence(struct app *app, const struct lost *lost)
{
    return app->vk.WaitForFences(app->device, 1, &lost->fence, VK_TRUE, long_ns);
}

static VkResult get_fence_status(struct app *app, const struct lost *lost)
{
    return app->vk.GetFenceStatus(app->device, lost->fence);
}

static VkResult wait_for_semaphore(struct app *app, const struct lost *lost)
{
    const uint64_t value = 1;
    const VkSemaphoreWaitInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                      .semaphoreCount = 1,
                                      .pSemaphores = &lost->timeline,
                                      .pValues = &value};
    return app->vk.WaitSemaphores(app->device, &info, long_ns);
}

static VkResult wait_for_queue(struct app *app, const struct lost *lost)
{
    (void)lost;
    return app->vk.QueueWaitIdle(app->queue);
}

static VkResult wait_for_device(struct app *app, const struct lost *lost)
{
    (void)lost;
    return app->vk.DeviceWaitIdle(app->device);
}

/* Where the client does not learn what becomes of it, it is as good as lost. */
static VkResult submit_more(struct app *app, const struct lost *lost)
{
    const VkSubmitInfo submit = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                 .commandBufferCount = 1,
                                 .pCommandBuffers = &lost->harmless};
    VkResult result = app->vk.QueueSubmit(app->queue, 1, &submit, VK_NULL_HANDLE);
    return result == VK_SUCCESS && !app_learns(app, "no_async_queue_submit") ? VK_ERROR_DEVICE_LOST
                                                                             : result;
}

static const struct {
    const char *name;
    VkResult (*ask)(struct app *app, const struct lost *lost);
} questions[] = {
    {"vkWaitForFences", wait_for_fence},      {"vkGetFenceStatus", get_fence_status},
    {"vkWaitSemaphores", wait_for_semaphore}, {"vkQueueWaitIdle", wait_for_queue},
    {"vkDeviceWaitIdle", wait_for_device},    {"vkQueueSubmit", submit_more},
};

static void expect_to_be_lost(struct app *app, const struct lost *lost)
{
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        VkResult result = questions[i].ask(app, lost);
        for (uint32_t k = 0; k < TRIES && (result == VK_SUCCESS || result == VK_NOT_READY); k++) {
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
            result = questions[i].ask(app, lost);
        }
        app_expect(app, result == VK_ERROR_DEVICE_LOST, "%s: VkResult %d, of a lost device",
                   questions[i].name, (int)result);
    }
}

static void lose(struct app *app)
{
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    const VkSemaphoreTypeCreateInfo type = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
        .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
    };
    const VkSemaphoreCreateInfo semaphore = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
                                             .pNext = &type};
    struct lost lost = {.harmless = app_begin(app)};
    APP_CHECK(app, CreateFence, app->device, &fence, NULL, &lost.fence);
    app_keep(app, FENCE, lost.fence);
    APP_CHECK(app, CreateSemaphore, app->device, &semaphore, NULL, &lost.timeline);
    app_keep(app, SEMAPHORE, lost.timeline);
    APP_CHECK(app, EndCommandBuffer, lost.harmless);
    VkCommandBuffer fatal = write_to(app, LOST_ADDRESS, 1);
    APP_CHECK(app, EndCommandBuffer, fatal);
    const uint64_t value = 1;
    const VkTimelineSemaphoreSubmitInfo values = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .signalSemaphoreValueCount = 1,
        .pSignalSemaphoreValues = &value,
    };
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .pNext = &values,
        .commandBufferCount = APP_OR(1, 0),
        .pCommandBuffers = &fatal,
        .signalSemaphoreCount = 1,
        .pSignalSemaphores = &lost.timeline,
    };
    VkResult result = app->vk.QueueSubmit(app->queue, 1, &submit, lost.fence);
    app_expect(app, result == VK_SUCCESS || result == VK_ERROR_DEVICE_LOST,
               "vkQueueSubmit: VkResult %d, of what loses the device", (int)result);
    expect_to_be_lost(app, &lost);
}

/* A device works, is lost, and another takes its place. */
static void device_lost(struct app *app)
{
    /* A GPU may do nothing for anybody else afterwards; and on a CPU the program would be lost. */
    const char *may = getenv("APP_MAY_LOSE_DEVICE");
    if (may == NULL || may[0] == '\0') {
        app_skip(app, "no APP_MAY_LOSE_DEVICE=1");
    }
    if (app->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU) {
        app_skip(app, "no device that can be lost");
    }
    app_must_learn(app, "no_fence_feedback");
    app_must_learn(app, "no_semaphore_feedback");
    expect_to_work(app, 7);
    lose(app);
    app_renew_device(app);
    expect_to_work(app, 9);
}

const struct app_case app_cases_lost[] = {
    APP_CASE(device_lost, "VkPhysicalDeviceVulkan12Features.bufferDeviceAddress",
             "VkPhysicalDeviceVulkan12Features.timelineSemaphore"),
    {0},
};
