#include "front/vhost_user/window.h"

#include "base/assert.h"
#include "base/fd.h"

#include <pearvisor/gpu.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pv_vhost_operation {
    struct pv_vhost_operation *next;
    uint64_t token;
    uint64_t offset, size;
    int fd;                     /* to map; -1: an unmap */
    struct pv_vhost_live *live; /* what it is about; an unmap finds it when its turn comes */
};

struct pv_vhost_live {
    struct pv_vhost_live *next;
    uint64_t offset, size;
    dev_t device; /* of the file, with its number */
    ino_t inode;
};

void pv_vhost_window_init(struct pv_vhost_window *window, const struct pv_log *log,
                          void (*finished)(void *user, uint64_t token, bool ok), void *user)
{
    *window = (struct pv_vhost_window){
        .log = log,
        .page_bytes = (uint64_t)sysconf(_SC_PAGESIZE),
        .channel.socket = -1,
        .finished = finished,
        .user = user,
    };
    window->last = &window->first;
}

static void remove_first(struct pv_vhost_window *window)
{
    struct pv_vhost_operation *operation = window->first;
    window->first = operation->next;
    if (window->first == NULL) {
        window->last = &window->first;
    }
    pv_fd_close(&operation->fd);
    free(operation);
}

void pv_vhost_window_finish(struct pv_vhost_window *window)
{
    while (window->first != NULL) {
        remove_first(window);
    }
    while (window->live != NULL) {
        struct pv_vhost_live *live = window->live;
        window->live = live->next;
        free(live);
    }
    pv_vhost_channel_finish(&window->channel);
}

/* The oldest mapping of a range. A younger one may wait for that one's end. */
static struct pv_vhost_live *find_live(const struct pv_vhost_window *window, uint64_t offset,
                                       uint64_t size)
{
    struct pv_vhost_live *live = window->live;
    while (live != NULL && (live->offset != offset || live->size != size)) {
        live = live->next;
    }
    return live;
}

static void add_live(struct pv_vhost_window *window, struct pv_vhost_live *taken)
{
    struct pv_vhost_live **link = &window->live;
    while (*link != NULL) {
        link = &(*link)->next;
    }
    *link = taken;
    window->live_count++;
}

static void forget_live(struct pv_vhost_window *window, struct pv_vhost_live *live)
{
    struct pv_vhost_live **link = &window->live;
    while (*link != live) {
        link = &(*link)->next;
    }
    *link = live->next;
    window->live_count--;
    free(live);
}

bool pv_vhost_window_knows(const struct pv_vhost_window *window, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return false;
    }
    for (const struct pv_vhost_live *live = window->live; live != NULL; live = live->next) {
        if (live->device == status.st_dev && live->inode == status.st_ino) {
            return true;
        }
    }
    return false;
}

/* The first operation is done. */
static void complete(struct pv_vhost_window *window, bool ok)
{
    const struct pv_vhost_operation *operation = window->first;
    const uint64_t token = operation->token;
    if (operation->live != NULL && (operation->fd < 0 || !ok)) {
        forget_live(window, operation->live);
    }
    window->is_sent = false;
    remove_first(window);
    if (token != 0) {
        window->finished(window->user, token, ok);
    }
}

static bool send_first(struct pv_vhost_window *window)
{
    const struct pv_vhost_operation *operation = window->first;
    const struct pv_vhost_mapping mapping = {
        .region_id = PV_GPU_WINDOW_ID,
        .offset = operation->offset,
        .size = operation->size,
        .flags = operation->fd >= 0 ? PV_VHOST_MAPPING_WRITABLE : 0,
    };
    uint32_t request = operation->fd >= 0 ? PV_VHOST_SHMEM_MAP : PV_VHOST_SHMEM_UNMAP;
    return pv_vhost_channel_send(&window->channel, request, PV_VHOST_NEED_REPLY, &mapping,
                                 sizeof(mapping), operation->fd) == PV_OK;
}

/* Sends what is next, unless a reply is awaited. */
static void advance(struct pv_vhost_window *window)
{
    while (window->first != NULL && !window->is_sent) {
        struct pv_vhost_operation *operation = window->first;
        if (operation->fd < 0) {
            operation->live = find_live(window, operation->offset, operation->size);
        }
        if (operation->live == NULL) {
            complete(window, true); /* what has never been mapped needs no end */
        } else if (window->channel.socket >= 0 && send_first(window)) {
            window->is_sent = true;
        } else {
            complete(window, false);
        }
    }
}

static void append(struct pv_vhost_window *window, const struct pv_vhost_operation *taken)
{
    struct pv_vhost_operation *operation = malloc(sizeof(*operation));
    if (operation == NULL) {
        int fd = taken->fd;
        pv_fd_close(&fd);
        if (taken->live != NULL) {
            forget_live(window, taken->live);
        }
        if (taken->token != 0) {
            window->finished(window->user, taken->token, false);
        }
        return;
    }
    *operation = *taken;
    operation->next = NULL;
    *window->last = operation;
    window->last = &operation->next;
    advance(window);
}

/* Why a blob cannot be mapped, or NULL. */
static const char *refusal(const struct pv_vhost_window *window, uint64_t offset, uint64_t size,
                           const struct stat *status)
{
    if (!window->is_usable || window->channel.socket < 0) {
        return "the front-end knows no shared memory regions (QEMU 11.1 does)";
    }
    if (window->live_count >= PV_VHOST_MAPPINGS_MAX) {
        return "QEMU can have no more mappings";
    }
    if ((offset | size) % window->page_bytes != 0) {
        return "the guest's pages are smaller than the host's";
    }
    if (S_ISREG(status->st_mode) && (uint64_t)status->st_size < size) {
        return "it is larger than its memory";
    }
    return NULL;
}

void pv_vhost_window_map(struct pv_vhost_window *window, uint64_t token, uint64_t offset,
                         uint64_t size, int fd)
{
    struct stat status;
    struct pv_vhost_operation operation = {
        .token = token, .offset = offset, .size = size, .fd = pv_fd_duplicate(fd)};
    struct pv_vhost_live *live = malloc(sizeof(*live));
    const char *why = "no memory or descriptor is left";
    if (operation.fd >= 0 && live != NULL && fstat(operation.fd, &status) == 0) {
        why = refusal(window, offset, size, &status);
    }
    if (why != NULL) {
        if (pv_log_allows(&window->complaints)) {
            pv_log_error(window->log, "a blob cannot be mapped into the window: %s", why);
        }
        free(live);
        pv_fd_close(&operation.fd);
        if (token != 0) {
            window->finished(window->user, token, false);
        }
        return;
    }
    *live = (struct pv_vhost_live){NULL, offset, size, status.st_dev, status.st_ino};
    add_live(window, live);
    operation.live = live;
    append(window, &operation);
}

void pv_vhost_window_unmap(struct pv_vhost_window *window, uint64_t token, uint64_t offset,
                           uint64_t size)
{
    const struct pv_vhost_operation operation = {
        .token = token, .offset = offset, .size = size, .fd = -1};
    append(window, &operation);
}

static void drop_unsent(struct pv_vhost_window *window)
{
    /* What is sent cannot be taken back, but need not be reported. */
    struct pv_vhost_operation **link = &window->first;
    if (window->is_sent) {
        window->first->token = 0;
        link = &window->first->next;
    }
    while (*link != NULL) {
        struct pv_vhost_operation *operation = *link;
        *link = operation->next;
        if (operation->fd >= 0) {
            forget_live(window, operation->live);
        }
        pv_fd_close(&operation->fd);
        free(operation);
    }
    window->last = link;
}

void pv_vhost_window_forget(struct pv_vhost_window *window)
{
    const struct pv_vhost_live *sent = window->is_sent ? window->first->live : NULL;
    drop_unsent(window);
    struct pv_vhost_live *live = window->live;
    while (live != NULL) {
        struct pv_vhost_live *next = live->next;
        if (live != sent) {
            forget_live(window, live);
        }
        live = next;
    }
}

void pv_vhost_window_reset(struct pv_vhost_window *window)
{
    drop_unsent(window);
    struct pv_vhost_live *live = window->live;
    while (live != NULL) {
        const uint64_t offset = live->offset, size = live->size;
        live = live->next; /* since it may go at once */
        pv_vhost_window_unmap(window, 0, offset, size);
    }
}

enum pv_result pv_vhost_window_dispatch(struct pv_vhost_window *window)
{
    for (;;) {
        bool whole;
        enum pv_result result = pv_vhost_channel_receive(&window->channel, &whole);
        if (result != PV_OK || !whole) {
            return result;
        }
        const struct pv_vhost_message *reply = &window->channel.input;
        uint64_t status;
        if (!window->is_sent || (reply->header.flags & PV_VHOST_REPLY) == 0 ||
            reply->header.size != sizeof(status)) {
            return PV_GUEST_FAULT;
        }
        memcpy(&status, reply->payload, sizeof(status));
        if (status != 0 && pv_log_allows(&window->complaints)) {
            pv_log_warn(window->log, "the front-end cannot %s 0x%llx bytes at 0x%llx of the window",
                        window->first->fd >= 0 ? "map" : "unmap",
                        (unsigned long long)window->first->size,
                        (unsigned long long)window->first->offset);
        }
        complete(window, status == 0);
        advance(window);
    }
}
