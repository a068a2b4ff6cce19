#include "render.h"
#include "scene.h"

/* Made from the shaders beside this file; they need <stdint.h> before them. */
/* clang-format off */
#include "backdrop_frag.spv.h"
#include "backdrop_vert.spv.h"
#include "cube_frag.spv.h"
#include "cube_vert.spv.h"
/* clang-format on */

static bool create_layouts(struct demo_renderer *r)
{
    struct demo_vulkan *vk = r->vk;
    const VkShaderStageFlags stages = VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT;
    const VkDescriptorSetLayoutBinding binding = {
        .binding = 0,
        .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
        .descriptorCount = 1,
        .stageFlags = stages,
    };
    const VkDescriptorSetLayoutCreateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = 1,
        .pBindings = &binding,
    };
    if (!demo_vulkan_check(vk->CreateDescriptorSetLayout(vk->device, &set, NULL, &r->set_layout),
                           "vkCreateDescriptorSetLayout")) {
        return false;
    }
    const VkPushConstantRange constants = {.stageFlags = stages, .size = sizeof(float)};
    const VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &r->set_layout,
        .pushConstantRangeCount = 1,
        .pPushConstantRanges = &constants,
    };
    return demo_vulkan_check(vk->CreatePipelineLayout(vk->device, &layout, NULL, &r->layout),
                             "vkCreatePipelineLayout");
}

static bool create_set(struct demo_renderer *r)
{
    struct demo_vulkan *vk = r->vk;
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, 1};
    const VkDescriptorPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = 1,
        .poolSizeCount = 1,
        .pPoolSizes = &size,
    };
    if (!demo_vulkan_check(vk->CreateDescriptorPool(vk->device, &pool, NULL, &r->set_pool),
                           "vkCreateDescriptorPool")) {
        return false;
    }
    const VkDescriptorSetAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = r->set_pool,
        .descriptorSetCount = 1,
        .pSetLayouts = &r->set_layout,
    };
    if (!demo_vulkan_check(vk->AllocateDescriptorSets(vk->device, &allocate, &r->set),
                           "vkAllocateDescriptorSets")) {
        return false;
    }
    const VkDescriptorBufferInfo uniform = {.buffer = r->frame.buffer, .range = VK_WHOLE_SIZE};
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = r->set,
        .descriptorCount = 1,
        .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
        .pBufferInfo = &uniform,
    };
    vk->UpdateDescriptorSets(vk->device, 1, &write, 0, NULL);
    return true;
}

static const VkVertexInputBindingDescription vertex_bindings[2] = {
    {0, sizeof(struct demo_vertex), VK_VERTEX_INPUT_RATE_VERTEX},
    {1, sizeof(struct demo_instance), VK_VERTEX_INPUT_RATE_INSTANCE},
};

static const VkVertexInputAttributeDescription vertex_attributes[7] = {
    {0, 0, VK_FORMAT_R32G32B32_SFLOAT, offsetof(struct demo_vertex, position)},
    {1, 0, VK_FORMAT_R32G32B32_SFLOAT, offsetof(struct demo_vertex, normal)},
    {2, 0, VK_FORMAT_R32G32B32_SFLOAT, offsetof(struct demo_vertex, tangent)},
    {3, 0, VK_FORMAT_R32G32_SFLOAT, offsetof(struct demo_vertex, corner)},
    {4, 1, VK_FORMAT_R32G32B32A32_SFLOAT, offsetof(struct demo_instance, place)},
    {5, 1, VK_FORMAT_R32G32B32A32_SFLOAT, offsetof(struct demo_instance, rotation)},
    {6, 1, VK_FORMAT_R32G32B32A32_SFLOAT, offsetof(struct demo_instance, paint)},
};

static const VkPipelineInputAssemblyStateCreateInfo triangles = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO,
    .topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST,
};

static const VkViewport viewport = {0.0f, 0.0f, DEMO_WIDTH, DEMO_HEIGHT, 0.0f, 1.0f};
static const VkRect2D scissor = {{0, 0}, {DEMO_WIDTH, DEMO_HEIGHT}};

static const VkPipelineViewportStateCreateInfo whole_picture = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO,
    .viewportCount = 1,
    .pViewports = &viewport,
    .scissorCount = 1,
    .pScissors = &scissor,
};

/* What differs between the three pipelines. */
struct variant {
    VkShaderModule vertex;
    VkShaderModule fragment;
    bool is_solid; /* has vertices, a depth and a back */
    bool is_mirrored;
};

static bool create_pipeline(struct demo_renderer *r, const struct variant *variant,
                            VkPipeline *pipeline)
{
    const VkPipelineShaderStageCreateInfo stages[2] = {
        {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
         .stage = VK_SHADER_STAGE_VERTEX_BIT,
         .module = variant->vertex,
         .pName = "main"},
        {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
         .stage = VK_SHADER_STAGE_FRAGMENT_BIT,
         .module = variant->fragment,
         .pName = "main"},
    };
    const VkPipelineVertexInputStateCreateInfo vertices = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO,
        .vertexBindingDescriptionCount = variant->is_solid ? 2 : 0,
        .pVertexBindingDescriptions = vertex_bindings,
        .vertexAttributeDescriptionCount = variant->is_solid ? 7 : 0,
        .pVertexAttributeDescriptions = vertex_attributes,
    };
    const VkPipelineRasterizationStateCreateInfo raster = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO,
        .polygonMode = VK_POLYGON_MODE_FILL,
        .cullMode = variant->is_solid ? VK_CULL_MODE_BACK_BIT : VK_CULL_MODE_NONE,
        .frontFace =
            variant->is_mirrored ? VK_FRONT_FACE_CLOCKWISE : VK_FRONT_FACE_COUNTER_CLOCKWISE,
        .lineWidth = 1.0f,
    };
    const VkPipelineMultisampleStateCreateInfo samples = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO,
        .rasterizationSamples = r->samples,
    };
    const VkPipelineDepthStencilStateCreateInfo depth = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_DEPTH_STENCIL_STATE_CREATE_INFO,
        .depthTestEnable = variant->is_solid,
        .depthWriteEnable = variant->is_solid,
        .depthCompareOp = VK_COMPARE_OP_LESS,
    };
    const VkPipelineColorBlendAttachmentState attachment = {
        .blendEnable = variant->is_mirrored,
        .srcColorBlendFactor = VK_BLEND_FACTOR_SRC_ALPHA,
        .dstColorBlendFactor = VK_BLEND_FACTOR_ONE_MINUS_SRC_ALPHA,
        .srcAlphaBlendFactor = VK_BLEND_FACTOR_ZERO,
        .dstAlphaBlendFactor = VK_BLEND_FACTOR_ONE,
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
        .pVertexInputState = &vertices,
        .pInputAssemblyState = &triangles,
        .pViewportState = &whole_picture,
        .pRasterizationState = &raster,
        .pMultisampleState = &samples,
        .pDepthStencilState = &depth,
        .pColorBlendState = &blend,
        .layout = r->layout,
        .renderPass = r->pass,
    };
    return demo_vulkan_check(
        r->vk->CreateGraphicsPipelines(r->vk->device, VK_NULL_HANDLE, 1, &create, NULL, pipeline),
        "vkCreateGraphicsPipelines");
}

bool demo_renderer_create_pipelines(struct demo_renderer *r)
{
    struct demo_vulkan *vk = r->vk;
    VkShaderModule shaders[4] = {VK_NULL_HANDLE};
    bool done = create_layouts(r) && create_set(r) &&
                demo_shader_create(vk, backdrop_vert, sizeof(backdrop_vert), &shaders[0]) &&
                demo_shader_create(vk, backdrop_frag, sizeof(backdrop_frag), &shaders[1]) &&
                demo_shader_create(vk, cube_vert, sizeof(cube_vert), &shaders[2]) &&
                demo_shader_create(vk, cube_frag, sizeof(cube_frag), &shaders[3]);
    const struct variant variants[DEMO_PIPELINES] = {
        [DEMO_PIPELINE_BACKDROP] = {.vertex = shaders[0], .fragment = shaders[1]},
        [DEMO_PIPELINE_REFLECTION] = {shaders[2], shaders[3], true, true},
        [DEMO_PIPELINE_CUBES] = {shaders[2], shaders[3], true, false},
    };
    for (int i = 0; done && i < DEMO_PIPELINES; i++) {
        done = create_pipeline(r, &variants[i], &r->pipelines[i]);
    }
    for (int i = 0; i < 4; i++) {
        if (shaders[i]) {
            vk->DestroyShaderModule(vk->device, shaders[i], NULL);
        }
    }
    return done;
}

void demo_renderer_destroy_pipelines(struct demo_renderer *r)
{
    struct demo_vulkan *vk = r->vk;
    for (int i = 0; i < DEMO_PIPELINES; i++) {
        if (r->pipelines[i]) {
            vk->DestroyPipeline(vk->device, r->pipelines[i], NULL);
        }
    }
    if (r->layout) {
        vk->DestroyPipelineLayout(vk->device, r->layout, NULL);
    }
    if (r->set_pool) {
        vk->DestroyDescriptorPool(vk->device, r->set_pool, NULL);
    }
    if (r->set_layout) {
        vk->DestroyDescriptorSetLayout(vk->device, r->set_layout, NULL);
    }
}
