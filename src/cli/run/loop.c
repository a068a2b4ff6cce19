/* The loop that serves a virtual machine. */

#include "base/clock.h"
#include "base/fd.h"
#include "session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    WAIT_SIGNALS,
    WAIT_QEMU,
    WAIT_BACKEND,
    WAIT_QEMU_SAYS,
    WAIT_BACKEND_SAYS,
    WAIT_MONITOR,
    WAIT_AGENT,
    WAIT_REQUEST,
    WAIT_CONSOLE,
    WAIT_IN,
    WAIT_OUT = WAIT_IN + 2,
    WAIT_ERR = WAIT_OUT + 2,
    WAIT_COUNT = WAIT_ERR + 2,
};

/* What may still be under way when the agent has told the exit status. */
static const uint64_t output_patience_ns = 10 * PV_NS_PER_S;
static const uint64_t phase_ns = PV_NS_PER_S;

static bool is_command(const struct pv_session *session)
{
    return session->plan->options->command != NULL;
}

static void prepare(const struct pv_session *session, struct pollfd fds[WAIT_COUNT])
{
    bool has_request = session->request_sent < session->request_size;
    const int control = session->near[PV_WIRE_CONTROL];
    for (int i = 0; i < WAIT_COUNT; i++) {
        fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    }
    fds[WAIT_SIGNALS].fd = session->signals;
    fds[WAIT_QEMU].fd = session->qemu.process;
    fds[WAIT_BACKEND].fd = session->backend.process;
    fds[WAIT_QEMU_SAYS].fd = session->qemu_voice.fd;
    fds[WAIT_BACKEND_SAYS].fd = session->backend_voice.fd;
    fds[WAIT_MONITOR].fd = session->near[PV_WIRE_MONITOR];
    fds[WAIT_AGENT].fd = control;
    fds[WAIT_REQUEST] = (struct pollfd){.fd = has_request ? control : -1, .events = POLLOUT};
    fds[WAIT_CONSOLE].fd = is_command(session) ? session->near[PV_WIRE_CONSOLE] : -1;
    if (session->end == PV_END_NONE) {
        pv_pump_prepare(&session->in, &fds[WAIT_IN]);
    }
    pv_pump_prepare(&session->out, &fds[WAIT_OUT]);
    pv_pump_prepare(&session->err, &fds[WAIT_ERR]);
}

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
    return a_ns == 0 || (b_ns != 0 && b_ns < a_ns) ? b_ns : a_ns;
}

static int choose_timeout_ms(const struct pv_session *session)
{
    uint64_t deadline_ns = earlier(session->boot_deadline_ns, session->sign_deadline_ns);
    deadline_ns = earlier(deadline_ns, session->exit_deadline_ns);
    deadline_ns = earlier(deadline_ns, session->phase_deadline_ns);
    uint64_t now_ns = pv_clock_now_ns();
    if (deadline_ns == 0) {
        return -1;
    }
    return deadline_ns > now_ns ? (int)((deadline_ns - now_ns) / PV_NS_PER_MS) + 1 : 0;
}

/* The first signal asks, the second insists. */
static void take_signal(struct pv_session *session)
{
    struct signalfd_siginfo info;
    if (read(session->signals, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
        return;
    }
    bool insists = session->end != PV_END_NONE;
    pv_session_end(session, PV_END_SIGNAL, 0, "signal %u", info.ssi_signo);
    session->end = PV_END_SIGNAL;
    session->status = (int)info.ssi_signo;
    if (insists && session->phase < PV_PHASE_KILLED) {
        session->phase = PV_PHASE_QUIT;
        session->phase_deadline_ns = pv_clock_now_ns();
    }
}

/* With a command the console is only watched. */
static void hear_console(struct pv_session *session)
{
    char bytes[4096];
    ssize_t got = read(session->near[PV_WIRE_CONSOLE], bytes, sizeof(bytes));
    if (got > 0) {
        pv_console_look(&session->console, bytes, (size_t)got);
        if (session->plan->options->verbose) {
            (void)!write(STDERR_FILENO, bytes, (size_t)got);
        }
    } else if (got == 0 || errno != EAGAIN) {
        pv_fd_close(&session->near[PV_WIRE_CONSOLE]);
    }
}

static void send_request(struct pv_session *session)
{
    ssize_t sent = send(session->near[PV_WIRE_CONTROL], session->request + session->request_sent,
                        session->request_size - session->request_sent, MSG_NOSIGNAL);
    if (sent > 0) {
        session->request_sent += (size_t)sent;
    }
}

static void move_bytes(struct pv_session *session, const struct pollfd fds[WAIT_COUNT])
{
    struct pv_pump *in = &session->in;
    pv_pump_step(in, &fds[WAIT_IN]);
    pv_pump_step(&session->out, &fds[WAIT_OUT]);
    pv_pump_step(&session->err, &fds[WAIT_ERR]);
    /* The end of our input is the end of the command's; a console goes on without. */
    if (session->is_running && in->from < 0 && pv_pump_is_empty(in) && in->to >= 0) {
        shutdown(in->to, SHUT_WR);
        in->to = -1;
    }
    /* A terminal that has gone, as with SIGHUP: it has no other end. */
    if (!is_command(session) && session->in.look != NULL && in->from < 0 && in->to >= 0) {
        pv_session_end(session, PV_END_SIGNAL, SIGHUP, "the terminal has gone");
    }
    const int error = session->out.error != 0 ? session->out.error : session->err.error;
    if (error != 0) {
        pv_session_end(session, PV_END_OUTPUT, error, "%s", strerror(error));
    }
    if (session->escape.wants_end) {
        pv_session_end(session, PV_END_ESCAPE, 0, "Ctrl-A X");
    }
}

/* The ports are queues of their own: the exit status may be here before the last output. */
static void judge_exit(struct pv_session *session)
{
    const struct pv_agent_message *exit = &session->exit;
    if (!session->has_exited || session->end != PV_END_NONE) {
        return;
    }
    /* What is here but not written yet may still fail to be. */
    bool is_held = !pv_pump_is_empty(&session->out) || !pv_pump_is_empty(&session->err);
    bool has_arrived = !exit->has_counts || (session->out.read_count >= exit->stdout_count &&
                                             session->err.read_count >= exit->stderr_count);
    bool complete = has_arrived && !is_held;
    uint64_t now_ns = pv_clock_now_ns();
    if (complete) {
        pv_session_end(session, PV_END_COMMAND, exit->status, "status %d", exit->status);
        session->exit_deadline_ns = 0;
    } else if (session->exit_deadline_ns == 0 || is_held) {
        session->exit_deadline_ns = now_ns + output_patience_ns;
    } else if (now_ns >= session->exit_deadline_ns) {
        pv_session_end(session, PV_END_FAILED, 0, "the guest holds back what the command wrote");
        session->exit_deadline_ns = 0;
    }
}

static bool has_passed(uint64_t deadline_ns, uint64_t now_ns)
{
    return deadline_ns != 0 && now_ns >= deadline_ns;
}

static void watch_time(struct pv_session *session)
{
    uint64_t now_ns = pv_clock_now_ns();
    if (has_passed(session->boot_deadline_ns, now_ns)) {
        session->boot_deadline_ns = 0;
        pv_session_end(session, PV_END_FAILED, 0, "the guest was not ready within %u s (--timeout)",
                       session->plan->options->timeout_s);
    }
    if (has_passed(session->sign_deadline_ns, now_ns)) {
        session->sign_deadline_ns = 0;
        pv_session_end(session, PV_END_UNFIT, 0, "the guest gave no sign of life");
    }
    if (session->end == PV_END_NONE && session->phase == PV_PHASE_RUNS) {
        /* A kernel that has panicked reboots, which ends QEMU; one that cannot is ended. */
        if (session->console.panic[0] != '\0' && session->phase_deadline_ns == 0 &&
            !session->is_ready) {
            session->phase_deadline_ns = now_ns + 5 * PV_NS_PER_S;
        } else if (has_passed(session->phase_deadline_ns, now_ns)) {
            pv_session_end(session, PV_END_UNFIT, 0, "the guest's kernel panicked: %s",
                           session->console.panic);
        }
        return;
    }
    if (!has_passed(session->phase_deadline_ns, now_ns) || session->phase >= PV_PHASE_KILLED) {
        return;
    }
    if (session->phase == PV_PHASE_POLITE) {
        static const char quit[] = "{\"execute\": \"quit\"}\n";
        session->phase = PV_PHASE_QUIT;
        session->phase_deadline_ns = now_ns + phase_ns;
        if (session->near[PV_WIRE_MONITOR] >= 0) {
            (void)!send(session->near[PV_WIRE_MONITOR], quit, strlen(quit), MSG_NOSIGNAL);
        }
    } else {
        session->phase = PV_PHASE_KILLED;
        session->phase_deadline_ns = 0;
        kill(-session->qemu.group, SIGKILL);
    }
}

static void step(struct pv_session *session)
{
    struct pollfd fds[WAIT_COUNT];
    int status;
    prepare(session, fds);
    if (poll(fds, WAIT_COUNT, choose_timeout_ms(session)) < 0) {
        return;
    }
    if (fds[WAIT_SIGNALS].revents != 0) {
        take_signal(session);
    }
    if (fds[WAIT_QEMU_SAYS].revents != 0) {
        pv_session_hear_child(session, &session->qemu_voice);
    }
    if (fds[WAIT_BACKEND_SAYS].revents != 0) {
        pv_session_hear_child(session, &session->backend_voice);
    }
    if (fds[WAIT_CONSOLE].revents != 0) {
        hear_console(session);
    }
    move_bytes(session, fds);
    if (fds[WAIT_MONITOR].revents != 0) {
        pv_session_hear_monitor(session);
    }
    if (fds[WAIT_REQUEST].revents != 0) {
        send_request(session);
    }
    if (fds[WAIT_AGENT].revents != 0) {
        pv_session_hear_agent(session);
    }
    judge_exit(session);
    watch_time(session);
    /* What has been said before an end is heard before it. */
    bool is_quiet = true;
    for (int i = WAIT_QEMU_SAYS; i < WAIT_IN; i++) {
        is_quiet = is_quiet && fds[i].revents == 0;
    }
    if (is_quiet && fds[WAIT_BACKEND].revents != 0 && fds[WAIT_QEMU].revents == 0 &&
        pv_child_has_ended(&session->backend, &status)) {
        pv_session_hear_backend_end(session, status);
    }
    if (is_quiet && fds[WAIT_QEMU].revents != 0 && pv_child_has_ended(&session->qemu, &status)) {
        pv_session_hear_qemu_end(session, status);
    }
}

/* QEMU has gone; what it has left in the sockets may still be on its way to whoever reads us. */
static bool has_leftovers(const struct pv_session *session)
{
    const struct pv_pump *pumps[] = {&session->out, &session->err};
    for (size_t i = 0; i < 2; i++) {
        bool open = pumps[i]->from >= 0 || !pv_pump_is_empty(pumps[i]);
        if (open && pumps[i]->to >= 0 && session->end != PV_END_SIGNAL) {
            return true;
        }
    }
    return false;
}

void pv_session_serve(struct pv_session *session)
{
    while (session->qemu.pid > 0 || has_leftovers(session)) {
        step(session);
    }
}
