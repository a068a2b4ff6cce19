#include "base/clock.h"
#include "fakes/patience.h"
#include "fakes/world.h"
#include "unit/check.h"
#include "virgl/caller.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Guests whose commands real workers execute, with the machine's Vulkan driver. */

enum { CHILDREN_MAX = 64, DATA_SIZE = 64 * 1024 };

static struct caller caller;

/* --- our children ----------------------------------------------------------------------------- */

static pid_t parent_of(pid_t pid)
{
    char path[64], line[512];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return -1;
    }
    int parent = -1;
    const char *end = fgets(line, sizeof(line), file) != NULL ? strrchr(line, ')') : NULL;
    if (end != NULL) {
        (void)sscanf(end, ") %*c %d", &parent);
    }
    (void)fclose(file);
    return parent;
}

static uint32_t list_children(pid_t children[CHILDREN_MAX])
{
    uint32_t count = 0;
    DIR *directory = opendir("/proc");
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        pid_t pid = (pid_t)atoi(entry->d_name);
        if (pid > 0 && parent_of(pid) == getpid() && count < CHILDREN_MAX) {
            children[count++] = pid;
        }
    }
    (void)closedir(directory);
    return count;
}

static bool has_ring(pid_t pid)
{
    char path[300], name[32] = "";
    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *directory = opendir(path);
    bool found = false;
    for (const struct dirent *entry;
         directory != NULL && !found && (entry = readdir(directory)) != NULL;) {
        (void)snprintf(path, sizeof(path), "/proc/%d/task/%.16s/comm", (int)pid, entry->d_name);
        FILE *file = fopen(path, "r");
        if (file != NULL) {
            found = fgets(name, sizeof(name), file) != NULL && strncmp(name, "pv-ring", 7) == 0;
            (void)fclose(file);
        }
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
    return found;
}

/* The worker that runs a ring, but not `other`. */
static pid_t find_worker(pid_t other)
{
    pid_t children[CHILDREN_MAX];
    uint32_t count = list_children(children);
    for (uint32_t i = 0; i < count; i++) {
        if (children[i] != other && has_ring(children[i])) {
            return children[i];
        }
    }
    return -1;
}

/* --- guests ----------------------------------------------------------------------------------- */

static struct guest *open_guest(uint32_t context_id)
{
    struct guest *g = caller_connect(&caller, context_id);
    assert_non_null(g);
    guest_ring_create(g, &g->ring);
    guest_open_device(g);
    return g;
}

/* The GPU fills a buffer in memory that the guest has mapped. */
static void check_gpu_writes(struct guest *g, uint32_t word)
{
    struct guest_shm shm = {0};
    uint64_t memory = 0;
    assert_int_equal(world_allocate(g, DATA_SIZE, &shm, &memory), VK_SUCCESS);
    assert_int_not_equal(shm.resource_id, 0);
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = DATA_SIZE,
        .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    VkBuffer buffer = GUEST_HANDLE(guest_id(g));
    struct pv_vkCreateBuffer create = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &info, .pBuffer = &buffer};
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateBuffer, &create), VK_SUCCESS);
    buffer = *create.pBuffer;
    struct pv_vkBindBufferMemory bind = {
        .device = GUEST_HANDLE(g->device), .buffer = buffer, .memory = GUEST_HANDLE(memory)};
    assert_int_equal(GUEST_RESULT(&g->ring, vkBindBufferMemory, &bind), VK_SUCCESS);
    const VkCommandPoolCreateInfo pool_info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    VkCommandPool pool = GUEST_HANDLE(guest_id(g));
    struct pv_vkCreateCommandPool create_pool = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &pool_info, .pCommandPool = &pool};
    assert_int_equal(GUEST_RESULT(&g->ring, vkCreateCommandPool, &create_pool), VK_SUCCESS);
    const VkCommandBufferAllocateInfo allocate_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = *create_pool.pCommandPool,
        .commandBufferCount = 1,
    };
    VkCommandBuffer commands = GUEST_HANDLE(guest_id(g)), made = commands;
    struct pv_vkAllocateCommandBuffers allocate = {.device = GUEST_HANDLE(g->device),
                                                   .pAllocateInfo = &allocate_info,
                                                   .pCommandBuffers = &made};
    assert_int_equal(GUEST_RESULT(&g->ring, vkAllocateCommandBuffers, &allocate), VK_SUCCESS);
    const VkCommandBufferBeginInfo begin_info = {.sType =
                                                     VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    assert_true(GUEST_SEND(&g->ring, vkBeginCommandBuffer, .commandBuffer = commands,
                           .pBeginInfo = &begin_info));
    assert_true(GUEST_SEND(&g->ring, vkCmdFillBuffer, .commandBuffer = commands,
                           .dstBuffer = buffer, .size = DATA_SIZE, .data = word));
    assert_true(GUEST_SEND(&g->ring, vkEndCommandBuffer, .commandBuffer = commands));
    const VkSubmitInfo submit = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                 .commandBufferCount = 1,
                                 .pCommandBuffers = &commands};
    assert_true(GUEST_SEND(&g->ring, vkQueueSubmit, .queue = GUEST_HANDLE(g->queue),
                           .submitCount = 1, .pSubmits = &submit));
    assert_true(guest_finish(&g->ring));
    uint32_t before = guest_fences_retired(g), all = caller_fences(&caller);
    guest_fence(g, 1, UINT64_C(1) << 33);
    assert_true(caller_wait_fences(&caller, all + 1));
    assert_int_equal(guest_fences_retired(g), before + 1);
    for (uint32_t i = 0; i < DATA_SIZE / 4; i++) {
        uint32_t read;
        memcpy(&read, shm.map + i * 4, 4);
        assert_int_equal(read, word);
    }
    guest_shm_destroy(g, &shm);
}

static void guests_draw_as_under_qemu(void **state)
{
    (void)state;
    caller_open(&caller, CALLER_VENUS | CALLER_ASYNC);
    struct guest *a = open_guest(2), *b = open_guest(3);
    check_gpu_writes(a, 0x12345678);
    check_gpu_writes(b, 0x9abcdef0);
    guest_fence(a, 0, 1);
    assert_true(guest_wait_fences(a, 2));
    guest_destroy(a);
    check_gpu_writes(b, 7);
    guest_destroy(b);
    caller_close(&caller);
}

static void guests_draw_as_under_crosvm_and_libkrun(void **state)
{
    (void)state;
    caller.maps_by_fd = true;
    caller_open(&caller, CALLER_VENUS);
    struct guest *g = open_guest(7);
    check_gpu_writes(g, 0x12345678);
    /* Not before the caller polls. */
    uint32_t count = caller_fences(&caller);
    guest_fence(g, 0, 9);
    pv_clock_sleep_ns(50 * PV_NS_PER_MS);
    assert_int_equal(caller_fences(&caller), count);
    assert_true(caller_wait_fences(&caller, count + 1));
    guest_destroy(g);
    caller_close(&caller);
    caller.maps_by_fd = false;
}

static void a_mapping_is_the_memory_itself(void **state)
{
    (void)state;
    caller_open(&caller, CALLER_VENUS | CALLER_ASYNC);
    struct guest *g = open_guest(2);
    struct guest_shm shm = guest_shm_create(g, 8192);
    uint8_t *map = NULL;
    uint64_t size = 0;
    assert_int_equal(virgl_renderer_resource_map(shm.resource_id, (void **)&map, &size), 0);
    assert_int_equal(size, 8192);
    assert_int_equal(virgl_renderer_resource_map(shm.resource_id, (void **)&map, &size), -EINVAL);
    shm.map[8191] = 42;
    assert_int_equal(map[8191], 42);
    struct pv_virgl_info info;
    assert_int_equal(virgl_renderer_resource_get_info((int)shm.resource_id, &info), 0);
    assert_true(info.fd >= 0 && info.width == 0 && info.texture == 0);
    assert_int_equal(virgl_renderer_resource_unmap(shm.resource_id), 0);
    assert_int_equal(virgl_renderer_resource_unmap(shm.resource_id), -EINVAL);
    guest_shm_destroy(g, &shm);
    guest_destroy(g);
    caller_close(&caller);
}

/* Memory that one context has made, and another one executes commands out of. */
static void contexts_share_what_both_have_attached(void **state)
{
    (void)state;
    caller_open(&caller, CALLER_VENUS | CALLER_ASYNC);
    struct guest *a = open_guest(2), *b = open_guest(3);
    struct guest_shm shm = guest_shm_create(a, 4096);
    virgl_renderer_ctx_attach_resource(3, (int)shm.resource_id);
    guest_fence(b, 0, 1); /* a ring knows nothing of the order of the device's requests */
    assert_true(guest_wait_fences(b, 1));
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
                                    .flags = VK_FENCE_CREATE_SIGNALED_BIT};
    VkFence fence = GUEST_HANDLE(guest_id(b));
    struct pv_encoder *out = guest_begin(&b->ring);
    pv_guest_encode_vkCreateFence(out, 0,
                                  &(struct pv_vkCreateFence){.device = GUEST_HANDLE(b->device),
                                                             .pCreateInfo = &info,
                                                             .pFence = &fence});
    uint64_t size = (uint64_t)(out->cursor - b->ring.scratch);
    memcpy(shm.map, b->ring.scratch, size);
    assert_true(guest_execute(&b->ring, &shm, 0, size));
    assert_true(guest_finish(&b->ring));
    struct pv_vkGetFenceStatus status = {.device = GUEST_HANDLE(b->device), .fence = fence};
    assert_int_equal(GUEST_RESULT(&b->ring, vkGetFenceStatus, &status), VK_SUCCESS);
    guest_shm_destroy(a, &shm);
    guest_destroy(a);
    guest_destroy(b);
    caller_close(&caller);
}

static void a_worker_that_dies_takes_one_context_with_it(void **state)
{
    (void)state;
    caller_open(&caller, CALLER_VENUS | CALLER_ASYNC);
    struct guest *a = open_guest(2);
    pid_t worker = find_worker(-1);
    assert_true(worker > 0);
    struct guest *b = open_guest(3);
    assert_int_equal(kill(worker, SIGSTOP), 0);
    for (uint64_t id = 1; id <= 5; id++) {
        guest_fence(a, id == 5 ? 63 : 0, id);
    }
    /* A fence of the device's own order, for what that context was told. */
    assert_true(GUEST_CONTEXT(a, vkSetReplyCommandStreamMESA,
                              .pStream = &(VkCommandStreamDescriptionMESA){
                                  .resourceId = a->ring.shm.resource_id, .size = 4}));
    assert_int_equal(virgl_renderer_create_fence(100, 0), 0);
    pv_clock_sleep_ns(50 * PV_NS_PER_MS);
    assert_int_equal(caller_fences(&caller), 0);
    assert_int_equal(kill(worker, SIGKILL), 0);
    assert_true(caller_wait_fences(&caller, 6));
    assert_int_equal(guest_fences_retired(a), 5);
    /* Its rings say so, and what is asked of it is answered. */
    assert_true(guest_ring_wait_status(&a->ring, 2));
    guest_fence(a, 0, 6);
    assert_true(guest_wait_fences(a, 6));
    assert_int_equal(guest_blob_create(a, 5, 1, 4096).resource_id, 0);
    check_gpu_writes(b, 0x11);
    guest_destroy(a);
    /* And its place is another's. */
    a = open_guest(2);
    check_gpu_writes(a, 0x22);
    guest_destroy(a);
    guest_destroy(b);
    caller_close(&caller);
}

static void a_worker_that_hangs_costs_two_seconds_once(void **state)
{
    (void)state;
    caller_open(&caller, CALLER_VENUS | CALLER_ASYNC);
    struct guest *a = open_guest(2);
    pid_t worker = find_worker(-1);
    assert_true(worker > 0);
    struct guest *b = open_guest(3);
    uint64_t memory = 0;
    assert_int_equal(world_allocate(a, DATA_SIZE, NULL, &memory), VK_SUCCESS);
    assert_int_equal(kill(worker, SIGSTOP), 0);
    guest_fence(a, 0, 1);
    uint64_t begin_ns = pv_clock_now_ns();
    assert_int_equal(guest_blob_create(a, memory, 1, DATA_SIZE).resource_id, 0);
    uint64_t waited_ns = pv_clock_now_ns() - begin_ns;
    assert_int_equal(caller.last_error, -ETIMEDOUT);
    assert_true(waited_ns >= 2 * PV_NS_PER_S && waited_ns < PATIENCE_NS);
    assert_true(guest_wait_fences(a, 1));
    /* From now on it is not waited for: there is nobody. */
    assert_int_equal(guest_blob_create(a, memory, 1, DATA_SIZE).resource_id, 0);
    assert_int_equal(caller.last_error, -EINVAL);
    assert_true(GUEST_CONTEXT(a, vkSetReplyCommandStreamMESA,
                              .pStream = &(VkCommandStreamDescriptionMESA){
                                  .resourceId = a->ring.shm.resource_id, .size = 4}));
    guest_fence(a, 0, 2);
    assert_true(guest_wait_fences(a, 2));
    assert_true(guest_ring_wait_status(&a->ring, 2));
    check_gpu_writes(b, 0x33);
    guest_destroy(a);
    guest_destroy(b);
    caller_close(&caller);
}

/* Each holds a descriptor: some are left for workers, whatever a guest asks for. */
static void blobs_leave_some_descriptors(void **state)
{
    (void)state;
    enum { DESCRIPTORS = 200, BLOBS = 150, FIRST = 1000 };
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit low = {.rlim_cur = DESCRIPTORS, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    caller_open(&caller, CALLER_VENUS | CALLER_ASYNC);
    assert_int_equal(virgl_renderer_context_create_with_flags(2, 4, 1, "x"), 0);
    struct pv_virgl_blob_args args = {
        .context_id = 2, .memory = PV_VIRGL_BLOB_HOST3D, .flags = 1, .size_bytes = 4096};
    for (uint32_t i = 0; i < BLOBS; i++) {
        args.resource_id = FIRST + i;
        assert_int_equal(virgl_renderer_resource_create_blob(&args), 0);
    }
    for (uint32_t round = 0; round < 2; round++) {
        args.resource_id = FIRST + BLOBS + 1 + round;
        assert_int_equal(virgl_renderer_resource_create_blob(&args), -ENOMEM);
        args.blob_id = 77; /* the context need not be asked */
        assert_int_equal(virgl_renderer_resource_create_blob(&args), -ENOMEM);
        virgl_renderer_resource_unref(FIRST + round);
        args.blob_id = 0;
        assert_int_equal(virgl_renderer_resource_create_blob(&args), 0);
    }
    caller_close(&caller);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void reset_ends_every_context(void **state)
{
    (void)state;
    caller_open(&caller, CALLER_VENUS | CALLER_ASYNC);
    struct guest *g = open_guest(2);
    pid_t worker = find_worker(-1);
    uint64_t deadline_ns = pv_clock_now_ns() + PATIENCE_NS;
    virgl_renderer_reset();
    while (kill(worker, 0) == 0 && pv_clock_now_ns() < deadline_ns) {
        pv_clock_sleep_ns(PV_NS_PER_MS);
    }
    assert_int_equal(kill(worker, 0), -1);
    guest_destroy(g);
    assert_int_equal(virgl_renderer_init(&caller, CALLER_VENUS | CALLER_ASYNC, &caller.callbacks),
                     0);
    g = open_guest(2);
    check_gpu_writes(g, 0x44);
    guest_destroy(g);
    caller_close(&caller);
}

/* A program has children, and ideas about their ends and about its signals, of its own. */
static void the_callers_children_and_signals_stay_its_own(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_DFL);
    pid_t child = fork();
    if (child == 0) {
        _exit(7);
    }
    caller_open(&caller, CALLER_VENUS | CALLER_ASYNC);
    struct guest *g = open_guest(2);
    pid_t worker = find_worker(-1);
    assert_int_equal(kill(worker, SIGKILL), 0);
    assert_true(guest_ring_wait_status(&g->ring, 2));
    (void)GUEST_CONTEXT(g, vkSetReplyCommandStreamMESA,
                        .pStream = &(VkCommandStreamDescriptionMESA){.resourceId = 1, .size = 4});
    guest_destroy(g);
    caller_close(&caller);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);

    (void)signal(SIGCHLD, SIG_IGN); /* nobody can be waited for */
    caller_open(&caller, CALLER_VENUS | CALLER_ASYNC);
    g = open_guest(2);
    check_gpu_writes(g, 0x55);
    guest_destroy(g);
    caller_close(&caller);
    (void)signal(SIGCHLD, SIG_DFL);
}

/* --- before and after each -------------------------------------------------------------------- */

static struct guest_baseline baseline;

static int remember_baseline(void **state)
{
    (void)state;
    baseline = guest_baseline();
    return 0;
}

static bool maps_shared_memory(void)
{
    char line[512];
    bool found = false;
    FILE *file = fopen("/proc/self/maps", "r");
    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
        found = strstr(line, "memfd:") != NULL || strstr(line, "dmabuf") != NULL;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

static int check_baseline(void **state)
{
    (void)state;
    pid_t children[CHILDREN_MAX];
    bool alone = waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD;
    return alone && list_children(children) == 0 && !maps_shared_memory() &&
                   guest_is_back_at(&baseline, 256 * 1024)
               ? 0
               : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, remember_baseline, check_baseline)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(guests_draw_as_under_qemu),
        TEST(guests_draw_as_under_crosvm_and_libkrun),
        TEST(a_mapping_is_the_memory_itself),
        TEST(contexts_share_what_both_have_attached),
        TEST(a_worker_that_dies_takes_one_context_with_it),
        TEST(a_worker_that_hangs_costs_two_seconds_once),
        TEST(blobs_leave_some_descriptors),
        TEST(reset_ends_every_context),
        TEST(the_callers_children_and_signals_stay_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
