#ifndef PV_FAKES_GOLDEN_H
#define PV_FAKES_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Recorded bytes: tests/wire/golden/. A line "## TITLE" begins an entry, hexadecimal bytes follow;
 * "ee" is padding, whose content does not count. */

enum { PV_GOLDEN_SIZE_MAX = 512 };

struct pv_golden {
    uint8_t bytes[PV_GOLDEN_SIZE_MAX];
    bool is_padding[PV_GOLDEN_SIZE_MAX];
    size_t size;
};

/* The entry of that title in a file of tests/wire/golden/. Fails the test when there is none. */
void pv_golden_read(const char *file, const char *title, struct pv_golden *golden);

/* Fails the test, with the first difference, when the bytes are others. */
void pv_golden_check(const struct pv_golden *golden, const char *title, const uint8_t *bytes,
                     size_t size);

#endif
