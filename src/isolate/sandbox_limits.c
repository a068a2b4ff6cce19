#include "isolate/sandbox_limits.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

enum { UNLIMITED_DESCRIPTORS = 1 << 20 };

/* Every allocation that a guest can map costs a descriptor, so the usual 1024 would be the first
 * thing that it runs out of. A core dump would hold what it drew. */
enum pv_result pv_sandbox_set_limits(const struct pv_log *log, struct pv_sandbox_report *report)
{
    const struct rlimit none = {0, 0};
    struct rlimit descriptors;
    if (setrlimit(RLIMIT_CORE, &none) != 0 || getrlimit(RLIMIT_NOFILE, &descriptors) != 0) {
        pv_log_error(log, "cannot set limits: %s", strerror(errno));
        return PV_HOST_FAILED;
    }
    /* Darwin promises an infinity of which it gives a part. */
    struct rlimit asked = descriptors;
    asked.rlim_cur = asked.rlim_max != RLIM_INFINITY ? asked.rlim_max : UNLIMITED_DESCRIPTORS;
    while (asked.rlim_cur > descriptors.rlim_cur && setrlimit(RLIMIT_NOFILE, &asked) != 0) {
        asked.rlim_cur /= 2;
    }
    (void)getrlimit(RLIMIT_NOFILE, &descriptors);
    report->descriptor_limit = descriptors.rlim_cur;
    return PV_OK;
}
