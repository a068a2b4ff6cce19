#ifndef PV_BASE_RESULT_H
#define PV_BASE_RESULT_H

#include "base/attributes.h"

/* Control flow inside PearVisor. A VkResult is data for the guest and never steers us. */
enum pv_result {
    PV_OK = 0,
    PV_GUEST_FAULT, /* the guest broke the protocol: its context ends */
    PV_HOST_FAILED, /* the host's system or driver refused */
    PV_NO_MEMORY,   /* out of memory, or a quota was reached */
    PV_UNSUPPORTED, /* this host cannot do it */
    PV_CLOSED,      /* the other side has gone, or the object is being torn down */
};

/* Static string, never NULL. */
const char *pv_result_name(enum pv_result result);

#endif
