#include "fakes/fake_vulkan.h"
#include "fakes/golden.h"
#include "fakes/guest.h"
#include "fakes/world.h"
#include "unit/check.h"
#include "wire_encode.gen.h"

#include <string.h>

/* Replies as virglrenderer encodes them: ours are the same bytes, and the guest reads the same
 * values out of them. */

static const char *const file = "replies.txt";

static struct guest *open_guest(void)
{
    world_open();
    const struct guest_params params = world_params();
    struct guest *g = guest_create(&params);
    guest_open_device(g);
    return g;
}

static void close_guest(struct guest *g)
{
    pv_fake_set_hook(NULL, NULL);
    guest_destroy(g);
    world_close();
}

/* The last call's reply. */
static void check_reply(const struct guest *g, const char *title)
{
    struct pv_golden golden;
    pv_golden_read(file, title, &golden);
    pv_golden_check(&golden, title, g->ring.reply.map, golden.size);
    assert_ptr_equal(g->ring.in.cursor, g->ring.reply.map + golden.size);
}

static struct pv_vkCreateBuffer buffer_7(const struct guest *g, VkBuffer *buffer)
{
    static const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = 256,
        .usage = VK_BUFFER_USAGE_VERTEX_BUFFER_BIT,
    };
    *buffer = GUEST_HANDLE(7);
    return (struct pv_vkCreateBuffer){
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &info, .pBuffer = buffer};
}

static void a_created_object_s_id_comes_back(void **state)
{
    (void)state;
    struct guest *g = open_guest();
    VkBuffer buffer;
    struct pv_vkCreateBuffer a = buffer_7(g, &buffer);
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateBuffer, &a), VK_SUCCESS);
    check_reply(g, "vkCreateBuffer");
    close_guest(g);
}

static bool run_out_of_memory(void *user, enum pv_fake_command command, void *args)
{
    (void)user;
    if (command != PV_FAKE_vkCreateBuffer) {
        return false;
    }
    ((struct pv_vkCreateBuffer *)args)->ret = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    return true;
}

static void the_id_comes_back_after_an_error_too(void **state)
{
    (void)state;
    struct guest *g = open_guest();
    VkBuffer buffer;
    struct pv_vkCreateBuffer a = buffer_7(g, &buffer);
    pv_fake_set_hook(run_out_of_memory, NULL);
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateBuffer, &a), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    check_reply(g, "vkCreateBuffer out of device memory");
    close_guest(g);
}

static bool describe_one_family(void *user, enum pv_fake_command command, void *args)
{
    (void)user;
    struct pv_vkGetPhysicalDeviceQueueFamilyProperties2 *a = args;
    if (command != PV_FAKE_vkGetPhysicalDeviceQueueFamilyProperties2) {
        return false;
    }
    *a->pQueueFamilyPropertyCount = 1;
    if (a->pQueueFamilyProperties != NULL) {
        a->pQueueFamilyProperties[0].queueFamilyProperties =
            (VkQueueFamilyProperties){7, 1, 64, {1, 1, 1}};
    }
    return true;
}

static void the_driver_s_count_comes_back(void **state)
{
    (void)state;
    struct guest *g = open_guest();
    uint32_t count = 2;
    VkQueueFamilyProperties2 families[] = {
        {.sType = VK_STRUCTURE_TYPE_QUEUE_FAMILY_PROPERTIES_2},
        {.sType = VK_STRUCTURE_TYPE_QUEUE_FAMILY_PROPERTIES_2},
    };
    struct pv_vkGetPhysicalDeviceQueueFamilyProperties2 a = {
        .physicalDevice = GUEST_HANDLE(g->physical_device), .pQueueFamilyPropertyCount = &count};
    pv_fake_set_hook(describe_one_family, NULL);
    assert_true(GUEST_CALL(&g->ring, vkGetPhysicalDeviceQueueFamilyProperties2, &a));
    check_reply(g, "vkGetPhysicalDeviceQueueFamilyProperties2 the count");
    assert_int_equal(*a.pQueueFamilyPropertyCount, 1);
    a.pQueueFamilyPropertyCount = &count;
    a.pQueueFamilyProperties = families;
    assert_true(GUEST_CALL(&g->ring, vkGetPhysicalDeviceQueueFamilyProperties2, &a));
    check_reply(g, "vkGetPhysicalDeviceQueueFamilyProperties2 one family");
    assert_int_equal(a.pQueueFamilyProperties[0].queueFamilyProperties.timestampValidBits, 64);
    close_guest(g);
}

static bool give_ten_bytes(void *user, enum pv_fake_command command, void *args)
{
    (void)user;
    struct pv_vkGetPipelineCacheData *a = args;
    if (command != PV_FAKE_vkGetPipelineCacheData) {
        return false;
    }
    *a->pDataSize = 10;
    memcpy(a->pData, (const uint8_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 10);
    return true;
}

static void a_blob_comes_back_with_its_padding(void **state)
{
    (void)state;
    struct guest *g = open_guest();
    const VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
    VkPipelineCache cache = GUEST_HANDLE(0x60);
    assert_true(GUEST_SEND(&g->ring, vkCreatePipelineCache, .device = GUEST_HANDLE(g->device),
                           .pCreateInfo = &info, .pPipelineCache = &cache));
    size_t size = 32;
    uint8_t bytes[32];
    struct pv_vkGetPipelineCacheData a = {.device = GUEST_HANDLE(g->device),
                                          .pipelineCache = cache,
                                          .pDataSize = &size,
                                          .pData = bytes};
    pv_fake_set_hook(give_ten_bytes, NULL);
    assert_int_equal(GUEST_RESULT(&g->ring, vkGetPipelineCacheData, &a), VK_SUCCESS);
    check_reply(g, "vkGetPipelineCacheData");
    assert_int_equal(*a.pDataSize, 10);
    assert_int_equal(((const uint8_t *)a.pData)[9], 10);
    close_guest(g);
}

static bool give_an_address(void *user, enum pv_fake_command command, void *args)
{
    (void)user;
    if (command != PV_FAKE_vkGetBufferDeviceAddress) {
        return false;
    }
    ((struct pv_vkGetBufferDeviceAddress *)args)->ret = UINT64_C(0x123456789a);
    return true;
}

static void results_come_back_alone_where_there_is_nothing_else(void **state)
{
    (void)state;
    struct guest *g = open_guest();
    VkBuffer buffer;
    struct pv_vkCreateBuffer create = buffer_7(g, &buffer);
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateBuffer, &create), VK_SUCCESS);
    const VkBufferDeviceAddressInfo which = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
        .buffer = GUEST_HANDLE(7),
    };
    struct pv_vkGetBufferDeviceAddress a = {.device = GUEST_HANDLE(g->device), .pInfo = &which};
    pv_fake_set_hook(give_an_address, NULL);
    assert_true(GUEST_CALL(&g->ring, vkGetBufferDeviceAddress, &a));
    check_reply(g, "vkGetBufferDeviceAddress");
    assert_true(a.ret == UINT64_C(0x123456789a));
    struct pv_vkDestroyFence none = {.device = GUEST_HANDLE(g->device)};
    assert_true(GUEST_CALL(&g->ring, vkDestroyFence, &none));
    check_reply(g, "vkDestroyFence");
    close_guest(g);
}

/* The version in it is ours to choose, so that the bytes are only read. */
static void the_guest_reads_an_instance_version(void **state)
{
    (void)state;
    struct pv_golden golden;
    struct pv_arena arena;
    pv_arena_init(&arena, 4096);
    pv_golden_read(file, "vkEnumerateInstanceVersion", &golden);
    struct pv_decoder in = {
        .cursor = golden.bytes, .end = golden.bytes + golden.size, .arena = &arena};
    struct pv_vkEnumerateInstanceVersion a = {0};
    pv_guest_decode_vkEnumerateInstanceVersion_reply(&in, &a);
    assert_true(pv_decode_ok(&in));
    assert_int_equal(a.ret, VK_SUCCESS);
    assert_int_equal(*a.pApiVersion, VK_API_VERSION_1_3);
    pv_arena_finish(&arena);
}

static void bytes_are_packed_in_arrays_and_padded_alone(void **state)
{
    (void)state;
    struct pv_golden golden;
    uint8_t bytes[PV_GOLDEN_SIZE_MAX];
    struct pv_encoder out = {bytes, bytes + sizeof(bytes), false};
    VkPhysicalDeviceIDProperties ids = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
        .deviceNodeMask = 1,
    };
    memset(ids.deviceUUID, 0x11, sizeof(ids.deviceUUID));
    memset(ids.driverUUID, 0x22, sizeof(ids.driverUUID));
    memset(ids.deviceLUID, 0x33, sizeof(ids.deviceLUID));
    pv_golden_read(file, "VkPhysicalDeviceIDProperties", &golden);
    pv_encode_VkPhysicalDeviceIDProperties(&out, &ids);
    pv_golden_check(&golden, "VkPhysicalDeviceIDProperties", bytes, (size_t)(out.cursor - bytes));

    const VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
        .conformanceVersion = {1, 3, 8, 2},
    };
    uint8_t whole[1024];
    out = (struct pv_encoder){whole, whole + sizeof(whole), false};
    pv_encode_VkPhysicalDeviceDriverProperties(&out, &driver);
    pv_golden_read(file, "VkConformanceVersion 1.3.8.2", &golden);
    pv_golden_check(&golden, "VkConformanceVersion", out.cursor - golden.size, golden.size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_created_object_s_id_comes_back),
        cmocka_unit_test(the_id_comes_back_after_an_error_too),
        cmocka_unit_test(the_driver_s_count_comes_back),
        cmocka_unit_test(a_blob_comes_back_with_its_padding),
        cmocka_unit_test(results_come_back_alone_where_there_is_nothing_else),
        cmocka_unit_test(the_guest_reads_an_instance_version),
        cmocka_unit_test(bytes_are_packed_in_arrays_and_padded_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
