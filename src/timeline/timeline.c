#include "timeline/timeline.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

/* A stop is noticed between two of them. */
#define SLICE_NS (100 * PV_NS_PER_MS)

struct entry {
    void *fence;
    uint64_t cookie;
};

struct pv_timeline {
    struct pv_timeline_params params;
    pthread_mutex_t lock; /* of all below; held over `retired`, which keeps the order */
    pthread_cond_t pushed;
    struct entry *entries; /* a circle of params.limit */
    uint32_t first;
    uint32_t count;
    bool is_waiting; /* the thread is in `wait` for a fence that it recycles itself */
    bool is_over;    /* retire everything at once */
    bool is_stopping;
    struct pv_thread thread;
};

enum pv_result pv_timeline_create(const struct pv_timeline_params *params,
                                  struct pv_timeline **timeline)
{
    PV_ASSERT(params->limit > 0);
    *timeline = NULL;
    struct pv_timeline *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return PV_NO_MEMORY;
    }
    made->params = *params;
    made->entries = calloc(params->limit, sizeof(*made->entries));
    if (made->entries == NULL || pthread_mutex_init(&made->lock, NULL) != 0) {
        goto fail;
    }
    if (pthread_cond_init(&made->pushed, NULL) != 0) {
        pthread_mutex_destroy(&made->lock);
        goto fail;
    }
    *timeline = made;
    return PV_OK;
fail:
    free(made->entries);
    free(made);
    return PV_NO_MEMORY;
}

/* Called with the lock held. */
static struct entry take_first(struct pv_timeline *timeline)
{
    PV_ASSERT(timeline->count > 0);
    struct entry entry = timeline->entries[timeline->first];
    timeline->first = (timeline->first + 1) % timeline->params.limit;
    timeline->count--;
    return entry;
}

/* Called with the lock held. The fence that the thread waits for stays the thread's: it recycles it
 * when the driver lets go of it. */
static void retire_everything(struct pv_timeline *timeline)
{
    timeline->is_over = true;
    bool is_waited_for = timeline->is_waiting;
    while (timeline->count > 0) {
        struct entry entry = take_first(timeline);
        timeline->params.retired(timeline->params.user, entry.cookie);
        if (!is_waited_for) {
            timeline->params.recycle(timeline->params.user, entry.fence);
        }
        is_waited_for = false;
    }
}

/* Called with the lock held, which it lets go of meanwhile. */
static void wait_for_first(struct pv_timeline *timeline)
{
    void *fence = timeline->entries[timeline->first].fence;
    timeline->is_waiting = true;
    enum pv_result result = PV_UNSUPPORTED;
    while (result == PV_UNSUPPORTED && !timeline->is_over) {
        pthread_mutex_unlock(&timeline->lock);
        result = timeline->params.wait(timeline->params.user, fence, SLICE_NS);
        pthread_mutex_lock(&timeline->lock);
    }
    if (!timeline->is_over && result == PV_OK) {
        struct entry entry = take_first(timeline);
        timeline->params.retired(timeline->params.user, entry.cookie);
    } else {
        retire_everything(timeline);
    }
    timeline->is_waiting = false;
    timeline->params.recycle(timeline->params.user, fence);
}

static void run_timeline(void *user)
{
    struct pv_timeline *timeline = user;
    pthread_mutex_lock(&timeline->lock);
    while (!timeline->is_stopping) {
        if (timeline->count == 0) {
            pthread_cond_wait(&timeline->pushed, &timeline->lock);
        } else {
            wait_for_first(timeline);
        }
    }
    pthread_mutex_unlock(&timeline->lock);
}

void pv_timeline_destroy(struct pv_timeline *timeline)
{
    if (timeline == NULL) {
        return;
    }
    pthread_mutex_lock(&timeline->lock);
    retire_everything(timeline);
    timeline->is_stopping = true;
    pthread_cond_signal(&timeline->pushed);
    pthread_mutex_unlock(&timeline->lock);
    pv_thread_join(&timeline->thread);
    pthread_cond_destroy(&timeline->pushed);
    pthread_mutex_destroy(&timeline->lock);
    free(timeline->entries);
    free(timeline);
}

/* Called with the lock held. */
static enum pv_result append(struct pv_timeline *timeline, void *fence, uint64_t cookie)
{
    if (timeline->count >= timeline->params.limit) {
        return PV_NO_MEMORY;
    }
    if (!timeline->thread.is_started) {
        enum pv_result result =
            pv_thread_start(&timeline->thread, "pv-timeline", run_timeline, timeline);
        if (result != PV_OK) {
            return result;
        }
    }
    uint32_t last = (timeline->first + timeline->count) % timeline->params.limit;
    timeline->entries[last] = (struct entry){.fence = fence, .cookie = cookie};
    timeline->count++;
    pthread_cond_signal(&timeline->pushed);
    return PV_OK;
}

enum pv_result pv_timeline_push(struct pv_timeline *timeline, void *taken_fence, uint64_t cookie)
{
    enum pv_result result = PV_OK;
    pthread_mutex_lock(&timeline->lock);
    if (timeline->is_over) {
        timeline->params.retired(timeline->params.user, cookie);
        timeline->params.recycle(timeline->params.user, taken_fence);
    } else {
        result = append(timeline, taken_fence, cookie);
        if (result != PV_OK) {
            timeline->params.recycle(timeline->params.user, taken_fence);
        }
    }
    pthread_mutex_unlock(&timeline->lock);
    return result;
}

void pv_timeline_retire_all(struct pv_timeline *timeline)
{
    pthread_mutex_lock(&timeline->lock);
    retire_everything(timeline);
    pthread_mutex_unlock(&timeline->lock);
}

uint32_t pv_timeline_in_flight(struct pv_timeline *timeline)
{
    pthread_mutex_lock(&timeline->lock);
    uint32_t count = timeline->count;
    pthread_mutex_unlock(&timeline->lock);
    return count;
}
