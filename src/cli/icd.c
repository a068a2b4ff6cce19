#include "icd.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

enum { MANIFEST_SIZE_MAX = 64 * 1024, FOLDERS_MAX = 32 };

/* Where loaders look, as the loader's own documentation lists it. */
struct folders {
    char paths[FOLDERS_MAX][PV_ICD_PATH_SIZE];
    size_t count;
};

static void add_folder(struct folders *folders, const char *base, size_t length)
{
    if (length == 0 || folders->count >= FOLDERS_MAX) {
        return;
    }
    char *path = folders->paths[folders->count];
    int size = snprintf(path, PV_ICD_PATH_SIZE, "%.*s/vulkan/icd.d", (int)length, base);
    if (size <= 0 || size >= PV_ICD_PATH_SIZE) {
        return;
    }
    for (size_t i = 0; i < folders->count; i++) {
        if (strcmp(folders->paths[i], path) == 0) {
            return;
        }
    }
    folders->count++;
}

/* Each of a list with colons, or of `otherwise` where the variable is not set. */
static void add_variable(struct folders *folders, const char *name, const char *otherwise)
{
    const char *list = getenv(name);
    if (list == NULL || list[0] == '\0') {
        list = otherwise;
    }
    while (*list != '\0') {
        size_t length = strcspn(list, ":");
        add_folder(folders, list, length);
        list += length + (list[length] == ':' ? 1 : 0);
    }
}

static void find_folders(struct folders *folders)
{
    char home_config[PV_ICD_PATH_SIZE] = "", home_data[PV_ICD_PATH_SIZE] = "";
    const char *home = getenv("HOME");
    if (home != NULL && home[0] != '\0') {
        snprintf(home_config, sizeof(home_config), "%s/.config", home);
        snprintf(home_data, sizeof(home_data), "%s/.local/share", home);
    }
    folders->count = 0;
    add_variable(folders, "XDG_CONFIG_HOME", home_config);
    add_variable(folders, "XDG_CONFIG_DIRS", "/etc/xdg");
    add_folder(folders, "/usr/local/etc", strlen("/usr/local/etc"));
    add_folder(folders, "/etc", strlen("/etc"));
    add_variable(folders, "XDG_DATA_HOME", home_data);
    add_variable(folders, "XDG_DATA_DIRS", "/usr/local/share:/usr/share");
    add_folder(folders, "/usr/local/share", strlen("/usr/local/share"));
    add_folder(folders, "/usr/share", strlen("/usr/share"));
}

static cJSON *read_manifest(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return NULL;
    }
    char *text = malloc(MANIFEST_SIZE_MAX);
    size_t size = text != NULL ? fread(text, 1, MANIFEST_SIZE_MAX, file) : 0;
    fclose(file);
    cJSON *manifest = size < MANIFEST_SIZE_MAX ? cJSON_ParseWithLength(text, size) : NULL;
    free(text);
    return manifest;
}

/* The library_path of a manifest; false when there is none. */
static bool read_library(const char *path, char library[PV_ICD_PATH_SIZE])
{
    cJSON *manifest = read_manifest(path);
    const char *text = cJSON_GetStringValue(
        cJSON_GetObjectItem(cJSON_GetObjectItem(manifest, "ICD"), "library_path"));
    bool found = text != NULL && strlen(text) < PV_ICD_PATH_SIZE;
    if (found) {
        strcpy(library, text);
    }
    cJSON_Delete(manifest);
    return found;
}

bool pv_icd_is_venus(const char *manifest)
{
    char library[PV_ICD_PATH_SIZE];
    return read_library(manifest, library) && strstr(library, "vulkan_virtio") != NULL;
}

static bool is_for_guests(const char *manifest)
{
    char library[PV_ICD_PATH_SIZE];
    return !read_library(manifest, library) || strstr(library, "vulkan_virtio") != NULL ||
           strstr(library, "vulkan_gfxstream") != NULL;
}

/* Distributions name the machine in a manifest's name: virtio_icd.i686.json is of no use here. */
static bool is_for_other_machine(const char *name)
{
    static const char *const machines[] = {
        "aarch64", "armhf", "armv7l", "i386", "i686", "ppc64le", "riscv64", "s390x", "x86_64",
    };
    struct utsname host;
    if (uname(&host) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        const char *found = strstr(name, machines[i]);
        if (found != NULL && found > name && found[-1] == '.' &&
            strcmp(machines[i], host.machine) != 0) {
            return true;
        }
    }
    return false;
}

static int is_manifest(const struct dirent *entry)
{
    if (is_for_other_machine(entry->d_name)) {
        return 0;
    }
    const char *suffix = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && suffix != NULL && strcmp(suffix, ".json") == 0;
}

/* Calls `visit` for each manifest, in the order of folders and names; until it returns true. */
static bool visit_manifests(bool (*visit)(void *user, const char *path), void *user)
{
    struct folders *folders = malloc(sizeof(*folders));
    if (folders == NULL) {
        return false;
    }
    find_folders(folders);
    bool stopped = false;
    for (size_t i = 0; i < folders->count && !stopped; i++) {
        struct dirent **entries;
        int count = scandir(folders->paths[i], &entries, is_manifest, alphasort);
        for (int entry = 0; entry < count; entry++) {
            char path[PV_ICD_PATH_SIZE + 257];
            snprintf(path, sizeof(path), "%s/%s", folders->paths[i], entries[entry]->d_name);
            stopped = stopped || visit(user, path);
            free(entries[entry]);
        }
        if (count >= 0) {
            free(entries);
        }
    }
    free(folders);
    return stopped;
}

static bool append_host_driver(void *user, const char *path)
{
    char *list = user;
    size_t used = strlen(list);
    if (!is_for_guests(path) && used + 1 + strlen(path) < PV_ICD_LIST_SIZE) {
        snprintf(list + used, PV_ICD_LIST_SIZE - used, "%s%s", used != 0 ? ":" : "", path);
    }
    return false;
}

bool pv_icd_find_host_drivers(char list[PV_ICD_LIST_SIZE])
{
    list[0] = '\0';
    (void)visit_manifests(append_host_driver, list);
    return list[0] != '\0';
}

static bool take_venus(void *user, const char *path)
{
    if (!pv_icd_is_venus(path) || strlen(path) >= PV_ICD_PATH_SIZE) {
        return false;
    }
    strcpy(user, path);
    return true;
}

bool pv_icd_find_venus(char path[PV_ICD_PATH_SIZE])
{
    return visit_manifests(take_venus, path);
}

bool pv_icd_library_folder(const char *manifest, char folder[PV_ICD_PATH_SIZE])
{
    char library[PV_ICD_PATH_SIZE];
    if (!read_library(manifest, library) || strchr(library, '/') == NULL) {
        return false;
    }
    /* A relative path begins at the manifest. */
    char path[2 * PV_ICD_PATH_SIZE];
    const char *end = strrchr(manifest, '/');
    if (library[0] == '/' || end == NULL) {
        snprintf(path, sizeof(path), "%s", library);
    } else {
        snprintf(path, sizeof(path), "%.*s/%s", (int)(end - manifest), manifest, library);
    }
    char *resolved = realpath(path, NULL);
    char *name = resolved != NULL ? strrchr(resolved, '/') : NULL;
    bool found = name != NULL && name != resolved && name - resolved < PV_ICD_PATH_SIZE;
    if (found) {
        snprintf(folder, PV_ICD_PATH_SIZE, "%.*s", (int)(name - resolved), resolved);
    }
    free(resolved);
    return found;
}
