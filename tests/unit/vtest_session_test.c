/* The session over a socket pair, with the renderer behind the public API replaced by the few lines
 * below: what is proven is what the front does with a client's frames. */

#include "base/clock.h"
#include "base/fd.h"
#include "base/thread.h"
#include "check.h"
#include "fakes/vtest_client.h"
#include "front/vtest/protocol.h"
#include "front/vtest/vtest.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the renderer --------------------------------------------------------------------------- */

enum { COMMAND_BELL = 190, COMMAND_FAULT = 1000, COMMAND_GATE, COMMAND_LOG, LOG_SIZE = 4096 };

struct pv_context {
    struct pv_context_params params;
    _Atomic bool fatal;
};

static _Atomic bool gate_is_open; /* COMMAND_GATE blocks until it is */
static _Atomic uint32_t order[LOG_SIZE];
static _Atomic uint32_t order_count;
static _Atomic uint32_t context_count;
static _Atomic uint32_t foreign_thread_count;
static pthread_t reader;
static uint32_t linger_ms = 200; /* of sessions that are started from now on */

static void note(uint32_t what)
{
    uint32_t at = atomic_fetch_add(&order_count, 1);
    if (at < LOG_SIZE) {
        atomic_store(&order[at], what);
    }
}

enum pv_result pv_context_create(struct pv_renderer *renderer,
                                 const struct pv_context_params *params,
                                 struct pv_context **context)
{
    (void)renderer;
    *context = calloc(1, sizeof(**context));
    (*context)->params = *params;
    atomic_fetch_add(&context_count, 1);
    return PV_OK;
}

void pv_context_destroy(struct pv_context *context)
{
    if (context != NULL) {
        atomic_fetch_sub(&context_count, 1);
    }
    free(context);
}

enum pv_result pv_context_submit(struct pv_context *context, const void *bytes, uint64_t size_bytes)
{
    uint32_t words[2] = {0, 0};
    memcpy(words, bytes, size_bytes < sizeof(words) ? size_bytes : sizeof(words));
    if (!pthread_equal(pthread_self(), reader)) {
        atomic_fetch_add(&foreign_thread_count, 1);
    }
    if (words[0] == COMMAND_FAULT) {
        pv_context_set_fatal(context, "a test");
        return PV_GUEST_FAULT;
    }
    while (words[0] == COMMAND_GATE && !atomic_load(&gate_is_open) &&
           !atomic_load(&context->fatal)) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    note(words[1]);
    return PV_OK;
}

bool pv_context_is_quick(struct pv_context *context, const void *bytes, uint64_t size_bytes)
{
    uint32_t type = COMMAND_BELL;
    (void)context;
    if (size_bytes >= sizeof(type)) {
        memcpy(&type, bytes, sizeof(type));
    }
    return type == COMMAND_BELL;
}

void pv_context_fence(struct pv_context *context, uint32_t ring_idx, uint64_t cookie)
{
    context->params.fence_retired(context->params.user, ring_idx, cookie);
}

enum pv_result pv_context_create_blob(struct pv_context *context,
                                      const struct pv_context_blob_params *params,
                                      struct pv_context_blob *blob)
{
    (void)context;
    if (params->blob_id == UINT64_MAX) {
        return PV_GUEST_FAULT;
    }
    note(10000 + (uint32_t)params->blob_id);
    blob->fd = memfd_create("blob", MFD_CLOEXEC);
    return ftruncate(blob->fd, (off_t)params->size_bytes) == 0 ? PV_OK : PV_HOST_FAILED;
}

bool pv_context_unref_resource(struct pv_context *context, uint32_t resource_id)
{
    (void)context;
    note(20000 + resource_id);
    return true;
}

bool pv_context_export_resource(struct pv_context *context, uint32_t resource_id,
                                struct pv_context_blob *blob)
{
    (void)context;
    (void)resource_id;
    (void)blob;
    return false;
}

void pv_context_set_fatal(struct pv_context *context, const char *why)
{
    (void)why;
    if (!atomic_exchange(&context->fatal, true)) {
        context->params.turned_fatal(context->params.user);
    }
}

bool pv_context_is_fatal(struct pv_context *context)
{
    return atomic_load(&context->fatal);
}

void pv_context_get_stats(struct pv_context *context, struct pv_stats *stats, uint64_t *counts)
{
    (void)context;
    (void)counts;
    stats->commands = atomic_load(&order_count);
}

/* --- a session on a thread -------------------------------------------------------------------- */

struct session {
    struct pv_thread thread;
    struct pv_log log;
    int socket;
    struct pv_vtest_params params;
    struct vtest_client client;
    _Atomic bool has_ended;
};

static void serve(void *user)
{
    struct session *session = user;
    reader = pthread_self();
    pv_vtest_serve(session->socket, &session->params);
    pv_fd_close(&session->socket);
    atomic_store(&session->has_ended, true);
}

static struct session *start(bool has_renderer)
{
    static uint32_t renderer;
    struct session *session = calloc(1, sizeof(*session));
    int pair[2];
    assert_int_equal(pv_fd_socket_pair(pair), PV_OK);
    session->socket = pair[0];
    session->params = (struct pv_vtest_params){
        .renderer = has_renderer ? (struct pv_renderer *)&renderer : NULL,
        .log = &session->log,
        .linger_ms = linger_ms,
    };
    vtest_client_attach(&session->client, pair[1]);
    atomic_store(&order_count, 0);
    atomic_store(&foreign_thread_count, 0);
    atomic_store(&gate_is_open, false);
    assert_int_equal(pv_thread_start(&session->thread, "session", serve, session), PV_OK);
    return session;
}

static struct session *start_opened(void)
{
    struct session *session = start(true);
    assert_true(vtest_client_open(&session->client, "a test"));
    return session;
}

static void end(struct session *session)
{
    vtest_client_close(&session->client);
    pv_thread_join(&session->thread);
    assert_int_equal(atomic_load(&context_count), 0);
    free(session);
}

static bool submit(struct session *session, uint32_t command, uint32_t word)
{
    const uint32_t words[2] = {command, word};
    return vtest_client_submit(&session->client, &(struct vtest_submit){
                                                     .commands = words,
                                                     .commands_size = sizeof(words),
                                                 });
}

/* --- tests ------------------------------------------------------------------------------------ */

static void a_client_finds_venus(void **state)
{
    (void)state;
    struct session *session = start(true);
    assert_true(vtest_client_greet(&session->client, "a test"));
    assert_true(session->client.has_venus);
    assert_int_equal(session->client.version, 4);
    end(session);
}

static void without_a_renderer_a_client_finds_no_venus(void **state)
{
    (void)state;
    struct session *session = start(false);
    assert_true(vtest_client_greet(&session->client, "a test"));
    assert_false(session->client.has_venus);
    end(session);
}

static void waits_are_answered_while_the_context_is_blocked(void **state)
{
    (void)state;
    struct session *session = start_opened();
    uint32_t id = vtest_client_sync_create(&session->client, 0);
    assert_true(submit(session, COMMAND_GATE, 1));
    const struct vtest_sync_value one = {id, 1};
    assert_true(vtest_client_submit(&session->client, &(struct vtest_submit){
                                                          .syncs = &one,
                                                          .sync_count = 1,
                                                          .stride = 6,
                                                      }));
    int fd = vtest_client_sync_wait(&session->client, false, UINT32_MAX, &one, 1);
    assert_int_equal(vtest_client_poll(fd, 50), 0);
    atomic_store(&gate_is_open, true);
    assert_true((vtest_client_poll(fd, 10000) & POLLIN) != 0);
    uint64_t value;
    assert_true(vtest_client_sync_read(&session->client, id, &value));
    assert_int_equal(value, 1);
    close(fd);
    end(session);
}

static void open_gate_later(void *user)
{
    (void)user;
    pv_clock_sleep_ns(50 * PV_NS_PER_MS);
    atomic_store(&gate_is_open, true);
}

static void blobs_of_memory_and_unrefs_keep_their_order(void **state)
{
    (void)state;
    struct session *session = start_opened();
    struct pv_thread opener;
    uint32_t shm, memory;
    int fds[2];
    assert_true(submit(session, COMMAND_GATE, 1));
    /* Shared memory of its own overtakes. */
    assert_true(vtest_client_create_blob(&session->client, 0, 1, 4096, &shm, &fds[0]));
    assert_true(vtest_client_unref(&session->client, shm));
    assert_true(submit(session, COMMAND_LOG, 2));
    assert_int_equal(pv_thread_start(&opener, "opener", open_gate_later, NULL), PV_OK);
    assert_true(vtest_client_create_blob(&session->client, 5, 1, 4096, &memory, &fds[1]));
    pv_thread_join(&opener);
    const uint32_t expected[] = {10000, 1, 20000 + shm, 2, 10005};
    assert_int_equal(atomic_load(&order_count), 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(atomic_load(&order[i]), expected[i]);
    }
    close(fds[0]);
    close(fds[1]);
    end(session);
}

static void bells_are_run_where_they_are_read(void **state)
{
    (void)state;
    struct session *session = start_opened();
    const uint32_t bell[6] = {COMMAND_BELL, 0, 1, 0, 0, 0};
    const struct vtest_submit rings = {.commands = bell, .commands_size = sizeof(bell)};
    for (uint32_t i = 0; i < 100; i++) {
        assert_true(vtest_client_submit(&session->client, &rings));
    }
    (void)vtest_client_sync_create(&session->client, 0);
    assert_int_equal(atomic_load(&order_count), 100);
    assert_int_equal(atomic_load(&foreign_thread_count), 0);
    end(session);
}

static void a_lost_client_gets_answers_and_then_an_error(void **state)
{
    (void)state;
    struct session *session = start_opened();
    uint32_t resource_id, id = vtest_client_sync_create(&session->client, 0);
    int fd;
    const struct vtest_sync_value one = {id, 1};
    int before = vtest_client_sync_wait(&session->client, false, UINT32_MAX, &one, 1);
    assert_true(submit(session, COMMAND_FAULT, 0));
    assert_int_equal(vtest_client_poll(before, 10000), POLLHUP);
    int after = vtest_client_sync_wait(&session->client, false, UINT32_MAX, &one, 1);
    assert_int_equal(vtest_client_poll(after, 10000), POLLHUP);
    assert_true(vtest_client_create_blob(&session->client, 0, 1, 8192, &resource_id, &fd));
    assert_int_equal(lseek(fd, 0, SEEK_END), 8192);
    close(fd);
    close(before);
    close(after);
    assert_int_equal(vtest_client_wait_for_end(&session->client), 0);
    end(session);
}

/* It would spin for ever on an end of file. */
static void a_client_that_waits_for_a_reply_hears_an_error(void **state)
{
    (void)state;
    struct session *session = start_opened();
    const uint32_t anything = 6;
    assert_true(vtest_client_send(&session->client, 77, &anything, 4));
    const uint32_t value[2] = {0, 0};
    assert_true(vtest_client_send(&session->client, PV_VTEST_SYNC_CREATE, value, sizeof(value)));
    assert_int_equal(vtest_client_wait_for_end(&session->client), ECONNRESET);
    end(session);
}

static void misordered_requests_are_faults(void **state)
{
    (void)state;
    const uint32_t dwords[6] = {PV_VTEST_BLOB_HOST3D, 1, 4096, 0, 0, 0};
    for (uint32_t step = 0; step < 4; step++) {
        struct session *session = start(true);
        if (step != 0) {
            assert_true(vtest_client_greet(&session->client, "a test"));
        }
        if (step == 3) {
            const uint32_t venus = 4;
            assert_true(vtest_client_send(&session->client, PV_VTEST_CONTEXT_INIT, &venus, 4));
            assert_true(vtest_client_send(&session->client, PV_VTEST_CONTEXT_INIT, &venus, 4));
        } else if (step == 2) {
            const uint32_t virgl = 1;
            assert_true(vtest_client_send(&session->client, PV_VTEST_CONTEXT_INIT, &virgl, 4));
        }
        /* Answered all the same, so that nobody hangs; but nothing was done. */
        assert_true(vtest_client_send(&session->client, PV_VTEST_RESOURCE_CREATE_BLOB, dwords,
                                      sizeof(dwords)));
        uint32_t id;
        assert_true(vtest_client_receive(&session->client, PV_VTEST_RESOURCE_CREATE_BLOB, &id, 1));
        int fd = vtest_client_receive_fd(&session->client);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(atomic_load(&order_count), 0);
        assert_int_equal(vtest_client_wait_for_end(&session->client), 0);
        end(session);
    }
}

static void a_client_may_leave_while_its_context_is_blocked(void **state)
{
    (void)state;
    struct session *session = start_opened();
    const uint32_t dwords[6] = {PV_VTEST_BLOB_HOST3D, 1, 4096, 0, 7, 0};
    assert_true(submit(session, COMMAND_GATE, 1));
    assert_true(
        vtest_client_send(&session->client, PV_VTEST_RESOURCE_CREATE_BLOB, dwords, sizeof(dwords)));
    pv_clock_sleep_ns(20 * PV_NS_PER_MS);
    end(session);
}

static void submits_beyond_the_queue_wait_their_turn(void **state)
{
    (void)state;
    struct session *session = start_opened();
    struct pv_thread opener;
    uint64_t value;
    uint32_t id = vtest_client_sync_create(&session->client, 0);
    assert_true(submit(session, COMMAND_GATE, 1));
    assert_int_equal(pv_thread_start(&opener, "opener", open_gate_later, NULL), PV_OK);
    for (uint32_t i = 0; i < 10000; i++) {
        assert_true(submit(session, COMMAND_LOG, i));
    }
    const struct vtest_sync_value one = {id, 1};
    const struct vtest_submit last = {.syncs = &one, .sync_count = 1};
    assert_true(vtest_client_submit(&session->client, &last));
    int fd = vtest_client_sync_wait(&session->client, false, UINT32_MAX, &one, 1);
    assert_true((vtest_client_poll(fd, 20000) & POLLIN) != 0);
    assert_int_equal(atomic_load(&order_count), 10001);
    assert_true(vtest_client_sync_read(&session->client, id, &value));
    assert_int_equal(value, 1);
    pv_thread_join(&opener);
    close(fd);
    end(session);
}

/* Random bytes, cut anywhere, before and after the greeting. */
static void random_frames_end_their_session_only(void **state)
{
    (void)state;
    unsigned int seed = 7;
    print_message("seed %u\n", seed);
    srand(seed);
    linger_ms = 1;
    for (uint32_t round = 0; round < 300; round++) {
        struct session *session = start(true);
        if (rand() % 4 != 0) {
            (void)vtest_client_open(&session->client, "random");
        }
        uint32_t frames = 1 + (uint32_t)rand() % 20;
        for (uint32_t i = 0; i < frames; i++) {
            uint32_t payload[64];
            uint32_t size = (uint32_t)rand() % 64;
            for (uint32_t d = 0; d < 64; d++) {
                payload[d] = rand() % 4 == 0 ? (uint32_t)rand() * 3u : (uint32_t)rand() % 12;
            }
            uint32_t command = (uint32_t)rand() % 26;
            (void)vtest_client_send(&session->client, command, payload, size * 4);
            if (rand() % 16 == 0) {
                shutdown(session->client.socket, SHUT_WR);
            }
        }
        atomic_store(&gate_is_open, true);
        end(session);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_finds_venus),
        cmocka_unit_test(without_a_renderer_a_client_finds_no_venus),
        cmocka_unit_test(waits_are_answered_while_the_context_is_blocked),
        cmocka_unit_test(blobs_of_memory_and_unrefs_keep_their_order),
        cmocka_unit_test(bells_are_run_where_they_are_read),
        cmocka_unit_test(a_lost_client_gets_answers_and_then_an_error),
        cmocka_unit_test(a_client_that_waits_for_a_reply_hears_an_error),
        cmocka_unit_test(misordered_requests_are_faults),
        cmocka_unit_test(a_client_may_leave_while_its_context_is_blocked),
        cmocka_unit_test(submits_beyond_the_queue_wait_their_turn),
        cmocka_unit_test(random_frames_end_their_session_only),
    };
    return cmocka_run_group_tests_name("vtest_session", tests, NULL, NULL);
}
