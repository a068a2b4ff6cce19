#include "base/params.h"

#include <stdint.h>
#include <string.h>

static uint32_t size_in_front(const void *structure)
{
    uint32_t size;
    memcpy(&size, structure, sizeof(size));
    return size;
}

enum pv_result pv_params_read(void *ours, size_t size, const void *callers)
{
    size_t given = size_in_front(callers);
    if (given < sizeof(uint32_t)) {
        return PV_UNSUPPORTED;
    }
    for (size_t i = size; i < given; i++) {
        if (((const uint8_t *)callers)[i] != 0) {
            return PV_UNSUPPORTED;
        }
    }
    memset(ours, 0, size);
    memcpy(ours, callers, given < size ? given : size);
    return PV_OK;
}

void pv_params_write(void *callers, const void *ours, size_t size)
{
    size_t given = size_in_front(callers);
    if (given <= sizeof(uint32_t)) {
        return;
    }
    if (given > size) {
        memset((uint8_t *)callers + size, 0, given - size);
    }
    size_t common = given < size ? given : size;
    memcpy((uint8_t *)callers + sizeof(uint32_t), (const uint8_t *)ours + sizeof(uint32_t),
           common - sizeof(uint32_t));
}
