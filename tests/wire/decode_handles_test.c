#include "fakes/bytes.h"
#include "object/epoch.h"
#include "object_types.gen.h"
#include "test_args.gen.h"
#include "unit/check.h"

#include <string.h>

/* Ids in commands: which become the host's handles, which our own structs, and which are faults. */

enum {
    OWNER = 1,
    OTHER_OWNER = 2,
    DEVICE = 0x100,
    OTHER_DEVICE,
    QUEUE,
    SEMAPHORE,
    OTHER_SEMAPHORE, /* of the other device */
    POOL,
    FENCE,
    COMMANDS,
    SET_LAYOUT,
    OTHER_FENCE,
    GONE, /* a fence that was destroyed */
    RESERVED,
    UNKNOWN,
};

static struct {
    struct pv_epoch epoch;
    struct pv_objects objects;
    struct pv_epoch_reader *reader;
    struct pv_object device, other_device, queue, semaphore, other_semaphore, pool;
} table;

static uint64_t address(const void *memory)
{
    return (uint64_t)(uintptr_t)memory;
}

static uint64_t host(uint64_t id)
{
    return id << 8;
}

static void publish(uint64_t id, uint32_t type, uint32_t owner, struct pv_object *own)
{
    assert_int_equal(pv_object_reserve(&table.objects, id), PV_OBJECT_DONE);
    if (own != NULL) {
        *own = (struct pv_object){.host = host(id), .id = id, .owner = owner};
    }
    pv_object_publish(&table.objects, id, PV_TAG(type, owner),
                      own != NULL ? address(own) : host(id));
}

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(pv_epoch_init(&table.epoch), PV_OK);
    assert_int_equal(pv_objects_init(&table.objects, &table.epoch, 1000), PV_OK);
    table.reader = pv_epoch_join(&table.epoch);
    pv_epoch_wake(&table.epoch, table.reader);
    publish(DEVICE, PV_OBJECT_DEVICE, OWNER, &table.device);
    publish(OTHER_DEVICE, PV_OBJECT_DEVICE, OTHER_OWNER, &table.other_device);
    publish(QUEUE, PV_OBJECT_QUEUE, OWNER, &table.queue);
    publish(SEMAPHORE, PV_OBJECT_SEMAPHORE, OWNER, &table.semaphore);
    publish(OTHER_SEMAPHORE, PV_OBJECT_SEMAPHORE, OTHER_OWNER, &table.other_semaphore);
    publish(POOL, PV_OBJECT_DESCRIPTOR_POOL, OWNER, &table.pool);
    publish(FENCE, PV_OBJECT_FENCE, OWNER, NULL);
    publish(COMMANDS, PV_OBJECT_COMMAND_BUFFER, OWNER, NULL);
    publish(SET_LAYOUT, PV_OBJECT_DESCRIPTOR_SET_LAYOUT, OWNER, NULL);
    publish(OTHER_FENCE, PV_OBJECT_FENCE, OTHER_OWNER, NULL);
    publish(GONE, PV_OBJECT_FENCE, OWNER, NULL);
    assert_int_equal(pv_object_remove(&table.objects, GONE, PV_TAG(PV_OBJECT_FENCE, OWNER)),
                     host(GONE));
    assert_int_equal(pv_object_reserve(&table.objects, RESERVED), PV_OBJECT_DONE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pv_epoch_leave(&table.epoch, table.reader);
    pv_objects_finish(&table.objects);
    pv_epoch_finish(&table.epoch);
    return 0;
}

static void begin(void)
{
    bytes_begin();
    bytes_use_objects(&table.objects);
}

/* --- which words handles become --------------------------------------------------------------- */

static void write_status(uint64_t device, uint64_t fence)
{
    begin();
    bytes_u64(device);
    bytes_u64(fence);
}

static void a_handle_becomes_the_host_s(void **state)
{
    (void)state;
    struct pv_vkGetFenceStatus a;
    write_status(DEVICE, FENCE);
    bytes_expect_ok(&pv_args_vkGetFenceStatus, &a);
    assert_int_equal(address(a.device), host(DEVICE));
    assert_int_equal(address(a.fence), host(FENCE));
    struct pv_vkGetSemaphoreCounterValue counter;
    begin();
    bytes_u64(DEVICE);
    bytes_u64(SEMAPHORE);
    bytes_u64(1);
    bytes_expect_ok(&pv_args_vkGetSemaphoreCounterValue, &counter);
    assert_int_equal(address(counter.semaphore), host(SEMAPHORE));
}

/* What the policy keeps: arrays of handles inside a struct inside an array. */
static void a_submit_s_semaphores_are_our_structs(void **state)
{
    (void)state;
    struct pv_vkQueueSubmit a;
    begin();
    bytes_u64(QUEUE);
    bytes_u32(1);
    bytes_u64(1);
    bytes_struct(VK_STRUCTURE_TYPE_SUBMIT_INFO);
    bytes_u32(2);
    bytes_u64(2);
    bytes_u64(SEMAPHORE);
    bytes_u64(SEMAPHORE);
    bytes_u64(2);
    bytes_zeros(2);
    bytes_u32(1);
    bytes_u64(1);
    bytes_u64(COMMANDS);
    bytes_u32(1);
    bytes_u64(1);
    bytes_u64(SEMAPHORE);
    bytes_u64(FENCE);
    bytes_expect_ok(&pv_args_vkQueueSubmit, &a);
    assert_ptr_equal(a.queue, &table.queue);
    assert_int_equal(address(a.pSubmits[0].pWaitSemaphores[0]), address(&table.semaphore));
    assert_int_equal(address(a.pSubmits[0].pWaitSemaphores[1]), address(&table.semaphore));
    assert_int_equal(address(a.pSubmits[0].pSignalSemaphores[0]), address(&table.semaphore));
    assert_int_equal(address(a.pSubmits[0].pCommandBuffers[0]), host(COMMANDS));
    assert_int_equal(address(a.fence), host(FENCE));
}

/* And a handle in a struct of an array in a struct of an array. */
static void a_submit_2_s_semaphores_are_our_structs(void **state)
{
    (void)state;
    struct pv_vkQueueSubmit2 a;
    begin();
    bytes_u64(QUEUE);
    bytes_u32(1);
    bytes_u64(1);
    bytes_struct(VK_STRUCTURE_TYPE_SUBMIT_INFO_2);
    bytes_u32(0);
    bytes_u32(1);
    bytes_u64(1);
    bytes_struct(VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO);
    bytes_u64(SEMAPHORE);
    bytes_u64(7);
    bytes_zeros(3);
    bytes_u32(0);
    bytes_u64(0);
    bytes_u32(0);
    bytes_u64(0);
    bytes_u64(0);
    bytes_expect_ok(&pv_args_vkQueueSubmit2, &a);
    const VkSemaphoreSubmitInfo *wait = &a.pSubmits[0].pWaitSemaphoreInfos[0];
    assert_int_equal(address(wait->semaphore), address(&table.semaphore));
    assert_int_equal(wait->value, 7);
}

static void an_allocation_s_pool_is_our_struct(void **state)
{
    (void)state;
    struct pv_vkAllocateDescriptorSets a;
    begin();
    bytes_u64(DEVICE);
    bytes_u64(1);
    bytes_struct(VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO);
    bytes_u64(POOL);
    bytes_u32(1);
    bytes_u64(1);
    bytes_u64(SET_LAYOUT);
    bytes_u64(1);
    bytes_u64(0x500);
    bytes_expect_ok(&pv_args_vkAllocateDescriptorSets, &a);
    assert_int_equal(address(a.pAllocateInfo->descriptorPool), address(&table.pool));
    assert_int_equal(address(a.pAllocateInfo->pSetLayouts[0]), host(SET_LAYOUT));
    assert_int_equal(address(a.pDescriptorSets[0]), 0x500);
}

/* An object that is to be destroyed or made: the table is not asked yet. */
static void ids_of_what_comes_and_goes_stay_ids(void **state)
{
    (void)state;
    struct pv_vkDestroyFence gone;
    begin();
    bytes_u64(DEVICE);
    bytes_u64(UNKNOWN);
    bytes_u64(0);
    bytes_expect_ok(&pv_args_vkDestroyFence, &gone);
    assert_int_equal(address(gone.fence), UNKNOWN);
    struct pv_vkCreateFence made;
    begin();
    bytes_u64(DEVICE);
    bytes_u64(1);
    bytes_struct(VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
    bytes_u32(0);
    bytes_u64(0);
    bytes_u64(1);
    bytes_u64(UNKNOWN);
    bytes_expect_ok(&pv_args_vkCreateFence, &made);
    assert_int_equal(address(*made.pFence), UNKNOWN);
}

/* --- faults ----------------------------------------------------------------------------------- */

static void a_handle_must_be_alive_of_its_type_and_of_the_device(void **state)
{
    (void)state;
    const struct {
        uint64_t device, fence;
        const char *fault;
    } cases[] = {
        {DEVICE, UNKNOWN, "an unknown object id"},
        {DEVICE, RESERVED, "an unknown object id"},
        {DEVICE, UINT64_MAX, "an unknown object id"},
        {DEVICE, GONE, "the id of a destroyed object, or of one that could not be made"},
        {DEVICE, SEMAPHORE, "the id of an object of another type"},
        {DEVICE, DEVICE, "the id of an object of another type"},
        {DEVICE, OTHER_FENCE, "the id of another device's object"},
        {OTHER_DEVICE, FENCE, "the id of another device's object"},
        {DEVICE, 0, "a handle that Vulkan requires is null"},
        {0, FENCE, "a handle that Vulkan requires is null"},
        {UNKNOWN, FENCE, "an unknown object id"},
        {GONE, FENCE, "the id of a destroyed object, or of one that could not be made"},
        {FENCE, FENCE, "the id of an object of another type"},
        {UINT64_C(1) << 40, FENCE, "an unknown object id"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_status(cases[i].device, cases[i].fence);
        bytes_expect_fault(&pv_args_vkGetFenceStatus, cases[i].fault);
    }
    struct pv_vkGetFenceStatus a;
    write_status(OTHER_DEVICE, OTHER_FENCE);
    bytes_expect_ok(&pv_args_vkGetFenceStatus, &a);
}

static void write_wait(uint64_t first, uint64_t second)
{
    begin();
    bytes_u64(DEVICE);
    bytes_u32(2);
    bytes_u64(2);
    bytes_u64(first);
    bytes_u64(second);
}

static void every_handle_of_an_array_is_checked(void **state)
{
    (void)state;
    struct pv_vkResetFences a;
    write_wait(FENCE, FENCE);
    bytes_expect_ok(&pv_args_vkResetFences, &a);
    assert_int_equal(address(a.pFences[1]), host(FENCE));
    write_wait(FENCE, GONE);
    bytes_expect_fault(&pv_args_vkResetFences,
                       "the id of a destroyed object, or of one that could not be made");
    write_wait(FENCE, 0);
    bytes_expect_fault(&pv_args_vkResetFences, "a handle that Vulkan requires is null");
}

static void kept_handles_are_checked_alike(void **state)
{
    (void)state;
    const struct {
        uint64_t semaphore;
        const char *fault;
    } cases[] = {
        {0, "a handle that Vulkan requires is null"},
        {UNKNOWN, "an unknown object id"},
        {FENCE, "the id of an object of another type"},
        {OTHER_SEMAPHORE, "the id of another device's object"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin();
        bytes_u64(QUEUE);
        bytes_u32(1);
        bytes_u64(1);
        bytes_struct(VK_STRUCTURE_TYPE_SUBMIT_INFO);
        bytes_u32(1);
        bytes_u64(1);
        bytes_u64(cases[i].semaphore);
        bytes_u64(1);
        bytes_zeros(1 + 6);
        bytes_u64(0);
        bytes_expect_fault(&pv_args_vkQueueSubmit, cases[i].fault);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handle_becomes_the_host_s),
        cmocka_unit_test(a_submit_s_semaphores_are_our_structs),
        cmocka_unit_test(a_submit_2_s_semaphores_are_our_structs),
        cmocka_unit_test(an_allocation_s_pool_is_our_struct),
        cmocka_unit_test(ids_of_what_comes_and_goes_stay_ids),
        cmocka_unit_test(a_handle_must_be_alive_of_its_type_and_of_the_device),
        cmocka_unit_test(every_handle_of_an_array_is_checked),
        cmocka_unit_test(kept_handles_are_checked_alike),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
