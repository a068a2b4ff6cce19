/*
 * One run of `pearvisor demo`: what was asked for, which GPU was chosen, and the steps. Each step
 * tells its progress on stdout and, when it returns false, the reason in one line on stderr.
 */
#ifndef PV_CLI_DEMO_PLAN_H
#define PV_CLI_DEMO_PLAN_H

#include "child.h"

#include <stdint.h>

enum { DEMO_PATH_MAX = 4096, DEMO_NAME_MAX = 256 };

struct demo_plan {
    uint32_t seed;
    uint32_t frames;
    const char *gpu;                 /* NULL: the best one */
    const char *out;                 /* a folder that exists */
    char driver[DEMO_PATH_MAX];      /* absolute; "" for what the loader finds */
    char program[DEMO_PATH_MAX];     /* this program */
    char gpu_name[DEMO_NAME_MAX];    /* chosen by demo_plan_choose_gpu */
    char gpu_index[16];              /* its place in the loader's list */
    char driver_file[DEMO_PATH_MAX]; /* "VK_DRIVER_FILES=..." when driver is set */
    char icd_file[DEMO_PATH_MAX];    /* the same for loaders before 1.3.207 */
};

/* The path of a file in the output folder. */
struct demo_path {
    char text[DEMO_PATH_MAX];
};
struct demo_path demo_plan_path(const struct demo_plan *plan, const char *file);

/* Asks the loader, in a child, for its GPUs: the wanted one, or the best that is not Venus. */
bool demo_plan_choose_gpu(struct demo_plan *plan);

/* The client on the host's driver: native.json, native.png, native.log. */
bool demo_plan_run_native(struct demo_plan *plan);

/* The client through `pearvisor serve`, the files named after `name`; with `tuned` in the
 * environment of the guest's tuned profile. */
bool demo_plan_run_through(struct demo_plan *plan, const char *name, bool tuned);

/* Runs one installed program through `pearvisor serve` and says in a word how it went. */
const char *demo_plan_run_vulkaninfo(struct demo_plan *plan);
const char *demo_plan_run_vkcube(struct demo_plan *plan);

#endif
