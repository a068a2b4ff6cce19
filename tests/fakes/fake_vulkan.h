#ifndef PV_FAKES_FAKE_VULKAN_H
#define PV_FAKES_FAKE_VULKAN_H

#include "host/host.h"
#include "host/memory_plan.h"
#include "test_fake.gen.h"

#include <stdbool.h>
#include <stdint.h>

/* A Vulkan driver without a GPU, for tests: one physical device (Vulkan 1.4) with one family of
 * queues, every extension that the protocol knows but those that need real fds, and two memory
 * types, of which 1 is visible and coherent.
 *
 *     struct pv_host host;
 *     pv_host_from_entry(&host, pv_fake_get_instance_proc_addr, &log);
 *     struct pv_render_params params = {.host = &host, .plans = pv_fake_plans(), …};
 *
 * It executes nothing: commands are taken and forgotten, submits are done at once, fences count as
 * signalled. Creates return fresh handles, queries zeros, enumerations one element. Memory is real
 * (vkMapMemory, or the imported host pointer), and its mistakes are caught: a handle that is not
 * alive aborts.
 *
 * A hook sees every call before the driver does and may answer in its place. Any thread. */

/* `args` is the command's struct pv_vkFoo (or struct pv_fake_vkFoo): host handles, `ret` still 0.
 * True: the hook has answered. It may call pv_fake_answer() first and change what came of it. */
typedef bool (*pv_fake_hook)(void *user, enum pv_fake_command command, void *args);

/* NULL: none. Only while no other thread calls the driver. */
void pv_fake_set_hook(pv_fake_hook hook, void *user);

/* The driver's own answer. */
void pv_fake_answer(enum pv_fake_command command, void *args);

/* How often a command was called since pv_fake_reset(). */
uint64_t pv_fake_count(enum pv_fake_command command);
/* Forgets hook and counts. Objects stay. */
void pv_fake_reset(void);

/* Objects that were created and not destroyed, without those of pools: 0 after a test. */
int64_t pv_fake_alive_count(void);

/* For struct pv_host. */
PFN_vkVoidFunction VKAPI_CALL pv_fake_get_instance_proc_addr(VkInstance instance, const char *name);

/* A memory plan for the fake device, which a probe would find useless, since nothing is drawn:
 * type 0 not mappable, type 1 through imported host pointers. */
const struct pv_memory_plans *pv_fake_plans(void);

/* The row of a command, by number or by name (NULL: unknown). */
const struct pv_fake_row *pv_fake_row(enum pv_fake_command command);
const struct pv_fake_row *pv_fake_find(const char *name);

/* What each entry point calls. */
void pv_fake_call(enum pv_fake_command command, void *args);

enum {
    PV_FAKE_QUEUE_COUNT = 16,
    PV_FAKE_TYPE_PRIVATE = 0, /* memory types */
    PV_FAKE_TYPE_VISIBLE = 1,
    PV_FAKE_PAGE_SIZE = 4096, /* of imported host pointers */
};

#endif
