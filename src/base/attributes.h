#ifndef PV_BASE_ATTRIBUTES_H
#define PV_BASE_ATTRIBUTES_H

/* The compiler's extras, named once, so that no other file needs to know the compiler. */

#define PV_NODISCARD __attribute__((warn_unused_result))
#define PV_PRINTF(format_index, first_index)                                                       \
    __attribute__((format(printf, format_index, first_index)))
#define PV_EXPORT __attribute__((visibility("default")))
#define PV_COLD __attribute__((cold, noinline))
/* For the long way of a function whose short way must not save registers for it. */
#define PV_NOINLINE __attribute__((noinline))
#define PV_NORETURN __attribute__((noreturn))
/* For a decoder's primitives: each is a few instructions, and a call would cost more than it does.
 */
#define PV_ALWAYS_INLINE inline __attribute__((always_inline))
#define PV_UNUSED __attribute__((unused))
#define PV_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define PV_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
/* What holds by construction and the compiler cannot see. */
#define PV_ASSUME(condition) ((condition) ? (void)0 : __builtin_unreachable())
/* One cache line: what different threads write must not share one. */
#define PV_CACHE_LINE 64
#define PV_CACHE_ALIGNED __attribute__((aligned(PV_CACHE_LINE)))

#if defined(__clang__)
#define PV_CAPABILITY(name) __attribute__((capability(name)))
#define PV_REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define PV_ACQUIRES(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define PV_RELEASES(...) __attribute__((release_capability(__VA_ARGS__)))
#else
#define PV_CAPABILITY(name)
#define PV_REQUIRES(...)
#define PV_ACQUIRES(...)
#define PV_RELEASES(...)
#endif

#endif
