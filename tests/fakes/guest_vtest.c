#include "fakes/guest_vtest.h"

#include "base/assert.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FENCE_TIMEOUT_MS = 20000 };

struct remote {
    struct guest *g;
    struct vtest_client client;
    pthread_mutex_t lock; /* of the socket */
};

static bool remote_submit(void *user, const void *bytes, uint64_t size)
{
    struct remote *remote = user;
    pthread_mutex_lock(&remote->lock);
    bool sent = vtest_client_submit(
        &remote->client,
        &(struct vtest_submit){.commands = bytes, .commands_size = (uint32_t)size});
    pthread_mutex_unlock(&remote->lock);
    return sent;
}

static void remote_fence(void *user, uint32_t ring_idx, uint64_t cookie)
{
    struct remote *remote = user;
    pthread_mutex_lock(&remote->lock);
    struct vtest_sync_value value = {vtest_client_sync_create(&remote->client, 0), 1};
    struct vtest_submit submit = {.syncs = &value, .sync_count = 1, .ring_idx = ring_idx};
    int fd = -1;
    if (value.id != 0 && vtest_client_submit(&remote->client, &submit)) {
        fd = vtest_client_sync_wait(&remote->client, false, UINT32_MAX, &value, 1);
    }
    pthread_mutex_unlock(&remote->lock);
    if (fd >= 0) {
        if ((vtest_client_poll(fd, FENCE_TIMEOUT_MS) & POLLIN) != 0) {
            guest_fence_retired(remote->g, ring_idx, cookie);
        }
        (void)close(fd);
    }
}

static uint32_t remote_create_blob(void *user, uint64_t blob_id, uint32_t flags, uint64_t size,
                                   uint8_t **map)
{
    struct remote *remote = user;
    uint32_t resource_id = 0;
    int fd = -1;
    pthread_mutex_lock(&remote->lock);
    bool created =
        vtest_client_create_blob(&remote->client, blob_id, flags, size, &resource_id, &fd);
    pthread_mutex_unlock(&remote->lock);
    if (!created) {
        return 0;
    }
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    *map = pages != MAP_FAILED ? pages : NULL;
    return *map != NULL ? resource_id : 0;
}

static void remote_unref(void *user, uint32_t resource_id, uint8_t *map, uint64_t size)
{
    struct remote *remote = user;
    if (remote->client.socket >= 0) {
        pthread_mutex_lock(&remote->lock);
        (void)vtest_client_unref(&remote->client, resource_id);
        pthread_mutex_unlock(&remote->lock);
    }
    (void)munmap(map, size);
}

static void remote_close(void *user)
{
    struct remote *remote = user;
    vtest_client_close(&remote->client);
    remote->client.socket = -1;
}

static void remote_free(void *user)
{
    struct remote *remote = user;
    pthread_mutex_destroy(&remote->lock);
    free(remote);
}

struct vtest_client *guest_client(struct guest *g)
{
    return &((struct remote *)g->transport.user)->client;
}

struct guest *guest_connect(const char *path)
{
    struct remote *remote = calloc(1, sizeof(*remote));
    PV_ASSERT(remote != NULL && pthread_mutex_init(&remote->lock, NULL) == 0);
    if (!vtest_client_connect(&remote->client, path)) {
        remote_free(remote);
        return NULL;
    }
    if (!vtest_client_open(&remote->client, "scripted guest")) {
        vtest_client_close(&remote->client);
        remote_free(remote);
        return NULL;
    }
    remote->g = guest_create_over((struct guest_transport){
        .user = remote,
        .submit = remote_submit,
        .fence = remote_fence,
        .create_blob = remote_create_blob,
        .unref = remote_unref,
        .close = remote_close,
        .free = remote_free,
    });
    return remote->g;
}
