#include "base/bell.h"

/* The event alone. What arrives at the source is read by a third thread, which rings: two wakes in
 * a row where Linux has one. poll() cannot do better, since it would not sleep while something is
 * there that nobody has read yet (Darwin could: kqueue with EV_CLEAR and EVFILT_USER). */

enum pv_result pv_bell_init(struct pv_bell *bell, int source)
{
    (void)source;
    *bell = (struct pv_bell){.set = -1, .rung = -1};
    return PV_OK;
}

void pv_bell_finish(struct pv_bell *bell)
{
    (void)bell;
}

uint32_t pv_bell_prepare(struct pv_bell *bell)
{
    return pv_event_prepare(&bell->event);
}

void pv_bell_cancel(struct pv_bell *bell)
{
    pv_event_cancel(&bell->event);
}

void pv_bell_wait(struct pv_bell *bell, uint32_t ticket)
{
    pv_event_wait(&bell->event, ticket);
}

void pv_bell_wait_until(struct pv_bell *bell, uint32_t ticket, uint64_t deadline_ns)
{
    (void)pv_event_wait_until(&bell->event, ticket, deadline_ns);
}

void pv_bell_ring(struct pv_bell *bell)
{
    pv_event_wake(&bell->event);
}
