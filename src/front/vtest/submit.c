/* SUBMIT_CMD2: command streams of the context, and fences behind them. */

#include "front/vtest/session.h"
#include "isolate/ring_word.h"

#include <stdlib.h>

/* A submit on its way: the frame, and what its fences will set. */
struct submit_job {
    struct pv_fifo_job job;
    uint8_t *payload;
    struct pv_vtest_submit submit;
    struct pv_vtest_signal *signals[]; /* one for each batch; NULL without syncs */
};

/* Tells whoever outlives us where a new ring can be told that we have died. */
static void report_ring(struct pv_vtest_session *session, const struct pv_vtest_batch *batch)
{
    uint32_t resource_id;
    uint64_t status_offset;
    if (session->params->ring_created == NULL ||
        !pv_ring_word_find(batch->commands, batch->commands_size, &resource_id, &status_offset)) {
        return;
    }
    struct pv_context_blob blob = {.struct_size = sizeof(blob)};
    if (pv_context_export_resource(session->context, resource_id, &blob)) {
        session->params->ring_created(session->params->user, blob.fd, status_offset);
    }
}

static void run_batch(struct pv_vtest_session *session, const struct pv_vtest_batch *batch,
                      struct pv_vtest_signal *taken_signal)
{
    if (batch->commands_size != 0) {
        /* A failure has turned the context fatal; the fence retires all the same. */
        (void)pv_context_submit(session->context, batch->commands, batch->commands_size);
        report_ring(session, batch);
    }
    if (taken_signal == NULL) {
        return;
    }
    if ((batch->flags & PV_VTEST_SUBMIT_RING_IDX) == 0) {
        pv_vtest_signal_fire(&session->syncs, taken_signal);
    } else {
        pv_context_fence(session->context, batch->ring_idx, (uint64_t)(uintptr_t)taken_signal);
    }
}

static void run_submit(void *user, struct pv_fifo_job *taken_job, bool dropped)
{
    struct pv_vtest_session *session = user;
    struct submit_job *job = (struct submit_job *)taken_job;
    for (uint32_t i = 0; i < job->submit.batch_count; i++) {
        if (dropped) {
            pv_vtest_signal_drop(&session->syncs, job->signals[i]);
        } else {
            struct pv_vtest_batch batch;
            pv_vtest_submit_batch(&job->submit, i, &batch);
            run_batch(session, &batch, job->signals[i]);
        }
    }
    free(job->payload);
    free(job);
}

/* What happens most: one batch without fence that rings a bell, or waits for what is done already.
 * Nothing is allocated. */
static bool run_at_once(struct pv_vtest_session *session, const struct pv_vtest_submit *submit)
{
    struct pv_vtest_batch batch;
    if (submit->batch_count != 1) {
        return false;
    }
    pv_vtest_submit_batch(submit, 0, &batch);
    if (batch.sync_count != 0 ||
        !pv_context_is_quick(session->context, batch.commands, batch.commands_size)) {
        return false;
    }
    run_batch(session, &batch, NULL);
    return true;
}

/* Looks up the syncs now: the client may drop their ids right after this request. */
static enum pv_result create_signals(struct pv_vtest_session *session, struct submit_job *job)
{
    for (uint32_t i = 0; i < job->submit.batch_count; i++) {
        struct pv_vtest_batch batch;
        pv_vtest_submit_batch(&job->submit, i, &batch);
        if (batch.sync_count == 0) {
            continue;
        }
        enum pv_result result = pv_vtest_signal_create(&session->syncs, batch.syncs,
                                                       batch.sync_count, &job->signals[i]);
        if (result != PV_OK) {
            return result;
        }
    }
    return PV_OK;
}

/* With fences that retire at once: not worth waking the context thread for, either. */
static bool is_quick(struct pv_vtest_session *session, const struct pv_vtest_submit *submit)
{
    for (uint32_t i = 0; i < submit->batch_count; i++) {
        struct pv_vtest_batch batch;
        pv_vtest_submit_batch(submit, i, &batch);
        if ((batch.sync_count != 0 && batch.ring_idx != 0) ||
            !pv_context_is_quick(session->context, batch.commands, batch.commands_size)) {
            return false;
        }
    }
    return true;
}

static enum pv_result push(struct pv_vtest_session *session, struct submit_job *taken_job)
{
    while (pv_fifo_is_full(&session->fifo)) {
        if (pv_fifo_wait(&session->fifo, session->socket) != PV_OK) {
            run_submit(session, &taken_job->job, true);
            return PV_CLOSED;
        }
    }
    pv_fifo_push(&session->fifo, &taken_job->job);
    return PV_OK;
}

enum pv_result pv_vtest_submit_cmd2(struct pv_vtest_session *session)
{
    struct pv_vtest_submit submit;
    const char *fault =
        pv_vtest_submit_parse(session->payload, session->header.payload_size, &submit);
    if (fault != NULL) {
        return pv_vtest_session_fault(session, fault);
    }
    bool is_idle = pv_fifo_is_idle(&session->fifo);
    if (is_idle && run_at_once(session, &submit)) {
        return PV_OK;
    }
    size_t signals_size = submit.batch_count * sizeof(struct pv_vtest_signal *);
    struct submit_job *job = calloc(1, sizeof(*job) + signals_size);
    if (job == NULL) {
        return pv_vtest_session_fault(session, "no memory for its submit");
    }
    /* The frame's bytes change hands: the next frame gets new ones. */
    job->payload = session->payload;
    session->payload = NULL;
    session->capacity = 0;
    job->submit = submit;
    job->job.run = run_submit;
    job->job.size = sizeof(*job) + signals_size + session->header.payload_size;
    enum pv_result result = create_signals(session, job);
    if (result != PV_OK) {
        run_submit(session, &job->job, true);
        return pv_vtest_session_fault(session, result == PV_NO_MEMORY
                                                   ? "more syncs in fences than there may be"
                                                   : "a sync that does not exist");
    }
    if (is_idle && is_quick(session, &submit)) {
        run_submit(session, &job->job, false);
        return PV_OK;
    }
    return push(session, job);
}
