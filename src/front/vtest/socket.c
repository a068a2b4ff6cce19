#include "front/vtest/socket.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t peek(int socket, uint8_t *bytes, size_t size)
{
    ssize_t count;
    do {
        count = recv(socket, bytes, size, MSG_PEEK);
    } while (count < 0 && errno == EINTR);
    return count;
}

enum pv_result pv_vtest_socket_peek(int socket, uint8_t *bytes, size_t size, size_t *left)
{
    ssize_t seen = peek(socket, bytes, size);
    if (seen <= 0) {
        return PV_CLOSED;
    }
    if ((size_t)seen == size) {
        *left = size;
        return PV_OK;
    }
    /* A client that writes in pieces: take all but the last byte. */
    enum pv_result result = pv_fd_read(socket, bytes, size - 1);
    if (result != PV_OK) {
        return result;
    }
    *left = 1;
    return peek(socket, bytes + size - 1, 1) == 1 ? PV_OK : PV_CLOSED;
}

enum pv_result pv_vtest_socket_drain(int socket, size_t left)
{
    uint8_t scratch[256];
    while (left > 0) {
        size_t piece = left < sizeof(scratch) ? left : sizeof(scratch);
        enum pv_result result = pv_fd_read(socket, scratch, piece);
        if (result != PV_OK) {
            return result;
        }
        left -= piece;
    }
    return PV_OK;
}

void pv_vtest_socket_discard(int socket, uint64_t deadline_ns)
{
    const uint64_t interval_ns = 20 * PV_NS_PER_MS;
    while (pv_clock_now_ns() < deadline_ns) {
        if (pv_fd_has_hung_up(socket)) {
            return;
        }
        int unread = 0;
        if (ioctl(socket, FIONREAD, &unread) == 0 && unread > 1 &&
            pv_vtest_socket_drain(socket, (size_t)unread - 1) != PV_OK) {
            return;
        }
        pv_clock_sleep_ns(interval_ns);
    }
}
