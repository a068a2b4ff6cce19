/* What a virtual machine's parts say, and what follows from it. */

#include "base/clock.h"
#include "base/fd.h"
#include "session.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

void pv_session_tell(const struct pv_session *session, const char *format, ...)
{
    if (!session->is_loud) {
        return;
    }
    char text[PV_RUN_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    uint64_t tenths = (pv_clock_now_ns() - session->begin_ns) / (PV_NS_PER_S / 10);
    fprintf(stderr, "pearvisor run: %3llu.%llu s: %s\n", (unsigned long long)tenths / 10,
            (unsigned long long)tenths % 10, text);
}

/* QEMU 11.1 writes a line for each mapping that comes into the window or leaves it: the back-end
 * refuses to take it for the guest's memory (front/vhost_user), and nothing follows from that. */
static bool is_noise(const struct pv_session *session, const char *line)
{
    static const char noise[] = ": vhost_set_mem_table failed: Input/output error (5)";
    size_t length = strlen(line), end = strlen(noise);
    return session->plan->way == PV_RUN_VHOST_USER && length >= end &&
           strcmp(line + length - end, noise) == 0;
}

/* What a program remarks by the way is no cause of its end. */
static bool is_remark(const char *line)
{
    static const char *const kinds[] = {": warning: ", ": warn: ", ": info: ", ": debug: "};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strstr(line, kinds[i]) != NULL) {
            return true;
        }
    }
    return false;
}

void pv_session_hear_child(const struct pv_session *session, struct pv_voice *voice)
{
    char line[PV_LINES_SIZE];
    bool goes_on = pv_lines_read(&voice->lines, voice->fd);
    if (!goes_on && voice->lines.size > 0) {
        voice->lines.text[voice->lines.size++] = '\n'; /* which nobody has written */
    }
    while (pv_lines_next(&voice->lines, line)) {
        if (voice == &session->qemu_voice && is_noise(session, line)) {
            continue;
        }
        if (session->plan->options->verbose) {
            fprintf(stderr, "%s\n", line);
        }
        if (line[0] != '\0' && !is_remark(line)) {
            pv_text_clean(voice->last_words, sizeof(voice->last_words), line);
        }
    }
    if (!goes_on) {
        pv_fd_close(&voice->fd);
    }
}

static void say_to_monitor(struct pv_session *session, const char *command)
{
    char line[64];
    int length = snprintf(line, sizeof(line), "{\"execute\": \"%s\"}\n", command);
    if (session->near[PV_WIRE_MONITOR] >= 0) {
        (void)!send(session->near[PV_WIRE_MONITOR], line, (size_t)length, MSG_NOSIGNAL);
    }
}

/* True when the guest can be asked to end by itself. */
static bool can_be_asked(const struct pv_session *session)
{
    return session->is_ready && session->near[PV_WIRE_CONTROL] >= 0;
}

void pv_session_end(struct pv_session *session, enum pv_run_end end, int status, const char *format,
                    ...)
{
    if (session->end != PV_END_NONE) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(session->detail, sizeof(session->detail), format, arguments);
    va_end(arguments);
    session->end = end;
    session->status = status;
    if (session->phase != PV_PHASE_RUNS) {
        return;
    }
    const struct pv_run_options *options = session->plan->options;
    /* What others keep is worth a wait. */
    bool keeps = options->persist || options->disk_count != 0 || options->share != NULL;
    bool polite = can_be_asked(session) && end != PV_END_FAILED && end != PV_END_UNFIT &&
                  (keeps || end != PV_END_COMMAND);
    session->phase = PV_PHASE_POLITE;
    session->phase_deadline_ns = pv_clock_now_ns();
    if (polite) {
        static const char wish[] = "poweroff\n";
        (void)!send(session->near[PV_WIRE_CONTROL], wish, strlen(wish), MSG_NOSIGNAL);
        session->phase_deadline_ns += (keeps ? 20 : 5) * PV_NS_PER_S;
    }
}

static const char *name_accelerator(const struct pv_session *session)
{
    const char *name = session->plan->accelerator;
    return strcmp(name, "kvm") == 0 ? "KVM" : strcmp(name, "hvf") == 0 ? "HVF" : "emulation";
}

static void take_monitor_word(struct pv_session *session, enum pv_monitor_word word)
{
    switch (word) {
    case PV_MONITOR_GREETING:
        say_to_monitor(session, "qmp_capabilities");
        break;
    case PV_MONITOR_STOPPED:
        say_to_monitor(session, "query-status");
        break;
    case PV_MONITOR_INTERNAL_ERROR:
        pv_session_end(session, PV_END_UNFIT, 0,
                       "QEMU has paused the guest: internal error of %s, which does not run here",
                       name_accelerator(session));
        break;
    case PV_MONITOR_DISK_FULL:
        pv_session_end(session, PV_END_FAILED, 0, "no space left on the host for the guest's disk");
        break;
    case PV_MONITOR_DISK_ERROR:
        pv_session_end(session, PV_END_FAILED, 0, "the host cannot read or write a guest's disk");
        break;
    case PV_MONITOR_POWEROFF:
    case PV_MONITOR_RESET:
        /* It goes by itself; what the agent has said before may still be on its way. */
        session->farewell = word;
        session->phase = PV_PHASE_QUIT;
        session->phase_deadline_ns = pv_clock_now_ns() + 5 * PV_NS_PER_S;
        break;
    default:
        break;
    }
}

void pv_session_hear_monitor(struct pv_session *session)
{
    char line[PV_LINES_SIZE];
    if (!pv_lines_read(&session->monitor, session->near[PV_WIRE_MONITOR])) {
        close(session->near[PV_WIRE_MONITOR]);
        session->near[PV_WIRE_MONITOR] = -1;
    }
    while (pv_lines_next(&session->monitor, line)) {
        take_monitor_word(session, pv_monitor_read(line));
    }
}

static void start_command(struct pv_session *session)
{
    session->request = pv_agent_write_run(session->plan->options->command, &session->request_size);
    if (session->request == NULL) {
        pv_session_end(session, PV_END_FAILED, 0, "out of memory");
        return;
    }
    session->is_running = true;
    pv_pump_open(&session->in, STDIN_FILENO, session->near[PV_WIRE_STDIN]);
}

static void take_ready(struct pv_session *session)
{
    if (session->is_ready) {
        return;
    }
    session->is_ready = true;
    session->boot_deadline_ns = 0;
    pv_session_tell(session, "ready");
    if (session->plan->options->command == NULL) {
        if (!isatty(STDIN_FILENO)) {
            pv_pump_open(&session->in, STDIN_FILENO, session->near[PV_WIRE_CONSOLE]);
        }
        return;
    }
    if (session->end == PV_END_NONE) {
        start_command(session);
    }
}

static void take_no_venus(struct pv_session *session, const char *reason)
{
    if (session->plan->way == PV_RUN_PLAIN) {
        pv_session_tell(session, "no GPU, as asked");
        return;
    }
    /* Without the window to host memory nothing of Venus works, whatever the command does. */
    if (session->plan->options->command != NULL && strcasestr(reason, "window") != NULL) {
        pv_session_end(session, PV_END_FAILED, 0, "the guest has no Venus: %s", reason);
        return;
    }
    fprintf(stderr, "pearvisor run: warning: the guest has no Venus: %s\n", reason);
}

static void take_agent_message(struct pv_session *session, const struct pv_agent_message *message)
{
    switch (message->word) {
    case PV_AGENT_STAGE:
        pv_session_tell(session, "%s", message->text);
        break;
    case PV_AGENT_FAILED:
        pv_session_end(session, PV_END_FAILED, 0, "the guest's boot failed: %s", message->text);
        break;
    case PV_AGENT_VENUS:
        pv_session_tell(session, "the guest has %s", message->text);
        break;
    case PV_AGENT_NO_VENUS:
        take_no_venus(session, message->text);
        break;
    case PV_AGENT_READY:
        take_ready(session);
        break;
    case PV_AGENT_EXIT:
        if (session->is_running && !session->has_exited) {
            session->has_exited = true;
            session->exit = *message;
        }
        break;
    default:
        return;
    }
    session->has_sign = true;
    session->sign_deadline_ns = 0;
}

void pv_session_hear_agent(struct pv_session *session)
{
    char line[PV_LINES_SIZE];
    if (!pv_lines_read(&session->agent, session->near[PV_WIRE_CONTROL])) {
        close(session->near[PV_WIRE_CONTROL]);
        session->near[PV_WIRE_CONTROL] = -1;
    }
    while (pv_lines_next(&session->agent, line)) {
        struct pv_agent_message message;
        pv_agent_read(&message, line);
        take_agent_message(session, &message);
    }
}

/* How a program has ended, with its last words where it has any. */
static void describe_end(char *text, size_t size, const struct pv_voice *voice, int wait_status)
{
    const char *line = voice->last_words;
    if (WIFSIGNALED(wait_status)) {
        snprintf(text, size, "killed by signal %d%s%s", WTERMSIG(wait_status),
                 line[0] != '\0' ? ": " : "", line);
    } else {
        snprintf(text, size, "status %d%s%s", WEXITSTATUS(wait_status), line[0] != '\0' ? ": " : "",
                 line);
    }
}

void pv_session_hear_backend_end(struct pv_session *session, int wait_status)
{
    char text[400];
    describe_end(text, sizeof(text), &session->backend_voice, wait_status);
    pv_session_end(session, PV_END_FAILED, 0, "the GPU's backend ended (%s)", text);
}

/* A backend that fails takes QEMU with it; one that has lost its QEMU ends well. */
static bool backend_has_failed(struct pv_session *session)
{
    enum { PATIENCE_MS = 200 };
    struct pollfd wait = {.fd = session->backend.process, .events = POLLIN};
    int status = 0;
    if (session->backend.pid > 0 && poll(&wait, 1, PATIENCE_MS) > 0 &&
        pv_child_has_ended(&session->backend, &status) && status != 0) {
        pv_session_hear_backend_end(session, status);
        return true;
    }
    return false;
}

void pv_session_hear_qemu_end(struct pv_session *session, int wait_status)
{
    char text[400];
    session->phase = PV_PHASE_GONE;
    if (session->console.panic[0] != '\0') {
        pv_session_end(session, PV_END_UNFIT, 0, "the guest's kernel panicked: %s",
                       session->console.panic);
    } else if (session->farewell == PV_MONITOR_POWEROFF) {
        pv_session_end(session, PV_END_POWEROFF, 0, "the guest powered off");
    } else if (session->farewell == PV_MONITOR_RESET) {
        pv_session_end(session, PV_END_REBOOT, 0, "the guest rebooted");
    } else if (session->end == PV_END_NONE && !backend_has_failed(session)) {
        describe_end(text, sizeof(text), &session->qemu_voice, wait_status);
        pv_session_end(session, PV_END_UNFIT, 0, "QEMU ended (%s)", text);
    }
}
