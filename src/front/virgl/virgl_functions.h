#ifndef PV_FRONT_VIRGL_VIRGL_FUNCTIONS_H
#define PV_FRONT_VIRGL_VIRGL_FUNCTIONS_H

#include "front/virgl/virgl_abi.h"

/* All that libvirglrenderer.so.1 exports. The caller makes its calls one at a time; no call waits
 * for a guest or a GPU, but for one: memory that a worker must export first, and that for 2 s at
 * most. The names and the signs of errors are the ABI's: the older functions return an errno, the
 * newer ones a negative one. */

#pragma GCC visibility push(default)

/* renderer.c */
int virgl_renderer_init(void *cookie, int flags, struct pv_virgl_callbacks *callbacks);
void virgl_renderer_cleanup(void *cookie);
void virgl_renderer_reset(void);
void virgl_renderer_get_cap_set(uint32_t capset, uint32_t *version, uint32_t *size);
void virgl_renderer_fill_caps(uint32_t capset, uint32_t version, void *bytes);

/* log.c */
void (*virgl_set_debug_callback(void (*callback)(const char *format,
                                                 va_list arguments)))(const char *format,
                                                                      va_list arguments);
void virgl_set_log_callback(void (*callback)(int level, const char *line, void *user), void *user,
                            void (*free_user)(void *user));

/* context.c */
int virgl_renderer_context_create(uint32_t context_id, uint32_t name_length, const char *name);
int virgl_renderer_context_create_with_flags(uint32_t context_id, uint32_t flags,
                                             uint32_t name_length, const char *name);
void virgl_renderer_context_destroy(uint32_t context_id);
int virgl_renderer_submit_cmd(void *bytes, int context_id, int word_count);
int virgl_renderer_submit_cmd2(void *bytes, int context_id, int word_count, uint64_t *in_fence_ids,
                               uint32_t in_fence_count);
void virgl_renderer_ctx_attach_resource(int context_id, int resource_id);
void virgl_renderer_ctx_detach_resource(int context_id, int resource_id);
void virgl_renderer_force_ctx_0(void);

/* fence.c */
int virgl_renderer_context_create_fence(uint32_t context_id, uint32_t flags, uint32_t ring_idx,
                                        uint64_t fence_id);
int virgl_renderer_create_fence(int fence_id, uint32_t context_id);
void virgl_renderer_poll(void);
int virgl_renderer_get_poll_fd(void);

/* resource.c */
int virgl_renderer_resource_create(struct pv_virgl_resource_args *args, struct iovec *iov,
                                   uint32_t iov_count);
void virgl_renderer_resource_unref(uint32_t resource_id);
int virgl_renderer_resource_attach_iov(int resource_id, struct iovec *iov, int iov_count);
void virgl_renderer_resource_detach_iov(int resource_id, struct iovec **iov, int *iov_count);
int virgl_renderer_resource_get_info(int resource_id, struct pv_virgl_info *info);
int virgl_renderer_resource_get_info_ext(int resource_id, struct pv_virgl_info_ext *info);
void virgl_renderer_resource_set_priv(uint32_t resource_id, void *user);
void *virgl_renderer_resource_get_priv(uint32_t resource_id);

/* blob.c */
int virgl_renderer_resource_create_blob(const struct pv_virgl_blob_args *args);
int virgl_renderer_resource_map(uint32_t resource_id, void **map, uint64_t *size_bytes);
int virgl_renderer_resource_map_fixed(uint32_t resource_id, void *address);
int virgl_renderer_resource_unmap(uint32_t resource_id);
int virgl_renderer_resource_get_map_info(uint32_t resource_id, uint32_t *map_info);
int virgl_renderer_resource_export_blob(uint32_t resource_id, uint32_t *fd_type, int *fd);

/* console.c */
int virgl_renderer_transfer_write_iov(uint32_t resource_id, uint32_t context_id, int level,
                                      uint32_t stride, uint32_t layer_stride,
                                      struct pv_virgl_box *box, uint64_t offset, struct iovec *iov,
                                      unsigned int iov_count);
void *virgl_renderer_get_cursor_data(uint32_t resource_id, uint32_t *width, uint32_t *height);

/* unused.c */
int virgl_renderer_transfer_read_iov(uint32_t resource_id, uint32_t context_id, uint32_t level,
                                     uint32_t stride, uint32_t layer_stride,
                                     struct pv_virgl_box *box, uint64_t offset, struct iovec *iov,
                                     int iov_count);
int virgl_renderer_resource_import_blob(const struct pv_virgl_import_args *args);
int virgl_renderer_resource_import_eglimage(struct pv_virgl_resource_args *args, void *image);
void virgl_renderer_get_rect(int resource_id, struct iovec *iov, unsigned int iov_count,
                             uint32_t offset, int x, int y, int width, int height);
int virgl_renderer_get_fd_for_texture(uint32_t texture, int *fd);
int virgl_renderer_get_fd_for_texture2(uint32_t texture, int *fd, int *stride, int *offset);
int virgl_renderer_execute(void *args, uint32_t size);
int virgl_renderer_export_fence(uint64_t fence_id, int *fd);
int virgl_renderer_export_signalled_fence(void);
int virgl_renderer_attach_fence(int context_id, int taken_fd);
int virgl_renderer_get_fence_fd(uint64_t fence_id);
int virgl_renderer_get_dev_fd(int context_id);
void virgl_renderer_context_poll(uint32_t context_id);
int virgl_renderer_context_get_poll_fd(uint32_t context_id);

#pragma GCC visibility pop

#endif
