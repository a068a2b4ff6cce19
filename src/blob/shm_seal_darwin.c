#include "blob/shm.h"

#include <sys/stat.h>

const bool pv_shm_has_seals = true;

/* A shared memory object is no file: its mode has permissions, and no type. ftruncate() succeeds
 * once in its life. */
bool pv_shm_is_sealed(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && (status.st_mode & S_IFMT) == 0 && status.st_size > 0;
}

bool pv_shm_measure(int fd, uint64_t *size)
{
    struct stat status;
    bool is_memory =
        fstat(fd, &status) == 0 && (S_ISREG(status.st_mode) || (status.st_mode & S_IFMT) == 0);
    *size = is_memory ? (uint64_t)status.st_size : 0;
    return is_memory;
}
