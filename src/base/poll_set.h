#ifndef PV_BASE_POLL_SET_H
#define PV_BASE_POLL_SET_H

#include "base/attributes.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Descriptors that one thread looks after, behind one descriptor that it, or whoever embeds it,
 * polls: readable when any of them is ready. Sets may be in sets. Level-triggered: what is not
 * dealt with is ready again. Linux: epoll. Elsewhere: poll(), on a thread of the set's own.
 *
 * One thread, but for the descriptor, which anyone may poll. */

enum pv_poll_events {
    PV_POLL_READABLE = 1,
    PV_POLL_WRITABLE = 2,
    /* The other end of a socket was closed, whatever is still to be read. Alone: nothing else. */
    PV_POLL_HANG_UP = 4,
};

struct pv_poll_set {
    int fd;                        /* poll this; constant; -1: none */
    struct pv_poll_thread *thread; /* of the half with a thread */
};

/* Whether the set's descriptor is readable at the very moment at which one in it is ready; else it
 * takes a thread's wake. What a caller takes is up to date in any case. */
extern const bool pv_poll_set_is_prompt;

/* PV_HOST_FAILED when out of descriptors or threads. */
PV_NODISCARD enum pv_result pv_poll_set_init(struct pv_poll_set *set);
/* Accepts fd -1 with everything else zero. The descriptors in it stay their owners'. */
void pv_poll_set_finish(struct pv_poll_set *set);

/* `events`: enum pv_poll_events. `user` comes with what is ready. */
PV_NODISCARD enum pv_result pv_poll_set_add(struct pv_poll_set *set, int fd, uint32_t events,
                                            void *user);
/* Of one that is in the set. */
void pv_poll_set_change(struct pv_poll_set *set, int fd, uint32_t events, void *user);
/* Before it is closed. Does nothing where it is not in the set. */
void pv_poll_set_remove(struct pv_poll_set *set, int fd);

/* The `user` of up to `limit` that are ready now; returns how many. Does not wait. What is ready
 * from here on need not make the set readable before pv_poll_set_listen(). */
size_t pv_poll_set_take(struct pv_poll_set *set, void **users, size_t limit);
/* All that was ready has been dealt with: the set is readable when any still is, or is again. */
void pv_poll_set_listen(struct pv_poll_set *set);

#endif
