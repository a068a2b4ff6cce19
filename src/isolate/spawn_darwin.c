#include "isolate/process.h"

#include <unistd.h>

/* Everything is close-on-exec but for what the actions name. */
int pv_process_keep_descriptors(posix_spawn_file_actions_t *actions, int last, short *flags)
{
    (void)last;
    *flags = (short)(*flags | POSIX_SPAWN_CLOEXEC_DEFAULT);
    return posix_spawn_file_actions_addinherit_np(actions, STDERR_FILENO);
}
