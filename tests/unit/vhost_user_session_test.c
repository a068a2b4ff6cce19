/* What a guest sees of the back-end through its front-end: from boot to reboot. */

#include "vhost_user_front.h"

static void a_guest_is_served(void **state)
{
    struct front *f = *state;
    eventfd_t count;
    start(f);
    while (eventfd_read(f->call, &count) == 0) {
    }
    offer(f, 0, ECHO, 0);
    check_answer(f, 0, "echo");
    struct pollfd call = {.fd = f->call, .events = POLLIN};
    assert_int_equal(poll(&call, 1, 20000), 1);
    /* The device takes its time. */
    offer(f, 2, HOLD, 0);
    offer(f, 4, ECHO, 0);
    check_answer(f, 4, "echo");
    assert_int_equal(eventfd_write(device.ready, 1), 0);
    check_answer(f, 2, "held");
    hang_up(f);
    assert_int_equal(f->result, PV_OK);
    assert_int_equal(atomic_load(&f->line_count), 0);
}

static void configuration_and_window_are_told(void **state)
{
    struct front *f = *state;
    negotiate(f, UINT64_MAX);
    struct pv_vhost_config config = {.offset = 8, .size = 12};
    const size_t size = offsetof(struct pv_vhost_config, bytes) + 12;
    send_message(f, PV_VHOST_GET_CONFIG, 0, &config, size, -1);
    check_reply(f->socket, PV_VHOST_GET_CONFIG, &config, size);
    const uint8_t expected[12] = {9, 10, 11, 12, 13, 14, 15, 16};
    assert_memory_equal(config.bytes, expected, 12);
    config.bytes[0] = 77;
    tell(f, PV_VHOST_SET_CONFIG, &config, size, -1);
    assert_int_equal(written_config, 77);

    struct pv_vhost_shmem_config shmem;
    send_message(f, PV_VHOST_GET_SHMEM_CONFIG, 0, NULL, 0, -1);
    check_reply(f->socket, PV_VHOST_GET_SHMEM_CONFIG, &shmem, sizeof(shmem));
    assert_int_equal(shmem.region_count, 1);
    for (uint32_t i = 0; i < PV_VHOST_SHMEM_REGIONS; i++) {
        assert_int_equal(shmem.sizes[i], i == PV_GPU_WINDOW_ID ? WINDOW_SIZE : 0);
    }
    assert_int_equal(ask(f, PV_VHOST_GET_MAX_MEM_SLOTS), 512);
}

static void messages_may_come_in_pieces(void **state)
{
    struct front *f = *state;
    struct {
        struct pv_vhost_header header;
        uint8_t payload[sizeof(struct pv_vhost_mem_region)];
    } bytes = {{PV_VHOST_ADD_MEM_REG, PV_VHOST_VERSION | PV_VHOST_NEED_REPLY,
                sizeof(struct pv_vhost_mem_region)},
               {0}};
    const struct pv_vhost_mem_region added = {.region = driver_region()};
    memcpy(bytes.payload, &added, sizeof(added));
    negotiate(f, UINT64_MAX);
    assert_int_equal(pv_fd_send(f->socket, &bytes, 1, &f->d.fd, 1), PV_OK);
    for (size_t i = 1; i < sizeof(bytes.header) + sizeof(added); i++) {
        pv_clock_sleep_ns(PV_NS_PER_MS / 10);
        assert_int_equal(pv_fd_write(f->socket, (uint8_t *)&bytes + i, 1), PV_OK);
    }
    uint64_t status;
    check_reply(f->socket, PV_VHOST_ADD_MEM_REG, &status, sizeof(status));
    assert_int_equal(status, 0);
    start_queue(f, 0);
    offer(f, 0, ECHO, 0);
    check_answer(f, 0, "echo");
}

static void the_old_memory_table_is_known_too(void **state)
{
    struct front *f = *state;
    const struct pv_vhost_mem_table table = {.count = 1, .regions = {driver_region()}};
    const size_t size = offsetof(struct pv_vhost_mem_table, regions[1]);
    negotiate(f, ~(UINT64_C(1) << PV_VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS));
    tell(f, PV_VHOST_SET_MEM_TABLE, &table, size, f->d.fd);
    start_queue(f, 0);
    tell(f, PV_VHOST_SET_MEM_TABLE, &table, size, f->d.fd);
    offer(f, 0, ECHO, 0);
    check_answer(f, 0, "echo");
}

static void a_paused_machine_goes_on_where_it_stood(void **state)
{
    struct front *f = *state;
    start(f);
    offer(f, 0, HOLD, 0);
    offer(f, 2, ECHO, 0);
    check_answer(f, 2, "echo");
    assert_int_equal(stop_queue(f), 2);
    assert_int_equal(eventfd_write(device.ready, 1), 0); /* meanwhile */
    start_queue(f, 2);
    check_answer(f, 0, "held");
    offer(f, 4, ECHO, 0);
    check_answer(f, 4, "echo");
    assert_int_equal(atomic_load(&reset_count), 0);
}

/* One kick for all, and the front-end is heard between them. */
static void requests_that_take_long_do_not_keep_the_front_end_waiting(void **state)
{
    struct front *f = *state;
    start(f);
    for (uint16_t slot = 0; slot < QUEUE_SIZE; slot += 2) {
        offer_silently(f, slot, TOIL, 0);
    }
    kick(f);
    while (atomic_load(&request_count) == 0) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    uint64_t features;
    send_message(f, PV_VHOST_GET_FEATURES, 0, NULL, 0, -1);
    atomic_store(&may_rest, true);
    check_reply(f->socket, PV_VHOST_GET_FEATURES, &features, sizeof(features));
    assert_true(atomic_load(&features_request_count) < QUEUE_SIZE / 2);
    for (uint16_t slot = 0; slot < QUEUE_SIZE; slot += 2) {
        check_answer(f, slot, "toiled");
    }
}

static void a_rebooted_guest_finds_a_new_device(void **state)
{
    struct front *f = *state;
    int fd = -1;
    start(f);
    for (uint32_t round = 1; round <= 3; round++) {
        offer(f, 0, MAP, 0x10000);
        take_mapping(f, PV_VHOST_SHMEM_MAP, 0x10000, &fd);
        pv_fd_close(&fd);
        reply_to_mapping(f, PV_VHOST_SHMEM_MAP, 0);
        check_answer(f, 0, "fine");
        offer(f, 2, HOLD, 0);
        offer(f, 0, ECHO, 0);
        check_answer(f, 0, "echo");
        if (round == 2) { /* front-ends that say so */
            tell(f, PV_VHOST_RESET_DEVICE, NULL, 0, -1);
        } else {
            (void)stop_queue(f);
        }
        forget_rings(f);
        start_queue(f, 0);
        assert_int_equal(atomic_load(&reset_count), round);
        if (round == 2) { /* QEMU, which does not say so, has emptied the window by itself */
            take_mapping(f, PV_VHOST_SHMEM_UNMAP, 0x10000, &fd);
            reply_to_mapping(f, PV_VHOST_SHMEM_UNMAP, 0);
        }
        offer(f, 2, ECHO, 0);
        check_answer(f, 2, "echo");
    }
}

static void send_get_config(struct front *f)
{
    const struct pv_vhost_config config = {.offset = 8, .size = 4};
    send_message(f, PV_VHOST_GET_CONFIG, 0, &config, offsetof(struct pv_vhost_config, bytes) + 4,
                 -1);
}

static void a_driver_that_looks_for_its_device_finds_a_new_one(void **state)
{
    struct front *f = *state;
    struct pv_vhost_config config;
    start(f);
    offer(f, 0, HOLD, 0);
    offer(f, 2, ECHO, 0);
    check_answer(f, 2, "echo");
    send_get_config(f); /* while it runs, that is nothing special */
    check_reply(f->socket, PV_VHOST_GET_CONFIG, &config,
                offsetof(struct pv_vhost_config, bytes) + 4);
    assert_int_equal(atomic_load(&reset_count), 0);
    (void)stop_queue(f);
    send_get_config(f);
    check_reply(f->socket, PV_VHOST_GET_CONFIG, &config,
                offsetof(struct pv_vhost_config, bytes) + 4);
    assert_int_equal(atomic_load(&reset_count), 1);
}

static void a_qemu_that_would_crash_goes_on_without_us(void **state)
{
    struct front *f = *state;
    const struct pv_vhost_region region = {
        .guest_address = UINT64_C(1) << 40, .size = BLOB_SIZE, .user_address = 0x1000};
    int fd = -1;
    start(f);
    offer(f, 0, MAP, 0x10000);
    take_mapping(f, PV_VHOST_SHMEM_MAP, 0x10000, &fd);
    announce_blob(f, &region, fd, 1); /* not taken while the device runs */
    reply_to_mapping(f, PV_VHOST_SHMEM_MAP, 0);
    check_answer(f, 0, "fine");
    const uint32_t base = stop_queue(f); /* a pause, after which no start must fail */
    announce_blob(f, &region, fd, 0);
    pv_fd_close(&fd);
    start_queue(f, base);
    (void)stop_queue(f);
    send_get_config(f);
    pv_thread_join(&f->thread);
    f->thread.is_started = false;
    assert_int_equal(f->result, PV_GUEST_FAULT);
    assert_int_equal(atomic_load(&f->line_count), 1);
    pv_fd_close(&f->socket);
}

static void a_stopped_back_end_ends(void **state)
{
    struct front *f = *state;
    start(f);
    offer(f, 0, HOLD, 0);
    assert_int_equal(eventfd_write(f->stop, 1), 0);
    pv_thread_join(&f->thread);
    f->thread.is_started = false;
    assert_int_equal(f->result, PV_OK);
    pv_fd_close(&f->socket);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_guest_is_served),
        TEST(configuration_and_window_are_told),
        TEST(messages_may_come_in_pieces),
        TEST(the_old_memory_table_is_known_too),
        TEST(a_paused_machine_goes_on_where_it_stood),
        TEST(requests_that_take_long_do_not_keep_the_front_end_waiting),
        TEST(a_rebooted_guest_finds_a_new_device),
        TEST(a_driver_that_looks_for_its_device_finds_a_new_one),
        TEST(a_qemu_that_would_crash_goes_on_without_us),
        TEST(a_stopped_back_end_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
