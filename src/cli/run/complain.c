#include "run.h"

#include <stdarg.h>
#include <stdio.h>

bool pv_run_complain(const char *format, ...)
{
    char line[2 * PATH_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    fprintf(stderr, "pearvisor run: %s\n", line);
    return false;
}
