#ifndef PV_CLI_STATS_H
#define PV_CLI_STATS_H

#include "isolate/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Appends one line of JSON for a client that has gone: {"client": name, the figures of struct
 * pv_client_stats, "commands_by_kind": {kind: count, …}, "commands_by_name": {name: count, …}}. */
bool pv_stats_append(const char *path, const struct pv_client_stats *stats, const uint64_t *counts,
                     size_t count);

#endif
