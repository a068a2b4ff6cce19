#ifndef PV_ISOLATE_RING_WORD_H
#define PV_ISOLATE_RING_WORD_H

#include <stdbool.h>
#include <stdint.h>

/* Where a vkCreateRingMESA puts its status word, if `commands` is one. A hint for whoever has to
 * tell the guest that its renderer has died; the renderer itself decodes the command properly. */
bool pv_ring_word_find(const uint8_t *commands, uint64_t size, uint32_t *resource_id,
                       uint64_t *status_offset);

#endif
