/* Child processes of the demo, with an environment free of what selects Vulkan drivers. */
#ifndef PV_CLI_DEMO_CHILD_H
#define PV_CLI_DEMO_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct demo_child {
    const char *const *argv;        /* ends with NULL; argv[0] is a path or a name in PATH */
    const char *const *environment; /* "NAME=VALUE" to add, ends with NULL; may be NULL */
    const char *log_path;           /* takes stdout and stderr */
    unsigned timeout_s;
};

enum demo_child_end {
    DEMO_CHILD_OK,
    DEMO_CHILD_FAILED, /* a status other than 0, or a signal */
    DEMO_CHILD_TIMED_OUT,
    DEMO_CHILD_NOT_STARTED,
};

/* Runs it to its end; one that takes too long gets SIGTERM, and SIGKILL two seconds later. */
enum demo_child_end demo_child_run(const struct demo_child *child);

/* Copies the last line of text in a log, which says why its program gave up; "" without one. */
void demo_child_last_line(const char *log_path, char *line, size_t size);

/* Whether PATH has such a program. */
bool demo_child_is_installed(const char *program);

/* An X server without a screen; display_number is its number. False without Xvfb. */
struct demo_display {
    pid_t pid;
    int number;
};
bool demo_display_start(struct demo_display *display);

/* Accepts a zeroed struct. */
void demo_display_stop(struct demo_display *display);

#endif
