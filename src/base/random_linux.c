#include "base/random.h"

#include <sys/random.h>
#include <sys/types.h>

bool pv_random_fill(void *bytes, size_t size)
{
    return getrandom(bytes, size, GRND_NONBLOCK) == (ssize_t)size;
}
