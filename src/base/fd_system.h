#ifndef PV_BASE_FD_SYSTEM_H
#define PV_BASE_FD_SYSTEM_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Descriptors, call by call: what base/fd.h and isolate/packets.h stand on. Results and errno are
 * those of the system's calls. The first three differ between systems. */

/* Close-on-exec from the start; where the system cannot, a program that another thread starts
 * meanwhile may inherit them. */
PV_NODISCARD int pv_fd_system_pipe(int ends[2]);
PV_NODISCARD int pv_fd_system_socket_pair(int type, int ends[2]);
/* recvmsg(): what descriptors come are close-on-exec. */
PV_NODISCARD ssize_t pv_fd_system_receive(int socket, struct msghdr *message, int flags);

/* sendmsg() without SIGPIPE. At most PV_FD_PASS_MAX descriptors. */
PV_NODISCARD ssize_t pv_fd_send_once(int socket, const struct iovec *parts, size_t part_count,
                                     const int *fds, size_t fd_count, int flags);

/* Descriptors that have come; theirs who asked. */
struct pv_fd_taken {
    int *fds;
    size_t limit, count;
    bool too_many; /* those beyond the limit were closed, or the system has dropped some */
};

/* One recvmsg(). *flags: of the call, then of what came. */
PV_NODISCARD ssize_t pv_fd_receive_once(int socket, void *bytes, size_t size, int *flags,
                                        struct pv_fd_taken *taken);
void pv_fd_drop_taken(struct pv_fd_taken *taken);

#endif
