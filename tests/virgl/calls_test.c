#include "base/clock.h"
#include "base/log.h"
#include "unit/check.h"
#include "virgl/caller.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What the library does by itself: no worker is started here. */

enum { UNKNOWN_FLAGS = 0x40000000 };

static struct caller caller;

static void init_refuses_what_it_does_not_know(void **state)
{
    (void)state;
    struct pv_virgl_callbacks callbacks = {.version = 0};
    assert_int_equal(virgl_renderer_init(&caller, 0, NULL), -1);
    assert_int_equal(virgl_renderer_init(&caller, 0, &callbacks), -1);
    callbacks.version = 5;
    assert_int_equal(virgl_renderer_init(&caller, 0, &callbacks), -1);
    assert_int_equal(virgl_renderer_create_fence(1, 0), EINVAL);
    assert_int_equal(virgl_renderer_get_poll_fd(), -1);
}

static void on_fence(void *cookie, uint32_t fence_id)
{
    *(uint32_t *)cookie = fence_id;
}

/* The structs of old callers end where the pages do. */
static void members_beyond_the_version_are_not_read(void **state)
{
    (void)state;
    static const size_t ends[] = {0, 40, 48, 64, 72};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages =
        mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
    for (int version = 1; version <= 4; version++) {
        struct pv_virgl_callbacks full = {.version = version, .write_fence = on_fence};
        struct pv_virgl_callbacks *cut = (void *)(pages + page - ends[version]);
        memcpy(cut, &full, ends[version]);
        uint32_t fence_id = 0;
        assert_int_equal(virgl_renderer_init(&fence_id, 0, cut), 0);
        /* Nobody could report it. */
        assert_int_equal(virgl_renderer_context_create_fence(1, 0, 0, 1), -EINVAL);
        assert_int_equal(virgl_renderer_create_fence(7, 0), 0);
        virgl_renderer_poll();
        assert_int_equal(fence_id, 7);
        virgl_renderer_cleanup(NULL);
    }
    (void)munmap(pages, 2 * page);
}

static void init_again_is_the_same_or_is_busy(void **state)
{
    (void)state;
    caller_open(&caller, UNKNOWN_FLAGS);
    assert_int_equal(virgl_renderer_init(&caller, UNKNOWN_FLAGS, &caller.callbacks), 0);
    assert_int_equal(virgl_renderer_init(&caller, 0, &caller.callbacks), -EBUSY);
    assert_int_equal(virgl_renderer_init(NULL, UNKNOWN_FLAGS, &caller.callbacks), -EBUSY);
    virgl_renderer_reset();
    assert_int_equal(virgl_renderer_init(&caller, UNKNOWN_FLAGS, &caller.callbacks), 0);
    caller_close(&caller);
}

static void the_capset_is_known_before_init(void **state)
{
    (void)state;
    for (uint32_t capset = 0; capset < 8; capset++) {
        uint32_t version = 77, size = 77;
        virgl_renderer_get_cap_set(capset, &version, &size);
        assert_int_equal(version, 0);
        assert_int_equal(size, capset == 4 ? 160 : 0);
    }
    uint32_t words[41];
    memset(words, 0xee, sizeof(words));
    virgl_renderer_fill_caps(1, 0, words);
    assert_int_equal(words[0], 0xeeeeeeee);
    virgl_renderer_fill_caps(4, 0, words);
    assert_int_equal(words[0], 1);  /* the wire format */
    assert_int_equal(words[4], 1);  /* blob id 0 is shared memory */
    assert_int_equal(words[39], 0); /* blobs are not the guest's memory */
    assert_int_equal(words[40], 0xeeeeeeee);
}

static void fences_retire_in_order_and_only_in_poll(void **state)
{
    (void)state;
    caller_open(&caller, 0);
    struct pollfd poll_fd = {.fd = virgl_renderer_get_poll_fd(), .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, 0), 0);
    for (int id = 1; id <= 100; id++) {
        assert_int_equal(virgl_renderer_create_fence(id, 0x105), 0);
    }
    pv_clock_sleep_ns(20 * PV_NS_PER_MS);
    assert_int_equal(caller_fences(&caller), 0);
    assert_int_equal(poll(&poll_fd, 1, 0), 1);
    virgl_renderer_poll();
    assert_int_equal(caller_fences(&caller), 100);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(caller.fences[i].id, i + 1);
        assert_true(pthread_equal(caller.fences[i].thread, pthread_self()));
    }
    assert_int_equal(poll(&poll_fd, 1, 0), 0);
    caller_close(&caller);
}

static void async_fences_come_from_a_thread_of_the_library(void **state)
{
    (void)state;
    caller_open(&caller, CALLER_ASYNC);
    assert_int_equal(virgl_renderer_get_poll_fd(), -1);
    for (int id = 1; id <= 100; id++) {
        assert_int_equal(virgl_renderer_create_fence(id, 0), 0);
    }
    assert_true(caller_wait_fences(&caller, 100));
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(caller.fences[i].id, i + 1);
        assert_false(pthread_equal(caller.fences[i].thread, pthread_self()));
    }
    caller_close(&caller);
}

static void reset_drops_what_was_not_reported(void **state)
{
    (void)state;
    caller_open(&caller, 0);
    assert_int_equal(virgl_renderer_context_create(3, 4, "gone"), 0);
    assert_int_equal(virgl_renderer_create_fence(1, 0), 0);
    virgl_renderer_reset();
    virgl_renderer_poll();
    assert_int_equal(caller_fences(&caller), 0);
    assert_int_equal(virgl_renderer_create_fence(2, 0), 0);
    virgl_renderer_poll();
    assert_int_equal(caller_fences(&caller), 1);
    assert_int_equal(caller.fences[0].id, 2);
    caller_close(&caller);
}

/* A guest's OpenGL driver that looks for virgl sends a few commands and waits for fences. */
static void contexts_without_venus_swallow(void **state)
{
    (void)state;
    uint32_t words[4] = {0};
    caller_open(&caller, 0);
    assert_int_equal(virgl_renderer_context_create(0, 1, "x"), EINVAL);
    assert_int_equal(virgl_renderer_context_create(1, UINT32_MAX, "unterminated"), 0);
    assert_int_equal(virgl_renderer_context_create(1, 1, "x"), 0);
    assert_int_equal(virgl_renderer_context_create_with_flags(1, 1, 1, "x"), EINVAL);
    assert_int_equal(virgl_renderer_submit_cmd(words, 1, 4), 0);
    assert_int_equal(virgl_renderer_submit_cmd(NULL, 1, 0), 0);
    assert_int_equal(virgl_renderer_submit_cmd((uint8_t *)words + 1, 1, 1), EFAULT);
    assert_int_equal(virgl_renderer_submit_cmd(words, 2, 4), EINVAL);
    assert_int_equal(virgl_renderer_submit_cmd(words, 1, -1), EINVAL);
    assert_int_equal(virgl_renderer_submit_cmd2(words, 1, 4, NULL, 0), 0);
    assert_int_equal(virgl_renderer_context_create_fence(1, 0, 0, UINT64_C(1) << 40), 0);
    assert_int_equal(virgl_renderer_context_create_fence(1, 0, 4000000, 2), 0);
    assert_int_equal(virgl_renderer_context_create_fence(99, 0, 0, 3), 0);
    virgl_renderer_poll();
    assert_int_equal(caller_fences(&caller), 3);
    assert_true(caller.fences[0].id == UINT64_C(1) << 40);
    assert_int_equal(caller.fences[1].ring_idx, 4000000);
    assert_int_equal(caller.fences[2].context_id, 99);
    virgl_renderer_ctx_attach_resource(1, 5);
    virgl_renderer_ctx_detach_resource(1, 5);
    virgl_renderer_context_destroy(1);
    virgl_renderer_context_destroy(1);
    caller_close(&caller);
}

static void only_the_newest_of_mergeable_fences_is_reported(void **state)
{
    (void)state;
    caller_open(&caller, 0);
    assert_int_equal(virgl_renderer_context_create(1, 1, "x"), 0);
    for (uint64_t id = 1; id <= 4; id++) {
        assert_int_equal(
            virgl_renderer_context_create_fence(1, id < 4 ? PV_VIRGL_FENCE_MERGEABLE : 0, 2, id),
            0);
    }
    assert_int_equal(virgl_renderer_context_create_fence(1, 1, 3, 5), 0);
    virgl_renderer_poll();
    assert_int_equal(caller_fences(&caller), 2);
    assert_int_equal(caller.fences[0].id, 4);
    assert_int_equal(caller.fences[1].id, 5);
    caller_close(&caller);
}

static void a_venus_context_without_workers_is_refused(void **state)
{
    (void)state;
    caller_open(&caller, 0);
    assert_int_equal(virgl_renderer_context_create_with_flags(1, 4, 1, "x"), ENOMEM);
    struct pv_virgl_blob_args args = {
        .resource_id = 1, .context_id = 1, .memory = 2, .flags = 1, .size_bytes = 4096};
    assert_int_equal(virgl_renderer_resource_create_blob(&args), -EINVAL);
    args.blob_id = 7;
    assert_int_equal(virgl_renderer_resource_create_blob(&args), -EINVAL);
    struct pv_virgl_info info;
    assert_int_equal(virgl_renderer_resource_get_info(1, &info), EINVAL);
    caller_close(&caller);
}

static void backings_come_back_as_they_were(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct iovec iov[2] = {{bytes, 32}, {bytes + 32, 32}}, *back = NULL;
    int count = 0, data = 0;
    caller_open(&caller, 0);
    struct pv_virgl_resource_args args = {.handle = 5,
                                          .target = 2,
                                          .format = 2,
                                          .width = 4,
                                          .height = 4,
                                          .depth = 1,
                                          .array_size = 1};
    assert_int_equal(virgl_renderer_resource_attach_iov(5, iov, 2), EINVAL);
    assert_int_equal(virgl_renderer_resource_create(&args, NULL, 0), 0);
    assert_int_equal(virgl_renderer_resource_create(&args, NULL, 0), EINVAL);
    assert_int_equal(virgl_renderer_resource_attach_iov(5, iov, 2), 0);
    assert_int_equal(virgl_renderer_resource_attach_iov(5, iov, 1), EINVAL);
    virgl_renderer_resource_detach_iov(5, &back, &count);
    assert_ptr_equal(back, iov);
    assert_int_equal(count, 2);
    virgl_renderer_resource_detach_iov(5, &back, &count);
    assert_null(back);
    assert_int_equal(count, 0);
    virgl_renderer_resource_detach_iov(6, &back, &count);
    assert_null(back);
    virgl_renderer_resource_set_priv(5, &data);
    assert_ptr_equal(virgl_renderer_resource_get_priv(5), &data);
    assert_null(virgl_renderer_resource_get_priv(6));

    /* A guest's own pages as a blob. */
    struct pv_virgl_blob_args blob = {.resource_id = 6,
                                      .memory = PV_VIRGL_BLOB_GUEST,
                                      .size_bytes = 64,
                                      .iov = iov,
                                      .iov_count = 2};
    assert_int_equal(virgl_renderer_resource_create_blob(&blob), 0);
    virgl_renderer_resource_detach_iov(6, &back, &count);
    assert_ptr_equal(back, iov);
    void *map = NULL;
    uint64_t size = 0;
    uint32_t word = 0;
    int fd = -1;
    assert_int_equal(virgl_renderer_resource_map(6, &map, &size), -EINVAL);
    assert_int_equal(virgl_renderer_resource_unmap(6), -EINVAL);
    assert_int_equal(virgl_renderer_resource_get_map_info(6, &word), -EINVAL);
    assert_int_equal(virgl_renderer_resource_export_blob(6, &word, &fd), -EINVAL);
    blob.resource_id = 7;
    blob.size_bytes = 65; /* more than there is */
    assert_int_equal(virgl_renderer_resource_create_blob(&blob), -EINVAL);
    virgl_renderer_resource_unref(5);
    virgl_renderer_resource_unref(5);
    caller_close(&caller);
}

/* 2 GiB of images, no more, however many they are. */
static void images_have_a_quota(void **state)
{
    (void)state;
    caller_open(&caller, 0);
    struct pv_virgl_resource_args args = {
        .target = 2, .format = 2, .width = 16384, .height = 16384, .depth = 1, .array_size = 1};
    args.handle = 1;
    assert_int_equal(virgl_renderer_resource_create(&args, NULL, 0), 0);
    args.handle = 2;
    assert_int_equal(virgl_renderer_resource_create(&args, NULL, 0), 0);
    args.handle = 3;
    assert_int_equal(virgl_renderer_resource_create(&args, NULL, 0), EINVAL);
    virgl_renderer_resource_unref(1);
    assert_int_equal(virgl_renderer_resource_create(&args, NULL, 0), 0);
    args.width = 16385;
    args.handle = 4;
    assert_int_equal(virgl_renderer_resource_create(&args, NULL, 0), EINVAL);
    args.width = 0;
    assert_int_equal(virgl_renderer_resource_create(&args, NULL, 0), 0);
    caller_close(&caller);
}

static struct {
    char line[512];
    int level, freed;
} logged;

static void on_log(int level, const char *line, void *user)
{
    assert_ptr_equal(user, &logged);
    logged.level = level;
    (void)snprintf(logged.line, sizeof(logged.line), "%s", line);
}

static void on_free(void *user)
{
    assert_ptr_equal(user, &logged);
    logged.freed++;
}

static void on_debug(const char *format, va_list arguments)
{
    (void)vsnprintf(logged.line, sizeof(logged.line), format, arguments);
}

static void lines_go_to_the_callers_callback(void **state)
{
    (void)state;
    static const char line[] = "pearvisor: no context 9 for \"x\": Cannot allocate memory\n";
    assert_null(virgl_set_debug_callback(on_debug));
    caller_open(&caller, 0);
    (void)virgl_renderer_context_create_with_flags(9, 4, 1, "xyz");
    assert_string_equal(logged.line, line);
    virgl_set_log_callback(on_log, &logged, on_free);
    logged.line[0] = '\0';
    (void)virgl_renderer_context_create_with_flags(9, 4, 1, "xyz");
    assert_string_equal(logged.line, line);
    assert_int_equal(logged.level, PV_VIRGL_LOG_WARNING);
    caller_close(&caller);
    virgl_set_log_callback(NULL, NULL, NULL);
    assert_int_equal(logged.freed, 1);
    assert_true(virgl_set_debug_callback(NULL) == on_debug);
}

static void a_guest_cannot_flood_the_log(void **state)
{
    (void)state;
    (void)virgl_set_debug_callback(on_debug);
    caller_open(&caller, 0);
    uint32_t lines = 0;
    for (int i = 0; i < 1000; i++) {
        logged.line[0] = '\0';
        (void)virgl_renderer_context_create_with_flags(9, 4, 1, "x");
        lines += logged.line[0] != '\0' ? 1 : 0;
    }
    assert_in_range(lines, 1, 2 * PV_LOG_LINES_PER_MINUTE); /* a new one may begin */
    caller_close(&caller);
    (void)virgl_set_debug_callback(NULL);
}

static void the_rest_says_no(void **state)
{
    (void)state;
    int fd = -1, pipe_ends[2];
    caller_open(&caller, 0);
    assert_int_equal(pipe(pipe_ends), 0);
    assert_true(virgl_renderer_attach_fence(1, pipe_ends[0]) < 0); /* which takes it */
    assert_int_equal(close(pipe_ends[0]), -1);
    (void)close(pipe_ends[1]);
    assert_true(virgl_renderer_export_fence(1, &fd) < 0);
    assert_int_equal(virgl_renderer_export_signalled_fence(), -1);
    assert_int_equal(virgl_renderer_get_fence_fd(1), -1);
    assert_true(virgl_renderer_get_dev_fd(1) < 0);
    assert_int_equal(virgl_renderer_context_get_poll_fd(1), -1);
    assert_true(virgl_renderer_execute(NULL, 0) < 0);
    assert_true(virgl_renderer_resource_import_blob(NULL) < 0);
    assert_int_equal(virgl_renderer_resource_import_eglimage(NULL, NULL), EINVAL);
    assert_int_equal(virgl_renderer_get_fd_for_texture(1, &fd), -1);
    assert_int_equal(virgl_renderer_get_fd_for_texture2(1, &fd, &fd, &fd), -1);
    assert_int_equal(virgl_renderer_transfer_read_iov(1, 0, 0, 0, 0, NULL, 0, NULL, 0), EINVAL);
    virgl_renderer_context_poll(1);
    virgl_renderer_get_rect(1, NULL, 0, 0, 0, 0, 0, 0);
    caller_close(&caller);
}

static struct guest_baseline baseline;

static int remember_baseline(void **state)
{
    (void)state;
    baseline = guest_baseline();
    return 0;
}

static int check_baseline(void **state)
{
    (void)state;
    return guest_is_back_at(&baseline, 64 * 1024) ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, remember_baseline, check_baseline)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(init_refuses_what_it_does_not_know),
        TEST(members_beyond_the_version_are_not_read),
        TEST(init_again_is_the_same_or_is_busy),
        TEST(the_capset_is_known_before_init),
        TEST(fences_retire_in_order_and_only_in_poll),
        TEST(async_fences_come_from_a_thread_of_the_library),
        TEST(reset_drops_what_was_not_reported),
        TEST(contexts_without_venus_swallow),
        TEST(only_the_newest_of_mergeable_fences_is_reported),
        TEST(a_venus_context_without_workers_is_refused),
        TEST(backings_come_back_as_they_were),
        TEST(images_have_a_quota),
        TEST(lines_go_to_the_callers_callback),
        TEST(a_guest_cannot_flood_the_log),
        TEST(the_rest_says_no),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
