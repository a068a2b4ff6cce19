#include "front/vtest/frame.h"

#include "base/checked.h"

#include <string.h>

/* What each command may look like; a row without a name is a command that we do not speak. */
static const struct {
    const char *name;
    uint32_t min_size, max_size; /* of the payload, in bytes */
    bool wants_reply;
} frames[PV_VTEST_COMMAND_COUNT] = {
    [PV_VTEST_RESOURCE_UNREF] = {"RESOURCE_UNREF", 4, 4, false},
    [PV_VTEST_RESOURCE_BUSY_WAIT] = {"RESOURCE_BUSY_WAIT", 8, 8, true},
    [PV_VTEST_CREATE_RENDERER] = {"CREATE_RENDERER", 1, PV_VTEST_NAME_MAX, false},
    [PV_VTEST_PING_PROTOCOL_VERSION] = {"PING_PROTOCOL_VERSION", 0, 0, true},
    [PV_VTEST_PROTOCOL_VERSION] = {"PROTOCOL_VERSION", 4, 4, true},
    [PV_VTEST_GET_PARAM] = {"GET_PARAM", 4, 4, true},
    [PV_VTEST_GET_CAPSET] = {"GET_CAPSET", 8, 8, true},
    [PV_VTEST_CONTEXT_INIT] = {"CONTEXT_INIT", 4, 4, false},
    [PV_VTEST_RESOURCE_CREATE_BLOB] = {"RESOURCE_CREATE_BLOB", 24, 24, true},
    [PV_VTEST_SYNC_CREATE] = {"SYNC_CREATE", 8, 8, true},
    [PV_VTEST_SYNC_UNREF] = {"SYNC_UNREF", 4, 4, false},
    [PV_VTEST_SYNC_READ] = {"SYNC_READ", 4, 4, true},
    [PV_VTEST_SYNC_WRITE] = {"SYNC_WRITE", 12, 12, false},
    [PV_VTEST_SYNC_WAIT] = {"SYNC_WAIT", 8, PV_VTEST_PAYLOAD_MAX, true},
    [PV_VTEST_SUBMIT_CMD2] = {"SUBMIT_CMD2", 4, PV_VTEST_PAYLOAD_MAX, false},
};

uint32_t pv_vtest_dword(const uint8_t *payload, uint64_t index)
{
    uint32_t value;
    memcpy(&value, payload + index * 4, sizeof(value));
    return value;
}

uint64_t pv_vtest_qword(const uint8_t *payload, uint64_t index)
{
    return pv_vtest_dword(payload, index) | (uint64_t)pv_vtest_dword(payload, index + 1) << 32;
}

const char *pv_vtest_command_name(uint32_t command)
{
    return command < PV_VTEST_COMMAND_COUNT ? frames[command].name : NULL;
}

const char *pv_vtest_header_parse(const uint8_t bytes[PV_VTEST_HEADER_SIZE],
                                  struct pv_vtest_header *header)
{
    uint32_t length = pv_vtest_dword(bytes, 0);
    uint32_t command = pv_vtest_dword(bytes, 1);
    if (pv_vtest_command_name(command) == NULL) {
        return "a command that is not part of the protocol";
    }
    uint64_t size = command == PV_VTEST_CREATE_RENDERER ? length : (uint64_t)length * 4;
    if (size < frames[command].min_size) {
        return "a frame that is too short for its command";
    }
    if (size > frames[command].max_size) {
        return "a frame that is too long for its command";
    }
    *header = (struct pv_vtest_header){
        .command = command,
        .payload_size = (uint32_t)size,
        .wants_reply = frames[command].wants_reply,
    };
    return NULL;
}

enum { STRIDE_V3 = 6, STRIDE_V4 = 8, SYNC_DWORDS = 3 };

/* Mesa has sent 8-dword headers since protocol 4, also to a server that speaks only 3, and 6-dword
 * ones before: the negotiated version says nothing. But the first batch's commands have always
 * begun right behind the headers, so its offset tells. */
static uint32_t find_stride(const uint8_t *payload, uint32_t dword_count, uint32_t batch_count)
{
    if (dword_count < 1 + STRIDE_V3) {
        return 0;
    }
    uint32_t first_commands = pv_vtest_dword(payload, 2);
    const uint32_t strides[] = {STRIDE_V3, STRIDE_V4};
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t headers = 1 + (uint64_t)strides[i] * batch_count;
        if (headers == first_commands && headers <= dword_count) {
            return strides[i];
        }
    }
    return 0;
}

static const char *check_batch(const struct pv_vtest_submit *submit, uint32_t index,
                               uint64_t *left_dwords)
{
    const uint8_t *header = submit->payload + 4 + (uint64_t)index * submit->stride * 4;
    uint32_t dword_count = submit->payload_size / 4;
    uint64_t commands_size = pv_vtest_dword(header, 2);
    uint64_t syncs_size = (uint64_t)pv_vtest_dword(header, 4) * SYNC_DWORDS;
    if (commands_size != 0 &&
        !pv_range_inside(pv_vtest_dword(header, 1), commands_size, dword_count)) {
        return "a batch whose commands are outside of the frame";
    }
    if (syncs_size != 0 && !pv_range_inside(pv_vtest_dword(header, 3), syncs_size, dword_count)) {
        return "a batch whose syncs are outside of the frame";
    }
    if (pv_vtest_dword(header, 5) >= PV_VTEST_TIMELINE_COUNT) {
        return "a batch on a timeline that does not exist";
    }
    if (submit->stride == STRIDE_V4 &&
        (pv_vtest_dword(header, 6) != 0 || pv_vtest_dword(header, 7) != 0)) {
        return "a batch with DRM sync objects";
    }
    /* Batches that share their bytes would let a small frame ask for any amount of work. */
    if (commands_size + syncs_size > *left_dwords) {
        return "batches that overlap";
    }
    *left_dwords -= commands_size + syncs_size;
    return NULL;
}

const char *pv_vtest_submit_parse(const uint8_t *payload, uint32_t payload_size,
                                  struct pv_vtest_submit *submit)
{
    uint32_t dword_count = payload_size / 4;
    if (dword_count < 1) {
        return "a submit without a batch count";
    }
    *submit = (struct pv_vtest_submit){
        .payload = payload,
        .payload_size = payload_size,
        .batch_count = pv_vtest_dword(payload, 0),
    };
    if (submit->batch_count == 0) {
        return NULL;
    }
    submit->stride = find_stride(payload, dword_count, submit->batch_count);
    if (submit->stride == 0) {
        return "batch headers that are neither 6 nor 8 dwords long";
    }
    uint64_t left_dwords = dword_count - 1 - (uint64_t)submit->batch_count * submit->stride;
    for (uint32_t i = 0; i < submit->batch_count; i++) {
        const char *fault = check_batch(submit, i, &left_dwords);
        if (fault != NULL) {
            return fault;
        }
    }
    return NULL;
}

void pv_vtest_submit_batch(const struct pv_vtest_submit *submit, uint32_t index,
                           struct pv_vtest_batch *batch)
{
    const uint8_t *header = submit->payload + 4 + (uint64_t)index * submit->stride * 4;
    *batch = (struct pv_vtest_batch){
        .flags = pv_vtest_dword(header, 0),
        .commands_size = pv_vtest_dword(header, 2) * 4,
        .sync_count = pv_vtest_dword(header, 4),
        .ring_idx = pv_vtest_dword(header, 5),
    };
    if (batch->commands_size != 0) {
        batch->commands = submit->payload + (uint64_t)pv_vtest_dword(header, 1) * 4;
    }
    if (batch->sync_count != 0) {
        batch->syncs = submit->payload + (uint64_t)pv_vtest_dword(header, 3) * 4;
    }
}
