/* The headers that Swift sees. Where they are, pkg-config says. */
#ifndef CPEARVISOR_SHIM_H
#define CPEARVISOR_SHIM_H

#include <pearvisor/gpu.h>
#include <pearvisor/pearvisor.h>
#include <pearvisor/venus.h>

#endif
