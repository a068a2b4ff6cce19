#ifndef PV_ISOLATE_REMOTE_H
#define PV_ISOLATE_REMOTE_H

#include "base/attributes.h"
#include "base/log.h"
#include "base/poll_set.h"
#include "base/result.h"
#include "isolate/hosts.h"

#include <stdbool.h>
#include <stdint.h>

/* A guest's context that runs elsewhere, as a device model sees it: behind a packet socket
 * (messages.h), at whose other end front/context serves it, in a worker or on a thread.
 *
 * Never blocks: what the socket cannot take yet waits in a queue. Requests are done in the order in
 * which they were made, so a submit finds the memory that was attached before it. The other side is
 * not trusted with anything: what it says is checked against what was asked.
 *
 * One thread; callbacks come from pv_remote_dispatch() only, and must not destroy the context. */

struct pv_remote;

/* Memory of the context's that was asked for by blob id. */
struct pv_remote_blob {
    int taken_fd;      /* the callback's to close */
    uint64_t map_size; /* of its backing, whole pages: map no more than that */
    uint32_t caching;  /* enum pv_context_map_caching */
    uint32_t kind;     /* enum pv_context_blob_kind */
};

struct pv_remote_events {
    /* The answer to pv_remote_create_blob(): PV_OK with a blob, else NULL. Once for each, in order.
     */
    void (*blob_created)(void *user, uint32_t resource_id, enum pv_result result,
                         const struct pv_remote_blob *blob);
    /* Once for each pv_remote_fence(); in order within a ring_idx. */
    void (*fence_retired)(void *user, uint32_t ring_idx, uint64_t fence_id);
    /* The context does nothing for its guest any more: it broke the protocol (`why` is a sentence's
     * end in private memory), or whoever served it has died (NULL). At most once. All that was
     * pending is answered by then or soon: fences retire, blobs fail. */
    void (*lost)(void *user, const char *why);
    void *user;
};

struct pv_remote_params {
    const struct pv_log *log;       /* borrowed */
    int taken_socket;               /* our end; taken in any case */
    uint32_t id;                    /* of the context, for the log */
    uint64_t pending_bytes_limit;   /* of requests that wait in the queue */
    struct pv_remote_events events; /* copied */
    /* The caller's set, in which the context watches what it waits for; `set_user` is what is ready
     * when pv_remote_dispatch() has something to do. NULL: pv_remote_poll_fd() tells. */
    struct pv_poll_set *set;
    void *set_user;
};

PV_NODISCARD enum pv_result pv_remote_create(const struct pv_remote_params *params,
                                             struct pv_remote **remote);
/* Hangs up: whoever serves it ends the context. Pending fences and blobs are not answered. NULL is
 * accepted. */
void pv_remote_destroy(struct pv_remote *remote);

/* Poll this; readable when pv_remote_dispatch() has something to do. Constant. Only where the
 * caller has given no set. */
int pv_remote_poll_fd(const struct pv_remote *remote);
/* Reads what there is, calls back, sends what waits. */
void pv_remote_dispatch(struct pv_remote *remote);

bool pv_remote_is_lost(const struct pv_remote *remote);
/* Requests that wait in our queue. */
uint64_t pv_remote_pending_bytes(const struct pv_remote *remote);

/* These cannot fail as far as the caller is concerned. One that does not fit into the queue loses
 * the context, since its guest counts on it; a lost context answers at its next dispatch. */

/* A command stream, copied. */
void pv_remote_submit(struct pv_remote *remote, const void *bytes, uint64_t size_bytes);
/* `fence_id` is reported when all that was submitted on that timeline before is done (0: the CPU's;
 * else a VkQueue that the guest has bound, below 256: what cannot be one loses the context). */
void pv_remote_fence(struct pv_remote *remote, uint32_t ring_idx, uint64_t fence_id);
/* Exports a VkDeviceMemory of the context as a resource of it; `blob_created` tells. `flags`: enum
 * pv_context_blob_flags. */
void pv_remote_create_blob(struct pv_remote *remote, uint32_t resource_id, uint64_t blob_id,
                           uint32_t flags, uint64_t size_bytes);
/* Makes memory a resource of the context: shared memory of pv_remote_shm_create(), or what another
 * context has exported. The descriptor stays the caller's. `kind`: enum pv_context_blob_kind. */
void pv_remote_attach(struct pv_remote *remote, uint32_t resource_id, uint32_t kind, int fd,
                      uint64_t size_bytes);
void pv_remote_unref(struct pv_remote *remote, uint32_t resource_id);

/* How many blobs with a descriptor a device may keep, all contexts together: three quarters of what
 * its process may have open now. The rest is for workers, and for the program around it. */
uint32_t pv_remote_blob_limit(void);

/* Zero-filled shared memory for a ring or for replies (Venus' blob id 0), whose size nobody can
 * change; rounded up to pages. -1 with errno set. */
PV_NODISCARD int pv_remote_shm_create(uint64_t size_bytes);

#endif
