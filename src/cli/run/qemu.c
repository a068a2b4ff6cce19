/* Finds QEMU and asks what it can do. A wrapper script is as good as the program. */

#include "base/clock.h"
#include "base/fd.h"
#include "child.h"
#include "run.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_SIZE = 256 * 1024, QUESTION_COUNT = 3 };

static const uint64_t patience_ns = 30 * PV_NS_PER_S;

static bool find_in_path(char path[PATH_MAX], const char *name)
{
    const char *list = getenv("PATH");
    while (list != NULL && *list != '\0') {
        size_t length = strcspn(list, ":");
        if (length > 0 && snprintf(path, PATH_MAX, "%.*s/%s", (int)length, list, name) < PATH_MAX &&
            access(path, X_OK) == 0) {
            return true;
        }
        list += length + (list[length] == ':' ? 1 : 0);
    }
    path[0] = '\0';
    return false;
}

static bool find(struct pv_run_qemu *qemu, const char *path, const char *arch)
{
    char usual[64];
    snprintf(usual, sizeof(usual), "qemu-system-%s", arch);
    const char *variable = getenv("PEARVISOR_QEMU");
    if (path == NULL) {
        path = variable != NULL && variable[0] != '\0' ? variable : usual;
    }
    if (strchr(path, '/') == NULL) {
        return find_in_path(qemu->path, path) ||
               pv_run_complain("no %s in PATH: install QEMU (11.1 or newer; 9.2 at least), or say "
                               "--qemu PATH",
                               path);
    }
    if (strlen(path) >= PATH_MAX || access(path, X_OK) != 0) {
        return pv_run_complain("--qemu %s: %s", path, strerror(errno));
    }
    strcpy(qemu->path, path);
    return true;
}

void pv_run_qemu_read_version(struct pv_run_qemu *qemu, const char *text)
{
    const char *found = strstr(text, "emulator version ");
    unsigned micro;
    if (found == NULL ||
        sscanf(found, "emulator version %u.%u.%u", &qemu->major, &qemu->minor, &micro) != 3) {
        qemu->version[0] = '\0';
        return;
    }
    snprintf(qemu->version, sizeof(qemu->version), "%u.%u.%u", qemu->major, qemu->minor, micro);
}

void pv_run_qemu_read_devices(struct pv_run_qemu *qemu, const char *text)
{
    qemu->has_vhost_user = strstr(text, "\"vhost-user-test-device-pci\"") != NULL;
    qemu->has_virgl = strstr(text, "\"virtio-gpu-gl-pci\"") != NULL;
}

static bool has_line(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *line = text; *line != '\0';) {
        size_t size = strcspn(line, "\n");
        if (size == length && memcmp(line, word, length) == 0) {
            return true;
        }
        line += size + (line[size] == '\n' ? 1 : 0);
    }
    return false;
}

void pv_run_qemu_read_accelerators(struct pv_run_qemu *qemu, const char *text)
{
    qemu->has_kvm = has_line(text, "kvm");
    qemu->has_hvf = has_line(text, "hvf");
}

struct question {
    char *arguments[6];
    struct pv_child child;
    int output;
};

static bool ask(struct question *question, const char *virgl_folder)
{
    char libraries[2 * PATH_MAX];
    const char *own = getenv("LD_LIBRARY_PATH");
    bool has_own = own != NULL && own[0] != '\0';
    snprintf(libraries, sizeof(libraries), "LD_LIBRARY_PATH=%s%s%s", virgl_folder,
             has_own ? ":" : "", has_own ? own : "");
    char *environment[] = {libraries, NULL};
    int write_end;
    if (pv_fd_pipe(&question->output, &write_end) != PV_OK) {
        return pv_run_complain("out of descriptors");
    }
    const struct pv_child_params params = {
        .arguments = question->arguments,
        .environment = virgl_folder[0] != '\0' ? environment : NULL,
        .output = write_end,
        .errors = -1,
    };
    int error = pv_child_start(&question->child, &params);
    close(write_end);
    return error == 0 || pv_run_complain("%s: %s", question->arguments[0], strerror(error));
}

static bool hear(struct question *question, char answer[ANSWER_SIZE])
{
    size_t size = 0;
    uint64_t deadline_ns = pv_clock_now_ns() + patience_ns;
    for (;;) {
        struct pollfd output = {.fd = question->output, .events = POLLIN};
        uint64_t now_ns = pv_clock_now_ns();
        if (now_ns >= deadline_ns ||
            poll(&output, 1, (int)((deadline_ns - now_ns) / PV_NS_PER_MS) + 1) <= 0) {
            return pv_run_complain("%s %s: no answer", question->arguments[0],
                                   question->arguments[1]);
        }
        ssize_t got = read(question->output, answer + size, ANSWER_SIZE - 1 - size);
        if (got <= 0) {
            answer[size] = '\0';
            return true;
        }
        size += (size_t)got;
    }
}

/* Three starts of QEMU at once: each takes about a tenth of a second. */
static bool ask_all(struct pv_run_qemu *qemu, const char *virgl_folder, char answer[ANSWER_SIZE])
{
    struct question questions[QUESTION_COUNT] = {
        {.arguments = {qemu->path, "--version"}, .output = -1},
        {.arguments = {qemu->path, "-machine", "none", "-device", "help"}, .output = -1},
        {.arguments = {qemu->path, "-machine", "none", "-accel", "help"}, .output = -1},
    };
    void (*const readers[])(struct pv_run_qemu *, const char *) = {
        pv_run_qemu_read_version, pv_run_qemu_read_devices, pv_run_qemu_read_accelerators};
    bool good = true;
    for (size_t i = 0; i < QUESTION_COUNT && good; i++) {
        good = ask(&questions[i], virgl_folder);
    }
    for (size_t i = 0; i < QUESTION_COUNT && good; i++) {
        good = hear(&questions[i], answer);
        if (good) {
            readers[i](qemu, answer);
        }
    }
    for (size_t i = 0; i < QUESTION_COUNT; i++) {
        pv_fd_close(&questions[i].output);
        pv_child_finish(&questions[i].child, good ? PV_NS_PER_S : 0);
    }
    return good;
}

bool pv_run_qemu_find(struct pv_run_qemu *qemu, const char *path, const char *arch,
                      const char *virgl_folder)
{
    *qemu = (struct pv_run_qemu){0};
    char *answer = malloc(ANSWER_SIZE);
    bool good = answer != NULL && find(qemu, path, arch) && ask_all(qemu, virgl_folder, answer);
    free(answer);
    if (good && qemu->version[0] == '\0') {
        return pv_run_complain("%s: not QEMU: it does not tell a version", qemu->path);
    }
    return good;
}

static bool has_library(const char *folder)
{
    char path[2 * PATH_MAX + 32];
    snprintf(path, sizeof(path), "%s/libvirglrenderer.so.1", folder);
    return access(path, R_OK) == 0;
}

void pv_run_find_virgl(char folder[PATH_MAX])
{
    const char *variable = getenv("PEARVISOR_VIRGL");
    if (variable != NULL) {
        snprintf(folder, PATH_MAX, "%s", variable);
        if (!has_library(folder)) {
            folder[0] = '\0';
        }
        return;
    }
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    program[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(program, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    /* Of the build folder (build/virgl beside build/meson/src), and of an installation. */
    const struct {
        const char *base, *rest;
    } places[] = {{program, "/../../virgl"}, {program, "/../virgl"}, {PV_LIBDIR, "/virgl"}};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char path[2 * PATH_MAX];
        snprintf(path, sizeof(path), "%s%s", places[i].base, places[i].rest);
        if (has_library(path) && realpath(path, folder) != NULL) {
            return;
        }
    }
    folder[0] = '\0';
}
