/* What a native program's memory is: it opens the driver, lets the GPU fill a buffer, says so, and
 * stays until its input ends, so that bench/memory.py can look at it. memory_embed does the same
 * through the library. PV_TEST_DRIVER=loader takes this machine's Vulkan, else the fake driver. */
#include "fakes/fake_vulkan.h"
#include "memory/memory.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INSTANCE_FUNCTIONS(X)                                                                      \
    X(EnumeratePhysicalDevices)                                                                    \
    X(GetPhysicalDeviceMemoryProperties)                                                           \
    X(CreateDevice)                                                                                \
    X(GetDeviceProcAddr)

#define DEVICE_FUNCTIONS(X)                                                                        \
    X(GetDeviceQueue)                                                                              \
    X(CreateBuffer)                                                                                \
    X(GetBufferMemoryRequirements)                                                                 \
    X(AllocateMemory)                                                                              \
    X(BindBufferMemory)                                                                            \
    X(MapMemory)                                                                                   \
    X(CreateCommandPool)                                                                           \
    X(AllocateCommandBuffers)                                                                      \
    X(BeginCommandBuffer)                                                                          \
    X(CmdFillBuffer)                                                                               \
    X(EndCommandBuffer)                                                                            \
    X(CreateFence)                                                                                 \
    X(QueueSubmit)                                                                                 \
    X(WaitForFences)

#define DECLARE(name) static PFN_vk##name name;
INSTANCE_FUNCTIONS(DECLARE)
DEVICE_FUNCTIONS(DECLARE)

static bool is_fake;
static VkInstance instance;
static VkPhysicalDevice physical_device;
static VkDevice device;
static VkQueue queue;

static void fail(const char *what)
{
    fprintf(stderr, "memory_native: %s\n", what);
    exit(1);
}

static void check(VkResult result, const char *what)
{
    if (result != VK_SUCCESS) {
        fprintf(stderr, "memory_native: %s failed: %d\n", what, (int)result);
        exit(1);
    }
}

static PFN_vkVoidFunction found(PFN_vkVoidFunction function, const char *name)
{
    if (function == NULL) {
        fprintf(stderr, "memory_native: the driver has no %s\n", name);
        exit(1);
    }
    return function;
}

static PFN_vkGetInstanceProcAddr open_driver(void)
{
    const char *driver = getenv("PV_TEST_DRIVER");
    is_fake = driver == NULL || strcmp(driver, "loader") != 0;
    if (is_fake) {
        return pv_fake_get_instance_proc_addr;
    }
    void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    void *symbol = library != NULL ? dlsym(library, "vkGetInstanceProcAddr") : NULL;
    if (symbol == NULL) {
        fail("no Vulkan loader (libvulkan.so.1)");
    }
    PFN_vkGetInstanceProcAddr entry;
    memcpy(&entry, &symbol, sizeof(entry));
    return entry;
}

static void open_instance(void)
{
    PFN_vkGetInstanceProcAddr entry = open_driver();
    PFN_vkCreateInstance create =
        (PFN_vkCreateInstance)found(entry(NULL, "vkCreateInstance"), "vkCreateInstance");
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .apiVersion = VK_API_VERSION_1_3,
    };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
    };
    check(create(&info, NULL, &instance), "vkCreateInstance");
#define LOAD(name) name = (PFN_vk##name)found(entry(instance, "vk" #name), "vk" #name);
    INSTANCE_FUNCTIONS(LOAD)
#undef LOAD
    uint32_t count = 1;
    VkResult result = EnumeratePhysicalDevices(instance, &count, &physical_device);
    if ((result != VK_SUCCESS && result != VK_INCOMPLETE) || count == 0) {
        fail("no Vulkan device");
    }
}

static void open_device(void)
{
    const float priority = 1.0F;
    const VkDeviceQueueCreateInfo queues = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queues,
    };
    check(CreateDevice(physical_device, &info, NULL, &device), "vkCreateDevice");
#define LOAD(name) name = (PFN_vk##name)found(GetDeviceProcAddr(device, "vk" #name), "vk" #name);
    DEVICE_FUNCTIONS(LOAD)
#undef LOAD
    GetDeviceQueue(device, 0, 0, &queue);
}

static uint32_t visible_type(uint32_t allowed)
{
    const VkMemoryPropertyFlags wanted =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    VkPhysicalDeviceMemoryProperties memory;
    GetPhysicalDeviceMemoryProperties(physical_device, &memory);
    for (uint32_t i = 0; i < memory.memoryTypeCount; i++) {
        if ((allowed & (1U << i)) != 0 &&
            (memory.memoryTypes[i].propertyFlags & wanted) == wanted) {
            return i;
        }
    }
    fail("no memory that the CPU sees");
    return 0;
}

static VkBuffer create_buffer(const uint32_t **map)
{
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = MEMORY_BUFFER_SIZE,
        .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    VkBuffer buffer;
    check(CreateBuffer(device, &info, NULL, &buffer), "vkCreateBuffer");
    VkMemoryRequirements requirements;
    GetBufferMemoryRequirements(device, buffer, &requirements);
    const VkMemoryAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = requirements.size,
        .memoryTypeIndex = visible_type(requirements.memoryTypeBits),
    };
    VkDeviceMemory memory;
    check(AllocateMemory(device, &allocate, NULL, &memory), "vkAllocateMemory");
    check(BindBufferMemory(device, buffer, memory, 0), "vkBindBufferMemory");
    void *mapped = NULL;
    check(MapMemory(device, memory, 0, VK_WHOLE_SIZE, 0, &mapped), "vkMapMemory");
    *map = mapped;
    return buffer;
}

static VkCommandBuffer record(VkBuffer buffer)
{
    const VkCommandPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    VkCommandPool pool;
    check(CreateCommandPool(device, &info, NULL, &pool), "vkCreateCommandPool");
    const VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = pool,
        .commandBufferCount = 1,
    };
    VkCommandBuffer commands;
    check(AllocateCommandBuffers(device, &allocate, &commands), "vkAllocateCommandBuffers");
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    check(BeginCommandBuffer(commands, &begin), "vkBeginCommandBuffer");
    CmdFillBuffer(commands, buffer, 0, MEMORY_BUFFER_SIZE, memory_word);
    check(EndCommandBuffer(commands), "vkEndCommandBuffer");
    return commands;
}

static void run(VkCommandBuffer commands)
{
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence;
    check(CreateFence(device, &info, NULL, &fence), "vkCreateFence");
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &commands,
    };
    check(QueueSubmit(queue, 1, &submit, fence), "vkQueueSubmit");
    check(WaitForFences(device, 1, &fence, VK_TRUE, UINT64_MAX), "vkWaitForFences");
}

int main(void)
{
    const uint32_t *map = NULL;
    open_instance();
    open_device();
    VkBuffer buffer = create_buffer(&map);
    run(record(buffer));
    if (!is_fake && !memory_is_filled(map)) { /* the fake one executes nothing */
        fail("the GPU has not filled the buffer");
    }
    memory_report(0);
    return 0; /* what is open goes with the process */
}
