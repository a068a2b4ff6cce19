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
    /* A yield that lasts longer has cost a slice of the scheduler's, and the next will, too; a
     * thread that wakes from a sleep is let in at once. */
    STARVED_NS = 150 * 1000,
    STARVE_MIN = 16, /* waits that sleep at once then, doubled each time */
    STARVE_MAX = 256,
    BEATS_MIN = 4, /* before the next is believed in */
    BEATS_MAX = 8, /* counted, so that a rhythm that has ended is soon forgotten */
    BEAT_MAX_NS = 200 * 1000 * 1000, /* whoever comes so seldom can as well ring */
    BEAT_MARGIN_NS = 20 * 1000,
    LATE_FIRST_NS = 60 * 1000,
    LATE_MAX_NS = 500 * 1000,
};

void pv_ring_wait_init(struct pv_ring_wait *wait, uint64_t idle_delay_ns)
{
    *wait = (struct pv_ring_wait){
        .idle_delay_ns = idle_delay_ns,
        .window_ns = WINDOW_FIRST_NS,
        .late_ns = LATE_FIRST_NS,
        .starve_length = STARVE_MIN,
    };
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

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Moves an average an eighth of the way. */
static void approach(uint64_t *average, uint64_t value)
{
    *average = *average - *average / 8 + value / 8;
}

/* How wide a window a beat is worth: half of it is spun through. At 60 frames a second that is 1.6
 * % of a core at most, and nobody beats much faster for long without spinning anyway. */
static uint64_t beat_window(uint64_t beat_ns)
{
    uint64_t window_ns = beat_ns < 8 * PV_NS_PER_MS ? beat_ns / 8 : beat_ns / 32;
    return window_ns < PV_NS_PER_MS ? window_ns : PV_NS_PER_MS;
}

/* A gap beyond the idle delay has ended. */
static void learn_beat(struct pv_ring_wait *wait, uint64_t gap_ns)
{
    uint64_t error_ns = distance(gap_ns, wait->beat_ns);
    if (gap_ns > BEAT_MAX_NS) {
        wait->beat_count /= 2;
        return;
    }
    if (error_ns > beat_window(gap_ns)) {
        if (wait->beat_count == 0) {
            wait->beat_ns = gap_ns;
            wait->jitter_ns = 0;
        }
        wait->beat_count /= 2;
        return;
    }
    wait->beat_count += wait->beat_count < BEATS_MAX ? 1 : 0;
    approach(&wait->jitter_ns, error_ns);
    approach(&wait->beat_ns, gap_ns);
}

/* Where the next beat is due, if there is a rhythm and the window around it is worth while. */
static void expect_beat(struct pv_ring_wait *wait, uint64_t now_ns)
{
    uint64_t spread_ns = 2 * wait->jitter_ns + BEAT_MARGIN_NS;
    wait->expect_from_ns = 0;
    wait->expect_until_ns = 0;
    if (wait->beat_count < BEATS_MIN || 2 * spread_ns > beat_window(wait->beat_ns)) {
        return;
    }
    uint64_t from_ns = now_ns + wait->beat_ns - spread_ns - wait->late_ns;
    if (from_ns > wait->idle_at_ns) {
        wait->expect_from_ns = from_ns;
        wait->expect_until_ns = now_ns + wait->beat_ns + spread_ns;
    }
}

void pv_ring_wait_begin(struct pv_ring_wait *wait, uint64_t now_ns)
{
    wait->empty_since_ns = now_ns;
    wait->looked_at_ns = now_ns;
    wait->idle_at_ns = now_ns + wait->idle_delay_ns;
    wait->sleep_ns = 0;
    wait->is_crowded = false;
    wait->is_starved = wait->starved_waits > 0;
    wait->starved_waits -= wait->is_starved ? 1 : 0;
    wait->wake_at_ns = 0;
    expect_beat(wait, now_ns);
}

/* One idle delay after the last sign of life. */
static enum pv_ring_wait_action next_when_idle(struct pv_ring_wait *wait, uint64_t now_ns,
                                               bool may_spin)
{
    wait->wake_at_ns = 0;
    if (wait->expect_until_ns == 0) {
        return PV_RING_WAIT_IDLE;
    }
    if (now_ns < wait->expect_from_ns) {
        wait->wake_at_ns = wait->expect_from_ns;
        return PV_RING_WAIT_IDLE;
    }
    if (may_spin && now_ns < wait->expect_until_ns) {
        return wait->is_crowded ? PV_RING_WAIT_YIELD : PV_RING_WAIT_SPIN;
    }
    wait->beat_count /= 2;
    wait->expect_until_ns = 0;
    return PV_RING_WAIT_IDLE;
}

enum pv_ring_wait_action pv_ring_wait_next(struct pv_ring_wait *wait, uint64_t now_ns,
                                           bool may_spin)
{
    if (now_ns - wait->looked_at_ns > CROWDED_NS) {
        wait->is_crowded = true;
    }
    wait->looked_at_ns = now_ns;
    may_spin = may_spin && !wait->is_starved;
    if (now_ns >= wait->idle_at_ns) {
        return next_when_idle(wait, now_ns, may_spin);
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

bool pv_ring_wait_yielded(struct pv_ring_wait *wait, uint64_t since_ns, uint64_t now_ns)
{
    if (now_ns - since_ns <= STARVED_NS) {
        return false;
    }
    if (!wait->is_starved) {
        wait->is_starved = true;
        wait->starved_waits = wait->starve_length;
        wait->starve_length =
            wait->starve_length < STARVE_MAX ? wait->starve_length * 2 : STARVE_MAX;
    }
    return true;
}

void pv_ring_wait_notified(struct pv_ring_wait *wait, uint64_t now_ns)
{
    wait->idle_at_ns = now_ns + wait->idle_delay_ns;
}

void pv_ring_wait_woken(struct pv_ring_wait *wait, uint64_t now_ns)
{
    wait->looked_at_ns = now_ns; /* that nobody looked meanwhile was meant to be */
    if (now_ns >= wait->wake_at_ns) {
        uint64_t late_ns = now_ns - wait->wake_at_ns;
        approach(&wait->late_ns, late_ns < LATE_MAX_NS ? late_ns : LATE_MAX_NS);
    }
}

void pv_ring_wait_end(struct pv_ring_wait *wait, uint64_t now_ns)
{
    uint64_t gap = now_ns - wait->empty_since_ns;
    if (!wait->is_starved) {
        wait->starve_length = STARVE_MIN;
    }
    if (gap > wait->idle_delay_ns) {
        learn_beat(wait, gap);
    }
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
