#include "base/fd.h"
#include "front/virgl/renderer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Contexts. Those of Venus are a worker's; a guest's OpenGL driver, which looks for a renderer of
 * its own, gets one that swallows everything, so that it finds out by itself. */

enum { NAME_SIZE = 64 };

struct pv_virgl_context *pv_virgl_find_context(uint32_t id)
{
    struct pv_virgl_context *context = pv_virgl.contexts;
    while (context != NULL && context->id != id) {
        context = context->next;
    }
    return context;
}

struct pv_virgl_context *pv_virgl_find_context_by_key(uint64_t key)
{
    struct pv_virgl_context *context = pv_virgl.contexts;
    while (context != NULL && context->key != key) {
        context = context->next;
    }
    return context;
}

static void on_blob_created(void *user, uint32_t resource_id, enum pv_result result,
                            const struct pv_remote_blob *blob)
{
    struct pv_virgl_context *context = user;
    struct pv_virgl_answer *answer = &context->answer;
    if (!answer->is_awaited || answer->resource_id != resource_id) {
        if (blob != NULL) {
            int fd = blob->taken_fd;
            pv_fd_close(&fd);
        }
        return;
    }
    answer->is_awaited = false;
    answer->has_come = true;
    answer->result = result;
    if (blob != NULL) {
        answer->blob = *blob;
    }
    pthread_cond_broadcast(&pv_virgl.changed);
}

static void on_fence_retired(void *user, uint32_t ring_idx, uint64_t fence_id)
{
    const struct pv_virgl_context *context = user;
    (void)ring_idx;
    pv_virgl_retire_fence(context->key, fence_id);
}

/* Its guest is told by its rings. What it sends from now on is swallowed. */
static void on_lost(void *user, const char *why)
{
    const struct pv_virgl_context *context = user;
    pv_virgl_complain("context %u is lost: %s", context->id,
                      why != NULL ? why : "its worker has ended");
}

void pv_virgl_give_up_context(struct pv_virgl_context *context)
{
    if (context->remote != NULL) {
        pv_virgl_loop_forget(pv_remote_poll_fd(context->remote));
        pv_remote_destroy(context->remote);
        context->remote = NULL;
        pv_virgl_loop_wake(); /* its worker's end is to be looked after */
    }
    pv_virgl_retire_fences_of(context->key);
}

static bool open_remote(struct pv_virgl_context *context)
{
    int socket;
    if (pv_virgl.hosts == NULL || pv_hosts_open(pv_virgl.hosts, context->id, &socket) != PV_OK) {
        return false;
    }
    struct pv_remote_params params = {
        .log = &pv_virgl.log,
        .taken_socket = socket,
        .id = context->id,
        .pending_bytes_limit = PV_VIRGL_PENDING_BYTES_MAX,
        .events = {on_blob_created, on_fence_retired, on_lost, context},
    };
    if (pv_remote_create(&params, &context->remote) != PV_OK) {
        return false;
    }
    pv_virgl_loop_wake(); /* the hosts may have new deadlines */
    return pv_virgl_loop_watch(pv_remote_poll_fd(context->remote), context->key);
}

static void destroy_context(struct pv_virgl_context *context)
{
    pv_virgl_give_up_context(context);
    struct pv_virgl_context **link = &pv_virgl.contexts;
    while (*link != context) {
        link = &(*link)->next;
    }
    *link = context->next;
    pv_virgl.context_count--;
    free(context);
}

/* 0 or an errno. */
static int create_context(uint32_t id, uint32_t capset)
{
    struct pv_virgl_context *context = pv_virgl_find_context(id);
    if (context != NULL) {
        return context->capset == capset ? 0 : EINVAL;
    }
    context = pv_virgl.context_count < PV_VIRGL_CONTEXTS_MAX ? calloc(1, sizeof(*context)) : NULL;
    if (context == NULL) {
        return ENOMEM;
    }
    context->id = id;
    context->capset = capset;
    context->key = pv_virgl.next_key++;
    context->next = pv_virgl.contexts;
    pv_virgl.contexts = context;
    pv_virgl.context_count++;
    if (capset == PV_VENUS_CAPSET_ID && !open_remote(context)) {
        destroy_context(context);
        return ENOMEM;
    }
    return 0;
}

int virgl_renderer_context_create_with_flags(uint32_t context_id, uint32_t flags,
                                             uint32_t name_length, const char *name)
{
    if (!pv_virgl.is_running || context_id == 0) {
        return EINVAL;
    }
    uint32_t capset = flags & PV_VIRGL_CAPSET_ID_MASK;
    int length = name != NULL && name_length < NAME_SIZE ? (int)name_length : 0;
    pthread_mutex_lock(&pv_virgl.lock);
    int error = create_context(context_id, capset);
    pthread_mutex_unlock(&pv_virgl.lock);
    if (error != 0) {
        pv_virgl_complain("no context %u for \"%.*s\": %s", context_id, length,
                          length != 0 ? name : "", strerror(error));
    } else {
        pv_log_info(&pv_virgl.log, "context %u, capset %u: \"%.*s\"", context_id, capset, length,
                    length != 0 ? name : "");
    }
    return error;
}

int virgl_renderer_context_create(uint32_t context_id, uint32_t name_length, const char *name)
{
    return virgl_renderer_context_create_with_flags(context_id, 0, name_length, name);
}

void virgl_renderer_context_destroy(uint32_t context_id)
{
    if (!pv_virgl.is_running) {
        return;
    }
    pthread_mutex_lock(&pv_virgl.lock);
    struct pv_virgl_context *context = pv_virgl_find_context(context_id);
    if (context != NULL) {
        destroy_context(context);
    }
    pthread_mutex_unlock(&pv_virgl.lock);
}

void pv_virgl_destroy_contexts(void)
{
    while (pv_virgl.contexts != NULL) {
        destroy_context(pv_virgl.contexts);
    }
}

void virgl_renderer_force_ctx_0(void)
{
    pv_virgl.submitted_context = 0; /* the caller begins another request */
}

int virgl_renderer_submit_cmd(void *bytes, int context_id, int word_count)
{
    if (!pv_virgl.is_running || word_count < 0 || (word_count > 0 && bytes == NULL)) {
        return EINVAL;
    }
    if ((uintptr_t)bytes % sizeof(uint32_t) != 0) {
        return EFAULT;
    }
    pthread_mutex_lock(&pv_virgl.lock);
    struct pv_virgl_context *context = pv_virgl_find_context((uint32_t)context_id);
    if (context != NULL) {
        pv_virgl.submitted_context = context->id;
        if (context->remote != NULL && word_count > 0) {
            pv_remote_submit(context->remote, bytes, (uint64_t)word_count * sizeof(uint32_t));
        }
    }
    pthread_mutex_unlock(&pv_virgl.lock);
    return context != NULL ? 0 : EINVAL;
}

/* Fences of other devices to wait for are nothing that we ever hand out. */
int virgl_renderer_submit_cmd2(void *bytes, int context_id, int word_count, uint64_t *in_fence_ids,
                               uint32_t in_fence_count)
{
    (void)in_fence_ids;
    return in_fence_count == 0 ? virgl_renderer_submit_cmd(bytes, context_id, word_count) : -EINVAL;
}

void virgl_renderer_ctx_attach_resource(int context_id, int resource_id)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource((uint32_t)resource_id);
    if (!pv_virgl.is_running || resource == NULL || resource->fd < 0) {
        return;
    }
    pthread_mutex_lock(&pv_virgl.lock);
    struct pv_virgl_context *context = pv_virgl_find_context((uint32_t)context_id);
    if (context != NULL && context->remote != NULL &&
        !pv_virgl_has_viewer(resource, context->key) &&
        pv_virgl_add_viewer(resource, context->key)) {
        pv_remote_attach(context->remote, resource->id, resource->kind, resource->fd,
                         resource->size_bytes);
    }
    pthread_mutex_unlock(&pv_virgl.lock);
}

void virgl_renderer_ctx_detach_resource(int context_id, int resource_id)
{
    struct pv_virgl_resource *resource = pv_virgl_find_resource((uint32_t)resource_id);
    if (!pv_virgl.is_running || resource == NULL) {
        return;
    }
    pthread_mutex_lock(&pv_virgl.lock);
    struct pv_virgl_context *context = pv_virgl_find_context((uint32_t)context_id);
    if (context != NULL && pv_virgl_has_viewer(resource, context->key)) {
        pv_virgl_remove_viewer(resource, context->key);
        if (context->remote != NULL) {
            pv_remote_unref(context->remote, resource->id);
        }
    }
    pthread_mutex_unlock(&pv_virgl.lock);
}
