#ifndef PV_CLI_COMMAND_H
#define PV_CLI_COMMAND_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* The program behind `serve --`: gets the environment that makes Mesa's Venus driver connect to us.
 */

enum { PV_GUEST_VARIABLES = 4 };

/* NAME=VALUE for a client of the socket at `socket_path`; for pv_guest_variables_free(). NULL, and
 * a line on stderr, when Mesa's Venus driver is not installed. */
char **pv_guest_variables(const char *socket_path);
void pv_guest_variables_free(char **variables);

struct pv_command_process {
    pid_t pid;
    int process; /* pidfd: readable when it has ended */
};

/* Starts it with our environment and `variables`, and the signals of `mask` blocked as before us.
 * Returns 0, or the exit status that shells give such a failure, told on stderr. */
int pv_command_start(struct pv_command_process *command, char **arguments, char **variables,
                     const sigset_t *mask);
/* True when it has ended: *status is its own, or 128 plus the number of the signal that ended it.
 */
bool pv_command_has_ended(struct pv_command_process *command, int *status);

#endif
