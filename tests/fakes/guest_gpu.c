#include "fakes/guest_gpu.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/fd.h"
#include "fakes/patience.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>

enum { OK = VIRTIO_GPU_RESP_OK_NODATA };

/* One context of the machine's. */
struct backend {
    struct guest_machine *machine;
    struct guest *g;
    uint32_t context_id;
    uint64_t last_fence_id;
};

/* --- the machine -------------------------------------------------------------------------------
 */

static void tell_fences(struct guest_machine *machine)
{
    struct guest_machine_fence **link = &machine->fences;
    while (*link != NULL) {
        struct guest_machine_fence *fence = *link;
        if (gpu_guest_answer(machine->gpu, fence->token) == NULL) {
            link = &fence->next;
            continue;
        }
        *link = fence->next;
        guest_fence_retired(fence->g, fence->ring_idx, fence->cookie);
        free(fence);
    }
}

static void pump(void *user)
{
    struct guest_machine *machine = user;
    struct pollfd fds[] = {
        {.fd = pv_gpu_poll_fd(machine->gpu->gpu), .events = POLLIN},
        {.fd = machine->stop_read, .events = POLLIN},
    };
    while (fds[1].revents == 0) {
        pthread_mutex_lock(&machine->lock);
        pv_gpu_dispatch(machine->gpu->gpu);
        tell_fences(machine);
        int timeout_ms = pv_gpu_timeout_ms(machine->gpu->gpu);
        pthread_cond_broadcast(&machine->changed);
        pthread_mutex_unlock(&machine->lock);
        (void)poll(fds, 2, timeout_ms < 0 || timeout_ms > 100 ? 100 : timeout_ms);
    }
}

void guest_machine_open(struct guest_machine *machine, const struct gpu_guest_params *params)
{
    *machine = (struct guest_machine){.gpu = gpu_guest_create(params)};
    PV_ASSERT(pthread_mutex_init(&machine->lock, NULL) == 0 &&
              pthread_cond_init(&machine->changed, NULL) == 0 &&
              pv_fd_pipe(&machine->stop_read, &machine->stop_write) == PV_OK &&
              pv_thread_start(&machine->pump, "pump", pump, machine) == PV_OK);
}

void guest_machine_close(struct guest_machine *machine)
{
    const uint8_t byte = 0;
    PV_ASSERT(pv_fd_write(machine->stop_write, &byte, 1) == PV_OK);
    pv_thread_join(&machine->pump);
    PV_ASSERT(machine->fences == NULL);
    gpu_guest_destroy(machine->gpu);
    pv_fd_close(&machine->stop_read);
    pv_fd_close(&machine->stop_write);
    pthread_cond_destroy(&machine->changed);
    pthread_mutex_destroy(&machine->lock);
}

/* --- its guests --------------------------------------------------------------------------------
 */

static bool gpu_submit(void *user, const void *bytes, uint64_t size)
{
    struct backend *b = user;
    struct guest_machine *machine = b->machine;
    pthread_mutex_lock(&machine->lock);
    uint64_t token = gpu_send_submit(machine->gpu, b->context_id, bytes, (uint32_t)size, 0, -1);
    bool is_taken = gpu_guest_type(machine->gpu, token) == OK;
    pthread_mutex_unlock(&machine->lock);
    return is_taken;
}

static void gpu_fence(void *user, uint32_t ring_idx, uint64_t cookie)
{
    struct backend *b = user;
    struct guest_machine *machine = b->machine;
    struct guest_machine_fence *fence = calloc(1, sizeof(*fence));
    PV_ASSERT(fence != NULL);
    pthread_mutex_lock(&machine->lock);
    *fence = (struct guest_machine_fence){
        .token = gpu_send_submit(machine->gpu, b->context_id, NULL, 0, ++b->last_fence_id,
                                 (int)ring_idx),
        .g = b->g,
        .ring_idx = ring_idx,
        .cookie = cookie,
    };
    struct guest_machine_fence **last = &machine->fences;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = fence;
    tell_fences(machine);
    pthread_mutex_unlock(&machine->lock);
}

/* With the lock held. */
static void wait_for(struct guest_machine *machine, uint64_t token)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += PATIENCE_S;
    while (gpu_guest_answer(machine->gpu, token) == NULL) {
        PV_ASSERT(pthread_cond_timedwait(&machine->changed, &machine->lock, &deadline) == 0);
    }
}

static uint32_t gpu_create_blob(void *user, uint64_t blob_id, uint32_t flags, uint64_t size,
                                uint8_t **map)
{
    struct backend *b = user;
    struct guest_machine *machine = b->machine;
    uint64_t pages = (size + 4095) / 4096 * 4096; /* as a guest's kernel asks */
    pthread_mutex_lock(&machine->lock);
    uint32_t id = ++machine->last_resource_id;
    uint64_t offset = machine->window_used;
    (void)gpu_send_host_blob(machine->gpu, b->context_id, id, blob_id, flags, pages);
    uint64_t token = gpu_send_map(machine->gpu, id, offset);
    wait_for(machine, token);
    bool is_mapped = gpu_guest_type(machine->gpu, token) == VIRTIO_GPU_RESP_OK_MAP_INFO;
    if (is_mapped) {
        machine->window_used += pages;
        PV_ASSERT(gpu_ctx_attach(machine->gpu, b->context_id, id) == OK);
    }
    pthread_mutex_unlock(&machine->lock);
    *map = is_mapped ? machine->gpu->window + offset : NULL;
    return is_mapped ? id : 0;
}

static void gpu_unref_blob(void *user, uint32_t resource_id, uint8_t *map, uint64_t size)
{
    struct backend *b = user;
    struct guest_machine *machine = b->machine;
    (void)map;
    (void)size;
    pthread_mutex_lock(&machine->lock);
    (void)gpu_ctx_detach(machine->gpu, b->context_id, resource_id); /* fails after its context */
    PV_ASSERT(gpu_guest_type(machine->gpu, gpu_send_unmap(machine->gpu, resource_id)) == OK);
    PV_ASSERT(gpu_unref(machine->gpu, resource_id) == OK);
    pthread_mutex_unlock(&machine->lock);
}

static void gpu_close(void *user)
{
    struct backend *b = user;
    pthread_mutex_lock(&b->machine->lock);
    PV_ASSERT(gpu_ctx_destroy(b->machine->gpu, b->context_id) == OK);
    tell_fences(b->machine);
    pthread_mutex_unlock(&b->machine->lock);
}

struct guest *guest_create_gpu(struct guest_machine *machine, uint32_t context_id)
{
    pthread_mutex_lock(&machine->lock);
    uint32_t type = gpu_ctx_create(machine->gpu, context_id, PV_VENUS_CAPSET_ID);
    pthread_mutex_unlock(&machine->lock);
    struct backend *b = type == OK ? calloc(1, sizeof(*b)) : NULL;
    if (b == NULL) {
        return NULL;
    }
    b->machine = machine;
    b->context_id = context_id;
    b->g = guest_create_over((struct guest_transport){
        .user = b,
        .submit = gpu_submit,
        .fence = gpu_fence,
        .create_blob = gpu_create_blob,
        .unref = gpu_unref_blob,
        .close = gpu_close,
        .free = free,
    });
    return b->g;
}
