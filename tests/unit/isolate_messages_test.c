#include "base/fd.h"
#include "blob/shm.h"
#include "check.h"
#include "isolate/environment.h"
#include "isolate/messages.h"
#include "isolate/ring_word.h"
#include "isolate/worker.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Alignas(8) uint8_t buffer[PV_MESSAGE_SIZE_MAX];

static void open_pair(struct pv_packets ends[2])
{
    int sockets[2];
    assert_int_equal(pv_packets_connect(sockets), PV_OK);
    assert_int_equal(pv_packets_init(&ends[0], sockets[0]), PV_OK);
    assert_int_equal(pv_packets_init(&ends[1], sockets[1]), PV_OK);
}

static void close_pair(struct pv_packets ends[2])
{
    pv_packets_close(&ends[0]);
    pv_packets_close(&ends[1]);
}

static size_t open_count(void)
{
    size_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count;
}

static void messages_arrive_as_they_were_sent(void **state)
{
    (void)state;
    struct pv_packets ends[2];
    struct pv_message message;
    open_pair(ends);
    struct pv_ring_word word = {.status_offset = 128};
    assert_int_equal(
        pv_message_send(&ends[0], PV_MESSAGE_RING, &word, sizeof(word), NULL, 0, ends[0].socket),
        PV_OK);
    static struct pv_setup setup = {.log_level = 3, .gpu = "llvmpipe"};
    static uint8_t plans[90000];
    memset(plans, 0x5a, sizeof(plans));
    assert_int_equal(pv_message_send(&ends[0], PV_MESSAGE_SETUP, &setup, sizeof(setup), plans,
                                     sizeof(plans), -1),
                     PV_OK);
    assert_int_equal(pv_message_receive(&ends[1], PV_MESSAGE_FROM_WORKER, true, buffer, &message),
                     PV_OK);
    assert_int_equal(message.type, PV_MESSAGE_RING);
    assert_memory_equal(message.payload, &word, sizeof(word));
    assert_true(message.fd >= 0);
    assert_int_equal(fcntl(message.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(message.fd);
    assert_int_equal(pv_message_receive(&ends[1], PV_MESSAGE_TO_WORKER, true, buffer, &message),
                     PV_OK);
    assert_int_equal(message.type, PV_MESSAGE_SETUP);
    assert_int_equal(message.size, sizeof(setup) + sizeof(plans));
    assert_memory_equal(message.payload + sizeof(setup), plans, sizeof(plans));
    assert_int_equal(pv_message_receive(&ends[1], PV_MESSAGE_FROM_WORKER, false, buffer, &message),
                     PV_OK);
    assert_int_equal(message.type, 0);
    pv_packets_close(&ends[0]);
    assert_int_equal(pv_message_receive(&ends[1], PV_MESSAGE_FROM_WORKER, true, buffer, &message),
                     PV_CLOSED);
    pv_packets_close(&ends[1]);
}

static void send_raw(struct pv_packets *end, const void *bytes, size_t size, const int *fds,
                     size_t fd_count)
{
    const struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    const struct pv_packet_parts packet = {&part, 1, fds, fd_count};
    bool sent;
    assert_int_equal(pv_packets_send(end, &packet, true, &sent), PV_OK);
    assert_true(sent);
}

/* A worker that has been taken over may send anything. */
static void malformed_messages_are_faults_and_leave_nothing_open(void **state)
{
    (void)state;
    struct pv_packets ends[2];
    struct pv_message message;
    open_pair(ends);
    const int fds[3] = {ends[0].socket, ends[0].socket, ends[0].socket};
    const struct {
        uint32_t type;
        size_t size;
        size_t fd_count;
    } bad[] = {
        {0, 8, 0},
        {PV_MESSAGE_TYPE_COUNT, 8, 0},
        {UINT32_MAX, 64, 0},
        {PV_MESSAGE_RING, 4, 1},  /* not even a header */
        {PV_MESSAGE_RING, 8, 1},  /* no payload */
        {PV_MESSAGE_RING, 16, 0}, /* no descriptor */
        {PV_MESSAGE_RING, 16, 2}, /* too many */
        {PV_MESSAGE_RING, 16, 3},
        {PV_MESSAGE_RING, 24, 1},   /* too long */
        {PV_MESSAGE_READY, 8, 0},   /* too short */
        {PV_MESSAGE_STATS, 16, 0},  /* too short */
        {PV_MESSAGE_PROBED, 8, 1},  /* a descriptor that does not belong */
        {PV_MESSAGE_CLIENT, 12, 1}, /* the wrong direction */
        {PV_MESSAGE_SETUP, 8 + sizeof(struct pv_setup), 0},
        {PV_MESSAGE_LOST, 8, 0}, /* another connection's */
    };
    size_t before = open_count();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        static uint32_t packet[16384];
        packet[0] = bad[i].type;
        send_raw(&ends[0], packet, bad[i].size, fds, bad[i].fd_count);
        assert_int_equal(
            pv_message_receive(&ends[1], PV_MESSAGE_FROM_WORKER, true, buffer, &message),
            PV_GUEST_FAULT);
        assert_int_equal(message.fd, -1);
        assert_int_equal(open_count(), before);
    }
    close_pair(ends);
}

/* Between a context and its device: in each direction only what belongs there. */
static void messages_of_a_context_keep_their_direction_and_shape(void **state)
{
    (void)state;
    struct pv_packets ends[2];
    struct pv_message message;
    open_pair(ends);
    const struct {
        uint32_t type;
        size_t size;
        size_t fd_count;
        bool to_context, from_context;
    } cases[] = {
        {PV_MESSAGE_SUBMIT, 8 + 8 + 4, 0, true, false},
        {PV_MESSAGE_SUBMIT, 8 + 8 + PV_SUBMIT_PIECE_MAX, 0, true, false},
        {PV_MESSAGE_SUBMIT, 8 + 8 + PV_SUBMIT_PIECE_MAX + 1, 0, false, false},
        {PV_MESSAGE_SUBMIT, 8 + 8 + 4, 1, false, false},
        {PV_MESSAGE_FENCE, 8 + 16, 0, true, false},
        {PV_MESSAGE_BLOB, 8 + 24, 0, true, false},
        {PV_MESSAGE_ATTACH, 8 + 16, 0, false, false},
        {PV_MESSAGE_ATTACH, 8 + 16, 1, true, false},
        {PV_MESSAGE_UNREF, 8 + 4, 0, true, false},
        {PV_MESSAGE_BLOB_CREATED, 8 + 24, 0, false, true},
        {PV_MESSAGE_BLOB_CREATED, 8 + 24, 1, false, true},
        {PV_MESSAGE_BLOB_CREATED, 8 + 24, 2, false, false},
        {PV_MESSAGE_FENCE_RETIRED, 8 + 16, 0, false, true},
        {PV_MESSAGE_FENCE_RETIRED, 8 + 8, 0, false, false},
        {PV_MESSAGE_LOST, 8, 0, false, true},
    };
    size_t before = open_count();
    const int fds[2] = {ends[0].socket, ends[0].socket};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static uint32_t packet[32768];
        packet[0] = cases[i].type;
        for (int direction = 0; direction < 2; direction++) {
            bool is_expected = direction == 0 ? cases[i].to_context : cases[i].from_context;
            send_raw(&ends[0], packet, cases[i].size, fds, cases[i].fd_count);
            assert_int_equal(
                pv_message_receive(&ends[1],
                                   direction == 0 ? PV_MESSAGE_TO_CONTEXT : PV_MESSAGE_FROM_CONTEXT,
                                   true, buffer, &message),
                is_expected ? PV_OK : PV_GUEST_FAULT);
            pv_fd_close(&message.fd);
        }
    }
    assert_int_equal(open_count(), before);
    close_pair(ends);
}

static void a_full_socket_takes_nothing_and_keeps_nobody_waiting(void **state)
{
    (void)state;
    struct pv_packets ends[2];
    open_pair(ends);
    static uint8_t piece[PV_SUBMIT_PIECE_MAX];
    const struct pv_submit_piece head = {.size_bytes = sizeof(piece)};
    bool sent = true;
    uint32_t count = 0;
    while (sent) {
        assert_int_equal(pv_message_try_send(&ends[0], PV_MESSAGE_SUBMIT, &head, sizeof(head),
                                             piece, sizeof(piece), -1, &sent),
                         PV_OK);
        count += sent ? 1 : 0;
    }
    struct pv_message message;
    for (uint32_t i = 0; i < count; i++) {
        do { /* of the last one, a part may wait for room */
            assert_int_equal(pv_packets_flush(&ends[0]), PV_OK);
            assert_int_equal(
                pv_message_receive(&ends[1], PV_MESSAGE_TO_CONTEXT, false, buffer, &message),
                PV_OK);
        } while (message.type == 0);
        assert_int_equal(message.size, sizeof(head) + sizeof(piece));
    }
    close_pair(ends);
}

/* The kernel tells of a reset first, where something of ours was left unread. */
static void last_words_are_heard_though_ours_went_unread(void **state)
{
    (void)state;
    struct pv_packets ends[2];
    struct pv_message message;
    open_pair(ends);
    const struct pv_unref_request unref = {1};
    assert_int_equal(
        pv_message_send(&ends[0], PV_MESSAGE_UNREF, &unref, sizeof(unref), NULL, 0, -1), PV_OK);
    assert_int_equal(pv_message_send(&ends[1], PV_MESSAGE_LOST, NULL, 0, NULL, 0, -1), PV_OK);
    pv_packets_close(&ends[1]);
    assert_int_equal(pv_message_receive(&ends[0], PV_MESSAGE_FROM_CONTEXT, true, buffer, &message),
                     PV_OK);
    assert_int_equal(message.type, PV_MESSAGE_LOST);
    assert_int_equal(pv_message_receive(&ends[0], PV_MESSAGE_FROM_CONTEXT, true, buffer, &message),
                     PV_CLOSED);
    pv_packets_close(&ends[0]);
}

static void random_messages_never_harm(void **state)
{
    (void)state;
    struct pv_packets ends[2];
    unsigned int seed = 3;
    print_message("seed %u\n", seed);
    srand(seed);
    open_pair(ends);
    size_t before = open_count();
    for (uint32_t round = 0; round < 20000; round++) {
        uint32_t packet[64];
        for (size_t i = 0; i < 64; i++) {
            packet[i] = (uint32_t)rand() % (PV_MESSAGE_TYPE_COUNT + 2);
        }
        struct pv_message message;
        const int fds[2] = {ends[0].socket, ends[1].socket};
        send_raw(&ends[0], packet, 1 + (size_t)rand() % sizeof(packet), fds, (size_t)rand() % 3);
        if (pv_message_receive(&ends[1], PV_MESSAGE_FROM_WORKER, true, buffer, &message) == PV_OK) {
            assert_true(message.type != 0 && message.size < sizeof(packet));
            pv_fd_close(&message.fd);
        }
    }
    assert_int_equal(open_count(), before);
    close_pair(ends);
}

static int new_memory(bool sealed, off_t size)
{
    int fd = memfd_create("ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, size), 0);
    if (sealed) {
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    }
    return fd;
}

static void a_dead_worker_leaves_fatal_in_its_rings(void **state)
{
    (void)state;
    struct pv_worker worker = {.process = -1, .control.socket = -1, .client = -1};
    int memory = new_memory(true, 4096);
    pv_worker_add_ring(&worker, dup(memory), 128);
    pv_worker_raise_fatal(&worker);
    uint32_t status = 0;
    assert_int_equal(pread(memory, &status, sizeof(status), 128), sizeof(status));
    assert_int_equal(status & 2, 2);
    close(worker.rings[0].memory);
    close(memory);
}

/* Of many rings, the first and the latest: what is kept does not grow. */
static void a_dead_worker_tells_its_first_ring_and_the_latest(void **state)
{
    (void)state;
    enum { RINGS = 3 * PV_WORKER_RINGS_MAX };
    struct pv_worker worker = {.process = -1, .control.socket = -1, .client = -1};
    size_t before = open_count();
    int memory = new_memory(true, RINGS * 4);
    for (uint64_t i = 0; i < RINGS; i++) {
        pv_worker_add_ring(&worker, dup(memory), i * 4);
    }
    assert_int_equal(open_count(), before + 1 + PV_WORKER_RINGS_MAX);
    pv_worker_raise_fatal(&worker);
    uint32_t status[RINGS];
    assert_int_equal(pread(memory, status, sizeof(status), 0), sizeof(status));
    for (uint32_t i = 0; i < RINGS; i++) {
        assert_int_equal(status[i], i == 0 || i > RINGS - PV_WORKER_RINGS_MAX ? 2 : 0);
    }
    for (uint32_t i = 0; i < PV_WORKER_RINGS_MAX; i++) {
        close(worker.rings[i].memory);
    }
    close(memory);
}

static void what_is_not_sealed_memory_is_no_ring(void **state)
{
    (void)state;
    struct pv_worker worker = {.process = -1, .control.socket = -1, .client = -1};
    int ends[2];
    assert_int_equal(pv_fd_pipe(&ends[0], &ends[1]), PV_OK);
    size_t before = open_count();
    pv_worker_add_ring(&worker, dup(ends[1]), 0);
    pv_worker_add_ring(&worker, open("/dev/null", O_RDWR | O_CLOEXEC), 0);
    if (pv_shm_has_seals) {
        pv_worker_add_ring(&worker, new_memory(false, 4096), 0);
    }
    pv_worker_add_ring(&worker, new_memory(true, 4096), 4094);
    pv_worker_add_ring(&worker, new_memory(true, 4096), UINT64_MAX - 1);
    pv_worker_add_ring(&worker, new_memory(true, 0), 0);
    assert_int_equal(worker.ring_count, 0);
    assert_int_equal(open_count(), before);
    close(ends[0]);
    close(ends[1]);
}

/* As captured from Mesa 26. */
static const uint32_t create_ring[] = {
    0xbc,     0,    0x5b628100, 0x5555, 1, 0,       0x3ba0a600, 1,       0, 0x3ba0a606, 0, 0,
    0x2dc6c0, 0,    1,          0,      0, 0x200c4, 0,          0xf4240, 0, 0,          0, 0x40,
    0,        0x80, 0,          0xc0,   0, 0x20000, 0,          0x200c0, 0, 4,          0,
};

static void the_status_word_of_a_new_ring_is_found(void **state)
{
    (void)state;
    uint32_t resource_id;
    uint64_t offset;
    const uint8_t *bytes = (const uint8_t *)create_ring;
    assert_true(pv_ring_word_find(bytes, sizeof(create_ring), &resource_id, &offset));
    assert_int_equal(resource_id, 1);
    assert_int_equal(offset, 0x80);
}

static void a_cut_ring_has_no_status_word(void **state)
{
    (void)state;
    uint32_t resource_id;
    uint64_t offset;
    for (uint32_t size = 0; size < 27 * 4; size++) {
        uint8_t *cut = malloc(size + 1);
        memcpy(cut, create_ring, size);
        assert_false(pv_ring_word_find(cut, size, &resource_id, &offset));
        free(cut);
    }
    uint32_t endless[2048] = {0xbc, 0, 1, 0, 1, 0, 0x3ba0a600};
    for (uint32_t i = 7; i + 3 <= 2048; i += 3) {
        endless[i] = 1;
        endless[i + 2] = 0x3ba0a606;
    }
    assert_false(
        pv_ring_word_find((const uint8_t *)endless, sizeof(endless), &resource_id, &offset));
}

static const char *find(char **environment, const char *name)
{
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, name, strlen(name)) == 0) {
            return *environment;
        }
    }
    return NULL;
}

static void a_workers_environment_is_made_from_nothing(void **state)
{
    (void)state;
    const char *const callers[] = {"VN_DEBUG",
                                   "VTEST_SOCKET_NAME",
                                   "VK_INSTANCE_LAYERS",
                                   "VK_LAYER_PATH",
                                   "LD_PRELOAD",
                                   "LD_LIBRARY_PATH",
                                   "VK_ADD_DRIVER_FILES",
                                   "XDG_RUNTIME_DIR",
                                   "DBUS_SESSION_BUS_ADDRESS"};
    for (size_t i = 0; i < sizeof(callers) / sizeof(callers[0]); i++) {
        setenv(callers[i], "/tmp/evil", 1);
    }
    setenv("VK_DRIVER_FILES", "/tmp/evil", 1);
    struct pv_environment_params params = {.driver_files = "/a.json", .cache_directory = "/cache"};
    char **environment;
    assert_int_equal(pv_environment_create(&params, &environment), PV_OK);
    for (size_t i = 0; i < sizeof(callers) / sizeof(callers[0]); i++) {
        assert_null(find(environment, callers[i]));
    }
    assert_string_equal(find(environment, "VK_DRIVER_FILES="), "VK_DRIVER_FILES=/a.json");
    assert_string_equal(find(environment, "HOME="), "HOME=/cache");
    assert_non_null(find(environment, "VK_LOADER_LAYERS_DISABLE=~implicit~"));
    pv_environment_destroy(environment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_as_they_were_sent),
        cmocka_unit_test(malformed_messages_are_faults_and_leave_nothing_open),
        cmocka_unit_test(messages_of_a_context_keep_their_direction_and_shape),
        cmocka_unit_test(a_full_socket_takes_nothing_and_keeps_nobody_waiting),
        cmocka_unit_test(last_words_are_heard_though_ours_went_unread),
        cmocka_unit_test(random_messages_never_harm),
        cmocka_unit_test(a_dead_worker_leaves_fatal_in_its_rings),
        cmocka_unit_test(a_dead_worker_tells_its_first_ring_and_the_latest),
        cmocka_unit_test(what_is_not_sealed_memory_is_no_ring),
        cmocka_unit_test(the_status_word_of_a_new_ring_is_found),
        cmocka_unit_test(a_cut_ring_has_no_status_word),
        cmocka_unit_test(a_workers_environment_is_made_from_nothing),
    };
    return cmocka_run_group_tests_name("isolate_messages", tests, NULL, NULL);
}
