/* Which way, which accelerator, and why. */

#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *const way_names[] = {"auto", "vhost-user", "virgl", "none"};

const char *pv_run_way_name(enum pv_run_way way)
{
    return way_names[way];
}

/* What the device file says; whether guests live under it only a boot tells. */
static const char *find_kvm_fault(void)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? "this machine has no /dev/kvm" : "/dev/kvm cannot be opened";
    }
    const char *fault = NULL;
    if (ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
        fault = "/dev/kvm is of another version";
    } else {
        int machine = ioctl(fd, KVM_CREATE_VM, 0);
        if (machine < 0) {
            fault = errno == EBUSY ? "another hypervisor has the processor" : "/dev/kvm refuses";
        } else {
            close(machine);
        }
    }
    close(fd);
    return fault;
}

static bool has_program(const char *name)
{
    const char *path = getenv("PATH");
    char text[PATH_MAX];
    for (; path != NULL && *path != '\0'; path += strspn(path, ":")) {
        size_t length = strcspn(path, ":");
        snprintf(text, sizeof(text), "%.*s/%s", (int)length, path, name);
        if (access(text, X_OK) == 0) {
            return true;
        }
        path += length;
    }
    return false;
}

static bool has_render_node(void)
{
    glob_t found;
    bool usable = false;
    if (glob("/dev/dri/renderD*", 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            usable = usable || access(found.gl_pathv[i], R_OK | W_OK) == 0;
        }
        globfree(&found);
    }
    return usable;
}

void pv_run_host_look(struct pv_run_host *host, const char *virgl_folder)
{
    static struct utsname names;
    const char *display = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
    *host = (struct pv_run_host){
        .machine = uname(&names) == 0 ? names.machine : "",
        .kvm_fault = find_kvm_fault(),
        .virgl_folder = virgl_folder,
        .has_display =
            (display != NULL && display[0] != '\0') || (wayland != NULL && wayland[0] != '\0'),
        .has_render_node = has_render_node(),
        .has_xvfb = has_program("Xvfb"),
    };
}

static bool is_older(const struct pv_run_qemu *qemu, unsigned major, unsigned minor)
{
    return qemu->major < major || (qemu->major == major && qemu->minor < minor);
}

/* Each says why a way is closed, and returns what to do about it; NULL: it is open. */
static const char *look_at_vhost_user(const struct pv_run_plan *plan, char reason[PV_RUN_TEXT_SIZE])
{
    const struct pv_run_qemu *qemu = plan->qemu;
    if (is_older(qemu, 11, 1)) {
        snprintf(reason, PV_RUN_TEXT_SIZE, "vhost-user takes QEMU 11.1, this is %s", qemu->version);
        return "install QEMU 11.1 or newer, and name it in PEARVISOR_QEMU if it is not in PATH";
    }
    if (!qemu->has_vhost_user) {
        snprintf(reason, PV_RUN_TEXT_SIZE,
                 "vhost-user takes the device vhost-user-test-device-pci, which this QEMU %s lacks",
                 qemu->version);
        return "take a QEMU that was built with it, as Debian's is";
    }
    if (plan->options->display != NULL) {
        snprintf(reason, PV_RUN_TEXT_SIZE, "vhost-user shows nothing on a display");
        return "leave out --display";
    }
    reason[0] = '\0';
    return NULL;
}

static const char *look_at_virgl(const struct pv_run_plan *plan, const struct pv_run_host *host,
                                 char reason[PV_RUN_TEXT_SIZE])
{
    const struct pv_run_qemu *qemu = plan->qemu;
    if (is_older(qemu, 9, 2)) {
        snprintf(reason, PV_RUN_TEXT_SIZE, "virgl takes QEMU 9.2, this is %s", qemu->version);
        return "install QEMU 9.2 or newer, and name it in PEARVISOR_QEMU if it is not in PATH";
    }
    if (host->virgl_folder[0] == '\0') {
        snprintf(reason, PV_RUN_TEXT_SIZE,
                 "virgl takes PearVisor's libvirglrenderer.so.1, which is neither built nor "
                 "installed here");
        return "make or make install makes it; PEARVISOR_VIRGL names a folder with it";
    }
    if (!qemu->has_virgl) {
        snprintf(reason, PV_RUN_TEXT_SIZE,
                 "virgl takes the device virtio-gpu-gl-pci, which this QEMU %s lacks (Debian: "
                 "qemu-system-modules-opengl)",
                 qemu->version);
        return "install QEMU's modules for OpenGL";
    }
    if (!host->has_render_node && !host->has_display && !host->has_xvfb) {
        snprintf(reason, PV_RUN_TEXT_SIZE,
                 "virgl takes a render node, a display or Xvfb, and there is none");
        return "install Xvfb (Debian: xvfb)";
    }
    reason[0] = '\0';
    return NULL;
}

const char *pv_run_look_at_way(enum pv_run_way way, const struct pv_run_plan *plan,
                               const struct pv_run_host *host, char reason[PV_RUN_TEXT_SIZE])
{
    return way == PV_RUN_VHOST_USER ? look_at_vhost_user(plan, reason)
                                    : look_at_virgl(plan, host, reason);
}

static bool choose_way(struct pv_run_plan *plan, const struct pv_run_host *host)
{
    char vhost_user[PV_RUN_TEXT_SIZE], virgl[PV_RUN_TEXT_SIZE];
    (void)look_at_vhost_user(plan, vhost_user);
    (void)look_at_virgl(plan, host, virgl);
    plan->way = plan->options->way;
    snprintf(plan->way_reason, sizeof(plan->way_reason), "as asked");
    switch (plan->way) {
    case PV_RUN_VHOST_USER:
        return vhost_user[0] == '\0' || pv_run_complain("--way vhost-user: %s", vhost_user);
    case PV_RUN_VIRGL:
        return virgl[0] == '\0' || pv_run_complain("--way virgl: %s", virgl);
    case PV_RUN_PLAIN:
        return true;
    default:
        break;
    }
    if (vhost_user[0] == '\0') {
        plan->way = PV_RUN_VHOST_USER;
        snprintf(plan->way_reason, sizeof(plan->way_reason), "QEMU %s can", plan->qemu->version);
    } else if (virgl[0] == '\0') {
        plan->way = PV_RUN_VIRGL;
        memcpy(plan->way_reason, vhost_user, sizeof(plan->way_reason));
    } else if (is_older(plan->qemu, 9, 2)) {
        return pv_run_complain("%s is QEMU %s, too old for a guest with a GPU: 11.1 is needed, or "
                               "9.2 with PearVisor's libvirglrenderer.so.1",
                               plan->qemu->path, plan->qemu->version);
    } else {
        return pv_run_complain("no way to the GPU: %s; %s", vhost_user, virgl);
    }
    return true;
}

/* QEMU's GL devices run on a display only; where nobody wants to see it, on one of ours. */
static void choose_display(struct pv_run_plan *plan, const struct pv_run_host *host)
{
    const char *wanted = plan->options->display;
    bool gl = plan->way == PV_RUN_VIRGL;
    if (gl && wanted == NULL && host->has_render_node) {
        snprintf(plan->display, sizeof(plan->display), "egl-headless");
    } else if (!gl) {
        snprintf(plan->display, sizeof(plan->display), "%s", wanted != NULL ? wanted : "none");
    } else {
        /* Asked-for windows open on the user's display; others where nobody sees them. */
        plan->needs_xvfb = host->has_xvfb && (wanted == NULL || !host->has_display);
        snprintf(plan->display, sizeof(plan->display), "%s,gl=on", wanted != NULL ? wanted : "sdl");
    }
}

static bool same_machine(const char *host, const char *guest)
{
    return strcmp(host, guest) == 0 ||
           (strcmp(host, "arm64") == 0 && strcmp(guest, "aarch64") == 0);
}

static void choose_accelerator(struct pv_run_plan *plan, const struct pv_run_host *host)
{
    const struct pv_run_qemu *qemu = plan->qemu;
    char *reason = plan->accelerator_reason;
    if (plan->options->accelerator != NULL) {
        plan->accelerator = plan->options->accelerator;
        snprintf(reason, PV_RUN_TEXT_SIZE, "as asked");
        return;
    }
    plan->accelerator = "tcg";
    if (!same_machine(host->machine, plan->image->arch)) {
        snprintf(reason, PV_RUN_TEXT_SIZE, "the guest is %s, this machine %.32s", plan->image->arch,
                 host->machine);
    } else if (qemu->has_hvf || (qemu->has_kvm && host->kvm_fault == NULL)) {
        plan->accelerator = qemu->has_hvf ? "hvf" : "kvm";
        plan->may_emulate = true;
        snprintf(reason, PV_RUN_TEXT_SIZE, "this machine has it");
    } else {
        snprintf(reason, PV_RUN_TEXT_SIZE, "%s",
                 qemu->has_kvm ? host->kvm_fault : "this QEMU has no KVM");
    }
}

bool pv_run_choose(struct pv_run_plan *plan, const struct pv_run_host *host)
{
    plan->virgl_folder = host->virgl_folder;
    if (!choose_way(plan, host)) {
        return false;
    }
    choose_display(plan, host);
    choose_accelerator(plan, host);
    return true;
}

void pv_run_emulate(struct pv_run_plan *plan, const char *reason)
{
    plan->accelerator = "tcg";
    plan->may_emulate = false;
    snprintf(plan->accelerator_reason, sizeof(plan->accelerator_reason), "%s", reason);
}
