#ifndef PV_FRONT_VTEST_FRAME_H
#define PV_FRONT_VTEST_FRAME_H

#include "base/attributes.h"
#include "front/vtest/protocol.h"

#include <stdbool.h>
#include <stdint.h>

/* What is in a frame, judged before anything is done with it. Pure functions on private memory. */

struct pv_vtest_header {
    uint32_t command;      /* enum pv_vtest_command */
    uint32_t payload_size; /* bytes; at most PV_VTEST_PAYLOAD_MAX */
    bool wants_reply;      /* the client waits for an answer */
};

/* NULL when the header is good, else why not (static). After a header that is not, nothing in the
 * stream makes sense any more: no one knows where the next frame begins. */
PV_NODISCARD const char *pv_vtest_header_parse(const uint8_t bytes[PV_VTEST_HEADER_SIZE],
                                               struct pv_vtest_header *header);

/* "SYNC_WAIT"; NULL for a number that Venus clients do not use. Static. */
const char *pv_vtest_command_name(uint32_t command);

uint32_t pv_vtest_dword(const uint8_t *payload, uint64_t index);
/* Of two dwords, the low one first. */
uint64_t pv_vtest_qword(const uint8_t *payload, uint64_t index);

/* One batch of a SUBMIT_CMD2; sizes are inside the payload. */
struct pv_vtest_batch {
    uint32_t flags;
    uint32_t ring_idx;
    const uint8_t *commands; /* in the payload */
    uint32_t commands_size;  /* bytes */
    const uint8_t *syncs;    /* in the payload: {id, value_lo, value_hi} each */
    uint32_t sync_count;
};

struct pv_vtest_submit {
    const uint8_t *payload;
    uint32_t payload_size;
    uint32_t batch_count;
    uint32_t stride; /* dwords of a batch's header: 6 or 8 */
};

/* NULL when the whole payload is good, else why not (static). The batches borrow the payload. */
PV_NODISCARD const char *pv_vtest_submit_parse(const uint8_t *payload, uint32_t payload_size,
                                               struct pv_vtest_submit *submit);
/* `index` below submit->batch_count. */
void pv_vtest_submit_batch(const struct pv_vtest_submit *submit, uint32_t index,
                           struct pv_vtest_batch *batch);

#endif
