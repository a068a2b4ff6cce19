/* Prints the answers of the first device about itself, a line each:
 *
 *     VkPhysicalDeviceProperties2.properties.limits.maxImageDimension1D 16384
 *
 * Features, properties, extensions, memory, queue families, formats, external handles: every struct
 * that the generator's tables and placed.h name is asked for. Arrays behind pointers are not,
 * only their counts. Driver and device are the loader's choice (VK_DRIVER_FILES). Runs natively and
 * through PearVisor; capabilities_test.py compares. */
#include "apps/placed.h"
#include "test_args.gen.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vulkan.h>

enum { PATH_SIZE = 512, FAMILIES_MAX = 64 };

/* What each struct with a chain begins with. */
struct head {
    int32_t type;
    struct head *next;
};

static VkInstance instance;
static VkPhysicalDevice device;
static PFN_vkGetInstanceProcAddr get_instance_proc;

static PFN_vkVoidFunction find(const char *name)
{
    PFN_vkVoidFunction function = get_instance_proc(instance, name);
    if (function == NULL) {
        fprintf(stderr, "capabilities: no %s here\n", name);
        exit(1);
    }
    return function;
}

#define FIND(name) ((PFN_##name)find(#name))

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL) {
        fprintf(stderr, "capabilities: out of memory\n");
        exit(1);
    }
    return memory;
}

/* --- printing --------------------------------------------------------------------------------- */

static void print_number(const char *path, const uint8_t *at, uint32_t size)
{
    uint64_t value = 0;
    memcpy(&value, at, size); /* little-endian, as all that Venus runs on */
    printf("%s %" PRIu64 "\n", path, value);
}

/* Numbers of any size: a UUID is one line. */
static void print_numbers(const char *path, const uint8_t *at, const struct pv_args_member *member)
{
    printf("%s", path);
    for (uint32_t i = 0; i < member->count; i++) {
        uint64_t value = 0;
        memcpy(&value, at + (size_t)i * member->size, member->size);
        printf("%s%" PRIu64, i == 0 ? " " : ",", value);
    }
    printf("\n");
}

static void print_struct(const char *path, const struct pv_args_type *type, const void *taken_from)
{
    const uint8_t *bytes = taken_from;
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct pv_args_member *member = &type->members[i];
        const uint8_t *at = bytes + member->offset;
        char below[PATH_SIZE];
        snprintf(below, sizeof(below), "%s.%s", path, member->name);
        bool is_struct = member->kind == PV_KIND_STRUCT;
        if (member->shape == PV_SHAPE_VALUE && is_struct) {
            print_struct(below, member->type, at);
        } else if (member->shape == PV_SHAPE_VALUE) {
            print_number(below, at, member->size);
        } else if (member->shape == PV_SHAPE_FIXED && is_struct) {
            for (uint32_t k = 0; k < member->count; k++) {
                snprintf(below, sizeof(below), "%s.%s.%u", path, member->name, k);
                print_struct(below, member->type, at + (size_t)k * member->size);
            }
        } else if (member->shape == PV_SHAPE_FIXED && member->kind == PV_KIND_CHAR) {
            printf("%s %.*s\n", below, (int)member->count, (const char *)at);
        } else if (member->shape == PV_SHAPE_FIXED) {
            print_numbers(below, at, member);
        }
    }
}

/* --- chains ----------------------------------------------------------------------------------- */

/* A struct with everything that its chain may hold, all zero. */
static struct head *create_chain(const struct pv_args_type *type)
{
    struct head *base = allocate(type->size);
    struct head *last = base;
    base->type = type->chain_type;
    for (uint32_t i = 0; i < type->link_count; i++) {
        last->next = allocate(type->links[i].type->size);
        last = last->next;
        last->type = type->links[i].type->chain_type;
    }
    return base;
}

/* Prints it and frees it. The links stand for themselves, but with what they are asked of. */
static void finish_chain(const char *suffix, const struct pv_args_type *type, struct head *chain)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%s%s", type->name, suffix);
    print_struct(path, type, chain);
    struct head *next = chain->next;
    free(chain);
    for (uint32_t i = 0; i < type->link_count; i++) {
        struct head *link = next;
        next = link->next;
        snprintf(path, sizeof(path), "%s%s", type->links[i].type->name, suffix);
        print_struct(path, type->links[i].type, link);
        free(link);
    }
}

/* --- questions -------------------------------------------------------------------------------- */

static void print_extensions(void)
{
    PFN_vkEnumerateDeviceExtensionProperties enumerate = FIND(vkEnumerateDeviceExtensionProperties);
    uint32_t count = 0;
    enumerate(device, NULL, &count, NULL);
    VkExtensionProperties *extensions = allocate(((size_t)count + 1) * sizeof(*extensions));
    enumerate(device, NULL, &count, extensions);
    for (uint32_t i = 0; i < count; i++) {
        printf("extension.%s %u\n", extensions[i].extensionName, extensions[i].specVersion);
    }
    free(extensions);
}

static void print_families(void)
{
    PFN_vkGetPhysicalDeviceQueueFamilyProperties2 get =
        FIND(vkGetPhysicalDeviceQueueFamilyProperties2);
    VkQueueFamilyProperties2 *families = allocate(FAMILIES_MAX * sizeof(*families));
    struct head *chains[FAMILIES_MAX];
    uint32_t count = 0;
    get(device, &count, NULL);
    count = count < FAMILIES_MAX ? count : FAMILIES_MAX;
    for (uint32_t i = 0; i < count; i++) {
        chains[i] = create_chain(&pv_args_VkQueueFamilyProperties2);
        memcpy(&families[i], chains[i], sizeof(families[i]));
    }
    get(device, &count, families);
    for (uint32_t i = 0; i < count; i++) {
        /* Mesa's Venus driver overwrites the link with one of its own. */
        memcpy((char *)chains[i] + sizeof(struct head), (char *)&families[i] + sizeof(struct head),
               sizeof(families[i]) - sizeof(struct head));
        char suffix[16];
        snprintf(suffix, sizeof(suffix), ".%u", i);
        finish_chain(suffix, &pv_args_VkQueueFamilyProperties2, chains[i]);
    }
    free(families);
}

static void print_formats(void)
{
    PFN_vkGetPhysicalDeviceFormatProperties2 get = FIND(vkGetPhysicalDeviceFormatProperties2);
    for (uint32_t i = 0; i < pv_args_enum_VkFormat.count; i++) {
        int32_t format = pv_args_enum_VkFormat.values[i];
        struct head *chain = create_chain(&pv_args_VkFormatProperties2);
        get(device, (VkFormat)format, (VkFormatProperties2 *)chain);
        char suffix[16];
        snprintf(suffix, sizeof(suffix), ".%d", format);
        finish_chain(suffix, &pv_args_VkFormatProperties2, chain);
    }
}

static void print_external_handles(void)
{
    PFN_vkGetPhysicalDeviceExternalBufferProperties get_buffer =
        FIND(vkGetPhysicalDeviceExternalBufferProperties);
    PFN_vkGetPhysicalDeviceExternalFenceProperties get_fence =
        FIND(vkGetPhysicalDeviceExternalFenceProperties);
    PFN_vkGetPhysicalDeviceExternalSemaphoreProperties get_semaphore =
        FIND(vkGetPhysicalDeviceExternalSemaphoreProperties);
    for (uint32_t bit = 1; bit <= VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT; bit <<= 1) {
        char suffix[16];
        snprintf(suffix, sizeof(suffix), ".%u", bit);
        struct head *buffer = create_chain(&pv_args_VkExternalBufferProperties);
        get_buffer(device,
                   &(VkPhysicalDeviceExternalBufferInfo){
                       .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
                       .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
                       .handleType = (VkExternalMemoryHandleTypeFlagBits)bit,
                   },
                   (VkExternalBufferProperties *)buffer);
        finish_chain(suffix, &pv_args_VkExternalBufferProperties, buffer);
        struct head *fence = create_chain(&pv_args_VkExternalFenceProperties);
        get_fence(device,
                  &(VkPhysicalDeviceExternalFenceInfo){
                      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_FENCE_INFO,
                      .handleType = (VkExternalFenceHandleTypeFlagBits)bit,
                  },
                  (VkExternalFenceProperties *)fence);
        finish_chain(suffix, &pv_args_VkExternalFenceProperties, fence);
        struct head *semaphore = create_chain(&pv_args_VkExternalSemaphoreProperties);
        get_semaphore(device,
                      &(VkPhysicalDeviceExternalSemaphoreInfo){
                          .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
                          .handleType = (VkExternalSemaphoreHandleTypeFlagBits)bit,
                      },
                      (VkExternalSemaphoreProperties *)semaphore);
        finish_chain(suffix, &pv_args_VkExternalSemaphoreProperties, semaphore);
    }
}

static void print_device(void)
{
    struct head *chain = create_chain(&pv_args_VkPhysicalDeviceProperties2);
    FIND(vkGetPhysicalDeviceProperties2)(device, (VkPhysicalDeviceProperties2 *)chain);
    finish_chain("", &pv_args_VkPhysicalDeviceProperties2, chain);
    chain = create_chain(&pv_args_VkPhysicalDeviceFeatures2);
    FIND(vkGetPhysicalDeviceFeatures2)(device, (VkPhysicalDeviceFeatures2 *)chain);
    finish_chain("", &pv_args_VkPhysicalDeviceFeatures2, chain);
    chain = create_chain(&pv_args_VkPhysicalDeviceMemoryProperties2);
    FIND(vkGetPhysicalDeviceMemoryProperties2)(device, (VkPhysicalDeviceMemoryProperties2 *)chain);
    finish_chain("", &pv_args_VkPhysicalDeviceMemoryProperties2, chain);
}

static void print_placed_maps(void)
{
    VkPhysicalDeviceMapMemoryPlacedFeaturesEXT placed = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAP_MEMORY_PLACED_FEATURES_EXT};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = &placed};
    FIND(vkGetPhysicalDeviceFeatures2)(device, &features);
    print_struct(placed_map_features.name, &placed_map_features, &placed);
}

int main(void)
{
    void *loader = dlopen("libvulkan.so.1", RTLD_NOW);
    void *entry = loader != NULL ? dlsym(loader, "vkGetInstanceProcAddr") : NULL;
    if (entry == NULL) {
        fprintf(stderr, "capabilities: no Vulkan loader: %s\n", dlerror());
        return 1;
    }
    memcpy(&get_instance_proc, &entry, sizeof(entry));
    VkResult result = FIND(vkCreateInstance)(
        &(VkInstanceCreateInfo){
            .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
            .pApplicationInfo =
                &(VkApplicationInfo){
                    .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                    .apiVersion = VK_API_VERSION_1_4,
                },
        },
        NULL, &instance);
    uint32_t count = 1;
    if (result == VK_SUCCESS) {
        result = FIND(vkEnumeratePhysicalDevices)(instance, &count, &device);
    }
    if (result < 0 || count == 0) {
        fprintf(stderr, "capabilities: no device: VkResult %d\n", (int)result);
        return 1;
    }
    print_extensions();
    print_device();
    print_placed_maps();
    print_families();
    print_formats();
    print_external_handles();
    FIND(vkDestroyInstance)(instance, NULL);
    return fflush(stdout) == 0 && ferror(stdout) == 0 ? 0 : 1;
}
