#ifndef PV_CLI_RUN_LINE_H
#define PV_CLI_RUN_LINE_H

#include "base/attributes.h"
#include "run.h"

#include <stdio.h>

/* Command lines: lists of arguments that grow. */
struct pv_line {
    char **arguments; /* NULL at the end */
    size_t count, capacity;
    bool failed; /* out of memory: nothing of it can be used */
};

PV_PRINTF(2, 3) void pv_line_add(struct pv_line *line, const char *format, ...);
void pv_line_finish(struct pv_line *line);
/* For a shell: an option with its value on each line. */
void pv_line_print(const struct pv_line *line, FILE *out);
/* One argument, quoted where a shell needs that. */
void pv_line_print_quoted(const char *text, FILE *out);

/* Where the ends of QEMU's sockets are. */
enum pv_wire {
    PV_WIRE_GPU, /* vhost-user */
    PV_WIRE_MONITOR,
    PV_WIRE_CONSOLE,
    PV_WIRE_CONTROL, /* and the other ports of the guest's agent */
    PV_WIRE_STDIN,
    PV_WIRE_STDOUT,
    PV_WIRE_STDERR,
    PV_WIRE_COUNT,
};

struct pv_wiring {
    int fds[PV_WIRE_COUNT]; /* inherited by QEMU; -1: not wired */
    const char *gpu_socket; /* for people who run it themselves: the backend's socket, and the
                               console is their terminal; NULL: `fds` */
};

void pv_run_write_qemu(struct pv_line *line, const struct pv_run_plan *plan,
                       const struct pv_wiring *wiring);
/* The backend; `program` is ours. */
void pv_run_write_backend(struct pv_line *line, const struct pv_run_plan *plan, const char *program,
                          int fd, const char *gpu_socket);
/* NAME=VALUE for QEMU. `x_display`: ":7", or NULL; `x_authority`: its cookie's file, or NULL. */
void pv_run_write_environment(struct pv_line *line, const struct pv_run_plan *plan,
                              const char *x_display, const char *x_authority);
/* All of it, for `run --dry-run`. False when out of memory. */
PV_NODISCARD bool pv_run_print(const struct pv_run_plan *plan, FILE *out);

#endif
