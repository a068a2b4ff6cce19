#include "base/assert.h"
#include "render/private.h"

#include <stdlib.h>
#include <string.h>

enum {
    COMMAND_HEADER_SIZE = 8,
    PUBLISH_STEP = 2048, /* a guest that waits for room in the ring gets some by then */
    GENERATE_REPLY = 1,  /* VK_COMMAND_GENERATE_REPLY_BIT_EXT */
};

enum pv_result pv_exec_init(struct pv_exec *x, struct pv_render_context *context,
                            struct pv_ring *ring)
{
    memset(x, 0, sizeof(*x));
    x->context = context;
    x->ring = ring;
    pv_arena_init(&x->arena, (size_t)context->params.quota.arena_bytes);
    pv_arena_init(&x->nested_arena, (size_t)context->params.quota.arena_bytes);
    x->in.arena = &x->arena;
    x->in.objects = &context->objects;
    x->counts = calloc(PV_COMMAND_COUNT, sizeof(*x->counts));
    x->reader = pv_epoch_join(&context->epoch);
    if (x->counts == NULL || x->reader == NULL) {
        pv_exec_finish(x);
        return PV_NO_MEMORY;
    }
    return PV_OK;
}

void pv_exec_finish(struct pv_exec *x)
{
    if (x->reader != NULL) {
        pv_epoch_leave(&x->context->epoch, x->reader);
    }
    pv_blob_unref(x->reply.blob);
    pv_arena_finish(&x->nested_arena);
    pv_arena_finish(&x->arena);
    free(x->nested_bytes);
    free(x->counts);
    memset(x, 0, sizeof(*x));
}

void pv_exec_fault(struct pv_exec *x, const char *why)
{
    pv_decode_fault(&x->in, why);
}

void pv_exec_absent(struct pv_exec *x)
{
    pv_exec_fault(x, "the extension that brings this command is not enabled");
}

bool pv_exec_must_stop(const struct pv_exec *x)
{
    return pv_render_is_fatal(x->context) ||
           atomic_load_explicit(&x->stopping, memory_order_acquire);
}

/* Only this thread writes; others read for statistics. */
static PV_ALWAYS_INLINE void count(uint64_t *figure, uint64_t more)
{
    __atomic_store_n(figure, *figure + more, __ATOMIC_RELAXED);
}

/* Head := `position`; what is before it, replies included, is done. */
static void publish(struct pv_exec *x, const uint8_t *position)
{
    uint32_t size = (uint32_t)(position - x->batch);
    if (size > x->published) {
        pv_ring_publish(x->ring, size);
        x->published = size;
    }
}

void pv_exec_publish(struct pv_exec *x)
{
    if (x->ring != NULL) {
        publish(x, x->boundary);
    }
}

void pv_exec_sleep(struct pv_exec *x)
{
    pv_epoch_sleep(x->reader);
}

void pv_exec_wake(struct pv_exec *x)
{
    pv_epoch_wake(&x->context->epoch, x->reader);
}

/* One line, and the end of the context. Once per stream: an outer command of a nested stream has
 * the same fault. What ends because the context or the ring does is nobody's fault. */
static PV_COLD void report_fault(struct pv_exec *x, uint64_t offset)
{
    if (x->fault_reported || pv_exec_must_stop(x)) {
        return;
    }
    x->fault_reported = true;
    x->fault_offset = offset;
    const char *name = "no command";
    if (x->command < PV_COMMAND_COUNT && pv_commands[x->command].name != NULL) {
        name = pv_commands[x->command].name;
    }
    const char *where = x->nested ? "a nested stream" : x->ring != NULL ? "a ring" : "the context";
    pv_log_error(x->context->log, "guest fault: %s (command %u) at byte %llu of %s: %s", name,
                 x->command, (unsigned long long)offset, where, x->in.fault);
    atomic_fetch_add_explicit(&x->context->faults, 1, memory_order_relaxed);
    pv_render_set_fatal(x->context, x->in.fault);
}

/* The row to execute, or NULL and a fault. */
static const struct pv_command *find_command(struct pv_exec *x, uint32_t number)
{
    x->command = number;
    if (PV_UNLIKELY(number >= PV_COMMAND_COUNT)) {
        pv_exec_fault(x, "no such command");
        return NULL;
    }
    const struct pv_command *command = &pv_commands[number];
    if (PV_UNLIKELY(command->exec == NULL)) {
        pv_exec_fault(x, command->refusal != NULL ? command->refusal : "no such command");
        return NULL;
    }
    if (PV_UNLIKELY((command->flags & (PV_COMMAND_ON_CONTEXT | PV_COMMAND_ON_RING)) != 0)) {
        if ((command->flags & PV_COMMAND_ON_CONTEXT) != 0 && x->ring != NULL) {
            pv_exec_fault(x, "not allowed on a ring");
            return NULL;
        }
        if ((command->flags & PV_COMMAND_ON_RING) != 0 && x->ring == NULL) {
            pv_exec_fault(x, "allowed on a ring only");
            return NULL;
        }
    }
    return command;
}

static void execute_one(struct pv_exec *x)
{
    const uint8_t *header = pv_decode_take(&x->in, COMMAND_HEADER_SIZE);
    uint32_t number = pv_load_u32(header);
    uint32_t flags = pv_load_u32(header + 4);
    const struct pv_command *command = find_command(x, number);
    if (PV_UNLIKELY(command == NULL)) {
        return;
    }
    if (PV_UNLIKELY((flags & ~(uint32_t)GENERATE_REPLY) != 0)) {
        pv_exec_fault(x, "unknown command flags");
        return;
    }
    x->wants_reply = (flags & GENERATE_REPLY) != 0;
    x->in.owner = 0;
    if (PV_UNLIKELY((command->flags & PV_COMMAND_MAY_BLOCK) != 0)) {
        pv_exec_publish(x);
    }
    command->exec(x);
    count(&x->counts[number], 1);
    if (x->wants_reply) {
        count(&x->replies, 1);
        if (PV_UNLIKELY(x->out.overflow)) {
            pv_exec_fault(x, x->reply.blob != NULL ? "the reply does not fit its stream"
                                                   : "a reply without a reply stream");
        }
    }
}

/* After a command that went well. */
static void advance_boundary(struct pv_exec *x)
{
    if (x->nested) {
        return;
    }
    x->boundary = x->in.cursor;
    if (x->ring != NULL &&
        (x->wants_reply || (uint32_t)(x->boundary - x->batch) - x->published >= PUBLISH_STEP ||
         PV_UNLIKELY(pv_ring_is_awaited(x->ring)))) {
        publish(x, x->boundary);
    }
}

static void run(struct pv_exec *x, const uint8_t *bytes, uint64_t size, uint64_t base)
{
    x->in.cursor = bytes;
    x->in.end = bytes + size;
    while (x->in.cursor < x->in.end) {
        const uint8_t *start = x->in.cursor;
        pv_arena_reset(x->in.arena);
        execute_one(x);
        if (PV_UNLIKELY(!pv_decode_ok(&x->in))) {
            report_fault(x, base + (uint64_t)(start - bytes));
            return;
        }
        advance_boundary(x);
    }
}

enum pv_result pv_exec_stream(struct pv_exec *x, uint8_t *bytes, uint64_t size)
{
    if (PV_UNLIKELY(pv_render_is_fatal(x->context))) {
        return PV_GUEST_FAULT;
    }
    if (PV_UNLIKELY(size % 4 != 0)) {
        pv_exec_fault(x, "the stream's size is not a multiple of 4");
        report_fault(x, x->bytes);
        return PV_GUEST_FAULT;
    }
    x->batch = bytes;
    x->boundary = bytes;
    x->published = 0;
    pv_epoch_quiet(&x->context->epoch, x->reader);
    run(x, bytes, size, x->bytes);
    count(&x->bytes, size);
    if (PV_LIKELY(pv_decode_ok(&x->in))) {
        return PV_OK;
    }
    return atomic_load_explicit(&x->stopping, memory_order_acquire) ? PV_CLOSED : PV_GUEST_FAULT;
}

void pv_exec_nested(struct pv_exec *x, uint8_t *bytes, uint64_t size)
{
    PV_ASSERT(!x->nested);
    const uint8_t *outer_cursor = x->in.cursor;
    const uint8_t *outer_end = x->in.end;
    uint32_t outer_command = x->command;
    bool outer_wants_reply = x->wants_reply;
    x->nested = true;
    x->in.arena = &x->nested_arena;
    run(x, bytes, size, 0);
    pv_arena_reset(&x->nested_arena);
    x->in.arena = &x->arena;
    x->nested = false;
    count(&x->bytes, size);
    x->wants_reply = outer_wants_reply;
    x->command = outer_command;
    if (pv_decode_ok(&x->in)) {
        x->in.cursor = outer_cursor;
        x->in.end = outer_end;
    }
}

void pv_exec_account(struct pv_exec *x)
{
    struct pv_render_context *context = x->context;
    if (context == NULL || x->counts == NULL) {
        return;
    }
    uint64_t commands = 0;
    pthread_mutex_lock(&context->lock);
    for (uint32_t i = 0; i < PV_COMMAND_COUNT; i++) {
        commands += x->counts[i];
        context->ended_counts[i] += x->counts[i];
    }
    pthread_mutex_unlock(&context->lock);
    atomic_fetch_add_explicit(&context->commands, commands, memory_order_relaxed);
    atomic_fetch_add_explicit(&context->replies, x->replies, memory_order_relaxed);
    atomic_fetch_add_explicit(&context->bytes, x->bytes, memory_order_relaxed);
}
