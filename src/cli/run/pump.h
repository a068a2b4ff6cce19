#ifndef PV_CLI_RUN_PUMP_H
#define PV_CLI_RUN_PUMP_H

#include "base/attributes.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes on their way between descriptors, without ever blocking. */

enum { PV_PUMP_SIZE = 65536, PV_LINES_SIZE = 16384 };

/* From one descriptor to another; neither is the pump's own. A zeroed one with -1s is idle. */
struct pv_pump {
    int from, to; /* -1: `from` has ended; `to` takes nothing any more */
    int error;    /* errno of the write that failed */
    uint64_t read_count;
    size_t begin, end;
    size_t chunk; /* what `to` surely takes when poll() calls it ready */
    /* What becomes of the bytes, in place; there is room for one more. NULL: nothing. */
    size_t (*look)(void *user, char *bytes, size_t size);
    void *user;
    char bytes[PV_PUMP_SIZE];
};

void pv_pump_open(struct pv_pump *pump, int from, int to);
/* What to wait for, in two entries of a poll set; then what to do when it has come. */
void pv_pump_prepare(const struct pv_pump *pump, struct pollfd waits[2]);
void pv_pump_step(struct pv_pump *pump, const struct pollfd waits[2]);
bool pv_pump_is_empty(const struct pv_pump *pump);

/* Lines from a socket or pipe; longer ones than PV_LINES_SIZE are dropped. */
struct pv_lines {
    size_t size;
    bool skips;
    char text[PV_LINES_SIZE];
};

/* False at the end of `fd`, which does not block. */
bool pv_lines_read(struct pv_lines *lines, int fd);
bool pv_lines_next(struct pv_lines *lines, char line[PV_LINES_SIZE]);

/* What a guest says may hold anything: makes it fit for a terminal. Copies at most size - 1. */
void pv_text_clean(char *clean, size_t size, const char *text);

#endif
