/* The self-test: a client of a real server, beside the same program on the host's own driver. What
 * the two say of a device differs by what our rules, and the client's Mesa, change. */

#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEST_TIMEOUT_MS = 60 * 1000, ARGUMENTS_MAX = 16, LISTED_MAX = 12 };

static const char topic_test[] = "Self-test";
static const char topic_view[] = "What guests see differently";
static char program[] = "/proc/self/exe";

extern char **environ;

/* The report of a `self-test --json` that ran as a child; NULL when it printed none. */
static cJSON *parse_report(const char *out)
{
    const char *begin = out != NULL ? strstr(out, "{\"devices\"") : NULL;
    return begin != NULL ? cJSON_Parse(begin) : NULL;
}

static cJSON *run_natively(const struct pv_doctor *doctor)
{
    char name[] = "self-test", native[] = "--native", json[] = "--json";
    char *const arguments[] = {program, name, native, json, NULL};
    struct pv_doctor_child child = {
        .arguments = arguments,
        .environment = doctor->worker.environment,
        .timeout_ms = TEST_TIMEOUT_MS,
    };
    pv_doctor_child_run(&child);
    cJSON *report = parse_report(child.out);
    free(child.out);
    free(child.err);
    return report;
}

/* The same through `serve`, which makes the socket and the environment. */
static void run_through_worker(const struct pv_doctor *doctor, struct pv_doctor_child *child)
{
    static char serve[] = "serve", gpu[] = "--gpu", driver[] = "--driver", log[] = "--log",
                level[] = "warn", rest[] = "--", name[] = "self-test", json[] = "--json";
    char *arguments[ARGUMENTS_MAX] = {program, serve, log, level};
    size_t count = 4;
    if (doctor->options.host.gpu != NULL) {
        arguments[count++] = gpu;
        arguments[count++] = (char *)(uintptr_t)doctor->options.host.gpu;
    }
    if (doctor->options.host.driver != NULL) {
        arguments[count++] = driver;
        arguments[count++] = doctor->options.host.driver;
    }
    arguments[count++] = rest;
    arguments[count++] = program;
    arguments[count++] = name;
    arguments[count++] = json;
    child->arguments = arguments;
    child->environment = environ;
    child->timeout_ms = TEST_TIMEOUT_MS;
    pv_doctor_child_run(child);
}

/* --- the guest's view beside the host's --------------------------------------------------------
 */

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(object, name));
    return text != NULL ? text : "";
}

/* The host's device behind a guest's: Venus puts the host's name in brackets. */
static const cJSON *find_native(const cJSON *report, const cJSON *guest)
{
    const cJSON *device;
    cJSON_ArrayForEach(device, cJSON_GetObjectItem(report, "devices"))
    {
        if (strstr(text_of(guest, "name"), text_of(device, "name")) != NULL) {
            return device;
        }
    }
    return NULL;
}

static void add_change(struct pv_doctor *doctor, cJSON *list, const char *name, const char *host,
                       const char *guest, const char *why)
{
    cJSON *entry = cJSON_CreateObject();
    cJSON_AddStringToObject(entry, "name", name);
    cJSON_AddStringToObject(entry, "host", host);
    cJSON_AddStringToObject(entry, "guest", guest);
    cJSON_AddStringToObject(entry, "why", why);
    cJSON_AddItemToArray(list, entry);
    pv_doctor_say(doctor, PV_MARK_NOTE, topic_view, "  changed",
                  "%s: %s on the host, %s for guests; %s", name, host, guest, why);
}

static const char *limit_reason(const char *name)
{
    if (strcmp(name, "maxMemoryAllocationCount") == 0) {
        return "as many as a worker has descriptors and mappings for";
    }
    if (strncmp(name, "sparse", strlen("sparse")) == 0) {
        return "sparse binding does not work with memory that guests can map";
    }
    if (strcmp(name, "nonCoherentAtomSize") == 0 || strcmp(name, "minMemoryMapAlignment") == 0) {
        return "memory is shared in pages";
    }
    return "the client's driver reports it so";
}

static void compare_limits(struct pv_doctor *doctor, cJSON *list, const cJSON *native,
                           const cJSON *guest)
{
    const cJSON *limit;
    cJSON_ArrayForEach(limit, cJSON_GetObjectItem(native, "limits"))
    {
        double ours = cJSON_GetNumberValue(
            cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItem(guest, "limits"), limit->string));
        double theirs = cJSON_GetNumberValue(limit);
        if (ours < theirs || ours > theirs) {
            char host[32], changed[32];
            snprintf(host, sizeof(host), "%.15g", theirs);
            snprintf(changed, sizeof(changed), "%.15g", ours);
            add_change(doctor, list, limit->string, host, changed, limit_reason(limit->string));
        }
    }
}

static void compare_memory(struct pv_doctor *doctor, cJSON *list, const cJSON *native,
                           const cJSON *guest)
{
    const cJSON *types = cJSON_GetObjectItem(native, "memory_types");
    const cJSON *seen = cJSON_GetObjectItem(guest, "memory_types");
    for (int i = 0; i < cJSON_GetArraySize(types); i++) {
        const cJSON *other = cJSON_GetArrayItem(seen, i);
        unsigned ours = other != NULL ? (unsigned)cJSON_GetNumberValue(other) : 0;
        unsigned theirs = (unsigned)cJSON_GetNumberValue(cJSON_GetArrayItem(types, i));
        if (ours != theirs) {
            char name[48], host[16], changed[16];
            snprintf(name, sizeof(name), "flags of memory type %d", i);
            snprintf(host, sizeof(host), "0x%x", theirs);
            snprintf(changed, sizeof(changed), "0x%x", ours);
            add_change(doctor, list, name, host, changed, "guests cannot map it");
        }
    }
}

static bool has_name(const cJSON *list, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (strcmp(item->valuestring, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The names that are only in the first list: into JSON, and some of them into `text`. */
static int list_missing(const cJSON *from, const cJSON *in, cJSON *names, char *text, size_t size)
{
    const cJSON *item;
    int count = 0;
    size_t used = 0;
    text[0] = '\0';
    cJSON_ArrayForEach(item, from)
    {
        if (!has_name(in, item->valuestring)) {
            cJSON_AddItemToArray(names, cJSON_CreateString(item->valuestring));
            if (count++ < LISTED_MAX && used < size) {
                used += (size_t)snprintf(text + used, size - used, "%s%s", used != 0 ? ", " : "",
                                         item->valuestring);
            }
        }
    }
    return count;
}

static void compare_extensions(struct pv_doctor *doctor, cJSON *json, const cJSON *native,
                               const cJSON *guest)
{
    const cJSON *theirs = cJSON_GetObjectItem(native, "extensions");
    const cJSON *ours = cJSON_GetObjectItem(guest, "extensions");
    char text[400];
    int count = list_missing(ours, theirs, cJSON_AddArrayToObject(json, "extensions_added"), text,
                             sizeof(text));
    if (count != 0) {
        pv_doctor_say(doctor, PV_MARK_NOTE, topic_view, "  added",
                      "%d extensions that we or the client's driver provide: %s%s", count, text,
                      count > LISTED_MAX ? ", ..." : "");
    }
    count = list_missing(theirs, ours, cJSON_AddArrayToObject(json, "extensions_missing"), text,
                         sizeof(text));
    if (count != 0) {
        pv_doctor_say(
            doctor, PV_MARK_NOTE, topic_view, "  missing",
            "%d of the host's %d extensions, which this client or the wire does not know, "
            "or which do not work here: %s%s",
            count, cJSON_GetArraySize(theirs), text,
            count > LISTED_MAX ? ", ... (--json has them all)" : "");
    }
}

static void compare(struct pv_doctor *doctor, cJSON *views, const cJSON *native, const cJSON *guest)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddItemToArray(views, json);
    cJSON_AddStringToObject(json, "host", text_of(native, "name"));
    cJSON_AddStringToObject(json, "guest", text_of(guest, "name"));
    pv_doctor_say(doctor, PV_MARK_NOTE, topic_view, "device", "%s", text_of(guest, "name"));
    cJSON *list = cJSON_AddArrayToObject(json, "changes");
    if (strcmp(text_of(native, "api_version"), text_of(guest, "api_version")) != 0) {
        add_change(doctor, list, "apiVersion", text_of(native, "api_version"),
                   text_of(guest, "api_version"), "the client's Mesa knows no more");
    }
    compare_limits(doctor, list, native, guest);
    compare_memory(doctor, list, native, guest);
    compare_extensions(doctor, json, native, guest);
}

/* What the probe alone decides, whichever client asks. */
static void report_rules(struct pv_doctor *doctor)
{
    static const struct {
        const char *key;
        const char *text;
    } rules[] = {
        {"dma_buf", "VK_EXT_external_memory_dma_buf is not offered, since export does not work"},
        {"sparse", "sparse binding is not offered, since it does not work"},
        {"semaphore_sync_fd", "SYNC_FD semaphores are emulated"},
        {"fence_sync_fd", "SYNC_FD fences are emulated"},
    };
    const cJSON *gpu;
    cJSON_ArrayForEach(gpu, cJSON_GetObjectItem(doctor->json, "gpus"))
    {
        cJSON *list = cJSON_AddArrayToObject((cJSON *)(uintptr_t)gpu, "rules");
        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
            const cJSON *fact = cJSON_GetObjectItem(gpu, rules[i].key);
            if (!cJSON_IsTrue(cJSON_GetObjectItem(fact, "works"))) {
                cJSON_AddItemToArray(list, cJSON_CreateString(rules[i].text));
                pv_doctor_say(doctor, PV_MARK_NOTE, topic_view, "rule", "GPU %d: %s",
                              (int)cJSON_GetNumberValue(cJSON_GetObjectItem(gpu, "index")),
                              rules[i].text);
            }
        }
    }
}

/* --- the test ----------------------------------------------------------------------------------
 */

static void report_failure(struct pv_doctor *doctor, const struct pv_doctor_child *child,
                           const cJSON *report)
{
    char line[256];
    pv_doctor_last_line(child->err, line, sizeof(line));
    if (child->timed_out) {
        pv_doctor_say(doctor, PV_MARK_WARN, topic_test, "result",
                      "not finished after %d s, so it was ended. %s", TEST_TIMEOUT_MS / 1000, line);
    } else if (text_of(report, "failure")[0] != '\0') {
        pv_doctor_say(doctor, PV_MARK_WARN, topic_test, "result", "failed: %s. %s",
                      text_of(report, "failure"), line);
    } else {
        pv_doctor_say(doctor, PV_MARK_WARN, topic_test, "result", "ended with status %d. %s",
                      child->status, line);
    }
    pv_doctor_next(doctor, "see what happens: pearvisor serve --log debug -- %s",
                   "pearvisor self-test");
}

static void report_success(struct pv_doctor *doctor, const cJSON *report, const cJSON *native)
{
    cJSON *views = cJSON_AddArrayToObject(doctor->json, "guest_views");
    const cJSON *device;
    cJSON_ArrayForEach(device, cJSON_GetObjectItem(report, "devices"))
    {
        pv_doctor_say(doctor, PV_MARK_OK, topic_test, "passed",
                      "%s: instance, device, map, submit and fence, Vulkan %s",
                      text_of(device, "name"), text_of(device, "api_version"));
    }
    report_rules(doctor);
    cJSON_ArrayForEach(device, cJSON_GetObjectItem(report, "devices"))
    {
        const cJSON *host = find_native(native, device);
        if (host != NULL) {
            compare(doctor, views, host, device);
        }
    }
}

void pv_doctor_test(struct pv_doctor *doctor)
{
    cJSON *json = cJSON_AddObjectToObject(doctor->json, "self_test");
    const char *missing = !doctor->has_loader   ? "the Vulkan loader"
                          : !doctor->has_client ? "a Venus driver"
                          : !doctor->has_gpu    ? "a GPU that can be offered"
                                                : NULL;
    if (missing != NULL) {
        cJSON_AddBoolToObject(json, "ran", false);
        cJSON_AddStringToObject(json, "failure", missing);
        pv_doctor_say(doctor, PV_MARK_WARN, topic_test, "result", "cannot run without %s", missing);
        pv_doctor_next(doctor, "what is said above of %s, then pearvisor doctor again", missing);
        return;
    }
    cJSON *native = run_natively(doctor);
    struct pv_doctor_child child = {0};
    run_through_worker(doctor, &child);
    cJSON *report = parse_report(child.out);
    doctor->passed = child.status == 0 && !child.timed_out && report != NULL;
    cJSON_AddBoolToObject(json, "ran", true);
    cJSON_AddNumberToObject(json, "status", child.status);
    cJSON_AddBoolToObject(json, "timed_out", child.timed_out);
    cJSON_AddStringToObject(json, "failure", text_of(report, "failure"));
    if (doctor->passed) {
        report_success(doctor, report, native);
    } else {
        report_failure(doctor, &child, report);
        report_rules(doctor);
    }
    cJSON_Delete(report);
    cJSON_Delete(native);
    free(child.out);
    free(child.err);
}
