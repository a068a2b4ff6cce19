#ifndef PV_FRONT_VHOST_USER_PROTOCOL_H
#define PV_FRONT_VHOST_USER_PROTOCOL_H

#include <stdint.h>

/* The vhost-user protocol as far as a GPU without migration needs it: what goes over the wire,
 * little-endian. A message is this header and `size` bytes of payload, with descriptors beside it.
 * The front-end is the virtual machine monitor; we are the back-end. */

struct pv_vhost_header {
    uint32_t request;
    uint32_t flags;
    uint32_t size; /* of the payload */
};

enum pv_vhost_flags {
    PV_VHOST_VERSION = 1,
    PV_VHOST_VERSION_MASK = 3,
    PV_VHOST_REPLY = 1 << 2,
    PV_VHOST_NEED_REPLY = 1 << 3,
};

/* From the front-end. */
enum pv_vhost_request {
    PV_VHOST_GET_FEATURES = 1,
    PV_VHOST_SET_FEATURES = 2,
    PV_VHOST_SET_OWNER = 3,
    PV_VHOST_RESET_OWNER = 4,
    PV_VHOST_SET_MEM_TABLE = 5,
    PV_VHOST_SET_VRING_NUM = 8,
    PV_VHOST_SET_VRING_ADDR = 9,
    PV_VHOST_SET_VRING_BASE = 10,
    PV_VHOST_GET_VRING_BASE = 11,
    PV_VHOST_SET_VRING_KICK = 12,
    PV_VHOST_SET_VRING_CALL = 13,
    PV_VHOST_SET_VRING_ERR = 14,
    PV_VHOST_GET_PROTOCOL_FEATURES = 15,
    PV_VHOST_SET_PROTOCOL_FEATURES = 16,
    PV_VHOST_GET_QUEUE_NUM = 17,
    PV_VHOST_SET_VRING_ENABLE = 18,
    PV_VHOST_SET_BACKEND_REQ_FD = 21,
    PV_VHOST_GET_CONFIG = 24,
    PV_VHOST_SET_CONFIG = 25,
    PV_VHOST_RESET_DEVICE = 34,
    PV_VHOST_GET_MAX_MEM_SLOTS = 36,
    PV_VHOST_ADD_MEM_REG = 37,
    PV_VHOST_REM_MEM_REG = 38,
    PV_VHOST_GET_SHMEM_CONFIG = 44,
};

/* From us, over the channel of SET_BACKEND_REQ_FD. */
enum pv_vhost_backend_request {
    PV_VHOST_SHMEM_MAP = 9,
    PV_VHOST_SHMEM_UNMAP = 10,
};

/* Bits of GET_PROTOCOL_FEATURES. */
enum pv_vhost_protocol_feature {
    PV_VHOST_PROTOCOL_MQ = 0,
    PV_VHOST_PROTOCOL_REPLY_ACK = 3,
    PV_VHOST_PROTOCOL_BACKEND_REQ = 5,
    PV_VHOST_PROTOCOL_CONFIG = 9,
    PV_VHOST_PROTOCOL_BACKEND_SEND_FD = 10,
    PV_VHOST_PROTOCOL_RESET_DEVICE = 13,
    PV_VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS = 15,
    PV_VHOST_PROTOCOL_SHMEM = 22,
};

/* Bits of GET_FEATURES beside the device's own. */
enum pv_virtio_feature {
    PV_VIRTIO_INDIRECT_DESC = 28,
    PV_VIRTIO_EVENT_IDX = 29,
    PV_VHOST_F_PROTOCOL_FEATURES = 30,
    PV_VIRTIO_VERSION_1 = 32,
};

struct pv_vhost_region {
    uint64_t guest_address;
    uint64_t size;
    uint64_t user_address; /* in the front-end's address space, which rings are named in */
    uint64_t mmap_offset;  /* in the descriptor that comes with it */
};

enum {
    PV_VHOST_TABLE_REGIONS_MAX = 8, /* of one SET_MEM_TABLE */
    PV_VHOST_CONFIG_SIZE_MAX = 256,
    PV_VHOST_SHMEM_REGIONS = 256,
    PV_VHOST_INDEX_MASK = 0xff, /* of a ring, in the u64 of KICK, CALL and ERR */
    PV_VHOST_NO_FD = 1 << 8,    /* there: no descriptor comes with it */
};

struct pv_vhost_mem_table {
    uint32_t count;
    uint32_t padding;
    struct pv_vhost_region regions[PV_VHOST_TABLE_REGIONS_MAX]; /* `count` of them are sent */
};

struct pv_vhost_mem_region {
    uint64_t padding;
    struct pv_vhost_region region;
};

struct pv_vhost_vring_state {
    uint32_t index;
    uint32_t value;
};

struct pv_vhost_vring_address {
    uint32_t index;
    uint32_t flags;
    uint64_t descriptors, used, available; /* user addresses */
    uint64_t log;
};

struct pv_vhost_config {
    uint32_t offset;
    uint32_t size;
    uint32_t flags;
    uint8_t bytes[PV_VHOST_CONFIG_SIZE_MAX]; /* `size` of them are sent */
};

struct pv_vhost_shmem_config {
    uint32_t region_count;
    uint32_t padding;
    uint64_t sizes[PV_VHOST_SHMEM_REGIONS]; /* by the regions' ids */
};

struct pv_vhost_mapping {
    uint8_t region_id;
    uint8_t padding[7];
    uint64_t fd_offset;
    uint64_t offset; /* in the region */
    uint64_t size;
    uint64_t flags;
};

enum { PV_VHOST_MAPPING_WRITABLE = 1 };

#endif
