/* What the runs of the client said, as a table for people and as one JSON file. */
#ifndef PV_CLI_DEMO_REPORT_H
#define PV_CLI_DEMO_REPORT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

/* Reads a JSON file. NULL, and told in one line, when it is missing or not JSON. */
cJSON *demo_report_read(const char *path);

/* Sums over the lines of a file that `serve --stats-json` wrote, one line for each client. */
struct demo_stats {
    uint64_t clients;
    uint64_t commands;
    uint64_t draws; /* commands whose names begin with vkCmdDraw */
    uint64_t faults;
};
bool demo_report_read_stats(const char *path, struct demo_stats *out);

/* Prints the table: native, through PearVisor, and their ratio. */
void demo_report_print(const cJSON *native, const cJSON *stock, const cJSON *tuned);

/* Writes the object to a file; told in one line when that fails. */
bool demo_report_write(const cJSON *report, const char *path);

#endif
