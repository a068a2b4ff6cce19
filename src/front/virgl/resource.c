#include "base/fd.h"
#include "base/guest.h"
#include "front/virgl/renderer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The device's resources: which there are, and what belongs to each. */

struct pv_virgl_resource *pv_virgl_find_resource(uint32_t id)
{
    struct pv_virgl_resource *resource = pv_virgl.resources[id % PV_VIRGL_BUCKETS];
    while (resource != NULL && resource->id != id) {
        resource = resource->next;
    }
    return resource;
}

struct pv_virgl_resource *pv_virgl_add_resource(uint32_t id, uint64_t charged_bytes)
{
    if (!pv_virgl.is_running || id == 0 || pv_virgl_find_resource(id) != NULL ||
        pv_virgl.resource_count >= PV_VIRGL_RESOURCES_MAX ||
        charged_bytes > PV_VIRGL_RESOURCE_BYTES_MAX - pv_virgl.resource_bytes) {
        return NULL;
    }
    struct pv_virgl_resource *resource = calloc(1, sizeof(*resource));
    if (resource == NULL) {
        return NULL;
    }
    struct pv_virgl_resource **bucket = &pv_virgl.resources[id % PV_VIRGL_BUCKETS];
    resource->id = id;
    resource->fd = -1;
    resource->charged_bytes = charged_bytes;
    resource->next = *bucket;
    *bucket = resource;
    pv_virgl.resource_count++;
    pv_virgl.resource_bytes += charged_bytes;
    return resource;
}

/* The contexts that see it do no longer. */
static void hide(struct pv_virgl_resource *resource)
{
    pthread_mutex_lock(&pv_virgl.lock);
    for (uint32_t i = 0; i < resource->context_count; i++) {
        struct pv_virgl_context *context = pv_virgl_find_context_by_key(resource->contexts[i]);
        if (context != NULL && context->remote != NULL) {
            pv_remote_unref(context->remote, resource->id);
        }
    }
    pthread_mutex_unlock(&pv_virgl.lock);
    free(resource->contexts);
}

void pv_virgl_remove_resource(struct pv_virgl_resource *resource)
{
    hide(resource);
    pv_virgl_image_destroy(&resource->image);
    if (resource->map != NULL) {
        munmap(resource->map, resource->map_size);
    }
    pv_fd_close(&resource->fd);
    struct pv_virgl_resource **link = &pv_virgl.resources[resource->id % PV_VIRGL_BUCKETS];
    while (*link != resource) {
        link = &(*link)->next;
    }
    *link = resource->next;
    pv_virgl.resource_count--;
    pv_virgl.resource_bytes -= resource->charged_bytes;
    pv_virgl.host_blob_count -= resource->is_host_blob ? 1 : 0;
    free(resource);
}

void pv_virgl_destroy_resources(void)
{
    for (uint32_t i = 0; i < PV_VIRGL_BUCKETS; i++) {
        while (pv_virgl.resources[i] != NULL) {
            pv_virgl_remove_resource(pv_virgl.resources[i]);
        }
    }
}

bool pv_virgl_has_viewer(const struct pv_virgl_resource *resource, uint64_t context_key)
{
    for (uint32_t i = 0; i < resource->context_count; i++) {
        if (resource->contexts[i] == context_key) {
            return true;
        }
    }
    return false;
}

/* Keys of contexts that have gone make room first: there are never more than contexts. */
static void forget_gone_viewers(struct pv_virgl_resource *resource)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < resource->context_count; i++) {
        if (pv_virgl_find_context_by_key(resource->contexts[i]) != NULL) {
            resource->contexts[kept++] = resource->contexts[i];
        }
    }
    resource->context_count = kept;
}

bool pv_virgl_add_viewer(struct pv_virgl_resource *resource, uint64_t context_key)
{
    forget_gone_viewers(resource);
    uint64_t *contexts =
        realloc(resource->contexts, (resource->context_count + 1) * sizeof(*resource->contexts));
    if (contexts == NULL) {
        return false;
    }
    resource->contexts = contexts;
    resource->contexts[resource->context_count++] = context_key;
    return true;
}

void pv_virgl_remove_viewer(struct pv_virgl_resource *resource, uint64_t context_key)
{
    for (uint32_t i = 0; i < resource->context_count; i++) {
        if (resource->contexts[i] == context_key) {
            resource->contexts[i] = resource->contexts[--resource->context_count];
            return;
        }
    }
}

bool pv_virgl_gather(const struct iovec *iov, uint32_t iov_count, uint64_t offset, void *bytes,
                     uint64_t size)
{
    uint8_t *to = bytes;
    for (uint32_t i = 0; i < iov_count && size > 0; i++) {
        if (offset >= iov[i].iov_len) {
            offset -= iov[i].iov_len;
            continue;
        }
        uint64_t left = iov[i].iov_len - offset;
        size_t part = (size_t)(left < size ? left : size);
        pv_guest_copy(to, (const uint8_t *)iov[i].iov_base + offset, part);
        to += part;
        size -= part;
        offset = 0;
    }
    return size == 0;
}

/* --- the ABI ---------------------------------------------------------------------------------- */

enum { EDGE_MAX = 16384, PIXEL_SIZE = 4 };

/* 0 or an errno. Anything but an image with a plane of pixels is remembered and never looked at. */
int virgl_renderer_resource_create(struct pv_virgl_resource_args *args, struct iovec *iov,
                                   uint32_t iov_count)
{
    if (args->width > EDGE_MAX || args->height > EDGE_MAX) {
        return EINVAL;
    }
    bool is_image = args->depth <= 1 && args->array_size <= 1 && args->height > 0;
    uint64_t bytes = is_image ? (uint64_t)args->width * args->height * PIXEL_SIZE : 0;
    struct pv_virgl_resource *resource = pv_virgl_add_resource(args->handle, bytes);
    if (resource == NULL) {
        return EINVAL;
    }
    resource->iov = iov;
    resource->iov_count = iov_count;
    resource->image = (struct pv_virgl_image){
        .width = args->width,
        .height = args->height,
        .format = args->format,
        .flags = args->flags,
    };
    if (is_image) {
        pv_virgl_image_create(&resource->image);
    }
    return 0;
}

void virgl_renderer_resource_unref(uint32_t resource_id)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource(resource_id);
    if (resource != NULL) {
        pv_virgl_remove_resource(resource);
    }
}

int virgl_renderer_resource_attach_iov(int resource_id, struct iovec *iov, int iov_count)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource((uint32_t)resource_id);
    if (resource == NULL || resource->iov != NULL || iov_count < 0) {
        return EINVAL;
    }
    resource->iov = iov;
    resource->iov_count = (uint32_t)iov_count;
    return 0;
}

void virgl_renderer_resource_detach_iov(int resource_id, struct iovec **iov, int *iov_count)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource((uint32_t)resource_id);
    if (iov != NULL) {
        *iov = resource != NULL ? resource->iov : NULL;
    }
    if (iov_count != NULL) {
        *iov_count = resource != NULL ? (int)resource->iov_count : 0;
    }
    if (resource != NULL) {
        resource->iov = NULL;
        resource->iov_count = 0;
    }
}

int virgl_renderer_resource_get_info(int resource_id, struct pv_virgl_info *info)
{
    const struct pv_virgl_resource *resource = pv_virgl_find_resource((uint32_t)resource_id);
    if (resource == NULL || info == NULL) {
        return EINVAL;
    }
    *info = (struct pv_virgl_info){
        .handle = resource->id,
        .format = resource->image.format,
        .width = resource->image.width,
        .height = resource->image.height,
        .depth = resource->image.width != 0 ? 1 : 0,
        .flags = resource->image.flags,
        .texture = resource->image.texture,
        .stride = resource->image.width * PIXEL_SIZE,
        .fd = resource->fd,
    };
    return 0;
}

int virgl_renderer_resource_get_info_ext(int resource_id, struct pv_virgl_info_ext *info)
{
    if (info == NULL) {
        return EINVAL;
    }
    memset(info, 0, sizeof(*info));
    return virgl_renderer_resource_get_info(resource_id, &info->base);
}

void virgl_renderer_resource_set_priv(uint32_t resource_id, void *user)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource(resource_id);
    if (resource != NULL) {
        resource->user = user;
    }
}

void *virgl_renderer_resource_get_priv(uint32_t resource_id)
{
    const struct pv_virgl_resource *resource = pv_virgl_find_resource(resource_id);
    return resource != NULL ? resource->user : NULL;
}
