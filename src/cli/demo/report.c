#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The whole file with a terminating zero; NULL, and errno, when it cannot be read. */
static char *read_file(const char *path)
{
    enum { FILE_MAX = 16 << 20 };
    FILE *file = fopen(path, "r");
    if (!file) {
        return NULL;
    }
    char *text = NULL;
    size_t length = 0;
    size_t room = 4096;
    for (;;) {
        char *larger = realloc(text, room + 1);
        if (!larger) {
            break;
        }
        text = larger;
        length += fread(text + length, 1, room - length, file);
        if (length < room || room >= FILE_MAX) {
            break;
        }
        room *= 2;
    }
    fclose(file);
    if (text) {
        text[length] = '\0';
    }
    return text;
}

cJSON *demo_report_read(const char *path)
{
    char *text = read_file(path);
    if (!text) {
        fprintf(stderr, "pearvisor demo: %s: %s\n", path, strerror(errno));
        return NULL;
    }
    cJSON *json = cJSON_Parse(text);
    free(text);
    if (!json) {
        fprintf(stderr, "pearvisor demo: %s: this is not JSON\n", path);
    }
    return json;
}

static uint64_t get_count(const cJSON *object, const char *name)
{
    const double value = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return value > 0.0 ? (uint64_t)value : 0;
}

static void add_client(const cJSON *client, struct demo_stats *out)
{
    out->clients++;
    out->commands += get_count(client, "commands");
    out->faults += get_count(client, "faults");
    const cJSON *command;
    cJSON_ArrayForEach(command, cJSON_GetObjectItemCaseSensitive(client, "commands_by_name"))
    {
        if (command->string && strncmp(command->string, "vkCmdDraw", 9) == 0) {
            out->draws += command->valuedouble > 0.0 ? (uint64_t)command->valuedouble : 0;
        }
    }
}

bool demo_report_read_stats(const char *path, struct demo_stats *out)
{
    *out = (struct demo_stats){0};
    char *text = read_file(path);
    if (!text) {
        return false;
    }
    char *rest = text;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        cJSON *client = cJSON_Parse(line);
        if (cJSON_IsObject(client)) {
            add_client(client, out);
        }
        cJSON_Delete(client);
    }
    free(text);
    return true;
}

/* Three significant digits, more or less. */
static int digits_of(double value)
{
    return value < 10.0 ? 2 : value < 100.0 ? 1 : 0;
}

static void print_row(const char *title, const char *key, const cJSON *native, const cJSON *other)
{
    const double a = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(native, key));
    const double b = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(other, key));
    const double ratio = b / a;
    printf("  %-28s %12.*f %12.*f %9.*fx\n", title, digits_of(a), a, digits_of(b), b,
           digits_of(ratio), ratio);
}

void demo_report_print(const cJSON *native, const cJSON *stock, const cJSON *tuned)
{
    printf("\n  %-28s %12s %12s %10s\n", "", "native", "PearVisor", "ratio");
    print_row("frames per second", "fps", native, stock);
    print_row("sync round trip, us", "round_trip_us", native, stock);
    print_row("submit + wait, stock, us", "submit_wait_us", native, stock);
    print_row("submit + wait, tuned, us", "submit_wait_us", native, tuned);
    print_row("upload, GB/s", "upload_gb_per_second", native, stock);
    print_row("compute, million/s", "compute_million_per_second", native, stock);
    print_row("start-up, ms", "startup_ms", native, stock);
    print_row("client's memory, MiB", "memory_mib", native, stock);
    printf("\n");
}

bool demo_report_write(const cJSON *report, const char *path)
{
    char *text = cJSON_Print(report);
    FILE *file = fopen(path, "w");
    bool done = text && file && fprintf(file, "%s\n", text) > 0;
    if (file && fclose(file) != 0) {
        done = false;
    }
    if (!done) {
        fprintf(stderr, "pearvisor demo: %s: cannot write the report: %s\n", path, strerror(errno));
    }
    cJSON_free(text);
    return done;
}
