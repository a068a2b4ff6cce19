#ifndef BENCH_DECODE_BENCH_H
#define BENCH_DECODE_BENCH_H

#include "fakes/guest.h"
#include "render/device.h"
#include "render/exec.h"

#include <pearvisor/venus.h>
#include <stdbool.h>
#include <stdint.h>

/* What the benches of this process have in common: a context whose driver does nothing, full of
 * objects, and streams of commands that name them. */

enum {
    BENCH_STREAM_SIZE = 64 * 1024, /* what a guest's ring of 128 KiB holds in the middle of work */
    BENCH_PASSES = 8,              /* through a stream in one timed run */
    BENCH_LANES = 2,               /* rings of one context */
    BENCH_POLLS = 4096,            /* in one timed run */
};

/* What a ring has of its own; on lines of its own, and not on its neighbour's pair of lines. */
struct bench_lane {
    _Alignas(128) struct bench *bench;
    struct pv_exec exec;
    uint8_t *streams; /* BENCH_PASSES of them, as the guest wrote them */
    uint8_t *private; /* where the loop copies them, one at a time */
    uint32_t size;    /* of what is in a stream */
    uint64_t next;    /* turns through the objects */
    uint64_t descriptor_pool;
};

struct bench {
    struct guest *guest;
    struct pv_device *device;
    struct bench_lane lanes[BENCH_LANES];
};

struct bench_case {
    const char *name;
    void (*encode)(struct bench_lane *lane, struct pv_encoder *out);
    uint32_t commands; /* that one call of `encode` writes */
    bool once;         /* its ids are spent after one run: encode anew each time */
};

extern const struct bench_case bench_cases[];
extern const uint32_t bench_case_count;

/* --- world.c ---------------------------------------------------------------------------------- */

/* Exits with a line when there is no memory for it. */
void bench_open(struct bench *b);
/* After the device is destroyed: whatever else is left, a driver that does nothing would keep. */
void bench_close(struct bench *b);
/* Objects of a type, so many that look-ups are not all of one cache line; in a scattered order. */
void *bench_some(struct bench_lane *lane, uint32_t type);
/* An id that nothing has had. */
uint64_t bench_new_id(struct bench *b);
/* Puts an object into the table, whether the driver knows it or not. */
void bench_publish(struct bench *b, uint64_t id, uint32_t type, uint64_t host);
/* Executes a stream of the lane's, which is awake (pv_exec_wake()); exits with a line when it is
 * refused. */
void bench_execute_bytes(struct bench_lane *lane, uint8_t *bytes, uint32_t size);

/* --- recorded.c ------------------------------------------------------------------------------- */

/* Makes what the recordings name. */
void bench_open_recorded(struct bench *b);
void bench_encode_recorded_frame(struct bench_lane *lane, struct pv_encoder *out);
void bench_encode_recorded_compute(struct bench_lane *lane, struct pv_encoder *out);

enum { BENCH_RECORDED_FRAME_COMMANDS = 18, BENCH_RECORDED_COMPUTE_COMMANDS = 8 };

/* --- poll.c ----------------------------------------------------------------------------------- */

/* A ring of 4 MiB in a caller's memory, started, of a context of its own; nobody writes into it.
 * It stays until the process ends. */
struct pv_venus_ring *bench_open_empty_ring(void);
/* Polls a struct pv_venus_ring BENCH_POLLS times; exits with a line when one is refused. */
void bench_poll(void *ring);

#endif
