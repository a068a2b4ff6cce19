#include "front/vhost_user/memory.h"

#include "base/checked.h"
#include "base/guest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void unmap(struct pv_vhost_ram *ram)
{
    munmap(ram->mapping, ram->mapped_size);
}

void pv_vhost_memory_finish(struct pv_vhost_memory *memory)
{
    for (size_t i = 0; i < memory->count; i++) {
        unmap(&memory->regions[i]);
    }
    free(memory->regions);
    *memory = (struct pv_vhost_memory){0};
}

/* Huge pages can only be mapped from and to multiples of their size, which is the file's block. */
static uint64_t mapping_alignment(const struct stat *status)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t block = (uint64_t)status->st_blksize;
    return block > page && (block & (block - 1)) == 0 ? block : page;
}

static enum pv_result map(struct pv_vhost_ram *ram, int fd)
{
    const struct pv_vhost_region *region = &ram->region;
    uint64_t guest_end, user_end;
    struct stat status;
    if (region->size == 0 || !pv_checked_add(region->guest_address, region->size, &guest_end) ||
        !pv_checked_add(region->user_address, region->size, &user_end) || fstat(fd, &status) != 0 ||
        status.st_size < 0 ||
        /* Beyond the file's end there is nothing but SIGBUS. */
        !pv_range_inside(region->mmap_offset, region->size, (uint64_t)status.st_size)) {
        return PV_GUEST_FAULT;
    }
    uint64_t alignment = mapping_alignment(&status);
    uint64_t begin = region->mmap_offset & ~(alignment - 1);
    uint64_t size;
    if (!pv_checked_align(region->mmap_offset + region->size - begin, alignment, &size)) {
        return PV_GUEST_FAULT;
    }
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)begin);
    if (bytes == MAP_FAILED) {
        return PV_HOST_FAILED;
    }
    (void)madvise(bytes, size, MADV_DONTDUMP);
    ram->mapping = bytes;
    ram->mapped_size = size;
    ram->bytes = (uint8_t *)bytes + (region->mmap_offset - begin);
    return PV_OK;
}

enum pv_result pv_vhost_memory_add(struct pv_vhost_memory *memory,
                                   const struct pv_vhost_region *region, int fd)
{
    if (memory->count == PV_VHOST_REGIONS_MAX) {
        return PV_GUEST_FAULT;
    }
    if (memory->regions == NULL) {
        memory->regions = calloc(PV_VHOST_REGIONS_MAX, sizeof(*memory->regions));
        if (memory->regions == NULL) {
            return PV_NO_MEMORY;
        }
    }
    struct pv_vhost_ram *ram = &memory->regions[memory->count];
    ram->region = *region;
    enum pv_result result = map(ram, fd);
    memory->count += result == PV_OK ? 1 : 0;
    return result;
}

bool pv_vhost_memory_remove(struct pv_vhost_memory *memory, const struct pv_vhost_region *region)
{
    for (size_t i = 0; i < memory->count; i++) {
        const struct pv_vhost_region *known = &memory->regions[i].region;
        if (known->guest_address == region->guest_address &&
            known->user_address == region->user_address && known->size == region->size) {
            unmap(&memory->regions[i]);
            memory->regions[i] = memory->regions[--memory->count];
            return true;
        }
    }
    return false;
}

uint8_t *pv_vhost_memory_at_user(const struct pv_vhost_memory *memory, uint64_t user_address,
                                 uint64_t size, size_t alignment)
{
    for (size_t i = 0; i < memory->count; i++) {
        const struct pv_vhost_ram *ram = &memory->regions[i];
        uint64_t offset = user_address - ram->region.user_address;
        if (user_address >= ram->region.user_address &&
            pv_range_inside(offset, size, ram->region.size)) {
            uint8_t *bytes = ram->bytes + offset;
            return (uintptr_t)bytes % alignment == 0 ? bytes : NULL;
        }
    }
    return NULL;
}

/* The bytes at a guest's address, and how many of them are in a row; NULL when it is no RAM. */
static uint8_t *at_guest(const struct pv_vhost_memory *memory, uint64_t guest_address,
                         uint64_t *left)
{
    for (size_t i = 0; i < memory->count; i++) {
        const struct pv_vhost_ram *ram = &memory->regions[i];
        uint64_t offset = guest_address - ram->region.guest_address;
        if (guest_address >= ram->region.guest_address && offset < ram->region.size) {
            *left = ram->region.size - offset;
            return ram->bytes + offset;
        }
    }
    return NULL;
}

bool pv_vhost_memory_read(const struct pv_vhost_memory *memory, uint64_t guest_address, void *bytes,
                          size_t size)
{
    for (uint8_t *to = bytes; size > 0;) {
        uint64_t left;
        const uint8_t *from = at_guest(memory, guest_address, &left);
        if (from == NULL) {
            return false;
        }
        size_t piece = left < size ? (size_t)left : size;
        pv_guest_copy(to, from, piece);
        to += piece;
        guest_address += piece;
        size -= piece;
    }
    return true;
}

bool pv_vhost_memory_write(const struct pv_vhost_memory *memory, uint64_t guest_address,
                           const void *bytes, size_t size)
{
    for (const uint8_t *from = bytes; size > 0;) {
        uint64_t left;
        uint8_t *to = at_guest(memory, guest_address, &left);
        if (to == NULL) {
            return false;
        }
        size_t piece = left < size ? (size_t)left : size;
        memcpy(to, from, piece);
        from += piece;
        guest_address += piece;
        size -= piece;
    }
    return true;
}

bool pv_vhost_memory_covers(const struct pv_vhost_memory *memory, uint64_t guest_address,
                            uint64_t size)
{
    while (size > 0) {
        uint64_t left;
        if (at_guest(memory, guest_address, &left) == NULL) {
            return false;
        }
        uint64_t piece = left < size ? left : size;
        guest_address += piece;
        size -= piece;
    }
    return true;
}
