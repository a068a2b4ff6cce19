#ifndef PV_TIMELINE_TIMELINE_H
#define PV_TIMELINE_TIMELINE_H

#include "base/attributes.h"
#include "base/result.h"

#include <stdint.h>

/* Waits for one queue's fences, in the order in which they were submitted, and reports each. What a
 * fence is, the owner knows: it is waited for through a call. One fence at a time: lavapipe burns a
 * core when it waits for any of several, and a queue finishes in order anyway.
 *
 * The thread starts with the first fence. push, retire_all from any thread. */
struct pv_timeline;

struct pv_timeline_params {
    void *user;
    /* Blocks until the fence has signalled (PV_OK) or for `timeout_ns` (PV_UNSUPPORTED). Anything
     * else: the device is lost, and all fences retire. On the timeline's thread. */
    enum pv_result (*wait)(void *user, void *fence, uint64_t timeout_ns);
    /* The fence of this cookie has passed; in order. On the timeline's thread, or on that of
     * push, retire_all or destroy. Must not call back into the timeline. */
    void (*retired)(void *user, uint64_t cookie);
    /* The timeline does not use the fence any more; it may be unsignalled still after retire_all,
     * a lost device or destroy. Same threads and rule. */
    void (*recycle)(void *user, void *fence);
    uint32_t limit; /* fences in flight, at least 1 */
};

PV_NODISCARD enum pv_result pv_timeline_create(const struct pv_timeline_params *params,
                                               struct pv_timeline **timeline);
/* Retires all that is left, joins the thread (within 100 ms). NULL is accepted. */
void pv_timeline_destroy(struct pv_timeline *timeline);

/* Takes the fence, also on failure; after retire_all it retires at once. PV_NO_MEMORY at the limit,
 * PV_HOST_FAILED when there is no thread to be had: then the cookie is not retired. */
PV_NODISCARD enum pv_result pv_timeline_push(struct pv_timeline *timeline, void *taken_fence,
                                             uint64_t cookie);

/* The end of the context or of its device: retires everything before it returns, in order, and
 * whatever is pushed later at once. */
void pv_timeline_retire_all(struct pv_timeline *timeline);

uint32_t pv_timeline_in_flight(struct pv_timeline *timeline);

#endif
