#include "listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 64 };

static bool complain(const char *subcommand, const char *path, const char *what)
{
    fprintf(stderr, "pearvisor %s: %s: %s\n", subcommand, path, what);
    return false;
}

/* Whether somebody answers there. */
static bool is_live(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return true;
    }
    bool refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
                   (errno == ECONNREFUSED || errno == ENOENT);
    close(fd);
    return !refused;
}

/* Makes way for our socket. */
static bool clear_path(const char *subcommand, const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0) {
        return errno == ENOENT || complain(subcommand, address->sun_path, strerror(errno));
    }
    if (!S_ISSOCK(status.st_mode)) {
        return complain(subcommand, address->sun_path, "there is a file of another kind");
    }
    if (is_live(address)) {
        return complain(subcommand, address->sun_path, "another server is listening there");
    }
    return unlink(address->sun_path) == 0 ||
           complain(subcommand, address->sun_path, strerror(errno));
}

bool pv_listener_open(struct pv_listener *listener, const char *subcommand, const char *path)
{
    listener->fd = -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        return complain(subcommand, path, "too long for a socket's name (107 bytes at most)");
    }
    strcpy(address.sun_path, path);
    if (!clear_path(subcommand, &address)) {
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return complain(subcommand, path, strerror(errno));
    }
    /* From its first moment on for the owner alone: a later chmod would leave a gap. */
    mode_t before = umask(S_IXUSR | S_IRWXG | S_IRWXO);
    int bound = bind(fd, (const struct sockaddr *)&address, sizeof(address));
    int error = errno;
    umask(before);
    if (bound == 0 && listen(fd, BACKLOG) != 0) {
        error = errno;
        bound = -1;
        unlink(path);
    }
    if (bound != 0) {
        close(fd);
        return complain(subcommand, path, strerror(error));
    }
    listener->fd = fd;
    strcpy(listener->path, path);
    return true;
}

void pv_listener_close(struct pv_listener *listener)
{
    if (listener->fd < 0) {
        return;
    }
    unlink(listener->path);
    close(listener->fd);
    listener->fd = -1;
}
