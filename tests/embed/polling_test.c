#include "embed.h"

#include <sys/mman.h>

/* Whose thread executes, and when: notify, stop and producers side by side. */

enum { SMALL = PV_VENUS_RING_SIZE_MIN, COMMANDS = 20000 };

/* --- what runs, runs inside of notify ----------------------------------------------------------
 */

static _Atomic(pthread_t) executed_on;

static bool note_thread(void *user, enum pv_fake_command command, void *args)
{
    (void)user;
    (void)args;
    if (command == PV_FAKE_vkCreateFence) {
        atomic_store(&executed_on, pthread_self());
    }
    return false;
}

static void commands_run_inside_of_notify_and_nowhere_else(void **state)
{
    (void)state;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    guest_open_device(embed->g);
    pv_fake_set_hook(note_thread, NULL);
    struct guest_baseline before = guest_baseline();
    embed->is_notified_elsewhere = true;
    uint32_t commands = venus_stats(embed->context).commands_handled;
    for (int i = 0; i < 10; i++) {
        assert_true(send_fence(embed->g));
    }
    pv_clock_sleep_ns(20 * PV_NS_PER_MS);
    assert_int_equal(venus_stats(embed->context).commands_handled, commands);
    assert_true(pv_venus_ring_utilization(embed->ring) > 0.0);
    assert_int_equal(pv_venus_ring_notify(embed->ring), PV_OK);
    assert_int_equal(venus_stats(embed->context).commands_handled, commands + 10);
    assert_true(pthread_equal(atomic_load(&executed_on), pthread_self()));
    assert_true(pv_venus_ring_utilization(embed->ring) == 0.0);
    assert_int_equal(guest_baseline().threads, before.threads); /* no thread of the library's */
    pv_fake_set_hook(NULL, NULL);
    guest_embed_destroy(embed);
}

static void a_guest_is_told_to_ring_whenever_the_ring_is_started(void **state)
{
    (void)state;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    assert_int_equal(embed->control->status, PV_VENUS_RING_IDLE);
    guest_open_device(embed->g);
    assert_int_equal(embed->control->status, PV_VENUS_RING_IDLE);
    guest_embed_destroy(embed);
}

static void an_empty_poll_does_nothing(void **state)
{
    (void)state;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    guest_open_device(embed->g);
    struct pv_venus_stats before = venus_stats(embed->context);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(pv_venus_ring_notify(embed->ring), PV_OK);
    }
    struct pv_venus_stats after = venus_stats(embed->context);
    assert_memory_equal(&before, &after, sizeof(before));
    guest_embed_destroy(embed);
}

/* --- a producer and pollers --------------------------------------------------------------------
 */

struct pollers {
    struct guest_embed *embed;
    _Atomic bool stop;
    _Atomic uint32_t bad; /* answers that are not OK */
};

static void poll_ring(void *user)
{
    struct pollers *pollers = user;
    while (!atomic_load(&pollers->stop)) {
        if (pv_venus_ring_notify(pollers->embed->ring) != PV_OK) {
            atomic_fetch_add(&pollers->bad, 1);
        }
        double used = pv_venus_ring_utilization(pollers->embed->ring);
        PV_ASSERT(used >= 0.0 && used <= 1.0);
        pv_thread_yield();
    }
}

/* Writes, waits for answers and goes around a small buffer many times. */
static void produce(struct guest_embed *embed)
{
    for (int i = 0; i < COMMANDS; i++) {
        assert_true(send_fence(embed->g));
        if (i % 100 == 0) {
            uint32_t version = 0;
            struct pv_vkEnumerateInstanceVersion a = {.pApiVersion = &version};
            assert_int_equal(GUEST_RESULT(&embed->g->ring, vkEnumerateInstanceVersion, &a),
                             VK_SUCCESS);
            assert_int_not_equal(*a.pApiVersion, 0);
        }
    }
    assert_true(guest_finish(&embed->g->ring));
}

static void run_pollers(int count)
{
    struct guest_embed *embed =
        guest_embed_create(&(struct guest_embed_params){.memory_size = SMALL});
    guest_open_device(embed->g);
    embed->is_notified_elsewhere = true;
    struct pv_venus_stats before = venus_stats(embed->context);
    struct pollers pollers = {.embed = embed};
    struct pv_thread threads[4] = {0};
    for (int i = 0; i < count; i++) {
        PV_ASSERT(pv_thread_start(&threads[i], "poller", poll_ring, &pollers) == PV_OK);
    }
    produce(embed);
    atomic_store(&pollers.stop, true);
    for (int i = 0; i < count; i++) {
        pv_thread_join(&threads[i]);
    }
    assert_int_equal(pollers.bad, 0);
    assert_true(embed->control->head > 100 * pv_venus_ring_buffer_size(embed->ring));
    struct pv_venus_stats after = venus_stats(embed->context);
    assert_int_equal(after.objects_created - before.objects_created, COMMANDS);
    assert_int_equal(after.errors, 0);
    guest_embed_destroy(embed);
}

static void a_producer_and_a_poller_go_around_a_small_ring(void **state)
{
    (void)state;
    run_pollers(1);
}

/* Each command once, in order, whoever comes first. */
static void pollers_on_several_threads_take_turns(void **state)
{
    (void)state;
    run_pollers(3);
}

/* --- stopping ----------------------------------------------------------------------------------
 */

static _Atomic bool is_waiting;

/* A fence that never comes. */
static bool never_signal(void *user, enum pv_fake_command command, void *args)
{
    (void)user;
    if (command == PV_FAKE_vkWaitForFences) {
        atomic_store(&is_waiting, true);
        ((struct pv_vkWaitForFences *)args)->ret = VK_TIMEOUT;
        return true;
    }
    return false;
}

static enum pv_result blocked_answer;

static void notify_once(void *user)
{
    struct guest_embed *embed = user;
    blocked_answer = pv_venus_ring_notify(embed->ring);
}

static void stopping_cuts_a_batch_that_waits_and_with_it_the_context(void **state)
{
    (void)state;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    guest_open_device(embed->g);
    VkFence fence = GUEST_HANDLE(embed->g->next_id);
    assert_true(send_fence(embed->g));
    pv_fake_set_hook(never_signal, NULL);
    atomic_store(&is_waiting, false);
    embed->is_notified_elsewhere = true;
    (void)GUEST_SEND(&embed->g->ring, vkWaitForFences, .device = GUEST_HANDLE(embed->g->device),
                     .fenceCount = 1, .pFences = &fence, .waitAll = VK_TRUE, .timeout = UINT64_MAX);
    assert_true(send_fence(embed->g));
    uint32_t created = venus_stats(embed->context).objects_created;
    struct pv_thread thread = {0};
    PV_ASSERT(pv_thread_start(&thread, "notifier", notify_once, embed) == PV_OK);
    while (!atomic_load(&is_waiting)) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    assert_int_equal(pv_venus_integration_stop(embed->ring), PV_OK);
    pv_thread_join(&thread);
    assert_int_equal(blocked_answer, PV_CLOSED);
    assert_int_equal(pv_venus_ring_notify(embed->ring), PV_CLOSED);
    pv_fake_set_hook(NULL, NULL);
    /* What was behind the wait is not executed, and that was not the guest's fault. */
    struct pv_venus_stats stats;
    assert_int_equal(pv_venus_get_stats(embed->context, &stats), PV_GUEST_FAULT);
    assert_int_equal(stats.objects_created, created);
    assert_int_equal(stats.errors, 0);
    assert_true((embed->control->status & PV_VENUS_RING_FATAL) != 0);
    assert_int_equal(pv_venus_integration_start(embed->ring, embed->context), PV_GUEST_FAULT);
    guest_embed_destroy(embed);
}

/* A guest sends in two steps: where the reply is to go, then the command that has one. */
static void a_stop_between_the_two_steps_of_a_call_loses_no_reply(void **state)
{
    (void)state;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    struct guest_ring *ring = &embed->g->ring;
    uint32_t version = 0;
    struct pv_vkEnumerateInstanceVersion a = {.pApiVersion = &version};
    (void)guest_begin_call(ring);
    assert_int_equal(pv_venus_integration_stop(embed->ring), PV_OK);
    assert_int_equal(pv_venus_integration_start(embed->ring, embed->context), PV_OK);
    pv_guest_encode_vkEnumerateInstanceVersion(guest_begin(ring), VK_COMMAND_GENERATE_REPLY_BIT_EXT,
                                               &a);
    assert_true(guest_finish_call(ring));
    pv_guest_decode_vkEnumerateInstanceVersion_reply(&ring->in, &a);
    assert_true(guest_reply_ok(ring));
    assert_int_not_equal(*a.pApiVersion, 0);
    /* On another context there is no such place, and no such memory. */
    (void)guest_begin_call(ring);
    assert_int_equal(pv_venus_integration_stop(embed->ring), PV_OK);
    struct guest_embed *other = guest_embed_create(&(struct guest_embed_params){0});
    assert_int_equal(pv_venus_integration_start(embed->ring, other->context), PV_OK);
    pv_guest_encode_vkEnumerateInstanceVersion(guest_begin(ring), VK_COMMAND_GENERATE_REPLY_BIT_EXT,
                                               &a);
    assert_false(guest_submit(ring));
    assert_int_equal(embed->notified, PV_GUEST_FAULT);
    guest_embed_destroy(other);
    guest_embed_destroy(embed);
}

/* One ring's fault reaches the other's poll, whoever comes first. */
static void poll_until_it_ends(void *user)
{
    struct pollers *pollers = user;
    enum pv_result result = PV_OK;
    while (result == PV_OK) {
        (void)send_fence(pollers->embed->g);
        result = pv_venus_ring_notify(pollers->embed->ring);
    }
    PV_ASSERT(result == PV_GUEST_FAULT);
}

static void a_context_that_ends_elsewhere_ends_a_ring_at_work(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
        guest_open_device(embed->g);
        embed->is_notified_elsewhere = true;
        struct pollers pollers = {.embed = embed};
        struct pv_thread thread = {0};
        PV_ASSERT(pv_thread_start(&thread, "worker", poll_until_it_ends, &pollers) == PV_OK);
        pv_clock_sleep_ns((uint64_t)i * 20 * PV_NS_PER_US);
        pv_context_set_fatal(embed->context, "the test wants it");
        pv_thread_join(&thread);
        guest_embed_destroy(embed);
    }
}

static void a_ring_goes_on_where_it_was_stopped(void **state)
{
    (void)state;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    guest_open_device(embed->g);
    for (int i = 0; i < 10; i++) {
        assert_true(send_fence(embed->g));
        assert_int_equal(pv_venus_integration_stop(embed->ring), PV_OK);
        embed->is_notified_elsewhere = true;
        assert_true(send_fence(embed->g)); /* while nobody executes */
        embed->is_notified_elsewhere = false;
        assert_int_equal(pv_venus_ring_notify(embed->ring), PV_CLOSED);
        assert_int_equal(pv_venus_integration_start(embed->ring, embed->context), PV_OK);
    }
    assert_int_equal(pv_venus_ring_notify(embed->ring), PV_OK);
    assert_int_equal(venus_stats(embed->context).errors, 0);
    guest_embed_destroy(embed);
}

/* --- callbacks ---------------------------------------------------------------------------------
 */

struct callback {
    struct guest_embed *embed;
    enum pv_result notify, stop, start, stats;
    uint32_t count;
};

/* What the call says that the thread is inside of. */
static void call_back(void *user)
{
    struct callback *callback = user;
    struct pv_venus_stats stats;
    callback->count++;
    callback->notify = pv_venus_ring_notify(callback->embed->ring);
    callback->stop = pv_venus_integration_stop(callback->embed->ring);
    callback->start = pv_venus_integration_start(callback->embed->ring, callback->embed->context);
    callback->stats = pv_venus_get_stats(callback->embed->context, &stats);
}

static void a_callback_cannot_reach_the_ring_that_it_comes_from(void **state)
{
    (void)state;
    struct callback callback = {0};
    struct guest_embed *embed = guest_embed_create(
        &(struct guest_embed_params){.turned_fatal = call_back, .user = &callback});
    callback.embed = embed;
    const uint32_t no_command[2] = {0xffffffff, 0};
    (void)guest_write(&embed->g->ring, no_command, sizeof(no_command));
    assert_int_equal(callback.count, 1);
    assert_int_equal(callback.notify, PV_GUEST_FAULT); /* which needs no turn */
    assert_int_equal(callback.stop, PV_BUSY);
    assert_int_equal(callback.start, PV_BUSY);
    assert_int_equal(callback.stats, PV_GUEST_FAULT);
    assert_int_equal(embed->notified, PV_GUEST_FAULT);
    guest_embed_destroy(embed);
}

/* --- several rings -----------------------------------------------------------------------------
 */

static void a_fault_on_one_ring_is_told_to_polls_of_the_other(void **state)
{
    (void)state;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    struct pv_venus_ring_control *control = guest_embed_map(SMALL);
    struct pv_venus_ring *second = NULL;
    assert_int_equal(pv_venus_ring_create_from_memory(control, SMALL, &second), PV_OK);
    assert_int_equal(pv_venus_integration_start(second, embed->context), PV_OK);
    assert_int_equal(pv_venus_ring_notify(second), PV_OK);
    const uint32_t no_command[2] = {0xffffffff, 0};
    (void)guest_write(&embed->g->ring, no_command, sizeof(no_command));
    assert_int_equal(pv_venus_ring_notify(second), PV_GUEST_FAULT);
    assert_true((control->status & PV_VENUS_RING_FATAL) != 0);
    assert_int_equal(pv_venus_integration_stop(second), PV_OK);
    /* Its memory serves another context afterwards. */
    struct guest_embed *next = guest_embed_create(&(struct guest_embed_params){0});
    assert_int_equal(pv_venus_integration_start(second, next->context), PV_OK);
    assert_int_equal(control->status, PV_VENUS_RING_IDLE);
    assert_int_equal(pv_venus_ring_notify(second), PV_OK);
    guest_embed_destroy(next); /* stops it */
    assert_int_equal(pv_venus_integration_stop(second), PV_CLOSED);
    assert_int_equal(pv_venus_ring_destroy(second), PV_OK);
    assert_int_equal(munmap(control, SMALL), 0);
    guest_embed_destroy(embed);
}

/* A guest must not end, or wait for, what belongs to the program around it. */
static void no_command_can_name_a_callers_ring(void **state)
{
    (void)state;
    static const uint64_t ids[] = {0, 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
        assert_false(GUEST_CONTEXT(embed->g, vkDestroyRingMESA, .ring = ids[i]));
        assert_true(pv_context_is_fatal(embed->context));
        assert_non_null(strstr(embed->log.last_error, "no such ring"));
        guest_embed_destroy(embed);
    }
}

static void a_wait_for_the_virtqueue_is_a_fault_and_no_hang(void **state)
{
    (void)state;
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    (void)GUEST_SEND(&embed->g->ring, vkWaitVirtqueueSeqnoMESA, .seqno = 1);
    assert_int_equal(embed->notified, PV_GUEST_FAULT);
    guest_embed_destroy(embed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EMBED_TEST(commands_run_inside_of_notify_and_nowhere_else),
        EMBED_TEST(a_guest_is_told_to_ring_whenever_the_ring_is_started),
        EMBED_TEST(an_empty_poll_does_nothing),
        EMBED_TEST(a_producer_and_a_poller_go_around_a_small_ring),
        EMBED_TEST(pollers_on_several_threads_take_turns),
        EMBED_TEST(stopping_cuts_a_batch_that_waits_and_with_it_the_context),
        EMBED_TEST(a_stop_between_the_two_steps_of_a_call_loses_no_reply),
        EMBED_TEST(a_context_that_ends_elsewhere_ends_a_ring_at_work),
        EMBED_TEST(a_ring_goes_on_where_it_was_stopped),
        EMBED_TEST(a_callback_cannot_reach_the_ring_that_it_comes_from),
        EMBED_TEST(a_fault_on_one_ring_is_told_to_polls_of_the_other),
        EMBED_TEST(no_command_can_name_a_callers_ring),
        EMBED_TEST(a_wait_for_the_virtqueue_is_a_fault_and_no_hang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
