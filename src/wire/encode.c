#include "wire/encode.h"

#include "wire/decode.h"

void pv_encode_packed(struct pv_encoder *out, const void *data, uint64_t count, size_t element_size)
{
    /* The product cannot overflow: the elements are in memory. */
    size_t size = (size_t)count * element_size;
    size_t padding = (0 - size) & 3;
    if (size == 0) {
        return;
    }
    uint8_t *bytes = pv_encode_room(out, size + padding);
    if (bytes != NULL) {
        memcpy(bytes, data, size);
        memset(bytes + size, 0, padding);
    }
}

void pv_encode_string(struct pv_encoder *out, const char *text)
{
    if (text == NULL) {
        pv_encode_u64(out, 0);
        return;
    }
    size_t size = strlen(text) + 1;
    pv_encode_u64(out, size);
    pv_encode_packed(out, text, size, 1);
}

struct link {
    int32_t type;
    const struct link *next;
};

static const struct pv_encode_link *find_link(const struct pv_encode_chain *known, int32_t type)
{
    uint32_t first = 0;
    uint32_t end = known->count;
    while (first < end) {
        uint32_t middle = first + (end - first) / 2;
        if (known->links[middle].type < type) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first < known->count && known->links[first].type == type ? &known->links[first] : NULL;
}

void pv_encode_chain(struct pv_encoder *out, const void *next, const struct pv_encode_chain *known)
{
    const struct pv_encode_link *links[PV_CHAIN_LINKS_MAX];
    const struct link *structs[PV_CHAIN_LINKS_MAX];
    uint32_t count = 0;
    for (const struct link *one = next; one != NULL && count < PV_CHAIN_LINKS_MAX;
         one = one->next) {
        const struct pv_encode_link *link = find_link(known, one->type);
        if (link == NULL) {
            continue;
        }
        pv_encode_u64(out, 1);
        pv_encode_i32(out, one->type);
        links[count] = link;
        structs[count] = one;
        count++;
    }
    pv_encode_u64(out, 0);
    for (uint32_t i = count; i-- > 0;) {
        links[i]->encode(out, structs[i]);
    }
}
