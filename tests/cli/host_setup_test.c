#include "isolate/host_setup.h"
#include "unit/check.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder with two drivers' manifests, as a host may have them. */
static char folder[] = "/tmp/pearvisor-test-XXXXXX";
static char host_driver[128], venus_driver[128];

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    char path[128];
    snprintf(path, sizeof(path), "%s/vulkan", folder);
    (void)mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/vulkan/icd.d", folder);
    (void)mkdir(path, 0700);
    snprintf(host_driver, sizeof(host_driver), "%s/vulkan/icd.d/a.json", folder);
    snprintf(venus_driver, sizeof(venus_driver), "%s/vulkan/icd.d/b.json", folder);
    write_file(host_driver, "{\"ICD\": {\"library_path\": \"libvulkan_a.so\"}}");
    write_file(venus_driver, "{\"ICD\": {\"library_path\": \"libvulkan_virtio.so\"}}");
    setenv("XDG_CONFIG_HOME", folder, 1);
    setenv("XDG_CACHE_HOME", folder, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

static const char *find(char **environment, const char *name)
{
    while (*environment != NULL && strncmp(*environment, name, strlen(name)) != 0) {
        environment++;
    }
    return *environment;
}

static void the_hosts_own_drivers_are_chosen(void **state)
{
    (void)state;
    static struct pv_worker_setup worker;
    const struct pv_worker_setup_params params = {
        .gpu = "1", .waiting = 1, .log_level = PV_LOG_INFO};
    assert_int_equal(pv_worker_setup_init(&worker, &params), PV_OK);
    assert_non_null(strstr(worker.drivers, host_driver));
    assert_null(strstr(worker.drivers, venus_driver));
    assert_string_equal(worker.setup.gpu, "1");
    assert_int_equal(worker.setup.waiting, 1);
    assert_int_equal(worker.setup.allow_venus, 0);
    assert_non_null(strstr(find(worker.environment, "VK_DRIVER_FILES="), host_driver));
    char cache[160];
    snprintf(cache, sizeof(cache), "%s/pearvisor", folder);
    assert_string_equal(worker.setup.cache_directory, cache);
    assert_int_equal(access(cache, W_OK), 0);
    assert_non_null(strstr(find(worker.environment, "HOME="), cache));
    pv_worker_setup_finish(&worker);
}

static void a_driver_that_is_named_is_the_only_one(void **state)
{
    (void)state;
    static struct pv_worker_setup worker;
    const struct pv_worker_setup_params params = {.driver = venus_driver, .without_cache = true};
    assert_int_equal(pv_worker_setup_init(&worker, &params), PV_OK);
    assert_string_equal(worker.drivers, venus_driver);
    assert_int_equal(worker.setup.allow_venus, 1);
    assert_string_equal(worker.setup.cache_directory, "");
    /* Its folder is opened to the sandbox. */
    assert_int_equal(worker.setup.read_path_count, 1);
    assert_int_equal(
        strncmp(venus_driver, worker.setup.read_paths[0], strlen(worker.setup.read_paths[0])), 0);
    pv_worker_setup_finish(&worker);
}

static void what_cannot_be_a_driver_is_refused(void **state)
{
    (void)state;
    static struct pv_worker_setup worker;
    struct pv_worker_setup_params params = {.driver = "/nowhere/driver.json"};
    assert_int_equal(pv_worker_setup_init(&worker, &params), PV_UNSUPPORTED);
    char long_name[PV_SETUP_GPU_SIZE + 1];
    memset(long_name, 'x', sizeof(long_name));
    long_name[PV_SETUP_GPU_SIZE] = '\0';
    params = (struct pv_worker_setup_params){.gpu = long_name};
    assert_int_equal(pv_worker_setup_init(&worker, &params), PV_UNSUPPORTED);
}

static void the_worker_program_is_the_one_that_was_built_with_us(void **state)
{
    (void)state;
    char path[PV_SETUP_PATH_SIZE], built[PATH_MAX];
    unsetenv("PEARVISOR_PROGRAM");
    assert_true(pv_worker_program(path));
    assert_non_null(realpath(path, built));
    assert_string_equal(built, getenv("PV_TEST_PROGRAM"));
    setenv("PEARVISOR_PROGRAM", "/bin/sh", 1);
    assert_true(pv_worker_program(path));
    assert_string_equal(path, "/bin/sh");
    setenv("PEARVISOR_PROGRAM", "/nowhere/pearvisor", 1);
    assert_false(pv_worker_program(path));
    setenv("PEARVISOR_PROGRAM", "/tmp", 1);
    assert_false(pv_worker_program(path));
    unsetenv("PEARVISOR_PROGRAM");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hosts_own_drivers_are_chosen),
        cmocka_unit_test(a_driver_that_is_named_is_the_only_one),
        cmocka_unit_test(what_cannot_be_a_driver_is_refused),
        cmocka_unit_test(the_worker_program_is_the_one_that_was_built_with_us),
    };
    return cmocka_run_group_tests_name("host_setup", tests, setup, teardown);
}
