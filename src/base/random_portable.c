#include "base/random.h"

#include <sys/random.h>

bool pv_random_fill(void *bytes, size_t size)
{
    return getentropy(bytes, size) == 0;
}
