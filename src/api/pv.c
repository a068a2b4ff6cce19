/* The public calls on a context: arguments in, results out; the work is in render/. */

#include "api/context.h"
#include "base/fd.h"
#include "base/params.h"
#include "blob/blob.h"
#include "render/context.h"

#include <pearvisor/context.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(PV_CONTEXT_BLOB_MAPPABLE == (int)PV_BLOB_FLAG_MAPPABLE &&
                   PV_CONTEXT_BLOB_SHAREABLE == (int)PV_BLOB_FLAG_SHAREABLE &&
                   PV_CONTEXT_BLOB_CROSS_DEVICE == (int)PV_BLOB_FLAG_CROSS_DEVICE,
               "one set of flags, two names");

static void forward_fence(void *user, uint32_t ring_idx, uint64_t cookie)
{
    struct pv_context *context = user;
    if (context->fence_retired != NULL) {
        context->fence_retired(context->user, ring_idx, cookie);
    }
}

static void forward_fatal(void *user)
{
    struct pv_context *context = user;
    pv_context_tell_rings(context);
    if (context->turned_fatal != NULL) {
        context->turned_fatal(context->user);
    }
}

static struct pv_quota quota_of(const struct pv_context_quota *quota)
{
    return (struct pv_quota){
        .objects = quota->objects,
        .resources = quota->resources,
        .resource_bytes = quota->resource_bytes,
        .device_memory_bytes = quota->device_memory_bytes,
        .rings = quota->rings,
        .arena_bytes = quota->arena_bytes,
        .fences = quota->fences,
        .stream_bytes = quota->stream_bytes,
    };
}

static enum pv_result init_context(struct pv_context *context, struct pv_renderer *renderer,
                                   const struct pv_context_params *params)
{
    context->renderer = renderer;
    context->log = renderer->log;
    context->log.context_id = params->id;
    context->fence_retired = params->fence_retired;
    context->turned_fatal = params->turned_fatal;
    context->user = params->user;
    if (pthread_mutex_init(&context->rings_lock, NULL) != 0) {
        return PV_NO_MEMORY;
    }
    struct pv_render_params render_params = {
        .host = &renderer->host,
        .log = &context->log,
        .quota = quota_of(&params->quota),
        .device_filter = renderer->gpu,
        .allow_venus = renderer->allow_venus,
        .plans = &renderer->plans,
        .notify_fd = params->notify_fd,
        .never_spins = renderer->waiting == PV_WAITING_SLEEP,
        .fence_retired = forward_fence,
        .turned_fatal = forward_fatal,
        .user = context,
    };
    enum pv_result result = pv_render_create(&render_params, &context->render);
    if (result != PV_OK) {
        pthread_mutex_destroy(&context->rings_lock);
    }
    return result;
}

enum pv_result pv_context_create(struct pv_renderer *renderer,
                                 const struct pv_context_params *callers_params,
                                 struct pv_context **context)
{
    *context = NULL;
    struct pv_context_params params;
    enum pv_result result = pv_params_read(&params, sizeof(params), callers_params);
    if (result != PV_OK) {
        return result;
    }
    struct pv_context *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return PV_NO_MEMORY;
    }
    result = init_context(made, renderer, &params);
    if (result != PV_OK) {
        free(made);
        return result;
    }
    atomic_fetch_add_explicit(&renderer->context_count, 1, memory_order_relaxed);
    *context = made;
    return PV_OK;
}

void pv_context_destroy(struct pv_context *context)
{
    if (context == NULL) {
        return;
    }
    pv_context_stop_rings(context);
    pv_render_destroy(context->render);
    pthread_mutex_destroy(&context->rings_lock);
    /* release: pairs with the acquire in pv_renderer_destroy() */
    atomic_fetch_sub_explicit(&context->renderer->context_count, 1, memory_order_release);
    if (context->owns_renderer) {
        pv_renderer_destroy(context->renderer);
    }
    free(context);
}

enum pv_result pv_context_submit(struct pv_context *context, const void *bytes, uint64_t size_bytes)
{
    return pv_render_submit(context->render, bytes, size_bytes);
}

bool pv_context_is_quick(struct pv_context *context, const void *bytes, uint64_t size_bytes)
{
    return pv_render_is_quick(context->render, bytes, size_bytes);
}

void pv_context_fence(struct pv_context *context, uint32_t ring_idx, uint64_t cookie)
{
    pv_render_fence(context->render, ring_idx, cookie);
}

/* Borrowed memory is shared memory as far as a guest can tell. */
static enum pv_context_blob_kind public_kind(enum pv_blob_kind kind)
{
    static const enum pv_context_blob_kind kinds[] = {
        [PV_BLOB_SHM] = PV_CONTEXT_BLOB_SHM,       [PV_BLOB_MEMORY] = PV_CONTEXT_BLOB_MEMORY,
        [PV_BLOB_DMABUF] = PV_CONTEXT_BLOB_DMABUF, [PV_BLOB_OPAQUE] = PV_CONTEXT_BLOB_OPAQUE,
        [PV_BLOB_BORROWED] = PV_CONTEXT_BLOB_SHM,
    };
    return kinds[kind];
}

static bool private_kind(enum pv_context_blob_kind kind, enum pv_blob_kind *ours)
{
    for (int each = PV_BLOB_SHM; each < PV_BLOB_BORROWED; each++) {
        *ours = (enum pv_blob_kind)each;
        if (public_kind(*ours) == kind) {
            return true;
        }
    }
    return false;
}

/* Gives the blob's description and a descriptor of the caller's own. */
static bool describe_blob(const struct pv_blob *blob, struct pv_context_blob *description)
{
    struct pv_context_blob ours = {
        .fd = -1,
        .size_bytes = blob->size,
        .map_size_bytes = blob->map_size,
        .map = blob->map,
        .caching = PV_CONTEXT_MAP_CACHED,
        .kind = public_kind(blob->kind),
    };
    if (blob->fd >= 0) {
        ours.fd = pv_fd_duplicate(blob->fd);
        if (ours.fd < 0) {
            return false;
        }
    }
    pv_params_write(description, &ours, sizeof(ours));
    return true;
}

enum pv_result pv_context_create_blob(struct pv_context *context,
                                      const struct pv_context_blob_params *callers_params,
                                      struct pv_context_blob *blob)
{
    struct pv_context_blob_params params;
    enum pv_result result = pv_params_read(&params, sizeof(params), callers_params);
    if (result != PV_OK) {
        return result;
    }
    struct pv_blob *made = NULL;
    result = pv_render_create_blob(context->render, params.resource_id, params.blob_id,
                                   params.flags, params.size_bytes, &made);
    if (result != PV_OK) {
        return result;
    }
    if (!describe_blob(made, blob)) {
        pv_log_error(&context->log, "no descriptor left for a blob");
        pv_render_unref_resource(context->render, params.resource_id);
        result = PV_HOST_FAILED;
    }
    pv_blob_unref(made);
    return result;
}

enum pv_result pv_context_attach_resource(struct pv_context *context, uint32_t resource_id,
                                          enum pv_context_blob_kind kind, int fd,
                                          uint64_t size_bytes)
{
    enum pv_blob_kind ours;
    if (!private_kind(kind, &ours)) {
        return PV_UNSUPPORTED;
    }
    int taken_fd = pv_fd_duplicate(fd);
    if (taken_fd < 0) {
        return PV_HOST_FAILED;
    }
    return pv_render_attach_resource(context->render, resource_id, ours, taken_fd, size_bytes);
}

enum pv_result pv_context_attach_memory(struct pv_context *context, uint32_t resource_id,
                                        void *memory, uint64_t size_bytes,
                                        void (*released)(void *user), void *user)
{
    uintptr_t begin = (uintptr_t)memory;
    if (context == NULL || begin == 0 || begin % 4 != 0 || size_bytes == 0 ||
        size_bytes > UINTPTR_MAX - begin) {
        return PV_INVALID;
    }
    return pv_render_attach_memory(context->render, resource_id, memory, size_bytes, released,
                                   user);
}

bool pv_context_unref_resource(struct pv_context *context, uint32_t resource_id)
{
    return pv_render_unref_resource(context->render, resource_id);
}

bool pv_context_export_resource(struct pv_context *context, uint32_t resource_id,
                                struct pv_context_blob *blob)
{
    struct pv_blob *found = pv_resources_get(&context->render->resources, resource_id);
    if (found == NULL) {
        return false;
    }
    bool described = describe_blob(found, blob);
    pv_blob_unref(found);
    return described;
}

void pv_context_set_fatal(struct pv_context *context, const char *why)
{
    pv_render_set_fatal(context->render, why);
}

bool pv_context_is_fatal(struct pv_context *context)
{
    return pv_render_is_fatal(context->render);
}

_Static_assert(PV_STATS_LATENCY_BUCKETS == (int)PV_HISTOGRAM_BUCKETS, "one histogram");

void pv_context_get_stats(struct pv_context *context, struct pv_stats *stats, uint64_t *counts)
{
    struct pv_render_stats render;
    pv_render_get_stats(context->render, &render, counts);
    struct pv_stats ours = {
        .elapsed_ns = render.elapsed_ns,
        .commands = render.commands,
        .stream_bytes = render.bytes,
        .replies = render.replies,
        .faults = render.faults,
        .objects_alive = render.objects_alive,
        .objects_created = render.objects_created,
        .mapped_bytes = render.mapped_bytes,
        .device_memory_bytes = render.device_memory_bytes,
        .rings = render.rings,
        .ring_ns = render.of_rings.age_ns,
        .ring_idle_ns = render.of_rings.idle_ns,
        .sleeps = render.of_rings.sleeps,
        .wakes = render.of_rings.wakes,
        .fences_retired = render.fences_retired,
        .compiles_pending = render.compiles_pending,
        .compiles_finished = render.compiles_finished,
    };
    memcpy(ours.commands_by_kind, render.commands_by_kind, sizeof(ours.commands_by_kind));
    memcpy(ours.latency, render.latency, sizeof(ours.latency));
    pv_params_write(stats, &ours, sizeof(ours));
}
