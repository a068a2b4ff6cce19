/* `pearvisor doctor`: what this machine can do, why, and the one next thing to do. This process
 * loads no Vulkan driver: what drivers say comes from processes that may crash. */

#include "doctor.h"

#include "cli.h"
#include "options.h"

#include <pearvisor/version.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static const char *set_json(void *user, const char *value)
{
    (void)value;
    ((struct pv_doctor_options *)user)->json = true;
    return NULL;
}

static const char *set_gpu(void *user, const char *value)
{
    return pv_host_choice_set_gpu(&((struct pv_doctor_options *)user)->host, value);
}

static const char *set_driver(void *user, const char *value)
{
    return pv_host_choice_set_driver(&((struct pv_doctor_options *)user)->host, value);
}

static const struct pv_option table[] = {
    {"--json", NULL, "say it as one JSON object", set_json},
    {"--gpu", "NAME|INDEX", "look at this GPU only (part of its name, or its number)", set_gpu},
    {"--driver", "ICD.json", "use only this Vulkan driver (default: all of the host's)",
     set_driver},
};

static const struct pv_options doctor_options = {
    .subcommand = "doctor",
    .synopsis = "[OPTION]...",
    .summary = "Says what this machine can do for guests and why, and what to do about what is\n"
               "missing. Ends with a self-test through a real worker; exits with 0 only if that\n"
               "passed.",
    .table = table,
    .count = sizeof(table) / sizeof(table[0]),
};

static int examine(struct pv_doctor *doctor)
{
    doctor->json = cJSON_CreateObject();
    doctor->findings = calloc(PV_FINDINGS_MAX, sizeof(*doctor->findings));
    if (doctor->json == NULL || doctor->findings == NULL) {
        fprintf(stderr, "pearvisor doctor: out of memory\n");
        return 1;
    }
    cJSON_AddStringToObject(doctor->json, "version", pv_version());
    signal(SIGPIPE, SIG_IGN);
    pv_doctor_system(doctor);
    pv_doctor_clients(doctor);
    pv_doctor_gpus(doctor);
    pv_doctor_host(doctor);
    pv_doctor_sandbox(doctor);
    pv_doctor_socket(doctor);
    pv_doctor_machines(doctor);
    pv_doctor_test(doctor);
    pv_doctor_print(doctor);
    return doctor->passed ? 0 : 1;
}

int pv_doctor_main(int argc, char **argv)
{
    struct pv_doctor *doctor = calloc(1, sizeof(*doctor));
    if (doctor == NULL) {
        return 1;
    }
    int rest;
    int status = pv_options_parse(&doctor_options, argc, argv, &doctor->options, &rest);
    if (status < 0) {
        status = examine(doctor);
    }
    pv_worker_setup_finish(&doctor->worker);
    cJSON_Delete(doctor->json);
    free(doctor->findings);
    free(doctor->plans);
    pv_host_choice_finish(&doctor->options.host);
    free(doctor);
    return status;
}
