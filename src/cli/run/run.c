/* `pearvisor run`: a virtual machine with the host's GPU. */

#include "run.h"

#include "../cli.h"
#include "base/fd.h"
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

enum { STATUS_FAILED = 1, STATUS_SIGNAL = 128 };

static struct termios terminal;
static bool terminal_is_raw;

static void restore_terminal(void)
{
    if (terminal_is_raw) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal);
        terminal_is_raw = false;
    }
}

/* The guest's console gets each key. Output stays as it is, so that our own lines look right. */
static void make_terminal_raw(void)
{
    if (tcgetattr(STDIN_FILENO, &terminal) != 0) {
        return;
    }
    struct termios raw = terminal;
    cfmakeraw(&raw);
    raw.c_oflag = terminal.c_oflag;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) == 0) {
        terminal_is_raw = true;
        atexit(restore_terminal);
    }
}

static size_t look_at_input(void *user, char *bytes, size_t size)
{
    return pv_escape_look(&((struct pv_session *)user)->escape, bytes, size);
}

static size_t look_at_console(void *user, char *bytes, size_t size)
{
    pv_console_look(&((struct pv_session *)user)->console, bytes, size);
    return size;
}

static void reset(struct pv_session *session, const struct pv_run_plan *plan, int signals)
{
    memset(session, 0, sizeof(*session));
    session->plan = plan;
    session->signals = signals;
    session->is_loud = plan->options->verbose || isatty(STDERR_FILENO);
    session->qemu_voice.fd = session->backend_voice.fd = -1;
    session->qemu.process = session->backend.process = session->xvfb.process = -1;
    for (int i = 0; i < PV_WIRE_COUNT; i++) {
        session->near[i] = -1;
    }
    session->in.from = session->in.to = session->out.from = session->out.to = -1;
    session->err.from = session->err.to = -1;
    if (plan->options->command == NULL) {
        session->in.look = isatty(STDIN_FILENO) ? look_at_input : NULL;
        session->out.look = look_at_console;
        session->in.user = session->out.user = session;
    }
}

static void tell_plan(const struct pv_run_plan *plan)
{
    static const char *const names[] = {"", "through vhost-user", "through libvirglrenderer",
                                        "without a GPU"};
    fprintf(stderr, "pearvisor run: QEMU %s, %s (%s), %s (%s)\n", plan->qemu->version,
            names[plan->way], plan->way_reason,
            strcmp(plan->accelerator, "tcg") == 0 ? "emulated" : plan->accelerator,
            plan->accelerator_reason);
}

/* What a session's end means for whoever has started us. */
static int conclude(const struct pv_session *session)
{
    bool is_command = session->plan->options->command != NULL;
    switch (session->end) {
    case PV_END_COMMAND:
        return session->status;
    case PV_END_ESCAPE:
        return 0;
    case PV_END_SIGNAL:
        return STATUS_SIGNAL + session->status;
    case PV_END_OUTPUT:
        if (session->status == EPIPE) {
            return STATUS_SIGNAL + SIGPIPE; /* as if we had died of it */
        }
        pv_run_complain("cannot write what the guest says: %s", session->detail);
        return STATUS_FAILED;
    case PV_END_POWEROFF:
    case PV_END_REBOOT:
        if (!is_command && session->is_ready) {
            if (session->end == PV_END_REBOOT) {
                fprintf(stderr, "pearvisor run: the guest rebooted, which ends it: run it again\n");
            }
            return 0;
        }
        pv_run_complain("%s before %s", session->detail,
                        session->is_running ? "the command had ended" : "it was ready");
        return STATUS_FAILED;
    default:
        pv_run_complain("%s", session->detail);
        return STATUS_FAILED;
    }
}

/* A guest that died before its agent spoke may be the accelerator's fault: some kinds of KVM cannot
 * run common kernels, and nothing but a boot tells. */
static bool is_worth_emulating(const struct pv_session *session)
{
    return session->plan->may_emulate && !session->has_sign &&
           (session->end == PV_END_UNFIT || session->end == PV_END_REBOOT ||
            session->end == PV_END_POWEROFF);
}

static int run_plan(struct pv_run_plan *plan, int signals)
{
    struct pv_session *session = malloc(sizeof(*session));
    if (session == NULL) {
        return STATUS_FAILED;
    }
    for (;;) {
        reset(session, plan, signals);
        if (session->is_loud) {
            tell_plan(plan);
        }
        bool started = pv_session_start(session);
        if (started) {
            pv_session_serve(session);
        }
        pv_session_finish(session);
        if (!started || !is_worth_emulating(session)) {
            int status = started ? conclude(session) : STATUS_FAILED;
            free(session);
            return status;
        }
        fprintf(stderr, "pearvisor run: %s cannot run this guest (%s): again, emulated\n",
                plan->accelerator, session->detail);
        pv_run_emulate(plan, "the first try failed");
    }
}

/* Signals become readable; children get them back. */
static int open_signals(void)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGHUP);
    sigaddset(&mask, SIGQUIT);
    (void)sigprocmask(SIG_BLOCK, &mask, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* QEMU and the backend hold a descriptor for each piece of GPU memory that the guest has. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int run(const struct pv_run_options *options)
{
    static struct pv_run_image image;
    static struct pv_run_qemu qemu;
    static char virgl_folder[PATH_MAX], keys[PV_RUN_KEYS_SIZE];
    struct pv_run_host host;
    struct pv_run_plan plan = {.options = options, .image = &image, .qemu = &qemu, .keys = keys};
    pv_run_find_virgl(virgl_folder);
    if (!pv_run_image_load(&image, options->image) || !pv_run_check_host(options, &image) ||
        (options->ssh_port != 0 && !pv_run_keys_load(keys, options->ssh_key)) ||
        !pv_run_qemu_find(&qemu, options->qemu, image.arch, virgl_folder)) {
        return STATUS_FAILED;
    }
    pv_run_host_look(&host, virgl_folder);
    if (!pv_run_choose(&plan, &host)) {
        return STATUS_FAILED;
    }
    if (options->dry_run) {
        tell_plan(&plan);
        return pv_run_print(&plan, stdout) && fflush(stdout) == 0 ? 0 : STATUS_FAILED;
    }
    raise_descriptor_limit();
    int signals = open_signals();
    if (options->command == NULL && isatty(STDIN_FILENO)) {
        fprintf(stderr, "pearvisor run: this is the guest's console; Ctrl-A X ends the guest\n");
        make_terminal_raw();
    }
    int status = run_plan(&plan, signals);
    restore_terminal();
    pv_fd_close(&signals);
    return status;
}

int pv_run_main(int argc, char **argv)
{
    /* Descriptors that we open must not become a child's stdin, stdout or stderr. */
    for (int fd = open("/dev/null", O_RDWR); fd >= 0; fd = dup(fd)) {
        if (fd > STDERR_FILENO) {
            close(fd);
            break;
        }
    }
    struct pv_run_options options;
    int status = pv_run_parse(&options, argc, argv);
    if (status < 0) {
        status = run(&options);
    }
    pv_host_choice_finish(&options.host);
    return status;
}
