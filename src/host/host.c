#include "host/host.h"

#include "base/assert.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the loader is called, on any system: names that are of no use on this one do not open. Then
 * drivers that need no loader. The first that opens wins. */
static const char *const loader_names[] = {
    "libvulkan.so.1",
    "libvulkan.so",
    "libvulkan.1.dylib",
    "/opt/homebrew/lib/libvulkan.1.dylib", /* where dlopen() does not look */
    "/usr/local/lib/libvulkan.1.dylib",
    "libMoltenVK.dylib",
    "/opt/homebrew/lib/libMoltenVK.dylib",
    "libvulkan_kosmickrisp.dylib",
};

enum { LOADER_NAME_COUNT = sizeof(loader_names) / sizeof(loader_names[0]), WHY_SIZE = 512 };

/* `why`: of the first that does not open. */
static void *open_library(const char *library, char why[WHY_SIZE])
{
    const char *const *names = library != NULL ? &library : loader_names;
    uint32_t count = library != NULL ? 1 : LOADER_NAME_COUNT;
    for (uint32_t i = 0; i < count; i++) {
        void *handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (handle != NULL) {
            return handle;
        }
        const char *reason = dlerror();
        if (i == 0) {
            (void)snprintf(why, WHY_SIZE, "%s", reason != NULL ? reason : "no reason given");
        }
    }
    return NULL;
}

enum pv_result pv_host_open(struct pv_host *host, const char *library, const struct pv_log *log)
{
    memset(host, 0, sizeof(*host));
    host->log = log;
    char why[WHY_SIZE];
    host->library = open_library(library, why);
    if (host->library == NULL) {
        pv_log_error(log, "cannot load the Vulkan loader: %s", why);
        return PV_HOST_FAILED;
    }
    /* ISO C has no conversion from an object pointer to a function pointer; POSIX promises it. */
    void *symbol = dlsym(host->library, "vkGetInstanceProcAddr");
    if (symbol == NULL) {
        pv_log_error(log, "%s has no vkGetInstanceProcAddr",
                     library != NULL ? library : "the Vulkan loader");
        pv_host_close(host);
        return PV_HOST_FAILED;
    }
    memcpy(&host->get_instance_proc_addr, &symbol, sizeof(symbol));
    return PV_OK;
}

void pv_host_from_entry(struct pv_host *host, PFN_vkGetInstanceProcAddr entry,
                        const struct pv_log *log)
{
    PV_ASSERT(entry != NULL);
    memset(host, 0, sizeof(*host));
    host->get_instance_proc_addr = entry;
    host->log = log;
}

void pv_host_close(struct pv_host *host)
{
    if (host->library != NULL) {
        (void)dlclose(host->library);
    }
    memset(host, 0, sizeof(*host));
}

bool pv_host_is_venus(const struct pv_instance_table *vk, VkPhysicalDevice device)
{
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &driver,
    };
    vk->GetPhysicalDeviceProperties2(device, &properties);
    return driver.driverID == VK_DRIVER_ID_MESA_VENUS;
}

bool pv_host_gpu_matches(const char *choice, uint32_t index, const char *name)
{
    if (choice == NULL || choice[0] == '\0') {
        return true;
    }
    /* "4090 Ti" is a name. */
    if (choice[strspn(choice, "0123456789")] == '\0') {
        return strtoul(choice, NULL, 10) == index;
    }
    return strcasestr(name, choice) != NULL;
}
