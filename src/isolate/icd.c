#include "isolate/icd.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    add_folder(folders, "/opt/homebrew/etc", strlen("/opt/homebrew/etc"));
    add_folder(folders, "/opt/homebrew/share", strlen("/opt/homebrew/share"));
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

bool pv_icd_read(const char *manifest, struct pv_icd *icd)
{
    cJSON *root = read_manifest(manifest);
    const cJSON *object = cJSON_GetObjectItem(root, "ICD");
    const char *library = cJSON_GetStringValue(cJSON_GetObjectItem(object, "library_path"));
    const char *version = cJSON_GetStringValue(cJSON_GetObjectItem(object, "api_version"));
    bool found = library != NULL && strlen(library) < sizeof(icd->library);
    snprintf(icd->library, sizeof(icd->library), "%s", found ? library : "");
    snprintf(icd->api_version, sizeof(icd->api_version), "%s", version != NULL ? version : "");
    cJSON_Delete(root);
    return found;
}

bool pv_icd_is_venus(const char *manifest)
{
    struct pv_icd icd;
    return pv_icd_read(manifest, &icd) && strstr(icd.library, "vulkan_virtio") != NULL;
}

static bool is_for_guests(const char *manifest)
{
    struct pv_icd icd;
    return !pv_icd_read(manifest, &icd) || strstr(icd.library, "vulkan_virtio") != NULL ||
           strstr(icd.library, "vulkan_gfxstream") != NULL;
}

/* Distributions name the machine in a manifest's name: virtio_icd.i686.json is of no use here. */
static bool is_for_other_machine(const char *manifest)
{
    const char *slash = strrchr(manifest, '/');
    const char *name = slash != NULL ? slash + 1 : manifest;
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
    const char *suffix = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && suffix != NULL && strcmp(suffix, ".json") == 0;
}

bool pv_icd_visit(bool (*visit)(void *user, const char *manifest), void *user)
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
    if (!is_for_other_machine(path) && !is_for_guests(path) &&
        used + 1 + strlen(path) < PV_ICD_LIST_SIZE) {
        snprintf(list + used, PV_ICD_LIST_SIZE - used, "%s%s", used != 0 ? ":" : "", path);
    }
    return false;
}

bool pv_icd_find_host_drivers(char list[PV_ICD_LIST_SIZE])
{
    list[0] = '\0';
    (void)pv_icd_visit(append_host_driver, list);
    return list[0] != '\0';
}

static bool take_venus(void *user, const char *path)
{
    if (is_for_other_machine(path) || !pv_icd_is_venus(path) || strlen(path) >= PV_ICD_PATH_SIZE) {
        return false;
    }
    strcpy(user, path);
    return true;
}

bool pv_icd_find_venus(char path[PV_ICD_PATH_SIZE])
{
    return pv_icd_visit(take_venus, path);
}

bool pv_icd_library_folder(const char *manifest, char folder[PV_ICD_PATH_SIZE])
{
    struct pv_icd icd;
    if (!pv_icd_read(manifest, &icd) || strchr(icd.library, '/') == NULL) {
        return false;
    }
    /* A relative path begins at the manifest. */
    char path[2 * PV_ICD_PATH_SIZE];
    const char *end = strrchr(manifest, '/');
    if (icd.library[0] == '/' || end == NULL) {
        snprintf(path, sizeof(path), "%s", icd.library);
    } else {
        snprintf(path, sizeof(path), "%.*s/%s", (int)(end - manifest), manifest, icd.library);
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
