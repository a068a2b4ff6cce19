#include "plan.h"

#include "report.h"

#include <ctype.h>
#include <pearvisor/inspect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LIST_TIMEOUT_S = 120, PROGRAM_TIMEOUT_S = 300, ARGUMENTS_MAX = 32 };

struct demo_path demo_plan_path(const struct demo_plan *plan, const char *file)
{
    struct demo_path path;
    snprintf(path.text, sizeof(path.text), "%s/%s", plan->out, file);
    return path;
}

static struct demo_path file_of(const struct demo_plan *plan, const char *name, const char *ending)
{
    char file[64];
    snprintf(file, sizeof(file), "%s%s", name, ending);
    return demo_plan_path(plan, file);
}

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Runs a child; when it fails, the last line of its log is the reason that is told. */
static bool run_told(const struct demo_child *child, const char *what)
{
    char reason[512];
    const double start = now_seconds();
    printf("  %s ...", what);
    fflush(stdout);
    const enum demo_child_end end = demo_child_run(child);
    if (end == DEMO_CHILD_OK) {
        printf(" %.1f s\n", now_seconds() - start);
        return true;
    }
    printf(" failed\n");
    fflush(stdout);
    demo_child_last_line(child->log_path, reason, sizeof(reason));
    if (end == DEMO_CHILD_NOT_STARTED) {
        fprintf(stderr, "pearvisor demo: %s: cannot start it\n", what);
    } else if (end == DEMO_CHILD_TIMED_OUT) {
        fprintf(stderr, "pearvisor demo: %s: no end after %u s (log: %s)\n", what, child->timeout_s,
                child->log_path);
    } else {
        static const char told_by[] = "pearvisor ";
        const bool is_ours = strncmp(reason, told_by, sizeof(told_by) - 1) == 0;
        fprintf(stderr, "pearvisor demo: %s: %s (log: %s)\n", what,
                !reason[0] ? "it failed without a word"
                           : reason + (is_ours ? sizeof(told_by) - 1 : 0),
                child->log_path);
    }
    return false;
}

/* Higher is better; -1 for what cannot be the host of anything. */
static int rank_gpu(const cJSON *gpu)
{
    enum { TYPE_INTEGRATED = 1, TYPE_DISCRETE, TYPE_VIRTUAL, TYPE_CPU };
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(gpu, "venus"))) {
        return -1;
    }
    switch ((int)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(gpu, "type"))) {
    case TYPE_DISCRETE:
        return 4;
    case TYPE_INTEGRATED:
        return 3;
    case TYPE_VIRTUAL:
        return 2;
    case TYPE_CPU:
        return 1;
    default:
        return 0;
    }
}

static const char *name_of(const cJSON *gpu)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(gpu, "device"));
    return name ? name : "";
}

static bool contains(const char *text, const char *part)
{
    const size_t length = strlen(part);
    for (; *text; text++) {
        size_t same = 0;
        while (same < length &&
               tolower((unsigned char)text[same]) == tolower((unsigned char)part[same])) {
            same++;
        }
        if (same == length) {
            return true;
        }
    }
    return false;
}

static bool is_wanted(const cJSON *gpu, const char *wanted)
{
    const cJSON *index = cJSON_GetObjectItemCaseSensitive(gpu, "index");
    return cJSON_IsNumber(index) && index->valuedouble >= 0.0 &&
           pv_inspect_gpu_matches(wanted, (uint32_t)index->valuedouble, name_of(gpu));
}

static const cJSON *find_gpu(const cJSON *gpus, const char *wanted)
{
    const cJSON *best = NULL;
    const cJSON *gpu;
    cJSON_ArrayForEach(gpu, gpus)
    {
        const int rank = rank_gpu(gpu);
        if (rank >= 0 && (!wanted || is_wanted(gpu, wanted)) && (!best || rank > rank_gpu(best))) {
            best = gpu;
        }
    }
    return best;
}

static void explain_no_gpu(const struct demo_plan *plan, const cJSON *gpus)
{
    fprintf(stderr, "pearvisor demo: no GPU here matches '%s'; there is", plan->gpu);
    const cJSON *gpu;
    cJSON_ArrayForEach(gpu, gpus)
    {
        fprintf(stderr, " %.0f: %s%s",
                cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(gpu, "index")), name_of(gpu),
                gpu->next ? "," : "\n");
    }
}

static const char *const *driver_environment(const struct demo_plan *plan, const char *variables[3])
{
    variables[0] = plan->driver[0] ? plan->driver_file : NULL;
    variables[1] = plan->icd_file;
    variables[2] = NULL;
    return variables;
}

bool demo_plan_choose_gpu(struct demo_plan *plan)
{
    const char *variables[3];
    const struct demo_path json = demo_plan_path(plan, "gpus.json");
    const struct demo_path log = demo_plan_path(plan, "gpus.log");
    const char *const argv[] = {plan->program, "demo-client", "--list", "--json", json.text, NULL};
    const struct demo_child child = {
        .argv = argv,
        .environment = driver_environment(plan, variables),
        .log_path = log.text,
        .timeout_s = LIST_TIMEOUT_S,
    };
    if (!run_told(&child, "looking for GPUs")) {
        return false;
    }
    cJSON *gpus = demo_report_read(json.text);
    const cJSON *gpu = gpus ? find_gpu(gpus, plan->gpu) : NULL;
    if (gpu) {
        snprintf(plan->gpu_name, sizeof(plan->gpu_name), "%s", name_of(gpu));
        snprintf(plan->gpu_index, sizeof(plan->gpu_index), "%.0f",
                 cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(gpu, "index")));
    } else if (gpus && plan->gpu && cJSON_GetArraySize(gpus) > 0) {
        explain_no_gpu(plan, gpus);
    } else if (gpus) {
        fprintf(stderr, "pearvisor demo: the Vulkan drivers here offer no GPU of their own\n");
    }
    cJSON_Delete(gpus);
    return gpu != NULL;
}

/* A command line that grows; what does not fit would be a mistake of this file. */
struct arguments {
    const char *list[ARGUMENTS_MAX];
    size_t count;
};

static void add(struct arguments *arguments, const char *argument)
{
    if (arguments->count + 1 < ARGUMENTS_MAX) {
        arguments->list[arguments->count++] = argument;
        arguments->list[arguments->count] = NULL;
    }
}

static void add_serve(struct arguments *arguments, const struct demo_plan *plan, const char *stats)
{
    add(arguments, plan->program);
    add(arguments, "serve");
    add(arguments, "--gpu");
    add(arguments, plan->gpu ? plan->gpu : plan->gpu_name);
    if (plan->driver[0]) {
        add(arguments, "--driver");
        add(arguments, plan->driver);
    }
    add(arguments, "--stats-json");
    add(arguments, stats);
    add(arguments, "--");
}

/* The client of a run named `name`, on the GPU at `gpu_index` of the driver it will find. */
static bool run_client(struct demo_plan *plan, struct arguments *arguments, const char *name,
                       const char *gpu_index, const struct demo_child *child)
{
    char seed[16];
    char frames[16];
    snprintf(seed, sizeof(seed), "%u", plan->seed);
    snprintf(frames, sizeof(frames), "%u", plan->frames);
    const struct demo_path json = file_of(plan, name, ".json");
    const struct demo_path png = file_of(plan, name, ".png");
    const struct demo_path log = file_of(plan, name, ".log");
    const char *const own[] = {
        plan->program, "demo-client", "--gpu-index", gpu_index, "--seed", seed,
        "--frames",    frames,        "--json",      json.text, "--png",  png.text,
    };
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        add(arguments, own[i]);
    }
    struct demo_child complete = *child;
    complete.argv = arguments->list;
    complete.log_path = log.text;
    complete.timeout_s = 300 + plan->frames / 2;
    char what[64];
    snprintf(what, sizeof(what), "running the client (%s)", name);
    return run_told(&complete, what);
}

bool demo_plan_run_native(struct demo_plan *plan)
{
    const char *variables[3];
    const struct demo_child child = {.environment = driver_environment(plan, variables)};
    struct arguments arguments = {0};
    return run_client(plan, &arguments, "native", plan->gpu_index, &child);
}

bool demo_plan_run_through(struct demo_plan *plan, const char *name, bool tuned)
{
    static const char *const tuned_profile[] = {"VN_PERF=no_fence_feedback,no_semaphore_feedback",
                                                NULL};
    const struct demo_path stats = file_of(plan, name, ".stats.json");
    const struct demo_child child = {.environment = tuned ? tuned_profile : NULL};
    struct arguments arguments = {0};
    unlink(stats.text);
    add_serve(&arguments, plan, stats.text);
    return run_client(plan, &arguments, name, "0", &child);
}

/* Any program through `serve`: "ok" only when a worker has also decoded what was asked for. */
static const char *run_program(struct demo_plan *plan, const char *const *command,
                               const char *const *environment, bool must_draw)
{
    const struct demo_path stats = file_of(plan, command[0], ".stats.json");
    const struct demo_path log = file_of(plan, command[0], ".log");
    struct arguments arguments = {0};
    struct demo_stats told;
    if (!demo_child_is_installed(command[0])) {
        return "not installed";
    }
    unlink(stats.text);
    add_serve(&arguments, plan, stats.text);
    for (size_t i = 0; command[i]; i++) {
        add(&arguments, command[i]);
    }
    const struct demo_child child = {
        .argv = arguments.list,
        .environment = environment,
        .log_path = log.text,
        .timeout_s = PROGRAM_TIMEOUT_S,
    };
    if (demo_child_run(&child) != DEMO_CHILD_OK || !demo_report_read_stats(stats.text, &told)) {
        return "failed";
    }
    return told.commands > 0 && told.faults == 0 && (!must_draw || told.draws > 0) ? "ok"
                                                                                   : "failed";
}

const char *demo_plan_run_vulkaninfo(struct demo_plan *plan)
{
    static const char *const command[] = {"vulkaninfo", "--summary", NULL};
    return run_program(plan, command, NULL, false);
}

static bool log_says(const struct demo_plan *plan, const char *program, const char *words)
{
    char line[512];
    bool said = false;
    FILE *log = fopen(file_of(plan, program, ".log").text, "r");
    while (log && !said && fgets(line, sizeof(line), log)) {
        said = contains(line, words);
    }
    if (log) {
        fclose(log);
    }
    return said;
}

const char *demo_plan_run_vkcube(struct demo_plan *plan)
{
    static const char *const command[] = {"vkcube", "--c", "60", NULL};
    struct demo_display display = {0};
    char variable[32] = "";
    const char *environment[] = {NULL, NULL};
    if (!demo_child_is_installed("vkcube")) {
        return "not installed";
    }
    if (!getenv("DISPLAY")) {
        if (!demo_display_start(&display)) {
            return "not run: no DISPLAY and no Xvfb";
        }
        snprintf(variable, sizeof(variable), "DISPLAY=:%d", display.number);
        environment[0] = variable;
    }
    const char *end = run_program(plan, command, environment, true);
    demo_display_stop(&display);
    /* Mesa 25.0 hides the swapchain where the host has no dma-bufs; later ones copy on the CPU. */
    if (strcmp(end, "failed") == 0 && log_says(plan, "vkcube", "failed to find the VK_KHR_swap")) {
        return "not run: this Mesa shows windows only with dma-bufs, which the host lacks";
    }
    return end;
}
