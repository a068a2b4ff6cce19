#include "base/thread.h"
#include "base/thread_system.h"

#include <pthread/qos.h>
#include <unistd.h>

void pv_thread_system_name(const char *name)
{
    pthread_setname_np(name);
}

/* Nice values are a process's here; a thread has a class. Those that guests ask for are few: less
 * than nothing is what a user waits for, more than nothing is work in the background. */
void pv_thread_set_nice(int32_t nice_value)
{
    qos_class_t class = QOS_CLASS_USER_INITIATED;
    if (nice_value < 0) {
        class = QOS_CLASS_USER_INTERACTIVE;
    } else if (nice_value > 0) {
        class = QOS_CLASS_UTILITY;
    }
    (void)pthread_set_qos_class_self_np(class, 0);
}

void pv_thread_set_precise_sleeps(void)
{
}

uint32_t pv_thread_core_count(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}
