#include "vulkan.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static const uint64_t wait_limit_ns = UINT64_C(120000000000);

static const char *result_name(VkResult result)
{
    switch (result) {
    case VK_NOT_READY:
        return "VK_NOT_READY";
    case VK_TIMEOUT:
        return "VK_TIMEOUT";
    case VK_INCOMPLETE:
        return "VK_INCOMPLETE";
    case VK_ERROR_OUT_OF_HOST_MEMORY:
        return "VK_ERROR_OUT_OF_HOST_MEMORY";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
        return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
    case VK_ERROR_INITIALIZATION_FAILED:
        return "VK_ERROR_INITIALIZATION_FAILED";
    case VK_ERROR_DEVICE_LOST:
        return "VK_ERROR_DEVICE_LOST";
    case VK_ERROR_MEMORY_MAP_FAILED:
        return "VK_ERROR_MEMORY_MAP_FAILED";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
        return "VK_ERROR_EXTENSION_NOT_PRESENT";
    case VK_ERROR_FEATURE_NOT_PRESENT:
        return "VK_ERROR_FEATURE_NOT_PRESENT";
    case VK_ERROR_TOO_MANY_OBJECTS:
        return "VK_ERROR_TOO_MANY_OBJECTS";
    default:
        return NULL;
    }
}

bool demo_vulkan_check(VkResult result, const char *call)
{
    if (result == VK_SUCCESS) {
        return true;
    }
    const char *name = result_name(result);
    if (name) {
        fprintf(stderr, "%s: %s: %s\n", demo_program_name, call, name);
    } else {
        fprintf(stderr, "%s: %s: VkResult %d\n", demo_program_name, call, (int)result);
    }
    return false;
}

static bool fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", demo_program_name, what);
    return false;
}

static bool open_loader(struct demo_vulkan *vk)
{
    static const char *const names[] = {"libvulkan.so.1", "libvulkan.so", "libvulkan.1.dylib"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !vk->library; i++) {
        vk->library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    }
    if (!vk->library) {
        return fail("no Vulkan loader (libvulkan.so.1) on this machine");
    }
    void *symbol = dlsym(vk->library, "vkGetInstanceProcAddr");
    memcpy(&vk->GetInstanceProcAddr, &symbol, sizeof(symbol));
    return symbol != NULL || fail("the Vulkan loader has no vkGetInstanceProcAddr");
}

static bool load_instance_calls(struct demo_vulkan *vk)
{
#define LOAD(name)                                                                                 \
    vk->name = (PFN_vk##name)vk->GetInstanceProcAddr(vk->instance, "vk" #name);                    \
    if (!vk->name) {                                                                               \
        return fail("the Vulkan loader has no vk" #name);                                          \
    }
    DEMO_VULKAN_INSTANCE_CALLS(LOAD)
#undef LOAD
    return true;
}

static bool load_device_calls(struct demo_vulkan *vk)
{
#define LOAD(name)                                                                                 \
    vk->name = (PFN_vk##name)vk->GetDeviceProcAddr(vk->device, "vk" #name);                        \
    if (!vk->name) {                                                                               \
        return fail("the Vulkan driver has no vk" #name);                                          \
    }
    DEMO_VULKAN_DEVICE_CALLS(LOAD)
#undef LOAD
    return true;
}

bool demo_vulkan_open(struct demo_vulkan *vk)
{
    if (!open_loader(vk)) {
        return false;
    }
    PFN_vkCreateInstance create_instance =
        (PFN_vkCreateInstance)vk->GetInstanceProcAddr(NULL, "vkCreateInstance");
    if (!create_instance) {
        return fail("the Vulkan loader has no vkCreateInstance");
    }
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "PearVisor demo",
        .applicationVersion = 1,
        .apiVersion = VK_API_VERSION_1_1,
    };
    const VkInstanceCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
    };
    const VkResult result = create_instance(&create, NULL, &vk->instance);
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER) {
        return fail("the loader finds no Vulkan driver; on Debian, install mesa-vulkan-drivers");
    }
    return demo_vulkan_check(result, "vkCreateInstance") && load_instance_calls(vk);
}

static bool get_gpus(struct demo_vulkan *vk, VkPhysicalDevice *gpus, uint32_t *count)
{
    *count = DEMO_GPUS_MAX;
    VkResult result = vk->EnumeratePhysicalDevices(vk->instance, count, gpus);
    return demo_vulkan_check(result == VK_INCOMPLETE ? VK_SUCCESS : result,
                             "vkEnumeratePhysicalDevices");
}

static void describe_gpu(struct demo_vulkan *vk, VkPhysicalDevice gpu, struct demo_gpu *out)
{
    VkPhysicalDeviceProperties plain;
    vk->GetPhysicalDeviceProperties(gpu, &plain);
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
    };
    if (plain.apiVersion >= VK_API_VERSION_1_1) {
        VkPhysicalDeviceProperties2 properties = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
            .pNext = &driver,
        };
        vk->GetPhysicalDeviceProperties2(gpu, &properties);
    }
    out->type = plain.deviceType;
    out->is_venus = driver.driverID == VK_DRIVER_ID_MESA_VENUS;
    snprintf(out->name, sizeof(out->name), "%s", plain.deviceName);
    snprintf(out->driver_name, sizeof(out->driver_name), "%s", driver.driverName);
}

bool demo_vulkan_list(struct demo_vulkan *vk, struct demo_gpu *gpus, uint32_t *count)
{
    VkPhysicalDevice handles[DEMO_GPUS_MAX];
    if (!get_gpus(vk, handles, count)) {
        return false;
    }
    for (uint32_t i = 0; i < *count; i++) {
        gpus[i].index = i;
        describe_gpu(vk, handles[i], &gpus[i]);
    }
    return true;
}

static bool choose_gpu(struct demo_vulkan *vk, uint32_t gpu_index)
{
    VkPhysicalDevice gpus[DEMO_GPUS_MAX];
    uint32_t count;
    if (!get_gpus(vk, gpus, &count)) {
        return false;
    }
    if (gpu_index >= count) {
        fprintf(stderr, "%s: there is no GPU %u: the loader offers %u\n", demo_program_name,
                gpu_index, count);
        return false;
    }
    vk->gpu = gpus[gpu_index];
    vk->GetPhysicalDeviceProperties(vk->gpu, &vk->properties);
    vk->GetPhysicalDeviceMemoryProperties(vk->gpu, &vk->memory);
    struct demo_gpu description;
    describe_gpu(vk, vk->gpu, &description);
    snprintf(vk->driver_name, sizeof(vk->driver_name), "%s", description.driver_name);
    return vk->properties.apiVersion >= VK_API_VERSION_1_1 ||
           fail("this GPU's driver does not offer Vulkan 1.1");
}

static bool choose_queue_family(struct demo_vulkan *vk)
{
    enum { FAMILIES_MAX = 32 };
    VkQueueFamilyProperties families[FAMILIES_MAX];
    uint32_t count = FAMILIES_MAX;
    vk->GetPhysicalDeviceQueueFamilyProperties(vk->gpu, &count, families);
    const VkQueueFlags needed = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT;
    for (uint32_t i = 0; i < count; i++) {
        if ((families[i].queueFlags & needed) == needed) {
            vk->queue_family = i;
            return true;
        }
    }
    return fail("this GPU has no queue that both draws and computes");
}

static bool create_submission_objects(struct demo_vulkan *vk)
{
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = vk->queue_family,
    };
    if (!demo_vulkan_check(vk->CreateCommandPool(vk->device, &pool, NULL, &vk->pool),
                           "vkCreateCommandPool")) {
        return false;
    }
    const VkCommandBufferAllocateInfo command = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = vk->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    return demo_vulkan_check(vk->AllocateCommandBuffers(vk->device, &command, &vk->command),
                             "vkAllocateCommandBuffers") &&
           demo_vulkan_check(vk->CreateFence(vk->device, &fence, NULL, &vk->fence),
                             "vkCreateFence");
}

bool demo_vulkan_start(struct demo_vulkan *vk, uint32_t gpu_index)
{
    if (!choose_gpu(vk, gpu_index) || !choose_queue_family(vk)) {
        return false;
    }
    const float priority = 1.0f;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = vk->queue_family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
    };
    if (!demo_vulkan_check(vk->CreateDevice(vk->gpu, &create, NULL, &vk->device),
                           "vkCreateDevice") ||
        !load_device_calls(vk)) {
        return false;
    }
    vk->GetDeviceQueue(vk->device, vk->queue_family, 0, &vk->queue);
    return create_submission_objects(vk);
}

void demo_vulkan_close(struct demo_vulkan *vk)
{
    if (vk->device && vk->DestroyDevice) {
        if (vk->DeviceWaitIdle) {
            vk->DeviceWaitIdle(vk->device);
        }
        if (vk->fence) {
            vk->DestroyFence(vk->device, vk->fence, NULL);
        }
        if (vk->pool) {
            vk->DestroyCommandPool(vk->device, vk->pool, NULL);
        }
        vk->DestroyDevice(vk->device, NULL);
    }
    if (vk->instance && vk->DestroyInstance) {
        vk->DestroyInstance(vk->instance, NULL);
    }
    if (vk->library) {
        dlclose(vk->library);
    }
    memset(vk, 0, sizeof(*vk));
}

bool demo_vulkan_record(struct demo_vulkan *vk)
{
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    return demo_vulkan_check(vk->BeginCommandBuffer(vk->command, &begin), "vkBeginCommandBuffer");
}

bool demo_vulkan_wait(struct demo_vulkan *vk)
{
    return demo_vulkan_check(vk->WaitForFences(vk->device, 1, &vk->fence, VK_TRUE, wait_limit_ns),
                             "vkWaitForFences") &&
           demo_vulkan_check(vk->ResetFences(vk->device, 1, &vk->fence), "vkResetFences");
}

bool demo_vulkan_run(struct demo_vulkan *vk)
{
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &vk->command,
    };
    return demo_vulkan_check(vk->EndCommandBuffer(vk->command), "vkEndCommandBuffer") &&
           demo_vulkan_check(vk->QueueSubmit(vk->queue, 1, &submit, vk->fence), "vkQueueSubmit") &&
           demo_vulkan_wait(vk);
}
