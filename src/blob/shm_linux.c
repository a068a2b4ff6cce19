#include "base/fd.h"
#include "blob/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

const bool pv_shm_has_seals = true;

int pv_shm_create(uint64_t size)
{
    if (size > INT64_MAX) {
        errno = EFBIG;
        return -1;
    }
    int fd = memfd_create("pearvisor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return -1;
    }
    if (ftruncate(fd, (off_t)size) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        int why = errno;
        pv_fd_close(&fd);
        errno = why;
    }
    return fd;
}

bool pv_shm_is_sealed(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

bool pv_shm_measure(int fd, uint64_t *size)
{
    struct stat status;
    bool is_file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    *size = is_file ? (uint64_t)status.st_size : 0;
    return is_file;
}

void pv_shm_store_u32(int fd, uint64_t offset, uint32_t value)
{
    /* Through the file, not a mapping: nothing can fault here. */
    (void)!pwrite(fd, &value, sizeof(value), (off_t)offset);
}
