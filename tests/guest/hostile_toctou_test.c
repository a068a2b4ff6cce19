#include "base/assert.h"
#include "hostile.h"

/* A guest that changes what is being read. Bounded in time; what a sanitizer would say is the test.
 * Not for TSan: a guest's memory is racy by nature. */

#define STRESS_NS (2 * PV_NS_PER_S)
#define ROUND_NS (PV_NS_PER_S / 2)

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* --- bytes that change while they are read ------------------------------------------------------
 */

struct flipper {
    struct pv_thread thread;
    uint8_t *bytes;
    uint64_t size;
    uint64_t seed;
    _Atomic bool is_stopping;
};

static void flip(void *user)
{
    struct flipper *flipper = user;
    uint64_t random = flipper->seed;
    while (!atomic_load_explicit(&flipper->is_stopping, memory_order_relaxed)) {
        uint64_t at = next_random(&random) % (flipper->size / 4);
        uint32_t *word = (uint32_t *)(void *)flipper->bytes + at;
        uint32_t before = __atomic_load_n(word, __ATOMIC_RELAXED);
        uint32_t lies[] = {UINT32_MAX, 0, before + 1, (uint32_t)random};
        __atomic_store_n(word, lies[random >> 62], __ATOMIC_RELAXED);
        for (unsigned i = 0; i < random % 64; i++) {
            __asm__ volatile("");
        }
        __atomic_store_n(word, before, __ATOMIC_RELAXED);
    }
}

static void start_flipping(struct flipper *flipper, uint8_t *bytes, uint64_t size, uint64_t seed)
{
    *flipper = (struct flipper){.bytes = bytes, .size = size, .seed = seed | 1};
    PV_ASSERT(pv_thread_start(&flipper->thread, "flipper", flip, flipper) == PV_OK);
}

static void stop_flipping(struct flipper *flipper)
{
    atomic_store(&flipper->is_stopping, true);
    pv_thread_join(&flipper->thread);
}

/* Arrays, strings, chains, creates: what has counts. */
static void encode_a_bit_of_everything(struct guest *g, struct pv_encoder *out)
{
    const VkExportFenceCreateInfo export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_FENCE_CREATE_INFO,
        .handleTypes = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    const VkFenceCreateInfo fence_info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
                                          .pNext = &export};
    VkFence fences[4];
    for (int i = 0; i < 4; i++) {
        fences[i] = GUEST_HANDLE(guest_id(g));
        pv_guest_encode_vkCreateFence(out, 0,
                                      &(struct pv_vkCreateFence){.device = GUEST_HANDLE(g->device),
                                                                 .pCreateInfo = &fence_info,
                                                                 .pFence = &fences[i]});
    }
    pv_guest_encode_vkResetFences(out, 0,
                                  &(struct pv_vkResetFences){.device = GUEST_HANDLE(g->device),
                                                             .fenceCount = 4,
                                                             .pFences = fences});
    static const uint32_t code[64];
    const VkShaderModuleCreateInfo module_info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = sizeof(code),
        .pCode = code,
    };
    VkShaderModule module = GUEST_HANDLE(guest_id(g));
    pv_guest_encode_vkCreateShaderModule(
        out, 0,
        &(struct pv_vkCreateShaderModule){.device = GUEST_HANDLE(g->device),
                                          .pCreateInfo = &module_info,
                                          .pShaderModule = &module});
    pv_guest_encode_vkDestroyShaderModule(
        out, 0,
        &(struct pv_vkDestroyShaderModule){.device = GUEST_HANDLE(g->device),
                                           .shaderModule = module});
    for (int i = 0; i < 4; i++) {
        pv_guest_encode_vkDestroyFence(
            out, 0,
            &(struct pv_vkDestroyFence){.device = GUEST_HANDLE(g->device), .fence = fences[i]});
    }
}

/* Guests, one after the other, whose bytes change in the ring or in a nested stream. */
static void flip_during_decode(bool is_nested)
{
    struct guest_params params = world_params();
    int64_t live_objects = world_live_objects();
    struct guest_baseline baseline = guest_baseline();
    uint64_t deadline_ns = pv_clock_now_ns() + STRESS_NS;
    uint64_t seed = is_nested ? 0x5eed : 0xfeed;
    while (pv_clock_now_ns() < deadline_ns) {
        struct guest *g = guest_create(&params);
        guest_open_device(g);
        struct guest_shm shm = guest_shm_create(g, 8192);
        uint8_t *buffer = g->ring.shm.map + g->ring.layout.buffer_offset;
        struct flipper flipper;
        start_flipping(&flipper, is_nested ? shm.map : buffer,
                       is_nested ? shm.size : g->ring.layout.buffer_size, next_random(&seed));
        uint64_t round_ns = pv_clock_now_ns() + ROUND_NS / 4;
        bool is_alive = true;
        while (is_alive && pv_clock_now_ns() < round_ns) {
            if (is_nested) {
                struct pv_encoder out = {.cursor = shm.map, .end = shm.map + shm.size};
                encode_a_bit_of_everything(g, &out);
                is_alive = guest_execute(&g->ring, &shm, 0, (uint64_t)(out.cursor - shm.map)) &&
                           guest_finish(&g->ring);
            } else {
                encode_a_bit_of_everything(g, guest_begin(&g->ring));
                is_alive = guest_submit(&g->ring);
            }
        }
        stop_flipping(&flipper);
        guest_destroy(g);
    }
    hostile_check_witness();
    assert_true(world_live_objects() == live_objects);
    assert_true(guest_is_back_at(&baseline, UINT64_C(4) << 20));
}

static void bytes_that_change_in_the_ring_end_the_context_at_most(void **state)
{
    (void)state;
    flip_during_decode(false);
}

static void bytes_that_change_in_a_nested_stream_end_the_context_at_most(void **state)
{
    (void)state;
    flip_during_decode(true);
}

static void head_and_status_that_a_guest_overwrites_mislead_only_the_guest(void **state)
{
    (void)state;
    struct guest_params params = world_params();
    struct guest *g = guest_create(&params);
    guest_open_device(g);
    struct flipper flipper;
    start_flipping(&flipper, g->ring.shm.map, 4, 1); /* the head */
    uint64_t deadline_ns = pv_clock_now_ns() + ROUND_NS;
    while (pv_clock_now_ns() < deadline_ns) {
        encode_a_bit_of_everything(g, guest_begin(&g->ring));
        if (!guest_submit(&g->ring)) {
            break;
        }
    }
    stop_flipping(&flipper);
    guest_destroy(g);
    hostile_check_witness();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_that_change_in_the_ring_end_the_context_at_most),
        cmocka_unit_test(bytes_that_change_in_a_nested_stream_end_the_context_at_most),
        cmocka_unit_test(head_and_status_that_a_guest_overwrites_mislead_only_the_guest),
    };
    return cmocka_run_group_tests(tests, hostile_setup, hostile_teardown);
}
