#include "base/assert.h"
#include "hostile.h"

/* Guests that destroy on one ring what another ring uses. Bounded in time; what a sanitizer would
 * say is the test. */

#define STRESS_NS (2 * PV_NS_PER_S)
#define ROUND_NS (PV_NS_PER_S / 8)

/* --- objects that go while they are used --------------------------------------------------------
 */

struct racer {
    struct pv_thread thread;
    struct guest *g;
    struct guest_ring ring;
    void (*run)(struct racer *racer);
    _Atomic uint64_t *shared; /* an id that both use */
    uint64_t deadline_ns;
};

static void run_racer(void *user)
{
    struct racer *racer = user;
    while (pv_clock_now_ns() < racer->deadline_ns && !pv_render_is_fatal(racer->g->context)) {
        racer->run(racer);
    }
}

static void race(void (*one)(struct racer *), void (*other)(struct racer *))
{
    struct guest_params params = world_params();
    struct guest_baseline baseline = guest_baseline();
    uint64_t deadline_ns = pv_clock_now_ns() + STRESS_NS;
    while (pv_clock_now_ns() < deadline_ns) {
        struct guest *g = guest_create(&params);
        guest_open_device(g);
        _Atomic uint64_t shared = 0;
        struct racer racers[2] = {{.run = one}, {.run = other}};
        for (int i = 0; i < 2; i++) {
            racers[i].g = g;
            racers[i].shared = &shared;
            racers[i].deadline_ns = pv_clock_now_ns() + ROUND_NS;
            guest_ring_create(g, &racers[i].ring);
        }
        for (int i = 0; i < 2; i++) {
            PV_ASSERT(pv_thread_start(&racers[i].thread, "racer", run_racer, &racers[i]) == PV_OK);
        }
        for (int i = 0; i < 2; i++) {
            pv_thread_join(&racers[i].thread);
        }
        for (int i = 0; i < 2; i++) {
            guest_ring_destroy(&racers[i].ring);
        }
        guest_destroy(g);
    }
    hostile_check_witness();
    assert_true(guest_is_back_at(&baseline, UINT64_C(4) << 20));
}

static void publish_a_fence(struct racer *racer)
{
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    uint64_t id = guest_id(racer->g);
    VkFence fence = GUEST_HANDLE(id);
    struct pv_vkCreateFence a = {
        .device = GUEST_HANDLE(racer->g->device), .pCreateInfo = &info, .pFence = &fence};
    if (GUEST_RESULT(&racer->ring, vkCreateFence, &a) == VK_SUCCESS) {
        atomic_store(racer->shared, id);
        (void)GUEST_SEND(&racer->ring, vkDestroyFence, .device = a.device, .fence = fence);
    }
}

static void use_the_fence(struct racer *racer)
{
    uint64_t id = atomic_load(racer->shared);
    if (id != 0) {
        VkFence fence = GUEST_HANDLE(id);
        (void)GUEST_SEND(&racer->ring, vkResetFences, .device = GUEST_HANDLE(racer->g->device),
                         .fenceCount = 1, .pFences = &fence);
        (void)GUEST_SEND(&racer->ring, vkResetFenceResourceMESA,
                         .device = GUEST_HANDLE(racer->g->device), .fence = fence);
    }
}

static void publish_a_semaphore(struct racer *racer)
{
    const VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
    uint64_t id = guest_id(racer->g);
    VkSemaphore semaphore = GUEST_HANDLE(id);
    struct pv_vkCreateSemaphore a = {
        .device = GUEST_HANDLE(racer->g->device), .pCreateInfo = &info, .pSemaphore = &semaphore};
    if (GUEST_RESULT(&racer->ring, vkCreateSemaphore, &a) == VK_SUCCESS) {
        atomic_store(racer->shared, id);
        (void)GUEST_SEND(&racer->ring, vkDestroySemaphore, .device = a.device,
                         .semaphore = semaphore);
    }
}

static void use_the_semaphore(struct racer *racer)
{
    uint64_t id = atomic_load(racer->shared);
    if (id == 0) {
        return;
    }
    VkSemaphore semaphore = GUEST_HANDLE(id);
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .waitSemaphoreCount = 1,
        .pWaitSemaphores = &semaphore,
        .pWaitDstStageMask = &stage,
        .signalSemaphoreCount = 1,
        .pSignalSemaphores = &semaphore,
    };
    (void)GUEST_SEND(&racer->ring, vkQueueSubmit, .queue = GUEST_HANDLE(racer->g->queue),
                     .submitCount = 1, .pSubmits = &submit);
    (void)GUEST_SEND(&racer->ring, vkWaitSemaphoreResourceMESA,
                     .device = GUEST_HANDLE(racer->g->device), .semaphore = GUEST_HANDLE(id));
}

static void publish_a_pool(struct racer *racer)
{
    const VkCommandPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    uint64_t id = guest_id(racer->g);
    VkCommandPool pool = GUEST_HANDLE(id);
    struct pv_vkCreateCommandPool a = {
        .device = GUEST_HANDLE(racer->g->device), .pCreateInfo = &info, .pCommandPool = &pool};
    if (GUEST_RESULT(&racer->ring, vkCreateCommandPool, &a) == VK_SUCCESS) {
        atomic_store(racer->shared, id);
        (void)GUEST_SEND(&racer->ring, vkDestroyCommandPool, .device = a.device,
                         .commandPool = pool);
    }
}

static void allocate_from_the_pool(struct racer *racer)
{
    uint64_t id = atomic_load(racer->shared);
    if (id == 0) {
        return;
    }
    const VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = GUEST_HANDLE(id),
        .commandBufferCount = 2,
    };
    VkCommandBuffer buffers[2] = {GUEST_HANDLE(guest_id(racer->g)),
                                  GUEST_HANDLE(guest_id(racer->g))};
    (void)GUEST_SEND(&racer->ring, vkAllocateCommandBuffers,
                     .device = GUEST_HANDLE(racer->g->device), .pAllocateInfo = &info,
                     .pCommandBuffers = buffers);
}

static void publish_a_memory(struct racer *racer)
{
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = 4096,
        .memoryTypeIndex = world_visible_type(racer->g),
    };
    uint64_t id = guest_id(racer->g);
    VkDeviceMemory memory = GUEST_HANDLE(id);
    struct pv_vkAllocateMemory a = {
        .device = GUEST_HANDLE(racer->g->device), .pAllocateInfo = &info, .pMemory = &memory};
    if (GUEST_RESULT(&racer->ring, vkAllocateMemory, &a) == VK_SUCCESS) {
        atomic_store(racer->shared, id);
        (void)GUEST_SEND(&racer->ring, vkFreeMemory, .device = a.device, .memory = memory);
    }
}

static void export_the_memory(struct racer *racer)
{
    uint64_t id = atomic_load(racer->shared);
    if (id != 0) {
        struct guest_shm shm = guest_blob_create(racer->g, id, PV_BLOB_FLAG_MAPPABLE, 4096);
        if (shm.resource_id != 0) {
            shm.map[0] = 1;
        }
        guest_shm_destroy(racer->g, &shm);
    }
}

static void recreate_the_device(struct racer *racer)
{
    (void)GUEST_SEND(&racer->ring, vkDestroyDevice, .device = GUEST_HANDLE(racer->g->device));
}

static void wait_on_the_device(struct racer *racer)
{
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence = GUEST_HANDLE(guest_id(racer->g));
    (void)GUEST_SEND(&racer->ring, vkCreateFence, .device = GUEST_HANDLE(racer->g->device),
                     .pCreateInfo = &info, .pFence = &fence);
    (void)GUEST_SEND(&racer->ring, vkWaitForFences, .device = GUEST_HANDLE(racer->g->device),
                     .fenceCount = 1, .pFences = &fence, .timeout = UINT64_MAX);
    (void)GUEST_SEND(&racer->ring, vkQueueSubmit, .queue = GUEST_HANDLE(racer->g->queue),
                     .fence = fence);
}

static void destroy_the_instance(struct racer *racer)
{
    (void)GUEST_SEND(&racer->ring, vkDestroyInstance, .instance = GUEST_HANDLE(racer->g->instance));
}

static void create_a_device(struct racer *racer)
{
    static const float priority = 1;
    const VkDeviceQueueCreateInfo queues = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queues,
    };
    VkDevice device = GUEST_HANDLE(guest_id(racer->g));
    (void)GUEST_SEND(&racer->ring, vkCreateDevice,
                     .physicalDevice = GUEST_HANDLE(racer->g->physical_device),
                     .pCreateInfo = &info, .pDevice = &device);
    (void)guest_finish(&racer->ring);
}

static void fence_the_queue(struct racer *racer)
{
    guest_fence(racer->g, 1, 1);
}

#define RACE(name, one, other)                                                                     \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        race(one, other);                                                                          \
    }

RACE(a_fence_destroyed_while_another_ring_uses_it, publish_a_fence, use_the_fence)
RACE(a_semaphore_destroyed_while_another_ring_uses_it, publish_a_semaphore, use_the_semaphore)
RACE(a_pool_destroyed_while_another_ring_uses_it, publish_a_pool, allocate_from_the_pool)
RACE(a_memory_freed_while_it_is_exported, publish_a_memory, export_the_memory)
RACE(a_device_destroyed_while_another_ring_waits, recreate_the_device, wait_on_the_device)
RACE(a_device_destroyed_while_its_queue_is_fenced, recreate_the_device, fence_the_queue)
RACE(an_instance_destroyed_while_another_ring_creates_devices, destroy_the_instance,
     create_a_device)
RACE(an_instance_destroyed_while_another_ring_waits, destroy_the_instance, wait_on_the_device)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fence_destroyed_while_another_ring_uses_it),
        cmocka_unit_test(a_semaphore_destroyed_while_another_ring_uses_it),
        cmocka_unit_test(a_pool_destroyed_while_another_ring_uses_it),
        cmocka_unit_test(a_memory_freed_while_it_is_exported),
        cmocka_unit_test(a_device_destroyed_while_another_ring_waits),
        cmocka_unit_test(a_device_destroyed_while_its_queue_is_fenced),
        cmocka_unit_test(an_instance_destroyed_while_another_ring_creates_devices),
        cmocka_unit_test(an_instance_destroyed_while_another_ring_waits),
    };
    return cmocka_run_group_tests(tests, hostile_setup, hostile_teardown);
}
