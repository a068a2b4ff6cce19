#ifndef PV_FRONT_VTEST_SOCKET_H
#define PV_FRONT_VTEST_SOCKET_H

#include "base/attributes.h"
#include "base/result.h"

#include <stddef.h>
#include <stdint.h>

/* Reading requests so that a client never waits for ever.
 *
 * Mesa's client reads its reply in a loop that takes end-of-file for "nothing yet" and spins. But
 * the kernel tells a client ECONNRESET, which ends it properly, if its socket closes while bytes
 * that it sent are unread. So the last bytes of a request that wants a reply stay in the socket
 * until the reply is out: whatever kills this process meanwhile, the client hears of it. */

/* Fills `bytes` with the `size` next bytes, at least 1; *left of them (1 … size) are still in the
 * socket. PV_CLOSED when the client has gone. */
PV_NODISCARD enum pv_result pv_vtest_socket_peek(int socket, uint8_t *bytes, size_t size,
                                                 size_t *left);
/* Takes the `left` bytes out, after the reply. */
PV_NODISCARD enum pv_result pv_vtest_socket_drain(int socket, size_t left);

/* Throws away what arrives, but for one byte of it, until the client closes or `deadline_ns` (of
 * the monotonic clock). */
void pv_vtest_socket_discard(int socket, uint64_t deadline_ns);

#endif
