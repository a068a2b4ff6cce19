#include "isolate/process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int pv_process_keep_descriptors(posix_spawn_file_actions_t *actions, int last, short *flags)
{
    (void)flags;
    return posix_spawn_file_actions_addclosefrom_np(actions, last + 1);
}

enum pv_result pv_process_open(pid_t pid, int *process)
{
    *process = (int)syscall(SYS_pidfd_open, pid, 0);
    return *process >= 0 ? PV_OK : PV_HOST_FAILED;
}

void pv_process_kill(pid_t pid, int process)
{
    /* By its descriptor: a program that embeds us may wait for every child there is, and then the
     * number may be another's. */
    if (process >= 0) {
        (void)syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0);
    } else {
        kill(pid, SIGKILL); /* there was no descriptor to be had */
    }
}

void pv_process_end_with_parent(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}
