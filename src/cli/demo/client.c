/*
 * `pearvisor demo-client`: an ordinary Vulkan program. It knows nothing of PearVisor: whichever
 * driver the loader gives it draws the scene, runs the compute job and is measured.
 */
#include "../demo.h"
#include "../options.h"
#include "measure.h"
#include "picture.h"
#include "render.h"
#include "scene.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <sys/resource.h>

const char *const demo_program_name = "pearvisor demo-client";

enum { FRAMES_WARM_UP = 3, FRAMES_DEFAULT = 120 };

struct options {
    uint32_t seed;
    uint32_t frames;
    uint32_t gpu_index;
    const char *json;
    const char *png;
    bool list;
};

static const char *set_seed(void *user, const char *value)
{
    struct options *options = user;
    return pv_options_number(value, 0, UINT32_MAX, &options->seed) ? NULL : "not a number";
}

static const char *set_frames(void *user, const char *value)
{
    struct options *options = user;
    return pv_options_number(value, 0, UINT32_MAX, &options->frames) ? NULL : "not a number";
}

static const char *set_gpu_index(void *user, const char *value)
{
    struct options *options = user;
    return pv_options_number(value, 0, UINT32_MAX, &options->gpu_index) ? NULL : "not a number";
}

static const char *set_json(void *user, const char *value)
{
    struct options *options = user;
    options->json = value;
    return NULL;
}

static const char *set_png(void *user, const char *value)
{
    struct options *options = user;
    options->png = value;
    return NULL;
}

static const char *set_list(void *user, const char *value)
{
    (void)value;
    struct options *options = user;
    options->list = true;
    return NULL;
}

static const struct pv_option table[] = {
    {"--seed", "N", "another scene and other colours (default 0)", set_seed},
    {"--frames", "N", "frames that are drawn to measure speed (default 120)", set_frames},
    {"--gpu-index", "N", "the GPU's place in the loader's list (default 0)", set_gpu_index},
    {"--json", "FILE", "where the results go (default stdout)", set_json},
    {"--png", "FILE", "where the picture goes (default nowhere)", set_png},
    {"--list", NULL, "only list the GPUs", set_list},
};

static const struct pv_options client_options = {
    .subcommand = "demo-client",
    .synopsis = "[OPTION]...",
    .summary = "The program that `pearvisor demo` runs natively and through PearVisor.",
    .table = table,
    .count = sizeof(table) / sizeof(table[0]),
};

static bool write_json(const cJSON *json, const char *path)
{
    char *text = cJSON_Print(json);
    FILE *file = path ? fopen(path, "w") : stdout;
    bool done = text && file && fprintf(file, "%s\n", text) > 0;
    if (file && path && fclose(file) != 0) {
        done = false;
    }
    if (!done) {
        fprintf(stderr, "pearvisor demo-client: cannot write %s\n", path ? path : "to stdout");
    }
    cJSON_free(text);
    return done;
}

static bool list_gpus(struct demo_vulkan *vk, const char *path)
{
    struct demo_gpu gpus[DEMO_GPUS_MAX];
    uint32_t count = 0;
    if (!demo_vulkan_open(vk) || !demo_vulkan_list(vk, gpus, &count)) {
        return false;
    }
    cJSON *list = cJSON_CreateArray();
    for (uint32_t i = 0; i < count; i++) {
        cJSON *gpu = cJSON_CreateObject();
        cJSON_AddNumberToObject(gpu, "index", gpus[i].index);
        cJSON_AddNumberToObject(gpu, "type", gpus[i].type);
        cJSON_AddBoolToObject(gpu, "venus", gpus[i].is_venus);
        cJSON_AddStringToObject(gpu, "device", gpus[i].name);
        cJSON_AddStringToObject(gpu, "driver", gpus[i].driver_name);
        cJSON_AddItemToArray(list, gpu);
    }
    const bool done = write_json(list, path);
    cJSON_Delete(list);
    return done;
}

static void describe_device(const struct demo_vulkan *vk, cJSON *json)
{
    char version[32];
    const uint32_t api = vk->properties.apiVersion;
    snprintf(version, sizeof(version), "%u.%u.%u", VK_API_VERSION_MAJOR(api),
             VK_API_VERSION_MINOR(api), VK_API_VERSION_PATCH(api));
    cJSON_AddStringToObject(json, "device", vk->properties.deviceName);
    cJSON_AddStringToObject(json, "driver", vk->driver_name);
    cJSON_AddStringToObject(json, "api_version", version);
}

static bool save_picture(const struct demo_renderer *renderer, const char *path)
{
    struct demo_picture picture = {0};
    if (!demo_picture_from_rgba(&picture, renderer->readback.mapped, DEMO_WIDTH, DEMO_HEIGHT)) {
        fprintf(stderr, "pearvisor demo-client: out of memory\n");
        return false;
    }
    const bool done = demo_picture_write(&picture, path);
    demo_picture_finish(&picture);
    return done;
}

static bool draw(struct demo_vulkan *vk, const struct options *options, cJSON *json)
{
    struct demo_renderer renderer = {0};
    bool done = demo_renderer_create(&renderer, vk, options->seed);
    for (uint32_t i = 0; done && i < FRAMES_WARM_UP; i++) {
        done = demo_renderer_draw(&renderer, i, false);
    }
    const double start = demo_clock_seconds();
    for (uint32_t i = 0; done && i < options->frames; i++) {
        done = demo_renderer_draw(&renderer, i, false);
    }
    const double seconds = demo_clock_seconds() - start;
    if (done && options->frames > 0) {
        cJSON_AddNumberToObject(json, "frames", options->frames);
        cJSON_AddNumberToObject(json, "fps", options->frames / seconds);
    }
    done = done && demo_renderer_draw(&renderer, DEMO_PICTURE_FRAME, true);
    if (done && options->png) {
        done = save_picture(&renderer, options->png);
    }
    demo_renderer_destroy(&renderer);
    return done;
}

static bool compute(struct demo_vulkan *vk, const struct options *options, cJSON *json)
{
    struct demo_compute_result result;
    if (!demo_measure_compute(vk, options->seed, &result)) {
        return false;
    }
    cJSON_AddBoolToObject(json, "compute_ok", result.is_correct);
    cJSON_AddNumberToObject(json, "compute_elements", (double)result.elements);
    cJSON_AddNumberToObject(json, "compute_million_per_second", result.elements_per_second * 1e-6);
    return result.is_correct;
}

static bool measure(struct demo_vulkan *vk, cJSON *json)
{
    struct demo_latency round_trip;
    struct demo_latency submit;
    double upload = 0.0;
    if (!demo_measure_round_trip(vk, &round_trip) || !demo_measure_submit(vk, &submit) ||
        !demo_measure_upload(vk, &upload)) {
        return false;
    }
    cJSON_AddStringToObject(json, "round_trip_call", "vkGetImageSubresourceLayout");
    cJSON_AddNumberToObject(json, "round_trip_us", round_trip.p50_us);
    cJSON_AddNumberToObject(json, "round_trip_p99_us", round_trip.p99_us);
    cJSON_AddNumberToObject(json, "submit_wait_us", submit.p50_us);
    cJSON_AddNumberToObject(json, "submit_wait_p99_us", submit.p99_us);
    cJSON_AddNumberToObject(json, "upload_gb_per_second", upload * 1e-9);
    return true;
}

static bool run(struct demo_vulkan *vk, const struct options *options, cJSON *json)
{
    const double start = demo_clock_seconds();
    if (!demo_vulkan_open(vk) || !demo_vulkan_start(vk, options->gpu_index)) {
        return false;
    }
    const double startup = demo_clock_seconds() - start;
    describe_device(vk, json);
    cJSON_AddNumberToObject(json, "seed", options->seed);
    cJSON_AddNumberToObject(json, "startup_ms", startup * 1e3);
    if (!draw(vk, options, json) || !compute(vk, options, json) || !measure(vk, json)) {
        return false;
    }
    struct rusage usage_now;
    getrusage(RUSAGE_SELF, &usage_now);
    cJSON_AddNumberToObject(json, "memory_mib", (double)usage_now.ru_maxrss / 1024.0);
    return true;
}

int pv_demo_client_main(int argc, char **argv)
{
    struct options options = {.frames = FRAMES_DEFAULT};
    int rest;
    const int status = pv_options_parse(&client_options, argc, argv, &options, &rest);
    if (status >= 0) {
        return status;
    }
    struct demo_vulkan vk = {0};
    bool done;
    if (options.list) {
        done = list_gpus(&vk, options.json);
    } else {
        cJSON *json = cJSON_CreateObject();
        done = run(&vk, &options, json) && write_json(json, options.json);
        cJSON_Delete(json);
    }
    demo_vulkan_close(&vk);
    return done ? 0 : 1;
}
