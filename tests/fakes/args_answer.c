#include "base/assert.h"
#include "fakes/args.h"

#include <string.h>

/* Every struct with a chain begins like this. */
struct head {
    int32_t type;
    struct head *next;
};

static void *pointer_at(const void *owner, uint32_t offset)
{
    void *pointer;
    memcpy(&pointer, (const uint8_t *)owner + offset, sizeof(pointer));
    return pointer;
}

static uint64_t draw(struct pv_random *random)
{
    return random != NULL ? pv_random_u64(random) : 0;
}

static uint32_t draw_below(struct pv_random *random, uint32_t below)
{
    return random != NULL ? pv_random_below(random, below) : 0;
}

static void answer_struct(struct pv_random *random, const struct pv_args_type *type, void *value);

/* A count in a struct: of what is there at most; of a fixed array: small. */
static uint64_t answer_length(struct pv_random *random, const struct pv_args_member *member,
                              uint64_t before)
{
    if ((member->flags & PV_ARGS_SENT_PARTLY) == 0) {
        return draw_below(random, 5);
    }
    return draw_below(random, (uint32_t)before + 1);
}

static void answer_element(struct pv_random *random, const struct pv_args_member *member, void *at)
{
    uint64_t value = 0;
    switch (member->kind) {
    case PV_KIND_STRUCT:
        answer_struct(random, member->type, at);
        return;
    case PV_KIND_HANDLE:
    case PV_KIND_UNION:
        return;
    case PV_KIND_BOOL:
        value = draw_below(random, 2);
        break;
    case PV_KIND_ENUM:
        if (member->values != NULL && random != NULL) {
            value = (uint64_t)member->values->values[draw_below(random, member->values->count)];
        }
        break;
    default:
        value = draw(random);
        break;
    }
    if ((member->flags & PV_ARGS_LENGTH) != 0) {
        value = answer_length(random, member, pv_args_number(at, member->size));
    }
    PV_ASSERT(member->size <= sizeof(value));
    memcpy(at, &value, member->size);
}

static void answer_text(struct pv_random *random, char *text, uint32_t size)
{
    uint32_t length = draw_below(random, size);
    memset(text, 0, size);
    for (uint32_t i = 0; i < length; i++) {
        text[i] = (char)('a' + draw_below(random, 26));
    }
}

static void answer_elements(struct pv_random *random, const struct pv_args_member *member,
                            void *elements, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        answer_element(random, member, (uint8_t *)elements + i * member->size);
    }
}

static void answer_member(struct pv_random *random, const struct pv_args_member *member,
                          void *owner)
{
    uint8_t *at = (uint8_t *)owner + member->offset;
    if (member->shape == PV_SHAPE_VALUE) {
        answer_element(random, member, at);
        return;
    }
    if (member->shape == PV_SHAPE_FIXED) {
        if (member->kind == PV_KIND_CHAR) {
            answer_text(random, (char *)at, member->count);
        } else {
            answer_elements(random, member, at, member->count);
        }
        return;
    }
    void *pointee = pointer_at(owner, member->offset);
    if (pointee == NULL) {
        return;
    }
    if (member->shape == PV_SHAPE_POINTER) {
        answer_element(random, member, pointee);
    } else if (member->shape == PV_SHAPE_ARRAY) {
        answer_elements(random, member, pointee, pv_args_count(member, owner, 0, 0));
    }
}

static void answer_members(struct pv_random *random, const struct pv_args_type *type, void *owner)
{
    for (uint32_t i = 0; i < type->member_count; i++) {
        answer_member(random, &type->members[i], owner);
    }
}

static void answer_struct(struct pv_random *random, const struct pv_args_type *type, void *value)
{
    struct head *head = value;
    for (struct head *link = type->is_chained ? head->next : NULL; link != NULL;
         link = link->next) {
        for (uint32_t i = 0; i < type->link_count; i++) {
            if (type->links[i].type->chain_type == link->type) {
                answer_members(random, type->links[i].type, link);
            }
        }
    }
    answer_members(random, type, value);
}

/* Whether a count's array was asked for, or only its size. */
static bool is_asked_for(const struct pv_args_type *type, const struct pv_args_member *count,
                         const void *args)
{
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct pv_args_member *member = &type->members[i];
        if (member->length.how == PV_LENGTH_POINTER && member->length.offset == count->offset) {
            return pointer_at(args, member->offset) != NULL;
        }
    }
    return true;
}

/* The counts of enumerations: everything was asked for, or there is less. */
static void answer_counts(struct pv_random *random, const struct pv_args_type *type, void *args)
{
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct pv_args_member *member = &type->members[i];
        if ((member->flags & PV_ARGS_IN_AND_OUT) == 0 || member->kind != PV_KIND_BITS) {
            continue;
        }
        void *at = pointer_at(args, member->offset);
        if (at == NULL) {
            continue;
        }
        uint64_t room = pv_args_number(at, member->size);
        uint64_t count = random != NULL ? pv_random_below(random, 9) : 1;
        if (is_asked_for(type, member, args) && count > room) {
            count = room;
        }
        memcpy(at, &count, member->size);
    }
}

static void answer_result(struct pv_random *random, const struct pv_args_command *command,
                          void *args)
{
    static const int32_t results[] = {0, 0, 0, 1 /* not ready */, -2 /* out of device memory */};
    uint64_t value = draw(random);
    if (command->returns_result) {
        value = (uint64_t)results[draw_below(random, sizeof(results) / sizeof(results[0]))];
    }
    memcpy((uint8_t *)args + command->result_offset, &value, command->result_size);
}

void pv_random_answer(struct pv_random *random, const struct pv_args_command *command, void *args)
{
    const struct pv_args_type *type = &command->type;
    answer_result(random, command, args);
    answer_counts(random, type, args);
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct pv_args_member *member = &type->members[i];
        if ((member->flags & PV_ARGS_OUT) != 0) {
            answer_member(random, member, args);
        }
    }
}
