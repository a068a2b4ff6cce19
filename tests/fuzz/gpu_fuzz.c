#include "base/assert.h"
#include "base/fd.h"
#include "fakes/gpu_guest.h"
#include "fuzz/fuzz.h"
#include "isolate/remote.h"

#include <dirent.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* A virtio-gpu device between a hostile guest and hostile workers. The input is a script: each step
 * is a request, nearly right; or something that a context's other end says; or the machine around.
 *
 * What must hold: each chain comes back once, unless a reset dropped it; mappings in the window
 * never overlap (both are asserted by the machine, gpu_guest.c); no descriptor is left. */

enum {
    CONTEXTS = 4,  /* ids 0 to 3, of which 0 is never one */
    RESOURCES = 8, /* ids 0 to 7 */
    STEPS_MAX = 400,
    REQUEST_SIZE_MAX = 512,
    KEPT_MAX = 64,
};

/* --- the input ---------------------------------------------------------------------------------
 */

struct input {
    const uint8_t *bytes;
    size_t left;
};

static uint32_t byte(struct input *in)
{
    if (in->left == 0) {
        return 0;
    }
    in->left--;
    return *in->bytes++;
}

static uint32_t below(struct input *in, uint32_t limit)
{
    return byte(in) % limit;
}

/* Sizes and offsets: most of them sensible, some at an edge. */
static uint64_t number(struct input *in)
{
    static const uint64_t edges[] = {
        0,       1,         3,          4,          63,         64,         4095,
        4096,    4097,      8192,       16384,      65536,      1 << 20,    1 << 24,
        1 << 26, INT32_MAX, UINT32_MAX, 1ull << 32, 1ull << 63, UINT64_MAX, UINT64_MAX - 4095,
    };
    uint32_t choice = byte(in);
    if (choice < 128) {
        return (uint64_t)(choice % 16) * 4096;
    }
    return choice < 192 ? choice - 128 : edges[choice % (sizeof(edges) / sizeof(edges[0]))];
}

/* --- the run -----------------------------------------------------------------------------------
 */

struct kept_fence {
    uint32_t ring_idx;
    uint64_t fence_id;
};

/* The other end of a context. */
struct peer {
    bool is_open;
    uint32_t fence_count, blob_count;
    struct kept_fence fences[KEPT_MAX];
    uint32_t blobs[KEPT_MAX]; /* resource ids that wait for an answer */
};

struct run {
    struct input in;
    struct gpu_guest *g;
    struct peer peers[CONTEXTS];
    uint64_t first_token; /* after the last reset */
};

static uint32_t descriptor_count(void)
{
    uint32_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    PV_ASSERT(folder != NULL);
    while (readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count;
}

static void hang_up(struct run *run, uint32_t id)
{
    if (run->peers[id].is_open) {
        pv_packets_close(&run->g->peers[id]);
        run->peers[id] = (struct peer){0};
    }
}

/* --- requests ----------------------------------------------------------------------------------
 */

static const struct {
    uint32_t type, size;
} commands[] = {
    {VIRTIO_GPU_CMD_GET_DISPLAY_INFO, 24},
    {VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, 40},
    {VIRTIO_GPU_CMD_RESOURCE_UNREF, 32},
    {VIRTIO_GPU_CMD_SET_SCANOUT, 48},
    {VIRTIO_GPU_CMD_RESOURCE_FLUSH, 48},
    {VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, 56},
    {VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, 32},
    {VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 32},
    {VIRTIO_GPU_CMD_GET_CAPSET_INFO, 32},
    {VIRTIO_GPU_CMD_GET_CAPSET, 32},
    {VIRTIO_GPU_CMD_GET_EDID, 32},
    {VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID, 32},
    {VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, 56},
    {VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, 96},
    {VIRTIO_GPU_CMD_CTX_CREATE, 96},
    {VIRTIO_GPU_CMD_CTX_DESTROY, 24},
    {VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 32},
    {VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, 32},
    {VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, 72},
    {VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 72},
    {VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, 72},
    {VIRTIO_GPU_CMD_SUBMIT_3D, 32},
    {VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, 40},
    {VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, 32},
    {VIRTIO_GPU_CMD_UPDATE_CURSOR, 56},
    {VIRTIO_GPU_CMD_MOVE_CURSOR, 56},
};

/* Any request: a union, so that each field is where its struct has it. */
union request {
    uint8_t bytes[REQUEST_SIZE_MAX];
    struct virtio_gpu_ctrl_hdr hdr;
    struct virtio_gpu_resource_create_2d create_2d;
    struct virtio_gpu_resource_unref id; /* of all that have only one */
    struct virtio_gpu_set_scanout set_scanout;
    struct virtio_gpu_resource_flush flush;
    struct virtio_gpu_transfer_to_host_2d transfer_2d;
    struct virtio_gpu_resource_attach_backing attach;
    struct virtio_gpu_get_capset capset;
    struct virtio_gpu_resource_create_blob blob;
    struct virtio_gpu_set_scanout_blob scanout_blob;
    struct virtio_gpu_ctx_create context;
    struct virtio_gpu_resource_create_3d create_3d;
    struct virtio_gpu_transfer_host_3d transfer_3d;
    struct virtio_gpu_cmd_submit submit;
    struct virtio_gpu_resource_map_blob map;
    struct virtio_gpu_update_cursor cursor;
};

static struct virtio_gpu_rect rect(struct input *in)
{
    if (below(in, 4) != 0) {
        return (struct virtio_gpu_rect){0, 0, 16, 16};
    }
    return (struct virtio_gpu_rect){(uint32_t)number(in), (uint32_t)number(in),
                                    (uint32_t)number(in), (uint32_t)number(in)};
}

static uint32_t put_entries(struct input *in, uint8_t *at, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct virtio_gpu_mem_entry entry = {
            .addr = below(in, 8) != 0 ? GPU_GUEST_MEMORY_BASE + number(in) % 65536 : number(in),
            .length = (uint32_t)number(in),
        };
        memcpy(at + i * sizeof(entry), &entry, sizeof(entry));
    }
    return count * (uint32_t)sizeof(struct virtio_gpu_mem_entry);
}

static uint32_t fill_in_blob(struct input *in, union request *r, uint32_t size)
{
    bool is_guest = below(in, 3) == 0;
    r->blob.blob_mem = is_guest ? VIRTIO_GPU_BLOB_MEM_GUEST : VIRTIO_GPU_BLOB_MEM_HOST3D;
    r->blob.blob_flags = below(in, 4) != 0 ? 1 : byte(in) % 10;
    r->blob.blob_id = is_guest ? 0 : below(in, 3);
    r->blob.size = number(in);
    if (is_guest) {
        r->blob.nr_entries = below(in, 5);
        size += put_entries(in, r->bytes + size, r->blob.nr_entries);
    }
    return size;
}

static void fill_in_images(struct input *in, union request *r)
{
    switch (r->hdr.type) {
    case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
        r->create_2d.format = below(in, 5);
        r->create_2d.width = below(in, 8) != 0 ? 16 : (uint32_t)number(in);
        r->create_2d.height = below(in, 8) != 0 ? 16 : (uint32_t)number(in);
        break;
    case VIRTIO_GPU_CMD_RESOURCE_CREATE_3D:
        r->create_3d.target = 2;
        r->create_3d.format = 67;
        r->create_3d.width = r->create_3d.height = 1 + below(in, 32);
        r->create_3d.depth = r->create_3d.array_size = 1;
        break;
    case VIRTIO_GPU_CMD_SET_SCANOUT:
        r->set_scanout.r = rect(in);
        r->set_scanout.scanout_id = below(in, 3);
        r->set_scanout.resource_id = below(in, RESOURCES);
        break;
    case VIRTIO_GPU_CMD_SET_SCANOUT_BLOB:
        r->scanout_blob.r = rect(in);
        r->scanout_blob.scanout_id = below(in, 3);
        r->scanout_blob.resource_id = below(in, RESOURCES);
        r->scanout_blob.width = r->scanout_blob.height = 16 + below(in, 2);
        r->scanout_blob.format = below(in, 2) != 0 ? 1 : 67;
        r->scanout_blob.strides[0] = 64 + (uint32_t)number(in);
        r->scanout_blob.offsets[0] = (uint32_t)number(in);
        break;
    case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
        r->flush.r = rect(in);
        r->flush.resource_id = below(in, RESOURCES);
        break;
    case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
        r->transfer_2d.r = rect(in);
        r->transfer_2d.offset = number(in);
        r->transfer_2d.resource_id = below(in, RESOURCES);
        break;
    case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D:
        r->transfer_3d.box = (struct virtio_gpu_box){.w = 8, .h = 8, .d = 1};
        r->transfer_3d.offset = number(in);
        r->transfer_3d.stride = (uint32_t)number(in);
        r->transfer_3d.resource_id = below(in, RESOURCES);
        break;
    default:
        break;
    }
}

/* Returns the request's size. */
static uint32_t fill_in(struct input *in, union request *r, uint32_t size)
{
    r->id.resource_id = below(in, RESOURCES);
    switch (r->hdr.type) {
    case VIRTIO_GPU_CMD_GET_CAPSET:
        r->capset.capset_id = below(in, 6);
        r->capset.capset_version = 0;
        return size;
    case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
        r->attach.nr_entries = below(in, 5);
        return size + put_entries(in, r->bytes + size, r->attach.nr_entries);
    case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
        return fill_in_blob(in, r, size);
    case VIRTIO_GPU_CMD_CTX_CREATE:
        r->context.nlen = 3;
        r->context.context_init = below(in, 8) != 0 ? 4 : below(in, 6);
        return size;
    case VIRTIO_GPU_CMD_SUBMIT_3D:
        r->submit.size = 4 * below(in, 32);
        return size + r->submit.size;
    case VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB:
        r->map.offset = number(in);
        return size;
    default:
        fill_in_images(in, r);
        return size;
    }
}

static void request(struct run *run)
{
    struct input *in = &run->in;
    uint32_t index = below(in, sizeof(commands) / sizeof(commands[0]));
    union request r = {.hdr = {.type = commands[index].type, .ctx_id = below(in, CONTEXTS)}};
    uint32_t ways = byte(in);
    if ((ways & 3) == 0) {
        r.hdr.flags = VIRTIO_GPU_FLAG_FENCE | (ways & 4 ? VIRTIO_GPU_FLAG_INFO_RING_IDX : 0u);
        r.hdr.fence_id = 1 + run->g->last_token;
        r.hdr.ring_idx = (uint8_t)(ways & 8 ? below(in, 3) : byte(in));
    }
    uint32_t size = fill_in(in, &r, commands[index].size);
    if ((ways & 0x70) == 0) { /* nearly right */
        for (uint32_t i = below(in, 4); i > 0; i--) {
            r.bytes[byte(in) % 96] = (uint8_t)byte(in);
        }
        size = (ways & 0x80) != 0 ? byte(in) * 2 : size;
    }
    uint32_t id = r.hdr.ctx_id;
    bool is_create = r.hdr.type == VIRTIO_GPU_CMD_CTX_CREATE && id < CONTEXTS;
    if (r.hdr.type == VIRTIO_GPU_CMD_CTX_CREATE && !is_create) {
        return; /* nobody would speak for it */
    }
    enum pv_gpu_queue queue = r.hdr.type >= 0x300 ? PV_GPU_QUEUE_CURSOR : PV_GPU_QUEUE_CONTROL;
    size_t capacity = below(in, 16) != 0 ? PV_GPU_RESPONSE_SIZE_MAX : byte(in);
    struct pv_gpu_stats before = {.struct_size = sizeof(before)}, after = before;
    pv_gpu_get_stats(run->g->gpu, &before);
    (void)gpu_guest_send_to(run->g, queue, r.bytes, size, capacity);
    pv_gpu_get_stats(run->g->gpu, &after);
    if (is_create && after.contexts > before.contexts && r.context.context_init == 4) {
        (void)gpu_guest_peer(run->g, id); /* its thread has told the machine by now */
        run->peers[id] = (struct peer){.is_open = true};
    } else if (r.hdr.type == VIRTIO_GPU_CMD_CTX_DESTROY && after.contexts < before.contexts &&
               id < CONTEXTS) {
        hang_up(run, id);
    }
}

/* --- what contexts say -------------------------------------------------------------------------
 */

/* Takes what the device has asked, to be answered some time. */
static void listen_to_device(struct run *run, uint32_t id)
{
    static _Alignas(8) uint8_t buffer[PV_MESSAGE_SIZE_MAX];
    struct peer *peer = &run->peers[id];
    struct pv_message message;
    while (pv_message_receive(&run->g->peers[id], PV_MESSAGE_TO_CONTEXT, false, buffer, &message) ==
               PV_OK &&
           message.type != 0) {
        pv_fd_close(&message.fd);
        if (message.type == PV_MESSAGE_FENCE && peer->fence_count < KEPT_MAX) {
            const struct pv_fence_word *word = (const void *)message.payload;
            peer->fences[peer->fence_count++] = (struct kept_fence){word->ring_idx, word->fence_id};
        } else if (message.type == PV_MESSAGE_BLOB && peer->blob_count < KEPT_MAX) {
            const struct pv_blob_request *asked = (const void *)message.payload;
            peer->blobs[peer->blob_count++] = asked->resource_id;
        }
    }
}

static void say(struct run *run, uint32_t id, enum pv_message_type type, const void *payload,
                size_t size, int fd)
{
    bool sent = false;
    (void)!pv_message_try_send(&run->g->peers[id], type, payload, size, NULL, 0, fd, &sent);
}

static void retire(struct run *run, uint32_t id)
{
    struct peer *peer = &run->peers[id];
    if (peer->fence_count == 0) {
        return;
    }
    uint32_t index = below(&run->in, 8) == 0 ? below(&run->in, peer->fence_count) : 0;
    const struct pv_fence_word word = {
        .ring_idx = peer->fences[index].ring_idx,
        .fence_id = peer->fences[index].fence_id + (below(&run->in, 32) == 0),
    };
    peer->fence_count--;
    memmove(&peer->fences[index], &peer->fences[index + 1],
            (peer->fence_count - index) * sizeof(peer->fences[0]));
    say(run, id, PV_MESSAGE_FENCE_RETIRED, &word, sizeof(word), -1);
}

static void answer_blob(struct run *run, uint32_t id)
{
    struct peer *peer = &run->peers[id];
    if (peer->blob_count == 0) {
        return;
    }
    bool is_good = below(&run->in, 4) != 0;
    bool is_sealed = below(&run->in, 16) != 0;
    const struct pv_blob_reply reply = {
        .map_size = 4096 * (1 + (uint64_t)below(&run->in, 16)),
        .resource_id = peer->blobs[0] + (below(&run->in, 32) == 0),
        .result = is_good ? PV_OK : 1 + below(&run->in, 5),
        .caching = 1 + below(&run->in, 3),
        .kind = below(&run->in, 8) != 0 ? PV_CONTEXT_BLOB_MEMORY : below(&run->in, 6),
    };
    int fd = -1;
    if (is_good) {
        uint64_t size = 4096 * (1 + (uint64_t)below(&run->in, 16));
        fd = is_sealed ? pv_remote_shm_create(size) : memfd_create("fuzz", MFD_CLOEXEC);
        if (!is_sealed) {
            PV_ASSERT(ftruncate(fd, (off_t)size) == 0);
        }
    }
    peer->blob_count--;
    memmove(&peer->blobs[0], &peer->blobs[1], peer->blob_count * sizeof(peer->blobs[0]));
    say(run, id, PV_MESSAGE_BLOB_CREATED, &reply, sizeof(reply), fd);
    pv_fd_close(&fd);
}

static void speak(struct run *run)
{
    uint32_t id = below(&run->in, CONTEXTS);
    if (!run->peers[id].is_open) {
        return;
    }
    listen_to_device(run, id);
    switch (below(&run->in, 16)) {
    case 0:
        hang_up(run, id);
        break;
    case 1:
        say(run, id, PV_MESSAGE_LOST, NULL, 0, -1);
        break;
    case 2: {
        const uint8_t garbage[4] = {(uint8_t)byte(&run->in), 0, 0, 0};
        (void)!send(run->g->peers[id].socket, garbage, sizeof(garbage),
                    MSG_NOSIGNAL | MSG_DONTWAIT);
        break;
    }
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
        answer_blob(run, id);
        break;
    default:
        retire(run, id);
    }
}

/* --- the machine around ------------------------------------------------------------------------
 */

static void look(struct run *run)
{
    struct pv_gpu_image image = {.struct_size = sizeof(image)};
    uint32_t sum = 0;
    for (uint32_t scanout = 0; pv_gpu_scanout(run->g->gpu, scanout, &image); scanout++) {
        for (uint32_t y = 0; y < image.height && image.pixels != NULL; y++) {
            const uint8_t *row = (const uint8_t *)image.pixels + (size_t)y * image.stride_bytes;
            sum += row[0] + row[image.width * 4 - 1];
        }
    }
    volatile uint32_t seen = sum; /* every corner was readable */
    (void)seen;
}

static void reset(struct run *run)
{
    pv_gpu_reset(run->g->gpu);
    PV_ASSERT(run->g->mapping_count == 0);
    for (uint32_t id = 0; id < CONTEXTS; id++) {
        hang_up(run, id);
    }
    run->first_token = run->g->last_token + 1;
}

static void change_the_machine(struct run *run)
{
    struct gpu_guest *g = run->g;
    uint8_t config[8] = {0xff, 0xff};
    switch (below(&run->in, 8)) {
    case 0:
        reset(run);
        break;
    case 1:
        pv_gpu_resize(g->gpu, below(&run->in, 3), (uint32_t)number(&run->in),
                      (uint32_t)number(&run->in));
        break;
    case 2:
        pv_gpu_read_config(g->gpu, (uint32_t)number(&run->in), config, sizeof(config));
        pv_gpu_write_config(g->gpu, (uint32_t)number(&run->in), config, sizeof(config));
        break;
    case 3:
        g->maps_fail = below(&run->in, 4) == 0;
        break;
    case 4:
    case 5:
        g->maps_later = !g->maps_later;
        break;
    default:
        look(run);
    }
}

static void step(struct run *run)
{
    struct gpu_guest *g = run->g;
    uint32_t what = byte(&run->in);
    if (what < 10) {
        change_the_machine(run);
    } else if (what < 90) {
        speak(run);
    } else if (what < 120) {
        pv_gpu_dispatch(g->gpu);
    } else if (what < 140 && g->waiting_count != 0) {
        uint32_t index = below(&run->in, g->waiting_count);
        gpu_guest_finish_map(g, g->waiting_tokens[index], below(&run->in, 8) != 0);
    } else {
        request(run);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint32_t descriptors = descriptor_count(); /* a fuzzer opens some between its runs */
    struct run run = {.in = {data, size}, .first_token = 1};
    run.g = gpu_guest_create(&(struct gpu_guest_params){
        .width = 64,
        .height = 64,
        .scanouts = 2,
        .quota = {.struct_size = sizeof(struct pv_gpu_quota),
                  .contexts = CONTEXTS - 2,
                  .resources = RESOURCES - 2,
                  .resource_bytes = 1 << 20,
                  .pending_bytes = 1 << 16},
    });
    for (uint32_t i = 0; i < STEPS_MAX && run.in.left != 0; i++) {
        step(&run);
    }
    /* Everybody dies, and the machine does its part: then nothing may be owed any more. */
    for (uint32_t id = 0; id < CONTEXTS; id++) {
        hang_up(&run, id);
    }
    gpu_guest_pump(run.g);
    while (run.g->waiting_count != 0) {
        gpu_guest_finish_map(run.g, run.g->waiting_tokens[0], true);
    }
    for (uint64_t token = run.first_token; token <= run.g->last_token; token++) {
        PV_ASSERT(gpu_guest_answer(run.g, token) != NULL);
    }
    struct pv_gpu_stats stats = {.struct_size = sizeof(stats)};
    pv_gpu_get_stats(run.g->gpu, &stats);
    PV_ASSERT(stats.pending_bytes == 0 && stats.resource_bytes <= 1 << 20);
    gpu_guest_destroy(run.g);
    PV_ASSERT(descriptor_count() == descriptors);
    return 0;
}
