#include "options.h"
#include "serve.h"

#include <stdio.h>
#include <string.h>

enum { CLIENTS_DEFAULT = 64, CLIENTS_MAX = 1024 };

static const char *set_socket(void *user, const char *value)
{
    struct pv_serve_options *options = user;
    options->socket = value;
    return value[0] != '\0' ? NULL : "the path is empty";
}

static const char *set_default_socket(void *user, const char *value)
{
    (void)value;
    struct pv_serve_options *options = user;
    options->default_socket = true;
    return NULL;
}

static const char *set_gpu(void *user, const char *value)
{
    return pv_host_choice_set_gpu(&((struct pv_serve_options *)user)->host, value);
}

static const char *set_driver(void *user, const char *value)
{
    return pv_host_choice_set_driver(&((struct pv_serve_options *)user)->host, value);
}

static const char *set_wait(void *user, const char *value)
{
    struct pv_serve_options *options = user;
    bool sleeps = strcmp(value, "sleep") == 0;
    options->waiting = sleeps ? PV_WAITING_SLEEP : PV_WAITING_ADAPTIVE;
    return sleeps || strcmp(value, "adaptive") == 0 ? NULL : "not adaptive or sleep";
}

static const char *set_max_clients(void *user, const char *value)
{
    struct pv_serve_options *options = user;
    bool good = pv_options_number(value, 1, CLIENTS_MAX, &options->client_limit);
    return good ? NULL : "not a number from 1 to 1024";
}

static const char *set_log(void *user, const char *value)
{
    struct pv_serve_options *options = user;
    options->has_log_level = true;
    return pv_log_level_parse(value, &options->log_level) ? NULL : "not error, warn, info or debug";
}

static const char *set_print_env(void *user, const char *value)
{
    (void)value;
    struct pv_serve_options *options = user;
    options->print_env = true;
    return NULL;
}

static const char *set_stats_json(void *user, const char *value)
{
    struct pv_serve_options *options = user;
    options->stats_json = value;
    return value[0] != '\0' ? NULL : "the path is empty";
}

static const struct pv_option table[] = {
    {"--socket", "PATH", "where clients connect (default $XDG_RUNTIME_DIR/pearvisor.sock)",
     set_socket},
    {"--default-socket", NULL, "use Mesa's own default path, /tmp/.virgl_test", set_default_socket},
    {"--gpu", "NAME|INDEX", "offer only this GPU (part of its name, or its number)", set_gpu},
    {"--driver", "ICD.json", "use only this Vulkan driver (default: all of the host's)",
     set_driver},
    {"--wait", "HOW", "adaptive (default), or sleep: spare the cores, answer later", set_wait},
    {"--max-clients", "N", "clients at once (default 64); others wait", set_max_clients},
    {"--log", "LEVEL", "error, warn, info or debug", set_log},
    {"--print-env", NULL, "print the environment for clients, and exit", set_print_env},
    {"--stats-json", "FILE", "append a line for each client that has gone", set_stats_json},
};

static const struct pv_options serve_options = {
    .subcommand = "serve",
    .synopsis = "[OPTION]... [-- COMMAND...]",
    .summary =
        "Serves the host's Vulkan to programs that use Mesa's Venus driver with VN_DEBUG=vtest.\n"
        "With a command: runs it with the right environment, on a socket of its own, and\n"
        "exits with its status.",
    .table = table,
    .count = sizeof(table) / sizeof(table[0]),
    .has_rest = true,
};

int pv_serve_parse(struct pv_serve_options *options, int argc, char **argv)
{
    *options = (struct pv_serve_options){.client_limit = CLIENTS_DEFAULT};
    int rest;
    int status = pv_options_parse(&serve_options, argc, argv, options, &rest);
    if (status >= 0) {
        return status;
    }
    options->command = rest < argc ? argv + rest : NULL;
    const char *fault = NULL;
    if (options->print_env && options->command != NULL) {
        fault = "--print-env: a command gets the environment by itself";
    } else if (options->socket != NULL && options->default_socket) {
        fault = "--default-socket: --socket names another one";
    }
    if (fault != NULL) {
        fprintf(stderr, "pearvisor serve: %s; see --help\n", fault);
        return 2;
    }
    return -1;
}
