#include "fakes/bytes.h"

#include "base/assert.h"
#include "unit/check.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM = 32 << 20, ARENA_LIMIT = 64 << 20 };

static struct {
    uint8_t *bytes; /* ROOM */
    size_t size;
    uint8_t *exact; /* what is being decoded: a copy, so that a sanitizer sees its end */
    struct pv_arena arena;
    size_t limit_bytes;
    struct pv_objects *objects;
} stream;

void bytes_begin(void)
{
    if (stream.bytes == NULL) {
        stream.bytes = malloc(ROOM);
        assert_non_null(stream.bytes);
    }
    stream.size = 0;
    stream.limit_bytes = ARENA_LIMIT;
    stream.objects = NULL;
}

static void add(const void *data, size_t size)
{
    PV_ASSERT(stream.size + size <= ROOM);
    memcpy(stream.bytes + stream.size, data, size);
    stream.size += size;
}

void bytes_u32(uint32_t value)
{
    add(&value, sizeof(value));
}

void bytes_u64(uint64_t value)
{
    add(&value, sizeof(value));
}

void bytes_zeros(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bytes_u32(0);
    }
}

void bytes_data(const void *data, size_t size)
{
    static const uint8_t padding[4];
    add(data, size);
    add(padding, (0 - size) & 3);
}

void bytes_struct(int32_t type)
{
    bytes_u32((uint32_t)type);
    bytes_u64(0);
}

void bytes_use_objects(struct pv_objects *objects)
{
    stream.objects = objects;
}

void bytes_limit(size_t limit_bytes)
{
    stream.limit_bytes = limit_bytes;
}

const char *bytes_decode_prefix(const struct pv_args_command *command, const uint8_t *encoded,
                                size_t size, void *args)
{
    pv_arena_finish(&stream.arena);
    pv_arena_init(&stream.arena, stream.limit_bytes);
    free(stream.exact);
    stream.exact = malloc(size != 0 ? size : 1);
    assert_non_null(stream.exact);
    memcpy(stream.exact, encoded, size);
    struct pv_decoder in = {
        .cursor = stream.exact, .end = stream.exact + size, .arena = &stream.arena};
    if (stream.objects != NULL) {
        pv_decode_use_objects(&in, stream.objects);
    }
    memset(args, 0, command->type.size);
    command->decode(&in, args);
    if (pv_decode_ok(&in) && in.cursor != in.end) {
        return "bytes are left";
    }
    return in.fault;
}

const char *bytes_decode(const struct pv_args_command *command, void *args)
{
    return bytes_decode_prefix(command, stream.bytes, stream.size, args);
}

void bytes_expect_fault(const struct pv_args_command *command, const char *fault)
{
    _Alignas(16) uint8_t args[BYTES_ARGS_SIZE_MAX];
    const char *found = bytes_decode(command, args);
    assert_non_null(found);
    assert_string_equal(found, fault);
}

void bytes_expect_ok(const struct pv_args_command *command, void *args)
{
    const char *found = bytes_decode(command, args);
    if (found != NULL) {
        fail_msg("%s: %s", command->type.name, found);
    }
}

size_t bytes_taken(void)
{
    size_t taken = 0;
    for (const struct pv_arena_block *block = stream.arena.blocks; block != NULL;
         block = block->older) {
        taken += block->size;
    }
    return taken;
}
