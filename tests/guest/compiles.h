#ifndef TESTS_GUEST_COMPILES_H
#define TESTS_GUEST_COMPILES_H

/* A driver whose compiles stand before a gate, and a guest that makes compute pipelines. */

#include "checks.h"
#include "render/compiles.h"

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_closed;
    uint32_t held;              /* how many compiles a closed gate holds; later ones pass */
    VkResult answer;            /* other than VK_SUCCESS: instead of pipelines */
    uint32_t entered;           /* compiles that have come to the gate */
    pthread_t compiler, fencer; /* who called last */
    VkPipelineCacheCreateFlags cache_flags;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static inline bool pass_gate(struct pv_vkCreateComputePipelines *a)
{
    uint32_t number = ++gate.entered;
    gate.compiler = pthread_self();
    pthread_cond_broadcast(&gate.changed);
    while (gate.is_closed && number <= gate.held) {
        pthread_cond_wait(&gate.changed, &gate.lock);
    }
    a->ret = gate.answer;
    return gate.answer != VK_SUCCESS;
}

static inline bool gate_hook(void *user, enum pv_fake_command command, void *args)
{
    (void)user;
    bool is_answered = false;
    pthread_mutex_lock(&gate.lock);
    if (command == PV_FAKE_vkCreateComputePipelines) {
        is_answered = pass_gate(args);
    } else if (command == PV_FAKE_vkCreateFence) {
        gate.fencer = pthread_self();
    } else if (command == PV_FAKE_vkCreatePipelineCache) {
        gate.cache_flags = ((struct pv_vkCreatePipelineCache *)args)->pCreateInfo->flags;
    }
    pthread_mutex_unlock(&gate.lock);
    return is_answered;
}

static inline void set_gate(bool is_closed)
{
    pthread_mutex_lock(&gate.lock);
    gate.is_closed = is_closed;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static inline void open_gate_soon(void *user)
{
    (void)user;
    pv_clock_sleep_ns(20 * PV_NS_PER_MS);
    set_gate(false);
}

static inline void reset_gate(bool is_closed)
{
    pv_fake_reset();
    set_gate(is_closed);
    pthread_mutex_lock(&gate.lock);
    gate.held = UINT32_MAX;
    gate.answer = VK_SUCCESS;
    gate.entered = 0;
    gate.cache_flags = 0;
    pthread_mutex_unlock(&gate.lock);
    pv_fake_set_hook(gate_hook, NULL);
}

static inline uint32_t compiles_entered(void)
{
    pthread_mutex_lock(&gate.lock);
    uint32_t entered = gate.entered;
    pthread_mutex_unlock(&gate.lock);
    return entered;
}

static inline bool compiles_have_entered(uint32_t count)
{
    for (int i = 0; i < 20000 && compiles_entered() < count; i++) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    return compiles_entered() >= count;
}

static inline uint64_t compiles_pending(struct guest *g)
{
    struct pv_render_stats stats;
    pv_render_get_stats(g->context, &stats, NULL);
    return stats.compiles_pending;
}

static inline bool none_is_pending(struct guest *g)
{
    for (int i = 0; i < 20000 && compiles_pending(g) != 0; i++) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    return compiles_pending(g) == 0;
}

/* Of the last compile; the ring has made a fence. */
static inline bool ring_has_compiled(void)
{
    pthread_mutex_lock(&gate.lock);
    bool has = pthread_equal(gate.compiler, gate.fencer) != 0;
    pthread_mutex_unlock(&gate.lock);
    return has;
}

static inline void hold_compiles(uint32_t count)
{
    pthread_mutex_lock(&gate.lock);
    gate.held = count;
    pthread_mutex_unlock(&gate.lock);
}

static inline void answer_compiles(VkResult answer)
{
    pthread_mutex_lock(&gate.lock);
    gate.answer = answer;
    pthread_mutex_unlock(&gate.lock);
}

/* --- the guest's side --------------------------------------------------------------------------
 */

/* What a pipeline is made of. */
struct parts {
    uint64_t module, layout;
};

static inline struct parts make_parts_on(struct guest_ring *ring)
{
    static const uint32_t code[] = {0x07230203, 0x00010000, 0, 1, 0};
    struct guest *g = ring->guest;
    const VkShaderModuleCreateInfo module_info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = sizeof(code),
        .pCode = code,
    };
    const VkPipelineLayoutCreateInfo layout_info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
    struct parts parts = {guest_id(g), guest_id(g)};
    VkShaderModule module = GUEST_HANDLE(parts.module);
    VkPipelineLayout layout = GUEST_HANDLE(parts.layout);
    (void)GUEST_SEND(ring, vkCreateShaderModule, .device = GUEST_HANDLE(g->device),
                     .pCreateInfo = &module_info, .pShaderModule = &module);
    (void)GUEST_SEND(ring, vkCreatePipelineLayout, .device = GUEST_HANDLE(g->device),
                     .pCreateInfo = &layout_info, .pPipelineLayout = &layout);
    return parts;
}

static inline struct parts make_parts(struct guest *g)
{
    return make_parts_on(&g->ring);
}

static inline void destroy_parts_on(struct guest_ring *ring, struct parts parts)
{
    VkDevice device = GUEST_HANDLE(ring->guest->device);
    (void)GUEST_SEND(ring, vkDestroyShaderModule, .device = device,
                     .shaderModule = GUEST_HANDLE(parts.module));
    (void)GUEST_SEND(ring, vkDestroyPipelineLayout, .device = device,
                     .pipelineLayout = GUEST_HANDLE(parts.layout));
}

static inline VkComputePipelineCreateInfo pipeline_info(struct parts parts, uint64_t base)
{
    return (VkComputePipelineCreateInfo){
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .flags = base != 0 ? VK_PIPELINE_CREATE_DERIVATIVE_BIT : 0,
        .stage =
            {
                .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = GUEST_HANDLE(parts.module),
                .pName = "main",
            },
        .layout = GUEST_HANDLE(parts.layout),
        .basePipelineHandle = GUEST_HANDLE(base),
        .basePipelineIndex = -1,
    };
}

/* Without a reply. */
static inline bool send_pipeline_as(struct guest_ring *ring, struct parts parts, uint64_t base,
                                    uint64_t id)
{
    const VkComputePipelineCreateInfo info = pipeline_info(parts, base);
    VkPipeline pipeline = GUEST_HANDLE(id);
    return GUEST_SEND(ring, vkCreateComputePipelines, .device = GUEST_HANDLE(ring->guest->device),
                      .createInfoCount = 1, .pCreateInfos = &info, .pPipelines = &pipeline);
}

static inline uint64_t send_pipeline(struct guest *g, struct parts parts)
{
    uint64_t id = guest_id(g);
    (void)send_pipeline_as(&g->ring, parts, 0, id);
    return id;
}

/* With a reply. */
static inline VkResult call_for_pipeline(struct guest *g, struct parts parts)
{
    const VkComputePipelineCreateInfo info = pipeline_info(parts, 0);
    VkPipeline pipeline = GUEST_HANDLE(guest_id(g));
    struct pv_vkCreateComputePipelines a = {.device = GUEST_HANDLE(g->device),
                                            .createInfoCount = 1,
                                            .pCreateInfos = &info,
                                            .pPipelines = &pipeline};
    return GUEST_RESULT(&g->ring, vkCreateComputePipelines, &a);
}

static inline bool send_destroy(struct guest_ring *ring, uint64_t pipeline)
{
    return GUEST_SEND(ring, vkDestroyPipeline, .device = GUEST_HANDLE(ring->guest->device),
                      .pipeline = GUEST_HANDLE(pipeline));
}

#endif
