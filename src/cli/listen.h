#ifndef PV_CLI_LISTEN_H
#define PV_CLI_LISTEN_H

#include <stdbool.h>
#include <sys/un.h>

/* The socket that clients come to: a file that only its owner can use. */
struct pv_listener {
    int fd; /* -1: not open */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* Replaces a file that a server left behind, but not the socket of one that lives. Tells what does
 * not work in one line on stderr, as that subcommand. */
bool pv_listener_open(struct pv_listener *listener, const char *subcommand, const char *path);
/* Closes and removes the file. */
void pv_listener_close(struct pv_listener *listener);

#endif
