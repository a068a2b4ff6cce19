/* Which Venus drivers programs could use here. Files are looked at; nothing is loaded. */

#include "base/fd.h"
#include "doctor.h"

#include <ctype.h>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VERSION_SIZE = 32, MESA_NEEDED = 25 };

static const char topic[] = "Venus clients";

/* One manifest and what belongs to it. */
struct client {
    char manifest[PV_ICD_PATH_SIZE];
    struct pv_icd icd;              /* what it says */
    char library[PV_ICD_PATH_SIZE]; /* the file; empty: there is none */
    char mesa[VERSION_SIZE];        /* empty: it does not tell */
    bool is_foreign;                /* for another processor */
};

static bool exists(const char *path)
{
    return access(path, R_OK) == 0;
}

/* --- the library -------------------------------------------------------------------------------
 */

/* Where the dynamic linker finds the C library it finds others, too: that names the folder of this
 * system (/usr/lib, /lib64, /lib/x86_64-linux-gnu). */
static void own_library_folder(char folder[PV_ICD_PATH_SIZE])
{
    Dl_info info;
    /* Of these, no preloaded library or sanitizer has one of its own. */
    void *symbol = dlsym(RTLD_DEFAULT, "gnu_get_libc_version");
    symbol = symbol != NULL ? symbol : dlsym(RTLD_DEFAULT, "__libc_start_main");
    folder[0] = '\0';
    if (symbol != NULL && dladdr(symbol, &info) != 0 && strrchr(info.dli_fname, '/') != NULL) {
        snprintf(folder, PV_ICD_PATH_SIZE, "%.*s",
                 (int)(strrchr(info.dli_fname, '/') - info.dli_fname), info.dli_fname);
    }
}

static bool try_folder(struct client *client, const char *folder, int length)
{
    int size = snprintf(client->library, sizeof(client->library), "%.*s/%s", length, folder,
                        client->icd.library);
    if (length > 0 && size < (int)sizeof(client->library) && exists(client->library)) {
        return true;
    }
    client->library[0] = '\0';
    return false;
}

/* As the dynamic linker does, near enough: a name without slashes is looked for. */
static bool find_library(struct client *client)
{
    const char *end = strrchr(client->manifest, '/');
    if (client->icd.library[0] == '/') {
        snprintf(client->library, sizeof(client->library), "%s", client->icd.library);
        return exists(client->library);
    }
    if (strchr(client->icd.library, '/') != NULL) {
        return try_folder(client, client->manifest, (int)(end - client->manifest));
    }
    const char *list = getenv("LD_LIBRARY_PATH");
    while (list != NULL && *list != '\0') {
        size_t length = strcspn(list, ":");
        if (try_folder(client, list, (int)length)) {
            return true;
        }
        list += length + (list[length] == ':' ? 1 : 0);
    }
    char own[PV_ICD_PATH_SIZE], own_usr[PV_ICD_PATH_SIZE + 4];
    own_library_folder(own);
    snprintf(own_usr, sizeof(own_usr), "/usr%s", own);
    const char *const folders[] = {own,          own_usr,    "/usr/local/lib", "/usr/local/lib64",
                                   "/usr/lib64", "/usr/lib", "/lib64",         "/lib"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        if (try_folder(client, folders[i], (int)strlen(folders[i]))) {
            return true;
        }
    }
    return false;
}

/* "Mesa 25.0.7" is somewhere in the file, since the driver says it of itself. */
static void find_version(const uint8_t *bytes, size_t size, char version[VERSION_SIZE])
{
    static const char mark[] = "Mesa ";
    const uint8_t *at = bytes, *end = bytes + size;
    while ((at = memmem(at, (size_t)(end - at), mark, sizeof(mark) - 1)) != NULL) {
        at += sizeof(mark) - 1;
        size_t length = 0;
        while (at + length < end && length < VERSION_SIZE - 1 &&
               (isdigit(at[length]) || at[length] == '.')) {
            length++;
        }
        if (length >= 4 && isdigit(at[0])) {
            memcpy(version, at, length);
            version[length] = '\0';
            return;
        }
    }
}

/* The processor that our own program is made for. */
static uint16_t own_machine(void)
{
    Elf64_Ehdr header = {0};
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!pv_fd_read(fd, &header, sizeof(header));
        close(fd);
    }
    return header.e_machine;
}

static void look_into_library(struct client *client)
{
    int fd = open(client->library, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0) {
        return;
    }
    if (fstat(fd, &status) == 0 && (size_t)status.st_size > sizeof(Elf64_Ehdr)) {
        size_t size = (size_t)status.st_size;
        void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map != MAP_FAILED) {
            Elf64_Ehdr header;
            memcpy(&header, map, sizeof(header));
            client->is_foreign = header.e_machine != own_machine();
            find_version(map, size, client->mesa);
            munmap(map, size);
        }
    }
    close(fd);
}

static void report_client(struct pv_doctor *doctor, cJSON *list, struct client *client)
{
    bool found = pv_icd_read(client->manifest, &client->icd) && find_library(client);
    if (found) {
        look_into_library(client);
    }
    bool usable = found && !client->is_foreign;
    int major = atoi(client->mesa);
    cJSON *entry = cJSON_CreateObject();
    cJSON_AddStringToObject(entry, "manifest", client->manifest);
    cJSON_AddStringToObject(entry, "library", found ? client->library : client->icd.library);
    cJSON_AddBoolToObject(entry, "usable", usable);
    cJSON_AddStringToObject(entry, "mesa", client->mesa);
    cJSON_AddStringToObject(entry, "api_version", client->icd.api_version);
    cJSON_AddItemToArray(list, entry);
    const char *version = client->mesa[0] != '\0' ? client->mesa : "of unknown version";
    if (!found) {
        pv_doctor_say(doctor, PV_MARK_WARN, topic, "Venus", "%s names %s, which is not there",
                      client->manifest, client->icd.library);
        pv_doctor_next_package(doctor, PV_PACKAGE_VENUS);
    } else if (client->is_foreign) {
        pv_doctor_say(doctor, PV_MARK_NOTE, topic, "Venus", "Mesa %s for another processor: %s",
                      version, client->library);
    } else {
        bool old = major != 0 && major < MESA_NEEDED;
        pv_doctor_say(doctor, old ? PV_MARK_WARN : PV_MARK_OK, topic, "Venus",
                      "Mesa %s, made for Vulkan %s: %s%s", version, client->icd.api_version,
                      client->library, old ? " (25.0 is the oldest that we know to work)" : "");
        if (old) {
            pv_doctor_next_package(doctor, PV_PACKAGE_VENUS);
        }
    }
    doctor->has_client = doctor->has_client || usable;
}

/* --- all of them -------------------------------------------------------------------------------
 */

struct search {
    struct pv_doctor *doctor;
    cJSON *list;
};

static bool take_client(void *user, const char *manifest)
{
    static const char prefix[] = "/virtio_icd";
    struct search *search = user;
    struct client client = {0};
    if (strncmp(strrchr(manifest, '/'), prefix, strlen(prefix)) == 0 &&
        strlen(manifest) < sizeof(client.manifest)) {
        strcpy(client.manifest, manifest);
        report_client(search->doctor, search->list, &client);
    }
    return false;
}

void pv_doctor_clients(struct pv_doctor *doctor)
{
    struct search search = {
        .doctor = doctor,
        .list = cJSON_AddArrayToObject(doctor->json, "venus_clients"),
    };
    (void)pv_icd_visit(take_client, &search);
    if (cJSON_GetArraySize(search.list) == 0) {
        pv_doctor_say(doctor, PV_MARK_WARN, topic, "Venus",
                      "no Venus driver (virtio_icd*.json) is installed: no program on this machine "
                      "can be a client, and neither can the self-test");
        pv_doctor_next_package(doctor, PV_PACKAGE_VENUS);
    }
}
