/*
 * What a call can answer.
 */
#ifndef PEARVISOR_RESULT_H
#define PEARVISOR_RESULT_H

#ifdef __cplusplus
extern "C" {
#endif

/* Steers programs that use PearVisor, and PearVisor itself. A VkResult never appears here: it is
 * data for the guest, and travels inside of replies. */
enum pv_result {
    PV_OK = 0,
    PV_GUEST_FAULT, /* the guest broke the protocol: its context ends, nothing else does */
    PV_HOST_FAILED, /* the host's system or driver refused; a log line says what */
    PV_NO_MEMORY,   /* out of memory, or a quota was reached */
    PV_UNSUPPORTED, /* this host, or this build, cannot do it */
    PV_CLOSED,      /* the other side has gone, or the object is being torn down */
    PV_INVALID,     /* the caller's own argument is wrong: NULL, misaligned, out of range */
    PV_BUSY,        /* not in this state, or not yet: nothing has happened */
};

/* A word or two for a person: static, English, never NULL. Any thread. */
__attribute__((visibility("default"))) const char *pv_result_name(enum pv_result result);

#ifdef __cplusplus
}
#endif

#endif
