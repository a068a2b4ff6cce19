#include "api/renderer.h"

#include "base/assert.h"
#include "base/params.h"
#include "render/context.h"
#include "render/exec.h"

#include <stdlib.h>
#include <string.h>

const char *pv_version(void)
{
    return PV_VERSION;
}

/* What another process probed is believed only if its shape is right. */
static bool take_plans(struct pv_memory_plans *plans, const void *bytes, size_t size)
{
    if (size != sizeof(*plans)) {
        return false;
    }
    memcpy(plans, bytes, size);
    return plans->version == PV_MEMORY_PLANS_VERSION && plans->count <= PV_MEMORY_PLANS_MAX;
}

static enum pv_result find_plans(struct pv_renderer *renderer,
                                 const struct pv_renderer_params *params)
{
    if (params->memory_plans == NULL) {
        return pv_memory_plans_probe(&renderer->host, renderer->allow_venus, &renderer->plans);
    }
    if (!take_plans(&renderer->plans, params->memory_plans, params->memory_plans_size)) {
        pv_log_error(&renderer->log, "the memory plans are not of this build");
        return PV_UNSUPPORTED;
    }
    return PV_OK;
}

static enum pv_result init_renderer(struct pv_renderer *renderer,
                                    const struct pv_renderer_params *params)
{
    renderer->log = (struct pv_log){
        .level = params->log_level,
        .write = params->log,
        .user = params->log_user,
    };
    renderer->allow_venus = params->allow_venus;
    renderer->waiting = params->waiting;
    if (params->isolation != PV_ISOLATION_IN_PROCESS ||
        (params->waiting != PV_WAITING_ADAPTIVE && params->waiting != PV_WAITING_SLEEP)) {
        return PV_UNSUPPORTED;
    }
    if (params->gpu != NULL) {
        renderer->gpu = strdup(params->gpu);
        if (renderer->gpu == NULL) {
            return PV_NO_MEMORY;
        }
    }
    enum pv_result result = pv_host_open(&renderer->host, params->library, &renderer->log);
    if (result != PV_OK) {
        return result;
    }
    return find_plans(renderer, params);
}

enum pv_result pv_renderer_create(const struct pv_renderer_params *callers_params,
                                  struct pv_renderer **renderer)
{
    *renderer = NULL;
    struct pv_renderer_params params;
    enum pv_result result = pv_params_read(&params, sizeof(params), callers_params);
    if (result != PV_OK) {
        return result;
    }
    struct pv_renderer *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return PV_NO_MEMORY;
    }
    result = init_renderer(made, &params);
    if (result != PV_OK) {
        pv_renderer_destroy(made);
        return result;
    }
    *renderer = made;
    return PV_OK;
}

void pv_renderer_destroy(struct pv_renderer *renderer)
{
    if (renderer == NULL) {
        return;
    }
    PV_ASSERT(atomic_load_explicit(&renderer->context_count, memory_order_acquire) == 0);
    pv_renderer_end_warm_instance(renderer);
    pv_host_close(&renderer->host);
    free(renderer->gpu);
    free(renderer);
}

size_t pv_renderer_probe_size(void)
{
    return sizeof(struct pv_memory_plans);
}

enum pv_result pv_renderer_probe(const struct pv_renderer_params *callers_params, void *plans)
{
    struct pv_renderer_params params;
    enum pv_result result = pv_params_read(&params, sizeof(params), callers_params);
    if (result != PV_OK) {
        return result;
    }
    struct pv_log log = {
        .level = params.log_level,
        .write = params.log,
        .user = params.log_user,
    };
    struct pv_host host;
    result = pv_host_open(&host, params.library, &log);
    if (result != PV_OK) {
        return result;
    }
    struct pv_memory_plans probed = {0};
    result = pv_memory_plans_probe(&host, params.allow_venus, &probed);
    pv_host_close(&host);
    memcpy(plans, &probed, sizeof(probed));
    return result;
}

uint32_t pv_command_count(void)
{
    return PV_COMMAND_COUNT;
}

const char *pv_command_name(uint32_t number)
{
    return number < PV_COMMAND_COUNT ? pv_commands[number].name : NULL;
}
