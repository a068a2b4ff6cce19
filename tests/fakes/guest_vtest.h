#ifndef TESTS_FAKES_GUEST_VTEST_H
#define TESTS_FAKES_GUEST_VTEST_H

#include "fakes/guest.h"
#include "fakes/vtest_client.h"

/* A scripted guest whose host is a `pearvisor serve` behind a socket. */

/* Connects, greets and makes a context; no ring yet. NULL when the server does not answer. A fence
 * is waited for where it is asked for. */
struct guest *guest_connect(const char *path);
/* Its end of the socket: for what no guest would send. */
struct vtest_client *guest_client(struct guest *g);

#endif
