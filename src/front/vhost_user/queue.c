#include "front/vhost_user/queue.h"

#include "base/assert.h"
#include "base/fd.h"
#include "base/guest.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Flags of descriptors and of the available ring. */
enum { FLAG_NEXT = 1, FLAG_WRITE = 2, FLAG_INDIRECT = 4, FLAG_NO_INTERRUPT = 1 };

struct descriptor {
    uint64_t guest_address;
    uint32_t size;
    uint16_t flags;
    uint16_t next;
};

struct available_ring {
    uint16_t flags;
    uint16_t index;
    uint16_t heads[]; /* behind them: used_event */
};

struct used_element {
    uint32_t head;
    uint32_t size;
};

struct used_ring {
    uint16_t flags;
    uint16_t index;
    struct used_element elements[]; /* behind them: avail_event */
};

/* The queue's parts in our memory, for the length of one call. */
struct rings {
    const uint8_t *descriptors;
    struct available_ring *available;
    struct used_ring *used;
};

enum pv_result pv_vhost_queue_init(struct pv_vhost_queue *queue, uint32_t index,
                                   const struct pv_log *log)
{
    *queue = (struct pv_vhost_queue){.log = log, .index = index, .kick = -1, .call = -1};
    queue->chains = calloc(PV_VHOST_QUEUE_SIZE_MAX, sizeof(*queue->chains));
    return queue->chains != NULL ? PV_OK : PV_NO_MEMORY;
}

void pv_vhost_queue_finish(struct pv_vhost_queue *queue)
{
    if (queue->chains == NULL) {
        return;
    }
    pv_vhost_queue_stop(queue);
    pv_vhost_queue_drop(queue);
    for (uint32_t i = 0; i < PV_VHOST_QUEUE_SIZE_MAX; i++) {
        free(queue->chains[i].segments);
    }
    free(queue->chains);
    queue->chains = NULL;
}

static void complain(struct pv_vhost_queue *queue, const char *what)
{
    if (!queue->has_complained) {
        pv_log_error(queue->log, "queue %u: %s", queue->index, what);
    }
    queue->has_complained = true;
}

static enum pv_vhost_take break_queue(struct pv_vhost_queue *queue, const char *why)
{
    queue->is_broken = true;
    complain(queue, why);
    return PV_VHOST_EMPTY;
}

static bool locate(const struct pv_vhost_queue *queue, const struct pv_vhost_memory *memory,
                   struct rings *rings)
{
    const uint64_t size = queue->size;
    const uint64_t event = queue->has_event_idx ? sizeof(uint16_t) : 0;
    const uint64_t available_size = sizeof(struct available_ring) + size * sizeof(uint16_t) + event;
    const uint64_t used_size =
        sizeof(struct used_ring) + size * sizeof(struct used_element) + event;
    rings->descriptors =
        pv_vhost_memory_at_user(memory, queue->descriptors, size * sizeof(struct descriptor), 16);
    uint8_t *available = pv_vhost_memory_at_user(memory, queue->available, available_size, 2);
    uint8_t *used = pv_vhost_memory_at_user(memory, queue->used, used_size, 4);
    rings->available = (struct available_ring *)(void *)available;
    rings->used = (struct used_ring *)(void *)used;
    return rings->descriptors != NULL && available != NULL && used != NULL;
}

enum pv_result pv_vhost_queue_start(struct pv_vhost_queue *queue,
                                    const struct pv_vhost_memory *memory, int taken_kick)
{
    pv_fd_close(&queue->kick);
    queue->kick = taken_kick;
    if (queue->size == 0) {
        return PV_GUEST_FAULT;
    }
    if (queue->is_started) {
        return PV_OK;
    }
    queue->is_started = true;
    queue->is_broken = queue->has_complained = false;
    struct rings rings;
    if (locate(queue, memory, &rings)) {
        queue->next_used = pv_guest_load_u16(&rings.used->index);
    } else {
        /* The guest chose the place, so this is its loss and not the front-end's fault. */
        (void)break_queue(queue, "its rings are not in memory");
    }
    return PV_OK;
}

void pv_vhost_queue_interrupt(struct pv_vhost_queue *queue)
{
    if (queue->wants_interrupt && queue->call >= 0) {
        const uint64_t one = 1;
        /* Full means that an interrupt is under way anyhow. */
        ssize_t written = write(queue->call, &one, sizeof(one));
        (void)written;
    }
    queue->wants_interrupt = false;
}

void pv_vhost_queue_stop(struct pv_vhost_queue *queue)
{
    pv_vhost_queue_interrupt(queue); /* of what was given so far */
    queue->is_started = false;
    pv_fd_close(&queue->kick);
    pv_fd_close(&queue->call);
}

static void forget_answer(struct pv_vhost_queue *queue, struct pv_vhost_chain *chain)
{
    queue->kept_count -= chain->kept != NULL ? 1 : 0;
    free(chain->kept);
    chain->kept = NULL;
}

void pv_vhost_queue_drop(struct pv_vhost_queue *queue)
{
    for (uint32_t i = 0; i < PV_VHOST_QUEUE_SIZE_MAX; i++) {
        forget_answer(queue, &queue->chains[i]);
        queue->chains[i].is_pending = false;
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

static void push_used(struct pv_vhost_queue *queue, const struct rings *rings, uint16_t head,
                      size_t size)
{
    struct used_ring *used = rings->used;
    const uint32_t slot = queue->next_used & (queue->size - 1);
    pv_guest_store_u32(&used->elements[slot].head, head);
    pv_guest_store_u32(&used->elements[slot].size, (uint32_t)size);
    const uint16_t before = queue->next_used++;
    pv_guest_store_u16(&used->index, queue->next_used);
    /* The guest says what it wants to hear of before it looks at the index for the last time. */
    pv_guest_fence();
    if (queue->has_event_idx) {
        queue->wants_interrupt |=
            pv_guest_load_u16(&rings->available->heads[queue->size]) == before;
    } else {
        queue->wants_interrupt |=
            (pv_guest_load_u16(&rings->available->flags) & FLAG_NO_INTERRUPT) == 0;
    }
}

static bool scatter(const struct pv_vhost_chain *chain, const struct pv_vhost_memory *memory,
                    const uint8_t *bytes, size_t size)
{
    for (uint32_t i = 0; i < chain->segment_count && size > 0; i++) {
        const struct pv_vhost_segment *segment = &chain->segments[i];
        size_t piece = segment->size < size ? segment->size : size;
        if (!pv_vhost_memory_write(memory, segment->guest_address, bytes, piece)) {
            return false;
        }
        bytes += piece;
        size -= piece;
    }
    PV_ASSERT(size == 0);
    return true;
}

static void answer(struct pv_vhost_queue *queue, const struct pv_vhost_memory *memory,
                   const struct rings *rings, uint16_t head, const void *response, size_t size)
{
    struct pv_vhost_chain *chain = &queue->chains[head];
    if (!scatter(chain, memory, response, size)) {
        complain(queue, "the room for an answer is no memory any more");
        size = 0;
    }
    chain->is_pending = false;
    push_used(queue, rings, head, size);
}

void pv_vhost_queue_give(struct pv_vhost_queue *queue, const struct pv_vhost_memory *memory,
                         uint16_t head, const void *response, size_t size)
{
    struct pv_vhost_chain *chain = &queue->chains[head];
    PV_ASSERT(head < PV_VHOST_QUEUE_SIZE_MAX && chain->is_pending && chain->kept == NULL);
    struct rings rings;
    if (queue->is_started && !queue->is_broken && locate(queue, memory, &rings)) {
        answer(queue, memory, &rings, head, response, size);
        return;
    }
    chain->kept = malloc(size + 1);
    if (chain->kept == NULL) {
        complain(queue, "no memory for an answer that must wait");
        return;
    }
    memcpy(chain->kept, response, size);
    chain->kept_size = size;
    queue->kept_count++;
}

static void give_kept(struct pv_vhost_queue *queue, const struct pv_vhost_memory *memory,
                      const struct rings *rings)
{
    for (uint32_t i = 0; i < queue->size && queue->kept_count > 0; i++) {
        struct pv_vhost_chain *chain = &queue->chains[i];
        if (chain->kept != NULL) {
            answer(queue, memory, rings, (uint16_t)i, chain->kept, chain->kept_size);
            forget_answer(queue, chain);
        }
    }
}

/* --- requests --------------------------------------------------------------------------------- */

static const char *add_writable(struct pv_vhost_chain *chain, const struct pv_vhost_memory *memory,
                                const struct descriptor *descriptor, struct pv_vhost_taken *taken)
{
    if (!pv_vhost_memory_covers(memory, descriptor->guest_address, descriptor->size)) {
        return "a chain has room for its answer outside of memory";
    }
    if (chain->segment_count == chain->segment_room) {
        uint32_t room = chain->segment_room == 0 ? 4 : chain->segment_room * 4;
        void *segments = realloc(chain->segments, room * sizeof(*chain->segments));
        if (segments == NULL) {
            return "no memory for a chain";
        }
        chain->segments = segments;
        chain->segment_room = room;
    }
    chain->segments[chain->segment_count++] =
        (struct pv_vhost_segment){descriptor->guest_address, descriptor->size};
    taken->response_capacity += descriptor->size;
    return NULL;
}

static const char *add_readable(const struct pv_vhost_chain *chain,
                                const struct pv_vhost_memory *memory,
                                const struct descriptor *descriptor, struct pv_vhost_taken *taken)
{
    if (chain->segment_count > 0) {
        return "a chain has bytes to read behind room to write";
    }
    /* What is too long is for the device to refuse; it need not be here as a whole for that. */
    size_t left = taken->room - taken->size;
    size_t piece = descriptor->size < left ? descriptor->size : left;
    if (!pv_vhost_memory_read(memory, descriptor->guest_address, taken->bytes + taken->size,
                              piece)) {
        return "a chain has bytes outside of memory";
    }
    taken->size += piece;
    return NULL;
}

/* Where descriptors are read from: the queue's own table, or one that a descriptor names. */
struct table {
    const uint8_t *own; /* NULL: another */
    uint64_t guest_address;
    uint32_t count;
};

static bool read_descriptor(const struct table *table, const struct pv_vhost_memory *memory,
                            uint32_t at, struct descriptor *descriptor)
{
    const uint64_t offset = (uint64_t)at * sizeof(*descriptor);
    if (table->own != NULL) {
        pv_guest_copy(descriptor, table->own + offset, sizeof(*descriptor));
        return true;
    }
    return table->guest_address <= UINT64_MAX - offset &&
           pv_vhost_memory_read(memory, table->guest_address + offset, descriptor,
                                sizeof(*descriptor));
}

/* Follows a chain from its head; NULL, or what is wrong with it. */
static const char *follow(const struct pv_vhost_queue *queue, const struct pv_vhost_memory *memory,
                          const struct rings *rings, struct pv_vhost_chain *chain,
                          struct pv_vhost_taken *taken)
{
    struct table table = {.own = rings->descriptors, .count = queue->size};
    uint32_t at = taken->head;
    for (uint32_t steps = 0; steps < PV_VHOST_CHAIN_MAX; steps++) {
        struct descriptor descriptor;
        if (at >= table.count) {
            return "a chain goes on beyond the table";
        }
        if (!read_descriptor(&table, memory, at, &descriptor)) {
            return "an indirect table is outside of memory";
        }
        if ((descriptor.flags & FLAG_INDIRECT) != 0) {
            if (!queue->has_indirect || table.own == NULL || (descriptor.flags & FLAG_NEXT) != 0 ||
                descriptor.size % sizeof(descriptor) != 0) {
                return "an indirect descriptor makes no sense";
            }
            table = (struct table){.guest_address = descriptor.guest_address,
                                   .count = descriptor.size / sizeof(descriptor)};
            at = 0;
            continue;
        }
        const char *fault = (descriptor.flags & FLAG_WRITE) != 0
                                ? add_writable(chain, memory, &descriptor, taken)
                                : add_readable(chain, memory, &descriptor, taken);
        if (fault != NULL || (descriptor.flags & FLAG_NEXT) == 0) {
            return fault;
        }
        at = descriptor.next;
    }
    return "a chain has no end";
}

/* How many chains are available; asks for a kick when there are none. */
static uint16_t look(const struct pv_vhost_queue *queue, const struct rings *rings)
{
    uint16_t count =
        (uint16_t)(pv_guest_load_u16(&rings->available->index) - queue->next_available);
    if (count == 0 && queue->has_event_idx) {
        uint16_t *event = (uint16_t *)(void *)&rings->used->elements[queue->size];
        pv_guest_store_u16(event, queue->next_available);
        pv_guest_fence();
        count = (uint16_t)(pv_guest_load_u16(&rings->available->index) - queue->next_available);
    }
    return count;
}

enum pv_vhost_take pv_vhost_queue_take(struct pv_vhost_queue *queue,
                                       const struct pv_vhost_memory *memory,
                                       struct pv_vhost_taken *taken)
{
    struct rings rings;
    if (!queue->is_started || !queue->is_enabled || queue->is_broken ||
        !locate(queue, memory, &rings)) {
        return PV_VHOST_EMPTY;
    }
    give_kept(queue, memory, &rings);
    const uint16_t count = look(queue, &rings);
    if (count == 0) {
        return PV_VHOST_EMPTY;
    }
    if (count > queue->size) {
        return break_queue(queue, "the guest says that more is available than there can be");
    }
    const uint32_t slot = queue->next_available & (queue->size - 1);
    const uint16_t head = pv_guest_load_u16(&rings.available->heads[slot]);
    if (head >= queue->size) {
        return break_queue(queue, "a chain begins beyond the table");
    }
    struct pv_vhost_chain *chain = &queue->chains[head];
    if (chain->is_pending) {
        return break_queue(queue, "a chain is made available while the device has it");
    }
    queue->next_available++;
    taken->head = head;
    taken->size = taken->response_capacity = 0;
    chain->segment_count = 0;
    const char *fault = follow(queue, memory, &rings, chain, taken);
    if (fault != NULL) {
        complain(queue, fault);
        push_used(queue, &rings, head, 0);
        return PV_VHOST_REFUSED;
    }
    chain->is_pending = true;
    return PV_VHOST_REQUEST;
}
