#include "self_test.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a driver says of a device, so that doctor can hold the guest's view against the host's. */

enum limit_kind { WORD, SIGNED, LONG, SIZE, REAL };

struct limit {
    const char *name;
    size_t offset;
    enum limit_kind kind;
    uint32_t count;
};

#define LIMIT(name, kind, count)                                                                   \
    {                                                                                              \
#name, offsetof(VkPhysicalDeviceLimits, name), kind, count                                 \
    }

/* vk.xml VkPhysicalDeviceLimits, in its order. */
static const struct limit limits[] = {
    LIMIT(maxImageDimension1D, WORD, 1),
    LIMIT(maxImageDimension2D, WORD, 1),
    LIMIT(maxImageDimension3D, WORD, 1),
    LIMIT(maxImageDimensionCube, WORD, 1),
    LIMIT(maxImageArrayLayers, WORD, 1),
    LIMIT(maxTexelBufferElements, WORD, 1),
    LIMIT(maxUniformBufferRange, WORD, 1),
    LIMIT(maxStorageBufferRange, WORD, 1),
    LIMIT(maxPushConstantsSize, WORD, 1),
    LIMIT(maxMemoryAllocationCount, WORD, 1),
    LIMIT(maxSamplerAllocationCount, WORD, 1),
    LIMIT(bufferImageGranularity, LONG, 1),
    LIMIT(sparseAddressSpaceSize, LONG, 1),
    LIMIT(maxBoundDescriptorSets, WORD, 1),
    LIMIT(maxPerStageDescriptorSamplers, WORD, 1),
    LIMIT(maxPerStageDescriptorUniformBuffers, WORD, 1),
    LIMIT(maxPerStageDescriptorStorageBuffers, WORD, 1),
    LIMIT(maxPerStageDescriptorSampledImages, WORD, 1),
    LIMIT(maxPerStageDescriptorStorageImages, WORD, 1),
    LIMIT(maxPerStageDescriptorInputAttachments, WORD, 1),
    LIMIT(maxPerStageResources, WORD, 1),
    LIMIT(maxDescriptorSetSamplers, WORD, 1),
    LIMIT(maxDescriptorSetUniformBuffers, WORD, 1),
    LIMIT(maxDescriptorSetUniformBuffersDynamic, WORD, 1),
    LIMIT(maxDescriptorSetStorageBuffers, WORD, 1),
    LIMIT(maxDescriptorSetStorageBuffersDynamic, WORD, 1),
    LIMIT(maxDescriptorSetSampledImages, WORD, 1),
    LIMIT(maxDescriptorSetStorageImages, WORD, 1),
    LIMIT(maxDescriptorSetInputAttachments, WORD, 1),
    LIMIT(maxVertexInputAttributes, WORD, 1),
    LIMIT(maxVertexInputBindings, WORD, 1),
    LIMIT(maxVertexInputAttributeOffset, WORD, 1),
    LIMIT(maxVertexInputBindingStride, WORD, 1),
    LIMIT(maxVertexOutputComponents, WORD, 1),
    LIMIT(maxTessellationGenerationLevel, WORD, 1),
    LIMIT(maxTessellationPatchSize, WORD, 1),
    LIMIT(maxTessellationControlPerVertexInputComponents, WORD, 1),
    LIMIT(maxTessellationControlPerVertexOutputComponents, WORD, 1),
    LIMIT(maxTessellationControlPerPatchOutputComponents, WORD, 1),
    LIMIT(maxTessellationControlTotalOutputComponents, WORD, 1),
    LIMIT(maxTessellationEvaluationInputComponents, WORD, 1),
    LIMIT(maxTessellationEvaluationOutputComponents, WORD, 1),
    LIMIT(maxGeometryShaderInvocations, WORD, 1),
    LIMIT(maxGeometryInputComponents, WORD, 1),
    LIMIT(maxGeometryOutputComponents, WORD, 1),
    LIMIT(maxGeometryOutputVertices, WORD, 1),
    LIMIT(maxGeometryTotalOutputComponents, WORD, 1),
    LIMIT(maxFragmentInputComponents, WORD, 1),
    LIMIT(maxFragmentOutputAttachments, WORD, 1),
    LIMIT(maxFragmentDualSrcAttachments, WORD, 1),
    LIMIT(maxFragmentCombinedOutputResources, WORD, 1),
    LIMIT(maxComputeSharedMemorySize, WORD, 1),
    LIMIT(maxComputeWorkGroupCount, WORD, 3),
    LIMIT(maxComputeWorkGroupInvocations, WORD, 1),
    LIMIT(maxComputeWorkGroupSize, WORD, 3),
    LIMIT(subPixelPrecisionBits, WORD, 1),
    LIMIT(subTexelPrecisionBits, WORD, 1),
    LIMIT(mipmapPrecisionBits, WORD, 1),
    LIMIT(maxDrawIndexedIndexValue, WORD, 1),
    LIMIT(maxDrawIndirectCount, WORD, 1),
    LIMIT(maxSamplerLodBias, REAL, 1),
    LIMIT(maxSamplerAnisotropy, REAL, 1),
    LIMIT(maxViewports, WORD, 1),
    LIMIT(maxViewportDimensions, WORD, 2),
    LIMIT(viewportBoundsRange, REAL, 2),
    LIMIT(viewportSubPixelBits, WORD, 1),
    LIMIT(minMemoryMapAlignment, SIZE, 1),
    LIMIT(minTexelBufferOffsetAlignment, LONG, 1),
    LIMIT(minUniformBufferOffsetAlignment, LONG, 1),
    LIMIT(minStorageBufferOffsetAlignment, LONG, 1),
    LIMIT(minTexelOffset, SIGNED, 1),
    LIMIT(maxTexelOffset, WORD, 1),
    LIMIT(minTexelGatherOffset, SIGNED, 1),
    LIMIT(maxTexelGatherOffset, WORD, 1),
    LIMIT(minInterpolationOffset, REAL, 1),
    LIMIT(maxInterpolationOffset, REAL, 1),
    LIMIT(subPixelInterpolationOffsetBits, WORD, 1),
    LIMIT(maxFramebufferWidth, WORD, 1),
    LIMIT(maxFramebufferHeight, WORD, 1),
    LIMIT(maxFramebufferLayers, WORD, 1),
    LIMIT(framebufferColorSampleCounts, WORD, 1),
    LIMIT(framebufferDepthSampleCounts, WORD, 1),
    LIMIT(framebufferStencilSampleCounts, WORD, 1),
    LIMIT(framebufferNoAttachmentsSampleCounts, WORD, 1),
    LIMIT(maxColorAttachments, WORD, 1),
    LIMIT(sampledImageColorSampleCounts, WORD, 1),
    LIMIT(sampledImageIntegerSampleCounts, WORD, 1),
    LIMIT(sampledImageDepthSampleCounts, WORD, 1),
    LIMIT(sampledImageStencilSampleCounts, WORD, 1),
    LIMIT(storageImageSampleCounts, WORD, 1),
    LIMIT(maxSampleMaskWords, WORD, 1),
    LIMIT(timestampComputeAndGraphics, WORD, 1),
    LIMIT(timestampPeriod, REAL, 1),
    LIMIT(maxClipDistances, WORD, 1),
    LIMIT(maxCullDistances, WORD, 1),
    LIMIT(maxCombinedClipAndCullDistances, WORD, 1),
    LIMIT(discreteQueuePriorities, WORD, 1),
    LIMIT(pointSizeRange, REAL, 2),
    LIMIT(lineWidthRange, REAL, 2),
    LIMIT(pointSizeGranularity, REAL, 1),
    LIMIT(lineWidthGranularity, REAL, 1),
    LIMIT(strictLines, WORD, 1),
    LIMIT(standardSampleLocations, WORD, 1),
    LIMIT(optimalBufferCopyOffsetAlignment, LONG, 1),
    LIMIT(optimalBufferCopyRowPitchAlignment, LONG, 1),
    LIMIT(nonCoherentAtomSize, LONG, 1),
};

static double limit_value(const uint8_t *at, enum limit_kind kind)
{
    uint32_t word;
    int32_t number;
    uint64_t size;
    float real;
    switch (kind) {
    case WORD:
        memcpy(&word, at, sizeof(word));
        return word;
    case SIGNED:
        memcpy(&number, at, sizeof(number));
        return number;
    case REAL:
        memcpy(&real, at, sizeof(real));
        return (double)real;
    case SIZE:
        return (double)*(const size_t *)(const void *)at;
    case LONG:
        break;
    }
    memcpy(&size, at, sizeof(size));
    return (double)size;
}

static size_t limit_size(enum limit_kind kind)
{
    return kind == LONG ? sizeof(uint64_t) : kind == SIZE ? sizeof(size_t) : sizeof(uint32_t);
}

static void add_limits(cJSON *entry, const VkPhysicalDeviceLimits *values)
{
    cJSON *list = cJSON_AddObjectToObject(entry, "limits");
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        const struct limit *limit = &limits[i];
        for (uint32_t element = 0; element < limit->count; element++) {
            char name[80];
            if (limit->count == 1) {
                snprintf(name, sizeof(name), "%s", limit->name);
            } else {
                snprintf(name, sizeof(name), "%s[%u]", limit->name, element);
            }
            const uint8_t *at =
                (const uint8_t *)values + limit->offset + element * limit_size(limit->kind);
            cJSON_AddNumberToObject(list, name, limit_value(at, limit->kind));
        }
    }
}

static void add_memory_types(cJSON *entry, const struct pv_self_test *test, VkPhysicalDevice device)
{
    VkPhysicalDeviceMemoryProperties memory;
    test->GetPhysicalDeviceMemoryProperties(device, &memory);
    cJSON *list = cJSON_AddArrayToObject(entry, "memory_types");
    for (uint32_t i = 0; i < memory.memoryTypeCount && i < VK_MAX_MEMORY_TYPES; i++) {
        cJSON_AddItemToArray(list, cJSON_CreateNumber(memory.memoryTypes[i].propertyFlags));
    }
}

static void add_extensions(cJSON *entry, const struct pv_self_test *test, VkPhysicalDevice device)
{
    cJSON *list = cJSON_AddArrayToObject(entry, "extensions");
    uint32_t count = 0;
    if (test->EnumerateDeviceExtensionProperties(device, NULL, &count, NULL) != VK_SUCCESS) {
        return;
    }
    VkExtensionProperties *extensions = calloc((size_t)count + 1, sizeof(*extensions));
    if (extensions != NULL &&
        test->EnumerateDeviceExtensionProperties(device, NULL, &count, extensions) >= VK_SUCCESS) {
        for (uint32_t i = 0; i < count; i++) {
            cJSON_AddItemToArray(list, cJSON_CreateString(extensions[i].extensionName));
        }
    }
    free(extensions);
}

static void add_version(cJSON *entry, uint32_t version)
{
    char text[32];
    snprintf(text, sizeof(text), "%u.%u.%u", VK_API_VERSION_MAJOR(version),
             VK_API_VERSION_MINOR(version), VK_API_VERSION_PATCH(version));
    cJSON_AddStringToObject(entry, "api_version", text);
}

cJSON *pv_self_test_describe(const struct pv_self_test *test, VkPhysicalDevice physical_device)
{
    cJSON *entry = cJSON_CreateObject();
    VkPhysicalDeviceProperties core;
    test->GetPhysicalDeviceProperties(physical_device, &core);
    cJSON_AddStringToObject(entry, "name", core.deviceName);
    add_version(entry, core.apiVersion);
    if (core.apiVersion >= VK_API_VERSION_1_1) {
        VkPhysicalDeviceDriverProperties driver = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
        };
        VkPhysicalDeviceProperties2 properties = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
            .pNext = &driver,
        };
        test->GetPhysicalDeviceProperties2(physical_device, &properties);
        cJSON_AddNumberToObject(entry, "driver_id", (double)driver.driverID);
        cJSON_AddStringToObject(entry, "driver_name", driver.driverName);
        cJSON_AddStringToObject(entry, "driver_info", driver.driverInfo);
    }
    add_memory_types(entry, test, physical_device);
    add_limits(entry, &core.limits);
    add_extensions(entry, test, physical_device);
    return entry;
}
