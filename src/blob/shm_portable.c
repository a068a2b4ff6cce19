#include "base/fd.h"
#include "base/guest.h"
#include "blob/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum {
    NAME_SIZE = 32, /* Darwin has room for no more */
    NAMES_MAX = 1000,
};

/* A new object under a name that is ours alone, and gone before anybody could have opened it by
 * that. shm_open() makes the descriptor close-on-exec. */
static int open_nameless(void)
{
    static _Atomic uint32_t next;
    for (uint32_t attempt = 0; attempt < NAMES_MAX; attempt++) {
        char name[NAME_SIZE];
        uint32_t number = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
        snprintf(name, sizeof(name), "/pearvisor.%lx.%x", (unsigned long)getpid(), number);
        int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
        if (fd >= 0) {
            (void)shm_unlink(name);
            return fd;
        }
        if (errno != EEXIST) {
            return -1;
        }
    }
    return -1;
}

int pv_shm_create(uint64_t size)
{
    if (size > INT64_MAX) {
        errno = EFBIG;
        return -1;
    }
    int fd = open_nameless();
    if (fd >= 0 && ftruncate(fd, (off_t)size) != 0) {
        int why = errno;
        pv_fd_close(&fd);
        errno = why;
    }
    return fd;
}

void pv_shm_store_u32(int fd, uint64_t offset, uint32_t value)
{
    /* Objects cannot be written to as files everywhere. */
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t begin = offset & ~(page - 1);
    void *map = mmap(NULL, (size_t)page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)begin);
    if (map != MAP_FAILED) {
        pv_guest_store_u32((uint32_t *)(void *)((uint8_t *)map + (offset - begin)), value);
        (void)munmap(map, (size_t)page);
    }
}
