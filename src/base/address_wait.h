#ifndef PV_BASE_ADDRESS_WAIT_H
#define PV_BASE_ADDRESS_WAIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Sleeping on a word of memory: what base/event.h stands on, and the part of it that differs
 * between systems. Linux: a futex. Elsewhere: a POSIX condition variable, found by the word's
 * address. */

/* Sleeps while `*word` is `value`, at most until `deadline_ns` (of pv_clock_now_ns; UINT64_MAX: for
 * ever). May return early. False when the time is over. */
bool pv_address_wait(_Atomic uint32_t *word, uint32_t value, uint64_t deadline_ns);
/* Wakes all who sleep on it, or are about to: change it first. */
void pv_address_wake_all(_Atomic uint32_t *word);

#endif
