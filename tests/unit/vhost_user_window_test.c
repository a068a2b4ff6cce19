/* Mapping blobs: what back-end and front-end ask of each other while neither may wait. */

#include "front/vhost_user/window.h"
#include "vhost_user_front.h"

/* While QEMU maps it tells us that memory has changed, and waits for us, before it replies. */
static void mapping_does_not_keep_the_front_end_waiting(void **state)
{
    struct front *f = *state;
    const struct pv_vhost_region region = {
        .guest_address = UINT64_C(1) << 40, .size = BLOB_SIZE, .user_address = 0x1000};
    start(f);
    const size_t mappings = count_mappings("memfd:test-");
    for (uint64_t round = 0; round < 3; round++) {
        int fd = -1;
        offer(f, 0, MAP, 0x10000);
        take_mapping(f, PV_VHOST_SHMEM_MAP, 0x10000, &fd);
        announce_blob(f, &region, fd, 1);
        pv_fd_close(&fd);
        /* A blob is none of the guest's RAM. */
        assert_int_equal(count_mappings("memfd:test-"), mappings);
        offer(f, 2, ECHO, 0);
        check_answer(f, 2, "echo");
        reply_to_mapping(f, PV_VHOST_SHMEM_MAP, 0);
        check_answer(f, 0, "fine");

        /* Two at once, which QEMU was seen to wait over for ever. */
        offer(f, 0, UNMAP, 0x10000);
        offer(f, 2, MAP, 0x10000);
        take_mapping(f, PV_VHOST_SHMEM_UNMAP, 0x10000, &fd);
        remove_region(f, &region);
        reply_to_mapping(f, PV_VHOST_SHMEM_UNMAP, 0);
        check_answer(f, 0, "fine");
        take_mapping(f, PV_VHOST_SHMEM_MAP, 0x10000, &fd);
        announce_blob(f, &region, fd, 1);
        pv_fd_close(&fd);
        reply_to_mapping(f, PV_VHOST_SHMEM_MAP, 0);
        check_answer(f, 2, "fine");
        offer(f, 0, UNMAP, 0x10000);
        take_mapping(f, PV_VHOST_SHMEM_UNMAP, 0x10000, &fd);
        reply_to_mapping(f, PV_VHOST_SHMEM_UNMAP, 0);
        check_answer(f, 0, "fine");
        assert_int_equal(count_mappings("memfd:test-"), mappings);
    }
}

static void what_cannot_be_mapped_fails_alone(void **state)
{
    struct front *f = *state;
    int fd = -1;
    start(f);
    offer(f, 0, MAP, 0x10000);
    take_mapping(f, PV_VHOST_SHMEM_MAP, 0x10000, &fd);
    pv_fd_close(&fd);
    reply_to_mapping(f, PV_VHOST_SHMEM_MAP, 1);
    check_answer(f, 0, "failed");
    offer(f, 0, UNMAP, 0x10000); /* what is not there needs no end */
    check_answer(f, 0, "fine");
    offer(f, 0, MAP, 0x10800); /* no page begins there */
    check_answer(f, 0, "failed");
    assert_int_equal(ftruncate(blob, BLOB_SIZE - 4096), 0);
    offer(f, 0, MAP, 0x10000); /* nothing but SIGBUS at its end */
    check_answer(f, 0, "failed");
    offer(f, 0, ECHO, 0);
    check_answer(f, 0, "echo");
}

static void mappings_end_where_qemu_would_abort(void **state)
{
    struct front *f = *state;
    start(f);
    for (uint32_t i = 0; i < PV_VHOST_MAPPINGS_MAX; i++) {
        int fd = -1;
        offer(f, 0, MAP, (uint64_t)i * BLOB_SIZE);
        take_mapping(f, PV_VHOST_SHMEM_MAP, (uint64_t)i * BLOB_SIZE, &fd);
        pv_fd_close(&fd);
        reply_to_mapping(f, PV_VHOST_SHMEM_MAP, 0);
        check_answer(f, 0, "fine");
    }
    offer(f, 0, MAP, UINT64_C(1) << 24);
    check_answer(f, 0, "failed");
    int fd = -1;
    offer(f, 0, UNMAP, 0);
    take_mapping(f, PV_VHOST_SHMEM_UNMAP, 0, &fd);
    reply_to_mapping(f, PV_VHOST_SHMEM_UNMAP, 0);
    check_answer(f, 0, "fine");
    offer(f, 0, MAP, UINT64_C(1) << 24);
    take_mapping(f, PV_VHOST_SHMEM_MAP, UINT64_C(1) << 24, &fd);
    pv_fd_close(&fd);
    reply_to_mapping(f, PV_VHOST_SHMEM_MAP, 0);
    check_answer(f, 0, "fine");
}

static void an_old_front_end_gets_no_mappings(void **state)
{
    struct front *f = *state;
    const struct pv_vhost_region region = driver_region();
    negotiate(f, ~(UINT64_C(1) << PV_VHOST_PROTOCOL_SHMEM));
    assert_int_equal(atomic_load(&f->line_count), 1);
    add_region(f, &region, f->d.fd);
    start_queue(f, 0);
    offer(f, 0, MAP, 0);
    check_answer(f, 0, "failed");
}

static void a_reset_comes_while_a_mapping_is_under_way(void **state)
{
    struct front *f = *state;
    int fd = -1;
    start(f);
    offer(f, 0, MAP, 0x10000);
    offer(f, 2, MAP, 0x20000); /* waits for the first */
    take_mapping(f, PV_VHOST_SHMEM_MAP, 0x10000, &fd);
    pv_fd_close(&fd);
    tell(f, PV_VHOST_RESET_DEVICE, NULL, 0, -1);
    forget_rings(f);
    start_queue(f, 0);
    offer(f, 0, MAP, 0x10000);
    reply_to_mapping(f, PV_VHOST_SHMEM_MAP, 0);
    take_mapping(f, PV_VHOST_SHMEM_UNMAP, 0x10000, &fd);
    reply_to_mapping(f, PV_VHOST_SHMEM_UNMAP, 0);
    take_mapping(f, PV_VHOST_SHMEM_MAP, 0x10000, &fd);
    pv_fd_close(&fd);
    reply_to_mapping(f, PV_VHOST_SHMEM_MAP, 0);
    check_answer(f, 0, "fine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mapping_does_not_keep_the_front_end_waiting), TEST(what_cannot_be_mapped_fails_alone),
        TEST(mappings_end_where_qemu_would_abort),         TEST(an_old_front_end_gets_no_mappings),
        TEST(a_reset_comes_while_a_mapping_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
