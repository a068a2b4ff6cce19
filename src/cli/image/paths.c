#include "image.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_FOLDERS_MAX = 16 };

bool pv_image_complain(const char *subject, const char *what)
{
    fprintf(stderr, "pearvisor image: %s: %s\n", subject, what);
    return false;
}

bool pv_image_join(char path[static PATH_MAX], const char *folder, const char *name)
{
    int length = snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return (length > 0 && length < PATH_MAX) || pv_image_complain(folder, "the path is too long");
}

/* Makes a folder and those above it. */
static bool make_folders(const char *path)
{
    char part[PATH_MAX];
    if (strlen(path) >= sizeof(part)) {
        return pv_image_complain(path, "the path is too long");
    }
    for (size_t length = 1; length <= strlen(path); length++) {
        if (path[length] != '/' && path[length] != '\0') {
            continue;
        }
        snprintf(part, sizeof(part), "%.*s", (int)length, path);
        if (mkdir(part, 0755) != 0 && errno != EEXIST) {
            return pv_image_complain(part, strerror(errno));
        }
    }
    return true;
}

/* A folder of the user's own: $`variable`, else the one that it stands for in the home folder. */
static bool find_folder(char path[static PATH_MAX], const char *variable, const char *in_home)
{
    const char *base = getenv(variable);
    if (base != NULL && base[0] == '/') {
        return pv_image_join(path, base, "pearvisor/image");
    }
    const char *home = getenv("HOME");
    char folder[PATH_MAX];
    if (home == NULL || home[0] != '/') {
        return pv_image_complain(variable, "neither it nor HOME is set; name the folders");
    }
    return pv_image_join(folder, home, in_home) && pv_image_join(path, folder, "pearvisor/image");
}

/* The place of `name`, whose last part may not exist yet. */
static bool resolve(char path[static PATH_MAX], const char *name)
{
    char above[PATH_MAX];
    char real[PATH_MAX];
    snprintf(above, sizeof(above), "%s", name);
    for (size_t length = strlen(above); length > 1 && above[length - 1] == '/';) {
        above[--length] = '\0';
    }
    char *slash = strrchr(above, '/');
    const char *last = slash != NULL ? slash + 1 : above;
    if (strlen(name) >= sizeof(above) || last[0] == '\0' || strcmp(last, ".") == 0 ||
        strcmp(last, "..") == 0) {
        return pv_image_complain(name, "not a folder's name");
    }
    const char *folder = slash == NULL ? "." : slash == above ? "/" : above;
    if (slash != NULL) {
        *slash = '\0';
    }
    if (!make_folders(folder)) {
        return false;
    }
    if (realpath(folder, real) == NULL) {
        return pv_image_complain(folder, strerror(errno));
    }
    return pv_image_join(path, strcmp(real, "/") == 0 ? "" : real, last);
}

bool pv_image_find_paths(struct pv_image_paths *paths, const struct pv_image_options *options)
{
    char path[PATH_MAX];
    char name[128];
    snprintf(path, sizeof(path), "%s", options->out != NULL ? options->out : "");
    if ((options->out == NULL && !find_folder(path, "XDG_DATA_HOME", ".local/share")) ||
        !resolve(paths->out, path)) {
        return false;
    }
    if (snprintf(paths->part, PATH_MAX, "%s.part", paths->out) >= PATH_MAX) {
        return pv_image_complain(paths->out, "the path is too long");
    }
    snprintf(path, sizeof(path), "%s", options->cache != NULL ? options->cache : "");
    if ((options->cache == NULL && !find_folder(path, "XDG_CACHE_HOME", ".cache")) ||
        !resolve(paths->cache, path)) {
        return false;
    }
    /* It goes through apt's and mmdebstrap's own ways of quoting. */
    if (strpbrk(paths->cache, " \t\n'\"\\;{}") != NULL) {
        return pv_image_complain(paths->cache, "a cache's path must be without spaces and quotes");
    }
    snprintf(path, sizeof(path), "%s", paths->cache);
    snprintf(name, sizeof(name), "%s-%s", options->suite, options->arch);
    if (!pv_image_join(paths->cache, path, name) || !make_folders(paths->cache)) {
        return false;
    }
    ssize_t length = readlink("/proc/self/exe", paths->program, PATH_MAX - 1);
    paths->program[length > 0 ? length : 0] = '\0';
    return true;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

bool pv_image_remove(const char *path)
{
    return nftw(path, remove_entry, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS) == 0 ||
           errno == ENOENT || pv_image_complain(path, strerror(errno));
}

bool pv_image_has_program(const char *name)
{
    static const char *const more = "/usr/local/sbin:/usr/sbin:/sbin";
    const char *lists[] = {getenv("PATH"), more};
    for (size_t i = 0; i < 2; i++) {
        const char *at = lists[i] != NULL ? lists[i] : "";
        while (*at != '\0') {
            size_t length = strcspn(at, ":");
            char path[PATH_MAX];
            snprintf(path, sizeof(path), "%.*s/%s", (int)length, at, name);
            if (access(path, X_OK) == 0) {
                return true;
            }
            at += length + (at[length] == ':');
        }
    }
    return false;
}
