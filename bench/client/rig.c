#include "rig.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* Made from the shaders beside this file; they need <stdint.h> before them. */
/* clang-format off */
#include "job_comp.spv.h"
#include "triangle_frag.spv.h"
#include "triangle_vert.spv.h"
/* clang-format on */

static bool create_picture(struct bench_rig *rig)
{
    struct demo_vulkan *vk = &rig->bench->vk;
    const VkImageCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .extent = {rig->width, rig->height, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .tiling = VK_IMAGE_TILING_OPTIMAL,
        .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
        .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED,
    };
    if (!demo_vulkan_check(vk->CreateImage(vk->device, &create, NULL, &rig->picture),
                           "vkCreateImage")) {
        return false;
    }
    VkMemoryRequirements needs;
    vk->GetImageMemoryRequirements(vk->device, rig->picture, &needs);
    if (!demo_vulkan_allocate(vk, &needs, DEMO_MEMORY_DEVICE, &rig->picture_memory) ||
        !demo_vulkan_check(vk->BindImageMemory(vk->device, rig->picture, rig->picture_memory, 0),
                           "vkBindImageMemory")) {
        return false;
    }
    const VkImageViewCreateInfo view = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .image = rig->picture,
        .viewType = VK_IMAGE_VIEW_TYPE_2D,
        .format = create.format,
        .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
    };
    return demo_vulkan_check(vk->CreateImageView(vk->device, &view, NULL, &rig->view),
                             "vkCreateImageView");
}

static bool create_pass(struct bench_rig *rig)
{
    struct demo_vulkan *vk = &rig->bench->vk;
    const VkAttachmentDescription attachment = {
        .format = VK_FORMAT_R8G8B8A8_UNORM,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
        .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
        .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED,
        .finalLayout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
    };
    const VkAttachmentReference colour = {0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
    const VkSubpassDescription subpass = {
        .pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS,
        .colorAttachmentCount = 1,
        .pColorAttachments = &colour,
    };
    const VkSubpassDependency read_after = {
        .srcSubpass = 0,
        .dstSubpass = VK_SUBPASS_EXTERNAL,
        .srcStageMask = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
        .dstStageMask = VK_PIPELINE_STAGE_TRANSFER_BIT,
        .srcAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT,
    };
    const VkRenderPassCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO,
        .attachmentCount = 1,
        .pAttachments = &attachment,
        .subpassCount = 1,
        .pSubpasses = &subpass,
        .dependencyCount = 1,
        .pDependencies = &read_after,
    };
    if (!demo_vulkan_check(vk->CreateRenderPass(vk->device, &create, NULL, &rig->pass),
                           "vkCreateRenderPass")) {
        return false;
    }
    const VkFramebufferCreateInfo framebuffer = {
        .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
        .renderPass = rig->pass,
        .attachmentCount = 1,
        .pAttachments = &rig->view,
        .width = rig->width,
        .height = rig->height,
        .layers = 1,
    };
    return demo_vulkan_check(
        vk->CreateFramebuffer(vk->device, &framebuffer, NULL, &rig->framebuffer),
        "vkCreateFramebuffer");
}

static bool create_layouts(struct bench_rig *rig)
{
    struct demo_vulkan *vk = &rig->bench->vk;
    const VkDescriptorSetLayoutBinding binding = {0, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1,
                                                  VK_SHADER_STAGE_COMPUTE_BIT, NULL};
    const VkDescriptorSetLayoutCreateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = 1,
        .pBindings = &binding,
    };
    if (!demo_vulkan_check(vk->CreateDescriptorSetLayout(vk->device, &set, NULL, &rig->set_layout),
                           "vkCreateDescriptorSetLayout")) {
        return false;
    }
    const VkPushConstantRange constants = {VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_COMPUTE_BIT,
                                           0, BENCH_PUSH_BYTES};
    const VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &rig->set_layout,
        .pushConstantRangeCount = 1,
        .pPushConstantRanges = &constants,
    };
    return demo_vulkan_check(vk->CreatePipelineLayout(vk->device, &layout, NULL, &rig->layout),
                             "vkCreatePipelineLayout");
}

static bool create_set(struct bench_rig *rig)
{
    struct demo_vulkan *vk = &rig->bench->vk;
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1};
    const VkDescriptorPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = 1,
        .poolSizeCount = 1,
        .pPoolSizes = &size,
    };
    if (!demo_vulkan_check(vk->CreateDescriptorPool(vk->device, &pool, NULL, &rig->set_pool),
                           "vkCreateDescriptorPool")) {
        return false;
    }
    const VkDescriptorSetAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = rig->set_pool,
        .descriptorSetCount = 1,
        .pSetLayouts = &rig->set_layout,
    };
    if (!demo_vulkan_check(vk->AllocateDescriptorSets(vk->device, &allocate, &rig->set),
                           "vkAllocateDescriptorSets")) {
        return false;
    }
    const VkDescriptorBufferInfo buffer = {rig->result.buffer, 0, VK_WHOLE_SIZE};
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = rig->set,
        .descriptorCount = 1,
        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .pBufferInfo = &buffer,
    };
    vk->UpdateDescriptorSets(vk->device, 1, &write, 0, NULL);
    return true;
}

bool bench_rig_create(struct bench_rig *rig, struct bench *bench, uint32_t width, uint32_t height)
{
    struct demo_vulkan *vk = &bench->vk;
    *rig = (struct bench_rig){.bench = bench, .width = width, .height = height};
    const bool done =
        demo_buffer_create(vk, &rig->result, 4096, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                           DEMO_MEMORY_READBACK) &&
        create_picture(rig) && create_pass(rig) && create_layouts(rig) && create_set(rig) &&
        demo_shader_create(vk, triangle_vert, sizeof(triangle_vert), &rig->vertex) &&
        demo_shader_create(vk, triangle_frag, sizeof(triangle_frag), &rig->fragment) &&
        demo_shader_create(vk, job_comp, sizeof(job_comp), &rig->compute) &&
        bench_rig_create_drawing(rig, 0, &rig->drawing) &&
        bench_rig_create_computing(rig, 0, &rig->computing);
    if (done) {
        memset(rig->result.mapped, 0, 4096);
    }
    return done;
}

/* vkDestroy… does nothing with a handle that is null. */
void bench_rig_destroy(struct bench_rig *rig)
{
    if (!rig->bench || !rig->bench->vk.device) {
        return;
    }
    struct demo_vulkan *vk = &rig->bench->vk;
    vk->DeviceWaitIdle(vk->device);
    vk->DestroyPipeline(vk->device, rig->drawing, NULL);
    vk->DestroyPipeline(vk->device, rig->computing, NULL);
    vk->DestroyShaderModule(vk->device, rig->vertex, NULL);
    vk->DestroyShaderModule(vk->device, rig->fragment, NULL);
    vk->DestroyShaderModule(vk->device, rig->compute, NULL);
    vk->DestroyPipelineLayout(vk->device, rig->layout, NULL);
    vk->DestroyDescriptorPool(vk->device, rig->set_pool, NULL);
    vk->DestroyDescriptorSetLayout(vk->device, rig->set_layout, NULL);
    vk->DestroyFramebuffer(vk->device, rig->framebuffer, NULL);
    vk->DestroyRenderPass(vk->device, rig->pass, NULL);
    vk->DestroyImageView(vk->device, rig->view, NULL);
    vk->DestroyImage(vk->device, rig->picture, NULL);
    vk->FreeMemory(vk->device, rig->picture_memory, NULL);
    demo_buffer_destroy(vk, &rig->result);
}

int32_t bench_rig_new_seed(void)
{
    static _Atomic uint32_t made;
    static _Atomic uint32_t base;
    if (atomic_load(&base) == 0) {
        uint32_t none = 0;
        const uint32_t mine = (uint32_t)(bench_clock_ns() >> 10) * 2654435761u | 1;
        atomic_compare_exchange_strong(&base, &none, mine);
    }
    return (int32_t)(atomic_load(&base) + atomic_fetch_add(&made, 1));
}

static const VkSpecializationMapEntry seed_entry = {0, 0, sizeof(int32_t)};

bool bench_rig_create_computing(const struct bench_rig *rig, int32_t seed, VkPipeline *pipeline)
{
    struct demo_vulkan *vk = &rig->bench->vk;
    const VkSpecializationInfo constants = {1, &seed_entry, sizeof(seed), &seed};
    const VkComputePipelineCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = rig->compute,
                  .pName = "main",
                  .pSpecializationInfo = &constants},
        .layout = rig->layout,
    };
    return demo_vulkan_check(
        vk->CreateComputePipelines(vk->device, VK_NULL_HANDLE, 1, &create, NULL, pipeline),
        "vkCreateComputePipelines");
}

bool bench_rig_create_drawing(const struct bench_rig *rig, int32_t seed, VkPipeline *pipeline)
{
    struct demo_vulkan *vk = &rig->bench->vk;
    const VkSpecializationInfo constants = {1, &seed_entry, sizeof(seed), &seed};
    const VkPipelineShaderStageCreateInfo stages[2] = {
        {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
         .stage = VK_SHADER_STAGE_VERTEX_BIT,
         .module = rig->vertex,
         .pName = "main"},
        {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
         .stage = VK_SHADER_STAGE_FRAGMENT_BIT,
         .module = rig->fragment,
         .pName = "main",
         .pSpecializationInfo = &constants},
    };
    const VkPipelineVertexInputStateCreateInfo no_vertices = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO,
    };
    const VkPipelineInputAssemblyStateCreateInfo triangles = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO,
        .topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST,
    };
    const VkViewport viewport = {0.0f, 0.0f, (float)rig->width, (float)rig->height, 0.0f, 1.0f};
    const VkRect2D scissor = {{0, 0}, {rig->width, rig->height}};
    const VkPipelineViewportStateCreateInfo whole_picture = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO,
        .viewportCount = 1,
        .pViewports = &viewport,
        .scissorCount = 1,
        .pScissors = &scissor,
    };
    const VkPipelineRasterizationStateCreateInfo raster = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO,
        .polygonMode = VK_POLYGON_MODE_FILL,
        .cullMode = VK_CULL_MODE_NONE,
        .lineWidth = 1.0f,
    };
    const VkPipelineMultisampleStateCreateInfo one_sample = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO,
        .rasterizationSamples = VK_SAMPLE_COUNT_1_BIT,
    };
    const VkPipelineColorBlendAttachmentState attachment = {
        .colorWriteMask = VK_COLOR_COMPONENT_R_BIT | VK_COLOR_COMPONENT_G_BIT |
                          VK_COLOR_COMPONENT_B_BIT | VK_COLOR_COMPONENT_A_BIT,
    };
    const VkPipelineColorBlendStateCreateInfo blend = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO,
        .attachmentCount = 1,
        .pAttachments = &attachment,
    };
    const VkGraphicsPipelineCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO,
        .stageCount = 2,
        .pStages = stages,
        .pVertexInputState = &no_vertices,
        .pInputAssemblyState = &triangles,
        .pViewportState = &whole_picture,
        .pRasterizationState = &raster,
        .pMultisampleState = &one_sample,
        .pColorBlendState = &blend,
        .layout = rig->layout,
        .renderPass = rig->pass,
    };
    return demo_vulkan_check(
        vk->CreateGraphicsPipelines(vk->device, VK_NULL_HANDLE, 1, &create, NULL, pipeline),
        "vkCreateGraphicsPipelines");
}
