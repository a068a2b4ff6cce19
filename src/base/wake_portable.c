#include "base/fd.h"
#include "base/wake.h"

#include <stdint.h>
#include <unistd.h>

enum pv_result pv_wake_init(struct pv_wake *wake)
{
    *wake = (struct pv_wake)PV_WAKE_NONE;
    if (pv_fd_pipe(&wake->read_end, &wake->write_end) != PV_OK ||
        pv_fd_set_blocking(wake->read_end, false) != PV_OK ||
        pv_fd_set_blocking(wake->write_end, false) != PV_OK) {
        pv_wake_finish(wake);
        return PV_HOST_FAILED;
    }
    return PV_OK;
}

void pv_wake_finish(struct pv_wake *wake)
{
    pv_fd_close(&wake->read_end);
    pv_fd_close(&wake->write_end);
}

void pv_wake_raise(struct pv_wake *wake)
{
    /* A pipe that is full is readable, too. */
    const uint8_t byte = 1;
    (void)!write(wake->write_end, &byte, 1);
}

void pv_wake_take(struct pv_wake *wake)
{
    uint8_t scratch[256];
    while (read(wake->read_end, scratch, sizeof(scratch)) == (ssize_t)sizeof(scratch)) {
    }
}
