#include "fakes/fake_vulkan.h"
#include "hostile.h"

/* Ids that are wrong in every way that an id can be wrong. */

static VkResult create_fence(struct guest *g, uint64_t device, uint64_t id)
{
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence = GUEST_HANDLE(id);
    struct pv_vkCreateFence a = {
        .device = GUEST_HANDLE(device), .pCreateInfo = &info, .pFence = &fence};
    return GUEST_RESULT(&g->ring, vkCreateFence, &a);
}

static void destroy_fence(struct guest *g, uint64_t device, uint64_t id)
{
    (void)GUEST_SEND(&g->ring, vkDestroyFence, .device = GUEST_HANDLE(device),
                     .fence = GUEST_HANDLE(id));
    (void)guest_finish(&g->ring);
}

static VkResult create_buffer(struct guest *g, uint64_t id)
{
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = 4096,
        .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    VkBuffer buffer = GUEST_HANDLE(id);
    struct pv_vkCreateBuffer a = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &info, .pBuffer = &buffer};
    return GUEST_RESULT(&g->ring, vkCreateBuffer, &a);
}

static void an_unknown_id(struct guest *g)
{
    destroy_fence(g, g->device, guest_id(g));
}

static void an_id_beyond_the_table(struct guest *g)
{
    destroy_fence(g, g->device, UINT64_MAX);
}

static void a_new_object_with_id_0(struct guest *g)
{
    (void)create_fence(g, g->device, 0);
}

static void a_new_object_far_beyond_all_others(struct guest *g)
{
    (void)create_fence(g, g->device, UINT64_C(1) << 39);
}

static void a_new_object_with_the_highest_id(struct guest *g)
{
    (void)create_fence(g, g->device, UINT64_MAX);
}

static void an_id_that_is_in_use(struct guest *g)
{
    uint64_t id = guest_id(g);
    assert_int_equal(create_fence(g, g->device, id), VK_SUCCESS);
    (void)create_fence(g, g->device, id);
}

static void an_id_that_was_in_use(struct guest *g)
{
    uint64_t id = guest_id(g);
    assert_int_equal(create_fence(g, g->device, id), VK_SUCCESS);
    destroy_fence(g, g->device, id);
    (void)create_fence(g, g->device, id);
}

static void one_id_for_two_types(struct guest *g)
{
    uint64_t id = guest_id(g);
    assert_int_equal(create_fence(g, g->device, id), VK_SUCCESS);
    (void)create_buffer(g, id);
}

static void an_object_of_another_type(struct guest *g)
{
    uint64_t id = guest_id(g);
    assert_int_equal(create_buffer(g, id), VK_SUCCESS);
    struct pv_vkGetFenceStatus a = {.device = GUEST_HANDLE(g->device), .fence = GUEST_HANDLE(id)};
    (void)GUEST_RESULT(&g->ring, vkGetFenceStatus, &a);
}

static void a_destroy_of_another_type(struct guest *g)
{
    uint64_t id = guest_id(g);
    assert_int_equal(create_buffer(g, id), VK_SUCCESS);
    destroy_fence(g, g->device, id);
}

static void an_object_of_another_device(struct guest *g)
{
    uint64_t other = guest_create_device(g, 1);
    uint64_t id = guest_id(g);
    assert_int_equal(create_fence(g, other, id), VK_SUCCESS);
    struct pv_vkGetFenceStatus a = {.device = GUEST_HANDLE(g->device), .fence = GUEST_HANDLE(id)};
    (void)GUEST_RESULT(&g->ring, vkGetFenceStatus, &a);
}

static void a_destroy_through_another_device(struct guest *g)
{
    uint64_t other = guest_create_device(g, 1);
    uint64_t id = guest_id(g);
    assert_int_equal(create_fence(g, other, id), VK_SUCCESS);
    destroy_fence(g, g->device, id);
}

static void a_double_destroy(struct guest *g)
{
    uint64_t id = guest_id(g);
    assert_int_equal(create_fence(g, g->device, id), VK_SUCCESS);
    destroy_fence(g, g->device, id);
    destroy_fence(g, g->device, id);
}

static void a_device_that_is_null(struct guest *g)
{
    destroy_fence(g, 0, guest_id(g));
}

static void a_device_that_is_a_queue(struct guest *g)
{
    destroy_fence(g, g->queue, guest_id(g));
}

static void a_required_handle_that_is_null(struct guest *g)
{
    struct pv_vkGetFenceStatus a = {.device = GUEST_HANDLE(g->device)};
    (void)GUEST_RESULT(&g->ring, vkGetFenceStatus, &a);
}

static void a_second_instance(struct guest *g)
{
    const VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
    VkInstance instance = GUEST_HANDLE(guest_id(g));
    (void)GUEST_SEND(&g->ring, vkCreateInstance, .pCreateInfo = &info, .pInstance = &instance);
}

static void a_destroy_of_no_instance(struct guest *g)
{
    (void)GUEST_SEND(&g->ring, vkDestroyInstance, .instance = VK_NULL_HANDLE);
}

static void a_destroy_of_no_device(struct guest *g)
{
    (void)GUEST_SEND(&g->ring, vkDestroyDevice, .device = VK_NULL_HANDLE);
}

static void a_double_destroy_of_the_instance(struct guest *g)
{
    (void)GUEST_SEND(&g->ring, vkDestroyInstance, .instance = GUEST_HANDLE(g->instance));
    (void)GUEST_SEND(&g->ring, vkDestroyInstance, .instance = GUEST_HANDLE(g->instance));
}

static void a_queue_of_a_destroyed_device(struct guest *g)
{
    (void)GUEST_SEND(&g->ring, vkDestroyDevice, .device = GUEST_HANDLE(g->device));
    struct pv_vkQueueSubmit a = {.queue = GUEST_HANDLE(g->queue)};
    (void)GUEST_RESULT(&g->ring, vkQueueSubmit, &a);
}

static void a_physical_device_of_a_destroyed_instance(struct guest *g)
{
    (void)GUEST_SEND(&g->ring, vkDestroyInstance, .instance = GUEST_HANDLE(g->instance));
    VkPhysicalDeviceProperties properties;
    struct pv_vkGetPhysicalDeviceProperties a = {.physicalDevice = GUEST_HANDLE(g->physical_device),
                                                 .pProperties = &properties};
    (void)GUEST_CALL(&g->ring, vkGetPhysicalDeviceProperties, &a);
}

static void another_id_for_a_physical_device(struct guest *g)
{
    uint32_t count = 1;
    VkPhysicalDevice device = GUEST_HANDLE(guest_id(g));
    struct pv_vkEnumeratePhysicalDevices a = {
        .instance = GUEST_HANDLE(g->instance),
        .pPhysicalDeviceCount = &count,
        .pPhysicalDevices = &device,
    };
    (void)GUEST_RESULT(&g->ring, vkEnumeratePhysicalDevices, &a);
}

static void get_queue(struct guest *g, uint32_t family, uint32_t index, uint32_t ring_idx)
{
    const VkDeviceQueueTimelineInfoMESA timeline = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_TIMELINE_INFO_MESA,
        .ringIdx = ring_idx,
    };
    const VkDeviceQueueInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_INFO_2,
        .pNext = ring_idx != UINT32_MAX ? &timeline : NULL,
        .queueFamilyIndex = family,
        .queueIndex = index,
    };
    VkQueue queue = GUEST_HANDLE(guest_id(g));
    (void)GUEST_SEND(&g->ring, vkGetDeviceQueue2, .device = GUEST_HANDLE(g->device),
                     .pQueueInfo = &info, .pQueue = &queue);
}

static void a_queue_without_a_timeline(struct guest *g)
{
    get_queue(g, 0, 0, UINT32_MAX);
}

static void a_queue_on_the_cpus_timeline(struct guest *g)
{
    get_queue(g, 0, 0, 0);
}

static void a_queue_on_timeline_64(struct guest *g)
{
    get_queue(g, 0, 0, 64);
}

static void a_queue_that_is_bound_already(struct guest *g)
{
    get_queue(g, 0, 0, 2);
}

static void a_queue_on_a_timeline_that_is_taken(struct guest *g)
{
    uint64_t device = g->device;
    g->device = guest_create_device(g, 1);
    get_queue(g, 0, 0, 1);
    g->device = device;
}

static void a_queue_index_that_the_device_lacks(struct guest *g)
{
    get_queue(g, 0, 17, 2);
}

static void a_queue_family_that_the_device_lacks(struct guest *g)
{
    get_queue(g, UINT32_MAX, 0, 2);
}

static void a_superseded_vkGetDeviceQueue(struct guest *g)
{
    VkQueue queue = GUEST_HANDLE(guest_id(g));
    (void)GUEST_SEND(&g->ring, vkGetDeviceQueue, .device = GUEST_HANDLE(g->device),
                     .pQueue = &queue);
}

static uint64_t create_pool(struct guest *g)
{
    const VkCommandPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    uint64_t id = guest_id(g);
    VkCommandPool pool = GUEST_HANDLE(id);
    struct pv_vkCreateCommandPool a = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &info, .pCommandPool = &pool};
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateCommandPool, &a), VK_SUCCESS);
    return id;
}

static VkResult allocate_command_buffers(struct guest *g, uint64_t pool, uint32_t count,
                                         VkCommandBuffer *ids)
{
    const VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = GUEST_HANDLE(pool),
        .commandBufferCount = count,
    };
    struct pv_vkAllocateCommandBuffers a = {
        .device = GUEST_HANDLE(g->device), .pAllocateInfo = &info, .pCommandBuffers = ids};
    return GUEST_RESULT(&g->ring, vkAllocateCommandBuffers, &a);
}

static void one_id_twice_in_an_array_of_new_objects(struct guest *g)
{
    uint64_t id = guest_id(g);
    VkCommandBuffer ids[2] = {GUEST_HANDLE(id), GUEST_HANDLE(id)};
    (void)allocate_command_buffers(g, create_pool(g), 2, ids);
}

static void a_command_buffer_of_a_destroyed_pool(struct guest *g)
{
    uint64_t pool = create_pool(g);
    VkCommandBuffer id = GUEST_HANDLE(guest_id(g));
    assert_int_equal(allocate_command_buffers(g, pool, 1, &id), VK_SUCCESS);
    (void)GUEST_SEND(&g->ring, vkDestroyCommandPool, .device = GUEST_HANDLE(g->device),
                     .commandPool = GUEST_HANDLE(pool));
    (void)GUEST_SEND(&g->ring, vkEndCommandBuffer, .commandBuffer = id);
}

static void a_command_buffer_freed_twice(struct guest *g)
{
    uint64_t pool = create_pool(g);
    VkCommandBuffer id = GUEST_HANDLE(guest_id(g));
    assert_int_equal(allocate_command_buffers(g, pool, 1, &id), VK_SUCCESS);
    VkCommandBuffer twice[2] = {id, id};
    (void)GUEST_SEND(&g->ring, vkFreeCommandBuffers, .device = GUEST_HANDLE(g->device),
                     .commandPool = GUEST_HANDLE(pool), .commandBufferCount = 2,
                     .pCommandBuffers = twice);
}

static void a_pool_of_another_type(struct guest *g)
{
    VkCommandBuffer id = GUEST_HANDLE(guest_id(g));
    uint64_t fence = guest_id(g);
    assert_int_equal(create_fence(g, g->device, fence), VK_SUCCESS);
    (void)allocate_command_buffers(g, fence, 1, &id);
}

static void a_command_of_an_extension_that_is_not_enabled(struct guest *g)
{
    VkCommandBuffer id = GUEST_HANDLE(guest_id(g));
    assert_int_equal(allocate_command_buffers(g, create_pool(g), 1, &id), VK_SUCCESS);
    (void)GUEST_SEND(&g->ring, vkCmdEndTransformFeedbackEXT, .commandBuffer = id);
}

/* A driver without one of the commands that its version has. */
static bool lack(void *user, enum pv_fake_command command, void *args)
{
    struct pv_fake_vkGetDeviceProcAddr *a = args;
    return command == PV_FAKE_vkGetDeviceProcAddr && strcmp(a->pName, user) == 0; /* NULL */
}

static VkDevice create_device_without(struct guest *g, const char *name, VkResult expected)
{
    static const float priority = 1;
    const VkDeviceQueueCreateInfo queues = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                            .queueCount = 1,
                                            .pQueuePriorities = &priority};
    const VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                     .queueCreateInfoCount = 1,
                                     .pQueueCreateInfos = &queues};
    VkDevice id = GUEST_HANDLE(guest_id(g)), device = id;
    struct pv_vkCreateDevice a = {.physicalDevice = GUEST_HANDLE(g->physical_device),
                                  .pCreateInfo = &info,
                                  .pDevice = &device};
    pv_fake_set_hook(lack, (char *)(uintptr_t)name);
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateDevice, &a), expected);
    pv_fake_set_hook(NULL, NULL);
    return id;
}

static void a_command_that_the_driver_lacks(struct guest *g)
{
    const VkRenderPassCreateInfo2 info = {.sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO_2};
    VkRenderPass pass = GUEST_HANDLE(guest_id(g));
    VkDevice device = create_device_without(g, "vkCreateRenderPass2", VK_SUCCESS);
    (void)GUEST_SEND(&g->ring, vkCreateRenderPass2, .device = device, .pCreateInfo = &info,
                     .pRenderPass = &pass);
}

static void a_wait_that_the_driver_lacks(struct guest *g)
{
    const VkSemaphoreWaitInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO};
    VkDevice device = create_device_without(g, "vkWaitSemaphores", VK_SUCCESS);
    (void)GUEST_SEND(&g->ring, vkWaitSemaphores, .device = device, .pWaitInfo = &info);
}

/* What handlers and timelines call without a look: then there is no device. */
static void a_command_of_any_device_that_the_driver_lacks(void **state)
{
    (void)state;
    const char *const names[] = {"vkCreateFence", "vkGetDeviceQueue2"}; /* 1.0, 1.1 */
    int64_t live_objects = world_live_objects();
    struct guest_params params = world_params();
    struct guest *g = guest_create(&params);
    guest_open(g, GUEST_STAGE_PHYSICAL_DEVICE);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)create_device_without(g, names[i], VK_ERROR_INITIALIZATION_FAILED);
        assert_non_null(strstr(g->log.last_error, names[i]));
        assert_false(pv_render_is_fatal(g->context));
    }
    guest_open_device(g);
    guest_destroy(g);
    assert_true(world_live_objects() == live_objects);
}

static PFN_vkVoidFunction VKAPI_CALL get_without_create_device(VkInstance instance,
                                                               const char *name)
{
    return strcmp(name, "vkCreateDevice") == 0 ? NULL
                                               : pv_fake_get_instance_proc_addr(instance, name);
}

static void a_command_of_the_instance_that_the_driver_lacks(void **state)
{
    (void)state;
    static const struct pv_log silent;
    struct pv_host host;
    struct guest_params params = world_params();
    pv_host_from_entry(&host, get_without_create_device, &silent);
    params.host = &host;
    int64_t live_objects = world_live_objects();
    struct guest *g = guest_create(&params);
    VkInstance instance = GUEST_HANDLE(guest_id(g));
    const VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
    struct pv_vkCreateInstance a = {.pCreateInfo = &info, .pInstance = &instance};
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateInstance, &a), VK_ERROR_INITIALIZATION_FAILED);
    assert_non_null(strstr(g->log.last_error, "vkCreateDevice"));
    assert_false(pv_render_is_fatal(g->context));
    guest_destroy(g);
    pv_host_close(&host);
    assert_true(world_live_objects() == live_objects);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOSTILE(an_unknown_id, "vkDestroyFence", "does not exist"),
        HOSTILE(an_id_beyond_the_table, "vkDestroyFence", "does not exist"),
        HOSTILE(a_new_object_with_id_0, "vkCreateFence", NULL),
        HOSTILE(a_new_object_far_beyond_all_others, "vkCreateFence", "far beyond"),
        HOSTILE(a_new_object_with_the_highest_id, "vkCreateFence", "far beyond"),
        HOSTILE(an_id_that_is_in_use, "vkCreateFence", "used before"),
        HOSTILE(an_id_that_was_in_use, "vkCreateFence", "used before"),
        HOSTILE(one_id_for_two_types, "vkCreateBuffer", "used before"),
        HOSTILE(an_object_of_another_type, "vkGetFenceStatus", "another type"),
        HOSTILE(a_destroy_of_another_type, "vkDestroyFence", "does not exist"),
        HOSTILE(an_object_of_another_device, "vkGetFenceStatus", "another device"),
        HOSTILE(a_destroy_through_another_device, "vkDestroyFence", "does not exist"),
        HOSTILE(a_double_destroy, "vkDestroyFence", "does not exist"),
        HOSTILE(a_device_that_is_null, "vkDestroyFence", "null"),
        HOSTILE(a_device_that_is_a_queue, "vkDestroyFence", "another type"),
        HOSTILE(a_required_handle_that_is_null, "vkGetFenceStatus", "null"),
        HOSTILE(a_second_instance, "vkCreateInstance", "second instance"),
        HOSTILE(a_destroy_of_no_instance, "vkDestroyInstance", NULL),
        HOSTILE(a_destroy_of_no_device, "vkDestroyDevice", NULL),
        HOSTILE(a_double_destroy_of_the_instance, "vkDestroyInstance", NULL),
        HOSTILE(a_queue_of_a_destroyed_device, "vkQueueSubmit", "destroyed object"),
        HOSTILE(a_physical_device_of_a_destroyed_instance, "vkGetPhysicalDeviceProperties",
                "destroyed object"),
        HOSTILE(another_id_for_a_physical_device, "vkEnumeratePhysicalDevices", "another id"),
        HOSTILE(a_queue_without_a_timeline, "vkGetDeviceQueue2", "timeline"),
        HOSTILE(a_queue_on_the_cpus_timeline, "vkGetDeviceQueue2", "timeline"),
        HOSTILE(a_queue_on_timeline_64, "vkGetDeviceQueue2", "timeline"),
        HOSTILE(a_queue_that_is_bound_already, "vkGetDeviceQueue2", "taken"),
        HOSTILE(a_queue_on_a_timeline_that_is_taken, "vkGetDeviceQueue2", "taken"),
        HOSTILE(a_queue_index_that_the_device_lacks, "vkGetDeviceQueue2", "without this queue"),
        HOSTILE(a_queue_family_that_the_device_lacks, "vkGetDeviceQueue2", "without this queue"),
        HOSTILE(a_superseded_vkGetDeviceQueue, "vkGetDeviceQueue", "superseded"),
        HOSTILE(one_id_twice_in_an_array_of_new_objects, "vkAllocateCommandBuffers", "used before"),
        HOSTILE(a_command_buffer_of_a_destroyed_pool, "vkEndCommandBuffer", "destroyed object"),
        HOSTILE(a_command_buffer_freed_twice, "vkFreeCommandBuffers", "does not exist"),
        HOSTILE(a_pool_of_another_type, "vkAllocateCommandBuffers", "another type"),
        HOSTILE(a_command_of_an_extension_that_is_not_enabled, "vkCmdEndTransformFeedbackEXT",
                "not enabled"),
        HOSTILE(a_command_that_the_driver_lacks, "vkCreateRenderPass2", "the driver lacks"),
        HOSTILE(a_wait_that_the_driver_lacks, "vkWaitSemaphores", "the driver lacks"),
        cmocka_unit_test(a_command_of_any_device_that_the_driver_lacks),
        cmocka_unit_test(a_command_of_the_instance_that_the_driver_lacks),
    };
    return cmocka_run_group_tests(tests, hostile_setup, hostile_teardown);
}
