#ifndef PV_ISOLATE_LANDLOCK_H
#define PV_ISOLATE_LANDLOCK_H

#include "base/result.h"
#include "isolate/sandbox.h"

#include <stdint.h>

/* 0: this kernel has none. */
uint32_t pv_landlock_abi(void);

/* Confines the calling thread, and all that it starts, to the files that drivers need. */
PV_NODISCARD enum pv_result pv_landlock_enter(uint32_t abi, const struct pv_sandbox_params *params);

#endif
