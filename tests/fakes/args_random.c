#include "base/assert.h"
#include "fakes/args.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vulkan.h>

enum {
    DEPTH_MAX = 7,  /* chains of structs in chains of structs end here */
    FULL_COUNT = 2, /* elements of each array where everything is there */
    LINKS_MAX = 512,
};

/* Every struct with a chain begins like this. */
struct head {
    int32_t type;
    void *next;
};

uint64_t pv_random_seed(const char *what, uint64_t fallback)
{
    const char *text = getenv("PV_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : fallback;
    printf("%s: PV_SEED=%" PRIu64 "\n", what, seed);
    return seed;
}

void pv_random_init(struct pv_random *random, uint64_t seed)
{
    memset(random, 0, sizeof(*random));
    random->state = seed;
}

/* splitmix64 */
uint64_t pv_random_u64(struct pv_random *random)
{
    uint64_t z = (random->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t pv_random_below(struct pv_random *random, uint32_t below)
{
    return (uint32_t)((pv_random_u64(random) >> 32) * below >> 32);
}

static bool chance(struct pv_random *random, uint32_t percent)
{
    return pv_random_below(random, 100) < percent;
}

static void *allocate(struct pv_arena *arena, uint64_t count, size_t size)
{
    void *memory = pv_arena_alloc(arena, (size_t)count * size);
    PV_ASSERT(memory != NULL);
    memset(memory, 0, (size_t)count * size);
    return memory;
}

static void put_number(void *at, uint32_t size, uint64_t value)
{
    PV_ASSERT(size <= sizeof(value));
    memcpy(at, &value, size); /* little endian */
}

/* --- single values ---------------------------------------------------------------------------- */

static void random_bytes(struct pv_random *random, uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)pv_random_u64(random);
    }
}

static void random_text(struct pv_random *random, char *text, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        text[i] = (char)('a' + pv_random_below(random, 26));
    }
    text[length] = '\0';
}

static char *random_string(struct pv_random *random, struct pv_arena *arena)
{
    uint32_t length = pv_random_below(random, 14);
    char *text = allocate(arena, length + 1, 1);
    random_text(random, text, length);
    return text;
}

/* A count: small, and such that arrays in other units come out even. */
static uint64_t random_length(struct pv_random *random, const struct pv_args_member *member)
{
    if (member->kind == PV_KIND_ENUM) {
        return UINT64_C(1) << pv_random_below(random, 7); /* a number of samples */
    }
    uint64_t count = random->full ? FULL_COUNT : pv_random_below(random, 4);
    if (member->size == sizeof(size_t) && member->unit == 0) {
        count *= 1 + pv_random_below(random, 7); /* bytes, not a multiple of 4 */
    }
    return member->unit != 0 ? count * member->unit : count;
}

/* An enum without a list is one bit of a bitmask. */
static void random_enum(struct pv_random *random, const struct pv_args_member *member, void *at)
{
    int32_t value = (int32_t)(UINT32_C(1) << pv_random_below(random, 8));
    if (member->values != NULL) {
        value = member->values->values[pv_random_below(random, member->values->count)];
    }
    memcpy(at, &value, sizeof(value));
}

static uint64_t random_handle(struct pv_random *random, const struct pv_args_member *member,
                              bool is_new)
{
    bool required = (member->flags & PV_ARGS_HANDLE_REQUIRED) != 0;
    if (!required && !is_new && !random->full && chance(random, 30)) {
        return 0;
    }
    if (random->handle != NULL) {
        return random->handle(random->user, random, member->object, is_new);
    }
    return pv_random_u64(random) | 1;
}

/* --- structs ---------------------------------------------------------------------------------- */

static void fill_struct(struct pv_random *random, struct pv_arena *arena,
                        const struct pv_args_type *type, void *value, bool partly);
static void fill_members(struct pv_random *random, struct pv_arena *arena,
                         const struct pv_args_type *type, void *owner, bool partly);
static void fill_member(struct pv_random *random, struct pv_arena *arena,
                        const struct pv_args_member *member, void *owner, bool partly);

static void fill_union(struct pv_random *random, struct pv_arena *arena,
                       const struct pv_args_member *member, void *at, const void *owner)
{
    int32_t selected = 0;
    if (member->selector != 0) {
        memcpy(&selected, (const uint8_t *)owner + member->selector, sizeof(selected));
    }
    const struct pv_args_member *chosen = pv_args_case(member->type, selected);
    PV_ASSERT(chosen != NULL);
    fill_member(random, arena, chosen, at, false);
}

static void fill_element(struct pv_random *random, struct pv_arena *arena,
                         const struct pv_args_member *member, void *at, const void *owner,
                         bool partly)
{
    switch (member->kind) {
    case PV_KIND_STRUCT:
        fill_struct(random, arena, member->type, at, partly);
        return;
    case PV_KIND_HANDLE:
        put_number(at, 8, random_handle(random, member, partly));
        return;
    case PV_KIND_UNION:
        if (!partly) {
            fill_union(random, arena, member, at, owner);
        }
        return;
    default:
        break;
    }
    if (partly && (member->flags & PV_ARGS_SENT_PARTLY) == 0) {
        return;
    }
    if ((member->flags & PV_ARGS_LENGTH) != 0) {
        put_number(at, member->size, random_length(random, member));
    } else if (member->kind == PV_KIND_ENUM) {
        random_enum(random, member, at);
    } else if (member->kind == PV_KIND_BOOL) {
        put_number(at, member->size, pv_random_below(random, 2));
    } else {
        random_bytes(random, at, member->size);
    }
}

static void fill_array(struct pv_random *random, struct pv_arena *arena,
                       const struct pv_args_member *member, const void *owner, void *elements,
                       uint64_t count, bool partly)
{
    for (uint64_t i = 0; i < count; i++) {
        fill_element(random, arena, member, (uint8_t *)elements + i * member->size, owner, partly);
    }
}

static void fill_fixed(struct pv_random *random, struct pv_arena *arena,
                       const struct pv_args_member *member, void *owner, bool partly)
{
    uint8_t *at = (uint8_t *)owner + member->offset;
    if (member->kind == PV_KIND_CHAR) {
        if (!partly) {
            random_text(random, (char *)at, pv_random_below(random, member->count));
        }
        return;
    }
    fill_array(random, arena, member, owner, at, member->count, partly);
}

static void *make_arrays(struct pv_random *random, struct pv_arena *arena,
                         const struct pv_args_member *member, const void *owner, uint64_t count)
{
    void **arrays = allocate(arena, count, sizeof(*arrays));
    for (uint64_t i = 0; i < count; i++) {
        uint64_t inner = pv_args_count(member, owner, 1, i);
        arrays[i] = allocate(arena, inner, member->size);
        fill_array(random, arena, member, owner, arrays[i], inner, false);
    }
    return arrays;
}

static void *make_array(struct pv_random *random, struct pv_arena *arena,
                        const struct pv_args_member *member, const void *owner, uint64_t count,
                        bool partly)
{
    switch (member->shape) {
    case PV_SHAPE_STRINGS: {
        char **strings = allocate(arena, count, sizeof(*strings));
        for (uint64_t i = 0; i < count; i++) {
            strings[i] = random_string(random, arena);
        }
        return strings;
    }
    case PV_SHAPE_ARRAYS:
        return make_arrays(random, arena, member, owner, count);
    default:
        break;
    }
    void *elements = allocate(arena, count, member->size);
    if (member->kind != PV_KIND_BYTES || !partly) {
        fill_array(random, arena, member, owner, elements, count, partly);
    }
    return elements;
}

static void *make_pointee(struct pv_random *random, struct pv_arena *arena,
                          const struct pv_args_member *member, const void *owner, bool partly)
{
    bool required = (member->flags & PV_ARGS_REQUIRED) != 0;
    uint64_t count = 1;
    if (member->shape != PV_SHAPE_POINTER && member->shape != PV_SHAPE_STRING) {
        count = pv_args_count(member, owner, 0, 0);
    }
    if (count == 0 || !pv_args_is_sent(member, owner) ||
        (!required && !random->full && chance(random, 30))) {
        return NULL;
    }
    if (member->shape == PV_SHAPE_STRING) {
        return random_string(random, arena);
    }
    return make_array(random, arena, member, owner, count, partly);
}

static void fill_member(struct pv_random *random, struct pv_arena *arena,
                        const struct pv_args_member *member, void *owner, bool partly)
{
    uint8_t *at = (uint8_t *)owner + member->offset;
    void *pointee = NULL;
    switch (member->shape) {
    case PV_SHAPE_VALUE:
        fill_element(random, arena, member, at, owner, partly);
        return;
    case PV_SHAPE_FIXED:
        fill_fixed(random, arena, member, owner, partly);
        return;
    case PV_SHAPE_NOTHING:
        break;
    default:
        pointee = make_pointee(random, arena, member, owner, partly);
        break;
    }
    memcpy(at, &pointee, sizeof(pointee));
}

/* Conditions on earlier members come out both ways. */
static void settle_condition(struct pv_random *random, const struct pv_args_member *member,
                             void *owner)
{
    const struct pv_args_condition *condition = &member->condition;
    if (condition->mask != 0 && (random->full || chance(random, 60))) {
        uint32_t *at = (uint32_t *)(void *)((uint8_t *)owner + condition->offset);
        *at = (*at & ~condition->mask) | condition->value;
    }
}

/* A union's selector names one of its cases. */
static void settle_selector(struct pv_random *random, const struct pv_args_member *member,
                            void *owner)
{
    if (member->kind == PV_KIND_UNION && member->selector != 0) {
        int32_t tag = member->type->cases[random->cases++ % member->type->case_count].tag;
        memcpy((uint8_t *)owner + member->selector, &tag, sizeof(tag));
    }
}

/* What decoders check between members (policy: checks). */
static void settle_checked(const struct pv_args_type *type, void *owner)
{
    if (strcmp(type->name, "VkSpecializationInfo") == 0) {
        VkSpecializationInfo *info = owner;
        VkSpecializationMapEntry *entries =
            (VkSpecializationMapEntry *)(uintptr_t)info->pMapEntries;
        for (uint32_t i = 0; entries != NULL && i < info->mapEntryCount; i++) {
            entries[i].offset %= (uint32_t)info->dataSize + 1;
            entries[i].size %= info->dataSize - entries[i].offset + 1;
        }
    }
}

static void fill_members(struct pv_random *random, struct pv_arena *arena,
                         const struct pv_args_type *type, void *owner, bool partly)
{
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct pv_args_member *member = &type->members[i];
        if (!partly) {
            settle_condition(random, member, owner);
            settle_selector(random, member, owner);
        }
        fill_member(random, arena, member, owner, partly || (member->flags & PV_ARGS_OUT) != 0);
    }
    if (!partly) {
        settle_checked(type, owner);
    }
}

/* --- chains ----------------------------------------------------------------------------------- */

/* The links of a chain in random order: all, some or none of those that the base accepts. */
static uint32_t choose_links(struct pv_random *random, const struct pv_args_type *type,
                             uint32_t *chosen)
{
    uint32_t count = 0;
    if (random->plain || random->depth > DEPTH_MAX || (!random->full && chance(random, 40))) {
        return 0;
    }
    uint32_t percent = random->full ? 100 : type->link_count > 20 ? 5 : 40;
    for (uint32_t i = 0; i < type->link_count; i++) {
        if (!chance(random, percent)) {
            continue;
        }
        chosen[count++] = i;
        if (type->links[i].repeats && chance(random, 30)) {
            chosen[count++] = i;
        }
    }
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = pv_random_below(random, i);
        uint32_t index = chosen[i - 1];
        chosen[i - 1] = chosen[other];
        chosen[other] = index;
    }
    return count;
}

static void fill_chain(struct pv_random *random, struct pv_arena *arena,
                       const struct pv_args_type *type, struct head *base, bool partly)
{
    uint32_t chosen[LINKS_MAX];
    uint32_t count = choose_links(random, type, chosen);
    struct head *last = base;
    random->depth++;
    for (uint32_t i = 0; i < count; i++) {
        const struct pv_args_type *linked = type->links[chosen[i]].type;
        struct head *link = allocate(arena, 1, linked->size);
        link->type = linked->chain_type;
        fill_members(random, arena, linked, link, partly);
        last->next = link;
        last = link;
        uint8_t *seen = partly ? random->seen_partly : random->seen;
        if (seen != NULL) {
            seen[type->first_link + chosen[i]] = 1;
        }
    }
    random->depth--;
}

static void fill_struct(struct pv_random *random, struct pv_arena *arena,
                        const struct pv_args_type *type, void *value, bool partly)
{
    if (type->is_chained) {
        struct head *head = value;
        head->type = type->chain_type;
        fill_chain(random, arena, type, head, partly);
    }
    fill_members(random, arena, type, value, partly);
}

void pv_random_struct(struct pv_random *random, struct pv_arena *arena,
                      const struct pv_args_type *type, void *value)
{
    memset(value, 0, type->size);
    fill_struct(random, arena, type, value, false);
}

void pv_random_args(struct pv_random *random, struct pv_arena *arena,
                    const struct pv_args_command *command, void *args)
{
    memset(args, 0, command->type.size);
    fill_members(random, arena, &command->type, args, false);
}
