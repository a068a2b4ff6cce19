#include "base/fd.h"
#include "base/wake.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum pv_result pv_wake_init(struct pv_wake *wake)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    *wake = (struct pv_wake){fd, fd};
    return fd >= 0 ? PV_OK : PV_HOST_FAILED;
}

void pv_wake_finish(struct pv_wake *wake)
{
    pv_fd_close(&wake->read_end);
    wake->write_end = -1;
}

void pv_wake_raise(struct pv_wake *wake)
{
    const uint64_t once = 1;
    (void)!write(wake->write_end, &once, sizeof(once));
}

void pv_wake_take(struct pv_wake *wake)
{
    uint64_t count;
    (void)!read(wake->read_end, &count, sizeof(count));
}
