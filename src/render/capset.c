#include "render/context.h"

#include <string.h>

/* The capset tells the guest's encoder which structs our decoder knows; it says nothing of GPUs. */

enum {
    WIRE_FORMAT_VERSION = 1,
    COMMAND_SERIALIZATION_VERSION = 1,
    VENUS_PROTOCOL_VERSION = 4,
    MASK_WORDS = 32,
    /* The two extensions that are the protocol itself: no registry lists them. */
    COMMAND_SERIALIZATION_NUMBER = 384,
    VENUS_PROTOCOL_NUMBER = 385,
};

/* As virtio-gpu's struct virgl_renderer_capset_venus. */
struct capset_venus {
    uint32_t wire_format_version;
    uint32_t vk_xml_version;
    uint32_t command_serialization_version;
    uint32_t venus_protocol_version;
    uint32_t supports_blob_id_0;
    uint32_t extension_mask[MASK_WORDS];
    uint32_t allow_vk_wait_syncs;
    uint32_t supports_multiple_timelines;
    uint32_t use_guest_vram;
};
_Static_assert(sizeof(struct capset_venus) == PV_CAPSET_VENUS_SIZE, "the guest reads 160 bytes");

static void add_extension(struct capset_venus *venus, uint32_t number)
{
    if (number / 32 < MASK_WORDS) {
        venus->extension_mask[number / 32] |= UINT32_C(1) << number % 32;
    }
}

void pv_render_capset(uint8_t capset[PV_CAPSET_VENUS_SIZE])
{
    struct capset_venus venus = {
        .wire_format_version = WIRE_FORMAT_VERSION,
        .vk_xml_version = VK_HEADER_VERSION_COMPLETE,
        .command_serialization_version = COMMAND_SERIALIZATION_VERSION,
        .venus_protocol_version = VENUS_PROTOCOL_VERSION,
        .supports_blob_id_0 = 1,
        .extension_mask = {1}, /* bit 0 of word 0: the mask is valid */
        .allow_vk_wait_syncs = 1,
        .supports_multiple_timelines = 1,
    };
    for (uint32_t i = 0; i < pv_extension_count; i++) {
        add_extension(&venus, pv_extensions[i].number);
    }
    add_extension(&venus, COMMAND_SERIALIZATION_NUMBER);
    add_extension(&venus, VENUS_PROTOCOL_NUMBER);
    memcpy(capset, &venus, sizeof(venus));
}
