#include "checks.h"
#include "compiles.h"

/* Commands of extensions that few programs use, and whose handlers think: what the driver must be
 * asked for, and what of its answer the guest must get. */

enum {
    SIDE = 4, /* of the image, in texels of 4 bytes */
    IMAGE_SIZE = 4 * SIDE * SIDE,
    DESCRIPTOR_SIZE = 32,
    GROUP_HANDLE_SIZE = 32,
    FROM_DRIVER = 0x5a, /* the driver's bytes */
    FROM_GUEST = 0x33,
};

static bool has_image; /* the driver has seen the guest's bytes, all of them */

static bool all_are(const void *bytes, size_t size, uint8_t value)
{
    const uint8_t *byte = bytes;
    size_t count = 0;
    while (count < size && byte[count] == value) {
        count++;
    }
    return count == size;
}

static void say_size(VkSubresourceLayout2 *layout)
{
    VkSubresourceHostMemcpySize *size = layout->pNext;
    PV_ASSERT(size != NULL && size->sType == VK_STRUCTURE_TYPE_SUBRESOURCE_HOST_MEMCPY_SIZE);
    size->size = IMAGE_SIZE;
}

#if defined(VK_EXT_descriptor_heap)
static void write_descriptor(const VkHostAddressRangeEXT *to, uint32_t count)
{
    PV_ASSERT(count == 1 && to->size == DESCRIPTOR_SIZE);
    memset(to->address, FROM_DRIVER, to->size);
}
#endif

static bool answer(void *user, enum pv_fake_command command, void *args)
{
    (void)user;
    switch (command) {
    case PV_FAKE_vkGetImageSubresourceLayout2:
        say_size(((struct pv_vkGetImageSubresourceLayout2 *)args)->pLayout);
        return true;
    case PV_FAKE_vkCopyImageToMemory: {
        struct pv_fake_vkCopyImageToMemory *a = args;
        memset(a->pCopyImageToMemoryInfo->pRegions[0].pHostPointer, FROM_DRIVER, IMAGE_SIZE);
        return true;
    }
    case PV_FAKE_vkCopyMemoryToImage: {
        struct pv_fake_vkCopyMemoryToImage *a = args;
        const VkMemoryToImageCopy *region = &a->pCopyMemoryToImageInfo->pRegions[0];
        has_image = all_are(region->pHostPointer, IMAGE_SIZE, FROM_GUEST);
        return true;
    }
    case PV_FAKE_vkGetRayTracingShaderGroupHandlesKHR: {
        struct pv_vkGetRayTracingShaderGroupHandlesKHR *a = args;
        memset(a->pData, FROM_DRIVER, a->groupCount * GROUP_HANDLE_SIZE);
        return true;
    }
    case PV_FAKE_vkGetRayTracingCaptureReplayShaderGroupHandlesKHR: {
        struct pv_vkGetRayTracingCaptureReplayShaderGroupHandlesKHR *a = args;
        memset(a->pData, FROM_DRIVER, a->groupCount * GROUP_HANDLE_SIZE);
        return true;
    }
#if defined(VK_EXT_descriptor_heap)
    case PV_FAKE_vkWriteSamplerDescriptorsEXT: {
        struct pv_fake_vkWriteSamplerDescriptorsEXT *a = args;
        write_descriptor(a->pDescriptors, a->samplerCount);
        return true;
    }
    case PV_FAKE_vkWriteResourceDescriptorsEXT: {
        struct pv_fake_vkWriteResourceDescriptorsEXT *a = args;
        write_descriptor(a->pDescriptors, a->resourceCount);
        return true;
    }
#endif
    default:
        return false;
    }
}

static uint64_t create_device(struct guest *g)
{
    static const float priority = 1.0F;
    static const char *const names[] = {
        VK_EXT_HOST_IMAGE_COPY_EXTENSION_NAME,
        VK_KHR_RAY_TRACING_PIPELINE_EXTENSION_NAME,
#if defined(VK_EXT_descriptor_heap)
        VK_EXT_DESCRIPTOR_HEAP_EXTENSION_NAME,
#endif
    };
    const VkDeviceQueueCreateInfo queues = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queues,
        .enabledExtensionCount = sizeof(names) / sizeof(names[0]),
        .ppEnabledExtensionNames = names,
    };
    uint64_t id = guest_id(g);
    VkDevice device = GUEST_HANDLE(id);
    struct pv_vkCreateDevice a = {.physicalDevice = GUEST_HANDLE(g->physical_device),
                                  .pCreateInfo = &info,
                                  .pDevice = &device};
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateDevice, &a), VK_SUCCESS);
    return id;
}

static int setup(void **state)
{
    int result = checked_setup_bare(state);
    pv_fake_reset();
    pv_fake_set_hook(answer, NULL);
    struct guest *g = guest_of(state);
    guest_open(g, GUEST_STAGE_PHYSICAL_DEVICE);
    g->device = create_device(g);
    return result;
}

static int teardown(void **state)
{
    int result = checked_teardown(state);
    pv_fake_reset();
    return result;
}

#define HANDLER_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* --- images and the guest's bytes --------------------------------------------------------------
 */

static VkImage make_image(struct guest *g)
{
    const VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .extent = {SIDE, SIDE, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .usage = VK_IMAGE_USAGE_HOST_TRANSFER_BIT,
    };
    VkImage image = GUEST_HANDLE(guest_id(g));
    struct pv_vkCreateImage a = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &info, .pImage = &image};
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateImage, &a), VK_SUCCESS);
    return image;
}

/* The driver is not told how much room there is: it gets enough for any format, or just what it has
 * said that it takes. */
static void an_image_is_copied_to_the_guests_bytes(void **state)
{
    struct guest *g = guest_of(state);
    VkCopyImageToMemoryInfoMESA info = {
        .sType = VK_STRUCTURE_TYPE_COPY_IMAGE_TO_MEMORY_INFO_MESA,
        .srcImage = make_image(g),
        .srcImageLayout = VK_IMAGE_LAYOUT_GENERAL,
        .imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
        .imageExtent = {SIDE, SIDE, 1},
    };
    for (int i = 0; i < 2; i++) {
        info.flags = i == 0 ? 0 : VK_HOST_IMAGE_COPY_MEMCPY_EXT;
        uint8_t bytes[IMAGE_SIZE] = {0};
        struct pv_vkCopyImageToMemoryMESA a = {.device = GUEST_HANDLE(g->device),
                                               .pCopyImageToMemoryInfo = &info,
                                               .dataSize = sizeof(bytes),
                                               .pData = bytes};
        assert_int_equal(GUEST_RESULT(&g->ring, vkCopyImageToMemoryMESA, &a), VK_SUCCESS);
        assert_true(all_are(a.pData, sizeof(bytes), FROM_DRIVER));
    }
    assert_int_equal(pv_fake_count(PV_FAKE_vkGetImageSubresourceLayout2), 1);
}

static void the_guests_bytes_are_copied_to_an_image(void **state)
{
    struct guest *g = guest_of(state);
    uint8_t bytes[IMAGE_SIZE];
    memset(bytes, FROM_GUEST, sizeof(bytes));
    const VkMemoryToImageCopyMESA region = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_TO_IMAGE_COPY_MESA,
        .dataSize = sizeof(bytes),
        .pData = bytes,
        .imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
        .imageExtent = {SIDE, SIDE, 1},
    };
    VkCopyMemoryToImageInfoMESA info = {
        .sType = VK_STRUCTURE_TYPE_COPY_MEMORY_TO_IMAGE_INFO_MESA,
        .dstImage = make_image(g),
        .dstImageLayout = VK_IMAGE_LAYOUT_GENERAL,
        .regionCount = 1,
        .pRegions = &region,
    };
    for (int i = 0; i < 2; i++) {
        info.flags = i == 0 ? 0 : VK_HOST_IMAGE_COPY_MEMCPY_EXT;
        has_image = false;
        struct pv_vkCopyMemoryToImageMESA a = {.device = GUEST_HANDLE(g->device),
                                               .pCopyMemoryToImageInfo = &info};
        assert_int_equal(GUEST_RESULT(&g->ring, vkCopyMemoryToImageMESA, &a), VK_SUCCESS);
        assert_true(has_image);
    }
}

/* --- descriptors and shader groups as bytes ----------------------------------------------------
 */

#if defined(VK_EXT_descriptor_heap)
static void descriptors_come_as_bytes(void **state)
{
    struct guest *g = guest_of(state);
    uint8_t bytes[DESCRIPTOR_SIZE] = {0};
    const VkSamplerCreateInfo sampler = {.sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO};
    struct pv_vkWriteSamplerDescriptorMESA of_sampler = {.device = GUEST_HANDLE(g->device),
                                                         .pSampler = &sampler,
                                                         .dataSize = sizeof(bytes),
                                                         .pData = bytes};
    assert_int_equal(GUEST_RESULT(&g->ring, vkWriteSamplerDescriptorMESA, &of_sampler), VK_SUCCESS);
    assert_true(all_are(of_sampler.pData, sizeof(bytes), FROM_DRIVER));
    const VkDeviceAddressRangeEXT range = {.address = 0x1000, .size = 256};
    const VkResourceDescriptorInfoEXT resource = {
        .sType = VK_STRUCTURE_TYPE_RESOURCE_DESCRIPTOR_INFO_EXT,
        .type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .data.pAddressRange = &range,
    };
    struct pv_vkWriteResourceDescriptorMESA of_resource = {.device = GUEST_HANDLE(g->device),
                                                           .pResource = &resource,
                                                           .dataSize = sizeof(bytes),
                                                           .pData = bytes};
    assert_int_equal(GUEST_RESULT(&g->ring, vkWriteResourceDescriptorMESA, &of_resource),
                     VK_SUCCESS);
    assert_true(all_are(of_resource.pData, sizeof(bytes), FROM_DRIVER));
}
#endif

/* Drivers write as many as they are asked for: with too little room of the guest's, into ours. */
static void handles_of_shader_groups_come_as_far_as_there_is_room(void **state)
{
    struct guest *g = guest_of(state);
    VkPipeline pipeline = GUEST_HANDLE(send_pipeline(g, make_parts(g)));
    enum { GROUPS = 4, ROOM = GROUP_HANDLE_SIZE };
    uint8_t bytes[ROOM] = {0};
    struct pv_vkGetRayTracingShaderGroupHandlesKHR handles = {.device = GUEST_HANDLE(g->device),
                                                              .pipeline = pipeline,
                                                              .groupCount = GROUPS,
                                                              .dataSize = ROOM,
                                                              .pData = bytes};
    assert_int_equal(GUEST_RESULT(&g->ring, vkGetRayTracingShaderGroupHandlesKHR, &handles),
                     VK_SUCCESS);
    assert_true(all_are(handles.pData, ROOM, FROM_DRIVER));
    struct pv_vkGetRayTracingCaptureReplayShaderGroupHandlesKHR replay = {
        .device = GUEST_HANDLE(g->device),
        .pipeline = pipeline,
        .groupCount = GROUPS,
        .dataSize = ROOM,
        .pData = bytes};
    assert_int_equal(
        GUEST_RESULT(&g->ring, vkGetRayTracingCaptureReplayShaderGroupHandlesKHR, &replay),
        VK_SUCCESS);
    assert_true(all_are(replay.pData, ROOM, FROM_DRIVER));
}

/* --- instances and physical devices ------------------------------------------------------------
 */

static void an_instances_extensions_are_ours(void **state)
{
    struct guest *g = guest_of(state);
    uint32_t count = 0;
    struct pv_vkEnumerateInstanceExtensionProperties a = {.pPropertyCount = &count};
    assert_int_equal(GUEST_RESULT(&g->ring, vkEnumerateInstanceExtensionProperties, &a),
                     VK_SUCCESS);
    VkExtensionProperties properties[64];
    count = *a.pPropertyCount;
    assert_in_range(count, 1, 63);
    uint32_t room = count + 1;
    a.pPropertyCount = &room;
    a.pProperties = properties;
    assert_int_equal(GUEST_RESULT(&g->ring, vkEnumerateInstanceExtensionProperties, &a),
                     VK_SUCCESS);
    assert_int_equal(*a.pPropertyCount, count);
    room = count - 1;
    a.pPropertyCount = &room;
    a.pProperties = properties;
    assert_int_equal(GUEST_RESULT(&g->ring, vkEnumerateInstanceExtensionProperties, &a),
                     VK_INCOMPLETE);
}

static void a_group_names_devices_as_the_guest_does(void **state)
{
    struct guest *g = guest_of(state);
    uint32_t count = 0;
    struct pv_vkEnumeratePhysicalDeviceGroups a = {.instance = GUEST_HANDLE(g->instance),
                                                   .pPhysicalDeviceGroupCount = &count};
    assert_int_equal(GUEST_RESULT(&g->ring, vkEnumeratePhysicalDeviceGroups, &a), VK_SUCCESS);
    assert_int_equal(*a.pPhysicalDeviceGroupCount, 1);
    VkPhysicalDeviceGroupProperties group = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_GROUP_PROPERTIES};
    count = 1;
    a.pPhysicalDeviceGroupCount = &count;
    a.pPhysicalDeviceGroupProperties = &group;
    assert_int_equal(GUEST_RESULT(&g->ring, vkEnumeratePhysicalDeviceGroups, &a), VK_SUCCESS);
    assert_int_equal(a.pPhysicalDeviceGroupProperties->physicalDeviceCount, 1);
    assert_ptr_equal(a.pPhysicalDeviceGroupProperties->physicalDevices[0],
                     GUEST_HANDLE(g->physical_device));
}

/* The fake driver has no SYNC_FD: we stand in for it. What else there is only the driver knows. */
static void semaphores_are_exportable_where_we_stand_in(void **state)
{
    struct guest *g = guest_of(state);
    VkPhysicalDeviceExternalSemaphoreInfo info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
        .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    VkExternalSemaphoreProperties properties = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_SEMAPHORE_PROPERTIES};
    struct pv_vkGetPhysicalDeviceExternalSemaphoreProperties a = {
        .physicalDevice = GUEST_HANDLE(g->physical_device),
        .pExternalSemaphoreInfo = &info,
        .pExternalSemaphoreProperties = &properties};
    assert_true(GUEST_CALL(&g->ring, vkGetPhysicalDeviceExternalSemaphoreProperties, &a));
    assert_int_equal(a.pExternalSemaphoreProperties->externalSemaphoreFeatures,
                     VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT |
                         VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT);
    assert_int_equal(pv_fake_count(PV_FAKE_vkGetPhysicalDeviceExternalSemaphoreProperties), 0);
    info.handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT;
    a.pExternalSemaphoreProperties = &properties;
    assert_true(GUEST_CALL(&g->ring, vkGetPhysicalDeviceExternalSemaphoreProperties, &a));
    assert_int_equal(a.pExternalSemaphoreProperties->externalSemaphoreFeatures, 0);
    assert_int_equal(pv_fake_count(PV_FAKE_vkGetPhysicalDeviceExternalSemaphoreProperties), 1);
}

static void fences_are_exportable_where_we_stand_in(void **state)
{
    struct guest *g = guest_of(state);
    VkPhysicalDeviceExternalFenceInfo info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_FENCE_INFO,
        .handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    VkExternalFenceProperties properties = {.sType = VK_STRUCTURE_TYPE_EXTERNAL_FENCE_PROPERTIES};
    struct pv_vkGetPhysicalDeviceExternalFenceProperties a = {
        .physicalDevice = GUEST_HANDLE(g->physical_device),
        .pExternalFenceInfo = &info,
        .pExternalFenceProperties = &properties};
    assert_true(GUEST_CALL(&g->ring, vkGetPhysicalDeviceExternalFenceProperties, &a));
    assert_int_equal(a.pExternalFenceProperties->externalFenceFeatures,
                     VK_EXTERNAL_FENCE_FEATURE_EXPORTABLE_BIT |
                         VK_EXTERNAL_FENCE_FEATURE_IMPORTABLE_BIT);
    assert_int_equal(pv_fake_count(PV_FAKE_vkGetPhysicalDeviceExternalFenceProperties), 0);
    info.handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_OPAQUE_FD_BIT;
    a.pExternalFenceProperties = &properties;
    assert_true(GUEST_CALL(&g->ring, vkGetPhysicalDeviceExternalFenceProperties, &a));
    assert_int_equal(a.pExternalFenceProperties->externalFenceFeatures, 0);
    assert_int_equal(pv_fake_count(PV_FAKE_vkGetPhysicalDeviceExternalFenceProperties), 1);
}

/* --- waits for one of several ------------------------------------------------------------------
 */

static void a_wait_for_any_fence_asks_for_each(void **state)
{
    struct guest *g = guest_of(state);
    const VkFence fences[2] = {GUEST_HANDLE(make_fence(g, 0)), GUEST_HANDLE(make_fence(g, 0))};
    struct pv_vkWaitForFences a = {.device = GUEST_HANDLE(g->device),
                                   .fenceCount = 2,
                                   .pFences = fences,
                                   .timeout = UINT64_MAX};
    assert_int_equal(GUEST_RESULT(&g->ring, vkWaitForFences, &a), VK_SUCCESS);
    assert_int_equal(pv_fake_count(PV_FAKE_vkGetFenceStatus), 1);
    assert_int_equal(pv_fake_count(PV_FAKE_vkWaitForFences), 0);
}

static void a_wait_for_semaphores_asks_for_each(void **state)
{
    struct guest *g = guest_of(state);
    const VkSemaphore semaphores[2] = {GUEST_HANDLE(make_semaphore(g, VK_SEMAPHORE_TYPE_TIMELINE)),
                                       GUEST_HANDLE(make_semaphore(g, VK_SEMAPHORE_TYPE_TIMELINE))};
    const uint64_t values[2] = {1, 0};
    VkSemaphoreWaitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .flags = VK_SEMAPHORE_WAIT_ANY_BIT,
        .semaphoreCount = 2,
        .pSemaphores = semaphores,
        .pValues = values,
    };
    struct pv_vkWaitSemaphores a = {
        .device = GUEST_HANDLE(g->device), .pWaitInfo = &info, .timeout = UINT64_MAX};
    assert_int_equal(GUEST_RESULT(&g->ring, vkWaitSemaphores, &a), VK_SUCCESS);
    assert_int_equal(pv_fake_count(PV_FAKE_vkGetSemaphoreCounterValue), 2);
    assert_int_equal(pv_fake_count(PV_FAKE_vkWaitSemaphores), 0);
    info.flags = 0;
    assert_int_equal(GUEST_RESULT(&g->ring, vkWaitSemaphores, &a), VK_SUCCESS);
    assert_int_equal(pv_fake_count(PV_FAKE_vkWaitSemaphores), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HANDLER_TEST(an_image_is_copied_to_the_guests_bytes),
        HANDLER_TEST(the_guests_bytes_are_copied_to_an_image),
#if defined(VK_EXT_descriptor_heap)
        HANDLER_TEST(descriptors_come_as_bytes),
#endif
        HANDLER_TEST(handles_of_shader_groups_come_as_far_as_there_is_room),
        HANDLER_TEST(an_instances_extensions_are_ours),
        HANDLER_TEST(a_group_names_devices_as_the_guest_does),
        HANDLER_TEST(semaphores_are_exportable_where_we_stand_in),
        HANDLER_TEST(fences_are_exportable_where_we_stand_in),
        HANDLER_TEST(a_wait_for_any_fence_asks_for_each),
        HANDLER_TEST(a_wait_for_semaphores_asks_for_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
