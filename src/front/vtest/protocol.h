#ifndef PV_FRONT_VTEST_PROTOCOL_H
#define PV_FRONT_VTEST_PROTOCOL_H

#include <stdint.h>

/* The vtest protocol as Mesa's Venus driver speaks it: little-endian dwords over a unix stream
 * socket. Source: virglrenderer's vtest_protocol.h. */

enum {
    PV_VTEST_VERSION = 4,     /* newest that we speak */
    PV_VTEST_VERSION_MIN = 3, /* oldest that Venus speaks */
    PV_VTEST_HEADER_SIZE = 8,
    PV_VTEST_PAYLOAD_MAX = 16 * 1024 * 1024, /* bytes */
    PV_VTEST_NAME_MAX = 4096,                /* bytes of a client's name with its NUL */
    PV_VTEST_CAPSET_VENUS = 4,
};

enum pv_vtest_command {
    PV_VTEST_RESOURCE_UNREF = 3,
    PV_VTEST_RESOURCE_BUSY_WAIT = 7,
    PV_VTEST_CREATE_RENDERER = 8, /* its header counts bytes, all others count dwords */
    PV_VTEST_PING_PROTOCOL_VERSION = 10,
    PV_VTEST_PROTOCOL_VERSION = 11,
    PV_VTEST_GET_PARAM = 15,
    PV_VTEST_GET_CAPSET = 16,
    PV_VTEST_CONTEXT_INIT = 17,
    PV_VTEST_RESOURCE_CREATE_BLOB = 18,
    PV_VTEST_SYNC_CREATE = 19,
    PV_VTEST_SYNC_UNREF = 20,
    PV_VTEST_SYNC_READ = 21,
    PV_VTEST_SYNC_WRITE = 22,
    PV_VTEST_SYNC_WAIT = 23,
    PV_VTEST_SUBMIT_CMD2 = 24,
    PV_VTEST_COMMAND_COUNT,
};

enum pv_vtest_param {
    PV_VTEST_PARAM_MAX_TIMELINE_COUNT = 1,
};

enum { PV_VTEST_TIMELINE_COUNT = 64 /* ring_idx 0 … 63 */ };

enum pv_vtest_blob_type {
    PV_VTEST_BLOB_GUEST = 1,
    PV_VTEST_BLOB_HOST3D = 2,
    PV_VTEST_BLOB_HOST3D_GUEST = 3,
};

enum { PV_VTEST_BLOB_FLAGS_ALL = 7 /* mappable, shareable, cross-device */ };

enum { PV_VTEST_SYNC_WAIT_ANY = 1 };

enum { PV_VTEST_SUBMIT_RING_IDX = 1 };

#endif
