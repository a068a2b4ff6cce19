/*
 * A buffer that the GPU fills, on your own memory and your own thread: <pearvisor/venus.h>.
 *
 *     cc embed.c -o embed $(pkg-config --cflags --libs pearvisor) && ./embed
 *
 * The program plays host and guest; what a guest writes is in embed_guest.h.
 */
#include "embed_guest.h"

#include <pearvisor/pearvisor.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static struct pv_venus_ring_control *control; /* the ring's memory; the buffer is behind it */
static struct pv_venus_ring *ring;
static uint32_t *reply; /* memory that the guest reads, too */

static void check(const char *what, enum pv_result result)
{
    if (result != PV_OK) {
        fprintf(stderr, "embed: %s: %s\n", what, pv_result_name(result));
        exit(1);
    }
}

/* The guest's half: words into the buffer, then the tail. All fits in before the buffer's end. */
static void put(struct command command)
{
    uint32_t size = (uint32_t)(command.count * sizeof(uint32_t));
    memcpy((char *)(control + 1) + control->tail, command.words, size);
    __atomic_store_n(&control->tail, control->tail + size, __ATOMIC_RELEASE);
}

static void run(struct command command)
{
    put(set_reply_stream());
    put(command);
    check(command.name, pv_venus_ring_notify(ring)); /* the host's half: execute what is there */
    if (command.answer == ANSWER_RESULT && (int32_t)reply[1] < 0) {
        fprintf(stderr, "embed: %s: VkResult %d\n", command.name, (int32_t)reply[1]);
        exit(1);
    }
}

int main(void)
{
    void *memory = aligned_alloc(PV_VENUS_RING_ALIGNMENT, PV_VENUS_RING_SIZE_DEFAULT);
    reply = aligned_alloc(PV_VENUS_RING_ALIGNMENT, REPLY_SIZE);
    check("memory for ring and replies", memory && reply ? PV_OK : PV_NO_MEMORY);
    control = memset(memory, 0, sizeof(*control));
    struct pv_context *context;
    check("pv_venus_init (no Vulkan driver?)", pv_venus_init(NULL, &context));
    check("pv_venus_ring_create_from_memory",
          pv_venus_ring_create_from_memory(memory, PV_VENUS_RING_SIZE_DEFAULT, &ring));
    check("pv_venus_integration_start", pv_venus_integration_start(ring, context));
    check("pv_context_attach_memory",
          pv_context_attach_memory(context, REPLY_RESOURCE, reply, REPLY_SIZE, NULL, NULL));

    /* What the guest maps of its VkDeviceMemory, the host maps as well. */
    const struct pv_context_blob_params params = {.struct_size = sizeof(params),
                                                  .resource_id = MEMORY_RESOURCE,
                                                  .blob_id = MEMORY,
                                                  .flags = PV_CONTEXT_BLOB_MAPPABLE,
                                                  .size_bytes = guest_fill(run, reply)};
    struct pv_context_blob blob = {.struct_size = sizeof(blob)};
    check("pv_context_create_blob", pv_context_create_blob(context, &params, &blob));
    const uint32_t *filled = mmap(NULL, BUFFER_SIZE, PROT_READ, MAP_SHARED, blob.fd, 0);
    check("mapping the blob", filled != MAP_FAILED ? PV_OK : PV_HOST_FAILED);
    for (int i = 0; i < BUFFER_SIZE / 4; i++) {
        printf("%08x%c", filled[i], i % 8 == 7 ? '\n' : ' ');
    }
    check("pv_venus_integration_stop", pv_venus_integration_stop(ring));
    check("pv_venus_ring_destroy", pv_venus_ring_destroy(ring));
    pv_venus_cleanup(context); /* lets go of `reply`, too; the process ends: so do the mappings */
    free(memory);
    free(reply);
    return 0;
}
