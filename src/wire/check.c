#include "wire/check.h"

#include "base/checked.h"

void pv_check_VkSpecializationInfo(struct pv_decoder *in, const VkSpecializationInfo *info)
{
    for (uint32_t i = 0; pv_decode_ok(in) && i < info->mapEntryCount; i++) {
        const VkSpecializationMapEntry *entry = &info->pMapEntries[i];
        if (!pv_range_inside(entry->offset, entry->size, info->dataSize)) {
            pv_decode_fault(in, "a specialization constant that is not inside its data");
        }
    }
}
