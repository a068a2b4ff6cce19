#include "base/clock.h"
#include "base/fd.h"
#include "front/virgl/renderer.h"
#include "isolate/host_setup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Our thread. It starts the workers, too: the kernel ends them with the thread that has. */

static struct pv_worker_setup setup;

enum { EVENTS_MAX = 32, KEY_WAKE = 0, KEY_HOSTS = 1, KEY_FIRST_CONTEXT = 2 };

bool pv_virgl_loop_watch(int fd, uint64_t context_key)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = context_key};
    return epoll_ctl(pv_virgl.epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

void pv_virgl_loop_forget(int fd)
{
    (void)epoll_ctl(pv_virgl.epoll, EPOLL_CTL_DEL, fd, NULL);
}

void pv_virgl_loop_wake(void)
{
    (void)!write(pv_virgl.wake, &(uint64_t){1}, sizeof(uint64_t));
}

static void take_event(uint64_t key)
{
    if (key == KEY_WAKE) {
        uint64_t count;
        (void)!read(pv_virgl.wake, &count, sizeof(count));
    } else if (key != KEY_HOSTS) {
        /* It may have been destroyed since. */
        struct pv_virgl_context *context = pv_virgl_find_context_by_key(key);
        if (context != NULL && context->remote != NULL) {
            pv_remote_dispatch(context->remote);
        }
    }
}

/* With the lock, but for the wait and the callbacks. */
static void loop(void)
{
    while (!pv_virgl.must_stop) {
        int timeout_ms = pv_virgl.hosts != NULL ? pv_hosts_timeout_ms(pv_virgl.hosts) : -1;
        struct epoll_event events[EVENTS_MAX];
        pthread_mutex_unlock(&pv_virgl.lock);
        int count = epoll_wait(pv_virgl.epoll, events, EVENTS_MAX, timeout_ms);
        pthread_mutex_lock(&pv_virgl.lock);
        for (int i = 0; i < count; i++) {
            take_event(events[i].data.u64);
        }
        if (pv_virgl.hosts != NULL) {
            pv_hosts_dispatch(pv_virgl.hosts);
        }
        if ((pv_virgl.flags & PV_VIRGL_ASYNC_FENCE_CB) != 0) {
            pv_virgl_report_fences();
        }
    }
}

/* NULL where the variable is not set, or empty. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* What is not there is said once; guests get no contexts then, and carry on without Vulkan. */
static void open_hosts(void)
{
    struct pv_worker_setup_params params = {
        .gpu = variable("PEARVISOR_GPU"),
        .driver = variable("PEARVISOR_DRIVER"),
        .log_level = pv_virgl.log.level,
    };
    if (pv_worker_setup_init(&setup, &params) != PV_OK) {
        pv_log_error(&pv_virgl.log, "no Vulkan driver for guests: %s",
                     params.driver != NULL ? params.driver : "the host has none");
        return;
    }
    struct pv_hosts_params hosts = {
        .log = &pv_virgl.log,
        .setup = &setup,
        .limit = PV_VIRGL_CONTEXTS_MAX,
    };
    if (pv_hosts_create(&hosts, &pv_virgl.hosts) != PV_OK) {
        pv_virgl.hosts = NULL;
        pv_log_error(&pv_virgl.log, "no workers for guests can be started");
    } else if (!pv_virgl_loop_watch(pv_hosts_poll_fd(pv_virgl.hosts), KEY_HOSTS)) {
        pv_hosts_destroy(pv_virgl.hosts);
        pv_virgl.hosts = NULL;
    }
}

static void close_hosts(void)
{
    pv_hosts_destroy(pv_virgl.hosts);
    pv_virgl.hosts = NULL;
    pv_worker_setup_finish(&setup);
}

static void run(void *user)
{
    const bool *wants_workers = user;
    pthread_mutex_lock(&pv_virgl.lock);
    if (*wants_workers) {
        open_hosts();
    }
    pv_virgl.has_started = true;
    pthread_cond_broadcast(&pv_virgl.changed);
    loop();
    close_hosts();
    pthread_mutex_unlock(&pv_virgl.lock);
}

static bool open_descriptors(void)
{
    bool is_async = (pv_virgl.flags & PV_VIRGL_ASYNC_FENCE_CB) != 0;
    pv_virgl.epoll = epoll_create1(EPOLL_CLOEXEC);
    pv_virgl.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pv_virgl.poll = is_async ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return pv_virgl.epoll >= 0 && pv_virgl.wake >= 0 && (is_async || pv_virgl.poll >= 0) &&
           pv_virgl_loop_watch(pv_virgl.wake, KEY_WAKE);
}

static void close_descriptors(void)
{
    pv_fd_close(&pv_virgl.epoll);
    pv_fd_close(&pv_virgl.wake);
    pv_fd_close(&pv_virgl.poll);
}

bool pv_virgl_loop_start(bool wants_workers)
{
    pv_virgl.has_started = pv_virgl.must_stop = false;
    pv_virgl.next_key = KEY_FIRST_CONTEXT;
    if (!open_descriptors() ||
        pv_thread_start(&pv_virgl.thread, "pearvisor", run, &wants_workers) != PV_OK) {
        close_descriptors();
        return false;
    }
    pthread_mutex_lock(&pv_virgl.lock);
    while (!pv_virgl.has_started) {
        pthread_cond_wait(&pv_virgl.changed, &pv_virgl.lock);
    }
    pthread_mutex_unlock(&pv_virgl.lock);
    return true;
}

void pv_virgl_loop_stop(void)
{
    pthread_mutex_lock(&pv_virgl.lock);
    pv_virgl.must_stop = true;
    pthread_mutex_unlock(&pv_virgl.lock);
    pv_virgl_loop_wake();
    pv_thread_join(&pv_virgl.thread);
    memset(&pv_virgl.thread, 0, sizeof(pv_virgl.thread));
    close_descriptors();
}
