#ifndef PV_FRONT_VIRTIO_GPU_TABLE_H
#define PV_FRONT_VIRTIO_GPU_TABLE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stdint.h>

/* Finds things by an id that the guest has chosen, however it chose. A zeroed struct is empty. */

struct pv_virtio_gpu_node { /* the first member of what is in a table */
    struct pv_virtio_gpu_node *next;
    uint32_t id;
};

struct pv_virtio_gpu_table {
    struct pv_virtio_gpu_node **buckets;
    uint32_t bucket_bits;
    uint32_t count;
    uint64_t multiplier; /* random, so that no guest can fill one bucket on purpose */
};

/* NULL when there is none. */
void *pv_virtio_gpu_table_find(const struct pv_virtio_gpu_table *table, uint32_t id);
/* `node->id` is set, and not in the table yet. False when there is no memory. */
PV_NODISCARD bool pv_virtio_gpu_table_add(struct pv_virtio_gpu_table *table,
                                          struct pv_virtio_gpu_node *node);
void pv_virtio_gpu_table_remove(struct pv_virtio_gpu_table *table, struct pv_virtio_gpu_node *node);
/* What is behind `node`, in no special order; the first for NULL, NULL at the end. */
void *pv_virtio_gpu_table_next(const struct pv_virtio_gpu_table *table, const void *node);
/* The table itself, not what is in it. */
void pv_virtio_gpu_table_finish(struct pv_virtio_gpu_table *table);

#endif
