#ifndef PV_ISOLATE_SANDBOX_LIMITS_H
#define PV_ISOLATE_SANDBOX_LIMITS_H

#include "base/attributes.h"
#include "base/log.h"
#include "base/result.h"
#include "isolate/sandbox.h"

/* Of pv_sandbox_confine_files(): what POSIX has. No core dumps; as many descriptors as may be,
 * which the report tells. */
PV_NODISCARD enum pv_result pv_sandbox_set_limits(const struct pv_log *log,
                                                  struct pv_sandbox_report *report);

#endif
