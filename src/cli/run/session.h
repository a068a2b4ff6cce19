#ifndef PV_CLI_RUN_SESSION_H
#define PV_CLI_RUN_SESSION_H

#include "child.h"
#include "line.h"
#include "pump.h"
#include "run.h"
#include "words.h"

/* One virtual machine, from its start to the last byte that it has said. */

/* Why it ends. */
enum pv_run_end {
    PV_END_NONE,
    PV_END_COMMAND,  /* status: its own */
    PV_END_ESCAPE,   /* Ctrl-A X */
    PV_END_SIGNAL,   /* status: which */
    PV_END_POWEROFF, /* the guest's wish */
    PV_END_REBOOT,   /* the same */
    PV_END_OUTPUT,   /* status: errno; nobody takes what the command says */
    PV_END_FAILED,   /* detail: what is told */
    PV_END_UNFIT,    /* the same, but another accelerator may do */
};

/* How far its ending is. */
enum pv_run_phase { PV_PHASE_RUNS, PV_PHASE_POLITE, PV_PHASE_QUIT, PV_PHASE_KILLED, PV_PHASE_GONE };

/* What a child says on its stdout and stderr. */
struct pv_voice {
    int fd; /* -1: nothing any more */
    struct pv_lines lines;
    char last_words[300]; /* but for remarks; empty: none */
};

struct pv_session {
    const struct pv_run_plan *plan;
    int signals;  /* signalfd; not the session's own */
    bool is_loud; /* the boot is shown */

    int near[PV_WIRE_COUNT]; /* our ends of QEMU's sockets; -1: not there, or at its end */
    struct pv_child qemu, backend, xvfb;
    struct pv_voice qemu_voice, backend_voice;
    char folder[64]; /* of the X server's cookie; empty: none */
    char x_display[16];

    struct pv_lines monitor, agent;
    struct pv_console_watch console;
    struct pv_escape escape;
    struct pv_pump in, out, err; /* the command's, or the console's (no err) */
    char *request;               /* what the agent has not read yet */
    size_t request_size, request_sent;

    uint64_t begin_ns;
    uint64_t boot_deadline_ns, sign_deadline_ns; /* 0: none */
    bool has_sign;                               /* the agent has said something */
    bool is_ready, is_running;
    bool has_exited; /* the command has; its output may still be on its way */
    struct pv_agent_message exit;
    uint64_t exit_deadline_ns;

    enum pv_monitor_word farewell; /* the guest's wish to end */
    enum pv_run_end end;
    int status;
    char detail[PV_RUN_TEXT_SIZE];
    enum pv_run_phase phase;
    uint64_t phase_deadline_ns;
};

/* Starts everything; false when something cannot be started, which is told. */
PV_NODISCARD bool pv_session_start(struct pv_session *session);
/* Serves it until it is over: session->end says why. */
void pv_session_serve(struct pv_session *session);
/* Leaves nothing of it behind. */
void pv_session_finish(struct pv_session *session);

/* An X server that nobody sees. Complains. */
PV_NODISCARD bool pv_session_start_xvfb(struct pv_session *session);

/* Begins the end, unless it has begun. */
PV_PRINTF(4, 5)
void pv_session_end(struct pv_session *session, enum pv_run_end end, int status, const char *format,
                    ...);
/* Progress, where it is wanted. */
PV_PRINTF(2, 3) void pv_session_tell(const struct pv_session *session, const char *format, ...);
/* What the monitor, the agent and the children have to say. */
void pv_session_hear_child(const struct pv_session *session, struct pv_voice *voice);
void pv_session_hear_monitor(struct pv_session *session);
void pv_session_hear_agent(struct pv_session *session);
void pv_session_hear_qemu_end(struct pv_session *session, int wait_status);
void pv_session_hear_backend_end(struct pv_session *session, int wait_status);

#endif
