#include "base/result.h"

const char *pv_result_name(enum pv_result result)
{
    switch (result) {
    case PV_OK:
        return "ok";
    case PV_GUEST_FAULT:
        return "guest fault";
    case PV_HOST_FAILED:
        return "host failed";
    case PV_NO_MEMORY:
        return "no memory";
    case PV_UNSUPPORTED:
        return "unsupported";
    case PV_CLOSED:
        return "closed";
    case PV_INVALID:
        return "invalid argument";
    case PV_BUSY:
        return "busy";
    }
    return "unknown result";
}
