#include "base/assert.h"
#include "fakes/args.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Where the comparison is: printed from the outside in when something differs. */
struct path {
    const struct path *outer;
    const char *name;
    const char *link; /* inside a pNext chain: the struct's name */
    int64_t index;    /* −1: no element of an array */
    bool through_pointer;
};

struct head {
    int32_t type;
    const struct head *next;
};

uint64_t pv_args_number(const void *at, uint32_t size)
{
    uint64_t value = 0;
    PV_ASSERT(size <= sizeof(value));
    memcpy(&value, at, size);
    return value;
}

static const void *pointer_at(const void *owner, uint32_t offset)
{
    const void *pointer;
    memcpy(&pointer, (const uint8_t *)owner + offset, sizeof(pointer));
    return pointer;
}

uint64_t pv_args_count(const struct pv_args_member *member, const void *owner, uint32_t level,
                       uint64_t index)
{
    const struct pv_args_length *length = level == 0 ? &member->length : &member->inner;
    const uint8_t *at = (const uint8_t *)owner + length->offset;
    switch (length->how) {
    case PV_LENGTH_CONSTANT:
        return length->value;
    case PV_LENGTH_MEMBER:
        break;
    case PV_LENGTH_POINTER:
        at = pointer_at(owner, length->offset);
        break;
    case PV_LENGTH_THROUGH:
    case PV_LENGTH_THROUGH_ARRAY:
        at = pointer_at(owner, length->offset);
        if (at != NULL) {
            at += length->inner +
                  (length->how == PV_LENGTH_THROUGH_ARRAY ? index : 0) * length->stride;
        }
        break;
    case PV_LENGTH_NONE:
        PV_ASSERT(false);
    }
    if (at == NULL) {
        return 0;
    }
    uint64_t value = pv_args_number(at, length->size);
    return length->divide != 0 ? (value + length->add) / length->divide : value;
}

bool pv_args_is_sent(const struct pv_args_member *member, const void *owner)
{
    const struct pv_args_condition *condition = &member->condition;
    if (condition->mask == 0) {
        return true;
    }
    uint64_t value = pv_args_number((const uint8_t *)owner + condition->offset, 4);
    return (value & condition->mask) == condition->value;
}

const struct pv_args_member *pv_args_case(const struct pv_args_type *type, int32_t selected)
{
    if (type->case_count == 1) {
        return &type->members[type->cases[0].member];
    }
    for (uint32_t i = 0; i < type->case_count; i++) {
        if (type->cases[i].tag == selected) {
            return &type->members[type->cases[i].member];
        }
    }
    return NULL;
}

/* --- the report ------------------------------------------------------------------------------- */

static void print_path(char *text, size_t size, const struct path *path)
{
    if (path == NULL) {
        return;
    }
    print_path(text, size, path->outer);
    size_t used = strlen(text);
    const char *arrow = path->outer == NULL ? "" : path->outer->through_pointer ? "->" : ".";
    if (path->link != NULL) {
        (void)snprintf(text + used, size - used, "%spNext[%s]", arrow, path->link);
    } else if (path->index >= 0) {
        (void)snprintf(text + used, size - used, "[%" PRId64 "]", path->index);
    } else {
        (void)snprintf(text + used, size - used, "%s%s", arrow, path->name);
    }
}

static bool differs(struct pv_compare *compare, const struct path *path, uint64_t a, uint64_t b)
{
    compare->difference[0] = '\0';
    print_path(compare->difference, sizeof(compare->difference), path);
    size_t used = strlen(compare->difference);
    (void)snprintf(compare->difference + used, sizeof(compare->difference) - used,
                   ": 0x%" PRIx64 " and 0x%" PRIx64, a, b);
    return false;
}

/* --- the walk --------------------------------------------------------------------------------- */

static bool equal_structs(struct pv_compare *compare, const struct path *path,
                          const struct pv_args_type *type, const void *a, const void *b);
static bool equal_member(struct pv_compare *compare, const struct path *outer,
                         const struct pv_args_member *member, const void *a, const void *b);

static bool equal_element(struct pv_compare *compare, const struct path *path,
                          const struct pv_args_member *member, const void *a, const void *b,
                          const void *owner)
{
    if (member->kind == PV_KIND_STRUCT) {
        return equal_structs(compare, path, member->type, a, b);
    }
    if (member->kind == PV_KIND_UNION) {
        int32_t selected = 0;
        if (member->selector != 0) {
            memcpy(&selected, (const uint8_t *)owner + member->selector, sizeof(selected));
        }
        const struct pv_args_member *chosen = pv_args_case(member->type, selected);
        return chosen == NULL ? differs(compare, path, (uint64_t)(int64_t)selected, 0)
                              : equal_member(compare, path, chosen, a, b);
    }
    uint64_t left = pv_args_number(a, member->size);
    uint64_t right = pv_args_number(b, member->size);
    if (member->kind == PV_KIND_HANDLE && compare->map != NULL) {
        left = compare->map(compare->user, member->object, left);
    }
    return left == right || differs(compare, path, left, right);
}

static bool equal_elements(struct pv_compare *compare, const struct path *path,
                           const struct pv_args_member *member, const void *a, const void *b,
                           uint64_t count, const void *owner)
{
    for (uint64_t i = 0; i < count; i++) {
        struct path element = {path, NULL, NULL, (int64_t)i, false};
        if (!equal_element(compare, &element, member, (const uint8_t *)a + i * member->size,
                           (const uint8_t *)b + i * member->size, owner)) {
            return false;
        }
    }
    return true;
}

static bool equal_strings(struct pv_compare *compare, const struct path *path, const char *a,
                          const char *b)
{
    return strcmp(a, b) == 0 || differs(compare, path, strlen(a), strlen(b));
}

static bool equal_pointees(struct pv_compare *compare, const struct path *path,
                           const struct pv_args_member *member, const void *a, const void *b,
                           uint64_t count, const void *owner)
{
    switch (member->shape) {
    case PV_SHAPE_STRING:
        return equal_strings(compare, path, a, b);
    case PV_SHAPE_POINTER:
        return equal_element(compare, path, member, a, b, owner);
    case PV_SHAPE_STRINGS:
    case PV_SHAPE_ARRAYS:
        break;
    default:
        return equal_elements(compare, path, member, a, b, count, owner);
    }
    const void *const *left = a;
    const void *const *right = b;
    for (uint64_t i = 0; i < count; i++) {
        struct path element = {path, NULL, NULL, (int64_t)i, true};
        if (member->shape == PV_SHAPE_STRINGS
                ? !equal_strings(compare, &element, left[i], right[i])
                : !equal_elements(compare, &element, member, left[i], right[i],
                                  pv_args_count(member, owner, 1, i), owner)) {
            return false;
        }
    }
    return true;
}

static bool equal_member(struct pv_compare *compare, const struct path *outer,
                         const struct pv_args_member *member, const void *a, const void *b)
{
    struct path path = {outer, member->name, NULL, -1, false};
    const uint8_t *left = (const uint8_t *)a + member->offset;
    const uint8_t *right = (const uint8_t *)b + member->offset;
    if (member->shape == PV_SHAPE_VALUE) {
        return equal_element(compare, &path, member, left, right, a);
    }
    if (member->shape == PV_SHAPE_FIXED) {
        return equal_elements(compare, &path, member, left, right, member->count, a);
    }
    const void *from = pointer_at(a, member->offset);
    const void *to = pointer_at(b, member->offset);
    uint64_t count = 1;
    if (from != NULL && member->length.how != PV_LENGTH_NONE) {
        count = pv_args_count(member, a, 0, 0);
    }
    if (from == NULL || count == 0) {
        return to == NULL || count == 0 || differs(compare, &path, 0, 1);
    }
    if (to == NULL) {
        return differs(compare, &path, 1, 0);
    }
    path.through_pointer = member->shape == PV_SHAPE_POINTER;
    return equal_pointees(compare, &path, member, from, to, count, a);
}

static bool equal_members(struct pv_compare *compare, const struct path *path,
                          const struct pv_args_type *type, const void *a, const void *b)
{
    for (uint32_t i = 0; i < type->member_count; i++) {
        if (!equal_member(compare, path, &type->members[i], a, b)) {
            return false;
        }
    }
    return true;
}

static const struct pv_args_type *find_link(const struct pv_args_type *base, int32_t type)
{
    for (uint32_t i = 0; i < base->link_count; i++) {
        if (base->links[i].type->chain_type == type) {
            return base->links[i].type;
        }
    }
    return NULL;
}

/* The next link that counts, from `link` on. */
static const struct head *skip_dropped(const struct pv_compare *compare, const struct head *link)
{
    while (link != NULL && compare->dropped != 0 && link->type == compare->dropped) {
        link = link->next;
    }
    return link;
}

static bool equal_chains(struct pv_compare *compare, const struct path *path,
                         const struct pv_args_type *type, const struct head *left,
                         const struct head *right)
{
    left = skip_dropped(compare, left->next);
    right = right->next;
    while (left != NULL || right != NULL) {
        const struct pv_args_type *linked = left != NULL ? find_link(type, left->type) : NULL;
        struct path link = {path, NULL, linked != NULL ? linked->name : "?", -1, false};
        if (left == NULL || right == NULL || left->type != right->type || linked == NULL) {
            return differs(compare, &link, left != NULL ? (uint32_t)left->type : 0,
                           right != NULL ? (uint32_t)right->type : 0);
        }
        if (!equal_members(compare, &link, linked, left, right)) {
            return false;
        }
        left = skip_dropped(compare, left->next);
        right = right->next;
    }
    return true;
}

static bool equal_structs(struct pv_compare *compare, const struct path *path,
                          const struct pv_args_type *type, const void *a, const void *b)
{
    if (type->is_chained) {
        const struct head *left = a;
        const struct head *right = b;
        struct path head = {path, "sType", NULL, -1, false};
        if (left->type != right->type) {
            return differs(compare, &head, (uint32_t)left->type, (uint32_t)right->type);
        }
        if (!equal_chains(compare, path, type, left, right)) {
            return false;
        }
    }
    return equal_members(compare, path, type, a, b);
}

bool pv_struct_equal(struct pv_compare *compare, const struct pv_args_type *type, const void *a,
                     const void *b)
{
    return equal_structs(compare, NULL, type, a, b);
}

bool pv_args_equal(struct pv_compare *compare, const struct pv_args_command *command, const void *a,
                   const void *b)
{
    const struct pv_args_type *type = &command->type;
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct pv_args_member *member = &type->members[i];
        bool is_new = (member->flags & PV_ARGS_OUT) != 0 && member->kind == PV_KIND_HANDLE;
        if ((compare->directions != 0 && (member->flags & compare->directions) == 0) ||
            (compare->inputs && is_new)) {
            continue;
        }
        if (!equal_member(compare, NULL, member, a, b)) {
            return false;
        }
    }
    return true;
}
