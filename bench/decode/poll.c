#include "base/assert.h"
#include "decode/bench.h"
#include "fakes/guest_embed.h"
#include "fakes/guest_remote.h"

#include <stdio.h>
#include <stdlib.h>

/* What a program that embeds the renderer does most: it looks, and nobody has written. */

struct pv_venus_ring *bench_open_empty_ring(void)
{
    static const struct pv_log silence;
    struct pv_renderer *renderer = remote_renderer_create(&silence);
    const struct pv_context_params params = {.struct_size = sizeof(params)};
    struct pv_context *context = NULL;
    struct pv_venus_ring *ring = NULL;
    PV_ASSERT(pv_context_create(renderer, &params, &context) == PV_OK);
    PV_ASSERT(pv_venus_ring_create_from_memory(guest_embed_map(PV_VENUS_RING_SIZE_DEFAULT),
                                               PV_VENUS_RING_SIZE_DEFAULT, &ring) == PV_OK);
    PV_ASSERT(pv_venus_integration_start(ring, context) == PV_OK);
    return ring;
}

void bench_poll(void *of)
{
    struct pv_venus_ring *ring = of;
    for (uint32_t i = 0; i < BENCH_POLLS; i++) {
        if (pv_venus_ring_notify(ring) != PV_OK) {
            fprintf(stderr, "bench: a poll was refused\n");
            exit(1);
        }
    }
}
