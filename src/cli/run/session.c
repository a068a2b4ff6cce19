/* Starts a virtual machine's processes, and ends them. */

#include "session.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long a guest under KVM may be silent before it is taken for dead: a boot takes it seconds. */
static const uint64_t sign_patience_ns = 30 * PV_NS_PER_S;
static const uint64_t backend_patience_ns = 2 * PV_NS_PER_S;

/* Sockets without names: there is nothing to find for others, or to remove. */
static bool open_wires(struct pv_session *session, struct pv_wiring *far)
{
    for (int i = 0; i < PV_WIRE_COUNT; i++) {
        bool is_command = i == PV_WIRE_STDIN || i == PV_WIRE_STDOUT || i == PV_WIRE_STDERR;
        if ((is_command && session->plan->options->command == NULL) ||
            (i == PV_WIRE_GPU && session->plan->way != PV_RUN_VHOST_USER)) {
            continue;
        }
        int ends[2];
        /* The backend's end goes to another program as it is. */
        if (pv_fd_socket_pair(ends) != PV_OK ||
            (i != PV_WIRE_GPU && pv_fd_set_blocking(ends[0], false) != PV_OK)) {
            return pv_run_complain("out of descriptors");
        }
        session->near[i] = ends[0];
        far->fds[i] = ends[1];
    }
    return true;
}

static bool start_child(struct pv_child *child, struct pv_line *line, char *const *environment,
                        const int *kept, size_t kept_count, struct pv_voice *voice)
{
    int write_end;
    if (pv_fd_pipe(&voice->fd, &write_end) != PV_OK ||
        pv_fd_set_blocking(voice->fd, false) != PV_OK) {
        return pv_run_complain("out of descriptors");
    }
    const struct pv_child_params params = {
        .arguments = line->arguments,
        .environment = environment,
        .kept = kept,
        .kept_count = kept_count,
        .output = write_end,
        .errors = write_end,
    };
    int error = line->failed ? ENOMEM : pv_child_start(child, &params);
    close(write_end);
    return error == 0 || pv_run_complain("%s: %s", line->failed ? "arguments" : line->arguments[0],
                                         strerror(error));
}

static bool start_backend(struct pv_session *session)
{
    const char *variable = getenv("PEARVISOR_PROGRAM");
    const char *program = variable != NULL && variable[0] != '\0' ? variable : "/proc/self/exe";
    int fd = session->near[PV_WIRE_GPU];
    struct pv_line line = {0};
    pv_run_write_backend(&line, session->plan, program, fd, NULL);
    bool good = start_child(&session->backend, &line, NULL, &fd, 1, &session->backend_voice);
    pv_line_finish(&line);
    pv_fd_close(&session->near[PV_WIRE_GPU]);
    return good;
}

static bool start_qemu(struct pv_session *session, const struct pv_wiring *far)
{
    char authority[96];
    snprintf(authority, sizeof(authority), "%s/xauthority", session->folder);
    bool has_x = session->x_display[0] != '\0';
    struct pv_line line = {0}, environment = {0};
    pv_run_write_qemu(&line, session->plan, far);
    pv_run_write_environment(&environment, session->plan, has_x ? session->x_display : NULL,
                             has_x ? authority : NULL);
    line.failed = line.failed || environment.failed;
    bool good = start_child(&session->qemu, &line, environment.arguments, far->fds, PV_WIRE_COUNT,
                            &session->qemu_voice);
    pv_line_finish(&line);
    pv_line_finish(&environment);
    return good;
}

bool pv_session_start(struct pv_session *session)
{
    const struct pv_run_options *options = session->plan->options;
    struct pv_wiring far = {.gpu_socket = NULL};
    for (int i = 0; i < PV_WIRE_COUNT; i++) {
        far.fds[i] = -1;
    }
    bool good = open_wires(session, &far) &&
                (!session->plan->needs_xvfb || pv_session_start_xvfb(session)) &&
                (session->plan->way != PV_RUN_VHOST_USER || start_backend(session)) &&
                start_qemu(session, &far);
    for (int i = 0; i < PV_WIRE_COUNT; i++) {
        pv_fd_close(&far.fds[i]); /* QEMU's alone, so that its end is our end of file */
    }
    if (!good) {
        return false;
    }
    session->begin_ns = pv_clock_now_ns();
    if (options->command == NULL) {
        if (isatty(STDIN_FILENO)) { /* what is no terminal waits until somebody reads it */
            pv_pump_open(&session->in, STDIN_FILENO, session->near[PV_WIRE_CONSOLE]);
        }
        pv_pump_open(&session->out, session->near[PV_WIRE_CONSOLE], STDOUT_FILENO);
    } else {
        pv_pump_open(&session->out, session->near[PV_WIRE_STDOUT], STDOUT_FILENO);
        pv_pump_open(&session->err, session->near[PV_WIRE_STDERR], STDERR_FILENO);
        if (options->timeout_s != 0) {
            session->boot_deadline_ns = session->begin_ns + options->timeout_s * PV_NS_PER_S;
        }
    }
    if (session->plan->may_emulate) {
        session->sign_deadline_ns = session->begin_ns + sign_patience_ns;
    }
    return true;
}

void pv_session_finish(struct pv_session *session)
{
    pv_child_finish(&session->qemu, 0);
    for (int i = 0; i < PV_WIRE_COUNT; i++) {
        pv_fd_close(&session->near[i]);
    }
    /* It ends by itself when QEMU has gone. */
    pv_child_finish(&session->backend, backend_patience_ns);
    pv_child_finish(&session->xvfb, 0);
    pv_fd_close(&session->qemu_voice.fd);
    pv_fd_close(&session->backend_voice.fd);
    free(session->request);
    session->request = NULL;
    if (session->folder[0] != '\0') {
        char cookie[96];
        snprintf(cookie, sizeof(cookie), "%s/xauthority", session->folder);
        (void)unlink(cookie);
        (void)rmdir(session->folder);
    }
}
