/* Makes drivers do early what they do late: llvmpipe starts its threads at the first submit and
 * loads its compiler's tables at the first pipeline; NVIDIA's maps most of itself at the first
 * device. After this a new context costs what it costs any program that already runs. */

#include "api/renderer.h"

enum { DEVICES_MAX = 16, FAMILIES_MAX = 64 };

/* On a machine with much else to do a driver may take seconds to compile its first shader; a GPU
 * that hangs takes longer. */
static const uint64_t run_timeout_ns = UINT64_C(30000000000);

/* A compute shader that does nothing: `void main() {}`. */
static const uint32_t shader[] = {
    0x07230203,
    0x00010000,
    0,
    5,
    0, /* SPIR-V 1.0, ids below 5 */
    2u << 16 | 17,
    1, /* OpCapability Shader */
    3u << 16 | 14,
    0,
    1, /* OpMemoryModel Logical GLSL450 */
    5u << 16 | 15,
    5,
    4,
    0x6e69616d,
    0, /* OpEntryPoint GLCompute %4 "main" */
    6u << 16 | 16,
    4,
    17,
    1,
    1,
    1, /* OpExecutionMode %4 LocalSize 1 1 1 */
    2u << 16 | 19,
    1, /* %1 = OpTypeVoid */
    3u << 16 | 33,
    2,
    1, /* %2 = OpTypeFunction %1 */
    5u << 16 | 54,
    1,
    4,
    0,
    2, /* %4 = OpFunction %1 None %2 */
    2u << 16 | 248,
    3,
    1u << 16 | 253,
    1u << 16 | 56, /* label, return, end */
};

/* One device with what is needed to run a shader on it; all zero at first. */
struct warm_device {
    VkDevice device;
    struct pv_device_table vk;
    uint32_t family;
    VkQueue queue;
    VkShaderModule module;
    VkPipelineLayout layout;
    VkPipeline pipeline;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkFence fence;
};

static bool find_family(const struct pv_instance_table *vk, VkPhysicalDevice physical_device,
                        uint32_t *family)
{
    VkQueueFamilyProperties families[FAMILIES_MAX];
    uint32_t count = FAMILIES_MAX;
    vk->GetPhysicalDeviceQueueFamilyProperties(physical_device, &count, families);
    for (uint32_t i = 0; i < count; i++) {
        if ((families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) != 0 && families[i].queueCount > 0) {
            *family = i;
            return true;
        }
    }
    return false;
}

/* NULL, or what there was none of: maybe a command, by its name. */
static const char *create_device(struct warm_device *warm, const struct pv_instance_table *vk,
                                 VkPhysicalDevice physical_device, uint32_t api_version)
{
    if (!find_family(vk, physical_device, &warm->family)) {
        return "queues that compute";
    }
    const float priority = 1.0F;
    VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = warm->family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
    };
    if (vk->CreateDevice(physical_device, &info, NULL, &warm->device) != VK_SUCCESS) {
        warm->device = VK_NULL_HANDLE; /* whatever it is now */
        return "a device";
    }
    const char *lacking =
        pv_device_table_load(&warm->vk, vk->GetDeviceProcAddr, warm->device, api_version, NULL, 0);
    if (lacking != NULL) {
        if (warm->vk.DestroyDevice != NULL) {
            warm->vk.DestroyDevice(warm->device, NULL);
        }
        warm->device = NULL;
        return lacking;
    }
    warm->vk.GetDeviceQueue(warm->device, warm->family, 0, &warm->queue);
    return NULL;
}

static bool create_pipeline(struct warm_device *warm)
{
    VkShaderModuleCreateInfo module = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = sizeof(shader),
        .pCode = shader,
    };
    VkPipelineLayoutCreateInfo layout = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
    if (warm->vk.CreateShaderModule(warm->device, &module, NULL, &warm->module) != VK_SUCCESS ||
        warm->vk.CreatePipelineLayout(warm->device, &layout, NULL, &warm->layout) != VK_SUCCESS) {
        return false;
    }
    VkComputePipelineCreateInfo pipeline = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage =
            {
                .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = warm->module,
                .pName = "main",
            },
        .layout = warm->layout,
    };
    return warm->vk.CreateComputePipelines(warm->device, VK_NULL_HANDLE, 1, &pipeline, NULL,
                                           &warm->pipeline) == VK_SUCCESS;
}

static bool create_commands(struct warm_device *warm)
{
    VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = warm->family,
    };
    if (warm->vk.CreateCommandPool(warm->device, &pool, NULL, &warm->pool) != VK_SUCCESS) {
        return false;
    }
    VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = warm->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    return warm->vk.AllocateCommandBuffers(warm->device, &allocate, &warm->commands) ==
               VK_SUCCESS &&
           warm->vk.CreateFence(warm->device, &fence, NULL, &warm->fence) == VK_SUCCESS;
}

static bool run_pipeline(struct warm_device *warm)
{
    VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    if (warm->vk.BeginCommandBuffer(warm->commands, &begin) != VK_SUCCESS) {
        return false;
    }
    warm->vk.CmdBindPipeline(warm->commands, VK_PIPELINE_BIND_POINT_COMPUTE, warm->pipeline);
    warm->vk.CmdDispatch(warm->commands, 1, 1, 1);
    VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &warm->commands,
    };
    return warm->vk.EndCommandBuffer(warm->commands) == VK_SUCCESS &&
           warm->vk.QueueSubmit(warm->queue, 1, &submit, warm->fence) == VK_SUCCESS &&
           warm->vk.WaitForFences(warm->device, 1, &warm->fence, VK_TRUE, run_timeout_ns) ==
               VK_SUCCESS;
}

static void destroy_device(struct warm_device *warm)
{
    if (warm->device == VK_NULL_HANDLE) {
        return;
    }
    (void)warm->vk.DeviceWaitIdle(warm->device);
    warm->vk.DestroyFence(warm->device, warm->fence, NULL);
    warm->vk.DestroyCommandPool(warm->device, warm->pool, NULL);
    warm->vk.DestroyPipeline(warm->device, warm->pipeline, NULL);
    warm->vk.DestroyPipelineLayout(warm->device, warm->layout, NULL);
    warm->vk.DestroyShaderModule(warm->device, warm->module, NULL);
    warm->vk.DestroyDevice(warm->device, NULL);
}

/* NULL, or what there was none of. */
static const char *warm_device(const struct pv_instance_table *vk, VkPhysicalDevice physical_device,
                               uint32_t api_version)
{
    struct warm_device warm = {0};
    const char *lacking = create_device(&warm, vk, physical_device, api_version);
    if (lacking == NULL && !create_pipeline(&warm)) {
        lacking = "a pipeline";
    }
    if (lacking == NULL && !create_commands(&warm)) {
        lacking = "a command buffer and a fence";
    }
    if (lacking == NULL && !run_pipeline(&warm)) {
        lacking = "a dispatch that ends in time";
    }
    destroy_device(&warm);
    return lacking;
}

/* The plan of a device that guests may get, else NULL: only such are worth the time, and a GPU
 * asleep would be woken for nothing. */
static const struct pv_memory_plan *find_offered(const struct pv_renderer *renderer,
                                                 const struct pv_instance_table *vk,
                                                 VkPhysicalDevice physical_device)
{
    const struct pv_memory_plan *plan = pv_memory_plans_find(&renderer->plans, vk, physical_device);
    bool is_offered = plan != NULL && plan->usable != 0 &&
                      pv_host_gpu_matches(renderer->gpu, (uint32_t)(plan - renderer->plans.plans),
                                          plan->device_name);
    return is_offered ? plan : NULL;
}

static enum pv_result create_instance(struct pv_renderer *renderer, uint32_t api_version)
{
    PFN_vkVoidFunction create =
        renderer->host.get_instance_proc_addr(VK_NULL_HANDLE, "vkCreateInstance");
    VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "pearvisor",
        .apiVersion = api_version,
    };
    VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
    };
    if (create == NULL ||
        ((PFN_vkCreateInstance)create)(&info, NULL, &renderer->warm_instance) != VK_SUCCESS) {
        renderer->warm_instance = VK_NULL_HANDLE;
        pv_log_error(&renderer->log, "no Vulkan driver works: vkCreateInstance failed");
        return PV_HOST_FAILED;
    }
    return PV_OK;
}

void pv_renderer_end_warm_instance(struct pv_renderer *renderer)
{
    if (renderer->warm_instance == VK_NULL_HANDLE) {
        return;
    }
    PFN_vkVoidFunction entry =
        renderer->host.get_instance_proc_addr(renderer->warm_instance, "vkDestroyInstance");
    if (entry != NULL) {
        ((PFN_vkDestroyInstance)entry)(renderer->warm_instance, NULL);
    }
    renderer->warm_instance = VK_NULL_HANDLE;
}

/* How many GPUs that are offered have run a shader. */
static uint32_t warm_devices(struct pv_renderer *renderer, const struct pv_instance_table *vk,
                             uint32_t api_version)
{
    VkPhysicalDevice devices[DEVICES_MAX];
    uint32_t count = DEVICES_MAX, warm_count = 0;
    if (vk->EnumeratePhysicalDevices(renderer->warm_instance, &count, devices) < VK_SUCCESS) {
        count = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct pv_memory_plan *plan = find_offered(renderer, vk, devices[i]);
        if (plan == NULL) {
            continue;
        }
        const char *lacking = warm_device(vk, devices[i], api_version);
        if (lacking == NULL) {
            warm_count++;
        } else {
            pv_log_warn(&renderer->log, "%s did not warm up, for want of %s", plan->device_name,
                        lacking);
        }
    }
    if (warm_count == 0) {
        pv_log_error(&renderer->log, "no GPU that can be offered (%u found%s%s)", count,
                     renderer->gpu != NULL ? "; asked for " : "",
                     renderer->gpu != NULL ? renderer->gpu : "");
    }
    return warm_count;
}

enum pv_result pv_renderer_warm_up(struct pv_renderer *renderer)
{
    const uint32_t api_version = VK_API_VERSION_1_1;
    if (renderer->warm_instance != VK_NULL_HANDLE) {
        return PV_OK;
    }
    enum pv_result result = create_instance(renderer, api_version);
    if (result != PV_OK) {
        return result;
    }
    struct pv_instance_table vk;
    const char *lacking = pv_instance_table_load(&vk, renderer->host.get_instance_proc_addr,
                                                 renderer->warm_instance, api_version);
    if (lacking != NULL) {
        pv_log_error(&renderer->log, "the driver has no %s", lacking);
    }
    if (lacking != NULL || warm_devices(renderer, &vk, api_version) == 0) {
        pv_renderer_end_warm_instance(renderer);
        return PV_HOST_FAILED;
    }
    return PV_OK;
}
