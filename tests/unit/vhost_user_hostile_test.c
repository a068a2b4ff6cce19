/* Front-ends that nobody would want: what they send, and when they go. */

#include "vhost_user_front.h"

static void hang_ups_leave_nothing_behind(void **state)
{
    struct front *f = *state;
    int fd = -1;
    start(f);
    offer(f, 0, HOLD, 0);
    offer(f, 2, MAP, 0x10000);
    take_mapping(f, PV_VHOST_SHMEM_MAP, 0x10000, &fd);
    pv_fd_close(&fd);
    offer(f, 4, MAP, 0x20000);
    /* In the middle of a message, with a descriptor that is nobody's yet. */
    assert_int_equal(pv_fd_send(f->socket, "\x25", 1, &f->d.fd, 1), PV_OK);
    hang_up(f);
    assert_int_equal(f->result, PV_OK);
}

struct bad {
    uint32_t request, flags, size;
    bool has_fd;
    uint64_t words[6];
};

static const struct bad bad_messages[] = {
    {0, 0, 0, false, {0}},
    {99, PV_VHOST_NEED_REPLY, 0, false, {0}},
    {PV_VHOST_GET_FEATURES, 2, 0, false, {0}}, /* version 3 */
    {PV_VHOST_GET_FEATURES, 0, 8, false, {0}},
    {PV_VHOST_SET_FEATURES, 0, 8, false, {UINT64_MAX}},
    {PV_VHOST_SET_FEATURES, 0, 0, false, {0}},
    {PV_VHOST_SET_PROTOCOL_FEATURES, 0, 8, false, {UINT64_MAX}},
    {PV_VHOST_SET_MEM_TABLE, 0, 8, false, {9}},
    {PV_VHOST_SET_MEM_TABLE, 0, 8, false, {UINT32_MAX}},
    {PV_VHOST_SET_MEM_TABLE, 0, 40, false, {1, RAM_GUEST, 4096, 4096, 0}},
    {PV_VHOST_SET_MEM_TABLE, 0, 40, true, {2, RAM_GUEST, 4096, 4096, 0}},
    {PV_VHOST_ADD_MEM_REG, 0, 40, false, {0, RAM_GUEST, 4096, 4096, 0}},
    {PV_VHOST_ADD_MEM_REG, 0, 40, true, {0, RAM_GUEST, 2 * RAM_SIZE, 4096, 0}},
    {PV_VHOST_ADD_MEM_REG, 0, 32, true, {0, RAM_GUEST, 4096, 4096}},
    {PV_VHOST_SET_VRING_NUM, 0, 8, false, {UINT64_C(8) << 32 | 2}}, /* no such queue */
    {PV_VHOST_SET_VRING_NUM, 0, 8, false, {0}},                     /* of no size */
    {PV_VHOST_SET_VRING_NUM, 0, 8, false, {UINT64_C(3) << 32}},     /* no power of two */
    {PV_VHOST_SET_VRING_NUM, 0, 8, false, {UINT64_C(1) << 43}},     /* too large */
    {PV_VHOST_SET_VRING_BASE, 0, 8, false, {UINT64_C(0x10000) << 32}},
    {PV_VHOST_GET_VRING_BASE, 0, 8, false, {UINT32_MAX}},
    {PV_VHOST_SET_VRING_ADDR, 0, 40, false, {2}},
    {PV_VHOST_SET_VRING_KICK, 0, 8, false, {0}},
    {PV_VHOST_SET_VRING_KICK, 0, 8, true, {1}}, /* before it has a size */
    {PV_VHOST_SET_VRING_KICK, 0, 8, true, {2}},
    {PV_VHOST_SET_VRING_KICK, 0, 8, false, {PV_VHOST_NO_FD}},
    {PV_VHOST_SET_VRING_CALL, 0, 8, true, {PV_VHOST_NO_FD}},
    {PV_VHOST_SET_VRING_ERR, 0, 8, false, {0}},
    {PV_VHOST_SET_VRING_ENABLE, 0, 8, false, {7}},
    {PV_VHOST_SET_BACKEND_REQ_FD, 0, 0, false, {0}},
    {PV_VHOST_SET_BACKEND_REQ_FD, 0, 0, true, {0}}, /* a second one */
    {PV_VHOST_GET_CONFIG, 0, 12, false, {UINT64_C(4) << 32}},
    {PV_VHOST_GET_CONFIG, 0, 20, false, {UINT64_C(8) << 32 | 250}},
    {PV_VHOST_SET_CONFIG, 0, 20, false, {UINT64_MAX, 0, 0}},
    {PV_VHOST_REM_MEM_REG, 0, 8, false, {0}},
    {PV_VHOST_SET_FEATURES, 0, 513, false, {0}},
    {PV_VHOST_SET_FEATURES, 0, UINT32_MAX, false, {0}},
};

static void a_bad_message_ends_the_connection_with_a_line(void **state)
{
    struct front *f = *state;
    for (size_t i = 0; i < sizeof(bad_messages) / sizeof(bad_messages[0]); i++) {
        const struct bad *bad = &bad_messages[i];
        uint8_t bytes[1024] = {0};
        const struct pv_vhost_header header = {bad->request, PV_VHOST_VERSION | bad->flags,
                                               bad->size};
        negotiate(f, UINT64_MAX);
        tell_state(f, PV_VHOST_SET_VRING_NUM, QUEUE_SIZE);
        memcpy(bytes, &header, sizeof(header));
        memcpy(bytes + sizeof(header), bad->words, sizeof(bad->words));
        const size_t size = sizeof(header) + (bad->size < 1000 ? bad->size : 1000);
        assert_int_equal(pv_fd_send(f->socket, bytes, size, &f->d.fd, bad->has_fd ? 1 : 0), PV_OK);
        pv_thread_join(&f->thread);
        f->thread.is_started = false;
        if (f->result != PV_GUEST_FAULT || atomic_load(&f->line_count) != 1) {
            fail_msg("message %zu: result %d, %u lines", i, (int)f->result,
                     atomic_load(&f->line_count));
        }
        pv_fd_close(&f->socket);
        void *next = f;
        tear_down(&next);
        set_up(&next);
        f = next;
        *state = f;
    }
}

static void too_many_descriptors_end_it_too(void **state)
{
    struct front *f = *state;
    int fds[PV_FD_PASS_MAX];
    for (size_t i = 0; i < PV_FD_PASS_MAX; i++) {
        fds[i] = f->d.fd;
    }
    assert_int_equal(pv_fd_send(f->socket, "\x1\0\0\0\1\0\0\0\0\0\0\0", 12, fds, PV_FD_PASS_MAX),
                     PV_OK);
    pv_thread_join(&f->thread);
    f->thread.is_started = false;
    assert_int_equal(f->result, PV_GUEST_FAULT);
    pv_fd_close(&f->socket);
}

static void an_answer_to_nothing_ends_it_too(void **state)
{
    struct front *f = *state;
    start(f);
    reply_to_mapping(f, PV_VHOST_SHMEM_MAP, 0);
    pv_thread_join(&f->thread);
    f->thread.is_started = false;
    assert_int_equal(f->result, PV_GUEST_FAULT);
    assert_int_equal(atomic_load(&f->line_count), 1);
    pv_fd_close(&f->socket);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hang_ups_leave_nothing_behind),
        TEST(a_bad_message_ends_the_connection_with_a_line),
        TEST(too_many_descriptors_end_it_too),
        TEST(an_answer_to_nothing_ends_it_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
