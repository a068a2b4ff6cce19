/*
 * How a virtual machine monitor drives the GPU that its guest sees: <pearvisor/gpu.h>.
 *
 *     cc vmm.c -o vmm $(pkg-config --cflags --libs pearvisor) && ./vmm
 *     ./vmm --in-process         contexts on threads here, as only a trusted guest should be served
 *     ./vmm --driver FILE.json   contexts in workers, with this Vulkan driver alone
 *
 * A monitor takes requests out of two virtqueues, and maps blobs into a range of its guest's
 * physical memory. Here requests are made by the program itself (the half marked "the guest"), and
 * that range is memory of its own.
 */
#include "embed_guest.h"

#include <linux/virtio_gpu.h>
#include <pearvisor/gpu.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { WINDOW_SIZE = 64 * 1024 * 1024, CONTEXT = 1, FENCE_ID = 1 };

struct machine {
    struct pv_gpu *gpu;
    uint8_t *window;
    void *writable; /* of the descriptor chain that is under way; this guest has one at a time */
    uint64_t last_token;
    uint64_t answered; /* the token whose chain was given back last */
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "vmm: %s: %s\n", what, why);
    exit(1);
}

/* --- the machine -------------------------------------------------------------------------------
 */

/* Gives a chain back. A monitor then interrupts the guest. */
static void respond(void *user, uint64_t token, const void *response, size_t size)
{
    struct machine *machine = user;
    machine->answered = token;
    if (size != 0) {
        memcpy(machine->writable, response, size);
    }
}

/* Only what a guest attaches as backing is read this way; this one attaches nothing. */
static bool read_memory(void *user, uint64_t guest_address, void *bytes, size_t size)
{
    (void)user;
    (void)guest_address;
    (void)bytes;
    (void)size;
    return false;
}

static void map(void *user, uint64_t token, const struct pv_gpu_mapping *mapping)
{
    struct machine *machine = user;
    void *mapped = mmap(machine->window + mapping->offset, mapping->size_bytes,
                        PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, mapping->fd, 0);
    pv_gpu_finish_map(machine->gpu, token, mapped != MAP_FAILED);
}

/* Token 0: the device is reset, and nobody waits. */
static void unmap(void *user, uint64_t token, uint64_t offset, uint64_t size_bytes)
{
    struct machine *machine = user;
    void *nothing = mmap(machine->window + offset, size_bytes, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (token != 0) {
        pv_gpu_finish_map(machine->gpu, token, nothing != MAP_FAILED);
    }
}

static void write_log(void *user, enum pv_log_level level, const char *line)
{
    (void)user;
    (void)level;
    fprintf(stderr, "vmm: %s\n", line);
}

static void open_machine(struct machine *machine, struct pv_renderer *renderer, const char *driver)
{
    static const struct pv_gpu_callbacks callbacks = {
        .respond = respond,
        .read_memory = read_memory,
        .map = map,
        .unmap = unmap,
    };
    const struct pv_gpu_params params = {
        .struct_size = sizeof(params),
        .renderer = renderer,
        .driver = driver,
        .window_bytes = WINDOW_SIZE,
        .callbacks = &callbacks,
        .user = machine,
        .log = write_log,
        .log_level = PV_LOG_ERROR,
    };
    machine->window =
        mmap(NULL, WINDOW_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (machine->window == MAP_FAILED) {
        fail("a window", "no address space");
    }
    enum pv_result result = pv_gpu_create(&params, &machine->gpu);
    if (result == PV_HOST_FAILED) {
        exit(1); /* the log has said why */
    } else if (result != PV_OK) {
        fail("pv_gpu_create", pv_result_name(result));
    }
}

/* --- the guest ---------------------------------------------------------------------------------
 */

/* Hands over a chain and waits until it comes back, with a response of that type in it. */
static void ask(struct machine *machine, const void *request, size_t size, void *response,
                size_t capacity, uint32_t type)
{
    uint64_t token = ++machine->last_token;
    machine->writable = response;
    pv_gpu_request(machine->gpu, PV_GPU_QUEUE_CONTROL, token, request, size, capacity);
    while (machine->answered != token) {
        struct pollfd fd = {.fd = pv_gpu_poll_fd(machine->gpu), .events = POLLIN};
        (void)poll(&fd, 1, pv_gpu_timeout_ms(machine->gpu));
        pv_gpu_dispatch(machine->gpu);
    }
    struct virtio_gpu_ctrl_hdr asked, answered;
    memcpy(&asked, request, sizeof(asked));
    memcpy(&answered, response, sizeof(answered));
    if (answered.type != type) {
        char why[64];
        snprintf(why, sizeof(why), "request 0x%x got response 0x%x", asked.type, answered.type);
        fail("the guest", why);
    }
}

#define ASK(machine_, request_, response_, type_)                                                  \
    ask(machine_, &(request_), sizeof(request_), &(response_), sizeof(response_), type_)

static void read_device(struct machine *machine)
{
    struct virtio_gpu_config config;
    pv_gpu_read_config(machine->gpu, 0, &config, sizeof(config));
    printf("features 0x%llx, scanouts %u, capsets %u\n",
           (unsigned long long)pv_gpu_features(machine->gpu), config.num_scanouts,
           config.num_capsets);

    struct virtio_gpu_ctrl_hdr get_display = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
    struct virtio_gpu_resp_display_info display;
    ASK(machine, get_display, display, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    printf("display %ux%u\n", display.pmodes[0].r.width, display.pmodes[0].r.height);

    struct virtio_gpu_get_capset_info get_info = {.hdr.type = VIRTIO_GPU_CMD_GET_CAPSET_INFO};
    struct virtio_gpu_resp_capset_info info;
    ASK(machine, get_info, info, VIRTIO_GPU_RESP_OK_CAPSET_INFO);
    struct virtio_gpu_get_capset get = {
        .hdr.type = VIRTIO_GPU_CMD_GET_CAPSET,
        .capset_id = info.capset_id,
    };
    struct {
        struct virtio_gpu_ctrl_hdr hdr;
        uint32_t words[PV_VENUS_CAPSET_SIZE / sizeof(uint32_t)];
    } capset;
    ASK(machine, get, capset, VIRTIO_GPU_RESP_OK_CAPSET);
    printf("capset %u: %u bytes, wire format %u\n", info.capset_id, info.capset_max_size,
           capset.words[0]);
}

/* A context for one program, and 4 KiB that it shares with the host. */
static void open_context(struct machine *machine)
{
    struct virtio_gpu_ctrl_hdr done;
    struct virtio_gpu_ctx_create create = {
        .hdr = {.type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = CONTEXT},
        .context_init = PV_VENUS_CAPSET_ID,
    };
    ASK(machine, create, done, VIRTIO_GPU_RESP_OK_NODATA);
    struct virtio_gpu_resource_create_blob blob = {
        .hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, .ctx_id = CONTEXT},
        .resource_id = REPLY_RESOURCE,
        .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D,
        .blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
        .size = REPLY_SIZE,
    };
    ASK(machine, blob, done, VIRTIO_GPU_RESP_OK_NODATA);
    struct virtio_gpu_resource_map_blob map_blob = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB,
        .resource_id = REPLY_RESOURCE,
    };
    struct virtio_gpu_resp_map_info mapped; /* and how: cached or not */
    ASK(machine, map_blob, mapped, VIRTIO_GPU_RESP_OK_MAP_INFO);
    printf("context %u, blob %u at 0 of the window\n", CONTEXT, REPLY_RESOURCE);
}

/* Two Vulkan commands, and a fence behind them. What the host answers appears in the window. */
static void ask_vulkan(struct machine *machine)
{
    const struct command commands[] = {set_reply_stream(), enumerate_instance_version()};
    struct {
        struct virtio_gpu_cmd_submit submit;
        uint32_t words[2 * COMMAND_WORDS_MAX];
    } request = {
        .submit.hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D,
                       .flags = VIRTIO_GPU_FLAG_FENCE,
                       .fence_id = FENCE_ID,
                       .ctx_id = CONTEXT},
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        memcpy(&request.words[count], commands[i].words, commands[i].count * sizeof(uint32_t));
        count += commands[i].count;
    }
    request.submit.size = (uint32_t)(count * sizeof(uint32_t));
    struct virtio_gpu_ctrl_hdr done;
    ask(machine, &request, sizeof(request.submit) + request.submit.size, &done, sizeof(done),
        VIRTIO_GPU_RESP_OK_NODATA);
    printf("fence %llu retired\n", (unsigned long long)done.fence_id);

    const uint32_t *reply = (const void *)machine->window;
    if (reply[0] != commands[1].words[0] || reply[1] != 0) {
        fail(commands[1].name, "no answer in the window");
    }
    uint32_t version = reply[VERSION_IN_REPLY];
    printf("the window says: Vulkan %u.%u\n", version >> 22, version >> 12 & 0x3ff);
}

static void close_context(struct machine *machine)
{
    struct virtio_gpu_ctrl_hdr done;
    struct virtio_gpu_resource_unmap_blob unmap_blob = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB,
        .resource_id = REPLY_RESOURCE,
    };
    ASK(machine, unmap_blob, done, VIRTIO_GPU_RESP_OK_NODATA);
    struct virtio_gpu_resource_unref unref = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF,
        .resource_id = REPLY_RESOURCE,
    };
    ASK(machine, unref, done, VIRTIO_GPU_RESP_OK_NODATA);
    struct virtio_gpu_ctx_destroy destroy = {
        .hdr = {.type = VIRTIO_GPU_CMD_CTX_DESTROY, .ctx_id = CONTEXT},
    };
    ASK(machine, destroy, done, VIRTIO_GPU_RESP_OK_NODATA);
}

int main(int argc, char **argv)
{
    struct pv_renderer *renderer = NULL;
    const char *driver = NULL;
    if (argc == 2 && strcmp(argv[1], "--in-process") == 0) {
        const struct pv_renderer_params params = {.struct_size = sizeof(params)};
        enum pv_result result = pv_renderer_create(&params, &renderer);
        if (result != PV_OK) {
            fail("no Vulkan driver that works", pv_result_name(result));
        }
    } else if (argc == 3 && strcmp(argv[1], "--driver") == 0) {
        driver = argv[2];
    } else if (argc != 1) {
        fprintf(stderr, "usage: vmm [--in-process | --driver FILE.json]\n");
        return 2;
    }
    struct machine machine = {0};
    open_machine(&machine, renderer, driver);
    read_device(&machine);
    open_context(&machine);
    ask_vulkan(&machine);
    close_context(&machine);
    struct pv_gpu_stats stats = {.struct_size = sizeof(stats)};
    pv_gpu_get_stats(machine.gpu, &stats);
    printf("requests %llu, errors %llu, contexts lost %llu\n", (unsigned long long)stats.requests,
           (unsigned long long)stats.errors, (unsigned long long)stats.contexts_lost);
    pv_gpu_destroy(machine.gpu);
    pv_renderer_destroy(renderer);
    (void)munmap(machine.window, WINDOW_SIZE);
    return 0;
}
