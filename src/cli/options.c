#include "options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_COLUMN = 24, STATUS_WRONG = 2 };

static void print_help_column(const char *help)
{
    for (const char *c = help; *c != '\0'; c++) {
        putchar(*c);
        if (*c == '\n') {
            printf("%*s", HELP_COLUMN, "");
        }
    }
    putchar('\n');
}

static void print_help(const struct pv_options *options)
{
    printf("Usage: pearvisor %s %s\n%s\n\n", options->subcommand, options->synopsis,
           options->summary);
    for (size_t i = 0; i < options->count; i++) {
        const struct pv_option *option = &options->table[i];
        int width = printf("  %s%s%s", option->name, option->value_name != NULL ? " " : "",
                           option->value_name != NULL ? option->value_name : "");
        printf("%*s", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "");
        print_help_column(option->help);
    }
    printf("  %-*s%s\n", HELP_COLUMN - 2, "--help", "this text");
}

static int complain(const struct pv_options *options, const char *argument, size_t length,
                    const char *what)
{
    fprintf(stderr, "pearvisor %s: %.*s: %s; see --help\n", options->subcommand, (int)length,
            argument, what);
    return STATUS_WRONG;
}

static const struct pv_option *find(const struct pv_options *options, const char *name,
                                    size_t length)
{
    for (size_t i = 0; i < options->count; i++) {
        const char *candidate = options->table[i].name;
        if (strlen(candidate) == length && memcmp(candidate, name, length) == 0) {
            return &options->table[i];
        }
    }
    return NULL;
}

/* Takes the option at argv[*at], and its value if that is the next argument. */
static int take(const struct pv_options *options, int argc, char **argv, int *at, void *user)
{
    const char *argument = argv[*at];
    size_t length = strcspn(argument, "=");
    const char *value = argument[length] == '=' ? argument + length + 1 : NULL;
    if (argument[0] != '-' && options->set_argument != NULL) {
        const char *fault = options->set_argument(user, argument);
        return fault != NULL ? complain(options, argument, strlen(argument), fault) : -1;
    }
    const struct pv_option *option = find(options, argument, length);
    if (option == NULL) {
        const char *what = argument[0] == '-' ? "unknown option" : "unexpected argument";
        return complain(options, argument, argument[0] == '-' ? length : strlen(argument), what);
    }
    if (option->value_name == NULL && value != NULL) {
        return complain(options, argument, length, "takes no value");
    }
    if (option->value_name != NULL && value == NULL) {
        if (*at + 1 >= argc) {
            return complain(options, argument, length, "needs a value");
        }
        value = argv[++*at];
    }
    const char *fault = option->set(user, value);
    return fault != NULL ? complain(options, argument, length, fault) : -1;
}

int pv_options_parse(const struct pv_options *options, int argc, char **argv, void *user, int *rest)
{
    *rest = argc;
    for (int at = 1; at < argc; at++) {
        if (strcmp(argv[at], "--help") == 0) {
            print_help(options);
            return 0;
        }
        if (strcmp(argv[at], "--") == 0) {
            *rest = at + 1;
            if (!options->has_rest) {
                return complain(options, "--", 2, "nothing is expected behind it");
            }
            if (*rest == argc) {
                return complain(options, "--", 2, "a command must follow");
            }
            return -1;
        }
        int status = take(options, argc, argv, &at, user);
        if (status >= 0) {
            return status;
        }
    }
    return -1;
}

bool pv_options_number(const char *text, uint32_t min, uint32_t max, uint32_t *number)
{
    if (!isdigit((unsigned char)text[0]) || strlen(text) > 10) {
        return false;
    }
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*end != '\0' || value < min || value > max) {
        return false;
    }
    *number = (uint32_t)value;
    return true;
}
