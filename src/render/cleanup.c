#include "render/private.h"

#include <stdlib.h>

/* What a guest has left behind when its device goes. */

/* Users before what they use. Command buffers and descriptor sets go with their pools. */
static const uint32_t destroy_order[] = {
    PV_OBJECT_FRAMEBUFFER,
    PV_OBJECT_PIPELINE,
    PV_OBJECT_PIPELINE_CACHE,
    PV_OBJECT_COMMAND_POOL,
    PV_OBJECT_DESCRIPTOR_POOL,
    PV_OBJECT_DESCRIPTOR_UPDATE_TEMPLATE,
    PV_OBJECT_PIPELINE_LAYOUT,
    PV_OBJECT_DESCRIPTOR_SET_LAYOUT,
    PV_OBJECT_RENDER_PASS,
    PV_OBJECT_SHADER_MODULE,
    PV_OBJECT_BUFFER_VIEW,
    PV_OBJECT_IMAGE_VIEW,
    PV_OBJECT_SAMPLER,
    PV_OBJECT_SAMPLER_YCBCR_CONVERSION,
    PV_OBJECT_ACCELERATION_STRUCTURE_KHR,
    PV_OBJECT_BUFFER,
    PV_OBJECT_IMAGE,
    PV_OBJECT_DEVICE_MEMORY,
    PV_OBJECT_QUERY_POOL,
    PV_OBJECT_EVENT,
    PV_OBJECT_FENCE,
    PV_OBJECT_SEMAPHORE,
};

enum { DESTROY_ORDER_COUNT = sizeof(destroy_order) / sizeof(destroy_order[0]) };

static bool destroy_view_or_resource(struct pv_device *device, uint32_t type, uintptr_t host)
{
    const struct pv_device_table *vk = &device->vk;
    switch (type) {
    case PV_OBJECT_BUFFER_VIEW:
        vk->DestroyBufferView(device->host, (VkBufferView)host, NULL);
        return true;
    case PV_OBJECT_IMAGE_VIEW:
        vk->DestroyImageView(device->host, (VkImageView)host, NULL);
        return true;
    case PV_OBJECT_SAMPLER:
        vk->DestroySampler(device->host, (VkSampler)host, NULL);
        return true;
    case PV_OBJECT_SAMPLER_YCBCR_CONVERSION:
        vk->DestroySamplerYcbcrConversion(device->host, (VkSamplerYcbcrConversion)host, NULL);
        return true;
    case PV_OBJECT_ACCELERATION_STRUCTURE_KHR:
        vk->DestroyAccelerationStructureKHR(device->host, (VkAccelerationStructureKHR)host, NULL);
        return true;
    case PV_OBJECT_BUFFER:
        vk->DestroyBuffer(device->host, (VkBuffer)host, NULL);
        return true;
    case PV_OBJECT_IMAGE:
        vk->DestroyImage(device->host, (VkImage)host, NULL);
        return true;
    default:
        return false;
    }
}

static bool destroy_pool_or_sync(struct pv_device *device, uint32_t type, uintptr_t host)
{
    const struct pv_device_table *vk = &device->vk;
    switch (type) {
    case PV_OBJECT_COMMAND_POOL:
        vk->DestroyCommandPool(device->host, (VkCommandPool)host, NULL);
        return true;
    case PV_OBJECT_DESCRIPTOR_POOL:
        vk->DestroyDescriptorPool(device->host, (VkDescriptorPool)host, NULL);
        return true;
    case PV_OBJECT_QUERY_POOL:
        vk->DestroyQueryPool(device->host, (VkQueryPool)host, NULL);
        return true;
    case PV_OBJECT_EVENT:
        vk->DestroyEvent(device->host, (VkEvent)host, NULL);
        return true;
    case PV_OBJECT_FENCE:
        vk->DestroyFence(device->host, (VkFence)host, NULL);
        return true;
    case PV_OBJECT_SEMAPHORE:
        vk->DestroySemaphore(device->host, (VkSemaphore)host, NULL);
        return true;
    default:
        return false;
    }
}

bool pv_device_destroy_host(struct pv_device *device, uint32_t type, uint64_t host_word)
{
    const struct pv_device_table *vk = &device->vk;
    uintptr_t host = (uintptr_t)host_word;
    switch (type) {
    case PV_OBJECT_FRAMEBUFFER:
        vk->DestroyFramebuffer(device->host, (VkFramebuffer)host, NULL);
        return true;
    case PV_OBJECT_PIPELINE:
        vk->DestroyPipeline(device->host, (VkPipeline)host, NULL);
        return true;
    case PV_OBJECT_PIPELINE_CACHE:
        vk->DestroyPipelineCache(device->host, (VkPipelineCache)host, NULL);
        return true;
    case PV_OBJECT_DESCRIPTOR_UPDATE_TEMPLATE:
        vk->DestroyDescriptorUpdateTemplate(device->host, (VkDescriptorUpdateTemplate)host, NULL);
        return true;
    case PV_OBJECT_PIPELINE_LAYOUT:
        vk->DestroyPipelineLayout(device->host, (VkPipelineLayout)host, NULL);
        return true;
    case PV_OBJECT_DESCRIPTOR_SET_LAYOUT:
        vk->DestroyDescriptorSetLayout(device->host, (VkDescriptorSetLayout)host, NULL);
        return true;
    case PV_OBJECT_RENDER_PASS:
        vk->DestroyRenderPass(device->host, (VkRenderPass)host, NULL);
        return true;
    case PV_OBJECT_SHADER_MODULE:
        vk->DestroyShaderModule(device->host, (VkShaderModule)host, NULL);
        return true;
    default:
        return destroy_view_or_resource(device, type, host) ||
               destroy_pool_or_sync(device, type, host);
    }
}

struct cleanup {
    struct pv_render_context *context;
    struct pv_device *device;
    uint64_t counts[PV_OBJECT_TYPE_COUNT];
};

static void count_object(void *user, uint64_t id, uint64_t tag, uint64_t host)
{
    struct cleanup *cleanup = user;
    (void)id;
    (void)host;
    if (PV_TAG_TYPE(tag) < PV_OBJECT_TYPE_COUNT) {
        cleanup->counts[PV_TAG_TYPE(tag)]++;
    }
}

static void destroy_object(void *user, uint64_t id, uint64_t tag, uint64_t host)
{
    struct cleanup *cleanup = user;
    uint32_t type = PV_TAG_TYPE(tag);
    if (pv_object_remove(&cleanup->context->objects, id, tag) != host) {
        return; /* another ring has destroyed it first */
    }
    if (type == PV_OBJECT_DEVICE_MEMORY) {
        pv_memory_release(cleanup->context, (struct pv_memory *)(uintptr_t)host);
        return;
    }
    if (type == PV_OBJECT_COMMAND_POOL || type == PV_OBJECT_DESCRIPTOR_POOL ||
        type == PV_OBJECT_SEMAPHORE) {
        struct pv_object *object = (struct pv_object *)(uintptr_t)host;
        (void)pv_device_destroy_host(cleanup->device, type, object->host);
        pv_object_retire_own(cleanup->context, type, object);
        return;
    }
    (void)pv_device_destroy_host(cleanup->device, type, host);
}

static void forget_object(void *user, uint64_t id, uint64_t tag, uint64_t host)
{
    struct cleanup *cleanup = user;
    (void)host;
    pv_object_forget(&cleanup->context->objects, id, tag);
}

void pv_device_destroy_objects(struct pv_render_context *context, struct pv_device *device)
{
    struct cleanup cleanup = {.context = context, .device = device};
    uint32_t owner = device->object.owner;
    pv_objects_each(&context->objects, owner, 0, count_object, &cleanup);
    for (uint32_t i = 0; i < DESTROY_ORDER_COUNT; i++) {
        if (cleanup.counts[destroy_order[i]] != 0) {
            pv_objects_each(&context->objects, owner, destroy_order[i], destroy_object, &cleanup);
        }
    }
    /* The rest has no host object of its own any more. */
    pv_objects_each(&context->objects, owner, 0, forget_object, &cleanup);
}
