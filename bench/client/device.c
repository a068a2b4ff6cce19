#include "bench.h"

#include <stdio.h>

/* The image that bench_sync asks about is never used for anything else. */
static bool create_probe(struct bench *bench)
{
    const VkImageCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .extent = {64, 64, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .tiling = VK_IMAGE_TILING_LINEAR,
        .usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
        .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED,
    };
    struct demo_vulkan *vk = &bench->vk;
    return demo_vulkan_check(vk->CreateImage(vk->device, &create, NULL, &bench->probe),
                             "vkCreateImage");
}

bool bench_open(struct bench *bench)
{
    return demo_vulkan_open(&bench->vk) && demo_vulkan_start(&bench->vk, bench->gpu_index) &&
           create_probe(bench);
}

void bench_close(struct bench *bench)
{
    if (bench->probe) {
        bench->vk.DestroyImage(bench->vk.device, bench->probe, NULL);
    }
    demo_vulkan_close(&bench->vk);
}

void bench_sync(struct bench *bench)
{
    const VkImageSubresource subresource = {.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT};
    VkSubresourceLayout layout;
    bench->vk.GetImageSubresourceLayout(bench->vk.device, bench->probe, &subresource, &layout);
}

bool bench_device(struct bench *bench)
{
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &driver,
    };
    bench->vk.GetPhysicalDeviceProperties2(bench->vk.gpu, &properties);
    const uint32_t api = properties.properties.apiVersion;
    printf("{\"device\": \"%s\", \"driver\": \"%s\", \"driver_info\": \"%s\", "
           "\"api_version\": \"%u.%u.%u\"}\n",
           properties.properties.deviceName, driver.driverName, driver.driverInfo,
           VK_API_VERSION_MAJOR(api), VK_API_VERSION_MINOR(api), VK_API_VERSION_PATCH(api));
    return true;
}
