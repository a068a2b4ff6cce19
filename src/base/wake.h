#ifndef PV_BASE_WAKE_H
#define PV_BASE_WAKE_H

#include "base/attributes.h"
#include "base/result.h"

/* A descriptor that any thread can make readable, for one who polls. Linux: an eventfd. Elsewhere:
 * a pipe. */
struct pv_wake {
    int read_end; /* poll this */
    int write_end;
};

/* No descriptors: what is given to pv_wake_finish() where there was no init. */
#define PV_WAKE_NONE                                                                               \
    {                                                                                              \
        -1, -1                                                                                     \
    }

/* PV_HOST_FAILED when out of descriptors. */
PV_NODISCARD enum pv_result pv_wake_init(struct pv_wake *wake);
void pv_wake_finish(struct pv_wake *wake);

/* Readable from now on, until it is taken. Any thread; never blocks. */
void pv_wake_raise(struct pv_wake *wake);
/* Not readable any more, until it is raised again. Never blocks. */
void pv_wake_take(struct pv_wake *wake);

#endif
