#include "fakes/gpu_guest.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/fd.h"
#include "fakes/patience.h"
#include "front/virtio_gpu/device.h"
#include "isolate/remote.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* --- the machine -------------------------------------------------------------------------------
 */

static void respond(void *user, uint64_t token, const void *response, size_t size)
{
    struct gpu_guest *g = user;
    PV_ASSERT(token != 0 && token <= g->last_token && size <= g->capacities[token]);
    struct gpu_answer *answer = g->answers[token];
    if (answer == NULL) {
        answer = g->answers[token] = calloc(1, sizeof(*answer));
    }
    PV_ASSERT(answer != NULL && answer->count == 0);
    answer->count++;
    answer->order = ++g->answer_count;
    answer->size = size;
    if (size != 0) {
        memcpy(answer->bytes, response, size);
    }
}

static bool read_memory(void *user, uint64_t guest_address, void *bytes, size_t size)
{
    const struct gpu_guest *g = user;
    if (guest_address < GPU_GUEST_MEMORY_BASE ||
        guest_address - GPU_GUEST_MEMORY_BASE > GPU_GUEST_MEMORY_SIZE ||
        size > GPU_GUEST_MEMORY_SIZE - (guest_address - GPU_GUEST_MEMORY_BASE)) {
        return false;
    }
    memcpy(bytes, g->memory + (guest_address - GPU_GUEST_MEMORY_BASE), size);
    return true;
}

static void finish(struct gpu_guest *g, uint64_t token)
{
    g->map_token = token;
    if (token != 0 && g->maps_later) {
        PV_ASSERT(g->waiting_count < GPU_GUEST_TOKENS_MAX);
        g->waiting_tokens[g->waiting_count++] = token;
    } else if (token != 0) {
        pv_gpu_finish_map(g->gpu, token, !g->maps_fail);
    }
}

static void map(void *user, uint64_t token, const struct pv_gpu_mapping *mapping)
{
    struct gpu_guest *g = user;
    PV_ASSERT(token != 0 && g->mapping_count < GPU_GUEST_MAPPINGS_MAX);
    PV_ASSERT(mapping->offset % 4096 == 0 && mapping->size_bytes % 4096 == 0 &&
              mapping->size_bytes != 0 && mapping->offset < GPU_GUEST_WINDOW_SIZE &&
              mapping->size_bytes <= GPU_GUEST_WINDOW_SIZE - mapping->offset);
    for (uint32_t i = 0; i < g->mapping_count; i++) {
        const struct gpu_mapping *other = &g->mappings[i];
        PV_ASSERT(mapping->offset + mapping->size_bytes <= other->offset ||
                  other->offset + other->size <= mapping->offset);
    }
    g->map_count++;
    if (!g->maps_fail) {
        g->mappings[g->mapping_count++] = (struct gpu_mapping){
            .token = token,
            .offset = mapping->offset,
            .size = mapping->size_bytes,
            .fd = pv_fd_duplicate(mapping->fd),
            .caching = mapping->caching,
        };
        PV_ASSERT(mmap(g->window + mapping->offset, mapping->size_bytes, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_FIXED, mapping->fd, 0) != MAP_FAILED);
    }
    finish(g, token);
}

static void take_away(struct gpu_guest *g, uint32_t index)
{
    struct gpu_mapping *mapping = &g->mappings[index];
    PV_ASSERT(mmap(g->window + mapping->offset, mapping->size, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED);
    pv_fd_close(&mapping->fd);
    *mapping = g->mappings[--g->mapping_count];
}

void gpu_guest_finish_map(struct gpu_guest *g, uint64_t token, bool ok)
{
    for (uint32_t i = 0; i < g->waiting_count; i++) {
        if (g->waiting_tokens[i] == token) {
            g->waiting_count--;
            memmove(&g->waiting_tokens[i], &g->waiting_tokens[i + 1],
                    (g->waiting_count - i) * sizeof(token));
        }
    }
    for (uint32_t i = 0; i < g->mapping_count && !ok; i++) {
        if (g->mappings[i].token == token) {
            take_away(g, i);
        }
    }
    pv_gpu_finish_map(g->gpu, token, ok);
}

static void unmap(void *user, uint64_t token, uint64_t offset, uint64_t size_bytes)
{
    struct gpu_guest *g = user;
    PV_ASSERT(!g->is_destroyed);
    g->unmap_count++;
    uint32_t i = 0;
    while (i < g->mapping_count && g->mappings[i].offset != offset) {
        i++;
    }
    if (i < g->mapping_count) { /* else the map has failed */
        PV_ASSERT(g->mappings[i].size == size_bytes);
        take_away(g, i);
    }
    finish(g, token);
}

static void display(void *user, uint32_t scanout, const struct pv_gpu_rect *changed)
{
    struct gpu_guest *g = user;
    PV_ASSERT(!g->is_destroyed);
    g->display_count++;
    g->display_scanout = scanout;
    g->displayed = *changed;
}

static void config_changed(void *user)
{
    struct gpu_guest *g = user;
    g->config_count++;
}

static void write_log(void *user, enum pv_log_level level, const char *line)
{
    struct gpu_guest *g = user;
    pthread_mutex_lock(&g->lock);
    g->error_count += level == PV_LOG_ERROR;
    g->warn_count += level == PV_LOG_WARN;
    if (level <= PV_LOG_WARN) {
        (void)snprintf(g->last_line, sizeof(g->last_line), "%s", line);
    }
    pthread_mutex_unlock(&g->lock);
}

/* On a thread of the device's: hands the socket to the test. */
static void serve(void *user, uint32_t context_id, int taken_socket)
{
    struct gpu_guest *g = user;
    PV_ASSERT(context_id < GPU_GUEST_CONTEXTS_MAX);
    pthread_mutex_lock(&g->lock);
    pv_packets_close(&g->peers[context_id]); /* of a context that has ended */
    PV_ASSERT(pv_packets_init(&g->peers[context_id], taken_socket) == PV_OK);
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

struct gpu_guest *gpu_guest_create(const struct gpu_guest_params *params)
{
    struct gpu_guest *g = calloc(1, sizeof(*g));
    PV_ASSERT(g != NULL && pthread_mutex_init(&g->lock, NULL) == 0 &&
              pthread_cond_init(&g->changed, NULL) == 0);
    g->memory = calloc(1, GPU_GUEST_MEMORY_SIZE);
    g->window = mmap(NULL, GPU_GUEST_WINDOW_SIZE, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    PV_ASSERT(g->memory != NULL && g->window != MAP_FAILED);
    for (uint32_t i = 0; i < GPU_GUEST_CONTEXTS_MAX; i++) {
        g->peers[i].socket = -1;
    }
    struct pv_gpu_callbacks callbacks = {
        .respond = respond,
        .read_memory = read_memory,
        .map = params->without_window ? NULL : map,
        .unmap = params->without_window ? NULL : unmap,
        .display = display,
        .config_changed = config_changed,
    };
    struct pv_gpu_params gpu_params = {
        .struct_size = sizeof(gpu_params),
        .renderer = params->renderer,
        .program = params->program,
        .driver = params->driver,
        .window_bytes = GPU_GUEST_WINDOW_SIZE,
        .scanouts = params->scanouts,
        .width = params->width,
        .height = params->height,
        .blob_alignment = params->blob_alignment,
        .quota = params->quota,
        .callbacks = &callbacks,
        .user = g,
        .log = write_log,
        .log_user = g,
        .log_level = PV_LOG_DEBUG,
    };
    gpu_params.quota.context = params->context_quota;
    enum pv_result result = params->renderer != NULL || params->program != NULL
                                ? pv_gpu_create(&gpu_params, &g->gpu)
                                : pv_virtio_gpu_create_served(&gpu_params, serve, g, &g->gpu);
    PV_ASSERT(result == PV_OK);
    return g;
}

void gpu_guest_destroy(struct gpu_guest *g)
{
    g->is_destroyed = true;
    pv_gpu_destroy(g->gpu);
    while (g->mapping_count != 0) {
        take_away(g, 0);
    }
    for (uint32_t i = 0; i < GPU_GUEST_CONTEXTS_MAX; i++) {
        pv_packets_close(&g->peers[i]);
    }
    for (uint64_t i = 0; i <= g->last_token; i++) {
        free(g->answers[i]);
    }
    (void)munmap(g->window, GPU_GUEST_WINDOW_SIZE);
    free(g->memory);
    pthread_cond_destroy(&g->changed);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

/* --- requests ----------------------------------------------------------------------------------
 */

uint64_t gpu_guest_send_to(struct gpu_guest *g, enum pv_gpu_queue queue, const void *request,
                           size_t size, size_t capacity)
{
    uint64_t token = ++g->last_token;
    PV_ASSERT(token < GPU_GUEST_TOKENS_MAX);
    g->capacities[token] = capacity;
    /* Of its exact size, so that a sanitizer sees who reads beyond it. */
    uint8_t *copy = malloc(size != 0 ? size : 1);
    PV_ASSERT(copy != NULL);
    if (size != 0) {
        memcpy(copy, request, size);
    }
    pv_gpu_request(g->gpu, queue, token, copy, size, capacity);
    free(copy);
    return token;
}

uint64_t gpu_guest_send(struct gpu_guest *g, const void *request, size_t size)
{
    return gpu_guest_send_to(g, PV_GPU_QUEUE_CONTROL, request, size, PV_GPU_RESPONSE_SIZE_MAX);
}

const struct gpu_answer *gpu_guest_answer(struct gpu_guest *g, uint64_t token)
{
    PV_ASSERT(token <= g->last_token);
    return g->answers[token];
}

uint32_t gpu_guest_type(struct gpu_guest *g, uint64_t token)
{
    const struct gpu_answer *answer = gpu_guest_answer(g, token);
    struct virtio_gpu_ctrl_hdr header = {0};
    if (answer != NULL && answer->size >= sizeof(header)) {
        memcpy(&header, answer->bytes, sizeof(header));
    }
    return header.type;
}

uint32_t gpu_guest_ask(struct gpu_guest *g, const void *request, size_t size)
{
    return gpu_guest_type(g, gpu_guest_send(g, request, size));
}

static bool is_readable(const struct gpu_guest *g, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = pv_gpu_poll_fd(g->gpu), .events = POLLIN};
    return poll(&poll_fd, 1, timeout_ms) > 0;
}

bool gpu_guest_wait(struct gpu_guest *g, uint64_t token)
{
    uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
    while (gpu_guest_answer(g, token) == NULL && pv_clock_now_ns() < deadline_ns) {
        (void)is_readable(g, 10);
        pv_gpu_dispatch(g->gpu);
    }
    return gpu_guest_answer(g, token) != NULL;
}

void gpu_guest_pump(struct gpu_guest *g)
{
    do {
        pv_gpu_dispatch(g->gpu);
    } while (is_readable(g, 0));
}

/* --- the other end of contexts -----------------------------------------------------------------
 */

struct pv_packets *gpu_guest_peer(struct gpu_guest *g, uint32_t context_id)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&g->lock);
    while (g->peers[context_id].socket < 0 &&
           pthread_cond_timedwait(&g->changed, &g->lock, &deadline) == 0) {
    }
    PV_ASSERT(g->peers[context_id].socket >= 0);
    pthread_mutex_unlock(&g->lock);
    return &g->peers[context_id];
}

struct pv_message gpu_peer_expect(struct gpu_guest *g, uint32_t context_id,
                                  enum pv_message_type type)
{
    static _Alignas(8) uint8_t buffer[PV_MESSAGE_SIZE_MAX];
    struct pv_packets *peer = gpu_guest_peer(g, context_id);
    struct pollfd poll_fd = {.fd = peer->socket, .events = POLLIN};
    struct pv_message message = {.fd = -1};
    PV_ASSERT(poll(&poll_fd, 1, PATIENCE_S * 1000) == 1);
    PV_ASSERT(pv_message_receive(peer, PV_MESSAGE_TO_CONTEXT, false, buffer, &message) == PV_OK);
    PV_ASSERT(message.type == type);
    pv_fd_close(&message.fd);
    return message;
}

bool gpu_peer_is_silent(struct gpu_guest *g, uint32_t context_id)
{
    struct pollfd poll_fd = {.fd = gpu_guest_peer(g, context_id)->socket, .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 0;
}

void gpu_peer_retire(struct gpu_guest *g, uint32_t context_id, uint32_t ring_idx, uint64_t fence_id)
{
    const struct pv_fence_word word = {.ring_idx = ring_idx, .fence_id = fence_id};
    PV_ASSERT(pv_message_send(gpu_guest_peer(g, context_id), PV_MESSAGE_FENCE_RETIRED, &word,
                              sizeof(word), NULL, 0, -1) == PV_OK);
    gpu_guest_pump(g);
}

void gpu_peer_answer_blob(struct gpu_guest *g, uint32_t context_id, uint32_t resource_id,
                          enum pv_result result, uint64_t size)
{
    int fd = result == PV_OK ? pv_remote_shm_create(size) : -1;
    const struct pv_blob_reply reply = {
        .map_size = size,
        .resource_id = resource_id,
        .result = result,
        .caching = PV_CONTEXT_MAP_WRITE_COMBINED,
        .kind = PV_CONTEXT_BLOB_MEMORY,
    };
    PV_ASSERT(pv_message_send(gpu_guest_peer(g, context_id), PV_MESSAGE_BLOB_CREATED, &reply,
                              sizeof(reply), NULL, 0, fd) == PV_OK);
    pv_fd_close(&fd);
    gpu_guest_pump(g);
}

void gpu_peer_hang_up(struct gpu_guest *g, uint32_t context_id)
{
    (void)gpu_guest_peer(g, context_id);
    pthread_mutex_lock(&g->lock);
    pv_packets_close(&g->peers[context_id]);
    pthread_mutex_unlock(&g->lock);
    gpu_guest_pump(g);
}
