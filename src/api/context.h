#ifndef PV_API_CONTEXT_H
#define PV_API_CONTEXT_H

#include "api/renderer.h"
#include "base/log.h"
#include "render/context.h"

#include <pearvisor/context.h>
#include <pthread.h>
#include <stdbool.h>

struct pv_context {
    struct pv_log log;
    struct pv_renderer *renderer;
    bool owns_renderer; /* pv_venus_init() has made it */
    struct pv_render_context *render;
    void (*fence_retired)(void *user, uint32_t ring_idx, uint64_t cookie);
    void (*turned_fatal)(void *user);
    void *user;
    /* Rings in the caller's memory that are started on it (venus.c). */
    pthread_mutex_t rings_lock;
    struct pv_venus_ring *rings; /* guarded by rings_lock */
};

/* The context has turned fatal: polls of its rings answer so from now on. Any thread. */
void pv_context_tell_rings(struct pv_context *context);
/* Before the context goes. */
void pv_context_stop_rings(struct pv_context *context);

#endif
