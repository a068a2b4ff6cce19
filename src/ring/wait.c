#include "ring/wait.h"

#include "base/clock.h"

enum {
    FIRST_EDGE_NS = 2000,
    /* What a missed command costs the guest, in the coin of the time that we spin. */
    MISS_COST_NS = 300 * 1000,
    WINDOW_MIN_NS = 32 * 1000,
    WINDOW_FIRST_NS = 256 * 1000, /* before anything is known */
    SETTLE_GAPS = 8,
    MEMORY_GAPS = 128, /* then the past counts half */
    SLEEP_FIRST_NS = 10 * 1000,
    SLEEP_MAX_NS = 80 * 1000,
    CROWDED_NS = 50 * 1000,
};

void pv_ring_wait_init(struct pv_ring_wait *wait, uint64_t idle_delay_ns)
{
    *wait = (struct pv_ring_wait){.idle_delay_ns = idle_delay_ns, .window_ns = WINDOW_FIRST_NS};
}

static uint64_t edge_ns(unsigned bucket)
{
    return (uint64_t)FIRST_EDGE_NS << bucket;
}

/* The window that would have cost least, had it been used for all the gaps in the histogram. */
static uint64_t best_window(const struct pv_ring_wait *wait)
{
    uint64_t later = wait->gap_count; /* gaps longer than the window that is looked at */
    uint64_t spun = 0;                /* inside the window */
    uint64_t best = 0;
    uint64_t best_cost = later * MISS_COST_NS;
    for (unsigned i = 0; i < PV_RING_WAIT_BUCKETS; i++) {
        uint64_t edge = edge_ns(i);
        spun += wait->gaps[i] * (edge / 4 * 3);
        later -= wait->gaps[i];
        uint64_t cost = spun + later * (edge + MISS_COST_NS);
        if (cost < best_cost) {
            best_cost = cost;
            best = edge;
        }
    }
    return best < WINDOW_MIN_NS ? WINDOW_MIN_NS : best;
}

static void settle(struct pv_ring_wait *wait)
{
    wait->unsettled = 0;
    wait->window_ns = best_window(wait);
    if (wait->gap_count < MEMORY_GAPS) {
        return;
    }
    wait->gap_count = 0;
    for (unsigned i = 0; i <= PV_RING_WAIT_BUCKETS; i++) {
        wait->gaps[i] /= 2;
        wait->gap_count += wait->gaps[i];
    }
}

static void count_gap(struct pv_ring_wait *wait, unsigned bucket)
{
    wait->gaps[bucket]++;
    wait->gap_count++;
    if (++wait->unsettled >= SETTLE_GAPS) {
        settle(wait);
    }
}

void pv_ring_wait_begin(struct pv_ring_wait *wait, uint64_t now_ns)
{
    wait->empty_since_ns = now_ns;
    wait->looked_at_ns = now_ns;
    wait->idle_at_ns = now_ns + wait->idle_delay_ns;
    wait->sleep_ns = 0;
    wait->is_crowded = false;
}

enum pv_ring_wait_action pv_ring_wait_next(struct pv_ring_wait *wait, uint64_t now_ns,
                                           bool may_spin)
{
    if (now_ns - wait->looked_at_ns > CROWDED_NS) {
        wait->is_crowded = true;
    }
    wait->looked_at_ns = now_ns;
    if (now_ns >= wait->idle_at_ns) {
        return PV_RING_WAIT_IDLE;
    }
    if (may_spin && wait->sleep_ns == 0 && now_ns - wait->empty_since_ns < wait->window_ns) {
        return wait->is_crowded ? PV_RING_WAIT_YIELD : PV_RING_WAIT_SPIN;
    }
    wait->sleep_ns = wait->sleep_ns == 0 ? SLEEP_FIRST_NS : wait->sleep_ns * 2;
    if (wait->sleep_ns > SLEEP_MAX_NS) {
        wait->sleep_ns = SLEEP_MAX_NS;
    }
    return PV_RING_WAIT_SLEEP;
}

void pv_ring_wait_notified(struct pv_ring_wait *wait, uint64_t now_ns)
{
    wait->idle_at_ns = now_ns + wait->idle_delay_ns;
}

void pv_ring_wait_end(struct pv_ring_wait *wait, uint64_t now_ns)
{
    uint64_t gap = now_ns - wait->empty_since_ns;
    unsigned bucket = 0;
    while (bucket < PV_RING_WAIT_BUCKETS && gap > edge_ns(bucket)) {
        bucket++;
    }
    count_gap(wait, bucket);
}

void pv_ring_wait_end_at_once(struct pv_ring_wait *wait)
{
    count_gap(wait, 0);
}
