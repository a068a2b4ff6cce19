#include "base/clock.h"
#include "fakes/guest.h"

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>

/* What a process has: to be the same before and after a guest. */

static uint32_t count_entries(const char *path)
{
    uint32_t count = 0;
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return 0;
    }
    while (readdir(directory) != NULL) {
        count++;
    }
    (void)closedir(directory);
    return count;
}

static void do_nothing(void *user)
{
    (void)user;
}

/* Sanitizers start a thread of their own with the first one that a program starts. */
static void start_first_thread(void)
{
    static bool is_started;
    struct pv_thread thread;
    if (!is_started && pv_thread_start(&thread, "first", do_nothing, NULL) == PV_OK) {
        pv_thread_join(&thread);
        is_started = true;
    }
}

struct guest_baseline guest_baseline(void)
{
    start_first_thread();
    return (struct guest_baseline){
        .fds = count_entries("/proc/self/fd"),
        .threads = count_entries("/proc/self/task"),
        .heap_bytes = mallinfo2().uordblks + mallinfo2().hblkhd,
    };
}

bool guest_is_back_at(const struct guest_baseline *baseline, uint64_t slack_bytes)
{
    uint64_t deadline_ns = pv_clock_now_ns() + 10 * PV_NS_PER_S;
    struct guest_baseline now = guest_baseline();
    /* A joined thread can be listed for a moment longer. */
    while ((now.fds > baseline->fds || now.threads > baseline->threads) &&
           pv_clock_now_ns() < deadline_ns) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
        now = guest_baseline();
    }
    bool is_back = now.fds <= baseline->fds && now.threads <= baseline->threads &&
                   now.heap_bytes <= baseline->heap_bytes + slack_bytes;
    if (!is_back) {
        (void)fprintf(stderr, "left behind: %d fds, %d threads, %lld bytes of heap\n",
                      (int)(now.fds - baseline->fds), (int)(now.threads - baseline->threads),
                      (long long)(now.heap_bytes - baseline->heap_bytes));
    }
    return is_back;
}
