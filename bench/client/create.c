/* Objects created and destroyed in rounds; a synchronous call ends each, so that it is drained. */
#include "rig.h"

#include <stdio.h>

enum {
    OBJECTS = 2048, /* many, so that what the round's end costs is small beside them */
    FEW = 64,       /* of what a driver takes long for: NVIDIA's fences are 2.6 ms each */
    LONG_NS = 50 * 1000,
};

/* The handles of one round; each kind uses its own member. */
union handle {
    VkBuffer buffer;
    VkImage image;
    VkImageView view;
    VkSampler sampler;
    VkFence fence;
};

static bool create_buffer(const struct bench_rig *rig, union handle *handle)
{
    struct demo_vulkan *vk = &rig->bench->vk;
    const VkBufferCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = 65536,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
    return demo_vulkan_check(vk->CreateBuffer(vk->device, &create, NULL, &handle->buffer),
                             "vkCreateBuffer");
}

static void destroy_buffer(const struct bench_rig *rig, const union handle *handle)
{
    rig->bench->vk.DestroyBuffer(rig->bench->vk.device, handle->buffer, NULL);
}

static bool create_image(const struct bench_rig *rig, union handle *handle)
{
    struct demo_vulkan *vk = &rig->bench->vk;
    const VkImageCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .extent = {64, 64, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .tiling = VK_IMAGE_TILING_OPTIMAL,
        .usage = VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
        .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED,
    };
    return demo_vulkan_check(vk->CreateImage(vk->device, &create, NULL, &handle->image),
                             "vkCreateImage");
}

static void destroy_image(const struct bench_rig *rig, const union handle *handle)
{
    rig->bench->vk.DestroyImage(rig->bench->vk.device, handle->image, NULL);
}

static bool create_view(const struct bench_rig *rig, union handle *handle)
{
    struct demo_vulkan *vk = &rig->bench->vk;
    const VkImageViewCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .image = rig->picture,
        .viewType = VK_IMAGE_VIEW_TYPE_2D,
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
    };
    return demo_vulkan_check(vk->CreateImageView(vk->device, &create, NULL, &handle->view),
                             "vkCreateImageView");
}

static void destroy_view(const struct bench_rig *rig, const union handle *handle)
{
    rig->bench->vk.DestroyImageView(rig->bench->vk.device, handle->view, NULL);
}

static bool create_sampler(const struct bench_rig *rig, union handle *handle)
{
    struct demo_vulkan *vk = &rig->bench->vk;
    const VkSamplerCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO,
        .magFilter = VK_FILTER_LINEAR,
        .minFilter = VK_FILTER_LINEAR,
    };
    return demo_vulkan_check(vk->CreateSampler(vk->device, &create, NULL, &handle->sampler),
                             "vkCreateSampler");
}

static void destroy_sampler(const struct bench_rig *rig, const union handle *handle)
{
    rig->bench->vk.DestroySampler(rig->bench->vk.device, handle->sampler, NULL);
}

static bool create_fence(const struct bench_rig *rig, union handle *handle)
{
    return bench_fence_create(rig->bench, &handle->fence);
}

static void destroy_fence(const struct bench_rig *rig, const union handle *handle)
{
    rig->bench->vk.DestroyFence(rig->bench->vk.device, handle->fence, NULL);
}

struct kind {
    const char *name;
    bool (*create)(const struct bench_rig *rig, union handle *handle);
    void (*destroy)(const struct bench_rig *rig, const union handle *handle);
};

static const struct kind kinds[] = {
    {"buffer", create_buffer, destroy_buffer}, {"image", create_image, destroy_image},
    {"view", create_view, destroy_view},       {"sampler", create_sampler, destroy_sampler},
    {"fence", create_fence, destroy_fence},
};

static bool churn(const struct bench_rig *rig, const struct kind *kind, uint32_t count)
{
    union handle handles[OBJECTS];
    uint32_t made = 0;
    while (made < count && kind->create(rig, &handles[made])) {
        made++;
    }
    for (uint32_t i = 0; i < made; i++) {
        kind->destroy(rig, &handles[i]);
    }
    return made == count;
}

static bool measure(const struct bench_rig *rig, const struct kind *kind)
{
    struct bench *bench = rig->bench;
    char name[64];
    char how[128];
    struct bench_samples samples;
    const uint64_t before_ns = bench_clock_ns();
    bool done = churn(rig, kind, FEW);
    bench_sync(bench);
    const bool is_slow = bench_clock_ns() - before_ns > (uint64_t)FEW * LONG_NS;
    const uint32_t count = is_slow ? FEW : OBJECTS;
    done = done && (is_slow || churn(rig, kind, count));
    bench_sync(bench);
    snprintf(name, sizeof(name), "create.%s", kind->name);
    snprintf(how, sizeof(how), "rounds of %u created, then destroyed, then a synchronous call",
             count);
    bench_samples_start(&samples, bench);
    while (done && bench_samples_want(&samples)) {
        const uint64_t start_ns = bench_clock_ns();
        done = churn(rig, kind, count);
        bench_sync(bench);
        bench_samples_add(&samples, bench_clock_ns() - start_ns);
    }
    if (done) {
        bench_report_rate(name, &samples, count, "objects/s", how);
    }
    bench_samples_finish(&samples);
    return done;
}

bool bench_create(struct bench *bench)
{
    struct bench_rig rig = {0};
    bool done = bench_rig_create(&rig, bench, 64, 64);
    for (size_t i = 0; done && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        done = measure(&rig, &kinds[i]);
    }
    bench_rig_destroy(&rig);
    return done;
}
