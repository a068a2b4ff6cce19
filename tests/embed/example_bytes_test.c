#include "../../examples/embed_guest.h"
#include "fakes/guest.h"
#include "unit/check.h"

/* The words that the examples spell out are those of our guest's encoders, command by command. */

#define SAME(command_, function_, ...)                                                             \
    do {                                                                                           \
        const struct command written = (command_);                                                 \
        uint8_t bytes[4 * COMMAND_WORDS_MAX];                                                      \
        struct pv_encoder out = {.cursor = bytes, .end = bytes + sizeof(bytes)};                   \
        uint32_t flags = written.answer != ANSWER_NONE ? VK_COMMAND_GENERATE_REPLY_BIT_EXT : 0;    \
        pv_guest_encode_##function_(&out, flags, &(struct pv_##function_){__VA_ARGS__});           \
        assert_string_equal(written.name, #function_);                                             \
        assert_int_equal(written.count * 4, out.cursor - bytes);                                   \
        assert_memory_equal(written.words, bytes, written.count * 4);                              \
    } while (false)

static void words_for_replies_are_the_encoders(void **state)
{
    (void)state;
    const VkCommandStreamDescriptionMESA stream = {.resourceId = REPLY_RESOURCE,
                                                   .size = REPLY_SIZE};
    SAME(set_reply_stream(), vkSetReplyCommandStreamMESA, .pStream = &stream);
    uint32_t version = 0;
    SAME(enumerate_instance_version(), vkEnumerateInstanceVersion, .pApiVersion = &version);
}

static void words_for_a_device_are_the_encoders(void **state)
{
    (void)state;
    const VkInstanceCreateInfo instance_info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
    VkInstance instance = GUEST_HANDLE(INSTANCE);
    SAME(create_instance(), vkCreateInstance, .pCreateInfo = &instance_info,
         .pInstance = &instance);

    uint32_t count = 1;
    VkPhysicalDevice physical_device = GUEST_HANDLE(PHYSICAL_DEVICE);
    SAME(enumerate_physical_devices(), vkEnumeratePhysicalDevices, .instance = instance,
         .pPhysicalDeviceCount = &count, .pPhysicalDevices = &physical_device);

    const float priority = 1.0f;
    const VkDeviceQueueCreateInfo queues = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo device_info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queues,
    };
    VkDevice device = GUEST_HANDLE(DEVICE);
    SAME(create_device(), vkCreateDevice, .physicalDevice = GUEST_HANDLE(PHYSICAL_DEVICE),
         .pCreateInfo = &device_info, .pDevice = &device);

    const VkDeviceQueueTimelineInfoMESA timeline = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_TIMELINE_INFO_MESA,
        .ringIdx = 1,
    };
    const VkDeviceQueueInfo2 queue_info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_INFO_2,
        .pNext = &timeline,
    };
    VkQueue queue = GUEST_HANDLE(QUEUE);
    SAME(get_device_queue(), vkGetDeviceQueue2, .device = device, .pQueueInfo = &queue_info,
         .pQueue = &queue);
}

static void words_for_a_buffer_are_the_encoders(void **state)
{
    (void)state;
    VkDevice device = GUEST_HANDLE(DEVICE);
    const VkBufferCreateInfo buffer_info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = BUFFER_SIZE,
        .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    VkBuffer buffer = GUEST_HANDLE(BUFFER);
    SAME(create_buffer(), vkCreateBuffer, .device = device, .pCreateInfo = &buffer_info,
         .pBuffer = &buffer);

    VkMemoryRequirements requirements = {0};
    SAME(get_buffer_requirements(), vkGetBufferMemoryRequirements, .device = device,
         .buffer = buffer, .pMemoryRequirements = &requirements);
    VkPhysicalDeviceMemoryProperties properties = {0};
    SAME(get_memory_properties(), vkGetPhysicalDeviceMemoryProperties,
         .physicalDevice = GUEST_HANDLE(PHYSICAL_DEVICE), .pMemoryProperties = &properties);

    const VkMemoryAllocateInfo memory_info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = 0x123456789a,
        .memoryTypeIndex = 7,
    };
    VkDeviceMemory memory = GUEST_HANDLE(MEMORY);
    SAME(allocate_memory(0x123456789a, 7), vkAllocateMemory, .device = device,
         .pAllocateInfo = &memory_info, .pMemory = &memory);
    SAME(bind_buffer_memory(), vkBindBufferMemory, .device = device, .buffer = buffer,
         .memory = memory);
}

static void words_for_recording_are_the_encoders(void **state)
{
    (void)state;
    VkDevice device = GUEST_HANDLE(DEVICE);
    const VkCommandPoolCreateInfo pool_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
    };
    VkCommandPool pool = GUEST_HANDLE(COMMAND_POOL);
    SAME(create_command_pool(), vkCreateCommandPool, .device = device, .pCreateInfo = &pool_info,
         .pCommandPool = &pool);

    const VkCommandBufferAllocateInfo allocate_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    VkCommandBuffer command_buffer = GUEST_HANDLE(COMMAND_BUFFER);
    SAME(allocate_command_buffer(), vkAllocateCommandBuffers, .device = device,
         .pAllocateInfo = &allocate_info, .pCommandBuffers = &command_buffer);

    const VkCommandBufferBeginInfo begin_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    SAME(begin_command_buffer(), vkBeginCommandBuffer, .commandBuffer = command_buffer,
         .pBeginInfo = &begin_info);
    SAME(fill_buffer(), vkCmdFillBuffer, .commandBuffer = command_buffer,
         .dstBuffer = GUEST_HANDLE(BUFFER), .size = BUFFER_SIZE, .data = FILLED_WITH);

    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    SAME(make_visible_to_host(), vkCmdPipelineBarrier, .commandBuffer = command_buffer,
         .srcStageMask = VK_PIPELINE_STAGE_TRANSFER_BIT, .dstStageMask = VK_PIPELINE_STAGE_HOST_BIT,
         .memoryBarrierCount = 1, .pMemoryBarriers = &barrier);
    SAME(end_command_buffer(), vkEndCommandBuffer, .commandBuffer = command_buffer);
}

static void words_for_submission_are_the_encoders(void **state)
{
    (void)state;
    VkDevice device = GUEST_HANDLE(DEVICE);
    VkCommandBuffer command_buffer = GUEST_HANDLE(COMMAND_BUFFER);
    const VkFenceCreateInfo fence_info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence = GUEST_HANDLE(FENCE);
    SAME(create_fence(), vkCreateFence, .device = device, .pCreateInfo = &fence_info,
         .pFence = &fence);

    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &command_buffer,
    };
    SAME(queue_submit(), vkQueueSubmit, .queue = GUEST_HANDLE(QUEUE), .submitCount = 1,
         .pSubmits = &submit, .fence = fence);
    SAME(wait_for_fence(), vkWaitForFences, .device = device, .fenceCount = 1, .pFences = &fence,
         .waitAll = VK_TRUE, .timeout = UINT64_MAX);
}

/* --- what the guest makes of replies -----------------------------------------------------------
 */

static void guest_takes_the_first_memory_that_it_may_and_the_host_sees(void **state)
{
    (void)state;
    uint32_t properties[FLAGS_IN_REPLY + 2 * NO_MEMORY_TYPE] = {[COUNT_IN_REPLY] = 4};
    const uint32_t flags[] = {1, 6, 2, 15};
    for (uint32_t i = 0; i < 4; i++) {
        properties[FLAGS_IN_REPLY + 2 * i] = flags[i];
    }
    assert_int_equal(find_memory_type(0xf, properties), 1);
    assert_int_equal(find_memory_type(0xd, properties), 3);
    assert_int_equal(find_memory_type(0x5, properties), NO_MEMORY_TYPE);
    properties[COUNT_IN_REPLY] = UINT32_MAX;
    assert_int_equal(find_memory_type(0, properties), NO_MEMORY_TYPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_for_replies_are_the_encoders),
        cmocka_unit_test(words_for_a_device_are_the_encoders),
        cmocka_unit_test(words_for_a_buffer_are_the_encoders),
        cmocka_unit_test(words_for_recording_are_the_encoders),
        cmocka_unit_test(words_for_submission_are_the_encoders),
        cmocka_unit_test(guest_takes_the_first_memory_that_it_may_and_the_host_sees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
