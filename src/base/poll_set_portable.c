#include "base/fd.h"
#include "base/poll_set.h"
#include "base/thread.h"
#include "base/wake.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A thread sleeps in poll() on the descriptors, and raises the set's own one when any is ready.
 * Then it sleeps until somebody has dealt with that: what is ready would keep it busy. Whoever
 * changes the set waits until the thread has left poll(), so that no descriptor is closed under it.
 */
struct pv_poll_thread {
    struct pv_thread thread;
    struct pv_wake ready; /* its read end is the set's descriptor */
    struct pv_wake nudge; /* ends the thread's poll() */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_polling;       /* guarded by lock, like all below */
    uint32_t change_count; /* callers who want the list to themselves */
    bool has_raised;       /* and nobody listens again yet */
    bool is_held;          /* what is ready is being dealt with */
    bool stop;
    struct pollfd *fds; /* [0]: the nudge; as many users beside them */
    void **users;
    size_t count, capacity;
};

const bool pv_poll_set_is_prompt = false;

static short poll_events(uint32_t events)
{
    short asked = 0;
    asked = (short)(asked | ((events & PV_POLL_READABLE) != 0 ? POLLIN : 0));
    asked = (short)(asked | ((events & PV_POLL_WRITABLE) != 0 ? POLLOUT : 0));
    asked = (short)(asked | ((events & PV_POLL_HANG_UP) != 0 ? pv_fd_hang_up_events : 0));
    return asked;
}

/* --- the thread --------------------------------------------------------------------------------
 */

static bool is_any_ready(const struct pv_poll_thread *poller)
{
    for (size_t i = 1; i < poller->count; i++) {
        if (poller->fds[i].revents != 0) {
            return true;
        }
    }
    return false;
}

static void run(void *user)
{
    struct pv_poll_thread *poller = user;
    pthread_mutex_lock(&poller->lock);
    while (!poller->stop) {
        if (poller->has_raised || poller->is_held || poller->change_count != 0) {
            pthread_cond_wait(&poller->changed, &poller->lock);
            continue;
        }
        poller->is_polling = true;
        pthread_mutex_unlock(&poller->lock);
        int ready = poll(poller->fds, (nfds_t)poller->count, -1);
        pthread_mutex_lock(&poller->lock);
        poller->is_polling = false;
        pv_wake_take(&poller->nudge);
        pthread_cond_broadcast(&poller->changed);
        if (ready > 0 && is_any_ready(poller)) {
            poller->has_raised = true;
            pv_wake_raise(&poller->ready);
        }
    }
    pthread_mutex_unlock(&poller->lock);
}

/* The thread stays out of the list from here to end_change(). */
static void begin_change(struct pv_poll_thread *poller)
{
    pthread_mutex_lock(&poller->lock);
    poller->change_count++;
    while (poller->is_polling) {
        pv_wake_raise(&poller->nudge);
        pthread_cond_wait(&poller->changed, &poller->lock);
    }
}

static void end_change(struct pv_poll_thread *poller)
{
    poller->change_count--;
    pthread_cond_broadcast(&poller->changed);
    pthread_mutex_unlock(&poller->lock);
}

/* --- the set -----------------------------------------------------------------------------------
 */

static bool grow(struct pv_poll_thread *poller)
{
    if (poller->count < poller->capacity) {
        return true;
    }
    size_t capacity = poller->capacity != 0 ? poller->capacity * 2 : 8;
    struct pollfd *fds = realloc(poller->fds, capacity * sizeof(*fds));
    if (fds == NULL) {
        return false;
    }
    poller->fds = fds;
    void **users = realloc(poller->users, capacity * sizeof(*users));
    if (users == NULL) {
        return false;
    }
    poller->users = users;
    poller->capacity = capacity;
    return true;
}

static void put(struct pv_poll_thread *poller, size_t place, int fd, short events, void *user)
{
    poller->fds[place] = (struct pollfd){.fd = fd, .events = events};
    poller->users[place] = user;
}

static size_t find(const struct pv_poll_thread *poller, int fd)
{
    size_t place = 1;
    while (place < poller->count && poller->fds[place].fd != fd) {
        place++;
    }
    return place;
}

enum pv_result pv_poll_set_init(struct pv_poll_set *set)
{
    *set = (struct pv_poll_set){.fd = -1};
    struct pv_poll_thread *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return PV_NO_MEMORY;
    }
    set->thread = made;
    made->ready = made->nudge = (struct pv_wake)PV_WAKE_NONE;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->changed, NULL);
    if (pv_wake_init(&made->ready) != PV_OK || pv_wake_init(&made->nudge) != PV_OK || !grow(made)) {
        pv_poll_set_finish(set);
        return PV_HOST_FAILED;
    }
    put(made, made->count++, made->nudge.read_end, POLLIN, NULL);
    set->fd = made->ready.read_end;
    if (pv_thread_start(&made->thread, "pv-poll", run, made) != PV_OK) {
        pv_poll_set_finish(set);
        return PV_HOST_FAILED;
    }
    return PV_OK;
}

void pv_poll_set_finish(struct pv_poll_set *set)
{
    struct pv_poll_thread *poller = set->thread;
    if (poller == NULL) {
        return;
    }
    begin_change(poller);
    poller->stop = true;
    end_change(poller);
    pv_thread_join(&poller->thread);
    pv_wake_finish(&poller->ready);
    pv_wake_finish(&poller->nudge);
    pthread_cond_destroy(&poller->changed);
    pthread_mutex_destroy(&poller->lock);
    free(poller->fds);
    free((void *)poller->users);
    free(poller);
    *set = (struct pv_poll_set){.fd = -1};
}

enum pv_result pv_poll_set_add(struct pv_poll_set *set, int fd, uint32_t events, void *user)
{
    begin_change(set->thread);
    bool fits = grow(set->thread);
    if (fits) {
        put(set->thread, set->thread->count++, fd, poll_events(events), user);
    }
    end_change(set->thread);
    return fits ? PV_OK : PV_NO_MEMORY;
}

void pv_poll_set_change(struct pv_poll_set *set, int fd, uint32_t events, void *user)
{
    begin_change(set->thread);
    size_t place = find(set->thread, fd);
    if (place < set->thread->count) {
        put(set->thread, place, fd, poll_events(events), user);
    }
    end_change(set->thread);
}

void pv_poll_set_remove(struct pv_poll_set *set, int fd)
{
    struct pv_poll_thread *poller = set->thread;
    begin_change(poller);
    size_t place = find(poller, fd);
    if (place < poller->count) {
        /* In order: a busy one in front keeps its turn, and takes no other's. */
        poller->count--;
        memmove(&poller->fds[place], &poller->fds[place + 1],
                (poller->count - place) * sizeof(poller->fds[0]));
        memmove(&poller->users[place], &poller->users[place + 1],
                (poller->count - place) * sizeof(poller->users[0]));
    }
    end_change(poller);
}

size_t pv_poll_set_take(struct pv_poll_set *set, void **users, size_t limit)
{
    struct pv_poll_thread *poller = set->thread;
    begin_change(poller);
    poller->is_held = true;
    size_t taken = 0;
    if (poll(poller->fds, (nfds_t)poller->count, 0) > 0) {
        /* What does not fit is still ready when they listen again. */
        for (size_t i = 1; i < poller->count && taken < limit; i++) {
            if (poller->fds[i].revents != 0) {
                users[taken++] = poller->users[i];
            }
        }
    }
    end_change(poller);
    return taken;
}

void pv_poll_set_listen(struct pv_poll_set *set)
{
    struct pv_poll_thread *poller = set->thread;
    pthread_mutex_lock(&poller->lock);
    if (poller->has_raised) {
        pv_wake_take(&poller->ready);
    }
    poller->has_raised = poller->is_held = false;
    pthread_cond_broadcast(&poller->changed);
    pthread_mutex_unlock(&poller->lock);
}
