#ifndef TESTS_FAKES_GUEST_GPU_H
#define TESTS_FAKES_GUEST_GPU_H

#include "base/thread.h"
#include "fakes/gpu_guest.h"
#include "fakes/guest.h"

/* A scripted guest behind a virtio-gpu device, as Mesa is in a virtual machine: its command streams
 * are SUBMIT_3D, its memory is mapped in the window. Several share one device. */

struct guest_machine {
    struct gpu_guest *gpu;
    pthread_mutex_t lock;   /* of the device and of all below */
    pthread_cond_t changed; /* something may have been answered */
    struct pv_thread pump;
    int stop_read, stop_write;
    uint32_t last_resource_id;
    uint64_t window_used;
    struct guest_machine_fence {
        struct guest_machine_fence *next;
        uint64_t token;
        struct guest *g;
        uint32_t ring_idx;
        uint64_t cookie;
    } * fences; /* that are awaited */
};

/* Dispatches on a thread of its own until it is closed. */
void guest_machine_open(struct guest_machine *machine, const struct gpu_guest_params *params);
/* Every guest is destroyed. */
void guest_machine_close(struct guest_machine *machine);

/* Without a ring yet. NULL when the device refuses the context. */
struct guest *guest_create_gpu(struct guest_machine *machine, uint32_t context_id);

#endif
