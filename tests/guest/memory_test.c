#include "blob/shm.h"
#include "checks.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Memory that the guest and the driver share, and what a guest may use up. */

/* Where the driver's memory is, as the last allocation imported it. */
static void *imported;
static VkBool32 wants_dedication; /* the driver, for buffers */

static bool note_import(void *user, enum pv_fake_command command, void *args)
{
    (void)user;
    if (command == PV_FAKE_vkGetBufferMemoryRequirements2) {
        VkMemoryRequirements2 *requirements =
            ((struct pv_vkGetBufferMemoryRequirements2 *)args)->pMemoryRequirements;
        VkMemoryDedicatedRequirements *dedication = requirements->pNext;
        dedication->requiresDedicatedAllocation = wants_dedication;
        return true;
    }
    if (command == PV_FAKE_vkAllocateMemory) {
        const struct pv_vkAllocateMemory *a = args;
        for (const VkBaseInStructure *link = a->pAllocateInfo->pNext; link != NULL;
             link = link->pNext) {
            if (link->sType == VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT) {
                imported =
                    ((const VkImportMemoryHostPointerInfoEXT *)(const void *)link)->pHostPointer;
            }
        }
    }
    return false;
}

static int setup(void **state)
{
    int result = checked_setup(state);
    imported = NULL;
    wants_dedication = VK_FALSE;
    pv_fake_set_hook(note_import, NULL);
    return result;
}

#define MEMORY_TEST(function) cmocka_unit_test_setup_teardown(function, setup, checked_teardown)

static void free_memory(struct guest *g, uint64_t id)
{
    assert_true(GUEST_SEND(&g->ring, vkFreeMemory, .device = GUEST_HANDLE(g->device),
                           .memory = GUEST_HANDLE(id)));
    assert_true(guest_finish(&g->ring));
}

static void guest_and_driver_see_the_same_bytes(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t id;
    assert_int_equal(world_allocate(g, 100000, NULL, &id), VK_SUCCESS);
    assert_non_null(imported);
    struct pv_blob *blob = NULL;
    assert_int_equal(
        pv_render_create_blob(g->context, 1000, id, PV_BLOB_FLAG_MAPPABLE, 100000, &blob), PV_OK);
    uint8_t *map = mmap(NULL, 100000, PROT_READ | PROT_WRITE, MAP_SHARED, blob->fd, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_ptr_not_equal(map, imported);
    memset(map, 0x5a, 100000);
    assert_memory_equal(imported, map, 100000);
    ((uint8_t *)imported)[99999] = 0x77;
    assert_int_equal(map[99999], 0x77);
    free_memory(g, id);
    memset(map, 0, 100000); /* the guest's pages outlive the memory */
    (void)munmap(map, 100000);
    pv_blob_unref(blob);
    assert_true(pv_render_unref_resource(g->context, 1000));
}

static void new_memory_is_zero(void **state)
{
    struct guest *g = guest_of(state);
    static const uint8_t zeros[65536];
    for (int i = 0; i < 8; i++) {
        struct guest_shm shm;
        uint64_t id;
        assert_int_equal(world_allocate(g, 65536, &shm, &id), VK_SUCCESS);
        assert_memory_equal(shm.map, zeros, 65536);
        memset(shm.map, 0xff, 65536);
        guest_shm_destroy(g, &shm);
        free_memory(g, id);
    }
}

static void a_memory_has_one_blob(void **state)
{
    struct guest *g = guest_of(state);
    struct guest_shm shm;
    uint64_t id;
    assert_int_equal(world_allocate(g, 65536, &shm, &id), VK_SUCCESS);
    assert_int_not_equal(shm.resource_id, 0);
    assert_int_equal(guest_blob_create(g, id, PV_BLOB_FLAG_MAPPABLE, 65536).resource_id, 0);
}

static void a_blob_of_what_is_no_memory_is_refused(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t fence = make_fence(g, 0);
    uint64_t id;
    assert_int_equal(world_allocate(g, 65536, NULL, &id), VK_SUCCESS);
    assert_int_equal(guest_blob_create(g, guest_id(g), 1, 4096).resource_id, 0);
    assert_int_equal(guest_blob_create(g, fence, 1, 4096).resource_id, 0);
    assert_int_equal(guest_blob_create(g, UINT64_MAX, 1, 4096).resource_id, 0);
    assert_int_equal(guest_blob_create(g, id, 1, 65536 + 4096).resource_id, 0);
    assert_int_equal(guest_blob_create(g, id, 1, UINT64_MAX).resource_id, 0);
    assert_int_equal(guest_blob_create(g, id, PV_BLOB_FLAG_CROSS_DEVICE, 4096).resource_id, 0);
    assert_int_equal(guest_blob_create(g, 0, 0, 4096).resource_id, 0);
    assert_int_equal(guest_blob_create(g, 0, 1, 0).resource_id, 0);
    assert_int_equal(guest_blob_create(g, 0, 1, UINT64_MAX).resource_id, 0);
    free_memory(g, id);
    assert_int_equal(guest_blob_create(g, id, 1, 4096).resource_id, 0);
}

static void memory_that_is_not_visible_cannot_be_mapped(void **state)
{
    struct guest *g = guest_of(state);
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = 4096,
        .memoryTypeIndex = PV_FAKE_TYPE_PRIVATE,
    };
    VkDeviceMemory memory = GUEST_HANDLE(guest_id(g));
    struct pv_vkAllocateMemory a = {
        .device = GUEST_HANDLE(g->device), .pAllocateInfo = &info, .pMemory = &memory};
    uint64_t id = (uint64_t)(uintptr_t)memory;
    assert_int_equal(GUEST_RESULT(&g->ring, vkAllocateMemory, &a), VK_SUCCESS);
    assert_int_equal(guest_blob_create(g, id, PV_BLOB_FLAG_MAPPABLE, 4096).resource_id, 0);
}

static VkResult allocate(struct guest *g, uint64_t size, uint32_t type, const void *next)
{
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = next,
        .allocationSize = size,
        .memoryTypeIndex = type,
    };
    VkDeviceMemory memory = GUEST_HANDLE(guest_id(g));
    struct pv_vkAllocateMemory a = {
        .device = GUEST_HANDLE(g->device), .pAllocateInfo = &info, .pMemory = &memory};
    return GUEST_RESULT(&g->ring, vkAllocateMemory, &a);
}

static void allocations_that_cannot_be_are_results(void **state)
{
    struct guest *g = guest_of(state);
    assert_int_equal(allocate(g, 4096, 2, NULL), VK_ERROR_UNKNOWN);
    assert_int_equal(allocate(g, 4096, UINT32_MAX, NULL), VK_ERROR_UNKNOWN);
    assert_int_not_equal(allocate(g, UINT64_MAX, PV_FAKE_TYPE_VISIBLE, NULL), VK_SUCCESS);
    assert_int_not_equal(allocate(g, UINT64_MAX - 4095, PV_FAKE_TYPE_PRIVATE, NULL), VK_SUCCESS);
    assert_int_not_equal(allocate(g, UINT64_C(1) << 50, PV_FAKE_TYPE_VISIBLE, NULL), VK_SUCCESS);
    assert_false(pv_render_is_fatal(g->context));
}

static VkResult import_from(struct guest *g, uint32_t resource_id, uint64_t size)
{
    const VkImportMemoryResourceInfoMESA import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_RESOURCE_INFO_MESA, .resourceId = resource_id};
    return allocate(g, size, PV_FAKE_TYPE_VISIBLE, &import);
}

/* Mesa's driver puts a dedication on nearly everything, and imported pages take none. */
static void a_dedication_is_kept_where_the_driver_needs_it(void **state)
{
    struct guest *g = guest_of(state);
    const VkMemoryDedicatedAllocateInfo dedicated = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
        .buffer = GUEST_HANDLE(make_buffer(g, 4096)),
    };
    wants_dedication = VK_TRUE;
    assert_int_equal(allocate(g, 4096, PV_FAKE_TYPE_VISIBLE, &dedicated), VK_SUCCESS);
    assert_null(imported);
    wants_dedication = VK_FALSE;
    assert_int_equal(allocate(g, 4096, PV_FAKE_TYPE_VISIBLE, &dedicated), VK_SUCCESS);
    assert_non_null(imported);
}

static void a_resource_tells_which_memory_it_can_become(void **state)
{
    struct guest *g = guest_of(state);
    struct guest_shm shm;
    assert_int_equal(world_allocate(g, 65536, &shm, NULL), VK_SUCCESS);
    VkMemoryResourceAllocationSizePropertiesMESA size = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_RESOURCE_ALLOCATION_SIZE_PROPERTIES_MESA};
    VkMemoryResourcePropertiesMESA properties = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_RESOURCE_PROPERTIES_MESA, .pNext = &size};
    struct pv_vkGetMemoryResourcePropertiesMESA a = {.device = GUEST_HANDLE(g->device),
                                                     .resourceId = shm.resource_id,
                                                     .pMemoryResourceProperties = &properties};
    assert_int_equal(GUEST_RESULT(&g->ring, vkGetMemoryResourcePropertiesMESA, &a), VK_SUCCESS);
    assert_int_equal(a.pMemoryResourceProperties->memoryTypeBits, 1U << PV_FAKE_TYPE_VISIBLE);
    guest_shm_destroy(g, &shm);
}

static void a_memorys_blob_can_be_imported_again(void **state)
{
    struct guest *g = guest_of(state);
    struct guest_shm shm;
    assert_int_equal(world_allocate(g, 65536, &shm, NULL), VK_SUCCESS);
    imported = NULL;
    assert_int_equal(import_from(g, shm.resource_id, 65536), VK_SUCCESS);
    assert_ptr_equal(imported, shm.map);
}

static void shared_memory_cannot_be_imported(void **state)
{
    struct guest *g = guest_of(state);
    assert_int_equal(import_from(g, g->ring.reply.resource_id, 4096),
                     VK_ERROR_INVALID_EXTERNAL_HANDLE);
    assert_false(pv_render_is_fatal(g->context));
}

/* What another context has exported, as a device hands it on. */
static void memory_of_another_context_can_be_attached_and_imported(void **state)
{
    struct guest *g = guest_of(state);
    struct guest_params params = world_params();
    struct guest *other = guest_create(&params);
    guest_open_device(other);
    struct guest_shm shm;
    assert_int_equal(world_allocate(other, 65536, &shm, NULL), VK_SUCCESS);
    struct pv_blob *blob = pv_resources_get(&other->context->resources, shm.resource_id);
    assert_int_equal(
        pv_render_attach_resource(g->context, 1000, PV_BLOB_MEMORY, dup(blob->fd), blob->map_size),
        PV_OK);
    pv_blob_unref(blob);
    imported = NULL;
    assert_int_equal(import_from(g, 1000, 65536), VK_SUCCESS);
    assert_non_null(imported);
    memset(shm.map, 0x5a, 65536);
    assert_memory_equal(imported, shm.map, 65536);
    guest_destroy(other);
    assert_int_equal(((uint8_t *)imported)[65535], 0x5a); /* the pages outlive it */
    assert_true(pv_render_unref_resource(g->context, 1000));
}

static int new_file(off_t size, int seals)
{
    int fd = memfd_create("attached", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void what_cannot_be_attached_is_refused(void **state)
{
    struct guest *g = guest_of(state);
    const struct {
        uint32_t id;
        enum pv_blob_kind kind;
        int seals;
        uint64_t size;
        enum pv_result result;
    } cases[] = {
        {0, PV_BLOB_SHM, F_SEAL_SHRINK, 4096, PV_GUEST_FAULT},
        {g->ring.shm.resource_id, PV_BLOB_SHM, F_SEAL_SHRINK, 4096, PV_GUEST_FAULT},
        {1000, PV_BLOB_SHM, F_SEAL_GROW, 4096, PV_UNSUPPORTED},
        {1000, PV_BLOB_MEMORY, F_SEAL_GROW, 4096, PV_UNSUPPORTED},
        {1000, PV_BLOB_SHM, F_SEAL_SHRINK, 8193, PV_HOST_FAILED},
        {1000, PV_BLOB_SHM, F_SEAL_SHRINK, 0, PV_HOST_FAILED},
        {1000, PV_BLOB_OPAQUE, F_SEAL_GROW, 8193, PV_HOST_FAILED},
    };
    struct guest_baseline before = guest_baseline();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (cases[i].result == PV_UNSUPPORTED && !pv_shm_has_seals) {
            continue; /* of a build that does not seal memory */
        }
        assert_int_equal(pv_render_attach_resource(g->context, cases[i].id, cases[i].kind,
                                                   new_file(8192, cases[i].seals), cases[i].size),
                         cases[i].result);
    }
    assert_true(guest_is_back_at(&before, 65536));
    assert_false(pv_render_is_fatal(g->context));
}

static void attached_shared_memory_counts_until_it_is_forgotten(void **state)
{
    (void)state;
    struct guest_params params = world_params();
    params.quota.resource_bytes = 1 << 20;
    struct guest *g = guest_create_bare(&params);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(pv_render_attach_resource(g->context, 1, PV_BLOB_SHM,
                                                   new_file(1 << 20, F_SEAL_SHRINK), 1 << 20),
                         PV_OK);
        assert_int_equal(pv_render_attach_resource(g->context, 2, PV_BLOB_SHM,
                                                   new_file(4096, F_SEAL_SHRINK), 4096),
                         PV_NO_MEMORY);
        assert_true(pv_render_unref_resource(g->context, 1));
    }
    guest_destroy(g);
}

/* The probe finds that no bytes of the fake device's come through, so that it is not offered. */
static void without_plans_a_device_is_probed(void **state)
{
    (void)state;
    struct guest_params params = world_params();
    params.plans = NULL;
    struct guest *g = guest_create(&params);
    guest_open(g, GUEST_STAGE_INSTANCE);
    uint32_t count = 0;
    struct pv_vkEnumeratePhysicalDevices a = {.instance = GUEST_HANDLE(g->instance),
                                              .pPhysicalDeviceCount = &count};
    assert_int_equal(GUEST_RESULT(&g->ring, vkEnumeratePhysicalDevices, &a), VK_SUCCESS);
    assert_int_equal(*a.pPhysicalDeviceCount, 0);
    guest_destroy(g);
}

/* --- quotas ------------------------------------------------------------------------------------
 */

static struct guest *open_with(struct pv_quota quota)
{
    struct guest_params params = world_params();
    params.quota = quota;
    struct guest *g = guest_create(&params);
    guest_open_device(g);
    return g;
}

static void device_memory_ends_at_its_quota(void **state)
{
    (void)state;
    struct guest *g = open_with((struct pv_quota){.device_memory_bytes = 1 << 20});
    uint64_t ids[16];
    for (int i = 0; i < 16; i++) {
        assert_int_equal(world_allocate(g, 65536, NULL, &ids[i]), VK_SUCCESS);
    }
    assert_int_equal(world_allocate(g, 1, NULL, NULL), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    free_memory(g, ids[3]);
    assert_int_equal(world_allocate(g, 65536, NULL, NULL), VK_SUCCESS);
    assert_false(pv_render_is_fatal(g->context));
    guest_destroy(g);
}

static VkResult allocate_private(struct guest *g, uint64_t device, uint64_t id)
{
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = 4096,
        .memoryTypeIndex = PV_FAKE_TYPE_PRIVATE,
    };
    VkDeviceMemory memory = GUEST_HANDLE(id);
    struct pv_vkAllocateMemory a = {
        .device = GUEST_HANDLE(device), .pAllocateInfo = &info, .pMemory = &memory};
    return GUEST_RESULT(&g->ring, vkAllocateMemory, &a);
}

/* The fake driver's limit is 4096, which it does not look after. */
static void allocations_end_a_few_beyond_the_limit(void **state)
{
    struct guest *g = guest_of(state);
    uint64_t id = 0;
    uint32_t count = 0;
    VkResult result = VK_SUCCESS;
    for (; result == VK_SUCCESS && count < 5000; count++) {
        id = guest_id(g);
        result = allocate_private(g, g->device, id);
    }
    assert_int_equal(result, VK_ERROR_TOO_MANY_OBJECTS);
    assert_in_range(count, 4096 + 1, 4096 + 256);
    free_memory(g, id - 1);
    assert_int_equal(allocate_private(g, g->device, guest_id(g)), VK_SUCCESS);
    assert_int_equal(allocate_private(g, g->device, guest_id(g)), VK_ERROR_TOO_MANY_OBJECTS);
    assert_false(pv_render_is_fatal(g->context));
}

/* However many devices share them. */
static void allocations_end_with_the_process_s_descriptors(void **state)
{
    (void)state;
    struct rlimit before, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = 1024; /* for which a guest is still told of 4096 */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    struct guest *g = open_with((struct pv_quota){0});
    uint64_t devices[] = {g->device, guest_create_device(g, 1)};
    uint32_t count = 0;
    while (count < 9000 && allocate_private(g, devices[count % 2], guest_id(g)) == VK_SUCCESS) {
        count++;
    }
    assert_in_range(count, 4096, 4096 + 256);
    assert_int_equal(allocate_private(g, devices[0], guest_id(g)), VK_ERROR_TOO_MANY_OBJECTS);
    assert_int_equal(allocate_private(g, devices[1], guest_id(g)), VK_ERROR_TOO_MANY_OBJECTS);
    assert_false(pv_render_is_fatal(g->context));
    guest_destroy(g);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void shared_memory_ends_at_its_quota(void **state)
{
    (void)state;
    struct guest *g = open_with((struct pv_quota){.resource_bytes = 4 << 20});
    assert_int_equal(guest_blob_create(g, 0, 1, 4 << 20).resource_id, 0);
    struct guest_shm shm = guest_blob_create(g, 0, 1, 2 << 20);
    assert_int_not_equal(shm.resource_id, 0);
    assert_int_equal(guest_blob_create(g, 0, 1, 2 << 20).resource_id, 0);
    guest_shm_destroy(g, &shm);
    assert_int_not_equal(guest_blob_create(g, 0, 1, 2 << 20).resource_id, 0);
    guest_destroy(g);
}

static void resources_end_at_their_quota(void **state)
{
    (void)state;
    struct guest *g = open_with((struct pv_quota){.resources = 10});
    int count = 2; /* the ring's */
    while (guest_blob_create(g, 0, 1, 4096).resource_id != 0) {
        count++;
    }
    assert_int_equal(count, 10);
    assert_false(pv_render_is_fatal(g->context));
    guest_destroy(g);
}

static void objects_end_at_their_quota(void **state)
{
    (void)state;
    struct guest *g = open_with((struct pv_quota){.objects = 1000});
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    for (int i = 0; i < 2000 && !pv_render_is_fatal(g->context); i++) {
        VkFence fence = GUEST_HANDLE(guest_id(g));
        (void)GUEST_SEND(&g->ring, vkCreateFence, .device = GUEST_HANDLE(g->device),
                         .pCreateInfo = &info, .pFence = &fence);
    }
    assert_true(is_fatal_soon(g));
    assert_non_null(strstr(g->log.last_error, "too many objects"));
    guest_destroy(g);
}

static void allocate_and_free_leaves_nothing(void **state)
{
    struct guest *g = guest_of(state);
    struct guest_baseline before = guest_baseline();
    for (int i = 0; i < 500; i++) {
        struct guest_shm shm;
        uint64_t id;
        assert_int_equal(world_allocate(g, 4096, &shm, &id), VK_SUCCESS);
        guest_shm_destroy(g, &shm);
        free_memory(g, id);
    }
    assert_true(guest_is_back_at(&before, 256 * 1024));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMORY_TEST(guest_and_driver_see_the_same_bytes),
        MEMORY_TEST(new_memory_is_zero),
        MEMORY_TEST(a_memory_has_one_blob),
        MEMORY_TEST(a_blob_of_what_is_no_memory_is_refused),
        MEMORY_TEST(memory_that_is_not_visible_cannot_be_mapped),
        MEMORY_TEST(allocations_that_cannot_be_are_results),
        MEMORY_TEST(a_dedication_is_kept_where_the_driver_needs_it),
        MEMORY_TEST(a_resource_tells_which_memory_it_can_become),
        MEMORY_TEST(a_memorys_blob_can_be_imported_again),
        MEMORY_TEST(shared_memory_cannot_be_imported),
        MEMORY_TEST(memory_of_another_context_can_be_attached_and_imported),
        MEMORY_TEST(what_cannot_be_attached_is_refused),
        MEMORY_TEST(attached_shared_memory_counts_until_it_is_forgotten),
        MEMORY_TEST(without_plans_a_device_is_probed),
        MEMORY_TEST(device_memory_ends_at_its_quota),
        MEMORY_TEST(allocations_end_a_few_beyond_the_limit),
        MEMORY_TEST(allocations_end_with_the_process_s_descriptors),
        MEMORY_TEST(shared_memory_ends_at_its_quota),
        MEMORY_TEST(resources_end_at_their_quota),
        MEMORY_TEST(objects_end_at_their_quota),
        MEMORY_TEST(allocate_and_free_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
