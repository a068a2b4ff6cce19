/* What shaders compute with: types, layouts, atomics, subgroups and groups. */
#include "app.h"

#include <string.h>

/* clang-format off */
#include "num_arithmetic_comp.spv.h"
#include "num_atomics64_comp.spv.h"
#include "num_ballot_comp.spv.h"
#include "num_clock_comp.spv.h"
#include "num_dot_comp.spv.h"
#include "num_explicit_comp.spv.h"
#include "num_float16_comp.spv.h"
#include "num_float64_comp.spv.h"
#include "num_float_atomics_comp.spv.h"
#include "num_groups_comp.spv.h"
#include "num_int16_comp.spv.h"
#include "num_int64_comp.spv.h"
#include "num_int8_comp.spv.h"
#include "num_quad_comp.spv.h"
#include "num_scalar_comp.spv.h"
#include "num_shuffle_comp.spv.h"
#include "num_storage_comp.spv.h"
#include "num_zeroed_comp.spv.h"
/* clang-format on */

enum {
    COUNT = 64,
    SPREAD = 128, /* invocations of a group that has subgroups */
    WORDS_MAX = 40 * 64,
};

/* Runs the shader on the words, which must become the expected ones. */
static void run(struct app *app, VkShaderModule module, uint32_t groups, const void *words,
                const void *expected, size_t size)
{
    static uint32_t copy[WORDS_MAX]; /* of what is expected, whatever its type */
    struct app_buffer data = app_buffer(app, size, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    struct app_kernel kernel = app_kernel(app, module, NULL, 0, &data);
    memcpy(data.map, words, size);
    memcpy(copy, expected, size);
    VkCommandBuffer command = app_begin(app);
    app_dispatch(app, command, &kernel, groups);
    app_run(app, command);
    app_expect_words(app, "computed", data.map, copy, size / sizeof(uint32_t));
}

/* --- types and layouts ------------------------------------------------------------------------ */

static void storage_of_8_and_16_bits(struct app *app)
{
    struct {
        uint8_t bytes[COUNT];
        uint16_t halves[COUNT];
    } data, expected;
    for (uint32_t i = 0; i < COUNT; i++) {
        data.bytes[i] = (uint8_t)(i * 37);
        data.halves[i] = (uint16_t)(i * 999);
        expected.bytes[i] = (uint8_t)(255 - data.bytes[i]);
        expected.halves[i] =
            (uint16_t)(data.bytes[i] * APP_OR(300u, 301u) + (uint32_t)data.halves[i]);
    }
    run(app, APP_SHADER(app, num_storage_comp), 1, &data, &expected, sizeof(data));
}

static void shader_int8(struct app *app)
{
    int8_t data[2 * COUNT], expected[2 * COUNT];
    for (int i = 0; i < 2 * COUNT; i++) {
        data[i] = (int8_t)(uint8_t)(i * 43);
        expected[i] = data[i];
    }
    for (int i = 0; i < COUNT; i++) {
        expected[i] = (int8_t)(uint8_t)(data[i] * data[i + COUNT] - APP_OR(5, 6));
    }
    run(app, APP_SHADER(app, num_int8_comp), 1, data, expected, sizeof(data));
}

static void shader_int16(struct app *app)
{
    int16_t data[2 * COUNT], expected[2 * COUNT];
    for (int i = 0; i < 2 * COUNT; i++) {
        data[i] = (int16_t)(uint16_t)(i * 4321);
        expected[i] = data[i];
    }
    for (int i = 0; i < COUNT; i++) {
        expected[i] = (int16_t)(uint16_t)(data[i] * data[i + COUNT] - APP_OR(5, 6));
    }
    run(app, APP_SHADER(app, num_int16_comp), 1, data, expected, sizeof(data));
}

static void shader_int64(struct app *app)
{
    uint64_t data[COUNT], expected[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        data[i] = i * UINT64_C(0x9e3779b97f4a7c15);
        int64_t quotient = (int64_t)data[i] / APP_OR(1000, 1001);
        expected[i] =
            (data[i] * data[i] >> 3) + (uint64_t)quotient + (data[i] > UINT64_C(1) << 63 ? 1 : 0);
    }
    run(app, APP_SHADER(app, num_int64_comp), 1, data, expected, sizeof(data));
}

static void shader_float64(struct app *app)
{
    double data[COUNT], expected[COUNT];
    for (int i = 0; i < COUNT; i++) {
        data[i] = i * 1000 - 7;
        expected[i] = data[i] * APP_OR(3, 4) + 4503599627370496.0;
    }
    run(app, APP_SHADER(app, num_float64_comp), 1, data, expected, sizeof(data));
}

/* Of a positive number that has an exact half. */
static uint16_t half_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return value == 0 ? 0 : (uint16_t)((bits >> 13) - (112u << 10));
}

static void shader_float16(struct app *app)
{
    uint16_t data[COUNT], expected[COUNT];
    for (int i = 0; i < COUNT; i++) {
        float x = (float)i / 4;
        data[i] = half_of(x);
        expected[i] = half_of(x * 2 - 0.5f > 8 ? x * 2 - APP_OR(0.5f, 0.25f) : 8);
    }
    run(app, APP_SHADER(app, num_float16_comp), 1, data, expected, sizeof(data));
}

static void scalar_block_layout(struct app *app)
{
    enum { ELEMENTS = 32, WORDS = 1 + 3 * ELEMENTS + 3 };
    uint32_t data[WORDS], expected[WORDS];
    for (uint32_t i = 0; i < WORDS; i++) {
        expected[i] = data[i] = (i + 1) * 1000;
    }
    for (uint32_t i = 1; i < 1 + 3 * ELEMENTS; i += 3) {
        expected[i] = data[i + 1] + data[0];
        expected[i + 1] = data[i] + data[0];
        expected[i + 2] = data[i + 2] + data[APP_OR(WORDS - 1, 0)];
    }
    run(app, APP_SHADER(app, num_scalar_comp), 1, data, expected, sizeof(data));
}

static void integer_dot_product(struct app *app)
{
    uint32_t data[COUNT], expected[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        data[i] = i * 12345;
        expected[i] = data[i] * (4 * i + APP_OR(6, 7));
    }
    run(app, APP_SHADER(app, num_dot_comp), 1, data, expected, sizeof(data));
}

/* --- atomics ---------------------------------------------------------------------------------- */

static void atomics_of_64_bits(struct app *app)
{
    enum { INVOCATIONS = 3 * 64 };
    uint64_t data[3] = {5, 6, 0}, expected[3] = {5, (uint64_t)(INVOCATIONS - 1) << 40, 0};
    for (uint64_t i = 0; i < INVOCATIONS; i++) {
        expected[0] += i * UINT64_C(0x100000001);
        expected[2] |= UINT64_C(1) << i % 37;
    }
    run(app, APP_SHADER(app, num_atomics64_comp), APP_OR(3, 2), data, expected, sizeof(data));
}

/* All sums are exact, in whatever order. */
static void float_atomics(struct app *app)
{
    enum { BINS = 16, INVOCATIONS = 5 * 64 };
    float data[BINS] = {0}, expected[BINS] = {0};
    for (int i = 0; i < INVOCATIONS; i++) {
        expected[i % BINS] += 0.5f * (float)i;
    }
    run(app, APP_SHADER(app, num_float_atomics_comp), APP_OR(5, 4), data, expected, sizeof(data));
}

/* --- workgroup memory ------------------------------------------------------------------------- */

/* Small whole floats, written as words and read as vectors by another block. */
static void workgroup_memory_explicit_layout(struct app *app)
{
    float data[COUNT];
    uint32_t expected[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        data[i] = (float)(i * 3);
        expected[i] = ((APP_OR(15, 14) - i / 4) * 4 + i % 4) * 3;
    }
    run(app, APP_SHADER(app, num_explicit_comp), 1, data, expected, sizeof(data));
}

/* Many groups, so that some find the memory that others have used. */
static void zero_initialized_workgroup_memory(struct app *app)
{
    enum { GROUPS = 40 };
    uint32_t data[GROUPS * 64] = {0}, expected[GROUPS * 64];
    for (uint32_t i = 0; i < GROUPS * 64; i++) {
        expected[i] = APP_OR(64, 63) - i % 64;
    }
    run(app, APP_SHADER(app, num_zeroed_comp), GROUPS, data, expected, sizeof(data));
}

/* --- subgroups: words lie in the order of subgroups and the invocations in them --------------- */

static uint32_t subgroup_size(struct app *app, VkSubgroupFeatureFlags operations)
{
    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &subgroup};
    app->vki.GetPhysicalDeviceProperties2(app->gpu, &properties);
    if ((subgroup.supportedOperations & operations) != operations) {
        app_skip(app, "no such operations of subgroups");
    }
    if (subgroup.subgroupSize < 4 || SPREAD % subgroup.subgroupSize != 0) {
        app_skip(app, "no subgroups of a size that divides 128");
    }
    return subgroup.subgroupSize;
}

static void subgroup_ballot(struct app *app)
{
    const uint32_t size = subgroup_size(app, VK_SUBGROUP_FEATURE_BALLOT_BIT);
    uint32_t data[SPREAD] = {0}, expected[SPREAD], count = 0;
    for (uint32_t i = 0; i < SPREAD; i++) {
        count = (i % size == 0 ? 0 : count) + (i % APP_OR(3, 4) == 0);
        expected[i] = count + 1000 * (i / size * size);
    }
    run(app, APP_SHADER(app, num_ballot_comp), 1, data, expected, sizeof(data));
}

static void expect_arithmetic(uint32_t *expected, uint32_t size)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < SPREAD; i++) {
        sum = (i % size == 0 ? 0 : sum) + i * i;
        expected[i] = sum + (i / size * size + size - APP_OR(1, 2)) * 0x1000000;
    }
}

static void subgroup_arithmetic(struct app *app)
{
    const uint32_t size = subgroup_size(app, VK_SUBGROUP_FEATURE_ARITHMETIC_BIT);
    uint32_t data[SPREAD] = {0}, expected[SPREAD];
    expect_arithmetic(expected, size);
    run(app, APP_SHADER(app, num_arithmetic_comp), 1, data, expected, sizeof(data));
}

static void subgroup_shuffle(struct app *app)
{
    const uint32_t size = subgroup_size(app, VK_SUBGROUP_FEATURE_SHUFFLE_BIT);
    uint32_t data[SPREAD] = {0}, expected[SPREAD];
    for (uint32_t i = 0; i < SPREAD; i++) {
        uint32_t other = i / size * size + size - 1 - i % size;
        expected[i] = other * 7 + 1000 * (i ^ APP_OR(1, 2));
    }
    run(app, APP_SHADER(app, num_shuffle_comp), 1, data, expected, sizeof(data));
}

static void subgroup_quad(struct app *app)
{
    (void)subgroup_size(app, VK_SUBGROUP_FEATURE_QUAD_BIT);
    uint32_t data[SPREAD] = {0}, expected[SPREAD];
    for (uint32_t i = 0; i < SPREAD; i++) {
        expected[i] =
            (i ^ 1) + 200 * (i ^ 2) + 40000 * (i ^ 3) + 8000000 * (i / 4 * 4 + APP_OR(2, 1));
    }
    run(app, APP_SHADER(app, num_quad_comp), 1, data, expected, sizeof(data));
}

/* With that pipeline, whose layout is missing yet. */
static struct app_kernel special_kernel(struct app *app, VkComputePipelineCreateInfo *info,
                                        const struct app_buffer *buffer)
{
    struct app_kernel kernel = app_kernel(app, VK_NULL_HANDLE, NULL, 0, buffer);
    info->sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
    info->layout = kernel.layout;
    APP_CHECK(app, CreateComputePipelines, app->device, VK_NULL_HANDLE, 1, info, NULL,
              &kernel.pipeline);
    app_keep(app, PIPELINE, kernel.pipeline);
    return kernel;
}

/* Full subgroups of each size that may be asked for. */
static void subgroup_size_control(struct app *app)
{
    VkPhysicalDeviceSubgroupSizeControlProperties sizes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES};
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &sizes};
    app->vki.GetPhysicalDeviceProperties2(app->gpu, &properties);
    (void)subgroup_size(app, VK_SUBGROUP_FEATURE_ARITHMETIC_BIT);
    if ((sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) == 0) {
        app_skip(app, "no required subgroup size for compute");
    }
    VkShaderModule module = APP_SHADER(app, num_arithmetic_comp);
    for (uint32_t size = sizes.minSubgroupSize; size <= sizes.maxSubgroupSize; size *= 2) {
        const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo required = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
            .requiredSubgroupSize = size,
        };
        VkComputePipelineCreateInfo info = {.stage =
                                                app_stage(VK_SHADER_STAGE_COMPUTE_BIT, module)};
        info.stage.pNext = &required;
        info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
        uint32_t expected[SPREAD];
        struct app_buffer data =
            app_buffer(app, sizeof(expected), VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
        struct app_kernel kernel = special_kernel(app, &info, &data);
        VkCommandBuffer command = app_begin(app);
        app_dispatch(app, command, &kernel, 1);
        app_run(app, command);
        expect_arithmetic(expected, size);
        app_expect_words(app, "computed", data.map, expected, SPREAD);
    }
}

/* --- groups ----------------------------------------------------------------------------------- */

/* Groups of 8 x 4, from number `base` on. A group whose size is a constant in SPIR-V 1.6 needs
 * maintenance4. */
static void run_groups(struct app *app, uint32_t width, VkPipelineCreateFlags flags, uint32_t base)
{
    enum { SIZE = 32, GROUPS = 6 };
    const uint32_t sizes[] = {width, SIZE / width};
    static const VkSpecializationMapEntry entries[] = {{0, 0, 4}, {1, 4, 4}};
    const VkSpecializationInfo constants = {2, entries, sizeof(sizes), sizes};
    VkComputePipelineCreateInfo info = {
        .flags = flags,
        .stage = app_stage(VK_SHADER_STAGE_COMPUTE_BIT, APP_SHADER(app, num_groups_comp))};
    struct app_buffer data = app_buffer(app, SIZE * GROUPS * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    info.stage.pSpecializationInfo = &constants;
    struct app_kernel kernel = special_kernel(app, &info, &data);
    uint32_t expected[SIZE * GROUPS] = {0};
    for (uint32_t i = 2 * SIZE; i < SIZE * GROUPS; i++) {
        expected[i] = i / SIZE * 10000 + i % SIZE / 8 * 100 + i % 8;
    }
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, kernel.pipeline);
    app->vk.CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_COMPUTE, kernel.layout, 0, 1,
                                  &kernel.set, 0, NULL);
    if (flags == 0) {
        app->vk.CmdDispatch(command, GROUPS, 1, 1);
        app_barrier(app, command);
        app->vk.CmdFillBuffer(command, data.buffer, 0, 2 * SIZE * 4, 0);
    } else {
        app->vk.CmdDispatchBase(command, base, 0, 0, GROUPS - 2, 1, 1);
    }
    app_run(app, command);
    app_expect_words(app, "computed", data.map, expected, SIZE * GROUPS);
}

static void specialized_workgroup_size(struct app *app)
{
    run_groups(app, APP_OR(8, 4), 0, 0);
}

static void dispatch_base(struct app *app)
{
    run_groups(app, 8, VK_PIPELINE_CREATE_DISPATCH_BASE_BIT, APP_OR(2, 1));
}

/* What the clocks show differs: only that all wrote something does not. */
static void shader_clock(struct app *app)
{
    struct app_buffer data = app_buffer(app, COUNT * 16, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    struct app_kernel kernel = app_kernel(app, APP_SHADER(app, num_clock_comp), NULL, 0, &data);
    const uint32_t *words = data.map;
    uint32_t seen[COUNT], expected[COUNT];
    VkCommandBuffer command = app_begin(app);
    app_dispatch(app, command, &kernel, APP_OR(1, 0));
    app_run(app, command);
    for (uint32_t i = 0; i < COUNT; i++, words += 4) {
        seen[i] = i + 1u * ((words[0] | words[1]) != 0) + 100u * ((words[2] | words[3]) != 0);
        expected[i] = i + 101;
    }
    app_expect_words(app, "clocks", seen, expected, COUNT);
}

#define VULKAN11 "VkPhysicalDeviceVulkan11Features."
#define VULKAN12 "VkPhysicalDeviceVulkan12Features."
#define VULKAN13 "VkPhysicalDeviceVulkan13Features."

const struct app_case app_cases_numbers[] = {
    APP_CASE(subgroup_ballot),
    APP_CASE(subgroup_arithmetic),
    APP_CASE(subgroup_shuffle),
    APP_CASE(subgroup_quad),
    APP_CASE(storage_of_8_and_16_bits, VULKAN11 "storageBuffer16BitAccess",
             VULKAN12 "storageBuffer8BitAccess"),
    APP_CASE(shader_int8, VULKAN12 "storageBuffer8BitAccess", VULKAN12 "shaderInt8"),
    APP_CASE(shader_int16, VULKAN11 "storageBuffer16BitAccess",
             "VkPhysicalDeviceFeatures.shaderInt16"),
    APP_CASE(shader_float16, VULKAN11 "storageBuffer16BitAccess", VULKAN12 "shaderFloat16"),
    APP_CASE(shader_int64, "VkPhysicalDeviceFeatures.shaderInt64"),
    APP_CASE(shader_float64, "VkPhysicalDeviceFeatures.shaderFloat64"),
    APP_CASE(scalar_block_layout, VULKAN12 "scalarBlockLayout"),
    APP_CASE(integer_dot_product, VULKAN13 "shaderIntegerDotProduct"),
    APP_CASE(atomics_of_64_bits, VULKAN12 "shaderBufferInt64Atomics",
             "VkPhysicalDeviceFeatures.shaderInt64"),
    APP_CASE(float_atomics, "VK_EXT_shader_atomic_float",
             "VkPhysicalDeviceShaderAtomicFloatFeaturesEXT.shaderBufferFloat32AtomicAdd"),
    APP_CASE(
        workgroup_memory_explicit_layout, "VK_KHR_workgroup_memory_explicit_layout",
        "VkPhysicalDeviceWorkgroupMemoryExplicitLayoutFeaturesKHR.workgroupMemoryExplicitLayout"),
    APP_CASE(specialized_workgroup_size, VULKAN13 "maintenance4"),
    APP_CASE(dispatch_base, VULKAN13 "maintenance4"),
    APP_CASE(zero_initialized_workgroup_memory, VULKAN13 "shaderZeroInitializeWorkgroupMemory"),
    APP_CASE(subgroup_size_control, VULKAN13 "subgroupSizeControl",
             VULKAN13 "computeFullSubgroups"),
    APP_CASE(shader_clock, "VK_KHR_shader_clock",
             "VkPhysicalDeviceShaderClockFeaturesKHR.shaderSubgroupClock",
             "VkPhysicalDeviceShaderClockFeaturesKHR.shaderDeviceClock"),
    {0},
};
