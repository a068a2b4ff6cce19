#include "host_choice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *pv_host_choice_set_gpu(struct pv_host_choice *choice, const char *value)
{
    choice->gpu = value;
    return value[0] != '\0' && strlen(value) < PV_SETUP_GPU_SIZE ? NULL : "not a name or index";
}

const char *pv_host_choice_set_driver(struct pv_host_choice *choice, const char *value)
{
    free(choice->driver);
    choice->driver = realpath(value, NULL);
    if (choice->driver == NULL) {
        return strerror(errno);
    }
    return strlen(choice->driver) < PV_ICD_PATH_SIZE ? NULL : "the path is too long";
}

void pv_host_choice_finish(struct pv_host_choice *choice)
{
    free(choice->driver);
    choice->driver = NULL;
}

/* The sandbox leaves the system's own folders readable as it is. */
static void add_read_path(struct pv_setup *setup, const char *path, size_t length)
{
    if (length > 0 && length < PV_SETUP_PATH_SIZE &&
        setup->read_path_count < PV_SETUP_READ_PATHS_MAX && strncmp(path, "/usr/", 5) != 0) {
        memcpy(setup->read_paths[setup->read_path_count], path, length);
        setup->read_paths[setup->read_path_count++][length] = '\0';
    }
}

/* Drivers outside of the system's folders are opened to the sandbox, manifest and library. */
static void add_driver_paths(struct pv_setup *setup, const char *drivers)
{
    while (*drivers != '\0') {
        size_t length = strcspn(drivers, ":");
        char manifest[PV_ICD_PATH_SIZE], folder[PV_ICD_PATH_SIZE];
        snprintf(manifest, sizeof(manifest), "%.*s", (int)length, drivers);
        const char *slash = strrchr(manifest, '/');
        if (slash != NULL) {
            add_read_path(setup, manifest, (size_t)(slash - manifest));
        }
        if (pv_icd_library_folder(manifest, folder)) {
            add_read_path(setup, folder, strlen(folder));
        }
        drivers += length + (drivers[length] == ':' ? 1 : 0);
    }
}

bool pv_host_choice_apply(const struct pv_host_choice *choice, char drivers[PV_ICD_LIST_SIZE],
                          struct pv_setup *setup)
{
    if (choice->gpu != NULL) {
        snprintf(setup->gpu, sizeof(setup->gpu), "%s", choice->gpu);
    }
    if (choice->driver != NULL) {
        snprintf(drivers, PV_ICD_LIST_SIZE, "%s", choice->driver);
        /* Naming it is asking for it. */
        setup->allow_venus = pv_icd_is_venus(choice->driver);
    } else if (!pv_icd_find_host_drivers(drivers)) {
        return false;
    }
    add_driver_paths(setup, drivers);
    return true;
}
