/* The requests with which a client finds out what is here. */

#include "front/vtest/session.h"

#include <string.h>

enum pv_result pv_vtest_create_renderer(struct pv_vtest_session *session)
{
    uint32_t size = session->header.payload_size;
    if (session->payload[size - 1] != 0) {
        return pv_vtest_session_fault(session, "a name without end");
    }
    session->is_named = true;
    size_t length = strnlen((const char *)session->payload, sizeof(session->name) - 1);
    for (size_t i = 0; i < length; i++) {
        uint8_t c = session->payload[i];
        session->name[i] = c >= 0x20 && c < 0x7f ? (char)c : '?';
    }
    session->name[length] = '\0';
    pv_log_info(&session->log, "%s has connected", session->name);
    return PV_OK;
}

enum pv_result pv_vtest_ping(struct pv_vtest_session *session)
{
    return pv_vtest_reply(session, NULL, 0);
}

/* Clients send it behind the ping and count on this answer; resources are never busy here. */
enum pv_result pv_vtest_busy_wait(struct pv_vtest_session *session)
{
    const uint32_t is_busy = 0;
    return pv_vtest_reply(session, &is_busy, 1);
}

enum pv_result pv_vtest_protocol_version(struct pv_vtest_session *session)
{
    uint32_t version = pv_vtest_dword(session->payload, 0);
    if (version > PV_VTEST_VERSION) {
        version = PV_VTEST_VERSION;
    }
    if (version < PV_VTEST_VERSION_MIN) {
        pv_log_warn(&session->log, "%s speaks vtest %u, which has no Venus", session->name,
                    version);
    }
    return pv_vtest_reply(session, &version, 1);
}

enum pv_result pv_vtest_get_param(struct pv_vtest_session *session)
{
    uint32_t answer[2] = {0, 0}; /* valid, value */
    if (pv_vtest_dword(session->payload, 0) == PV_VTEST_PARAM_MAX_TIMELINE_COUNT) {
        answer[0] = 1;
        answer[1] = PV_VTEST_TIMELINE_COUNT;
    }
    return pv_vtest_reply(session, answer, 2);
}

enum pv_result pv_vtest_get_capset(struct pv_vtest_session *session)
{
    uint32_t answer[1 + PV_VENUS_CAPSET_SIZE / 4] = {0}; /* valid, capset */
    struct pv_renderer *renderer = session->params->renderer;
    if (renderer == NULL || pv_vtest_dword(session->payload, 0) != PV_VTEST_CAPSET_VENUS ||
        pv_vtest_dword(session->payload, 1) != 0) {
        return pv_vtest_reply(session, answer, 1);
    }
    answer[0] = 1;
    uint8_t capset[PV_VENUS_CAPSET_SIZE];
    pv_renderer_capset(renderer, capset);
    memcpy(&answer[1], capset, sizeof(capset));
    return pv_vtest_reply(session, answer, sizeof(answer) / sizeof(answer[0]));
}
