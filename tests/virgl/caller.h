#ifndef TESTS_VIRGL_CALLER_H
#define TESTS_VIRGL_CALLER_H

/* What QEMU, crosvm and libkrun are to libvirglrenderer.so.1: one thread at a time makes the calls,
 * fences come back through callbacks, and a guest's blobs are mapped into a window. */

#include "fakes/guest.h"
#include "front/virgl/virgl_functions.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { CALLER_FENCES_MAX = 4096, CALLER_GUESTS_MAX = 8 };

struct caller_fence {
    bool is_ringed;
    uint32_t context_id, ring_idx;
    uint64_t id;
    pthread_t thread; /* that reported it */
};

struct caller {
    struct pv_virgl_callbacks callbacks;
    bool is_async;
    bool maps_by_fd;            /* as libkrun; else at a fixed address, as QEMU */
    pthread_mutex_t call_lock;  /* one call at a time; callbacks do without */
    pthread_mutex_t fence_lock; /* of what follows */
    uint32_t fence_count;
    struct caller_fence fences[CALLER_FENCES_MAX];
    struct {
        uint32_t context_id; /* 0: none */
        struct guest *g;
    } guests[CALLER_GUESTS_MAX];
    uint32_t next_resource_id;
    int last_error; /* of the last blob */
};

/* QEMU's flags, with or without workers. Asserts. */
enum {
    CALLER_ASYNC = PV_VIRGL_ASYNC_FENCE_CB | 2,
    CALLER_VENUS = PV_VIRGL_VENUS | 0x200,
};

void caller_open(struct caller *caller, int flags);
void caller_close(struct caller *caller);
/* How many fences have been reported. */
uint32_t caller_fences(struct caller *caller);
/* Polls in sync mode. False when fewer than `count` are ever reported. */
bool caller_wait_fences(struct caller *caller, uint32_t count);

/* A guest with a context of its own, and no ring yet. NULL when the library refuses. */
struct guest *caller_connect(struct caller *caller, uint32_t context_id);

#endif
