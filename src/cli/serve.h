#ifndef PV_CLI_SERVE_H
#define PV_CLI_SERVE_H

#include "base/log.h"
#include "host_choice.h"
#include "isolate/workers.h"
#include "listen.h"

#include <pearvisor/renderer.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Inside of `serve`: what the command line says, and the loop that serves. */

struct pv_serve_options {
    const char *socket; /* NULL: $XDG_RUNTIME_DIR/pearvisor.sock */
    bool default_socket;
    bool print_env;
    struct pv_host_choice host;
    const char *stats_json;
    uint32_t client_limit;
    enum pv_waiting waiting;
    bool has_log_level;
    enum pv_log_level log_level;
    char **command; /* NULL: none */
};

/* Returns -1 to go on, else the exit status. */
int pv_serve_parse(struct pv_serve_options *options, int argc, char **argv);

struct pv_server {
    const struct pv_serve_options *options;
    struct pv_log log;
    struct pv_listener listener;
    struct pv_workers *workers;
    int signals; /* signalfd */
    bool stop;
};

/* Serves until a signal or, with a command, its end. Returns the exit status. `mask`: the signals
 * that were blocked before us, for the command. */
int pv_serve_run(struct pv_server *server, const sigset_t *mask);

#endif
