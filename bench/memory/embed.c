/* What memory_native does, by a guest through the library; then further contexts of the same
 * renderer, whose guests have asked one thing and are idle since. Stays until its input ends.
 *
 *     memory_embed [CONTEXTS]     in all, 1 by default
 */
#include "api/context.h"
#include "base/assert.h"
#include "fakes/guest_embed.h"
#include "fakes/world.h"
#include "memory/memory.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CONTEXTS_MAX = 1000 };

/* --- one guest that lets the GPU fill a buffer ------------------------------------------------ */

static VkBuffer create_buffer(struct guest *g, uint64_t memory)
{
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = MEMORY_BUFFER_SIZE,
        .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    VkBuffer buffer = GUEST_HANDLE(guest_id(g));
    struct pv_vkCreateBuffer create = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &info, .pBuffer = &buffer};
    PV_ASSERT(GUEST_RESULT(&g->ring, vkCreateBuffer, &create) == VK_SUCCESS);
    buffer = *create.pBuffer;
    struct pv_vkBindBufferMemory bind = {
        .device = GUEST_HANDLE(g->device), .buffer = buffer, .memory = GUEST_HANDLE(memory)};
    PV_ASSERT(GUEST_RESULT(&g->ring, vkBindBufferMemory, &bind) == VK_SUCCESS);
    return buffer;
}

static VkCommandBuffer record(struct guest *g, VkBuffer buffer)
{
    const VkCommandPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    VkCommandPool pool = GUEST_HANDLE(guest_id(g));
    struct pv_vkCreateCommandPool create = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &info, .pCommandPool = &pool};
    PV_ASSERT(GUEST_RESULT(&g->ring, vkCreateCommandPool, &create) == VK_SUCCESS);
    const VkCommandBufferAllocateInfo allocate_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = *create.pCommandPool,
        .commandBufferCount = 1,
    };
    const VkCommandBuffer commands = GUEST_HANDLE(guest_id(g));
    VkCommandBuffer made = commands;
    struct pv_vkAllocateCommandBuffers allocate = {.device = GUEST_HANDLE(g->device),
                                                   .pAllocateInfo = &allocate_info,
                                                   .pCommandBuffers = &made};
    PV_ASSERT(GUEST_RESULT(&g->ring, vkAllocateCommandBuffers, &allocate) == VK_SUCCESS);
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    PV_ASSERT(GUEST_SEND(&g->ring, vkBeginCommandBuffer, .commandBuffer = commands,
                         .pBeginInfo = &begin));
    PV_ASSERT(GUEST_SEND(&g->ring, vkCmdFillBuffer, .commandBuffer = commands, .dstBuffer = buffer,
                         .size = MEMORY_BUFFER_SIZE, .data = memory_word));
    PV_ASSERT(GUEST_SEND(&g->ring, vkEndCommandBuffer, .commandBuffer = commands));
    return commands;
}

static void run(struct guest *g, VkCommandBuffer commands)
{
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence = GUEST_HANDLE(guest_id(g));
    struct pv_vkCreateFence create = {
        .device = GUEST_HANDLE(g->device), .pCreateInfo = &info, .pFence = &fence};
    PV_ASSERT(GUEST_RESULT(&g->ring, vkCreateFence, &create) == VK_SUCCESS);
    fence = *create.pFence;
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &commands,
    };
    PV_ASSERT(GUEST_SEND(&g->ring, vkQueueSubmit, .queue = GUEST_HANDLE(g->queue), .submitCount = 1,
                         .pSubmits = &submit, .fence = fence));
    struct pv_vkWaitForFences wait = {.device = GUEST_HANDLE(g->device),
                                      .fenceCount = 1,
                                      .pFences = &fence,
                                      .waitAll = VK_TRUE,
                                      .timeout = UINT64_MAX};
    PV_ASSERT(GUEST_RESULT(&g->ring, vkWaitForFences, &wait) == VK_SUCCESS);
}

static void fill_a_buffer(struct guest *g)
{
    struct guest_shm shm = {0};
    uint64_t memory = 0;
    guest_open_device(g);
    PV_ASSERT(world_allocate(g, MEMORY_BUFFER_SIZE, &shm, &memory) == VK_SUCCESS);
    PV_ASSERT(shm.resource_id != 0);
    run(g, record(g, create_buffer(g, memory)));
    /* The fake driver executes nothing; what a driver exports is not mapped here. */
    if (!world_is_fake() && shm.map != NULL) {
        PV_ASSERT(memory_is_filled((const uint32_t *)(const void *)shm.map));
    }
}

/* --- guests that are idle --------------------------------------------------------------------- */

struct idle {
    struct pv_context *context;
    struct pv_venus_ring *ring;
    struct pv_venus_ring_control *control;
};

/* The first thing that Mesa's driver asks. */
static void ask_once(struct idle *idle)
{
    uint8_t *buffer = (uint8_t *)(idle->control + 1);
    struct pv_encoder out = {.cursor = buffer, .end = buffer + 1024};
    uint32_t version = 0;
    pv_guest_encode_vkEnumerateInstanceVersion(
        &out, 0, &(struct pv_vkEnumerateInstanceVersion){.pApiVersion = &version});
    PV_ASSERT(!out.overflow);
    __atomic_store_n(&idle->control->tail, (uint32_t)(out.cursor - buffer), __ATOMIC_RELEASE);
    PV_ASSERT(pv_venus_ring_notify(idle->ring) == PV_OK);
}

static void idle_open(struct idle *idle, struct pv_renderer *renderer)
{
    struct pv_context_params params = {.struct_size = sizeof(params)};
    idle->control = guest_embed_map(PV_VENUS_RING_SIZE_DEFAULT);
    PV_ASSERT(pv_context_create(renderer, &params, &idle->context) == PV_OK);
    PV_ASSERT(pv_venus_ring_create_from_memory(idle->control, PV_VENUS_RING_SIZE_DEFAULT,
                                               &idle->ring) == PV_OK);
    PV_ASSERT(pv_venus_integration_start(idle->ring, idle->context) == PV_OK);
    ask_once(idle);
}

static void idle_close(struct idle *idle)
{
    pv_context_destroy(idle->context);
    PV_ASSERT(pv_venus_ring_destroy(idle->ring) == PV_OK);
    PV_ASSERT(munmap(idle->control, PV_VENUS_RING_SIZE_DEFAULT) == 0);
}

/* --- the program ------------------------------------------------------------------------------ */

/* Of memory that the caller has made for the guest: what is backed counts as his. */
static size_t backed_bytes(void *memory, size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t count = (size + page - 1) / page;
    static unsigned char pages[PV_VENUS_RING_SIZE_DEFAULT / 4096];
    PV_ASSERT(count <= sizeof(pages) && mincore(memory, size, pages) == 0);
    size_t backed = 0;
    for (size_t i = 0; i < count; i++) {
        backed += (pages[i] & 1) != 0 ? page : 0;
    }
    return backed;
}

static bool parse(int argc, char **argv, uint32_t *contexts)
{
    char *end = NULL;
    unsigned long count = argc == 2 ? strtoul(argv[1], &end, 10) : 1;
    if (argc > 2 || (end != NULL && *end != '\0') || count < 1 || count > CONTEXTS_MAX) {
        fprintf(stderr, "usage: memory_embed [CONTEXTS], 1 to %d\n", CONTEXTS_MAX);
        return false;
    }
    *contexts = (uint32_t)count;
    return true;
}

int main(int argc, char **argv)
{
    static struct idle idle[CONTEXTS_MAX];
    uint32_t contexts;
    if (!parse(argc, argv, &contexts)) {
        return 2;
    }
    world_open();
    struct guest_embed *embed = guest_embed_create(&(struct guest_embed_params){0});
    fill_a_buffer(embed->g);
    size_t callers = backed_bytes(embed->control, embed->memory_size) +
                     backed_bytes(embed->g->ring.reply.map, embed->g->ring.reply.size);
    for (uint32_t i = 1; i < contexts; i++) {
        idle_open(&idle[i], embed->context->renderer);
        callers += backed_bytes(idle[i].control, PV_VENUS_RING_SIZE_DEFAULT);
    }
    memory_report(callers);
    for (uint32_t i = 1; i < contexts; i++) {
        idle_close(&idle[i]);
    }
    guest_embed_destroy(embed);
    world_close();
    return 0;
}
