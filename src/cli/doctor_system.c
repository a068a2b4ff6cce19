/* The system around us: release, loader, devices of the kernel, and serve's socket. */

#include "base/fd.h"
#include "doctor.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char topic_system[] = "System";
static const char topic_host[] = "Host devices";
static const char topic_socket[] = "Socket of `pearvisor serve`";

/* --- which system ------------------------------------------------------------------------------
 */

/* The value of KEY=value or KEY="value" in a line; false for other lines. */
static bool read_value(const char *line, const char *key, char *value, size_t size)
{
    size_t length = strlen(key);
    if (strncmp(line, key, length) != 0 || line[length] != '=') {
        return false;
    }
    line += length + 1;
    size_t quote = line[0] == '"' || line[0] == '\'' ? 1 : 0;
    snprintf(value, size, "%.*s", (int)strcspn(line + quote, "\"'\n"), line + quote);
    return true;
}

/* ID, then ID_LIKE: words with spaces in between. */
static enum pv_distribution recognise(const char *words)
{
    static const struct {
        const char *word;
        enum pv_distribution distribution;
    } known[] = {
        {"ubuntu", PV_DISTRIBUTION_UBUNTU}, {"debian", PV_DISTRIBUTION_DEBIAN},
        {"fedora", PV_DISTRIBUTION_FEDORA}, {"rhel", PV_DISTRIBUTION_FEDORA},
        {"arch", PV_DISTRIBUTION_ARCH},
    };
    while (*words != '\0') {
        size_t length = strcspn(words, " ");
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            if (strlen(known[i].word) == length && strncmp(words, known[i].word, length) == 0) {
                return known[i].distribution;
            }
        }
        words += length + strspn(words + length, " ");
    }
    return PV_DISTRIBUTION_UNKNOWN;
}

static void read_release(struct pv_doctor *doctor, char *name, size_t size)
{
    char line[256], id[64] = "", like[128] = "", words[200];
    FILE *file = fopen("/etc/os-release", "re");
    if (file == NULL) {
        file = fopen("/usr/lib/os-release", "re");
    }
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (!read_value(line, "ID", id, sizeof(id)) &&
            !read_value(line, "ID_LIKE", like, sizeof(like)) &&
            !read_value(line, "PRETTY_NAME", name, size)) {
            (void)read_value(line, "VERSION_CODENAME", doctor->release, sizeof(doctor->release));
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    snprintf(words, sizeof(words), "%s %s", id, like);
    doctor->distribution = recognise(words);
}

/* Opens the loader alone, which loads no driver before it is asked for an instance. Its version is
 * in its file's name. */
static void find_loader(struct pv_doctor *doctor, cJSON *json)
{
    void *library = dlopen("libvulkan.so.1", RTLD_LAZY | RTLD_LOCAL);
    void *symbol = library != NULL ? dlsym(library, "vkGetInstanceProcAddr") : NULL;
    Dl_info info;
    doctor->has_loader = symbol != NULL;
    if (symbol == NULL) {
        pv_doctor_say(doctor, PV_MARK_WARN, topic_system, "Vulkan loader",
                      "libvulkan.so.1 is not installed: no Vulkan program can start here");
        pv_doctor_next_package(doctor, PV_PACKAGE_LOADER);
        cJSON_AddNullToObject(json, "loader");
    } else {
        char *path = dladdr(symbol, &info) != 0 ? realpath(info.dli_fname, NULL) : NULL;
        pv_doctor_say(doctor, PV_MARK_OK, topic_system, "Vulkan loader", "%s",
                      path != NULL ? path : "libvulkan.so.1");
        cJSON_AddStringToObject(json, "loader", path != NULL ? path : "libvulkan.so.1");
        free(path);
    }
    if (library != NULL) {
        dlclose(library);
    }
}

void pv_doctor_system(struct pv_doctor *doctor)
{
    char name[128] = "unknown";
    struct utsname kernel = {.sysname = "?", .release = "?"};
    (void)uname(&kernel);
    read_release(doctor, name, sizeof(name));
    cJSON *json = cJSON_AddObjectToObject(doctor->json, "system");
    cJSON_AddStringToObject(json, "name", name);
    cJSON_AddStringToObject(json, "kernel", kernel.release);
    cJSON_AddStringToObject(json, "machine", kernel.machine);
    cJSON_AddNumberToObject(json, "processors", (double)sysconf(_SC_NPROCESSORS_ONLN));
    pv_doctor_say(doctor, PV_MARK_OK, topic_system, "release", "%s, %s %s, %s, %ld processors",
                  name, kernel.sysname, kernel.release, kernel.machine,
                  sysconf(_SC_NPROCESSORS_ONLN));
    find_loader(doctor, json);
}

/* --- /dev/udmabuf ------------------------------------------------------------------------------
 */

/* Makes a dma-buf of a page of memory. NULL, or what does not work. */
static const char *try_udmabuf(int device)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int memory = memfd_create("pearvisor-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (memory < 0 || ftruncate(memory, (off_t)page) != 0 ||
        fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
        pv_fd_close(&memory);
        return "no sealed memory could be made";
    }
    struct udmabuf_create create = {
        .memfd = (uint32_t)memory,
        .flags = UDMABUF_FLAGS_CLOEXEC,
        .size = page,
    };
    int buffer = ioctl(device, UDMABUF_CREATE, &create);
    const char *fault = buffer < 0 ? "it makes no dma-buf" : NULL;
    void *map =
        buffer >= 0 ? mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0) : MAP_FAILED;
    if (buffer >= 0 && map == MAP_FAILED) {
        fault = "its dma-buf cannot be mapped";
    }
    if (map != MAP_FAILED) {
        munmap(map, page);
    }
    pv_fd_close(&buffer);
    pv_fd_close(&memory);
    return fault;
}

static void look_at_udmabuf(struct pv_doctor *doctor, cJSON *json)
{
    cJSON *entry = cJSON_AddObjectToObject(json, "udmabuf");
    int fd = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
    int error = errno;
    const char *fault = fd >= 0 ? try_udmabuf(fd) : strerror(error);
    cJSON_AddBoolToObject(entry, "present", fd >= 0 || error != ENOENT);
    cJSON_AddBoolToObject(entry, "usable", fault == NULL);
    if (fault == NULL) {
        pv_doctor_say(doctor, PV_MARK_OK, topic_host, "udmabuf",
                      "makes dma-bufs of plain memory (tried)");
    } else if (fd < 0 && error == ENOENT) {
        pv_doctor_say(doctor, PV_MARK_NOTE, topic_host, "udmabuf",
                      "there is no /dev/udmabuf: lavapipe cannot export dma-bufs; windows are then "
                      "drawn by copying");
        pv_doctor_next(doctor, "to have it: sudo modprobe udmabuf");
    } else {
        pv_doctor_say(doctor, PV_MARK_NOTE, topic_host, "udmabuf", "cannot be used: %s", fault);
        if (error == EACCES) {
            pv_doctor_next(doctor, "to have it: sudo usermod -aG kvm %s, then log in anew",
                           getenv("USER") != NULL ? getenv("USER") : "$USER");
        }
    }
    pv_fd_close(&fd);
}

/* --- render nodes ------------------------------------------------------------------------------
 */

static int is_render_node(const struct dirent *entry)
{
    return strncmp(entry->d_name, "renderD", strlen("renderD")) == 0;
}

static void look_at_nodes(struct pv_doctor *doctor, cJSON *json)
{
    cJSON *list = cJSON_AddArrayToObject(json, "render_nodes");
    struct dirent **entries = NULL;
    int count = scandir("/dev/dri", &entries, is_render_node, alphasort);
    for (int i = 0; i < count; i++) {
        char path[300];
        snprintf(path, sizeof(path), "/dev/dri/%s", entries[i]->d_name);
        bool usable = access(path, R_OK | W_OK) == 0;
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "path", path);
        cJSON_AddBoolToObject(entry, "usable", usable);
        cJSON_AddItemToArray(list, entry);
        pv_doctor_say(doctor, usable ? PV_MARK_OK : PV_MARK_WARN, topic_host, "render node", "%s%s",
                      path, usable ? "" : " may not be opened");
        if (!usable) {
            pv_doctor_next(doctor, "sudo usermod -aG render %s, then log in anew",
                           getenv("USER") != NULL ? getenv("USER") : "$USER");
        }
        free(entries[i]);
    }
    if (count <= 0) {
        pv_doctor_say(doctor, PV_MARK_NOTE, topic_host, "render node",
                      "none in /dev/dri; lavapipe needs none, and neither does NVIDIA's driver");
    }
    free(entries);
    bool nvidia = access("/dev/nvidiactl", F_OK) == 0;
    cJSON_AddBoolToObject(json, "nvidia_device", nvidia);
    if (nvidia) {
        bool usable = access("/dev/nvidiactl", R_OK | W_OK) == 0;
        pv_doctor_say(doctor, usable ? PV_MARK_OK : PV_MARK_WARN, topic_host, "NVIDIA",
                      "/dev/nvidiactl%s", usable ? "" : " may not be opened");
    }
}

void pv_doctor_host(struct pv_doctor *doctor)
{
    cJSON *json = cJSON_AddObjectToObject(doctor->json, "host");
    look_at_nodes(doctor, json);
    look_at_udmabuf(doctor, json);
}

/* --- the socket --------------------------------------------------------------------------------
 */

static bool is_live(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool live = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
    pv_fd_close(&fd);
    return live;
}

void pv_doctor_socket(struct pv_doctor *doctor)
{
    cJSON *json = cJSON_AddObjectToObject(doctor->json, "socket");
    const char *folder = getenv("XDG_RUNTIME_DIR");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;
    bool usable = false;
    if (folder == NULL || folder[0] != '/') {
        pv_doctor_say(doctor, PV_MARK_NOTE, topic_socket, "default",
                      "XDG_RUNTIME_DIR is not set, so there is no default");
        pv_doctor_next(doctor, "say where: pearvisor serve --socket PATH");
        cJSON_AddNullToObject(json, "path");
        cJSON_AddBoolToObject(json, "usable", false);
        return;
    }
    int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/pearvisor.sock", folder);
    if (length < 0 || (size_t)length >= sizeof(address.sun_path)) {
        pv_doctor_say(doctor, PV_MARK_WARN, topic_socket, "default",
                      "%s is too long for a socket's name", folder);
    } else if (access(folder, W_OK | X_OK) != 0) {
        pv_doctor_say(doctor, PV_MARK_WARN, topic_socket, "default", "%s: %s", folder,
                      strerror(errno));
    } else if (lstat(address.sun_path, &status) != 0) {
        usable = true;
        pv_doctor_say(doctor, PV_MARK_OK, topic_socket, "default", "%s can be used",
                      address.sun_path);
    } else if (!S_ISSOCK(status.st_mode)) {
        pv_doctor_say(doctor, PV_MARK_WARN, topic_socket, "default", "%s is a file of another kind",
                      address.sun_path);
    } else {
        usable = true;
        bool live = is_live(&address);
        pv_doctor_say(doctor, PV_MARK_OK, topic_socket, "default",
                      live ? "%s: a server is listening there"
                           : "%s is left over and will be replaced",
                      address.sun_path);
        cJSON_AddBoolToObject(json, "server_listens", live);
    }
    if (!usable) {
        pv_doctor_next(doctor, "say another place: pearvisor serve --socket PATH");
    }
    cJSON_AddStringToObject(json, "path", address.sun_path);
    cJSON_AddBoolToObject(json, "usable", usable);
}
