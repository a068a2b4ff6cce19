#include "isolate/environment.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VARIABLES_MAX = 32 };

/* Of the caller's, these are harmless to pass on: language, time zone, and how a build with
 * sanitizers reports (they have no meaning in any other build). */
static const char *const passed_on[] = {
    "LANG", "LC_ALL", "TZ", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS",
};

struct list {
    char **entries;
    size_t count;
    bool failed;
};

static void add(struct list *list, const char *name, const char *value)
{
    size_t size = strlen(name) + 1 + strlen(value) + 1;
    char *entry = malloc(size);
    if (entry == NULL || list->count + 1 >= VARIABLES_MAX) {
        list->failed = true;
        free(entry);
        return;
    }
    snprintf(entry, size, "%s=%s", name, value);
    list->entries[list->count++] = entry;
}

enum pv_result pv_environment_create(const struct pv_environment_params *params,
                                     char ***environment)
{
    struct list list = {.entries = calloc(VARIABLES_MAX, sizeof(char *))};
    if (list.entries == NULL) {
        return PV_NO_MEMORY;
    }
    add(&list, "PATH", "/usr/bin:/bin");
    for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++) {
        const char *value = getenv(passed_on[i]);
        if (value != NULL) {
            add(&list, passed_on[i], value);
        }
    }
    if (params->cache_directory != NULL) {
        /* The user's home holds settings for the Vulkan loader, and more besides. */
        add(&list, "HOME", params->cache_directory);
        add(&list, "XDG_CACHE_HOME", params->cache_directory);
        add(&list, "__GL_SHADER_DISK_CACHE_PATH", params->cache_directory);
    }
    if (params->driver_files != NULL) {
        add(&list, "VK_DRIVER_FILES", params->driver_files);
        add(&list, "VK_ICD_FILENAMES", params->driver_files); /* its name before loader 1.3.207 */
    }
    add(&list, "VK_LOADER_LAYERS_DISABLE", "~implicit~");
    if (list.failed) {
        pv_environment_destroy(list.entries);
        return PV_NO_MEMORY;
    }
    *environment = list.entries;
    return PV_OK;
}

void pv_environment_destroy(char **environment)
{
    for (char **entry = environment; entry != NULL && *entry != NULL; entry++) {
        free(*entry);
    }
    free(environment);
}
