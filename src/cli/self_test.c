/* `pearvisor self-test`: what doctor runs as a client of `serve`. Once more without Venus
 * (--native) it says how the host's own driver describes the same devices. */

#include "self_test.h"

#include "cli.h"
#include "options.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEVICES_MAX = 16 };

struct self_test_options {
    bool json;
    bool native;
};

bool pv_self_test_fail(struct pv_self_test *test, const char *what)
{
    if (test->failure[0] == '\0') {
        snprintf(test->failure, sizeof(test->failure), "%s", what);
    }
    return false;
}

bool pv_self_test_check(struct pv_self_test *test, VkResult result, const char *call)
{
    if (result == VK_SUCCESS) {
        return true;
    }
    char what[96];
    const char *meaning = result == VK_TIMEOUT                     ? " (timeout)"
                          : result == VK_ERROR_DEVICE_LOST         ? " (device lost)"
                          : result == VK_ERROR_OUT_OF_HOST_MEMORY  ? " (out of host memory)"
                          : result == VK_ERROR_INCOMPATIBLE_DRIVER ? " (no driver)"
                                                                   : "";
    snprintf(what, sizeof(what), "%s: VkResult %d%s", call, (int)result, meaning);
    return pv_self_test_fail(test, what);
}

static bool open_instance(struct pv_self_test *test)
{
    test->library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    void *symbol = test->library != NULL ? dlsym(test->library, "vkGetInstanceProcAddr") : NULL;
    if (symbol == NULL) {
        return pv_self_test_fail(test, "libvulkan.so.1 cannot be loaded");
    }
    PFN_vkGetInstanceProcAddr get;
    memcpy(&get, &symbol, sizeof(get));
    PFN_vkCreateInstance create = (PFN_vkCreateInstance)get(NULL, "vkCreateInstance");
    if (create == NULL) {
        return pv_self_test_fail(test, "the loader has no vkCreateInstance");
    }
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "PearVisor self-test",
        .apiVersion = VK_API_VERSION_1_3,
    };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
    };
    if (!pv_self_test_check(test, create(&info, NULL, &test->instance), "vkCreateInstance")) {
        return false;
    }
#define LOAD(name)                                                                                 \
    test->name = (PFN_vk##name)get(test->instance, "vk" #name);                                    \
    if (test->name == NULL) {                                                                      \
        return pv_self_test_fail(test, "the loader has no vk" #name);                              \
    }
    PV_SELF_TEST_INSTANCE_CALLS(LOAD)
#undef LOAD
    return true;
}

static bool is_venus(const struct pv_self_test *test, VkPhysicalDevice device)
{
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &driver,
    };
    test->GetPhysicalDeviceProperties2(device, &properties);
    return driver.driverID == VK_DRIVER_ID_MESA_VENUS;
}

/* One device: its description, and whether it passed. */
static cJSON *test_device(struct pv_self_test *test, VkPhysicalDevice device, bool native)
{
    cJSON *entry = pv_self_test_describe(test, device);
    bool passed = native || is_venus(test, device) ||
                  pv_self_test_fail(test, "this is not Venus, but a driver of the client's own");
    passed = passed && pv_self_test_device(test, device);
    cJSON_AddBoolToObject(entry, "passed", passed);
    return entry;
}

static void test_all(struct pv_self_test *test, bool native, cJSON *devices)
{
    VkPhysicalDevice list[DEVICES_MAX];
    uint32_t count = DEVICES_MAX;
    VkResult result = test->EnumeratePhysicalDevices(test->instance, &count, list);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
        (void)pv_self_test_check(test, result, "vkEnumeratePhysicalDevices");
        return;
    }
    if (count == 0) {
        (void)pv_self_test_fail(test, "there is no device");
    }
    for (uint32_t i = 0; i < count; i++) {
        cJSON_AddItemToArray(devices, test_device(test, list[i], native));
    }
}

static void print_text(const struct pv_self_test *test, const cJSON *devices)
{
    const cJSON *device;
    cJSON_ArrayForEach(device, devices)
    {
        bool passed = cJSON_IsTrue(cJSON_GetObjectItem(device, "passed"));
        printf("%s: %s\n", cJSON_GetStringValue(cJSON_GetObjectItem(device, "name")),
               passed ? "device, map, submit and fence work" : "failed");
    }
    if (test->failure[0] != '\0') {
        fprintf(stderr, "pearvisor self-test: %s\n", test->failure);
    }
}

static const char *set_json(void *user, const char *value)
{
    (void)value;
    ((struct self_test_options *)user)->json = true;
    return NULL;
}

static const char *set_native(void *user, const char *value)
{
    (void)value;
    ((struct self_test_options *)user)->native = true;
    return NULL;
}

static const struct pv_option table[] = {
    {"--json", NULL, "say it as one line of JSON", set_json},
    {"--native", NULL, "accept drivers other than Venus", set_native},
};

static const struct pv_options self_test_options = {
    .subcommand = "self-test",
    .synopsis = "[OPTION]...",
    .summary = "A small Vulkan program that `pearvisor doctor` runs as a client of `serve`.",
    .table = table,
    .count = sizeof(table) / sizeof(table[0]),
};

int pv_self_test_main(int argc, char **argv)
{
    struct self_test_options options = {0};
    int rest;
    int status = pv_options_parse(&self_test_options, argc, argv, &options, &rest);
    if (status >= 0) {
        return status;
    }
    struct pv_self_test test = {0};
    cJSON *root = cJSON_CreateObject();
    cJSON *devices = cJSON_AddArrayToObject(root, "devices");
    if (open_instance(&test)) {
        test_all(&test, options.native, devices);
    }
    cJSON_AddStringToObject(root, "failure", test.failure);
    char *text = options.json ? cJSON_PrintUnformatted(root) : NULL;
    if (text != NULL) {
        puts(text);
        cJSON_free(text);
    } else {
        print_text(&test, devices);
    }
    cJSON_Delete(root);
    if (test.DestroyInstance != NULL) {
        test.DestroyInstance(test.instance, NULL);
    }
    /* Not exit(): what a client's driver leaves behind is not what is tested here. */
    fflush(NULL);
    _exit(test.failure[0] == '\0' ? 0 : 1);
}
