#include "wire/decode.h"

#include "base/checked.h"

const uint8_t pv_decode_zeros[PV_DECODE_TAKE_MAX];

void pv_decode_fault(struct pv_decoder *in, const char *why)
{
    if (in->fault == NULL) {
        in->fault = why;
    }
    in->cursor = in->end;
    in->owner = 0; /* no device's number */
}

uint64_t pv_decode_handle_miss(struct pv_decoder *in, uint64_t id, uint32_t type,
                               enum pv_handle_rule rule)
{
    if (in->objects == NULL) {
        return id; /* a guest reads its own ids back, and 0 for what could not be made */
    }
    if (id == 0) {
        if (rule == PV_HANDLE_REQUIRED) {
            pv_decode_fault(in, "a handle that Vulkan requires is null");
        }
        return 0;
    }
    bool may_have_come = in->await != NULL && in->await(in, id, type);
    struct pv_slot *slot = pv_object_slot(in->objects, id);
    uint64_t tag = atomic_load_explicit(&slot->tag, memory_order_acquire);
    if (may_have_come && tag == PV_TAG(type, in->owner)) {
        return atomic_load_explicit(&slot->host, memory_order_relaxed);
    }
    if (tag == PV_TAG_EMPTY || tag == PV_TAG_RESERVED) {
        pv_decode_fault(in, "an unknown object id");
    } else if (tag == PV_TAG_DEAD) {
        pv_decode_fault(in, "the id of a destroyed object, or of one that could not be made");
    } else if (PV_TAG_TYPE(tag) != type) {
        pv_decode_fault(in, "the id of an object of another type");
    } else {
        pv_decode_fault(in, "the id of another device's object");
    }
    return 0;
}

void *pv_decode_alloc_refused(struct pv_decoder *in, uint64_t count, size_t wire_size)
{
    uint64_t needed;
    if (!pv_decode_ok(in)) {
        return NULL;
    }
    if (!pv_checked_mul(count, wire_size, &needed) || needed > (uint64_t)(in->end - in->cursor)) {
        pv_decode_fault(in, "an array is longer than the stream");
    } else {
        pv_decode_fault(in, "a command that takes too much memory to decode");
    }
    return NULL;
}

void pv_decode_array_size_differs(struct pv_decoder *in, uint64_t size)
{
    pv_decode_fault(in, size != 0 ? "an array's size is not what its length says"
                                  : "an array that Vulkan requires is missing");
}

bool pv_decode_absent(struct pv_decoder *in, uint64_t present, bool required)
{
    if (present > 1) {
        pv_decode_fault(in, "a pointer is neither 0 nor 1");
    } else if (required) {
        pv_decode_fault(in, "a pointer that Vulkan requires is null");
    }
    return false;
}

/* Takes `size` bytes and their padding; NULL at a fault. */
static const uint8_t *take_padded(struct pv_decoder *in, uint64_t size)
{
    uint64_t left = (uint64_t)(in->end - in->cursor);
    uint64_t padded;
    if (!pv_checked_align(size, 4, &padded) || padded > left) {
        pv_decode_fault(in, "the command is cut short");
        return NULL;
    }
    const uint8_t *bytes = in->cursor;
    in->cursor += padded;
    return bytes;
}

void *pv_decode_packed_slowly(struct pv_decoder *in, uint64_t count, size_t element_size,
                              size_t alignment)
{
    uint64_t size;
    if (!pv_checked_mul(count, element_size, &size)) {
        pv_decode_fault(in, "an array's size overflows");
        return NULL;
    }
    const uint8_t *bytes = take_padded(in, size);
    if (bytes == NULL || ((uintptr_t)bytes & (alignment - 1)) == 0) {
        return (void *)(uintptr_t)bytes;
    }
    void *copy = pv_decode_alloc(in, size, 1, 0);
    if (copy != NULL) {
        memcpy(copy, bytes, (size_t)size);
    }
    return copy;
}

char *pv_decode_string(struct pv_decoder *in, uint64_t size, bool required)
{
    if (size == 0) {
        if (required) {
            pv_decode_fault(in, "a string that Vulkan requires is missing");
        }
        return NULL;
    }
    char *text = (char *)(uintptr_t)take_padded(in, size);
    if (text != NULL) {
        text[size - 1] = '\0';
    }
    return text;
}

char **pv_decode_strings(struct pv_decoder *in, uint64_t count)
{
    char **strings = pv_decode_alloc(in, count, sizeof(*strings), 8);
    for (uint64_t i = 0; strings != NULL && i < count; i++) {
        strings[i] = pv_decode_string(in, pv_load_u64(pv_decode_take(in, 8)), true);
    }
    return strings;
}

static const struct pv_chain_entry *find_entry(const struct pv_chain *chain, int32_t type)
{
    uint32_t first = 0;
    uint32_t end = chain->count;
    while (first < end) {
        uint32_t middle = first + (end - first) / 2;
        if (chain->entries[middle].type < type) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    if (first < chain->count && chain->entries[first].type == type) {
        return &chain->entries[first];
    }
    return NULL;
}

/* Every struct of a chain begins like this (VkBaseOutStructure). */
struct link {
    int32_t type;
    struct link *next;
};

/* Reads one link's header and appends its zeroed struct; NULL at the end of the chain or a fault.
 */
static const struct pv_chain_entry *read_link(struct pv_decoder *in,
                                              const struct pv_chain *accepted, struct link **made)
{
    if (!pv_decode_present(in, pv_load_u64(pv_decode_take(in, 8)), false)) {
        return NULL;
    }
    int32_t type = pv_load_i32(pv_decode_take(in, 4));
    const struct pv_chain_entry *entry = find_entry(accepted, type);
    if (entry == NULL) {
        pv_decode_fault(in, "a pNext chain holds a struct that does not belong there");
        return NULL;
    }
    struct link *link = pv_decode_alloc(in, 1, entry->size, entry->wire_size);
    if (link == NULL) {
        return NULL;
    }
    memset(link, 0, entry->size);
    link->type = type;
    *made = link;
    return entry;
}

static bool is_repeated(const struct pv_chain_entry *entry,
                        const struct pv_chain_entry *const *earlier, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (earlier[i] == entry && !entry->repeats) {
            return true;
        }
    }
    return false;
}

static void *decode_links(struct pv_decoder *in, const struct pv_chain *accepted)
{
    const struct pv_chain_entry *entries[PV_CHAIN_LINKS_MAX];
    struct link *links[PV_CHAIN_LINKS_MAX];
    uint32_t count = 0;
    const struct pv_chain_entry *entry;
    struct link *link;
    while ((entry = read_link(in, accepted, &link)) != NULL) {
        if (is_repeated(entry, entries, count) || count == PV_CHAIN_LINKS_MAX) {
            pv_decode_fault(in, "a pNext chain repeats a struct");
            return NULL;
        }
        if (count != 0) {
            links[count - 1]->next = link;
        }
        entries[count] = entry;
        links[count] = link;
        count++;
    }
    for (uint32_t i = count; i-- > 0 && pv_decode_ok(in);) {
        entries[i]->decode(in, pv_decode_take(in, entries[i]->head_size), links[i]);
    }
    return count != 0 ? links[0] : NULL;
}

void *pv_decode_chain(struct pv_decoder *in, int32_t type, const struct pv_chain *accepted)
{
    if (pv_load_i32(pv_decode_take(in, 4)) != type) {
        pv_decode_fault(in, "a struct of another type");
    }
    if (accepted != NULL) {
        return decode_links(in, accepted);
    }
    if (pv_load_u64(pv_decode_take(in, 8)) != 0) {
        pv_decode_fault(in, "a pNext chain where none may be");
    }
    return NULL;
}
