#include "front/context/serve.h"

#include "base/fd.h"
#include "base/fifo.h"
#include "isolate/messages.h"
#include "isolate/ring_word.h"

#include <stdlib.h>
#include <string.h>

/* One context. Everything is the reading thread's, but for what says otherwise. */
struct session {
    const struct pv_context_serve_params *params;
    struct pv_packets packets; /* any thread sends; the reading one receives */
    struct pv_log log;
    struct pv_context *context; /* any thread */
    struct pv_fifo fifo;
    uint8_t *buffer;           /* of PV_MESSAGE_SIZE_MAX */
    struct request *assembled; /* a command stream whose pieces are not all here; NULL: none */
};

/* What the device asked for. */
struct request {
    struct pv_fifo_job job;
    enum pv_message_type type;
    int fd; /* of ATTACH; else -1 */
    union {
        struct pv_fence_word fence;
        struct pv_blob_request blob;
        struct pv_attach_request attach;
        struct pv_unref_request unref;
        struct {
            uint8_t *bytes;
            uint64_t size, filled;
        } submit; /* the bytes go with the request, or are borrowed */
    } body;
};

static void free_request(struct request *request)
{
    if (request == NULL) {
        return;
    }
    if (request->type == PV_MESSAGE_SUBMIT) {
        free(request->body.submit.bytes);
    }
    pv_fd_close(&request->fd);
    free(request);
}

/* --- to the device -----------------------------------------------------------------------------
 */

/* The device reads all that we say, or hangs up, of which the reading thread hears. */
static void tell(struct session *session, enum pv_message_type type, const void *body, size_t size,
                 int fd)
{
    (void)!pv_message_send(&session->packets, type, body, size, NULL, 0, fd);
}

static void on_fence_retired(void *user, uint32_t ring_idx, uint64_t cookie)
{
    const struct pv_fence_word word = {.ring_idx = ring_idx, .fence_id = cookie};
    tell(user, PV_MESSAGE_FENCE_RETIRED, &word, sizeof(word), -1);
}

static void on_turned_fatal(void *user)
{
    tell(user, PV_MESSAGE_LOST, NULL, 0, -1);
}

/* --- what each request does: on the context thread, or on the reading one if that is idle -------
 */

static void submit(struct session *session, const uint8_t *bytes, uint64_t size)
{
    /* A failure has turned the context fatal. */
    (void)pv_context_submit(session->context, bytes, size);
    uint32_t resource_id;
    uint64_t status_offset;
    struct pv_context_blob blob = {.struct_size = sizeof(blob)};
    if (session->params->ring_created != NULL &&
        pv_ring_word_find(bytes, size, &resource_id, &status_offset) &&
        pv_context_export_resource(session->context, resource_id, &blob)) {
        session->params->ring_created(session->params->user, blob.fd, status_offset);
    }
}

static void create_blob(struct session *session, const struct pv_blob_request *request)
{
    const struct pv_context_blob_params params = {
        .struct_size = sizeof(params),
        .resource_id = request->resource_id,
        .blob_id = request->blob_id,
        .flags = request->flags,
        .size_bytes = request->size_bytes,
    };
    struct pv_context_blob blob = {.struct_size = sizeof(blob), .fd = -1};
    enum pv_result result = pv_context_create_blob(session->context, &params, &blob);
    const struct pv_blob_reply reply = {
        .map_size = blob.map_size_bytes,
        .resource_id = request->resource_id,
        .result = (uint32_t)result,
        .caching = (uint32_t)blob.caching,
        .kind = (uint32_t)blob.kind,
    };
    tell(session, PV_MESSAGE_BLOB_CREATED, &reply, sizeof(reply), blob.fd);
    pv_fd_close(&blob.fd);
}

static void run(struct session *session, const struct request *request)
{
    switch (request->type) {
    case PV_MESSAGE_SUBMIT:
        submit(session, request->body.submit.bytes, request->body.submit.size);
        break;
    case PV_MESSAGE_FENCE:
        pv_context_fence(session->context, request->body.fence.ring_idx,
                         request->body.fence.fence_id);
        break;
    case PV_MESSAGE_BLOB:
        create_blob(session, &request->body.blob);
        break;
    case PV_MESSAGE_ATTACH:
        if (pv_context_attach_resource(session->context, request->body.attach.resource_id,
                                       (enum pv_context_blob_kind)request->body.attach.kind,
                                       request->fd, request->body.attach.size_bytes) != PV_OK) {
            pv_context_set_fatal(session->context, "memory that cannot be attached");
        }
        break;
    default: /* UNREF: nothing else is read */
        (void)pv_context_unref_resource(session->context, request->body.unref.resource_id);
        break;
    }
}

static void run_job(void *user, struct pv_fifo_job *taken_job, bool dropped)
{
    struct request *request = (struct request *)taken_job;
    if (!dropped) {
        run(user, request);
    }
    free_request(request);
}

/* Only a stream can wait for the guest, and only a queue's fence for the driver. */
static bool is_quick(struct session *session, const struct request *request)
{
    switch (request->type) {
    case PV_MESSAGE_SUBMIT:
        return pv_context_is_quick(session->context, request->body.submit.bytes,
                                   request->body.submit.size);
    case PV_MESSAGE_FENCE:
        return request->body.fence.ring_idx == 0;
    default:
        return true;
    }
}

/* --- from the device ---------------------------------------------------------------------------
 */

/* Takes the request, in its turn. */
static enum pv_result push(struct session *session, struct request *taken_request)
{
    taken_request->job.run = run_job;
    taken_request->job.size = sizeof(*taken_request);
    if (taken_request->type == PV_MESSAGE_SUBMIT) {
        taken_request->job.size += taken_request->body.submit.size;
    }
    while (pv_fifo_is_full(&session->fifo)) {
        if (pv_fifo_wait(&session->fifo, session->packets.socket) != PV_OK) {
            free_request(taken_request);
            return PV_CLOSED;
        }
    }
    pv_fifo_push(&session->fifo, &taken_request->job);
    return PV_OK;
}

/* Runs it now where that is quick, on borrowed bytes: what happens most, rings of bells, costs no
 * allocation. Else takes a copy. */
static enum pv_result serve_request(struct session *session, const struct request *request)
{
    if (pv_fifo_is_idle(&session->fifo) && is_quick(session, request)) {
        run(session, request);
        return PV_OK;
    }
    struct request *copy = malloc(sizeof(*copy));
    if (copy == NULL) {
        return PV_NO_MEMORY;
    }
    *copy = *request;
    if (request->type == PV_MESSAGE_SUBMIT) {
        copy->body.submit.bytes = malloc(request->body.submit.size);
        if (copy->body.submit.bytes == NULL) {
            free(copy);
            return PV_NO_MEMORY;
        }
        memcpy(copy->body.submit.bytes, request->body.submit.bytes, request->body.submit.size);
    }
    if (request->fd >= 0) {
        copy->fd = pv_fd_duplicate(request->fd);
        if (copy->fd < 0) {
            free_request(copy);
            return PV_HOST_FAILED;
        }
    }
    return push(session, copy);
}

/* Begins a stream that comes in pieces. */
static enum pv_result begin_stream(struct session *session, uint64_t size)
{
    struct request *request = calloc(1, sizeof(*request));
    if (request == NULL) {
        return PV_NO_MEMORY;
    }
    *request = (struct request){.type = PV_MESSAGE_SUBMIT, .fd = -1};
    request->body.submit.bytes = malloc(size);
    request->body.submit.size = size;
    session->assembled = request;
    return request->body.submit.bytes != NULL ? PV_OK : PV_NO_MEMORY;
}

static enum pv_result serve_piece(struct session *session, const struct pv_message *message)
{
    struct pv_submit_piece head;
    memcpy(&head, message->payload, sizeof(head));
    const uint8_t *bytes = message->payload + sizeof(head);
    uint64_t size = message->size - sizeof(head);
    if (size == 0 || size > head.size_bytes || head.size_bytes > PV_SUBMIT_SIZE_MAX) {
        return PV_GUEST_FAULT;
    }
    if (session->assembled == NULL) {
        if (size == head.size_bytes) {
            struct request whole = {.type = PV_MESSAGE_SUBMIT, .fd = -1};
            whole.body.submit.bytes = (uint8_t *)(uintptr_t)bytes; /* borrowed; only read */
            whole.body.submit.size = size;
            return serve_request(session, &whole);
        }
        enum pv_result result = begin_stream(session, head.size_bytes);
        if (result != PV_OK) {
            return result;
        }
    }
    struct request *request = session->assembled;
    if (head.size_bytes != request->body.submit.size ||
        size > request->body.submit.size - request->body.submit.filled) {
        return PV_GUEST_FAULT;
    }
    memcpy(request->body.submit.bytes + request->body.submit.filled, bytes, size);
    request->body.submit.filled += size;
    if (request->body.submit.filled < request->body.submit.size) {
        return PV_OK;
    }
    session->assembled = NULL;
    return push(session, request);
}

static enum pv_result serve_message(struct session *session, const struct pv_message *message)
{
    if (message->type == PV_MESSAGE_SUBMIT) {
        return serve_piece(session, message);
    }
    if (session->assembled != NULL) {
        return PV_GUEST_FAULT;
    }
    struct request request = {.type = message->type, .fd = message->fd};
    /* The table has checked that it fits: each is one of the union's structs. */
    memcpy(&request.body, message->payload, message->size);
    return serve_request(session, &request);
}

/* Reads until the device hangs up. */
static void serve(struct session *session)
{
    for (;;) {
        struct pv_message message;
        enum pv_result result = pv_message_receive(&session->packets, PV_MESSAGE_TO_CONTEXT, true,
                                                   session->buffer, &message);
        if (result == PV_OK) {
            result = serve_message(session, &message);
            pv_fd_close(&message.fd);
        }
        if (result == PV_CLOSED) {
            return;
        }
        if (result != PV_OK) {
            const char *why = result == PV_GUEST_FAULT ? "its device said something impossible"
                                                       : "its device asked for too much";
            pv_log_error(&session->log, "%s", why);
            pv_context_set_fatal(session->context, why);
            return;
        }
    }
}

/* Says so, and waits until the device has heard it and hangs up: nothing else is wrong here. */
static void serve_lost(struct session *session)
{
    pv_log_error(&session->log, "no context can be had: there is no usable Vulkan driver");
    tell(session, PV_MESSAGE_LOST, NULL, 0, -1);
    struct pv_message message;
    while (session->buffer != NULL &&
           pv_message_receive(&session->packets, PV_MESSAGE_TO_CONTEXT, true, session->buffer,
                              &message) == PV_OK) {
        pv_fd_close(&message.fd);
    }
}

static void report(struct session *session)
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
        session->params->finished(session->params->user, &stats, counts);
    }
    free(counts);
}

static bool open_context(struct session *session)
{
    const struct pv_context_params params = {
        .struct_size = sizeof(params),
        .id = session->params->context_id,
        .quota = session->params->quota,
        .notify_fd = session->packets.socket,
        .fence_retired = on_fence_retired,
        .turned_fatal = on_turned_fatal,
        .user = session,
    };
    session->buffer = malloc(PV_MESSAGE_SIZE_MAX);
    return session->buffer != NULL && session->params->renderer != NULL &&
           pv_context_create(session->params->renderer, &params, &session->context) == PV_OK &&
           pv_fifo_init(&session->fifo, session, NULL) == PV_OK;
}

void pv_context_serve(int socket, const struct pv_context_serve_params *params)
{
    struct session session = {.params = params, .log = *params->log};
    session.log.context_id = params->context_id;
    if (pv_packets_init(&session.packets, socket) != PV_OK) {
        pv_log_error(&session.log, "no memory for a context");
        return;
    }
    if (open_context(&session)) {
        serve(&session);
    } else {
        serve_lost(&session);
    }
    report(&session);
    if (session.context != NULL && !pv_fifo_is_idle(&session.fifo)) {
        /* What runs there may wait for the guest. */
        pv_context_set_fatal(session.context, "its device has gone");
    }
    pv_fifo_finish(&session.fifo);
    pv_context_destroy(session.context);
    free_request(session.assembled);
    free(session.buffer);
    pv_packets_finish(&session.packets);
}
