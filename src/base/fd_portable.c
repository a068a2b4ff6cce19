#include "base/fd.h"
#include "base/fd_system.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Reported unasked by POSIX; Darwin looks only where it was asked. A client that only shuts its
 * writing side down has not gone yet: whoever reads finds the end. */
const short pv_fd_hang_up_events = POLLHUP;

static void close_on_exec(int fd)
{
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int pv_fd_system_pipe(int ends[2])
{
    int rc = pipe(ends);
    if (rc == 0) {
        close_on_exec(ends[0]);
        close_on_exec(ends[1]);
    }
    return rc;
}

int pv_fd_system_socket_pair(int type, int ends[2])
{
    int rc = socketpair(AF_UNIX, type, 0, ends);
    if (rc == 0) {
        close_on_exec(ends[0]);
        close_on_exec(ends[1]);
    }
    return rc;
}

ssize_t pv_fd_system_receive(int socket, struct msghdr *message, int flags)
{
    ssize_t got = recvmsg(socket, message, flags);
    if (got < 0) {
        return got;
    }
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
            size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (size_t i = 0; i < count; i++) {
                int fd;
                memcpy(&fd, CMSG_DATA(header) + i * sizeof(fd), sizeof(fd));
                close_on_exec(fd);
            }
        }
    }
    return got;
}
