#include "fakes/fake_vulkan.h"

#include "base/assert.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Dispatchable handles are never looked into, so they are numbers like all others. */
static const uint64_t physical_device = 0x7001;
static const uint64_t heap_size = UINT64_C(4) << 30;

static struct {
    _Atomic(pv_fake_hook) hook;
    _Atomic(void *) user;
    _Atomic uint64_t counts[PV_FAKE_COUNT];
    _Atomic uint64_t next_handle; /* above all that is fixed */
    _Atomic int64_t alive;
} fake;

struct fake_memory {
    uint64_t magic; /* is_memory while alive */
    void *pages;
    bool imported;
};

static const uint64_t is_memory = UINT64_C(0x6d656d6f72792121);

/* --- hook and counts -------------------------------------------------------------------------- */

void pv_fake_set_hook(pv_fake_hook hook, void *user)
{
    atomic_store_explicit(&fake.user, user, memory_order_relaxed);
    atomic_store_explicit(&fake.hook, hook, memory_order_release);
}

uint64_t pv_fake_count(enum pv_fake_command command)
{
    return atomic_load_explicit(&fake.counts[command], memory_order_relaxed);
}

void pv_fake_reset(void)
{
    pv_fake_set_hook(NULL, NULL);
    for (uint32_t i = 0; i < PV_FAKE_COUNT; i++) {
        atomic_store_explicit(&fake.counts[i], 0, memory_order_relaxed);
    }
}

int64_t pv_fake_alive_count(void)
{
    return atomic_load_explicit(&fake.alive, memory_order_relaxed);
}

void pv_fake_call(enum pv_fake_command command, void *args)
{
    atomic_fetch_add_explicit(&fake.counts[command], 1, memory_order_relaxed);
    pv_fake_hook hook = atomic_load_explicit(&fake.hook, memory_order_acquire);
    if (hook == NULL ||
        !hook(atomic_load_explicit(&fake.user, memory_order_relaxed), command, args)) {
        pv_fake_answer(command, args);
    }
}

/* --- names ------------------------------------------------------------------------------------ */

const struct pv_fake_row *pv_fake_row(enum pv_fake_command command)
{
    for (uint32_t i = 0; i < pv_fake_row_count; i++) {
        if (pv_fake_rows[i].command == command) {
            return &pv_fake_rows[i];
        }
    }
    return NULL;
}

const struct pv_fake_row *pv_fake_find(const char *name)
{
    for (uint32_t i = 0; i < pv_fake_row_count; i++) {
        if (strcmp(pv_fake_rows[i].name, name) == 0) {
            return &pv_fake_rows[i];
        }
    }
    return NULL;
}

PFN_vkVoidFunction VKAPI_CALL pv_fake_get_instance_proc_addr(VkInstance instance, const char *name)
{
    (void)instance;
    if (strcmp(name, "vkGetInstanceProcAddr") == 0) {
        return (PFN_vkVoidFunction)pv_fake_get_instance_proc_addr;
    }
    const struct pv_fake_row *row = pv_fake_find(name);
    return row != NULL ? row->entry : NULL;
}

/* --- small answers ---------------------------------------------------------------------------- */

static uint64_t new_handle(void)
{
    return 0x10000 + 8 * atomic_fetch_add_explicit(&fake.next_handle, 1, memory_order_relaxed);
}

/* Fills one array of an enumeration; VK_INCOMPLETE where there is not room for all. */
static VkResult enumerate(uint32_t *count, void *to, const void *all, uint32_t all_count,
                          size_t size)
{
    if (to == NULL) {
        *count = all_count;
        return VK_SUCCESS;
    }
    uint32_t room = *count;
    *count = room < all_count ? room : all_count;
    memcpy(to, all, *count * size);
    return room < all_count ? VK_INCOMPLETE : VK_SUCCESS;
}

static void *find_link(void *next, VkStructureType type)
{
    for (VkBaseOutStructure *link = next; link != NULL; link = link->pNext) {
        if (link->sType == type) {
            return link;
        }
    }
    return NULL;
}

/* New handles in every output that is one. How many there are. */
static uint32_t create_handles(const struct pv_args_type *type, void *args)
{
    uint32_t created = 0;
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct pv_args_member *member = &type->members[i];
        if ((member->flags & PV_ARGS_OUT) == 0 || member->kind != PV_KIND_HANDLE) {
            continue;
        }
        uint64_t *handles;
        memcpy(&handles, (const uint8_t *)args + member->offset, sizeof(handles));
        uint64_t count = member->shape == PV_SHAPE_POINTER ? 1 : pv_args_count(member, args, 0, 0);
        for (uint64_t k = 0; handles != NULL && k < count; k++) {
            handles[k] = new_handle();
            created++;
        }
    }
    return created;
}

/* Objects have one end: what is allocated from pools dies with them and is not counted. */
static void count_objects(const struct pv_args_type *type, const void *args, uint32_t created)
{
    int64_t change = 0;
    if (strncmp(type->name, "vkCreate", 8) == 0) {
        change = created;
    } else if (strncmp(type->name, "vkDestroy", 9) == 0) {
        const struct pv_args_member *gone = &type->members[type->member_count == 2 ? 0 : 1];
        change = pv_args_number((const uint8_t *)args + gone->offset, 8) != 0 ? -1 : 0;
    }
    atomic_fetch_add_explicit(&fake.alive, change, memory_order_relaxed);
}

static void answer_plainly(enum pv_fake_command command, void *args)
{
    const struct pv_args_command *known = pv_fake_row(command)->args;
    if (known != NULL) {
        pv_random_answer(NULL, known, args);
        count_objects(&known->type, args, create_handles(&known->type, args));
    }
}

/* --- the physical device ---------------------------------------------------------------------- */

static void describe_device(VkPhysicalDeviceProperties *properties)
{
    properties->apiVersion = VK_API_VERSION_1_4;
    properties->driverVersion = 1;
    properties->vendorID = VK_VENDOR_ID_MESA;
    properties->deviceID = 0xfa4e;
    properties->deviceType = VK_PHYSICAL_DEVICE_TYPE_CPU;
    strcpy(properties->deviceName, "PearVisor fake");
    properties->limits.maxMemoryAllocationCount = 4096;
    properties->limits.nonCoherentAtomSize = 64;
    properties->limits.minMemoryMapAlignment = PV_FAKE_PAGE_SIZE;
}

static void describe_links(void *next)
{
    VkPhysicalDeviceIDProperties *ids =
        find_link(next, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES);
    if (ids != NULL) {
        memset(ids->deviceUUID, 0xfa, sizeof(ids->deviceUUID));
        memset(ids->driverUUID, 0x4e, sizeof(ids->driverUUID));
    }
    VkPhysicalDeviceExternalMemoryHostPropertiesEXT *host =
        find_link(next, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT);
    if (host != NULL) {
        host->minImportedHostPointerAlignment = PV_FAKE_PAGE_SIZE;
    }
    VkPhysicalDeviceDriverProperties *driver =
        find_link(next, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES);
    if (driver != NULL) {
        driver->driverID = VK_DRIVER_ID_MESA_LLVMPIPE;
        strcpy(driver->driverName, "fake");
    }
}

static void describe_memory(VkPhysicalDeviceMemoryProperties *memory)
{
    memory->memoryTypeCount = 2;
    memory->memoryTypes[PV_FAKE_TYPE_PRIVATE].propertyFlags = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    memory->memoryTypes[PV_FAKE_TYPE_VISIBLE].propertyFlags = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                                              VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |
                                                              VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    memory->memoryHeapCount = 1;
    memory->memoryHeaps[0].size = heap_size;
    memory->memoryHeaps[0].flags = VK_MEMORY_HEAP_DEVICE_LOCAL_BIT;
}

static const VkQueueFamilyProperties family = {
    .queueFlags = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT |
                  VK_QUEUE_SPARSE_BINDING_BIT,
    .queueCount = PV_FAKE_QUEUE_COUNT,
    .timestampValidBits = 64,
    .minImageTransferGranularity = {1, 1, 1},
};

static void answer_families2(struct pv_vkGetPhysicalDeviceQueueFamilyProperties2 *a)
{
    uint32_t *count = a->pQueueFamilyPropertyCount;
    if (a->pQueueFamilyProperties == NULL) {
        *count = 1;
    } else if (*count >= 1) {
        *count = 1;
        a->pQueueFamilyProperties[0].queueFamilyProperties = family;
    }
}

/* Those that need fds of a kernel driver are left out. */
static bool is_offered(const struct pv_extension *extension)
{
    static const char *const left_out[] = {
        VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
        VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
        VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME,
        VK_KHR_EXTERNAL_FENCE_FD_EXTENSION_NAME,
        "VK_KHR_portability_subset",
    };
    for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++) {
        if (strcmp(extension->name, left_out[i]) == 0) {
            return false;
        }
    }
    return true;
}

static VkResult enumerate_extensions(uint32_t *count, VkExtensionProperties *to)
{
    VkExtensionProperties *all = calloc(pv_extension_count + 1, sizeof(*all));
    PV_ASSERT(all != NULL);
    uint32_t found = 0;
    for (uint32_t i = 0; i < pv_extension_count; i++) {
        if (is_offered(&pv_extensions[i])) {
            strcpy(all[found].extensionName, pv_extensions[i].name);
            all[found++].specVersion = pv_extensions[i].spec_version;
        }
    }
    /* Not the protocol's, but what we need of a driver ourselves. */
    strcpy(all[found].extensionName, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME);
    all[found++].specVersion = 1;
    VkResult result = enumerate(count, to, all, found, sizeof(*all));
    free(all);
    return result;
}

const struct pv_memory_plans *pv_fake_plans(void)
{
    static const struct pv_memory_plans plans = {
        .version = PV_MEMORY_PLANS_VERSION,
        .count = 1,
        .plans = {{
            .device_uuid = {0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa,
                            0xfa, 0xfa, 0xfa, 0xfa},
            .driver_uuid = {0x4e, 0x4e, 0x4e, 0x4e, 0x4e, 0x4e, 0x4e, 0x4e, 0x4e, 0x4e, 0x4e, 0x4e,
                            0x4e, 0x4e, 0x4e, 0x4e},
            .driver_version = 1,
            .vendor_id = VK_VENDOR_ID_MESA,
            .device_id = 0xfa4e,
            .api_version = VK_API_VERSION_1_4,
            .device_name = "PearVisor fake",
            .type_count = 2,
            .usable = 1,
            .types = {{.strategy = PV_MEMORY_NONE, .flags = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT},
                      {.strategy = PV_MEMORY_HOST_POINTER,
                       .flags = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |
                                VK_MEMORY_PROPERTY_HOST_CACHED_BIT}},
            .host_pointer_alignment = PV_FAKE_PAGE_SIZE,
            .sparse = {.works = 1},
        }},
    };
    return &plans;
}

/* --- memory ----------------------------------------------------------------------------------- */

static struct fake_memory *memory_of(VkDeviceMemory handle)
{
    struct fake_memory *memory = (struct fake_memory *)(uintptr_t)handle;
    PV_ASSERT(memory != NULL && memory->magic == is_memory);
    return memory;
}

static VkResult allocate_memory(const VkMemoryAllocateInfo *info, VkDeviceMemory *handle)
{
    const VkImportMemoryHostPointerInfoEXT *import = find_link(
        (void *)(uintptr_t)info->pNext, VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT);
    struct fake_memory *memory = calloc(1, sizeof(*memory));
    if (memory == NULL || info->allocationSize > heap_size) {
        free(memory);
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    memory->imported = import != NULL;
    memory->pages = import != NULL ? import->pHostPointer : calloc(1, info->allocationSize + 1);
    if (memory->pages == NULL) {
        free(memory);
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    memory->magic = is_memory;
    atomic_fetch_add_explicit(&fake.alive, 1, memory_order_relaxed);
    *handle = (VkDeviceMemory)(uintptr_t)memory;
    return VK_SUCCESS;
}

static void free_memory(VkDeviceMemory handle)
{
    if (handle == VK_NULL_HANDLE) {
        return;
    }
    struct fake_memory *memory = memory_of(handle);
    memory->magic = 0;
    if (!memory->imported) {
        free(memory->pages);
    }
    free(memory);
    atomic_fetch_sub_explicit(&fake.alive, 1, memory_order_relaxed);
}

/* --- what each command does ------------------------------------------------------------------- */

/* Of the instance and the physical device. False: not one of these. */
static bool answer_about_device(enum pv_fake_command command, void *args)
{
    switch (command) {
    case PV_FAKE_vkEnumerateInstanceVersion:
        *((struct pv_vkEnumerateInstanceVersion *)args)->pApiVersion = VK_API_VERSION_1_4;
        return true;
    case PV_FAKE_vkEnumeratePhysicalDevices: {
        struct pv_vkEnumeratePhysicalDevices *a = args;
        a->ret = enumerate(a->pPhysicalDeviceCount, a->pPhysicalDevices, &physical_device, 1,
                           sizeof(physical_device));
        return true;
    }
    case PV_FAKE_vkEnumerateDeviceExtensionProperties: {
        struct pv_vkEnumerateDeviceExtensionProperties *a = args;
        a->ret = enumerate_extensions(a->pPropertyCount, a->pProperties);
        return true;
    }
    case PV_FAKE_vkGetPhysicalDeviceQueueFamilyProperties: {
        struct pv_vkGetPhysicalDeviceQueueFamilyProperties *a = args;
        (void)enumerate(a->pQueueFamilyPropertyCount, a->pQueueFamilyProperties, &family, 1,
                        sizeof(family));
        return true;
    }
    case PV_FAKE_vkGetPhysicalDeviceQueueFamilyProperties2:
        answer_families2(args);
        return true;
    default:
        return false;
    }
}

/* In addition to zeros and handles. */
static void improve_description(enum pv_fake_command command, void *args)
{
    switch (command) {
    case PV_FAKE_vkEnumeratePhysicalDeviceGroups: {
        struct pv_vkEnumeratePhysicalDeviceGroups *a = args;
        if (a->pPhysicalDeviceGroupProperties != NULL && *a->pPhysicalDeviceGroupCount != 0) {
            a->pPhysicalDeviceGroupProperties[0].physicalDeviceCount = 1;
            a->pPhysicalDeviceGroupProperties[0].physicalDevices[0] =
                (VkPhysicalDevice)(uintptr_t)physical_device;
        }
        break;
    }
    case PV_FAKE_vkGetPhysicalDeviceProperties:
        describe_device(((struct pv_vkGetPhysicalDeviceProperties *)args)->pProperties);
        break;
    case PV_FAKE_vkGetPhysicalDeviceProperties2: {
        struct pv_vkGetPhysicalDeviceProperties2 *a = args;
        describe_device(&a->pProperties->properties);
        describe_links(a->pProperties->pNext);
        break;
    }
    case PV_FAKE_vkGetPhysicalDeviceMemoryProperties:
        describe_memory(((struct pv_vkGetPhysicalDeviceMemoryProperties *)args)->pMemoryProperties);
        break;
    case PV_FAKE_vkGetPhysicalDeviceMemoryProperties2:
        describe_memory(&((struct pv_vkGetPhysicalDeviceMemoryProperties2 *)args)
                             ->pMemoryProperties->memoryProperties);
        break;
    case PV_FAKE_vkGetPhysicalDeviceFeatures:
        ((struct pv_vkGetPhysicalDeviceFeatures *)args)->pFeatures->sparseBinding = VK_TRUE;
        break;
    default:
        break;
    }
}

static bool answer_about_memory(enum pv_fake_command command, void *args)
{
    switch (command) {
    case PV_FAKE_vkAllocateMemory: {
        struct pv_vkAllocateMemory *a = args;
        a->ret = allocate_memory(a->pAllocateInfo, a->pMemory);
        return true;
    }
    case PV_FAKE_vkFreeMemory:
        free_memory(((struct pv_vkFreeMemory *)args)->memory);
        return true;
    case PV_FAKE_vkMapMemory: {
        struct pv_fake_vkMapMemory *a = args;
        *a->ppData = (uint8_t *)memory_of(a->memory)->pages + a->offset;
        return true;
    }
    case PV_FAKE_vkGetMemoryHostPointerPropertiesEXT: {
        struct pv_fake_vkGetMemoryHostPointerPropertiesEXT *a = args;
        a->pMemoryHostPointerProperties->memoryTypeBits = 1U << PV_FAKE_TYPE_VISIBLE;
        return true;
    }
    default:
        return false;
    }
}

static void set_requirements(VkMemoryRequirements *requirements)
{
    *requirements = (VkMemoryRequirements){65536, 256, 3};
}

static void improve_requirements(enum pv_fake_command command, void *args)
{
    switch (command) {
    case PV_FAKE_vkGetBufferMemoryRequirements:
        set_requirements(((struct pv_vkGetBufferMemoryRequirements *)args)->pMemoryRequirements);
        break;
    case PV_FAKE_vkGetImageMemoryRequirements:
        set_requirements(((struct pv_vkGetImageMemoryRequirements *)args)->pMemoryRequirements);
        break;
    case PV_FAKE_vkGetBufferMemoryRequirements2:
        set_requirements(&((struct pv_vkGetBufferMemoryRequirements2 *)args)
                              ->pMemoryRequirements->memoryRequirements);
        break;
    case PV_FAKE_vkGetImageMemoryRequirements2:
        set_requirements(&((struct pv_vkGetImageMemoryRequirements2 *)args)
                              ->pMemoryRequirements->memoryRequirements);
        break;
    default:
        break;
    }
}

/* Functions by name, and queues, which are the same however often they are asked for. */
static bool answer_lookup(enum pv_fake_command command, void *args)
{
    switch (command) {
    case PV_FAKE_vkGetDeviceProcAddr: {
        struct pv_fake_vkGetDeviceProcAddr *a = args;
        a->ret = pv_fake_get_instance_proc_addr(NULL, a->pName);
        return true;
    }
    case PV_FAKE_vkGetDeviceQueue: {
        struct pv_vkGetDeviceQueue *a = args;
        *a->pQueue = (VkQueue)(uintptr_t)(0x8000 + a->queueIndex);
        return true;
    }
    case PV_FAKE_vkGetDeviceQueue2: {
        struct pv_vkGetDeviceQueue2 *a = args;
        *a->pQueue = (VkQueue)(uintptr_t)(0x8000 + a->pQueueInfo->queueIndex);
        return true;
    }
    default:
        return false;
    }
}

void pv_fake_answer(enum pv_fake_command command, void *args)
{
    if (answer_about_device(command, args) || answer_about_memory(command, args) ||
        answer_lookup(command, args)) {
        return;
    }
    answer_plainly(command, args);
    improve_description(command, args);
    improve_requirements(command, args);
}
