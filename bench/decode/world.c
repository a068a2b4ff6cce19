#include "base/assert.h"
#include "decode/bench.h"
#include "fakes/fake_vulkan.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OBJECTS = 4096 }; /* of each type */

static const uint64_t first_id = 0x10000;

/* --- a driver that does nothing --------------------------------------------------------------- */

static VkResult do_nothing(void)
{
    return VK_SUCCESS;
}

/* Handles that are never looked into, and of which none is 0. */
static VkResult make_one(VkDevice device, const void *info, const void *allocator, uint64_t *handle)
{
    (void)device;
    (void)info;
    (void)allocator;
    *handle = 0x1000;
    return VK_SUCCESS;
}

static VkResult make_sets(VkDevice device, const VkDescriptorSetAllocateInfo *info, uint64_t *sets)
{
    (void)device;
    for (uint32_t i = 0; i < info->descriptorSetCount; i++) {
        sets[i] = 0x1000;
    }
    return VK_SUCCESS;
}

static void silence_driver(struct pv_device *device)
{
    PFN_vkVoidFunction *slots = (PFN_vkVoidFunction *)(void *)&device->vk;
    for (size_t i = 0; i < sizeof(device->vk) / sizeof(*slots); i++) {
        slots[i] = (PFN_vkVoidFunction)do_nothing;
    }
    device->vk.CreateBuffer = (PFN_vkCreateBuffer)(PFN_vkVoidFunction)make_one;
    device->vk.AllocateDescriptorSets = (PFN_vkAllocateDescriptorSets)(PFN_vkVoidFunction)make_sets;
}

/* --- objects that streams name ---------------------------------------------------------------- */

static const uint32_t types[] = {
    PV_OBJECT_COMMAND_BUFFER,        PV_OBJECT_PIPELINE, PV_OBJECT_PIPELINE_LAYOUT,
    PV_OBJECT_DESCRIPTOR_SET,        PV_OBJECT_BUFFER,   PV_OBJECT_FENCE,
    PV_OBJECT_DESCRIPTOR_SET_LAYOUT,
};
enum { TYPES = sizeof(types) / sizeof(types[0]) };

void *bench_some(struct bench_lane *lane, uint32_t type)
{
    uint64_t block = 0;
    while (types[block] != type) {
        block++;
    }
    /* A stride that is coprime to the count visits them all in a scattered order. */
    lane->next = (lane->next + 1237) % OBJECTS;
    return GUEST_HANDLE(first_id + block * OBJECTS + lane->next);
}

uint64_t bench_new_id(struct bench *b)
{
    return guest_id(b->guest) + first_id + (uint64_t)TYPES * OBJECTS;
}

void bench_publish(struct bench *b, uint64_t id, uint32_t type, uint64_t host)
{
    struct pv_objects *objects = &b->guest->context->objects;
    PV_ASSERT(pv_object_reserve(objects, id) == PV_OBJECT_DONE);
    pv_object_publish(objects, id, PV_TAG(type, b->device->object.owner), host);
}

static void fill_table(struct bench *b)
{
    for (uint64_t block = 0; block < TYPES; block++) {
        for (uint64_t i = 0; i < OBJECTS; i++) {
            uint64_t id = first_id + block * OBJECTS + i;
            bench_publish(b, id, types[block], 0x5000 + id);
        }
    }
}

/* --- opening ---------------------------------------------------------------------------------- */

static void open_lane(struct bench *b, struct bench_lane *lane)
{
    lane->bench = b;
    lane->streams = aligned_alloc(64, (size_t)BENCH_PASSES * BENCH_STREAM_SIZE);
    lane->private = aligned_alloc(64, BENCH_STREAM_SIZE);
    if (lane->streams == NULL || lane->private == NULL ||
        pv_exec_init(&lane->exec, b->guest->context) != PV_OK) {
        fprintf(stderr, "bench: out of memory\n");
        exit(1);
    }
    VkDescriptorPool pool = GUEST_HANDLE(guest_id(b->guest));
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, 1};
    const VkDescriptorPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = 1 << 20,
        .poolSizeCount = 1,
        .pPoolSizes = &size,
    };
    struct pv_vkCreateDescriptorPool a = {
        .device = GUEST_HANDLE(b->guest->device), .pCreateInfo = &info, .pDescriptorPool = &pool};
    PV_ASSERT(GUEST_RESULT(&b->guest->ring, vkCreateDescriptorPool, &a) == VK_SUCCESS);
    lane->descriptor_pool = (uint64_t)(uintptr_t)pool;
}

void bench_open(struct bench *b)
{
    static struct pv_host host;
    static struct pv_log silence;
    memset(b, 0, sizeof(*b));
    if (host.get_instance_proc_addr == NULL) {
        pv_host_from_entry(&host, pv_fake_get_instance_proc_addr, &silence);
    }
    b->guest = guest_create(&(struct guest_params){.host = &host, .plans = pv_fake_plans()});
    guest_open_device(b->guest);
    struct pv_render_context *context = b->guest->context;
    for (uint32_t i = 0; i < PV_DEVICES_MAX && b->device == NULL; i++) {
        b->device = atomic_load(&context->devices[i]);
    }
    PV_ASSERT(b->device != NULL);
    for (uint32_t i = 0; i < BENCH_LANES; i++) {
        open_lane(b, &b->lanes[i]);
    }
    pv_exec_wake(&b->lanes[0].exec);
    fill_table(b);
    bench_open_recorded(b);
    pv_exec_sleep(&b->lanes[0].exec);
    silence_driver(b->device);
}

void bench_close(struct bench *b)
{
    for (uint32_t i = 0; i < BENCH_LANES; i++) {
        pv_exec_finish(&b->lanes[i].exec);
        free(b->lanes[i].streams);
        free(b->lanes[i].private);
    }
    guest_destroy(b->guest);
}

void bench_execute_bytes(struct bench_lane *lane, uint8_t *bytes, uint32_t size)
{
    if (pv_exec_stream(&lane->exec, bytes, size) != PV_OK) {
        fprintf(stderr, "bench: the stream was refused: %s\n", lane->bench->guest->log.last_error);
        exit(1);
    }
}
