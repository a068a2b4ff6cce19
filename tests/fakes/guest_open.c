#include "base/assert.h"
#include "fakes/guest.h"

/* From nothing to a queue, in the order of Mesa's driver. */

static void open_instance(struct guest *g)
{
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "scripted guest",
        .apiVersion = VK_API_VERSION_1_3,
    };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
    };
    uint64_t id = guest_id(g);
    VkInstance instance = GUEST_HANDLE(id);
    struct pv_vkCreateInstance a = {.pCreateInfo = &info, .pInstance = &instance};
    PV_ASSERT(GUEST_RESULT(&g->ring, vkCreateInstance, &a) == VK_SUCCESS);
    g->instance = id;
}

static void open_physical_device(struct guest *g)
{
    enum { DEVICES_MAX = 16 };
    uint32_t count = 0;
    struct pv_vkEnumeratePhysicalDevices a = {
        .instance = GUEST_HANDLE(g->instance),
        .pPhysicalDeviceCount = &count,
    };
    PV_ASSERT(GUEST_RESULT(&g->ring, vkEnumeratePhysicalDevices, &a) == VK_SUCCESS);
    count = *a.pPhysicalDeviceCount;
    PV_ASSERT(count >= 1 && count <= DEVICES_MAX);
    VkPhysicalDevice devices[DEVICES_MAX];
    for (uint32_t i = 0; i < count; i++) {
        devices[i] = GUEST_HANDLE(guest_id(g));
    }
    g->physical_device = (uint64_t)(uintptr_t)devices[0];
    a.pPhysicalDeviceCount = &count;
    a.pPhysicalDevices = devices;
    PV_ASSERT(GUEST_RESULT(&g->ring, vkEnumeratePhysicalDevices, &a) == VK_SUCCESS);
    struct pv_vkGetPhysicalDeviceMemoryProperties memory = {
        .physicalDevice = GUEST_HANDLE(g->physical_device),
        .pMemoryProperties = &g->memory,
    };
    PV_ASSERT(GUEST_CALL(&g->ring, vkGetPhysicalDeviceMemoryProperties, &memory));
    g->memory = *memory.pMemoryProperties;
}

uint64_t guest_create_device(struct guest *g, uint32_t queue_count)
{
    static const float priorities[16];
    PV_ASSERT(queue_count <= 16);
    const VkDeviceQueueCreateInfo queues = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueCount = queue_count,
        .pQueuePriorities = priorities,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queues,
    };
    uint64_t id = guest_id(g);
    VkDevice device = GUEST_HANDLE(id);
    struct pv_vkCreateDevice a = {
        .physicalDevice = GUEST_HANDLE(g->physical_device),
        .pCreateInfo = &info,
        .pDevice = &device,
    };
    PV_ASSERT(GUEST_RESULT(&g->ring, vkCreateDevice, &a) == VK_SUCCESS);
    return id;
}

uint64_t guest_open_queue(struct guest *g, uint64_t device, uint32_t index, uint32_t ring_idx)
{
    const VkDeviceQueueTimelineInfoMESA timeline = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_TIMELINE_INFO_MESA,
        .ringIdx = ring_idx,
    };
    const VkDeviceQueueInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_INFO_2,
        .pNext = &timeline,
        .queueIndex = index,
    };
    uint64_t id = guest_id(g);
    VkQueue queue = GUEST_HANDLE(id);
    PV_ASSERT(GUEST_SEND(&g->ring, vkGetDeviceQueue2, .device = GUEST_HANDLE(device),
                         .pQueueInfo = &info, .pQueue = &queue));
    PV_ASSERT(guest_finish(&g->ring));
    return id;
}

void guest_open(struct guest *g, enum guest_stage stage)
{
    if (stage >= GUEST_STAGE_INSTANCE && g->instance == 0) {
        open_instance(g);
    }
    if (stage >= GUEST_STAGE_PHYSICAL_DEVICE && g->physical_device == 0) {
        open_physical_device(g);
    }
    if (stage >= GUEST_STAGE_DEVICE && g->device == 0) {
        g->device = guest_create_device(g, 1);
    }
    if (stage >= GUEST_STAGE_QUEUE && g->queue == 0) {
        g->queue = guest_open_queue(g, g->device, 0, 1);
    }
}

void guest_open_device(struct guest *g)
{
    guest_open(g, GUEST_STAGE_QUEUE);
}
