/* Answers for a client whose context has ended. Its rings say FATAL, but a thread of it may be
 * waiting for a reply first; one that gets none would wait for ever. */

#include "base/fd.h"
#include "front/vtest/session.h"
#include "isolate/remote.h"

static enum pv_result answer_blob(struct pv_vtest_session *session)
{
    /* Sparse, so the size costs nothing; of one that the system refuses, the client gets the
     * beginning. */
    int fd = pv_remote_shm_create(pv_vtest_qword(session->payload, 2));
    if (fd < 0) {
        fd = pv_remote_shm_create(1);
    }
    if (fd < 0) {
        return PV_CLOSED;
    }
    session->last_resource_id++;
    enum pv_result result = pv_vtest_reply_fd(session, &session->last_resource_id, 1, fd);
    pv_fd_close(&fd);
    return result;
}

/* A pipe that nobody will write to: the client takes the hang-up for a lost device. */
static enum pv_result answer_wait(struct pv_vtest_session *session)
{
    int read_end, write_end;
    if (pv_fd_pipe(&read_end, &write_end) != PV_OK) {
        return PV_CLOSED;
    }
    pv_fd_close(&write_end);
    enum pv_result result = pv_vtest_reply_fd(session, NULL, 0, read_end);
    pv_fd_close(&read_end);
    return result;
}

enum pv_result pv_vtest_answer_lost(struct pv_vtest_session *session)
{
    const uint32_t none[] = {0, 0};
    const uint32_t some_id = 1;
    switch (session->header.command) {
    case PV_VTEST_PING_PROTOCOL_VERSION:
        return pv_vtest_ping(session);
    case PV_VTEST_PROTOCOL_VERSION:
        return pv_vtest_protocol_version(session);
    case PV_VTEST_RESOURCE_CREATE_BLOB:
        return answer_blob(session);
    case PV_VTEST_SYNC_CREATE:
        return pv_vtest_reply(session, &some_id, 1);
    case PV_VTEST_SYNC_READ:
    case PV_VTEST_GET_PARAM:
        return pv_vtest_reply(session, none, 2);
    case PV_VTEST_SYNC_WAIT:
        return answer_wait(session);
    default: /* RESOURCE_BUSY_WAIT: not busy; GET_CAPSET: not valid */
        return pv_vtest_reply(session, none, 1);
    }
}
