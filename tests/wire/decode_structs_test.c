#include "fakes/bytes.h"
#include "test_args.gen.h"
#include "unit/check.h"

#include <string.h>

/* Structs of hostile guests: their types, chains, unions and strings. */

enum { DEVICE = 3, COMMANDS = 0x20, MANY_LINKS = 1000000, WRONG_TYPE = 999 };

/* --- chains ----------------------------------------------------------------------------------- */

/* vkAllocateMemory up to its info's chain, and from the chain's end on. */
static void begin_allocate(void)
{
    bytes_begin();
    bytes_u64(DEVICE);
    bytes_u64(1);
    bytes_u32(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
}

static void end_allocate(void)
{
    bytes_u64(0x1000);
    bytes_u32(2);
    bytes_u64(0);
    bytes_u64(1);
    bytes_u64(0x10);
}

static void link_to(uint32_t type)
{
    bytes_u64(1);
    bytes_u32(type);
}

static void a_chain_s_bodies_come_innermost_first(void **state)
{
    (void)state;
    struct pv_vkAllocateMemory a;
    begin_allocate();
    link_to(VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO);
    link_to(VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO);
    bytes_u64(0);
    bytes_u32(0x200);
    bytes_u64(9);
    bytes_u64(0);
    end_allocate();
    bytes_expect_ok(&pv_args_vkAllocateMemory, &a);
    const VkMemoryDedicatedAllocateInfo *dedicated = a.pAllocateInfo->pNext;
    assert_int_equal(dedicated->sType, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO);
    assert_int_equal((uintptr_t)dedicated->image, 9);
    const VkExportMemoryAllocateInfo *exported = dedicated->pNext;
    assert_int_equal(exported->handleTypes, 0x200);
    assert_null(exported->pNext);
}

static void a_struct_that_does_not_belong_ends_the_chain(void **state)
{
    (void)state;
    /* Unknown; known, but of another base; the base itself. */
    const uint32_t types[] = {WRONG_TYPE, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                              VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, 0, UINT32_MAX};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        begin_allocate();
        link_to(types[i]);
        bytes_u64(0);
        bytes_zeros(16);
        end_allocate();
        bytes_expect_fault(&pv_args_vkAllocateMemory,
                           "a pNext chain holds a struct that does not belong there");
    }
}

static void a_chain_s_word_is_0_or_1(void **state)
{
    (void)state;
    begin_allocate();
    bytes_u64(2);
    bytes_u32(VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO);
    bytes_u64(0);
    bytes_u32(0x200);
    end_allocate();
    bytes_expect_fault(&pv_args_vkAllocateMemory, "a pointer is neither 0 nor 1");
}

static void a_struct_comes_once_in_a_chain(void **state)
{
    (void)state;
    begin_allocate();
    link_to(VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO);
    link_to(VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO);
    bytes_u64(0);
    bytes_u32(0x200);
    bytes_u32(0x200);
    end_allocate();
    bytes_expect_fault(&pv_args_vkAllocateMemory, "a pNext chain repeats a struct");
}

/* 10^6 links: of one type, of two in turn, and of the one type that may repeat. */
static void a_chain_of_a_million_links_costs_nothing(void **state)
{
    (void)state;
    for (uint32_t kinds = 1; kinds <= 2; kinds++) {
        begin_allocate();
        for (uint32_t i = 0; i < MANY_LINKS; i++) {
            link_to(i % kinds == 0 ? VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO
                                   : VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
        }
        bytes_expect_fault(&pv_args_vkAllocateMemory, "a pNext chain repeats a struct");
        assert_true(bytes_taken() <= 64 * 1024);
    }
    bytes_begin();
    bytes_u64(2);
    bytes_u64(1);
    bytes_u32(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
    for (uint32_t i = 0; i < MANY_LINKS; i++) {
        link_to(VK_STRUCTURE_TYPE_DEVICE_PRIVATE_DATA_CREATE_INFO);
    }
    bytes_expect_fault(&pv_args_vkCreateDevice, "a pNext chain repeats a struct");
    assert_true(bytes_taken() <= 64 * 1024);
}

static void a_struct_that_may_repeat_may(void **state)
{
    (void)state;
    struct pv_vkCreateDevice a;
    bytes_begin();
    bytes_u64(2);
    bytes_u64(1);
    bytes_u32(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
    link_to(VK_STRUCTURE_TYPE_DEVICE_PRIVATE_DATA_CREATE_INFO);
    link_to(VK_STRUCTURE_TYPE_DEVICE_PRIVATE_DATA_CREATE_INFO);
    bytes_u64(0);
    bytes_u32(1);
    bytes_u32(2);
    bytes_zeros(2);             /* flags, queueCreateInfoCount */
    bytes_u64(0);               /* pQueueCreateInfos */
    bytes_zeros(1 + 2 + 1 + 2); /* layers, extensions */
    bytes_u64(0);               /* pEnabledFeatures */
    bytes_u64(0);
    bytes_u64(1);
    bytes_u64(3);
    bytes_expect_ok(&pv_args_vkCreateDevice, &a);
}

static void a_base_without_a_list_accepts_no_chain(void **state)
{
    (void)state;
    bytes_begin();
    bytes_u64(COMMANDS);
    bytes_u64(1);
    bytes_u32(VK_STRUCTURE_TYPE_COPY_BUFFER_INFO_2);
    link_to(VK_STRUCTURE_TYPE_COPY_BUFFER_INFO_2);
    bytes_zeros(20);
    bytes_expect_fault(&pv_args_vkCmdCopyBuffer2, "a pNext chain where none may be");
}

static void a_struct_has_the_type_that_its_place_says(void **state)
{
    (void)state;
    const uint32_t types[] = {WRONG_TYPE, VK_STRUCTURE_TYPE_SUBMIT_INFO, UINT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        bytes_begin();
        bytes_u64(DEVICE);
        bytes_u64(1);
        bytes_u32(types[i]);
        bytes_u64(0);
        end_allocate();
        bytes_expect_fault(&pv_args_vkAllocateMemory, "a struct of another type");
    }
}

/* --- unions ----------------------------------------------------------------------------------- */

/* vkCmdClearAttachments with one attachment, up to its clear value's tag. */
static void begin_clear(uint32_t tag)
{
    bytes_begin();
    bytes_u64(COMMANDS);
    bytes_u32(1);
    bytes_u64(1);
    bytes_u32(VK_IMAGE_ASPECT_DEPTH_BIT);
    bytes_u32(0);
    bytes_u32(tag);
}

static void end_clear(void)
{
    bytes_u32(1);
    bytes_u64(1);
    bytes_zeros(6);
}

static void a_clear_value_has_one_of_two_tags(void **state)
{
    (void)state;
    struct pv_vkCmdClearAttachments a;
    begin_clear(1);
    bytes_u32(0x3f800000);
    bytes_u32(7);
    end_clear();
    bytes_expect_ok(&pv_args_vkCmdClearAttachments, &a);
    assert_int_equal(a.pAttachments[0].clearValue.depthStencil.stencil, 7);
    for (uint32_t tag = 0; tag < 4; tag++) {
        begin_clear(0);
        bytes_u32(tag);
        bytes_u64(4);
        bytes_u64(1);
        bytes_u64(2);
        end_clear();
        if (tag < 3) { /* a colour's own three */
            bytes_expect_ok(&pv_args_vkCmdClearAttachments, &a);
            assert_int_equal(a.pAttachments[0].clearValue.color.uint32[2], 2);
        } else {
            bytes_expect_fault(&pv_args_vkCmdClearAttachments,
                               "a VkClearColorValue with an unknown tag");
        }
    }
    begin_clear(2);
    bytes_zeros(2);
    end_clear();
    bytes_expect_fault(&pv_args_vkCmdClearAttachments, "a VkClearValue with an unknown tag");
}

/* One geometry that says it is `type` and whose union has the tag `tag`, with AABBs in it. */
static void write_geometry(uint32_t type, uint32_t tag, uint32_t address_tag, uint64_t address)
{
    bytes_begin();
    bytes_u64(DEVICE);
    bytes_u32(VK_ACCELERATION_STRUCTURE_BUILD_TYPE_DEVICE_KHR);
    bytes_u64(1);
    bytes_struct(VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_BUILD_GEOMETRY_INFO_KHR);
    bytes_zeros(3 + 4);
    bytes_u32(1);
    bytes_u64(1);
    bytes_struct(VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_KHR);
    bytes_u32(type);
    bytes_u32(tag);
    bytes_struct(VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_AABBS_DATA_KHR);
    bytes_u32(address_tag);
    bytes_u64(address);
    bytes_u64(24);
    bytes_u32(1);
    bytes_u64(0);
    bytes_zeros(3);
    bytes_u64(1); /* pMaxPrimitiveCounts */
    bytes_u32(1);
    bytes_u64(1); /* pSizeInfo */
    bytes_struct(VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_BUILD_SIZES_INFO_KHR);
}

static void a_union_s_tag_is_what_its_selector_says(void **state)
{
    (void)state;
    struct pv_vkGetAccelerationStructureBuildSizesKHR a;
    const struct pv_args_command *command = &pv_args_vkGetAccelerationStructureBuildSizesKHR;
    write_geometry(1, 1, 0, 0x1000);
    bytes_expect_ok(command, &a);
    assert_int_equal(a.pBuildInfo->pGeometries[0].geometry.aabbs.data.deviceAddress, 0x1000);
    const uint32_t tags[] = {0, 2, 3, UINT32_MAX};
    for (size_t i = 0; i < 4; i++) {
        write_geometry(1, tags[i], 0, 0x1000);
        bytes_expect_fault(command, "a VkAccelerationStructureGeometryDataKHR's tag is not what "
                                    "its selector says");
    }
    write_geometry(77, 77, 0, 0x1000);
    bytes_expect_fault(command, "an unknown VkGeometryTypeKHR");
}

static void an_address_is_never_the_host_s(void **state)
{
    (void)state;
    struct pv_vkGetAccelerationStructureBuildSizesKHR a;
    const struct pv_args_command *command = &pv_args_vkGetAccelerationStructureBuildSizesKHR;
    write_geometry(1, 1, 1, 0);
    bytes_expect_ok(command, &a);
    write_geometry(1, 1, 1, 0x1000);
    bytes_expect_fault(command, "a pointer that the protocol cannot carry");
    write_geometry(1, 1, 2, 0);
    bytes_expect_fault(command, "a VkDeviceOrHostAddressConstKHR with an unknown tag");
}

/* --- strings ---------------------------------------------------------------------------------- */

/* vkEnumerateInstanceExtensionProperties with this layer name. */
static void write_layer(uint64_t size, const void *text, size_t text_size)
{
    bytes_begin();
    bytes_u64(size);
    bytes_data(text, text_size);
    bytes_u64(1);
    bytes_u32(0);
    bytes_u64(0);
}

static void a_string_always_ends(void **state)
{
    (void)state;
    struct pv_vkEnumerateInstanceExtensionProperties a;
    const struct pv_args_command *command = &pv_args_vkEnumerateInstanceExtensionProperties;
    write_layer(5, "main", 5);
    bytes_expect_ok(command, &a);
    assert_string_equal(a.pLayerName, "main");
    write_layer(4, "main", 4); /* without its NUL: the last byte becomes one */
    bytes_expect_ok(command, &a);
    assert_string_equal(a.pLayerName, "mai");
    write_layer(1, "x", 1);
    bytes_expect_ok(command, &a);
    assert_string_equal(a.pLayerName, "");
    write_layer(0, "", 0);
    bytes_expect_ok(command, &a);
    assert_null(a.pLayerName);
}

static void a_string_longer_than_the_stream_is_a_fault(void **state)
{
    (void)state;
    const uint64_t sizes[] = {100, UINT64_C(1) << 30, UINT64_MAX - 3, UINT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        write_layer(sizes[i], "main", 5);
        bytes_expect_fault(&pv_args_vkEnumerateInstanceExtensionProperties,
                           "the command is cut short");
    }
}

/* vkCreateShadersEXT would do as well: a stage whose name's size is `size`. */
static void write_stage(uint64_t size)
{
    bytes_begin();
    bytes_u64(DEVICE);
    bytes_u64(0); /* cache */
    bytes_u32(1);
    bytes_u64(1);
    bytes_struct(VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO);
    bytes_u32(0);
    bytes_struct(VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO);
    bytes_u32(0);
    bytes_u32(VK_SHADER_STAGE_COMPUTE_BIT);
    bytes_u64(0x70);
    bytes_u64(size);
    bytes_zeros((uint32_t)(size + 3) / 4);
    bytes_u64(0);    /* pSpecializationInfo */
    bytes_u64(0x71); /* layout */
    bytes_zeros(3);
    bytes_u64(0);
    bytes_u64(1);
    bytes_u64(0x72);
}

/* Unlike the decoder that guests know, which hands the null on to the driver. */
static void a_required_string_must_be_there(void **state)
{
    (void)state;
    struct pv_vkCreateComputePipelines a;
    write_stage(5);
    bytes_expect_ok(&pv_args_vkCreateComputePipelines, &a);
    write_stage(0);
    bytes_expect_fault(&pv_args_vkCreateComputePipelines,
                       "a string that Vulkan requires is missing");
}

static void write_names(uint32_t count, uint64_t size, uint64_t second)
{
    bytes_begin();
    bytes_u64(1);
    bytes_struct(VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
    bytes_u32(0);
    bytes_u64(0);
    bytes_u32(0);
    bytes_u64(0);
    bytes_u32(count);
    bytes_u64(size);
    bytes_u64(2);
    bytes_data("a", 2);
    bytes_u64(second);
    bytes_data("bcd", second != 0 ? 4 : 0);
    bytes_u64(0);
    bytes_u64(1);
    bytes_u64(1);
}

static void none_of_several_strings_is_missing(void **state)
{
    (void)state;
    struct pv_vkCreateInstance a;
    write_names(2, 2, 4);
    bytes_expect_ok(&pv_args_vkCreateInstance, &a);
    assert_string_equal(a.pCreateInfo->ppEnabledExtensionNames[1], "bcd");
    write_names(2, 2, 0);
    bytes_expect_fault(&pv_args_vkCreateInstance, "a string that Vulkan requires is missing");
    write_names(UINT32_MAX, UINT32_MAX, 4);
    bytes_expect_fault(&pv_args_vkCreateInstance, "an array is longer than the stream");
    assert_true(bytes_taken() <= 64 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_s_bodies_come_innermost_first),
        cmocka_unit_test(a_struct_that_does_not_belong_ends_the_chain),
        cmocka_unit_test(a_chain_s_word_is_0_or_1),
        cmocka_unit_test(a_struct_comes_once_in_a_chain),
        cmocka_unit_test(a_chain_of_a_million_links_costs_nothing),
        cmocka_unit_test(a_struct_that_may_repeat_may),
        cmocka_unit_test(a_base_without_a_list_accepts_no_chain),
        cmocka_unit_test(a_struct_has_the_type_that_its_place_says),
        cmocka_unit_test(a_clear_value_has_one_of_two_tags),
        cmocka_unit_test(a_union_s_tag_is_what_its_selector_says),
        cmocka_unit_test(an_address_is_never_the_host_s),
        cmocka_unit_test(a_string_always_ends),
        cmocka_unit_test(a_string_longer_than_the_stream_is_a_fault),
        cmocka_unit_test(a_required_string_must_be_there),
        cmocka_unit_test(none_of_several_strings_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
