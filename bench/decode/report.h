#ifndef BENCH_DECODE_REPORT_H
#define BENCH_DECODE_REPORT_H

#include "base/attributes.h"

#include <stdint.h>

/* Figures for machines: {"tool", "machine", "compiler", "results": [{"case", "value", "unit",
 * "how", …}]}. */

struct bench_result {
    const char *name;
    double value;
    const char *unit;
    const char *how;
    /* Where they say anything: */
    uint32_t commands; /* in one stream */
    uint32_t bytes;    /* of that stream */
    uint32_t repetitions;
};

struct bench_report;

/* Exits with a line when there is no memory for it. */
struct bench_report *bench_report_create(const char *tool);
void bench_report_add(struct bench_report *report, const struct bench_result *result);
/* Writes the file, or exits with a line. */
void bench_report_write(const struct bench_report *report, const char *path);
void bench_report_destroy(struct bench_report *report);

#endif
