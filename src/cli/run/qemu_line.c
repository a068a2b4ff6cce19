/* The command lines of QEMU and the backend. */

#include "line.h"

#include <stdlib.h>
#include <string.h>

/* QEMU's options end at a comma unless it is doubled. */
static char *escape(char *escaped, size_t size, const char *text)
{
    size_t used = 0;
    for (; *text != '\0' && used + 3 < size; text++) {
        if (*text == ',') {
            escaped[used++] = ',';
        }
        escaped[used++] = *text;
    }
    escaped[used] = '\0';
    return escaped;
}

static bool is_arm(const struct pv_run_plan *plan)
{
    return strcmp(plan->image->arch, "aarch64") == 0;
}

static void write_machine(struct pv_line *line, const struct pv_run_plan *plan)
{
    const struct pv_run_options *options = plan->options;
    bool emulated = strcmp(plan->accelerator, "tcg") == 0;
    bool arm = is_arm(plan);
    pv_line_add(line, "-no-user-config");
    pv_line_add(line, "-nodefaults");
    pv_line_add(line, "-object");
    /* The guest's memory is shared with the backend, and pages of the host's are mapped into it. */
    pv_line_add(line, "memory-backend-memfd,id=mem,size=%lluM,share=on",
                (unsigned long long)options->memory_mib);
    pv_line_add(line, "-machine");
    pv_line_add(line, "%s,memory-backend=mem", arm ? "virt,gic-version=max" : "q35");
    pv_line_add(line, "-accel");
    pv_line_add(line, "%s", plan->accelerator);
    pv_line_add(line, "-cpu");
    /* Emulated pointer authentication would cost most of the time otherwise. */
    pv_line_add(line, "%s", !emulated ? "host" : arm ? "max,pauth-impdef=on" : "max");
    pv_line_add(line, "-smp");
    pv_line_add(line, "%u", options->cpus);
    pv_line_add(line, "-m");
    pv_line_add(line, "%lluM", (unsigned long long)options->memory_mib);
    pv_line_add(line, "-no-reboot");
}

static void write_kernel(struct pv_line *line, const struct pv_run_plan *plan, bool for_people)
{
    const struct pv_run_options *options = plan->options;
    pv_line_add(line, "-kernel");
    pv_line_add(line, "%s", plan->image->kernel);
    pv_line_add(line, "-initrd");
    pv_line_add(line, "%s", plan->image->initrd);
    pv_line_add(line, "-append");
    /* An emulated processor does not speculate, and is slow to test the kernel's ciphers. */
    bool emulated = strcmp(plan->accelerator, "tcg") == 0;
    pv_line_add(line,
                "console=%s quiet loglevel=4 panic=-1 root=/dev/vda %s "
                "init=/usr/lib/pearvisor/init%s pearvisor.profile=%s%s%s%s%s",
                is_arm(plan) ? "ttyAMA0" : "ttyS0", options->persist ? "rw" : "ro",
                emulated ? " mitigations=off cryptomgr.notests" : "",
                options->stock_profile ? "stock" : "tuned",
                options->persist ? " pearvisor.persist=1" : "",
                options->command == NULL || for_people ? " pearvisor.console=1" : "",
                options->share != NULL ? " pearvisor.share=1" : "",
                options->ssh_port != 0 ? " pearvisor.ssh=1" : "");
}

/* A disk's own bytes could claim to be another format, so its name decides. */
static const char *format_of(const char *path)
{
    const char *suffix = strrchr(path, '.');
    return suffix != NULL && strcmp(suffix, ".qcow2") == 0 ? "qcow2" : "raw";
}

static void write_disks(struct pv_line *line, const struct pv_run_plan *plan)
{
    const struct pv_run_options *options = plan->options;
    char path[2 * PATH_MAX];
    pv_line_add(line, "-drive");
    pv_line_add(line, "if=none,id=root,format=raw,file=%s%s",
                escape(path, sizeof(path), plan->image->disk),
                options->persist ? "" : ",readonly=on");
    pv_line_add(line, "-device");
    pv_line_add(line, "virtio-blk-pci,drive=root");
    for (size_t i = 0; i < options->disk_count; i++) {
        pv_line_add(line, "-drive");
        pv_line_add(line, "if=none,id=disk%zu,format=%s,file=%s", i, format_of(options->disks[i]),
                    escape(path, sizeof(path), options->disks[i]));
        pv_line_add(line, "-device");
        pv_line_add(line, "virtio-blk-pci,drive=disk%zu", i);
    }
    if (options->share != NULL) {
        pv_line_add(line, "-fsdev");
        pv_line_add(line, "local,id=share,path=%s,security_model=none,multidevs=remap",
                    escape(path, sizeof(path), options->share));
        pv_line_add(line, "-device");
        pv_line_add(line, "virtio-9p-pci,fsdev=share,mount_tag=share");
    }
}

static void write_network(struct pv_line *line, const struct pv_run_plan *plan)
{
    const struct pv_run_options *options = plan->options;
    if (options->ssh_port == 0 && !options->has_network) {
        pv_line_add(line, "-nic");
        pv_line_add(line, "none");
        return;
    }
    char forward[64] = "";
    if (options->ssh_port != 0) {
        snprintf(forward, sizeof(forward), ",hostfwd=tcp:127.0.0.1:%u-:22", options->ssh_port);
    }
    pv_line_add(line, "-netdev");
    /* With ssh alone the guest is reached, and reaches nothing. */
    pv_line_add(line, "user,id=net%s%s", options->has_network ? "" : ",restrict=on", forward);
    pv_line_add(line, "-device");
    pv_line_add(line, "virtio-net-pci,netdev=net,romfile=");
    if (options->ssh_port != 0) {
        char keys[2 * PV_RUN_KEYS_SIZE];
        pv_line_add(line, "-fw_cfg");
        pv_line_add(line, "name=opt/pearvisor/keys,string=%s",
                    escape(keys, sizeof(keys), plan->keys));
    }
}

static void write_gpu(struct pv_line *line, const struct pv_run_plan *plan,
                      const struct pv_wiring *wiring)
{
    char path[2 * PATH_MAX];
    pv_line_add(line, "-display");
    pv_line_add(line, "%s", plan->display);
    switch (plan->way) {
    case PV_RUN_VHOST_USER:
        pv_line_add(line, "-chardev");
        if (wiring->gpu_socket != NULL) {
            pv_line_add(line, "socket,id=gpu,path=%s",
                        escape(path, sizeof(path), wiring->gpu_socket));
        } else {
            pv_line_add(line, "socket,id=gpu,fd=%d", wiring->fds[PV_WIRE_GPU]);
        }
        pv_line_add(line, "-device");
        pv_line_add(line, "vhost-user-test-device-pci,chardev=gpu,virtio-id=16,num_vqs=2,"
                          "vq_size=256,config_size=16");
        break;
    case PV_RUN_VIRGL:
        pv_line_add(line, "-device");
        pv_line_add(line, "virtio-gpu-gl-pci,blob=on,hostmem=%lluM,venus=on",
                    (unsigned long long)plan->options->window_mib);
        break;
    default:
        pv_line_add(line, "-device");
        pv_line_add(line, "virtio-gpu-pci");
        break;
    }
}

static void write_port(struct pv_line *line, const char *name, int fd)
{
    pv_line_add(line, "-chardev");
    pv_line_add(line, "socket,id=%s,fd=%d", name, fd);
    pv_line_add(line, "-device");
    pv_line_add(line, "virtserialport,chardev=%s,name=pearvisor.%s", name, name);
}

static void write_wires(struct pv_line *line, const struct pv_wiring *wiring)
{
    if (wiring->gpu_socket != NULL) {
        pv_line_add(line, "-serial");
        pv_line_add(line, "mon:stdio");
        return;
    }
    pv_line_add(line, "-chardev");
    pv_line_add(line, "socket,id=monitor,fd=%d", wiring->fds[PV_WIRE_MONITOR]);
    pv_line_add(line, "-qmp");
    pv_line_add(line, "chardev:monitor");
    pv_line_add(line, "-chardev");
    pv_line_add(line, "socket,id=console,fd=%d", wiring->fds[PV_WIRE_CONSOLE]);
    pv_line_add(line, "-serial");
    pv_line_add(line, "chardev:console");
    pv_line_add(line, "-device");
    pv_line_add(line, "virtio-serial-pci");
    write_port(line, "control", wiring->fds[PV_WIRE_CONTROL]);
    if (wiring->fds[PV_WIRE_STDIN] >= 0) {
        write_port(line, "stdin", wiring->fds[PV_WIRE_STDIN]);
        write_port(line, "stdout", wiring->fds[PV_WIRE_STDOUT]);
        write_port(line, "stderr", wiring->fds[PV_WIRE_STDERR]);
    }
}

void pv_run_write_qemu(struct pv_line *line, const struct pv_run_plan *plan,
                       const struct pv_wiring *wiring)
{
    pv_line_add(line, "%s", plan->qemu->path);
    write_machine(line, plan);
    write_kernel(line, plan, wiring->gpu_socket != NULL);
    write_disks(line, plan);
    write_network(line, plan);
    write_gpu(line, plan, wiring);
    write_wires(line, wiring);
}

void pv_run_write_backend(struct pv_line *line, const struct pv_run_plan *plan, const char *program,
                          int fd, const char *gpu_socket)
{
    const struct pv_host_choice *host = &plan->options->host;
    pv_line_add(line, "%s", program);
    pv_line_add(line, "vhost-user");
    if (gpu_socket != NULL) {
        pv_line_add(line, "--socket");
        pv_line_add(line, "%s", gpu_socket);
    } else {
        pv_line_add(line, "--fd");
        pv_line_add(line, "%d", fd);
    }
    if (host->gpu != NULL) {
        pv_line_add(line, "--gpu");
        pv_line_add(line, "%s", host->gpu);
    }
    if (host->driver != NULL) {
        pv_line_add(line, "--driver");
        pv_line_add(line, "%s", host->driver);
    }
    pv_line_add(line, "--window");
    pv_line_add(line, "%lluM", (unsigned long long)plan->options->window_mib);
}

void pv_run_write_environment(struct pv_line *line, const struct pv_run_plan *plan,
                              const char *x_display, const char *x_authority)
{
    const struct pv_host_choice *host = &plan->options->host;
    if (plan->way != PV_RUN_VIRGL) {
        return;
    }
    const char *own = getenv("LD_LIBRARY_PATH");
    bool has_own = own != NULL && own[0] != '\0';
    pv_line_add(line, "LD_LIBRARY_PATH=%s%s%s", plan->virgl_folder, has_own ? ":" : "",
                has_own ? own : "");
    /* The library has no command line. */
    if (host->gpu != NULL) {
        pv_line_add(line, "PEARVISOR_GPU=%s", host->gpu);
    }
    if (host->driver != NULL) {
        pv_line_add(line, "PEARVISOR_DRIVER=%s", host->driver);
    }
    if (x_display != NULL) {
        pv_line_add(line, "DISPLAY=%s", x_display);
        pv_line_add(line, "SDL_VIDEODRIVER=x11");
        pv_line_add(line, "GDK_BACKEND=x11");
        pv_line_add(line, "LIBGL_ALWAYS_SOFTWARE=1");
    }
    if (x_authority != NULL) {
        pv_line_add(line, "XAUTHORITY=%s", x_authority);
    }
}

/* Where a backend that people start by hand listens. */
static void choose_socket(char path[PATH_MAX])
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    bool has_runtime = runtime != NULL && runtime[0] == '/';
    snprintf(path, PATH_MAX, "%s/pearvisor-gpu.sock", has_runtime ? runtime : "/tmp");
}

bool pv_run_print(const struct pv_run_plan *plan, FILE *out)
{
    static const char x_display[] = ":99";
    char gpu_socket[PATH_MAX];
    choose_socket(gpu_socket);
    const struct pv_wiring wiring = {.gpu_socket = gpu_socket};
    struct pv_line backend = {0}, environment = {0}, qemu = {0};
    pv_run_write_backend(&backend, plan, "pearvisor", -1, gpu_socket);
    pv_run_write_environment(&environment, plan, plan->needs_xvfb ? x_display : NULL, NULL);
    pv_run_write_qemu(&qemu, plan, &wiring);
    bool good = !backend.failed && !environment.failed && !qemu.failed;
    if (good) {
        if (plan->way == PV_RUN_VHOST_USER) {
            fprintf(out, "# The backend, to be started first; it serves one virtual machine.\n");
            pv_line_print(&backend, out);
        }
        if (plan->needs_xvfb) {
            fprintf(out, "# A display that nobody sees, to be started first.\nXvfb %s\n",
                    x_display);
        }
        fprintf(out, "# The virtual machine, its console on this terminal (Ctrl-A X ends it).\n");
        for (size_t i = 0; i < environment.count; i++) {
            const char *value = strchr(environment.arguments[i], '=') + 1;
            fprintf(out, "%.*s", (int)(value - environment.arguments[i]), environment.arguments[i]);
            pv_line_print_quoted(value, out);
            fputs(" \\\n", out);
        }
        pv_line_print(&qemu, out);
    }
    pv_line_finish(&backend);
    pv_line_finish(&environment);
    pv_line_finish(&qemu);
    return good;
}
