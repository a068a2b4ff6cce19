#include "decode/report.h"

#include "base/thread.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

struct bench_report {
    cJSON *root, *results;
};

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

/* What instructions depend on. */
#if defined(__clang__)
#define COMPILER "clang-" TEXT(__clang_major__)
#else
#define COMPILER "gcc-" TEXT(__GNUC__)
#endif
#if defined(__OPTIMIZE__)
static const char compiler[] = COMPILER;
#else
static const char compiler[] = COMPILER " unoptimised";
#endif

static void describe_machine(char *text, size_t size)
{
    char model[128] = "unknown processor";
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[256];
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':') != NULL) {
            (void)snprintf(model, sizeof(model), "%s", strchr(line, ':') + 2);
            model[strcspn(model, "\n")] = '\0';
            break;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    struct utsname name = {0};
    (void)uname(&name);
    (void)snprintf(text, size, "%s, %u cores, %s %s", model, pv_thread_core_count(), name.sysname,
                   name.machine);
}

struct bench_report *bench_report_create(const char *tool)
{
    char machine[512];
    struct bench_report *report = calloc(1, sizeof(*report));
    if (report == NULL) {
        fprintf(stderr, "%s: out of memory\n", tool);
        exit(1);
    }
    describe_machine(machine, sizeof(machine));
    report->root = cJSON_CreateObject();
    cJSON_AddStringToObject(report->root, "tool", tool);
    cJSON_AddStringToObject(report->root, "machine", machine);
    cJSON_AddStringToObject(report->root, "compiler", compiler);
    report->results = cJSON_AddArrayToObject(report->root, "results");
    return report;
}

void bench_report_add(struct bench_report *report, const struct bench_result *result)
{
    cJSON *one = cJSON_CreateObject();
    cJSON_AddStringToObject(one, "case", result->name);
    cJSON_AddNumberToObject(one, "value", result->value);
    cJSON_AddStringToObject(one, "unit", result->unit);
    cJSON_AddStringToObject(one, "how", result->how);
    if (result->commands != 0) {
        cJSON_AddNumberToObject(one, "commands", result->commands);
        cJSON_AddNumberToObject(one, "bytes", result->bytes);
    }
    cJSON_AddNumberToObject(one, "repetitions", result->repetitions);
    cJSON_AddItemToArray(report->results, one);
}

void bench_report_write(const struct bench_report *report, const char *path)
{
    char *text = cJSON_Print(report->root);
    FILE *file = text != NULL ? fopen(path, "w") : NULL;
    bool written = file != NULL && fputs(text, file) >= 0 && fputc('\n', file) != EOF;
    written = file != NULL && fclose(file) == 0 && written;
    free(text);
    if (!written) {
        fprintf(stderr, "bench: cannot write %s\n", path);
        exit(1);
    }
}

void bench_report_destroy(struct bench_report *report)
{
    cJSON_Delete(report->root);
    free(report);
}
