#include "base/assert.h"
#include "render/private.h"

#include <stdlib.h>
#include <string.h>

enum {
    FAMILIES_MAX = 64,
    OWN_EXTENSIONS_MAX = 8,
    GUEST_EXTENSIONS_MAX = 1024,
};

/* --- extensions --------------------------------------------------------------------------------
 */

struct extension_list {
    const char **names;
    uint32_t count, capacity;
};

static void add_extension(struct extension_list *list, const char *name)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (strcmp(list->names[i], name) == 0) {
            return;
        }
    }
    PV_ASSERT(list->count < list->capacity);
    list->names[list->count++] = name;
}

/* What we report although the host lacks it. */
static bool is_emulated(const struct pv_physical_device *device, const char *name)
{
    return (!device->has_memory_fd &&
            strcmp(name, VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME) == 0) ||
           (!device->has_semaphore_fd &&
            strcmp(name, VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME) == 0) ||
           (!device->has_fence_fd && strcmp(name, VK_KHR_EXTERNAL_FENCE_FD_EXTENSION_NAME) == 0);
}

/* What the guest does by itself, and extensions of the host's stand on all the same. */
static bool is_wanted_by_others(const struct pv_physical_device *device, const char *name)
{
    return device->has_deferred_operations &&
           strcmp(name, VK_KHR_DEFERRED_HOST_OPERATIONS_EXTENSION_NAME) == 0;
}

static void add_own_extensions(const struct pv_physical_device *device, struct extension_list *list)
{
    const struct {
        bool wanted;
        const char *name;
    } own[] = {
        {device->has_host_pointer, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME},
        {device->has_memory_fd, VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME},
        {device->has_dma_buf, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME},
        {device->has_semaphore_sync_fd, VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME},
        {device->has_fence_sync_fd, VK_KHR_EXTERNAL_FENCE_FD_EXTENSION_NAME},
        {device->has_portability_subset, "VK_KHR_portability_subset"},
    };
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (own[i].wanted) {
            add_extension(list, own[i].name);
        }
    }
}

static VkResult choose_extensions(struct pv_exec *x, const struct pv_physical_device *device,
                                  const VkDeviceCreateInfo *info, struct extension_list *list)
{
    if (info->enabledExtensionCount > GUEST_EXTENSIONS_MAX) {
        return VK_ERROR_EXTENSION_NOT_PRESENT;
    }
    list->capacity = info->enabledExtensionCount + OWN_EXTENSIONS_MAX;
    list->names = pv_arena_alloc(x->in.arena, list->capacity * sizeof(*list->names));
    if (list->names == NULL) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    for (uint32_t i = 0; i < info->enabledExtensionCount; i++) {
        const char *name = info->ppEnabledExtensionNames[i];
        const struct pv_extension *known = pv_extension_find(name);
        bool is_guest_only = known != NULL && known->guest_only;
        if (!is_guest_only && pv_physical_device_extension(device, name) == NULL) {
            return VK_ERROR_EXTENSION_NOT_PRESENT;
        }
        if (is_guest_only ? is_wanted_by_others(device, name) : !is_emulated(device, name)) {
            add_extension(list, name);
        }
    }
    add_own_extensions(device, list);
    return VK_SUCCESS;
}

/* --- queues ------------------------------------------------------------------------------------
 */

/* How many queues the guest asks for; 0 when that is more than the families have. */
static uint32_t count_queues(const struct pv_physical_device *device,
                             const VkDeviceCreateInfo *info)
{
    VkQueueFamilyProperties families[FAMILIES_MAX];
    uint32_t family_count = FAMILIES_MAX;
    uint32_t asked[FAMILIES_MAX] = {0};
    uint32_t total = 0;
    device->instance->vk.GetPhysicalDeviceQueueFamilyProperties(device->host, &family_count,
                                                                families);
    for (uint32_t i = 0; i < info->queueCreateInfoCount; i++) {
        const VkDeviceQueueCreateInfo *queues = &info->pQueueCreateInfos[i];
        uint32_t family = queues->queueFamilyIndex;
        if (family >= family_count || queues->queueCount == 0 ||
            queues->queueCount > families[family].queueCount - asked[family]) {
            return 0;
        }
        asked[family] += queues->queueCount;
        total += queues->queueCount;
    }
    return total;
}

static void get_queue(struct pv_device *device, struct pv_queue *queue)
{
    if (queue->flags == 0) {
        device->vk.GetDeviceQueue(device->host, queue->family, queue->index, &queue->host);
        return;
    }
    VkDeviceQueueInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_INFO_2,
        .flags = queue->flags,
        .queueFamilyIndex = queue->family,
        .queueIndex = queue->index,
    };
    device->vk.GetDeviceQueue2(device->host, &info, &queue->host);
}

static bool create_queues(struct pv_device *device, const VkDeviceCreateInfo *info, uint32_t count)
{
    device->queues = calloc(count, sizeof(*device->queues));
    if (device->queues == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < info->queueCreateInfoCount; i++) {
        const VkDeviceQueueCreateInfo *asked = &info->pQueueCreateInfos[i];
        for (uint32_t index = 0; index < asked->queueCount; index++) {
            struct pv_queue *queue = &device->queues[device->queue_count];
            if (pthread_mutex_init(&queue->lock, NULL) != 0) {
                return false;
            }
            device->queue_count++;
            queue->device = device;
            queue->family = asked->queueFamilyIndex;
            queue->index = index;
            queue->flags = asked->flags;
            get_queue(device, queue);
            queue->object.host = PV_HANDLE_U64(queue->host);
            queue->object.owner = device->object.owner;
        }
    }
    return true;
}

/* --- create ------------------------------------------------------------------------------------
 */

static void free_device(void *memory)
{
    struct pv_device *device = memory;
    for (uint32_t i = 0; i < device->queue_count; i++) {
        pthread_mutex_destroy(&device->queues[i].lock);
    }
    if (device->has_lock) {
        pthread_mutex_destroy(&device->lock);
    }
    free(device->queues);
    free(device);
}

/* A number that no device of this context has had, and a place in the table of devices. */
static bool enlist(struct pv_render_context *context, struct pv_device *device)
{
    bool found = false;
    pthread_mutex_lock(&context->lock);
    for (uint32_t i = 0; i < PV_DEVICES_MAX && !found; i++) {
        uint32_t owner = ++context->next_owner;
        if (owner == 0) {
            owner = ++context->next_owner;
        }
        device->object.owner = owner;
        struct pv_device *none = NULL;
        found = atomic_compare_exchange_strong(&context->devices[owner & (PV_DEVICES_MAX - 1)],
                                               &none, device);
    }
    pthread_mutex_unlock(&context->lock);
    return found;
}

static void delist(struct pv_render_context *context, struct pv_device *device)
{
    struct pv_device *self = device;
    (void)atomic_compare_exchange_strong(
        &context->devices[device->object.owner & (PV_DEVICES_MAX - 1)], &self, NULL);
}

static VkResult create_host_device(struct pv_exec *x, struct pv_device *device,
                                   const VkDeviceCreateInfo *guest)
{
    const struct pv_physical_device *physical_device = device->physical_device;
    const struct pv_instance *instance = physical_device->instance;
    uint32_t queue_count = count_queues(physical_device, guest);
    if (queue_count == 0) {
        return VK_ERROR_UNKNOWN;
    }
    struct extension_list extensions = {0};
    VkResult result = choose_extensions(x, physical_device, guest, &extensions);
    if (result != VK_SUCCESS) {
        return result;
    }
    VkDeviceCreateInfo info = *guest;
    info.enabledLayerCount = 0;
    info.ppEnabledLayerNames = NULL;
    info.enabledExtensionCount = extensions.count;
    info.ppEnabledExtensionNames = extensions.names;
    result = pv_portability_link(x, physical_device, &info);
    if (result != VK_SUCCESS) {
        return result;
    }
    result = instance->vk.CreateDevice(physical_device->host, &info, NULL, &device->host);
    if (result != VK_SUCCESS) {
        return result;
    }
    device->object.host = PV_HANDLE_U64(device->host);
    uint32_t api_version = physical_device->properties.apiVersion;
    if (instance->api_version < api_version) {
        api_version = instance->api_version;
    }
    const char *lacking =
        pv_device_table_load(&device->vk, instance->vk.GetDeviceProcAddr, device->host, api_version,
                             extensions.names, extensions.count);
    if (lacking != NULL) {
        pv_render_tell_lacking(x->context, lacking);
    }
    if (lacking != NULL || !create_queues(device, guest, queue_count)) {
        if (device->vk.DestroyDevice != NULL) {
            device->vk.DestroyDevice(device->host, NULL);
        }
        device->host = NULL;
        return lacking != NULL ? VK_ERROR_INITIALIZATION_FAILED : VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    return VK_SUCCESS;
}

bool pv_device_is_alive(struct pv_render_context *context, uint32_t owner)
{
    const struct pv_device *device =
        atomic_load_explicit(&context->devices[owner & (PV_DEVICES_MAX - 1)], memory_order_acquire);
    return device != NULL && device->object.owner == owner;
}

/* The lifecycle lock is held. */
static VkResult create_device(struct pv_exec *x, struct pv_vkCreateDevice *a)
{
    struct pv_render_context *context = x->context;
    uint64_t id = PV_HANDLE_U64(*a->pDevice);
    if (a->physicalDevice->instance !=
        atomic_load_explicit(&context->instance, memory_order_acquire)) {
        pv_exec_fault(x, "the instance is gone");
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    if (!pv_exec_reserve(x, id)) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    VkResult result = VK_ERROR_OUT_OF_HOST_MEMORY;
    struct pv_device *device = calloc(1, sizeof(*device));
    if (device != NULL && pthread_mutex_init(&device->lock, NULL) == 0) {
        device->has_lock = true;
        device->physical_device = a->physicalDevice;
        device->context = context;
        device->object.id = id;
        result = enlist(context, device) ? create_host_device(x, device, a->pCreateInfo)
                                         : VK_ERROR_TOO_MANY_OBJECTS;
    }
    if (result == VK_SUCCESS) {
        pv_object_publish(&context->objects, id, PV_TAG(PV_OBJECT_DEVICE, device->object.owner),
                          PV_HANDLE_U64(device));
        return result;
    }
    pv_object_abandon(&context->objects, id);
    if (device != NULL) {
        delist(context, device);
        pv_epoch_retire(&context->epoch, device, free_device);
    }
    return result;
}

VkResult pv_handle_vkCreateDevice(struct pv_exec *x, struct pv_vkCreateDevice *a)
{
    pthread_mutex_lock(&x->context->lifecycle_lock);
    VkResult result = create_device(x, a);
    pthread_mutex_unlock(&x->context->lifecycle_lock);
    return result;
}

static struct pv_queue *find_queue(struct pv_device *device, const VkDeviceQueueInfo2 *info)
{
    for (uint32_t i = 0; i < device->queue_count; i++) {
        struct pv_queue *queue = &device->queues[i];
        if (queue->family == info->queueFamilyIndex && queue->index == info->queueIndex &&
            queue->flags == info->flags) {
            return queue;
        }
    }
    return NULL;
}

/* The lifecycle lock is held. */
static void get_device_queue(struct pv_exec *x, struct pv_vkGetDeviceQueue2 *a)
{
    struct pv_device *device = pv_exec_device(x);
    if (device == NULL) {
        return;
    }
    const VkDeviceQueueTimelineInfoMESA *timeline =
        pv_next_find(a->pQueueInfo->pNext, VK_STRUCTURE_TYPE_DEVICE_QUEUE_TIMELINE_INFO_MESA);
    if (timeline == NULL || timeline->ringIdx == 0 || timeline->ringIdx >= PV_TIMELINES_MAX) {
        pv_exec_fault(x, "a queue without a timeline from 1 to 63");
        return;
    }
    struct pv_queue *queue = find_queue(device, a->pQueueInfo);
    if (queue == NULL) {
        pv_exec_fault(x, "the device was created without this queue");
        return;
    }
    uint64_t id = PV_HANDLE_U64(*a->pQueue);
    if (!pv_exec_reserve(x, id)) {
        return;
    }
    if (!pv_queue_bind_timeline(queue, timeline->ringIdx)) {
        pv_object_abandon(&x->context->objects, id);
        pv_exec_fault(x, "the queue or its timeline is taken already");
        return;
    }
    queue->object.id = id;
    pv_object_publish(&x->context->objects, id, PV_TAG(PV_OBJECT_QUEUE, device->object.owner),
                      PV_HANDLE_U64(queue));
}

void pv_handle_vkGetDeviceQueue2(struct pv_exec *x, struct pv_vkGetDeviceQueue2 *a)
{
    pthread_mutex_lock(&x->context->lifecycle_lock);
    get_device_queue(x, a);
    pthread_mutex_unlock(&x->context->lifecycle_lock);
}

/* --- destroy -----------------------------------------------------------------------------------
 */

/* vkDeviceWaitIdle needs all queues for itself. */
static void wait_idle(struct pv_device *device)
{
    for (uint32_t i = 0; i < device->queue_count; i++) {
        pthread_mutex_lock(&device->queues[i].lock);
    }
    (void)device->vk.DeviceWaitIdle(device->host);
    for (uint32_t i = device->queue_count; i > 0; i--) {
        pthread_mutex_unlock(&device->queues[i - 1].lock);
    }
}

void pv_device_destroy(struct pv_render_context *context, struct pv_device *device)
{
    for (uint32_t i = 0; i < device->queue_count; i++) {
        struct pv_queue *queue = &device->queues[i];
        if (queue->object.id != 0) {
            pv_object_forget(&context->objects, queue->object.id,
                             PV_TAG(PV_OBJECT_QUEUE, device->object.owner));
        }
    }
    pv_compiles_drain(context);
    wait_idle(device);
    for (uint32_t i = 0; i < device->queue_count; i++) {
        pv_queue_unbind_timeline(&device->queues[i]);
    }
    pv_device_destroy_objects(context, device);
    pv_device_destroy_retired_sync(device);
    pv_device_free_fences(device);
    device->vk.DestroyDevice(device->host, NULL);
    pv_epoch_retire(&context->epoch, device, free_device);
}

/* The lifecycle lock is held. */
static void destroy_device(struct pv_exec *x, struct pv_vkDestroyDevice *a)
{
    struct pv_render_context *context = x->context;
    uint64_t id = PV_HANDLE_U64(a->device);
    uint64_t tag =
        atomic_load_explicit(&pv_object_slot(&context->objects, id)->tag, memory_order_acquire);
    struct pv_device *device = NULL;
    if (id != 0 && PV_TAG_TYPE(tag) == PV_OBJECT_DEVICE) {
        device = (struct pv_device *)(uintptr_t)pv_object_remove(&context->objects, id, tag);
    }
    if (device == NULL) {
        pv_exec_fault(x, "destroys a device that does not exist");
        return;
    }
    delist(context, device);
    pv_device_destroy(context, device);
}

void pv_handle_vkDestroyDevice(struct pv_exec *x, struct pv_vkDestroyDevice *a)
{
    pthread_mutex_lock(&x->context->lifecycle_lock);
    destroy_device(x, a);
    pthread_mutex_unlock(&x->context->lifecycle_lock);
}
