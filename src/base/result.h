#ifndef PV_BASE_RESULT_H
#define PV_BASE_RESULT_H

/* One definition for inside and outside: results cross the public API as they are. */
#include "base/attributes.h"

#include <pearvisor/result.h>

#endif
