#include "isolate/ring_word.h"

#include "base/checked.h"

#include <string.h>

enum {
    CREATE_RING = 188,

    /* VkRingCreateInfoMESA: where its words are behind the end of its pNext chain */
    RING_FLAGS_DWORDS = 1,
    RING_CHAIN_MAX = 8,
    STRUCTURE_RING_CREATE_INFO = 1000384000,
    STRUCTURE_RING_MONITOR_INFO = 1000384006,
    STRUCTURE_RING_PRIORITY_INFO = 1000384007,
};

static uint32_t dword(const uint8_t *commands, uint64_t index)
{
    uint32_t value;
    memcpy(&value, commands + index * 4, sizeof(value));
    return value;
}

static uint64_t qword(const uint8_t *commands, uint64_t index)
{
    return dword(commands, index) | (uint64_t)dword(commands, index + 1) << 32;
}

/* Finds the dword behind the chain that begins at `at`. Chained structures are nested on the wire
 * (each has its own chain in front of its body), but the two that rings have are both one dword
 * long, so bodies are skipped by counting. */
static bool skip_chain(const uint8_t *commands, uint64_t dword_count, uint64_t *at)
{
    uint64_t body_dwords = 0;
    for (uint32_t links = 0; links < RING_CHAIN_MAX; links++) {
        if (!pv_range_inside(*at, 2, dword_count)) {
            return false;
        }
        bool present = qword(commands, *at) != 0;
        *at += 2;
        if (!present) {
            *at += body_dwords;
            return true;
        }
        if (!pv_range_inside(*at, 1, dword_count)) {
            return false;
        }
        uint32_t type = dword(commands, *at);
        if (type != STRUCTURE_RING_MONITOR_INFO && type != STRUCTURE_RING_PRIORITY_INFO) {
            return false;
        }
        *at += 1;
        body_dwords += 1;
    }
    return false;
}

bool pv_ring_word_find(const uint8_t *commands, uint64_t size, uint32_t *resource_id,
                       uint64_t *status_offset)
{
    /* Type, flags, ring, present, structure type. */
    const uint64_t chain_at = 7;
    /* Flags, resource, then 64-bit: offset, size, idle timeout, head, tail, status. */
    const uint64_t body_dwords = 14;
    uint64_t dword_count = size / 4;
    if (dword_count < chain_at || dword(commands, 0) != CREATE_RING || qword(commands, 4) == 0 ||
        dword(commands, 6) != STRUCTURE_RING_CREATE_INFO) {
        return false;
    }
    uint64_t at = chain_at;
    if (!skip_chain(commands, dword_count, &at) || !pv_range_inside(at, body_dwords, dword_count)) {
        return false;
    }
    *resource_id = dword(commands, at + RING_FLAGS_DWORDS);
    uint64_t ring_offset = qword(commands, at + 2);
    uint64_t status = qword(commands, at + 12);
    return pv_checked_add(ring_offset, status, status_offset);
}
