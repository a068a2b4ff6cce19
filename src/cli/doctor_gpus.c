/* The host's GPUs, as a throw-away process has found them. */

#include "doctor.h"
#include "isolate/worker.h"

#include <pearvisor/inspect.h>
#include <pearvisor/result.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROBE_TIMEOUT_MS = 60 * 1000 };

static const char topic[] = "GPUs";
static const char program[] = "/proc/self/exe";

bool pv_doctor_prepare_worker(struct pv_doctor *doctor)
{
    const struct pv_worker_setup_params params = {
        .gpu = doctor->options.host.gpu,
        .driver = doctor->options.host.driver,
        .without_cache = true,
        .log_level = PV_LOG_ERROR,
    };
    return pv_worker_setup_init(&doctor->worker, &params) == PV_OK;
}

/* --- the probe ---------------------------------------------------------------------------------
 */

/* NULL when the plans are there, else what happened; `how` has room for it. */
static const char *probe(struct pv_doctor *doctor, uint8_t *buffer, char how[64])
{
    struct pv_worker *worker = NULL;
    const char *fault = NULL;
    struct pv_message message = {0};
    const struct pv_log silent = {0};
    doctor->worker.setup.probe = 1;
    if (pv_worker_spawn(program, doctor->worker.environment, &doctor->worker.setup, NULL, 0,
                        &silent, &worker) != PV_OK) {
        return "no process could be started for it";
    }
    struct pollfd answer = {.fd = worker->control.socket, .events = POLLIN};
    if (poll(&answer, 1, PROBE_TIMEOUT_MS) <= 0) {
        fault = "took more than a minute: a driver hangs";
    } else if (pv_message_receive(&worker->control, PV_MESSAGE_FROM_WORKER, true, buffer,
                                  &message) != PV_OK ||
               message.type != PV_MESSAGE_PROBED) {
        struct pollfd end = {.fd = worker->process, .events = POLLIN};
        (void)poll(&end, 1, 1000);
        fault = pv_worker_reap(worker, how) ? how : "gave no answer";
    } else if (message.size == 0) {
        fault = "found no Vulkan driver that starts";
    }
    if (fault == NULL) {
        doctor->plans = malloc(message.size);
        if (doctor->plans != NULL) {
            memcpy(doctor->plans, message.payload, message.size);
            doctor->plans_size = message.size;
        }
    }
    pv_worker_destroy(worker);
    return fault;
}

/* --- one GPU -----------------------------------------------------------------------------------
 */

static const char *type_name(uint32_t type)
{
    static const char *const names[] = {"of another kind", "integrated", "discrete", "virtual",
                                        "a CPU"};
    return type < sizeof(names) / sizeof(names[0]) ? names[type] : names[0];
}

static void version_text(uint32_t version, char text[32])
{
    snprintf(text, 32, "%u.%u.%u", version >> 22 & 0x7f, version >> 12 & 0x3ff, version & 0xfff);
}

/* The bits of vk.xml's VkMemoryPropertyFlagBits, in their order. */
static const char *const flag_names[] = {
    "device-local", "host-visible", "coherent", "cached", "lazy", "protected",
};

static void describe_flags(uint32_t flags, cJSON *list, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++) {
        if ((flags >> i & 1) != 0 && used < size) {
            cJSON_AddItemToArray(list, cJSON_CreateString(flag_names[i]));
            used += (size_t)snprintf(text + used, size - used, "%s%s", used != 0 ? ", " : "",
                                     flag_names[i]);
        }
    }
    if (used == 0) {
        snprintf(text, size, "no property");
    }
}

static void report_memory_type(struct pv_doctor *doctor, cJSON *list, uint32_t gpu, uint32_t index)
{
    struct pv_memory_type_info type = {.struct_size = sizeof(type)};
    char label[32], flags[128];
    if (!pv_inspect_memory_type(doctor->plans, doctor->plans_size, gpu, index, &type)) {
        return;
    }
    const uint32_t host_visible = 2;
    bool visible = (type.flags & host_visible) != 0;
    cJSON *entry = cJSON_CreateObject();
    cJSON *flag_list = cJSON_AddArrayToObject(entry, "flags");
    describe_flags(type.flags, flag_list, flags, sizeof(flags));
    cJSON_AddStringToObject(entry, "strategy", visible ? type.way_name : "none needed");
    cJSON_AddStringToObject(entry, "why", type.why);
    cJSON_AddBoolToObject(entry, "hidden_from_guests", type.is_hidden);
    cJSON_AddItemToArray(list, entry);
    snprintf(label, sizeof(label), "  memory type %u", index);
    if (!visible) {
        pv_doctor_say(doctor, PV_MARK_OK, NULL, label, "%s: nothing to map", flags);
    } else {
        pv_doctor_say(doctor, type.is_hidden ? PV_MARK_NOTE : PV_MARK_OK, NULL, label,
                      "%s: %s (%s)", flags, type.way_name, type.why);
    }
}

static void report_abilities(struct pv_doctor *doctor, cJSON *json, uint32_t gpu)
{
    static const struct {
        const char *key;
        const char *label;
    } abilities[PV_GPU_ABILITY_COUNT] = {
        [PV_GPU_EXPORTS_DMABUF] = {"dma_buf", "  dma-buf"},
        [PV_GPU_BINDS_SPARSE] = {"sparse", "  sparse"},
        [PV_GPU_SHARES_SEMAPHORES] = {"semaphore_sync_fd", "  SYNC semaphores"},
        [PV_GPU_SHARES_FENCES] = {"fence_sync_fd", "  SYNC fences"},
    };
    for (uint32_t i = 0; i < PV_GPU_ABILITY_COUNT; i++) {
        struct pv_gpu_ability_info info = {.struct_size = sizeof(info)};
        if (!pv_inspect_ability(doctor->plans, doctor->plans_size, gpu, (enum pv_gpu_ability)i,
                                &info)) {
            continue;
        }
        cJSON *entry = cJSON_AddObjectToObject(json, abilities[i].key);
        cJSON_AddBoolToObject(entry, "works", info.works);
        cJSON_AddStringToObject(entry, "why", info.why);
        pv_doctor_say(doctor, PV_MARK_NOTE, NULL, abilities[i].label, "%s%s",
                      info.works ? "yes: " : "no: ", info.why);
    }
}

static void report_gpu(struct pv_doctor *doctor, cJSON *list, uint32_t gpu)
{
    struct pv_gpu_info info = {.struct_size = sizeof(info)};
    char label[32], version[32];
    if (!pv_inspect_gpu(doctor->plans, doctor->plans_size, gpu, &info) ||
        !pv_inspect_gpu_matches(doctor->options.host.gpu, gpu, info.name)) {
        return;
    }
    version_text(info.api_version, version);
    cJSON *entry = cJSON_CreateObject();
    cJSON_AddItemToArray(list, entry);
    cJSON_AddNumberToObject(entry, "index", gpu);
    cJSON_AddStringToObject(entry, "name", info.name);
    cJSON_AddStringToObject(entry, "driver", info.driver_name);
    cJSON_AddStringToObject(entry, "driver_info", info.driver_info);
    cJSON_AddStringToObject(entry, "api_version", version);
    cJSON_AddStringToObject(entry, "type", type_name(info.device_type));
    cJSON_AddBoolToObject(entry, "usable", info.is_usable);
    cJSON_AddNumberToObject(entry, "import_alignment", (double)info.import_alignment);
    snprintf(label, sizeof(label), "GPU %u", gpu);
    pv_doctor_say(doctor, info.is_usable ? PV_MARK_OK : PV_MARK_WARN, topic, label, "%s",
                  info.name);
    if (!info.is_usable) {
        pv_doctor_next(doctor, "update its driver, or serve another GPU: no memory of this one can "
                               "be both mapped by guests and coherent, for the reasons below");
    }
    pv_doctor_say(doctor, PV_MARK_NOTE, NULL, "  driver", "%s %s; Vulkan %s; %s", info.driver_name,
                  info.driver_info, version, type_name(info.device_type));
    cJSON *types = cJSON_AddArrayToObject(entry, "memory_types");
    for (uint32_t i = 0; i < info.memory_type_count; i++) {
        report_memory_type(doctor, types, gpu, i);
    }
    report_abilities(doctor, entry, gpu);
    doctor->has_gpu = doctor->has_gpu || info.is_usable;
    if (doctor->offered_count < PV_DOCTOR_GPUS_MAX && info.is_usable) {
        doctor->offered[doctor->offered_count++] = gpu;
    }
}

void pv_doctor_gpus(struct pv_doctor *doctor)
{
    cJSON *list = cJSON_AddArrayToObject(doctor->json, "gpus");
    char how[64] = "";
    uint8_t *buffer = malloc(PV_MESSAGE_SIZE_MAX);
    if (!pv_doctor_prepare_worker(doctor)) {
        pv_doctor_say(doctor, PV_MARK_WARN, topic, "driver", "no Vulkan driver is installed");
        pv_doctor_next_package(doctor, PV_PACKAGE_DRIVER);
        free(buffer);
        return;
    }
    cJSON_AddStringToObject(doctor->json, "drivers", doctor->worker.drivers);
    const char *fault = buffer != NULL ? probe(doctor, buffer, how) : "no memory is left";
    free(buffer);
    if (fault != NULL) {
        pv_doctor_say(doctor, PV_MARK_WARN, topic, "probe", "the probe of the drivers %s", fault);
        if (doctor->options.host.driver == NULL) {
            pv_doctor_next(doctor,
                           "find the driver at fault: pearvisor doctor --driver ICD.json, "
                           "with one of %s",
                           doctor->worker.drivers);
        } else {
            pv_doctor_next_package(doctor, PV_PACKAGE_DRIVER);
        }
        return;
    }
    uint32_t count = pv_inspect_gpu_count(doctor->plans, doctor->plans_size);
    for (uint32_t gpu = 0; gpu < count; gpu++) {
        report_gpu(doctor, list, gpu);
    }
    if (count == 0) {
        pv_doctor_say(doctor, PV_MARK_WARN, topic, "GPU", "the drivers offer no device");
        pv_doctor_next_package(doctor, PV_PACKAGE_DRIVER);
    } else if (cJSON_GetArraySize(list) == 0) {
        pv_doctor_say(doctor, PV_MARK_WARN, topic, "GPU", "none of %u matches '%s'", count,
                      doctor->options.host.gpu);
        pv_doctor_next(doctor, "pearvisor doctor, without --gpu, lists them");
    }
}
