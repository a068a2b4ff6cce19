#ifndef PV_BASE_FD_H
#define PV_BASE_FD_H

#include "base/attributes.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* File descriptors: close-on-exec from the start, whole transfers, no SIGPIPE. */

enum { PV_FD_PASS_MAX = 16 /* in one message */ };

/* Closes what is open and sets it to -1. */
void pv_fd_close(int *fd);
/* PV_HOST_FAILED when out of descriptors. */
PV_NODISCARD enum pv_result pv_fd_pipe(int *read_end, int *write_end);
PV_NODISCARD enum pv_result pv_fd_socket_pair(int ends[2]);
/* A close-on-exec duplicate, or -1. */
PV_NODISCARD int pv_fd_duplicate(int fd);
PV_NODISCARD enum pv_result pv_fd_set_blocking(int fd, bool blocking);

/* Whether the other end of a socket was closed, whatever is still to be read. */
PV_NODISCARD bool pv_fd_has_hung_up(int socket);
/* What to ask poll() for that: any revents are a hang-up. */
extern const short pv_fd_hang_up_events;

/* All of `size` bytes, also over several calls, signals and a non-blocking fd. PV_CLOSED when the
 * other side has gone first, PV_HOST_FAILED on other errors. */
PV_NODISCARD enum pv_result pv_fd_read(int fd, void *bytes, size_t size);
PV_NODISCARD enum pv_result pv_fd_write(int fd, const void *bytes, size_t size);

/* The same over a unix socket, with descriptors beside the first byte; `size` at least 1, at most
 * PV_FD_PASS_MAX descriptors, which stay the caller's. */
PV_NODISCARD enum pv_result pv_fd_send(int socket, const void *bytes, size_t size, const int *fds,
                                       size_t fd_count);
/* Takes up to `fd_limit` descriptors (*fd_count of them); the caller owns them. More than that, or
 * a cut control message, is PV_GUEST_FAULT. On any failure nothing stays open and *fd_count is 0.
 * `fds` and `fd_count` may be NULL with a limit of 0. */
PV_NODISCARD enum pv_result pv_fd_receive(int socket, void *bytes, size_t size, int *fds,
                                          size_t fd_limit, size_t *fd_count);

#endif
