/* The loop of `serve`: one thread that accepts, hands on, and looks after processes. */

#include "base/clock.h"
#include "command.h"
#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { POLL_WORKERS, POLL_SIGNALS, POLL_LISTENER, POLL_COMMAND, POLL_COUNT };

/* How long the workers of a command that has ended may take to say what they did. */
static const uint64_t farewell_ns = 2 * PV_NS_PER_S;

static void accept_clients(struct pv_server *server)
{
    while (pv_workers_has_room(server->workers)) {
        /* Blocking, unlike the listener: the worker waits inside of recv(). */
        int client = accept4(server->listener.fd, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0) {
            if (errno == EMFILE || errno == ENFILE) {
                pv_log_error(&server->log, "no descriptor left for a client");
                pv_clock_sleep_ns(10 * PV_NS_PER_MS);
            }
            return;
        }
        pv_workers_serve(server->workers, (struct pv_client){.kind = PV_CLIENT_VTEST}, client);
    }
}

/* Signals end us; but a command is asked first, and its end ends us. */
static void take_signal(struct pv_server *server, const struct pv_command_process *command)
{
    struct signalfd_siginfo info;
    if (read(server->signals, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
        return;
    }
    if (command->pid <= 0) {
        server->stop = true;
        return;
    }
    /* A terminal has sent its Ctrl-C to the command, too. */
    if (info.ssi_code != SI_KERNEL) {
        kill(command->pid, (int)info.ssi_signo);
    }
}

/* Waits for something, and does it. */
static void step(struct pv_server *server, const struct pv_command_process *command,
                 uint64_t deadline_ns)
{
    struct pollfd fds[POLL_COUNT] = {
        [POLL_WORKERS] = {.fd = pv_workers_poll_fd(server->workers), .events = POLLIN},
        [POLL_SIGNALS] = {.fd = server->signals, .events = POLLIN},
        /* Clients beyond what we can serve wait where they are: turned away, they would spin. */
        [POLL_LISTENER] = {.fd = pv_workers_has_room(server->workers) ? server->listener.fd : -1,
                           .events = POLLIN},
        [POLL_COMMAND] = {.fd = command->process, .events = POLLIN},
    };
    int timeout_ms = pv_workers_timeout_ms(server->workers);
    if (deadline_ns != 0) {
        uint64_t now_ns = pv_clock_now_ns();
        int left_ms = now_ns < deadline_ns ? (int)((deadline_ns - now_ns) / PV_NS_PER_MS + 1) : 0;
        timeout_ms = timeout_ms < 0 || left_ms < timeout_ms ? left_ms : timeout_ms;
    }
    if (poll(fds, POLL_COUNT, timeout_ms) < 0 && errno != EINTR) {
        server->stop = true;
    }
    if (fds[POLL_SIGNALS].revents != 0) {
        take_signal(server, command);
    }
    pv_workers_dispatch(server->workers);
    if (fds[POLL_LISTENER].revents != 0) {
        accept_clients(server);
    }
}

/* The command has ended, and so have its connections: lets workers tell what they did. */
static void wait_for_workers(struct pv_server *server)
{
    const struct pv_command_process none = {.process = -1};
    uint64_t deadline_ns = pv_clock_now_ns() + farewell_ns;
    while (!server->stop && pv_workers_busy_count(server->workers) != 0 &&
           pv_clock_now_ns() < deadline_ns) {
        step(server, &none, deadline_ns);
    }
}

static int run_command(struct pv_server *server, const sigset_t *mask)
{
    char **variables = pv_guest_variables(server->listener.path);
    if (variables == NULL) {
        return 1;
    }
    struct pv_command_process command = {.process = -1};
    int status = pv_command_start(&command, server->options->command, variables, mask);
    pv_guest_variables_free(variables);
    if (status != 0) {
        return status;
    }
    while (!pv_command_has_ended(&command, &status)) {
        step(server, &command, 0);
    }
    wait_for_workers(server);
    return status;
}

int pv_serve_run(struct pv_server *server, const sigset_t *mask)
{
    if (server->options->command != NULL) {
        return run_command(server, mask);
    }
    const struct pv_command_process none = {.process = -1};
    pv_log_info(&server->log, "listening on %s", server->listener.path);
    while (!server->stop) {
        step(server, &none, 0);
    }
    return 0;
}
