#include "base/fifo.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static struct pv_fifo_job *pop(struct pv_fifo *fifo)
{
    pthread_mutex_lock(&fifo->lock);
    struct pv_fifo_job *job = fifo->first;
    if (job != NULL) {
        fifo->first = job->next;
        if (fifo->first == NULL) {
            fifo->last = &fifo->first;
        }
    }
    pthread_mutex_unlock(&fifo->lock);
    return job;
}

static void run_job(struct pv_fifo *fifo, struct pv_fifo_job *job)
{
    uint64_t size = job->size;
    job->run(fifo->user, job, atomic_load_explicit(&fifo->stop, memory_order_relaxed));
    atomic_fetch_sub_explicit(&fifo->pending_size, size, memory_order_relaxed);
    /* seq_cst, as the load in pv_fifo_wait(): either that sees the job done, or this sees
     * that somebody waits. Also releases what the job did to whoever finds the FIFO idle. */
    atomic_fetch_sub_explicit(&fifo->pending_count, 1, memory_order_seq_cst);
    if (atomic_exchange_explicit(&fifo->is_awaited, false, memory_order_seq_cst)) {
        const uint8_t byte = 1;
        /* Fails only if nobody listens any more. */
        (void)!pv_fd_write(fifo->wake_write, &byte, 1);
    }
}

/* Sleeps until there may be something to do. */
static void sleep_until_pushed(struct pv_fifo *fifo)
{
    uint32_t ticket = pv_event_prepare(&fifo->event);
    uint64_t deadline_ns = atomic_load_explicit(&fifo->deadline_ns, memory_order_seq_cst);
    if (atomic_load_explicit(&fifo->pending_count, memory_order_seq_cst) != 0 ||
        atomic_load_explicit(&fifo->stop, memory_order_seq_cst)) {
        pv_event_cancel(&fifo->event);
    } else if (deadline_ns == 0) {
        pv_event_wait(&fifo->event, ticket);
    } else if (!pv_event_wait_until(&fifo->event, ticket, deadline_ns)) {
        atomic_store_explicit(&fifo->deadline_ns, 0, memory_order_relaxed);
        fifo->expired(fifo->user);
    }
}

static void context_main(void *user)
{
    struct pv_fifo *fifo = user;
    while (!atomic_load_explicit(&fifo->stop, memory_order_acquire)) {
        struct pv_fifo_job *job = pop(fifo);
        if (job != NULL) {
            run_job(fifo, job);
        } else {
            sleep_until_pushed(fifo);
        }
    }
}

enum pv_result pv_fifo_init(struct pv_fifo *fifo, void *user, void (*expired)(void *user))
{
    memset(fifo, 0, sizeof(*fifo));
    fifo->last = &fifo->first;
    fifo->user = user;
    fifo->expired = expired;
    fifo->wake_read = fifo->wake_write = -1;
    if (pthread_mutex_init(&fifo->lock, NULL) != 0) {
        return PV_HOST_FAILED;
    }
    fifo->is_initialised = true;
    enum pv_result result = pv_fd_pipe(&fifo->wake_read, &fifo->wake_write);
    if (result == PV_OK) {
        result = pv_thread_start(&fifo->thread, "pv-context", context_main, fifo);
    }
    if (result != PV_OK) {
        pv_fifo_finish(fifo);
    }
    return result;
}

void pv_fifo_finish(struct pv_fifo *fifo)
{
    if (!fifo->is_initialised) {
        return;
    }
    atomic_store_explicit(&fifo->stop, true, memory_order_seq_cst);
    pv_event_wake(&fifo->event);
    pv_thread_join(&fifo->thread);
    for (struct pv_fifo_job *job = pop(fifo); job != NULL; job = pop(fifo)) {
        job->run(fifo->user, job, true);
    }
    pv_fd_close(&fifo->wake_read);
    pv_fd_close(&fifo->wake_write);
    pthread_mutex_destroy(&fifo->lock);
    fifo->is_initialised = false;
}

void pv_fifo_push(struct pv_fifo *fifo, struct pv_fifo_job *taken_job)
{
    taken_job->next = NULL;
    atomic_fetch_add_explicit(&fifo->pending_size, taken_job->size, memory_order_relaxed);
    pthread_mutex_lock(&fifo->lock);
    *fifo->last = taken_job;
    fifo->last = &taken_job->next;
    atomic_fetch_add_explicit(&fifo->pending_count, 1, memory_order_seq_cst);
    pthread_mutex_unlock(&fifo->lock);
    pv_event_wake(&fifo->event);
}

bool pv_fifo_is_idle(struct pv_fifo *fifo)
{
    return atomic_load_explicit(&fifo->pending_count, memory_order_acquire) == 0;
}

bool pv_fifo_is_full(struct pv_fifo *fifo)
{
    return atomic_load_explicit(&fifo->pending_count, memory_order_relaxed) >= PV_FIFO_JOBS_MAX ||
           atomic_load_explicit(&fifo->pending_size, memory_order_relaxed) >= PV_FIFO_BYTES_MAX;
}

/* Waits until `wake_fd` has a byte, and takes out what is there, or the client hangs up. Reads
 * nothing from the client. */
static enum pv_result wait_for_byte(int wake_fd, int socket)
{
    struct pollfd fds[] = {
        {.fd = wake_fd, .events = POLLIN},
        {.fd = socket, .events = pv_fd_hang_up_events},
    };
    for (;;) {
        if (poll(fds, 2, -1) < 0) {
            if (errno == EINTR) {
                continue;
            }
            return PV_CLOSED;
        }
        if (fds[0].revents != 0) {
            uint8_t scratch[64];
            return read(wake_fd, scratch, sizeof(scratch)) > 0 ? PV_OK : PV_CLOSED;
        }
        if (fds[1].revents != 0) {
            return PV_CLOSED;
        }
    }
}

enum pv_result pv_fifo_wait(struct pv_fifo *fifo, int socket)
{
    uint64_t before = atomic_load_explicit(&fifo->pending_count, memory_order_seq_cst);
    atomic_store_explicit(&fifo->is_awaited, true, memory_order_seq_cst);
    if (before == 0 || atomic_load_explicit(&fifo->pending_count, memory_order_seq_cst) != before) {
        return PV_OK;
    }
    return wait_for_byte(fifo->wake_read, socket);
}

void pv_fifo_set_deadline(struct pv_fifo *fifo, uint64_t deadline_ns)
{
    atomic_store_explicit(&fifo->deadline_ns, deadline_ns, memory_order_seq_cst);
    pv_event_wake(&fifo->event);
}
