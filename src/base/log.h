#ifndef PV_BASE_LOG_H
#define PV_BASE_LOG_H

#include "base/attributes.h"

#include <pearvisor/log_level.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Where lines go. Carried by the objects, never global. `write` gets one line without newline and
 * may be called from any thread. A zeroed struct is legal and silent. */
struct pv_log {
    enum pv_log_level level; /* lines above it are dropped before they are formatted */
    uint32_t context_id;     /* printed in front of each line when non-zero */
    void (*write)(void *user, enum pv_log_level level, const char *line);
    void *user;
};

/* A log that writes "pearvisor: level: text" lines to stderr; the text starts with "context ID: "
 * where the log has one. */
struct pv_log pv_log_stderr(enum pv_log_level level);

/* "error", "warn", "info", "debug" → level; false when the word is none of these. */
bool pv_log_level_parse(const char *word, enum pv_log_level *level);

PV_PRINTF(3, 4)
void pv_log_line(const struct pv_log *log, enum pv_log_level level, const char *format, ...);

/* Of what a guest can bring about as often as it likes. Zeroed at first; any thread. */
struct pv_log_budget {
    _Atomic uint64_t minute;
    _Atomic uint32_t count; /* of lines in it */
};

enum { PV_LOG_LINES_PER_MINUTE = 30 };

/* Whether one more line may be written. */
PV_NODISCARD bool pv_log_allows(struct pv_log_budget *budget);

#define pv_log_error(log, ...) pv_log_line((log), PV_LOG_ERROR, __VA_ARGS__)
#define pv_log_warn(log, ...) pv_log_line((log), PV_LOG_WARN, __VA_ARGS__)
#define pv_log_info(log, ...) pv_log_line((log), PV_LOG_INFO, __VA_ARGS__)
#define pv_log_debug(log, ...) pv_log_line((log), PV_LOG_DEBUG, __VA_ARGS__)

#endif
