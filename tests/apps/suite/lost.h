#ifndef PV_APPS_LOST_H
#define PV_APPS_LOST_H

#include <stdint.h>

/* Nobody allocates at this device address: who writes there loses the device. The case knows it,
 * and the driver that pretends (losing_driver.c). */
#define LOST_ADDRESS (UINT64_C(1) << 44)

#endif
