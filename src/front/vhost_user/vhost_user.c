/* The loop of the back-end, and the device's callbacks. */

#include "front/vhost_user/vhost_user.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/fd.h"
#include "front/vhost_user/private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/* More than the device takes, so that what is too long looks so. */
enum { REQUEST_ROOM = PV_GPU_REQUEST_SIZE_MAX + 1 };

/* How long one queue may keep the front-end waiting, whose monitor stands still meanwhile. */
static const uint64_t turn_ns = 10 * PV_NS_PER_MS;

enum {
    POLL_FRONT,
    POLL_WINDOW,
    POLL_GPU,
    POLL_STOP,
    POLL_KICK, /* of the first queue */
    POLL_COUNT = POLL_KICK + PV_GPU_QUEUE_COUNT,
};

/* --- the device's callbacks ------------------------------------------------------------------- */

/* A chain's name: never 0. */
static uint64_t token_of(const struct pv_vhost_queue *queue, uint16_t head)
{
    return ((uint64_t)queue->index << 16 | head) + 1;
}

static void respond(void *user, uint64_t token, const void *response, size_t size)
{
    struct pv_vhost_user *vhost_user = user;
    const uint64_t queue = (token - 1) >> 16;
    PV_ASSERT(queue < PV_GPU_QUEUE_COUNT);
    pv_vhost_queue_give(&vhost_user->queues[queue], &vhost_user->memory, (uint16_t)(token - 1),
                        response, size);
}

static bool read_memory(void *user, uint64_t guest_address, void *bytes, size_t size)
{
    struct pv_vhost_user *vhost_user = user;
    return pv_vhost_memory_read(&vhost_user->memory, guest_address, bytes, size);
}

static void map(void *user, uint64_t token, const struct pv_gpu_mapping *mapping)
{
    struct pv_vhost_user *vhost_user = user;
    pv_vhost_window_map(&vhost_user->window, token, mapping->offset, mapping->size_bytes,
                        mapping->fd);
}

static void unmap(void *user, uint64_t token, uint64_t offset, uint64_t size_bytes)
{
    struct pv_vhost_user *vhost_user = user;
    pv_vhost_window_unmap(&vhost_user->window, token, offset, size_bytes);
}

static void finish_map(void *user, uint64_t token, bool ok)
{
    struct pv_vhost_user *vhost_user = user;
    pv_gpu_finish_map(vhost_user->gpu, token, ok);
}

static void write_log(void *user, enum pv_log_level level, const char *line)
{
    pv_log_line(user, level, "%s", line);
}

/* --- life ---------------------------------------------------------------------------------------
 */

static enum pv_result create_gpu(struct pv_vhost_user *vhost_user,
                                 const struct pv_vhost_user_params *params)
{
    static const struct pv_gpu_callbacks callbacks = {
        .respond = respond,
        .read_memory = read_memory,
        .map = map,
        .unmap = unmap,
    };
    struct pv_gpu_params gpu = params->gpu;
    gpu.struct_size = sizeof(gpu);
    gpu.callbacks = &callbacks;
    gpu.user = vhost_user;
    gpu.log = write_log;
    gpu.log_user = (void *)(uintptr_t)params->log;
    gpu.log_level = params->log->level;
    return pv_gpu_create(&gpu, &vhost_user->gpu);
}

enum pv_result pv_vhost_user_create(const struct pv_vhost_user_params *params,
                                    struct pv_vhost_user **vhost_user)
{
    struct pv_vhost_user *made = calloc(1, sizeof(*made));
    *vhost_user = NULL;
    if (made == NULL) {
        return PV_NO_MEMORY;
    }
    made->log = params->log;
    made->window_bytes = params->gpu.window_bytes;
    made->front.socket = -1;
    pv_vhost_window_init(&made->window, params->log, finish_map, made);
    made->request = malloc(REQUEST_ROOM);
    enum pv_result result = made->request != NULL ? PV_OK : PV_NO_MEMORY;
    for (uint32_t i = 0; result == PV_OK && i < PV_GPU_QUEUE_COUNT; i++) {
        result = pv_vhost_queue_init(&made->queues[i], i, params->log);
    }
    if (result == PV_OK) {
        result = create_gpu(made, params);
    }
    if (result != PV_OK) {
        pv_vhost_user_destroy(made);
        return result;
    }
    *vhost_user = made;
    return PV_OK;
}

void pv_vhost_user_destroy(struct pv_vhost_user *vhost_user)
{
    if (vhost_user == NULL) {
        return;
    }
    pv_gpu_destroy(vhost_user->gpu);
    for (uint32_t i = 0; i < PV_GPU_QUEUE_COUNT; i++) {
        pv_vhost_queue_finish(&vhost_user->queues[i]);
    }
    pv_vhost_window_finish(&vhost_user->window);
    pv_vhost_channel_finish(&vhost_user->front);
    pv_vhost_memory_finish(&vhost_user->memory);
    free(vhost_user->request);
    free(vhost_user);
}

void pv_vhost_user_reset(struct pv_vhost_user *vhost_user)
{
    for (uint32_t i = 0; i < PV_GPU_QUEUE_COUNT; i++) {
        pv_vhost_queue_stop(&vhost_user->queues[i]);
        pv_vhost_queue_drop(&vhost_user->queues[i]);
    }
    pv_gpu_reset(vhost_user->gpu);
    pv_vhost_window_reset(&vhost_user->window);
    vhost_user->is_used = false;
}

/* --- the loop -----------------------------------------------------------------------------------
 */

/* Takes what is available, but for no longer than a turn and no more than a queue holds: neither a
 * guest that goes on for ever nor one whose requests take long must keep us from the sockets. True
 * when there may be more. */
static bool run_queue(struct pv_vhost_user *vhost_user, uint32_t index)
{
    struct pv_vhost_queue *queue = &vhost_user->queues[index];
    const uint64_t end_ns = pv_clock_now_ns() + turn_ns;
    for (uint32_t i = 0; i < queue->size && (i == 0 || pv_clock_now_ns() < end_ns); i++) {
        struct pv_vhost_taken taken = {.bytes = vhost_user->request, .room = REQUEST_ROOM};
        switch (pv_vhost_queue_take(queue, &vhost_user->memory, &taken)) {
        case PV_VHOST_EMPTY:
            return false;
        case PV_VHOST_REQUEST:
            vhost_user->is_used = true;
            pv_gpu_request(vhost_user->gpu, (enum pv_gpu_queue)index, token_of(queue, taken.head),
                           taken.bytes, taken.size, taken.response_capacity);
            break;
        case PV_VHOST_REFUSED:
            break;
        }
    }
    return queue->size > 0;
}

static void take_kick(struct pv_vhost_queue *queue, short events)
{
    uint64_t count;
    if ((events & POLLIN) == 0) {
        pv_fd_close(&queue->kick); /* nobody is there who could kick */
        return;
    }
    ssize_t got = read(queue->kick, &count, sizeof(count));
    (void)got; /* somebody else may have been faster; looking for nothing does no harm */
}

static enum pv_result take_messages(struct pv_vhost_user *vhost_user)
{
    for (;;) {
        bool whole;
        const char *why = "what it sends is no vhost-user message";
        enum pv_result result = pv_vhost_channel_receive(&vhost_user->front, &whole);
        if (result == PV_OK && !whole) {
            return PV_OK;
        }
        uint32_t request = vhost_user->front.input.header.request;
        if (result == PV_OK) {
            pv_log_debug(vhost_user->log, "request %u of the front-end's", request);
            result = pv_vhost_user_handle(vhost_user, &why);
        }
        if (result == PV_CLOSED) {
            return result;
        }
        if (result != PV_OK) {
            pv_log_error(vhost_user->log, "the front-end's request %u: %s", request, why);
            return result;
        }
    }
}

/* Waits for something to do, or for one of two more descriptors. */
static enum pv_result wait_for(struct pv_vhost_user *vhost_user, struct pollfd fds[POLL_COUNT],
                               bool is_busy)
{
    fds[POLL_GPU] = (struct pollfd){.fd = pv_gpu_poll_fd(vhost_user->gpu), .events = POLLIN};
    const int timeout_ms = is_busy ? 0 : pv_gpu_timeout_ms(vhost_user->gpu);
    if (poll(fds, POLL_COUNT, timeout_ms) < 0 && errno != EINTR) {
        return PV_HOST_FAILED;
    }
    if (fds[POLL_STOP].revents != 0) {
        return PV_CLOSED;
    }
    pv_gpu_dispatch(vhost_user->gpu);
    return PV_OK;
}

enum pv_result pv_vhost_user_wait(struct pv_vhost_user *vhost_user, int fd, int stop)
{
    struct pollfd fds[POLL_COUNT];
    for (uint32_t i = 0; i < POLL_COUNT; i++) {
        fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    }
    fds[POLL_FRONT].fd = fd;
    fds[POLL_STOP].fd = stop;
    enum pv_result result;
    do {
        fds[POLL_FRONT].revents = 0;
        result = wait_for(vhost_user, fds, false);
    } while (result == PV_OK && fds[POLL_FRONT].revents == 0);
    return result;
}

static enum pv_result step(struct pv_vhost_user *vhost_user, int stop, bool *is_busy)
{
    struct pollfd fds[POLL_COUNT] = {
        [POLL_FRONT] = {.fd = vhost_user->front.socket, .events = POLLIN},
        [POLL_WINDOW] = {.fd = vhost_user->window.channel.socket, .events = POLLIN},
        [POLL_STOP] = {.fd = stop, .events = POLLIN},
    };
    for (uint32_t i = 0; i < PV_GPU_QUEUE_COUNT; i++) {
        fds[POLL_KICK + i] = (struct pollfd){.fd = vhost_user->queues[i].kick, .events = POLLIN};
    }
    enum pv_result result = wait_for(vhost_user, fds, *is_busy);
    if (result == PV_OK && fds[POLL_WINDOW].revents != 0) {
        result = pv_vhost_window_dispatch(&vhost_user->window);
        if (result == PV_GUEST_FAULT) {
            pv_log_error(vhost_user->log, "the front-end answers what was not asked");
        }
    }
    *is_busy = false;
    for (uint32_t i = 0; result == PV_OK && i < PV_GPU_QUEUE_COUNT; i++) {
        if (fds[POLL_KICK + i].revents != 0) {
            take_kick(&vhost_user->queues[i], fds[POLL_KICK + i].revents);
        }
        /* Also without a kick: a queue may just have been started, or have had more. */
        *is_busy |= run_queue(vhost_user, i);
    }
    if (result == PV_OK && fds[POLL_FRONT].revents != 0) {
        result = take_messages(vhost_user);
        *is_busy = true;
    }
    for (uint32_t i = 0; i < PV_GPU_QUEUE_COUNT; i++) {
        pv_vhost_queue_interrupt(&vhost_user->queues[i]);
    }
    return result;
}

enum pv_result pv_vhost_user_serve(struct pv_vhost_user *vhost_user, int taken_socket, int stop)
{
    enum pv_result result = pv_vhost_channel_init(&vhost_user->front, taken_socket);
    bool is_busy = false;
    while (result == PV_OK) {
        result = step(vhost_user, stop, &is_busy);
    }
    return result == PV_CLOSED ? PV_OK : result;
}
