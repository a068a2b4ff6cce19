#ifndef PV_CLI_RUN_WORDS_H
#define PV_CLI_RUN_WORDS_H

#include "pump.h"

#include <stdint.h>

/* What the guest's agent, QEMU's monitor and the guest's console say, and what a user types. */

enum pv_agent_word {
    PV_AGENT_UNKNOWN,
    PV_AGENT_STAGE,    /* text: how far the boot is */
    PV_AGENT_FAILED,   /* text: why the boot goes no further */
    PV_AGENT_VENUS,    /* text: the GPU's name */
    PV_AGENT_NO_VENUS, /* text: why */
    PV_AGENT_READY,
    PV_AGENT_EXIT, /* status and the sizes of both outputs */
};

struct pv_agent_message {
    enum pv_agent_word word;
    char text[256]; /* fit for a terminal */
    int status;
    bool has_counts;
    uint64_t stdout_count, stderr_count;
};

void pv_agent_read(struct pv_agent_message *message, const char *line);
/* `run LENGTH` and the script that runs the command: its arguments as they are, whatever they
 * hold. For free(); NULL when out of memory. */
char *pv_agent_write_run(char *const *command, size_t *size);

enum pv_monitor_word {
    PV_MONITOR_NOTHING,
    PV_MONITOR_GREETING,
    PV_MONITOR_STOPPED,        /* why must be asked */
    PV_MONITOR_INTERNAL_ERROR, /* the accelerator cannot run the guest */
    PV_MONITOR_DISK_ERROR,
    PV_MONITOR_DISK_FULL,
    PV_MONITOR_POWEROFF, /* the guest's wish */
    PV_MONITOR_RESET,    /* the same */
};

enum pv_monitor_word pv_monitor_read(const char *line);

/* The console's text, of which a kernel's last words are kept. */
struct pv_console_watch {
    size_t length;
    char line[256];
    char panic[200]; /* empty: none */
};

void pv_console_look(struct pv_console_watch *watch, const char *bytes, size_t size);

/* Ctrl-A X, as with QEMU's own console; Ctrl-A twice is one Ctrl-A. */
struct pv_escape {
    bool is_armed, wants_end;
};

/* Returns the size of what goes to the guest; `bytes` has room for one more. */
size_t pv_escape_look(struct pv_escape *escape, char *bytes, size_t size);

#endif
