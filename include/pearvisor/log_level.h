/*
 * How much the log says.
 */
#ifndef PEARVISOR_LOG_LEVEL_H
#define PEARVISOR_LOG_LEVEL_H

/* Each level includes those before it. */
enum pv_log_level {
    PV_LOG_ERROR = 0, /* what did not work, and whose fault it was */
    PV_LOG_WARN,      /* worked, but not as one would wish */
    PV_LOG_INFO,      /* what a person may want to know once: devices, strategies, clients */
    PV_LOG_DEBUG,     /* for those who look for a mistake in PearVisor */
};

#endif
