#ifndef PV_BASE_ASSERT_H
#define PV_BASE_ASSERT_H

#include "base/attributes.h"

/* States what *we* guarantee; stays on in release builds. Never used on anything derived from
 * guest bytes: those are checked and answered with PV_GUEST_FAULT. */
#define PV_ASSERT(condition)                                                                       \
    do {                                                                                           \
        if (PV_UNLIKELY(!(condition))) {                                                           \
            pv_assert_failed(#condition, __FILE__, __LINE__);                                      \
        }                                                                                          \
    } while (0)

PV_NORETURN PV_COLD void pv_assert_failed(const char *condition, const char *file, int line);

#endif
