#include "hostile.h"

/* Arguments that a driver would trust. */

static void shader_code_of_no_whole_words(struct guest *g)
{
    static const uint32_t code[4];
    const VkShaderModuleCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = 14, .pCode = code};
    VkShaderModule module = GUEST_HANDLE(guest_id(g));
    (void)GUEST_SEND(&g->ring, vkCreateShaderModule, .device = GUEST_HANDLE(g->device),
                     .pCreateInfo = &info, .pShaderModule = &module);
}

static uint64_t create_pipeline_layout(struct guest *g)
{
    const VkPipelineLayoutCreateInfo info = {.sType =
                                                 VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
    uint64_t id = guest_id(g);
    VkPipelineLayout layout = GUEST_HANDLE(id);
    struct pv_vkCreatePipelineLayout a = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &info, .pPipelineLayout = &layout};
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreatePipelineLayout, &a), VK_SUCCESS);
    return id;
}

static void specialize(struct guest *g, uint32_t offset, size_t size)
{
    static const uint32_t code[5] = {0x07230203, 0x00010000, 0, 1, 0};
    const VkShaderModuleCreateInfo module_info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = sizeof(code),
        .pCode = code,
    };
    VkShaderModule module = GUEST_HANDLE(guest_id(g));
    (void)GUEST_SEND(&g->ring, vkCreateShaderModule, .device = GUEST_HANDLE(g->device),
                     .pCreateInfo = &module_info, .pShaderModule = &module);
    static const uint32_t data[2];
    const VkSpecializationMapEntry entry = {.constantID = 0, .offset = offset, .size = size};
    const VkSpecializationInfo specialization = {
        .mapEntryCount = 1, .pMapEntries = &entry, .dataSize = sizeof(data), .pData = data};
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage =
            {
                .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = module,
                .pName = "main",
                .pSpecializationInfo = &specialization,
            },
        .layout = GUEST_HANDLE(create_pipeline_layout(g)),
    };
    VkPipeline pipeline = GUEST_HANDLE(guest_id(g));
    (void)GUEST_SEND(&g->ring, vkCreateComputePipelines, .device = GUEST_HANDLE(g->device),
                     .createInfoCount = 1, .pCreateInfos = &info, .pPipelines = &pipeline);
}

static void a_specialization_behind_its_data(struct guest *g)
{
    specialize(g, 8, 4);
}

static void a_specialization_across_the_end_of_its_data(struct guest *g)
{
    specialize(g, 4, 8);
}

static void a_specialization_that_wraps(struct guest *g)
{
    specialize(g, 4, SIZE_MAX - 3);
}

static uint64_t create_query_pool(struct guest *g)
{
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_OCCLUSION,
        .queryCount = 64,
    };
    uint64_t id = guest_id(g);
    VkQueryPool pool = GUEST_HANDLE(id);
    struct pv_vkCreateQueryPool a = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &info, .pQueryPool = &pool};
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateQueryPool, &a), VK_SUCCESS);
    return id;
}

static void get_results(struct guest *g, uint32_t count, size_t size, VkDeviceSize stride)
{
    static uint8_t data[4096];
    struct pv_vkGetQueryPoolResults a = {
        .device = GUEST_HANDLE(g->device),
        .queryPool = GUEST_HANDLE(create_query_pool(g)),
        .queryCount = count,
        .dataSize = size,
        .pData = data,
        .stride = stride,
        .flags = VK_QUERY_RESULT_64_BIT,
    };
    (void)GUEST_RESULT(&g->ring, vkGetQueryPoolResults, &a);
}

static void query_results_with_a_stride_below_their_size(struct guest *g)
{
    get_results(g, 8, 64, 4);
}

static void query_results_with_stride_0(struct guest *g)
{
    get_results(g, 8, 64, 0);
}

static void query_results_with_a_stride_that_overflows(struct guest *g)
{
    get_results(g, 3, 64, UINT64_C(1) << 63);
}

static void query_results_beyond_their_data(struct guest *g)
{
    get_results(g, 9, 64, 8);
}

static void query_results_without_room(struct guest *g)
{
    get_results(g, 1, 4, 8);
}

static void query_results_of_the_highest_number(struct guest *g)
{
    get_results(g, UINT32_MAX, 64, 8);
}

static void query_results_of_the_highest_size(struct guest *g)
{
    get_results(g, 1, SIZE_MAX, 8);
}

static void query_results_of_a_terabyte(struct guest *g)
{
    get_results(g, 1, (size_t)1 << 40, 8);
}

static void a_layers_extensions(struct guest *g)
{
    uint32_t count = 0;
    struct pv_vkEnumerateDeviceExtensionProperties a = {
        .physicalDevice = GUEST_HANDLE(g->physical_device),
        .pLayerName = "VK_LAYER_KHRONOS_validation",
        .pPropertyCount = &count,
    };
    (void)GUEST_RESULT(&g->ring, vkEnumerateDeviceExtensionProperties, &a);
}

static void memory_from_a_resource_that_does_not_exist(struct guest *g)
{
    const VkImportMemoryResourceInfoMESA import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_RESOURCE_INFO_MESA, .resourceId = 4711};
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = &import,
        .allocationSize = 4096,
        .memoryTypeIndex = world_visible_type(g),
    };
    VkDeviceMemory memory = GUEST_HANDLE(guest_id(g));
    (void)GUEST_SEND(&g->ring, vkAllocateMemory, .device = GUEST_HANDLE(g->device),
                     .pAllocateInfo = &info, .pMemory = &memory);
}

static void properties_of_a_resource_that_does_not_exist(struct guest *g)
{
    VkMemoryResourcePropertiesMESA properties = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_RESOURCE_PROPERTIES_MESA};
    struct pv_vkGetMemoryResourcePropertiesMESA a = {
        .device = GUEST_HANDLE(g->device),
        .resourceId = 4711,
        .pMemoryResourceProperties = &properties,
    };
    (void)GUEST_RESULT(&g->ring, vkGetMemoryResourcePropertiesMESA, &a);
}

static void a_semaphore_from_a_resource(struct guest *g)
{
    const VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
    VkSemaphore semaphore = GUEST_HANDLE(guest_id(g));
    (void)GUEST_SEND(&g->ring, vkCreateSemaphore, .device = GUEST_HANDLE(g->device),
                     .pCreateInfo = &info, .pSemaphore = &semaphore);
    const VkImportSemaphoreResourceInfoMESA import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_RESOURCE_INFO_MESA,
        .semaphore = semaphore,
        .resourceId = 1,
    };
    (void)GUEST_SEND(&g->ring, vkImportSemaphoreResourceMESA, .device = GUEST_HANDLE(g->device),
                     .pImportSemaphoreResourceInfo = &import);
}

int main(void)
{
    const char *const pipelines = "vkCreateComputePipelines";
    const char *const queries = "vkGetQueryPoolResults";
    const struct CMUnitTest tests[] = {
        HOSTILE(shader_code_of_no_whole_words, "vkCreateShaderModule", NULL),
        HOSTILE(a_specialization_behind_its_data, pipelines, "inside its data"),
        HOSTILE(a_specialization_across_the_end_of_its_data, pipelines, "inside its data"),
        HOSTILE(a_specialization_that_wraps, pipelines, "inside its data"),
        HOSTILE(query_results_with_a_stride_below_their_size, queries, "do not fit"),
        HOSTILE(query_results_with_stride_0, queries, "do not fit"),
        HOSTILE(query_results_with_a_stride_that_overflows, queries, "do not fit"),
        HOSTILE(query_results_beyond_their_data, queries, "do not fit"),
        HOSTILE(query_results_without_room, queries, "do not fit"),
        HOSTILE(query_results_of_the_highest_number, queries, "do not fit"),
        HOSTILE(query_results_of_the_highest_size, queries, NULL),
        HOSTILE(query_results_of_a_terabyte, queries, NULL),
        HOSTILE(a_layers_extensions, "vkEnumerateDeviceExtensionProperties", "layer"),
        HOSTILE(memory_from_a_resource_that_does_not_exist, "vkAllocateMemory", "resource"),
        HOSTILE(properties_of_a_resource_that_does_not_exist, "vkGetMemoryResourceProperties",
                "no such resource"),
        HOSTILE(a_semaphore_from_a_resource, "vkImportSemaphoreResourceMESA", "imported"),
    };
    return cmocka_run_group_tests(tests, hostile_setup, hostile_teardown);
}
