#ifndef PV_FRONT_VIRTIO_GPU_PROTOCOL_H
#define PV_FRONT_VIRTIO_GPU_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

/* The words that a virtio-gpu driver and its device say to each other (virtio 1.3, section 5.7.6),
 * little-endian like every host that we run on. No struct has holes, so the bytes are the struct.
 */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "requests are read in place: a big-endian host would have to swap them"
#endif

enum pv_virtio_gpu_feature {
    PV_VIRTIO_GPU_F_VIRGL = 0,
    PV_VIRTIO_GPU_F_EDID = 1,
    PV_VIRTIO_GPU_F_RESOURCE_UUID = 2,
    PV_VIRTIO_GPU_F_RESOURCE_BLOB = 3,
    PV_VIRTIO_GPU_F_CONTEXT_INIT = 4,
    PV_VIRTIO_GPU_F_BLOB_ALIGNMENT = 5,
};

enum pv_virtio_gpu_type {
    PV_VIRTIO_GPU_GET_DISPLAY_INFO = 0x100,
    PV_VIRTIO_GPU_RESOURCE_CREATE_2D,
    PV_VIRTIO_GPU_RESOURCE_UNREF,
    PV_VIRTIO_GPU_SET_SCANOUT,
    PV_VIRTIO_GPU_RESOURCE_FLUSH,
    PV_VIRTIO_GPU_TRANSFER_TO_HOST_2D,
    PV_VIRTIO_GPU_RESOURCE_ATTACH_BACKING,
    PV_VIRTIO_GPU_RESOURCE_DETACH_BACKING,
    PV_VIRTIO_GPU_GET_CAPSET_INFO,
    PV_VIRTIO_GPU_GET_CAPSET,
    PV_VIRTIO_GPU_GET_EDID,
    PV_VIRTIO_GPU_RESOURCE_ASSIGN_UUID,
    PV_VIRTIO_GPU_RESOURCE_CREATE_BLOB,
    PV_VIRTIO_GPU_SET_SCANOUT_BLOB,

    PV_VIRTIO_GPU_CTX_CREATE = 0x200,
    PV_VIRTIO_GPU_CTX_DESTROY,
    PV_VIRTIO_GPU_CTX_ATTACH_RESOURCE,
    PV_VIRTIO_GPU_CTX_DETACH_RESOURCE,
    PV_VIRTIO_GPU_RESOURCE_CREATE_3D,
    PV_VIRTIO_GPU_TRANSFER_TO_HOST_3D,
    PV_VIRTIO_GPU_TRANSFER_FROM_HOST_3D,
    PV_VIRTIO_GPU_SUBMIT_3D,
    PV_VIRTIO_GPU_RESOURCE_MAP_BLOB,
    PV_VIRTIO_GPU_RESOURCE_UNMAP_BLOB,

    PV_VIRTIO_GPU_UPDATE_CURSOR = 0x300,
    PV_VIRTIO_GPU_MOVE_CURSOR,
};

enum pv_virtio_gpu_response {
    PV_VIRTIO_GPU_DEFERRED = 0, /* none yet */

    PV_VIRTIO_GPU_OK_NODATA = 0x1100,
    PV_VIRTIO_GPU_OK_DISPLAY_INFO,
    PV_VIRTIO_GPU_OK_CAPSET_INFO,
    PV_VIRTIO_GPU_OK_CAPSET,
    PV_VIRTIO_GPU_OK_EDID,
    PV_VIRTIO_GPU_OK_RESOURCE_UUID,
    PV_VIRTIO_GPU_OK_MAP_INFO,

    PV_VIRTIO_GPU_ERR_UNSPEC = 0x1200,
    PV_VIRTIO_GPU_ERR_OUT_OF_MEMORY,
    PV_VIRTIO_GPU_ERR_INVALID_SCANOUT_ID,
    PV_VIRTIO_GPU_ERR_INVALID_RESOURCE_ID,
    PV_VIRTIO_GPU_ERR_INVALID_CONTEXT_ID,
    PV_VIRTIO_GPU_ERR_INVALID_PARAMETER,
};

enum pv_virtio_gpu_flag {
    PV_VIRTIO_GPU_FLAG_FENCE = 1,
    PV_VIRTIO_GPU_FLAG_RING_IDX = 2,
};

enum pv_virtio_gpu_blob_mem {
    PV_VIRTIO_GPU_BLOB_GUEST = 1,
    PV_VIRTIO_GPU_BLOB_HOST3D = 2,
};

enum pv_virtio_gpu_event {
    PV_VIRTIO_GPU_EVENT_DISPLAY = 1,
};

enum {
    PV_VIRTIO_GPU_RINGS = 64, /* ring_idx 0 … 63 */
    PV_VIRTIO_GPU_BACKING_ENTRIES_MAX = 16384,
    PV_VIRTIO_GPU_PAGE = 4096,       /* of the smallest guest */
    PV_VIRTIO_GPU_TEXTURE_2D = 2,    /* the target of a CREATE_3D that is a plain image */
    PV_VIRTIO_GPU_CAPSET_MASK = 255, /* of a context's context_init */
    PV_VIRTIO_GPU_EDID_SIZE = 1024,
};

struct pv_virtio_gpu_header {
    uint32_t type; /* a command or a response */
    uint32_t flags;
    uint64_t fence_id;
    uint32_t ctx_id;
    uint8_t ring_idx;
    uint8_t padding[3];
};

struct pv_virtio_gpu_rect {
    uint32_t x, y, width, height;
};

struct pv_virtio_gpu_config {
    uint32_t events_read;
    uint32_t events_clear;
    uint32_t num_scanouts;
    uint32_t num_capsets;
    uint32_t blob_alignment; /* only with its feature */
};

/* --- requests, the header left out -------------------------------------------------------------
 */

/* What many requests are: one id, and padding. */
struct pv_virtio_gpu_id_request {
    uint32_t id;
    uint32_t padding;
};

struct pv_virtio_gpu_create_2d {
    uint32_t resource_id;
    uint32_t format;
    uint32_t width, height;
};

struct pv_virtio_gpu_set_scanout {
    struct pv_virtio_gpu_rect rect;
    uint32_t scanout_id;
    uint32_t resource_id; /* 0: off */
};

struct pv_virtio_gpu_flush {
    struct pv_virtio_gpu_rect rect;
    uint32_t resource_id;
    uint32_t padding;
};

struct pv_virtio_gpu_transfer_2d {
    struct pv_virtio_gpu_rect rect;
    uint64_t offset; /* in the backing, of the rectangle's first pixel */
    uint32_t resource_id;
    uint32_t padding;
};

struct pv_virtio_gpu_entry {
    uint64_t address; /* in the guest's memory */
    uint32_t size;
    uint32_t padding;
};

struct pv_virtio_gpu_attach_backing {
    uint32_t resource_id;
    uint32_t entry_count; /* that follow */
};

struct pv_virtio_gpu_get_capset {
    uint32_t capset_id;
    uint32_t version;
};

struct pv_virtio_gpu_create_blob {
    uint32_t resource_id;
    uint32_t blob_mem;
    uint32_t blob_flags;
    uint32_t entry_count; /* that follow */
    uint64_t blob_id;
    uint64_t size;
};

struct pv_virtio_gpu_set_scanout_blob {
    struct pv_virtio_gpu_rect rect;
    uint32_t scanout_id;
    uint32_t resource_id; /* 0: off */
    uint32_t width, height;
    uint32_t format;
    uint32_t padding;
    uint32_t strides[4];
    uint32_t offsets[4];
};

struct pv_virtio_gpu_ctx_create {
    uint32_t name_size;
    uint32_t context_init;
    char name[64];
};

struct pv_virtio_gpu_create_3d {
    uint32_t resource_id;
    uint32_t target;
    uint32_t format;
    uint32_t bind;
    uint32_t width, height, depth;
    uint32_t array_size;
    uint32_t last_level;
    uint32_t samples;
    uint32_t flags;
    uint32_t padding;
};

struct pv_virtio_gpu_transfer_3d {
    uint32_t x, y, z, width, height, depth;
    uint64_t offset;
    uint32_t resource_id;
    uint32_t level;
    uint32_t stride;
    uint32_t layer_stride;
};

struct pv_virtio_gpu_submit {
    uint32_t size; /* bytes that follow */
    uint32_t padding;
};

struct pv_virtio_gpu_map_blob {
    uint32_t resource_id;
    uint32_t padding;
    uint64_t offset; /* in the window */
};

struct pv_virtio_gpu_update_cursor {
    uint32_t scanout_id;
    uint32_t x, y;
    uint32_t padding;
    uint32_t resource_id; /* 0: none; not of MOVE_CURSOR */
    uint32_t hot_x, hot_y;
    uint32_t padding_at_end;
};

/* --- responses, the header left out ------------------------------------------------------------
 */

struct pv_virtio_gpu_display_info {
    struct {
        struct pv_virtio_gpu_rect rect;
        uint32_t enabled;
        uint32_t flags;
    } modes[16];
};

struct pv_virtio_gpu_capset_info {
    uint32_t capset_id;
    uint32_t max_version;
    uint32_t max_size;
    uint32_t padding;
};

struct pv_virtio_gpu_edid {
    uint32_t size;
    uint32_t padding;
    uint8_t edid[PV_VIRTIO_GPU_EDID_SIZE];
};

struct pv_virtio_gpu_uuid {
    uint8_t uuid[16];
};

struct pv_virtio_gpu_map_info {
    uint32_t map_info;
    uint32_t padding;
};

/* Sizes as the standard has them, with the header. */
#define PV_VIRTIO_GPU_SIZE(of) (sizeof(struct pv_virtio_gpu_header) + sizeof(struct of))
_Static_assert(sizeof(struct pv_virtio_gpu_header) == 24, "virtio 1.3, 5.7.6.7");
_Static_assert(sizeof(struct pv_virtio_gpu_config) == 20, "virtio 1.4, 5.7.4");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_id_request) == 32, "many requests");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_create_2d) == 40, "RESOURCE_CREATE_2D");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_set_scanout) == 48, "SET_SCANOUT");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_flush) == 48, "RESOURCE_FLUSH");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_transfer_2d) == 56, "TRANSFER_TO_HOST_2D");
_Static_assert(sizeof(struct pv_virtio_gpu_entry) == 16, "struct virtio_gpu_mem_entry");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_attach_backing) == 32, "ATTACH_BACKING");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_get_capset) == 32, "GET_CAPSET");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_create_blob) == 56, "RESOURCE_CREATE_BLOB");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_set_scanout_blob) == 96, "SET_SCANOUT_BLOB");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_ctx_create) == 96, "CTX_CREATE");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_create_3d) == 72, "RESOURCE_CREATE_3D");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_transfer_3d) == 72, "TRANSFER_TO_HOST_3D");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_submit) == 32, "SUBMIT_3D");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_map_blob) == 40, "RESOURCE_MAP_BLOB");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_update_cursor) == 56, "UPDATE_CURSOR");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_display_info) == 408, "GET_DISPLAY_INFO");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_capset_info) == 40, "GET_CAPSET_INFO");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_edid) == 1056, "GET_EDID");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_uuid) == 40, "RESOURCE_ASSIGN_UUID");
_Static_assert(PV_VIRTIO_GPU_SIZE(pv_virtio_gpu_map_info) == 32, "RESOURCE_MAP_BLOB");
_Static_assert(offsetof(struct pv_virtio_gpu_set_scanout_blob, strides) == 64 - 24, "5.7.6.8");
_Static_assert(offsetof(struct pv_virtio_gpu_create_blob, size) == 48 - 24, "5.7.6.8");

#endif
