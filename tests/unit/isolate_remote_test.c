#include "base/clock.h"
#include "base/fd.h"
#include "base/poll_set.h"
#include "blob/shm.h"
#include "check.h"
#include "isolate/messages.h"
#include "isolate/remote.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* A device's end of a context, against another end that says whatever a test wants. */

enum { LOG_MAX = 512, LIMIT_BYTES = 1 << 20, SLOW_POLL_MS = 200 };

struct harness {
    struct pv_remote *remote;
    struct pv_packets peer;
    uint32_t blob_count, failed_count, fence_count, lost_count;
    uint64_t fences[LOG_MAX];
    struct pv_remote_blob blob; /* the last one that was good */
    const char *why;
    bool asks_again; /* a fence from inside of a callback */
};

static _Alignas(8) uint8_t buffer[PV_MESSAGE_SIZE_MAX];

static void on_blob_created(void *user, uint32_t resource_id, enum pv_result result,
                            const struct pv_remote_blob *blob)
{
    struct harness *h = user;
    (void)resource_id;
    h->blob_count++;
    if (result != PV_OK) {
        h->failed_count++;
        assert_null(blob);
    } else {
        h->blob = *blob;
        close(blob->taken_fd);
    }
}

static void on_fence_retired(void *user, uint32_t ring_idx, uint64_t fence_id)
{
    struct harness *h = user;
    if (h->fence_count < LOG_MAX) {
        h->fences[h->fence_count] = (uint64_t)ring_idx << 32 | fence_id;
    }
    h->fence_count++;
    if (h->asks_again) {
        h->asks_again = false;
        pv_remote_fence(h->remote, ring_idx, fence_id + 1);
    }
}

static void on_lost(void *user, const char *why)
{
    struct harness *h = user;
    h->lost_count++;
    h->why = why;
}

static struct harness *open_harness(void)
{
    static const struct pv_log silent;
    struct harness *h = calloc(1, sizeof(*h));
    int ends[2];
    assert_non_null(h);
    assert_int_equal(pv_packets_connect(ends), PV_OK);
    assert_int_equal(pv_packets_init(&h->peer, ends[1]), PV_OK);
    const struct pv_remote_params params = {
        .log = &silent,
        .taken_socket = ends[0],
        .id = 1,
        .pending_bytes_limit = LIMIT_BYTES,
        .events = {.blob_created = on_blob_created,
                   .fence_retired = on_fence_retired,
                   .lost = on_lost,
                   .user = h},
    };
    assert_int_equal(pv_remote_create(&params, &h->remote), PV_OK);
    return h;
}

static void close_harness(struct harness *h)
{
    pv_remote_destroy(h->remote);
    pv_packets_close(&h->peer);
    free(h);
}

static bool is_readable(const struct harness *h)
{
    struct pollfd fd = {.fd = pv_remote_poll_fd(h->remote), .events = POLLIN};
    return poll(&fd, 1, pv_poll_set_is_prompt ? 0 : SLOW_POLL_MS) > 0;
}

/* Dispatches as a poll loop does: when it is told to (or would be in a moment). */
static void settle(struct harness *h)
{
    if (!pv_poll_set_is_prompt) {
        pv_remote_dispatch(h->remote);
    }
    for (int i = 0; i < 1000 && is_readable(h); i++) {
        pv_remote_dispatch(h->remote);
    }
    assert_false(is_readable(h)); /* or a poll loop would spin */
}

static uint32_t open_count(void)
{
    uint32_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count;
}

static void answer_fence(struct harness *h, uint32_t ring_idx, uint64_t id)
{
    const struct pv_fence_word word = {.ring_idx = ring_idx, .fence_id = id};
    (void)!pv_message_send(&h->peer, PV_MESSAGE_FENCE_RETIRED, &word, sizeof(word), NULL, 0, -1);
}

static int new_memory(off_t size, bool sealed)
{
    int fd = memfd_create("blob", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, sealed ? F_SEAL_SHRINK : F_SEAL_GROW), 0);
    return fd;
}

/* Sends a blob's answer, with memory of two pages behind it. */
static void answer_blob(struct harness *h, struct pv_blob_reply reply, bool with_fd, bool sealed)
{
    int fd = with_fd ? new_memory(8192, sealed) : -1;
    (void)!pv_message_send(&h->peer, PV_MESSAGE_BLOB_CREATED, &reply, sizeof(reply), NULL, 0, fd);
    pv_fd_close(&fd);
}

static void expect_message(struct harness *h, enum pv_message_type type, struct pv_message *message)
{
    assert_int_equal(pv_message_receive(&h->peer, PV_MESSAGE_TO_CONTEXT, false, buffer, message),
                     PV_OK);
    assert_int_equal(message->type, type);
}

static void requests_leave_at_once_and_in_order(void **state)
{
    (void)state;
    struct harness *h = open_harness();
    struct pv_message message;
    int fd = pv_remote_shm_create(100);
    pv_remote_attach(h->remote, 9, 1, fd, 100);
    pv_remote_submit(h->remote, "abcd", 4);
    pv_remote_fence(h->remote, 3, 77);
    pv_remote_create_blob(h->remote, 10, 5, 1, 4096);
    pv_remote_unref(h->remote, 9);
    assert_int_equal(pv_remote_pending_bytes(h->remote), 0);
    expect_message(h, PV_MESSAGE_ATTACH, &message);
    assert_int_equal(lseek(message.fd, 0, SEEK_END), 4096);
    close(message.fd);
    expect_message(h, PV_MESSAGE_SUBMIT, &message);
    assert_memory_equal(message.payload + sizeof(struct pv_submit_piece), "abcd", 4);
    expect_message(h, PV_MESSAGE_FENCE, &message);
    expect_message(h, PV_MESSAGE_BLOB, &message);
    expect_message(h, PV_MESSAGE_UNREF, &message);
    close(fd);
    assert_false(is_readable(h));
    close_harness(h);
}

static void what_does_not_fit_waits_and_leaves_later(void **state)
{
    (void)state;
    struct harness *h = open_harness();
    static uint8_t stream[700 * 1024], got[sizeof(stream)];
    for (size_t i = 0; i < sizeof(stream); i++) {
        stream[i] = (uint8_t)(i * 7 + i / 251);
    }
    pv_remote_submit(h->remote, stream, sizeof(stream));
    pv_remote_fence(h->remote, 0, 1);
    assert_true(pv_remote_pending_bytes(h->remote) > 0);
    settle(h); /* nothing to do as long as nobody reads */
    size_t filled = 0;
    struct pv_message message = {0};
    while (filled < sizeof(stream)) {
        assert_int_equal(
            pv_message_receive(&h->peer, PV_MESSAGE_TO_CONTEXT, false, buffer, &message), PV_OK);
        if (message.type == 0) {
            assert_true(is_readable(h));
            pv_remote_dispatch(h->remote);
            continue;
        }
        size_t piece = message.size - sizeof(struct pv_submit_piece);
        assert_true(piece <= sizeof(stream) - filled);
        memcpy(got + filled, message.payload + sizeof(struct pv_submit_piece), piece);
        filled += piece;
    }
    settle(h);
    assert_memory_equal(got, stream, sizeof(stream));
    expect_message(h, PV_MESSAGE_FENCE, &message);
    assert_int_equal(pv_remote_pending_bytes(h->remote), 0);
    assert_int_equal(h->lost_count, 0);
    close_harness(h);
}

static void a_full_queue_loses_the_context_which_answers_all_the_same(void **state)
{
    (void)state;
    struct harness *h = open_harness();
    static const uint8_t stream[64 * 1024];
    uint32_t before = open_count();
    pv_remote_create_blob(h->remote, 5, 6, 1, 4096);
    for (uint64_t i = 0; i < 100 && !pv_remote_is_lost(h->remote); i++) {
        pv_remote_submit(h->remote, stream, sizeof(stream));
        pv_remote_fence(h->remote, (uint32_t)(i % 2), i);
        assert_true(pv_remote_pending_bytes(h->remote) <= LIMIT_BYTES);
    }
    assert_true(pv_remote_is_lost(h->remote));
    assert_int_equal(h->lost_count, 0); /* callbacks come from dispatch only */
    settle(h);
    assert_int_equal(h->lost_count, 1);
    assert_non_null(h->why);
    assert_int_equal(h->failed_count, 1);
    uint32_t retired = h->fence_count;
    assert_true(retired > 15);
    h->asks_again = true; /* from inside of a callback, too */
    pv_remote_fence(h->remote, 255, 5000);
    pv_remote_create_blob(h->remote, 6, 6, 1, 4096);
    settle(h);
    assert_int_equal(h->fence_count, retired + 2);
    assert_int_equal(h->failed_count, 2);
    assert_int_equal(h->lost_count, 1);
    assert_int_equal(open_count(), before - 1); /* it has hung up */
    close_harness(h);
}

static void answers_are_reported_as_they_come(void **state)
{
    (void)state;
    struct harness *h = open_harness();
    pv_remote_fence(h->remote, 1, 10);
    pv_remote_fence(h->remote, 2, 11);
    pv_remote_fence(h->remote, 1, 12);
    pv_remote_create_blob(h->remote, 4, 99, 1, 5000);
    pv_remote_create_blob(h->remote, 5, 98, 1, 5000);
    answer_fence(h, 2, 11);
    answer_fence(h, 1, 10);
    const struct pv_blob_reply good = {
        .map_size = 1 << 30, .resource_id = 4, .caching = 1, .kind = 2};
    const struct pv_blob_reply bad = {.resource_id = 5, .result = PV_GUEST_FAULT};
    answer_blob(h, good, true, true);
    answer_blob(h, bad, false, false);
    settle(h);
    assert_int_equal(h->fence_count, 2);
    assert_int_equal(h->fences[0], UINT64_C(2) << 32 | 11);
    assert_int_equal(h->fences[1], UINT64_C(1) << 32 | 10);
    assert_int_equal(h->blob_count, 2);
    assert_int_equal(h->failed_count, 1);
    assert_int_equal(h->blob.map_size, 8192); /* what there is, not what was said */
    assert_int_equal(h->lost_count, 0);
    close_harness(h);
}

static void the_other_sides_death_is_heard_behind_its_last_words(void **state)
{
    (void)state;
    struct harness *h = open_harness();
    pv_remote_fence(h->remote, 0, 1);
    pv_remote_fence(h->remote, 0, 2);
    answer_fence(h, 0, 1);
    pv_packets_close(&h->peer);
    pv_remote_fence(h->remote, 0, 3); /* nobody reads it any more */
    settle(h);
    assert_int_equal(h->lost_count, 1);
    assert_null(h->why);
    assert_int_equal(h->fence_count, 3);
    close_harness(h);
}

/* A context that has been taken over may say anything. */
static void nonsense_loses_the_context_and_leaves_nothing_open(void **state)
{
    (void)state;
    const struct pv_blob_reply good = {.map_size = 8192, .resource_id = 4, .caching = 1, .kind = 2};
    for (int i = 0; i < 14; i++) {
        struct harness *h = open_harness();
        struct pv_blob_reply reply = good;
        uint32_t before = open_count();
        pv_remote_fence(h->remote, 1, 10);
        pv_remote_fence(h->remote, 1, 11);
        pv_remote_create_blob(h->remote, 4, 99, 1, 5000);
        switch (i) {
        case 0: /* never asked for */
            answer_fence(h, 1, 9);
            break;
        case 1: /* on another timeline */
            answer_fence(h, 2, 10);
            break;
        case 2: /* not in order */
            answer_fence(h, 1, 11);
            break;
        case 3: /* twice */
            answer_fence(h, 1, 10);
            answer_fence(h, 1, 10);
            break;
        case 4:
            answer_fence(h, UINT32_MAX, 10);
            break;
        case 5:
            reply.resource_id = 5;
            answer_blob(h, reply, true, true);
            break;
        case 6: /* good, but with nothing */
            answer_blob(h, reply, false, false);
            break;
        case 7: /* failed, with something */
            reply.result = PV_NO_MEMORY;
            answer_blob(h, reply, true, true);
            break;
        case 8:
            reply.result = 77;
            answer_blob(h, reply, false, true);
            break;
        case 9:
            reply.kind = 5;
            answer_blob(h, reply, true, true);
            break;
        case 10:
            reply.caching = 0;
            answer_blob(h, reply, true, true);
            break;
        case 11: /* it could shrink under our mapping */
            reply.caching = pv_shm_has_seals ? reply.caching : 0;
            answer_blob(h, reply, true, false);
            break;
        case 12:
            reply.map_size = 4095;
            answer_blob(h, reply, true, true);
            break;
        default: /* what only a device may say */
            (void)!pv_message_send(&h->peer, PV_MESSAGE_UNREF, (const uint32_t[]){4}, 4, NULL, 0,
                                   -1);
            break;
        }
        settle(h);
        assert_int_equal(h->lost_count, 1);
        assert_non_null(h->why);
        assert_int_equal(h->fence_count, 2);
        assert_int_equal(h->failed_count, 1);
        assert_int_equal(open_count(), before - 1);
        close_harness(h);
    }
}

/* Whoever maps memory that its sender can take away dies of it. */
static void files_that_are_not_there_for_good_lose_the_context(void **state)
{
    (void)state;
    static const struct {
        uint32_t kind;
        off_t size;
        bool is_sealed;
    } cases[] = {{2, 8192, false}, {3, 8192, false}, {4, 8192, false}, {2, 0, true}, {4, 0, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!cases[i].is_sealed && !pv_shm_has_seals) {
            continue; /* in this build everything counts as sealed */
        }
        struct harness *h = open_harness();
        const struct pv_blob_reply reply = {
            .map_size = 8192, .resource_id = 4, .caching = 1, .kind = cases[i].kind};
        int fd = new_memory(cases[i].size, cases[i].is_sealed);
        pv_remote_create_blob(h->remote, 4, 99, 1, 5000);
        assert_int_equal(
            pv_message_send(&h->peer, PV_MESSAGE_BLOB_CREATED, &reply, sizeof(reply), NULL, 0, fd),
            PV_OK);
        close(fd);
        settle(h);
        assert_int_equal(h->lost_count, 1);
        assert_int_equal(h->failed_count, 1);
        close_harness(h);
    }
}

/* Millions of answers must not keep a device from its other work. */
static void one_dispatch_is_bounded(void **state)
{
    (void)state;
    struct harness *h = open_harness();
    for (uint64_t i = 0; i < 1000; i++) {
        pv_remote_fence(h->remote, 0, i);
        struct pv_message message;
        while (pv_message_receive(&h->peer, PV_MESSAGE_TO_CONTEXT, false, buffer, &message) ==
                   PV_OK &&
               message.type != 0) {
        }
    }
    for (uint64_t i = 0; i < 150; i++) {
        answer_fence(h, 0, i);
    }
    pv_remote_dispatch(h->remote);
    assert_true(h->fence_count < 150);
    settle(h);
    assert_int_equal(h->fence_count, 150);
    close_harness(h);
}

static void more_fences_than_there_may_be_lose_the_context(void **state)
{
    (void)state;
    struct harness *h = open_harness();
    struct pv_message message;
    uint32_t asked = 0;
    while (!pv_remote_is_lost(h->remote) && asked < 70000) {
        pv_remote_fence(h->remote, 0, asked++);
        (void)!pv_message_receive(&h->peer, PV_MESSAGE_TO_CONTEXT, false, buffer, &message);
    }
    assert_true(asked < 70000);
    settle(h);
    assert_int_equal(h->fence_count, asked);
    assert_int_equal(h->lost_count, 1);
    close_harness(h);
}

static void shared_memory_is_whole_pages_and_sealed(void **state)
{
    (void)state;
    if (!pv_shm_has_seals) {
        print_message("this build does not seal memory\n");
        skip();
    }
    int fd = pv_remote_shm_create(4097);
    assert_true(fd >= 0);
    assert_int_equal(lseek(fd, 0, SEEK_END), 8192);
    assert_int_not_equal(ftruncate(fd, 4096), 0);
    close(fd);
    assert_int_equal(pv_remote_shm_create(0), -1);
    assert_int_equal(pv_remote_shm_create(UINT64_MAX), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_leave_at_once_and_in_order),
        cmocka_unit_test(what_does_not_fit_waits_and_leaves_later),
        cmocka_unit_test(a_full_queue_loses_the_context_which_answers_all_the_same),
        cmocka_unit_test(answers_are_reported_as_they_come),
        cmocka_unit_test(the_other_sides_death_is_heard_behind_its_last_words),
        cmocka_unit_test(nonsense_loses_the_context_and_leaves_nothing_open),
        cmocka_unit_test(files_that_are_not_there_for_good_lose_the_context),
        cmocka_unit_test(one_dispatch_is_bounded),
        cmocka_unit_test(more_fences_than_there_may_be_lose_the_context),
        cmocka_unit_test(shared_memory_is_whole_pages_and_sealed),
    };
    return cmocka_run_group_tests_name("isolate_remote", tests, NULL, NULL);
}
