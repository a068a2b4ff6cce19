/* The device's life: begin, turn of work, reset, end. */

#include "base/assert.h"
#include "base/params.h"
#include "front/virtio_gpu/device.h"

#include <stdlib.h>
#include <string.h>

enum { EVENTS_MAX = 64 /* of contexts, in one dispatch, before the caller has its turn */ };

/* --- begin and end -----------------------------------------------------------------------------
 */

static void default_to_u32(uint32_t *value, uint32_t otherwise)
{
    *value = *value != 0 ? *value : otherwise;
}

static void default_to_u64(uint64_t *value, uint64_t otherwise)
{
    *value = *value != 0 ? *value : otherwise;
}

static void apply_defaults(struct pv_gpu_params *params)
{
    default_to_u32(&params->scanouts, 1);
    default_to_u32(&params->width, 1920);
    default_to_u32(&params->height, 1080);
    default_to_u32(&params->quota.contexts, 128);
    default_to_u32(&params->quota.resources, 64 * 1024);
    default_to_u64(&params->quota.resource_bytes, UINT64_C(2) << 30);
    default_to_u64(&params->quota.pending_bytes, UINT64_C(64) << 20);
}

static bool makes_sense(const struct pv_gpu_params *params)
{
    const struct pv_gpu_callbacks *callbacks = params->callbacks;
    uint32_t alignment = params->blob_alignment;
    return callbacks != NULL && callbacks->respond != NULL && callbacks->read_memory != NULL &&
           (callbacks->map == NULL) == (callbacks->unmap == NULL) &&
           params->scanouts <= PV_GPU_SCANOUTS_MAX &&
           params->width <= PV_VIRTIO_GPU_IMAGE_SIDE_MAX &&
           params->height <= PV_VIRTIO_GPU_IMAGE_SIDE_MAX &&
           params->window_bytes % PV_VIRTIO_GPU_PAGE == 0 &&
           (alignment == 0 ||
            (alignment >= PV_VIRTIO_GPU_PAGE && (alignment & (alignment - 1)) == 0));
}

static void fill_in(struct pv_gpu *gpu, const struct pv_gpu_params *params)
{
    gpu->log = (struct pv_log){
        .level = params->log_level,
        .write = params->log,
        .user = params->log_user,
    };
    gpu->callbacks = *params->callbacks;
    gpu->user = params->user;
    gpu->quota = params->quota;
    gpu->host_blob_limit = pv_remote_blob_limit();
    gpu->window_bytes = gpu->callbacks.map != NULL ? params->window_bytes : 0;
    gpu->blob_alignment = params->blob_alignment;
    gpu->scanout_count = params->scanouts;
    for (uint32_t i = 0; i < gpu->scanout_count; i++) {
        gpu->scanouts[i].monitor_width = params->width;
        gpu->scanouts[i].monitor_height = params->height;
    }
}

static enum pv_result start(struct pv_gpu *gpu, struct pv_hosts_params *hosts_params)
{
    hosts_params->limit = gpu->quota.contexts;
    enum pv_result result = pv_hosts_create(hosts_params, &gpu->hosts);
    if (result != PV_OK) {
        return result;
    }
    result = pv_poll_set_init(&gpu->set);
    if (result != PV_OK) {
        return result;
    }
    return pv_poll_set_add(&gpu->set, pv_hosts_poll_fd(gpu->hosts), PV_POLL_READABLE, NULL);
}

/* `served`: who serves contexts, instead of what the parameters say; NULL: nobody else. */
static enum pv_result create(const struct pv_gpu_params *callers_params,
                             const struct pv_hosts_params *served, struct pv_gpu **gpu)
{
    *gpu = NULL;
    struct pv_gpu_params params;
    enum pv_result result = pv_params_read(&params, sizeof(params), callers_params);
    if (result != PV_OK) {
        return result;
    }
    apply_defaults(&params);
    if (!makes_sense(&params)) {
        return PV_UNSUPPORTED;
    }
    struct pv_gpu *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return PV_NO_MEMORY;
    }
    made->set.fd = -1;
    fill_in(made, &params);
    struct pv_hosts_params hosts_params;
    if (served != NULL) {
        hosts_params = *served;
        hosts_params.log = &made->log;
    } else {
        result = pv_virtio_gpu_host_create(&params, &made->host, &hosts_params);
    }
    if (result == PV_OK) {
        result = start(made, &hosts_params);
    }
    if (result != PV_OK) {
        pv_gpu_destroy(made);
        return result;
    }
    *gpu = made;
    return PV_OK;
}

enum pv_result pv_gpu_create(const struct pv_gpu_params *params, struct pv_gpu **gpu)
{
    return create(params, NULL, gpu);
}

enum pv_result pv_virtio_gpu_create_served(const struct pv_gpu_params *params,
                                           void (*serve)(void *user, uint32_t context_id,
                                                         int taken_socket),
                                           void *user, struct pv_gpu **gpu)
{
    return create(params, &(struct pv_hosts_params){.serve = serve, .user = user}, gpu);
}

void pv_gpu_reset(struct pv_gpu *gpu)
{
    pv_virtio_gpu_drop_pending(gpu);
    for (uint32_t i = 0; i < gpu->scanout_count; i++) {
        pv_virtio_gpu_scanout_off(gpu, i);
    }
    /* Contexts first: they end with what they know of resources. */
    struct pv_virtio_gpu_context *context;
    while ((context = pv_virtio_gpu_table_next(&gpu->contexts, NULL)) != NULL) {
        pv_virtio_gpu_destroy_context(context);
    }
    struct pv_virtio_gpu_resource *resource;
    while ((resource = pv_virtio_gpu_table_next(&gpu->resources, NULL)) != NULL) {
        pv_virtio_gpu_destroy_resource(gpu, resource);
    }
    gpu->events = 0;
}

void pv_gpu_destroy(struct pv_gpu *gpu)
{
    if (gpu == NULL) {
        return;
    }
    gpu->callbacks.unmap = NULL; /* the caller's to do */
    gpu->callbacks.display = NULL;
    pv_gpu_reset(gpu);
    PV_ASSERT(gpu->stats.resource_bytes == 0 && gpu->mapped_count == 0);
    pv_virtio_gpu_table_finish(&gpu->contexts);
    pv_virtio_gpu_table_finish(&gpu->resources);
    free(gpu->mapped);
    pv_poll_set_finish(&gpu->set); /* before what is in it goes */
    pv_hosts_destroy(gpu->hosts);
    pv_virtio_gpu_host_destroy(gpu->host);
    free(gpu);
}

/* --- turns -------------------------------------------------------------------------------------
 */

int pv_gpu_poll_fd(const struct pv_gpu *gpu)
{
    return gpu->set.fd;
}

int pv_gpu_timeout_ms(const struct pv_gpu *gpu)
{
    return pv_hosts_timeout_ms(gpu->hosts);
}

void pv_gpu_dispatch(struct pv_gpu *gpu)
{
    void *ready[EVENTS_MAX];
    size_t count = pv_poll_set_take(&gpu->set, ready, EVENTS_MAX);
    pv_hosts_dispatch(gpu->hosts); /* by the clock, too */
    for (size_t i = 0; i < count; i++) {
        struct pv_virtio_gpu_context *context = ready[i];
        /* Contexts end here only by the quota, and then stay until the guest ends them. */
        if (context != NULL && context->remote != NULL) {
            pv_remote_dispatch(context->remote);
            pv_virtio_gpu_count_pending(context);
            pv_virtio_gpu_keep_pending_quota(gpu);
        }
    }
    pv_poll_set_listen(&gpu->set);
}

void pv_gpu_get_stats(const struct pv_gpu *gpu, struct pv_gpu_stats *stats)
{
    struct pv_gpu_stats ours = gpu->stats;
    ours.contexts = gpu->contexts.count;
    ours.resources = gpu->resources.count;
    ours.workers = pv_hosts_process_count(gpu->hosts);
    pv_params_write(stats, &ours, sizeof(ours));
}
