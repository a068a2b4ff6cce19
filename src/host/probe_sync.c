#include "host/probe.h"

#include <unistd.h>

/* SYNC_FD semaphores and fences: does what the driver says it can do really happen? */

static bool semaphore_is_offered(struct pv_probe *probe)
{
    VkPhysicalDeviceExternalSemaphoreInfo info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
        .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    VkExternalSemaphoreProperties properties = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_SEMAPHORE_PROPERTIES,
    };
    const VkExternalSemaphoreFeatureFlags both =
        VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT;
    if (!probe->has_semaphore_fd || probe->vk.GetSemaphoreFdKHR == NULL ||
        probe->vk.ImportSemaphoreFdKHR == NULL) {
        return false;
    }
    probe->instance_vk->GetPhysicalDeviceExternalSemaphoreProperties(probe->physical_device, &info,
                                                                     &properties);
    return (properties.externalSemaphoreFeatures & both) == both;
}

/* Signals, exports, imports "already signalled" over it, and waits for that. */
static const char *try_semaphore(struct pv_probe *probe, VkSemaphore semaphore)
{
    VkSubmitInfo signal = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .signalSemaphoreCount = 1,
        .pSignalSemaphores = &semaphore,
    };
    if (probe->vk.QueueSubmit(probe->queue, 1, &signal, VK_NULL_HANDLE) != VK_SUCCESS) {
        return "signalling failed";
    }
    VkSemaphoreGetFdInfoKHR get = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR,
        .semaphore = semaphore,
        .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    int fd = -1;
    if (probe->vk.GetSemaphoreFdKHR(probe->device, &get, &fd) != VK_SUCCESS) {
        return "exporting failed";
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    VkImportSemaphoreFdInfoKHR import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR,
        .semaphore = semaphore,
        .flags = VK_SEMAPHORE_IMPORT_TEMPORARY_BIT,
        .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
        .fd = -1,
    };
    if (probe->vk.ImportSemaphoreFdKHR(probe->device, &import) != VK_SUCCESS) {
        return "importing an already signalled payload failed";
    }
    VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    VkSubmitInfo wait = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .waitSemaphoreCount = 1,
        .pWaitSemaphores = &semaphore,
        .pWaitDstStageMask = &stage,
        .commandBufferCount = 1,
        .pCommandBuffers = &probe->commands,
    };
    if (!pv_probe_begin(probe) || probe->vk.EndCommandBuffer(probe->commands) != VK_SUCCESS ||
        probe->vk.QueueSubmit(probe->queue, 1, &wait, probe->fence) != VK_SUCCESS ||
        probe->vk.WaitForFences(probe->device, 1, &probe->fence, VK_TRUE, UINT64_C(2000000000)) !=
            VK_SUCCESS ||
        probe->vk.ResetFences(probe->device, 1, &probe->fence) != VK_SUCCESS) {
        return "waiting for an imported payload failed";
    }
    return NULL;
}

static const char *probe_semaphore(struct pv_probe *probe)
{
    if (!semaphore_is_offered(probe)) {
        return "the driver does not offer it: emulated";
    }
    VkExportSemaphoreCreateInfo exported = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO,
        .handleTypes = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    VkSemaphoreCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
        .pNext = &exported,
    };
    VkSemaphore semaphore = VK_NULL_HANDLE;
    if (probe->vk.CreateSemaphore(probe->device, &info, NULL, &semaphore) != VK_SUCCESS) {
        return "vkCreateSemaphore failed";
    }
    const char *fault = try_semaphore(probe, semaphore);
    (void)probe->vk.DeviceWaitIdle(probe->device);
    probe->vk.DestroySemaphore(probe->device, semaphore, NULL);
    return fault;
}

static const char *try_fence(struct pv_probe *probe, VkFence fence)
{
    if (probe->vk.QueueSubmit(probe->queue, 0, NULL, fence) != VK_SUCCESS) {
        return "submitting failed";
    }
    VkFenceGetFdInfoKHR get = {
        .sType = VK_STRUCTURE_TYPE_FENCE_GET_FD_INFO_KHR,
        .fence = fence,
        .handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    int fd = -1;
    if (probe->vk.GetFenceFdKHR(probe->device, &get, &fd) != VK_SUCCESS) {
        return "exporting failed";
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    /* Exporting a SYNC_FD resets the fence. */
    return probe->vk.GetFenceStatus(probe->device, fence) == VK_NOT_READY
               ? NULL
               : "the fence is not reset by exporting";
}

static const char *probe_fence(struct pv_probe *probe)
{
    VkPhysicalDeviceExternalFenceInfo asked = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_FENCE_INFO,
        .handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    VkExternalFenceProperties properties = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_FENCE_PROPERTIES,
    };
    if (!probe->has_fence_fd || probe->vk.GetFenceFdKHR == NULL) {
        return "the driver does not offer it: emulated";
    }
    probe->instance_vk->GetPhysicalDeviceExternalFenceProperties(probe->physical_device, &asked,
                                                                 &properties);
    if ((properties.externalFenceFeatures & VK_EXTERNAL_FENCE_FEATURE_EXPORTABLE_BIT) == 0) {
        return "the driver does not export it: emulated";
    }
    VkExportFenceCreateInfo exported = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_FENCE_CREATE_INFO,
        .handleTypes = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    VkFenceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
        .pNext = &exported,
    };
    VkFence fence = VK_NULL_HANDLE;
    if (probe->vk.CreateFence(probe->device, &info, NULL, &fence) != VK_SUCCESS) {
        return "vkCreateFence failed";
    }
    const char *fault = try_fence(probe, fence);
    (void)probe->vk.DeviceWaitIdle(probe->device);
    probe->vk.DestroyFence(probe->device, fence, NULL);
    return fault;
}

void pv_probe_sync_fd(struct pv_probe *probe, struct pv_memory_plan *plan)
{
    const char *fault = probe_semaphore(probe);
    plan->semaphore_sync_fd.works = fault == NULL ? 1 : 0;
    pv_probe_note(plan->semaphore_sync_fd.why, "%s", fault != NULL ? fault : "works");
    fault = probe_fence(probe);
    plan->fence_sync_fd.works = fault == NULL ? 1 : 0;
    pv_probe_note(plan->fence_sync_fd.why, "%s", fault != NULL ? fault : "works");
}
