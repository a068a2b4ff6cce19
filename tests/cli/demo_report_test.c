/* What the demo reads back: statistics of a server, one JSON object a line, and results. */
#include "cli/demo/report.h"
#include "cmocka_in_order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/pearvisor-report-XXXXXX";

static int make_file(void **state)
{
    (void)state;
    const int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void write_text(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void stats_of_all_clients_are_added(void **state)
{
    (void)state;
    struct demo_stats stats;
    write_text("{\"client\":\"a\",\"commands\":10,\"commands_by_name\":{\"vkCmdDraw\":2,"
               "\"vkCmdDrawIndexed\":3,\"vkCmdDispatch\":5},\"faults\":0}\n"
               "{\"client\":\"b\",\"commands\":4,\"commands_by_name\":{\"vkCmdDrawIndirect\":4},"
               "\"faults\":1}\n");
    assert_true(demo_report_read_stats(path, &stats));
    assert_int_equal(stats.clients, 2);
    assert_int_equal(stats.commands, 14);
    assert_int_equal(stats.draws, 9);
    assert_int_equal(stats.faults, 1);
}

static void broken_lines_of_stats_count_nothing(void **state)
{
    (void)state;
    struct demo_stats stats;
    write_text("{\"commands\":\n[]\n17\n{\"commands\":\"many\",\"commands_by_name\":[1]}\n\n{}");
    assert_true(demo_report_read_stats(path, &stats));
    assert_int_equal(stats.clients, 2);
    assert_int_equal(stats.commands, 0);
    assert_int_equal(stats.draws, 0);
    assert_false(demo_report_read_stats("/nowhere/stats", &stats));
}

static void a_report_comes_back_as_it_was_written(void **state)
{
    (void)state;
    cJSON *report = cJSON_CreateObject();
    cJSON_AddNumberToObject(report, "fps", 61.5);
    assert_true(demo_report_write(report, path));
    cJSON *read = demo_report_read(path);
    assert_true(cJSON_Compare(report, read, true));
    cJSON_Delete(read);
    cJSON_Delete(report);
    write_text("fps");
    assert_null(demo_report_read(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stats_of_all_clients_are_added),
        cmocka_unit_test(broken_lines_of_stats_count_nothing),
        cmocka_unit_test(a_report_comes_back_as_it_was_written),
    };
    return cmocka_run_group_tests_name("demo_report", tests, make_file, remove_file);
}
