#include "blob/shm.h"

#include <sys/stat.h>

/* POSIX has no seals; shared memory objects are files. */

const bool pv_shm_has_seals = false;

bool pv_shm_is_sealed(int fd)
{
    uint64_t size;
    return pv_shm_measure(fd, &size);
}

bool pv_shm_measure(int fd, uint64_t *size)
{
    struct stat status;
    bool is_file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    *size = is_file ? (uint64_t)status.st_size : 0;
    return is_file;
}
