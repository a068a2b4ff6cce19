/* Doctor as a program: what it says of this machine, and of one without a Venus driver. */
#include "cmocka_in_order.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_SIZE = 1024 * 1024 };

struct outcome {
    int status;
    size_t lines;
    char text[TEXT_SIZE];
};

static struct outcome outcome;

/* Runs a shell command and keeps what it prints. "$P" is the program. */
static void run(const char *command)
{
    memset(&outcome, 0, sizeof(outcome));
    setenv("P", getenv("PV_TEST_PROGRAM"), 1);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t length = fread(outcome.text, 1, sizeof(outcome.text) - 1, pipe);
    for (size_t i = 0; i < length; i++) {
        outcome.lines += outcome.text[i] == '\n';
    }
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    outcome.status = WEXITSTATUS(status);
}

static const cJSON *first(const cJSON *list)
{
    assert_true(cJSON_GetArraySize(list) > 0);
    return cJSON_GetArrayItem(list, 0);
}

static bool is_true(const cJSON *object, const char *name)
{
    return cJSON_IsTrue(cJSON_GetObjectItem(object, name));
}

static void a_wrong_option_gets_one_line_and_status_2(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "--unknown", "--gpu",    "--gpu ''",    "--driver", "--driver /nowhere/icd.json",
        "--json=1",  "--gpu= x", "superfluous", "-x",       "-- true",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char command[256];
        snprintf(command, sizeof(command), "\"$P\" doctor %s 2>&1", wrong[i]);
        run(command);
        print_message("%s: %s", wrong[i], outcome.text);
        assert_int_equal(outcome.status, 2);
        assert_int_equal(outcome.lines, 1);
    }
}

static void this_machine_passes_and_every_memory_type_has_a_reason(void **state)
{
    (void)state;
    run("\"$P\" doctor --json");
    print_message("%s\n", outcome.text);
    cJSON *root = cJSON_Parse(outcome.text);
    assert_non_null(root);
    assert_int_equal(outcome.status, 0);
    assert_true(is_true(root, "passed"));
    assert_true(is_true(first(cJSON_GetObjectItem(root, "venus_clients")), "usable"));
    const cJSON *gpu = first(cJSON_GetObjectItem(root, "gpus"));
    assert_true(is_true(gpu, "usable"));
    const cJSON *type;
    bool has_strategy = false;
    cJSON_ArrayForEach(type, cJSON_GetObjectItem(gpu, "memory_types"))
    {
        const char *strategy = cJSON_GetStringValue(cJSON_GetObjectItem(type, "strategy"));
        assert_true(cJSON_GetStringValue(cJSON_GetObjectItem(type, "why"))[0] != '\0');
        has_strategy = has_strategy || strcmp(strategy, "host pages") == 0 ||
                       strcmp(strategy, "dma-buf") == 0 || strcmp(strategy, "opaque fd") == 0;
    }
    assert_true(has_strategy);
    const cJSON *view = first(cJSON_GetObjectItem(root, "guest_views"));
    assert_non_null(cJSON_GetObjectItem(view, "changes"));
    cJSON_Delete(root);
}

static void the_text_says_the_same_with_marks(void **state)
{
    (void)state;
    run("\"$P\" doctor 2>&1");
    assert_int_equal(outcome.status, 0);
    static const char *const parts[] = {"GPUs\n  [ok]  GPU 0", "memory type 0",
                                        "Venus clients\n  [ok]", "Self-test\n  [ok]  passed"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        assert_non_null(strstr(outcome.text, parts[i]));
    }
}

static void guests_keep_the_hosts_limits_but_those_that_are_listed(void **state)
{
    (void)state;
    static const char *const ours[] = {
        "apiVersion",
        "maxMemoryAllocationCount",
        "sparseAddressSpaceSize",
    };
    run("\"$P\" doctor --json");
    cJSON *root = cJSON_Parse(outcome.text);
    assert_non_null(root);
    const cJSON *view = first(cJSON_GetObjectItem(root, "guest_views"));
    const cJSON *change;
    cJSON_ArrayForEach(change, cJSON_GetObjectItem(view, "changes"))
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(change, "name"));
        bool known = false;
        for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
            known = known || strcmp(name, ours[i]) == 0;
        }
        print_message("%s\n", name);
        assert_true(known);
    }
    cJSON_Delete(root);
}

/* Doctor in a mount namespace, whose folder of manifests is another one. */
static bool run_with_manifests(const char *prepare, const char *arguments)
{
    char command[1024];
    snprintf(command, sizeof(command),
             "unshare -rm sh -c '"
             "mount -t tmpfs none /mnt && cp /usr/share/vulkan/icd.d/*.json /mnt && cd /mnt && "
             "%s && mount --bind /mnt /usr/share/vulkan/icd.d && exec env HOME=/mnt \"$P\" doctor "
             "%s' 2>&1",
             prepare, arguments);
    if (system("unshare -rm mount -t tmpfs none /mnt 2>/dev/null") != 0) {
        return false; /* this machine does not let users have namespaces */
    }
    run(command);
    print_message("%s\n", outcome.text);
    return true;
}

static void without_a_venus_driver_it_fails_and_names_the_package(void **state)
{
    (void)state;
    if (!run_with_manifests("rm -f virtio_icd*", "")) {
        skip();
    }
    assert_int_equal(outcome.status, 1);
    assert_non_null(strstr(outcome.text, "[!!]  Venus"));
    assert_non_null(strstr(outcome.text, "mesa-vulkan-drivers"));
    assert_non_null(strstr(outcome.text, "[!!]  result"));
    assert_non_null(strstr(outcome.text, "[ok]  GPU 0"));
}

static void a_manifest_without_its_library_is_no_client(void **state)
{
    (void)state;
    const char *prepare = "sed -i s/libvulkan_virtio/libvulkan_virtio_gone/ virtio_icd*";
    if (!run_with_manifests(prepare, "--json")) {
        skip();
    }
    cJSON *root = cJSON_Parse(outcome.text);
    assert_non_null(root);
    assert_int_equal(outcome.status, 1);
    assert_false(is_true(first(cJSON_GetObjectItem(root, "venus_clients")), "usable"));
    assert_false(is_true(cJSON_GetObjectItem(root, "self_test"), "ran"));
    cJSON_Delete(root);
}

static void without_any_driver_it_says_what_to_install(void **state)
{
    (void)state;
    if (!run_with_manifests("rm -f *.json", "")) {
        skip();
    }
    assert_int_equal(outcome.status, 1);
    assert_non_null(strstr(outcome.text, "no Vulkan driver is installed"));
}

static void a_driver_that_does_not_start_is_told(void **state)
{
    (void)state;
    run("d=$(mktemp -d) && printf '{\"file_format_version\": \"1.0.0\", \"ICD\": {\"api_version\": "
        "\"1.3.0\", \"library_path\": \"/nowhere.so\"}}' >$d/icd.json && "
        "\"$P\" doctor --driver $d/icd.json 2>&1; s=$?; rm -rf $d; exit $s");
    print_message("%s\n", outcome.text);
    assert_int_equal(outcome.status, 1);
    assert_non_null(strstr(outcome.text, "[!!]  probe"));
}

static void a_gpu_that_is_not_there_is_told(void **state)
{
    (void)state;
    run("\"$P\" doctor --gpu 'no such GPU' 2>&1");
    assert_int_equal(outcome.status, 1);
    assert_non_null(strstr(outcome.text, "none of "));
    assert_non_null(strstr(outcome.text, "'no such GPU'"));
}

static void the_self_test_refuses_a_driver_that_is_not_venus(void **state)
{
    (void)state;
    run("\"$P\" self-test --native >/dev/null 2>&1 && \"$P\" self-test --json 2>&1");
    assert_int_equal(outcome.status, 1);
    assert_non_null(strstr(outcome.text, "this is not Venus"));
}

/* Doctor beside a QEMU that is a script, with no image. */
static cJSON *run_beside_qemu(const char *version)
{
    char command[1024];
    snprintf(command, sizeof(command),
             "d=$(mktemp -d) && { echo '#!/bin/sh'; echo 'case \"$*\" in --version)'; "
             "echo 'echo \"QEMU emulator version %s (a fake)\";; *-device*)'; "
             "echo 'echo \"name \\\"vhost-user-test-device-pci\\\"\";; *) echo tcg;; esac'; } "
             ">$d/qemu && chmod +x $d/qemu && "
             "PEARVISOR_QEMU=$d/qemu PEARVISOR_VIRGL=$d XDG_DATA_HOME=$d \"$P\" doctor --json; "
             "s=$?; rm -rf $d; exit $s",
             version);
    run(command);
    assert_int_equal(outcome.status, 0);
    cJSON *root = cJSON_Parse(outcome.text);
    assert_non_null(root);
    return root;
}

/* What it says of a thing that virtual machines need; NULL: nothing. */
static const cJSON *find_finding(const cJSON *root, const char *label)
{
    const cJSON *finding;
    cJSON_ArrayForEach(finding, cJSON_GetObjectItem(root, "findings"))
    {
        const char *topic = cJSON_GetStringValue(cJSON_GetObjectItem(finding, "topic"));
        const char *found = cJSON_GetStringValue(cJSON_GetObjectItem(finding, "label"));
        if (strcmp(topic, "Virtual machines") == 0 && strcmp(found, label) == 0) {
            return finding;
        }
    }
    return NULL;
}

static bool is_marked(const cJSON *finding, const char *mark)
{
    return strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(finding, "mark")), mark) == 0;
}

static void a_qemus_version_says_which_ways_are_open(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        bool has_vhost_user;
    } cases[] = {{"11.1.2", true}, {"11.0.9", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cJSON *root = run_beside_qemu(cases[i].version);
        const cJSON *machines = cJSON_GetObjectItem(root, "virtual_machines");
        const cJSON *ways = cJSON_GetObjectItem(machines, "ways");
        const cJSON *qemu = cJSON_GetObjectItem(machines, "qemu");
        assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(qemu, "version")),
                            cases[i].version);
        assert_int_equal(is_true(ways, "vhost-user"), cases[i].has_vhost_user);
        assert_true(
            is_marked(find_finding(root, "vhost-user"), cases[i].has_vhost_user ? "ok" : "note"));
        assert_false(is_true(ways, "virgl")); /* for want of the library */
        cJSON_Delete(root);
    }
}

static void what_virtual_machines_lack_is_no_fault_and_has_a_remedy(void **state)
{
    (void)state;
    static const char *const lacking[] = {"vhost-user", "virgl", "libvirglrenderer", "image"};
    cJSON *root = run_beside_qemu("7.2.0");
    for (size_t i = 0; i < sizeof(lacking) / sizeof(lacking[0]); i++) {
        const cJSON *finding = find_finding(root, lacking[i]);
        print_message("%s\n", lacking[i]);
        assert_non_null(finding);
        assert_true(is_marked(finding, "note"));
        assert_non_null(cJSON_GetObjectItem(finding, "next"));
    }
    assert_non_null(find_finding(root, "KVM"));
    cJSON_Delete(root);

    run("PEARVISOR_QEMU=/nowhere/qemu \"$P\" doctor 2>&1");
    assert_int_equal(outcome.status, 0);
    assert_non_null(strstr(outcome.text, "[--]  QEMU"));
    assert_non_null(strstr(outcome.text, "next: install QEMU 11.1"));
    assert_null(strstr(outcome.text, "pearvisor run: ")); /* run's complaints go into the report */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_option_gets_one_line_and_status_2),
        cmocka_unit_test(this_machine_passes_and_every_memory_type_has_a_reason),
        cmocka_unit_test(the_text_says_the_same_with_marks),
        cmocka_unit_test(guests_keep_the_hosts_limits_but_those_that_are_listed),
        cmocka_unit_test(without_a_venus_driver_it_fails_and_names_the_package),
        cmocka_unit_test(a_manifest_without_its_library_is_no_client),
        cmocka_unit_test(without_any_driver_it_says_what_to_install),
        cmocka_unit_test(a_driver_that_does_not_start_is_told),
        cmocka_unit_test(a_gpu_that_is_not_there_is_told),
        cmocka_unit_test(a_qemus_version_says_which_ways_are_open),
        cmocka_unit_test(what_virtual_machines_lack_is_no_fault_and_has_a_remedy),
        cmocka_unit_test(the_self_test_refuses_a_driver_that_is_not_venus),
    };
    return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
