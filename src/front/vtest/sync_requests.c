/* The client's requests about its syncs: all answered at once. */

#include "base/fd.h"
#include "front/vtest/session.h"

enum { WAIT_HEADER_SIZE = 8, WAIT_ENTRY_SIZE = 12 };

enum pv_result pv_vtest_sync_create(struct pv_vtest_session *session)
{
    uint32_t id;
    uint64_t value = pv_vtest_qword(session->payload, 0);
    if (pv_vtest_syncs_create(&session->syncs, value, &id) != PV_OK) {
        return pv_vtest_session_fault(session, "more syncs than there may be");
    }
    return pv_vtest_reply(session, &id, 1);
}

enum pv_result pv_vtest_sync_unref(struct pv_vtest_session *session)
{
    if (!pv_vtest_syncs_unref(&session->syncs, pv_vtest_dword(session->payload, 0))) {
        return pv_vtest_session_fault(session, "a sync that does not exist");
    }
    return PV_OK;
}

enum pv_result pv_vtest_sync_read(struct pv_vtest_session *session)
{
    uint64_t value;
    if (!pv_vtest_syncs_read(&session->syncs, pv_vtest_dword(session->payload, 0), &value)) {
        return pv_vtest_session_fault(session, "a sync that does not exist");
    }
    const uint32_t answer[] = {(uint32_t)value, (uint32_t)(value >> 32)};
    return pv_vtest_reply(session, answer, 2);
}

enum pv_result pv_vtest_sync_write(struct pv_vtest_session *session)
{
    uint64_t value = pv_vtest_qword(session->payload, 1);
    if (!pv_vtest_syncs_write(&session->syncs, pv_vtest_dword(session->payload, 0), value)) {
        return pv_vtest_session_fault(session, "a sync that does not exist");
    }
    return PV_OK;
}

static const char *wait_fault(enum pv_result result)
{
    switch (result) {
    case PV_GUEST_FAULT:
        return "a sync that does not exist";
    case PV_NO_MEMORY:
        return "more waits than there may be";
    default:
        return "a wait for which there is no descriptor";
    }
}

enum pv_result pv_vtest_sync_wait(struct pv_vtest_session *session)
{
    uint32_t size = session->header.payload_size - WAIT_HEADER_SIZE;
    if (size % WAIT_ENTRY_SIZE != 0) {
        return pv_vtest_session_fault(session, "a wait for a part of a sync");
    }
    uint32_t flags = pv_vtest_dword(session->payload, 0);
    uint32_t timeout_ms = pv_vtest_dword(session->payload, 1);
    int read_end;
    enum pv_result result =
        pv_vtest_syncs_wait(&session->syncs, (flags & PV_VTEST_SYNC_WAIT_ANY) != 0, timeout_ms,
                            session->payload + WAIT_HEADER_SIZE, size / WAIT_ENTRY_SIZE, &read_end);
    if (result != PV_OK) {
        return pv_vtest_session_fault(session, wait_fault(result));
    }
    result = pv_vtest_reply_fd(session, NULL, 0, read_end);
    pv_fd_close(&read_end);
    return result;
}
