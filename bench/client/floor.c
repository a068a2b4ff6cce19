/* What the system alone costs on this machine: no answer of a host can come sooner than Mesa's
 * client looks for it, and no memory be shared for less than the kernel takes. */
#include "bench.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void measure_yield(struct bench *bench)
{
    enum { YIELDS = 64 };
    struct bench_samples samples;
    bench_samples_start(&samples, bench);
    while (bench_samples_want(&samples)) {
        const uint64_t start_ns = bench_clock_ns();
        for (int i = 0; i < YIELDS; i++) {
            sched_yield();
        }
        bench_samples_add(&samples, (bench_clock_ns() - start_ns) / YIELDS);
    }
    bench_report_latency("floor.yield", &samples,
                         "sched_yield, of 64 in a row; Mesa's client looks for an answer once "
                         "between two of them");
    bench_samples_finish(&samples);
}

/* Both mappings, as a host and its guest have them. */
static bool share_once(bool touches)
{
    enum { SIZE = 1 << 20 };
    const int fd = memfd_create("floor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return false;
    }
    bool done = ftruncate(fd, SIZE) == 0 &&
                fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) == 0;
    void *host = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    void *guest = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (guest != MAP_FAILED) {
        if (touches) {
            *(volatile char *)guest = 1;
        }
        munmap(guest, SIZE);
    }
    if (host != MAP_FAILED) {
        munmap(host, SIZE);
    }
    close(fd);
    return done && host != MAP_FAILED && guest != MAP_FAILED;
}

static bool measure_sharing(struct bench *bench, bool touches, const char *name, const char *how)
{
    struct bench_samples samples;
    bool done = share_once(touches);
    bench_samples_start(&samples, bench);
    while (done && bench_samples_want(&samples)) {
        const uint64_t start_ns = bench_clock_ns();
        done = share_once(touches);
        bench_samples_add(&samples, bench_clock_ns() - start_ns);
    }
    if (done) {
        bench_report_rate(name, &samples, 1, "times/s", how);
    } else {
        perror("vulkan_bench: memfd_create");
    }
    bench_samples_finish(&samples);
    return done;
}

bool bench_floor(struct bench *bench)
{
    measure_yield(bench);
    return measure_sharing(bench, false, "floor.sharing",
                           "1 MiB of sealed shared memory made, mapped twice, unmapped, closed; "
                           "by one thread") &&
           measure_sharing(bench, true, "floor.sharing.touched", "the same, one page touched");
}
