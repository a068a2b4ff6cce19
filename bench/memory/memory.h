#ifndef BENCH_MEMORY_MEMORY_H
#define BENCH_MEMORY_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What the two programs of bench/memory.py have in common: the buffer, and how they report. */

enum { MEMORY_BUFFER_SIZE = 64 * 1024 };

static const uint32_t memory_word = 0xc0ffee11;

static inline bool memory_is_filled(const uint32_t *words)
{
    for (size_t i = 0; i < MEMORY_BUFFER_SIZE / sizeof(*words); i++) {
        if (words[i] != memory_word) {
            return false;
        }
    }
    return true;
}

/* One line: all is done, and so many bytes of it are memory that a caller has given to the library.
 * Returns when the input has ended. */
static inline void memory_report(size_t callers_bytes)
{
    printf("{\"callers_bytes\": %zu}\n", callers_bytes);
    fflush(stdout);
    while (getchar() != EOF) {
    }
}

#endif
