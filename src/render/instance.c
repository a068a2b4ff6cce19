#include "render/private.h"

#include <stdlib.h>
#include <string.h>

enum {
    API_MINOR_MAX = 4,
    /* What the guest's driver asks the renderer for besides devices. */
    INSTANCE_EXTENSION_COUNT = 2,
};

static const VkExtensionProperties instance_extensions[INSTANCE_EXTENSION_COUNT] = {
    {"VK_EXT_command_serialization", 1},
    {"VK_MESA_venus_protocol", 4},
};

VkResult pv_handle_vkEnumerateInstanceVersion(struct pv_exec *x,
                                              struct pv_vkEnumerateInstanceVersion *a)
{
    PFN_vkEnumerateInstanceVersion enumerate =
        (PFN_vkEnumerateInstanceVersion)x->context->host->get_instance_proc_addr(
            NULL, "vkEnumerateInstanceVersion");
    uint32_t version = 0;
    VkResult result = enumerate != NULL ? enumerate(&version) : VK_ERROR_INITIALIZATION_FAILED;
    if (result != VK_SUCCESS) {
        return result;
    }
    /* An old loader passes a newer driver through: what counts is the device's own version. */
    if (version >= VK_API_VERSION_1_1) {
        version = VK_MAKE_API_VERSION(0, 1, API_MINOR_MAX, VK_HEADER_VERSION);
    }
    *a->pApiVersion = version;
    return VK_SUCCESS;
}

VkResult pv_handle_vkEnumerateInstanceExtensionProperties(
    struct pv_exec *x, struct pv_vkEnumerateInstanceExtensionProperties *a)
{
    if (a->pLayerName != NULL) {
        pv_exec_fault(x, "asks for a layer's extensions");
        return VK_ERROR_LAYER_NOT_PRESENT;
    }
    if (a->pProperties == NULL) {
        *a->pPropertyCount = INSTANCE_EXTENSION_COUNT;
        return VK_SUCCESS;
    }
    bool complete = *a->pPropertyCount >= INSTANCE_EXTENSION_COUNT;
    if (complete) {
        *a->pPropertyCount = INSTANCE_EXTENSION_COUNT;
    }
    memcpy(a->pProperties, instance_extensions, *a->pPropertyCount * sizeof(*a->pProperties));
    return complete ? VK_SUCCESS : VK_INCOMPLETE;
}

/* --- create ------------------------------------------------------------------------------------
 */

static VkResult create_host_instance(struct pv_render_context *context,
                                     const VkApplicationInfo *guest, struct pv_instance *instance)
{
    VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .apiVersion = VK_API_VERSION_1_1,
    };
    if (guest != NULL) {
        application = *guest;
        application.pNext = NULL;
        if (application.apiVersion < VK_API_VERSION_1_1) {
            application.apiVersion = VK_API_VERSION_1_1;
        }
    }
    instance->api_version = application.apiVersion;
    PFN_vkGetInstanceProcAddr get = context->host->get_instance_proc_addr;
    VkResult result = pv_host_create_instance(context->host, &application, &instance->host);
    if (result != VK_SUCCESS) {
        return result;
    }
    const char *lacking =
        pv_instance_table_load(&instance->vk, get, instance->host, instance->api_version);
    if (lacking != NULL) {
        pv_render_tell_lacking(context, lacking);
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    return VK_SUCCESS;
}

static void free_instance(struct pv_instance *instance)
{
    pv_physical_devices_destroy(instance);
    if (instance->host != NULL && instance->vk.DestroyInstance != NULL) {
        instance->vk.DestroyInstance(instance->host, NULL);
    }
    free(instance);
}

static VkResult make_instance(struct pv_render_context *context, const VkInstanceCreateInfo *info,
                              uint64_t id, struct pv_instance **made)
{
    struct pv_instance *instance = calloc(1, sizeof(*instance));
    if (instance == NULL) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    VkResult result = create_host_instance(context, info->pApplicationInfo, instance);
    if (result == VK_SUCCESS) {
        result = pv_physical_devices_create(context, instance);
    }
    if (result != VK_SUCCESS) {
        free_instance(instance);
        return result;
    }
    instance->object.host = PV_HANDLE_U64(instance->host);
    instance->object.id = id;
    *made = instance;
    return VK_SUCCESS;
}

VkResult pv_handle_vkCreateInstance(struct pv_exec *x, struct pv_vkCreateInstance *a)
{
    struct pv_render_context *context = x->context;
    uint64_t id = PV_HANDLE_U64(*a->pInstance);
    if (a->pCreateInfo->enabledLayerCount != 0) {
        return VK_ERROR_LAYER_NOT_PRESENT;
    }
    if (a->pCreateInfo->enabledExtensionCount != 0) {
        return VK_ERROR_EXTENSION_NOT_PRESENT;
    }
    if (atomic_load_explicit(&context->instance, memory_order_acquire) != NULL) {
        pv_exec_fault(x, "a second instance");
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    if (!pv_exec_reserve(x, id)) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    struct pv_instance *instance = NULL;
    VkResult result = make_instance(context, a->pCreateInfo, id, &instance);
    if (result != VK_SUCCESS) {
        pv_object_abandon(&context->objects, id);
        return result;
    }
    struct pv_instance *none = NULL;
    if (!atomic_compare_exchange_strong(&context->instance, &none, instance)) {
        /* Another ring was faster. */
        pv_object_abandon(&context->objects, id);
        free_instance(instance);
        pv_exec_fault(x, "a second instance");
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    pv_object_publish(&context->objects, id, PV_TAG(PV_OBJECT_INSTANCE, 0),
                      PV_HANDLE_U64(instance));
    return VK_SUCCESS;
}

/* --- destroy -----------------------------------------------------------------------------------
 */

static void free_retired(void *memory)
{
    struct pv_instance *instance = memory;
    instance->host = NULL; /* gone already */
    free_instance(instance);
}

void pv_instance_destroy(struct pv_render_context *context, struct pv_instance *instance)
{
    for (uint32_t i = 0; i < PV_DEVICES_MAX; i++) {
        struct pv_device *device = atomic_exchange(&context->devices[i], NULL);
        if (device != NULL) {
            pv_object_forget(&context->objects, device->object.id,
                             PV_TAG(PV_OBJECT_DEVICE, device->object.owner));
            pv_device_destroy(context, device);
        }
    }
    pthread_mutex_lock(&context->lock);
    for (uint32_t i = 0; i < instance->physical_device_count; i++) {
        struct pv_object *object = &instance->physical_devices[i].object;
        if (object->id != 0) {
            pv_object_forget(&context->objects, object->id, PV_TAG(PV_OBJECT_PHYSICAL_DEVICE, 0));
            object->id = 0;
        }
    }
    pthread_mutex_unlock(&context->lock);
    instance->vk.DestroyInstance(instance->host, NULL);
    pv_epoch_retire(&context->epoch, instance, free_retired);
}

void pv_handle_vkDestroyInstance(struct pv_exec *x, struct pv_vkDestroyInstance *a)
{
    struct pv_render_context *context = x->context;
    uint64_t id = PV_HANDLE_U64(a->instance);
    struct pv_instance *instance = (struct pv_instance *)(uintptr_t)pv_object_remove(
        &context->objects, id, PV_TAG(PV_OBJECT_INSTANCE, 0));
    if (instance == NULL) {
        pv_exec_fault(x, "destroys an instance that does not exist");
        return;
    }
    pthread_mutex_lock(&context->lifecycle_lock);
    atomic_store_explicit(&context->instance, NULL, memory_order_release);
    pv_instance_destroy(context, instance);
    pthread_mutex_unlock(&context->lifecycle_lock);
}
