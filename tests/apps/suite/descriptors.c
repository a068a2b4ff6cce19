#include "descriptors.h"

/* clang-format off */
#include "desc_array_comp.spv.h"
/* clang-format on */

/* --- what most cases are made of -------------------------------------------------------------- */

uint32_t bench_word(uint32_t slice, uint32_t word)
{
    return (slice * GROUP + word) * 2654435761u;
}

void bench_buffers(struct app *app, struct bench *b)
{
    b->out = app_buffer(app, GROUPS * GROUP * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    b->slices = app_buffer(app, SLICES * STRIDE,
                           VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT |
                               VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT |
                               VK_BUFFER_USAGE_STORAGE_TEXEL_BUFFER_BIT);
    for (uint32_t slice = 0; slice < SLICES; slice++) {
        for (uint32_t word = 0; word < GROUP; word++) {
            ((uint32_t *)b->slices.map)[slice * STRIDE / 4 + word] = bench_word(slice, word);
        }
    }
}

VkDescriptorBufferInfo bench_slice(const struct bench *b, uint32_t slice)
{
    return (VkDescriptorBufferInfo){b->slices.buffer, (VkDeviceSize)slice * STRIDE, GROUP * 4};
}

VkDescriptorSetLayout bench_set_layout(struct app *app, const struct layout_options *options)
{
    const VkDescriptorSetLayoutBinding bindings[] = {
        {0, STORAGE, 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL},
        {1, options->type, options->count, VK_SHADER_STAGE_COMPUTE_BIT, NULL},
    };
    const VkDescriptorBindingFlags flags[] = {0, options->binding_flags};
    const VkDescriptorSetLayoutBindingFlagsCreateInfo flags_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_BINDING_FLAGS_CREATE_INFO,
        .bindingCount = 2,
        .pBindingFlags = flags,
    };
    const VkDescriptorSetLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .pNext = options->binding_flags != 0 ? &flags_info : options->chain,
        .flags = options->flags,
        .bindingCount = 2,
        .pBindings = bindings,
    };
    VkDescriptorSetLayout layout;
    APP_CHECK(app, CreateDescriptorSetLayout, app->device, &info, NULL, &layout);
    app_keep(app, DESCRIPTOR_SET_LAYOUT, layout);
    return layout;
}

VkDescriptorPool bench_pool(struct app *app, VkDescriptorPoolCreateFlags flags, uint32_t max_sets,
                            VkDescriptorType type, const void *chain)
{
    const VkDescriptorPoolSize sizes[] = {{STORAGE, max_sets}, {type, max_sets * ARRAY_MAX}};
    const VkDescriptorPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .pNext = chain,
        .flags = flags,
        .maxSets = max_sets,
        .poolSizeCount = 2,
        .pPoolSizes = sizes,
    };
    VkDescriptorPool pool;
    APP_CHECK(app, CreateDescriptorPool, app->device, &info, NULL, &pool);
    app_keep(app, DESCRIPTOR_POOL, pool);
    return pool;
}

VkResult bench_allocate(struct app *app, const struct bench *b, const void *chain,
                        VkDescriptorSet *set)
{
    const VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .pNext = chain,
        .descriptorPool = b->pool,
        .descriptorSetCount = 1,
        .pSetLayouts = &b->set_layout,
    };
    return app->vk.AllocateDescriptorSets(app->device, &info, set);
}

VkWriteDescriptorSet bench_write(VkDescriptorSet set, uint32_t binding, uint32_t element,
                                 VkDescriptorType type, const VkDescriptorBufferInfo *info,
                                 uint32_t count)
{
    return (VkWriteDescriptorSet){
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = set,
        .dstBinding = binding,
        .dstArrayElement = element,
        .descriptorCount = count,
        .descriptorType = type,
        .pBufferInfo = info,
    };
}

void bench_write_slices(struct app *app, const struct bench *b, VkDescriptorSet set, uint32_t first,
                        const uint32_t *slices, uint32_t count)
{
    VkDescriptorBufferInfo infos[ARRAY_MAX];
    for (uint32_t i = 0; i < count; i++) {
        infos[i] = bench_slice(b, slices[i]);
    }
    const VkWriteDescriptorSet write = bench_write(set, 1, first, STORAGE, infos, count);
    app->vk.UpdateDescriptorSets(app->device, 1, &write, 0, NULL);
}

struct bench bench_make(struct app *app, const struct layout_options *options,
                        VkShaderModule module)
{
    struct bench b = {0};
    bench_buffers(app, &b);
    b.set_layout = bench_set_layout(app, options);
    b.layout = app_layout(app, b.set_layout, 0, 0);
    b.pipeline = app_compute(app, b.layout, module, NULL);
    return b;
}

VkShaderModule bench_array_shader(struct app *app)
{
    return APP_SHADER(app, desc_array_comp);
}

struct bench bench_of_array(struct app *app)
{
    const struct layout_options options = {.type = STORAGE, .count = 4};
    struct bench b = bench_make(app, &options, bench_array_shader(app));
    b.pool = bench_pool(app, 0, 2, STORAGE, NULL);
    app_check(app, bench_allocate(app, &b, NULL, &b.set), "vkAllocateDescriptorSets");
    app_write_buffer(app, b.set, 0, STORAGE, b.out.buffer);
    return b;
}

void bench_ask(const struct bench *b, const uint32_t *elements, uint32_t count)
{
    for (uint32_t i = 0; i < GROUPS * GROUP; i++) {
        uint32_t at = count == GROUPS ? i / GROUP : i % count;
        ((uint32_t *)b->out.map)[i] = elements[at];
    }
}

void bench_record(struct app *app, const struct bench *b, VkCommandBuffer command)
{
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, b->pipeline);
    if (b->set != VK_NULL_HANDLE) {
        app->vk.CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_COMPUTE, b->layout, 0, 1,
                                      &b->set, 0, NULL);
    }
    app->vk.CmdDispatch(command, GROUPS, 1, 1);
}

void bench_expect(struct app *app, const struct bench *b, const uint32_t *slices, uint32_t count)
{
    uint32_t expected[GROUPS * GROUP];
    for (uint32_t i = 0; i < GROUPS * GROUP; i++) {
        uint32_t slice = slices[count == GROUPS ? i / GROUP : i % count];
        expected[i] = slice < SLICES ? bench_word(slice, i % GROUP) : 0;
    }
    app_expect_words(app, "read", b->out.map, expected, GROUPS * GROUP);
}

void bench_run_groups(struct app *app, const struct bench *b, VkCommandBuffer command,
                      const uint32_t *slices)
{
    static const uint32_t in_order[GROUPS] = {0, 1, 2, 3};
    bench_ask(b, in_order, GROUPS);
    bench_record(app, b, command);
    app_run(app, command);
    bench_expect(app, b, slices, GROUPS);
}

/* --- cases ------------------------------------------------------------------------------------ */

/* Two writes fill it, of which the second begins in the middle. */
static void descriptor_array(struct app *app)
{
    static const uint32_t slices[] = {5, 3, 6, APP_OR(0, 1)}, expected[] = {5, 3, 6, 0};
    struct bench b = bench_of_array(app);
    bench_write_slices(app, &b, b.set, 0, slices, 1);
    bench_write_slices(app, &b, b.set, 1, slices + 1, 3);
    bench_run_groups(app, &b, app_begin(app), expected);
}

/* A write whose count goes beyond its binding continues in the next one. */
static void descriptor_write_overflows(struct app *app)
{
    static const uint32_t expected[] = {1, 7, 2, 4};
    struct bench b = bench_of_array(app);
    const VkDescriptorBufferInfo infos[] = {
        {b.out.buffer, 0, VK_WHOLE_SIZE},
        bench_slice(&b, 1),
        bench_slice(&b, APP_OR(7, 6)),
        bench_slice(&b, 2),
        bench_slice(&b, 4),
    };
    const VkWriteDescriptorSet write = bench_write(b.set, 0, 0, STORAGE, infos, 5);
    app->vk.UpdateDescriptorSets(app->device, 1, &write, 0, NULL);
    bench_run_groups(app, &b, app_begin(app), expected);
}

static void copy_descriptors(struct app *app)
{
    static const uint32_t slices[] = {0, 1, 2, 3}, expected[] = {2, 3, 0, 1};
    struct bench b = bench_of_array(app);
    VkDescriptorSet other;
    app_check(app, bench_allocate(app, &b, NULL, &other), "vkAllocateDescriptorSets");
    bench_write_slices(app, &b, other, 0, slices, 4);
    const VkCopyDescriptorSet copies[] = {
        {VK_STRUCTURE_TYPE_COPY_DESCRIPTOR_SET, NULL, other, 1, 2, b.set, 1, 0, 2},
        {VK_STRUCTURE_TYPE_COPY_DESCRIPTOR_SET, NULL, other, 1, APP_OR(0, 1), b.set, 1, 2, 2},
    };
    app->vk.UpdateDescriptorSets(app->device, 0, NULL, 2, copies);
    bench_run_groups(app, &b, app_begin(app), expected);
}

/* A set is allocated where one was freed, and two where all were reset. */
static void descriptor_pool_reuse(struct app *app)
{
    static const uint32_t slices[] = {6, 1, 2, 7}, expected[] = {6, 1, 2, APP_OR(7, 6)};
    struct bench b = bench_of_array(app);
    VkDescriptorSet sets[3];
    b.pool = bench_pool(app, VK_DESCRIPTOR_POOL_CREATE_FREE_DESCRIPTOR_SET_BIT, 2, STORAGE, NULL);
    for (uint32_t i = 0; i < 2; i++) {
        app_check(app, bench_allocate(app, &b, NULL, &sets[i]), "vkAllocateDescriptorSets");
    }
    VkResult full = bench_allocate(app, &b, NULL, &sets[2]);
    app_expect(app, full == VK_SUCCESS || full == VK_ERROR_OUT_OF_POOL_MEMORY,
               "a full pool gives VkResult %d", (int)full);
    APP_CHECK(app, FreeDescriptorSets, app->device, b.pool, 1, &sets[0]);
    app_check(app, bench_allocate(app, &b, NULL, &b.set), "vkAllocateDescriptorSets");
    app_write_buffer(app, b.set, 0, STORAGE, b.out.buffer);
    bench_write_slices(app, &b, b.set, 0, slices, 4);
    bench_run_groups(app, &b, app_begin(app), slices);
    APP_CHECK(app, ResetDescriptorPool, app->device, b.pool, 0);
    for (uint32_t i = 0; i < 2; i++) {
        app_check(app, bench_allocate(app, &b, NULL, &b.set), "vkAllocateDescriptorSets");
    }
    app_write_buffer(app, b.set, 0, STORAGE, b.out.buffer);
    bench_write_slices(app, &b, b.set, 0, slices, 4);
    bench_run_groups(app, &b, app_begin(app), expected);
}

/* What a template takes its descriptors from. */
struct template_data {
    VkDescriptorBufferInfo out;
    struct {
        VkDescriptorBufferInfo info;
        uint64_t gap;
    } from[5];
};

static struct template_data template_data(const struct bench *b, const uint32_t *slices)
{
    struct template_data data = {.out = {b->out.buffer, 0, VK_WHOLE_SIZE}};
    for (uint32_t i = 0; i < 4; i++) {
        data.from[i].info = bench_slice(b, slices[i]);
    }
    data.from[4].info = bench_slice(b, 7);
    return data;
}

static VkDescriptorUpdateTemplate make_template(struct app *app, const struct bench *b,
                                                VkDescriptorUpdateTemplateType type)
{
    const VkDescriptorUpdateTemplateEntry entries[] = {
        {0, 0, 1, STORAGE, offsetof(struct template_data, out), 0},
        {1, 0, 4, STORAGE, offsetof(struct template_data, from[APP_OR(0, 1)]),
         sizeof(((struct template_data *)0)->from[0])},
    };
    const VkDescriptorUpdateTemplateCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_UPDATE_TEMPLATE_CREATE_INFO,
        .descriptorUpdateEntryCount = 2,
        .pDescriptorUpdateEntries = entries,
        .templateType = type,
        .descriptorSetLayout = b->set_layout,
        .pipelineBindPoint = VK_PIPELINE_BIND_POINT_COMPUTE,
        .pipelineLayout = b->layout,
    };
    VkDescriptorUpdateTemplate made;
    APP_CHECK(app, CreateDescriptorUpdateTemplate, app->device, &info, NULL, &made);
    app_keep(app, DESCRIPTOR_UPDATE_TEMPLATE, made);
    return made;
}

static void descriptor_update_template(struct app *app)
{
    static const uint32_t slices[] = {3, 6, 4, 1};
    PFN_vkUpdateDescriptorSetWithTemplate update = APP_FIND(app, vkUpdateDescriptorSetWithTemplate);
    struct bench b = bench_of_array(app);
    const struct template_data data = template_data(&b, slices);
    update(app->device, b.set,
           make_template(app, &b, VK_DESCRIPTOR_UPDATE_TEMPLATE_TYPE_DESCRIPTOR_SET), &data);
    bench_run_groups(app, &b, app_begin(app), slices);
}

static struct bench push_bench(struct app *app)
{
    const struct layout_options options = {
        .type = STORAGE,
        .count = 4,
        .flags = VK_DESCRIPTOR_SET_LAYOUT_CREATE_PUSH_DESCRIPTOR_BIT_KHR,
    };
    return bench_make(app, &options, bench_array_shader(app));
}

/* The second push adds to the first. */
static void push_descriptors(struct app *app)
{
    static const uint32_t slices[] = {2, 5, 0, APP_OR(6, 7)}, expected[] = {2, 5, 0, 6};
    struct bench b = push_bench(app);
    VkDescriptorBufferInfo out = {b.out.buffer, 0, VK_WHOLE_SIZE}, from[4];
    for (uint32_t i = 0; i < 4; i++) {
        from[i] = bench_slice(&b, slices[i]);
    }
    const VkWriteDescriptorSet writes[] = {
        bench_write(VK_NULL_HANDLE, 0, 0, STORAGE, &out, 1),
        bench_write(VK_NULL_HANDLE, 1, 0, STORAGE, from, 2),
        bench_write(VK_NULL_HANDLE, 1, 2, STORAGE, from + 2, 2),
    };
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdPushDescriptorSet(command, VK_PIPELINE_BIND_POINT_COMPUTE, b.layout, 0, 2, writes);
    app->vk.CmdPushDescriptorSet(command, VK_PIPELINE_BIND_POINT_COMPUTE, b.layout, 0, 1,
                                 writes + 2);
    bench_run_groups(app, &b, command, expected);
}

static void push_descriptor_template(struct app *app)
{
    static const uint32_t slices[] = {7, 1, 3, 5};
    PFN_vkCmdPushDescriptorSetWithTemplateKHR push =
        APP_FIND(app, vkCmdPushDescriptorSetWithTemplateKHR);
    struct bench b = push_bench(app);
    const struct template_data data = template_data(&b, slices);
    VkCommandBuffer command = app_begin(app);
    push(command, make_template(app, &b, VK_DESCRIPTOR_UPDATE_TEMPLATE_TYPE_PUSH_DESCRIPTORS_KHR),
         b.layout, 0, &data);
    bench_run_groups(app, &b, command, slices);
}

const struct app_case app_cases_descriptors[] = {
    APP_CASE(descriptor_array, "VkPhysicalDeviceFeatures.shaderStorageBufferArrayDynamicIndexing"),
    APP_CASE(descriptor_write_overflows,
             "VkPhysicalDeviceFeatures.shaderStorageBufferArrayDynamicIndexing"),
    APP_CASE(copy_descriptors, "VkPhysicalDeviceFeatures.shaderStorageBufferArrayDynamicIndexing"),
    APP_CASE(descriptor_pool_reuse,
             "VkPhysicalDeviceFeatures.shaderStorageBufferArrayDynamicIndexing"),
    APP_CASE(descriptor_update_template,
             "VkPhysicalDeviceFeatures.shaderStorageBufferArrayDynamicIndexing"),
    APP_CASE(push_descriptors, "VK_KHR_push_descriptor",
             "VkPhysicalDeviceFeatures.shaderStorageBufferArrayDynamicIndexing"),
    APP_CASE(push_descriptor_template, "VK_KHR_push_descriptor",
             "VkPhysicalDeviceFeatures.shaderStorageBufferArrayDynamicIndexing"),
    {0},
};
