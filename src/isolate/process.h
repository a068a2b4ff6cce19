#ifndef PV_ISOLATE_PROCESS_H
#define PV_ISOLATE_PROCESS_H

#include "base/attributes.h"
#include "base/result.h"

#include <spawn.h>
#include <sys/types.h>

/* A worker's process, as far as systems differ. */

/* The new program has the descriptors up to `last` that the actions so far give it, and stderr, and
 * no others. 0, or an error number. */
PV_NODISCARD int pv_process_keep_descriptors(posix_spawn_file_actions_t *actions, int last,
                                             short *flags);

/* A descriptor that is readable when the process has ended; -1 with PV_OK where the system has
 * none: then the end of its control socket says it. */
PV_NODISCARD enum pv_result pv_process_open(pid_t pid, int *process);
/* `process` may be -1. */
void pv_process_kill(pid_t pid, int process);

/* Of the calling process: the system ends it with its parent, if it can do such a thing. */
void pv_process_end_with_parent(void);

#endif
