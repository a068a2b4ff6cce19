/* Which stages a build needs, and how its result becomes the image. */

#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* What a build was seen to take, and a quarter more. */
enum { TREE_MIB = 600, CACHE_MIB = 1000, SCRATCH_MIB = 900, DISK_MIB = 900 };
enum { STAGE_COUNT = 4, STATUS_FAILED = 1, STATUS_SIGNAL = 128 };

struct build {
    const struct pv_image_options *options;
    struct pv_image_paths paths;
    char tree_key[PV_IMAGE_KEY_SIZE];
    char image_key[PV_IMAGE_KEY_SIZE];
    char scripts[PATH_MAX];
    char log[PATH_MAX];
    int cache_lock;
    int part_lock;
    int signal;
};

/* --- what must be so before we begin ---------------------------------------------------------- */

static bool has_programs(void)
{
    static const char *const needed[][2] = {
        {"apt-get", "apt"},
        {"bash", "bash"},
        {"mmdebstrap", "mmdebstrap"},
        {"mke2fs", "e2fsprogs"},
        {"cpio", "cpio"},
        {"xz", "xz-utils"},
        {"zstd", "zstd"},
        {"depmod", "kmod"},
        /* Who is root does without these. */
        {"fakeroot", "fakeroot"},
        {"newuidmap", "uidmap"},
    };
    size_t count = sizeof(needed) / sizeof(needed[0]) - (geteuid() == 0 ? 2 : 0);
    char missing[256] = "";
    for (size_t i = 0; i < count; i++) {
        if (!pv_image_has_program(needed[i][0])) {
            strcat(strcat(missing, " "), needed[i][1]);
        }
    }
    if (missing[0] != '\0') {
        fprintf(stderr, "pearvisor image: not installed, and needed:%s (Debian's names)\n",
                missing);
    }
    return missing[0] == '\0';
}

/* Nothing that is not an image is replaced. */
static bool out_is_free(const struct build *build)
{
    char description[PATH_MAX];
    struct stat status;
    if (lstat(build->paths.out, &status) != 0) {
        return errno == ENOENT || pv_image_complain(build->paths.out, strerror(errno));
    }
    if (!S_ISDIR(status.st_mode)) {
        return pv_image_complain(build->paths.out, "there is a file of another kind");
    }
    if (!pv_image_join(description, build->paths.out, "image.json")) {
        return false;
    }
    return access(description, F_OK) == 0 || rmdir(build->paths.out) == 0 ||
           pv_image_complain(build->paths.out, "the folder is not empty, and no image");
}

static bool is_up_to_date(const struct build *build)
{
    static const char *const names[] = {"vmlinuz", "initrd.img", "disk.img", "image.json"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!pv_image_join(path, build->paths.out, names[i]) || access(path, F_OK) != 0) {
            return false;
        }
    }
    return pv_image_file_holds(path, build->image_key);
}

/* Locks are on open files, and the stages inherit that of the cache: should we be killed, whatever
 * of them still works there keeps others out. */
static int lock(const char *path, int flags, const char *busy)
{
    int fd = open(path, flags, 0644);
    if (fd < 0) {
        pv_image_complain(path, strerror(errno));
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        pv_image_complain(path, errno == EWOULDBLOCK ? busy : strerror(errno));
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool take_locks(struct build *build)
{
    static const char *const busy = "another build is at work there";
    char path[PATH_MAX];
    if (!pv_image_join(path, build->paths.cache, "lock")) {
        return false;
    }
    build->cache_lock = lock(path, O_RDWR | O_CREAT, busy);
    if (build->cache_lock < 0) {
        return false;
    }
    if (mkdir(build->paths.part, 0755) != 0 && errno != EEXIST) {
        return pv_image_complain(build->paths.part, strerror(errno));
    }
    build->part_lock = lock(build->paths.part, O_RDONLY | O_DIRECTORY | O_CLOEXEC, busy);
    return build->part_lock >= 0;
}

static bool has_space(const char *path, uint64_t needed_mib)
{
    struct statvfs space;
    if (statvfs(path, &space) != 0) {
        return pv_image_complain(path, strerror(errno));
    }
    uint64_t free_mib = (uint64_t)space.f_bavail * space.f_frsize >> 20;
    if (free_mib < needed_mib) {
        fprintf(stderr, "pearvisor image: %s: %llu MiB are free, and %llu MiB are needed\n", path,
                (unsigned long long)free_mib, (unsigned long long)needed_mib);
    }
    return free_mib >= needed_mib;
}

/* Folders that share a file system need what both need. */
static bool has_room(const struct build *build, bool has_tree)
{
    const char *temporary = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
    const char *folders[] = {build->paths.part, build->paths.cache, temporary};
    uint64_t needs_mib[] = {SCRATCH_MIB, has_tree ? 1 : CACHE_MIB, has_tree ? 1 : TREE_MIB};
    needs_mib[0] += build->options->size_mib != 0 ? build->options->size_mib : DISK_MIB;
    struct stat status[3];
    for (size_t i = 0; i < 3; i++) {
        uint64_t sum_mib = needs_mib[i];
        if (stat(folders[i], &status[i]) != 0) {
            return pv_image_complain(folders[i], strerror(errno));
        }
        for (size_t k = 0; k < i; k++) {
            sum_mib += status[k].st_dev == status[i].st_dev ? needs_mib[k] : 0;
        }
        if (!has_space(folders[i], sum_mib)) {
            return false;
        }
    }
    return true;
}

/* --- the stages ------------------------------------------------------------------------------- */

static void set_variables(const struct build *build)
{
    char size_mib[16];
    snprintf(size_mib, sizeof(size_mib), "%u", build->options->size_mib);
#if defined(__aarch64__)
    bool is_ours = strcmp(build->options->arch, "arm64") == 0;
#else
    bool is_ours = strcmp(build->options->arch, "amd64") == 0;
#endif
    setenv("PV_SUITE", build->options->suite, 1);
    setenv("PV_ARCH", build->options->arch, 1);
    setenv("PV_INCLUDE", build->options->include, 1);
    setenv("PV_GL", build->options->has_gl ? "1" : "0", 1);
    setenv("PV_MIRROR", build->options->mirror, 1);
    setenv("PV_SIZE_MIB", size_mib, 1);
    setenv("PV_CACHE", build->paths.cache, 1);
    setenv("PV_OUT", build->paths.part, 1);
    setenv("PV_PROGRAM", is_ours ? build->paths.program : "", 1);
    setenv("PV_INPUTS", build->image_key, 1);
}

static bool run_stage(struct build *build, unsigned number, const char *file, const char *name,
                      const char *title)
{
    char script[PATH_MAX];
    if (!pv_image_join(script, build->scripts, file)) {
        return false;
    }
    struct pv_image_stage stage = {.name = name,
                                   .title = title,
                                   .number = number,
                                   .count = STAGE_COUNT,
                                   .script = script,
                                   .log = build->log};
    bool done = pv_image_run_stage(&stage);
    build->signal = stage.signal;
    return done;
}

/* A stage whose result stays in the cache: its key is written when it is done, and removed before
 * it begins. */
static bool run_cached(struct build *build, unsigned number, const char *name, const char *title)
{
    char key[PATH_MAX];
    char file[64];
    snprintf(file, sizeof(file), "%s.key", name);
    if (!pv_image_join(key, build->paths.cache, file)) {
        return false;
    }
    if (pv_image_file_holds(key, build->tree_key)) {
        fprintf(stderr, "[%u/%u] %s: kept from an earlier build\n", number, STAGE_COUNT, title);
        return true;
    }
    unlink(key);
    return run_stage(build, number, "tree", name, title) &&
           pv_image_write_text(key, build->tree_key);
}

static bool run_stages(struct build *build)
{
    set_variables(build);
    return pv_image_write_files(build->scripts) &&
           run_cached(build, 1, "packages", "downloading packages") &&
           run_cached(build, 2, "tree", "installing packages") &&
           run_stage(build, 3, "disk", "boot", "kernel and initrd") &&
           run_stage(build, 4, "disk", "disk", "disk");
}

/* The finished folder takes the place of the old image in one step. */
static bool put_in_place(const struct build *build)
{
    const char *part = build->paths.part;
    const char *out = build->paths.out;
    if (renameat2(AT_FDCWD, part, AT_FDCWD, out, RENAME_NOREPLACE) == 0) {
        return true;
    }
    if (errno != EEXIST || renameat2(AT_FDCWD, part, AT_FDCWD, out, RENAME_EXCHANGE) != 0) {
        return pv_image_complain(out, strerror(errno));
    }
    return pv_image_remove(part);
}

static bool build_locked(struct build *build)
{
    char key[PATH_MAX];
    if (!pv_image_join(key, build->paths.cache, "tree.key") ||
        !has_room(build, pv_image_file_holds(key, build->tree_key))) {
        return false;
    }
    if (!run_stages(build) || !put_in_place(build)) {
        return false;
    }
    fprintf(stderr, "The image is %s.\n", build->paths.out);
    return true;
}

/* Leftovers of a build that was killed go; the folder itself stays, since the lock is on it. */
static bool empty_part(struct build *build)
{
    int old = build->part_lock;
    build->part_lock = -1;
    bool done = pv_image_remove(build->paths.part) && mkdir(build->paths.part, 0755) == 0;
    close(old);
    if (done) {
        build->part_lock = lock(build->paths.part, O_RDONLY | O_DIRECTORY | O_CLOEXEC, "in use");
    }
    return build->part_lock >= 0;
}

int pv_image_build(const struct pv_image_options *options)
{
    struct build build = {.options = options, .cache_lock = -1, .part_lock = -1};
    if (!has_programs() || !pv_image_find_paths(&build.paths, options) || !out_is_free(&build) ||
        !pv_image_join(build.scripts, build.paths.cache, "scripts") ||
        !pv_image_join(build.log, build.paths.cache, "log")) {
        return STATUS_FAILED;
    }
    pv_image_key(build.tree_key, options, NULL);
    pv_image_key(build.image_key, options, build.paths.program);
    if (is_up_to_date(&build)) {
        fprintf(stderr, "The image %s is up to date.\n", build.paths.out);
        return 0;
    }
    bool done = false;
    if (take_locks(&build)) {
        done = (mkdir(build.scripts, 0755) == 0 || errno == EEXIST) && empty_part(&build) &&
               build_locked(&build);
        if (!done) {
            pv_image_remove(build.paths.part);
        }
    }
    if (build.part_lock >= 0) {
        close(build.part_lock);
    }
    if (build.cache_lock >= 0) {
        close(build.cache_lock);
    }
    return done ? 0 : build.signal != 0 ? STATUS_SIGNAL + build.signal : STATUS_FAILED;
}
