/* `pearvisor demo`: the same client natively and through PearVisor, and whether they agree. */
#include "demo.h"

#include "demo/picture.h"
#include "demo/plan.h"
#include "demo/report.h"
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FRAMES_DEFAULT = 120, FRAMES_MAX = 100000 };

static const char *set_seed(void *user, const char *value)
{
    struct demo_plan *plan = user;
    return pv_options_number(value, 0, UINT32_MAX, &plan->seed) ? NULL
                                                                : "not a number up to 4294967295";
}

static const char *set_frames(void *user, const char *value)
{
    struct demo_plan *plan = user;
    const bool good = pv_options_number(value, 1, FRAMES_MAX, &plan->frames);
    return good ? NULL : "not a number from 1 to 100000";
}

static const char *set_gpu(void *user, const char *value)
{
    struct demo_plan *plan = user;
    plan->gpu = value;
    return value[0] != '\0' ? NULL : "not a name or index";
}

static const char *set_out(void *user, const char *value)
{
    struct demo_plan *plan = user;
    plan->out = value;
    return value[0] != '\0' ? NULL : "the path is empty";
}

static const char *set_driver(void *user, const char *value)
{
    struct demo_plan *plan = user;
    char *absolute = realpath(value, NULL);
    if (!absolute) {
        return strerror(errno);
    }
    const size_t length = strlen(absolute);
    const bool fits = length + sizeof("VK_ICD_FILENAMES=") <= sizeof(plan->icd_file);
    if (fits) {
        snprintf(plan->driver, sizeof(plan->driver), "%s", absolute);
        snprintf(plan->driver_file, sizeof(plan->driver_file), "VK_DRIVER_FILES=%s", absolute);
        snprintf(plan->icd_file, sizeof(plan->icd_file), "VK_ICD_FILENAMES=%s", absolute);
    }
    free(absolute);
    return fits ? NULL : "the path is too long";
}

static const struct pv_option table[] = {
    {"--seed", "N", "another scene and other colours (default 0)", set_seed},
    {"--gpu", "NAME|INDEX", "the GPU to use (default: the best one)", set_gpu},
    {"--driver", "ICD.json", "use only this Vulkan driver", set_driver},
    {"--out", "DIR", "where pictures and figures go (default build/demo)", set_out},
    {"--frames", "N", "frames that are drawn to measure speed (default 120)", set_frames},
};

static const struct pv_options demo_options = {
    .subcommand = "demo",
    .synopsis = "[OPTION]...",
    .summary =
        "Draws a scene natively and through PearVisor, compares the pictures and measures both.",
    .table = table,
    .count = sizeof(table) / sizeof(table[0]),
};

/* Makes a folder and those above it. */
static bool make_folder(const char *path)
{
    char part[DEMO_PATH_MAX];
    if (strlen(path) + 64 > sizeof(part)) {
        fprintf(stderr, "pearvisor demo: --out: the path is too long\n");
        return false;
    }
    for (size_t length = 1; length <= strlen(path); length++) {
        if (path[length] != '/' && path[length] != '\0') {
            continue;
        }
        snprintf(part, sizeof(part), "%.*s", (int)length, path);
        if (mkdir(part, 0755) != 0 && errno != EEXIST) {
            fprintf(stderr, "pearvisor demo: %s: %s\n", part, strerror(errno));
            return false;
        }
    }
    return true;
}

/* Results of an earlier run must not pass for this one's. */
static bool prepare(struct demo_plan *plan)
{
    static const char *const results[] = {
        "native.png",          "native.json",          "pearvisor.png", "pearvisor.json",
        "pearvisor-tuned.png", "pearvisor-tuned.json", "report.json",
    };
    if (!make_folder(plan->out)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        const struct demo_path path = demo_plan_path(plan, results[i]);
        if (unlink(path.text) != 0 && errno != ENOENT) {
            fprintf(stderr, "pearvisor demo: %s: %s\n", path.text, strerror(errno));
            return false;
        }
    }
    const ssize_t length = readlink("/proc/self/exe", plan->program, sizeof(plan->program) - 1);
    if (length <= 0) {
        fprintf(stderr, "pearvisor demo: /proc/self/exe: %s\n", strerror(errno));
        return false;
    }
    plan->program[length] = '\0';
    return true;
}

static bool is_varied(const struct demo_picture *picture, const char *path)
{
    struct demo_variety variety;
    if (!demo_picture_measure(picture, &variety)) {
        fprintf(stderr, "pearvisor demo: out of memory\n");
        return false;
    }
    if (demo_picture_is_uniform(&variety)) {
        fprintf(stderr, "pearvisor demo: %s: nothing was drawn: %llu colours, one covers %.1f %%\n",
                path, (unsigned long long)variety.colours, variety.largest_share * 100.0);
        return false;
    }
    return true;
}

static bool compare_loaded(const struct demo_picture *native, const struct demo_picture *through,
                           cJSON *report)
{
    struct demo_difference difference;
    demo_picture_compare(native, through, &difference);
    cJSON *pictures = cJSON_AddObjectToObject(report, "pictures");
    cJSON_AddNumberToObject(pictures, "pixels", (double)difference.pixels);
    cJSON_AddNumberToObject(pictures, "different", (double)difference.different);
    cJSON_AddNumberToObject(pictures, "largest_difference", difference.largest);
    if (difference.different > 0) {
        fprintf(stderr,
                "pearvisor demo: the pictures differ: %llu of %llu pixels, by up to %u of 255\n",
                (unsigned long long)difference.different, (unsigned long long)difference.pixels,
                difference.largest);
        return false;
    }
    printf("pictures: identical, %llu pixels\n", (unsigned long long)difference.pixels);
    return true;
}

static bool compare_pictures(const struct demo_plan *plan, cJSON *report)
{
    const struct demo_path native_path = demo_plan_path(plan, "native.png");
    const struct demo_path through_path = demo_plan_path(plan, "pearvisor.png");
    struct demo_picture native = {0};
    struct demo_picture through = {0};
    const bool same =
        demo_picture_read(&native, native_path.text) &&
        demo_picture_read(&through, through_path.text) && is_varied(&native, native_path.text) &&
        is_varied(&through, through_path.text) && compare_loaded(&native, &through, report);
    demo_picture_finish(&native);
    demo_picture_finish(&through);
    return same;
}

/* The picture could be right although PearVisor had no part in it. */
static bool check_worker(const struct demo_plan *plan, cJSON *report)
{
    const struct demo_path path = demo_plan_path(plan, "pearvisor.stats.json");
    struct demo_stats stats;
    if (!demo_report_read_stats(path.text, &stats)) {
        fprintf(stderr, "pearvisor demo: %s: the server left no statistics\n", path.text);
        return false;
    }
    cJSON *worker = cJSON_AddObjectToObject(report, "worker");
    cJSON_AddNumberToObject(worker, "commands", (double)stats.commands);
    cJSON_AddNumberToObject(worker, "draws", (double)stats.draws);
    cJSON_AddNumberToObject(worker, "faults", (double)stats.faults);
    if (stats.draws == 0) {
        fprintf(stderr,
                "pearvisor demo: the worker decoded no draw: PearVisor had no part in it\n");
        return false;
    }
    printf("worker: %llu commands decoded, %llu of them draws\n",
           (unsigned long long)stats.commands, (unsigned long long)stats.draws);
    return true;
}

static bool add_figures(const struct demo_plan *plan, cJSON *report, const char *name)
{
    char file[64];
    snprintf(file, sizeof(file), "%s.json", name);
    const struct demo_path path = demo_plan_path(plan, file);
    cJSON *figures = demo_report_read(path.text);
    return figures && cJSON_AddItemToObject(report, name, figures);
}

static void try_programs(struct demo_plan *plan, cJSON *report)
{
    cJSON *programs = cJSON_AddObjectToObject(report, "programs");
    const char *end = demo_plan_run_vulkaninfo(plan);
    printf("vulkaninfo --summary: %s\n", end);
    cJSON_AddStringToObject(programs, "vulkaninfo", end);
    fflush(stdout);
    end = demo_plan_run_vkcube(plan);
    printf("vkcube, 60 frames: %s\n", end);
    cJSON_AddStringToObject(programs, "vkcube", end);
}

static bool judge(struct demo_plan *plan, cJSON *report)
{
    if (!add_figures(plan, report, "native") || !add_figures(plan, report, "pearvisor") ||
        !add_figures(plan, report, "pearvisor-tuned")) {
        return false;
    }
    demo_report_print(cJSON_GetObjectItemCaseSensitive(report, "native"),
                      cJSON_GetObjectItemCaseSensitive(report, "pearvisor"),
                      cJSON_GetObjectItemCaseSensitive(report, "pearvisor-tuned"));
    const bool same = compare_pictures(plan, report);
    const bool decoded = check_worker(plan, report);
    try_programs(plan, report);
    return same && decoded;
}

static bool run(struct demo_plan *plan)
{
    if (!prepare(plan) || !demo_plan_choose_gpu(plan)) {
        return false;
    }
    printf("  the GPU is %s\n", plan->gpu_name);
    if (!demo_plan_run_native(plan) || !demo_plan_run_through(plan, "pearvisor", false) ||
        !demo_plan_run_through(plan, "pearvisor-tuned", true)) {
        return false;
    }
    cJSON *report = cJSON_CreateObject();
    cJSON_AddNumberToObject(report, "seed", plan->seed);
    cJSON_AddStringToObject(report, "gpu", plan->gpu_name);
    const bool good = judge(plan, report);
    cJSON_AddBoolToObject(report, "ok", good);
    const struct demo_path path = demo_plan_path(plan, "report.json");
    const bool written = demo_report_write(report, path.text);
    cJSON_Delete(report);
    if (good && written) {
        printf("%s/native.png and %s/pearvisor.png are the pictures, %s the figures\n", plan->out,
               plan->out, path.text);
    }
    return good && written;
}

int pv_demo_main(int argc, char **argv)
{
    static struct demo_plan plan = {.frames = FRAMES_DEFAULT, .out = "build/demo"};
    int rest;
    const int status = pv_options_parse(&demo_options, argc, argv, &plan, &rest);
    if (status >= 0) {
        return status;
    }
    return run(&plan) ? 0 : 1;
}
