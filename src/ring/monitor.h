#ifndef PV_RING_MONITOR_H
#define PV_RING_MONITOR_H

#include "base/attributes.h"
#include "base/result.h"
#include "ring/ring.h"

/* Tells a guest that we are alive, whatever its rings are busy with: sets ALIVE on all monitored
 * rings of a context when one is added, and from then on three times in the shortest period that
 * any of them asked for, but not more often than every 10 ms. One thread, started with the first
 * ring. All calls from any thread. */
struct pv_ring_monitor;

PV_NODISCARD enum pv_result pv_ring_monitor_create(struct pv_ring_monitor **monitor);
/* Stops first; the rings stay the caller's. NULL is accepted. */
void pv_ring_monitor_destroy(struct pv_ring_monitor *monitor);

/* The ring's monitor period must not be 0. The ring must be removed before it is destroyed.
 * PV_NO_MEMORY, or PV_HOST_FAILED when there is no thread to be had. */
PV_NODISCARD enum pv_result pv_ring_monitor_add(struct pv_ring_monitor *monitor,
                                                struct pv_ring *ring);
/* The monitor does not touch the ring afterwards. A ring that was not added is ignored. */
void pv_ring_monitor_remove(struct pv_ring_monitor *monitor, struct pv_ring *ring);

/* Ends the thread: from now on the guest finds us dead. For a context that has turned fatal. */
void pv_ring_monitor_stop(struct pv_ring_monitor *monitor);

#endif
