#include "fakes/bytes.h"
#include "test_args.gen.h"
#include "unit/check.h"

#include <stdlib.h>
#include <string.h>

/* What a hostile guest may send instead of a command. */

enum { DEVICE = 3, QUEUE = 5, COMMANDS = 0x20, STREAM_SIZE = 4 << 20 };

static const uint64_t all_ones = UINT64_MAX;

/* --- cut short -------------------------------------------------------------------------------- */

static void check_prefixes(struct pv_random *random, const struct pv_args_command *command,
                           uint8_t *stream)
{
    _Alignas(16) uint8_t args[BYTES_ARGS_SIZE_MAX];
    struct pv_arena arena;
    pv_arena_init(&arena, STREAM_SIZE);
    pv_random_args(random, &arena, command, args);
    struct pv_encoder out = {stream, stream + STREAM_SIZE, false};
    command->encode(&out, 0, args);
    assert_false(out.overflow);
    size_t size = (size_t)(out.cursor - stream) - 8;
    size_t step = size < 4096 ? 4 : size / 1024 / 4 * 4;
    for (size_t cut = 0; cut < size; cut += step) {
        if (bytes_decode_prefix(command, stream + 8, cut, args) == NULL) {
            fail_msg("%s was decoded from %zu of %zu bytes", command->type.name, cut, size);
        }
    }
    assert_null(bytes_decode_prefix(command, stream + 8, size, args));
    pv_arena_finish(&arena);
}

static void a_command_that_is_cut_short_is_a_fault(void **state)
{
    (void)state;
    struct pv_random random;
    uint8_t *stream = malloc(STREAM_SIZE);
    assert_non_null(stream);
    bytes_begin();
    pv_random_init(&random, pv_random_seed("cuts", 6));
    for (uint32_t i = 0; i < PV_ARGS_COMMAND_COUNT; i++) {
        check_prefixes(&random, pv_args_commands[i], stream);
        check_prefixes(&random, pv_args_commands[i], stream);
    }
    free(stream);
}

/* --- counts ----------------------------------------------------------------------------------- */

/* vkCmdSetViewport without its viewports. */
static void begin_viewports(uint32_t count, uint64_t size)
{
    bytes_begin();
    bytes_u64(COMMANDS);
    bytes_u32(0);
    bytes_u32(count);
    bytes_u64(size);
}

static void an_array_s_size_must_be_its_length(void **state)
{
    (void)state;
    struct pv_vkCmdSetViewport a;
    begin_viewports(1, 1);
    bytes_zeros(6);
    bytes_expect_ok(&pv_args_vkCmdSetViewport, &a);
    assert_non_null(a.pViewports);
    const uint64_t wrong[] = {2, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        begin_viewports(1, wrong[i]);
        bytes_zeros(12);
        bytes_expect_fault(&pv_args_vkCmdSetViewport,
                           "an array's size is not what its length says");
    }
}

static void a_required_array_may_be_missing_only_without_a_length(void **state)
{
    (void)state;
    struct pv_vkCmdSetViewport a;
    begin_viewports(0, 0);
    bytes_expect_ok(&pv_args_vkCmdSetViewport, &a);
    assert_null(a.pViewports);
    begin_viewports(1, 0);
    bytes_expect_fault(&pv_args_vkCmdSetViewport, "an array that Vulkan requires is missing");
    begin_viewports(0, 1);
    bytes_zeros(6);
    bytes_expect_fault(&pv_args_vkCmdSetViewport, "an array's size is not what its length says");
}

static void a_huge_count_is_refused_before_anything_is_allocated(void **state)
{
    (void)state;
    begin_viewports(UINT32_MAX, UINT32_MAX);
    bytes_zeros(6);
    bytes_expect_fault(&pv_args_vkCmdSetViewport, "the command is cut short");
    /* Elements that the decoder has to make, unlike the packed ones above. */
    bytes_begin();
    bytes_u64(QUEUE);
    bytes_u32(UINT32_MAX);
    bytes_u64(UINT32_MAX);
    bytes_zeros(100);
    bytes_expect_fault(&pv_args_vkQueueSubmit, "an array is longer than the stream");
    assert_int_equal(bytes_taken(), 0);
}

/* Elements of outputs take no bytes at all: 12 bytes ask for 2^32 structs. */
static void elements_without_bytes_are_bounded_by_memory(void **state)
{
    (void)state;
    const uint32_t counts[] = {UINT32_MAX, 1 << 24};
    for (size_t i = 0; i < 2; i++) {
        bytes_begin();
        bytes_u64(2);
        bytes_u64(1);
        bytes_u32(counts[i]);
        bytes_u64(counts[i]);
        bytes_expect_fault(&pv_args_vkGetPhysicalDeviceQueueFamilyProperties,
                           "a command that takes too much memory to decode");
    }
    struct pv_vkGetPhysicalDeviceQueueFamilyProperties a;
    bytes_begin();
    bytes_u64(2);
    bytes_u64(1);
    bytes_u32(3);
    bytes_u64(3);
    bytes_expect_ok(&pv_args_vkGetPhysicalDeviceQueueFamilyProperties, &a);
    assert_int_equal(a.pQueueFamilyProperties[2].queueCount, 0);
}

static void an_output_s_size_of_2_to_the_64_is_refused(void **state)
{
    (void)state;
    bytes_begin();
    bytes_u64(DEVICE);
    bytes_u64(0x60);
    bytes_u64(1);
    bytes_u64(all_ones);
    bytes_u64(all_ones);
    bytes_expect_fault(&pv_args_vkGetPipelineCacheData,
                       "a command that takes too much memory to decode");
}

static void inner_arrays_have_their_own_lengths(void **state)
{
    (void)state;
    for (uint64_t inner = 0; inner < 3; inner++) {
        bytes_begin();
        bytes_u64(COMMANDS);
        bytes_u32(1);
        bytes_u64(1);
        bytes_struct(VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_BUILD_GEOMETRY_INFO_KHR);
        bytes_zeros(3 + 4); /* type, flags, mode, two handles */
        bytes_u32(1);       /* geometryCount */
        bytes_u64(0);
        bytes_u64(0);
        bytes_zeros(3); /* scratchData: tag and address */
        bytes_u64(1);
        bytes_u64(inner);
        bytes_zeros(4 * (uint32_t)inner);
        if (inner == 1) {
            struct pv_vkCmdBuildAccelerationStructuresKHR a;
            bytes_expect_ok(&pv_args_vkCmdBuildAccelerationStructuresKHR, &a);
        } else {
            bytes_expect_fault(&pv_args_vkCmdBuildAccelerationStructuresKHR,
                               inner == 0 ? "an array that Vulkan requires is missing"
                                          : "an array's size is not what its length says");
        }
    }
}

static void a_fixed_array_has_its_size(void **state)
{
    (void)state;
    for (uint32_t size = 3; size <= 5; size++) {
        bytes_begin();
        bytes_u64(COMMANDS);
        bytes_u64(size);
        bytes_zeros(size);
        if (size == 4) {
            struct pv_vkCmdSetBlendConstants a;
            bytes_expect_ok(&pv_args_vkCmdSetBlendConstants, &a);
        } else {
            bytes_expect_fault(&pv_args_vkCmdSetBlendConstants,
                               "an array's size is not what its length says");
        }
    }
}

/* --- limits ----------------------------------------------------------------------------------- */

static void a_command_may_take_no_more_than_its_arena(void **state)
{
    (void)state;
    struct pv_vkQueueSubmit a;
    for (uint32_t limited = 0; limited < 2; limited++) {
        const uint32_t count = 4096;
        bytes_begin();
        bytes_u64(QUEUE);
        bytes_u32(count);
        bytes_u64(count);
        for (uint32_t i = 0; i < count; i++) {
            bytes_struct(VK_STRUCTURE_TYPE_SUBMIT_INFO);
            bytes_zeros(11);
        }
        bytes_u64(0);
        if (limited == 0) {
            bytes_expect_ok(&pv_args_vkQueueSubmit, &a);
        } else {
            bytes_limit(128 * 1024);
            bytes_expect_fault(&pv_args_vkQueueSubmit,
                               "a command that takes too much memory to decode");
        }
    }
}

static void a_blob_longer_than_the_stream_is_a_fault(void **state)
{
    (void)state;
    const uint32_t sizes[] = {8, 1 << 30, UINT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        bytes_begin();
        bytes_u64(COMMANDS);
        bytes_u64(0x21);
        bytes_u32(1);
        bytes_u32(0);
        bytes_u32(sizes[i]);
        bytes_u64(sizes[i]);
        bytes_u32(0);
        bytes_expect_fault(&pv_args_vkCmdPushConstants, "the command is cut short");
    }
}

/* --- pointers --------------------------------------------------------------------------------- */

/* vkCreateFence with the words of its three pointers. */
static void write_fence(uint64_t info, uint64_t allocator, uint64_t fence)
{
    bytes_begin();
    bytes_u64(DEVICE);
    bytes_u64(info);
    if (info == 1) {
        bytes_struct(VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
        bytes_u32(0);
    }
    bytes_u64(allocator);
    bytes_u64(fence);
    if (fence == 1) {
        bytes_u64(0x31);
    }
}

static void a_pointer_is_0_or_1_and_there_where_vulkan_says(void **state)
{
    (void)state;
    struct pv_vkCreateFence a;
    write_fence(1, 0, 1);
    bytes_expect_ok(&pv_args_vkCreateFence, &a);
    write_fence(0, 0, 1);
    bytes_expect_fault(&pv_args_vkCreateFence, "a pointer that Vulkan requires is null");
    write_fence(1, 0, 0);
    bytes_expect_fault(&pv_args_vkCreateFence, "a pointer that Vulkan requires is null");
    write_fence(2, 0, 1);
    bytes_expect_fault(&pv_args_vkCreateFence, "a pointer is neither 0 nor 1");
    write_fence(all_ones, 0, 1);
    bytes_expect_fault(&pv_args_vkCreateFence, "a pointer is neither 0 nor 1");
}

static void a_pointer_that_the_wire_cannot_carry_must_be_null(void **state)
{
    (void)state;
    write_fence(1, 1, 1);
    bytes_expect_fault(&pv_args_vkCreateFence, "a pointer that the protocol cannot carry");
}

static void the_first_fault_is_the_one_that_is_told(void **state)
{
    (void)state;
    write_fence(0, 1, 0);
    bytes_expect_fault(&pv_args_vkCreateFence, "a pointer that Vulkan requires is null");
}

/* --- values ----------------------------------------------------------------------------------- */

static void write_shader(uint64_t code_size, uint64_t words)
{
    bytes_begin();
    bytes_u64(DEVICE);
    bytes_u64(1);
    bytes_struct(VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO);
    bytes_u32(0);
    bytes_u64(code_size);
    bytes_u64(words);
    bytes_zeros((uint32_t)words);
    bytes_u64(0);
    bytes_u64(1);
    bytes_u64(0x70);
}

static void a_shader_s_size_is_a_multiple_of_4(void **state)
{
    (void)state;
    struct pv_vkCreateShaderModule a;
    write_shader(12, 3);
    bytes_expect_ok(&pv_args_vkCreateShaderModule, &a);
    write_shader(13, 3);
    bytes_expect_fault(&pv_args_vkCreateShaderModule, "codeSize is not a multiple of 4");
}

static void write_front_face(int32_t front)
{
    bytes_begin();
    bytes_u64(COMMANDS);
    bytes_u32((uint32_t)front);
}

static void an_enum_s_value_is_one_that_the_registry_knows(void **state)
{
    (void)state;
    struct pv_vkCmdSetFrontFace a;
    write_front_face(VK_FRONT_FACE_CLOCKWISE);
    bytes_expect_ok(&pv_args_vkCmdSetFrontFace, &a);
    const int32_t wrong[] = {2, -1, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < 4; i++) {
        write_front_face(wrong[i]);
        bytes_expect_fault(&pv_args_vkCmdSetFrontFace, "an unknown VkFrontFace");
    }
}

static void a_boolean_becomes_0_or_1(void **state)
{
    (void)state;
    struct pv_vkCmdSetDepthTestEnable a;
    const uint32_t values[] = {0, 1, 2, UINT32_MAX};
    for (size_t i = 0; i < 4; i++) {
        bytes_begin();
        bytes_u64(COMMANDS);
        bytes_u32(values[i]);
        bytes_expect_ok(&pv_args_vkCmdSetDepthTestEnable, &a);
        assert_int_equal(a.depthTestEnable, values[i] != 0);
    }
}

/* --- what is sent only if --------------------------------------------------------------------- */

static void write_buffer(uint32_t sharing, uint32_t count, uint64_t size)
{
    bytes_begin();
    bytes_u64(DEVICE);
    bytes_u64(1);
    bytes_struct(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
    bytes_u32(0);
    bytes_u64(256);
    bytes_u32(0x80);
    bytes_u32(sharing);
    bytes_u32(count);
    bytes_u64(size);
    bytes_zeros((uint32_t)size);
    bytes_u64(0);
    bytes_u64(1);
    bytes_u64(7);
}

static void queue_families_may_be_missing_whatever_their_count(void **state)
{
    (void)state;
    struct pv_vkCreateBuffer a;
    write_buffer(VK_SHARING_MODE_EXCLUSIVE, 2, 0);
    bytes_expect_ok(&pv_args_vkCreateBuffer, &a);
    assert_null(a.pCreateInfo->pQueueFamilyIndices);
    write_buffer(VK_SHARING_MODE_CONCURRENT, 2, 0);
    bytes_expect_ok(&pv_args_vkCreateBuffer, &a);
    write_buffer(VK_SHARING_MODE_CONCURRENT, 2, 2);
    bytes_expect_ok(&pv_args_vkCreateBuffer, &a);
    assert_non_null(a.pCreateInfo->pQueueFamilyIndices);
    write_buffer(VK_SHARING_MODE_CONCURRENT, 2, 1);
    bytes_expect_fault(&pv_args_vkCreateBuffer, "an array's size is not what its length says");
}

static void write_submit(uint32_t waits)
{
    bytes_begin();
    bytes_u64(QUEUE);
    bytes_u32(1);
    bytes_u64(1);
    bytes_struct(VK_STRUCTURE_TYPE_SUBMIT_INFO);
    bytes_u32(waits);
    bytes_zeros(10);
    bytes_u64(0);
}

static void a_submit_s_waits_must_be_there(void **state)
{
    (void)state;
    struct pv_vkQueueSubmit a;
    write_submit(0);
    bytes_expect_ok(&pv_args_vkQueueSubmit, &a);
    write_submit(1);
    bytes_expect_fault(&pv_args_vkQueueSubmit, "an array that Vulkan requires is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_that_is_cut_short_is_a_fault),
        cmocka_unit_test(an_array_s_size_must_be_its_length),
        cmocka_unit_test(a_required_array_may_be_missing_only_without_a_length),
        cmocka_unit_test(a_huge_count_is_refused_before_anything_is_allocated),
        cmocka_unit_test(elements_without_bytes_are_bounded_by_memory),
        cmocka_unit_test(an_output_s_size_of_2_to_the_64_is_refused),
        cmocka_unit_test(inner_arrays_have_their_own_lengths),
        cmocka_unit_test(a_fixed_array_has_its_size),
        cmocka_unit_test(a_command_may_take_no_more_than_its_arena),
        cmocka_unit_test(a_blob_longer_than_the_stream_is_a_fault),
        cmocka_unit_test(a_pointer_is_0_or_1_and_there_where_vulkan_says),
        cmocka_unit_test(a_pointer_that_the_wire_cannot_carry_must_be_null),
        cmocka_unit_test(the_first_fault_is_the_one_that_is_told),
        cmocka_unit_test(a_shader_s_size_is_a_multiple_of_4),
        cmocka_unit_test(an_enum_s_value_is_one_that_the_registry_knows),
        cmocka_unit_test(a_boolean_becomes_0_or_1),
        cmocka_unit_test(queue_families_may_be_missing_whatever_their_count),
        cmocka_unit_test(a_submit_s_waits_must_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
