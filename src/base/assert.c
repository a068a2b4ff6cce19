#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void pv_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "pearvisor: internal error: %s does not hold (%s:%d)\n", condition, file, line);
    abort();
}
