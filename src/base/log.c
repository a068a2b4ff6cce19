#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { LINE_SIZE = 1024 };

static const char *const level_names[] = {
    [PV_LOG_ERROR] = "error",
    [PV_LOG_WARN] = "warn",
    [PV_LOG_INFO] = "info",
    [PV_LOG_DEBUG] = "debug",
};

static void write_to_stderr(void *user, enum pv_log_level level, const char *line)
{
    (void)user;
    /* One call per line: stdio's lock keeps the lines of several threads whole. */
    fprintf(stderr, "pearvisor: %s: %s\n", level_names[level], line);
}

struct pv_log pv_log_stderr(enum pv_log_level level)
{
    return (struct pv_log){.level = level, .write = write_to_stderr};
}

bool pv_log_level_parse(const char *word, enum pv_log_level *level)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(word, level_names[i]) == 0) {
            *level = (enum pv_log_level)i;
            return true;
        }
    }
    return false;
}

/* A guest chooses some of the text (names, ids): no control byte reaches the terminal or log. */
static void replace_control_bytes(char *line)
{
    for (char *c = line; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c == 0x7f) {
            *c = '?';
        }
    }
}

void pv_log_line(const struct pv_log *log, enum pv_log_level level, const char *format, ...)
{
    if (log == NULL || log->write == NULL || level > log->level) {
        return;
    }
    char line[LINE_SIZE];
    size_t start = 0;
    if (log->context_id != 0) {
        int length = snprintf(line, sizeof(line), "context %u: ", log->context_id);
        start = length > 0 ? (size_t)length : 0;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + start, sizeof(line) - start, format, arguments);
    va_end(arguments);
    replace_control_bytes(line);
    log->write(log->user, level, line);
}

bool pv_log_allows(struct pv_log_budget *budget)
{
    uint64_t minute = pv_clock_now_ns() / (60 * PV_NS_PER_S) + 1;
    if (atomic_exchange_explicit(&budget->minute, minute, memory_order_relaxed) != minute) {
        atomic_store_explicit(&budget->count, 0, memory_order_relaxed);
    }
    return atomic_fetch_add_explicit(&budget->count, 1, memory_order_relaxed) <
           PV_LOG_LINES_PER_MINUTE;
}
