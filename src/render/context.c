#include "render/context.h"

#include "base/assert.h"
#include "base/checked.h"
#include "base/clock.h"
#include "render/private.h"

#include <stdlib.h>
#include <string.h>

enum { RINGS_DEFAULT = PV_EPOCH_READERS_MAX - 2 /* the context's own stream and the visitor */ };

static uint64_t or_default(uint64_t wish, uint64_t value)
{
    return wish != 0 ? wish : value;
}

static void set_quota(struct pv_quota *quota)
{
    const uint64_t mebi = UINT64_C(1) << 20;
    quota->objects = or_default(quota->objects, 16 * mebi);
    quota->resources = or_default(quota->resources, 64 * 1024);
    quota->resource_bytes = or_default(quota->resource_bytes, 4096 * mebi);
    quota->device_memory_bytes = or_default(quota->device_memory_bytes, UINT64_MAX);
    quota->rings = or_default(quota->rings, RINGS_DEFAULT);
    quota->arena_bytes = or_default(quota->arena_bytes, 256 * mebi);
    quota->fences = or_default(quota->fences, 64 * 1024);
    quota->stream_bytes = or_default(quota->stream_bytes, 256 * mebi);
}

static enum pv_result init_locks(struct pv_render_context *context)
{
    pthread_mutex_t *const locks[] = {&context->lock, &context->lifecycle_lock,
                                      &context->timelines_lock, &context->visitor_lock};
    for (size_t i = 0; i < sizeof(locks) / sizeof(locks[0]); i++) {
        if (pthread_mutex_init(locks[i], NULL) != 0) {
            while (i > 0) {
                pthread_mutex_destroy(locks[--i]);
            }
            return PV_NO_MEMORY;
        }
    }
    context->has_locks = true;
    return PV_OK;
}

static enum pv_result init(struct pv_render_context *context)
{
    const struct pv_quota *quota = &context->params.quota;
    uint64_t scratch;
    if (!pv_checked_add(quota->arena_bytes, quota->stream_bytes, &scratch)) {
        scratch = UINT64_MAX;
    }
    atomic_init(&context->scratch.left_bytes, scratch);
    enum pv_result result = init_locks(context);
    if (result == PV_OK) {
        result = pv_epoch_init(&context->epoch);
    }
    if (result == PV_OK) {
        result = pv_objects_init(&context->objects, &context->epoch, context->params.quota.objects);
    }
    if (result == PV_OK) {
        result = pv_resources_init(&context->resources, context->params.quota.resources);
    }
    if (result == PV_OK) {
        result = pv_compiles_init(&context->compiles);
    }
    if (result == PV_OK) {
        result = pv_ring_monitor_create(&context->monitor);
    }
    if (result != PV_OK) {
        return result;
    }
    context->visitor = pv_epoch_join(&context->epoch);
    context->ended.counts = calloc(PV_COMMAND_COUNT, sizeof(*context->ended.counts));
    struct pv_exec *exec = calloc(1, sizeof(*exec));
    if (context->visitor == NULL || context->ended.counts == NULL || exec == NULL ||
        pv_exec_init(exec, context) != PV_OK) {
        free(exec);
        return PV_NO_MEMORY;
    }
    context->exec = exec;
    return PV_OK;
}

enum pv_result pv_render_create(const struct pv_render_params *params,
                                struct pv_render_context **context)
{
    *context = NULL;
    struct pv_render_context *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return PV_NO_MEMORY;
    }
    made->params = *params;
    made->host = params->host;
    made->log = params->log;
    made->created_ns = pv_clock_now_ns();
    set_quota(&made->params.quota);
    enum pv_result result = init(made);
    if (result != PV_OK) {
        pv_render_destroy(made);
        return result;
    }
    *context = made;
    return PV_OK;
}

static void destroy_instance(struct pv_render_context *context)
{
    struct pv_instance *instance = atomic_exchange(&context->instance, NULL);
    if (instance != NULL) {
        pv_epoch_wake(&context->epoch, context->visitor);
        pv_instance_destroy(context, instance);
        pv_epoch_sleep(context->visitor);
    }
}

void pv_render_destroy(struct pv_render_context *context)
{
    if (context == NULL) {
        return;
    }
    if (context->has_locks) {
        pv_rings_destroy(context);
        destroy_instance(context);
    }
    pv_compiles_finish(&context->compiles);
    pv_ring_monitor_destroy(context->monitor);
    if (context->exec != NULL) {
        pv_exec_finish(context->exec);
        free(context->exec);
    }
    if (context->visitor != NULL) {
        pv_epoch_leave(&context->epoch, context->visitor);
    }
    pv_resources_finish(&context->resources);
    pv_objects_finish(&context->objects);
    pv_epoch_finish(&context->epoch);
    free(context->ended.counts);
    if (context->has_locks) {
        pthread_mutex_destroy(&context->visitor_lock);
        pthread_mutex_destroy(&context->timelines_lock);
        pthread_mutex_destroy(&context->lifecycle_lock);
        pthread_mutex_destroy(&context->lock);
    }
    free(context);
}

enum pv_result pv_render_submit(struct pv_render_context *context, const void *bytes, uint64_t size)
{
    if (pv_render_is_fatal(context)) {
        return PV_GUEST_FAULT;
    }
    if (size > context->params.quota.stream_bytes) {
        pv_render_guest_fault(context, "a command stream beyond the quota");
        return PV_NO_MEMORY;
    }
    /* malloc's alignment serves arrays that are decoded in place. */
    uint8_t *copy = malloc(size != 0 ? (size_t)size : 1);
    if (copy == NULL) {
        pv_render_set_fatal(context, "no memory for a command stream");
        return PV_NO_MEMORY;
    }
    memcpy(copy, bytes, (size_t)size);
    pv_exec_wake(context->exec);
    enum pv_result result = pv_exec_stream(context->exec, copy, size);
    pv_exec_sleep(context->exec);
    free(copy);
    return result;
}

void pv_render_tell_failure(struct pv_render_context *context, uint32_t command, VkResult result)
{
    if (pv_log_allows(&context->failures)) {
        pv_log_warn(context->log, "%s failed (VkResult %d), and the guest has asked for no reply",
                    pv_commands[command].name, (int)result);
    }
}

void pv_render_tell_lacking(struct pv_render_context *context, const char *command)
{
    if (pv_log_allows(&context->failures)) {
        pv_log_error(context->log, "no instance or device of a driver without %s", command);
    }
}

static void end_context(struct pv_render_context *context, const char *why, bool is_guests_fault)
{
    if (atomic_exchange_explicit(&context->fatal, true, memory_order_acq_rel)) {
        return;
    }
    atomic_store_explicit(&context->faults, is_guests_fault, memory_order_relaxed);
    pv_log_warn(context->log, "the context ends: %s", why);
    pthread_mutex_lock(&context->lock);
    pv_rings_raise_fatal(context);
    pthread_mutex_unlock(&context->lock);
    pv_compiles_wake(&context->compiles);
    pv_timelines_retire(context);
    if (context->params.turned_fatal != NULL) {
        context->params.turned_fatal(context->params.user);
    }
}

void pv_render_set_fatal(struct pv_render_context *context, const char *why)
{
    end_context(context, why, false);
}

void pv_render_guest_fault(struct pv_render_context *context, const char *why)
{
    end_context(context, why, true);
}

bool pv_render_is_fatal(const struct pv_render_context *context)
{
    return atomic_load_explicit(&context->fatal, memory_order_acquire);
}

bool pv_render_unref_resource(struct pv_render_context *context, uint32_t resource_id)
{
    struct pv_blob *blob = pv_resources_get(&context->resources, resource_id);
    if (blob == NULL) {
        return false;
    }
    bool removed = pv_resources_remove(&context->resources, resource_id);
    if (removed && blob->kind == PV_BLOB_SHM) {
        atomic_fetch_sub_explicit(&context->shm_bytes, blob->map_size, memory_order_relaxed);
    }
    pv_blob_unref(blob);
    return removed;
}
