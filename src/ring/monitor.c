#include "ring/monitor.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/event.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define INTERVAL_MIN_NS (10 * PV_NS_PER_MS)
#define INTERVAL_MAX_NS (3600 * PV_NS_PER_S)

struct monitored {
    struct monitored *next;
    struct pv_ring *ring;
};

struct pv_ring_monitor {
    pthread_mutex_t lock;
    struct monitored *rings; /* guarded by lock */
    struct pv_thread thread; /* guarded by lock, but for the join in stop */
    _Atomic bool is_stopping;
    struct pv_event changed; /* a ring was added, or stop */
};

enum pv_result pv_ring_monitor_create(struct pv_ring_monitor **monitor)
{
    struct pv_ring_monitor *made = calloc(1, sizeof(*made));
    *monitor = NULL;
    if (made == NULL || pthread_mutex_init(&made->lock, NULL) != 0) {
        free(made);
        return PV_NO_MEMORY;
    }
    *monitor = made;
    return PV_OK;
}

void pv_ring_monitor_destroy(struct pv_ring_monitor *monitor)
{
    if (monitor == NULL) {
        return;
    }
    pv_ring_monitor_stop(monitor);
    while (monitor->rings != NULL) {
        struct monitored *next = monitor->rings->next;
        free(monitor->rings);
        monitor->rings = next;
    }
    pthread_mutex_destroy(&monitor->lock);
    free(monitor);
}

/* Called with the lock held. */
static void raise_all(struct pv_ring_monitor *monitor)
{
    for (struct monitored *m = monitor->rings; m != NULL; m = m->next) {
        pv_ring_raise_status(m->ring, PV_RING_STATUS_ALIVE);
    }
}

/* Called with the lock held. */
static uint64_t interval_ns(const struct pv_ring_monitor *monitor)
{
    uint64_t shortest_us = INTERVAL_MAX_NS / PV_NS_PER_US;
    for (const struct monitored *m = monitor->rings; m != NULL; m = m->next) {
        uint64_t period_us = pv_ring_monitor_period_us(m->ring);
        shortest_us = period_us < shortest_us ? period_us : shortest_us;
    }
    uint64_t interval = shortest_us * PV_NS_PER_US / 3;
    return interval < INTERVAL_MIN_NS ? INTERVAL_MIN_NS : interval;
}

static void run_monitor(void *user)
{
    struct pv_ring_monitor *monitor = user;
    for (;;) {
        uint32_t ticket = pv_event_prepare(&monitor->changed);
        if (atomic_load_explicit(&monitor->is_stopping, memory_order_seq_cst)) {
            pv_event_cancel(&monitor->changed);
            return;
        }
        pthread_mutex_lock(&monitor->lock);
        raise_all(monitor);
        bool is_empty = monitor->rings == NULL;
        uint64_t interval = interval_ns(monitor);
        pthread_mutex_unlock(&monitor->lock);
        if (is_empty) {
            pv_event_wait(&monitor->changed, ticket);
        } else {
            pv_event_wait_until(&monitor->changed, ticket, pv_clock_now_ns() + interval);
        }
    }
}

enum pv_result pv_ring_monitor_add(struct pv_ring_monitor *monitor, struct pv_ring *ring)
{
    PV_ASSERT(pv_ring_monitor_period_us(ring) != 0);
    struct monitored *made = malloc(sizeof(*made));
    if (made == NULL) {
        return PV_NO_MEMORY;
    }
    enum pv_result result = PV_OK;
    pthread_mutex_lock(&monitor->lock);
    made->ring = ring;
    made->next = monitor->rings;
    monitor->rings = made;
    raise_all(monitor);
    if (!monitor->thread.is_started && !atomic_load(&monitor->is_stopping)) {
        result = pv_thread_start(&monitor->thread, "pv-monitor", run_monitor, monitor);
    }
    pthread_mutex_unlock(&monitor->lock);
    if (result != PV_OK) {
        pv_ring_monitor_remove(monitor, ring);
        return result;
    }
    pv_event_wake(&monitor->changed); /* the new period may be shorter */
    return PV_OK;
}

void pv_ring_monitor_remove(struct pv_ring_monitor *monitor, struct pv_ring *ring)
{
    struct monitored *found = NULL;
    pthread_mutex_lock(&monitor->lock);
    for (struct monitored **link = &monitor->rings; *link != NULL; link = &(*link)->next) {
        if ((*link)->ring == ring) {
            found = *link;
            *link = found->next;
            break;
        }
    }
    pthread_mutex_unlock(&monitor->lock);
    free(found);
}

void pv_ring_monitor_stop(struct pv_ring_monitor *monitor)
{
    pthread_mutex_lock(&monitor->lock);
    atomic_store_explicit(&monitor->is_stopping, true, memory_order_seq_cst);
    struct pv_thread thread = monitor->thread;
    monitor->thread.is_started = false;
    pthread_mutex_unlock(&monitor->lock);
    pv_event_wake(&monitor->changed);
    pv_thread_join(&thread);
}
