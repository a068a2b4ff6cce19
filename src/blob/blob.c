#include "blob/blob.h"

#include "base/assert.h"
#include "base/checked.h"
#include "base/fd.h"
#include "blob/shm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool is_mapped_kind(enum pv_blob_kind kind)
{
    return kind == PV_BLOB_SHM || kind == PV_BLOB_MEMORY;
}

static uint64_t page_size(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

static struct pv_blob *new_blob(enum pv_blob_kind kind, uint64_t size)
{
    struct pv_blob *blob = calloc(1, sizeof(*blob));
    if (blob != NULL) {
        atomic_init(&blob->references, 1);
        blob->kind = kind;
        blob->fd = -1;
        blob->size = size;
    }
    return blob;
}

static bool map_blob(struct pv_blob *blob)
{
    if (blob->map_size > SIZE_MAX) {
        errno = ENOMEM;
        return false;
    }
    void *map = mmap(NULL, (size_t)blob->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, blob->fd, 0);
    if (map == MAP_FAILED) {
        return false;
    }
    blob->map = map;
    return true;
}

static enum pv_result failed(const struct pv_log *log, struct pv_log_budget *budget, uint64_t size)
{
    int error = errno;
    if (budget == NULL || pv_log_allows(budget)) {
        pv_log_error(log, "shared memory of %llu bytes: %s", (unsigned long long)size,
                     strerror(error));
    }
    return error == ENOMEM || error == EFBIG ? PV_NO_MEMORY : PV_HOST_FAILED;
}

enum pv_result pv_blob_create(enum pv_blob_kind kind, uint64_t size, const struct pv_log *log,
                              struct pv_log_budget *budget, struct pv_blob **blob)
{
    PV_ASSERT(is_mapped_kind(kind));
    *blob = NULL;
    uint64_t map_size;
    if (size == 0 || !pv_checked_align(size, page_size(), &map_size)) {
        return PV_NO_MEMORY;
    }
    struct pv_blob *made = new_blob(kind, size);
    if (made == NULL) {
        return PV_NO_MEMORY;
    }
    made->map_size = map_size;
    made->fd = pv_shm_create(map_size);
    if (made->fd < 0 || !map_blob(made)) {
        enum pv_result result = failed(log, budget, size);
        pv_blob_unref(made);
        return result;
    }
    *blob = made;
    return PV_OK;
}

/* What is really behind the fd, rounded down to pages; `size` where the fd does not tell, as a
 * device's may. */
static uint64_t backing_size(enum pv_blob_kind kind, int fd, uint64_t size)
{
    uint64_t real_size;
    if (pv_shm_measure(fd, &real_size) && (real_size != 0 || is_mapped_kind(kind))) {
        return real_size & ~(page_size() - 1);
    }
    off_t end = lseek(fd, 0, SEEK_END);
    if (end < 0 || (end == 0 && !is_mapped_kind(kind))) {
        return size;
    }
    lseek(fd, 0, SEEK_SET);
    return (uint64_t)end & ~(page_size() - 1);
}

enum pv_result pv_blob_wrap_fd(enum pv_blob_kind kind, int taken_fd, uint64_t size,
                               struct pv_blob **blob)
{
    *blob = NULL;
    struct pv_blob *made = new_blob(kind, size);
    if (made == NULL) {
        pv_fd_close(&taken_fd);
        return PV_NO_MEMORY;
    }
    made->fd = taken_fd;
    enum pv_result result = PV_OK;
    if (is_mapped_kind(kind) && !pv_shm_is_sealed(taken_fd)) {
        result = PV_UNSUPPORTED;
    } else {
        /* Behind that look, so that it cannot get less any more. */
        made->map_size = backing_size(kind, taken_fd, size);
        if (size == 0 || made->map_size < size) {
            result = PV_HOST_FAILED;
        } else if (is_mapped_kind(kind) && !map_blob(made)) {
            result = errno == ENOMEM ? PV_NO_MEMORY : PV_HOST_FAILED;
        }
    }
    if (result != PV_OK) {
        pv_blob_unref(made);
        return result;
    }
    *blob = made;
    return PV_OK;
}

enum pv_result pv_blob_wrap_memory(void *memory, uint64_t size, void (*released)(void *user),
                                   void *user, struct pv_blob **blob)
{
    struct pv_blob *made = new_blob(PV_BLOB_BORROWED, size);
    *blob = made;
    if (made == NULL) {
        return PV_NO_MEMORY;
    }
    made->map = memory;
    made->map_size = size;
    made->released = released;
    made->user = user;
    return PV_OK;
}

struct pv_blob *pv_blob_ref(struct pv_blob *blob)
{
    uint32_t before = atomic_fetch_add_explicit(&blob->references, 1, memory_order_relaxed);
    PV_ASSERT(before > 0 && before < UINT32_MAX);
    return blob;
}

void pv_blob_unref(struct pv_blob *blob)
{
    if (blob == NULL ||
        atomic_fetch_sub_explicit(&blob->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (blob->map != NULL && blob->kind != PV_BLOB_BORROWED) {
        munmap(blob->map, (size_t)blob->map_size);
    }
    pv_fd_close(&blob->fd);
    if (blob->released != NULL) {
        blob->released(blob->user);
    }
    free(blob);
}
