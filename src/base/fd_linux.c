#include "base/fd.h"
#include "base/fd_system.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

const short pv_fd_hang_up_events = POLLRDHUP;

int pv_fd_system_pipe(int ends[2])
{
    return pipe2(ends, O_CLOEXEC);
}

int pv_fd_system_socket_pair(int type, int ends[2])
{
    return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends);
}

ssize_t pv_fd_system_receive(int socket, struct msghdr *message, int flags)
{
    return recvmsg(socket, message, flags | MSG_CMSG_CLOEXEC);
}
