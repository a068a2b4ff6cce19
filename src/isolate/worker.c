#include "isolate/worker.h"

#include "base/fd.h"
#include "blob/shm.h"
#include "isolate/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CONTROL_FD = 3, /* in the worker */
    RING_STATUS_FATAL = 2,
};

/* The worker's descriptors: nothing of ours but its control socket and our stderr. */
static int prepare_descriptors(posix_spawn_file_actions_t *actions, int control, short *flags)
{
    int error = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    if (error == 0) {
        error = posix_spawn_file_actions_adddup2(actions, 2, 1);
    }
    if (error == 0) {
        error = posix_spawn_file_actions_adddup2(actions, control, CONTROL_FD);
    }
    if (error == 0) {
        error = pv_process_keep_descriptors(actions, CONTROL_FD, flags);
    }
    return error;
}

/* Signals as a fresh program has them, and a session of its own: a terminal's Ctrl-C is for us to
 * handle, not for all of us at once. */
static int prepare_attributes(posix_spawnattr_t *attributes, short flags)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    return posix_spawnattr_setflags(
        attributes,
        (short)(flags | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID));
}

static int spawn(const char *program, char *const *environment, int control, pid_t *pid)
{
    char name[] = "pearvisor", subcommand[] = "worker";
    char *const arguments[] = {name, subcommand, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0) {
        return error;
    }
    error = posix_spawnattr_init(&attributes);
    if (error == 0) {
        short flags = 0;
        error = prepare_descriptors(&actions, control, &flags);
        if (error == 0) {
            error = prepare_attributes(&attributes, flags);
        }
        if (error == 0) {
            error = posix_spawn(pid, program, &actions, &attributes, arguments, environment);
        }
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static enum pv_result start(struct pv_worker *worker, const char *program, char *const *environment)
{
    int ends[2];
    if (pv_packets_connect(ends) != PV_OK) {
        return PV_HOST_FAILED;
    }
    if (pv_packets_init(&worker->control, ends[0]) != PV_OK) {
        close(ends[1]);
        return PV_NO_MEMORY; /* the other end is the worker's to close */
    }
    int error = spawn(program, environment, ends[1], &worker->pid);
    close(ends[1]);
    if (error != 0) {
        errno = error;
        worker->pid = 0;
        return PV_HOST_FAILED;
    }
    return pv_process_open(worker->pid, &worker->process);
}

enum pv_result pv_worker_spawn(const char *program, char *const *environment,
                               const struct pv_setup *setup, const void *plans, size_t plans_size,
                               const struct pv_log *log, struct pv_worker **worker)
{
    struct pv_worker *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return PV_NO_MEMORY;
    }
    made->process = made->control.socket = made->client = -1;
    made->is_probe = setup->probe != 0;
    enum pv_result result = start(made, program, environment);
    if (result == PV_OK) {
        result = pv_message_send(&made->control, PV_MESSAGE_SETUP, setup, sizeof(*setup), plans,
                                 plans_size, -1);
    }
    if (result != PV_OK) {
        pv_log_error(log, "cannot start a worker: %s", strerror(errno));
        pv_worker_destroy(made);
        return result;
    }
    *worker = made;
    return PV_OK;
}

void pv_worker_kill(struct pv_worker *worker)
{
    if (worker->pid > 0 && !worker->has_ended) {
        pv_process_kill(worker->pid, worker->process);
    }
}

bool pv_worker_reap(struct pv_worker *worker, char how[64])
{
    int status;
    pid_t waited = worker->has_ended ? 0 : waitpid(worker->pid, &status, WNOHANG);
    if (waited != worker->pid && !(waited < 0 && errno == ECHILD)) {
        return false;
    }
    worker->has_ended = true;
    if (waited < 0) {
        /* The program around us has waited for it, or waits for nobody (SIGCHLD is ignored). */
        snprintf(how, 64, "has ended");
    } else if (WIFSIGNALED(status)) {
        snprintf(how, 64, "was killed by signal %d", WTERMSIG(status));
    } else {
        snprintf(how, 64, "ended with status %d", WEXITSTATUS(status));
    }
    return true;
}

/* How many are kept. */
static uint32_t ring_count(const struct pv_worker *worker)
{
    return worker->ring_count < PV_WORKER_RINGS_MAX ? worker->ring_count : PV_WORKER_RINGS_MAX;
}

void pv_worker_destroy(struct pv_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    if (worker->pid > 0 && !worker->has_ended) {
        pv_worker_kill(worker);
        (void)waitpid(worker->pid, NULL, 0);
    }
    for (uint32_t i = 0; i < ring_count(worker); i++) {
        close(worker->rings[i].memory);
    }
    pv_fd_close(&worker->process);
    pv_packets_close(&worker->control);
    pv_fd_close(&worker->client);
    free(worker);
}

/* The worker may be the guest's by now. What it hands us must be a memory file that cannot shrink,
 * or a later write could block or extend something else. */
static bool is_sealed_memory(int fd, uint64_t end)
{
    uint64_t size;
    return pv_shm_is_sealed(fd) && pv_shm_measure(fd, &size) && end <= size;
}

void pv_worker_add_ring(struct pv_worker *worker, int taken_memory, uint64_t status_offset)
{
    const uint64_t word_size = sizeof(uint32_t);
    if (status_offset > INT64_MAX || status_offset % word_size != 0 ||
        !is_sealed_memory(taken_memory, status_offset + word_size)) {
        pv_fd_close(&taken_memory);
        return;
    }
    uint32_t slot = worker->ring_count++;
    if (slot >= PV_WORKER_RINGS_MAX) {
        slot = 1 + (slot - 1) % (PV_WORKER_RINGS_MAX - 1);
        close(worker->rings[slot].memory);
    }
    worker->rings[slot].memory = taken_memory;
    worker->rings[slot].status_offset = status_offset;
}

void pv_worker_raise_fatal(struct pv_worker *worker)
{
    /* The worker is dead, so there is nobody else whose bits a plain store could take away. */
    for (uint32_t i = 0; i < ring_count(worker); i++) {
        pv_shm_store_u32(worker->rings[i].memory, worker->rings[i].status_offset,
                         RING_STATUS_FATAL);
    }
}
