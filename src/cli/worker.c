/* `pearvisor worker`: the process that serves one client. Started by isolate/workers alone, with
 * its control socket as descriptor 3 and an environment made from nothing. */

#include "base/attributes.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli.h"
#include "front/context/serve.h"
#include "front/vtest/vtest.h"
#include "isolate/messages.h"
#include "isolate/process.h"
#include "isolate/sandbox.h"

#include <malloc.h>
#include <pearvisor/inspect.h>
#include <pearvisor/pearvisor.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vulkan/vulkan_core.h>

enum {
    CONTROL_FD = 3,
    LARGE_BLOCK_SIZE = 128 * 1024, /* where glibc begins */
};

/* To the parent; messages go out on any thread. */
static struct pv_packets control;

struct worker {
    struct pv_log log;
    struct pv_setup setup;
    uint8_t *buffer; /* of PV_MESSAGE_SIZE_MAX */
    uint8_t *plans;  /* NULL: the probe has failed */
    size_t plans_size;
    struct pv_sandbox_report sandbox;
    struct pv_renderer *renderer; /* NULL: there is no usable driver */
};

static bool receive_setup(struct worker *worker)
{
    struct pv_message message;
    if (pv_message_receive(&control, PV_MESSAGE_TO_WORKER, true, worker->buffer, &message) !=
            PV_OK ||
        message.type != PV_MESSAGE_SETUP) {
        return false;
    }
    memcpy(&worker->setup, message.payload, sizeof(worker->setup));
    worker->log = pv_log_stderr((enum pv_log_level)worker->setup.log_level);
    worker->plans_size = message.size - sizeof(worker->setup);
    if (worker->plans_size != 0) {
        worker->plans = malloc(worker->plans_size);
        if (worker->plans == NULL) {
            return false;
        }
        memcpy(worker->plans, message.payload + sizeof(worker->setup), worker->plans_size);
    }
    return true;
}

static bool confine_files(struct worker *worker)
{
    const struct pv_setup *setup = &worker->setup;
    const char *read_paths[PV_SETUP_READ_PATHS_MAX];
    for (uint32_t i = 0; i < setup->read_path_count; i++) {
        read_paths[i] = setup->read_paths[i];
    }
    struct pv_sandbox_params params = {
        .log = &worker->log,
        .cache_directory = setup->cache_directory[0] != '\0' ? setup->cache_directory : NULL,
        .read_paths = read_paths,
        .read_path_count = setup->read_path_count,
    };
    return pv_sandbox_confine_files(&params, &worker->sandbox) == PV_OK;
}

static struct pv_renderer_params renderer_params(const struct worker *worker)
{
    return (struct pv_renderer_params){
        .struct_size = sizeof(struct pv_renderer_params),
        .gpu = worker->setup.gpu[0] != '\0' ? worker->setup.gpu : NULL,
        .waiting = (enum pv_waiting)worker->setup.waiting,
        .allow_venus = worker->setup.allow_venus != 0,
        .memory_plans = worker->plans,
        .memory_plans_size = worker->plans_size,
        .log = worker->log.write,
        .log_user = worker->log.user,
        .log_level = worker->log.level,
    };
}

static int probe(struct worker *worker)
{
    struct pv_renderer_params params = renderer_params(worker);
    size_t size = pv_renderer_probe_size();
    uint8_t *plans = calloc(1, size);
    if (plans == NULL || pv_renderer_probe(&params, plans) != PV_OK) {
        size = 0;
    }
    enum pv_result result = pv_message_send(&control, PV_MESSAGE_PROBED, plans, size, NULL, 0, -1);
    /* Whatever the driver has left in this process ends with it. */
    _exit(result == PV_OK ? 0 : 1);
}

/* Without a driver that works the worker serves all the same: it tells its client so. */
static void load_driver(struct worker *worker)
{
    struct pv_renderer_params params = renderer_params(worker);
    if (worker->plans == NULL || pv_renderer_create(&params, &worker->renderer) != PV_OK) {
        worker->renderer = NULL;
        return;
    }
    if (pv_renderer_warm_up(worker->renderer) != PV_OK) {
        pv_renderer_destroy(worker->renderer);
        worker->renderer = NULL;
    }
}

/* Whether a GPU that is offered is driven by NVIDIA's own driver. */
static bool has_nvidia(const struct worker *worker)
{
    uint32_t count =
        worker->renderer != NULL ? pv_inspect_gpu_count(worker->plans, worker->plans_size) : 0;
    for (uint32_t i = 0; i < count; i++) {
        struct pv_gpu_info gpu = {.struct_size = sizeof(gpu)};
        if (pv_inspect_gpu(worker->plans, worker->plans_size, i, &gpu) && gpu.is_usable &&
            gpu.driver_id == VK_DRIVER_ID_NVIDIA_PROPRIETARY &&
            pv_inspect_gpu_matches(worker->setup.gpu, i, gpu.name)) {
            return true;
        }
    }
    return false;
}

static bool report_ready(const struct worker *worker)
{
    struct pv_ready ready = {
        .sandbox = worker->sandbox,
        .has_renderer = worker->renderer != NULL,
    };
    return pv_message_send(&control, PV_MESSAGE_READY, &ready, sizeof(ready), NULL, 0, -1) == PV_OK;
}

static void on_ring_created(void *user, int taken_fd, uint64_t status_offset)
{
    (void)user;
    struct pv_ring_word word = {.status_offset = status_offset};
    if (taken_fd >= 0) {
        (void)!pv_message_send(&control, PV_MESSAGE_RING, &word, sizeof(word), NULL, 0, taken_fd);
        pv_fd_close(&taken_fd);
    }
}

/* The end of this process: what the guest has left is the kernel's to tidy up, which is quick and
 * cannot hang in a driver. */
static PV_NORETURN void leave(const char *name, const struct pv_stats *stats,
                              const uint64_t *counts)
{
    struct pv_stats_rates rates = {.struct_size = sizeof(rates)};
    pv_stats_between(NULL, stats, &rates);
    struct pv_client_stats message = {
        .commands = stats->commands,
        .replies = stats->replies,
        .faults = stats->faults,
        .objects_created = stats->objects_created,
        .fences_retired = stats->fences_retired,
        .elapsed_ns = stats->elapsed_ns,
        .stream_bytes = stats->stream_bytes,
        .ring_ns = stats->ring_ns,
        .ring_idle_ns = stats->ring_idle_ns,
        .latency_p50_ns = rates.latency_p50_ns,
        .latency_p99_ns = rates.latency_p99_ns,
        .latency_max_ns = rates.latency_max_ns,
    };
    snprintf(message.name, sizeof(message.name), "%s", name);
    enum pv_result result = pv_message_send(&control, PV_MESSAGE_STATS, &message, sizeof(message),
                                            counts, pv_command_count() * sizeof(*counts), -1);
    _exit(result == PV_OK ? 0 : 1);
}

static void on_client_finished(void *user, const char *client_name, const struct pv_stats *stats,
                               const uint64_t *counts)
{
    (void)user;
    leave(client_name, stats, counts);
}

static void on_context_finished(void *user, const struct pv_stats *stats, const uint64_t *counts)
{
    const struct pv_client *client = user;
    char name[PV_CLIENT_NAME_SIZE];
    snprintf(name, sizeof(name), "context %u", client->context_id);
    leave(name, stats, counts);
}

static void serve_vtest(struct worker *worker, const struct pv_client *client, int socket)
{
    const struct pv_vtest_params params = {
        .renderer = worker->renderer,
        .log = &worker->log,
        .context_id = client->context_id,
        .ring_created = on_ring_created,
        .finished = on_client_finished,
    };
    pv_vtest_serve(socket, &params);
}

static void serve_context(struct worker *worker, struct pv_client *client, int socket)
{
    const struct pv_context_serve_params params = {
        .renderer = worker->renderer,
        .log = &worker->log,
        .context_id = client->context_id,
        .ring_created = on_ring_created,
        .finished = on_context_finished,
        .user = client,
    };
    pv_context_serve(socket, &params);
}

/* Returns only where there was nothing to serve. */
static int serve_client(struct worker *worker)
{
    struct pv_message message;
    if (pv_message_receive(&control, PV_MESSAGE_TO_WORKER, true, worker->buffer, &message) !=
            PV_OK ||
        message.type != PV_MESSAGE_CLIENT) {
        return 0; /* the parent has gone, or wants no more of us */
    }
    /* From here on nobody else could serve it. */
    if (pv_message_send(&control, PV_MESSAGE_STARTED, NULL, 0, NULL, 0, -1) != PV_OK) {
        return 1;
    }
    struct pv_client client;
    memcpy(&client, message.payload, sizeof(client));
    if (client.kind == PV_CLIENT_CONTEXT) {
        serve_context(worker, &client, message.fd);
    } else {
        serve_vtest(worker, &client, message.fd);
    }
    return 1;
}

/* The Vulkan loader opens each instance with large zeroed blocks, and uses little of them. Pages
 * fresh from the kernel are zero and cost nothing until they are used; but once glibc has seen a
 * large block freed, it takes the next ones from a thread's heap and clears them, a page fault
 * each. */
static void keep_large_blocks_out_of_heaps(void)
{
#ifdef M_MMAP_THRESHOLD
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_SIZE);
#endif
}

int pv_worker_main(int argc, char **argv)
{
    (void)argv;
    struct worker worker = {.log = pv_log_stderr(PV_LOG_ERROR)};
    keep_large_blocks_out_of_heaps();
    signal(SIGPIPE, SIG_IGN);
    /* Never outlive the parent: nobody would know of this process any more. */
    pv_process_end_with_parent();
    worker.buffer = malloc(PV_MESSAGE_SIZE_MAX);
    if (argc != 1 || worker.buffer == NULL || pv_packets_init(&control, CONTROL_FD) != PV_OK ||
        !receive_setup(&worker)) {
        fprintf(stderr, "pearvisor worker: it cannot be started by hand\n");
        free(worker.buffer);
        return 2;
    }
    if (!confine_files(&worker)) {
        _exit(1);
    }
    if (worker.setup.probe != 0) {
        return probe(&worker);
    }
    load_driver(&worker);
    if (pv_sandbox_confine_calls(&worker.log, has_nvidia(&worker), &worker.sandbox) != PV_OK ||
        !report_ready(&worker)) {
        _exit(1);
    }
    int status = serve_client(&worker);
    /* Not exit(): a driver's tidying up belongs to no one. */
    _exit(status);
}
