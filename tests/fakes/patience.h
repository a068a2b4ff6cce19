#ifndef TESTS_FAKES_PATIENCE_H
#define TESTS_FAKES_PATIENCE_H

#include "base/clock.h"

/* How long a test waits for what must come. Nothing that works waits so long, and a machine that is
 * slow today has not failed. */
enum { PATIENCE_S = 60 };

#define PATIENCE_NS (PATIENCE_S * PV_NS_PER_S)

#endif
