/* What a command costs us on top of the driver: streams through the real loop, onto a driver whose
 * entry points do nothing. Prints nanoseconds per command, the minimum of many short runs, and what
 * a second ring beside it adds; then polls of a ring in which there is nothing. Under callgrind
 * (bench/instructions.py) each case is run once, and its instructions are counted. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/thread.h"
#include "decode/bench.h"
#include "decode/report.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 200 };

static const char empty_poll[] = "empty_poll"; /* a case that executes nothing */

static cpu_set_t allowed_cores; /* at the start */

/* --- one ring --------------------------------------------------------------------------------- */

/* Fills one stream; returns how many commands it holds. */
static uint32_t fill(struct bench_lane *lane, const struct bench_case *one, uint32_t pass)
{
    uint8_t *stream = lane->streams + (size_t)pass * BENCH_STREAM_SIZE;
    struct pv_encoder out = {stream, stream + BENCH_STREAM_SIZE, false};
    uint32_t commands = 0;
    for (;;) {
        uint8_t *start = out.cursor;
        one->encode(lane, &out);
        if (out.overflow) {
            lane->size = (uint32_t)(start - stream);
            return commands;
        }
        commands += one->commands;
    }
}

/* As many streams as a run needs. */
static uint32_t prepare(struct bench_lane *lane, const struct bench_case *one)
{
    uint32_t commands = 0;
    for (uint32_t pass = 0; pass < (one->once ? BENCH_PASSES : 1); pass++) {
        commands = fill(lane, one, pass);
    }
    return commands;
}

/* Executes the streams of one run, each copied before as a ring does. */
static void run(struct bench_lane *lane, const struct bench_case *one)
{
    pv_exec_wake(&lane->exec);
    for (uint32_t pass = 0; pass < BENCH_PASSES; pass++) {
        const uint8_t *stream = lane->streams + (one->once ? (size_t)pass * BENCH_STREAM_SIZE : 0);
        memcpy(lane->private, stream, lane->size);
        bench_execute_bytes(lane, lane->private, lane->size);
    }
    pv_exec_sleep(&lane->exec);
}

/* For callgrind, which counts what happens in a function of this name. */
__attribute__((noinline)) void bench_execute(void (*act)(void *of), void *of);
void bench_execute(void (*act)(void *of), void *of)
{
    act(of);
}

static void execute_private(void *of)
{
    struct bench_lane *lane = of;
    bench_execute_bytes(lane, lane->private, lane->size);
}

/* Warm, then counted. */
static uint32_t execute_once(struct bench_lane *lane, const struct bench_case *one)
{
    pv_exec_wake(&lane->exec);
    (void)fill(lane, one, 0);
    memcpy(lane->private, lane->streams, lane->size);
    bench_execute_bytes(lane, lane->private, lane->size);
    uint32_t commands = fill(lane, one, 0);
    memcpy(lane->private, lane->streams, lane->size);
    bench_execute(execute_private, lane);
    pv_exec_sleep(&lane->exec);
    return commands;
}

/* --- two rings -------------------------------------------------------------------------------- */

/* Two lanes that begin together; of one context, or each of its own. */
struct pair {
    struct bench_lane *lanes[2];
    const struct bench_case *one;
    _Atomic uint32_t arrived;
    uint64_t began_ns[2], ended_ns[2];
};

static void meet(struct pair *pair, uint32_t count)
{
    atomic_fetch_add_explicit(&pair->arrived, 1, memory_order_acq_rel);
    while (atomic_load_explicit(&pair->arrived, memory_order_acquire) < count) {
        __asm__ volatile("" ::: "memory");
    }
}

/* The thread on the nth core that we may use. Best effort: minima forgive a move. */
static void pin(uint32_t nth)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    for (uint32_t core = 0; core < CPU_SETSIZE; core++) {
        if (CPU_ISSET(core, &allowed_cores) && nth-- == 0) {
            CPU_SET(core, &one);
            (void)sched_setaffinity(0, sizeof(one), &one);
            return;
        }
    }
}

static void run_half(struct pair *pair, uint32_t half)
{
    (void)prepare(pair->lanes[half], pair->one);
    run(pair->lanes[half], pair->one); /* a new thread's core has seen nothing of all this */
    (void)prepare(pair->lanes[half], pair->one);
    meet(pair, 2);
    pair->began_ns[half] = pv_clock_now_ns();
    run(pair->lanes[half], pair->one);
    pair->ended_ns[half] = pv_clock_now_ns();
    meet(pair, 4);
}

static void run_second(void *user)
{
    pin(1);
    run_half(user, 1);
}

/* From the first beginning to the last end: were one of them alone for a while, it would count. */
static uint64_t run_pair(struct bench_lane *first, struct bench_lane *second,
                         const struct bench_case *one)
{
    struct pair pair = {.lanes = {first, second}, .one = one};
    struct pv_thread thread;
    PV_ASSERT(pv_thread_start(&thread, "second ring", run_second, &pair) == PV_OK);
    run_half(&pair, 0);
    pv_thread_join(&thread);
    uint64_t began = pair.began_ns[0] < pair.began_ns[1] ? pair.began_ns[0] : pair.began_ns[1];
    uint64_t ended = pair.ended_ns[0] > pair.ended_ns[1] ? pair.ended_ns[0] : pair.ended_ns[1];
    return ended - began;
}

/* --- measuring -------------------------------------------------------------------------------- */

struct times {
    uint64_t alone_ns, two_rings_ns, two_contexts_ns; /* of one run */
};

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Taken in turn, so that what disturbs the machine disturbs all three. */
static struct times measure(struct bench *b, struct bench *other, const struct bench_case *one)
{
    struct times best = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
    for (uint32_t sample = 0; sample < SAMPLES; sample++) {
        (void)prepare(&b->lanes[0], one);
        uint64_t start = pv_clock_now_ns();
        run(&b->lanes[0], one);
        best.alone_ns = min_u64(best.alone_ns, pv_clock_now_ns() - start);
        if (other != NULL) {
            best.two_rings_ns =
                min_u64(best.two_rings_ns, run_pair(&b->lanes[0], &b->lanes[1], one));
            best.two_contexts_ns =
                min_u64(best.two_contexts_ns, run_pair(&b->lanes[0], &other->lanes[0], one));
        }
    }
    return best;
}

static void report_ratio(struct bench_report *report, const struct bench_case *one,
                         const char *suffix, const char *how, double ratio)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%s, %s", one->name, suffix);
    bench_report_add(report, &(struct bench_result){
                                 .name = name,
                                 .value = ratio,
                                 .unit = "times one ring",
                                 .how = how,
                                 .repetitions = SAMPLES,
                             });
}

static void run_case(struct bench *b, struct bench *other, const struct bench_case *one,
                     struct bench_report *report)
{
    uint32_t commands = prepare(&b->lanes[0], one);
    uint32_t size = b->lanes[0].size;
    struct times best = measure(b, other, one);
    double per_command_ns = (double)best.alone_ns / BENCH_PASSES / commands;
    printf("%-26s %8.2f", one->name, per_command_ns);
    bench_report_add(report, &(struct bench_result){
                                 .name = one->name,
                                 .value = per_command_ns,
                                 .unit = "ns/command",
                                 .how = "one ring; minimum of runs of 8 streams, copies included",
                                 .commands = commands,
                                 .bytes = size,
                                 .repetitions = SAMPLES,
                             });
    if (other != NULL) {
        double rings = (double)best.two_rings_ns / (double)best.alone_ns;
        double contexts = (double)best.two_contexts_ns / (double)best.alone_ns;
        printf(" %8.3f %12.3f", rings, contexts);
        report_ratio(report, one, "2 rings",
                     "two rings of one context on two cores, both runs' time over one ring's; "
                     "minima of alternated runs",
                     rings);
        report_ratio(report, one, "2 contexts",
                     "the same with a context for each: what the machine itself costs", contexts);
    } else {
        printf(" %8s %12s", "-", "-");
    }
    printf("   %5u commands of %4u bytes\n", commands, size / commands);
    fflush(stdout);
}

static void count_case(struct bench *b, const struct bench_case *one, struct bench_report *report)
{
    uint32_t commands = execute_once(&b->lanes[0], one);
    printf("%-26s   %5u commands\n", one->name, commands);
    bench_report_add(report, &(struct bench_result){
                                 .name = one->name,
                                 .value = commands,
                                 .unit = "commands",
                                 .how = "executed once, not timed",
                                 .commands = commands,
                                 .bytes = b->lanes[0].size,
                                 .repetitions = 1,
                             });
}

/* --- polls ------------------------------------------------------------------------------------ */

static void report_polls(struct bench_report *report, double value, const char *unit,
                         const char *how, uint32_t repetitions)
{
    bench_report_add(report, &(struct bench_result){
                                 .name = empty_poll,
                                 .value = value,
                                 .unit = unit,
                                 .how = how,
                                 .commands = BENCH_POLLS,
                                 .repetitions = repetitions,
                             });
}

static void run_polls(struct bench_report *report)
{
    struct pv_venus_ring *ring = bench_open_empty_ring();
    uint64_t best_ns = UINT64_MAX;
    for (uint32_t sample = 0; sample < SAMPLES; sample++) {
        uint64_t start = pv_clock_now_ns();
        bench_poll(ring);
        best_ns = min_u64(best_ns, pv_clock_now_ns() - start);
    }
    double each_ns = (double)best_ns / BENCH_POLLS;
    printf("%-26s %8.2f %8s %12s   %5u polls\n", empty_poll, each_ns, "-", "-", BENCH_POLLS);
    report_polls(report, each_ns, "ns/command",
                 "pv_venus_ring_notify() of a started ring with nothing in it; minimum of runs",
                 SAMPLES);
}

static void count_polls(struct bench_report *report)
{
    struct pv_venus_ring *ring = bench_open_empty_ring();
    bench_poll(ring);
    bench_execute(bench_poll, ring);
    printf("%-26s   %5u polls\n", empty_poll, BENCH_POLLS);
    report_polls(report, BENCH_POLLS, "commands", "polled once, not timed", 1);
}

/* --- the program ------------------------------------------------------------------------------ */

struct options {
    bool once;
    const char *json;
    const char *only;
};

static bool parse(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--once") == 0) {
            options->once = true;
        } else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
            options->json = argv[++i];
        } else if (argv[i][0] != '-' && options->only == NULL) {
            options->only = argv[i];
        } else {
            fprintf(stderr,
                    "decode_bench: '%s'? usage: decode_bench [--once] [--json FILE] [CASE]\n",
                    argv[i]);
            return false;
        }
    }
    for (uint32_t i = 0; i < bench_case_count; i++) {
        if (options->only == NULL || strcmp(options->only, bench_cases[i].name) == 0) {
            return true;
        }
    }
    if (strcmp(options->only, empty_poll) == 0) {
        return true;
    }
    fprintf(stderr, "decode_bench: no case '%s'\n", options->only);
    return false;
}

static void run_cases(struct bench *b, struct bench *other, const struct options *options,
                      struct bench_report *report)
{
    if (!options->once) {
        printf("%-26s %8s %8s %12s\n", "", "ns", "2 rings", "2 contexts");
    }
    for (uint32_t i = 0; i < bench_case_count; i++) {
        if (options->only != NULL && strcmp(options->only, bench_cases[i].name) != 0) {
            continue;
        }
        if (options->once) {
            count_case(b, &bench_cases[i], report);
        } else {
            run_case(b, other, &bench_cases[i], report);
        }
    }
    if (options->only == NULL || strcmp(options->only, empty_poll) == 0) {
        (options->once ? count_polls : run_polls)(report);
    }
}

int main(int argc, char **argv)
{
    static struct bench b, other;
    struct options options = {0};
    if (!parse(argc, argv, &options)) {
        return 2;
    }
    bool has_second = !options.once && pv_thread_core_count() > 1 &&
                      sched_getaffinity(0, sizeof(allowed_cores), &allowed_cores) == 0;
    bench_open(&b);
    if (has_second) {
        bench_open(&other);
        pin(0);
    }
    struct bench_report *report = bench_report_create("decode_bench");
    run_cases(&b, has_second ? &other : NULL, &options, report);
    if (options.json != NULL) {
        bench_report_write(report, options.json);
    }
    bench_report_destroy(report);
    /* What the driver no longer does, a tidy end would wait for. */
    fflush(stdout);
    _Exit(0);
}
