/* Acceleration structures, ray queries and ray tracing pipelines. The scene: eight triangles side
 * by side, of which each is one further away than the one before, and the same once more to their
 * right, half a unit further. One ray per column. */
#include "app.h"

#include <string.h>

/* clang-format off */
#include "rays_even_rahit.spv.h"
#include "rays_query_comp.spv.h"
#include "rays_trace_rchit.spv.h"
#include "rays_trace_rgen.spv.h"
#include "rays_trace_rmiss.spv.h"
/* clang-format on */

#define TOP VK_ACCELERATION_STRUCTURE_TYPE_TOP_LEVEL_KHR
#define BOTTOM VK_ACCELERATION_STRUCTURE_TYPE_BOTTOM_LEVEL_KHR
#define ADDRESSED VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT

enum {
    PRIMITIVES = 8,
    INSTANCES = 2,
    RAYS = PRIMITIVES * INSTANCES,
    CORNERS = PRIMITIVES * 3,
    ALIGNMENT = 256, /* a multiple of any that is asked for */
    MISS = 0xffff,
    TRIANGLE = 1,
    BOX = 2, /* types of hits */
};

struct structure {
    VkAccelerationStructureKHR handle;
    struct app_buffer buffer;
};

/* An address in the buffer, which is larger by ALIGNMENT than what is needed. */
static VkDeviceAddress aligned_address(struct app *app, const struct app_buffer *buffer)
{
    return (app_address(app, buffer) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static struct structure make_structure(struct app *app, VkAccelerationStructureTypeKHR type,
                                       VkDeviceSize size)
{
    struct structure made;
    made.buffer =
        app_buffer(app, size, VK_BUFFER_USAGE_ACCELERATION_STRUCTURE_STORAGE_BIT_KHR | ADDRESSED);
    const VkAccelerationStructureCreateInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_CREATE_INFO_KHR,
        .buffer = made.buffer.buffer,
        .size = size,
        .type = type,
    };
    APP_CHECK(app, CreateAccelerationStructureKHR, app->device, &info, NULL, &made.handle);
    app_keep(app, ACCELERATION_STRUCTURE_KHR, made.handle);
    return made;
}

/* How a structure is built, beyond the geometry. */
struct options {
    VkBuildAccelerationStructureFlagsKHR flags;
    const struct structure *updated; /* NULL: build a new one */
    bool is_indirect;
};

static struct structure build(struct app *app, VkCommandBuffer command,
                              const VkAccelerationStructureGeometryKHR *geometry, uint32_t count,
                              struct options options)
{
    const struct structure *updated = options.updated;
    bool is_top = geometry->geometryType == VK_GEOMETRY_TYPE_INSTANCES_KHR;
    VkAccelerationStructureBuildGeometryInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_BUILD_GEOMETRY_INFO_KHR,
        .type = is_top ? TOP : BOTTOM,
        .flags = options.flags,
        .mode = updated != NULL ? VK_BUILD_ACCELERATION_STRUCTURE_MODE_UPDATE_KHR
                                : VK_BUILD_ACCELERATION_STRUCTURE_MODE_BUILD_KHR,
        .geometryCount = 1,
        .pGeometries = geometry,
    };
    VkAccelerationStructureBuildSizesInfoKHR sizes = {
        .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_BUILD_SIZES_INFO_KHR};
    app->vk.GetAccelerationStructureBuildSizesKHR(
        app->device, VK_ACCELERATION_STRUCTURE_BUILD_TYPE_DEVICE_KHR, &info, &count, &sizes);
    struct structure made = updated != NULL
                                ? *updated
                                : make_structure(app, info.type, sizes.accelerationStructureSize);
    struct app_buffer scratch =
        app_buffer(app, sizes.buildScratchSize + sizes.updateScratchSize + ALIGNMENT,
                   VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | ADDRESSED);
    info.srcAccelerationStructure = updated != NULL ? updated->handle : VK_NULL_HANDLE;
    info.dstAccelerationStructure = made.handle;
    info.scratchData.deviceAddress = aligned_address(app, &scratch);
    const VkAccelerationStructureBuildRangeInfoKHR range = {.primitiveCount = count};
    const VkAccelerationStructureBuildRangeInfoKHR *ranges = &range;
    if (options.is_indirect) {
        struct app_buffer where =
            app_buffer(app, sizeof(range), VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT | ADDRESSED);
        const VkDeviceAddress address = app_address(app, &where);
        const uint32_t stride = sizeof(range), *counts = &count;
        memcpy(where.map, &range, sizeof(range));
        app->vk.CmdBuildAccelerationStructuresIndirectKHR(command, 1, &info, &address, &stride,
                                                          &counts);
    } else {
        app->vk.CmdBuildAccelerationStructuresKHR(command, 1, &info, &ranges);
    }
    app_barrier(app, command);
    return made;
}

static struct app_buffer input_buffer(struct app *app, VkDeviceSize size)
{
    return app_buffer(app, size,
                      VK_BUFFER_USAGE_ACCELERATION_STRUCTURE_BUILD_INPUT_READ_ONLY_BIT_KHR |
                          ADDRESSED);
}

/* The triangles' corners, that much further away. */
static void place_triangles(const struct app_buffer *corners, float lift)
{
    float at[CORNERS][3];
    for (uint32_t i = 0; i < CORNERS; i++) {
        at[i][0] = (float)(i / 3) + (i % 3 == 1 ? 1.0f : 0.0f);
        at[i][1] = i % 3 == 2 ? 1.0f : 0.0f;
        at[i][2] = (float)(i / 3) + 1 + lift;
    }
    memcpy(corners->map, at, sizeof(at));
}

static VkAccelerationStructureGeometryKHR triangles_at(struct app *app,
                                                       const struct app_buffer *corners)
{
    return (VkAccelerationStructureGeometryKHR){
        .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_KHR,
        .geometryType = VK_GEOMETRY_TYPE_TRIANGLES_KHR,
        .geometry.triangles =
            {
                .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_TRIANGLES_DATA_KHR,
                .vertexFormat = VK_FORMAT_R32G32B32_SFLOAT,
                .vertexData.deviceAddress = app_address(app, corners),
                .vertexStride = 12,
                .maxVertex = CORNERS - 1,
                .indexType = VK_INDEX_TYPE_NONE_KHR,
            },
        .flags = VK_GEOMETRY_OPAQUE_BIT_KHR,
    };
}

static struct structure build_triangles(struct app *app, VkCommandBuffer command, float lift,
                                        VkBuildAccelerationStructureFlagsKHR flags)
{
    struct app_buffer corners = input_buffer(app, sizeof(float) * 3 * CORNERS);
    place_triangles(&corners, lift);
    const VkAccelerationStructureGeometryKHR geometry = triangles_at(app, &corners);
    return build(app, command, &geometry, PRIMITIVES, (struct options){.flags = flags});
}

static struct structure build_boxes(struct app *app, VkCommandBuffer command)
{
    struct app_buffer boxes = input_buffer(app, sizeof(VkAabbPositionsKHR) * PRIMITIVES);
    for (uint32_t i = 0; i < PRIMITIVES; i++) {
        float x = (float)i;
        ((VkAabbPositionsKHR *)boxes.map)[i] =
            (VkAabbPositionsKHR){x, 0, x + 1, x + 1, 1, x + 1.5f};
    }
    const VkAccelerationStructureGeometryKHR geometry = {
        .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_KHR,
        .geometryType = VK_GEOMETRY_TYPE_AABBS_KHR,
        .geometry.aabbs =
            {
                .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_AABBS_DATA_KHR,
                .data.deviceAddress = app_address(app, &boxes),
                .stride = sizeof(VkAabbPositionsKHR),
            },
    };
    return build(app, command, &geometry, PRIMITIVES, (struct options){0});
}

/* Two instances, of which the second has this mask. */
static struct structure build_top(struct app *app, VkCommandBuffer command,
                                  const struct structure *bottom, uint32_t mask,
                                  VkGeometryInstanceFlagsKHR flags)
{
    struct app_buffer buffer =
        input_buffer(app, sizeof(VkAccelerationStructureInstanceKHR) * INSTANCES);
    const VkAccelerationStructureDeviceAddressInfoKHR address = {
        .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_DEVICE_ADDRESS_INFO_KHR,
        .accelerationStructure = bottom->handle,
    };
    VkAccelerationStructureInstanceKHR instances[INSTANCES] = {
        {.transform = {{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}},
         .instanceCustomIndex = 3,
         .mask = 1},
        {.transform = {{{1, 0, 0, PRIMITIVES}, {0, 1, 0, 0}, {0, 0, 1, 0.5f}}},
         .instanceCustomIndex = 5,
         .mask = mask & 0xff,
         .instanceShaderBindingTableRecordOffset = 1},
    };
    for (uint32_t i = 0; i < INSTANCES; i++) {
        instances[i].flags = flags & 0xff;
        instances[i].accelerationStructureReference =
            app->vk.GetAccelerationStructureDeviceAddressKHR(app->device, &address);
    }
    memcpy(buffer.map, instances, sizeof(instances));
    const VkAccelerationStructureGeometryKHR geometry = {
        .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_KHR,
        .geometryType = VK_GEOMETRY_TYPE_INSTANCES_KHR,
        .geometry.instances =
            {
                .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_INSTANCES_DATA_KHR,
                .data.deviceAddress = app_address(app, &buffer),
            },
    };
    return build(app, command, &geometry, INSTANCES, (struct options){0});
}

/* --- what rays find --------------------------------------------------------------------------- */

/* What the ray of that column finds, in sixteenths for the first triangle of all. */
static uint32_t hit(uint32_t ray, uint32_t type, uint32_t distance)
{
    uint32_t primitive = ray % PRIMITIVES, instance = ray / PRIMITIVES;
    return (instance == 0 ? 3u : 5u) << 24 | primitive << 16 | type << 12 |
           (distance + primitive * 16 + instance * 8);
}

static struct app_kernel make_kernel(struct app *app, const struct app_buffer *out,
                                     const struct structure *top)
{
    static const VkDescriptorType types[] = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                             VK_DESCRIPTOR_TYPE_ACCELERATION_STRUCTURE_KHR};
    struct app_kernel kernel = {.set_layout = app_set_layout(app, types, 2)};
    kernel.set = app_set(app, kernel.set_layout, types, 2);
    kernel.layout = app_layout(app, kernel.set_layout, 0, 0);
    app_write_buffer(app, kernel.set, 0, types[0], out->buffer);
    const VkWriteDescriptorSetAccelerationStructureKHR structures = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET_ACCELERATION_STRUCTURE_KHR,
        .accelerationStructureCount = 1,
        .pAccelerationStructures = &top->handle,
    };
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .pNext = &structures,
        .dstSet = kernel.set,
        .dstBinding = 1,
        .descriptorCount = 1,
        .descriptorType = types[1],
    };
    app->vk.UpdateDescriptorSets(app->device, 1, &write, 0, NULL);
    return kernel;
}

static void query(struct app *app, VkCommandBuffer command, const struct structure *top,
                  const uint32_t *expected)
{
    struct app_buffer out = app_buffer(app, RAYS * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    struct app_kernel kernel = make_kernel(app, &out, top);
    kernel.pipeline = app_compute(app, kernel.layout, APP_SHADER(app, rays_query_comp), NULL);
    app_dispatch(app, command, &kernel, 1);
    app_run(app, command);
    app_expect_words(app, "hits", out.map, expected, RAYS);
}

/* All rays hit triangles, the first at that distance. */
static void query_all(struct app *app, VkCommandBuffer command, const struct structure *bottom,
                      uint32_t distance)
{
    uint32_t expected[RAYS];
    struct structure top = build_top(app, command, bottom, 1, 0);
    for (uint32_t i = 0; i < RAYS; i++) {
        expected[i] = hit(i, TRIANGLE, distance);
    }
    query(app, command, &top, expected);
}

static void ray_query_triangles(struct app *app)
{
    VkCommandBuffer command = app_begin(app);
    struct structure bottom = build_triangles(app, command, APP_OR(0, 1), 0);
    query_all(app, command, &bottom, 16);
}

static void ray_query_masks(struct app *app)
{
    uint32_t expected[RAYS];
    VkCommandBuffer command = app_begin(app);
    struct structure bottom = build_triangles(app, command, 0, 0);
    struct structure top = build_top(app, command, &bottom, APP_OR(2, 3), 0);
    for (uint32_t i = 0; i < RAYS; i++) {
        expected[i] = i < PRIMITIVES ? hit(i, TRIANGLE, 16) : MISS;
    }
    query(app, command, &top, expected);
}

/* The instances' flags make triangles candidates that the shader judges. */
static void ray_query_candidates(struct app *app)
{
    uint32_t expected[RAYS];
    VkCommandBuffer command = app_begin(app);
    struct structure bottom = build_triangles(app, command, 0, 0);
    struct structure top = build_top(app, command, &bottom, 1,
                                     APP_OR(VK_GEOMETRY_INSTANCE_FORCE_NO_OPAQUE_BIT_KHR, 0));
    for (uint32_t i = 0; i < RAYS; i++) {
        expected[i] = i % 2 == 0 ? hit(i, TRIANGLE, 16) : MISS;
    }
    query(app, command, &top, expected);
}

static void ray_query_boxes(struct app *app)
{
    uint32_t expected[RAYS];
    VkCommandBuffer command = app_begin(app);
    struct structure bottom = build_boxes(app, command);
    struct structure top = build_top(app, command, &bottom, 1, 0);
    for (uint32_t i = 0; i < RAYS; i++) {
        /* The shader knows nothing of the second instance's half a unit. */
        expected[i] = hit(i, BOX, APP_OR(20, 16)) - i / PRIMITIVES * 8;
    }
    query(app, command, &top, expected);
}

/* --- building otherwise ----------------------------------------------------------------------- */

static void acceleration_structure_update(struct app *app)
{
    const VkBuildAccelerationStructureFlagsKHR flags =
        VK_BUILD_ACCELERATION_STRUCTURE_ALLOW_UPDATE_BIT_KHR;
    struct app_buffer corners = input_buffer(app, sizeof(float) * 3 * CORNERS);
    const VkAccelerationStructureGeometryKHR geometry = triangles_at(app, &corners);
    place_triangles(&corners, 0);
    VkCommandBuffer command = app_begin(app);
    struct structure bottom =
        build(app, command, &geometry, PRIMITIVES, (struct options){.flags = flags});
    query_all(app, command, &bottom, 16);
    place_triangles(&corners, APP_OR(2, 3));
    command = app_begin(app);
    (void)build(app, command, &geometry, PRIMITIVES,
                (struct options){.flags = flags, .updated = &bottom});
    query_all(app, command, &bottom, 48);
}

static void acceleration_structure_indirect_build(struct app *app)
{
    struct app_buffer corners = input_buffer(app, sizeof(float) * 3 * CORNERS);
    const VkAccelerationStructureGeometryKHR geometry = triangles_at(app, &corners);
    place_triangles(&corners, APP_OR(1, 2));
    VkCommandBuffer command = app_begin(app);
    struct structure bottom =
        build(app, command, &geometry, PRIMITIVES, (struct options){.is_indirect = true});
    query_all(app, command, &bottom, 32);
}

/* --- copies ----------------------------------------------------------------------------------- */

/* What the structure says of itself; ends the commands. */
static uint64_t query_size(struct app *app, VkCommandBuffer command,
                           const struct structure *structure, VkQueryType type)
{
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO, .queryType = type, .queryCount = 1};
    VkQueryPool pool;
    uint64_t size = 0;
    APP_CHECK(app, CreateQueryPool, app->device, &info, NULL, &pool);
    app_keep(app, QUERY_POOL, pool);
    app->vk.CmdResetQueryPool(command, pool, 0, 1);
    app->vk.CmdWriteAccelerationStructuresPropertiesKHR(command, 1, &structure->handle, type, pool,
                                                        0);
    app_run(app, command);
    APP_CHECK(app, GetQueryPoolResults, app->device, pool, 0, 1, sizeof(size), &size, sizeof(size),
              VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
    app_expect(app, size != 0, "the size is 0");
    return size;
}

/* Behind it the original is gone. */
static void copy_structure(struct app *app, VkCommandBuffer command, const struct structure *from,
                           const struct structure *to, VkCopyAccelerationStructureModeKHR mode)
{
    const VkCopyAccelerationStructureInfoKHR copy = {
        .sType = VK_STRUCTURE_TYPE_COPY_ACCELERATION_STRUCTURE_INFO_KHR,
        .src = from->handle,
        .dst = to->handle,
        .mode = mode,
    };
    app->vk.CmdCopyAccelerationStructureKHR(command, &copy);
    app_barrier(app, command);
    app->vk.CmdFillBuffer(command, from->buffer.buffer, 0, VK_WHOLE_SIZE, 0);
    app_barrier(app, command);
}

static void acceleration_structure_compaction(struct app *app)
{
    VkCommandBuffer command = app_begin(app);
    struct structure original = build_triangles(
        app, command, APP_OR(0, 1), VK_BUILD_ACCELERATION_STRUCTURE_ALLOW_COMPACTION_BIT_KHR);
    uint64_t size = query_size(app, command, &original,
                               VK_QUERY_TYPE_ACCELERATION_STRUCTURE_COMPACTED_SIZE_KHR);
    app_expect(app, size <= original.buffer.size, "compaction makes it larger");
    struct structure copy = make_structure(app, BOTTOM, size);
    command = app_begin(app);
    copy_structure(app, command, &original, &copy, VK_COPY_ACCELERATION_STRUCTURE_MODE_COMPACT_KHR);
    query_all(app, command, &copy, 16);
}

static void acceleration_structure_clone(struct app *app)
{
    VkCommandBuffer command = app_begin(app);
    struct structure original = build_triangles(app, command, APP_OR(1, 2), 0);
    struct structure copy = make_structure(app, BOTTOM, original.buffer.size);
    copy_structure(app, command, &original, &copy, VK_COPY_ACCELERATION_STRUCTURE_MODE_CLONE_KHR);
    query_all(app, command, &copy, 32);
}

/* To memory, and back from what the header there says. */
static void acceleration_structure_serialization(struct app *app)
{
    VkCommandBuffer command = app_begin(app);
    struct structure original = build_triangles(app, command, APP_OR(3, 2), 0);
    uint64_t size = query_size(app, command, &original,
                               VK_QUERY_TYPE_ACCELERATION_STRUCTURE_SERIALIZATION_SIZE_KHR);
    struct app_buffer memory = app_buffer(app, size + ALIGNMENT, ADDRESSED);
    const VkDeviceAddress address = aligned_address(app, &memory);
    const VkCopyAccelerationStructureToMemoryInfoKHR save = {
        .sType = VK_STRUCTURE_TYPE_COPY_ACCELERATION_STRUCTURE_TO_MEMORY_INFO_KHR,
        .src = original.handle,
        .dst.deviceAddress = address,
        .mode = VK_COPY_ACCELERATION_STRUCTURE_MODE_SERIALIZE_KHR,
    };
    command = app_begin(app);
    app->vk.CmdCopyAccelerationStructureToMemoryKHR(command, &save);
    app_barrier(app, command);
    app->vk.CmdFillBuffer(command, original.buffer.buffer, 0, VK_WHOLE_SIZE, 0);
    app_run(app, command);

    struct {
        uint8_t version[2 * VK_UUID_SIZE];
        uint64_t serialized, deserialized, handle_count;
    } header;
    memcpy(&header, (char *)memory.map + (address - app_address(app, &memory)), sizeof(header));
    app_expect(app, header.serialized <= size, "more than asked for was serialized");
    const VkAccelerationStructureVersionInfoKHR version = {
        .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_VERSION_INFO_KHR,
        .pVersionData = header.version,
    };
    VkAccelerationStructureCompatibilityKHR compatibility;
    app->vk.GetDeviceAccelerationStructureCompatibilityKHR(app->device, &version, &compatibility);
    app_expect(app, compatibility == VK_ACCELERATION_STRUCTURE_COMPATIBILITY_COMPATIBLE_KHR,
               "not compatible with itself");
    struct structure copy = make_structure(app, BOTTOM, header.deserialized);
    const VkCopyMemoryToAccelerationStructureInfoKHR load = {
        .sType = VK_STRUCTURE_TYPE_COPY_MEMORY_TO_ACCELERATION_STRUCTURE_INFO_KHR,
        .src.deviceAddress = address,
        .dst = copy.handle,
        .mode = VK_COPY_ACCELERATION_STRUCTURE_MODE_DESERIALIZE_KHR,
    };
    command = app_begin(app);
    app->vk.CmdCopyMemoryToAccelerationStructureKHR(command, &load);
    app_barrier(app, command);
    query_all(app, command, &copy, 64);
}

/* --- ray tracing pipelines -------------------------------------------------------------------- */

enum { HANDLE = 32, STRIDE = 64, GROUPS = 4 };

static VkPipeline make_pipeline(struct app *app, VkPipelineLayout layout)
{
    const VkPipelineShaderStageCreateInfo stages[] = {
        app_stage(VK_SHADER_STAGE_RAYGEN_BIT_KHR, APP_SHADER(app, rays_trace_rgen)),
        app_stage(VK_SHADER_STAGE_MISS_BIT_KHR, APP_SHADER(app, rays_trace_rmiss)),
        app_stage(VK_SHADER_STAGE_CLOSEST_HIT_BIT_KHR, APP_SHADER(app, rays_trace_rchit)),
        app_stage(VK_SHADER_STAGE_ANY_HIT_BIT_KHR, APP_SHADER(app, rays_even_rahit)),
    };
    VkRayTracingShaderGroupCreateInfoKHR groups[GROUPS];
    for (uint32_t i = 0; i < GROUPS; i++) {
        groups[i] = (VkRayTracingShaderGroupCreateInfoKHR){
            .sType = VK_STRUCTURE_TYPE_RAY_TRACING_SHADER_GROUP_CREATE_INFO_KHR,
            .type = i < 2 ? VK_RAY_TRACING_SHADER_GROUP_TYPE_GENERAL_KHR
                          : VK_RAY_TRACING_SHADER_GROUP_TYPE_TRIANGLES_HIT_GROUP_KHR,
            .generalShader = i < 2 ? i : VK_SHADER_UNUSED_KHR,
            .closestHitShader = i < 2 ? VK_SHADER_UNUSED_KHR : 2,
            .anyHitShader = i == 3 ? 3 : VK_SHADER_UNUSED_KHR,
            .intersectionShader = VK_SHADER_UNUSED_KHR,
        };
    }
    const VkRayTracingPipelineCreateInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_RAY_TRACING_PIPELINE_CREATE_INFO_KHR,
        .stageCount = 4,
        .pStages = stages,
        .groupCount = GROUPS,
        .pGroups = groups,
        .maxPipelineRayRecursionDepth = 1,
        .layout = layout,
    };
    VkPipeline pipeline;
    APP_CHECK(app, CreateRayTracingPipelinesKHR, app->device, VK_NULL_HANDLE, VK_NULL_HANDLE, 1,
              &info, NULL, &pipeline);
    app_keep(app, PIPELINE, pipeline);
    return pipeline;
}

/* Where the groups are; the hit groups' records have a word more than the handle. */
struct table {
    VkStridedDeviceAddressRegionKHR generation, miss, hits, none;
};

static struct table make_table(struct app *app, VkPipeline pipeline)
{
    static const uint32_t places[GROUPS] = {0, ALIGNMENT, 2 * ALIGNMENT, 2 * ALIGNMENT + STRIDE};
    const uint32_t word = APP_OR(TRIANGLE, TRIANGLE + 1);
    uint8_t handles[GROUPS][HANDLE];
    struct app_buffer buffer =
        app_buffer(app, 4 * ALIGNMENT, VK_BUFFER_USAGE_SHADER_BINDING_TABLE_BIT_KHR | ADDRESSED);
    const VkDeviceAddress base = aligned_address(app, &buffer);
    uint8_t *map = (uint8_t *)buffer.map + (base - app_address(app, &buffer));
    APP_CHECK(app, GetRayTracingShaderGroupHandlesKHR, app->device, pipeline, 0, GROUPS,
              sizeof(handles), handles);
    for (uint32_t i = 0; i < GROUPS; i++) {
        memcpy(map + places[i], handles[i], HANDLE);
        memcpy(map + places[i] + HANDLE, &word, sizeof(word));
    }
    return (struct table){
        .generation = {base, STRIDE, STRIDE},
        .miss = {base + ALIGNMENT, STRIDE, STRIDE},
        .hits = {base + 2 * ALIGNMENT, STRIDE, 2 * STRIDE},
    };
}

/* The second instance's triangles have another hit group, that does without the odd ones. */
static void trace(struct app *app, bool is_indirect)
{
    struct app_buffer out = app_buffer(app, RAYS * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    struct app_buffer size = app_buffer(app, 16, VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT | ADDRESSED);
    const VkTraceRaysIndirectCommandKHR dimensions = {4, RAYS / 4, 1};
    memcpy(size.map, &dimensions, sizeof(dimensions));
    VkCommandBuffer command = app_begin(app);
    struct structure bottom = build_triangles(app, command, 0, 0);
    struct structure top =
        build_top(app, command, &bottom, 1, VK_GEOMETRY_INSTANCE_FORCE_NO_OPAQUE_BIT_KHR);
    struct app_kernel kernel = make_kernel(app, &out, &top);
    kernel.pipeline = make_pipeline(app, kernel.layout);
    struct table table = make_table(app, kernel.pipeline);
    app->vk.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_RAY_TRACING_KHR, kernel.pipeline);
    app->vk.CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_RAY_TRACING_KHR, kernel.layout, 0,
                                  1, &kernel.set, 0, NULL);
    if (is_indirect) {
        app->vk.CmdTraceRaysIndirectKHR(command, &table.generation, &table.miss, &table.hits,
                                        &table.none, app_address(app, &size));
    } else {
        app->vk.CmdTraceRaysKHR(command, &table.generation, &table.miss, &table.hits, &table.none,
                                dimensions.width, dimensions.height, 1);
    }
    app_run(app, command);
    uint32_t expected[RAYS];
    for (uint32_t i = 0; i < RAYS; i++) {
        expected[i] = i < PRIMITIVES || i % 2 == 0 ? hit(i, TRIANGLE, 16) : MISS;
    }
    app_expect_words(app, "hits", out.map, expected, RAYS);
}

static void ray_tracing_pipeline(struct app *app)
{
    trace(app, false);
}

static void ray_tracing_indirect(struct app *app)
{
    trace(app, true);
}

#define STRUCTURES                                                                                 \
    "VK_KHR_deferred_host_operations", "VK_KHR_acceleration_structure",                            \
        "VkPhysicalDeviceVulkan12Features.bufferDeviceAddress",                                    \
        "VkPhysicalDeviceAccelerationStructureFeaturesKHR.accelerationStructure"
#define QUERIES STRUCTURES, "VK_KHR_ray_query", "VkPhysicalDeviceRayQueryFeaturesKHR.rayQuery"
#define PIPELINES                                                                                  \
    STRUCTURES, "VK_KHR_ray_tracing_pipeline",                                                     \
        "VkPhysicalDeviceRayTracingPipelineFeaturesKHR.rayTracingPipeline"

const struct app_case app_cases_rays[] = {
    APP_CASE(ray_query_triangles, QUERIES),
    APP_CASE(ray_query_masks, QUERIES),
    APP_CASE(ray_query_candidates, QUERIES),
    APP_CASE(ray_query_boxes, QUERIES),
    APP_CASE(acceleration_structure_update, QUERIES),
    APP_CASE(acceleration_structure_compaction, QUERIES),
    APP_CASE(acceleration_structure_clone, QUERIES),
    APP_CASE(acceleration_structure_serialization, QUERIES),
    APP_CASE(acceleration_structure_indirect_build, QUERIES,
             "VkPhysicalDeviceAccelerationStructureFeaturesKHR.accelerationStructureIndirectBuild"),
    APP_CASE(ray_tracing_pipeline, PIPELINES),
    APP_CASE(ray_tracing_indirect, PIPELINES,
             "VkPhysicalDeviceRayTracingPipelineFeaturesKHR.rayTracingPipelineTraceRaysIndirect"),
    {0},
};
