/* The guest's contexts: each has a worker (or a thread) behind a pv_remote. */

#include "base/assert.h"
#include "front/virtio_gpu/device.h"

#include <stdlib.h>
#include <string.h>

/* --- what a context says -----------------------------------------------------------------------
 */

static void blob_created(void *user, uint32_t resource_id, enum pv_result result,
                         const struct pv_remote_blob *blob)
{
    pv_virtio_gpu_blob_created(user, resource_id, result, blob);
}

static void fence_retired(void *user, uint32_t ring_idx, uint64_t fence_id)
{
    pv_virtio_gpu_retire(user, ring_idx, fence_id);
}

static void lost(void *user, const char *why)
{
    struct pv_virtio_gpu_context *context = user;
    if (context->is_lost) {
        return;
    }
    if (pv_log_allows(&context->gpu->complaints)) {
        pv_log_warn(&context->gpu->log, "virtio-gpu: context %u is lost: %s", context->node.id,
                    why != NULL ? why : "its worker has gone");
    }
    context->is_lost = true;
    context->gpu->stats.contexts_lost++;
}

/* --- their lives -------------------------------------------------------------------------------
 */

struct pv_virtio_gpu_context *pv_virtio_gpu_find_context(const struct pv_gpu *gpu, uint32_t id)
{
    return pv_virtio_gpu_table_find(&gpu->contexts, id);
}

static enum pv_result open_remote(struct pv_virtio_gpu_context *context)
{
    struct pv_gpu *gpu = context->gpu;
    struct pv_remote_params params = {
        .log = &gpu->log,
        .id = context->node.id,
        .pending_bytes_limit = gpu->quota.pending_bytes,
        .set = &gpu->set,
        .set_user = context,
        .events =
            {
                .blob_created = blob_created,
                .fence_retired = fence_retired,
                .lost = lost,
                .user = context,
            },
    };
    enum pv_result result = pv_hosts_open(gpu->hosts, context->node.id, &params.taken_socket);
    if (result != PV_OK) {
        return result;
    }
    return pv_remote_create(&params, &context->remote);
}

/* Hangs up. What it still owed is answered here. */
static void end_remote(struct pv_virtio_gpu_context *context)
{
    if (context->remote == NULL) {
        return;
    }
    context->gpu->stats.pending_bytes -= context->pending_bytes;
    context->pending_bytes = 0;
    pv_remote_destroy(context->remote);
    context->remote = NULL;
    while (context->blobs.first != NULL) {
        pv_virtio_gpu_blob_created(context, context->blobs.first->blob_resource_id, PV_CLOSED,
                                   NULL);
    }
    pv_virtio_gpu_retire_all(context);
}

void pv_virtio_gpu_destroy_context(struct pv_virtio_gpu_context *context)
{
    struct pv_gpu *gpu = context->gpu;
    end_remote(context);
    pv_virtio_gpu_forget_context(context);
    struct pv_virtio_gpu_resource *resource = NULL;
    while ((resource = pv_virtio_gpu_table_next(&gpu->resources, resource)) != NULL) {
        pv_virtio_gpu_remove_viewer(resource, context);
    }
    pv_virtio_gpu_table_remove(&gpu->contexts, &context->node);
    free(context);
}

void pv_virtio_gpu_count_pending(struct pv_virtio_gpu_context *context)
{
    if (context->remote != NULL) {
        uint64_t pending_bytes = pv_remote_pending_bytes(context->remote);
        context->gpu->stats.pending_bytes += pending_bytes - context->pending_bytes;
        context->pending_bytes = pending_bytes;
    }
}

void pv_virtio_gpu_keep_pending_quota(struct pv_gpu *gpu)
{
    while (gpu->stats.pending_bytes > gpu->quota.pending_bytes) {
        struct pv_virtio_gpu_context *greediest = NULL;
        struct pv_virtio_gpu_context *context = NULL;
        while ((context = pv_virtio_gpu_table_next(&gpu->contexts, context)) != NULL) {
            if (greediest == NULL || context->pending_bytes > greediest->pending_bytes) {
                greediest = context;
            }
        }
        PV_ASSERT(greediest != NULL && greediest->pending_bytes != 0);
        lost(greediest, "more requests wait for contexts than may");
        end_remote(greediest);
    }
}

enum pv_virtio_gpu_response pv_virtio_gpu_ctx_create(struct pv_gpu *gpu,
                                                     struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_ctx_create asked;
    memcpy(&asked, request->body, sizeof(asked));
    uint32_t id = request->header.ctx_id;
    if (id == 0 || pv_virtio_gpu_find_context(gpu, id) != NULL) {
        return PV_VIRTIO_GPU_ERR_INVALID_CONTEXT_ID;
    }
    /* Drivers for OpenGL open contexts without a capset, and find out that there is none. */
    if (asked.context_init != 0 && asked.context_init != PV_VENUS_CAPSET_ID) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    struct pv_virtio_gpu_context *context = NULL;
    if (gpu->contexts.count < gpu->quota.contexts) {
        context = calloc(1, sizeof(*context));
    }
    if (context == NULL) {
        return PV_VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
    context->node.id = id;
    context->gpu = gpu;
    if (!pv_virtio_gpu_table_add(&gpu->contexts, &context->node)) {
        free(context);
        return PV_VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
    enum pv_result result = PV_OK;
    if (asked.context_init != 0) {
        result = open_remote(context);
    } else {
        pv_virtio_gpu_retire_all(context); /* nobody works for it */
    }
    if (result != PV_OK) {
        if (pv_log_allows(&gpu->complaints)) {
            pv_log_error(&gpu->log, "virtio-gpu: context %u cannot begin: %s", id,
                         pv_result_name(result));
        }
        pv_virtio_gpu_destroy_context(context);
        return result == PV_NO_MEMORY ? PV_VIRTIO_GPU_ERR_OUT_OF_MEMORY : PV_VIRTIO_GPU_ERR_UNSPEC;
    }
    return PV_VIRTIO_GPU_OK_NODATA;
}

enum pv_virtio_gpu_response pv_virtio_gpu_ctx_destroy(struct pv_gpu *gpu,
                                                      struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_context *context = pv_virtio_gpu_find_context(gpu, request->header.ctx_id);
    if (context == NULL) {
        return PV_VIRTIO_GPU_ERR_INVALID_CONTEXT_ID;
    }
    pv_virtio_gpu_destroy_context(context);
    return PV_VIRTIO_GPU_OK_NODATA;
}

enum pv_virtio_gpu_response pv_virtio_gpu_submit(struct pv_gpu *gpu,
                                                 struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_submit asked;
    memcpy(&asked, request->body, sizeof(asked));
    struct pv_virtio_gpu_context *context = pv_virtio_gpu_find_context(gpu, request->header.ctx_id);
    if (context == NULL) {
        return PV_VIRTIO_GPU_ERR_INVALID_CONTEXT_ID;
    }
    if (asked.size % 4 != 0 || asked.size > request->body_size - sizeof(asked)) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    if (context->is_lost) {
        return PV_VIRTIO_GPU_ERR_UNSPEC;
    }
    /* Mesa sends empty streams for their fence; a context without Venus has nothing to do. */
    if (context->remote != NULL && asked.size != 0) {
        pv_remote_submit(context->remote, request->body + sizeof(asked), asked.size);
        pv_virtio_gpu_count_pending(context);
    }
    return PV_VIRTIO_GPU_OK_NODATA;
}

/* --- who knows which resource ------------------------------------------------------------------
 */

static struct pv_virtio_gpu_viewer *find_viewer(struct pv_virtio_gpu_resource *resource,
                                                const struct pv_virtio_gpu_context *context)
{
    for (uint32_t i = 0; i < resource->viewer_count; i++) {
        if (resource->viewers[i].context == context) {
            return &resource->viewers[i];
        }
    }
    return NULL;
}

bool pv_virtio_gpu_add_viewer(struct pv_virtio_gpu_resource *resource,
                              struct pv_virtio_gpu_context *context, bool is_told)
{
    if (resource->viewer_count == resource->viewer_capacity) {
        uint32_t capacity = resource->viewer_capacity != 0 ? resource->viewer_capacity * 2 : 1;
        struct pv_virtio_gpu_viewer *larger =
            realloc(resource->viewers, capacity * sizeof(struct pv_virtio_gpu_viewer));
        if (larger == NULL) {
            return false;
        }
        resource->viewers = larger;
        resource->viewer_capacity = capacity;
    }
    resource->viewers[resource->viewer_count++] = (struct pv_virtio_gpu_viewer){context, is_told};
    return true;
}

static void tell_viewer(const struct pv_virtio_gpu_resource *resource,
                        struct pv_virtio_gpu_viewer *viewer)
{
    struct pv_virtio_gpu_context *context = viewer->context;
    viewer->is_told = true;
    if (context->remote != NULL) {
        pv_remote_attach(context->remote, resource->node.id, resource->blob_kind, resource->fd,
                         resource->size);
        pv_virtio_gpu_count_pending(context);
    }
}

void pv_virtio_gpu_tell_viewers(struct pv_virtio_gpu_resource *resource)
{
    for (uint32_t i = 0; i < resource->viewer_count; i++) {
        if (!resource->viewers[i].is_told) {
            tell_viewer(resource, &resource->viewers[i]);
        }
    }
}

static void untell_viewer(const struct pv_virtio_gpu_resource *resource,
                          const struct pv_virtio_gpu_viewer *viewer)
{
    struct pv_virtio_gpu_context *context = viewer->context;
    if (viewer->is_told && context->remote != NULL) {
        pv_remote_unref(context->remote, resource->node.id);
        pv_virtio_gpu_count_pending(context);
    }
}

void pv_virtio_gpu_remove_viewer(struct pv_virtio_gpu_resource *resource,
                                 const struct pv_virtio_gpu_context *context)
{
    struct pv_virtio_gpu_viewer *viewer = find_viewer(resource, context);
    if (viewer != NULL) {
        untell_viewer(resource, viewer);
        *viewer = resource->viewers[--resource->viewer_count];
    }
}

void pv_virtio_gpu_forget_viewers(struct pv_virtio_gpu_resource *resource)
{
    for (uint32_t i = 0; i < resource->viewer_count; i++) {
        untell_viewer(resource, &resource->viewers[i]);
    }
    free(resource->viewers);
    resource->viewers = NULL;
    resource->viewer_count = resource->viewer_capacity = 0;
}

/* Who both requests are about. OK_NODATA when there is nothing to do but to say so. */
static enum pv_virtio_gpu_response find_both(struct pv_gpu *gpu,
                                             const struct pv_virtio_gpu_request *request,
                                             struct pv_virtio_gpu_context **context,
                                             struct pv_virtio_gpu_resource **resource)
{
    struct pv_virtio_gpu_id_request asked;
    memcpy(&asked, request->body, sizeof(asked));
    *context = pv_virtio_gpu_find_context(gpu, request->header.ctx_id);
    *resource = pv_virtio_gpu_find_resource(gpu, asked.id);
    if (*context == NULL) {
        return PV_VIRTIO_GPU_ERR_INVALID_CONTEXT_ID;
    }
    if (*resource == NULL) {
        return PV_VIRTIO_GPU_ERR_INVALID_RESOURCE_ID;
    }
    return PV_VIRTIO_GPU_OK_NODATA;
}

enum pv_virtio_gpu_response pv_virtio_gpu_ctx_attach(struct pv_gpu *gpu,
                                                     struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_context *context;
    struct pv_virtio_gpu_resource *resource;
    enum pv_virtio_gpu_response type = find_both(gpu, request, &context, &resource);
    /* Guests attach images too, which no Venus context can use, and what their context has made
     * itself, which it knows. */
    if (type != PV_VIRTIO_GPU_OK_NODATA || resource->kind != PV_VIRTIO_GPU_HOST_BLOB ||
        context->remote == NULL || find_viewer(resource, context) != NULL) {
        return type;
    }
    if (!pv_virtio_gpu_add_viewer(resource, context, false)) {
        return PV_VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
    if (resource->fd >= 0) {
        tell_viewer(resource, &resource->viewers[resource->viewer_count - 1]);
    }
    return PV_VIRTIO_GPU_OK_NODATA;
}

enum pv_virtio_gpu_response pv_virtio_gpu_ctx_detach(struct pv_gpu *gpu,
                                                     struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_context *context;
    struct pv_virtio_gpu_resource *resource;
    enum pv_virtio_gpu_response type = find_both(gpu, request, &context, &resource);
    if (type == PV_VIRTIO_GPU_OK_NODATA) {
        pv_virtio_gpu_remove_viewer(resource, context);
    }
    return type;
}
