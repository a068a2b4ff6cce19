#include "base/clock.h"
#include "render/private.h"

#include <string.h>

/* Figures: of streams that run, read while they are written, and of rings that are gone. */

static uint64_t load(const uint64_t *figure)
{
    return __atomic_load_n(figure, __ATOMIC_RELAXED);
}

/* `sum` is the caller's alone; `tally` may be written meanwhile. */
static void add_tally(struct pv_tally *sum, const struct pv_tally *tally)
{
    for (uint32_t i = 0; i < PV_COMMAND_COUNT; i++) {
        sum->counts[i] += load(&tally->counts[i]);
    }
    for (uint32_t i = 0; i < PV_HISTOGRAM_BUCKETS; i++) {
        sum->latency[i] += load(&tally->latency[i]);
    }
    sum->bytes += load(&tally->bytes);
}

static void add_ring(struct pv_ring_stats *sum, const struct pv_ring_stats *one)
{
    sum->age_ns += one->age_ns;
    sum->idle_ns += one->idle_ns;
    sum->bytes += one->bytes;
    sum->batches += one->batches;
    sum->sleeps += one->sleeps;
    sum->wakes += one->wakes;
}

static void add_running_ring(struct pv_ring_stats *sum, const struct pv_ring *ring)
{
    struct pv_ring_stats one;
    pv_ring_get_stats(ring, &one);
    add_ring(sum, &one);
}

void pv_rings_account(struct pv_render_context *context, const struct pv_render_ring *ring)
{
    add_tally(&context->ended, &ring->exec.tally);
    add_running_ring(&context->ended_rings, ring->ring);
}

/* What the context's own stream and all rings have done, in one moment of the list of rings. */
static void add_streams(struct pv_render_context *context, struct pv_tally *sum,
                        struct pv_render_stats *stats)
{
    pthread_mutex_lock(&context->lock);
    stats->elapsed_ns = pv_clock_now_ns() - context->created_ns;
    stats->rings = context->ring_count;
    stats->of_rings = context->ended_rings;
    add_tally(sum, &context->ended);
    add_tally(sum, &context->exec->tally);
    for (struct pv_render_ring *ring = context->rings; ring != NULL; ring = ring->next) {
        add_tally(sum, &ring->exec.tally);
        add_running_ring(&stats->of_rings, ring->ring);
    }
    pthread_mutex_unlock(&context->lock);
}

void pv_render_get_stats(struct pv_render_context *context, struct pv_render_stats *stats,
                         uint64_t *counts)
{
    uint64_t own_counts[PV_COMMAND_COUNT];
    struct pv_tally sum = {.counts = counts != NULL ? counts : own_counts};
    memset(sum.counts, 0, sizeof(own_counts));
    *stats = (struct pv_render_stats){
        .faults = atomic_load_explicit(&context->faults, memory_order_relaxed),
        .objects_alive = pv_objects_alive_count(&context->objects),
        .objects_created =
            atomic_load_explicit(&context->objects.reserved_total, memory_order_relaxed),
        .mapped_bytes = pv_resources_mapped_bytes(&context->resources),
        .device_memory_bytes =
            atomic_load_explicit(&context->device_memory_bytes, memory_order_relaxed),
        .fences_retired = atomic_load_explicit(&context->fences_retired, memory_order_relaxed),
        .compiles_pending =
            atomic_load_explicit(&context->compiles.pending_count, memory_order_relaxed),
        .compiles_finished =
            atomic_load_explicit(&context->compiles.finished_count, memory_order_relaxed),
    };
    add_streams(context, &sum, stats);
    stats->bytes = sum.bytes;
    for (uint32_t i = 0; i < PV_COMMAND_COUNT; i++) {
        stats->commands_by_kind[pv_commands[i].kind] += sum.counts[i];
        stats->commands += sum.counts[i];
    }
    for (uint32_t i = 0; i < PV_HISTOGRAM_BUCKETS; i++) {
        stats->latency[i] = sum.latency[i];
        stats->replies += sum.latency[i];
    }
}
