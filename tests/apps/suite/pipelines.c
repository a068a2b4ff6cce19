/* The ways to a graphics pipeline: caches, libraries, derivatives, constants. */
#include "draw.h"

#include <string.h>

/* clang-format off */
#include "half_vert.spv.h"
#include "pass_special_frag.spv.h"
#include "pass_special_vert.spv.h"
#include "red_frag.spv.h"
/* clang-format on */

/* --- helpers ---------------------------------------------------------------------------------- */

static VkPipeline create(struct app *app, VkPipelineCache cache,
                         const VkGraphicsPipelineCreateInfo *info)
{
    VkPipeline pipeline;
    APP_CHECK(app, CreateGraphicsPipelines, app->device, cache, 1, info, NULL, &pipeline);
    app_keep(app, PIPELINE, pipeline);
    return pipeline;
}

/* What it draws: columns of a colour, and black. */
static void expect_columns(struct app *app, VkPipeline pipeline, uint32_t vertex_count,
                           uint32_t first, uint32_t end, uint32_t colour)
{
    uint32_t expected[DRAW_PIXELS];
    for (uint32_t i = 0; i < DRAW_PIXELS; i++) {
        expected[i] = i % APP_WIDTH >= first && i % APP_WIDTH < end ? colour : BLACK;
    }
    app_expect_words(app, "pixels", app_draw_picture(app, pipeline, vertex_count), expected,
                     DRAW_PIXELS);
}

/* --- caches ----------------------------------------------------------------------------------- */

static VkPipelineCache cache(struct app *app, const void *data, size_t size)
{
    const VkPipelineCacheCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
        .initialDataSize = size,
        .pInitialData = data,
    };
    VkPipelineCache made;
    APP_CHECK(app, CreatePipelineCache, app->device, &info, NULL, &made);
    app_keep(app, PIPELINE_CACHE, made);
    return made;
}

/* A second cache with what the first one has learnt. */
static VkPipelineCache copy_of(struct app *app, VkPipelineCache from)
{
    static char data[1 << 20];
    VkPipelineCacheHeaderVersionOne header;
    size_t size = 0;
    APP_CHECK(app, GetPipelineCacheData, app->device, from, &size, NULL);
    app_expect(app, size >= sizeof(header), "%zu bytes of data", size);
    if (size > sizeof(data)) {
        app_skip(app, "no pipeline cache below 1 MiB");
    }
    APP_CHECK(app, GetPipelineCacheData, app->device, from, &size, data);
    memcpy(&header, data, sizeof(header));
    app_expect(app,
               header.headerSize == sizeof(header) &&
                   header.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE,
               "a header of %u bytes, version %d", header.headerSize, (int)header.headerVersion);
    app_expect(
        app,
        header.vendorID == app->properties.vendorID &&
            header.deviceID == app->properties.deviceID &&
            memcmp(header.pipelineCacheUUID, app->properties.pipelineCacheUUID, VK_UUID_SIZE) == 0,
        "the data is another device's");
    return cache(app, data, size);
}

static void pipeline_cache(struct app *app)
{
    struct app_graphics g;
    VkPipelineCache caches[2] = {cache(app, NULL, 0)}, merged = cache(app, NULL, 0);
    app_graphics_red(app, &g);
    VkPipeline first = create(app, caches[0], &g.info);
    caches[1] = copy_of(app, caches[0]);
    VkPipeline second = create(app, caches[1], &g.info);
    APP_CHECK(app, MergePipelineCaches, app->device, merged, 2, caches);
    g.scissor.extent.width = APP_OR(16, 8);
    VkPipeline third = create(app, merged, &g.info);
    expect_columns(app, first, 6, 0, 32, RED);
    expect_columns(app, second, 6, 0, 32, RED);
    expect_columns(app, third, 6, 0, 16, RED);
}

/* --- libraries -------------------------------------------------------------------------------- */

static VkPipeline library(struct app *app, struct app_graphics *g,
                          VkGraphicsPipelineLibraryFlagsEXT part)
{
    const VkGraphicsPipelineLibraryCreateInfoEXT info = {
        .sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_LIBRARY_CREATE_INFO_EXT,
        .pNext = &g->rendering,
        .flags = part,
    };
    g->info.pNext = &info;
    g->info.flags = VK_PIPELINE_CREATE_LIBRARY_BIT_KHR;
    return app_graphics_create(app, g);
}

static void pipeline_libraries(struct app *app)
{
    VkPipelineLayout layout = app_layout(app, VK_NULL_HANDLE, 0, 0);
    struct app_graphics parts[4];
    VkPipeline libraries[4];
    for (uint32_t i = 0; i < 4; i++) {
        app_graphics_init(&parts[i], layout);
    }
    parts[1].scissor.extent.width = APP_OR(16, 32);
    app_graphics_stage(&parts[1], VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, half_vert));
    app_graphics_stage(&parts[2], VK_SHADER_STAGE_FRAGMENT_BIT, APP_SHADER(app, red_frag));
    parts[3].attachments[0].colorWriteMask = VK_COLOR_COMPONENT_R_BIT;
    for (uint32_t i = 0; i < 4; i++) {
        libraries[i] = library(app, &parts[i], 1u << i); /* in the order of the pipeline */
    }
    const VkPipelineLibraryCreateInfoKHR link = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LIBRARY_CREATE_INFO_KHR,
        .libraryCount = 4,
        .pLibraries = libraries,
    };
    const VkGraphicsPipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO,
        .pNext = &link,
        .layout = layout,
    };
    expect_columns(app, create(app, VK_NULL_HANDLE, &info), 6, 0, 16, RED);
}

/* --- what else is said at creation ------------------------------------------------------------ */

/* Each is valid, or says nothing. That they were written shows in the flags. */
static void creation_feedback(struct app *app)
{
    VkPipelineCreationFeedback all[3];
    const VkPipelineCreationFeedbackCreateInfo feedback = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CREATION_FEEDBACK_CREATE_INFO,
        .pPipelineCreationFeedback = &all[0],
        .pipelineStageCreationFeedbackCount = 2,
        .pPipelineStageCreationFeedbacks = &all[1],
    };
    struct app_graphics g;
    memset(all, 0xff, sizeof(all));
    app_graphics_red(app, &g);
    g.rendering.pNext = APP_OR(1, 0) ? &feedback : NULL;
    VkPipeline pipeline = app_graphics_create(app, &g);
    for (uint32_t i = 0; i < 3; i++) {
        bool is_valid = (all[i].flags & VK_PIPELINE_CREATION_FEEDBACK_VALID_BIT) != 0;
        app_expect(app, all[i].flags == 0 || (is_valid && all[i].flags < 8),
                   "feedback %u has flags %#x", i, all[i].flags);
    }
    expect_columns(app, pipeline, 6, 0, 32, RED);
}

/* One of a batch is derived from the first in it, another one from what it made. */
static void derivative_pipelines(struct app *app)
{
    static const uint32_t widths[3] = {32, 24, APP_OR(8, 9)};
    struct app_graphics g[3];
    VkGraphicsPipelineCreateInfo infos[2];
    VkPipeline pipelines[3];
    for (uint32_t i = 0; i < 3; i++) {
        app_graphics_red(app, &g[i]);
        g[i].info.flags =
            i == 0 ? VK_PIPELINE_CREATE_ALLOW_DERIVATIVES_BIT : VK_PIPELINE_CREATE_DERIVATIVE_BIT;
        g[i].info.basePipelineIndex = i == 1 ? 0 : -1;
        g[i].scissor.extent.width = widths[i];
    }
    infos[0] = g[0].info;
    infos[1] = g[1].info;
    APP_CHECK(app, CreateGraphicsPipelines, app->device, VK_NULL_HANDLE, 2, infos, NULL, pipelines);
    app_keep(app, PIPELINE, pipelines[0]);
    app_keep(app, PIPELINE, pipelines[1]);
    g[2].info.basePipelineHandle = pipelines[0];
    pipelines[2] = app_graphics_create(app, &g[2]);
    expect_columns(app, pipelines[0], 6, 0, 32, RED);
    expect_columns(app, pipelines[1], 6, 0, 24, RED);
    expect_columns(app, pipelines[2], 6, 0, 8, RED);
}

/* Constants of 8, 4 and 2 bytes, one left alone; the stages have others under the same number. */
static void graphics_constants(struct app *app)
{
    struct values {
        float shift;
        VkBool32 is_red;
        int64_t wide;
        uint32_t count;
        float level;
        int16_t little;
    };
    static const struct values values = {1, VK_TRUE, 0x123456789abcdef, 17, 0.2f, APP_OR(-8, -7)};
    static const VkSpecializationMapEntry vertex_entries[] = {
        {1, offsetof(struct values, shift), sizeof(float)}};
    static const VkSpecializationMapEntry fragment_entries[] = {
        {3, offsetof(struct values, wide), sizeof(int64_t)},
        {0, offsetof(struct values, is_red), sizeof(VkBool32)},
        {4, offsetof(struct values, little), sizeof(int16_t)},
        {1, offsetof(struct values, count), sizeof(uint32_t)},
        {2, offsetof(struct values, level), sizeof(float)},
        {99, 0, sizeof(float)}}; /* which nobody has */
    const VkSpecializationInfo vertex = {1, vertex_entries, sizeof(values), &values};
    const VkSpecializationInfo fragment = {6, fragment_entries, sizeof(values), &values};
    struct app_graphics g;
    app_graphics_init(&g, app_layout(app, VK_NULL_HANDLE, 0, 0));
    app_graphics_stage(&g, VK_SHADER_STAGE_VERTEX_BIT, APP_SHADER(app, pass_special_vert));
    app_graphics_stage(&g, VK_SHADER_STAGE_FRAGMENT_BIT, APP_SHADER(app, pass_special_frag));
    g.stages[0].pSpecializationInfo = &vertex;
    g.stages[1].pSpecializationInfo = &fragment;
    /* 51 + 17 - 8 is 0x3c, and a fifth of 255 is 0x33. */
    expect_columns(app, app_graphics_create(app, &g), 6, 32, 64, 0xff333cff);
}

#define LIBRARY "VkPhysicalDeviceGraphicsPipelineLibraryFeaturesEXT.graphicsPipelineLibrary"

const struct app_case app_cases_pipelines[] = {
    DRAW_CASE(pipeline_cache),
    DRAW_CASE(creation_feedback),
    DRAW_CASE(derivative_pipelines),
    DRAW_CASE(graphics_constants, "VkPhysicalDeviceFeatures.shaderInt16",
              "VkPhysicalDeviceFeatures.shaderInt64"),
    DRAW_CASE(pipeline_libraries, "VK_KHR_pipeline_library", "VK_EXT_graphics_pipeline_library",
              LIBRARY),
    {0},
};
