#define VK_ENABLE_BETA_EXTENSIONS
#include "checks.h"

#include <vulkan/vulkan_beta.h>

/* A driver that is not quite Vulkan, and a loader that lists it for those alone who ask: what
 * MoltenVK is on macOS. Made of the fake driver, which lacks fds as well. */

enum { NAMES_MAX = 16 };

static struct {
    bool loader_can_list; /* what is not quite Vulkan */
    /* What the driver was asked for. */
    VkInstanceCreateFlags instance_flags;
    uint32_t instance_extension_count;
    bool has_enumeration;
    uint32_t device_extension_count;
    char device_extensions[NAMES_MAX][VK_MAX_EXTENSION_NAME_SIZE];
    VkBool32 has_features; /* the subset's are in the chain */
    VkPhysicalDevicePortabilitySubsetFeaturesKHR features;
} driver;

static VkPhysicalDevicePortabilitySubsetFeaturesKHR *find_features(const void *next)
{
    VkBaseOutStructure *link = (VkBaseOutStructure *)(uintptr_t)next;
    while (link != NULL &&
           link->sType != VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PORTABILITY_SUBSET_FEATURES_KHR) {
        link = link->pNext;
    }
    return (VkPhysicalDevicePortabilitySubsetFeaturesKHR *)(void *)link;
}

static void list_instance_extensions(struct pv_vkEnumerateInstanceExtensionProperties *a)
{
    uint32_t count = driver.loader_can_list ? 2 : 1;
    if (a->pProperties != NULL) {
        memset(a->pProperties, 0, count * sizeof(*a->pProperties));
        strcpy(a->pProperties[0].extensionName, VK_KHR_SURFACE_EXTENSION_NAME);
        if (count == 2) {
            strcpy(a->pProperties[1].extensionName, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME);
        }
    }
    *a->pPropertyCount = count;
    a->ret = VK_SUCCESS;
}

static void list_device_extensions(enum pv_fake_command command,
                                   struct pv_vkEnumerateDeviceExtensionProperties *a)
{
    if (a->pProperties != NULL) {
        (*a->pPropertyCount)--;
    }
    pv_fake_answer(command, a);
    if (a->pProperties != NULL) {
        VkExtensionProperties *last = &a->pProperties[*a->pPropertyCount];
        *last = (VkExtensionProperties){.specVersion = 1};
        strcpy(last->extensionName, VK_KHR_PORTABILITY_SUBSET_EXTENSION_NAME);
    }
    (*a->pPropertyCount)++;
}

static void note_instance(const VkInstanceCreateInfo *info)
{
    driver.instance_flags = info->flags;
    driver.instance_extension_count = info->enabledExtensionCount;
    driver.has_enumeration = info->enabledExtensionCount == 1 &&
                             strcmp(info->ppEnabledExtensionNames[0],
                                    VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME) == 0;
}

static void note_device(const VkDeviceCreateInfo *info)
{
    PV_ASSERT(info->enabledExtensionCount <= NAMES_MAX);
    driver.device_extension_count = info->enabledExtensionCount;
    for (uint32_t i = 0; i < info->enabledExtensionCount; i++) {
        strcpy(driver.device_extensions[i], info->ppEnabledExtensionNames[i]);
    }
    const VkPhysicalDevicePortabilitySubsetFeaturesKHR *features = find_features(info->pNext);
    driver.has_features = features != NULL;
    if (features != NULL) {
        driver.features = *features;
    }
}

static bool answer(void *user, enum pv_fake_command command, void *args)
{
    (void)user;
    switch (command) {
    case PV_FAKE_vkEnumerateInstanceExtensionProperties:
        list_instance_extensions(args);
        return true;
    case PV_FAKE_vkEnumerateDeviceExtensionProperties:
        list_device_extensions(command, args);
        return true;
    case PV_FAKE_vkGetPhysicalDeviceFeatures2: {
        struct pv_vkGetPhysicalDeviceFeatures2 *a = args;
        VkPhysicalDevicePortabilitySubsetFeaturesKHR *features = find_features(a->pFeatures->pNext);
        if (features == NULL) {
            return false;
        }
        features->events = VK_TRUE;
        features->imageViewFormatSwizzle = VK_TRUE;
        features->triangleFans = VK_FALSE;
        return true;
    }
    case PV_FAKE_vkCreateInstance:
        note_instance(((struct pv_vkCreateInstance *)args)->pCreateInfo);
        return false;
    case PV_FAKE_vkCreateDevice:
        note_device(((struct pv_vkCreateDevice *)args)->pCreateInfo);
        return false;
    default:
        return false;
    }
}

static struct guest *portable_guest(void **state, bool loader_can_list)
{
    if (!world_is_fake()) {
        print_message("of the fake driver alone\n");
        skip();
    }
    memset(&driver, 0, sizeof(driver));
    driver.loader_can_list = loader_can_list;
    pv_fake_reset();
    pv_fake_set_hook(answer, NULL);
    return guest_of(state);
}

static bool was_enabled(const char *name)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < driver.device_extension_count; i++) {
        count += strcmp(driver.device_extensions[i], name) == 0 ? 1 : 0;
    }
    assert_in_range(count, 0, 1);
    return count == 1;
}

/* What a guest sees of the device's extensions. */
static bool is_offered(struct guest *g, const char *name)
{
    static VkExtensionProperties list[1024];
    uint32_t count = 1024;
    struct pv_vkEnumerateDeviceExtensionProperties a = {
        .physicalDevice = GUEST_HANDLE(g->physical_device),
        .pPropertyCount = &count,
        .pProperties = list,
    };
    assert_int_equal(GUEST_RESULT(&g->ring, vkEnumerateDeviceExtensionProperties, &a), VK_SUCCESS);
    count = *a.pPropertyCount;
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(a.pProperties[i].extensionName, name) == 0) {
            return true;
        }
    }
    return false;
}

static VkResult create_device(struct guest *g, const char *const *names, uint32_t name_count)
{
    const float priority = 1.0F;
    const VkDeviceQueueCreateInfo queues = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queues,
        .enabledExtensionCount = name_count,
        .ppEnabledExtensionNames = names,
    };
    VkDevice device = GUEST_HANDLE(guest_id(g));
    struct pv_vkCreateDevice a = {
        .physicalDevice = GUEST_HANDLE(g->physical_device),
        .pCreateInfo = &info,
        .pDevice = &device,
    };
    return GUEST_RESULT(&g->ring, vkCreateDevice, &a);
}

static void portability_drivers_are_asked_for_where_the_loader_can(void **state)
{
    struct guest *g = portable_guest(state, true);
    guest_open(g, GUEST_STAGE_INSTANCE);
    assert_int_equal(driver.instance_flags, VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR);
    assert_true(driver.has_enumeration);
}

static void a_loader_that_cannot_is_not_asked(void **state)
{
    struct guest *g = portable_guest(state, false);
    guest_open(g, GUEST_STAGE_INSTANCE);
    assert_int_equal(pv_fake_count(PV_FAKE_vkCreateInstance), 1);
    assert_int_equal(driver.instance_flags, 0);
    assert_int_equal(driver.instance_extension_count, 0);
}

static void the_subset_is_enabled_with_all_that_it_has(void **state)
{
    struct guest *g = portable_guest(state, true);
    guest_open_device(g);
    assert_true(was_enabled(VK_KHR_PORTABILITY_SUBSET_EXTENSION_NAME));
    assert_true(driver.has_features);
    assert_int_equal(driver.features.events, VK_TRUE);
    assert_int_equal(driver.features.imageViewFormatSwizzle, VK_TRUE);
    assert_int_equal(driver.features.triangleFans, VK_FALSE);
    assert_int_equal(driver.features.pointPolygons, VK_FALSE);
    assert_false(pv_render_is_fatal(g->context));
}

static void the_subset_is_hidden_from_guests(void **state)
{
    struct guest *g = portable_guest(state, true);
    static const char *const subset = VK_KHR_PORTABILITY_SUBSET_EXTENSION_NAME;
    guest_open(g, GUEST_STAGE_PHYSICAL_DEVICE);
    assert_false(is_offered(g, subset));
    assert_int_equal(create_device(g, &subset, 1), VK_ERROR_EXTENSION_NOT_PRESENT);
    assert_int_equal(pv_fake_count(PV_FAKE_vkCreateDevice), 0);
}

/* Mesa's driver takes no device without these; the host's has none of them. */
static void what_stands_for_fds_is_offered_and_not_asked_of_the_driver(void **state)
{
    struct guest *g = portable_guest(state, true);
    static const char *const names[] = {
        VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
        VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME,
        VK_KHR_EXTERNAL_FENCE_FD_EXTENSION_NAME,
    };
    guest_open(g, GUEST_STAGE_PHYSICAL_DEVICE);
    for (size_t i = 0; i < 3; i++) {
        assert_true(is_offered(g, names[i]));
    }
    assert_false(is_offered(g, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME));
    assert_int_equal(create_device(g, names, 3), VK_SUCCESS);
    for (size_t i = 0; i < 3; i++) {
        assert_false(was_enabled(names[i]));
    }
    assert_true(was_enabled(VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME));
    assert_true(was_enabled(VK_KHR_PORTABILITY_SUBSET_EXTENSION_NAME));
}

/* Newer guests name what they do by themselves; the host's ray tracing wants one of these named. */
static void what_the_guest_does_itself_is_named_where_others_want_it(void **state)
{
    struct guest *g = portable_guest(state, true);
    static const char *const names[] = {
        VK_KHR_ACCELERATION_STRUCTURE_EXTENSION_NAME,
        VK_KHR_DEFERRED_HOST_OPERATIONS_EXTENSION_NAME,
        VK_KHR_MAP_MEMORY_2_EXTENSION_NAME,
    };
    guest_open(g, GUEST_STAGE_PHYSICAL_DEVICE);
    assert_true(is_offered(g, names[0]));
    assert_false(is_offered(g, names[1]));
    assert_false(is_offered(g, names[2]));
    assert_int_equal(create_device(g, names, 3), VK_SUCCESS);
    assert_true(was_enabled(names[0]));
    assert_true(was_enabled(names[1]));
    assert_false(was_enabled(names[2]));
}

/* The probe opens an instance and a device of its own. */
static void the_probe_does_likewise(void **state)
{
    (void)portable_guest(state, true);
    static const struct pv_log silent;
    static struct pv_memory_plans plans;
    struct pv_host host;
    pv_host_from_entry(&host, pv_fake_get_instance_proc_addr, &silent);
    assert_int_equal(pv_memory_plans_probe(&host, false, &plans), PV_OK);
    assert_int_equal(plans.count, 1);
    assert_true(driver.has_enumeration);
    assert_true(was_enabled(VK_KHR_PORTABILITY_SUBSET_EXTENSION_NAME));
    assert_int_equal(plans.plans[0].semaphore_sync_fd.works, 0); /* emulated */
    assert_int_equal(plans.plans[0].fence_sync_fd.works, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUEST_TEST_BARE(portability_drivers_are_asked_for_where_the_loader_can),
        GUEST_TEST_BARE(a_loader_that_cannot_is_not_asked),
        GUEST_TEST_BARE(the_subset_is_enabled_with_all_that_it_has),
        GUEST_TEST_BARE(the_subset_is_hidden_from_guests),
        GUEST_TEST_BARE(what_stands_for_fds_is_offered_and_not_asked_of_the_driver),
        GUEST_TEST_BARE(what_the_guest_does_itself_is_named_where_others_want_it),
        GUEST_TEST_BARE(the_probe_does_likewise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
