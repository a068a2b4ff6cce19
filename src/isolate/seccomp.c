#include "isolate/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* What drivers, compilers and we ourselves do once everything runs. A name that the library or the
 * architecture does not know is skipped. */
static const char *const allowed_calls[] = {
    /* descriptors; every driver has its own ioctls */
    "ioctl", "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev",
    "preadv2", "pwritev2", "close", "close_range", "dup", "dup2", "dup3", "fcntl", "fcntl64",
    "flock", "lseek", "_llseek", "poll", "ppoll", "ppoll_time64", "select", "_newselect",
    "pselect6", "pselect6_time64", "pipe", "pipe2", "eventfd", "eventfd2", "epoll_create",
    "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "timerfd_create",
    "timerfd_settime", "timerfd_gettime",
    /* files: Landlock says which */
    "open", "openat", "stat", "stat64", "fstat", "fstat64", "lstat", "lstat64", "newfstatat",
    "fstatat64", "statx", "statfs", "statfs64", "fstatfs", "fstatfs64", "access", "faccessat",
    "faccessat2", "readlink", "readlinkat", "getdents", "getdents64", "ftruncate", "ftruncate64",
    "fallocate", "fadvise64", "unlink", "unlinkat", "rename", "renameat", "renameat2", "mkdir",
    "mkdirat", "fsync", "fdatasync", "fchmod", "utimensat", "umask", "getcwd", "readahead",
    /* memory */
    "mmap", "mmap2", "munmap", "mprotect", "mremap", "madvise", "brk", "mlock", "mlock2", "munlock",
    "msync", "mincore", "memfd_create", "membarrier", "mbind", "get_mempolicy", "set_mempolicy",
    /* threads and time */
    "futex", "futex_time64", "futex_waitv", "set_robust_list", "get_robust_list", "rseq",
    "set_tid_address", "exit", "exit_group", "sched_yield", "sched_getaffinity",
    "sched_setaffinity", "sched_getparam", "sched_setparam", "sched_getscheduler",
    "sched_setscheduler", "sched_getattr", "sched_setattr", "sched_get_priority_min",
    "sched_get_priority_max", "getpriority", "setpriority", "getcpu", "arch_prctl", "clock_gettime",
    "clock_gettime64", "clock_getres", "clock_getres_time64", "clock_nanosleep",
    "clock_nanosleep_time64", "nanosleep", "gettimeofday", "time", "restart_syscall",
    /* signals to ourselves */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait",
    "rt_sigtimedwait_time64", "rt_sigsuspend", "sigaltstack", "sigreturn",
    /* the sockets that were handed to us */
    "sendmsg", "recvmsg", "sendto", "recvfrom", "shutdown", "getsockopt", "setsockopt",
    "getsockname", "getpeername",
    /* who and where we are */
    "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getresuid",
    "getresgid", "getgroups", "uname", "sysinfo", "getrusage", "times", "getrlimit", "ugetrlimit",
    "getrandom"};

/* What no driver does for a good reason: whoever tries is not the driver any more. */
static const char *const deadly_calls[] = {"ptrace",
                                           "process_vm_readv",
                                           "process_vm_writev",
                                           "mount",
                                           "umount2",
                                           "pivot_root",
                                           "chroot",
                                           "setns",
                                           "unshare",
                                           "bpf",
                                           "kexec_load",
                                           "kexec_file_load",
                                           "init_module",
                                           "finit_module",
                                           "delete_module",
                                           "reboot",
                                           "swapon",
                                           "swapoff",
                                           "keyctl",
                                           "add_key",
                                           "request_key",
                                           "open_by_handle_at",
                                           "fsopen",
                                           "fsmount",
                                           "move_mount",
                                           "open_tree",
                                           "setuid",
                                           "setgid",
                                           "setreuid",
                                           "setregid",
                                           "setresuid",
                                           "setresgid",
                                           "capset",
                                           "iopl",
                                           "ioperm",
                                           "modify_ldt"};

/* Refused as a file permission would be: drivers try some of these and live without. */
static const char *const refused_calls[] = {"execve",
                                            "execveat",
                                            "fork",
                                            "vfork",
                                            "socketpair",
                                            "accept",
                                            "accept4",
                                            "kill",
                                            "tkill",
                                            "perf_event_open",
                                            "userfaultfd",
                                            "io_uring_setup",
                                            "io_uring_enter",
                                            "io_uring_register",
                                            "name_to_handle_at",
                                            "pidfd_open",
                                            "pidfd_getfd",
                                            "pidfd_send_signal",
                                            "shmget",
                                            "shmat",
                                            "msgget",
                                            "semget",
                                            "mknod",
                                            "mknodat",
                                            "symlink",
                                            "symlinkat",
                                            "link",
                                            "linkat",
                                            "chmod",
                                            "fchmodat",
                                            "chown",
                                            "fchown",
                                            "fchownat",
                                            "chdir",
                                            "fchdir",
                                            "setrlimit",
                                            "inotify_init",
                                            "inotify_init1",
                                            "fanotify_init",
                                            "personality",
                                            "syslog",
                                            "acct",
                                            "quotactl",
                                            "sethostname",
                                            "setdomainname",
                                            "settimeofday",
                                            "clock_settime",
                                            "adjtimex",
                                            "clock_adjtime",
                                            "vhangup",
                                            "lookup_dcookie"};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Returns 0, or a negative errno. */
static int add_list(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        if (number == __NR_SCMP_ERROR || number < 0) {
            continue;
        }
        int result = seccomp_rule_add(filter, action, number, 0);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

/* Calls that are good or bad by an argument. */
static int add_conditions(scmp_filter_ctx filter)
{
    static const unsigned long names[] = {
        PR_SET_NAME, PR_GET_NAME, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_SET_VMA, PR_GET_DUMPABLE,
    };
    int result = 0;
    for (size_t i = 0; result == 0 && i < COUNT_OF(names); i++) {
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                                  SCMP_A0(SCMP_CMP_EQ, names[i]));
    }
    if (result != 0) {
        return result;
    }
    /* Threads, but no processes. clone3 hides its flags behind a pointer, and the C library falls
     * back to clone when a kernel does not have it. */
    result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (result != 0) {
        return result;
    }
    /* Signals within this process: abort() and the C library's own. */
    result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                              SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    if (result != 0) {
        return result;
    }
    /* Reading limits is fine, of ourselves. */
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0),
                            SCMP_A2(SCMP_CMP_EQ, 0));
}

/* Sockets of one's own: none, or the one that CUDA makes. It also looks for a daemon that shares
 * the GPU (MPS), and takes "there is none" for an answer only in this form. Returns 0, or a
 * negative errno. */
static int add_sockets(scmp_filter_ctx filter, bool may_listen)
{
    static const char *const calls[] = {"socket", "connect", "bind", "listen"};
    static const scmp_datum_t refused_types[] = {SOCK_STREAM, SOCK_DGRAM};
    if (!may_listen) {
        return add_list(filter, SCMP_ACT_ERRNO(EPERM), calls, COUNT_OF(calls));
    }
    int result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                                  SCMP_A0(SCMP_CMP_NE, AF_UNIX));
    for (size_t i = 0; result == 0 && i < COUNT_OF(refused_types); i++) {
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 2,
                                  SCMP_A0(SCMP_CMP_EQ, AF_UNIX),
                                  SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, refused_types[i]));
    }
    if (result != 0) {
        return result;
    }
    result = seccomp_rule_add(
        filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, SCMP_A0(SCMP_CMP_EQ, AF_UNIX),
        SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX & ~(uint32_t)SOCK_CLOEXEC, SOCK_SEQPACKET));
    if (result == 0) {
        result = add_list(filter, SCMP_ACT_ALLOW, &calls[2], 2);
    }
    return result != 0 ? result : add_list(filter, SCMP_ACT_ERRNO(ENOENT), &calls[1], 1);
}

/* What allowed calls must not be used for: typing into a terminal, having the kernel send a signal
 * of one's choice to another process, and slowing down all of the user's. The kernel looks at 32
 * bits of these arguments, so no others may count here. */
static const struct {
    const char *call;
    unsigned argument;
    uint32_t value;
} refused_arguments[] = {
    {"ioctl", 1, TIOCSTI},    {"ioctl", 1, TIOCLINUX},       {"ioctl", 1, FIOSETOWN},
    {"ioctl", 1, SIOCSPGRP},  {"fcntl", 1, F_SETOWN},        {"fcntl", 1, F_SETOWN_EX},
    {"fcntl", 1, F_SETSIG},   {"fcntl64", 1, F_SETOWN},      {"fcntl64", 1, F_SETOWN_EX},
    {"fcntl64", 1, F_SETSIG}, {"setpriority", 0, PRIO_PGRP}, {"setpriority", 0, PRIO_USER},
};

static int add_refused_arguments(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < COUNT_OF(refused_arguments); i++) {
        int number = seccomp_syscall_resolve_name(refused_arguments[i].call);
        if (number == __NR_SCMP_ERROR || number < 0) {
            continue;
        }
        struct scmp_arg_cmp is_value = SCMP_CMP(refused_arguments[i].argument, SCMP_CMP_MASKED_EQ,
                                                UINT32_MAX, refused_arguments[i].value);
        int result = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), number, 1, &is_value);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

/* A filter of its own: in one filter, a call that is allowed cannot be refused by an argument. The
 * kernel asks both, and the stricter one wins. Returns 0, or a negative errno. */
static int refuse_arguments(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == NULL) {
        return -ENOMEM;
    }
    int result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (result == 0) {
        result = add_refused_arguments(filter);
    }
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    if (result == 0) {
        result = seccomp_load(filter);
    }
    seccomp_release(filter);
    return result;
}

static int build_filter(scmp_filter_ctx filter, bool may_listen)
{
    /* Also for threads that drivers have started by now. */
    int result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (result == 0) {
        result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    }
    if (result == 0) {
        result = add_list(filter, SCMP_ACT_ALLOW, allowed_calls, COUNT_OF(allowed_calls));
    }
    if (result == 0) {
        result = add_list(filter, SCMP_ACT_KILL_PROCESS, deadly_calls, COUNT_OF(deadly_calls));
    }
    if (result == 0) {
        result = add_list(filter, SCMP_ACT_ERRNO(EPERM), refused_calls, COUNT_OF(refused_calls));
    }
    if (result == 0) {
        result = add_sockets(filter, may_listen);
    }
    if (result == 0) {
        result = add_conditions(filter);
    }
    /* Lookup in a tree, and no slower branch prediction for the driver's compiled shaders: what a
     * guest could learn that way, it could learn in its own process. Older libraries lack both. */
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    return result;
}

enum pv_result pv_seccomp_enter(const struct pv_log *log, bool may_listen)
{
    /* A call that no list knows is answered as an older kernel would: callers have a way around. */
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (filter == NULL) {
        return PV_NO_MEMORY;
    }
    int result = build_filter(filter, may_listen);
    if (result == 0) {
        result = refuse_arguments();
    }
    if (result == 0) {
        result = seccomp_load(filter);
    }
    seccomp_release(filter);
    if (result == -EINVAL && prctl(PR_GET_SECCOMP) < 0) {
        pv_log_warn(log, "this kernel has no seccomp");
        return PV_UNSUPPORTED;
    }
    if (result != 0) {
        pv_log_error(log, "cannot filter system calls: %s", strerror(-result));
        return PV_HOST_FAILED;
    }
    return PV_OK;
}
