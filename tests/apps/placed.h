/* What the generator's tables lack: the protocol does not carry it, since a guest's driver offers
 * it by itself. */
#ifndef PV_APPS_PLACED_H
#define PV_APPS_PLACED_H

#include "fakes/args.h"

#include <stddef.h>
#include <vulkan/vulkan_core.h>

#define PLACED_MEMBER(member)                                                                      \
    {                                                                                              \
        .name = #member, .offset = offsetof(VkPhysicalDeviceMapMemoryPlacedFeaturesEXT, member),   \
        .size = sizeof(VkBool32), .kind = PV_KIND_BOOL                                             \
    }

static const struct pv_args_type placed_map_features = {
    .name = "VkPhysicalDeviceMapMemoryPlacedFeaturesEXT",
    .size = sizeof(VkPhysicalDeviceMapMemoryPlacedFeaturesEXT),
    .members = (const struct pv_args_member[]){PLACED_MEMBER(memoryMapPlaced),
                                               PLACED_MEMBER(memoryUnmapReserve)},
    .member_count = 2,
    .chain_type = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAP_MEMORY_PLACED_FEATURES_EXT,
};

#endif
