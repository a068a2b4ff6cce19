#ifndef PV_CLI_OPTIONS_H
#define PV_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Command lines of the subcommands: --name, --name VALUE, --name=VALUE, and -- before the rest.
 * Wrong ones are told in one line on stderr. */

struct pv_option {
    const char *name;       /* "--socket" */
    const char *value_name; /* "PATH"; NULL: the option has no value */
    const char *help;       /* one line, or several with newlines */
    /* Takes the value (NULL without one). NULL when it is good, else what is wrong (static). */
    const char *(*set)(void *user, const char *value);
};

struct pv_options {
    const char *subcommand; /* "serve" */
    const char *synopsis;   /* "[OPTION]... [-- COMMAND...]" */
    const char *summary;    /* what it does, in a line or more */
    const struct pv_option *table;
    size_t count;
    bool has_rest; /* arguments behind -- are allowed */
    /* Takes an argument that is no option, like pv_option's set; NULL: there is none. */
    const char *(*set_argument)(void *user, const char *value);
};

/* Returns -1 to go on, else the exit status: 0 after --help, 2 for what is wrong. *rest is the
 * index of the first argument behind --, or argc. */
int pv_options_parse(const struct pv_options *options, int argc, char **argv, void *user,
                     int *rest);

/* A whole decimal number from `min` to `max`. */
bool pv_options_number(const char *text, uint32_t min, uint32_t max, uint32_t *number);

#endif
