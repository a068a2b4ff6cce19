#ifndef TESTS_FAKES_GUEST_REMOTE_H
#define TESTS_FAKES_GUEST_REMOTE_H

#include "base/thread.h"
#include "fakes/guest.h"
#include "isolate/remote.h"

#include <pearvisor/context.h>

/* A scripted guest whose context is behind a packet socket, as a device model has it. */

/* On the fake driver. */
struct pv_renderer *remote_renderer_create(const struct pv_log *log);
void remote_renderer_destroy(struct pv_renderer *renderer);

/* Serves one context on a thread, with the fake driver. */
struct remote_server {
    struct pv_thread thread;
    int socket;
    struct pv_renderer *renderer;
    struct pv_context_quota quota;
    struct guest_log log;
    struct pv_stats stats; /* once it has ended */
    _Atomic bool has_ended;
};

/* Our end of the socket. `renderer` false: as a worker without a driver. */
int remote_server_start(struct remote_server *server, bool renderer);
/* Waits for its end. */
void remote_server_join(struct remote_server *server);

/* Without a ring yet; takes the socket. */
struct guest *guest_create_remote(int taken_socket);
/* Takes the lock that its pump dispatches under. */
struct pv_remote *guest_remote_lock(struct guest *g);
void guest_remote_unlock(struct guest *g);
/* Waits until it is lost, or false; *why is what pv_remote_events.lost got. */
bool guest_remote_wait_lost(struct guest *g, const char **why);
/* Shares what another one of these has exported under that id. 0 when that has no descriptor. */
uint32_t guest_remote_attach(struct guest *g, struct guest *from, uint32_t resource_id);
/* What was said of the blob that was created last. */
struct pv_remote_blob guest_remote_last_blob(struct guest *g);

#endif
