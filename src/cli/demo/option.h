/* Arguments of `demo` and `demo-client`: what is wrong with one is told in one line on stderr. */
#ifndef PV_CLI_DEMO_OPTION_H
#define PV_CLI_DEMO_OPTION_H

#include <stdbool.h>
#include <stdint.h>

/* A decimal number from lowest to UINT32_MAX; `program` is the subcommand's name. */
bool demo_option_number(const char *program, const char *option, const char *text, uint32_t lowest,
                        uint32_t *value);

/* Tells what getopt_long stumbled over: `letter` is '?' or ':', `argument` the culprit. */
void demo_option_explain(const char *program, int letter, const char *argument);

/* False, and told, when arguments are left after the options. */
bool demo_option_end(const char *program, int argc, char **argv, int index);

#endif
