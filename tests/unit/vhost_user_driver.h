#ifndef TESTS_UNIT_VHOST_USER_DRIVER_H
#define TESTS_UNIT_VHOST_USER_DRIVER_H

#include "base/guest.h"
#include "check.h"
#include "front/vhost_user/protocol.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A guest's RAM, and one virtqueue in it as a driver sees it: the test writes descriptors itself,
 * sensible or not. */

enum {
    RAM_SIZE = 1 << 20,
    RAM_GUEST = 0x40000000, /* guest address */
    QUEUE_SIZE = 8,
    AT_DESCRIPTORS = 0x0000, /* offsets in RAM */
    AT_AVAILABLE = 0x1000,
    AT_USED = 0x2000,
    AT_TABLE = 0x8000, /* for indirect descriptors */
    AT_DATA = 0x10000,
    NEXT = 1,
    WRITE = 2,
    INDIRECT = 4,
};
static const uint64_t ram_user = UINT64_C(0x7f0000000000); /* address of the front-end's */

struct driver {
    int fd;
    uint8_t *ram;
    bool has_event_idx;
    uint16_t available, used; /* our own indices */
};

static inline void driver_init(struct driver *d)
{
    *d = (struct driver){.fd = memfd_create("test-ram", MFD_CLOEXEC)};
    assert_true(d->fd >= 0);
    assert_int_equal(ftruncate(d->fd, RAM_SIZE), 0);
    d->ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, 0);
    assert_true(d->ram != MAP_FAILED);
}

static inline void driver_finish(struct driver *d)
{
    munmap(d->ram, RAM_SIZE);
    close(d->fd);
}

static inline struct pv_vhost_region driver_region(void)
{
    return (struct pv_vhost_region){
        .guest_address = RAM_GUEST, .size = RAM_SIZE, .user_address = ram_user};
}

static inline void driver_describe_at(struct driver *d, uint32_t table, uint32_t slot,
                                      uint64_t guest_address, uint32_t size, uint32_t flags,
                                      uint32_t next)
{
    uint8_t *at = d->ram + table + 16 * (size_t)slot;
    uint16_t tail[2] = {(uint16_t)flags, (uint16_t)next};
    memcpy(at, &guest_address, 8);
    memcpy(at + 8, &size, 4);
    memcpy(at + 12, tail, 4);
}

static inline void driver_describe(struct driver *d, uint32_t slot, uint64_t guest_address,
                                   uint32_t size, uint32_t flags, uint32_t next)
{
    driver_describe_at(d, AT_DESCRIPTORS, slot, guest_address, size, flags, next);
}

static inline uint16_t *driver_halfword(struct driver *d, uint32_t at)
{
    return (uint16_t *)(void *)(d->ram + at);
}

static inline void driver_offer(struct driver *d, uint16_t head)
{
    *driver_halfword(d, AT_AVAILABLE + 4 + 2u * (d->available % QUEUE_SIZE)) = head;
    d->available++;
    pv_guest_store_u16(driver_halfword(d, AT_AVAILABLE + 2), d->available);
}

/* Wants to hear of the used entry with this index. */
static inline void driver_want_used(struct driver *d, uint16_t index)
{
    pv_guest_store_u16(driver_halfword(d, AT_AVAILABLE + 4 + 2 * QUEUE_SIZE), index);
}

/* The index at which the device wants to be kicked. */
static inline uint16_t driver_kick_index(struct driver *d)
{
    return pv_guest_load_u16(driver_halfword(d, AT_USED + 4 + 8 * QUEUE_SIZE));
}

static inline bool driver_take_used(struct driver *d, uint32_t *head, uint32_t *size)
{
    if (pv_guest_load_u16(driver_halfword(d, AT_USED + 2)) == d->used) {
        return false;
    }
    const uint8_t *element = d->ram + AT_USED + 4 + 8 * (d->used % QUEUE_SIZE);
    memcpy(head, element, 4);
    memcpy(size, element + 4, 4);
    d->used++;
    return true;
}

#endif
