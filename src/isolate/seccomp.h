#ifndef PV_ISOLATE_SECCOMP_H
#define PV_ISOLATE_SECCOMP_H

#include "base/attributes.h"
#include "base/log.h"
#include "base/result.h"

#include <stdbool.h>

/* Filters the system calls of every thread of this process from now on; sandbox.h says what
 * `may_listen` is. PV_UNSUPPORTED on a kernel without seccomp. */
PV_NODISCARD enum pv_result pv_seccomp_enter(const struct pv_log *log, bool may_listen);

#endif
