/* What `run` reads: the guest's agent, QEMU's monitor, the console, and keys. */

#include "cli/run/words.h"
#include "cmocka_in_order.h"

#include <stdlib.h>
#include <string.h>

static struct pv_agent_message read_agent(const char *line)
{
    struct pv_agent_message message;
    pv_agent_read(&message, line);
    return message;
}

static void agent_lines_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(read_agent("stage kernel").word, PV_AGENT_STAGE);
    assert_string_equal(read_agent("stage kernel").text, "kernel");
    assert_int_equal(read_agent("stage failed: no disk").word, PV_AGENT_FAILED);
    assert_string_equal(read_agent("stage failed: no disk").text, "no disk");
    assert_string_equal(read_agent("venus A GPU").text, "A GPU");
    assert_int_equal(read_agent("no-venus why").word, PV_AGENT_NO_VENUS);
    assert_int_equal(read_agent("ready").word, PV_AGENT_READY);
    assert_int_equal(read_agent("").word, PV_AGENT_UNKNOWN);
    assert_int_equal(read_agent("Ready").word, PV_AGENT_UNKNOWN);
}

static void an_exit_has_a_status_and_perhaps_counts(void **state)
{
    (void)state;
    struct pv_agent_message exit = read_agent("exit 7 10 18446744073709551615");
    assert_int_equal(exit.word, PV_AGENT_EXIT);
    assert_int_equal(exit.status, 7);
    assert_true(exit.has_counts);
    assert_int_equal(exit.stdout_count, 10);
    assert_int_equal(exit.stderr_count, UINT64_MAX);
    assert_int_equal(read_agent("exit 255").word, PV_AGENT_EXIT);
    assert_false(read_agent("exit 255").has_counts);
    assert_false(read_agent("exit 1 5").has_counts);
    static const char *const wrong[] = {"exit ", "exit x", "exit 256", "exit -1"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(read_agent(wrong[i]).word, PV_AGENT_UNKNOWN);
    }
}

static void a_guests_text_is_made_fit_for_a_terminal(void **state)
{
    (void)state;
    assert_string_equal(read_agent("stage \033[2J\tx\177\200").text, "?[2J?x??");
    char line[1024];
    memset(line, 'x', sizeof(line) - 1);
    memcpy(line, "stage ", 6);
    line[sizeof(line) - 1] = '\0';
    assert_int_equal(strlen(read_agent(line).text), 255);
}

static void a_command_becomes_a_script_that_keeps_its_arguments(void **state)
{
    (void)state;
    char first[] = "echo", second[] = "it's", third[] = "";
    char *command[] = {first, second, third, NULL};
    static const char expected[] = "run 25\nexec 'echo' 'it'\\''s' ''\n";
    size_t size;
    char *message = pv_agent_write_run(command, &size);
    assert_non_null(message);
    assert_int_equal(size, sizeof(expected) - 1);
    assert_memory_equal(message, expected, size);
    free(message);
}

static void monitor_lines_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum pv_monitor_word word;
    } lines[] = {
        {"{\"QMP\": {\"version\": {}}}", PV_MONITOR_GREETING},
        {"{\"event\": \"STOP\"}", PV_MONITOR_STOPPED},
        {"{\"return\": {\"status\": \"internal-error\"}}", PV_MONITOR_INTERNAL_ERROR},
        {"{\"return\": {\"status\": \"running\"}}", PV_MONITOR_NOTHING},
        {"{\"return\": {}}", PV_MONITOR_NOTHING},
        {"{\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"nospace\": true}}", PV_MONITOR_DISK_FULL},
        {"{\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"nospace\": false}}", PV_MONITOR_DISK_ERROR},
        {"{\"event\": \"SHUTDOWN\", \"data\": {\"reason\": \"guest-shutdown\"}}",
         PV_MONITOR_POWEROFF},
        {"{\"event\": \"SHUTDOWN\", \"data\": {\"reason\": \"guest-reset\"}}", PV_MONITOR_RESET},
        {"{\"event\": \"SHUTDOWN\", \"data\": {\"reason\": \"host-qmp-quit\"}}",
         PV_MONITOR_NOTHING},
        {"{\"event\": \"SHUTDOWN\"}", PV_MONITOR_NOTHING},
        {"{\"event\": 3}", PV_MONITOR_NOTHING},
        {"[1]", PV_MONITOR_NOTHING},
        {"{", PV_MONITOR_NOTHING},
        {"", PV_MONITOR_NOTHING},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        print_message("%s\n", lines[i].line);
        assert_int_equal(pv_monitor_read(lines[i].line), lines[i].word);
    }
}

static void look(struct pv_console_watch *watch, const char *text)
{
    pv_console_look(watch, text, strlen(text));
}

static void a_panic_is_found_in_pieces_and_its_first_line_kept(void **state)
{
    (void)state;
    struct pv_console_watch watch = {0};
    look(&watch, "no Kernel pan\r\n[ 1.5] Kernel pa");
    assert_string_equal(watch.panic, "");
    look(&watch, "nic - not syncing: no \033root\r\n[ 1.6] ---[ end Kernel panic - not ");
    assert_string_equal(watch.panic, "no ?root");
    look(&watch, "syncing: no ]---\r\n");
    assert_string_equal(watch.panic, "no ?root");
}

static void endless_lines_are_no_harm(void **state)
{
    (void)state;
    struct pv_console_watch watch = {0};
    for (int i = 0; i < 100; i++) {
        look(&watch, "0123456789");
    }
    look(&watch, "\nKernel panic - not syncing\n");
    assert_string_equal(watch.panic, "");
    look(&watch, "Kernel panic - not syncing: x\n");
    assert_string_equal(watch.panic, "x");
}

/* What goes to the guest of keys that arrive in such pieces. */
static void type(struct pv_escape *escape, const char *keys, const char *expected)
{
    char bytes[64];
    size_t size = strlen(keys);
    memcpy(bytes, keys, size);
    size = pv_escape_look(escape, bytes, size);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(bytes, expected, size);
}

static void ctrl_a_x_ends_and_other_keys_pass(void **state)
{
    (void)state;
    struct pv_escape escape = {0};
    type(&escape, "ab\001\001c\001d", "ab\001c\001d");
    type(&escape, "\001", "");
    type(&escape, "e", "\001e");
    type(&escape, "\001", "");
    type(&escape, "\001", "\001");
    type(&escape, "x", "x");
    assert_false(escape.wants_end);
    type(&escape, "f\001", "f");
    type(&escape, "xg", "");
    assert_true(escape.wants_end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agent_lines_are_told_apart),
        cmocka_unit_test(an_exit_has_a_status_and_perhaps_counts),
        cmocka_unit_test(a_guests_text_is_made_fit_for_a_terminal),
        cmocka_unit_test(a_command_becomes_a_script_that_keeps_its_arguments),
        cmocka_unit_test(monitor_lines_are_told_apart),
        cmocka_unit_test(a_panic_is_found_in_pieces_and_its_first_line_kept),
        cmocka_unit_test(endless_lines_are_no_harm),
        cmocka_unit_test(ctrl_a_x_ends_and_other_keys_pass),
    };
    return cmocka_run_group_tests_name("run_words", tests, NULL, NULL);
}
