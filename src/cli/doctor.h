#ifndef PV_CLI_DOCTOR_H
#define PV_CLI_DOCTOR_H

#include "base/attributes.h"
#include "host_choice.h"
#include "isolate/host_setup.h"
#include "isolate/messages.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Inside of `doctor`: each topic looks at one part of the machine, and says what it found in text
 * and JSON at once, so that the two cannot disagree. */

enum pv_mark {
    PV_MARK_OK,   /* there, and it works */
    PV_MARK_NOTE, /* worth knowing; nothing is wrong */
    PV_MARK_WARN, /* missing or broken */
};

struct pv_finding {
    enum pv_mark mark;
    const char *topic; /* static, or NULL: belongs to the finding before it */
    char label[32];
    char text[512];
    char next[256]; /* the one thing to do; empty: nothing */
};

enum { PV_FINDINGS_MAX = 256, PV_DOCTOR_GPUS_MAX = 16 };

/* Whose package manager this system has. */
enum pv_distribution {
    PV_DISTRIBUTION_UNKNOWN,
    PV_DISTRIBUTION_DEBIAN,
    PV_DISTRIBUTION_UBUNTU,
    PV_DISTRIBUTION_FEDORA,
    PV_DISTRIBUTION_ARCH,
};

struct pv_doctor_options {
    bool json;
    struct pv_host_choice host;
};

struct pv_doctor {
    struct pv_doctor_options options;
    cJSON *json; /* the report */
    struct pv_finding *findings;
    size_t finding_count;
    enum pv_distribution distribution;
    char release[32]; /* VERSION_CODENAME, where there is one */
    bool has_loader;
    bool has_client; /* a Venus driver that self-test can load */
    bool has_gpu;    /* one that can be offered */
    bool passed;     /* the self-test */

    /* How workers are set up: as serve does it. */
    struct pv_worker_setup worker;
    void *plans; /* what the probe said */
    size_t plans_size;
    uint32_t offered[PV_DOCTOR_GPUS_MAX]; /* numbers of the GPUs that --gpu lets through */
    uint32_t offered_count;
};

/* The topics, in the order in which they are shown. */
void pv_doctor_system(struct pv_doctor *doctor);
void pv_doctor_gpus(struct pv_doctor *doctor);
void pv_doctor_host(struct pv_doctor *doctor);
void pv_doctor_sandbox(struct pv_doctor *doctor);
void pv_doctor_clients(struct pv_doctor *doctor);
void pv_doctor_socket(struct pv_doctor *doctor);
void pv_doctor_machines(struct pv_doctor *doctor);
void pv_doctor_test(struct pv_doctor *doctor);

/* Finds the host's drivers and fills in `worker`. */
PV_NODISCARD bool pv_doctor_prepare_worker(struct pv_doctor *doctor);

/* Adds a line. `topic` of NULL: indented below the one before it. */
PV_PRINTF(5, 6)
void pv_doctor_say(struct pv_doctor *doctor, enum pv_mark mark, const char *topic,
                   const char *label, const char *format, ...);
/* Adds to the line before it what to do. */
PV_PRINTF(2, 3)
void pv_doctor_next(struct pv_doctor *doctor, const char *format, ...);
/* The same, for a package. */
enum pv_package {
    PV_PACKAGE_LOADER, /* libvulkan.so.1 */
    PV_PACKAGE_VENUS,  /* Mesa's guest driver */
    PV_PACKAGE_DRIVER, /* any host driver: lavapipe */
};
void pv_doctor_next_package(struct pv_doctor *doctor, enum pv_package package);

void pv_doctor_print(const struct pv_doctor *doctor);

/* --- a child process with a time limit -------------------------------------------------------- */

struct pv_doctor_child {
    char *const *arguments;
    char *const *environment;
    uint32_t timeout_ms;
    bool timed_out;
    int status;      /* the exit status, or 128 plus a signal's number; -1: could not be started */
    char *out, *err; /* what it printed, cut where it is long; for the caller to free */
};
void pv_doctor_child_run(struct pv_doctor_child *child);
/* The last line of a text that is not empty: where programs say why they give up. */
void pv_doctor_last_line(const char *text, char *line, size_t size);

#endif
