/* What `pearvisor run` would find. Nobody needs a virtual machine, so nothing here is a fault. */

#include "doctor.h"
#include "run/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char topic_machines[] = "Virtual machines";

/* What is looked at; too large for a stack. */
static struct {
    struct pv_run_options options;
    struct pv_run_image image;
    struct pv_run_qemu qemu;
    struct pv_run_host host;
    char virgl_folder[PATH_MAX], image_folder[PATH_MAX];
    char complaint[PV_RUN_TEXT_SIZE];
} run;

/* What KVM stands on. PVM is KVM without the processor's help, as inside of another machine. */
static const char *kvm_kind(void)
{
    static const struct {
        const char *folder;
        const char *kind;
    } modules[] = {
        {"/sys/module/kvm_pvm", "PVM, under which common kernels die: `run` emulates then"},
        {"/sys/module/kvm_intel", "Intel VT-x"},
        {"/sys/module/kvm_amd", "AMD-V"},
        {"/sys/module/kvm_hv", "POWER"},
    };
    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
        if (access(modules[i].folder, F_OK) == 0) {
            return modules[i].kind;
        }
    }
    return "its kind is not told";
}

static void look_at_kvm(struct pv_doctor *doctor, cJSON *json)
{
    cJSON *entry = cJSON_AddObjectToObject(json, "kvm");
    const char *fault = run.host.kvm_fault;
    bool present = access("/dev/kvm", F_OK) == 0;
    cJSON_AddBoolToObject(entry, "present", present);
    cJSON_AddBoolToObject(entry, "usable", fault == NULL);
    if (fault == NULL) {
        cJSON_AddStringToObject(entry, "kind", kvm_kind());
        pv_doctor_say(doctor, PV_MARK_OK, topic_machines, "KVM", "usable (%s)", kvm_kind());
        return;
    }
    pv_doctor_say(doctor, PV_MARK_NOTE, topic_machines, "KVM",
                  "%s: `pearvisor run` emulates the processor, which is slower", fault);
    if (!present) {
        pv_doctor_next(doctor, "switch on virtualisation in the firmware, then sudo modprobe "
                               "kvm_intel (or kvm_amd)");
    } else if (access("/dev/kvm", R_OK | W_OK) != 0) {
        pv_doctor_next(doctor, "sudo usermod -aG kvm %s, then log in anew",
                       getenv("USER") != NULL ? getenv("USER") : "$USER");
    }
}

static void look_at_way(struct pv_doctor *doctor, cJSON *json, enum pv_run_way way)
{
    const struct pv_run_plan plan = {.options = &run.options, .qemu = &run.qemu};
    char reason[PV_RUN_TEXT_SIZE];
    const char *name = pv_run_way_name(way);
    const char *next = pv_run_look_at_way(way, &plan, &run.host, reason);
    cJSON_AddBoolToObject(json, name, next == NULL);
    if (next == NULL) {
        pv_doctor_say(doctor, PV_MARK_OK, topic_machines, name, "pearvisor run --way %s", name);
    } else {
        pv_doctor_say(doctor, PV_MARK_NOTE, topic_machines, name, "%s", reason);
        pv_doctor_next(doctor, "%s", next);
    }
}

static void look_at_qemu(struct pv_doctor *doctor, cJSON *json)
{
    struct utsname names;
    const char *machine = uname(&names) == 0 ? names.machine : "";
    const char *arch = strcmp(machine, "arm64") == 0 ? "aarch64" : machine;
    cJSON *ways = cJSON_AddObjectToObject(json, "ways");
    if (!pv_run_qemu_find(&run.qemu, NULL, arch, run.virgl_folder)) {
        cJSON_AddNullToObject(json, "qemu");
        cJSON_AddBoolToObject(ways, pv_run_way_name(PV_RUN_VHOST_USER), false);
        cJSON_AddBoolToObject(ways, pv_run_way_name(PV_RUN_VIRGL), false);
        const char *variable = getenv("PEARVISOR_QEMU");
        if (run.qemu.path[0] == '\0' && (variable == NULL || variable[0] == '\0')) {
            pv_doctor_say(doctor, PV_MARK_NOTE, topic_machines, "QEMU",
                          "there is no qemu-system-%s in PATH", arch);
        } else {
            pv_doctor_say(doctor, PV_MARK_NOTE, topic_machines, "QEMU", "%s", run.complaint);
        }
        pv_doctor_next(doctor, "install QEMU 11.1 or newer (9.2 at least), or name one in "
                               "PEARVISOR_QEMU");
        return;
    }
    cJSON *entry = cJSON_AddObjectToObject(json, "qemu");
    cJSON_AddStringToObject(entry, "path", run.qemu.path);
    cJSON_AddStringToObject(entry, "version", run.qemu.version);
    pv_doctor_say(doctor, PV_MARK_OK, topic_machines, "QEMU", "%s, version %s", run.qemu.path,
                  run.qemu.version);
    look_at_way(doctor, ways, PV_RUN_VHOST_USER);
    look_at_way(doctor, ways, PV_RUN_VIRGL);
}

static void look_at_virgl(struct pv_doctor *doctor, cJSON *json)
{
    if (run.virgl_folder[0] == '\0') {
        cJSON_AddNullToObject(json, "libvirglrenderer");
        pv_doctor_say(doctor, PV_MARK_NOTE, topic_machines, "libvirglrenderer",
                      "PearVisor's is neither built nor installed here; only QEMU before 11.1 and "
                      "guests with a display need it");
        pv_doctor_next(doctor, "make or make install makes it; PEARVISOR_VIRGL names a folder "
                               "with it");
        return;
    }
    cJSON_AddStringToObject(json, "libvirglrenderer", run.virgl_folder);
    pv_doctor_say(doctor, PV_MARK_OK, topic_machines, "libvirglrenderer", "PearVisor's, in %s",
                  run.virgl_folder);
}

static void look_at_image(struct pv_doctor *doctor, cJSON *json)
{
    char manifest[PATH_MAX + 16];
    bool has_folder = pv_run_find_image(run.image_folder);
    snprintf(manifest, sizeof(manifest), "%s/image.json", run.image_folder);
    if (has_folder && pv_run_image_load(&run.image, run.image_folder)) {
        cJSON_AddStringToObject(json, "image", run.image_folder);
        pv_doctor_say(doctor, PV_MARK_OK, topic_machines, "image", "%s (%s)", run.image_folder,
                      run.image.arch);
        return;
    }
    cJSON_AddNullToObject(json, "image");
    if (has_folder && access(manifest, F_OK) != 0) {
        pv_doctor_say(doctor, PV_MARK_NOTE, topic_machines, "image", "there is none in %s",
                      run.image_folder);
    } else {
        pv_doctor_say(doctor, PV_MARK_NOTE, topic_machines, "image", "%s", run.complaint);
    }
    pv_doctor_next(doctor, "pearvisor image build");
}

void pv_doctor_machines(struct pv_doctor *doctor)
{
    cJSON *json = cJSON_AddObjectToObject(doctor->json, "virtual_machines");
    pv_run_keep_complaints(run.complaint);
    pv_run_find_virgl(run.virgl_folder);
    pv_run_host_look(&run.host, run.virgl_folder);
    look_at_qemu(doctor, json);
    look_at_kvm(doctor, json);
    look_at_virgl(doctor, json);
    look_at_image(doctor, json);
    pv_run_keep_complaints(NULL);
}
