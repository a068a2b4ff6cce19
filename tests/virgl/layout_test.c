/* Our declarations of the ABI beside the ones of an installed <virgl/virglrenderer.h>. Older ones
 * know less: what their structs end with is left out there. */

#include "front/virgl/virgl_abi.h"

#include <stdio.h>

#if __has_include(<virgl/virglrenderer.h>)

#define VIRGL_RENDERER_UNSTABLE_APIS
#include <virgl/virglrenderer.h>

#if __has_include(<virgl/virgl-version.h>)
#define IS_COMPLETE 1 /* 1.0 and newer */
#else
#define IS_COMPLETE 0
#endif

#define SAME_AT(ours, member, theirs, their_member)                                                \
    _Static_assert(offsetof(struct ours, member) == offsetof(struct theirs, their_member) &&       \
                       sizeof(((struct ours *)0)->member) ==                                       \
                           sizeof(((struct theirs *)0)->their_member),                             \
                   #ours "." #member)
#define SAME_SIZE(ours, theirs) _Static_assert(sizeof(struct ours) == sizeof(struct theirs), #ours)

#define THEIRS virgl_renderer_callbacks
SAME_SIZE(pv_virgl_callbacks, THEIRS);
SAME_AT(pv_virgl_callbacks, version, THEIRS, version);
SAME_AT(pv_virgl_callbacks, write_fence, THEIRS, write_fence);
SAME_AT(pv_virgl_callbacks, create_gl_context, THEIRS, create_gl_context);
SAME_AT(pv_virgl_callbacks, destroy_gl_context, THEIRS, destroy_gl_context);
SAME_AT(pv_virgl_callbacks, make_current, THEIRS, make_current);
SAME_AT(pv_virgl_callbacks, get_drm_fd, THEIRS, get_drm_fd);
SAME_AT(pv_virgl_callbacks, write_context_fence, THEIRS, write_context_fence);
SAME_AT(pv_virgl_callbacks, get_server_fd, THEIRS, get_server_fd);
SAME_AT(pv_virgl_callbacks, get_egl_display, THEIRS, get_egl_display);
#undef THEIRS
#define THEIRS virgl_renderer_gl_ctx_param
SAME_AT(pv_virgl_gl_params, is_shared, THEIRS, shared);
SAME_AT(pv_virgl_gl_params, major, THEIRS, major_ver);
SAME_AT(pv_virgl_gl_params, minor, THEIRS, minor_ver);
#undef THEIRS
#define THEIRS virgl_renderer_resource_create_args
SAME_SIZE(pv_virgl_resource_args, THEIRS);
SAME_AT(pv_virgl_resource_args, handle, THEIRS, handle);
SAME_AT(pv_virgl_resource_args, target, THEIRS, target);
SAME_AT(pv_virgl_resource_args, format, THEIRS, format);
SAME_AT(pv_virgl_resource_args, width, THEIRS, width);
SAME_AT(pv_virgl_resource_args, height, THEIRS, height);
SAME_AT(pv_virgl_resource_args, depth, THEIRS, depth);
SAME_AT(pv_virgl_resource_args, array_size, THEIRS, array_size);
SAME_AT(pv_virgl_resource_args, flags, THEIRS, flags);
#undef THEIRS
#define THEIRS virgl_renderer_resource_create_blob_args
SAME_SIZE(pv_virgl_blob_args, THEIRS);
SAME_AT(pv_virgl_blob_args, resource_id, THEIRS, res_handle);
SAME_AT(pv_virgl_blob_args, context_id, THEIRS, ctx_id);
SAME_AT(pv_virgl_blob_args, memory, THEIRS, blob_mem);
SAME_AT(pv_virgl_blob_args, flags, THEIRS, blob_flags);
SAME_AT(pv_virgl_blob_args, blob_id, THEIRS, blob_id);
SAME_AT(pv_virgl_blob_args, size_bytes, THEIRS, size);
SAME_AT(pv_virgl_blob_args, iov, THEIRS, iovecs);
SAME_AT(pv_virgl_blob_args, iov_count, THEIRS, num_iovs);
#undef THEIRS
#define THEIRS virgl_renderer_resource_import_blob_args
SAME_SIZE(pv_virgl_import_args, THEIRS);
SAME_AT(pv_virgl_import_args, fd_type, THEIRS, fd_type);
SAME_AT(pv_virgl_import_args, fd, THEIRS, fd);
SAME_AT(pv_virgl_import_args, size_bytes, THEIRS, size);
#undef THEIRS
#define THEIRS virgl_renderer_resource_info
SAME_AT(pv_virgl_info, handle, THEIRS, handle);
SAME_AT(pv_virgl_info, format, THEIRS, virgl_format);
SAME_AT(pv_virgl_info, width, THEIRS, width);
SAME_AT(pv_virgl_info, height, THEIRS, height);
SAME_AT(pv_virgl_info, depth, THEIRS, depth);
SAME_AT(pv_virgl_info, flags, THEIRS, flags);
SAME_AT(pv_virgl_info, texture, THEIRS, tex_id);
SAME_AT(pv_virgl_info, stride, THEIRS, stride);
SAME_AT(pv_virgl_info, fourcc, THEIRS, drm_fourcc);
#if IS_COMPLETE
SAME_SIZE(pv_virgl_gl_params, virgl_renderer_gl_ctx_param);
SAME_SIZE(pv_virgl_info, THEIRS);
SAME_AT(pv_virgl_info, fd, THEIRS, fd);
#undef THEIRS
#define THEIRS virgl_renderer_resource_info_ext
SAME_SIZE(pv_virgl_info_ext, THEIRS);
SAME_AT(pv_virgl_info_ext, base, THEIRS, base);
SAME_AT(pv_virgl_info_ext, has_dmabuf_export, THEIRS, has_dmabuf_export);
SAME_AT(pv_virgl_info_ext, plane_count, THEIRS, planes);
SAME_AT(pv_virgl_info_ext, modifiers, THEIRS, modifiers);
SAME_AT(pv_virgl_info_ext, d3d_texture, THEIRS, d3d_tex2d);
#endif
#undef THEIRS
SAME_SIZE(pv_virgl_export_query, virgl_renderer_export_query);

_Static_assert(PV_VIRGL_VENUS == VIRGL_RENDERER_VENUS, "flag");
_Static_assert(PV_VIRGL_ASYNC_FENCE_CB == VIRGL_RENDERER_ASYNC_FENCE_CB, "flag");
_Static_assert(PV_VIRGL_FENCE_MERGEABLE == VIRGL_RENDERER_FENCE_FLAG_MERGEABLE, "flag");
_Static_assert(PV_VIRGL_CAPSET_ID_MASK == VIRGL_RENDERER_CONTEXT_FLAG_CAPSET_ID_MASK, "mask");
_Static_assert(PV_VIRGL_BLOB_GUEST == VIRGL_RENDERER_BLOB_MEM_GUEST, "memory");
_Static_assert(PV_VIRGL_BLOB_HOST3D == VIRGL_RENDERER_BLOB_MEM_HOST3D, "memory");
_Static_assert(PV_VIRGL_FD_DMABUF == VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF, "type");
_Static_assert(PV_VIRGL_FD_OPAQUE == VIRGL_RENDERER_BLOB_FD_TYPE_OPAQUE, "type");
_Static_assert(PV_VIRGL_FD_SHM == VIRGL_RENDERER_BLOB_FD_TYPE_SHM, "type");

int main(void)
{
    printf("the layouts agree with the installed <virgl/virglrenderer.h>%s\n",
           IS_COMPLETE ? "" : ", an old one");
    return 0;
}

#else

int main(void)
{
    printf("skipped: there is no <virgl/virglrenderer.h> to compare with\n");
    return 77;
}

#endif
