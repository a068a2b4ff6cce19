/* Pixels: formats, rectangles, and reading them from wherever a resource keeps them. */

#include "front/virtio_gpu/device.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIXEL_BYTES = 4 };

/* Where blue, green and red are in a pixel's four bytes. */
struct format {
    uint32_t number;
    uint8_t blue, green, red;
};

static const struct format formats[] = {
    {1, 0, 1, 2},   /* B8G8R8A8 */
    {2, 0, 1, 2},   /* B8G8R8X8 */
    {3, 3, 2, 1},   /* A8R8G8B8 */
    {4, 3, 2, 1},   /* X8R8G8B8 */
    {67, 2, 1, 0},  /* R8G8B8A8 */
    {68, 1, 2, 3},  /* X8B8G8R8 */
    {121, 1, 2, 3}, /* A8B8G8R8 */
    {134, 2, 1, 0}, /* R8G8B8X8 */
};

static const struct format *find_format(uint32_t number)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (formats[i].number == number) {
            return &formats[i];
        }
    }
    return NULL;
}

bool pv_virtio_gpu_format_is_known(uint32_t format)
{
    return find_format(format) != NULL;
}

bool pv_virtio_gpu_format_is_bgrx(uint32_t format)
{
    const struct format *found = find_format(format);
    return found != NULL && found->blue == 0;
}

void pv_virtio_gpu_convert_to_bgrx(uint32_t format, uint8_t *pixels, uint64_t count)
{
    const struct format *from = find_format(format);
    if (from == NULL || from->blue == 0) {
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint8_t *pixel = pixels + i * PIXEL_BYTES;
        const uint8_t blue = pixel[from->blue];
        const uint8_t green = pixel[from->green];
        const uint8_t red = pixel[from->red];
        pixel[0] = blue;
        pixel[1] = green;
        pixel[2] = red;
        pixel[3] = 0;
    }
}

bool pv_virtio_gpu_rect_is_inside(const struct pv_virtio_gpu_rect *rect, uint32_t width,
                                  uint32_t height)
{
    return rect->width != 0 && rect->height != 0 && rect->width <= width &&
           rect->height <= height && rect->x <= width - rect->width &&
           rect->y <= height - rect->height;
}

static bool has_file_type(const struct pv_virtio_gpu_resource *resource, mode_t type)
{
    struct stat status;
    return fstat(resource->fd, &status) == 0 && (status.st_mode & S_IFMT) == type;
}

/* Of a host blob that the system lets us read. Shared memory is read and not mapped, so that
 * nothing which its other owner does to it can fault us. */
static bool read_shared(const struct pv_virtio_gpu_resource *resource, uint64_t offset,
                        uint8_t *bytes, uint64_t size)
{
    while (size != 0) {
        ssize_t part = pread(resource->fd, bytes, size, (off_t)offset);
        if (part <= 0) {
            return false;
        }
        bytes += part;
        offset += (uint64_t)part;
        size -= (uint64_t)part;
    }
    return true;
}

/* A dma-buf can only be mapped; it never changes its size, and is no file of any other type. */
static const uint8_t *map_dmabuf(const struct pv_virtio_gpu_resource *resource)
{
    if (resource->blob_kind != PV_CONTEXT_BLOB_DMABUF || !has_file_type(resource, 0)) {
        return NULL;
    }
    const uint8_t *map = mmap(NULL, resource->map_size, PROT_READ, MAP_SHARED, resource->fd, 0);
    return map != MAP_FAILED ? map : NULL;
}

static bool read_bytes(const struct pv_gpu *gpu, const struct pv_virtio_gpu_resource *resource,
                       const uint8_t *map, uint64_t offset, uint8_t *bytes, uint64_t size)
{
    if (resource->kind == PV_VIRTIO_GPU_GUEST_BLOB) {
        return pv_virtio_gpu_backing_read(gpu, &resource->backing, offset, bytes, size);
    }
    if (resource->kind == PV_VIRTIO_GPU_IMAGE) {
        memcpy(bytes, resource->pixels + offset, size);
        return true;
    }
    /* What the guest calls its size may be a page more than there is. */
    if (offset > resource->map_size || size > resource->map_size - offset) {
        return false;
    }
    if (map != NULL) {
        memcpy(bytes, map + offset, size);
        return true;
    }
    return read_shared(resource, offset, bytes, size);
}

bool pv_virtio_gpu_read_pixels(const struct pv_gpu *gpu,
                               const struct pv_virtio_gpu_resource *resource,
                               const struct pv_virtio_gpu_layout *layout,
                               const struct pv_virtio_gpu_rect *rect, uint8_t *pixels)
{
    const uint8_t *map = NULL;
    if (resource->kind == PV_VIRTIO_GPU_HOST_BLOB) {
        map = map_dmabuf(resource);
        if (map == NULL && !has_file_type(resource, S_IFREG)) {
            return false; /* a device's, whose read may wait for ever */
        }
    }
    uint64_t row_bytes = (uint64_t)rect->width * PIXEL_BYTES;
    bool is_read = true;
    for (uint64_t y = 0; y < rect->height && is_read; y++) {
        uint64_t offset =
            layout->offset + (rect->y + y) * layout->stride + (uint64_t)rect->x * PIXEL_BYTES;
        is_read = read_bytes(gpu, resource, map, offset, pixels + y * row_bytes, row_bytes);
    }
    if (map != NULL) {
        munmap((void *)(uintptr_t)map, resource->map_size);
    }
    return is_read;
}
