#include "base/assert.h"
#include "fakes/fake_vulkan.h"
#include "fakes/guest.h"
#include "render/exec.h"
#include "unit/check.h"

#include <stdlib.h>
#include <string.h>

/* Between the loop and the driver a vkCmd… command takes no memory and no lock. The linker puts the
 * functions below in the place of the C library's (--wrap, see tests/meson.build) for everything in
 * this program, the fake driver included; each thread counts its own calls. */

enum {
    STREAM_SIZE = 64 * 1024,
    ROUNDS = 100, /* through all commands, in one stream */
    FIRST_ID = 0x10000,
};

static _Thread_local uint64_t allocations, locks;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *memory);
int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_trylock(pthread_mutex_t *mutex);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *memory);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex);

void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    allocations++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    allocations++;
    return __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    allocations++;
    return __real_aligned_alloc(alignment, size);
}

void __wrap_free(void *memory)
{
    allocations++;
    __real_free(memory);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    locks++;
    return __real_pthread_mutex_lock(mutex);
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    locks++;
    return __real_pthread_mutex_trylock(mutex);
}

/* --- a context, and a stream of commands --------------------------------------------------------
 */

static struct {
    struct pv_host host;
    struct pv_log silence;
    struct guest *guest;
    struct pv_exec exec;
    uint8_t *stream, *private;
    void *commands, *pipeline, *layout, *set, *buffer, *image;
} test;

static void *publish(uint32_t owner, uint32_t type)
{
    static uint64_t next_id = FIRST_ID;
    struct pv_objects *objects = &test.guest->context->objects;
    uint64_t id = next_id++;
    assert_int_equal(pv_object_reserve(objects, id), PV_OBJECT_DONE);
    pv_object_publish(objects, id, PV_TAG(type, owner), 0x5000 + id);
    return GUEST_HANDLE(id);
}

static int set_up(void **state)
{
    (void)state;
    pv_host_from_entry(&test.host, pv_fake_get_instance_proc_addr, &test.silence);
    test.guest = guest_create(&(struct guest_params){.host = &test.host, .plans = pv_fake_plans()});
    guest_open_device(test.guest);
    test.stream = malloc(STREAM_SIZE);
    test.private = malloc(STREAM_SIZE);
    PV_ASSERT(test.stream != NULL && test.private != NULL);
    PV_ASSERT(pv_exec_init(&test.exec, test.guest->context) == PV_OK);
    pv_exec_wake(&test.exec);
    struct pv_slot *device = pv_object_slot(&test.guest->context->objects, test.guest->device);
    uint32_t owner = PV_TAG_OWNER(atomic_load(&device->tag));
    test.commands = publish(owner, PV_OBJECT_COMMAND_BUFFER);
    test.pipeline = publish(owner, PV_OBJECT_PIPELINE);
    test.layout = publish(owner, PV_OBJECT_PIPELINE_LAYOUT);
    test.set = publish(owner, PV_OBJECT_DESCRIPTOR_SET);
    test.buffer = publish(owner, PV_OBJECT_BUFFER);
    test.image = publish(owner, PV_OBJECT_IMAGE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pv_exec_finish(&test.exec);
    guest_destroy(test.guest);
    free(test.stream);
    free(test.private);
    return 0;
}

#define ENCODE(out, command, ...)                                                                  \
    pv_guest_encode_##command(out, 0,                                                              \
                              &(struct pv_##command){.commandBuffer = test.commands, __VA_ARGS__})

static void encode_state(struct pv_encoder *out)
{
    const VkDescriptorSet sets[] = {test.set, test.set, test.set, test.set};
    const uint32_t offsets[] = {256, 512};
    const VkBuffer buffers[] = {test.buffer, test.buffer};
    const VkDeviceSize places[] = {0, 256};
    static const uint8_t values[64];
    ENCODE(out, vkCmdBindPipeline, .pipeline = test.pipeline);
    ENCODE(out, vkCmdBindDescriptorSets, .layout = test.layout, .descriptorSetCount = 4,
           .pDescriptorSets = sets, .dynamicOffsetCount = 2, .pDynamicOffsets = offsets);
    ENCODE(out, vkCmdPushConstants, .layout = test.layout, .stageFlags = VK_SHADER_STAGE_VERTEX_BIT,
           .size = sizeof(values), .pValues = values);
    ENCODE(out, vkCmdBindVertexBuffers, .bindingCount = 2, .pBuffers = buffers, .pOffsets = places);
    ENCODE(out, vkCmdBindIndexBuffer, .buffer = test.buffer);
}

static void encode_work(struct pv_encoder *out)
{
    const VkMemoryBarrier memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER};
    const VkBufferMemoryBarrier buffer = {.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER,
                                          .buffer = test.buffer};
    const VkImageMemoryBarrier image = {.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
                                        .image = test.image};
    ENCODE(out, vkCmdDraw, .vertexCount = 3, .instanceCount = 1);
    ENCODE(out, vkCmdDrawIndexed, .indexCount = 3, .instanceCount = 1);
    ENCODE(out, vkCmdDispatch, .groupCountX = 1, .groupCountY = 1, .groupCountZ = 1);
    ENCODE(out, vkCmdPipelineBarrier, .srcStageMask = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
           .dstStageMask = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, .memoryBarrierCount = 1,
           .pMemoryBarriers = &memory, .bufferMemoryBarrierCount = 1,
           .pBufferMemoryBarriers = &buffer, .imageMemoryBarrierCount = 1,
           .pImageMemoryBarriers = &image);
}

/* `rounds` times all of it; the stream's size. */
static uint32_t encode_commands(uint8_t *to, uint32_t rounds)
{
    struct pv_encoder out = {to, to + STREAM_SIZE, false};
    for (uint32_t i = 0; i < rounds; i++) {
        encode_state(&out);
        encode_work(&out);
    }
    assert_false(out.overflow);
    return (uint32_t)(out.cursor - to);
}

struct calls {
    uint64_t allocations, locks;
};

/* What executing the stream calls once everything is warm. */
static struct calls execute_warm(uint32_t size)
{
    struct calls before = {0};
    for (int round = 0; round < 2; round++) {
        memcpy(test.private, test.stream, size);
        before = (struct calls){allocations, locks};
        assert_int_equal(pv_exec_stream(&test.exec, test.private, size), PV_OK);
    }
    return (struct calls){allocations - before.allocations, locks - before.locks};
}

/* The same commands, from shared memory. */
static struct calls execute_nested(uint32_t rounds)
{
    struct guest_shm shm = guest_shm_create(test.guest, STREAM_SIZE);
    const VkCommandStreamDescriptionMESA nested = {shm.resource_id, 0,
                                                   encode_commands(shm.map, rounds)};
    struct pv_encoder out = {test.stream, test.stream + STREAM_SIZE, false};
    struct pv_vkExecuteCommandStreamsMESA a = {.streamCount = 1, .pStreams = &nested};
    pv_guest_encode_vkExecuteCommandStreamsMESA(&out, 0, &a);
    struct calls calls = execute_warm((uint32_t)(out.cursor - test.stream));
    guest_shm_destroy(test.guest, &shm);
    return calls;
}

/* --- tests --------------------------------------------------------------------------------------
 */

static void recording_commands_take_no_memory_and_no_lock(void **state)
{
    (void)state;
    uint64_t draws = pv_fake_count(PV_FAKE_vkCmdDraw);
    struct calls calls = execute_warm(encode_commands(test.stream, ROUNDS));
    assert_int_equal(pv_fake_count(PV_FAKE_vkCmdDraw), draws + 2 * ROUNDS);
    assert_int_equal(calls.allocations, 0);
    assert_int_equal(calls.locks, 0);
}

/* The stream itself is looked up among the resources, and let go of: a lock each. */
static void nested_stream_takes_no_memory_and_its_commands_no_lock(void **state)
{
    (void)state;
    struct calls of_few = execute_nested(1);
    uint64_t draws = pv_fake_count(PV_FAKE_vkCmdDraw);
    struct calls of_many = execute_nested(ROUNDS);
    assert_int_equal(pv_fake_count(PV_FAKE_vkCmdDraw), draws + 2 * ROUNDS);
    assert_int_equal(of_few.allocations, 0);
    assert_int_equal(of_many.allocations, 0);
    assert_int_equal(of_many.locks, of_few.locks);
    assert_true(of_few.locks <= 2);
}

/* A pool has a struct and a lock of its own, and a destroyed object leaves the table under one. */
static void counters_see_a_create_and_a_destroy(void **state)
{
    (void)state;
    struct pv_encoder out = {test.stream, test.stream + STREAM_SIZE, false};
    const VkCommandPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    VkCommandPool pool = GUEST_HANDLE(guest_id(test.guest));
    void *device = GUEST_HANDLE(test.guest->device);
    struct pv_vkCreateCommandPool create = {device, &info, NULL, &pool, VK_SUCCESS};
    pv_guest_encode_vkCreateCommandPool(&out, 0, &create);
    struct pv_vkDestroyCommandPool destroy = {
        .device = device, .commandPool = (void *)(uintptr_t)(uint64_t)(uintptr_t)pool};
    pv_guest_encode_vkDestroyCommandPool(&out, 0, &destroy);
    struct calls before = {allocations, locks};
    assert_int_equal(pv_exec_stream(&test.exec, test.stream, (uint64_t)(out.cursor - test.stream)),
                     PV_OK);
    assert_true(allocations > before.allocations);
    assert_true(locks > before.locks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recording_commands_take_no_memory_and_no_lock),
        cmocka_unit_test(nested_stream_takes_no_memory_and_its_commands_no_lock),
        cmocka_unit_test(counters_see_a_create_and_a_destroy),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
