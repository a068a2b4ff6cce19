/* Argument lists, and how they are printed for people. */

#include "line.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static bool grow(struct pv_line *line)
{
    if (line->count + 1 < line->capacity) {
        return true;
    }
    size_t capacity = line->capacity != 0 ? 2 * line->capacity : 64;
    char **arguments = realloc(line->arguments, capacity * sizeof(*arguments));
    if (arguments == NULL) {
        return false;
    }
    line->arguments = arguments;
    line->capacity = capacity;
    return true;
}

void pv_line_add(struct pv_line *line, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0 || !grow(line)) {
        if (length >= 0) {
            free(text);
        }
        line->failed = true;
        return;
    }
    line->arguments[line->count++] = text;
    line->arguments[line->count] = NULL;
}

void pv_line_finish(struct pv_line *line)
{
    for (size_t i = 0; i < line->count; i++) {
        free(line->arguments[i]);
    }
    free(line->arguments);
    *line = (struct pv_line){0};
}

void pv_line_print_quoted(const char *text, FILE *out)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789%+,-./:=@_";
    if (text[0] != '\0' && text[strspn(text, plain)] == '\0') {
        fputs(text, out);
        return;
    }
    fputc('\'', out);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\'') {
            fputs("'\\''", out);
        } else {
            fputc(*c, out);
        }
    }
    fputc('\'', out);
}

void pv_line_print(const struct pv_line *line, FILE *out)
{
    for (size_t i = 0; i < line->count; i++) {
        if (i > 0) {
            fputs(line->arguments[i][0] == '-' ? " \\\n    " : " ", out);
        }
        pv_line_print_quoted(line->arguments[i], out);
    }
    fputc('\n', out);
}
