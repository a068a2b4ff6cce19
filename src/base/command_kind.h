#ifndef PV_BASE_COMMAND_KIND_H
#define PV_BASE_COMMAND_KIND_H

/* One definition for inside and outside: the table of commands says it as it is. */
#include <pearvisor/command_kind.h>

#endif
