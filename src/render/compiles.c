#include "render/compiles.h"

#include "base/assert.h"
#include "render/private.h"

#include <stdlib.h>
#include <string.h>

/* On 2 cores that others use too, a storm of compiles left 0.7 to 0.95 of another thread's draws at
 * nice 0 and all of them at 10, while waiting for a pipeline took no longer. */
enum { COMPILE_NICE = 10 };

/* Of a job's scratch memory: what 4096 pending jobs want must fit their budget. */
enum { FIRST_BLOCK_BYTES = 4096 };

struct pv_late_destroy {
    struct pv_late_destroy *next;
    uint64_t serial; /* of the last job that may use the object */
    struct pv_device *device;
    uint32_t type;
    uint64_t host;
};

_Static_assert(offsetof(struct pv_exec, in) == 0, "a stream is found by its decoder");

/* --- one job -----------------------------------------------------------------------------------
 */

static void free_job(struct pv_compiles *compiles, struct pv_compile *job)
{
    pv_arena_finish(&job->arena);
    if (job->bytes != NULL) {
        free(job->bytes);
        pv_budget_give(&compiles->budget, job->size);
    }
    free(job);
}

static void discard(struct pv_compiles *compiles, struct pv_compile *job)
{
    free_job(compiles, job);
    atomic_fetch_sub_explicit(&compiles->pending_count, 1, memory_order_release);
}

static bool copy_bytes(struct pv_compiles *compiles, struct pv_compile *job, const uint8_t *p)
{
    if (!pv_budget_take(&compiles->budget, job->size)) {
        return false;
    }
    /* malloc's alignment serves arrays that are decoded in place. */
    job->bytes = malloc(job->size);
    if (job->bytes == NULL) {
        pv_budget_give(&compiles->budget, job->size);
        return false;
    }
    memcpy(job->bytes, p, job->size);
    /* Behind the fixed arguments, as the loop leaves it. */
    job->in.cursor = job->bytes + pv_commands[job->command].size - PV_COMMAND_HEADER_SIZE;
    job->in.end = job->bytes + job->size;
    return true;
}

static struct pv_compile *make_job(struct pv_exec *x, const uint8_t *p, size_t args_size)
{
    struct pv_compiles *compiles = &x->context->compiles;
    struct pv_compile *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return NULL;
    }
    pv_arena_init(&job->arena, PV_COMPILE_BYTES_MAX);
    job->arena.first_block_size = FIRST_BLOCK_BYTES;
    job->arena.budget = &compiles->budget;
    job->in.arena = &job->arena;
    pv_decode_use_objects(&job->in, &x->context->objects);
    job->size = (size_t)(x->in.cursor - p);
    job->command = x->command;
    job->owner = x->in.owner;
    job->args = pv_arena_alloc(&job->arena, args_size);
    if (job->args == NULL || !copy_bytes(compiles, job, p)) {
        free_job(compiles, job);
        return NULL;
    }
    return job;
}

/* The lock is held, or nobody else knows the job. */
static void settle(struct pv_render_context *context, struct pv_compile *job)
{
    uint64_t tag = PV_TAG(PV_OBJECT_PIPELINE, job->owner);
    for (uint32_t i = 0; i < job->count; i++) {
        if (job->ids[i] == 0) {
            continue;
        }
        if (job->hosts[i] != VK_NULL_HANDLE) {
            pv_object_publish(&context->objects, job->ids[i], tag, PV_HANDLE_U64(job->hosts[i]));
            job->hosts[i] = VK_NULL_HANDLE;
        } else {
            pv_object_abandon(&context->objects, job->ids[i]);
        }
    }
    job->state = PV_COMPILE_DONE;
}

/* The lock is not held; the job is settled and in the list still, for which its device waits. */
static void destroy_unwanted(const struct pv_compile *job)
{
    for (uint32_t i = 0; i < job->count; i++) {
        if (job->hosts[i] != VK_NULL_HANDLE) {
            (void)pv_device_destroy_host(job->device, PV_OBJECT_PIPELINE,
                                         PV_HANDLE_U64(job->hosts[i]));
        }
    }
}

/* The lock is held, like for what follows. */
static void link_newest(struct pv_compiles *compiles, struct pv_compile *job)
{
    job->older = compiles->newest;
    *(job->older != NULL ? &job->older->newer : &compiles->oldest) = job;
    compiles->newest = job;
}

static void unlink_job(struct pv_compiles *compiles, struct pv_compile *job)
{
    *(job->older != NULL ? &job->older->newer : &compiles->oldest) = job->newer;
    *(job->newer != NULL ? &job->newer->older : &compiles->newest) = job->older;
    pthread_cond_broadcast(&compiles->progress);
}

static void tell_failure(struct pv_render_context *context, const struct pv_compile *job,
                         VkResult result)
{
    if (result == VK_ERROR_DEVICE_LOST && !pv_device_is_known_lost(job->device)) {
        pv_render_set_fatal(context, "the device is lost, and the guest has asked for no reply");
    } else {
        pv_render_tell_failure(context, job->command, result);
    }
}

/* By pointer: whoever else has its place now may be freed while a compile thread looks. */
static bool is_listed(struct pv_render_context *context, const struct pv_device *device,
                      uint32_t owner)
{
    return atomic_load_explicit(&context->devices[owner & (PV_DEVICES_MAX - 1)],
                                memory_order_acquire) == device;
}

/* --- late destroys -----------------------------------------------------------------------------
 */

/* The lock is held. What no job that is not done comes before: a prefix of the list. */
static struct pv_late_destroy *take_ready_destroys(struct pv_compiles *compiles)
{
    uint64_t oldest = UINT64_MAX;
    for (const struct pv_compile *job = compiles->oldest; job != NULL; job = job->newer) {
        if (job->state != PV_COMPILE_DONE) {
            oldest = job->serial;
            break;
        }
    }
    struct pv_late_destroy *ready = compiles->destroys;
    struct pv_late_destroy **end = &ready;
    while (*end != NULL && (*end)->serial < oldest) {
        end = &(*end)->next;
        compiles->destroy_count--;
    }
    compiles->destroys = *end;
    if (*end == NULL) {
        compiles->destroys_tail = &compiles->destroys;
    }
    *end = NULL;
    return ready;
}

/* The lock is held, and released meanwhile. Who comes while another is at it leaves it to him, and
 * he looks again. */
static void run_destroys(struct pv_compiles *compiles)
{
    struct pv_late_destroy *ready;
    while (!compiles->is_destroying && (ready = take_ready_destroys(compiles)) != NULL) {
        compiles->is_destroying = true;
        pthread_mutex_unlock(&compiles->lock);
        while (ready != NULL) {
            struct pv_late_destroy *next = ready->next;
            bool is_known = pv_device_destroy_host(ready->device, ready->type, ready->host);
            PV_ASSERT(is_known);
            free(ready);
            ready = next;
        }
        pthread_mutex_lock(&compiles->lock);
        compiles->is_destroying = false;
        pthread_cond_broadcast(&compiles->progress);
    }
}

bool pv_compiles_destroy_later(struct pv_exec *x, struct pv_device *device, uint32_t type,
                               uint64_t host)
{
    struct pv_compiles *compiles = &x->context->compiles;
    struct pv_late_destroy *late = malloc(sizeof(*late));
    pthread_mutex_lock(&compiles->lock);
    while (compiles->oldest != NULL && compiles->destroy_count >= PV_COMPILE_DESTROYS_MAX &&
           !pv_exec_must_stop(x)) {
        pv_exec_publish(x);
        pthread_cond_wait(&compiles->progress, &compiles->lock);
    }
    /* Who takes a job out of the list looks for destroys, so that none is forgotten; and a device
     * leaves its list before it waits for jobs. */
    bool is_late = (compiles->oldest != NULL || compiles->is_destroying) &&
                   is_listed(x->context, device, x->in.owner);
    if (is_late && late != NULL) {
        *late = (struct pv_late_destroy){
            .serial = compiles->last_serial, .device = device, .type = type, .host = host};
        *compiles->destroys_tail = late;
        compiles->destroys_tail = &late->next;
        compiles->destroy_count++;
        late = NULL;
    }
    pthread_mutex_unlock(&compiles->lock);
    free(late);
    return is_late; /* without memory it stays with the driver: better than under its feet */
}

/* --- doing jobs --------------------------------------------------------------------------------
 */

/* The lock is held, and released meanwhile. On a compile thread, or that of who cannot wait. */
static void run_job(struct pv_render_context *context, struct pv_compile *job)
{
    struct pv_compiles *compiles = &context->compiles;
    job->state = PV_COMPILE_RUNNING;
    compiles->queued_count--;
    pthread_mutex_unlock(&compiles->lock);
    if (!pv_render_is_fatal(context) && is_listed(context, job->device, job->owner)) {
        VkResult result = job->call(job->device, job->args, job->hosts);
        if (result < VK_SUCCESS) {
            tell_failure(context, job, result);
        }
    }
    pthread_mutex_lock(&compiles->lock);
    settle(context, job);
    pthread_cond_broadcast(&compiles->progress);
    pthread_mutex_unlock(&compiles->lock);
    destroy_unwanted(job);
    pthread_mutex_lock(&compiles->lock);
    run_destroys(compiles);
    unlink_job(compiles, job);
    atomic_fetch_add_explicit(&compiles->finished_count, 1, memory_order_relaxed);
    pthread_mutex_unlock(&compiles->lock);
    discard(compiles, job);
    pthread_mutex_lock(&compiles->lock);
}

/* The lock is held. */
static struct pv_compile *next_queued(const struct pv_compiles *compiles)
{
    struct pv_compile *job = compiles->oldest;
    while (job != NULL && job->state != PV_COMPILE_QUEUED) {
        job = job->newer;
    }
    return job;
}

static void run_thread(void *user)
{
    struct pv_render_context *context = user;
    struct pv_compiles *compiles = &context->compiles;
    pv_thread_set_nice(COMPILE_NICE);
    pthread_mutex_lock(&compiles->lock);
    while (!compiles->stopping) {
        struct pv_compile *job = next_queued(compiles);
        if (job != NULL) {
            run_job(context, job);
            continue;
        }
        compiles->idle_count++;
        pthread_cond_wait(&compiles->work, &compiles->lock);
        compiles->idle_count--;
    }
    pthread_mutex_unlock(&compiles->lock);
}

/* Whether a thread will do one more job; starts one where all are busy, or about to be, and there
 * may be more: a thread that was told of a job counts as idle until it runs. */
static bool has_thread(struct pv_render_context *context)
{
    struct pv_compiles *compiles = &context->compiles;
    pthread_mutex_lock(&compiles->lock);
    if (compiles->idle_count <= compiles->queued_count &&
        compiles->thread_count < compiles->thread_limit) {
        struct pv_thread *thread = &compiles->threads[compiles->thread_count];
        if (pv_thread_start(thread, "pv-compile", run_thread, context) == PV_OK) {
            compiles->thread_count++;
        }
    }
    bool has_one = compiles->thread_count != 0;
    pthread_mutex_unlock(&compiles->lock);
    return has_one;
}

struct pv_compile *pv_compile_begin(struct pv_exec *x, struct pv_device *device, const uint8_t *p,
                                    size_t args_size)
{
    struct pv_compiles *compiles = &x->context->compiles;
    if (x->wants_reply || compiles->thread_limit == 0) {
        return NULL;
    }
    struct pv_compile *job = NULL;
    if (atomic_fetch_add_explicit(&compiles->pending_count, 1, memory_order_relaxed) <
            PV_COMPILE_JOBS_MAX &&
        has_thread(x->context)) {
        job = make_job(x, p, args_size);
    }
    if (job == NULL) {
        atomic_fetch_sub_explicit(&compiles->pending_count, 1, memory_order_relaxed);
        return NULL;
    }
    job->device = device;
    return job;
}

/* False and a fault when the device has been destroyed meanwhile. */
static bool enqueue(struct pv_exec *x, struct pv_compile *job)
{
    struct pv_compiles *compiles = &x->context->compiles;
    pthread_mutex_lock(&compiles->lock);
    /* Under the lock: a device leaves its list before it waits for its jobs. */
    bool is_alive = is_listed(x->context, job->device, job->owner);
    if (is_alive) {
        job->serial = ++compiles->last_serial;
        link_newest(compiles, job);
        compiles->queued_count++;
        pthread_cond_signal(&compiles->work);
    }
    pthread_mutex_unlock(&compiles->lock);
    return is_alive;
}

bool pv_compile_submit(struct pv_exec *x, struct pv_compile *taken_job, pv_compile_call call,
                       uint32_t count, const uint64_t *ids)
{
    struct pv_compile *job = taken_job;
    size_t ids_size = count * sizeof(*ids);
    size_t hosts_size = count * sizeof(*job->hosts);
    uint64_t *own_ids = pv_arena_alloc(&job->arena, ids_size);
    job->hosts = pv_arena_alloc(&job->arena, hosts_size);
    if (!pv_decode_ok(&job->in) || own_ids == NULL || job->hosts == NULL) {
        discard(&x->context->compiles, job);
        return false;
    }
    if (count != 0) {
        memcpy(own_ids, ids, ids_size);
        memset(job->hosts, 0, hosts_size);
    }
    job->call = call;
    job->count = job->wanted = count;
    job->ids = own_ids;
    if (!pv_exec_reserve_array(x, count, ids)) {
        discard(&x->context->compiles, job);
        return true;
    }
    if (!enqueue(x, job)) {
        settle(x->context, job);
        discard(&x->context->compiles, job);
        pv_exec_fault(x, "the device is gone");
    }
    return true;
}

/* Jobs share a cache with whatever else the guest lets run, which it does not know of. */
VkResult pv_handle_vkCreatePipelineCache(struct pv_exec *x, struct pv_vkCreatePipelineCache *a)
{
    const struct pv_device *device = pv_exec_device(x);
    uint64_t id = PV_HANDLE_U64(*a->pPipelineCache);
    if (device == NULL || !pv_exec_reserve(x, id)) {
        return VK_ERROR_UNKNOWN;
    }
    VkPipelineCacheCreateInfo info = *a->pCreateInfo;
    info.flags &= ~(VkPipelineCacheCreateFlags)VK_PIPELINE_CACHE_CREATE_EXTERNALLY_SYNCHRONIZED_BIT;
    VkPipelineCache host = VK_NULL_HANDLE;
    VkResult result = device->vk.CreatePipelineCache(a->device, &info, a->pAllocator, &host);
    pv_exec_settle(x, id, PV_OBJECT_PIPELINE_CACHE, result >= VK_SUCCESS ? PV_HANDLE_U64(host) : 0);
    return result;
}

/* --- waiting -----------------------------------------------------------------------------------
 */

/* The lock is held. Where the job that is to make `id`, and has not, says so; NULL: there is none.
 * Who waits or destroys so early mostly means a job that is young. */
static uint64_t *find_maker(const struct pv_compiles *compiles, uint64_t id,
                            struct pv_compile **maker)
{
    for (struct pv_compile *job = compiles->newest; job != NULL; job = job->older) {
        for (uint32_t i = 0; job->state != PV_COMPILE_DONE && i < job->count; i++) {
            if (job->ids[i] == id) {
                *maker = job;
                return &job->ids[i];
            }
        }
    }
    return NULL;
}

bool pv_compiles_cancel(struct pv_exec *x, uint64_t id)
{
    struct pv_compiles *compiles = &x->context->compiles;
    struct pv_slot *slot = pv_object_slot(&x->context->objects, id);
    if (id == 0 || atomic_load_explicit(&slot->tag, memory_order_acquire) != PV_TAG_RESERVED) {
        return false;
    }
    struct pv_compile *job = NULL;
    pthread_mutex_lock(&compiles->lock);
    uint64_t *place = find_maker(compiles, id, &job);
    if (place == NULL || job->owner != x->in.owner) {
        pthread_mutex_unlock(&compiles->lock);
        return false;
    }
    *place = 0;
    job->wanted--;
    pv_object_abandon(&x->context->objects, id);
    pthread_cond_broadcast(&compiles->progress);
    bool is_gone = job->wanted == 0 && job->state == PV_COMPILE_QUEUED;
    if (is_gone) {
        unlink_job(compiles, job);
        run_destroys(compiles);
    }
    pthread_mutex_unlock(&compiles->lock);
    if (is_gone) {
        discard(compiles, job);
    }
    return true;
}

/* The lock is held. A job that nobody has begun is done here: a wait behind other jobs, or for a
 * thread of low priority, would be longer. */
static void help(struct pv_render_context *context, struct pv_compile *job)
{
    if (job != NULL && job->state == PV_COMPILE_QUEUED) {
        run_job(context, job);
    } else {
        pthread_cond_wait(&context->compiles.progress, &context->compiles.lock);
    }
}

bool pv_compiles_await(struct pv_decoder *in, uint64_t id, uint32_t type)
{
    struct pv_exec *x = (struct pv_exec *)in;
    struct pv_compiles *compiles = &x->context->compiles;
    if (type != PV_OBJECT_PIPELINE) {
        return false;
    }
    if (atomic_load_explicit(&compiles->pending_count, memory_order_acquire) == 0) {
        return true;
    }
    pv_exec_publish(x);
    struct pv_compile *job;
    pthread_mutex_lock(&compiles->lock);
    while (find_maker(compiles, id, &job) != NULL && !pv_exec_must_stop(x)) {
        help(x->context, job);
    }
    pthread_mutex_unlock(&compiles->lock);
    return true;
}

/* `x`: whose end ends the wait, too; NULL: nothing does. */
static void wait_for_all(struct pv_render_context *context, const struct pv_exec *x)
{
    struct pv_compiles *compiles = &context->compiles;
    pthread_mutex_lock(&compiles->lock);
    uint64_t serial = compiles->last_serial;
    while ((compiles->oldest != NULL && compiles->oldest->serial <= serial) ||
           compiles->is_destroying) {
        if (x != NULL && pv_exec_must_stop(x)) {
            break;
        }
        struct pv_compile *job = next_queued(compiles);
        help(context, job != NULL && job->serial <= serial ? job : NULL);
    }
    pthread_mutex_unlock(&compiles->lock);
}

bool pv_compiles_wait(struct pv_exec *x)
{
    pv_exec_publish(x);
    wait_for_all(x->context, x);
    if (pv_exec_must_stop(x)) {
        pv_exec_fault(x, "the context has ended");
        return false;
    }
    return true;
}

void pv_compiles_drain(struct pv_render_context *context)
{
    wait_for_all(context, NULL);
}

void pv_compiles_wake(struct pv_compiles *compiles)
{
    pthread_mutex_lock(&compiles->lock);
    pthread_cond_broadcast(&compiles->progress);
    pthread_mutex_unlock(&compiles->lock);
}

/* --- the context's -----------------------------------------------------------------------------
 */

enum pv_result pv_compiles_init(struct pv_compiles *compiles)
{
    *compiles = (struct pv_compiles){0};
    if (pthread_mutex_init(&compiles->lock, NULL) != 0) {
        return PV_NO_MEMORY;
    }
    if (pthread_cond_init(&compiles->work, NULL) != 0) {
        pthread_mutex_destroy(&compiles->lock);
        return PV_NO_MEMORY;
    }
    if (pthread_cond_init(&compiles->progress, NULL) != 0) {
        pthread_cond_destroy(&compiles->work);
        pthread_mutex_destroy(&compiles->lock);
        return PV_NO_MEMORY;
    }
    uint32_t others = pv_thread_core_count() - 1;
    compiles->thread_limit = others < PV_COMPILE_THREADS_MAX ? others : PV_COMPILE_THREADS_MAX;
    compiles->destroys_tail = &compiles->destroys;
    atomic_init(&compiles->budget.left_bytes, PV_COMPILE_BYTES_MAX);
    compiles->is_ready = true;
    return PV_OK;
}

void pv_compiles_finish(struct pv_compiles *compiles)
{
    if (!compiles->is_ready) {
        return;
    }
    PV_ASSERT(compiles->oldest == NULL && compiles->destroys == NULL);
    pthread_mutex_lock(&compiles->lock);
    compiles->stopping = true;
    pthread_cond_broadcast(&compiles->work);
    pthread_mutex_unlock(&compiles->lock);
    for (uint32_t i = 0; i < compiles->thread_count; i++) {
        pv_thread_join(&compiles->threads[i]);
    }
    pthread_cond_destroy(&compiles->progress);
    pthread_cond_destroy(&compiles->work);
    pthread_mutex_destroy(&compiles->lock);
    compiles->is_ready = false;
}
