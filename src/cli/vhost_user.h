#ifndef PV_CLI_VHOST_USER_H
#define PV_CLI_VHOST_USER_H

#include "host_choice.h"

#include <pearvisor/log_level.h>
#include <pearvisor/renderer.h>
#include <stdbool.h>
#include <stdint.h>

/* Inside of `vhost-user`: what the command line says. */

struct pv_vhost_user_options {
    const char *socket; /* NULL: `fd` it is */
    int fd;             /* -1: `socket` it is */
    bool print_capabilities;
    struct pv_host_choice host;
    enum pv_waiting waiting;
    uint64_t window_bytes;
    uint32_t width, height; /* of the monitor */
    enum pv_log_level log_level;
};

/* Returns -1 to go on, else the exit status. */
int pv_vhost_user_parse(struct pv_vhost_user_options *options, int argc, char **argv);

#endif
