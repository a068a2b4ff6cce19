#include "fakes/guest_embed.h"

#include "api/renderer.h"
#include "base/assert.h"
#include "fakes/fake_vulkan.h"
#include "fakes/guest_remote.h"
#include "fakes/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *guest_embed_map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    PV_ASSERT(memory != MAP_FAILED);
    return memory;
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

/* --- the host ----------------------------------------------------------------------------------
 */

struct pv_context *guest_embed_context(const struct guest_embed_params *params,
                                       struct guest_log *log, struct pv_renderer **renderer)
{
    PV_ASSERT(pthread_mutex_init(&log->lock, NULL) == 0);
    const struct pv_log sink = {.level = PV_LOG_ERROR, .write = write_log, .user = log};
    struct pv_context_params context_params = {
        .struct_size = sizeof(context_params),
        .turned_fatal = params->turned_fatal,
        .user = params->user,
    };
    struct pv_context *context = NULL;
    *renderer = NULL;
    if (world_is_fake()) {
        *renderer = remote_renderer_create(&sink);
    } else if (params->turned_fatal == NULL) {
        struct pv_renderer_params renderer_params = {
            .struct_size = sizeof(renderer_params),
            .log = write_log,
            .log_user = log,
        };
        PV_ASSERT(pv_venus_init(&renderer_params, &context) == PV_OK);
        return context;
    } else {
        struct pv_renderer_params renderer_params = {.struct_size = sizeof(renderer_params)};
        PV_ASSERT(pv_renderer_create(&renderer_params, renderer) == PV_OK);
    }
    PV_ASSERT(pv_context_create(*renderer, &context_params, &context) == PV_OK);
    return context;
}

void guest_embed_end_context(struct pv_context *context, struct pv_renderer *renderer)
{
    pv_venus_cleanup(context);
    if (world_is_fake()) {
        remote_renderer_destroy(renderer);
    } else {
        pv_renderer_destroy(renderer);
    }
}

/* --- the way between ---------------------------------------------------------------------------
 */

struct piece {
    struct guest_embed *embed;
    void *memory;
    size_t size;
};

static void piece_released(void *user)
{
    struct piece *piece = user;
    atomic_fetch_add(&piece->embed->released, 1);
    PV_ASSERT(munmap(piece->memory, piece->size) == 0);
    free(piece);
}

static uint32_t create_shm(struct guest_embed *embed, uint32_t resource_id, uint64_t size,
                           uint8_t **map)
{
    struct piece *piece = malloc(sizeof(*piece));
    PV_ASSERT(piece != NULL);
    *piece = (struct piece){embed, guest_embed_map(size), size};
    *map = piece->memory;
    PV_ASSERT(pv_context_attach_memory(embed->context, resource_id, piece->memory, size,
                                       piece_released, piece) == PV_OK);
    return resource_id;
}

static uint32_t create_blob(void *user, uint64_t blob_id, uint32_t flags, uint64_t size,
                            uint8_t **map)
{
    struct guest_embed *embed = user;
    uint32_t resource_id = atomic_fetch_add(&embed->g->next_resource_id, 1);
    if (blob_id == 0) {
        return create_shm(embed, resource_id, size, map);
    }
    const struct pv_context_blob_params params = {
        .struct_size = sizeof(params),
        .resource_id = resource_id,
        .blob_id = blob_id,
        .flags = flags,
        .size_bytes = size,
    };
    struct pv_context_blob blob = {.struct_size = sizeof(blob)};
    if (pv_context_create_blob(embed->context, &params, &blob) != PV_OK) {
        return 0;
    }
    *map = blob.map;
    if (blob.fd >= 0) {
        close(blob.fd);
    }
    return resource_id;
}

static void unref(void *user, uint32_t resource_id, uint8_t *map, uint64_t size)
{
    struct guest_embed *embed = user;
    (void)map;
    (void)size;
    if (embed->context != NULL) {
        (void)pv_context_unref_resource(embed->context, resource_id);
    }
}

static bool submit(void *user, const void *bytes, uint64_t size)
{
    struct guest_embed *embed = user;
    return pv_context_submit(embed->context, bytes, size) == PV_OK;
}

static void notify(void *user)
{
    struct guest_embed *embed = user;
    if (!embed->is_notified_elsewhere) {
        embed->notified = pv_venus_ring_notify(embed->ring);
    }
}

static void close_context(void *user)
{
    struct guest_embed *embed = user;
    if (embed->context != NULL) {
        guest_embed_end_context(embed->context, embed->renderer);
        embed->context = NULL;
    }
}

void guest_embed_attach_guest(struct guest_embed *embed)
{
    embed->g = guest_create_over((struct guest_transport){
        .user = embed,
        .submit = submit,
        .create_blob = create_blob,
        .unref = unref,
        .notify = notify,
        .close = close_context,
    });
    const uint64_t buffer_size = pv_venus_ring_buffer_size(embed->ring);
    struct guest_ring *ring = &embed->g->ring;
    *ring = (struct guest_ring){
        .guest = embed->g,
        .shm = {.map = (uint8_t *)embed->control, .size = embed->memory_size},
        .layout = {.size = sizeof(struct pv_venus_ring_control) + buffer_size,
                   .tail_offset = offsetof(struct pv_venus_ring_control, tail),
                   .status_offset = offsetof(struct pv_venus_ring_control, status),
                   .buffer_offset = sizeof(struct pv_venus_ring_control),
                   .buffer_size = buffer_size},
        .reply = guest_shm_create(embed->g, GUEST_REPLY_SIZE),
        .scratch = malloc(GUEST_SCRATCH_SIZE),
    };
    PV_ASSERT(ring->scratch != NULL);
    pv_arena_init(&ring->arena, SIZE_MAX);
}

struct guest_embed *guest_embed_create(const struct guest_embed_params *params)
{
    struct guest_embed *embed = calloc(1, sizeof(*embed));
    PV_ASSERT(embed != NULL);
    embed->memory_size =
        params->memory_size != 0 ? params->memory_size : PV_VENUS_RING_SIZE_DEFAULT;
    embed->is_notified_elsewhere = params->is_notified_elsewhere;
    embed->control = guest_embed_map(embed->memory_size);
    embed->context = guest_embed_context(params, &embed->log, &embed->renderer);
    PV_ASSERT(pv_venus_ring_create_from_memory(embed->control, embed->memory_size, &embed->ring) ==
              PV_OK);
    PV_ASSERT(pv_venus_integration_start(embed->ring, embed->context) == PV_OK);
    guest_embed_attach_guest(embed);
    return embed;
}

void guest_embed_destroy(struct guest_embed *embed)
{
    guest_destroy(embed->g); /* cleans the context up, which lets go of the ring */
    PV_ASSERT(pv_venus_ring_destroy(embed->ring) == PV_OK);
    PV_ASSERT(munmap(embed->control, embed->memory_size) == 0);
    pthread_mutex_destroy(&embed->log.lock);
    free(embed);
}
