#include "fakes/args.h"
#include "fakes/golden.h"
#include "test_args.gen.h"
#include "unit/check.h"
#include "wire_decode.gen.h"
#include "wire_encode.gen.h"

#include <string.h>

/* Requests as Mesa's driver encodes them: our guest's encoder writes the same bytes, and our
 * decoder reads the values out of them. */

enum { ARGS_SIZE_MAX = 256, ARENA_LIMIT = 1 << 20 };

#define HANDLE(id) ((void *)(uintptr_t)(id))

static const char *const file = "requests.txt";

/* `wire` is what the bytes mean, where that is less than what was encoded; NULL: the same. */
static void check(const char *title, const struct pv_args_command *command, const void *args,
                  const void *wire)
{
    struct pv_golden golden;
    uint8_t bytes[PV_GOLDEN_SIZE_MAX];
    struct pv_encoder out = {bytes, bytes + sizeof(bytes), false};
    pv_golden_read(file, title, &golden);
    command->encode(&out, pv_load_u32(golden.bytes + 4), args);
    pv_golden_check(&golden, title, bytes, (size_t)(out.cursor - bytes));

    _Alignas(16) uint8_t got[ARGS_SIZE_MAX] = {0};
    struct pv_arena arena;
    pv_arena_init(&arena, ARENA_LIMIT);
    struct pv_decoder in = {
        .cursor = golden.bytes + 8, .end = golden.bytes + golden.size, .arena = &arena};
    command->decode(&in, got);
    struct pv_compare compare = {0};
    if (!pv_decode_ok(&in)) {
        fail_msg("%s: %s", title, in.fault);
    }
    if (!pv_args_equal(&compare, command, wire != NULL ? wire : args, got)) {
        fail_msg("%s: %s", title, compare.difference);
    }
    assert_ptr_equal(in.cursor, in.end);
    pv_arena_finish(&arena);
}

#define CHECK(command, ...)                                                                        \
    check(#command, &pv_args_##command, &(struct pv_##command){__VA_ARGS__}, NULL)

/* The same for one struct. */
#define CHECK_STRUCT(type, value)                                                                  \
    do {                                                                                           \
        struct pv_golden golden;                                                                   \
        uint8_t bytes[PV_GOLDEN_SIZE_MAX];                                                         \
        struct pv_encoder out = {bytes, bytes + sizeof(bytes), false};                             \
        pv_golden_read(file, #type, &golden);                                                      \
        pv_encode_##type(&out, value);                                                             \
        pv_golden_check(&golden, #type, bytes, (size_t)(out.cursor - bytes));                      \
        struct pv_arena arena;                                                                     \
        pv_arena_init(&arena, ARENA_LIMIT);                                                        \
        struct pv_decoder in = {                                                                   \
            .cursor = golden.bytes, .end = golden.bytes + golden.size, .arena = &arena};           \
        type got;                                                                                  \
        pv_decode_##type(&in, &got);                                                               \
        struct pv_compare compare = {0};                                                           \
        assert_true(pv_decode_ok(&in));                                                            \
        assert_true(pv_struct_equal(&compare, &pv_args_##type, value, &got));                      \
        pv_arena_finish(&arena);                                                                   \
    } while (false)

/* --- values ----------------------------------------------------------------------------------- */

static void single_values_are_little_endian_in_4_or_8_bytes(void **state)
{
    (void)state;
    const char *title = "scalars: u8 ab, u16 1234, u32 01020304, i32 -2, f32 1.0, VkBool32 true, "
                        "u64, size_t 5, VkDeviceSize VK_WHOLE_SIZE";
    struct pv_golden golden;
    uint8_t bytes[PV_GOLDEN_SIZE_MAX];
    struct pv_encoder out = {bytes, bytes + sizeof(bytes), false};
    pv_golden_read(file, title, &golden);
    pv_encode_u32(&out, 0xab);
    pv_encode_u32(&out, 0x1234);
    pv_encode_u32(&out, 0x01020304);
    pv_encode_i32(&out, -2);
    pv_encode_f32(&out, 1.0F);
    pv_encode_u32(&out, VK_TRUE);
    pv_encode_u64(&out, UINT64_C(0x1122334455667788));
    pv_encode_u64(&out, 5);
    pv_encode_u64(&out, VK_WHOLE_SIZE);
    pv_golden_check(&golden, title, bytes, (size_t)(out.cursor - bytes));
    assert_int_equal((uint8_t)pv_load_u32(golden.bytes), 0xab);
    assert_int_equal((uint16_t)pv_load_u32(golden.bytes + 4), 0x1234);
    assert_int_equal(pv_load_i32(golden.bytes + 12), -2);
    assert_true(pv_load_f32(golden.bytes + 16) == 1.0F);
    assert_true(pv_load_u64(golden.bytes + 24) == UINT64_C(0x1122334455667788));
}

static void enums_flags_and_handles_have_4_and_8_bytes(void **state)
{
    (void)state;
    struct pv_golden golden;
    uint8_t bytes[PV_GOLDEN_SIZE_MAX];
    struct pv_encoder out = {bytes, bytes + sizeof(bytes), false};
    pv_golden_read(file, "VkFormat 44, VkFlags 0x12, VkFlags64", &golden);
    pv_encode_i32(&out, VK_FORMAT_B8G8R8A8_UNORM);
    pv_encode_u32(&out, 0x12);
    pv_encode_u64(&out, UINT64_C(0x100000001));
    pv_golden_check(&golden, "flags", bytes, (size_t)(out.cursor - bytes));
    out.cursor = bytes;
    pv_golden_read(file, "VkBuffer id 42, VkDevice NULL", &golden);
    pv_encode_u64(&out, 42);
    pv_encode_u64(&out, 0);
    pv_golden_check(&golden, "handles", bytes, (size_t)(out.cursor - bytes));
}

/* --- structs ---------------------------------------------------------------------------------- */

static void structs_with_arrays_and_strings_are_mesa_s(void **state)
{
    (void)state;
    const uint32_t code[] = {0x07230203, 1, 2};
    CHECK_STRUCT(VkShaderModuleCreateInfo, (&(VkShaderModuleCreateInfo){
                                               .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                               .codeSize = 12,
                                               .pCode = code,
                                           }));
    const VkSampleMask mask = UINT32_MAX;
    CHECK_STRUCT(VkPipelineMultisampleStateCreateInfo,
                 (&(VkPipelineMultisampleStateCreateInfo){
                     .sType = VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO,
                     .rasterizationSamples = VK_SAMPLE_COUNT_4_BIT,
                     .pSampleMask = &mask,
                 }));
    const VkDescriptorBufferInfo buffer = {.buffer = HANDLE(7), .range = VK_WHOLE_SIZE};
    CHECK_STRUCT(VkWriteDescriptorSet, (&(VkWriteDescriptorSet){
                                           .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                           .dstSet = HANDLE(8),
                                           .dstBinding = 1,
                                           .descriptorCount = 1,
                                           .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
                                           .pBufferInfo = &buffer,
                                       }));
    const VkSpecializationMapEntry entry = {.constantID = 0, .offset = 0, .size = 1};
    const VkSpecializationInfo special = {1, &entry, 1, (const uint8_t[]){7}};
    CHECK_STRUCT(VkPipelineShaderStageCreateInfo,
                 (&(VkPipelineShaderStageCreateInfo){
                     .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                     .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                     .module = HANDLE(0x70),
                     .pName = "main",
                     .pSpecializationInfo = &special,
                 }));
}

static void unions_have_mesa_s_tags(void **state)
{
    (void)state;
    struct pv_golden golden;
    uint8_t bytes[PV_GOLDEN_SIZE_MAX];
    struct pv_encoder out = {bytes, bytes + sizeof(bytes), false};
    const VkClearValue red = {.color.float32 = {1.0F, 0.0F, 0.0F, 1.0F}};
    const VkClearColorValue numbers = {.uint32 = {1, 2, 3, 4}};
    pv_golden_read(file, "VkClearValue red, VkClearColorValue 1 2 3 4", &golden);
    pv_encode_VkClearValue(&out, &red);
    pv_encode_VkClearColorValue(&out, &numbers);
    pv_golden_check(&golden, "clear values", bytes, (size_t)(out.cursor - bytes));

    struct pv_decoder in = {.cursor = golden.bytes, .end = golden.bytes + golden.size};
    VkClearValue value;
    VkClearColorValue colour;
    pv_decode_VkClearValue(&in, &value);
    pv_decode_VkClearColorValue(&in, &colour);
    assert_true(pv_decode_ok(&in));
    assert_memory_equal(&value, &red, sizeof(red));
    assert_memory_equal(&colour, &numbers, sizeof(numbers));
}

static void a_selected_union_has_the_selector_s_tag(void **state)
{
    (void)state;
    CHECK_STRUCT(
        VkAccelerationStructureGeometryKHR,
        (&(VkAccelerationStructureGeometryKHR){
            .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_KHR,
            .geometryType = VK_GEOMETRY_TYPE_AABBS_KHR,
            .geometry.aabbs =
                {
                    .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_AABBS_DATA_KHR,
                    .data.deviceAddress = 0x1000,
                    .stride = 24,
                },
            .flags = VK_GEOMETRY_OPAQUE_BIT_KHR,
        }));
}

/* --- commands --------------------------------------------------------------------------------- */

static void instance_commands_are_mesa_s(void **state)
{
    (void)state;
    const VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                           .pApplicationName = "ab",
                                           .applicationVersion = 1,
                                           .apiVersion = VK_API_VERSION_1_1};
    const VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                       .pApplicationInfo = &application};
    VkInstance instance = HANDLE(1);
    CHECK(vkCreateInstance, .pCreateInfo = &info, .pInstance = &instance);

    uint32_t count = 2;
    VkQueueFamilyProperties2 families[] = {{.sType = VK_STRUCTURE_TYPE_QUEUE_FAMILY_PROPERTIES_2},
                                           {.sType = VK_STRUCTURE_TYPE_QUEUE_FAMILY_PROPERTIES_2}};
    struct pv_vkGetPhysicalDeviceQueueFamilyProperties2 asks = {
        .physicalDevice = HANDLE(2), .pQueueFamilyPropertyCount = &count};
    check("vkGetPhysicalDeviceQueueFamilyProperties2 asking for the count",
          &pv_args_vkGetPhysicalDeviceQueueFamilyProperties2, &asks, NULL);
    asks.pQueueFamilyProperties = families;
    check("vkGetPhysicalDeviceQueueFamilyProperties2 asking for 2",
          &pv_args_vkGetPhysicalDeviceQueueFamilyProperties2, &asks, NULL);

    VkPhysicalDeviceVulkan11Features features11 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES};
    VkPhysicalDeviceVulkan12Features features12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, .pNext = &features11};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = &features12};
    CHECK(vkGetPhysicalDeviceFeatures2, .physicalDevice = HANDLE(2), .pFeatures = &features);
    VkPhysicalDeviceMemoryProperties2 memory = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
    CHECK(vkGetPhysicalDeviceMemoryProperties2, .physicalDevice = HANDLE(2),
          .pMemoryProperties = &memory);
}

static void device_commands_are_mesa_s(void **state)
{
    (void)state;
    VkDevice device = HANDLE(3);
    const VkDeviceQueueTimelineInfoMESA timeline = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_TIMELINE_INFO_MESA, .ringIdx = 1};
    const VkDeviceQueueInfo2 which = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_INFO_2,
                                      .pNext = &timeline};
    VkQueue queue = HANDLE(5);
    CHECK(vkGetDeviceQueue2, .device = device, .pQueueInfo = &which, .pQueue = &queue);

    const VkExportMemoryAllocateInfo exported = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT};
    const VkMemoryDedicatedAllocateInfo dedicated = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
        .pNext = &exported,
        .image = HANDLE(9)};
    const VkMemoryAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                           .pNext = &dedicated,
                                           .allocationSize = 0x1000,
                                           .memoryTypeIndex = 2};
    VkDeviceMemory memory = HANDLE(0x10);
    CHECK(vkAllocateMemory, .device = device, .pAllocateInfo = &allocate, .pMemory = &memory);

    const uint32_t families[] = {0, 1};
    VkBufferCreateInfo buffer_info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                      .size = 256,
                                      .usage = VK_BUFFER_USAGE_VERTEX_BUFFER_BIT,
                                      .queueFamilyIndexCount = 2,
                                      .pQueueFamilyIndices = families};
    VkBufferCreateInfo without = buffer_info;
    without.pQueueFamilyIndices = NULL; /* ignored unless the sharing is concurrent */
    VkBuffer buffer = HANDLE(7);
    struct pv_vkCreateBuffer create = {
        .device = device, .pCreateInfo = &buffer_info, .pBuffer = &buffer};
    struct pv_vkCreateBuffer wire = create;
    wire.pCreateInfo = &without;
    check("vkCreateBuffer", &pv_args_vkCreateBuffer, &create, &wire);

    const VkCommandBufferAllocateInfo buffers = {.sType =
                                                     VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                                 .commandPool = HANDLE(0x40),
                                                 .commandBufferCount = 2};
    VkCommandBuffer ids[] = {HANDLE(0x41), HANDLE(0x42)};
    CHECK(vkAllocateCommandBuffers, .device = device, .pAllocateInfo = &buffers,
          .pCommandBuffers = ids);
    CHECK(vkDestroyFence, .device = device, .fence = HANDLE(0x31));
    uint8_t results[16] = {0};
    CHECK(vkGetQueryPoolResults, .device = device, .queryPool = HANDLE(0x50), .queryCount = 2,
          .dataSize = 16, .pData = results, .stride = 8, .flags = VK_QUERY_RESULT_64_BIT);
    size_t size = 10;
    CHECK(vkGetPipelineCacheData, .device = device, .pipelineCache = HANDLE(0x60),
          .pDataSize = &size, .pData = results);
}

static void recorded_commands_are_mesa_s(void **state)
{
    (void)state;
    VkCommandBuffer commands = HANDLE(0x20);
    CHECK(vkCmdPushConstants, .commandBuffer = commands, .layout = HANDLE(0x21),
          .stageFlags = VK_SHADER_STAGE_VERTEX_BIT, .size = 5,
          .pValues = (const uint8_t[]){1, 2, 3, 4, 5});
    CHECK(vkCmdSetBlendConstants, .commandBuffer = commands,
          .blendConstants = (const float[]){0.0F, 0.0F, 0.0F, 1.0F});
    const VkMultiDrawInfoEXT draws[] = {{1, 2}, {3, 4}};
    CHECK(vkCmdDrawMultiEXT, .commandBuffer = commands, .drawCount = 2, .pVertexInfo = draws,
          .instanceCount = 1, .stride = sizeof(draws[0]));

    const VkSemaphore wait = HANDLE(0x30);
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT;
    const VkSubmitInfo submit = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                 .waitSemaphoreCount = 1,
                                 .pWaitSemaphores = &wait,
                                 .pWaitDstStageMask = &stage,
                                 .commandBufferCount = 1,
                                 .pCommandBuffers = &commands};
    CHECK(vkQueueSubmit, .queue = HANDLE(5), .submitCount = 1, .pSubmits = &submit,
          .fence = HANDLE(0x31));
}

static void transport_commands_are_mesa_s(void **state)
{
    (void)state;
    const uint64_t ring = 0xaabbccdd;
    const VkRingMonitorInfoMESA monitor = {.sType = VK_STRUCTURE_TYPE_RING_MONITOR_INFO_MESA,
                                           .maxReportingPeriodMicroseconds = 3000000};
    const VkRingCreateInfoMESA info = {.sType = VK_STRUCTURE_TYPE_RING_CREATE_INFO_MESA,
                                       .pNext = &monitor,
                                       .resourceId = 7,
                                       .size = 0x200c4,
                                       .idleTimeout = 1000000,
                                       .tailOffset = 0x40,
                                       .statusOffset = 0x80,
                                       .bufferOffset = 0xc0,
                                       .bufferSize = 0x20000,
                                       .extraOffset = 0x200c0,
                                       .extraSize = 4};
    CHECK(vkCreateRingMESA, .ring = ring, .pCreateInfo = &info);
    const VkCommandStreamDescriptionMESA stream = {8, 0x40, 0x20};
    CHECK(vkSetReplyCommandStreamMESA, .pStream = &stream);
    CHECK(vkExecuteCommandStreamsMESA, .streamCount = 1, .pStreams = &stream);
    CHECK(vkNotifyRingMESA, .ring = ring, .seqno = 0x120);
    CHECK(vkWaitRingSeqnoMESA, .ring = ring, .seqno = 0x120);
    CHECK(vkSubmitVirtqueueSeqnoMESA, .ring = ring, .seqno = 1);
    CHECK(vkWaitVirtqueueSeqnoMESA, .seqno = 1);
    VkMemoryResourceAllocationSizePropertiesMESA size = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_RESOURCE_ALLOCATION_SIZE_PROPERTIES_MESA};
    VkMemoryResourcePropertiesMESA properties = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_RESOURCE_PROPERTIES_MESA, .pNext = &size};
    CHECK(vkGetMemoryResourcePropertiesMESA, .device = HANDLE(3), .resourceId = 11,
          .pMemoryResourceProperties = &properties);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_values_are_little_endian_in_4_or_8_bytes),
        cmocka_unit_test(enums_flags_and_handles_have_4_and_8_bytes),
        cmocka_unit_test(structs_with_arrays_and_strings_are_mesa_s),
        cmocka_unit_test(unions_have_mesa_s_tags),
        cmocka_unit_test(a_selected_union_has_the_selector_s_tag),
        cmocka_unit_test(instance_commands_are_mesa_s),
        cmocka_unit_test(device_commands_are_mesa_s),
        cmocka_unit_test(recorded_commands_are_mesa_s),
        cmocka_unit_test(transport_commands_are_mesa_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
