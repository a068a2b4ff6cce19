#include "virgl/caller.h"

#include "base/assert.h"
#include "base/clock.h"
#include "fakes/patience.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void record(struct caller *caller, struct caller_fence fence)
{
    pthread_mutex_lock(&caller->fence_lock);
    PV_ASSERT(caller->fence_count < CALLER_FENCES_MAX);
    fence.thread = pthread_self();
    caller->fences[caller->fence_count++] = fence;
    for (uint32_t i = 0; i < CALLER_GUESTS_MAX && fence.is_ringed; i++) {
        if (caller->guests[i].context_id == fence.context_id) {
            guest_fence_retired(caller->guests[i].g, fence.ring_idx, fence.id);
        }
    }
    pthread_mutex_unlock(&caller->fence_lock);
}

static void write_fence(void *cookie, uint32_t fence_id)
{
    record(cookie, (struct caller_fence){.id = fence_id});
}

static void write_context_fence(void *cookie, uint32_t context_id, uint32_t ring_idx,
                                uint64_t fence_id)
{
    record(cookie, (struct caller_fence){
                       .is_ringed = true,
                       .context_id = context_id,
                       .ring_idx = ring_idx,
                       .id = fence_id,
                   });
}

void caller_open(struct caller *caller, int flags)
{
    caller->callbacks.version = 4;
    caller->callbacks.write_fence = write_fence;
    caller->callbacks.write_context_fence = write_context_fence;
    caller->is_async = (flags & PV_VIRGL_ASYNC_FENCE_CB) != 0;
    caller->fence_count = 0;
    caller->next_resource_id = 2;
    memset(caller->guests, 0, sizeof(caller->guests));
    PV_ASSERT(pthread_mutex_init(&caller->call_lock, NULL) == 0 &&
              pthread_mutex_init(&caller->fence_lock, NULL) == 0);
    PV_ASSERT(virgl_renderer_init(caller, flags, &caller->callbacks) == 0);
}

void caller_close(struct caller *caller)
{
    virgl_renderer_cleanup(NULL);
    pthread_mutex_destroy(&caller->fence_lock);
    pthread_mutex_destroy(&caller->call_lock);
}

uint32_t caller_fences(struct caller *caller)
{
    pthread_mutex_lock(&caller->fence_lock);
    uint32_t count = caller->fence_count;
    pthread_mutex_unlock(&caller->fence_lock);
    return count;
}

bool caller_wait_fences(struct caller *caller, uint32_t count)
{
    uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
    while (caller_fences(caller) < count) {
        if (pv_clock_now_ns() > deadline_ns) {
            return false;
        }
        if (caller->is_async) {
            pv_clock_sleep_ns(PV_NS_PER_MS);
            continue;
        }
        struct pollfd poll_fd = {.fd = virgl_renderer_get_poll_fd(), .events = POLLIN};
        if (poll(&poll_fd, 1, 100) == 1) {
            pthread_mutex_lock(&caller->call_lock);
            virgl_renderer_poll();
            pthread_mutex_unlock(&caller->call_lock);
        }
    }
    return true;
}

/* --- a guest's way to the library ------------------------------------------------------------- */

struct connection {
    struct caller *caller;
    uint32_t context_id;
};

static bool connection_submit(void *user, const void *bytes, uint64_t size)
{
    struct connection *connection = user;
    void *copy = malloc(size); /* gone before anybody looks at it again */
    PV_ASSERT(copy != NULL && size % 4 == 0);
    memcpy(copy, bytes, size);
    pthread_mutex_lock(&connection->caller->call_lock);
    virgl_renderer_force_ctx_0();
    int error = virgl_renderer_submit_cmd(copy, (int)connection->context_id, (int)(size / 4));
    pthread_mutex_unlock(&connection->caller->call_lock);
    memset(copy, 0xee, size);
    free(copy);
    return error == 0;
}

static void connection_fence(void *user, uint32_t ring_idx, uint64_t cookie)
{
    struct connection *connection = user;
    pthread_mutex_lock(&connection->caller->call_lock);
    PV_ASSERT(virgl_renderer_context_create_fence(connection->context_id, 0, ring_idx, cookie) ==
              0);
    pthread_mutex_unlock(&connection->caller->call_lock);
}

static uint8_t *map_exported(uint32_t resource_id, uint64_t size)
{
    uint32_t type = 0;
    int fd = -1;
    if (virgl_renderer_resource_export_blob(resource_id, &type, &fd) != 0) {
        return MAP_FAILED;
    }
    PV_ASSERT(type == PV_VIRGL_FD_SHM || type == PV_VIRGL_FD_DMABUF);
    uint8_t *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    return map;
}

static uint8_t *map_fixed(uint32_t resource_id, uint64_t size)
{
    uint8_t *window = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (window != MAP_FAILED && virgl_renderer_resource_map_fixed(resource_id, window) != 0) {
        (void)munmap(window, size);
        return MAP_FAILED;
    }
    return window;
}

/* The calls in the order in which QEMU makes them. */
static uint32_t create_blob(struct connection *connection, uint64_t blob_id, uint32_t flags,
                            uint64_t size, uint8_t **map)
{
    struct caller *caller = connection->caller;
    struct pv_virgl_blob_args args = {
        .resource_id = ++caller->next_resource_id,
        .context_id = connection->context_id,
        .memory = PV_VIRGL_BLOB_HOST3D,
        .flags = flags,
        .blob_id = blob_id,
        .size_bytes = size,
    };
    virgl_renderer_force_ctx_0();
    caller->last_error = virgl_renderer_resource_create_blob(&args);
    struct pv_virgl_info info;
    if (caller->last_error != 0 ||
        virgl_renderer_resource_get_info((int)args.resource_id, &info) != 0) {
        return 0;
    }
    uint8_t *made = caller->maps_by_fd ? map_exported(args.resource_id, size)
                                       : map_fixed(args.resource_id, size);
    uint32_t map_info = 0;
    PV_ASSERT(made != MAP_FAILED &&
              virgl_renderer_resource_get_map_info(args.resource_id, &map_info) == 0);
    PV_ASSERT(map_info >= 1 && map_info <= 3);
    virgl_renderer_ctx_attach_resource((int)connection->context_id, (int)args.resource_id);
    *map = made;
    return args.resource_id;
}

static uint32_t connection_create_blob(void *user, uint64_t blob_id, uint32_t flags, uint64_t size,
                                       uint8_t **map)
{
    struct connection *connection = user;
    uint64_t rounded = (size + 4095) & ~UINT64_C(4095); /* as a guest's kernel does */
    pthread_mutex_lock(&connection->caller->call_lock);
    uint32_t resource_id = create_blob(connection, blob_id, flags, rounded, map);
    pthread_mutex_unlock(&connection->caller->call_lock);
    return resource_id;
}

static void connection_unref(void *user, uint32_t resource_id, uint8_t *map, uint64_t size)
{
    struct connection *connection = user;
    struct iovec *iov = NULL;
    int iov_count = 0;
    pthread_mutex_lock(&connection->caller->call_lock);
    virgl_renderer_ctx_detach_resource((int)connection->context_id, (int)resource_id);
    virgl_renderer_resource_detach_iov((int)resource_id, &iov, &iov_count);
    virgl_renderer_resource_unref(resource_id);
    pthread_mutex_unlock(&connection->caller->call_lock);
    (void)munmap(map, (size + 4095) & ~UINT64_C(4095));
}

static void connection_close(void *user)
{
    struct connection *connection = user;
    pthread_mutex_lock(&connection->caller->call_lock);
    virgl_renderer_context_destroy(connection->context_id);
    pthread_mutex_unlock(&connection->caller->call_lock);
}

static void connection_free(void *user)
{
    struct connection *connection = user;
    struct caller *caller = connection->caller;
    pthread_mutex_lock(&caller->fence_lock);
    for (uint32_t i = 0; i < CALLER_GUESTS_MAX; i++) {
        if (caller->guests[i].context_id == connection->context_id) {
            caller->guests[i].context_id = 0;
            caller->guests[i].g = NULL;
        }
    }
    pthread_mutex_unlock(&caller->fence_lock);
    free(connection);
}

static void remember(struct caller *caller, uint32_t context_id, struct guest *g)
{
    pthread_mutex_lock(&caller->fence_lock);
    uint32_t i = 0;
    while (caller->guests[i].context_id != 0) {
        i++;
        PV_ASSERT(i < CALLER_GUESTS_MAX);
    }
    caller->guests[i].context_id = context_id;
    caller->guests[i].g = g;
    pthread_mutex_unlock(&caller->fence_lock);
}

struct guest *caller_connect(struct caller *caller, uint32_t context_id)
{
    pthread_mutex_lock(&caller->call_lock);
    int error = virgl_renderer_context_create_with_flags(context_id, 4, 8, "scripted");
    pthread_mutex_unlock(&caller->call_lock);
    if (error != 0) {
        return NULL;
    }
    struct connection *connection = calloc(1, sizeof(*connection));
    PV_ASSERT(connection != NULL);
    *connection = (struct connection){caller, context_id};
    struct guest *g = guest_create_over((struct guest_transport){
        .user = connection,
        .submit = connection_submit,
        .fence = connection_fence,
        .create_blob = connection_create_blob,
        .unref = connection_unref,
        .close = connection_close,
        .free = connection_free,
    });
    remember(caller, context_id, g);
    return g;
}
