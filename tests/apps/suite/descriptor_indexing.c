/* Descriptors beyond 1.1: what descriptor indexing, inline blocks, mutable types, null descriptors
 * and addresses bring. */
#include "descriptors.h"

#include <string.h>

/* clang-format off */
#include "desc_list_comp.spv.h"
#include "desc_runtime_comp.spv.h"
#include "desc_uniform_comp.spv.h"
/* clang-format on */

/* Binding 1 is an array of a size that the shader does not know, with these flags. */
static struct bench runtime_bench(struct app *app, VkDescriptorBindingFlags flags, uint32_t count,
                                  const void *chain)
{
    bool is_late = (flags & VK_DESCRIPTOR_BINDING_UPDATE_AFTER_BIND_BIT) != 0;
    const struct layout_options options = {
        .type = STORAGE,
        .count = count,
        .flags = is_late ? VK_DESCRIPTOR_SET_LAYOUT_CREATE_UPDATE_AFTER_BIND_POOL_BIT : 0,
        .binding_flags = flags,
    };
    struct bench b = bench_make(app, &options, APP_SHADER(app, desc_runtime_comp));
    b.pool = bench_pool(app, is_late ? VK_DESCRIPTOR_POOL_CREATE_UPDATE_AFTER_BIND_BIT : 0, 1,
                        STORAGE, NULL);
    app_check(app, bench_allocate(app, &b, chain, &b.set), "vkAllocateDescriptorSets");
    app_write_buffer(app, b.set, 0, STORAGE, b.out.buffer);
    return b;
}

/* Neighbours read different elements of a whole array. */
static void nonuniform_indexing(struct app *app)
{
    static const uint32_t slices[] = {7, 6, 5, 4, 3, 2, 1, 0}, elements[] = {0, 6, 2, 1, 3, 7, 5};
    static const uint32_t expected[] = {7, 1, 5, APP_OR(6, 5), 4, 0, 2};
    struct bench b = runtime_bench(app, 0, 8, NULL);
    bench_write_slices(app, &b, b.set, 0, slices, 8);
    bench_ask(&b, elements, 7);
    VkCommandBuffer command = app_begin(app);
    bench_record(app, &b, command);
    app_run(app, command);
    bench_expect(app, &b, expected, 7);
}

/* The set changes when it is already bound. */
static void update_after_bind(struct app *app)
{
    static const uint32_t before[] = {0, 1, 2, 3}, after[] = {4, APP_OR(5, 6)};
    static const uint32_t elements[] = {0, 1, 2, 3}, expected[] = {0, 4, 5, 3};
    struct bench b = runtime_bench(app, VK_DESCRIPTOR_BINDING_UPDATE_AFTER_BIND_BIT, 4, NULL);
    bench_write_slices(app, &b, b.set, 0, before, 4);
    bench_ask(&b, elements, 4);
    VkCommandBuffer command = app_begin(app);
    bench_record(app, &b, command);
    bench_write_slices(app, &b, b.set, 1, after, 2);
    app_run(app, command);
    bench_expect(app, &b, expected, 4);
}

/* Only what is read is written. */
static void partially_bound(struct app *app)
{
    static const uint32_t slices[] = {6, 2, 4}, elements[] = {13, 47, 12, 13, 14};
    static const uint32_t expected[] = {2, 0, 6, 2, APP_OR(4, 5)}, last[] = {0};
    struct bench b = runtime_bench(app, VK_DESCRIPTOR_BINDING_PARTIALLY_BOUND_BIT, 48, NULL);
    bench_write_slices(app, &b, b.set, 12, slices, 3);
    bench_write_slices(app, &b, b.set, 47, last, 1);
    bench_ask(&b, elements, 5);
    VkCommandBuffer command = app_begin(app);
    bench_record(app, &b, command);
    app_run(app, command);
    bench_expect(app, &b, expected, 5);
}

/* The layout allows for 64, the set has five. */
static void variable_descriptor_count(struct app *app)
{
    static const uint32_t slices[] = {1, 3, 5, 7, 6}, elements[] = {4, 3, 2, 1, 0};
    static const uint32_t expected[] = {6, 7, 5, 3, APP_OR(1, 2)};
    const uint32_t count = 5;
    const VkDescriptorSetVariableDescriptorCountAllocateInfo chain = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_VARIABLE_DESCRIPTOR_COUNT_ALLOCATE_INFO,
        .descriptorSetCount = 1,
        .pDescriptorCounts = &count,
    };
    struct bench b =
        runtime_bench(app, VK_DESCRIPTOR_BINDING_VARIABLE_DESCRIPTOR_COUNT_BIT, ARRAY_MAX, &chain);
    bench_write_slices(app, &b, b.set, 0, slices, count);
    bench_ask(&b, elements, 5);
    VkCommandBuffer command = app_begin(app);
    bench_record(app, &b, command);
    app_run(app, command);
    bench_expect(app, &b, expected, 5);
}

/* What the layout of the case above may have; a set may always have as many as it asks for. */
static void descriptor_set_layout_support(struct app *app)
{
    const VkDescriptorSetLayoutBinding binding = {0, STORAGE, ARRAY_MAX,
                                                  VK_SHADER_STAGE_COMPUTE_BIT, NULL};
    const VkDescriptorBindingFlags flags =
        APP_OR(VK_DESCRIPTOR_BINDING_VARIABLE_DESCRIPTOR_COUNT_BIT, 0);
    const VkDescriptorSetLayoutBindingFlagsCreateInfo flags_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_BINDING_FLAGS_CREATE_INFO,
        .bindingCount = 1,
        .pBindingFlags = &flags,
    };
    const VkDescriptorSetLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .pNext = &flags_info,
        .bindingCount = 1,
        .pBindings = &binding,
    };
    VkDescriptorSetVariableDescriptorCountLayoutSupport variable = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_VARIABLE_DESCRIPTOR_COUNT_LAYOUT_SUPPORT};
    VkDescriptorSetLayoutSupport support = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_SUPPORT, .pNext = &variable};
    app->vk.GetDescriptorSetLayoutSupport(app->device, &info, &support);
    app_expect(app, support.supported == VK_TRUE, "64 storage buffers are not supported");
    app_expect(app, variable.maxVariableDescriptorCount >= ARRAY_MAX, "only %u of 64",
               variable.maxVariableDescriptorCount);
    app_result(app, &support.supported, sizeof(support.supported));
    app_result(app, &variable.maxVariableDescriptorCount, sizeof(uint32_t));
}

static void run_uniform(struct app *app, struct bench *b, const uint32_t *expected_from)
{
    uint32_t expected[GROUP];
    for (uint32_t i = 0; i < GROUP; i++) {
        expected[i] = expected_from[i] * 3;
    }
    VkCommandBuffer command = app_begin(app);
    bench_record(app, b, command);
    app_run(app, command);
    app_expect_words(app, "trebled", b->out.map, expected, GROUP);
}

/* The block is written by two updates. */
static void inline_uniform_block(struct app *app)
{
    const VkDescriptorPoolInlineUniformBlockCreateInfo pool_chain = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_INLINE_UNIFORM_BLOCK_CREATE_INFO,
        .maxInlineUniformBlockBindings = 1,
    };
    const struct layout_options options = {.type = VK_DESCRIPTOR_TYPE_INLINE_UNIFORM_BLOCK,
                                           .count = GROUP * 4};
    struct bench b = bench_make(app, &options, APP_SHADER(app, desc_uniform_comp));
    uint32_t words[GROUP];
    for (uint32_t i = 0; i < GROUP; i++) {
        words[i] = bench_word(3, i);
    }
    b.pool = bench_pool(app, 0, 1, options.type, &pool_chain);
    app_check(app, bench_allocate(app, &b, NULL, &b.set), "vkAllocateDescriptorSets");
    app_write_buffer(app, b.set, 0, STORAGE, b.out.buffer);
    const VkWriteDescriptorSetInlineUniformBlock data[] = {
        {VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET_INLINE_UNIFORM_BLOCK, NULL, 20, words},
        {VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET_INLINE_UNIFORM_BLOCK, NULL, 44,
         words + APP_OR(5, 4)},
    };
    VkWriteDescriptorSet writes[] = {
        bench_write(b.set, 1, 0, options.type, NULL, 20),
        bench_write(b.set, 1, 20, options.type, NULL, 44),
    };
    writes[0].pNext = &data[0];
    writes[1].pNext = &data[1];
    app->vk.UpdateDescriptorSets(app->device, 2, writes, 0, NULL);
    run_uniform(app, &b, words);
}

/* The same descriptors are first a uniform buffer, then storage buffers. */
static void mutable_descriptor_type(struct app *app)
{
    static const VkDescriptorType types[] = {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, STORAGE};
    static const uint32_t slices[] = {3, 1, 0, APP_OR(4, 5)}, expected[] = {3, 1, 0, 4};
    const VkMutableDescriptorTypeListEXT lists[] = {{0, NULL}, {2, types}};
    const VkMutableDescriptorTypeCreateInfoEXT mutable_info = {
        .sType = VK_STRUCTURE_TYPE_MUTABLE_DESCRIPTOR_TYPE_CREATE_INFO_EXT,
        .mutableDescriptorTypeListCount = 2,
        .pMutableDescriptorTypeLists = lists,
    };
    const struct layout_options options = {
        .type = VK_DESCRIPTOR_TYPE_MUTABLE_EXT, .count = 4, .chain = &mutable_info};
    struct bench b = bench_make(app, &options, APP_SHADER(app, desc_uniform_comp));
    uint32_t words[GROUP];
    for (uint32_t i = 0; i < GROUP; i++) {
        words[i] = bench_word(6, i);
    }
    b.pool = bench_pool(app, 0, 1, options.type, NULL);
    app_check(app, bench_allocate(app, &b, NULL, &b.set), "vkAllocateDescriptorSets");
    app_write_buffer(app, b.set, 0, STORAGE, b.out.buffer);
    const VkDescriptorBufferInfo info = bench_slice(&b, 6);
    const VkWriteDescriptorSet write =
        bench_write(b.set, 1, 0, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, &info, 1);
    app->vk.UpdateDescriptorSets(app->device, 1, &write, 0, NULL);
    run_uniform(app, &b, words);
    bench_write_slices(app, &b, b.set, 0, slices, 4);
    b.pipeline = app_compute(app, b.layout, bench_array_shader(app), NULL);
    bench_run_groups(app, &b, app_begin(app), expected);
}

/* Where there is no buffer, 0 is read. */
static void null_descriptor(struct app *app)
{
    static const uint32_t slices[] = {3, 1, 5, APP_OR(6, 7)}, expected[] = {3, SLICES, 5, 6};
    struct bench b = bench_of_array(app);
    const VkDescriptorBufferInfo none = {VK_NULL_HANDLE, 0, VK_WHOLE_SIZE};
    const VkWriteDescriptorSet write = bench_write(b.set, 1, 1, STORAGE, &none, 1);
    bench_write_slices(app, &b, b.set, 0, slices, 4);
    app->vk.UpdateDescriptorSets(app->device, 1, &write, 0, NULL);
    bench_run_groups(app, &b, app_begin(app), expected);
}

/* A list whose nodes lie in two buffers, followed by addresses alone. */
static void buffer_device_address(struct app *app)
{
    const VkBufferUsageFlags usage = VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
    struct node {
        VkDeviceAddress next;
        uint32_t value, unused;
    };
    struct app_buffer nodes[] = {app_buffer(app, GROUP * sizeof(struct node), usage),
                                 app_buffer(app, GROUP * sizeof(struct node), usage)};
    struct app_buffer out = app_buffer(app, GROUP * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    struct app_kernel kernel =
        app_kernel(app, APP_SHADER(app, desc_list_comp), NULL, sizeof(VkDeviceAddress), &out);
    VkDeviceAddress next = app_address(app, &nodes[0]);
    uint32_t expected[GROUP];
    for (uint32_t i = GROUP; i-- > 0;) {
        /* From the last to the first, here and there in turn. */
        const struct node node = {next, i * i + APP_OR(3, 4), 0};
        uint32_t place = i * 5 % GROUP;
        memcpy((struct node *)nodes[i % 2].map + place, &node, sizeof(node));
        next = app_address(app, &nodes[i % 2]) + place * sizeof(node);
        expected[i] = i * i + 3;
    }
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdPushConstants(command, kernel.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(next),
                             &next);
    app_dispatch(app, command, &kernel, 1);
    app_run(app, command);
    app_expect_words(app, "values", out.map, expected, GROUP);
}

#define INDEXING                                                                                   \
    "VkPhysicalDeviceVulkan12Features.runtimeDescriptorArray",                                     \
        "VkPhysicalDeviceVulkan12Features.shaderStorageBufferArrayNonUniformIndexing"

const struct app_case app_cases_descriptor_indexing[] = {
    APP_CASE(nonuniform_indexing, INDEXING),
    APP_CASE(update_after_bind, INDEXING,
             "VkPhysicalDeviceVulkan12Features.descriptorBindingStorageBufferUpdateAfterBind"),
    APP_CASE(partially_bound, INDEXING,
             "VkPhysicalDeviceVulkan12Features.descriptorBindingPartiallyBound"),
    APP_CASE(variable_descriptor_count, INDEXING,
             "VkPhysicalDeviceVulkan12Features.descriptorBindingVariableDescriptorCount"),
    APP_CASE(descriptor_set_layout_support, INDEXING,
             "VkPhysicalDeviceVulkan12Features.descriptorBindingVariableDescriptorCount"),
    APP_CASE(inline_uniform_block, "VkPhysicalDeviceVulkan13Features.inlineUniformBlock"),
    APP_CASE(mutable_descriptor_type, "VK_EXT_mutable_descriptor_type",
             "VkPhysicalDeviceMutableDescriptorTypeFeaturesEXT.mutableDescriptorType",
             "VkPhysicalDeviceFeatures.shaderStorageBufferArrayDynamicIndexing"),
    APP_CASE(null_descriptor, "VK_EXT_robustness2",
             "VkPhysicalDeviceRobustness2FeaturesKHR.nullDescriptor",
             "VkPhysicalDeviceFeatures.shaderStorageBufferArrayDynamicIndexing"),
    APP_CASE(buffer_device_address, "VkPhysicalDeviceVulkan12Features.bufferDeviceAddress"),
    {0},
};
