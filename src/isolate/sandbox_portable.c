#include "isolate/sandbox.h"
#include "isolate/sandbox_limits.h"

#include <string.h>

/* POSIX has no sandbox: a worker is a process of its own, and may do what its user may. The report
 * says so. */

enum pv_result pv_sandbox_confine_files(const struct pv_sandbox_params *params,
                                        struct pv_sandbox_report *report)
{
    memset(report, 0, sizeof(*report));
    return pv_sandbox_set_limits(params->log, report);
}

enum pv_result pv_sandbox_confine_calls(const struct pv_log *log, bool may_listen,
                                        struct pv_sandbox_report *report)
{
    (void)log;
    (void)may_listen;
    (void)report;
    return PV_OK;
}
