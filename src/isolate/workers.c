#include "isolate/workers.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/poll_set.h"
#include "isolate/worker.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 32,
    BACKOFF_SHIFT_MAX = 6,
    /* Of one worker, before the others have their turn. More than fit into its socket. */
    MESSAGES_MAX = 512,
    /* Spare workers that die in a row before the driver is given up. */
    FAILURES_MAX = 3,
    /* Workers whose clients have gone, before the oldest of them have no time any more: they count
     * against no limit, and clients can come and go faster than drivers let go. */
    LEAVING_MAX = 32,
};

/* How long a worker may take to leave after its client has. */
static const uint64_t leave_timeout_ns = 500 * PV_NS_PER_MS;
/* How long the probe may take; a driver that hangs must not keep us from saying so. */
static const uint64_t probe_timeout_ns = 60 * PV_NS_PER_S;
/* After a spare worker has died while it loaded the driver; doubled each time. */
static const uint64_t respawn_delay_ns = PV_NS_PER_S;
/* After the driver was given up: what made its workers die may have passed. */
static const uint64_t retry_delay_ns = 60 * PV_NS_PER_S;
/* The next spare worker loads drivers for as long as a core gives it: on few cores it would take
 * them from the client that has just come, which opens its instance meanwhile. */
static const uint64_t settle_ns = 100 * PV_NS_PER_MS;
/* How often a process is asked whether it has ended, when nothing but asking tells. */
static const uint64_t reap_interval_ns = PV_NS_PER_MS;

/* A client without a worker: none was ready, or the one that it had died before it read a byte. */
struct waiting {
    struct pv_client who;
    int socket;
};

struct pv_workers {
    struct pv_workers_params params;
    struct pv_setup setup;
    struct pv_poll_set set;
    struct pv_worker *list;
    uint8_t *plans; /* what the probe has said */
    size_t plans_size;
    bool is_probed;
    uint32_t next_context_id;
    uint32_t failure_count;    /* of spare workers, in a row */
    uint32_t refusal_count;    /* of starts, in a row: the host's fault, not the driver's */
    uint64_t retry_after_ns;   /* the driver is given up until then; 0: it is not */
    uint64_t respawn_after_ns; /* 0: at once */
    bool is_settling;          /* a client may hurry it: respawn_after_ns tells of no failure */
    uint8_t *buffer;           /* for one message */
    struct waiting *waiting;   /* the next one first; as many as there may be clients */
    uint32_t waiting_count;
};

/* Out of the set before it is closed, like all that was put there. */
static void forget(struct pv_workers *workers, int fd)
{
    if (fd >= 0) {
        pv_poll_set_remove(&workers->set, fd);
    }
}

static void destroy_worker(struct pv_workers *workers, struct pv_worker *worker)
{
    forget(workers, worker->control.socket);
    forget(workers, worker->process);
    forget(workers, worker->client);
    pv_worker_destroy(worker);
}

static bool watch(struct pv_workers *workers, int fd, uint32_t events, struct pv_worker *worker)
{
    return pv_poll_set_add(&workers->set, fd, events, worker) == PV_OK;
}

/* Starts a worker and watches it. */
static bool start_worker(struct pv_workers *workers, bool probe)
{
    struct pv_worker *worker;
    workers->setup.probe = probe;
    /* Without plans a worker loads no driver, and can at least tell clients that there is none. */
    bool is_given_up = workers->retry_after_ns != 0;
    if (pv_worker_spawn(workers->params.program, workers->params.environment, &workers->setup,
                        workers->plans, is_given_up ? 0 : workers->plans_size, workers->params.log,
                        &worker) != PV_OK) {
        return false;
    }
    if (!watch(workers, worker->control.socket, PV_POLL_READABLE, worker) ||
        (worker->process >= 0 && !watch(workers, worker->process, PV_POLL_READABLE, worker))) {
        destroy_worker(workers, worker);
        return false;
    }
    if (probe) {
        worker->kill_deadline_ns = pv_clock_now_ns() + probe_timeout_ns;
    }
    worker->is_without_driver = is_given_up;
    worker->next = workers->list;
    workers->list = worker;
    return true;
}

/* The worker that waits for the next client; NULL when there is none. */
static struct pv_worker *find_spare(const struct pv_workers *workers)
{
    struct pv_worker *found = NULL;
    for (struct pv_worker *worker = workers->list; worker != NULL; worker = worker->next) {
        if (worker->client < 0 && !worker->client_is_gone && !worker->is_probe &&
            (found == NULL || worker->is_ready)) {
            found = worker;
        }
    }
    return found;
}

static void back_off(struct pv_workers *workers, uint32_t *count)
{
    uint32_t shift = *count < BACKOFF_SHIFT_MAX ? *count : BACKOFF_SHIFT_MAX;
    (*count)++;
    workers->respawn_after_ns = pv_clock_now_ns() + (respawn_delay_ns << shift);
    workers->is_settling = false;
}

static void count_failure(struct pv_workers *workers)
{
    back_off(workers, &workers->failure_count);
    if (workers->failure_count >= FAILURES_MAX && workers->retry_after_ns == 0) {
        uint64_t delay_ns = workers->params.retry_delay_ns;
        workers->retry_after_ns = pv_clock_now_ns() + (delay_ns != 0 ? delay_ns : retry_delay_ns);
    }
}

/* The next spare worker tries the driver again, once; the one that would do without goes. */
static void retry_driver(struct pv_workers *workers)
{
    if (workers->retry_after_ns == 0 || pv_clock_now_ns() < workers->retry_after_ns) {
        return;
    }
    workers->retry_after_ns = 0;
    workers->failure_count = FAILURES_MAX - 1;
    struct pv_worker *spare = find_spare(workers);
    if (spare != NULL && spare->is_without_driver) {
        spare->client_is_gone = true; /* it shall have none */
        pv_worker_kill(spare);
    }
}

/* One spare is enough: it is replaced soon after it is used, and at once when it is missed. */
static void keep_spare(struct pv_workers *workers)
{
    if (pv_clock_now_ns() < workers->respawn_after_ns) {
        return;
    }
    workers->respawn_after_ns = 0;
    workers->is_settling = false;
    if (!workers->is_probed || find_spare(workers) != NULL ||
        pv_workers_client_count(workers) >= workers->params.client_limit) {
        return;
    }
    if (start_worker(workers, false)) {
        workers->refusal_count = 0;
    } else {
        back_off(workers, &workers->refusal_count);
    }
}

static void add_waiting(struct pv_workers *workers, uint32_t place, struct waiting taken_client)
{
    PV_ASSERT(place <= workers->waiting_count &&
              workers->waiting_count < workers->params.client_limit);
    memmove(&workers->waiting[place + 1], &workers->waiting[place],
            (workers->waiting_count - place) * sizeof(taken_client));
    workers->waiting[place] = taken_client;
    workers->waiting_count++;
}

static struct waiting take_waiting(struct pv_workers *workers, uint32_t place)
{
    struct waiting taken = workers->waiting[place];
    workers->waiting_count--;
    memmove(&workers->waiting[place], &workers->waiting[place + 1],
            (workers->waiting_count - place) * sizeof(taken));
    return taken;
}

enum pv_result pv_workers_create(const struct pv_workers_params *params,
                                 struct pv_workers **workers)
{
    struct pv_workers *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return PV_NO_MEMORY;
    }
    made->params = *params;
    made->setup = *params->setup;
    made->buffer = malloc(PV_MESSAGE_SIZE_MAX);
    made->waiting = calloc(params->client_limit, sizeof(*made->waiting));
    made->set.fd = -1;
    if (made->buffer == NULL || made->waiting == NULL || pv_poll_set_init(&made->set) != PV_OK ||
        !start_worker(made, true)) {
        pv_workers_destroy(made);
        return PV_HOST_FAILED;
    }
    *workers = made;
    return PV_OK;
}

void pv_workers_destroy(struct pv_workers *workers)
{
    if (workers == NULL) {
        return;
    }
    for (struct pv_worker *worker = workers->list; worker != NULL; worker = worker->next) {
        pv_worker_kill(worker);
    }
    while (workers->list != NULL) {
        struct pv_worker *worker = workers->list;
        workers->list = worker->next;
        char how[64];
        while (!worker->has_ended && !pv_worker_reap(worker, how)) {
            pv_clock_sleep_ns(PV_NS_PER_MS);
        }
        pv_worker_raise_fatal(worker);
        destroy_worker(workers, worker);
    }
    while (workers->waiting_count != 0) {
        close(take_waiting(workers, 0).socket);
    }
    free(workers->waiting);
    pv_poll_set_finish(&workers->set);
    free(workers->plans);
    free(workers->buffer);
    free(workers);
}

int pv_workers_poll_fd(const struct pv_workers *workers)
{
    return workers->set.fd;
}

/* The earliest moment at which something is due; 0: none. */
static uint64_t next_deadline(const struct pv_workers *workers)
{
    uint64_t first = workers->respawn_after_ns;
    uint64_t retry = workers->retry_after_ns;
    if (retry != 0 && (first == 0 || retry < first)) {
        first = retry;
    }
    for (const struct pv_worker *worker = workers->list; worker != NULL; worker = worker->next) {
        uint64_t deadline = worker->kill_deadline_ns;
        if (worker->reap_after_ns != 0 && (deadline == 0 || worker->reap_after_ns < deadline)) {
            deadline = worker->reap_after_ns;
        }
        if (deadline != 0 && (first == 0 || deadline < first)) {
            first = deadline;
        }
    }
    return first;
}

int pv_workers_timeout_ms(const struct pv_workers *workers)
{
    uint64_t deadline = next_deadline(workers);
    if (deadline == 0) {
        return -1;
    }
    uint64_t now = pv_clock_now_ns();
    return deadline <= now ? 0 : (int)((deadline - now) / PV_NS_PER_MS + 1);
}

static void on_ready(struct pv_workers *workers, struct pv_worker *worker,
                     const struct pv_message *message)
{
    struct pv_ready ready;
    memcpy(&ready, message->payload, sizeof(ready));
    if (!worker->is_ready && workers->failure_count == 0) {
        pv_log_debug(workers->params.log, "worker %d is ready: Landlock %s, seccomp %s",
                     (int)worker->pid, ready.sandbox.files_confined != 0 ? "on" : "missing",
                     ready.sandbox.calls_confined != 0 ? "on" : "missing");
    }
    worker->is_ready = true;
    if (ready.has_renderer != 0) {
        workers->failure_count = 0;
        workers->retry_after_ns = 0;
    }
}

static void end_probe(struct pv_workers *workers, const uint8_t *plans, size_t size)
{
    if (workers->is_probed) {
        return;
    }
    workers->plans = size != 0 ? malloc(size) : NULL;
    workers->plans_size = workers->plans != NULL ? size : 0;
    if (workers->plans != NULL) {
        memcpy(workers->plans, plans, size);
    }
    workers->is_probed = true;
    if (workers->params.probed != NULL) {
        workers->params.probed(workers->params.user, workers->plans, workers->plans_size);
    }
}

static void on_stats(struct pv_workers *workers, const struct pv_message *message)
{
    struct pv_client_stats stats;
    memcpy(&stats, message->payload, sizeof(stats));
    stats.name[sizeof(stats.name) - 1] = '\0';
    size_t count = (message->size - sizeof(stats)) / sizeof(uint64_t);
    uint64_t *counts = calloc(count + 1, sizeof(*counts));
    if (counts != NULL && workers->params.client_finished != NULL) {
        memcpy(counts, message->payload + sizeof(stats), count * sizeof(*counts));
        workers->params.client_finished(workers->params.user, &stats, counts, count);
    }
    free(counts);
}

static void on_message(struct pv_workers *workers, struct pv_worker *worker,
                       const struct pv_message *message)
{
    switch (message->type) {
    case PV_MESSAGE_READY:
        on_ready(workers, worker, message);
        break;
    case PV_MESSAGE_PROBED:
        if (worker->is_probe) {
            end_probe(workers, message->payload, message->size);
        }
        break;
    case PV_MESSAGE_STARTED:
        worker->has_started = true;
        break;
    case PV_MESSAGE_RING: {
        struct pv_ring_word word;
        memcpy(&word, message->payload, sizeof(word));
        pv_worker_add_ring(worker, message->fd, word.status_offset);
        break;
    }
    case PV_MESSAGE_STATS:
        if (!worker->has_reported) { /* what is in it goes to a log and a file */
            worker->has_reported = true;
            on_stats(workers, message);
        }
        break;
    default: /* the table lets nothing else through */
        break;
    }
}

/* The worker has closed its end. Where the process has a descriptor, that tells its end; elsewhere
 * this was the sign of it, and a process without a control socket is of no more use. */
static void close_control(struct pv_workers *workers, struct pv_worker *worker)
{
    forget(workers, worker->control.socket);
    pv_packets_close(&worker->control);
    if (worker->process < 0) {
        pv_worker_kill(worker);
        worker->reap_after_ns = pv_clock_now_ns();
    }
}

/* Reads what the worker has said so far. One that never stops talking is not listened to for ever:
 * the rest is still there the next time. */
static void read_messages(struct pv_workers *workers, struct pv_worker *worker)
{
    for (uint32_t count = 0; count < MESSAGES_MAX && worker->control.socket >= 0; count++) {
        struct pv_message message;
        enum pv_result result = pv_message_receive(&worker->control, PV_MESSAGE_FROM_WORKER, false,
                                                   workers->buffer, &message);
        if (result == PV_GUEST_FAULT) {
            pv_log_error(workers->params.log, "worker %d said something impossible",
                         (int)worker->pid);
            pv_worker_kill(worker);
        }
        if (result != PV_OK) {
            close_control(workers, worker);
        } else if (message.type == 0) {
            return;
        } else {
            on_message(workers, worker, &message);
        }
    }
}

static void unlink_worker(struct pv_workers *workers, struct pv_worker *worker)
{
    struct pv_worker **link = &workers->list;
    while (*link != worker) {
        link = &(*link)->next;
    }
    *link = worker->next;
}

/* A client has come, or is left over: it cannot wait until the one before it has settled. */
static void hurry_spare(struct pv_workers *workers)
{
    if (workers->is_settling) {
        workers->respawn_after_ns = 0;
    }
    keep_spare(workers);
}

/* The client of a worker that has not read from it can have another one, before all others. */
static void keep_client(struct pv_workers *workers, struct pv_worker *worker)
{
    pv_poll_set_remove(&workers->set, worker->client);
    add_waiting(workers, 0, (struct waiting){worker->who, worker->client});
    worker->client = -1;
}

/* The process has ended: so has its client, and it must hear of it. */
static void on_end(struct pv_workers *workers, struct pv_worker *worker, const char *how)
{
    read_messages(workers, worker);
    if (worker->is_probe) {
        if (!workers->is_probed) {
            pv_log_error(workers->params.log, "the probe %s: no GPU can be offered", how);
        }
        end_probe(workers, NULL, 0);
    } else if (worker->client >= 0 && !worker->has_started) {
        keep_client(workers, worker);
        pv_log_error(workers->params.log, "worker %d %s before it served; another one will",
                     (int)worker->pid, how);
        count_failure(workers);
    } else if (worker->client >= 0) {
        pv_log_error(workers->params.log, "worker %d %s; its client loses its device",
                     (int)worker->pid, how);
        pv_worker_raise_fatal(worker);
    } else if (!worker->client_is_gone) {
        pv_log_error(workers->params.log, "spare worker %d %s", (int)worker->pid, how);
        count_failure(workers);
    }
    unlink_worker(workers, worker);
    destroy_worker(workers, worker);
}

/* The worker has had its time. */
static void expel(struct pv_workers *workers, struct pv_worker *worker)
{
    worker->kill_deadline_ns = 0;
    pv_log_info(workers->params.log, "worker %d did not leave in time", (int)worker->pid);
    pv_worker_kill(worker);
    pv_worker_raise_fatal(worker); /* a guest may look on whose device has given it up */
}

/* Expels the oldest of those that leave while there are too many. */
static void limit_leaving(struct pv_workers *workers)
{
    for (;;) {
        uint32_t count = 0;
        struct pv_worker *oldest = NULL;
        for (struct pv_worker *worker = workers->list; worker != NULL; worker = worker->next) {
            if (worker->client_is_gone && worker->kill_deadline_ns != 0) {
                count++;
                if (oldest == NULL || worker->kill_deadline_ns <= oldest->kill_deadline_ns) {
                    oldest = worker;
                }
            }
        }
        if (count <= LEAVING_MAX) {
            return;
        }
        expel(workers, oldest);
    }
}

/* Looks at everything that concerns a worker; true when it is no more. */
static bool look_after(struct pv_workers *workers, struct pv_worker *worker, uint64_t now_ns)
{
    read_messages(workers, worker);
    if (worker->client >= 0 && !worker->client_is_gone && pv_fd_has_hung_up(worker->client)) {
        worker->client_is_gone = true;
        worker->kill_deadline_ns = now_ns + leave_timeout_ns;
        /* Nothing more to be learned from it, and it would stay readable. */
        pv_poll_set_remove(&workers->set, worker->client);
        pv_fd_close(&worker->client);
    }
    if (worker->kill_deadline_ns != 0 && now_ns >= worker->kill_deadline_ns) {
        expel(workers, worker);
    }
    char how[64];
    if (!pv_worker_reap(worker, how)) {
        if (worker->reap_after_ns != 0) {
            worker->reap_after_ns = now_ns + reap_interval_ns;
        }
        return false;
    }
    on_end(workers, worker, how);
    return true;
}

static void give(struct pv_workers *workers, struct pv_worker *worker, struct waiting client)
{
    worker->who = client.who;
    worker->client = client.socket;
    if (pv_message_send(&worker->control, PV_MESSAGE_CLIENT, &client.who, sizeof(client.who), NULL,
                        0, client.socket) != PV_OK ||
        !watch(workers, client.socket, PV_POLL_HANG_UP, worker)) {
        pv_worker_kill(worker);
    }
    if (workers->respawn_after_ns == 0) {
        workers->respawn_after_ns = pv_clock_now_ns() + settle_ns;
        workers->is_settling = true;
    }
}

/* Gives workers to clients that wait, first come first served, but for those that have gone. */
static void hand_out(struct pv_workers *workers)
{
    for (uint32_t i = workers->waiting_count; i-- > 0;) {
        if (pv_fd_has_hung_up(workers->waiting[i].socket)) {
            close(take_waiting(workers, i).socket);
        }
    }
    while (workers->waiting_count != 0) {
        hurry_spare(workers);
        struct pv_worker *worker = find_spare(workers);
        if (worker == NULL) {
            return;
        }
        give(workers, worker, take_waiting(workers, 0));
    }
}

void pv_workers_dispatch(struct pv_workers *workers)
{
    /* Which event it was does not matter: there are few workers, and looking costs little. */
    void *ready[EVENTS_MAX];
    (void)pv_poll_set_take(&workers->set, ready, EVENTS_MAX);
    uint64_t now_ns = pv_clock_now_ns();
    struct pv_worker *worker = workers->list;
    while (worker != NULL) {
        struct pv_worker *next = worker->next;
        (void)look_after(workers, worker, now_ns);
        worker = next;
    }
    limit_leaving(workers);
    retry_driver(workers);
    keep_spare(workers);
    hand_out(workers);
    pv_poll_set_listen(&workers->set);
}

bool pv_workers_has_room(const struct pv_workers *workers)
{
    return workers->is_probed && workers->waiting_count == 0 &&
           pv_workers_client_count(workers) < workers->params.client_limit &&
           (workers->is_settling || find_spare(workers) != NULL);
}

void pv_workers_serve(struct pv_workers *workers, struct pv_client client, int taken_socket)
{
    if (client.context_id == 0) {
        client.context_id = ++workers->next_context_id;
    }
    add_waiting(workers, workers->waiting_count, (struct waiting){client, taken_socket});
    hand_out(workers);
}

uint32_t pv_workers_waiting_count(const struct pv_workers *workers)
{
    return workers->waiting_count;
}

uint32_t pv_workers_client_count(const struct pv_workers *workers)
{
    uint32_t count = 0;
    for (const struct pv_worker *worker = workers->list; worker != NULL; worker = worker->next) {
        count += worker->client >= 0 ? 1 : 0;
    }
    return count;
}

uint32_t pv_workers_busy_count(const struct pv_workers *workers)
{
    uint32_t count = 0;
    for (const struct pv_worker *worker = workers->list; worker != NULL; worker = worker->next) {
        count += worker->client >= 0 || worker->client_is_gone ? 1 : 0;
    }
    return count;
}

uint32_t pv_workers_process_count(const struct pv_workers *workers)
{
    uint32_t count = 0;
    for (const struct pv_worker *worker = workers->list; worker != NULL; worker = worker->next) {
        count++;
    }
    return count;
}
