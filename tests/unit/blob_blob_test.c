#include "base/thread.h"
#include "blob/blob.h"
#include "blob/shm.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct pv_log silent;

static void blob_is_zero_filled_and_rounded_up_to_pages(void **state)
{
    (void)state;
    struct pv_blob *blob;
    assert_int_equal(pv_blob_create(PV_BLOB_SHM, 131268, &silent, NULL, &blob), PV_OK);
    assert_int_equal(blob->size, 131268);
    assert_int_equal(blob->map_size % (uint64_t)sysconf(_SC_PAGESIZE), 0);
    assert_true(blob->map_size >= blob->size);
    for (uint64_t i = 0; i < blob->map_size; i++) {
        assert_int_equal(blob->map[i], 0);
    }
    blob->map[blob->map_size - 1] = 1;
    pv_blob_unref(blob);
}

/* Of the portable half on Linux, which is there to be tested alone. */
static void skip_without_seals(void)
{
    if (!pv_shm_has_seals) {
        print_message("this build does not seal memory\n");
        skip();
    }
}

static void blob_cannot_be_shrunk_or_grown(void **state)
{
    (void)state;
    skip_without_seals();
    struct pv_blob *blob;
    assert_int_equal(pv_blob_create(PV_BLOB_MEMORY, 8192, &silent, NULL, &blob), PV_OK);
    int guests = dup(blob->fd);
    assert_int_equal(ftruncate(guests, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(guests, 65536), -1);
    assert_int_equal(fcntl(guests, F_ADD_SEALS, F_SEAL_WRITE), -1); /* nor sealed further */
    assert_int_not_equal(fcntl(blob->fd, F_GETFD) & FD_CLOEXEC, 0);
    close(guests);
    pv_blob_unref(blob);
}

static void blob_is_shared_with_whoever_maps_its_fd(void **state)
{
    (void)state;
    struct pv_blob *blob;
    assert_int_equal(pv_blob_create(PV_BLOB_SHM, 4096, &silent, NULL, &blob), PV_OK);
    char *guests = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, blob->fd, 0);
    assert_ptr_not_equal(guests, MAP_FAILED);
    strcpy(guests, "hello");
    assert_string_equal((char *)blob->map, "hello");
    munmap(guests, 4096);
    pv_blob_unref(blob);
}

static void blob_of_absurd_size_is_refused(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, UINT64_MAX, UINT64_MAX - 4096, UINT64_C(1) << 63,
                                     INT64_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct pv_blob *blob;
        assert_int_not_equal(pv_blob_create(PV_BLOB_SHM, sizes[i], &silent, NULL, &blob), PV_OK);
        assert_null(blob);
    }
}

static void blob_that_could_shrink_under_us_is_refused(void **state)
{
    (void)state;
    skip_without_seals();
    struct pv_blob *blob;
    int fd = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, 8192), 0);
    assert_int_equal(pv_blob_wrap_fd(PV_BLOB_SHM, dup(fd), 8192, &blob), PV_UNSUPPORTED);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_int_equal(pv_blob_wrap_fd(PV_BLOB_SHM, dup(fd), 8193, &blob), PV_HOST_FAILED);
    assert_int_equal(pv_blob_wrap_fd(PV_BLOB_SHM, dup(fd), 8000, &blob), PV_OK);
    assert_int_equal(blob->map_size, 8192);
    assert_non_null(blob->map);
    pv_blob_unref(blob);
    assert_int_equal(pv_blob_wrap_fd(PV_BLOB_DMABUF, dup(fd), 8192, &blob), PV_OK);
    assert_null(blob->map);
    pv_blob_unref(blob);
    close(fd);
}

static void count_release(void *user)
{
    ++*(int *)user;
}

static void blob_of_borrowed_memory_is_released_once(void **state)
{
    (void)state;
    struct pv_blob *blob;
    uint8_t memory[64] = {0};
    int releases = 0;
    assert_int_equal(pv_blob_wrap_memory(memory, sizeof(memory), count_release, &releases, &blob),
                     PV_OK);
    assert_ptr_equal(pv_blob_ref(blob), blob);
    pv_blob_unref(blob);
    assert_int_equal(releases, 0);
    pv_blob_unref(blob);
    assert_int_equal(releases, 1);
    pv_blob_unref(NULL);
}

static void blob_of_an_empty_file_is_refused(void **state)
{
    (void)state;
    struct pv_blob *blob;
    int fd = memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_int_equal(pv_blob_wrap_fd(PV_BLOB_SHM, fd, 4096, &blob), PV_HOST_FAILED);
    assert_null(blob);
}

static void blob_closes_its_fd_with_the_last_reference(void **state)
{
    (void)state;
    struct pv_blob *blob;
    assert_int_equal(pv_blob_create(PV_BLOB_SHM, 4096, &silent, NULL, &blob), PV_OK);
    int fd = blob->fd;
    pv_blob_unref(pv_blob_ref(blob));
    assert_int_not_equal(fcntl(fd, F_GETFD), -1);
    pv_blob_unref(blob);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void resource_ids_are_unique_and_not_0(void **state)
{
    (void)state;
    struct pv_resources resources;
    struct pv_blob *blob;
    uint8_t memory[64] = {0};
    int releases = 0;
    assert_int_equal(pv_blob_wrap_memory(memory, sizeof(memory), count_release, &releases, &blob),
                     PV_OK);
    assert_int_equal(pv_resources_init(&resources, 10), PV_OK);
    assert_int_equal(pv_resources_add(&resources, 0, blob), PV_GUEST_FAULT);
    assert_int_equal(pv_resources_add(&resources, 1, blob), PV_OK);
    assert_int_equal(pv_resources_add(&resources, 1, blob), PV_GUEST_FAULT);
    assert_int_equal(pv_resources_add(&resources, 1 + PV_RESOURCE_BUCKETS, blob), PV_OK);
    assert_null(pv_resources_get(&resources, 2));
    pv_blob_unref(blob);
    struct pv_blob *got = pv_resources_get(&resources, 1);
    assert_ptr_equal(got, blob);
    uint64_t generation = atomic_load(&resources.generation);
    assert_true(pv_resources_remove(&resources, 1));
    assert_int_not_equal(atomic_load(&resources.generation), generation);
    assert_false(pv_resources_remove(&resources, 1));
    assert_int_equal(pv_resources_add(&resources, 1, blob), PV_OK); /* these may be reused */
    pv_blob_unref(got);
    pv_resources_finish(&resources);
    assert_int_equal(releases, 1);
    pv_resources_finish(&resources);
}

static void resource_count_is_limited(void **state)
{
    (void)state;
    struct pv_resources resources;
    struct pv_blob *blob;
    uint8_t memory[64] = {0};
    assert_int_equal(pv_blob_wrap_memory(memory, sizeof(memory), NULL, NULL, &blob), PV_OK);
    assert_int_equal(pv_resources_init(&resources, 3), PV_OK);
    for (uint32_t id = 1; id <= 3; id++) {
        assert_int_equal(pv_resources_add(&resources, id, blob), PV_OK);
    }
    assert_int_equal(pv_resources_add(&resources, 4, blob), PV_NO_MEMORY);
    assert_true(pv_resources_remove(&resources, 2));
    assert_int_equal(pv_resources_add(&resources, 4, blob), PV_OK);
    pv_blob_unref(blob);
    pv_resources_finish(&resources);
}

static void get_often(void *user)
{
    for (int i = 0; i < 20000; i++) {
        struct pv_blob *blob = pv_resources_get(user, 1);
        if (blob != NULL) {
            *(volatile uint64_t *)&blob->size;
        }
        pv_blob_unref(blob);
    }
}

static void resource_survives_its_removal_in_the_hands_of_others(void **state)
{
    (void)state;
    struct pv_resources resources;
    struct pv_thread thread;
    assert_int_equal(pv_resources_init(&resources, 3), PV_OK);
    assert_int_equal(pv_thread_start(&thread, "getter", get_often, &resources), PV_OK);
    for (int i = 0; i < 300; i++) {
        struct pv_blob *blob;
        assert_int_equal(pv_blob_create(PV_BLOB_SHM, 4096, &silent, NULL, &blob), PV_OK);
        assert_int_equal(pv_resources_add(&resources, 1, blob), PV_OK);
        pv_blob_unref(blob);
        assert_true(pv_resources_remove(&resources, 1));
    }
    pv_thread_join(&thread);
    pv_resources_finish(&resources);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blob_is_zero_filled_and_rounded_up_to_pages),
        cmocka_unit_test(blob_cannot_be_shrunk_or_grown),
        cmocka_unit_test(blob_is_shared_with_whoever_maps_its_fd),
        cmocka_unit_test(blob_of_absurd_size_is_refused),
        cmocka_unit_test(blob_that_could_shrink_under_us_is_refused),
        cmocka_unit_test(blob_of_borrowed_memory_is_released_once),
        cmocka_unit_test(blob_of_an_empty_file_is_refused),
        cmocka_unit_test(blob_closes_its_fd_with_the_last_reference),
        cmocka_unit_test(resource_ids_are_unique_and_not_0),
        cmocka_unit_test(resource_count_is_limited),
        cmocka_unit_test(resource_survives_its_removal_in_the_hands_of_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
