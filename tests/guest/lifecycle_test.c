#include "checks.h"

/* From nothing to a device and back, in every order. */

static void a_guest_gets_a_device_and_a_queue(void **state)
{
    struct guest *g = guest_of(state);
    guest_open_device(g);
    assert_true(objects_alive(g) >= 4);
    assert_false(pv_render_is_fatal(g->context));
    assert_int_equal(g->log.error_count + g->log.warn_count, 0);
}

static void objects_that_are_destroyed_leave_nothing(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t before = objects_alive(g);
    int64_t host_before = world_live_objects();
    uint64_t buffer = make_buffer(g, 4096);
    uint64_t fence = make_fence(g, 0);
    uint64_t semaphore = make_semaphore(g, VK_SEMAPHORE_TYPE_TIMELINE);
    uint64_t pool = make_command_pool(g);
    assert_int_equal(objects_alive(g), before + 4);
    VkDevice device = GUEST_HANDLE(g->device);
    (void)GUEST_SEND(&g->ring, vkDestroyBuffer, .device = device, .buffer = GUEST_HANDLE(buffer));
    (void)GUEST_SEND(&g->ring, vkDestroyFence, .device = device, .fence = GUEST_HANDLE(fence));
    (void)GUEST_SEND(&g->ring, vkDestroySemaphore, .device = device,
                     .semaphore = GUEST_HANDLE(semaphore));
    (void)GUEST_SEND(&g->ring, vkDestroyCommandPool, .device = device,
                     .commandPool = GUEST_HANDLE(pool));
    assert_true(guest_finish(&g->ring));
    assert_int_equal(objects_alive(g), before);
    assert_true(world_live_objects() == host_before);
}

static void destroying_null_is_nothing(void **state)
{
    struct guest *g = guest_of(state);
    VkDevice device = GUEST_HANDLE(g->device);
    (void)GUEST_SEND(&g->ring, vkDestroyBuffer, .device = device);
    (void)GUEST_SEND(&g->ring, vkDestroySemaphore, .device = device);
    (void)GUEST_SEND(&g->ring, vkDestroyCommandPool, .device = device);
    (void)GUEST_SEND(&g->ring, vkFreeMemory, .device = device);
    assert_true(guest_finish(&g->ring));
    assert_false(pv_render_is_fatal(g->context));
}

static void a_pools_children_leave_with_it(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t before = objects_alive(g);
    uint64_t pool = make_command_pool(g);
    VkCommandBuffer buffers[8];
    for (int i = 0; i < 10; i++) {
        assert_int_equal(make_command_buffers(g, pool, 8, buffers), VK_SUCCESS);
        (void)guest_id(g); /* a gap in the ids */
    }
    assert_int_equal(objects_alive(g), before + 81);
    (void)GUEST_SEND(&g->ring, vkFreeCommandBuffers, .device = GUEST_HANDLE(g->device),
                     .commandPool = GUEST_HANDLE(pool), .commandBufferCount = 4,
                     .pCommandBuffers = buffers);
    assert_true(guest_finish(&g->ring));
    assert_int_equal(objects_alive(g), before + 77);
    (void)GUEST_SEND(&g->ring, vkDestroyCommandPool, .device = GUEST_HANDLE(g->device),
                     .commandPool = GUEST_HANDLE(pool));
    assert_true(guest_finish(&g->ring));
    assert_int_equal(objects_alive(g), before);
}

static void descriptor_sets_leave_when_freed_or_when_their_pool_is_reset(void **state)
{
    struct guest *g = guest_of(state);
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, 16};
    const VkDescriptorPoolCreateInfo pool_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .flags = VK_DESCRIPTOR_POOL_CREATE_FREE_DESCRIPTOR_SET_BIT,
        .maxSets = 16,
        .poolSizeCount = 1,
        .pPoolSizes = &size,
    };
    VkDescriptorPool pool = GUEST_HANDLE(guest_id(g));
    struct pv_vkCreateDescriptorPool create = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &pool_info, .pDescriptorPool = &pool};
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateDescriptorPool, &create), VK_SUCCESS);
    const VkDescriptorSetLayoutCreateInfo layout_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO};
    VkDescriptorSetLayout layout = GUEST_HANDLE(guest_id(g));
    struct pv_vkCreateDescriptorSetLayout create_layout = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &layout_info, .pSetLayout = &layout};
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateDescriptorSetLayout, &create_layout),
                     VK_SUCCESS);
    uint64_t before = objects_alive(g);
    const VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = pool,
        .descriptorSetCount = 1,
        .pSetLayouts = &layout,
    };
    VkDescriptorSet set = GUEST_HANDLE(guest_id(g));
    struct pv_vkAllocateDescriptorSets allocate = {
        .device = GUEST_HANDLE(g->device), .pAllocateInfo = &info, .pDescriptorSets = &set};
    assert_int_equal(GUEST_RESULT(&g->ring, vkAllocateDescriptorSets, &allocate), VK_SUCCESS);
    assert_int_equal(objects_alive(g), before + 1);
    struct pv_vkFreeDescriptorSets release = {.device = GUEST_HANDLE(g->device),
                                              .descriptorPool = GUEST_HANDLE(pool),
                                              .descriptorSetCount = 1,
                                              .pDescriptorSets = &set};
    assert_int_equal(GUEST_RESULT(&g->ring, vkFreeDescriptorSets, &release), VK_SUCCESS);
    assert_int_equal(objects_alive(g), before);
    set = GUEST_HANDLE(guest_id(g));
    allocate.pDescriptorSets = &set;
    assert_int_equal(GUEST_RESULT(&g->ring, vkAllocateDescriptorSets, &allocate), VK_SUCCESS);
    struct pv_vkResetDescriptorPool reset = {.device = GUEST_HANDLE(g->device),
                                             .descriptorPool = GUEST_HANDLE(pool)};
    assert_int_equal(GUEST_RESULT(&g->ring, vkResetDescriptorPool, &reset), VK_SUCCESS);
    assert_int_equal(objects_alive(g), before);
}

static void leave_objects_behind(struct guest *g)
{
    VkCommandBuffer buffers[4];
    (void)make_buffer(g, 4096);
    (void)make_fence(g, 0);
    (void)make_semaphore(g, VK_SEMAPHORE_TYPE_BINARY);
    assert_int_equal(make_command_buffers(g, make_command_pool(g), 4, buffers), VK_SUCCESS);
    struct guest_shm shm;
    assert_int_equal(world_allocate(g, 65536, &shm, NULL), VK_SUCCESS);
    assert_int_not_equal(shm.resource_id, 0);
}

static void a_device_takes_its_objects_with_it(void **state)
{
    struct guest *g = guest_of(state);
    guest_open(g, GUEST_STAGE_PHYSICAL_DEVICE);
    uint64_t before = objects_alive(g);
    int64_t host_before = world_live_objects();
    guest_open_device(g);
    leave_objects_behind(g);
    (void)GUEST_SEND(&g->ring, vkDestroyDevice, .device = GUEST_HANDLE(g->device));
    assert_true(guest_finish(&g->ring));
    assert_int_equal(objects_alive(g), before);
    assert_true(world_live_objects() == host_before);
}

static void an_instance_takes_its_devices_with_it(void **state)
{
    struct guest *g = guest_of(state);
    int64_t host_before = world_live_objects();
    guest_open_device(g);
    leave_objects_behind(g);
    g->device = guest_create_device(g, 2);
    (void)guest_open_queue(g, g->device, 1, 7);
    leave_objects_behind(g);
    (void)GUEST_SEND(&g->ring, vkDestroyInstance, .instance = GUEST_HANDLE(g->instance));
    assert_true(guest_finish(&g->ring));
    assert_int_equal(objects_alive(g), 0);
    assert_true(world_live_objects() == host_before);
}

static void an_instance_can_follow_another(void **state)
{
    struct guest *g = guest_of(state);
    for (int i = 0; i < 3; i++) {
        guest_open_device(g);
        leave_objects_behind(g);
        (void)GUEST_SEND(&g->ring, vkDestroyInstance, .instance = GUEST_HANDLE(g->instance));
        assert_true(guest_finish(&g->ring));
        g->instance = g->physical_device = g->device = g->queue = 0;
    }
    assert_false(pv_render_is_fatal(g->context));
}

static void a_timeline_is_free_again_when_its_device_is_gone(void **state)
{
    struct guest *g = guest_of(state);
    guest_open(g, GUEST_STAGE_PHYSICAL_DEVICE);
    for (int i = 0; i < 70; i++) {
        uint64_t device = guest_create_device(g, 1);
        (void)guest_open_queue(g, device, 0, 1);
        (void)GUEST_SEND(&g->ring, vkDestroyDevice, .device = GUEST_HANDLE(device));
    }
    assert_true(guest_finish(&g->ring));
}

static void a_context_can_end_at_every_stage(void **state)
{
    (void)state;
    world_open();
    int64_t live_objects = world_live_objects();
    struct guest_baseline baseline = guest_baseline();
    struct guest_params params = world_params();
    guest_destroy(guest_create_bare(&params));
    for (enum guest_stage stage = 0; stage < GUEST_STAGE_COUNT; stage++) {
        struct guest *g = guest_create(&params);
        guest_open(g, stage);
        guest_destroy(g);
        assert_true(world_live_objects() == live_objects);
    }
    struct guest *g = guest_create(&params);
    guest_open_device(g);
    leave_objects_behind(g);
    guest_destroy(g);
    assert_true(world_live_objects() == live_objects);
    assert_true(guest_is_back_at(&baseline, UINT64_C(1) << 20));
    world_close();
}

static void a_context_can_end_while_a_command_is_on_its_way(void **state)
{
    (void)state;
    world_open();
    struct guest_baseline baseline = guest_baseline();
    struct guest_params params = world_params();
    for (int i = 0; i < 20; i++) {
        struct guest *g = guest_create(&params);
        guest_open_device(g);
        for (int k = 0; k < 100; k++) {
            (void)GUEST_SEND(&g->ring, vkDestroyFence, .device = GUEST_HANDLE(g->device));
        }
        guest_destroy(g);
    }
    assert_true(guest_is_back_at(&baseline, UINT64_C(1) << 20));
    world_close();
}

/* The driver's refusals are data for the guest. */
static bool refuse_creates(void *user, enum pv_fake_command command, void *args)
{
    (void)user;
    if (command == PV_FAKE_vkCreateFence) {
        ((struct pv_vkCreateFence *)args)->ret = VK_ERROR_OUT_OF_DEVICE_MEMORY;
        return true;
    }
    if (command == PV_FAKE_vkCreateDevice) {
        ((struct pv_vkCreateDevice *)args)->ret = VK_ERROR_FEATURE_NOT_PRESENT;
        return true;
    }
    return false;
}

static void a_drivers_refusal_reaches_the_guest(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t before = objects_alive(g);
    pv_fake_set_hook(refuse_creates, NULL);
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence = GUEST_HANDLE(guest_id(g));
    struct pv_vkCreateFence a = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &info, .pFence = &fence};
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateFence, &a), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    assert_false(pv_render_is_fatal(g->context));
    assert_int_equal(objects_alive(g), before);
    pv_fake_set_hook(NULL, NULL);
}

/* Mesa's driver does not ask what became of most objects. What was not made does not exist, and the
 * log says why. */
static void a_refusal_that_nobody_asks_for_is_logged(void **state)
{
    struct guest *g = guest_of(state);
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    uint32_t before = g->log.warn_count;
    pv_fake_set_hook(refuse_creates, NULL);
    for (int i = 0; i < 3; i++) {
        VkFence fence = GUEST_HANDLE(guest_id(g));
        assert_true(GUEST_SEND(&g->ring, vkCreateFence, .device = GUEST_HANDLE(g->device),
                               .pCreateInfo = &info, .pFence = &fence));
    }
    assert_true(guest_finish(&g->ring));
    pv_fake_set_hook(NULL, NULL);
    assert_int_equal(g->log.warn_count, before + 3);
    assert_false(pv_render_is_fatal(g->context));
}

static void an_extension_that_is_not_offered_is_refused(void **state)
{
    struct guest *g = guest_of(state);
    static const float priority = 1;
    static const char *const names[] = {"VK_KHR_surface"};
    const VkDeviceQueueCreateInfo queues = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queues,
        .enabledExtensionCount = 1,
        .ppEnabledExtensionNames = names,
    };
    VkDevice device = GUEST_HANDLE(guest_id(g));
    struct pv_vkCreateDevice a = {.physicalDevice = GUEST_HANDLE(g->physical_device),
                                  .pCreateInfo = &info,
                                  .pDevice = &device};
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateDevice, &a), VK_ERROR_EXTENSION_NOT_PRESENT);
    info.enabledExtensionCount = 0;
    VkDeviceQueueCreateInfo too_many = queues;
    static const float priorities[64];
    too_many.queueCount = 64;
    too_many.pQueuePriorities = priorities;
    info.pQueueCreateInfos = &too_many;
    device = GUEST_HANDLE(guest_id(g));
    a.pDevice = &device;
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateDevice, &a), VK_ERROR_UNKNOWN);
    assert_false(pv_render_is_fatal(g->context));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST_BARE(a_guest_gets_a_device_and_a_queue),
        GUEST_TEST(objects_that_are_destroyed_leave_nothing),
        GUEST_TEST(destroying_null_is_nothing),
        GUEST_TEST(a_pools_children_leave_with_it),
        GUEST_TEST(descriptor_sets_leave_when_freed_or_when_their_pool_is_reset),
        GUEST_TEST_BARE(a_device_takes_its_objects_with_it),
        GUEST_TEST_BARE(an_instance_takes_its_devices_with_it),
        GUEST_TEST_BARE(an_instance_can_follow_another),
        GUEST_TEST_BARE(a_timeline_is_free_again_when_its_device_is_gone),
        cmocka_unit_test(a_context_can_end_at_every_stage),
        cmocka_unit_test(a_context_can_end_while_a_command_is_on_its_way),
        GUEST_TEST(a_drivers_refusal_reaches_the_guest),
        GUEST_TEST(a_refusal_that_nobody_asks_for_is_logged),
        GUEST_TEST(an_extension_that_is_not_offered_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
