#ifndef TESTS_FAKES_GUEST_EMBED_H
#define TESTS_FAKES_GUEST_EMBED_H

#include "fakes/guest.h"

#include <pearvisor/venus.h>

/* A scripted guest and the program that embeds its renderer: a ring in that program's memory,
 * executed on the thread that notifies. On the world's driver (fakes/world.h). */

struct guest_embed_params {
    size_t memory_size; /* 0: PV_VENUS_RING_SIZE_DEFAULT */
    /* Somebody else calls pv_venus_ring_notify(): the guest only writes. */
    bool is_notified_elsewhere;
    void (*turned_fatal)(void *user); /* may be NULL */
    void *user;
};

struct guest_embed {
    struct guest *g;
    struct pv_renderer *renderer; /* NULL: the context owns it */
    struct pv_context *context;
    struct pv_venus_ring *ring;
    struct pv_venus_ring_control *control; /* where the ring's memory begins */
    size_t memory_size;
    bool is_notified_elsewhere;
    enum pv_result notified; /* the last answer, of the guest's own notifies */
    struct guest_log log;
    _Atomic uint32_t released; /* memory that the library has let go of */
};

/* Memory, context and ring, started. Asserts. */
struct guest_embed *guest_embed_create(const struct guest_embed_params *params);
/* Cleanup, ring, guest, memory: in this order. */
void guest_embed_destroy(struct guest_embed *embed);

/* The pieces: zero-filled pages of the caller's, and a context on the world's driver. */
void *guest_embed_map(size_t size);
struct pv_context *guest_embed_context(const struct guest_embed_params *params,
                                       struct guest_log *log, struct pv_renderer **renderer);
/* Ends both. */
void guest_embed_end_context(struct pv_context *context, struct pv_renderer *renderer);
/* A guest whose ring is in that memory. */
void guest_embed_attach_guest(struct guest_embed *embed);

#endif
