#include "decode/bench.h"

/* The commands, as a guest encodes them, and as one was seen to. */

static void draw(struct bench_lane *lane, struct pv_encoder *out)
{
    struct pv_vkCmdDraw a = {bench_some(lane, PV_OBJECT_COMMAND_BUFFER), 3, 1, 0, 0};
    pv_guest_encode_vkCmdDraw(out, 0, &a);
}

static void bind_pipeline(struct bench_lane *lane, struct pv_encoder *out)
{
    struct pv_vkCmdBindPipeline a = {bench_some(lane, PV_OBJECT_COMMAND_BUFFER),
                                     VK_PIPELINE_BIND_POINT_GRAPHICS,
                                     bench_some(lane, PV_OBJECT_PIPELINE)};
    pv_guest_encode_vkCmdBindPipeline(out, 0, &a);
}

static void bind_sets(struct bench_lane *lane, struct pv_encoder *out, uint32_t count)
{
    VkDescriptorSet sets[4];
    for (uint32_t i = 0; i < count; i++) {
        sets[i] = bench_some(lane, PV_OBJECT_DESCRIPTOR_SET);
    }
    struct pv_vkCmdBindDescriptorSets a = {
        .commandBuffer = bench_some(lane, PV_OBJECT_COMMAND_BUFFER),
        .layout = bench_some(lane, PV_OBJECT_PIPELINE_LAYOUT),
        .descriptorSetCount = count,
        .pDescriptorSets = sets,
    };
    pv_guest_encode_vkCmdBindDescriptorSets(out, 0, &a);
}

static void bind_1_set(struct bench_lane *lane, struct pv_encoder *out)
{
    bind_sets(lane, out, 1);
}

static void bind_4_sets(struct bench_lane *lane, struct pv_encoder *out)
{
    bind_sets(lane, out, 4);
}

static void push_constants(struct bench_lane *lane, struct pv_encoder *out)
{
    static const uint8_t values[64];
    struct pv_vkCmdPushConstants a = {
        .commandBuffer = bench_some(lane, PV_OBJECT_COMMAND_BUFFER),
        .layout = bench_some(lane, PV_OBJECT_PIPELINE_LAYOUT),
        .stageFlags = VK_SHADER_STAGE_VERTEX_BIT,
        .size = sizeof(values),
        .pValues = values,
    };
    pv_guest_encode_vkCmdPushConstants(out, 0, &a);
}

static void bind_vertex_buffers(struct bench_lane *lane, struct pv_encoder *out)
{
    VkBuffer buffers[2] = {bench_some(lane, PV_OBJECT_BUFFER), bench_some(lane, PV_OBJECT_BUFFER)};
    VkDeviceSize offsets[2] = {0, 256};
    struct pv_vkCmdBindVertexBuffers a = {bench_some(lane, PV_OBJECT_COMMAND_BUFFER), 0, 2, buffers,
                                          offsets};
    pv_guest_encode_vkCmdBindVertexBuffers(out, 0, &a);
}

static void update_8_uniform_buffers(struct bench_lane *lane, struct pv_encoder *out)
{
    VkDescriptorBufferInfo buffers[8];
    VkWriteDescriptorSet writes[8];
    for (uint32_t i = 0; i < 8; i++) {
        buffers[i] = (VkDescriptorBufferInfo){bench_some(lane, PV_OBJECT_BUFFER), 0, VK_WHOLE_SIZE};
        writes[i] = (VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = bench_some(lane, PV_OBJECT_DESCRIPTOR_SET),
            .dstBinding = i,
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
            .pBufferInfo = &buffers[i],
        };
    }
    struct pv_vkUpdateDescriptorSets a = {GUEST_HANDLE(lane->bench->guest->device), 8, writes, 0,
                                          NULL};
    pv_guest_encode_vkUpdateDescriptorSets(out, 0, &a);
}

static void queue_submit(struct bench_lane *lane, struct pv_encoder *out)
{
    VkCommandBuffer buffer = bench_some(lane, PV_OBJECT_COMMAND_BUFFER);
    VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &buffer,
    };
    struct pv_vkQueueSubmit a = {
        .queue = GUEST_HANDLE(lane->bench->guest->queue),
        .submitCount = 1,
        .pSubmits = &submit,
        .fence = bench_some(lane, PV_OBJECT_FENCE),
    };
    pv_guest_encode_vkQueueSubmit(out, 0, &a);
}

/* Eight commands: state, and four draws. */
static void mixed(struct bench_lane *lane, struct pv_encoder *out)
{
    bind_pipeline(lane, out);
    bind_1_set(lane, out);
    push_constants(lane, out);
    bind_vertex_buffers(lane, out);
    for (uint32_t i = 0; i < 4; i++) {
        draw(lane, out);
    }
}

/* Two commands; every pair has an id of its own, since ids are never used twice. */
static void create_destroy(struct bench_lane *lane, struct pv_encoder *out)
{
    VkBuffer buffer = GUEST_HANDLE(bench_new_id(lane->bench));
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = 4096,
        .usage = VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT,
    };
    struct pv_vkCreateBuffer create = {GUEST_HANDLE(lane->bench->guest->device), &info, NULL,
                                       &buffer, VK_SUCCESS};
    struct pv_vkDestroyBuffer destroy = {GUEST_HANDLE(lane->bench->guest->device), buffer, NULL};
    pv_guest_encode_vkCreateBuffer(out, 0, &create);
    pv_guest_encode_vkDestroyBuffer(out, 0, &destroy);
}

/* Nine commands: 32 sets, and all of them gone at once. */
static void reset_pool(struct bench_lane *lane, struct pv_encoder *out)
{
    void *device = GUEST_HANDLE(lane->bench->guest->device);
    enum { SETS = 4 };
    VkDescriptorSet sets[SETS];
    VkDescriptorSetLayout layouts[SETS];
    for (uint32_t i = 0; i < 8; i++) {
        for (uint32_t k = 0; k < SETS; k++) {
            sets[k] = GUEST_HANDLE(bench_new_id(lane->bench));
            layouts[k] = bench_some(lane, PV_OBJECT_DESCRIPTOR_SET_LAYOUT);
        }
        VkDescriptorSetAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
            .descriptorPool = GUEST_HANDLE(lane->descriptor_pool),
            .descriptorSetCount = SETS,
            .pSetLayouts = layouts,
        };
        struct pv_vkAllocateDescriptorSets a = {device, &info, sets, VK_SUCCESS};
        pv_guest_encode_vkAllocateDescriptorSets(out, 0, &a);
    }
    struct pv_vkResetDescriptorPool reset = {.device = device,
                                             .descriptorPool = GUEST_HANDLE(lane->descriptor_pool)};
    pv_guest_encode_vkResetDescriptorPool(out, 0, &reset);
}

const struct bench_case bench_cases[] = {
    {"draw", draw, 1, false},
    {"bind_pipeline", bind_pipeline, 1, false},
    {"bind_1_set", bind_1_set, 1, false},
    {"bind_4_sets", bind_4_sets, 1, false},
    {"push_constants", push_constants, 1, false},
    {"bind_vertex_buffers", bind_vertex_buffers, 1, false},
    {"update_8_uniform_buffers", update_8_uniform_buffers, 1, false},
    {"queue_submit", queue_submit, 1, false},
    {"mixed_frame", mixed, 8, false},
    {"create_destroy", create_destroy, 2, true},
    {"pool_reset", reset_pool, 9, true},
    {"recorded_frame", bench_encode_recorded_frame, BENCH_RECORDED_FRAME_COMMANDS, false},
    {"recorded_compute", bench_encode_recorded_compute, BENCH_RECORDED_COMPUTE_COMMANDS, false},
};
const uint32_t bench_case_count = sizeof(bench_cases) / sizeof(bench_cases[0]);
