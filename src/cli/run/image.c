/* The image's folder, and the rest of the host's things that a guest is given. */

#include "run.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANIFEST_SIZE_MAX = 64 * 1024, FORMAT = 1 };

bool pv_run_find_image(char folder[PATH_MAX])
{
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    int length = PATH_MAX;
    if (data != NULL && data[0] == '/') {
        length = snprintf(folder, PATH_MAX, "%s/pearvisor/image", data);
    } else if (home != NULL && home[0] == '/') {
        length = snprintf(folder, PATH_MAX, "%s/.local/share/pearvisor/image", home);
    }
    return length < PATH_MAX || pv_run_complain("HOME is not set; name an image");
}

static cJSON *read_manifest(const char *folder)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof(path), "%s/image.json", folder);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        int error = errno;
        if (access(folder, F_OK) != 0) {
            pv_run_complain("%s: no such image; `pearvisor image build %s` makes one", folder,
                            folder);
        } else {
            pv_run_complain("%s: not an image: image.json: %s", folder, strerror(error));
        }
        return NULL;
    }
    char *text = malloc(MANIFEST_SIZE_MAX);
    size_t size = text != NULL ? fread(text, 1, MANIFEST_SIZE_MAX, file) : 0;
    fclose(file);
    cJSON *manifest = size < MANIFEST_SIZE_MAX ? cJSON_ParseWithLength(text, size) : NULL;
    free(text);
    if (manifest == NULL) {
        pv_run_complain("%s: the image is broken: image.json is not JSON", folder);
    }
    return manifest;
}

static bool check_file(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0 || access(path, R_OK) != 0) {
        return pv_run_complain("%s: the image is broken: %s", path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode) || status.st_size == 0) {
        return pv_run_complain("%s: the image is broken: not a file with contents", path);
    }
    return true;
}

/* The path of a file that the manifest names. */
static bool take_file(const cJSON *manifest, const char *key, const char *folder,
                      char path[PATH_MAX])
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(manifest, key));
    if (name == NULL || name[0] == '\0' || strchr(name, '/') != NULL) {
        return pv_run_complain("%s: the image is broken: image.json names no %s", folder, key);
    }
    if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX) {
        return pv_run_complain("%s: the path is too long", folder);
    }
    return check_file(path);
}

static bool take_manifest(struct pv_run_image *image, const cJSON *manifest, const char *folder)
{
    const cJSON *format = cJSON_GetObjectItem(manifest, "format");
    const char *arch = cJSON_GetStringValue(cJSON_GetObjectItem(manifest, "arch"));
    if (!cJSON_IsNumber(format) || format->valueint != FORMAT) {
        return pv_run_complain("%s: the image is of a format that is unknown here", folder);
    }
    if (arch == NULL || (strcmp(arch, "x86_64") != 0 && strcmp(arch, "aarch64") != 0)) {
        return pv_run_complain("%s: the image is for %.32s, not for x86_64 or aarch64", folder,
                               arch != NULL ? arch : "no machine");
    }
    snprintf(image->arch, sizeof(image->arch), "%s", arch);
    return take_file(manifest, "disk", folder, image->disk) &&
           take_file(manifest, "kernel_file", folder, image->kernel) &&
           take_file(manifest, "initrd_file", folder, image->initrd);
}

bool pv_run_image_load(struct pv_run_image *image, const char *folder)
{
    char usual[PATH_MAX];
    if (folder == NULL) {
        if (!pv_run_find_image(usual)) {
            return false;
        }
        folder = usual;
    }
    cJSON *manifest = read_manifest(folder);
    bool good = manifest != NULL && take_manifest(image, manifest, folder);
    cJSON_Delete(manifest);
    return good;
}

static bool check_share(const char *share)
{
    struct stat status;
    if (stat(share, &status) != 0 || access(share, R_OK | X_OK) != 0) {
        return pv_run_complain("--share %s: %s", share, strerror(errno));
    }
    return S_ISDIR(status.st_mode) || pv_run_complain("--share %s: not a folder", share);
}

static bool check_disk(const char *option, const char *disk)
{
    int fd = open(disk, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return pv_run_complain("%s %s: %s", option, disk, strerror(errno));
    }
    close(fd);
    return true;
}

/* QEMU would say the same, in words of its own and later. */
static bool check_port(uint32_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    bool good = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
                bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
                listen(fd, 1) == 0;
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    return good || pv_run_complain("--ssh %u: port %u of 127.0.0.1 %s", port, port,
                                   error == EADDRINUSE ? "is taken" : strerror(error));
}

static bool check_memory(uint64_t memory_mib)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_size = sysconf(_SC_PAGESIZE);
    uint64_t host_mib = pages > 0 ? (uint64_t)pages * (uint64_t)page_size >> 20 : UINT64_MAX;
    return memory_mib <= host_mib ||
           pv_run_complain("--memory: this machine has %llu MiB, not %llu",
                           (unsigned long long)host_mib, (unsigned long long)memory_mib);
}

bool pv_run_check_host(const struct pv_run_options *options, const struct pv_run_image *image)
{
    for (size_t i = 0; i < options->disk_count; i++) {
        if (!check_disk("--disk", options->disks[i])) {
            return false;
        }
    }
    return (!options->persist || check_disk("--persist:", image->disk)) &&
           (options->share == NULL || check_share(options->share)) &&
           (options->ssh_port == 0 || check_port(options->ssh_port)) &&
           check_memory(options->memory_mib);
}
