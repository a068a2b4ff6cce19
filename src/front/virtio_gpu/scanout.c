/* What the guest shows, and on which monitors. */

#include "base/checked.h"
#include "base/params.h"
#include "front/virtio_gpu/device.h"

#include <stdlib.h>
#include <string.h>

enum { PIXEL_BYTES = 4 };

static void tell_display(const struct pv_gpu *gpu, uint32_t scanout,
                         const struct pv_virtio_gpu_rect *changed)
{
    if (gpu->callbacks.display != NULL) {
        const struct pv_gpu_rect rect = {changed->x, changed->y, changed->width, changed->height};
        gpu->callbacks.display(gpu->user, scanout, &rect);
    }
}

/* --- monitors ----------------------------------------------------------------------------------
 */

enum pv_virtio_gpu_response pv_virtio_gpu_get_display_info(struct pv_gpu *gpu,
                                                           struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_display_info *info = request->answer;
    uint32_t x = 0; /* beside each other */
    for (uint32_t i = 0; i < gpu->scanout_count; i++) {
        const struct pv_virtio_gpu_scanout *scanout = &gpu->scanouts[i];
        info->modes[i].rect = (struct pv_virtio_gpu_rect){
            .x = x,
            .width = scanout->monitor_width,
            .height = scanout->monitor_height,
        };
        info->modes[i].enabled = scanout->monitor_width != 0;
        x += scanout->monitor_width;
    }
    return PV_VIRTIO_GPU_OK_DISPLAY_INFO;
}

enum pv_virtio_gpu_response pv_virtio_gpu_get_edid(struct pv_gpu *gpu,
                                                   struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_id_request asked;
    memcpy(&asked, request->body, sizeof(asked));
    if (asked.id >= gpu->scanout_count) {
        return PV_VIRTIO_GPU_ERR_INVALID_SCANOUT_ID;
    }
    const struct pv_virtio_gpu_scanout *scanout = &gpu->scanouts[asked.id];
    struct pv_virtio_gpu_edid *edid = request->answer;
    if (scanout->monitor_width == 0) {
        return PV_VIRTIO_GPU_ERR_UNSPEC; /* no monitor */
    }
    edid->size =
        pv_virtio_gpu_edid(edid->edid, asked.id, scanout->monitor_width, scanout->monitor_height);
    /* Without one, Linux goes by the display info. */
    return edid->size != 0 ? PV_VIRTIO_GPU_OK_EDID : PV_VIRTIO_GPU_ERR_UNSPEC;
}

void pv_gpu_resize(struct pv_gpu *gpu, uint32_t scanout, uint32_t width, uint32_t height)
{
    if (scanout >= gpu->scanout_count || width > PV_VIRTIO_GPU_IMAGE_SIDE_MAX ||
        height > PV_VIRTIO_GPU_IMAGE_SIDE_MAX) {
        return;
    }
    bool is_there = width != 0 && height != 0;
    gpu->scanouts[scanout].monitor_width = is_there ? width : 0;
    gpu->scanouts[scanout].monitor_height = is_there ? height : 0;
    gpu->events |= PV_VIRTIO_GPU_EVENT_DISPLAY;
    if (gpu->callbacks.config_changed != NULL) {
        gpu->callbacks.config_changed(gpu->user);
    }
}

/* --- what is shown -----------------------------------------------------------------------------
 */

static void free_copy(struct pv_gpu *gpu, struct pv_virtio_gpu_scanout *scanout)
{
    pv_virtio_gpu_discharge(gpu, scanout->copy_bytes);
    free(scanout->copy);
    scanout->copy = NULL;
    scanout->copy_bytes = 0;
}

void pv_virtio_gpu_scanout_off(struct pv_gpu *gpu, uint32_t scanout)
{
    free_copy(gpu, &gpu->scanouts[scanout]);
    if (gpu->scanouts[scanout].resource != NULL) {
        gpu->scanouts[scanout].resource = NULL;
        tell_display(gpu, scanout, &(struct pv_virtio_gpu_rect){0});
    }
}

void pv_virtio_gpu_hide_resource(struct pv_gpu *gpu, const struct pv_virtio_gpu_resource *resource)
{
    for (uint32_t i = 0; i < gpu->scanout_count; i++) {
        if (gpu->scanouts[i].resource == resource) {
            pv_virtio_gpu_scanout_off(gpu, i);
        }
    }
}

static enum pv_virtio_gpu_response show(struct pv_gpu *gpu, uint32_t index,
                                        struct pv_virtio_gpu_resource *resource,
                                        const struct pv_virtio_gpu_layout *layout,
                                        const struct pv_virtio_gpu_rect *rect)
{
    if (!pv_virtio_gpu_rect_is_inside(rect, layout->width, layout->height)) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    struct pv_virtio_gpu_scanout *scanout = &gpu->scanouts[index];
    free_copy(gpu, scanout);
    scanout->resource = resource;
    scanout->layout = *layout;
    scanout->rect = *rect;
    tell_display(gpu, index,
                 &(struct pv_virtio_gpu_rect){.width = rect->width, .height = rect->height});
    return PV_VIRTIO_GPU_OK_NODATA;
}

static struct pv_virtio_gpu_layout layout_of_image(const struct pv_virtio_gpu_resource *image)
{
    return (struct pv_virtio_gpu_layout){
        .format = image->format,
        .width = image->width,
        .height = image->height,
        .stride = image->width * PIXEL_BYTES,
    };
}

enum pv_virtio_gpu_response pv_virtio_gpu_set_scanout(struct pv_gpu *gpu,
                                                      struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_set_scanout asked;
    memcpy(&asked, request->body, sizeof(asked));
    if (asked.scanout_id >= gpu->scanout_count) {
        return PV_VIRTIO_GPU_ERR_INVALID_SCANOUT_ID;
    }
    if (asked.resource_id == 0) {
        pv_virtio_gpu_scanout_off(gpu, asked.scanout_id);
        return PV_VIRTIO_GPU_OK_NODATA;
    }
    struct pv_virtio_gpu_resource *resource = pv_virtio_gpu_find_resource(gpu, asked.resource_id);
    if (resource == NULL || resource->kind != PV_VIRTIO_GPU_IMAGE) {
        return PV_VIRTIO_GPU_ERR_INVALID_RESOURCE_ID;
    }
    const struct pv_virtio_gpu_layout layout = layout_of_image(resource);
    return show(gpu, asked.scanout_id, resource, &layout, &asked.rect);
}

/* Whether all rows lie inside of the blob. */
static bool layout_fits(const struct pv_virtio_gpu_layout *layout, uint64_t size)
{
    uint64_t row_bytes = (uint64_t)layout->width * PIXEL_BYTES;
    if (layout->width == 0 || layout->width > PV_VIRTIO_GPU_IMAGE_SIDE_MAX || layout->height == 0 ||
        layout->height > PV_VIRTIO_GPU_IMAGE_SIDE_MAX || layout->stride < row_bytes) {
        return false;
    }
    uint64_t needed = (uint64_t)layout->stride * (layout->height - 1) + row_bytes;
    return pv_range_inside(layout->offset, needed, size);
}

enum pv_virtio_gpu_response pv_virtio_gpu_set_scanout_blob(struct pv_gpu *gpu,
                                                           struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_set_scanout_blob asked;
    memcpy(&asked, request->body, sizeof(asked));
    if (asked.scanout_id >= gpu->scanout_count) {
        return PV_VIRTIO_GPU_ERR_INVALID_SCANOUT_ID;
    }
    if (asked.resource_id == 0) {
        pv_virtio_gpu_scanout_off(gpu, asked.scanout_id);
        return PV_VIRTIO_GPU_OK_NODATA;
    }
    struct pv_virtio_gpu_resource *resource = pv_virtio_gpu_find_resource(gpu, asked.resource_id);
    if (resource == NULL || resource->kind == PV_VIRTIO_GPU_IMAGE) {
        return PV_VIRTIO_GPU_ERR_INVALID_RESOURCE_ID;
    }
    const struct pv_virtio_gpu_layout layout = {
        .format = asked.format,
        .width = asked.width,
        .height = asked.height,
        .stride = asked.strides[0],
        .offset = asked.offsets[0],
    };
    if (!pv_virtio_gpu_format_is_known(asked.format) || !layout_fits(&layout, resource->size)) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    return show(gpu, asked.scanout_id, resource, &layout, &asked.rect);
}

/* Tells the part of `changed`, in the resource, that this scanout shows. */
static void flush_scanout(const struct pv_gpu *gpu, uint32_t index,
                          const struct pv_virtio_gpu_rect *changed)
{
    const struct pv_virtio_gpu_rect *shown = &gpu->scanouts[index].rect;
    uint64_t left = changed->x > shown->x ? changed->x : shown->x;
    uint64_t top = changed->y > shown->y ? changed->y : shown->y;
    uint64_t right = (uint64_t)changed->x + changed->width;
    uint64_t bottom = (uint64_t)changed->y + changed->height;
    if (right > (uint64_t)shown->x + shown->width) {
        right = (uint64_t)shown->x + shown->width;
    }
    if (bottom > (uint64_t)shown->y + shown->height) {
        bottom = (uint64_t)shown->y + shown->height;
    }
    if (left < right && top < bottom) {
        tell_display(gpu, index,
                     &(struct pv_virtio_gpu_rect){
                         .x = (uint32_t)(left - shown->x),
                         .y = (uint32_t)(top - shown->y),
                         .width = (uint32_t)(right - left),
                         .height = (uint32_t)(bottom - top),
                     });
    }
}

enum pv_virtio_gpu_response pv_virtio_gpu_flush(struct pv_gpu *gpu,
                                                struct pv_virtio_gpu_request *request)
{
    struct pv_virtio_gpu_flush asked;
    memcpy(&asked, request->body, sizeof(asked));
    const struct pv_virtio_gpu_resource *resource =
        pv_virtio_gpu_find_resource(gpu, asked.resource_id);
    if (resource == NULL) {
        return PV_VIRTIO_GPU_ERR_INVALID_RESOURCE_ID;
    }
    if (resource->kind == PV_VIRTIO_GPU_IMAGE &&
        !pv_virtio_gpu_rect_is_inside(&asked.rect, resource->width, resource->height)) {
        return PV_VIRTIO_GPU_ERR_INVALID_PARAMETER;
    }
    for (uint32_t i = 0; i < gpu->scanout_count; i++) {
        if (gpu->scanouts[i].resource == resource) {
            flush_scanout(gpu, i, &asked.rect);
        }
    }
    return PV_VIRTIO_GPU_OK_NODATA;
}

/* --- the caller's look at it -------------------------------------------------------------------
 */

/* NULL when there is no memory, or nothing to be read. */
static const uint8_t *copy_pixels(struct pv_gpu *gpu, struct pv_virtio_gpu_scanout *scanout)
{
    uint64_t count = (uint64_t)scanout->rect.width * scanout->rect.height;
    if (scanout->copy == NULL) {
        if (!pv_virtio_gpu_charge(gpu, count * PIXEL_BYTES)) {
            return NULL;
        }
        scanout->copy_bytes = count * PIXEL_BYTES;
        scanout->copy = malloc(scanout->copy_bytes);
    }
    if (scanout->copy == NULL ||
        !pv_virtio_gpu_read_pixels(gpu, scanout->resource, &scanout->layout, &scanout->rect,
                                   scanout->copy)) {
        free_copy(gpu, scanout);
        return NULL;
    }
    pv_virtio_gpu_convert_to_bgrx(scanout->layout.format, scanout->copy, count);
    return scanout->copy;
}

bool pv_gpu_scanout(struct pv_gpu *gpu, uint32_t index, struct pv_gpu_image *image)
{
    if (index >= gpu->scanout_count) {
        return false;
    }
    struct pv_virtio_gpu_scanout *scanout = &gpu->scanouts[index];
    struct pv_gpu_image ours = {0};
    const struct pv_virtio_gpu_resource *resource = scanout->resource;
    if (resource != NULL) {
        ours.width = scanout->rect.width;
        ours.height = scanout->rect.height;
        if (resource->kind == PV_VIRTIO_GPU_IMAGE &&
            pv_virtio_gpu_format_is_bgrx(resource->format)) {
            ours.stride_bytes = scanout->layout.stride;
            ours.pixels = resource->pixels + (uint64_t)scanout->rect.y * ours.stride_bytes +
                          (uint64_t)scanout->rect.x * PIXEL_BYTES;
        } else {
            ours.stride_bytes = ours.width * PIXEL_BYTES;
            ours.pixels = copy_pixels(gpu, scanout);
        }
    }
    pv_params_write(image, &ours, sizeof(ours));
    return true;
}
