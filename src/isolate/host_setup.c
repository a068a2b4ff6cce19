#include "isolate/host_setup.h"

#include "isolate/environment.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- what the sandbox opens --------------------------------------------------------------------
 */

/* The system's own folders are readable as it is. */
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

/* Where drivers keep compiled shaders: apart from the user's other programs', since what workers
 * write there is as trustworthy as their guests. */
static void choose_cache(struct pv_setup *setup)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    char parent[PV_SETUP_PATH_SIZE - 16];
    if (cache != NULL && cache[0] == '/') {
        snprintf(parent, sizeof(parent), "%s", cache);
    } else if (home != NULL && home[0] == '/') {
        snprintf(parent, sizeof(parent), "%s/.cache", home);
    } else {
        return;
    }
    (void)mkdir(parent, S_IRWXU);
    snprintf(setup->cache_directory, sizeof(setup->cache_directory), "%s/pearvisor", parent);
    if (mkdir(setup->cache_directory, S_IRWXU) != 0 && errno != EEXIST) {
        setup->cache_directory[0] = '\0';
    }
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static bool choose_drivers(struct pv_worker_setup *setup, const char *driver)
{
    if (driver == NULL) {
        return pv_icd_find_host_drivers(setup->drivers);
    }
    char *path = realpath(driver, NULL);
    bool fits = path != NULL && strlen(path) < PV_ICD_PATH_SIZE;
    if (fits) {
        snprintf(setup->drivers, sizeof(setup->drivers), "%s", path);
        /* Naming it is asking for it. */
        setup->setup.allow_venus |= pv_icd_is_venus(path);
    }
    free(path);
    return fits;
}

enum pv_result pv_worker_setup_init(struct pv_worker_setup *setup,
                                    const struct pv_worker_setup_params *params)
{
    memset(setup, 0, sizeof(*setup));
    const char *gpu = params->gpu != NULL ? params->gpu : "";
    setup->setup.log_level = (uint32_t)params->log_level;
    setup->setup.waiting = params->waiting;
    setup->setup.allow_venus = params->allow_venus;
    if (strlen(gpu) >= sizeof(setup->setup.gpu) || !choose_drivers(setup, params->driver)) {
        return PV_UNSUPPORTED;
    }
    snprintf(setup->setup.gpu, sizeof(setup->setup.gpu), "%s", gpu);
    add_driver_paths(&setup->setup, setup->drivers);
    if (!params->without_cache) {
        choose_cache(&setup->setup);
    }
    const char *cache = setup->setup.cache_directory;
    const struct pv_environment_params environment = {
        .driver_files = setup->drivers,
        .cache_directory = cache[0] != '\0' ? cache : NULL,
    };
    return pv_environment_create(&environment, &setup->environment);
}

void pv_worker_setup_finish(struct pv_worker_setup *setup)
{
    pv_environment_destroy(setup->environment);
    setup->environment = NULL;
}

/* --- the program -------------------------------------------------------------------------------
 */

static bool is_program(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* Of the file that this code is in, a library or a program; for free(). NULL: no telling. */
static char *own_path(void)
{
    static const char here;
    Dl_info info;
    char *path = NULL;
    /* Of a program it may be a bare name, as the shell was given it. */
    if (dladdr(&here, &info) != 0 && info.dli_fname != NULL && strchr(info.dli_fname, '/')) {
        path = realpath(info.dli_fname, NULL);
    }
    return path != NULL ? path : realpath("/proc/self/exe", NULL);
}

/* The build folder's before the one that may be installed from another build; last, wherever the
 * whole installation was moved to. */
static bool find_program(const char *own, char path[PV_SETUP_PATH_SIZE])
{
    static const char *const places[] = {
        "pearvisor",
        "../src/pearvisor",
        "../../pearvisor",
        PV_BINDIR "/pearvisor",
        "../bin/pearvisor",
        "../../bin/pearvisor",
        "../../../../bin/pearvisor",
    };
    const char *slash = strrchr(own, '/');
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        bool is_whole = places[i][0] == '/';
        int size = snprintf(path, PV_SETUP_PATH_SIZE, "%.*s%s",
                            is_whole ? 0 : (int)(slash + 1 - own), own, places[i]);
        if (size < PV_SETUP_PATH_SIZE && is_program(path)) {
            return true;
        }
    }
    return false;
}

bool pv_worker_program(char path[PV_SETUP_PATH_SIZE])
{
    const char *named = getenv("PEARVISOR_PROGRAM");
    if (named != NULL && named[0] != '\0') {
        return snprintf(path, PV_SETUP_PATH_SIZE, "%s", named) < PV_SETUP_PATH_SIZE &&
               is_program(path);
    }
    char *own = own_path();
    bool found = own != NULL && find_program(own, path);
    free(own);
    return found;
}
