#ifndef PV_CLI_RUN_CHILD_H
#define PV_CLI_RUN_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A program that runs beside us, in a process group of its own: the terminal's Ctrl-C is ours to
 * judge, and what a wrapper script has started is ended with it. None of it outlives us, however we
 * end: the group's leader is a process that waits for that. */

struct pv_child {
    pid_t pid;   /* 0: none */
    pid_t group; /* its leader, and so its guard */
    int process; /* pidfd: readable when it has ended */
    int lifeline;
};

struct pv_child_params {
    char *const *arguments;   /* NULL at the end; the first is looked for in PATH */
    char *const *environment; /* NAME=VALUE beside ours, NULL at the end; or NULL */
    const int *kept;          /* descriptors that it inherits, under their numbers */
    size_t kept_count;
    int output, errors; /* its stdout and stderr; -1: /dev/null */
};

/* Returns 0, or the errno of what failed. */
int pv_child_start(struct pv_child *child, const struct pv_child_params *params);
/* True when it has ended; *status is what waitpid() tells. */
bool pv_child_has_ended(struct pv_child *child, int *status);
/* Waits for its end, at most so long, then for its end by SIGTERM, at most a second, and by SIGKILL
 * in the end. */
void pv_child_finish(struct pv_child *child, uint64_t patience_ns);

#endif
