#include "fakes/guest_remote.h"

#include "api/renderer.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/fd.h"
#include "fakes/fake_vulkan.h"
#include "fakes/patience.h"
#include "front/context/serve.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BLOBS_MAX = 1024 };

/* --- the other end -----------------------------------------------------------------------------
 */

struct pv_renderer *remote_renderer_create(const struct pv_log *log)
{
    struct pv_renderer *renderer = calloc(1, sizeof(*renderer));
    PV_ASSERT(renderer != NULL);
    renderer->log = *log;
    renderer->plans = *pv_fake_plans();
    pv_host_from_entry(&renderer->host, pv_fake_get_instance_proc_addr, &renderer->log);
    return renderer;
}

void remote_renderer_destroy(struct pv_renderer *renderer)
{
    if (renderer != NULL) {
        pv_host_close(&renderer->host);
    }
    free(renderer);
}

static void write_log(void *user, enum pv_log_level level, const char *line)
{
    struct guest_log *log = user;
    pthread_mutex_lock(&log->lock);
    if (level == PV_LOG_ERROR) {
        log->error_count++;
        (void)snprintf(log->last_error, sizeof(log->last_error), "%s", line);
    }
    pthread_mutex_unlock(&log->lock);
}

static void on_finished(void *user, const struct pv_stats *stats, const uint64_t *counts)
{
    struct remote_server *server = user;
    (void)counts;
    server->stats = *stats;
}

static void serve(void *user)
{
    struct remote_server *server = user;
    const struct pv_context_serve_params params = {
        .renderer = server->renderer,
        .log = &server->log.log,
        .context_id = 7,
        .quota = server->quota,
        .finished = on_finished,
        .user = server,
    };
    pv_context_serve(server->socket, &params);
    pv_fd_close(&server->socket);
    atomic_store(&server->has_ended, true);
}

int remote_server_start(struct remote_server *server, bool renderer)
{
    int ends[2];
    PV_ASSERT(pv_packets_connect(ends) == PV_OK);
    server->socket = ends[1];
    PV_ASSERT(pthread_mutex_init(&server->log.lock, NULL) == 0);
    server->log.log =
        (struct pv_log){.level = PV_LOG_INFO, .write = write_log, .user = &server->log};
    if (renderer) {
        server->renderer = remote_renderer_create(&server->log.log);
    }
    PV_ASSERT(pv_thread_start(&server->thread, "server", serve, server) == PV_OK);
    return ends[0];
}

void remote_server_join(struct remote_server *server)
{
    pv_thread_join(&server->thread);
    remote_renderer_destroy(server->renderer);
    pthread_mutex_destroy(&server->log.lock);
}

/* --- the guest's end ---------------------------------------------------------------------------
 */

struct backend {
    struct guest *g;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct pv_remote *remote;
    struct pv_thread pump;
    int stop_read, stop_write;
    bool is_lost;
    const char *why;
    uint32_t last_resource_id;
    uint32_t answered_id; /* of the last blob */
    enum pv_result answer;
    struct pv_remote_blob last_blob;
    struct pv_remote_blob blobs[BLOBS_MAX]; /* by resource id; taken_fd 0: none */
};

static void on_blob_created(void *user, uint32_t resource_id, enum pv_result result,
                            const struct pv_remote_blob *blob)
{
    struct backend *b = user;
    PV_ASSERT((result == PV_OK) == (blob != NULL) && resource_id < BLOBS_MAX);
    b->answered_id = resource_id;
    b->answer = result;
    if (blob != NULL) {
        b->blobs[resource_id] = b->last_blob = *blob;
    }
    pthread_cond_broadcast(&b->changed);
}

static void on_fence_retired(void *user, uint32_t ring_idx, uint64_t fence_id)
{
    struct backend *b = user;
    guest_fence_retired(b->g, ring_idx, fence_id);
}

static void on_lost(void *user, const char *why)
{
    struct backend *b = user;
    PV_ASSERT(!b->is_lost);
    b->is_lost = true;
    b->why = why;
    pthread_cond_broadcast(&b->changed);
}

static void pump(void *user)
{
    struct backend *b = user;
    struct pollfd fds[] = {
        {.fd = pv_remote_poll_fd(b->remote), .events = POLLIN},
        {.fd = b->stop_read, .events = POLLIN},
    };
    while (poll(fds, 2, -1) >= 0 && fds[1].revents == 0) {
        pthread_mutex_lock(&b->lock);
        pv_remote_dispatch(b->remote);
        pthread_mutex_unlock(&b->lock);
    }
}

static bool remote_submit(void *user, const void *bytes, uint64_t size)
{
    struct backend *b = user;
    pthread_mutex_lock(&b->lock);
    pv_remote_submit(b->remote, bytes, size);
    bool is_lost = pv_remote_is_lost(b->remote);
    pthread_mutex_unlock(&b->lock);
    return !is_lost;
}

static void remote_fence(void *user, uint32_t ring_idx, uint64_t cookie)
{
    struct backend *b = user;
    pthread_mutex_lock(&b->lock);
    pv_remote_fence(b->remote, ring_idx, cookie);
    pthread_mutex_unlock(&b->lock);
}

static uint8_t *map_pages(int fd, uint64_t size)
{
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return map != MAP_FAILED ? map : NULL;
}

/* As a device does: plain memory is its own, and needs no answer. */
static uint32_t remote_create_blob(void *user, uint64_t blob_id, uint32_t flags, uint64_t size,
                                   uint8_t **map)
{
    struct backend *b = user;
    pthread_mutex_lock(&b->lock);
    uint32_t id = ++b->last_resource_id;
    PV_ASSERT(id < BLOBS_MAX);
    if (blob_id == 0) {
        int fd = pv_remote_shm_create(size);
        PV_ASSERT(fd >= 0);
        pv_remote_attach(b->remote, id, PV_CONTEXT_BLOB_SHM, fd, size);
        *map = map_pages(fd, size);
        pv_fd_close(&fd);
    } else {
        pv_remote_create_blob(b->remote, id, blob_id, flags, size);
        while (b->answered_id != id) {
            pthread_cond_wait(&b->changed, &b->lock);
        }
        *map = b->answer == PV_OK ? map_pages(b->blobs[id].taken_fd, size) : NULL;
    }
    pthread_mutex_unlock(&b->lock);
    return *map != NULL ? id : 0;
}

static void remote_unref(void *user, uint32_t resource_id, uint8_t *map, uint64_t size)
{
    struct backend *b = user;
    pthread_mutex_lock(&b->lock);
    if (b->remote != NULL) {
        pv_remote_unref(b->remote, resource_id);
    }
    if (b->blobs[resource_id].taken_fd > 0) {
        pv_fd_close(&b->blobs[resource_id].taken_fd);
    }
    pthread_mutex_unlock(&b->lock);
    (void)munmap(map, size);
}

static void remote_close(void *user)
{
    struct backend *b = user;
    const uint8_t byte = 0;
    PV_ASSERT(pv_fd_write(b->stop_write, &byte, 1) == PV_OK);
    pv_thread_join(&b->pump);
    pv_remote_destroy(b->remote);
    b->remote = NULL;
}

static void remote_free(void *user)
{
    struct backend *b = user;
    for (uint32_t i = 0; i < BLOBS_MAX; i++) {
        if (b->blobs[i].taken_fd > 0) {
            pv_fd_close(&b->blobs[i].taken_fd);
        }
    }
    pv_fd_close(&b->stop_read);
    pv_fd_close(&b->stop_write);
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

struct guest *guest_create_remote(int taken_socket)
{
    static const struct pv_log silent;
    struct backend *b = calloc(1, sizeof(*b));
    PV_ASSERT(b != NULL && pthread_mutex_init(&b->lock, NULL) == 0 &&
              pthread_cond_init(&b->changed, NULL) == 0 &&
              pv_fd_pipe(&b->stop_read, &b->stop_write) == PV_OK);
    const struct pv_remote_params params = {
        .log = &silent,
        .taken_socket = taken_socket,
        .id = 7,
        .pending_bytes_limit = 64 << 20,
        .events = {.blob_created = on_blob_created,
                   .fence_retired = on_fence_retired,
                   .lost = on_lost,
                   .user = b},
    };
    PV_ASSERT(pv_remote_create(&params, &b->remote) == PV_OK);
    b->g = guest_create_over((struct guest_transport){
        .user = b,
        .submit = remote_submit,
        .fence = remote_fence,
        .create_blob = remote_create_blob,
        .unref = remote_unref,
        .close = remote_close,
        .free = remote_free,
    });
    PV_ASSERT(pv_thread_start(&b->pump, "pump", pump, b) == PV_OK);
    return b->g;
}

static struct backend *backend_of(struct guest *g)
{
    return g->transport.user;
}

struct pv_remote *guest_remote_lock(struct guest *g)
{
    pthread_mutex_lock(&backend_of(g)->lock);
    return backend_of(g)->remote;
}

void guest_remote_unlock(struct guest *g)
{
    pthread_mutex_unlock(&backend_of(g)->lock);
}

bool guest_remote_wait_lost(struct guest *g, const char **why)
{
    struct backend *b = backend_of(g);
    uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
    bool is_lost = false;
    while (!is_lost && pv_clock_now_ns() < deadline_ns) {
        pthread_mutex_lock(&b->lock);
        is_lost = b->is_lost;
        *why = b->why;
        pthread_mutex_unlock(&b->lock);
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    return is_lost;
}

uint32_t guest_remote_attach(struct guest *g, struct guest *from, uint32_t resource_id)
{
    struct backend *source = backend_of(from), *b = backend_of(g);
    pthread_mutex_lock(&source->lock);
    struct pv_remote_blob blob = source->blobs[resource_id];
    pthread_mutex_unlock(&source->lock);
    if (blob.taken_fd <= 0) {
        return 0;
    }
    pthread_mutex_lock(&b->lock);
    uint32_t id = ++b->last_resource_id;
    pv_remote_attach(b->remote, id, blob.kind, blob.taken_fd, blob.map_size);
    pthread_mutex_unlock(&b->lock);
    return id;
}

struct pv_remote_blob guest_remote_last_blob(struct guest *g)
{
    struct backend *b = backend_of(g);
    pthread_mutex_lock(&b->lock);
    struct pv_remote_blob blob = b->last_blob;
    pthread_mutex_unlock(&b->lock);
    return blob;
}
