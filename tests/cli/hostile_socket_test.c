#include "base/clock.h"
#include "fakes/guest_vtest.h"
#include "front/vtest/protocol.h"
#include "unit/check.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A real `pearvisor serve`, and clients that nobody would want. After each, a well-behaved one is
 * served from end to end. */

extern char **environ;

static char directory[] = "/tmp/pearvisor-test-XXXXXX";
static char path[64];
static pid_t server;

static struct guest *connect_patiently(void)
{
    for (int i = 0; i < 600; i++) {
        struct guest *g = guest_connect(path);
        if (g != NULL) {
            return g;
        }
        pv_clock_sleep_ns(100 * PV_NS_PER_MS);
    }
    return NULL;
}

static int start_server(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    if (mkdtemp(directory) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof(path), "%s/socket", directory);
    char *arguments[] = {
        getenv("PV_TEST_PROGRAM"), "serve", "--socket", path, "--log", "error", NULL};
    return posix_spawn(&server, arguments[0], NULL, NULL, arguments, environ);
}

static int stop_server(void **state)
{
    (void)state;
    int status = 0;
    (void)kill(server, SIGTERM);
    (void)waitpid(server, &status, 0);
    (void)unlink(path);
    (void)rmdir(directory);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static void check_server(void)
{
    assert_int_equal(waitpid(server, NULL, WNOHANG), 0);
    struct guest *g = connect_patiently();
    assert_non_null(g);
    guest_ring_create(g, &g->ring);
    guest_open_device(g);
    guest_fence(g, 0, 1);
    guest_fence(g, 1, 2);
    assert_int_equal(guest_fences_retired(g), 2);
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence = GUEST_HANDLE(guest_id(g));
    struct pv_vkCreateFence a = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &info, .pFence = &fence};
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateFence, &a), VK_SUCCESS);
    guest_destroy(g);
}

static void a_well_behaved_client_is_served(void **state)
{
    (void)state;
    check_server();
}

/* --- frames ------------------------------------------------------------------------------------
 */

/* Connected, and as far as a step; gone with guest_destroy() or close_raw(). */
static struct vtest_client connect_raw(void)
{
    struct vtest_client client;
    assert_true(vtest_client_connect(&client, path));
    return client;
}

static void send_raw(struct vtest_client *client, const void *bytes, size_t size)
{
    (void)send(client->socket, bytes, size, MSG_NOSIGNAL);
}

static void truncated_frames_end_their_client_only(void **state)
{
    (void)state;
    static const uint32_t frame[] = {4, PV_VTEST_CREATE_RENDERER, 0x00696c63};
    for (size_t size = 0; size < sizeof(frame); size++) {
        struct vtest_client client = connect_raw();
        send_raw(&client, frame, size);
        vtest_client_close(&client);
    }
    check_server();
}

static void oversized_frames_end_their_client_only(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {UINT32_MAX, UINT32_MAX / 4, 1U << 30, 1U << 24};
    for (size_t i = 0; i < 4; i++) {
        const uint32_t first[] = {lengths[i], PV_VTEST_CREATE_RENDERER};
        struct vtest_client client = connect_raw();
        send_raw(&client, first, sizeof(first));
        (void)vtest_client_poll(client.socket, 200);
        vtest_client_close(&client);
        const uint32_t later[] = {lengths[i], PV_VTEST_SUBMIT_CMD2, 1};
        client = connect_raw();
        assert_true(vtest_client_open(&client, "big"));
        send_raw(&client, later, sizeof(later));
        (void)vtest_client_poll(client.socket, 200);
        vtest_client_close(&client);
    }
    check_server();
}

static void misordered_requests_end_their_client_only(void **state)
{
    (void)state;
    static const uint32_t zeros[8];
    for (uint32_t command = 1; command <= 40; command++) {
        struct vtest_client client = connect_raw();
        (void)vtest_client_send(&client, command, zeros, command % 8 * 4);
        vtest_client_close(&client);
    }
    struct vtest_client client = connect_raw();
    const uint32_t capset = PV_VTEST_CAPSET_VENUS;
    assert_true(vtest_client_open(&client, "twice"));
    (void)vtest_client_send(&client, PV_VTEST_CONTEXT_INIT, &capset, 4);
    (void)vtest_client_poll(client.socket, 200);
    vtest_client_close(&client);
    check_server();
}

static void random_frames_end_their_client_only(void **state)
{
    (void)state;
    uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
    print_message("seed %llx\n", (unsigned long long)random);
    for (int round = 0; round < 8; round++) {
        struct vtest_client client = connect_raw();
        if (round % 2 == 0) {
            assert_true(vtest_client_open(&client, "random"));
        }
        for (int frame = 0; frame < 50; frame++) {
            uint32_t words[18];
            for (size_t i = 0; i < 18; i++) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                words[i] = (uint32_t)(random >> 20) % 70;
            }
            words[0] = words[0] % 16;
            words[1] = words[1] % 41;
            send_raw(&client, words, 8 + 4 * (size_t)words[0]);
        }
        (void)vtest_client_poll(client.socket, 100);
        vtest_client_close(&client);
    }
    check_server();
}

static void submits_beyond_their_frame_end_their_client_only(void **state)
{
    (void)state;
    static const uint32_t payloads[][10] = {
        {UINT32_MAX},
        {0x20000000, 1},
        {1, 1, 9, UINT32_MAX, 0, 0, 0, 0, 0},
        {1, 1, UINT32_MAX, 4, 0, 0, 0, 0, 0},
        {1, 1, 9, 0, 9, UINT32_MAX, 0, 0, 0},
        {1, 1, 9, 0, UINT32_MAX - 2, 1, 0, 0, 0},
        {1, 1, 0, 4, 0, 0, 0, 0, 0},
        {1, 1, 8, 1, 0, 0, 0, 0, 0},
        {2, 1, 9, 0, 0, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        struct vtest_client client = connect_raw();
        assert_true(vtest_client_open(&client, "submit"));
        (void)vtest_client_send(&client, PV_VTEST_SUBMIT_CMD2, payloads[i], sizeof(payloads[i]));
        (void)vtest_client_poll(client.socket, 50);
        vtest_client_close(&client);
    }
    check_server();
}

/* --- memory ------------------------------------------------------------------------------------
 */

static void shared_memory_cannot_be_shrunk_or_grown(void **state)
{
    (void)state;
    struct guest *g = connect_patiently();
    assert_non_null(g);
    uint32_t id = 0;
    int fd = -1;
    assert_true(vtest_client_create_blob(guest_client(g), 0, 1, 65536, &id, &fd));
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 4096), -1);
    assert_int_equal(ftruncate(fd, 1 << 20), -1);
    (void)close(fd);
    guest_destroy(g);
    check_server();
}

static void blobs_that_cannot_be_end_their_client_at_most(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, UINT64_MAX, UINT64_C(1) << 62};
    for (size_t i = 0; i < 3; i++) {
        struct guest *g = connect_patiently();
        assert_non_null(g);
        uint32_t id = 0;
        int fd = -1;
        if (vtest_client_create_blob(guest_client(g), i == 0 ? 4711 : 0, 1, sizes[i], &id, &fd)) {
            (void)close(fd);
        }
        guest_destroy(g);
    }
    check_server();
}

/* --- commands ----------------------------------------------------------------------------------
 */

static void garbage_in_a_ring_turns_it_fatal(void **state)
{
    (void)state;
    struct guest *g = connect_patiently();
    assert_non_null(g);
    guest_ring_create(g, &g->ring);
    guest_open_device(g);
    struct guest_ring other;
    guest_ring_create(g, &other);
    /* A ring that the server has not heard of when the context ends cannot be told. */
    guest_fence(g, 0, 7);
    assert_true(guest_wait_fences(g, 1));
    static const uint32_t garbage[] = {7777, 0};
    (void)guest_write(&g->ring, garbage, sizeof(garbage));
    assert_true(guest_ring_wait_status(&g->ring, PV_RING_STATUS_FATAL));
    assert_true(guest_ring_wait_status(&other, PV_RING_STATUS_FATAL));
    /* Fences do not keep anybody waiting. */
    guest_fence(g, 1, 1);
    guest_ring_finish(&other);
    guest_destroy(g);
    check_server();
}

static void garbage_on_the_context_stream_turns_rings_fatal(void **state)
{
    (void)state;
    struct guest *g = connect_patiently();
    assert_non_null(g);
    guest_ring_create(g, &g->ring);
    static const uint32_t garbage[] = {7777, 0};
    (void)guest_write_context(g, garbage, sizeof(garbage));
    assert_true(guest_ring_wait_status(&g->ring, PV_RING_STATUS_FATAL));
    guest_destroy(g);
    check_server();
}

/* --- clients that vanish ------------------------------------------------------------------------
 */

static void a_client_may_vanish_at_every_stage(void **state)
{
    (void)state;
    struct vtest_client client = connect_raw();
    vtest_client_close(&client);
    client = connect_raw();
    assert_true(vtest_client_greet(&client, "greets"));
    vtest_client_close(&client);
    for (enum guest_stage stage = 0; stage < GUEST_STAGE_COUNT; stage++) {
        struct guest *g = connect_patiently();
        assert_non_null(g);
        guest_ring_create(g, &g->ring);
        guest_open(g, stage);
        guest_destroy(g);
    }
    check_server();
}

static void a_client_may_vanish_while_its_ring_and_context_wait(void **state)
{
    (void)state;
    struct guest *g = connect_patiently();
    assert_non_null(g);
    guest_ring_create(g, &g->ring);
    assert_true(GUEST_SEND(&g->ring, vkWaitVirtqueueSeqnoMESA, .seqno = 1));
    assert_true(GUEST_CONTEXT(g, vkWaitRingSeqnoMESA, .ring = g->ring.id, .seqno = g->ring.tail));
    pv_clock_sleep_ns(10 * PV_NS_PER_MS);
    guest_destroy(g);
    check_server();
}

static void a_client_may_vanish_within_a_frame(void **state)
{
    (void)state;
    struct guest *g = connect_patiently();
    assert_non_null(g);
    guest_ring_create(g, &g->ring);
    static const uint32_t half[] = {100, PV_VTEST_SUBMIT_CMD2, 1, 1};
    send_raw(guest_client(g), half, sizeof(half));
    guest_destroy(g);
    check_server();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_well_behaved_client_is_served),
        cmocka_unit_test(truncated_frames_end_their_client_only),
        cmocka_unit_test(oversized_frames_end_their_client_only),
        cmocka_unit_test(misordered_requests_end_their_client_only),
        cmocka_unit_test(random_frames_end_their_client_only),
        cmocka_unit_test(submits_beyond_their_frame_end_their_client_only),
        cmocka_unit_test(shared_memory_cannot_be_shrunk_or_grown),
        cmocka_unit_test(blobs_that_cannot_be_end_their_client_at_most),
        cmocka_unit_test(garbage_in_a_ring_turns_it_fatal),
        cmocka_unit_test(garbage_on_the_context_stream_turns_rings_fatal),
        cmocka_unit_test(a_client_may_vanish_at_every_stage),
        cmocka_unit_test(a_client_may_vanish_while_its_ring_and_context_wait),
        cmocka_unit_test(a_client_may_vanish_within_a_frame),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
