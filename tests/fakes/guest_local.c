#include "base/assert.h"
#include "fakes/guest.h"

#include <stdio.h>
#include <string.h>

/* A guest and its host in one process, over the calls of render/context.h. */

static void write_log(void *user, enum pv_log_level level, const char *line)
{
    struct guest_log *log = user;
    pthread_mutex_lock(&log->lock);
    if (level == PV_LOG_ERROR) {
        log->error_count++;
        (void)snprintf(log->last_error, sizeof(log->last_error), "%s", line);
    } else if (level == PV_LOG_WARN) {
        log->warn_count++;
    }
    pthread_mutex_unlock(&log->lock);
}

static void fence_retired(void *user, uint32_t ring_idx, uint64_t cookie)
{
    guest_fence_retired(user, ring_idx, cookie);
}

static void turned_fatal(void *user)
{
    struct guest *g = user;
    atomic_fetch_add(&g->fatal_count, 1);
}

static bool local_submit(void *user, const void *bytes, uint64_t size)
{
    struct guest *g = user;
    return pv_render_submit(g->context, bytes, size) == PV_OK;
}

static void local_fence(void *user, uint32_t ring_idx, uint64_t cookie)
{
    struct guest *g = user;
    pv_render_fence(g->context, ring_idx, cookie);
}

/* The guest's mapping is the host's: another one would be another address of the same pages. */
static uint32_t local_create_blob(void *user, uint64_t blob_id, uint32_t flags, uint64_t size,
                                  uint8_t **map)
{
    struct guest *g = user;
    uint32_t resource_id = atomic_fetch_add(&g->next_resource_id, 1);
    struct pv_blob *blob = NULL;
    if (pv_render_create_blob(g->context, resource_id, blob_id, flags, size, &blob) != PV_OK) {
        return 0;
    }
    *map = blob->map;
    pv_blob_unref(blob); /* the resource keeps it */
    return resource_id;
}

static void local_unref(void *user, uint32_t resource_id, uint8_t *map, uint64_t size)
{
    struct guest *g = user;
    (void)map;
    (void)size;
    if (g->context != NULL) {
        (void)pv_render_unref_resource(g->context, resource_id);
    }
}

static void local_close(void *user)
{
    struct guest *g = user;
    pv_render_destroy(g->context);
    g->context = NULL;
}

struct guest *guest_create_bare(const struct guest_params *params)
{
    struct guest *g = guest_create_over((struct guest_transport){
        .submit = local_submit,
        .fence = local_fence,
        .create_blob = local_create_blob,
        .unref = local_unref,
        .close = local_close,
    });
    g->transport.user = g;
    g->log.log = (struct pv_log){.level = PV_LOG_INFO, .write = write_log, .user = &g->log};
    struct pv_render_params render = {
        .host = params->host,
        .log = &g->log.log,
        .quota = params->quota,
        .plans = params->plans,
        .fence_retired = fence_retired,
        .turned_fatal = turned_fatal,
        .user = g,
    };
    PV_ASSERT(pv_render_create(&render, &g->context) == PV_OK);
    return g;
}

struct guest *guest_create(const struct guest_params *params)
{
    struct guest *g = guest_create_bare(params);
    guest_ring_create(g, &g->ring);
    return g;
}
