#ifndef PV_API_RENDERER_H
#define PV_API_RENDERER_H

#include "base/log.h"
#include "host/host.h"
#include "host/memory_plan.h"

#include <pearvisor/renderer.h>
#include <stdatomic.h>

struct pv_renderer {
    struct pv_log log;
    struct pv_host host;
    struct pv_memory_plans plans;
    char *gpu;
    bool allow_venus;
    enum pv_waiting waiting;
    /* Keeps the drivers loaded between contexts; NULL before pv_renderer_warm_up(). */
    VkInstance warm_instance;
    _Atomic uint32_t context_count;
};

/* Nothing where there is none. */
void pv_renderer_end_warm_instance(struct pv_renderer *renderer);

#endif
