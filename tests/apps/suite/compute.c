#include "app.h"

#include <string.h>

/* clang-format off */
#include "atomics_comp.spv.h"
#include "scale_comp.spv.h"
#include "shared_comp.spv.h"
/* clang-format on */

enum { COUNT = 256 };

/* x -> x * factor + addend, where the factor is a specialization constant. */
static void scale(struct app *app, uint32_t factor, uint32_t addend, uint32_t expected_factor,
                  uint32_t expected_addend)
{
    static const VkSpecializationMapEntry entries[] = {{7, 4, sizeof(uint32_t)}};
    const uint32_t words[] = {0, factor}; /* a map with an offset */
    const VkSpecializationInfo constants = {1, entries, sizeof(words), words};
    struct app_buffer data = app_buffer(app, COUNT * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    struct app_kernel kernel =
        app_kernel(app, APP_SHADER(app, scale_comp), &constants, sizeof(addend), &data);
    uint32_t expected[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        ((uint32_t *)data.map)[i] = i * i;
        expected[i] = i * i * expected_factor + expected_addend;
    }
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdPushConstants(command, kernel.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(addend),
                             &addend);
    app_dispatch(app, command, &kernel, COUNT / 64);
    app_run(app, command);
    app_expect_words(app, "scaled", data.map, expected, COUNT);
}

static void specialization_constants(struct app *app)
{
    scale(app, APP_OR(3, 4), 0, 3, 0);
}

static void push_constants(struct app *app)
{
    scale(app, 1, APP_OR(1000, 999), 1, 1000);
}

/* Each group turns its 64 words around, by way of shared memory. */
static void shared_memory(struct app *app)
{
    struct app_buffer data = app_buffer(app, COUNT * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    struct app_kernel kernel = app_kernel(app, APP_SHADER(app, shared_comp), NULL, 0, &data);
    uint32_t expected[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        ((uint32_t *)data.map)[i] = i * 5;
        expected[i] = (i / 64 * 64 + 63 - i % 64) * 5;
    }
    VkCommandBuffer command = app_begin(app);
    app_dispatch(app, command, &kernel, APP_OR(COUNT / 64, 1));
    app_run(app, command);
    app_expect_words(app, "turned around", data.map, expected, COUNT);
}

/* Histogram: as many increments as invocations. */
static void atomics(struct app *app)
{
    enum { BINS = 16, GROUPS = 40 };
    struct app_buffer data = app_buffer(app, BINS * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    struct app_kernel kernel = app_kernel(app, APP_SHADER(app, atomics_comp), NULL, 0, &data);
    uint32_t expected[BINS] = {0};
    for (uint32_t i = 0; i < 64 * GROUPS; i++) {
        expected[i * i % BINS]++;
    }
    VkCommandBuffer command = app_begin(app);
    app_dispatch(app, command, &kernel, APP_OR(GROUPS, GROUPS - 1));
    app_run(app, command);
    app_expect_words(app, "bins", data.map, expected, BINS);
}

static void indirect_dispatch(struct app *app)
{
    struct app_buffer data = app_buffer(app, COUNT * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    struct app_buffer counts = app_buffer(app, 64, VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT);
    struct app_kernel kernel = app_kernel(app, APP_SHADER(app, shared_comp), NULL, 0, &data);
    uint32_t expected[COUNT];
    const VkDispatchIndirectCommand groups = {APP_OR(3, 4), 1, 1};
    memcpy((char *)counts.map + 16, &groups, sizeof(groups));
    for (uint32_t i = 0; i < COUNT; i++) {
        ((uint32_t *)data.map)[i] = i;
        expected[i] = i < 3 * 64 ? i / 64 * 64 + 63 - i % 64 : i;
    }
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, kernel.pipeline);
    app->vk.CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_COMPUTE, kernel.layout, 0, 1,
                                  &kernel.set, 0, NULL);
    app->vk.CmdDispatchIndirect(command, counts.buffer, 16);
    app_run(app, command);
    app_expect_words(app, "turned around", data.map, expected, COUNT);
}

const struct app_case app_cases_compute[] = {
    APP_CASE(specialization_constants),
    APP_CASE(push_constants),
    APP_CASE(shared_memory),
    APP_CASE(atomics),
    APP_CASE(indirect_dispatch),
    {0},
};
