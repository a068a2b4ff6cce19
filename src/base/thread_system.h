#ifndef PV_BASE_THREAD_SYSTEM_H
#define PV_BASE_THREAD_SYSTEM_H

/* Of base/thread.c: the part that differs between systems, besides what thread.h says of nice
 * values, sleeps and cores. Gives the calling thread a name of up to 15 bytes; best effort. */
void pv_thread_system_name(const char *name);

#endif
