#include "front/virtio_gpu/table.h"

#include "base/assert.h"
#include "base/random.h"

#include <stdlib.h>

enum { BUCKET_BITS_FIRST = 6, BUCKET_BITS_MAX = 20 };

static uint32_t bucket_of(const struct pv_virtio_gpu_table *table, uint32_t id)
{
    return (uint32_t)((id * table->multiplier) >> (64 - table->bucket_bits));
}

/* Moves everything into a new array, which may be the first one. */
static bool grow(struct pv_virtio_gpu_table *table, uint32_t bucket_bits)
{
    struct pv_virtio_gpu_table larger = *table;
    larger.bucket_bits = bucket_bits;
    larger.buckets = calloc((size_t)1 << bucket_bits, sizeof(struct pv_virtio_gpu_node *));
    if (larger.buckets == NULL) {
        return false;
    }
    struct pv_virtio_gpu_node *node = pv_virtio_gpu_table_next(table, NULL);
    while (node != NULL) {
        struct pv_virtio_gpu_node *behind = pv_virtio_gpu_table_next(table, node);
        struct pv_virtio_gpu_node **bucket = &larger.buckets[bucket_of(&larger, node->id)];
        node->next = *bucket;
        *bucket = node;
        node = behind;
    }
    free(table->buckets);
    *table = larger;
    return true;
}

void *pv_virtio_gpu_table_find(const struct pv_virtio_gpu_table *table, uint32_t id)
{
    if (table->count == 0) {
        return NULL;
    }
    struct pv_virtio_gpu_node *node = table->buckets[bucket_of(table, id)];
    while (node != NULL && node->id != id) {
        node = node->next;
    }
    return node;
}

bool pv_virtio_gpu_table_add(struct pv_virtio_gpu_table *table, struct pv_virtio_gpu_node *node)
{
    if (table->buckets == NULL) {
        /* Early in a boot there may be no entropy; an odd constant spreads honest ids as well. */
        if (!pv_random_fill(&table->multiplier, sizeof(table->multiplier))) {
            table->multiplier = UINT64_C(0x9e3779b97f4a7c15);
        }
        table->multiplier |= 1;
        if (!grow(table, BUCKET_BITS_FIRST)) {
            return false;
        }
    } else if (table->count >> table->bucket_bits != 0 && table->bucket_bits < BUCKET_BITS_MAX) {
        (void)grow(table, table->bucket_bits + 1); /* else the lists get longer */
    }
    struct pv_virtio_gpu_node **bucket = &table->buckets[bucket_of(table, node->id)];
    node->next = *bucket;
    *bucket = node;
    table->count++;
    return true;
}

void pv_virtio_gpu_table_remove(struct pv_virtio_gpu_table *table, struct pv_virtio_gpu_node *node)
{
    struct pv_virtio_gpu_node **at = &table->buckets[bucket_of(table, node->id)];
    while (*at != node) {
        PV_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    table->count--;
}

void *pv_virtio_gpu_table_next(const struct pv_virtio_gpu_table *table, const void *from)
{
    const struct pv_virtio_gpu_node *node = from;
    if (table->buckets == NULL) {
        return NULL;
    }
    if (node != NULL && node->next != NULL) {
        return node->next;
    }
    uint32_t bucket = node == NULL ? 0 : bucket_of(table, node->id) + 1;
    while (bucket >> table->bucket_bits == 0) {
        if (table->buckets[bucket] != NULL) {
            return table->buckets[bucket];
        }
        bucket++;
    }
    return NULL;
}

void pv_virtio_gpu_table_finish(struct pv_virtio_gpu_table *table)
{
    free(table->buckets);
    *table = (struct pv_virtio_gpu_table){0};
}
