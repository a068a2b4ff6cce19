/* The demo as a program: what a wrong option gets, and a whole run on this machine's driver. */
#include "cmocka_in_order.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct outcome {
    int status;
    size_t lines;
    char text[16384];
};

/* Runs `pearvisor demo ARGUMENTS` and keeps what it prints to stdout and stderr. */
static void run_demo(const char *arguments, struct outcome *out)
{
    char command[1024];
    *out = (struct outcome){.status = -1};
    snprintf(command, sizeof(command), "'%s' demo %s 2>&1", getenv("PV_TEST_PROGRAM"), arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    const size_t length = fread(out->text, 1, sizeof(out->text) - 1, pipe);
    out->text[length] = '\0';
    for (size_t i = 0; i < length; i++) {
        out->lines += out->text[i] == '\n';
    }
    const int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    out->status = WEXITSTATUS(status);
}

static void a_wrong_option_gets_one_line_and_status_2(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "--unknown",
        "--seed",
        "--seed x",
        "--seed -1",
        "--seed 1x",
        "--seed 4294967296",
        "--frames 0",
        "--frames 100001",
        "--frames ''",
        "--gpu ''",
        "--out ''",
        "--driver ''",
        "--driver /nowhere/icd.json",
        "superfluous",
        "-x",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct outcome outcome;
        run_demo(wrong[i], &outcome);
        print_message("%s: %s", wrong[i], outcome.text);
        assert_int_equal(outcome.status, 2);
        assert_int_equal(outcome.lines, 1);
        assert_memory_equal(outcome.text, "pearvisor demo: ", strlen("pearvisor demo: "));
    }
}

static void help_names_every_option(void **state)
{
    (void)state;
    static const char *const options[] = {"--seed", "--gpu", "--driver", "--out", "--frames"};
    struct outcome outcome;
    run_demo("--help", &outcome);
    assert_int_equal(outcome.status, 0);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        assert_non_null(strstr(outcome.text, options[i]));
    }
}

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        char file[512];
        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        unlink(file);
    }
    if (folder) {
        closedir(folder);
    }
    rmdir(path);
}

static void a_gpu_that_is_not_there_is_told_with_those_that_are(void **state)
{
    (void)state;
    char folder[] = "/tmp/pearvisor-demo-XXXXXX";
    char arguments[128];
    struct outcome outcome;
    assert_non_null(mkdtemp(folder));
    snprintf(arguments, sizeof(arguments), "--gpu 'no such GPU' --out %s", folder);
    run_demo(arguments, &outcome);
    remove_folder(folder);
    assert_int_equal(outcome.status, 1);
    assert_non_null(strstr(outcome.text, "no GPU here matches 'no such GPU'; there is 0: "));
}

static void both_runs_draw_the_same_pixels(void **state)
{
    (void)state;
    char folder[] = "/tmp/pearvisor-demo-XXXXXX";
    char arguments[128];
    struct outcome outcome;
    assert_non_null(mkdtemp(folder));
    snprintf(arguments, sizeof(arguments), "--seed 11 --frames 3 --out %s", folder);
    run_demo(arguments, &outcome);
    remove_folder(folder);
    fputs(outcome.text, stdout);
    assert_int_equal(outcome.status, 0);
    assert_non_null(strstr(outcome.text, "pictures: identical, 921600 pixels\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_option_gets_one_line_and_status_2),
        cmocka_unit_test(help_names_every_option),
        cmocka_unit_test(a_gpu_that_is_not_there_is_told_with_those_that_are),
        cmocka_unit_test(both_runs_draw_the_same_pixels),
    };
    return cmocka_run_group_tests_name("demo_run", tests, NULL, NULL);
}
