#include "app.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { WORDS = 16 };

static const uint64_t long_ns = UINT64_C(300000000000);

static VkFence create_fence(struct app *app, VkFenceCreateFlags flags)
{
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO, .flags = flags};
    VkFence fence;
    APP_CHECK(app, CreateFence, app->device, &info, NULL, &fence);
    app_keep(app, FENCE, fence);
    return fence;
}

static VkSemaphore create_semaphore(struct app *app, const void *chain)
{
    const VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
                                        .pNext = chain};
    VkSemaphore semaphore;
    APP_CHECK(app, CreateSemaphore, app->device, &info, NULL, &semaphore);
    app_keep(app, SEMAPHORE, semaphore);
    return semaphore;
}

/* Copies a word to the next place of the buffer, ended. */
static VkCommandBuffer copy_word(struct app *app, const struct app_buffer *data, uint32_t from)
{
    const VkBufferCopy region = {from * 4, from * 4 + 4, 4};
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdCopyBuffer(command, data->buffer, data->buffer, 1, &region);
    app_barrier(app, command);
    APP_CHECK(app, EndCommandBuffer, command);
    return command;
}

static void fences(struct app *app)
{
    struct app_buffer data = app_buffer(app, WORDS * 4, 0);
    VkFence one = create_fence(app, 0);
    VkFence other = create_fence(app, VK_FENCE_CREATE_SIGNALED_BIT);
    const VkFence both[] = {one, other};
    VkResult seen[8];
    ((uint32_t *)data.map)[0] = 9;
    seen[0] = app->vk.GetFenceStatus(app->device, one);
    seen[1] = app->vk.GetFenceStatus(app->device, other);
    seen[2] = app->vk.WaitForFences(app->device, 2, both, VK_TRUE, 0);
    seen[3] = app->vk.WaitForFences(app->device, 2, both, VK_FALSE, 0);
    APP_CHECK(app, ResetFences, app->device, 1, &other);
    seen[4] = app->vk.GetFenceStatus(app->device, other);
    VkCommandBuffer command = copy_word(app, &data, 0);
    const VkSubmitInfo submit = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                 .commandBufferCount = APP_OR(1, 0),
                                 .pCommandBuffers = &command};
    APP_CHECK(app, QueueSubmit, app->queue, 1, &submit, one);
    seen[5] = app->vk.WaitForFences(app->device, 1, &one, VK_TRUE, long_ns);
    APP_CHECK(app, QueueSubmit, app->queue, 0, NULL, other);
    seen[6] = app->vk.WaitForFences(app->device, 2, both, VK_TRUE, long_ns);
    seen[7] = app->vk.GetFenceStatus(app->device, other);
    static const VkResult expected[8] = {VK_NOT_READY, VK_SUCCESS, VK_TIMEOUT, VK_SUCCESS,
                                         VK_NOT_READY, VK_SUCCESS, VK_SUCCESS, VK_SUCCESS};
    for (size_t i = 0; i < 8; i++) {
        app_expect(app, seen[i] == expected[i], "question %zu: VkResult %d, not %d", i,
                   (int)seen[i], (int)expected[i]);
    }
    static const uint32_t copied[WORDS] = {9, 9};
    app_result(app, seen, sizeof(seen));
    app_expect_words(app, "copied", data.map, copied, WORDS);
}

/* A chain of submissions, each of which copies what the one before has copied. */
static void binary_semaphores(struct app *app)
{
    struct app_buffer data = app_buffer(app, WORDS * 4, 0);
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    VkSemaphore semaphores[WORDS];
    uint32_t expected[WORDS];
    ((uint32_t *)data.map)[0] = 77;
    for (uint32_t i = 0; i < WORDS - 1; i++) {
        VkCommandBuffer command = copy_word(app, &data, i);
        semaphores[i] = create_semaphore(app, NULL);
        const VkSubmitInfo submit = {
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
            .waitSemaphoreCount = i == 0 ? 0 : 1,
            .pWaitSemaphores = i == 0 ? NULL : &semaphores[i - 1],
            .pWaitDstStageMask = &stage,
            .commandBufferCount = APP_OR(1, i == WORDS - 2 ? 0 : 1),
            .pCommandBuffers = &command,
            .signalSemaphoreCount = 1,
            .pSignalSemaphores = &semaphores[i],
        };
        APP_CHECK(app, QueueSubmit, app->queue, 1, &submit, VK_NULL_HANDLE);
    }
    APP_CHECK(app, QueueWaitIdle, app->queue);
    for (uint32_t i = 0; i < WORDS; i++) {
        expected[i] = 77;
    }
    app_expect_words(app, "copied along", data.map, expected, WORDS);
    app_result(app, (const uint32_t[]){1, 2}, 8); /* the words are equal, and are meant to be */
}

/* The GPU waits for the CPU, and the CPU for the GPU. */
static void timeline_semaphores(struct app *app)
{
    const VkSemaphoreTypeCreateInfo type = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
        .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
        .initialValue = 10,
    };
    VkSemaphore timeline = create_semaphore(app, &type);
    struct app_buffer data = app_buffer(app, WORDS * 4, 0);
    VkCommandBuffer command = copy_word(app, &data, 0);
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    const uint64_t wait_value = 11, signal_value = APP_OR(20, 19), done = 20;
    const VkTimelineSemaphoreSubmitInfo values = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .waitSemaphoreValueCount = 1,
        .pWaitSemaphoreValues = &wait_value,
        .signalSemaphoreValueCount = 1,
        .pSignalSemaphoreValues = &signal_value,
    };
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .pNext = &values,
        .waitSemaphoreCount = 1,
        .pWaitSemaphores = &timeline,
        .pWaitDstStageMask = &stage,
        .commandBufferCount = 1,
        .pCommandBuffers = &command,
        .signalSemaphoreCount = 1,
        .pSignalSemaphores = &timeline,
    };
    uint64_t seen[2];
    APP_CHECK(app, QueueSubmit, app->queue, 1, &submit, VK_NULL_HANDLE);
    APP_CHECK(app, GetSemaphoreCounterValue, app->device, timeline, &seen[0]);
    ((uint32_t *)data.map)[0] = 5; /* the GPU reads it only after this */
    const VkSemaphoreSignalInfo signal = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO, .semaphore = timeline, .value = 11};
    APP_CHECK(app, SignalSemaphore, app->device, &signal);
    const VkSemaphoreWaitInfo wait = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                      .semaphoreCount = 1,
                                      .pSemaphores = &timeline,
                                      .pValues = &signal_value};
    APP_CHECK(app, WaitSemaphores, app->device, &wait, long_ns);
    APP_CHECK(app, GetSemaphoreCounterValue, app->device, timeline, &seen[1]);
    app_expect(app, seen[0] == 10 && seen[1] == done, "the counter went from %llu to %llu",
               (unsigned long long)seen[0], (unsigned long long)seen[1]);
    static const uint32_t expected[WORDS] = {5, 5};
    app_result(app, seen, sizeof(seen));
    app_expect_words(app, "copied", data.map, expected, WORDS);
}

static VkEvent create_event(struct app *app)
{
    const VkEventCreateInfo info = {.sType = VK_STRUCTURE_TYPE_EVENT_CREATE_INFO};
    VkEvent event;
    APP_CHECK(app, CreateEvent, app->device, &info, NULL, &event);
    app_keep(app, EVENT, event);
    return event;
}

static void expect_event(struct app *app, VkEvent event, VkResult expected, const char *when)
{
    VkResult status = app->vk.GetEventStatus(app->device, event);
    app_expect(app, status == expected, "%s the event says %d, not %d", when, (int)status,
               (int)expected);
    app_result(app, &status, sizeof(status));
}

static void events(struct app *app)
{
    struct app_buffer data = app_buffer(app, WORDS * 4, 0);
    VkEvent event = create_event(app), second = create_event(app);
    const VkPipelineStageFlags all = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
    };
    const VkBufferCopy region = {0, 32, 16};
    expect_event(app, event, VK_EVENT_RESET, "at first");
    /* Not the one that is waited for, of which the validation layer 1.4.363 then loses the wait. */
    APP_CHECK(app, SetEvent, app->device, second);
    expect_event(app, second, VK_EVENT_SET, "when it is set");
    APP_CHECK(app, ResetEvent, app->device, second);
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdFillBuffer(command, data.buffer, 0, 16, APP_OR(3, 4));
    app->vk.CmdSetEvent(command, event, VK_PIPELINE_STAGE_TRANSFER_BIT);
    app->vk.CmdWaitEvents(command, 1, &event, VK_PIPELINE_STAGE_TRANSFER_BIT, all, 1, &barrier, 0,
                          NULL, 0, NULL);
    app->vk.CmdCopyBuffer(command, data.buffer, data.buffer, 1, &region);
    app->vk.CmdSetEvent(command, second, all);
    app_barrier(app, command);
    app->vk.CmdResetEvent(command, event, all);
    app_run(app, command);
    expect_event(app, event, VK_EVENT_RESET, "behind the reset");
    expect_event(app, second, VK_EVENT_SET, "behind the set");
    static const uint32_t expected[WORDS] = {3, 3, 3, 3, 0, 0, 0, 0, 3, 3, 3, 3};
    app_expect_words(app, "copied behind the event", data.map, expected, WORDS);
}

static void synchronization_2(struct app *app)
{
    struct app_buffer data = app_buffer(app, WORDS * 4, 0);
    VkEvent event = create_event(app);
    VkSemaphore semaphore = create_semaphore(app, NULL);
    VkFence fence = create_fence(app, 0);
    const VkMemoryBarrier2 memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
        .srcStageMask = VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT,
        .srcAccessMask = VK_ACCESS_2_TRANSFER_WRITE_BIT,
        .dstStageMask = VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT,
        .dstAccessMask = VK_ACCESS_2_TRANSFER_READ_BIT | VK_ACCESS_2_TRANSFER_WRITE_BIT,
    };
    const VkDependencyInfo dependency = {.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
                                         .memoryBarrierCount = 1,
                                         .pMemoryBarriers = &memory};
    const VkBufferCopy first = {0, 16, 16}, second = {0, 32, 32};
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdFillBuffer(command, data.buffer, 0, 16, APP_OR(6, 5));
    app->vk.CmdSetEvent2(command, event, &dependency);
    app->vk.CmdWaitEvents2(command, 1, &event, &dependency);
    app->vk.CmdCopyBuffer(command, data.buffer, data.buffer, 1, &first);
    app->vk.CmdPipelineBarrier2(command, &dependency);
    app->vk.CmdCopyBuffer(command, data.buffer, data.buffer, 1, &second);
    app->vk.CmdResetEvent2(command, event, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT);
    app_barrier(app, command);
    APP_CHECK(app, EndCommandBuffer, command);
    const VkCommandBufferSubmitInfo buffer = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO,
                                              .commandBuffer = command};
    const VkSemaphoreSubmitInfo signal = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
                                          .semaphore = semaphore,
                                          .stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT};
    const VkSubmitInfo2 submits[] = {
        {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2,
         .commandBufferInfoCount = 1,
         .pCommandBufferInfos = &buffer,
         .signalSemaphoreInfoCount = 1,
         .pSignalSemaphoreInfos = &signal},
        {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2,
         .waitSemaphoreInfoCount = 1,
         .pWaitSemaphoreInfos = &signal},
    };
    APP_CHECK(app, QueueSubmit2, app->queue, 2, submits, fence);
    APP_CHECK(app, WaitForFences, app->device, 1, &fence, VK_TRUE, long_ns);
    static const uint32_t expected[WORDS] = {6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6};
    app_expect_words(app, "copied twice", data.map, expected, WORDS);
    app_result(app, (const uint32_t[]){1, 2}, 8); /* the words are equal, and are meant to be */
}

/* A semaphore leaves as a descriptor, which another takes in. */
static void sync_fd_semaphores(struct app *app)
{
    const VkPhysicalDeviceExternalSemaphoreInfo question = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
        .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    VkExternalSemaphoreProperties answer = {.sType =
                                                VK_STRUCTURE_TYPE_EXTERNAL_SEMAPHORE_PROPERTIES};
    app->vki.GetPhysicalDeviceExternalSemaphoreProperties(app->gpu, &question, &answer);
    const VkExternalSemaphoreFeatureFlags wanted =
        VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT;
    if ((answer.externalSemaphoreFeatures & wanted) != wanted) {
        app_skip(app, "no semaphores as sync files");
    }
    const VkExportSemaphoreCreateInfo exported = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO,
        .handleTypes = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    VkSemaphore one = create_semaphore(app, &exported), other = create_semaphore(app, NULL);
    struct app_buffer data = app_buffer(app, WORDS * 4, 0);
    VkCommandBuffer first = copy_word(app, &data, 0), second = copy_word(app, &data, 1);
    ((uint32_t *)data.map)[0] = APP_OR(8, 9);
    VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &first,
        .signalSemaphoreCount = 1,
        .pSignalSemaphores = &one,
    };
    APP_CHECK(app, QueueSubmit, app->queue, 1, &submit, VK_NULL_HANDLE);
    const VkSemaphoreGetFdInfoKHR get = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR,
        .semaphore = one,
        .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    VkImportSemaphoreFdInfoKHR import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR,
        .semaphore = other,
        .flags = VK_SEMAPHORE_IMPORT_TEMPORARY_BIT,
        .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    APP_CHECK(app, GetSemaphoreFdKHR, app->device, &get, &import.fd);
    APP_CHECK(app, ImportSemaphoreFdKHR, app->device, &import);
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    submit = (VkSubmitInfo){
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .waitSemaphoreCount = 1,
        .pWaitSemaphores = &other,
        .pWaitDstStageMask = &stage,
        .commandBufferCount = 1,
        .pCommandBuffers = &second,
    };
    APP_CHECK(app, QueueSubmit, app->queue, 1, &submit, VK_NULL_HANDLE);
    APP_CHECK(app, QueueWaitIdle, app->queue);
    static const uint32_t expected[WORDS] = {8, 8, 8};
    app_expect_words(app, "copied", data.map, expected, WORDS);
}

/* A fence leaves as a descriptor that can be polled. */
static void sync_fd_fences(struct app *app)
{
    const VkPhysicalDeviceExternalFenceInfo question = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_FENCE_INFO,
        .handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    VkExternalFenceProperties answer = {.sType = VK_STRUCTURE_TYPE_EXTERNAL_FENCE_PROPERTIES};
    app->vki.GetPhysicalDeviceExternalFenceProperties(app->gpu, &question, &answer);
    if ((answer.externalFenceFeatures & VK_EXTERNAL_FENCE_FEATURE_EXPORTABLE_BIT) == 0) {
        app_skip(app, "no fences as sync files");
    }
    const VkExportFenceCreateInfo exported = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_FENCE_CREATE_INFO,
        .handleTypes = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
                                    .pNext = &exported};
    VkFence fence;
    APP_CHECK(app, CreateFence, app->device, &info, NULL, &fence);
    app_keep(app, FENCE, fence);
    struct app_buffer data = app_buffer(app, WORDS * 4, 0);
    ((uint32_t *)data.map)[0] = APP_OR(4, 3);
    VkCommandBuffer command = copy_word(app, &data, 0);
    const VkSubmitInfo submit = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                 .commandBufferCount = 1,
                                 .pCommandBuffers = &command};
    APP_CHECK(app, QueueSubmit, app->queue, 1, &submit, fence);
    const VkFenceGetFdInfoKHR get = {.sType = VK_STRUCTURE_TYPE_FENCE_GET_FD_INFO_KHR,
                                     .fence = fence,
                                     .handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT};
    int fd = -1;
    app_check(app, APP_FIND(app, vkGetFenceFdKHR)(app->device, &get, &fd), "vkGetFenceFdKHR");
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    if (fd >= 0) { /* -1: it is signalled already */
        int count = poll(&ready, 1, 300 * 1000);
        close(fd);
        app_expect(app, count == 1, "the descriptor is never ready");
    }
    APP_CHECK(app, QueueWaitIdle, app->queue);
    static const uint32_t expected[WORDS] = {4, 4};
    app_expect_words(app, "copied", data.map, expected, WORDS);
}

const struct app_case app_cases_sync[] = {
    APP_CASE(fences),
    APP_CASE(binary_semaphores),
    APP_CASE(events),
    APP_CASE(timeline_semaphores, "VkPhysicalDeviceVulkan12Features.timelineSemaphore"),
    APP_CASE(synchronization_2, "VkPhysicalDeviceVulkan13Features.synchronization2"),
    APP_CASE(sync_fd_semaphores, "VK_KHR_external_semaphore_fd"),
    APP_CASE(sync_fd_fences, "VK_KHR_external_fence_fd"),
    {0},
};
