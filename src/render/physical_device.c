#include "render/private.h"

#include <stdlib.h>
#include <string.h>

struct pv_physical_device *pv_physical_device_find(struct pv_instance *instance,
                                                   VkPhysicalDevice host)
{
    for (uint32_t i = 0; i < instance->physical_device_count; i++) {
        if (instance->physical_devices[i].host == host) {
            return &instance->physical_devices[i];
        }
    }
    return NULL;
}

const VkExtensionProperties *
pv_physical_device_extension(const struct pv_physical_device *physical_device, const char *name)
{
    for (uint32_t i = 0; i < physical_device->extension_count; i++) {
        if (strcmp(physical_device->extensions[i].extensionName, name) == 0) {
            return &physical_device->extensions[i];
        }
    }
    return NULL;
}

VkResult pv_handle_vkEnumeratePhysicalDevices(struct pv_exec *x,
                                              struct pv_vkEnumeratePhysicalDevices *a)
{
    struct pv_instance *instance = pv_exec_instance(x);
    if (instance == NULL) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    uint32_t count = instance->physical_device_count;
    if (a->pPhysicalDevices == NULL) {
        *a->pPhysicalDeviceCount = count;
        return VK_SUCCESS;
    }
    VkResult result = *a->pPhysicalDeviceCount < count ? VK_INCOMPLETE : VK_SUCCESS;
    if (result == VK_SUCCESS) {
        *a->pPhysicalDeviceCount = count;
    }
    pthread_mutex_lock(&x->context->lock);
    if (instance != atomic_load_explicit(&x->context->instance, memory_order_acquire)) {
        pv_exec_fault(x, "the instance is gone");
    }
    for (uint32_t i = 0; i < *a->pPhysicalDeviceCount && pv_decode_ok(&x->in); i++) {
        struct pv_physical_device *device = &instance->physical_devices[i];
        uint64_t id = PV_HANDLE_U64(a->pPhysicalDevices[i]);
        if (device->object.id == 0 && pv_exec_reserve(x, id)) {
            device->object.id = id;
            pv_object_publish(&x->context->objects, id, PV_TAG(PV_OBJECT_PHYSICAL_DEVICE, 0),
                              PV_HANDLE_U64(device));
        } else if (device->object.id != id) {
            pv_exec_fault(x, "gives a physical device another id");
        }
    }
    pthread_mutex_unlock(&x->context->lock);
    return result;
}

/* The host's group as the guest may see it; false when no device of it is offered. */
static VkResult translate_group(struct pv_exec *x, struct pv_instance *instance,
                                const VkPhysicalDeviceGroupProperties *host,
                                VkPhysicalDeviceGroupProperties *group)
{
    group->physicalDeviceCount = 0;
    group->subsetAllocation = host->subsetAllocation;
    memset(group->physicalDevices, 0, sizeof(group->physicalDevices));
    VkResult result = VK_SUCCESS;
    pthread_mutex_lock(&x->context->lock);
    for (uint32_t i = 0; i < host->physicalDeviceCount && i < VK_MAX_DEVICE_GROUP_SIZE; i++) {
        struct pv_physical_device *device =
            pv_physical_device_find(instance, host->physicalDevices[i]);
        if (device == NULL) {
            continue;
        }
        if (device->object.id == 0) {
            result = VK_ERROR_INITIALIZATION_FAILED; /* not enumerated yet */
        }
        group->physicalDevices[group->physicalDeviceCount++] =
            (VkPhysicalDevice)(uintptr_t)device->object.id;
    }
    pthread_mutex_unlock(&x->context->lock);
    return result;
}

/* All groups of the host, from the arena; NULL when that fails. */
static VkPhysicalDeviceGroupProperties *
list_host_groups(struct pv_exec *x, struct pv_instance *instance, uint32_t *count, VkResult *result)
{
    *count = 0;
    *result = instance->vk.EnumeratePhysicalDeviceGroups(instance->host, count, NULL);
    if (*result != VK_SUCCESS) {
        return NULL;
    }
    VkPhysicalDeviceGroupProperties *groups = pv_arena_alloc(x->in.arena, *count * sizeof(*groups));
    if (groups == NULL) {
        *result = VK_ERROR_OUT_OF_HOST_MEMORY;
        return NULL;
    }
    for (uint32_t i = 0; i < *count; i++) {
        groups[i] = (VkPhysicalDeviceGroupProperties){
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_GROUP_PROPERTIES,
        };
    }
    *result = instance->vk.EnumeratePhysicalDeviceGroups(instance->host, count, groups);
    return *result == VK_SUCCESS ? groups : NULL;
}

VkResult pv_handle_vkEnumeratePhysicalDeviceGroups(struct pv_exec *x,
                                                   struct pv_vkEnumeratePhysicalDeviceGroups *a)
{
    struct pv_instance *instance = pv_exec_instance(x);
    if (instance == NULL) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    uint32_t host_count = 0;
    VkResult result = VK_SUCCESS;
    VkPhysicalDeviceGroupProperties *host = list_host_groups(x, instance, &host_count, &result);
    if (host == NULL) {
        return result;
    }
    uint32_t room = a->pPhysicalDeviceGroupProperties != NULL ? *a->pPhysicalDeviceGroupCount : 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < host_count; i++) {
        VkPhysicalDeviceGroupProperties group;
        VkResult translated = translate_group(x, instance, &host[i], &group);
        if (group.physicalDeviceCount == 0) {
            continue;
        }
        if (count < room) {
            VkPhysicalDeviceGroupProperties *out = &a->pPhysicalDeviceGroupProperties[count];
            out->physicalDeviceCount = group.physicalDeviceCount;
            out->subsetAllocation = group.subsetAllocation;
            memcpy(out->physicalDevices, group.physicalDevices, sizeof(out->physicalDevices));
            if (translated != VK_SUCCESS) {
                result = translated;
            }
        }
        count++;
    }
    if (a->pPhysicalDeviceGroupProperties == NULL) {
        *a->pPhysicalDeviceGroupCount = count;
        return VK_SUCCESS;
    }
    if (count < room) {
        *a->pPhysicalDeviceGroupCount = count;
    } else if (count > room && result == VK_SUCCESS) {
        result = VK_INCOMPLETE;
    }
    return result;
}

VkResult
pv_handle_vkEnumerateDeviceExtensionProperties(struct pv_exec *x,
                                               struct pv_vkEnumerateDeviceExtensionProperties *a)
{
    const struct pv_physical_device *device = a->physicalDevice;
    if (a->pLayerName != NULL) {
        pv_exec_fault(x, "asks for a layer's extensions");
        return VK_ERROR_LAYER_NOT_PRESENT;
    }
    if (a->pProperties == NULL) {
        *a->pPropertyCount = device->extension_count;
        return VK_SUCCESS;
    }
    bool complete = *a->pPropertyCount >= device->extension_count;
    if (complete) {
        *a->pPropertyCount = device->extension_count;
    }
    memcpy(a->pProperties, device->extensions, *a->pPropertyCount * sizeof(*a->pProperties));
    return complete ? VK_SUCCESS : VK_INCOMPLETE;
}

/* --- what a host says of SYNC_FD, or what we do in its place ------------------------------------
 */

void pv_handle_vkGetPhysicalDeviceExternalSemaphoreProperties(
    struct pv_exec *x, struct pv_vkGetPhysicalDeviceExternalSemaphoreProperties *a)
{
    (void)x;
    const struct pv_physical_device *device = a->physicalDevice;
    const VkPhysicalDeviceExternalSemaphoreInfo *info = a->pExternalSemaphoreInfo;
    VkExternalSemaphoreProperties *properties = a->pExternalSemaphoreProperties;
    const VkSemaphoreTypeCreateInfo *type =
        pv_next_find(info->pNext, VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO);
    const VkExternalSemaphoreHandleTypeFlagBits sync_fd =
        VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT;
    if (info->handleType == sync_fd && !device->has_semaphore_sync_fd) {
        bool binary = type == NULL || type->semaphoreType == VK_SEMAPHORE_TYPE_BINARY;
        properties->exportFromImportedHandleTypes = binary ? (VkFlags)sync_fd : 0;
        properties->compatibleHandleTypes = binary ? (VkFlags)sync_fd : 0;
        properties->externalSemaphoreFeatures =
            binary ? (VkFlags)(VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT |
                               VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT)
                   : 0;
        return;
    }
    device->instance->vk.GetPhysicalDeviceExternalSemaphoreProperties(device->host, info,
                                                                      properties);
}

void pv_handle_vkGetPhysicalDeviceExternalFenceProperties(
    struct pv_exec *x, struct pv_vkGetPhysicalDeviceExternalFenceProperties *a)
{
    (void)x;
    const struct pv_physical_device *device = a->physicalDevice;
    const VkPhysicalDeviceExternalFenceInfo *info = a->pExternalFenceInfo;
    VkExternalFenceProperties *properties = a->pExternalFenceProperties;
    const VkExternalFenceHandleTypeFlagBits sync_fd = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT;
    if (info->handleType == sync_fd && !device->has_fence_sync_fd) {
        properties->exportFromImportedHandleTypes = sync_fd;
        properties->compatibleHandleTypes = sync_fd;
        properties->externalFenceFeatures =
            VK_EXTERNAL_FENCE_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_FENCE_FEATURE_IMPORTABLE_BIT;
        return;
    }
    device->instance->vk.GetPhysicalDeviceExternalFenceProperties(device->host, info, properties);
}
