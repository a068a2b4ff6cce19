#include "option.h"

#include <stdio.h>
#include <stdlib.h>

bool demo_option_number(const char *program, const char *option, const char *text, uint32_t lowest,
                        uint32_t *value)
{
    char *end = NULL;
    const unsigned long long parsed = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || parsed < lowest || parsed > UINT32_MAX) {
        fprintf(stderr, "pearvisor %s: %s: '%s' is not a number from %u to %u\n", program, option,
                text, lowest, UINT32_MAX);
        return false;
    }
    *value = (uint32_t)parsed;
    return true;
}

void demo_option_explain(const char *program, int letter, const char *argument)
{
    const char *what = letter == ':' ? "this option needs a value" : "unknown option";
    fprintf(stderr, "pearvisor %s: %s: %s; see --help\n", program, argument, what);
}

bool demo_option_end(const char *program, int argc, char **argv, int index)
{
    if (index < argc) {
        fprintf(stderr, "pearvisor %s: %s: unexpected argument; see --help\n", program,
                argv[index]);
        return false;
    }
    return true;
}
