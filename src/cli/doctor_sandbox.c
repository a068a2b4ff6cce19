/* The sandbox of workers: asked of one that has entered it. */

#include "doctor.h"
#include "isolate/worker.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { READY_TIMEOUT_MS = 30 * 1000 };

static const char topic[] = "Sandbox of a worker";

/* A worker as serve would have it, up to the point where it waits for a client. */
static bool ask_worker(struct pv_doctor *doctor, uint8_t *buffer, struct pv_ready *ready)
{
    struct pv_worker *worker = NULL;
    struct pv_message message = {0};
    const struct pv_log silent = {0};
    doctor->worker.setup.probe = 0;
    if (pv_worker_spawn("/proc/self/exe", doctor->worker.environment, &doctor->worker.setup,
                        doctor->plans, doctor->plans_size, &silent, &worker) != PV_OK) {
        return false;
    }
    struct pollfd answer = {.fd = worker->control.socket, .events = POLLIN};
    bool is_ready = poll(&answer, 1, READY_TIMEOUT_MS) > 0 &&
                    pv_message_receive(&worker->control, PV_MESSAGE_FROM_WORKER, true, buffer,
                                       &message) == PV_OK &&
                    message.type == PV_MESSAGE_READY;
    if (is_ready) {
        memcpy(ready, message.payload, sizeof(*ready));
    }
    pv_worker_destroy(worker);
    return is_ready;
}

static void report(struct pv_doctor *doctor, const struct pv_sandbox_report *sandbox)
{
    cJSON *json = cJSON_AddObjectToObject(doctor->json, "sandbox");
    cJSON_AddBoolToObject(json, "no_new_privileges", sandbox->no_new_privileges != 0);
    cJSON_AddNumberToObject(json, "landlock_abi", sandbox->landlock_abi);
    cJSON_AddBoolToObject(json, "landlock", sandbox->files_confined != 0);
    cJSON_AddBoolToObject(json, "seccomp", sandbox->calls_confined != 0);
    cJSON_AddBoolToObject(json, "may_listen", sandbox->may_listen != 0);
    cJSON_AddNumberToObject(json, "descriptor_limit", (double)sandbox->descriptor_limit);
    pv_doctor_say(doctor, sandbox->no_new_privileges != 0 ? PV_MARK_OK : PV_MARK_WARN, topic,
                  "no_new_privs", sandbox->no_new_privileges != 0 ? "in force" : "missing");
    if (sandbox->files_confined != 0) {
        pv_doctor_say(doctor, PV_MARK_OK, topic, "Landlock", "in force (ABI %u)",
                      sandbox->landlock_abi);
    } else {
        pv_doctor_say(doctor, PV_MARK_WARN, topic, "Landlock",
                      "this kernel has none: a worker that a guest has taken over could read and "
                      "write this user's files");
        pv_doctor_next(doctor, "boot a kernel (5.13 or later) with landlock in its list of lsm=");
    }
    if (sandbox->calls_confined != 0) {
        pv_doctor_say(doctor, PV_MARK_OK, topic, "seccomp", "in force, on every thread%s",
                      sandbox->may_listen != 0 ? "; NVIDIA's driver may listen on a socket" : "");
    } else {
        pv_doctor_say(doctor, PV_MARK_WARN, topic, "seccomp",
                      "this kernel has none: a worker can make any system call");
        pv_doctor_next(doctor, "boot a kernel with CONFIG_SECCOMP_FILTER");
    }
    pv_doctor_say(doctor, PV_MARK_NOTE, topic, "descriptors",
                  "%llu at most; each allocation that a guest can map may take one",
                  (unsigned long long)sandbox->descriptor_limit);
}

void pv_doctor_sandbox(struct pv_doctor *doctor)
{
    struct pv_ready ready;
    uint8_t *buffer = malloc(PV_MESSAGE_SIZE_MAX);
    if (doctor->worker.environment == NULL || buffer == NULL) {
        pv_doctor_say(doctor, PV_MARK_NOTE, topic, "worker", "not tried: there is no driver");
    } else if (!ask_worker(doctor, buffer, &ready)) {
        pv_doctor_say(doctor, PV_MARK_WARN, topic, "worker",
                      "a worker ended before it was ready for a client");
        pv_doctor_next(doctor, "see why: pearvisor serve --log debug");
    } else {
        report(doctor, &ready.sandbox);
        if (doctor->has_gpu && ready.has_renderer == 0) {
            pv_doctor_say(doctor, PV_MARK_WARN, topic, "driver",
                          "the driver did not start in the sandbox");
            pv_doctor_next(doctor, "see why: pearvisor serve --log debug");
        }
    }
    free(buffer);
}
