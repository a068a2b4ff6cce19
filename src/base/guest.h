#ifndef PV_BASE_GUEST_H
#define PV_BASE_GUEST_H

#include "base/attributes.h"

#include <stdint.h>
#include <string.h>

/* Access to memory that a guest may change at any time. Each word is read once, into a variable,
 * and judged there; bytes are copied once, into private memory. Nothing else in PearVisor reads or
 * writes guest memory. Words must be 4-byte aligned. */

static PV_ALWAYS_INLINE uint32_t pv_guest_load_u32(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static PV_ALWAYS_INLINE uint32_t pv_guest_load_u32_seq_cst(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/* Release: all that was written before it is visible to a guest that sees the value. */
static PV_ALWAYS_INLINE void pv_guest_store_u32(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* The same for the halfwords of a virtqueue, 2-byte aligned. */
static PV_ALWAYS_INLINE uint16_t pv_guest_load_u16(const uint16_t *halfword)
{
    return __atomic_load_n(halfword, __ATOMIC_ACQUIRE);
}

static PV_ALWAYS_INLINE void pv_guest_store_u16(uint16_t *halfword, uint16_t value)
{
    __atomic_store_n(halfword, value, __ATOMIC_RELEASE);
}

static PV_ALWAYS_INLINE uint32_t pv_guest_fetch_or_u32(uint32_t *word, uint32_t bits)
{
    return __atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST);
}

static PV_ALWAYS_INLINE uint32_t pv_guest_fetch_and_u32(uint32_t *word, uint32_t bits)
{
    return __atomic_fetch_and(word, bits, __ATOMIC_SEQ_CST);
}

/* Orders what is above it before what is below it, stores before loads too. */
static PV_ALWAYS_INLINE void pv_guest_fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* The one read of a guest's bytes. The barrier keeps the compiler from reading the source again
 * where it reads the copy. */
static PV_ALWAYS_INLINE void pv_guest_copy(void *private_copy, const void *guest, size_t size)
{
    memcpy(private_copy, guest, size);
    __asm__ volatile("" ::: "memory");
}

/* Tells the core that this is a spin loop. */
static PV_ALWAYS_INLINE void pv_cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#else
    __asm__ volatile("" ::: "memory");
#endif
}

#endif
