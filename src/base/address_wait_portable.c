#include "base/address_wait.h"
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

/* A few condition variables for all words there are: which one is a matter of the address, so that
 * the words themselves need no room for one. Words that share one wake each other's sleepers, who
 * look again. */
enum { PLACES_SHIFT = 5, PLACE_COUNT = 1 << PLACES_SHIFT };

struct place {
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

#define PLACE                                                                                      \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER                                        \
    }
#define PLACES_4 PLACE, PLACE, PLACE, PLACE
#define PLACES_16 PLACES_4, PLACES_4, PLACES_4, PLACES_4

static struct place places[PLACE_COUNT] = {PLACES_16, PLACES_16};

static struct place *place_of(const _Atomic uint32_t *word)
{
    /* Fibonacci hashing: the upper bits of the product depend on all of the address. */
    uint64_t product = (uint64_t)(uintptr_t)word * UINT64_C(0x9e3779b97f4a7c15);
    return &places[product >> (64 - PLACES_SHIFT)];
}

/* Condition variables sleep by the wall clock where nothing else can be asked for everywhere: a
 * clock that is set meanwhile ends a sleep early or late, so it is cut into slices. */
static const uint64_t slice_ns = PV_NS_PER_S;

static struct timespec wall_clock_in(uint64_t left_ns)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ns = (uint64_t)now.tv_nsec + (left_ns < slice_ns ? left_ns : slice_ns);
    return (struct timespec){
        .tv_sec = now.tv_sec + (time_t)(ns / PV_NS_PER_S),
        .tv_nsec = (long)(ns % PV_NS_PER_S),
    };
}

bool pv_address_wait(_Atomic uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
    struct place *place = place_of(word);
    bool in_time = true;
    pthread_mutex_lock(&place->lock);
    /* The waker changes the word before it takes the lock: either this look sees the change, or
     * the wake comes after the sleep has begun. */
    if (atomic_load_explicit(word, memory_order_seq_cst) == value) {
        if (deadline_ns == UINT64_MAX) {
            pthread_cond_wait(&place->changed, &place->lock);
        } else {
            uint64_t now_ns = pv_clock_now_ns();
            in_time = now_ns < deadline_ns;
            if (in_time) {
                struct timespec until = wall_clock_in(deadline_ns - now_ns);
                (void)pthread_cond_timedwait(&place->changed, &place->lock, &until);
            }
        }
    }
    pthread_mutex_unlock(&place->lock);
    return in_time;
}

void pv_address_wake_all(_Atomic uint32_t *word)
{
    struct place *place = place_of(word);
    pthread_mutex_lock(&place->lock);
    pthread_cond_broadcast(&place->changed);
    pthread_mutex_unlock(&place->lock);
}
