#ifndef PV_ISOLATE_SANDBOX_H
#define PV_ISOLATE_SANDBOX_H

#include "base/attributes.h"
#include "base/log.h"
#include "base/result.h"

#include <stdbool.h>
#include <stdint.h>

/* What a worker may do, in the order in which it gives it up. A guest's bytes reach the host's
 * Vulkan driver, which was never written to withstand them; when it falls, this is what is left:
 * the GPU, memory, threads, and what the client can be told. No files of the user, no programs, no
 * network, no other processes.
 *
 * Plain data: it crosses the control socket, and doctor shows it. */
struct pv_sandbox_report {
    uint32_t no_new_privileges; /* 0 or 1, like all but the numbers */
    uint32_t landlock_abi;      /* that the kernel speaks; 0: it has no Landlock */
    uint32_t files_confined;    /* Landlock is in force */
    uint32_t calls_confined;    /* seccomp is in force, on every thread */
    uint32_t may_listen;        /* see pv_sandbox_confine_calls() */
    uint32_t padding;
    uint64_t descriptor_limit;
};

struct pv_sandbox_params {
    const struct pv_log *log;
    const char *cache_directory;   /* the one place that may be written; may be NULL */
    const char *const *read_paths; /* besides the system's own: drivers from elsewhere */
    uint32_t read_path_count;
};

/* Before the driver is loaded: no new privileges, no core dumps, as many descriptors as may be, and
 * only the files that drivers need. PV_HOST_FAILED when something that the kernel has could not be
 * put in force; what it lacks is only reported. Cannot be undone. */
PV_NODISCARD enum pv_result pv_sandbox_confine_files(const struct pv_sandbox_params *params,
                                                     struct pv_sandbox_report *report);

/* After the driver has started its threads and loaded its compilers: only the system calls that
 * running takes. Threads and executable memory stay allowed, since drivers compile shaders.
 *
 * `may_listen`: the driver may bind and listen on Unix sockets of packets, though not accept nor
 * connect. NVIDIA's has ray tracing from CUDA, which starts with a socket on which other processes
 * could ask for the GPU's memory, and without it gives no device. */
PV_NODISCARD enum pv_result pv_sandbox_confine_calls(const struct pv_log *log, bool may_listen,
                                                     struct pv_sandbox_report *report);

#endif
