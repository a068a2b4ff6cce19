/* What a command costs us on top of the driver: streams through the real loop, onto a driver whose
 * entry points do nothing. Prints nanoseconds per command, the minimum of many short runs; under
 * callgrind (bench/instructions.py) each case is run once, and its instructions are counted. */
#include "base/clock.h"
#include "fakes/fake_vulkan.h"
#include "fakes/guest.h"
#include "object_types.gen.h"
#include "render/device.h"
#include "render/exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STREAM_SIZE = 64 * 1024, /* what a guest's ring of 128 KiB holds in the middle of work */
    RUNS = 400,
    FIRST_ID = 0x10000,
    OBJECTS = 4096, /* of each type, so that look-ups are not all of one cache line */
};

struct bench {
    struct guest *guest;
    struct pv_exec exec;
    struct pv_device *device;
    uint8_t *stream;  /* as the guest wrote it */
    uint8_t *private; /* where the loop copies it */
    uint64_t next;    /* turns through the objects */
};

/* --- a driver that does nothing --------------------------------------------------------------- */

static VkResult do_nothing(void)
{
    return VK_SUCCESS;
}

static uint64_t made_handles = 0x1000;

static VkResult make_one(VkDevice device, const void *info, const void *allocator, uint64_t *handle)
{
    (void)device;
    (void)info;
    (void)allocator;
    *handle = made_handles++;
    return VK_SUCCESS;
}

static void silence_driver(struct pv_device *device)
{
    PFN_vkVoidFunction *slots = (PFN_vkVoidFunction *)(void *)&device->vk;
    for (size_t i = 0; i < sizeof(device->vk) / sizeof(*slots); i++) {
        slots[i] = (PFN_vkVoidFunction)do_nothing;
    }
    device->vk.CreateBuffer = (PFN_vkCreateBuffer)(PFN_vkVoidFunction)make_one;
}

/* --- objects that streams name ---------------------------------------------------------------- */

static const uint32_t types[] = {
    PV_OBJECT_COMMAND_BUFFER, PV_OBJECT_PIPELINE, PV_OBJECT_PIPELINE_LAYOUT,
    PV_OBJECT_DESCRIPTOR_SET, PV_OBJECT_BUFFER,   PV_OBJECT_FENCE,
};
enum { TYPES = sizeof(types) / sizeof(types[0]) };

static void *some(struct bench *b, uint32_t type)
{
    uint64_t block = 0;
    while (types[block] != type) {
        block++;
    }
    /* A stride that is coprime to the count visits them all in a scattered order. */
    b->next = (b->next + 1237) % OBJECTS;
    return GUEST_HANDLE(FIRST_ID + block * OBJECTS + b->next);
}

static void fill_table(struct bench *b)
{
    struct pv_objects *objects = &b->guest->context->objects;
    for (uint64_t block = 0; block < TYPES; block++) {
        for (uint64_t i = 0; i < OBJECTS; i++) {
            uint64_t id = FIRST_ID + block * OBJECTS + i;
            if (pv_object_reserve(objects, id) != PV_OBJECT_DONE) {
                abort();
            }
            pv_object_publish(objects, id, PV_TAG(types[block], b->device->object.owner),
                              0x5000 + id);
        }
    }
}

/* --- the commands ----------------------------------------------------------------------------- */

static void draw(struct bench *b, struct pv_encoder *out)
{
    struct pv_vkCmdDraw a = {some(b, PV_OBJECT_COMMAND_BUFFER), 3, 1, 0, 0};
    pv_guest_encode_vkCmdDraw(out, 0, &a);
}

static void bind_pipeline(struct bench *b, struct pv_encoder *out)
{
    struct pv_vkCmdBindPipeline a = {some(b, PV_OBJECT_COMMAND_BUFFER),
                                     VK_PIPELINE_BIND_POINT_GRAPHICS, some(b, PV_OBJECT_PIPELINE)};
    pv_guest_encode_vkCmdBindPipeline(out, 0, &a);
}

static void bind_sets(struct bench *b, struct pv_encoder *out, uint32_t count)
{
    VkDescriptorSet sets[4];
    for (uint32_t i = 0; i < count; i++) {
        sets[i] = some(b, PV_OBJECT_DESCRIPTOR_SET);
    }
    struct pv_vkCmdBindDescriptorSets a = {
        .commandBuffer = some(b, PV_OBJECT_COMMAND_BUFFER),
        .layout = some(b, PV_OBJECT_PIPELINE_LAYOUT),
        .descriptorSetCount = count,
        .pDescriptorSets = sets,
    };
    pv_guest_encode_vkCmdBindDescriptorSets(out, 0, &a);
}

static void bind_1_set(struct bench *b, struct pv_encoder *out)
{
    bind_sets(b, out, 1);
}

static void bind_4_sets(struct bench *b, struct pv_encoder *out)
{
    bind_sets(b, out, 4);
}

static void push_constants(struct bench *b, struct pv_encoder *out)
{
    static const uint8_t values[64];
    struct pv_vkCmdPushConstants a = {
        .commandBuffer = some(b, PV_OBJECT_COMMAND_BUFFER),
        .layout = some(b, PV_OBJECT_PIPELINE_LAYOUT),
        .stageFlags = VK_SHADER_STAGE_VERTEX_BIT,
        .size = sizeof(values),
        .pValues = values,
    };
    pv_guest_encode_vkCmdPushConstants(out, 0, &a);
}

static void bind_vertex_buffers(struct bench *b, struct pv_encoder *out)
{
    VkBuffer buffers[2] = {some(b, PV_OBJECT_BUFFER), some(b, PV_OBJECT_BUFFER)};
    VkDeviceSize offsets[2] = {0, 256};
    struct pv_vkCmdBindVertexBuffers a = {some(b, PV_OBJECT_COMMAND_BUFFER), 0, 2, buffers,
                                          offsets};
    pv_guest_encode_vkCmdBindVertexBuffers(out, 0, &a);
}

static void update_8_uniform_buffers(struct bench *b, struct pv_encoder *out)
{
    VkDescriptorBufferInfo buffers[8];
    VkWriteDescriptorSet writes[8];
    for (uint32_t i = 0; i < 8; i++) {
        buffers[i] = (VkDescriptorBufferInfo){some(b, PV_OBJECT_BUFFER), 0, VK_WHOLE_SIZE};
        writes[i] = (VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = some(b, PV_OBJECT_DESCRIPTOR_SET),
            .dstBinding = i,
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
            .pBufferInfo = &buffers[i],
        };
    }
    struct pv_vkUpdateDescriptorSets a = {GUEST_HANDLE(b->guest->device), 8, writes, 0, NULL};
    pv_guest_encode_vkUpdateDescriptorSets(out, 0, &a);
}

static void queue_submit(struct bench *b, struct pv_encoder *out)
{
    VkCommandBuffer buffer = some(b, PV_OBJECT_COMMAND_BUFFER);
    VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &buffer,
    };
    struct pv_vkQueueSubmit a = {
        .queue = GUEST_HANDLE(b->guest->queue),
        .submitCount = 1,
        .pSubmits = &submit,
        .fence = some(b, PV_OBJECT_FENCE),
    };
    pv_guest_encode_vkQueueSubmit(out, 0, &a);
}

/* Eight commands: state, and four draws. */
static void mixed(struct bench *b, struct pv_encoder *out)
{
    bind_pipeline(b, out);
    bind_1_set(b, out);
    push_constants(b, out);
    bind_vertex_buffers(b, out);
    for (uint32_t i = 0; i < 4; i++) {
        draw(b, out);
    }
}

/* Two commands; every pair has an id of its own, since ids are never used twice. */
static void create_destroy(struct bench *b, struct pv_encoder *out)
{
    VkBuffer buffer = GUEST_HANDLE(guest_id(b->guest) + FIRST_ID + (uint64_t)TYPES * OBJECTS);
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = 4096,
        .usage = VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT,
    };
    struct pv_vkCreateBuffer create = {GUEST_HANDLE(b->guest->device), &info, NULL, &buffer,
                                       VK_SUCCESS};
    struct pv_vkDestroyBuffer destroy = {GUEST_HANDLE(b->guest->device), buffer, NULL};
    pv_guest_encode_vkCreateBuffer(out, 0, &create);
    pv_guest_encode_vkDestroyBuffer(out, 0, &destroy);
}

struct bench_case {
    const char *name;
    void (*encode)(struct bench *b, struct pv_encoder *out);
    uint32_t commands; /* that one call of `encode` writes */
    bool once;         /* its ids are spent after one run: encode anew each time */
};

static const struct bench_case cases[] = {
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
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

/* --- running ---------------------------------------------------------------------------------- */

/* Fills the stream; returns how many commands it holds. */
static uint32_t fill_stream(struct bench *b, const struct bench_case *one, uint32_t *size)
{
    uint8_t *end = b->stream + STREAM_SIZE;
    struct pv_encoder out = {b->stream, end, false};
    uint32_t commands = 0;
    for (;;) {
        uint8_t *start = out.cursor;
        one->encode(b, &out);
        if (out.overflow) {
            *size = (uint32_t)(start - b->stream);
            return commands;
        }
        commands += one->commands;
    }
}

/* The loop. A name of its own for callgrind. */
__attribute__((noinline)) void bench_execute(struct bench *b, uint32_t size);
void bench_execute(struct bench *b, uint32_t size)
{
    if (pv_exec_stream(&b->exec, b->private, size) != PV_OK) {
        fprintf(stderr, "decode_bench: the stream was refused: %s\n", b->guest->log.last_error);
        exit(1);
    }
}

static void run_case(struct bench *b, const struct bench_case *one, uint32_t runs)
{
    uint32_t size;
    uint32_t commands = fill_stream(b, one, &size);
    uint64_t best = UINT64_MAX;
    for (uint32_t run = 0; run < runs; run++) {
        if (one->once && run > 0) {
            commands = fill_stream(b, one, &size);
        }
        uint64_t start = pv_clock_now_ns();
        memcpy(b->private, b->stream, size); /* as a ring does */
        bench_execute(b, size);
        uint64_t took = pv_clock_now_ns() - start;
        best = took < best ? took : best;
    }
    printf("%-26s %8.2f ns/command  %5u commands of %4u bytes\n", one->name,
           (double)best / commands, commands, size / commands);
}

static void open_bench(struct bench *b)
{
    static struct pv_host host;
    static struct pv_log silence;
    memset(b, 0, sizeof(*b));
    pv_host_from_entry(&host, pv_fake_get_instance_proc_addr, &silence);
    b->guest = guest_create(&(struct guest_params){.host = &host, .plans = pv_fake_plans()});
    guest_open_device(b->guest);
    struct pv_render_context *context = b->guest->context;
    for (uint32_t i = 0; i < PV_DEVICES_MAX && b->device == NULL; i++) {
        b->device = atomic_load(&context->devices[i]);
    }
    b->stream = aligned_alloc(64, STREAM_SIZE);
    b->private = aligned_alloc(64, STREAM_SIZE);
    if (b->device == NULL || b->stream == NULL || b->private == NULL ||
        pv_exec_init(&b->exec, context) != PV_OK) {
        fprintf(stderr, "decode_bench: cannot open a device\n");
        exit(1);
    }
    /* The stream holds awake what it looks up. */
    pv_exec_wake(&b->exec);
    fill_table(b);
    silence_driver(b->device);
}

int main(int argc, char **argv)
{
    struct bench b;
    const char *only = NULL;
    uint32_t runs = RUNS;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--once") == 0) {
            runs = 1;
        } else if (argv[i][0] != '-' && only == NULL) {
            only = argv[i];
        } else {
            fprintf(stderr, "usage: decode_bench [--once] [CASE]\n");
            return 2;
        }
    }
    open_bench(&b);
    bool found = false;
    for (uint32_t i = 0; i < CASES; i++) {
        if (only == NULL || strcmp(only, cases[i].name) == 0) {
            run_case(&b, &cases[i], runs);
            found = true;
        }
    }
    if (!found) {
        fprintf(stderr, "decode_bench: no case '%s'\n", only);
        return 2;
    }
    /* What the driver no longer does, a tidy end would wait for. */
    fflush(stdout);
    _Exit(0);
}
