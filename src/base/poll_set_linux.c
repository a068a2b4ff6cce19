#include "base/fd.h"
#include "base/poll_set.h"

#include <string.h>
#include <sys/epoll.h>

enum { EVENTS_MAX = 64 };

const bool pv_poll_set_is_prompt = true;

static struct epoll_event event_of(uint32_t events, void *user)
{
    uint32_t asked = 0;
    asked |= (events & PV_POLL_READABLE) != 0 ? (uint32_t)EPOLLIN : 0;
    asked |= (events & PV_POLL_WRITABLE) != 0 ? (uint32_t)EPOLLOUT : 0;
    asked |= (events & PV_POLL_HANG_UP) != 0 ? (uint32_t)EPOLLRDHUP : 0;
    return (struct epoll_event){.events = asked, .data.ptr = user};
}

enum pv_result pv_poll_set_init(struct pv_poll_set *set)
{
    *set = (struct pv_poll_set){.fd = epoll_create1(EPOLL_CLOEXEC)};
    return set->fd >= 0 ? PV_OK : PV_HOST_FAILED;
}

void pv_poll_set_finish(struct pv_poll_set *set)
{
    pv_fd_close(&set->fd);
}

enum pv_result pv_poll_set_add(struct pv_poll_set *set, int fd, uint32_t events, void *user)
{
    struct epoll_event event = event_of(events, user);
    return epoll_ctl(set->fd, EPOLL_CTL_ADD, fd, &event) == 0 ? PV_OK : PV_HOST_FAILED;
}

void pv_poll_set_change(struct pv_poll_set *set, int fd, uint32_t events, void *user)
{
    struct epoll_event event = event_of(events, user);
    (void)epoll_ctl(set->fd, EPOLL_CTL_MOD, fd, &event);
}

void pv_poll_set_remove(struct pv_poll_set *set, int fd)
{
    (void)epoll_ctl(set->fd, EPOLL_CTL_DEL, fd, NULL);
}

size_t pv_poll_set_take(struct pv_poll_set *set, void **users, size_t limit)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(set->fd, events, (int)(limit < EVENTS_MAX ? limit : EVENTS_MAX), 0);
    for (int i = 0; i < count; i++) {
        users[i] = events[i].data.ptr;
    }
    return count > 0 ? (size_t)count : 0;
}

void pv_poll_set_listen(struct pv_poll_set *set)
{
    (void)set; /* the kernel listens all the time */
}
