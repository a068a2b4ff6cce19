#ifndef PV_BLOB_BLOB_H
#define PV_BLOB_BLOB_H

#include "base/attributes.h"
#include "base/log.h"
#include "base/result.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Memory shared with a guest, counted by reference. Who holds a reference may use `map` and `fd`;
 * the last one to let go unmaps and closes. */

enum pv_blob_kind {
    PV_BLOB_SHM, /* blob id 0: sealed memory (shm.h), mapped by us: rings, replies, command streams
                  */
    PV_BLOB_MEMORY,   /* a VkDeviceMemory's pages that are such memory, mapped by us */
    PV_BLOB_DMABUF,   /* a VkDeviceMemory exported as dma-buf; not mapped by us */
    PV_BLOB_OPAQUE,   /* a VkDeviceMemory exported as opaque fd that really mmaps */
    PV_BLOB_BORROWED, /* memory of an embedding caller; no fd */
};

struct pv_blob {
    _Atomic uint32_t references;
    enum pv_blob_kind kind;
    int fd;                       /* owned; -1 for borrowed memory */
    uint64_t size;                /* as asked for */
    uint64_t map_size;            /* the real backing, rounded up to pages: what size checks use */
    uint8_t *map;                 /* our mapping, read-write; NULL where there is none */
    void (*released)(void *user); /* called once when the last reference goes; may be NULL */
    void *user;
};

/* Zero-filled, sealed against shrinking and growing, mapped. `kind` is PV_BLOB_SHM or
 * PV_BLOB_MEMORY. PV_NO_MEMORY, or PV_HOST_FAILED with a log line; `budget`, of what a guest asks
 * for, may be NULL. */
PV_NODISCARD enum pv_result pv_blob_create(enum pv_blob_kind kind, uint64_t size,
                                           const struct pv_log *log, struct pv_log_budget *budget,
                                           struct pv_blob **blob);

/* Wraps an exported fd; takes it, also on failure. PV_BLOB_SHM and PV_BLOB_MEMORY are mapped, and
 * refused (PV_UNSUPPORTED) unless sealed against shrinking, which would turn a read of ours into
 * SIGBUS. PV_HOST_FAILED when the backing is known to be smaller than `size`. */
PV_NODISCARD enum pv_result pv_blob_wrap_fd(enum pv_blob_kind kind, int taken_fd, uint64_t size,
                                            struct pv_blob **blob);

/* Wraps memory that the caller keeps valid until `released` is called. */
PV_NODISCARD enum pv_result pv_blob_wrap_memory(void *memory, uint64_t size,
                                                void (*released)(void *user), void *user,
                                                struct pv_blob **blob);

struct pv_blob *pv_blob_ref(struct pv_blob *blob);
void pv_blob_unref(struct pv_blob *blob); /* NULL is accepted */

enum { PV_RESOURCE_BUCKETS = 4096 };

/* A guest's resource ids → blobs. Every call is safe from any thread. */
struct pv_resources {
    pthread_mutex_t lock;
    struct pv_resource **buckets; /* PV_RESOURCE_BUCKETS lists; guarded by lock */
    uint64_t count;               /* guarded by lock */
    uint64_t mapped_bytes;        /* of all, in whole pages; guarded by lock */
    uint64_t limit;
    /* Grows with every removal: whoever caches a look-up compares it before use. */
    _Atomic uint64_t generation;
};

PV_NODISCARD enum pv_result pv_resources_init(struct pv_resources *resources, uint64_t limit);
void pv_resources_finish(struct pv_resources *resources);

/* Takes a reference of its own. PV_GUEST_FAULT when the id is 0 or in use, PV_NO_MEMORY at the
 * limit. */
PV_NODISCARD enum pv_result pv_resources_add(struct pv_resources *resources, uint32_t id,
                                             struct pv_blob *blob);
/* A new reference, or NULL. */
PV_NODISCARD struct pv_blob *pv_resources_get(struct pv_resources *resources, uint32_t id);
/* What all of them take, in whole pages; memory that has two ids counts twice. */
uint64_t pv_resources_mapped_bytes(struct pv_resources *resources);
/* False when there is none with that id. */
bool pv_resources_remove(struct pv_resources *resources, uint32_t id);

#endif
