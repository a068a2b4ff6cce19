/* Second versions of commands, which say the same in another way, and protected memory. */
#include "descriptors.h"
#include "draw.h"
#include "texels.h"

#include <string.h>
#include <time.h>

static const VkImageLayout source = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;
static const VkImageLayout destination = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL;

/* Twice as large, and turned around. */
static void blit_image_2(struct app *app)
{
    enum { SIDE = 4, BIG = 2 * SIDE };
    const VkImageCreateInfo info =
        app_image_info(VK_FORMAT_R8G8B8A8_UNORM, SIDE, SIDE,
                       VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT);
    const VkImageCreateInfo big = app_image_info(info.format, BIG, BIG, info.usage);
    const VkImageSubresourceLayers layers = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
    struct app_image from = texels_numbered(app, &info, VK_IMAGE_VIEW_TYPE_MAX_ENUM, source);
    struct app_image to = app_image(app, &big, VK_IMAGE_VIEW_TYPE_MAX_ENUM);
    const VkImageBlit2 region = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_BLIT_2,
        .srcSubresource = layers,
        .srcOffsets = {{0, 0, 0}, {SIDE, SIDE, 1}},
        .dstSubresource = layers,
        .dstOffsets = {{APP_OR(BIG, 0), 0, 0}, {APP_OR(0, BIG), BIG, 1}},
    };
    const VkBlitImageInfo2 blit = {
        .sType = VK_STRUCTURE_TYPE_BLIT_IMAGE_INFO_2,
        .srcImage = from.image,
        .srcImageLayout = source,
        .dstImage = to.image,
        .dstImageLayout = destination,
        .regionCount = 1,
        .pRegions = &region,
        .filter = VK_FILTER_NEAREST,
    };
    uint32_t expected[BIG * BIG];
    for (uint32_t i = 0; i < BIG * BIG; i++) {
        expected[i] = i / BIG / 2 * SIDE + (BIG - 1 - i % BIG) / 2;
    }
    VkCommandBuffer command = app_begin(app);
    app_transition(app, command, &to, VK_IMAGE_LAYOUT_UNDEFINED, destination);
    app->vk.CmdBlitImage2(command, &blit);
    app_transition(app, command, &to, destination, source);
    app_run(app, command);
    texels_expect_level(app, &to, source, 0, expected, BIG * BIG);
}

/* The second push adds to the first. */
static void push_descriptors_2(struct app *app)
{
    static const uint32_t slices[] = {2, 5, 0, APP_OR(6, 7)}, expected[] = {2, 5, 0, 6};
    const struct layout_options options = {
        .type = STORAGE,
        .count = 4,
        .flags = VK_DESCRIPTOR_SET_LAYOUT_CREATE_PUSH_DESCRIPTOR_BIT_KHR,
    };
    struct bench b = bench_make(app, &options, bench_array_shader(app));
    VkDescriptorBufferInfo out = {b.out.buffer, 0, VK_WHOLE_SIZE}, from[4];
    const VkWriteDescriptorSet writes[] = {
        bench_write(VK_NULL_HANDLE, 0, 0, STORAGE, &out, 1),
        bench_write(VK_NULL_HANDLE, 1, 0, STORAGE, from, 2),
        bench_write(VK_NULL_HANDLE, 1, 2, STORAGE, from + 2, 2),
    };
    VkPushDescriptorSetInfo push = {
        .sType = VK_STRUCTURE_TYPE_PUSH_DESCRIPTOR_SET_INFO,
        .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        .layout = b.layout,
        .descriptorWriteCount = 2,
        .pDescriptorWrites = writes,
    };
    for (uint32_t i = 0; i < 4; i++) {
        from[i] = bench_slice(&b, slices[i]);
    }
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdPushDescriptorSet2(command, &push);
    push.descriptorWriteCount = 1;
    push.pDescriptorWrites = writes + 2;
    app->vk.CmdPushDescriptorSet2(command, &push);
    bench_run_groups(app, &b, command, expected);
}

/* Six indices are bound; what lies behind them is not. */
static void index_buffer_2(struct app *app)
{
    static const uint16_t indices[] = {9, 9, 0, 1, 2, 2, 1, 3};
    struct draw_vertex vertices[4];
    struct app_graphics g;
    struct draw draw;
    draw_vertices_init(app, &g);
    g.assembly.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST;
    VkPipeline pipeline = app_graphics_create(app, &g);
    struct app_buffer buffer = app_buffer(app, 64, VK_BUFFER_USAGE_INDEX_BUFFER_BIT);
    memcpy(buffer.map, indices, sizeof(indices));
    draw_corners(vertices, 4, 8, 40, 60, GREEN);
    draw_begin(app, &draw);
    draw_bind(app, &draw, pipeline);
    draw_bind_vertices(app, &draw, vertices, 4);
    app->vk.CmdBindIndexBuffer2(draw.command, buffer.buffer, 4, 12, VK_INDEX_TYPE_UINT16);
    app->vk.CmdDrawIndexed(draw.command, APP_OR(6, 3), 1, 0, 0, 0);
    draw_expect(&draw, 4, 8, 40, 60, GREEN);
    draw_end(app, &draw);
}

static void expect_layout(struct app *app, const char *by, const VkSubresourceLayout *got,
                          const VkSubresourceLayout *own)
{
    app_expect(
        app, got->offset == own->offset && got->rowPitch == own->rowPitch && got->size == own->size,
        "%s: %llu bytes, rows of %llu, not %llu, rows of %llu", by, (unsigned long long)got->size,
        (unsigned long long)got->rowPitch, (unsigned long long)own->size,
        (unsigned long long)own->rowPitch);
}

/* Of a linear image, of the same by the second command, and of one that was never made. */
static void image_layouts_2(struct app *app)
{
    const VkImageSubresource2KHR place = {.sType = VK_STRUCTURE_TYPE_IMAGE_SUBRESOURCE_2_KHR,
                                          .imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0}};
    for (uint32_t i = 1; i < 4; i++) {
        VkImageCreateInfo info =
            app_image_info(VK_FORMAT_R8G8B8A8_UNORM, 100 * i, 9, VK_IMAGE_USAGE_TRANSFER_DST_BIT);
        info.tiling = VK_IMAGE_TILING_LINEAR;
        VkImageCreateInfo other = info;
        other.extent.width = APP_OR(100, 300) * i;
        const VkDeviceImageSubresourceInfoKHR of = {
            .sType = VK_STRUCTURE_TYPE_DEVICE_IMAGE_SUBRESOURCE_INFO_KHR,
            .pCreateInfo = &other,
            .pSubresource = &place,
        };
        VkSubresourceLayout2KHR second = {.sType = VK_STRUCTURE_TYPE_SUBRESOURCE_LAYOUT_2_KHR};
        VkSubresourceLayout2KHR device = {.sType = VK_STRUCTURE_TYPE_SUBRESOURCE_LAYOUT_2_KHR};
        VkSubresourceLayout first;
        const VkImage image = app_create_image(app, &info, NULL).image;
        app->vk.GetImageSubresourceLayout(app->device, image, &place.imageSubresource, &first);
        app->vk.GetImageSubresourceLayout2(app->device, image, &place, &second);
        app->vk.GetDeviceImageSubresourceLayout(app->device, &of, &device);
        expect_layout(app, "second", &second.subresourceLayout, &first);
        expect_layout(app, "device", &device.subresourceLayout, &first);
        app_result(app, &first.rowPitch, sizeof(first.rowPitch));
    }
}

/* --- render passes ---------------------------------------------------------------------------- */

/* Two subpasses draw to one picture. */
static VkRenderPass two_subpasses(struct app *app)
{
    const VkAttachmentDescription2 picture = {
        .sType = VK_STRUCTURE_TYPE_ATTACHMENT_DESCRIPTION_2,
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
        .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
        .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
        .stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
        .finalLayout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
    };
    const VkAttachmentReference2 colour = {
        .sType = VK_STRUCTURE_TYPE_ATTACHMENT_REFERENCE_2,
        .layout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
        .aspectMask = VK_IMAGE_ASPECT_COLOR_BIT,
    };
    const VkSubpassDescription2 subpass = {
        .sType = VK_STRUCTURE_TYPE_SUBPASS_DESCRIPTION_2,
        .pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS,
        .colorAttachmentCount = 1,
        .pColorAttachments = &colour,
    };
    const VkSubpassDescription2 subpasses[2] = {subpass, subpass};
    const VkSubpassDependency2 dependency = {
        .sType = VK_STRUCTURE_TYPE_SUBPASS_DEPENDENCY_2,
        .dstSubpass = 1,
        .srcStageMask = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
        .dstStageMask = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
        .srcAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT | VK_ACCESS_COLOR_ATTACHMENT_READ_BIT,
        .dependencyFlags = VK_DEPENDENCY_BY_REGION_BIT,
    };
    const VkRenderPassCreateInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO_2,
        .attachmentCount = 1,
        .pAttachments = &picture,
        .subpassCount = 2,
        .pSubpasses = subpasses,
        .dependencyCount = 1,
        .pDependencies = &dependency,
    };
    VkRenderPass pass;
    APP_CHECK(app, CreateRenderPass2, app->device, &info, NULL, &pass);
    app_keep(app, RENDER_PASS, pass);
    return pass;
}

static VkFramebuffer framebuffer(struct app *app, VkRenderPass pass, VkImageView view)
{
    const VkFramebufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
        .renderPass = pass,
        .attachmentCount = 1,
        .pAttachments = &view,
        .width = APP_WIDTH,
        .height = APP_HEIGHT,
        .layers = 1,
    };
    VkFramebuffer made;
    APP_CHECK(app, CreateFramebuffer, app->device, &info, NULL, &made);
    app_keep(app, FRAMEBUFFER, made);
    return made;
}

static void render_pass_commands_2(struct app *app)
{
    static const VkClearValue clear = {.color.float32 = {0, 0, 0, 1}};
    const VkSubpassBeginInfo inside = {.sType = VK_STRUCTURE_TYPE_SUBPASS_BEGIN_INFO,
                                       .contents = VK_SUBPASS_CONTENTS_INLINE};
    const VkSubpassEndInfo end = {.sType = VK_STRUCTURE_TYPE_SUBPASS_END_INFO};
    const VkRenderPass pass = two_subpasses(app);
    VkPipeline pipelines[2];
    struct draw draw;
    for (uint32_t i = 0; i < 2; i++) {
        struct app_graphics g;
        draw_rects_init(app, &g);
        g.info.pNext = NULL;
        g.info.renderPass = pass;
        g.info.subpass = i;
        pipelines[i] = app_graphics_create(app, &g);
    }
    draw_init(app, &draw);
    const VkRenderPassBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
        .renderPass = pass,
        .framebuffer = framebuffer(app, pass, draw.target.view),
        .renderArea = {{0, 0}, {APP_WIDTH, APP_HEIGHT}},
        .clearValueCount = 1,
        .pClearValues = &clear,
    };
    app->vk.CmdBeginRenderPass2(draw.command, &begin, &inside);
    draw_bind(app, &draw, pipelines[0]);
    draw_rect(app, &draw, 8, 8, 40, 40, 0, RED);
    app->vk.CmdNextSubpass2(draw.command, &inside, &end);
    draw_bind(app, &draw, pipelines[1]);
    draw_rect(app, &draw, APP_OR(20, 21), 20, 60, 60, 0, GREEN);
    app->vk.CmdEndRenderPass2(draw.command, &end);
    app_barrier(app, draw.command);
    draw_expect(&draw, 8, 8, 40, 40, RED);
    draw_expect(&draw, 20, 20, 60, 60, GREEN);
    draw_compare(app, &draw);
}

/* --- time and queues -------------------------------------------------------------------------- */

/* What they say differs: that they are there, and one after the other, does not. */
static void timestamps_2(struct app *app)
{
    static const uint32_t expected[3] = {1, 1, 0};
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = 3,
    };
    const uint32_t bits = app->families[app->family].timestampValidBits;
    uint64_t results[3][2] = {{0}};
    uint32_t available[3];
    VkQueryPool pool;
    if (bits == 0) {
        app_skip(app, "no timestampValidBits");
    }
    APP_CHECK(app, CreateQueryPool, app->device, &info, NULL, &pool);
    app_keep(app, QUERY_POOL, pool);
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdResetQueryPool(command, pool, 0, 3);
    app->vk.CmdWriteTimestamp2(command, VK_PIPELINE_STAGE_2_COPY_BIT, pool, 0);
    app_barrier(app, command);
    app->vk.CmdWriteTimestamp2(command, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, pool, APP_OR(1, 2));
    app_run(app, command);
    VkResult result = app->vk.GetQueryPoolResults(
        app->device, pool, 0, 3, sizeof(results), results, sizeof(results[0]),
        VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WITH_AVAILABILITY_BIT);
    app_expect(app, result == VK_NOT_READY, "VkResult %d", (int)result);
    for (uint32_t i = 0; i < 3; i++) {
        available[i] = (uint32_t)results[i][1];
    }
    app_expect_words(app, "available", available, expected, 3);
    const uint64_t mask = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    app_expect(app, ((results[1][0] - results[0][0]) & mask) <= mask / 2, "time went backward");
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The GPU's clock goes on, and the program's is the program's. */
static void calibrated_timestamps(struct app *app)
{
    static const VkTimeDomainEXT wanted[2] = {VK_TIME_DOMAIN_DEVICE_EXT,
                                              VK_TIME_DOMAIN_CLOCK_MONOTONIC_EXT};
    VkTimeDomainEXT domains[16];
    VkCalibratedTimestampInfoEXT infos[2];
    uint32_t count = 16, found = 0;
    uint64_t times[2][2], deviation;
    PFN_vkGetPhysicalDeviceCalibrateableTimeDomainsEXT get_domains =
        (PFN_vkGetPhysicalDeviceCalibrateableTimeDomainsEXT)app->get_instance_proc(
            app->instance, "vkGetPhysicalDeviceCalibrateableTimeDomainsEXT");
    app_check(app, get_domains(app->gpu, &count, domains),
              "vkGetPhysicalDeviceCalibrateableTimeDomainsEXT");
    for (uint32_t i = 0; i < count; i++) {
        found += domains[i] == wanted[0] || domains[i] == wanted[1];
    }
    if (found != 2) {
        app_skip(app, "no CLOCK_MONOTONIC of a device");
    }
    for (uint32_t i = 0; i < 2; i++) {
        infos[i] = (VkCalibratedTimestampInfoEXT){
            .sType = VK_STRUCTURE_TYPE_CALIBRATED_TIMESTAMP_INFO_EXT, .timeDomain = wanted[i]};
    }
    const uint64_t before = now_ns();
    for (uint32_t i = 0; i < 2; i++) {
        APP_CHECK(app, GetCalibratedTimestampsKHR, app->device, 2, infos, times[APP_OR(i, 1 - i)],
                  &deviation);
        app_run(app, app_begin(app));
    }
    app_expect(app, times[1][0] > times[0][0], "the device's time does not go on");
    app_expect(app, times[0][1] >= before && times[1][1] >= times[0][1] && now_ns() >= times[1][1],
               "another time than the program's");
    app_result(app, wanted, sizeof(wanted));
}

static void device_queue_2(struct app *app)
{
    enum { WORDS = 16 };
    const VkDeviceQueueInfo2 info = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_INFO_2,
                                     .queueFamilyIndex = app->family};
    struct app_buffer data = app_buffer(app, WORDS * 4, 0);
    uint32_t expected[WORDS];
    VkQueue queue;
    app->vk.GetDeviceQueue2(app->device, &info, &queue);
    app_expect(app, queue == app->queue, "another queue");
    VkCommandBuffer command = app_begin(app);
    app->vk.CmdFillBuffer(command, data.buffer, 0, 32, 1);
    app->vk.CmdFillBuffer(command, data.buffer, 32, 32, APP_OR(2, 3));
    app_barrier(app, command);
    APP_CHECK(app, EndCommandBuffer, command);
    app_submit(app, queue, command);
    for (uint32_t i = 0; i < WORDS; i++) {
        expected[i] = 1 + i / 8;
    }
    app_expect_words(app, "filled", data.map, expected, WORDS);
}

/* --- protected memory ------------------------------------------------------------------------- */

/* Nobody can look into it: only that such a buffer gets such memory is told. */
static void protected_memory(struct app *app)
{
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .flags = VK_BUFFER_CREATE_PROTECTED_BIT,
        .size = 4096,
        .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    VkMemoryAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
    const VkMemoryPropertyFlags wanted =
        APP_OR(VK_MEMORY_PROPERTY_PROTECTED_BIT, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT);
    VkMemoryRequirements needs;
    VkDeviceMemory memory;
    const VkBuffer buffer = app_create_buffer(app, &info, &needs);
    while (allocate.memoryTypeIndex < app->memory.memoryTypeCount &&
           ((needs.memoryTypeBits & 1u << allocate.memoryTypeIndex) == 0 ||
            (app->memory.memoryTypes[allocate.memoryTypeIndex].propertyFlags & wanted) == 0)) {
        allocate.memoryTypeIndex++;
    }
    app_expect(app, allocate.memoryTypeIndex < app->memory.memoryTypeCount,
               "no memory type has %#x", wanted);
    allocate.allocationSize = needs.size;
    APP_CHECK(app, AllocateMemory, app->device, &allocate, NULL, &memory);
    app_keep(app, DEVICE_MEMORY, memory);
    APP_CHECK(app, BindBufferMemory, app->device, buffer, memory, 0);
    app_result(app, (const uint32_t[]){(uint32_t)needs.size, (uint32_t)info.usage}, 8);
}

const struct app_case app_cases_newer[] = {
    APP_CASE(blit_image_2),
    APP_CASE(device_queue_2),
    APP_CASE(render_pass_commands_2),
    APP_CASE(timestamps_2, "VkPhysicalDeviceVulkan13Features.synchronization2"),
    APP_CASE(calibrated_timestamps, "VK_EXT_calibrated_timestamps"),
    DRAW_CASE(index_buffer_2, "VK_KHR_maintenance5",
              "VkPhysicalDeviceMaintenance5Features.maintenance5"),
    DRAW_CASE(image_layouts_2, "VK_KHR_maintenance5",
              "VkPhysicalDeviceMaintenance5Features.maintenance5"),
    APP_CASE(push_descriptors_2, "VK_KHR_push_descriptor", "VK_KHR_maintenance6",
             "VkPhysicalDeviceMaintenance6Features.maintenance6",
             "VkPhysicalDeviceFeatures.shaderStorageBufferArrayDynamicIndexing"),
    APP_CASE(protected_memory, "VkPhysicalDeviceVulkan11Features.protectedMemory"),
    {0},
};
