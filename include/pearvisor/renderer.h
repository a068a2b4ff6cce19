/*
 * The renderer: a host's Vulkan, and which of it guests get to see.
 *
 * Threads: one renderer may be used from several threads at once, except that pv_renderer_destroy()
 * must be the last call on it.
 */
#ifndef PEARVISOR_RENDERER_H
#define PEARVISOR_RENDERER_H

#include <pearvisor/log_level.h>
#include <pearvisor/result.h>
#include <pearvisor/version.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opaque. Heap; ends with pv_renderer_destroy(). */
struct pv_renderer;

/* Where the driver runs. */
enum pv_isolation {
    /* In the calling process, on threads that the library starts. A fault in the driver is a fault
     * of this process: give a renderer a process of its own, as `pearvisor serve` does, unless you
     * trust the guest. */
    PV_ISOLATION_IN_PROCESS = 0,
};

/* What a guest's ring does while it has no commands. */
enum pv_waiting {
    /* Looks again and again for as long as the guest's habits make it worth while, then sleeps: a
     * guest that waits for an answer sleeps 160 us if we miss the moment. Never on more cores than
     * all but one, and not at all once a guest is idle for a millisecond. */
    PV_WAITING_ADAPTIVE = 0,
    /* Sleeps at once. For hosts whose cores are dearer than a guest's latency, and to measure what
     * the other costs. */
    PV_WAITING_SLEEP = 1,
};

struct pv_renderer_params {
    uint32_t struct_size; /* sizeof(struct pv_renderer_params) */

    enum pv_isolation isolation;

    /* The Vulkan loader to open: a path or a name for dlopen(). NULL: the platform's usual one
     * (libvulkan.so.1). The loader looks at VK_DRIVER_FILES and its relatives as always. */
    const char *library;

    /* Offer only this GPU: a part of its name, whatever the case, or its number in the driver's
     * order, counted from 0. NULL: all of them. Copied. */
    const char *gpu;

    enum pv_waiting waiting;

    /* Also offer devices whose driver is Venus itself. Off, since a renderer that reaches itself
     * through its own guest driver would wait for itself. */
    bool allow_venus;

    /* What pv_renderer_probe() said, in this process or another one. NULL: the probe runs inside of
     * pv_renderer_create(). Copied. */
    const void *memory_plans;
    size_t memory_plans_size; /* in bytes */

    /* One line of text, without newline. Called from any thread, also from several at once; must
     * not call back into the library. NULL: silence. */
    void (*log)(void *user, enum pv_log_level level, const char *line);
    void *log_user;
    enum pv_log_level log_level; /* lines beyond it are dropped before they are formatted */
};

/* Loads Vulkan and gets ready. Takes tens to hundreds of milliseconds, most of them the driver's.
 *
 *   PV_OK            *renderer is the caller's, to be given to pv_renderer_destroy()
 *   PV_HOST_FAILED   no Vulkan loader, or no driver that works
 *   PV_NO_MEMORY
 *   PV_UNSUPPORTED   `params` asks for something that this version does not know
 *
 * On failure *renderer is NULL. */
PV_API enum pv_result pv_renderer_create(const struct pv_renderer_params *params,
                                         struct pv_renderer **renderer);

/* Every context of it must be gone. NULL is accepted. */
PV_API void pv_renderer_destroy(struct pv_renderer *renderer);

/* Bytes that pv_renderer_probe() writes. Constant for one build of the library. */
PV_API size_t pv_renderer_probe_size(void);

/* Finds out, by trying, how each memory type of each GPU can be shared with a guest. It allocates,
 * lets the GPU write, and compares; with a broken driver that may crash, so run it in a process
 * that may, and hand the bytes to pv_renderer_create() elsewhere. `plans` has room for
 * pv_renderer_probe_size() bytes: plain data, of use to the same build only.
 *
 *   PV_OK            the bytes are there
 *   PV_HOST_FAILED   no Vulkan loader, or no driver that works */
PV_API enum pv_result pv_renderer_probe(const struct pv_renderer_params *params, void *plans);

/* Makes the driver start what it starts late (threads, compilers): creates a device, compiles a
 * small pipeline, runs it and throws both away. An instance stays, so that drivers stay loaded.
 * Optional. Call it before a sandbox closes, or to take the delay out of a guest's first frame.
 *
 *   PV_OK
 *   PV_HOST_FAILED   no device could be created */
PV_API enum pv_result pv_renderer_warm_up(struct pv_renderer *renderer);

/* The virtio-gpu capability set that a guest asks for: 160 bytes, number 4, version 0. */
enum {
    PV_VENUS_CAPSET_ID = 4,
    PV_VENUS_CAPSET_SIZE = 160,
};

/* Fills it in. What it says does not depend on the GPU, since a guest asks devices themselves;
 * `renderer` may be NULL. */
PV_API void pv_renderer_capset(struct pv_renderer *renderer, uint8_t capset[PV_VENUS_CAPSET_SIZE]);

/* Vulkan commands have numbers below this on the wire. */
PV_API uint32_t pv_command_count(void);

/* "vkCmdDraw"; NULL for a number that has no command. Static. */
PV_API const char *pv_command_name(uint32_t number);

#ifdef __cplusplus
}
#endif

#endif
