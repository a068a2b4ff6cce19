#include "isolate/hosts.h"

#include "base/fd.h"
#include "base/thread.h"
#include "base/wake.h"
#include "isolate/packets.h"
#include "isolate/workers.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A thread that serves a context. */
struct server {
    struct server *next;
    struct pv_thread thread;
    struct pv_hosts *hosts;
    uint32_t context_id;
    int socket;
    _Atomic bool has_ended;
};

struct pv_hosts {
    struct pv_hosts_params params;
    char *program;              /* of workers */
    struct pv_workers *workers; /* NULL: threads */
    struct server *servers;
    uint32_t server_count;
    struct pv_wake bell; /* a server has ended */
    struct pv_log_budget complaints;
};

/* --- threads -----------------------------------------------------------------------------------
 */

static void serve(void *user)
{
    struct server *server = user;
    const struct pv_hosts_params *params = &server->hosts->params;
    params->serve(params->user, server->context_id, server->socket);
    atomic_store_explicit(&server->has_ended, true, memory_order_release);
    pv_wake_raise(&server->hosts->bell);
}

/* Joins those that have ended, or all. */
static void join_servers(struct pv_hosts *hosts, bool all)
{
    struct server **link = &hosts->servers;
    while (*link != NULL) {
        struct server *server = *link;
        if (!all && !atomic_load_explicit(&server->has_ended, memory_order_acquire)) {
            link = &server->next;
            continue;
        }
        *link = server->next;
        pv_thread_join(&server->thread);
        free(server);
        hosts->server_count--;
    }
}

static enum pv_result start_server(struct pv_hosts *hosts, uint32_t context_id, int taken_socket)
{
    struct server *server = malloc(sizeof(*server));
    if (server == NULL) {
        pv_fd_close(&taken_socket);
        return PV_NO_MEMORY;
    }
    *server = (struct server){.hosts = hosts, .context_id = context_id, .socket = taken_socket};
    enum pv_result result = pv_thread_start(&server->thread, "pv-serve", serve, server);
    if (result != PV_OK) {
        pv_fd_close(&taken_socket);
        free(server);
        return result;
    }
    server->next = hosts->servers;
    hosts->servers = server;
    hosts->server_count++;
    return PV_OK;
}

/* --- workers -----------------------------------------------------------------------------------
 */

static void on_context_finished(void *user, const struct pv_client_stats *stats,
                                const uint64_t *counts, size_t count)
{
    const struct pv_hosts *hosts = user;
    (void)counts;
    (void)count;
    pv_workers_log_client(hosts->params.log, stats);
}

static enum pv_result start_workers(struct pv_hosts *hosts)
{
    char found[PV_SETUP_PATH_SIZE];
    const struct pv_hosts_params *params = &hosts->params;
    if (params->program == NULL && !pv_worker_program(found)) {
        pv_log_error(params->log, "the program `pearvisor`, which serves contexts, is not to be "
                                  "found: set PEARVISOR_PROGRAM");
        return PV_HOST_FAILED;
    }
    hosts->program = strdup(params->program != NULL ? params->program : found);
    if (hosts->program == NULL) {
        return PV_NO_MEMORY;
    }
    const struct pv_workers_params workers = {
        .log = params->log,
        .program = hosts->program,
        .environment = params->setup->environment,
        .setup = &params->setup->setup,
        .client_limit = params->limit,
        .retry_delay_ns = params->retry_delay_ns,
        .client_finished = on_context_finished,
        .user = hosts,
    };
    return pv_workers_create(&workers, &hosts->workers);
}

/* --- both --------------------------------------------------------------------------------------
 */

enum pv_result pv_hosts_create(const struct pv_hosts_params *params, struct pv_hosts **hosts)
{
    *hosts = NULL;
    struct pv_hosts *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return PV_NO_MEMORY;
    }
    made->params = *params;
    made->bell = (struct pv_wake)PV_WAKE_NONE;
    enum pv_result result = PV_OK;
    if (params->serve == NULL) {
        result = start_workers(made);
    } else {
        result = pv_wake_init(&made->bell);
    }
    if (result != PV_OK) {
        pv_hosts_destroy(made);
        return result;
    }
    *hosts = made;
    return PV_OK;
}

void pv_hosts_destroy(struct pv_hosts *hosts)
{
    if (hosts == NULL) {
        return;
    }
    pv_workers_destroy(hosts->workers);
    join_servers(hosts, true);
    pv_wake_finish(&hosts->bell);
    free(hosts->program);
    free(hosts);
}

int pv_hosts_poll_fd(const struct pv_hosts *hosts)
{
    return hosts->workers != NULL ? pv_workers_poll_fd(hosts->workers) : hosts->bell.read_end;
}

int pv_hosts_timeout_ms(const struct pv_hosts *hosts)
{
    return hosts->workers != NULL ? pv_workers_timeout_ms(hosts->workers) : -1;
}

void pv_hosts_dispatch(struct pv_hosts *hosts)
{
    if (hosts->workers != NULL) {
        pv_workers_dispatch(hosts->workers);
        return;
    }
    pv_wake_take(&hosts->bell);
    join_servers(hosts, false);
}

uint32_t pv_hosts_process_count(const struct pv_hosts *hosts)
{
    return hosts->workers != NULL ? pv_workers_process_count(hosts->workers) : 0;
}

static uint32_t context_count(const struct pv_hosts *hosts)
{
    return hosts->workers != NULL
               ? pv_workers_client_count(hosts->workers) + pv_workers_waiting_count(hosts->workers)
               : hosts->server_count;
}

enum pv_result pv_hosts_open(struct pv_hosts *hosts, uint32_t context_id, int *taken_socket)
{
    int ends[2];
    *taken_socket = -1;
    if (context_count(hosts) >= hosts->params.limit) {
        pv_hosts_dispatch(hosts); /* those that have just gone may not be known yet */
    }
    if (context_count(hosts) >= hosts->params.limit) {
        return PV_NO_MEMORY;
    }
    if (pv_packets_connect(ends) != PV_OK) {
        if (pv_log_allows(&hosts->complaints)) {
            pv_log_error(hosts->params.log, "no socket for a context: %s", strerror(errno));
        }
        return PV_HOST_FAILED;
    }
    enum pv_result result = PV_OK;
    if (hosts->workers == NULL) {
        result = start_server(hosts, context_id, ends[1]);
    } else {
        const struct pv_client client = {.context_id = context_id, .kind = PV_CLIENT_CONTEXT};
        pv_workers_serve(hosts->workers, client, ends[1]);
    }
    if (result != PV_OK) {
        pv_fd_close(&ends[0]);
        return result;
    }
    *taken_socket = ends[0];
    return PV_OK;
}
