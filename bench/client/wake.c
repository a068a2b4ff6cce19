/* How long it takes on this machine until a thread that sleeps runs: no Vulkan is involved. */
#include "bench.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One side wakes the other, which wakes it back. */
struct pair {
    _Atomic uint32_t word[2];
    int sockets[2];
    bool uses_sockets;
};

enum { STOP = 2 };

static void wake(struct pair *pair, int side, uint32_t value)
{
    if (pair->uses_sockets) {
        const char byte = (char)value;
        (void)!write(pair->sockets[1 - side], &byte, 1);
        return;
    }
    atomic_store(&pair->word[side], value);
    syscall(SYS_futex, &pair->word[side], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Sleeps at once: nothing is polled. */
static uint32_t sleep_until_woken(struct pair *pair, int side)
{
    if (pair->uses_sockets) {
        char byte = STOP;
        return read(pair->sockets[side], &byte, 1) == 1 ? (uint32_t)byte : STOP;
    }
    uint32_t value;
    while ((value = atomic_exchange(&pair->word[side], 0)) == 0) {
        syscall(SYS_futex, &pair->word[side], FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    }
    return value;
}

static void *answer(void *user)
{
    struct pair *pair = user;
    while (sleep_until_woken(pair, 1) != STOP) {
        wake(pair, 0, 1);
    }
    return NULL;
}

static bool measure(struct bench *bench, const char *name, const char *how, bool uses_sockets,
                    uint64_t pause_ns)
{
    struct pair pair = {.uses_sockets = uses_sockets};
    pthread_t thread;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair.sockets) != 0) {
        perror("vulkan_bench: socketpair");
        return false;
    }
    if (pthread_create(&thread, NULL, answer, &pair) != 0) {
        fprintf(stderr, "vulkan_bench: cannot start a thread\n");
        close(pair.sockets[0]);
        close(pair.sockets[1]);
        return false;
    }
    struct bench_samples samples;
    bench_samples_start(&samples, bench);
    while (bench_samples_want(&samples)) {
        bench_think_ns(pause_ns);
        const uint64_t start_ns = bench_clock_ns();
        wake(&pair, 1, 1);
        sleep_until_woken(&pair, 0);
        bench_samples_add(&samples, (bench_clock_ns() - start_ns) / 2);
    }
    wake(&pair, 1, STOP);
    pthread_join(thread, NULL);
    bench_report_latency(name, &samples, how);
    bench_samples_finish(&samples);
    close(pair.sockets[0]);
    close(pair.sockets[1]);
    return true;
}

#define PAIR "two threads wake each other, half of the round trip; "

bool bench_wake(struct bench *bench)
{
    const uint64_t apart_ns = 2000000;
    return measure(bench, "wake.futex", PAIR "futex, back to back", false, 0) &&
           measure(bench, "wake.futex.2ms", PAIR "futex, a sleep of 2 ms between", false,
                   apart_ns) &&
           measure(bench, "wake.socket", PAIR "socket, back to back", true, 0) &&
           measure(bench, "wake.socket.2ms", PAIR "socket, a sleep of 2 ms between", true,
                   apart_ns);
}
