/* `pearvisor serve`: sets the stage for the loop in serve_run.c. This process never loads a Vulkan
 * driver and reads no byte of a client's. */

#include "serve.h"

#include "base/fd.h"
#include "cli.h"
#include "command.h"
#include "isolate/host_setup.h"
#include "stats.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const char mesa_socket[] = "/tmp/.virgl_test";
static const char program[] = "/proc/self/exe";

/* What one run owns. */
struct serve {
    struct pv_serve_options options;
    struct pv_server server;
    struct pv_worker_setup setup;
    char folder[PV_SETUP_PATH_SIZE]; /* of a command's own socket; empty: none */
    sigset_t mask;                   /* before us */
};

/* Where clients connect; false when there is no telling. */
static bool choose_path(struct serve *serve, char *path, size_t size)
{
    const struct pv_serve_options *options = &serve->options;
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int length;
    if (options->socket != NULL) {
        /* Whole, since clients may be started from another folder. */
        char here[PATH_MAX] = "";
        bool relative = options->socket[0] != '/' && getcwd(here, sizeof(here)) != NULL;
        length = snprintf(path, size, "%s%s%s", here, relative ? "/" : "", options->socket);
    } else if (options->default_socket) {
        length = snprintf(path, size, "%s", mesa_socket);
    } else if (serve->folder[0] != '\0') {
        length = snprintf(path, size, "%s/socket", serve->folder);
    } else if (runtime != NULL && runtime[0] == '/') {
        length = snprintf(path, size, "%s/pearvisor.sock", runtime);
    } else {
        fprintf(stderr, "pearvisor serve: XDG_RUNTIME_DIR is not set; say --socket PATH\n");
        return false;
    }
    if ((size_t)length >= size) {
        fprintf(stderr, "pearvisor serve: the socket's path is too long\n");
        return false;
    }
    return true;
}

/* A folder of our own for the socket of a command: nobody else finds it, and it goes with us. */
static bool create_folder(struct serve *serve)
{
    if (serve->options.command == NULL || serve->options.socket != NULL ||
        serve->options.default_socket) {
        return true;
    }
    const char *parents[] = {getenv("XDG_RUNTIME_DIR"), "/tmp"};
    for (size_t i = 0; i < 2; i++) {
        if (parents[i] == NULL || parents[i][0] != '/') {
            continue;
        }
        snprintf(serve->folder, sizeof(serve->folder), "%s/pearvisor-XXXXXX", parents[i]);
        if (mkdtemp(serve->folder) != NULL) {
            return true;
        }
    }
    fprintf(stderr, "pearvisor serve: cannot create a folder for the socket: %s\n",
            strerror(errno));
    serve->folder[0] = '\0';
    return false;
}

static bool prepare_workers(struct serve *serve)
{
    const struct pv_worker_setup_params params = {
        .gpu = serve->options.host.gpu,
        .driver = serve->options.host.driver,
        .waiting = (uint32_t)serve->options.waiting,
        .log_level = serve->server.log.level,
    };
    enum pv_result result = pv_worker_setup_init(&serve->setup, &params);
    if (result == PV_UNSUPPORTED) {
        fprintf(stderr, "pearvisor serve: no Vulkan driver is installed; see `pearvisor doctor`\n");
    }
    return result == PV_OK;
}

static void on_client_finished(void *user, const struct pv_client_stats *stats,
                               const uint64_t *counts, size_t count)
{
    struct serve *serve = user;
    pv_workers_log_client(&serve->server.log, stats);
    const char *path = serve->options.stats_json;
    if (path != NULL && !pv_stats_append(path, stats, counts, count)) {
        pv_log_error(&serve->server.log, "%s: cannot be written", path);
    }
}

static bool start_workers(struct serve *serve)
{
    struct pv_workers_params params = {
        .log = &serve->server.log,
        .program = program,
        .environment = serve->setup.environment,
        .setup = &serve->setup.setup,
        .client_limit = serve->options.client_limit,
        .client_finished = on_client_finished,
        .user = serve,
    };
    return pv_workers_create(&params, &serve->server.workers) == PV_OK;
}

/* Signals become readable, so that the one loop hears of all there is. */
static bool catch_signals(struct serve *serve)
{
    sigset_t caught;
    sigemptyset(&caught);
    sigaddset(&caught, SIGTERM);
    sigaddset(&caught, SIGINT);
    sigaddset(&caught, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &caught, &serve->mask);
    serve->server.signals = signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
    return serve->server.signals >= 0;
}

/* As a word for the shell: an apostrophe ends the quotes, stands by itself, and opens them again.
 */
static void print_quoted(const char *text)
{
    putchar('\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            fputs("'\\''", stdout);
        } else {
            putchar(*text);
        }
    }
    putchar('\'');
}

static int print_environment(const char *path)
{
    char **variables = pv_guest_variables(path);
    if (variables == NULL) {
        return 1;
    }
    for (size_t i = 0; i < PV_GUEST_VARIABLES; i++) {
        size_t name = strcspn(variables[i], "=") + 1;
        printf("export %.*s", (int)name, variables[i]);
        print_quoted(variables[i] + name);
        putchar('\n');
    }
    pv_guest_variables_free(variables);
    return 0;
}

static int serve_all(struct serve *serve)
{
    char path[PV_SETUP_PATH_SIZE + 16];
    if (!create_folder(serve) || !choose_path(serve, path, sizeof(path))) {
        return 1;
    }
    if (serve->options.print_env) {
        return print_environment(path);
    }
    if (!prepare_workers(serve) || !catch_signals(serve) ||
        !pv_listener_open(&serve->server.listener, "serve", path) || !start_workers(serve)) {
        return 1;
    }
    return pv_serve_run(&serve->server, &serve->mask);
}

int pv_serve_main(int argc, char **argv)
{
    struct serve *serve = calloc(1, sizeof(*serve));
    if (serve == NULL) {
        return 1;
    }
    serve->server.listener.fd = serve->server.signals = -1;
    serve->server.options = &serve->options;
    int status = pv_serve_parse(&serve->options, argc, argv);
    if (status < 0) {
        /* A command's own output is what its user wants to see. */
        enum pv_log_level level = serve->options.command != NULL ? PV_LOG_WARN : PV_LOG_INFO;
        if (serve->options.has_log_level) {
            level = serve->options.log_level;
        }
        serve->server.log = pv_log_stderr(level);
        status = serve_all(serve);
    }
    pv_workers_destroy(serve->server.workers);
    pv_listener_close(&serve->server.listener);
    if (serve->folder[0] != '\0') {
        (void)rmdir(serve->folder);
    }
    pv_fd_close(&serve->server.signals);
    pv_worker_setup_finish(&serve->setup);
    pv_host_choice_finish(&serve->options.host);
    free(serve);
    return status;
}
