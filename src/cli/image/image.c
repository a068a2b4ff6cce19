/* `pearvisor image build`: its command line. */

#include "image.h"

#include "../cli.h"
#include "../options.h"

#include <stdio.h>
#include <string.h>

enum { SIZE_MIB_MIN = 64, SIZE_MIB_MAX = 1024 * 1024, STATUS_WRONG = 2 };

/* Names go into command lines and file names of other programs. */
static bool is_made_of(const char *text, const char *allowed)
{
    return text[0] != '\0' && text[0] != '-' && strspn(text, allowed) == strlen(text);
}

#define LETTERS "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static const char *set_suite(void *user, const char *value)
{
    struct pv_image_options *options = user;
    options->suite = value;
    return is_made_of(value, LETTERS DIGITS "-.") && strlen(value) <= 64 ? NULL
                                                                         : "not a suite's name";
}

static const char *set_arch(void *user, const char *value)
{
    static const char *const names[][2] = {
        {"x86_64", "amd64"}, {"amd64", "amd64"}, {"aarch64", "arm64"}, {"arm64", "arm64"}};
    struct pv_image_options *options = user;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(value, names[i][0]) == 0) {
            options->arch = names[i][1];
            return NULL;
        }
    }
    return "not x86_64 or aarch64";
}

static const char *set_size(void *user, const char *value)
{
    struct pv_image_options *options = user;
    char digits[12];
    size_t length = strspn(value, DIGITS);
    uint32_t unit_mib = 1;
    uint32_t number;
    if (strcmp(value + length, "G") == 0) {
        unit_mib = 1024;
    } else if (strcmp(value + length, "M") != 0) {
        return "not a size like 900M or 4G";
    }
    snprintf(digits, sizeof(digits), "%.*s", length < sizeof(digits) ? (int)length : 0, value);
    if (!pv_options_number(digits, 1, SIZE_MIB_MAX / unit_mib, &number) ||
        number * unit_mib < SIZE_MIB_MIN) {
        return "not a size from 64M to 1024G";
    }
    options->size_mib = number * unit_mib;
    return NULL;
}

static const char *set_include(void *user, const char *value)
{
    struct pv_image_options *options = user;
    if (!is_made_of(value, LETTERS DIGITS "-+.,") ||
        strlen(options->include) + 1 + strlen(value) >= sizeof(options->include)) {
        return "not a list of packages like nano,mesa-utils";
    }
    char *end = options->include + strlen(options->include);
    if (end != options->include) {
        *end++ = ' ';
    }
    for (const char *c = value; *c != '\0'; c++) {
        *end++ = *c == ',' ? ' ' : *c;
    }
    *end = '\0';
    return NULL;
}

static const char *set_gl(void *user, const char *value)
{
    (void)value;
    ((struct pv_image_options *)user)->has_gl = true;
    return NULL;
}

static const char *set_mirror(void *user, const char *value)
{
    struct pv_image_options *options = user;
    options->mirror = value;
    return strstr(value, ":/") != NULL && strpbrk(value, " \t\n'\"[]") == NULL
               ? NULL
               : "not a mirror's URI";
}

static const char *set_cache(void *user, const char *value)
{
    struct pv_image_options *options = user;
    options->cache = value;
    return value[0] != '\0' ? NULL : "the path is empty";
}

static const char *set_out(void *user, const char *value)
{
    struct pv_image_options *options = user;
    const char *fault = value[0] == '\0' ? "the path is empty" : NULL;
    if (options->out != NULL) {
        fault = "one folder is enough";
    }
    options->out = value;
    return fault;
}

static const struct pv_option table[] = {
    {"--suite", "SUITE", "Debian's suite (default testing)", set_suite},
    {"--size", "SIZE", "the disk's size, like 4G (default: what is used, and some room)", set_size},
    {"--arch", "ARCH", "x86_64 or aarch64 (default: this machine's)", set_arch},
    {"--include", "PACKAGES", "further packages, separated by commas", set_include},
    {"--gl", NULL, "with OpenGL, which makes the image twice as large", set_gl},
    {"--mirror", "URI", "where packages come from (default: this machine's own mirror)",
     set_mirror},
    {"--cache", "DIR", "what is kept for the next build (default ~/.cache/pearvisor/image)",
     set_cache},
};

static const struct pv_options image_options = {
    .subcommand = "image",
    .synopsis = "build [OPTION]... [OUT]",
    .summary = "Builds a small Debian guest with Mesa's Venus driver for `pearvisor run`, in the\n"
               "folder OUT (default ~/.local/share/pearvisor/image): kernel, initrd and disk.",
    .table = table,
    .count = sizeof(table) / sizeof(table[0]),
    .set_argument = set_out,
};

int pv_image_main(int argc, char **argv)
{
    struct pv_image_options options = {
        .suite = "testing",
        .mirror = "",
#if defined(__aarch64__)
        .arch = "arm64",
#else
        .arch = "amd64",
#endif
    };
    bool has_verb = argc >= 2 && strcmp(argv[1], "build") == 0;
    if (!has_verb && (argc < 2 || strcmp(argv[1], "--help") != 0)) {
        fprintf(stderr, "pearvisor image: %s: the one thing to do is build; see --help\n",
                argc < 2 ? "nothing to do" : argv[1]);
        return STATUS_WRONG;
    }
    int rest;
    int status =
        pv_options_parse(&image_options, argc - has_verb, argv + has_verb, &options, &rest);
    return status >= 0 ? status : pv_image_build(&options);
}
