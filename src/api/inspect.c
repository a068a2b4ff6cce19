/* Reads what a probe said, for those who may not know host/. */

#include "base/params.h"
#include "host/memory_plan.h"

#include <pearvisor/inspect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(PV_MEMORY_WAY_NONE == (int)PV_MEMORY_NONE &&
                   PV_MEMORY_WAY_DMABUF == (int)PV_MEMORY_DMABUF &&
                   PV_MEMORY_WAY_HOST_PAGES == (int)PV_MEMORY_HOST_POINTER &&
                   PV_MEMORY_WAY_OPAQUE_FD == (int)PV_MEMORY_OPAQUE_FD &&
                   PV_MEMORY_WAY_DRIVER == (int)PV_MEMORY_DRIVER_MAPPING,
               "one strategy, two names");
_Static_assert(PV_INSPECT_WHY_SIZE >= (int)PV_MEMORY_WHY_SIZE, "reasons fit");

/* The plan at an index, or false. Copied, since the caller's bytes may lie anywhere. */
static bool read_plan(const void *plans, size_t size, uint32_t gpu, struct pv_memory_plan *plan)
{
    if (gpu >= pv_inspect_gpu_count(plans, size)) {
        return false;
    }
    const uint8_t *bytes = plans;
    size_t offset = offsetof(struct pv_memory_plans, plans) + gpu * sizeof(*plan);
    memcpy(plan, bytes + offset, sizeof(*plan));
    return plan->type_count <= VK_MAX_MEMORY_TYPES;
}

static void copy_text(char *to, size_t to_size, const char *from, size_t from_size)
{
    snprintf(to, to_size, "%.*s", (int)strnlen(from, from_size), from);
}

uint32_t pv_inspect_gpu_count(const void *plans, size_t size_bytes)
{
    uint32_t head[2]; /* version, count */
    if (plans == NULL || size_bytes != sizeof(struct pv_memory_plans)) {
        return 0;
    }
    memcpy(head, plans, sizeof(head));
    return head[0] == PV_MEMORY_PLANS_VERSION && head[1] <= PV_MEMORY_PLANS_MAX ? head[1] : 0;
}

bool pv_inspect_gpu(const void *plans, size_t size_bytes, uint32_t gpu, struct pv_gpu_info *info)
{
    struct pv_memory_plan plan;
    if (!read_plan(plans, size_bytes, gpu, &plan)) {
        return false;
    }
    struct pv_gpu_info ours = {
        .driver_id = plan.driver_id,
        .driver_version = plan.driver_version,
        .vendor_id = plan.vendor_id,
        .device_id = plan.device_id,
        .api_version = plan.api_version,
        .device_type = plan.device_type,
        .memory_type_count = plan.type_count,
        .import_alignment = plan.host_pointer_alignment,
        .is_usable = plan.usable != 0,
    };
    copy_text(ours.name, sizeof(ours.name), plan.device_name, sizeof(plan.device_name));
    copy_text(ours.driver_name, sizeof(ours.driver_name), plan.driver_name,
              sizeof(plan.driver_name));
    copy_text(ours.driver_info, sizeof(ours.driver_info), plan.driver_info,
              sizeof(plan.driver_info));
    pv_params_write(info, &ours, sizeof(ours));
    return true;
}

bool pv_inspect_memory_type(const void *plans, size_t size_bytes, uint32_t gpu, uint32_t type,
                            struct pv_memory_type_info *info)
{
    struct pv_memory_plan plan;
    if (!read_plan(plans, size_bytes, gpu, &plan) || type >= plan.type_count) {
        return false;
    }
    const struct pv_memory_type_plan *found = &plan.types[type];
    uint32_t strategy =
        found->strategy < PV_MEMORY_STRATEGY_COUNT ? found->strategy : (uint32_t)PV_MEMORY_NONE;
    bool is_shared = strategy != PV_MEMORY_NONE && strategy != PV_MEMORY_DRIVER_MAPPING;
    struct pv_memory_type_info ours = {
        .flags = found->flags,
        .way = (enum pv_memory_way)strategy,
        .way_name = pv_memory_strategy_name((enum pv_memory_strategy)strategy),
        .is_hidden = (found->flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0 && !is_shared,
    };
    copy_text(ours.why, sizeof(ours.why), found->why, sizeof(found->why));
    pv_params_write(info, &ours, sizeof(ours));
    return true;
}

bool pv_inspect_ability(const void *plans, size_t size_bytes, uint32_t gpu,
                        enum pv_gpu_ability ability, struct pv_gpu_ability_info *info)
{
    struct pv_memory_plan plan;
    if (!read_plan(plans, size_bytes, gpu, &plan) || ability >= PV_GPU_ABILITY_COUNT) {
        return false;
    }
    const struct pv_memory_fact *const facts[PV_GPU_ABILITY_COUNT] = {
        [PV_GPU_EXPORTS_DMABUF] = &plan.dma_buf,
        [PV_GPU_BINDS_SPARSE] = &plan.sparse,
        [PV_GPU_SHARES_SEMAPHORES] = &plan.semaphore_sync_fd,
        [PV_GPU_SHARES_FENCES] = &plan.fence_sync_fd,
    };
    struct pv_gpu_ability_info ours = {.works = facts[ability]->works != 0};
    copy_text(ours.why, sizeof(ours.why), facts[ability]->why, sizeof(facts[ability]->why));
    pv_params_write(info, &ours, sizeof(ours));
    return true;
}

bool pv_inspect_gpu_matches(const char *choice, uint32_t gpu, const char *name)
{
    return pv_host_gpu_matches(choice, gpu, name);
}
