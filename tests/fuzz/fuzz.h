#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Where libFuzzer enters, or replay.c. Aborts on a bug. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
