#include "descriptors.h"

#include <string.h>

/* clang-format off */
#include "desc_buffers_comp.spv.h"
#include "desc_images_comp.spv.h"
#include "desc_robust_comp.spv.h"
#include "desc_sets_comp.spv.h"
/* clang-format on */

/* --- all types of buffers ------------------------------------------------------------------- */

static VkBufferView texel_view(struct app *app, const struct bench *b, uint32_t slice)
{
    const VkBufferViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
        .buffer = b->slices.buffer,
        .format = VK_FORMAT_R32_UINT,
        .offset = (VkDeviceSize)slice * STRIDE,
        .range = GROUP * 4,
    };
    VkBufferView view;
    APP_CHECK(app, CreateBufferView, app->device, &info, NULL, &view);
    app_keep(app, BUFFER_VIEW, view);
    return view;
}

/* Each kind of buffer reads a slice of its own; the dynamic offsets move theirs from 0 to 2, and
 * from 1 to 3. */
static void buffer_descriptor_types(struct app *app)
{
    static const VkDescriptorType types[] = {
        VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
        STORAGE,
        VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC,
        VK_DESCRIPTOR_TYPE_STORAGE_BUFFER_DYNAMIC,
        VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER,
        VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER,
        STORAGE,
    };
    static const uint32_t slices[] = {4, 5, 0, 1, 6, 7};
    static const uint32_t offsets[] = {2 * STRIDE, APP_OR(2, 1) * STRIDE};
    struct bench b = {0};
    bench_buffers(app, &b);
    b.set_layout = app_set_layout(app, types, 7);
    b.set = app_set(app, b.set_layout, types, 7);
    b.layout = app_layout(app, b.set_layout, 0, 0);
    b.pipeline = app_compute(app, b.layout, APP_SHADER(app, desc_buffers_comp), NULL);
    app_write_buffer(app, b.set, 6, STORAGE, b.out.buffer);
    for (uint32_t i = 0; i < 6; i++) {
        const VkDescriptorBufferInfo info = bench_slice(&b, slices[i]);
        VkWriteDescriptorSet write = bench_write(b.set, i, 0, types[i], &info, 1);
        VkBufferView view = i < 4 ? VK_NULL_HANDLE : texel_view(app, &b, slices[i]);
        write.pTexelBufferView = &view;
        app->vk.UpdateDescriptorSets(app->device, 1, &write, 0, NULL);
    }
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, b.pipeline);
    app->vk.CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_COMPUTE, b.layout, 0, 1, &b.set,
                                  2, offsets);
    app->vk.CmdDispatch(command, 1, 1, 1);
    app_run(app, command);
    uint32_t expected[GROUP];
    for (uint32_t i = 0; i < GROUP; i++) {
        expected[i] = bench_word(4, i) + 3 * bench_word(5, i) + 5 * bench_word(2, i) +
                      7 * bench_word(3, i) + 11 * bench_word(6, i) + 13 * bench_word(7, i);
    }
    app_expect_words(app, "sums", b.out.map, expected, GROUP);
}

/* --- several sets --------------------------------------------------------------------------- */

enum { SETS = 4 };

/* A buffer alone: the set has slice `slice`, or is written. */
static VkDescriptorSet single_set(struct app *app, struct bench *b, uint32_t slice, bool is_out)
{
    static const VkDescriptorType type = STORAGE;
    const VkDescriptorBufferInfo out = {b->out.buffer, 0, VK_WHOLE_SIZE};
    const VkDescriptorBufferInfo from = bench_slice(b, slice);
    b->set_layout = app_set_layout(app, &type, 1);
    VkDescriptorSet set = app_set(app, b->set_layout, &type, 1);
    const VkWriteDescriptorSet write = bench_write(set, 0, 0, type, is_out ? &out : &from, 1);
    app->vk.UpdateDescriptorSets(app->device, 1, &write, 0, NULL);
    return set;
}

/* Sets 0 to 3, of which the last is written, and one more for the place of the second. */
static struct bench bench_of_sets(struct app *app, VkDescriptorSet sets[SETS + 1])
{
    struct bench b = {0};
    VkDescriptorSetLayout layouts[SETS];
    bench_buffers(app, &b);
    for (uint32_t i = 0; i <= SETS; i++) {
        sets[i] = single_set(app, &b, i, i == 3);
        layouts[i % SETS] = b.set_layout;
    }
    const VkPushConstantRange range = {VK_SHADER_STAGE_COMPUTE_BIT, 0, 4};
    const VkPipelineLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = SETS,
        .pSetLayouts = layouts,
        .pushConstantRangeCount = 1,
        .pPushConstantRanges = &range,
    };
    APP_CHECK(app, CreatePipelineLayout, app->device, &info, NULL, &b.layout);
    app_keep(app, PIPELINE_LAYOUT, b.layout);
    b.pipeline = app_compute(app, b.layout, APP_SHADER(app, desc_sets_comp), NULL);
    return b;
}

enum { ADDEND = 77 };

static void run_sets(struct app *app, const struct bench *b, VkCommandBuffer command)
{
    uint32_t expected[GROUP];
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, b->pipeline);
    app->vk.CmdDispatch(command, 1, 1, 1);
    app_run(app, command);
    for (uint32_t i = 0; i < GROUP; i++) {
        expected[i] = bench_word(0, i) + 3 * bench_word(4, i) + 5 * bench_word(2, i) + ADDEND;
    }
    app_expect_words(app, "sums", b->out.map, expected, GROUP);
}

/* Three binds, of which the last exchanges a set in the middle. */
static const struct {
    uint32_t first, count, from;
} binds[] = {{2, 2, 2}, {0, 2, 0}, {1, 1, APP_OR(4, 1)}};

static void several_sets(struct app *app)
{
    VkDescriptorSet sets[SETS + 1];
    struct bench b = bench_of_sets(app, sets);
    const uint32_t addend = ADDEND;
    VkCommandBuffer command = app_begin(app);
    for (uint32_t i = 0; i < 3; i++) {
        app->vk.CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_COMPUTE, b.layout,
                                      binds[i].first, binds[i].count, sets + binds[i].from, 0,
                                      NULL);
    }
    app->vk.CmdPushConstants(command, b.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, 4, &addend);
    run_sets(app, &b, command);
}

static void several_sets_2(struct app *app)
{
    VkDescriptorSet sets[SETS + 1];
    struct bench b = bench_of_sets(app, sets);
    const uint32_t addend = ADDEND;
    const VkPushConstantsInfo push = {
        .sType = VK_STRUCTURE_TYPE_PUSH_CONSTANTS_INFO,
        .layout = b.layout,
        .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        .size = 4,
        .pValues = &addend,
    };
    VkCommandBuffer command = app_begin(app);
    for (uint32_t i = 0; i < 3; i++) {
        const VkBindDescriptorSetsInfo bind = {
            .sType = VK_STRUCTURE_TYPE_BIND_DESCRIPTOR_SETS_INFO,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
            .layout = b.layout,
            .firstSet = binds[i].first,
            .descriptorSetCount = binds[i].count,
            .pDescriptorSets = sets + binds[i].from,
        };
        app->vk.CmdBindDescriptorSets2(command, &bind);
    }
    app->vk.CmdPushConstants2(command, &push);
    run_sets(app, &b, command);
}

/* --- images and samplers ---------------------------------------------------------------------- */

static VkSampler border_sampler(struct app *app)
{
    const VkSamplerCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO,
        .addressModeU = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_BORDER,
        .addressModeV = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
        .addressModeW = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
        .borderColor = APP_OR(VK_BORDER_COLOR_INT_OPAQUE_WHITE, VK_BORDER_COLOR_INT_OPAQUE_BLACK),
    };
    VkSampler sampler;
    APP_CHECK(app, CreateSampler, app->device, &info, NULL, &sampler);
    app_keep(app, SAMPLER, sampler);
    return sampler;
}

static const uint32_t pixels[] = {10, 20, 30, 40};

static struct app_image make_row(struct app *app, VkCommandBuffer command)
{
    const VkImageCreateInfo info = app_image_info(
        VK_FORMAT_R32_UINT, 4, 1,
        VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_STORAGE_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT);
    struct app_image image = app_image(app, &info, VK_IMAGE_VIEW_TYPE_2D);
    struct app_buffer from = app_buffer(app, sizeof(pixels), 0);
    memcpy(from.map, pixels, sizeof(pixels));
    app_transition(app, command, &image, VK_IMAGE_LAYOUT_UNDEFINED,
                   VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
    app_write(app, command, &image, 0, &from);
    app_transition(app, command, &image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
                   VK_IMAGE_LAYOUT_GENERAL);
    return image;
}

/* All kinds of images; samplers that are written with them, or are part of the layout. */
static void read_images(struct app *app, bool are_immutable)
{
    static const VkDescriptorType types[] = {
        STORAGE, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE,
        VK_DESCRIPTOR_TYPE_SAMPLER, VK_DESCRIPTOR_TYPE_STORAGE_IMAGE};
    const VkSampler border = border_sampler(app), edge = app_sampler(app, VK_FILTER_NEAREST);
    const VkSampler none = VK_NULL_HANDLE;
    const VkSampler *samplers[] = {&none, &border, &none, &edge, &none};
    struct app_buffer out = app_buffer(app, GROUP * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    VkCommandBuffer command = app_begin(app);
    struct app_image image = make_row(app, command);
    VkDescriptorSetLayoutBinding bindings[5];
    for (uint32_t i = 0; i < 5; i++) {
        bindings[i] = (VkDescriptorSetLayoutBinding){i, types[i], 1, VK_SHADER_STAGE_COMPUTE_BIT,
                                                     are_immutable ? samplers[i] : NULL};
    }
    const VkDescriptorSetLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = 5,
        .pBindings = bindings,
    };
    struct app_kernel kernel;
    APP_CHECK(app, CreateDescriptorSetLayout, app->device, &info, NULL, &kernel.set_layout);
    app_keep(app, DESCRIPTOR_SET_LAYOUT, kernel.set_layout);
    kernel.set = app_set(app, kernel.set_layout, types, 5);
    kernel.layout = app_layout(app, kernel.set_layout, 0, 0);
    kernel.pipeline = app_compute(app, kernel.layout, APP_SHADER(app, desc_images_comp), NULL);
    app_write_buffer(app, kernel.set, 0, STORAGE, out.buffer);
    for (uint32_t i = 1; i < 5; i++) {
        if (!are_immutable || types[i] != VK_DESCRIPTOR_TYPE_SAMPLER) {
            app_write_image(app, kernel.set, i, types[i], image.view,
                            are_immutable ? none : *samplers[i], VK_IMAGE_LAYOUT_GENERAL);
        }
    }
    app_dispatch(app, command, &kernel, 1);
    app_run(app, command);
    uint32_t expected[GROUP];
    for (uint32_t i = 0; i < GROUP; i++) {
        uint32_t clamped = i < 4 ? 0 : i < 8 ? i - 4 : 3;
        expected[i] =
            (i / 4 == 1 ? pixels[clamped] : 1) + 100 * pixels[clamped] + 10000 * pixels[i % 4];
    }
    app_expect_words(app, "pixels", out.map, expected, GROUP);
}

static void image_descriptor_types(struct app *app)
{
    read_images(app, false);
}

static void immutable_samplers(struct app *app)
{
    read_images(app, true);
}

/* --- robustness ------------------------------------------------------------------------------- */

/* Eight words may be read, and twelve written: the rest of what is read is 0, and what would be
 * written is as it was. */
static void robust_buffer_access_2(struct app *app)
{
    static const VkDescriptorType types[] = {STORAGE, STORAGE};
    struct bench b = {0};
    uint32_t expected[GROUP];
    bench_buffers(app, &b);
    b.set_layout = app_set_layout(app, types, 2);
    b.set = app_set(app, b.set_layout, types, 2);
    b.layout = app_layout(app, b.set_layout, 0, 0);
    b.pipeline = app_compute(app, b.layout, APP_SHADER(app, desc_robust_comp), NULL);
    const VkDescriptorBufferInfo out = {b.out.buffer, 0, APP_OR(12, 16) * 4};
    const VkDescriptorBufferInfo from = {b.slices.buffer, STRIDE, 8 * 4};
    const VkWriteDescriptorSet writes[] = {bench_write(b.set, 0, 0, STORAGE, &out, 1),
                                           bench_write(b.set, 1, 0, STORAGE, &from, 1)};
    app->vk.UpdateDescriptorSets(app->device, 2, writes, 0, NULL);
    for (uint32_t i = 0; i < GROUP; i++) {
        ((uint32_t *)b.out.map)[i] = 1234;
        expected[i] = i < 8 ? bench_word(1, i) : i < 12 ? 0 : 1234;
    }
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, b.pipeline);
    app->vk.CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_COMPUTE, b.layout, 0, 1, &b.set,
                                  0, NULL);
    app->vk.CmdDispatch(command, 1, 1, 1);
    app_run(app, command);
    app_expect_words(app, "words", b.out.map, expected, GROUP);
}

const struct app_case app_cases_descriptor_sets[] = {
    APP_CASE(buffer_descriptor_types),
    APP_CASE(several_sets),
    APP_CASE(image_descriptor_types),
    APP_CASE(immutable_samplers),
    APP_CASE(several_sets_2, "VK_KHR_maintenance6",
             "VkPhysicalDeviceMaintenance6Features.maintenance6"),
    APP_CASE(robust_buffer_access_2, "VK_EXT_robustness2",
             "VkPhysicalDeviceFeatures.robustBufferAccess",
             "VkPhysicalDeviceRobustness2FeaturesKHR.robustBufferAccess2"),
    {0},
};
