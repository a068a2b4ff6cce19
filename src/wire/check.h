#ifndef PV_WIRE_CHECK_H
#define PV_WIRE_CHECK_H

#include "wire/decode.h"

#include <vulkan/vulkan.h>

/* Members that drivers trust, judged where they were decoded (protocol/commands.toml, [checks]). A
 * bad one is the guest's fault. */

/* Every entry lies inside the data: drivers read it without looking. */
void pv_check_VkSpecializationInfo(struct pv_decoder *in, const VkSpecializationInfo *info);

#endif
