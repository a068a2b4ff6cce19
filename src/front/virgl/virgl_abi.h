#ifndef PV_FRONT_VIRGL_VIRGL_ABI_H
#define PV_FRONT_VIRGL_VIRGL_ABI_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* The types of libvirglrenderer.so.1, as version 1.3.0 of it lays them out: what QEMU, crosvm and
 * libkrun were built against. Declared by ourselves, so that no header of it is needed to build;
 * tests/abi compares them with one that is installed. */

enum pv_virgl_flags {
    PV_VIRGL_VENUS = 1 << 6,
    PV_VIRGL_ASYNC_FENCE_CB = 1 << 8,
};

enum {
    PV_VIRGL_CALLBACKS_VERSION_MAX = 4,
    PV_VIRGL_FENCE_MERGEABLE = 1, /* its callback may be left out when a later one comes */
    PV_VIRGL_CAPSET_ID_MASK = 0xff,
    PV_VIRGL_Y_0_TOP = 1, /* of a resource's flags: its first row is the top one */
};

enum pv_virgl_blob_memory {
    PV_VIRGL_BLOB_GUEST = 1,
    PV_VIRGL_BLOB_HOST3D = 2,
};

enum pv_virgl_fd_type {
    PV_VIRGL_FD_DMABUF = 1,
    PV_VIRGL_FD_OPAQUE = 2,
    PV_VIRGL_FD_SHM = 3,
};

enum pv_virgl_log_level {
    PV_VIRGL_LOG_DEBUG,
    PV_VIRGL_LOG_INFO,
    PV_VIRGL_LOG_WARNING,
    PV_VIRGL_LOG_ERROR,
};

struct pv_virgl_gl_params {
    int version;
    bool is_shared;
    int major, minor;
    int is_compatible;
};

/* The caller's struct ends where its version does. */
struct pv_virgl_callbacks {
    int version;
    void (*write_fence)(void *cookie, uint32_t fence_id);
    void *(*create_gl_context)(void *cookie, int scanout, struct pv_virgl_gl_params *params);
    void (*destroy_gl_context)(void *cookie, void *context);
    int (*make_current)(void *cookie, int scanout, void *context);
    /* 2 */
    int (*get_drm_fd)(void *cookie);
    /* 3 */
    void (*write_context_fence)(void *cookie, uint32_t context_id, uint32_t ring_idx,
                                uint64_t fence_id);
    int (*get_server_fd)(void *cookie, uint32_t version);
    /* 4 */
    void *(*get_egl_display)(void *cookie);
};

struct pv_virgl_box {
    uint32_t x, y, z, width, height, depth;
};

struct pv_virgl_resource_args {
    uint32_t handle, target, format, bind;
    uint32_t width, height, depth;
    uint32_t array_size, last_level, sample_count, flags;
};

struct pv_virgl_blob_args {
    uint32_t resource_id, context_id, memory, flags;
    uint64_t blob_id, size_bytes;
    const struct iovec *iov;
    uint32_t iov_count;
};

struct pv_virgl_import_args {
    uint32_t resource_id, memory, fd_type;
    int fd;
    uint64_t size_bytes;
};

struct pv_virgl_info {
    uint32_t handle, format, width, height, depth, flags, texture, stride;
    int fourcc;
    int fd;
};

struct pv_virgl_info_ext {
    int version;
    struct pv_virgl_info base;
    bool has_dmabuf_export;
    int plane_count;
    uint64_t modifiers;
    void *d3d_texture;
};

struct pv_virgl_export_query {
    uint32_t type, type_version, size;
    uint32_t resource_id, fd_count, wants_fds, fourcc, padding;
    int32_t fds[4];
    uint32_t strides[4], offsets[4];
    uint64_t modifier;
};

#define PV_VIRGL_AT(type, member, offset)                                                          \
    _Static_assert(offsetof(struct type, member) == (offset), #type "." #member)
#define PV_VIRGL_SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)

PV_VIRGL_SIZE(pv_virgl_gl_params, 20);
PV_VIRGL_AT(pv_virgl_gl_params, major, 8);
PV_VIRGL_SIZE(pv_virgl_callbacks, 72);
PV_VIRGL_AT(pv_virgl_callbacks, write_fence, 8);
PV_VIRGL_AT(pv_virgl_callbacks, create_gl_context, 16);
PV_VIRGL_AT(pv_virgl_callbacks, destroy_gl_context, 24);
PV_VIRGL_AT(pv_virgl_callbacks, make_current, 32);
PV_VIRGL_AT(pv_virgl_callbacks, get_drm_fd, 40);
PV_VIRGL_AT(pv_virgl_callbacks, write_context_fence, 48);
PV_VIRGL_AT(pv_virgl_callbacks, get_server_fd, 56);
PV_VIRGL_AT(pv_virgl_callbacks, get_egl_display, 64);
PV_VIRGL_SIZE(pv_virgl_box, 24);
PV_VIRGL_SIZE(pv_virgl_resource_args, 44);
PV_VIRGL_SIZE(pv_virgl_blob_args, 48);
PV_VIRGL_AT(pv_virgl_blob_args, blob_id, 16);
PV_VIRGL_AT(pv_virgl_blob_args, size_bytes, 24);
PV_VIRGL_AT(pv_virgl_blob_args, iov, 32);
PV_VIRGL_AT(pv_virgl_blob_args, iov_count, 40);
PV_VIRGL_SIZE(pv_virgl_import_args, 24);
PV_VIRGL_AT(pv_virgl_import_args, size_bytes, 16);
PV_VIRGL_SIZE(pv_virgl_info, 40);
PV_VIRGL_AT(pv_virgl_info, texture, 24);
PV_VIRGL_AT(pv_virgl_info, fd, 36);
PV_VIRGL_SIZE(pv_virgl_info_ext, 72);
PV_VIRGL_AT(pv_virgl_info_ext, base, 4);
PV_VIRGL_AT(pv_virgl_info_ext, has_dmabuf_export, 44);
PV_VIRGL_AT(pv_virgl_info_ext, plane_count, 48);
PV_VIRGL_AT(pv_virgl_info_ext, modifiers, 56);
PV_VIRGL_AT(pv_virgl_info_ext, d3d_texture, 64);
PV_VIRGL_SIZE(pv_virgl_export_query, 88);

#endif
