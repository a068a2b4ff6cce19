#include "check.h"
#include "host/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a loader is asked for when an instance is made: loaders of the test's own, that list what
 * they are told to. */

enum { OTHERS = 40 };

static struct {
    bool has_list, lists_portability, grows;
    uint32_t calls;
    uint32_t created;
    VkInstanceCreateFlags flags;
    uint32_t extension_count, layer_count;
    char extension[VK_MAX_EXTENSION_NAME_SIZE];
    const VkApplicationInfo *application;
} loader;

static VKAPI_ATTR VkResult VKAPI_CALL enumerate(const char *layer, uint32_t *count,
                                                VkExtensionProperties *to)
{
    assert_null(layer);
    uint32_t all = OTHERS + (loader.lists_portability ? 1 : 0);
    loader.calls++;
    if (to == NULL) {
        *count = loader.grows ? all - 1 : all;
        return VK_SUCCESS;
    }
    VkResult result = *count < all ? VK_INCOMPLETE : VK_SUCCESS;
    *count = *count < all ? *count : all;
    for (uint32_t i = 0; i < *count; i++) {
        snprintf(to[i].extensionName, sizeof(to[i].extensionName), "VK_KHR_other_%u", i);
    }
    if (loader.lists_portability && *count != 0) { /* the last one that there is room for */
        strcpy(to[*count - 1].extensionName, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME);
    }
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL create(const VkInstanceCreateInfo *info,
                                             const VkAllocationCallbacks *allocator,
                                             VkInstance *instance)
{
    assert_null(allocator);
    loader.created++;
    loader.flags = info->flags;
    loader.extension_count = info->enabledExtensionCount;
    loader.layer_count = info->enabledLayerCount;
    loader.application = info->pApplicationInfo;
    if (info->enabledExtensionCount != 0) {
        strcpy(loader.extension, info->ppEnabledExtensionNames[0]);
    }
    *instance = (VkInstance)(uintptr_t)8;
    return VK_SUCCESS;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get(VkInstance instance, const char *name)
{
    assert_null(instance);
    if (strcmp(name, "vkCreateInstance") == 0) {
        return (PFN_vkVoidFunction)create;
    }
    if (strcmp(name, "vkEnumerateInstanceExtensionProperties") == 0 && loader.has_list) {
        return (PFN_vkVoidFunction)enumerate;
    }
    return NULL;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_nothing(VkInstance instance, const char *name)
{
    (void)instance;
    (void)name;
    return NULL;
}

static void make_instance(bool has_list, bool lists_portability, bool grows)
{
    static const struct pv_log silent;
    static const VkApplicationInfo application = {.apiVersion = VK_API_VERSION_1_3};
    struct pv_host host;
    VkInstance instance = NULL;
    memset(&loader, 0, sizeof(loader));
    loader.has_list = has_list;
    loader.lists_portability = lists_portability;
    loader.grows = grows;
    pv_host_from_entry(&host, get, &silent);
    assert_int_equal(pv_host_create_instance(&host, &application, &instance), VK_SUCCESS);
    assert_ptr_equal(instance, (void *)(uintptr_t)8);
    assert_int_equal(loader.created, 1);
    assert_int_equal(loader.layer_count, 0);
    assert_ptr_equal(loader.application, &application);
}

static void expect_portability(bool asked)
{
    assert_int_equal(loader.flags, asked ? VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR : 0);
    assert_int_equal(loader.extension_count, asked ? 1 : 0);
    assert_string_equal(loader.extension,
                        asked ? VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME : "");
}

static void portability_drivers_are_asked_for_where_the_loader_can(void **state)
{
    (void)state;
    make_instance(true, true, false);
    expect_portability(true);
}

static void a_loader_that_cannot_is_not_asked(void **state)
{
    (void)state;
    make_instance(true, false, false);
    expect_portability(false);
    make_instance(false, true, false); /* one that lists nothing at all */
    expect_portability(false);
}

/* Between the two calls something was installed. */
static void a_list_that_grows_is_read_as_far_as_it_fits(void **state)
{
    (void)state;
    make_instance(true, true, true);
    expect_portability(true);
    assert_int_equal(loader.calls, 2);
}

static void a_loader_without_instances_is_a_failure(void **state)
{
    (void)state;
    static const struct pv_log silent;
    struct pv_host host;
    VkInstance instance = NULL;
    pv_host_from_entry(&host, get_nothing, &silent);
    assert_int_equal(pv_host_create_instance(&host, NULL, &instance),
                     VK_ERROR_INITIALIZATION_FAILED);
}

static void keep_line(void *user, enum pv_log_level level, const char *line)
{
    assert_int_equal(level, PV_LOG_ERROR);
    snprintf(user, 512, "%s", line);
}

static void a_loader_that_does_not_open_is_named(void **state)
{
    (void)state;
    char line[512] = "";
    const struct pv_log log = {.level = PV_LOG_ERROR, .write = keep_line, .user = line};
    struct pv_host host;
    assert_int_equal(pv_host_open(&host, "/nowhere/libvulkan.test", &log), PV_HOST_FAILED);
    assert_non_null(strstr(line, "/nowhere/libvulkan.test"));
    assert_null(host.library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(portability_drivers_are_asked_for_where_the_loader_can),
        cmocka_unit_test(a_loader_that_cannot_is_not_asked),
        cmocka_unit_test(a_list_that_grows_is_read_as_far_as_it_fits),
        cmocka_unit_test(a_loader_without_instances_is_a_failure),
        cmocka_unit_test(a_loader_that_does_not_open_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
