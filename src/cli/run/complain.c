#include "run.h"

#include <stdarg.h>
#include <stdio.h>

static char *kept; /* PV_RUN_TEXT_SIZE, or NULL */

void pv_run_keep_complaints(char text[PV_RUN_TEXT_SIZE])
{
    kept = text;
}

bool pv_run_complain(const char *format, ...)
{
    char line[2 * PATH_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(kept != NULL ? kept : line, kept != NULL ? PV_RUN_TEXT_SIZE : sizeof(line), format,
              arguments);
    va_end(arguments);
    if (kept == NULL) {
        fprintf(stderr, "pearvisor run: %s\n", line);
    }
    return false;
}
