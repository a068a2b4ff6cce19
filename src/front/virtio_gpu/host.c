/* Where contexts run: in workers, or on threads of this process with the caller's renderer. */

#include "base/fd.h"
#include "front/context/serve.h"
#include "front/virtio_gpu/device.h"
#include "isolate/host_setup.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct pv_virtio_gpu_host {
    struct pv_log log;

    /* Threads. */
    struct pv_renderer *renderer; /* NULL: workers */
    struct pv_context_quota quota;

    /* Workers. */
    struct pv_worker_setup setup;
    char *program; /* NULL: the one that came with this library */
};

static void serve(void *user, uint32_t context_id, int taken_socket)
{
    const struct pv_virtio_gpu_host *host = user;
    const struct pv_context_serve_params params = {
        .renderer = host->renderer,
        .log = &host->log,
        .context_id = context_id,
        .quota = host->quota,
    };
    pv_context_serve(taken_socket, &params);
    pv_fd_close(&taken_socket);
}

static enum pv_result prepare_workers(struct pv_virtio_gpu_host *host,
                                      const struct pv_gpu_params *params)
{
    const struct pv_worker_setup_params setup_params = {
        .gpu = params->gpu,
        .driver = params->driver,
        .allow_venus = params->allow_venus,
        .waiting = params->waiting,
        .log_level = params->log_level,
    };
    if (pv_worker_setup_init(&host->setup, &setup_params) != PV_OK) {
        pv_log_error(&host->log, "virtio-gpu: no Vulkan driver for the guest");
        return PV_HOST_FAILED;
    }
    if (params->program != NULL) {
        host->program = strdup(params->program);
        return host->program != NULL ? PV_OK : PV_NO_MEMORY;
    }
    return PV_OK;
}

enum pv_result pv_virtio_gpu_host_create(const struct pv_gpu_params *params,
                                         struct pv_virtio_gpu_host **host,
                                         struct pv_hosts_params *hosts_params)
{
    *host = NULL;
    struct pv_virtio_gpu_host *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return PV_NO_MEMORY;
    }
    made->log = (struct pv_log){
        .level = params->log_level,
        .write = params->log,
        .user = params->log_user,
    };
    made->renderer = params->renderer;
    made->quota = params->quota.context;
    enum pv_result result = made->renderer != NULL ? PV_OK : prepare_workers(made, params);
    if (result != PV_OK) {
        pv_virtio_gpu_host_destroy(made);
        return result;
    }
    *hosts_params = (struct pv_hosts_params){
        .log = &made->log,
        .serve = made->renderer != NULL ? serve : NULL,
        .user = made,
        .setup = &made->setup,
        .program = made->program,
    };
    *host = made;
    return PV_OK;
}

void pv_virtio_gpu_host_destroy(struct pv_virtio_gpu_host *host)
{
    if (host != NULL) {
        pv_worker_setup_finish(&host->setup);
        free(host->program);
        free(host);
    }
}
