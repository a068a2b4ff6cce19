#include "front/vtest/session.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/fd.h"
#include "front/vtest/socket.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { REPLY_DWORDS_MAX = 63, PAYLOAD_KEPT_MAX = 64 * 1024, LINGER_MS = 10 * 1000 };

static pv_vtest_handler *const handlers[PV_VTEST_COMMAND_COUNT] = {
    [PV_VTEST_RESOURCE_UNREF] = pv_vtest_resource_unref,
    [PV_VTEST_RESOURCE_BUSY_WAIT] = pv_vtest_busy_wait,
    [PV_VTEST_CREATE_RENDERER] = pv_vtest_create_renderer,
    [PV_VTEST_PING_PROTOCOL_VERSION] = pv_vtest_ping,
    [PV_VTEST_PROTOCOL_VERSION] = pv_vtest_protocol_version,
    [PV_VTEST_GET_PARAM] = pv_vtest_get_param,
    [PV_VTEST_GET_CAPSET] = pv_vtest_get_capset,
    [PV_VTEST_CONTEXT_INIT] = pv_vtest_context_init,
    [PV_VTEST_RESOURCE_CREATE_BLOB] = pv_vtest_resource_create_blob,
    [PV_VTEST_SYNC_CREATE] = pv_vtest_sync_create,
    [PV_VTEST_SYNC_UNREF] = pv_vtest_sync_unref,
    [PV_VTEST_SYNC_READ] = pv_vtest_sync_read,
    [PV_VTEST_SYNC_WRITE] = pv_vtest_sync_write,
    [PV_VTEST_SYNC_WAIT] = pv_vtest_sync_wait,
    [PV_VTEST_SUBMIT_CMD2] = pv_vtest_submit_cmd2,
};

enum pv_result pv_vtest_reply(struct pv_vtest_session *session, const uint32_t *dwords,
                              uint32_t count)
{
    uint32_t reply[2 + REPLY_DWORDS_MAX] = {count, session->header.command};
    PV_ASSERT(count <= REPLY_DWORDS_MAX);
    if (count != 0) {
        memcpy(reply + 2, dwords, count * sizeof(*dwords));
    }
    return pv_fd_send(session->socket, reply, (2 + count) * sizeof(*reply), NULL, 0);
}

enum pv_result pv_vtest_reply_fd(struct pv_vtest_session *session, const uint32_t *dwords,
                                 uint32_t count, int fd)
{
    enum pv_result result = pv_vtest_reply(session, dwords, count);
    if (result != PV_OK) {
        return result;
    }
    /* In a message of its own: the client reads the reply with read(), which drops descriptors. */
    const uint8_t byte = 0;
    return pv_fd_send(session->socket, &byte, 1, &fd, 1);
}

/* Nothing works for this client any more. Waits in flight fail, and the clock runs until it is
 * sent away: closing the socket at once would make it spin, and its rings tell it sooner anyway. */
static bool begin_loss(struct pv_vtest_session *session)
{
    if (atomic_exchange_explicit(&session->lost, true, memory_order_acq_rel)) {
        return false;
    }
    uint32_t linger_ms = session->params->linger_ms;
    if (linger_ms == 0) {
        linger_ms = LINGER_MS;
    }
    uint64_t deadline_ns = pv_clock_now_ns() + linger_ms * PV_NS_PER_MS;
    atomic_store_explicit(&session->lost_deadline_ns, deadline_ns, memory_order_release);
    pv_vtest_syncs_lose(&session->syncs);
    pv_fifo_set_deadline(&session->fifo, deadline_ns);
    return true;
}

static void on_turned_fatal(void *user)
{
    (void)begin_loss(user);
}

/* On the context thread. What the client sent last is unread or just being served, so that it hears
 * ECONNRESET rather than silence. */
static void on_expired(void *user)
{
    struct pv_vtest_session *session = user;
    pv_log_info(&session->log, "%s is sent away", session->name);
    shutdown(session->socket, SHUT_RD);
}

enum pv_result pv_vtest_session_fault(struct pv_vtest_session *session, const char *why)
{
    if (begin_loss(session)) {
        const char *command = pv_vtest_command_name(session->header.command);
        pv_log_error(&session->log, "%s broke the protocol at %s: %s", session->name,
                     command != NULL ? command : "a header", why);
    }
    if (session->context != NULL) {
        pv_context_set_fatal(session->context, why);
    }
    return PV_GUEST_FAULT;
}

static void on_fence_retired(void *user, uint32_t ring_idx, uint64_t cookie)
{
    (void)ring_idx;
    struct pv_vtest_session *session = user;
    pv_vtest_signal_fire(&session->syncs, (struct pv_vtest_signal *)(uintptr_t)cookie);
}

enum pv_result pv_vtest_context_init(struct pv_vtest_session *session)
{
    if (session->context != NULL) {
        return pv_vtest_session_fault(session, "a second context");
    }
    if (pv_vtest_dword(session->payload, 0) != PV_VTEST_CAPSET_VENUS) {
        return pv_vtest_session_fault(session, "a context that is not Venus");
    }
    if (session->params->renderer == NULL) {
        return pv_vtest_session_fault(session, "a context, though there is no Venus here");
    }
    struct pv_context_params params = {
        .struct_size = sizeof(params),
        .id = session->params->context_id,
        .quota = session->params->quota,
        .notify_fd = session->socket,
        .fence_retired = on_fence_retired,
        .turned_fatal = on_turned_fatal,
        .user = session,
    };
    enum pv_result result =
        pv_context_create(session->params->renderer, &params, &session->context);
    if (result != PV_OK) {
        return pv_vtest_session_fault(session, "no context could be created");
    }
    return PV_OK;
}

/* Room for the frame's payload. */
static bool reserve_payload(struct pv_vtest_session *session, uint32_t size)
{
    if (size <= session->capacity && session->capacity <= PAYLOAD_KEPT_MAX) {
        return true;
    }
    uint32_t capacity = size < 4096 ? 4096 : size;
    free(session->payload);
    session->payload = malloc(capacity);
    session->capacity = session->payload != NULL ? capacity : 0;
    return session->payload != NULL;
}

/* The order in which a client must begin. */
static const char *order_fault(const struct pv_vtest_session *session)
{
    bool is_naming = session->header.command == PV_VTEST_CREATE_RENDERER;
    if (is_naming == session->is_named) {
        return is_naming ? "a second time" : "before CREATE_RENDERER";
    }
    bool needs_context = session->header.command >= PV_VTEST_RESOURCE_CREATE_BLOB ||
                         session->header.command == PV_VTEST_RESOURCE_UNREF;
    return needs_context && session->context == NULL ? "before CONTEXT_INIT" : NULL;
}

static enum pv_result run_handler(struct pv_vtest_session *session)
{
    if (!atomic_load_explicit(&session->lost, memory_order_acquire)) {
        const char *fault = order_fault(session);
        enum pv_result result = fault != NULL ? pv_vtest_session_fault(session, fault)
                                              : handlers[session->header.command](session);
        if (result != PV_GUEST_FAULT) {
            return result;
        }
    }
    return session->header.wants_reply ? pv_vtest_answer_lost(session) : PV_OK;
}

/* Reads one request, does it, answers it. */
static enum pv_result serve_frame(struct pv_vtest_session *session)
{
    uint8_t header[PV_VTEST_HEADER_SIZE];
    enum pv_result result = pv_fd_read(session->socket, header, sizeof(header));
    if (result != PV_OK) {
        return PV_CLOSED;
    }
    const char *fault = pv_vtest_header_parse(header, &session->header);
    uint32_t size = session->header.payload_size;
    if (fault == NULL && !reserve_payload(session, size)) {
        fault = "no memory for its frame";
    }
    if (fault != NULL) {
        session->header.command = pv_vtest_dword(header, 1);
        (void)pv_vtest_session_fault(session, fault);
        pv_vtest_socket_discard(session->socket, atomic_load_explicit(&session->lost_deadline_ns,
                                                                      memory_order_acquire));
        return PV_CLOSED;
    }
    if (!session->header.wants_reply || size == 0) {
        result = pv_fd_read(session->socket, session->payload, size);
        return result == PV_OK ? run_handler(session) : PV_CLOSED;
    }
    size_t left;
    result = pv_vtest_socket_peek(session->socket, session->payload, size, &left);
    if (result == PV_OK) {
        result = run_handler(session);
    }
    return result == PV_OK ? pv_vtest_socket_drain(session->socket, left) : result;
}

static void report(struct pv_vtest_session *session)
{
    if (session->params->finished == NULL) {
        return;
    }
    struct pv_stats stats = {.struct_size = sizeof(stats)};
    uint64_t *counts = calloc(pv_command_count(), sizeof(*counts));
    if (counts != NULL) {
        if (session->context != NULL) {
            pv_context_get_stats(session->context, &stats, counts);
        }
        session->params->finished(session->params->user, session->name, &stats, counts);
    }
    free(counts);
}

void pv_vtest_serve(int socket, const struct pv_vtest_params *params)
{
    struct pv_vtest_session session = {
        .params = params,
        .socket = socket,
        .log = *params->log,
        .name = "a client without name",
    };
    session.log.context_id = params->context_id;
    if (pv_vtest_syncs_init(&session.syncs) != PV_OK) {
        return;
    }
    if (pv_fifo_init(&session.fifo, &session, on_expired) == PV_OK) {
        while (serve_frame(&session) == PV_OK) {
        }
        report(&session);
        if (session.context != NULL) {
            pv_context_set_fatal(session.context, "the client has gone");
        }
        pv_fifo_finish(&session.fifo);
        pv_context_destroy(session.context);
    }
    pv_vtest_syncs_finish(&session.syncs);
    free(session.payload);
}
