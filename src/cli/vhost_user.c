/* `pearvisor vhost-user`: sets the stage for the back-end in front/vhost_user. This process never
 * loads a Vulkan driver: its workers do. */

#include "vhost_user.h"

#include "base/fd.h"
#include "cli.h"
#include "front/vhost_user/vhost_user.h"
#include "listen.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

static const char program[] = "/proc/self/exe";

/* Signals become readable, so that the one loop hears of all there is. */
static int catch_signals(void)
{
    sigset_t caught;
    sigemptyset(&caught);
    sigaddset(&caught, SIGTERM);
    sigaddset(&caught, SIGINT);
    sigaddset(&caught, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &caught, NULL);
    return signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Each blob of the guest's holds a descriptor here; a soft limit is for programs that select(). */
static void raise_descriptor_limit(void)
{
    struct rlimit descriptors;
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
        descriptors.rlim_cur = descriptors.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &descriptors);
    }
}

/* The socket that we were started with; -1 after a line that says what is wrong with it. */
static int take_inherited(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);
    const char *why = NULL;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) {
        why = errno == EBADF ? "no such descriptor is open" : "it is no socket";
    } else if (type != SOCK_STREAM) {
        why = "it is no stream socket";
    } else if (getpeername(fd, (struct sockaddr *)&(struct sockaddr_storage){0},
                           &(socklen_t){sizeof(struct sockaddr_storage)}) != 0) {
        why = "it is not connected";
    }
    /* Workers shall not inherit it. */
    int ours = why == NULL ? pv_fd_duplicate(fd) : -1;
    if (ours < 0) {
        fprintf(stderr, "pearvisor vhost-user: --fd %d: %s\n", fd,
                why != NULL ? why : strerror(errno));
        return -1;
    }
    close(fd);
    return ours;
}

/* Waits for QEMU: for the first that connects and says something, since others only look whether
 * somebody is there. -1 when a signal came first. */
static int accept_one(struct pv_vhost_user *vhost_user, struct pv_listener *listener, int stop)
{
    int fd = -1;
    while (pv_vhost_user_wait(vhost_user, listener->fd, stop) == PV_OK) {
        uint8_t byte;
        fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            continue;
        }
        enum pv_result result = pv_vhost_user_wait(vhost_user, fd, stop);
        if (result == PV_OK && recv(fd, &byte, sizeof(byte), MSG_PEEK) > 0) {
            break;
        }
        pv_fd_close(&fd);
        if (result != PV_OK) {
            break;
        }
    }
    /* One machine is served, so that another one hears at once that nobody is there. */
    pv_listener_close(listener);
    return fd;
}

static int serve(const struct pv_vhost_user_options *options, const struct pv_log *log,
                 struct pv_listener *listener, int fd, int stop)
{
    const struct pv_vhost_user_params params = {
        .log = log,
        .gpu =
            {
                .program = program,
                .gpu = options->host.gpu,
                .driver = options->host.driver,
                .waiting = options->waiting,
                .window_bytes = options->window_bytes,
                .width = options->width,
                .height = options->height,
            },
    };
    struct pv_vhost_user *vhost_user;
    enum pv_result result = pv_vhost_user_create(&params, &vhost_user);
    if (result != PV_OK) {
        if (result == PV_NO_MEMORY) {
            fprintf(stderr, "pearvisor vhost-user: no memory\n");
        } /* else the device's log has said what the host lacks */
        pv_fd_close(&fd);
        return 1;
    }
    if (fd < 0) {
        pv_log_info(log, "waiting for QEMU on %s", listener->path);
        fd = accept_one(vhost_user, listener, stop);
    }
    if (fd >= 0) {
        result = pv_vhost_user_serve(vhost_user, fd, stop);
    }
    pv_vhost_user_destroy(vhost_user);
    return result == PV_OK ? 0 : 1;
}

int pv_vhost_user_main(int argc, char **argv)
{
    struct pv_vhost_user_options options;
    int status = pv_vhost_user_parse(&options, argc, argv);
    if (status < 0 && options.print_capabilities) {
        /* The features that the convention knows are ways to GL, which this needs none of. */
        printf("{\"type\": \"gpu\", \"features\": []}\n");
        status = 0;
    }
    if (status < 0) {
        const struct pv_log log = pv_log_stderr(options.log_level);
        struct pv_listener listener = {.fd = -1};
        int fd = -1;
        raise_descriptor_limit();
        int stop = catch_signals();
        status = 1;
        if (options.socket != NULL ? pv_listener_open(&listener, "vhost-user", options.socket)
                                   : (fd = take_inherited(options.fd)) >= 0) {
            status = serve(&options, &log, &listener, fd, stop);
        }
        pv_listener_close(&listener);
        pv_fd_close(&stop);
    }
    pv_host_choice_finish(&options.host);
    return status;
}
