/* Landlock, spoken directly: its header is younger than the systems that we build on, and the
 * library's wrapper is not there at all. Source: Linux, Documentation/userspace-api/landlock.rst.
 */

#include "isolate/landlock.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

enum {
    CREATE_RULESET_VERSION = 1,
    RULE_PATH_BENEATH = 1,

    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_ALL_OF_ABI_1 = (1 << 13) - 1,
    FS_REFER = 1 << 13,     /* ABI 2 */
    FS_TRUNCATE = 1 << 14,  /* ABI 3 */
    FS_IOCTL_DEV = 1 << 15, /* ABI 5 */

    NET_TCP = 3,   /* ABI 4: bind and connect */
    SCOPE_ALL = 3, /* ABI 6: abstract unix sockets and signals */

    /* Rights that a rule for a file, not a folder, can have. */
    FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV,

    READ = FS_READ_FILE | FS_READ_DIR,
    READ_AND_MAP = READ | FS_EXECUTE,
    USE_DEVICE = READ | FS_WRITE_FILE | FS_IOCTL_DEV,
    KEEP_CACHE = FS_ALL_OF_ABI_1 & ~FS_EXECUTE,         /* special files are taken out below */
    MAKE_SPECIAL = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11, /* char, socket, fifo, block */
};

struct ruleset_attributes {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
};

struct path_attributes {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

struct rule {
    const char *path;
    uint32_t access;
};

/* What drivers, their compilers and the C library read and use on a usual system. What is not there
 * is skipped. Nothing of /home, /root, /tmp, /run or /var is in it. */
static const struct rule system_rules[] = {
    {"/usr", READ_AND_MAP},
    {"/lib", READ_AND_MAP},
    {"/lib64", READ_AND_MAP},
    {"/nix/store", READ_AND_MAP},
    {"/gnu/store", READ_AND_MAP},
    {"/run/opengl-driver", READ_AND_MAP},
    {"/etc/ld.so.cache", READ},
    {"/etc/ld.so.conf", READ},
    {"/etc/ld.so.conf.d", READ},
    {"/etc/vulkan", READ},
    {"/etc/drirc", READ},
    {"/etc/nvidia", READ},
    {"/etc/glvnd", READ},
    {"/etc/localtime", READ},
    /* /proc/self is a link to our own folder in it: others' stay closed. */
    {"/proc/self", READ},
    {"/proc/cpuinfo", READ},
    {"/proc/meminfo", READ},
    {"/proc/stat", READ},
    {"/proc/version", READ},
    {"/proc/devices", READ},
    {"/proc/modules", READ},
    {"/proc/driver/nvidia", READ},
    {"/proc/sys/kernel", READ},
    {"/proc/sys/vm", READ},
    {"/sys/devices", READ},
    {"/sys/bus", READ},
    {"/sys/class", READ},
    {"/sys/dev", READ},
    {"/sys/module", READ},
    {"/sys/fs/cgroup", READ},
    {"/sys/kernel/mm", READ},
    {"/dev/null", USE_DEVICE},
    {"/dev/zero", USE_DEVICE},
    {"/dev/random", READ},
    {"/dev/urandom", READ},
    {"/dev/dri", USE_DEVICE},
    {"/dev/dma_heap", USE_DEVICE},
    {"/dev/udmabuf", USE_DEVICE},
    {"/dev/kfd", USE_DEVICE},
    {"/dev/nvidiactl", USE_DEVICE},
    {"/dev/nvidia-modeset", USE_DEVICE},
    {"/dev/nvidia-uvm", USE_DEVICE},
    {"/dev/nvidia-uvm-tools", USE_DEVICE},
    {"/dev/nvidia-caps", USE_DEVICE},
};

enum { NVIDIA_DEVICES_MAX = 32 };

uint32_t pv_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
    return abi > 0 ? (uint32_t)abi : 0;
}

static uint64_t handled_files(uint32_t abi)
{
    uint64_t handled = FS_ALL_OF_ABI_1;
    handled |= abi >= 2 ? FS_REFER : 0;
    handled |= abi >= 3 ? FS_TRUNCATE : 0;
    handled |= abi >= 5 ? FS_IOCTL_DEV : 0;
    return handled;
}

static enum pv_result allow(int ruleset, uint64_t handled, const char *path, uint64_t access)
{
    struct path_attributes rule = {
        .allowed_access = access & handled,
        .parent_fd = open(path, O_PATH | O_CLOEXEC),
    };
    if (rule.parent_fd < 0) {
        return PV_OK;
    }
    struct stat status;
    if (fstat(rule.parent_fd, &status) == 0 && !S_ISDIR(status.st_mode)) {
        rule.allowed_access &= FS_OF_FILES;
    }
    long result = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
    close(rule.parent_fd);
    return result == 0 ? PV_OK : PV_HOST_FAILED;
}

static enum pv_result allow_all(int ruleset, uint64_t handled,
                                const struct pv_sandbox_params *params)
{
    enum pv_result result = PV_OK;
    for (size_t i = 0; result == PV_OK && i < sizeof(system_rules) / sizeof(system_rules[0]); i++) {
        result = allow(ruleset, handled, system_rules[i].path, system_rules[i].access);
    }
    for (uint32_t i = 0; result == PV_OK && i < NVIDIA_DEVICES_MAX; i++) {
        char path[sizeof("/dev/nvidia") + 10];
        snprintf(path, sizeof(path), "/dev/nvidia%u", i);
        result = allow(ruleset, handled, path, USE_DEVICE);
    }
    for (uint32_t i = 0; result == PV_OK && i < params->read_path_count; i++) {
        result = allow(ruleset, handled, params->read_paths[i], READ_AND_MAP);
    }
    if (result == PV_OK && params->cache_directory != NULL) {
        uint64_t keep = (KEEP_CACHE & ~(uint64_t)MAKE_SPECIAL) | FS_REFER | FS_TRUNCATE;
        result = allow(ruleset, handled, params->cache_directory, keep);
    }
    return result;
}

enum pv_result pv_landlock_enter(uint32_t abi, const struct pv_sandbox_params *params)
{
    struct ruleset_attributes attributes = {
        .handled_access_fs = handled_files(abi),
        .handled_access_net = abi >= 4 ? NET_TCP : 0,
        .scoped = abi >= 6 ? SCOPE_ALL : 0,
    };
    size_t size = abi >= 6   ? sizeof(attributes)
                  : abi >= 4 ? sizeof(uint64_t) * 2
                             : sizeof(uint64_t);
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
    if (ruleset < 0) {
        pv_log_error(params->log, "Landlock refused its rules: %s", strerror(errno));
        return PV_HOST_FAILED;
    }
    enum pv_result result = allow_all(ruleset, attributes.handled_access_fs, params);
    if (result == PV_OK && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
        result = PV_HOST_FAILED;
    }
    if (result != PV_OK) {
        pv_log_error(params->log, "Landlock could not be put in force: %s", strerror(errno));
    }
    pv_fd_close(&ruleset);
    return result;
}
