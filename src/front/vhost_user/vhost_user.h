#ifndef PV_FRONT_VHOST_USER_VHOST_USER_H
#define PV_FRONT_VHOST_USER_VHOST_USER_H

#include "base/attributes.h"
#include "base/log.h"
#include "base/result.h"

#include <pearvisor/gpu.h>

/* A virtio-gpu device for a virtual machine that runs in another process: the vhost-user back-end
 * around a pv_gpu. One front-end for the back-end's life; one thread. */

struct pv_vhost_user;

struct pv_vhost_user_params {
    const struct pv_log *log; /* borrowed */
    /* What device there shall be. Its callbacks, log and window are filled in; of the window only
     * the size is asked for. */
    struct pv_gpu_params gpu;
};

/* Makes the device, so that its driver is being loaded while nobody is there yet. Results as of
 * pv_gpu_create(). */
PV_NODISCARD enum pv_result pv_vhost_user_create(const struct pv_vhost_user_params *params,
                                                 struct pv_vhost_user **vhost_user);
void pv_vhost_user_destroy(struct pv_vhost_user *vhost_user);

/* Looks after the device until a descriptor is readable: `fd` (PV_OK) or `stop` (PV_CLOSED). */
PV_NODISCARD enum pv_result pv_vhost_user_wait(struct pv_vhost_user *vhost_user, int fd, int stop);

/* Serves the front-end at the other end of the socket until it hangs up or `stop` is readable:
 * PV_OK. PV_GUEST_FAULT when it does not speak the protocol, which is told. Once at most. */
PV_NODISCARD enum pv_result pv_vhost_user_serve(struct pv_vhost_user *vhost_user, int taken_socket,
                                                int stop);

#endif
