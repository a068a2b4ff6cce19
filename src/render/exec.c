#include "base/assert.h"
#include "base/clock.h"
#include "base/histogram.h"
#include "render/private.h"

#include <stdlib.h>
#include <string.h>

enum {
    PUBLISH_STEP = 2048, /* a guest that waits for room in the ring gets some by then */
    GENERATE_REPLY = 1,  /* VK_COMMAND_GENERATE_REPLY_BIT_EXT */
};

enum pv_result pv_exec_init(struct pv_exec *x, struct pv_render_context *context)
{
    static const _Atomic uint32_t nobody;
    memset(x, 0, sizeof(*x));
    x->context = context;
    x->awaiters = &nobody;
    pv_arena_init(&x->arena, (size_t)context->params.quota.arena_bytes);
    pv_arena_init(&x->nested_arena, (size_t)context->params.quota.arena_bytes);
    x->arena.budget = &context->scratch;
    x->nested_arena.budget = &context->scratch;
    x->in.arena = &x->arena;
    pv_decode_use_objects(&x->in, &context->objects);
    x->in.await = pv_compiles_await;
    x->tally.counts = calloc(PV_COMMAND_COUNT, sizeof(*x->tally.counts));
    x->reader = pv_epoch_join(&context->epoch);
    if (x->tally.counts == NULL || x->reader == NULL) {
        pv_exec_finish(x);
        return PV_NO_MEMORY;
    }
    return PV_OK;
}

void pv_exec_attach(struct pv_exec *x, struct pv_ring *ring)
{
    x->ring = ring;
    x->awaiters = pv_ring_awaiters(ring);
}

void pv_exec_free_nested(struct pv_exec *x)
{
    if (x->nested_bytes != NULL) {
        free(x->nested_bytes);
        pv_budget_give(&x->context->scratch, x->nested_capacity);
    }
    x->nested_bytes = NULL;
    x->nested_capacity = 0;
}

void pv_exec_finish(struct pv_exec *x)
{
    if (x->reader != NULL) {
        pv_epoch_leave(&x->context->epoch, x->reader);
    }
    pv_blob_unref(x->reply.blob);
    pv_arena_finish(&x->nested_arena);
    pv_arena_finish(&x->arena);
    pv_exec_free_nested(x);
    free(x->tally.counts);
    memset(x, 0, sizeof(*x));
}

void pv_exec_fault(struct pv_exec *x, const char *why)
{
    pv_decode_fault(&x->in, why);
}

void pv_exec_failed(struct pv_exec *x, VkResult result)
{
    struct pv_device *device = pv_exec_find_device(x);
    bool is_lost = result == VK_ERROR_DEVICE_LOST;
    if (x->wants_reply) {
        if (is_lost && device != NULL) {
            atomic_store_explicit(&device->is_known_lost, true, memory_order_relaxed);
        }
    } else if (is_lost && (device == NULL || !pv_device_is_known_lost(device))) {
        static const char why[] = "the device is lost, and the guest has asked for no reply";
        pv_render_tell_failure(x->context, x->command, result);
        pv_render_set_fatal(x->context, why); /* and nobody's fault */
        pv_exec_fault(x, why);
    } else {
        pv_render_tell_failure(x->context, x->command, result);
    }
}

void pv_exec_absent(struct pv_exec *x)
{
    pv_exec_fault(x, "the driver lacks this command, or what brings it is not enabled");
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

/* Head := the last boundary; what is before it, replies included, is done. */
void pv_exec_publish(struct pv_exec *x)
{
    uint32_t size = (uint32_t)(x->boundary - x->batch);
    if (x->ring != NULL && (size > x->published || (size == 0 && pv_ring_is_behind(x->ring)))) {
        pv_ring_publish(x->ring, size);
        x->published = size;
    }
    x->publish_at = x->boundary + PUBLISH_STEP;
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
    pv_render_guest_fault(x->context, x->in.fault);
}

/* A batch or nested stream may hold hours of work: its end comes with that of the context or ring.
 */
static void end_if_stopped(struct pv_exec *x)
{
    if (PV_UNLIKELY(pv_exec_must_stop(x))) {
        pv_exec_fault(x, "the context has ended");
    }
}

/* The slow path: what not every command, or not every stream, may do. False: do not execute. */
static PV_COLD bool admit(struct pv_exec *x, const struct pv_command *command)
{
    const char *why = NULL;
    if ((command->flags & PV_COMMAND_NO_EXEC) != 0) {
        why = command->note;
    } else if ((command->flags & PV_COMMAND_ON_CONTEXT) != 0 && x->ring != NULL) {
        why = "not allowed on a ring";
    } else if ((command->flags & PV_COMMAND_ON_RING) != 0 && x->ring == NULL) {
        why = "allowed on a ring only";
    }
    if (why != NULL) {
        pv_exec_fault(x, why);
        return false;
    }
    if ((command->flags & PV_COMMAND_MAY_BLOCK) != 0) {
        pv_exec_publish(x);
        end_if_stopped(x); /* a batch may hold hours of these */
    }
    return pv_decode_ok(&x->in);
}

static PV_ALWAYS_INLINE void execute(struct pv_exec *x, const struct pv_command *command,
                                     const uint8_t *start)
{
    count(&x->tally.counts[command - pv_commands], 1);
    x->in.cursor = start + command->size;
    command->exec(x, start + PV_COMMAND_HEADER_SIZE);
}

/* A command with flags, or special, or cut short. */
static PV_NOINLINE void execute_special(struct pv_exec *x, const uint8_t *start)
{
    uint32_t number = pv_load_u32(start);
    uint32_t flags = pv_load_u32(start + 4);
    if (number >= PV_COMMAND_COUNT || flags > GENERATE_REPLY) {
        pv_exec_fault(x, number >= PV_COMMAND_COUNT ? "no such command" : "unknown command flags");
        return;
    }
    if (flags == GENERATE_REPLY) {
        x->wants_reply = true;
        x->attend_at = start;
        x->reply_began_ns = pv_clock_now_ns();
    }
    const struct pv_command *command = &pv_commands[number];
    if ((command->flags & PV_COMMAND_SPECIAL) != 0 && !admit(x, command)) {
        return;
    }
    if ((size_t)(x->in.end - start) < command->size) {
        pv_exec_fault(x, "the command is cut short");
        return;
    }
    execute(x, command, start);
}

static PV_ALWAYS_INLINE void execute_one(struct pv_exec *x, const uint8_t *start)
{
    size_t left = (size_t)(x->in.end - start);
    if (PV_UNLIKELY(left < PV_COMMAND_HEADER_SIZE)) {
        x->command = 0;
        pv_exec_fault(x, "the command is cut short");
        return;
    }
    uint64_t header = pv_load_u64(start); /* no flags: the number */
    x->command = (uint32_t)header;
    if (PV_UNLIKELY(header >= PV_COMMAND_COUNT ||
                    (pv_commands[header].flags & PV_COMMAND_SPECIAL) != 0 ||
                    left < pv_commands[header].size)) {
        execute_special(x, start);
        return;
    }
    execute(x, &pv_commands[header], start);
}

/* The command has written its reply, but for one that is nothing but its number. */
static void finish_reply(struct pv_exec *x)
{
    if (pv_decode_ok(&x->in) && (pv_commands[x->command].flags & PV_COMMAND_TELLS_NOTHING) != 0) {
        pv_encode_u32(&x->out, x->command);
    }
    if (PV_UNLIKELY(x->out.overflow)) {
        pv_exec_fault(x, x->reply.blob != NULL ? "the reply does not fit its stream"
                                               : "a reply without a reply stream");
    }
    if (PV_LIKELY(pv_decode_ok(&x->in))) {
        count(&x->tally.latency[pv_histogram_bucket(pv_clock_now_ns() - x->reply_began_ns)], 1);
    }
}

/* No command is looked at again before the head is due, or the batch ends: a fault ends it too. */
static void plan_attention(struct pv_exec *x)
{
    x->attend_at = x->publish_at < x->in.end ? x->publish_at : x->in.end;
}

/* After a command that needs more than the next one: because of its reply, its fault, a head that
 * somebody may be looking for. False at the stream's end. */
static PV_NOINLINE bool attend(struct pv_exec *x, bool nested)
{
    const bool replied = x->wants_reply;
    if (replied) {
        finish_reply(x);
        x->wants_reply = false;
    }
    if (nested) {
        end_if_stopped(x);
    } else if (pv_decode_ok(&x->in)) {
        x->boundary = x->in.cursor;
        if (replied || x->boundary >= x->publish_at ||
            atomic_load_explicit(x->awaiters, memory_order_relaxed) != 0) {
            pv_exec_publish(x);
            end_if_stopped(x);
        }
        plan_attention(x);
    }
    return x->in.cursor < x->in.end;
}

static PV_ALWAYS_INLINE void run(struct pv_exec *x, const uint8_t *bytes, uint64_t size,
                                 uint64_t base, bool nested)
{
    struct pv_arena *arena = x->in.arena;
    const _Atomic uint32_t *awaiters = x->awaiters;
    const uint8_t *start = bytes;
    x->in.cursor = bytes;
    x->in.end = bytes + size;
    plan_attention(x);
    for (bool more = size != 0; more;) {
        start = x->in.cursor;
        if (!nested) {
            x->boundary = start;
        }
        pv_arena_reset(arena);
        execute_one(x, start);
        if (PV_UNLIKELY(nested || x->in.cursor >= x->attend_at ||
                        atomic_load_explicit(awaiters, memory_order_relaxed) != 0)) {
            more = attend(x, nested);
        }
    }
    if (PV_UNLIKELY(!pv_decode_ok(&x->in))) {
        report_fault(x, base + (uint64_t)(start - bytes));
    }
}

enum pv_result pv_exec_stream(struct pv_exec *x, uint8_t *bytes, uint64_t size)
{
    if (PV_UNLIKELY(pv_render_is_fatal(x->context))) {
        return PV_GUEST_FAULT;
    }
    if (PV_UNLIKELY(size % 4 != 0)) {
        pv_exec_fault(x, "the stream's size is not a multiple of 4");
        report_fault(x, x->tally.bytes);
        return PV_GUEST_FAULT;
    }
    x->batch = bytes;
    x->boundary = bytes;
    x->published = 0;
    x->publish_at = bytes + PUBLISH_STEP;
    x->arrival_deadline_ns = 0;
    pv_epoch_quiet(&x->context->epoch, x->reader);
    run(x, bytes, size, x->tally.bytes, false);
    /* An idle ring must not keep what one large command has taken. */
    pv_arena_reset(&x->arena);
    count(&x->tally.bytes, size);
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
    uint64_t outer_reply_began_ns = x->reply_began_ns;
    const uint8_t *outer_attend_at = x->attend_at;
    x->nested = true;
    x->wants_reply = false;
    x->in.arena = &x->nested_arena;
    run(x, bytes, size, 0, true);
    pv_arena_reset(&x->nested_arena);
    x->in.arena = &x->arena;
    x->nested = false;
    count(&x->tally.bytes, size);
    x->wants_reply = outer_wants_reply;
    x->reply_began_ns = outer_reply_began_ns;
    x->command = outer_command;
    x->attend_at = outer_attend_at;
    x->in.cursor = pv_decode_ok(&x->in) ? outer_cursor : outer_end;
    x->in.end = outer_end;
}
