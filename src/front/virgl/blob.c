#include "base/checked.h"
#include "base/clock.h"
#include "base/fd.h"
#include "front/virgl/renderer.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Blobs: memory that guest and host share. A ring's is made here; a VkDeviceMemory's is exported by
 * the context's worker, which is the one thing that a call waits for. */

static uint64_t page_size(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* --- from a worker ---------------------------------------------------------------------------- */

/* With the lock. A negative errno. */
static int await_answer(struct pv_virgl_context *context)
{
    uint64_t deadline_ns = pv_clock_now_ns() + PV_VIRGL_WAIT_NS;
    struct timespec deadline = {
        .tv_sec = (time_t)(deadline_ns / PV_NS_PER_S),
        .tv_nsec = (long)(deadline_ns % PV_NS_PER_S),
    };
    struct pv_virgl_answer *answer = &context->answer;
    int error = 0;
    while (!answer->has_come && error == 0) {
        error = pthread_cond_timedwait(&pv_virgl.changed, &pv_virgl.lock, &deadline);
    }
    if (answer->has_come) {
        return answer->result == PV_OK ? 0 : -EINVAL;
    }
    answer->is_awaited = false;
    pv_virgl.timeout_count++;
    pv_log_error(&pv_virgl.log,
                 "context %u has not exported memory within %u ms, and is given up (number %u)",
                 context->id, (unsigned)(PV_VIRGL_WAIT_NS / PV_NS_PER_MS), pv_virgl.timeout_count);
    pv_virgl_give_up_context(context);
    return -ETIMEDOUT;
}

static int export_memory(struct pv_virgl_resource *resource, const struct pv_virgl_blob_args *args)
{
    pthread_mutex_lock(&pv_virgl.lock);
    struct pv_virgl_context *context = pv_virgl_find_context(args->context_id);
    int error = context != NULL && context->remote != NULL ? 0 : -EINVAL;
    if (error == 0 && !pv_virgl_add_viewer(resource, context->key)) {
        error = -ENOMEM;
    }
    if (error == 0) {
        context->answer =
            (struct pv_virgl_answer){.resource_id = args->resource_id, .is_awaited = true};
        pv_remote_create_blob(context->remote, args->resource_id, args->blob_id, args->flags,
                              args->size_bytes);
        error = await_answer(context);
        if (error != 0) {
            pv_virgl_remove_viewer(resource, context->key); /* which has never seen it */
        }
    }
    struct pv_remote_blob blob = error == 0 ? context->answer.blob : (struct pv_remote_blob){0};
    pthread_mutex_unlock(&pv_virgl.lock);
    if (error == 0) {
        resource->fd = blob.taken_fd;
        resource->kind = blob.kind;
        resource->caching = blob.caching;
        resource->map_size = blob.map_size;
    }
    return error;
}

/* --- made here -------------------------------------------------------------------------------- */

static int create_shared_memory(struct pv_virgl_resource *resource,
                                const struct pv_virgl_blob_args *args)
{
    pthread_mutex_lock(&pv_virgl.lock);
    struct pv_virgl_context *context = pv_virgl_find_context(args->context_id);
    int error = -EINVAL;
    if (context != NULL && context->remote != NULL && args->flags == PV_CONTEXT_BLOB_MAPPABLE) {
        resource->fd = pv_remote_shm_create(args->size_bytes);
        error = resource->fd >= 0 &&
                        pv_checked_align(args->size_bytes, page_size(), &resource->map_size) &&
                        pv_virgl_add_viewer(resource, context->key)
                    ? 0
                    : -ENOMEM;
    }
    if (error == 0) {
        resource->kind = PV_CONTEXT_BLOB_SHM;
        resource->caching = PV_CONTEXT_MAP_CACHED;
        pv_remote_attach(context->remote, resource->id, resource->kind, resource->fd,
                         resource->size_bytes);
    }
    pthread_mutex_unlock(&pv_virgl.lock);
    return error;
}

/* The guest's own pages: nothing of a context's, but a resource that it may talk of. */
static int keep_guest_memory(struct pv_virgl_resource *resource,
                             const struct pv_virgl_blob_args *args)
{
    uint64_t total_bytes = 0;
    for (uint32_t i = 0; i < args->iov_count; i++) {
        if (!pv_checked_add(total_bytes, args->iov[i].iov_len, &total_bytes)) {
            return -EINVAL;
        }
    }
    if (args->blob_id != 0 || total_bytes < args->size_bytes) {
        return -EINVAL;
    }
    /* As with attach_iov: it goes back to the caller as it came. */
    memcpy(&resource->iov, &args->iov, sizeof(resource->iov));
    resource->iov_count = args->iov_count;
    return 0;
}

static int create_blob(struct pv_virgl_resource *resource, const struct pv_virgl_blob_args *args)
{
    if (args->memory == PV_VIRGL_BLOB_GUEST) {
        return keep_guest_memory(resource, args);
    }
    if (args->memory != PV_VIRGL_BLOB_HOST3D || args->iov_count != 0) {
        return -EINVAL;
    }
    if (pv_virgl.host_blob_count >= pv_virgl.host_blob_limit) {
        return -ENOMEM;
    }
    resource->is_host_blob = true;
    pv_virgl.host_blob_count++;
    return args->blob_id == 0 ? create_shared_memory(resource, args)
                              : export_memory(resource, args);
}

int virgl_renderer_resource_create_blob(const struct pv_virgl_blob_args *args)
{
    bool is_ours = args->memory == PV_VIRGL_BLOB_HOST3D && args->blob_id == 0;
    if (args->size_bytes == 0) {
        return -EINVAL;
    }
    struct pv_virgl_resource *resource =
        pv_virgl_add_resource(args->resource_id, is_ours ? args->size_bytes : 0);
    if (resource == NULL) {
        return -EINVAL;
    }
    resource->size_bytes = args->size_bytes;
    int error = create_blob(resource, args);
    if (error != 0) {
        pv_virgl_complain("context %u: no blob %llu of %llu bytes: %s", args->context_id,
                          (unsigned long long)args->blob_id, (unsigned long long)args->size_bytes,
                          strerror(-error));
        pv_virgl_remove_resource(resource);
    }
    return error;
}

/* --- mappings --------------------------------------------------------------------------------- */

/* What of a blob can be mapped; a guest's kernel rounds its size up to pages. 0: nothing. */
static uint64_t map_size_of(const struct pv_virgl_resource *resource)
{
    uint64_t bytes;
    if (resource == NULL || resource->fd < 0 ||
        !pv_checked_align(resource->size_bytes, page_size(), &bytes)) {
        return 0;
    }
    return bytes < resource->map_size ? bytes : resource->map_size;
}

int virgl_renderer_resource_map(uint32_t resource_id, void **map, uint64_t *size_bytes)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource(resource_id);
    uint64_t bytes = map_size_of(resource);
    if (bytes == 0 || resource->map != NULL) {
        return -EINVAL;
    }
    void *made = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, resource->fd, 0);
    if (made == MAP_FAILED) {
        return -errno;
    }
    resource->map_size = bytes;
    resource->map = *map = made;
    *size_bytes = bytes;
    return 0;
}

/* The window around it is the caller's, and so is the end of this mapping. */
int virgl_renderer_resource_map_fixed(uint32_t resource_id, void *address)
{
    const struct pv_virgl_resource *resource = pv_virgl_find_resource(resource_id);
    uint64_t bytes = map_size_of(resource);
    if (bytes == 0 || address == NULL) {
        return -EINVAL;
    }
    void *made =
        mmap(address, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, resource->fd, 0);
    return made != MAP_FAILED ? 0 : -errno;
}

int virgl_renderer_resource_unmap(uint32_t resource_id)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource(resource_id);
    if (resource == NULL || resource->map == NULL) {
        return -EINVAL;
    }
    munmap(resource->map, resource->map_size);
    resource->map = NULL;
    return 0;
}

int virgl_renderer_resource_get_map_info(uint32_t resource_id, uint32_t *map_info)
{
    const struct pv_virgl_resource *resource = pv_virgl_find_resource(resource_id);
    if (map_size_of(resource) == 0) {
        return -EINVAL;
    }
    *map_info = resource->caching;
    return 0;
}

int virgl_renderer_resource_export_blob(uint32_t resource_id, uint32_t *fd_type, int *fd)
{
    const struct pv_virgl_resource *resource = pv_virgl_find_resource(resource_id);
    if (resource == NULL || resource->fd < 0) {
        return -EINVAL;
    }
    *fd = pv_fd_duplicate(resource->fd);
    if (*fd < 0) {
        return -errno;
    }
    switch (resource->kind) {
    case PV_CONTEXT_BLOB_DMABUF:
        *fd_type = PV_VIRGL_FD_DMABUF;
        break;
    case PV_CONTEXT_BLOB_OPAQUE:
        *fd_type = PV_VIRGL_FD_OPAQUE;
        break;
    default:
        *fd_type = PV_VIRGL_FD_SHM;
        break;
    }
    return 0;
}
