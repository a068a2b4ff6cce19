/* Small programs ("cases") that each show one ability of Vulkan: they run natively and through
 * PearVisor, and must say the same, bit for bit.
 *
 * A case checks what it got against what the CPU computed, and feeds the bytes that the GPU wrote
 * to a checksum. It needs no cleaning up: what the functions here make, and what a case hands to
 * app_keep(), is destroyed behind it in reverse order. A failed check does not return to the case.
 *
 *     PASS blend_adds 8d2f01c34aa1b7e2
 *     SKIP mesh_draws: no VK_EXT_mesh_shader
 *     FAIL copy_regions: byte 17 is 0, not 9
 *
 * One instance serves all cases, and one device all in a row that need the same; after a FAIL both
 * are new. Built with APP_MUTATED, each case has a fault (a wrong constant, a dropped barrier), and
 * a case that passes then proves nothing. */
#ifndef PV_APPS_APP_H
#define PV_APPS_APP_H

#include "host/host.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef APP_MUTATED
#define APP_OR(right, wrong) (wrong)
#else
#define APP_OR(right, wrong) (right)
#endif

enum {
    APP_NEEDS_MAX = 12,
    APP_WIDTH = 64, /* of the pictures of most cases */
    APP_HEIGHT = 64,
};

struct app;

struct app_case {
    const char *name;
    void (*run)(struct app *app);
    /* What the device must have and is then enabled: an extension ("VK_EXT_mesh_shader"), or a
     * feature ("VkPhysicalDeviceMeshShaderFeaturesEXT.meshShader", "VkPhysicalDeviceFeatures.
     * geometryShader" for the first ones). A struct's other features are off. */
    const char *needs[APP_NEEDS_MAX];
};
#define APP_CASE(function, ...)                                                                    \
    {                                                                                              \
        .name = #function, .run = function, .needs = { __VA_ARGS__ }                               \
    }

/* The files of cases, in the order in which they run. Each has an array that ends with an empty
 * case. */
#define APP_FILES(X)                                                                               \
    X(buffers)                                                                                     \
    X(memory)                                                                                      \
    X(layouts)                                                                                     \
    X(host_copies)                                                                                 \
    X(sparse)                                                                                      \
    X(images)                                                                                      \
    X(views)                                                                                       \
    X(sampling)                                                                                    \
    X(planes)                                                                                      \
    X(ycbcr)                                                                                       \
    X(compute)                                                                                     \
    X(numbers)                                                                                     \
    X(pointers)                                                                                    \
    X(matrices)                                                                                    \
    X(descriptors)                                                                                 \
    X(descriptor_sets)                                                                             \
    X(descriptor_indexing)                                                                         \
    X(draw)                                                                                        \
    X(draw_shapes)                                                                                 \
    X(draw_state)                                                                                  \
    X(draw_dynamic)                                                                                \
    X(draw_switches)                                                                               \
    X(draw_blend)                                                                                  \
    X(passes)                                                                                      \
    X(stages)                                                                                      \
    X(pipelines)                                                                                   \
    X(feedback)                                                                                    \
    X(queries)                                                                                     \
    X(rays)                                                                                        \
    X(commands)                                                                                    \
    X(newer)                                                                                       \
    X(sync)                                                                                        \
    X(lost)
#define APP_DECLARE(file) extern const struct app_case app_cases_##file[];
APP_FILES(APP_DECLARE)

struct app {
    PFN_vkGetInstanceProcAddr get_instance_proc;
    VkInstance instance;
    struct pv_instance_table vki;
    VkPhysicalDevice gpu;
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceMemoryProperties memory;
    VkQueueFamilyProperties families[16];
    uint32_t family_count;
    uint32_t family; /* draws, computes and copies */
    VkDevice device;
    struct pv_device_table vk; /* vk.CmdDraw is vkCmdDraw; NULL: not enabled */
    VkQueue queue;
    VkCommandPool pool;
    struct app_kept *kept;
    uint64_t checksum;
    uint32_t first_word;
    bool has_word, is_varied; /* a result of equal words proves nothing */
};

/* --- verdicts --- */

/* Ends the case. */
_Noreturn void app_fail(struct app *app, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
_Noreturn void app_skip(struct app *app, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Fails unless the result is VK_SUCCESS. */
void app_check(struct app *app, VkResult result, const char *call);
#define APP_CHECK(app, function, ...)                                                              \
    app_check(app, (app)->vk.function(__VA_ARGS__), "vk" #function)

void app_expect(struct app *app, bool holds, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Compares, names the first word that differs, and counts the bytes as a result. */
void app_expect_words(struct app *app, const char *what, const uint32_t *got,
                      const uint32_t *expected, size_t count);
/* A result whose value the case has judged by itself. */
void app_result(struct app *app, const void *bytes, size_t size);

/* A command of the device's that the table lacks. */
PFN_vkVoidFunction app_find(struct app *app, const char *name);
#define APP_FIND(app, name) ((PFN_##name)app_find(app, #name))

/* Whether this is a guest: the driver is Mesa's Venus. */
bool app_is_venus(const struct app *app);
/* In a guest, Mesa's driver answers some calls by itself and does not learn what became of them,
 * unless a name in VN_PERF tells it to ask. Whether a program learns it here; or skips. */
bool app_learns(const struct app *app, const char *name);
void app_must_learn(struct app *app, const char *name);

/* --- what is destroyed behind the case --- */

/* Destroys all that was kept, and the device; opens another that has the same, with a new pool. */
void app_renew_device(struct app *app);
void app_keep_handle(struct app *app, VkObjectType type, uint64_t handle);
#define app_keep(app, type, handle) app_keep_handle(app, VK_OBJECT_TYPE_##type, (uint64_t)(handle))

/* --- memory --- */

struct app_buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    VkDeviceSize size;
    void *map; /* coherent, zeroed */
};

struct app_image {
    VkImage image;
    VkDeviceMemory memory;
    VkImageView view; /* of all of it, where a view was asked for */
    VkFormat format;
    VkExtent3D extent;
    VkImageAspectFlags aspects;
    uint32_t layers;
};

enum app_memory { APP_MEMORY_MAPPED, APP_MEMORY_DEVICE };

/* The first type that is allowed and has all of that; UINT32_MAX: there is none. */
uint32_t app_find_type(const struct app *app, uint32_t allowed, VkMemoryPropertyFlags wanted);
VkDeviceMemory app_allocate(struct app *app, const VkMemoryRequirements *needs,
                            enum app_memory kind, const void *chain);
/* A buffer's description, to be changed; TRANSFER_SRC and TRANSFER_DST are added to the usage. */
VkBufferCreateInfo app_buffer_info(VkDeviceSize size, VkBufferUsageFlags usage);
/* Without memory; it is told what that must be. */
VkBuffer app_create_buffer(struct app *app, const VkBufferCreateInfo *info,
                           VkMemoryRequirements *needs);
/* Mapped. With SHADER_DEVICE_ADDRESS its memory has one, too. */
struct app_buffer app_buffer(struct app *app, VkDeviceSize size, VkBufferUsageFlags usage);
VkDeviceAddress app_address(struct app *app, const struct app_buffer *buffer);

/* A 2D image's description with one level, layer and sample, to be changed. */
VkImageCreateInfo app_image_info(VkFormat format, uint32_t width, uint32_t height,
                                 VkImageUsageFlags usage);
/* Without memory; it is told what that must be, unless `needs` is NULL. */
struct app_image app_create_image(struct app *app, const VkImageCreateInfo *info,
                                  VkMemoryRequirements *needs);
/* With memory, and with a view of that type unless it is VK_IMAGE_VIEW_TYPE_MAX_ENUM. */
struct app_image app_image(struct app *app, const VkImageCreateInfo *info, VkImageViewType type);
/* A picture to draw into, and to copy from. */
struct app_image app_target(struct app *app, VkFormat format, VkSampleCountFlagBits samples);
VkImageView app_view(struct app *app, const struct app_image *image, VkImageViewType type,
                     VkImageSubresourceRange range);
VkImageSubresourceRange app_whole(const struct app_image *image);
/* Clamps to the edge; all levels. */
VkSampler app_sampler(struct app *app, VkFilter filter);

/* --- shaders and descriptors --- */

VkShaderModule app_shader_words(struct app *app, const uint32_t *words, size_t size);
#define APP_SHADER(app, name) app_shader_words(app, name, sizeof(name))
VkPipelineShaderStageCreateInfo app_stage(VkShaderStageFlagBits stage, VkShaderModule module);

/* One binding after the other from 0, one descriptor each, for all stages that can have it. */
VkDescriptorSetLayout app_set_layout(struct app *app, const VkDescriptorType *types,
                                     uint32_t count);
/* From a pool of its own that has just enough for it. */
VkDescriptorSet app_set(struct app *app, VkDescriptorSetLayout layout,
                        const VkDescriptorType *types, uint32_t count);
void app_write_buffer(struct app *app, VkDescriptorSet set, uint32_t binding, VkDescriptorType type,
                      VkBuffer buffer);
void app_write_image(struct app *app, VkDescriptorSet set, uint32_t binding, VkDescriptorType type,
                     VkImageView view, VkSampler sampler, VkImageLayout layout);
/* `set_layout` may be null; push constants begin at 0 and are for `push_stages`. */
VkPipelineLayout app_layout(struct app *app, VkDescriptorSetLayout set_layout, uint32_t push_size,
                            VkShaderStageFlags push_stages);
VkPipeline app_compute(struct app *app, VkPipelineLayout layout, VkShaderModule module,
                       const VkSpecializationInfo *constants);

/* One storage buffer at binding 0, and what it takes to run a shader on it. Without a module there
 * is no pipeline yet. */
struct app_kernel {
    VkDescriptorSetLayout set_layout;
    VkDescriptorSet set;
    VkPipelineLayout layout;
    VkPipeline pipeline;
};
struct app_kernel app_kernel(struct app *app, VkShaderModule module,
                             const VkSpecializationInfo *constants, uint32_t push_size,
                             const struct app_buffer *buffer);
void app_dispatch(struct app *app, VkCommandBuffer command, const struct app_kernel *kernel,
                  uint32_t groups);

/* --- commands --- */

VkCommandBuffer app_begin(struct app *app);
/* Ends it, submits it, and waits. */
void app_run(struct app *app, VkCommandBuffer command);
void app_submit(struct app *app, VkQueue queue, VkCommandBuffer command);
/* All that was written before is there for all that comes. */
void app_barrier(struct app *app, VkCommandBuffer command);
void app_transition(struct app *app, VkCommandBuffer command, const struct app_image *image,
                    VkImageLayout before, VkImageLayout after);
/* Copies a layer of the first level of an image that is in TRANSFER_SRC_OPTIMAL. */
void app_read(struct app *app, VkCommandBuffer command, const struct app_image *image,
              uint32_t layer, const struct app_buffer *buffer);
/* The other way; the image is in TRANSFER_DST_OPTIMAL. */
void app_write(struct app *app, VkCommandBuffer command, const struct app_image *image,
               uint32_t layer, const struct app_buffer *buffer);

/* --- drawing (dynamic rendering, from 1.3 on) --- */

/* Everything that a pipeline is made of, with defaults; a case changes what it is about. */
struct app_graphics {
    VkGraphicsPipelineCreateInfo info;
    VkPipelineShaderStageCreateInfo stages[5];
    VkPipelineVertexInputStateCreateInfo vertices;
    VkPipelineInputAssemblyStateCreateInfo assembly;
    VkPipelineTessellationStateCreateInfo tessellation;
    VkPipelineViewportStateCreateInfo viewports;
    VkPipelineRasterizationStateCreateInfo raster;
    VkPipelineMultisampleStateCreateInfo samples;
    VkPipelineDepthStencilStateCreateInfo depth;
    VkPipelineColorBlendStateCreateInfo blend;
    VkPipelineColorBlendAttachmentState attachments[4];
    VkPipelineDynamicStateCreateInfo dynamic;
    VkDynamicState dynamics[40];
    VkPipelineRenderingCreateInfo rendering;
    VkFormat formats[4];
    VkViewport viewport;
    VkRect2D scissor;
};

/* Triangles without vertex buffers into one RGBA8 picture of 64 x 64, no depth, no blending, no
 * culling, no dynamic state. */
void app_graphics_init(struct app_graphics *g, VkPipelineLayout layout);
void app_graphics_stage(struct app_graphics *g, VkShaderStageFlagBits stage, VkShaderModule module);
void app_graphics_dynamic(struct app_graphics *g, VkDynamicState state);
/* Initialised, with shaders that paint the left half red: six vertices. */
void app_graphics_red(struct app *app, struct app_graphics *g);
VkPipeline app_graphics_create(struct app *app, struct app_graphics *g);

/* Stored at the end; what VK_ATTACHMENT_LOAD_OP_CLEAR makes of it at first is opaque black. */
VkRenderingAttachmentInfo app_attachment(const struct app_image *image, VkImageLayout layout,
                                         VkAttachmentLoadOp load);
/* What vkCmdBeginRendering takes for pictures of 64 x 64, to be changed. */
VkRenderingInfo app_rendering(const VkRenderingAttachmentInfo *colours, uint32_t count);
/* Clears to opaque black; what is drawn between them is read from `target` by app_read(). */
void app_begin_drawing(struct app *app, VkCommandBuffer command, const struct app_image *target);
void app_end_drawing(struct app *app, VkCommandBuffer command, const struct app_image *target);

/* Draws `vertex_count` vertices into a new picture and returns its pixels (64 x 64 words). */
const uint32_t *app_draw_picture(struct app *app, VkPipeline pipeline, uint32_t vertex_count);
/* How many pixels have that colour, as RGBA bytes in memory order (0xaabbggrr). */
uint32_t app_count_pixels(const uint32_t *pixels, uint32_t colour);

#endif
