/* Memory shared with the client. */

#include "base/fd.h"
#include "front/vtest/session.h"

#include <stdlib.h>

/* Waits until what came before is done. */
static enum pv_result wait_for_turn(struct pv_vtest_session *session)
{
    while (!pv_fifo_is_idle(&session->fifo)) {
        enum pv_result result = pv_fifo_wait(&session->fifo, session->socket);
        if (result != PV_OK) {
            return result;
        }
    }
    return PV_OK;
}

static const char *blob_fault(enum pv_result result)
{
    switch (result) {
    case PV_GUEST_FAULT:
        return "a blob of memory that cannot be shared";
    case PV_NO_MEMORY:
        return "a blob beyond its quota";
    default:
        return "a blob that the host could not make";
    }
}

enum pv_result pv_vtest_resource_create_blob(struct pv_vtest_session *session)
{
    const uint8_t *payload = session->payload;
    uint32_t flags = pv_vtest_dword(payload, 1);
    struct pv_context_blob_params params = {
        .struct_size = sizeof(params),
        .resource_id = session->last_resource_id + 1,
        .blob_id = pv_vtest_qword(payload, 4),
        .flags = flags,
        .size_bytes = pv_vtest_qword(payload, 2),
    };
    if (pv_vtest_dword(payload, 0) != PV_VTEST_BLOB_HOST3D) {
        return pv_vtest_session_fault(session, "a blob of a type that Venus does not use");
    }
    if ((flags & ~(uint32_t)PV_VTEST_BLOB_FLAGS_ALL) != 0 || params.resource_id == 0) {
        return pv_vtest_session_fault(session, "a blob with unknown flags, or too many of them");
    }
    /* The memory may be allocated by a command that a request before this one waits for. The client
     * holds its socket meanwhile, so there is nothing else to read. */
    if (params.blob_id != 0) {
        enum pv_result result = wait_for_turn(session);
        if (result != PV_OK) {
            return result;
        }
    }
    struct pv_context_blob blob = {.struct_size = sizeof(blob)};
    enum pv_result result = pv_context_create_blob(session->context, &params, &blob);
    if (result != PV_OK) {
        return pv_vtest_session_fault(session, blob_fault(result));
    }
    session->last_resource_id = params.resource_id;
    result = pv_vtest_reply_fd(session, &params.resource_id, 1, blob.fd);
    pv_fd_close(&blob.fd);
    return result;
}

struct unref_job {
    struct pv_fifo_job job;
    uint32_t resource_id;
};

static void run_unref(void *user, struct pv_fifo_job *taken_job, bool dropped)
{
    struct pv_vtest_session *session = user;
    struct unref_job *unref = (struct unref_job *)taken_job;
    if (!dropped) {
        (void)pv_context_unref_resource(session->context, unref->resource_id);
    }
    free(unref);
}

enum pv_result pv_vtest_resource_unref(struct pv_vtest_session *session)
{
    uint32_t resource_id = pv_vtest_dword(session->payload, 0);
    /* Only a sign of confusion, as clients go: nothing is harmed by it. */
    if (resource_id == 0 || resource_id > session->last_resource_id) {
        pv_log_debug(&session->log, "%s dropped resource %u, which it never had", session->name,
                     resource_id);
        return PV_OK;
    }
    if (pv_fifo_is_idle(&session->fifo)) {
        (void)pv_context_unref_resource(session->context, resource_id);
        return PV_OK;
    }
    /* A submit that is still to run may name it. */
    struct unref_job *unref = malloc(sizeof(*unref));
    if (unref == NULL) {
        return pv_vtest_session_fault(session, "no memory to keep its order");
    }
    *unref = (struct unref_job){
        .job = {.size = sizeof(*unref), .run = run_unref},
        .resource_id = resource_id,
    };
    while (pv_fifo_is_full(&session->fifo)) {
        if (pv_fifo_wait(&session->fifo, session->socket) != PV_OK) {
            free(unref);
            return PV_CLOSED;
        }
    }
    pv_fifo_push(&session->fifo, &unref->job);
    return PV_OK;
}
