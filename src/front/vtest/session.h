#ifndef PV_FRONT_VTEST_SESSION_H
#define PV_FRONT_VTEST_SESSION_H

#include "base/attributes.h"
#include "base/fifo.h"
#include "base/result.h"
#include "front/vtest/frame.h"
#include "front/vtest/sync.h"
#include "front/vtest/vtest.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Inside of the vtest front: one client. Everything is the reading thread's, but for what says
 * otherwise. */
struct pv_vtest_session {
    const struct pv_vtest_params *params;
    int socket;
    struct pv_log log;
    char name[PV_VTEST_CLIENT_NAME_SIZE]; /* as the client calls itself; printable */
    bool is_named;
    struct pv_context *context; /* NULL before CONTEXT_INIT, and when it could not be created */
    uint32_t last_resource_id;
    struct pv_vtest_syncs syncs; /* any thread */
    struct pv_fifo fifo;
    _Atomic bool lost; /* the client broke the protocol, or its context turned fatal; any thread */
    _Atomic uint64_t lost_deadline_ns; /* when it is sent away */

    /* The frame that is being served. */
    struct pv_vtest_header header;
    uint8_t *payload; /* capacity bytes; NULL before the first */
    uint32_t capacity;
};

/* Each request's work. PV_GUEST_FAULT goes with pv_vtest_session_fault(); PV_CLOSED ends the
 * session. */
typedef enum pv_result pv_vtest_handler(struct pv_vtest_session *session);

/* handshake.c */
enum pv_result pv_vtest_create_renderer(struct pv_vtest_session *session);
enum pv_result pv_vtest_ping(struct pv_vtest_session *session);
enum pv_result pv_vtest_busy_wait(struct pv_vtest_session *session);
enum pv_result pv_vtest_protocol_version(struct pv_vtest_session *session);
enum pv_result pv_vtest_get_param(struct pv_vtest_session *session);
enum pv_result pv_vtest_get_capset(struct pv_vtest_session *session);
enum pv_result pv_vtest_context_init(struct pv_vtest_session *session);

/* resource.c */
enum pv_result pv_vtest_resource_create_blob(struct pv_vtest_session *session);
enum pv_result pv_vtest_resource_unref(struct pv_vtest_session *session);

/* sync_requests.c */
enum pv_result pv_vtest_sync_create(struct pv_vtest_session *session);
enum pv_result pv_vtest_sync_unref(struct pv_vtest_session *session);
enum pv_result pv_vtest_sync_read(struct pv_vtest_session *session);
enum pv_result pv_vtest_sync_write(struct pv_vtest_session *session);
enum pv_result pv_vtest_sync_wait(struct pv_vtest_session *session);

/* submit.c */
enum pv_result pv_vtest_submit_cmd2(struct pv_vtest_session *session);

/* lost.c: something for a client that waits, once nothing works for it any more. */
enum pv_result pv_vtest_answer_lost(struct pv_vtest_session *session);

/* The client broke the protocol: says so in the log, once, and ends its context. `why` is static.
 * Returns PV_GUEST_FAULT. */
PV_COLD enum pv_result pv_vtest_session_fault(struct pv_vtest_session *session, const char *why);

/* Sends the reply to the frame that is being served: `count` dwords, at most 63. */
PV_NODISCARD enum pv_result pv_vtest_reply(struct pv_vtest_session *session, const uint32_t *dwords,
                                           uint32_t count);
/* The same with a descriptor behind it, which stays the caller's. */
PV_NODISCARD enum pv_result pv_vtest_reply_fd(struct pv_vtest_session *session,
                                              const uint32_t *dwords, uint32_t count, int fd);

#endif
