#include "base/clock.h"
#include "checks.h"
#include "fakes/guest_remote.h"
#include "fakes/patience.h"
#include "front/context/serve.h"
#include "isolate/hosts.h"
#include "isolate/messages.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Contexts behind a packet socket: front/context on a thread, isolate/remote before it. */

struct remote_state {
    struct remote_server server;
    struct guest *g;
    struct guest_baseline baseline;
    int64_t live_objects;
};

static struct guest *open_guest(struct remote_server *server)
{
    struct guest *g = guest_create_remote(remote_server_start(server, true));
    guest_ring_create(g, &g->ring);
    guest_open_device(g);
    return g;
}

static int setup(void **state)
{
    struct remote_state *test = calloc(1, sizeof(*test));
    if (test == NULL) {
        return -1;
    }
    pv_fake_reset();
    test->live_objects = pv_fake_alive_count();
    test->baseline = guest_baseline();
    test->g = open_guest(&test->server);
    *state = test;
    return 0;
}

static int teardown(void **state)
{
    struct remote_state *test = *state;
    guest_destroy(test->g);
    remote_server_join(&test->server);
    bool is_back = pv_fake_alive_count() == test->live_objects &&
                   guest_is_back_at(&test->baseline, UINT64_C(1) << 20);
    free(test);
    return is_back ? 0 : -1;
}

#define REMOTE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static struct guest *remote_of(void **state)
{
    return ((struct remote_state *)*state)->g;
}

static void a_remote_context_works_as_any_other(void **state)
{
    struct guest *g = remote_of(state);
    (void)make_fence(g, 0);
    for (uint32_t i = 0; i < 100; i++) {
        guest_fence(g, i % 2, i);
    }
    assert_true(guest_wait_fences(g, 100));
    uint64_t last[2] = {0, 0};
    for (uint32_t i = 0; i < 100; i++) { /* in order within each timeline */
        assert_true(g->fences[i].cookie >= last[g->fences[i].ring_idx]);
        last[g->fences[i].ring_idx] = g->fences[i].cookie;
    }
    struct guest_shm shm;
    assert_int_equal(world_allocate(g, 10000, &shm, NULL), VK_SUCCESS);
    assert_int_not_equal(shm.resource_id, 0);
    struct pv_remote_blob blob = guest_remote_last_blob(g);
    assert_int_equal(blob.kind, PV_CONTEXT_BLOB_MEMORY);
    assert_int_equal(blob.caching, PV_CONTEXT_MAP_CACHED);
    assert_int_equal(blob.map_size, 12288);
    guest_shm_destroy(g, &shm);
}

static void a_blob_that_cannot_be_is_answered(void **state)
{
    struct guest *g = remote_of(state);
    struct guest_shm shm = guest_blob_create(g, 0xdead, PV_BLOB_FLAG_MAPPABLE, 4096);
    assert_int_equal(shm.resource_id, 0);
    guest_fence(g, 0, 1); /* and nothing else is wrong */
    assert_true(guest_wait_fences(g, 1));
}

/* What another context has exported is the same memory here. */
static void memory_travels_between_contexts(void **state)
{
    struct guest *g = remote_of(state);
    struct remote_server other_server = {0};
    struct guest *other = open_guest(&other_server);
    struct guest_shm shm;
    assert_int_equal(world_allocate(other, 65536, &shm, NULL), VK_SUCCESS);
    uint32_t id = guest_remote_attach(g, other, shm.resource_id);
    assert_int_not_equal(id, 0);
    guest_fence(g, 0, 1);
    assert_true(guest_wait_fences(g, 1));
    const VkImportMemoryResourceInfoMESA import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_RESOURCE_INFO_MESA,
        .resourceId = id,
    };
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = &import,
        .allocationSize = 65536,
        .memoryTypeIndex = PV_FAKE_TYPE_VISIBLE,
    };
    VkDeviceMemory memory = GUEST_HANDLE(guest_id(g));
    struct pv_vkAllocateMemory a = {
        .device = GUEST_HANDLE(g->device), .pAllocateInfo = &info, .pMemory = &memory};
    assert_int_equal(GUEST_RESULT(&g->ring, vkAllocateMemory, &a), VK_SUCCESS);
    guest_shm_destroy(other, &shm);
    guest_destroy(other);
    remote_server_join(&other_server);
}

static void a_stream_larger_than_a_packet_arrives_whole(void **state)
{
    struct remote_state *test = *state;
    struct guest *g = test->g;
    enum { COMMANDS = 20000 };
    struct pv_encoder *out = guest_begin_context(g);
    pv_guest_encode_vkNotifyRingMESA(out, 0, &(struct pv_vkNotifyRingMESA){.ring = g->ring.id});
    size_t size = (size_t)(out->cursor - g->scratch);
    uint8_t *stream = malloc(COMMANDS * size);
    for (size_t i = 0; i < COMMANDS; i++) {
        memcpy(stream + i * size, g->scratch, size);
    }
    assert_true(guest_submit_context(g));
    assert_true(COMMANDS * size > 6 * 65536);
    assert_true(guest_write_context(g, stream, COMMANDS * size));
    free(stream);
    guest_fence(g, 0, 1);
    assert_true(guest_wait_fences(g, 1));
    guest_destroy(g);
    remote_server_join(&test->server);
    assert_true(test->server.stats.commands > COMMANDS);
    assert_int_equal(test->server.stats.faults, 0);
    const struct pv_stats *stats = &test->server.stats;
    assert_true(stats->commands_by_kind[PV_COMMAND_KIND_PROTOCOL] > COMMANDS);
    assert_true(stats->stream_bytes > COMMANDS * size);
    assert_true(stats->rings == 1 && stats->ring_ns > 0);
    assert_true(stats->replies > 0 && stats->mapped_bytes > 0);
    test->server = (struct remote_server){0};
    test->g = open_guest(&test->server);
}

static _Atomic bool gate_is_open;

static bool hold_back(void *user, enum pv_fake_command command, void *args)
{
    (void)user;
    (void)args;
    while (command == PV_FAKE_vkCreateFence && !atomic_load(&gate_is_open)) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    return false;
}

/* The ring stands in the driver until the gate opens. */
static void hold_ring(struct guest *g)
{
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence = GUEST_HANDLE(guest_id(g));
    atomic_store(&gate_is_open, false);
    pv_fake_set_hook(hold_back, NULL);
    assert_true(GUEST_SEND(&g->ring, vkCreateFence, .device = GUEST_HANDLE(g->device),
                           .pCreateInfo = &info, .pFence = &fence));
}

/* Requests keep their order, and a device hears nothing of a fence before its turn. */
static void a_fence_waits_for_the_stream_before_it(void **state)
{
    struct guest *g = remote_of(state);
    hold_ring(g);
    assert_true(GUEST_CONTEXT(g, vkWaitRingSeqnoMESA, .ring = g->ring.id, .seqno = g->ring.tail));
    guest_fence(g, 0, 1);
    pv_clock_sleep_ns(50 * PV_NS_PER_MS);
    assert_int_equal(guest_fences_retired(g), 0);
    atomic_store(&gate_is_open, true);
    assert_true(guest_wait_fences(g, 1));
}

static void hang_up_ends_a_context_that_waits_for_its_guest(void **state)
{
    struct remote_state *test = *state;
    struct guest *g = test->g;
    /* The ring waits for a stream that never comes, and this one for the ring. */
    assert_true(GUEST_SEND(&g->ring, vkWaitVirtqueueSeqnoMESA, .seqno = 1000));
    assert_true(GUEST_CONTEXT(g, vkWaitRingSeqnoMESA, .ring = g->ring.id, .seqno = g->ring.tail));
    guest_fence(g, 0, 1);
    pv_clock_sleep_ns(50 * PV_NS_PER_MS);
    assert_int_equal(guest_fences_retired(g), 0);
    uint64_t before_ns = pv_clock_now_ns();
    guest_destroy(g);
    remote_server_join(&test->server);
    assert_true(pv_clock_now_ns() - before_ns < PATIENCE_NS);
    test->server = (struct remote_server){0};
    test->g = open_guest(&test->server);
}

static void a_guest_that_breaks_the_protocol_gets_all_its_answers(void **state)
{
    struct guest *g = remote_of(state);
    const char *why = NULL;
    static const uint32_t nonsense[] = {0xffffffff, 0};
    hold_ring(g);
    assert_true(guest_write(&g->ring, nonsense, sizeof(nonsense)));
    assert_true(GUEST_CONTEXT(g, vkWaitRingSeqnoMESA, .ring = g->ring.id, .seqno = g->ring.tail));
    for (uint32_t i = 0; i < 10; i++) {
        guest_fence(g, i % 3, i);
    }
    assert_int_equal(guest_fences_retired(g), 0);
    atomic_store(&gate_is_open, true);
    assert_true(guest_remote_wait_lost(g, &why));
    assert_non_null(why);
    assert_true(guest_wait_fences(g, 10));
    assert_true(guest_ring_wait_status(&g->ring, 2)); /* FATAL */
    guest_fence(g, 1, 10);                            /* and later ones, too */
    assert_true(guest_wait_fences(g, 11));
    assert_int_equal(guest_blob_create(g, 5, PV_BLOB_FLAG_MAPPABLE, 4096).resource_id, 0);
}

static void memory_that_cannot_be_attached_loses_the_context(void **state)
{
    struct guest *g = remote_of(state);
    const char *why = NULL;
    int fd = pv_remote_shm_create(4096);
    pv_remote_attach(guest_remote_lock(g), g->ring.shm.resource_id, PV_CONTEXT_BLOB_SHM, fd, 4096);
    guest_remote_unlock(g);
    close(fd);
    assert_true(guest_remote_wait_lost(g, &why));
    assert_non_null(why);
}

static void without_a_driver_a_context_is_lost_from_the_start(void **state)
{
    (void)state;
    struct remote_server server = {0};
    const char *why = NULL;
    struct guest *g = guest_create_remote(remote_server_start(&server, false));
    guest_fence(g, 0, 1);
    assert_true(guest_remote_wait_lost(g, &why));
    assert_non_null(why);
    assert_true(guest_wait_fences(g, 1));
    guest_destroy(g);
    remote_server_join(&server);
}

/* Threads for contexts, as a device without workers has them. */
static void serve_on_thread(void *user, uint32_t context_id, int taken_socket)
{
    const struct pv_log silent = {0};
    const struct pv_context_serve_params params = {
        .renderer = user,
        .log = &silent,
        .context_id = context_id,
    };
    pv_context_serve(taken_socket, &params);
    close(taken_socket);
}

static void threads_serve_as_many_contexts_as_they_may(void **state)
{
    (void)state;
    enum { LIMIT = 4 };
    const struct pv_log silent = {0};
    pv_fake_reset();
    int64_t live_objects = pv_fake_alive_count();
    struct guest_baseline baseline = guest_baseline();
    struct pv_renderer *renderer = remote_renderer_create(&silent);
    struct pv_hosts *hosts;
    const struct pv_hosts_params params = {
        .log = &silent, .serve = serve_on_thread, .user = renderer, .limit = LIMIT};
    assert_int_equal(pv_hosts_create(&params, &hosts), PV_OK);
    for (int round = 0; round < 2; round++) {
        struct guest *guests[LIMIT];
        int socket;
        for (uint32_t i = 0; i < LIMIT; i++) {
            assert_int_equal(pv_hosts_open(hosts, i + 1, &socket), PV_OK);
            guests[i] = guest_create_remote(socket);
        }
        assert_int_equal(pv_hosts_open(hosts, LIMIT + 1, &socket), PV_NO_MEMORY);
        assert_int_equal(socket, -1);
        for (uint32_t i = 0; i < LIMIT; i++) {
            guest_ring_create(guests[i], &guests[i]->ring);
            guest_open_device(guests[i]);
            guest_fence(guests[i], 1, 1);
            assert_true(guest_wait_fences(guests[i], 1));
            guest_destroy(guests[i]);
        }
        struct pollfd ended = {.fd = pv_hosts_poll_fd(hosts), .events = POLLIN};
        uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
        while (guest_baseline().threads > baseline.threads && pv_clock_now_ns() < deadline_ns) {
            assert_int_equal(poll(&ended, 1, PATIENCE_S * 1000), 1);
            pv_hosts_dispatch(hosts);
            assert_int_equal(pv_hosts_process_count(hosts), 0);
        }
    }
    pv_hosts_destroy(hosts);
    remote_renderer_destroy(renderer);
    assert_int_equal(pv_fake_alive_count(), live_objects);
    assert_true(guest_is_back_at(&baseline, UINT64_C(1) << 20));
}

/* Everything is sent, then heard: LOST, and the end. */
/* Names memory to a ring, whatever it is. */
static bool set_reply(struct guest *g, uint32_t resource_id)
{
    const VkCommandStreamDescriptionMESA stream = {.resourceId = resource_id, .size = 4096};
    return GUEST_SEND(&g->ring, vkSetReplyCommandStreamMESA, .pStream = &stream);
}

/* The device tells its guest of memory as soon as it is there, and the guest a ring of its own;
 * what the device tells us takes another way. */
static void a_ring_waits_for_memory_that_is_on_its_way(void **state)
{
    struct guest *g = remote_of(state);
    const uint32_t id = 0x10000;
    uint32_t head = guest_ring_head(&g->ring);
    assert_true(set_reply(g, id));
    pv_clock_sleep_ns(50 * PV_NS_PER_MS);
    assert_int_equal(guest_ring_head(&g->ring), head);
    int fd = pv_remote_shm_create(4096);
    pv_remote_attach(guest_remote_lock(g), id, PV_CONTEXT_BLOB_SHM, fd, 4096);
    guest_remote_unlock(g);
    (void)close(fd);
    assert_true(guest_finish(&g->ring));
    (void)make_fence(g, 0);
}

static void memory_that_never_comes_is_a_fault(void **state)
{
    struct guest *g = remote_of(state);
    const char *why = NULL;
    uint64_t begin_ns = pv_clock_now_ns();
    assert_true(set_reply(g, 0x10000));
    assert_true(guest_remote_wait_lost(g, &why));
    uint64_t waited_ns = pv_clock_now_ns() - begin_ns;
    assert_true(waited_ns >= 10 * PV_NS_PER_S && waited_ns < PATIENCE_NS);
}

/* The test's end hangs up; it must not wait for the memory, too. */
static void a_ring_that_waits_for_memory_can_be_stopped(void **state)
{
    uint64_t best_ns = UINT64_MAX;
    (void)state;
    for (int i = 0; i < 5 && best_ns >= 5 * PV_NS_PER_S; i++) {
        struct remote_server server = {0};
        struct guest *g = open_guest(&server);
        assert_true(set_reply(g, 0x10000));
        pv_clock_sleep_ns(20 * PV_NS_PER_MS);
        uint64_t begin_ns = pv_clock_now_ns();
        guest_destroy(g);
        remote_server_join(&server);
        uint64_t took_ns = pv_clock_now_ns() - begin_ns;
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    assert_true(best_ns < 5 * PV_NS_PER_S);
}

static struct pv_packets start_server(struct remote_server *server)
{
    struct pv_packets peer;
    assert_int_equal(pv_packets_init(&peer, remote_server_start(server, true)), PV_OK);
    return peer;
}

static void expect_sent_away(struct pv_packets *peer)
{
    static _Alignas(8) uint8_t buffer[PV_MESSAGE_SIZE_MAX];
    struct pv_message message;
    assert_int_equal(pv_message_receive(peer, PV_MESSAGE_FROM_CONTEXT, true, buffer, &message),
                     PV_OK);
    assert_int_equal(message.type, PV_MESSAGE_LOST);
    assert_int_equal(pv_message_receive(peer, PV_MESSAGE_FROM_CONTEXT, true, buffer, &message),
                     PV_CLOSED);
}

static void a_device_that_speaks_nonsense_is_sent_away(void **state)
{
    (void)state;
    static const uint8_t bytes[100];
    struct {
        uint64_t size_bytes; /* of the stream */
        size_t piece;
    } pieces[][2] = {
        {{0, 0}},                        /* a stream of nothing */
        {{50, 100}},                     /* more than it has */
        {{PV_SUBMIT_SIZE_MAX + 1, 100}}, /* too long */
        {{150, 100}, {150, 100}},        /* more than is left */
        {{150, 100}, {160, 50}},         /* of another stream */
        {{150, 100}, {UINT64_MAX, 0}},   /* another message: see below */
    };
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct remote_server server = {0};
        struct pv_packets peer = start_server(&server);
        for (size_t j = 0; j < 2 && (j == 0 || pieces[i][j].size_bytes != 0); j++) {
            const struct pv_submit_piece head = {.size_bytes = pieces[i][j].size_bytes};
            const struct pv_unref_request unref = {1};
            enum pv_result result =
                head.size_bytes != UINT64_MAX
                    ? pv_message_send(&peer, PV_MESSAGE_SUBMIT, &head, sizeof(head), bytes,
                                      pieces[i][j].piece, -1)
                    : pv_message_send(&peer, PV_MESSAGE_UNREF, &unref, sizeof(unref), NULL, 0, -1);
            assert_int_equal(result, PV_OK);
        }
        expect_sent_away(&peer);
        pv_packets_close(&peer);
        remote_server_join(&server);
    }
}

static void malformed_packets_end_a_context(void **state)
{
    (void)state;
    static const uint32_t packets[][4] = {
        {0}, {PV_MESSAGE_FENCE_RETIRED}, {PV_MESSAGE_FENCE}, {PV_MESSAGE_ATTACH}, {UINT32_MAX}};
    for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
        struct remote_server server = {0};
        struct pv_packets peer = start_server(&server);
        const struct iovec part = {(void *)(uintptr_t)packets[i], sizeof(packets[i])};
        bool sent;
        assert_int_equal(
            pv_packets_send(&peer, &(struct pv_packet_parts){&part, 1, NULL, 0}, true, &sent),
            PV_OK);
        expect_sent_away(&peer);
        pv_packets_close(&peer);
        remote_server_join(&server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REMOTE_TEST(a_remote_context_works_as_any_other),
        REMOTE_TEST(a_blob_that_cannot_be_is_answered),
        REMOTE_TEST(memory_travels_between_contexts),
        REMOTE_TEST(a_stream_larger_than_a_packet_arrives_whole),
        REMOTE_TEST(a_fence_waits_for_the_stream_before_it),
        REMOTE_TEST(hang_up_ends_a_context_that_waits_for_its_guest),
        REMOTE_TEST(a_guest_that_breaks_the_protocol_gets_all_its_answers),
        REMOTE_TEST(memory_that_cannot_be_attached_loses_the_context),
        REMOTE_TEST(a_ring_waits_for_memory_that_is_on_its_way),
        REMOTE_TEST(memory_that_never_comes_is_a_fault),
        cmocka_unit_test(a_ring_that_waits_for_memory_can_be_stopped),
        cmocka_unit_test(threads_serve_as_many_contexts_as_they_may),
        cmocka_unit_test(a_device_that_speaks_nonsense_is_sent_away),
        cmocka_unit_test(malformed_packets_end_a_context),
        cmocka_unit_test(without_a_driver_a_context_is_lost_from_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
