#include "base/clock.h"
#include "base/event.h"
#include "base/thread.h"
#include "check.h"
#include "fakes/patience.h"

/* More events than the portable half has places to sleep in, so that some share one. */
enum { PLAYERS = 40, ROUNDS = 200 };

struct player {
    struct pv_thread thread;
    struct pv_event *mine, *next;
    _Atomic uint32_t *my_ball, *next_ball;
};

static void wait_for(struct pv_event *event, _Atomic uint32_t *ball, uint32_t count)
{
    while (atomic_load(ball) < count) {
        uint32_t ticket = pv_event_prepare(event);
        if (atomic_load(ball) >= count) {
            pv_event_cancel(event);
        } else {
            pv_event_wait(event, ticket);
        }
    }
}

static void play(void *user)
{
    struct player *player = user;
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        wait_for(player->mine, player->my_ball, round);
        atomic_fetch_add(player->next_ball, 1);
        pv_event_wake(player->next);
    }
}

/* A ball goes round through all of them: one wake that is lost, and it stands still. */
static void no_wake_is_lost_among_many_events(void **state)
{
    (void)state;
    static struct pv_event events[PLAYERS + 1];
    static _Atomic uint32_t balls[PLAYERS + 1];
    static struct player players[PLAYERS];
    for (uint32_t i = 0; i < PLAYERS; i++) {
        players[i] = (struct player){
            .mine = &events[i],
            .next = &events[i + 1],
            .my_ball = &balls[i],
            .next_ball = &balls[i + 1],
        };
        assert_int_equal(pv_thread_start(&players[i].thread, "player", play, &players[i]), PV_OK);
    }
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        atomic_fetch_add(&balls[0], 1);
        pv_event_wake(&events[0]);
        wait_for(&events[PLAYERS], &balls[PLAYERS], round);
    }
    for (uint32_t i = 0; i < PLAYERS; i++) {
        pv_thread_join(&players[i].thread);
        assert_int_equal(atomic_load(&events[i].waiter_count), 0);
    }
}

static void waits_end_at_their_deadline(void **state)
{
    (void)state;
    struct pv_event event = {0};
    uint64_t deadline_ns = pv_clock_now_ns() + 3 * PV_NS_PER_MS;
    assert_false(pv_event_wait_until(&event, pv_event_prepare(&event), deadline_ns));
    assert_true(pv_clock_now_ns() >= deadline_ns);
    /* One that is over already. */
    assert_false(pv_event_wait_until(&event, pv_event_prepare(&event), 1));
    assert_int_equal(atomic_load(&event.waiter_count), 0);
}

static void a_wake_since_the_ticket_ends_the_wait_at_once(void **state)
{
    (void)state;
    struct pv_event event = {0};
    uint32_t ticket = pv_event_prepare(&event);
    pv_event_wake(&event);
    pv_event_wait(&event, ticket);
    ticket = pv_event_prepare(&event);
    pv_event_wake(&event);
    assert_true(pv_event_wait_until(&event, ticket, pv_clock_now_ns() + PATIENCE_NS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_wake_is_lost_among_many_events),
        cmocka_unit_test(waits_end_at_their_deadline),
        cmocka_unit_test(a_wake_since_the_ticket_ends_the_wait_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
