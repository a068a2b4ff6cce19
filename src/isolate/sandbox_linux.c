#include "isolate/landlock.h"
#include "isolate/sandbox.h"
#include "isolate/sandbox_limits.h"
#include "isolate/seccomp.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

enum pv_result pv_sandbox_confine_files(const struct pv_sandbox_params *params,
                                        struct pv_sandbox_report *report)
{
    memset(report, 0, sizeof(*report));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        pv_log_error(params->log, "cannot give up new privileges: %s", strerror(errno));
        return PV_HOST_FAILED;
    }
    report->no_new_privileges = 1;
    enum pv_result result = pv_sandbox_set_limits(params->log, report);
    if (result != PV_OK) {
        return result;
    }
    report->landlock_abi = pv_landlock_abi();
    if (report->landlock_abi == 0) {
        return PV_OK;
    }
    result = pv_landlock_enter(report->landlock_abi, params);
    report->files_confined = result == PV_OK;
    return result;
}

enum pv_result pv_sandbox_confine_calls(const struct pv_log *log, bool may_listen,
                                        struct pv_sandbox_report *report)
{
    enum pv_result result = pv_seccomp_enter(log, may_listen);
    report->calls_confined = result == PV_OK;
    report->may_listen = may_listen && result == PV_OK;
    /* A kernel without seccomp is rare, and the rest holds: the report tells. */
    return result == PV_UNSUPPORTED ? PV_OK : result;
}
