#include "base/log.h"
#include "base/result.h"
#include "check.h"

#include <string.h>

struct lines {
    int count;
    char last[2048];
};

static void keep_line(void *user, enum pv_log_level level, const char *line)
{
    struct lines *lines = user;
    (void)level;
    lines->count++;
    strncpy(lines->last, line, sizeof(lines->last) - 1);
}

static void log_carries_the_context_and_drops_what_is_above_its_level(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct pv_log log = {.level = PV_LOG_WARN, .context_id = 7, .write = keep_line, .user = &lines};
    pv_log_info(&log, "not wanted");
    assert_int_equal(lines.count, 0);
    pv_log_warn(&log, "ring %d", 3);
    assert_int_equal(lines.count, 1);
    assert_string_equal(lines.last, "context 7: ring 3");
}

static void log_lines_stay_lines_whatever_a_guest_puts_in(void **state)
{
    (void)state;
    struct lines lines = {0};
    char name[4000];
    struct pv_log log = {.write = keep_line, .user = &lines};
    pv_log_error(&log, "%s", "a\nb\x1b[31m");
    assert_string_equal(lines.last, "a?b?[31m");
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    pv_log_error(&log, "%s", name);
    assert_true(strlen(lines.last) < 1024);
}

static void log_that_is_zeroed_is_silent(void **state)
{
    (void)state;
    struct pv_log log = {0};
    pv_log_error(&log, "nobody");
    pv_log_error(NULL, "nobody");
}

static void log_levels_have_names(void **state)
{
    (void)state;
    enum pv_log_level level;
    assert_true(pv_log_level_parse("debug", &level));
    assert_int_equal(level, PV_LOG_DEBUG);
    assert_true(pv_log_level_parse("error", &level));
    assert_int_equal(level, PV_LOG_ERROR);
    assert_false(pv_log_level_parse("loud", &level));
}

static void results_have_names(void **state)
{
    (void)state;
    for (int i = -1; i <= PV_CLOSED + 1; i++) {
        assert_non_null(pv_result_name((enum pv_result)i));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_carries_the_context_and_drops_what_is_above_its_level),
        cmocka_unit_test(log_lines_stay_lines_whatever_a_guest_puts_in),
        cmocka_unit_test(log_that_is_zeroed_is_silent),
        cmocka_unit_test(log_levels_have_names),
        cmocka_unit_test(results_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
