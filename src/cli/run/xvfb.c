/* The X server for QEMU's GL devices on a host without a display: it picks its own number, and lets
 * in whoever has the cookie. */

#include "base/clock.h"
#include "base/fd.h"
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static const uint64_t patience_ns = 30 * PV_NS_PER_S;

static bool create_folder(struct pv_session *session)
{
    const char *parents[] = {getenv("XDG_RUNTIME_DIR"), "/tmp"};
    for (size_t i = 0; i < 2; i++) {
        if (parents[i] != NULL && parents[i][0] == '/' &&
            snprintf(session->folder, sizeof(session->folder), "%s/pearvisor-XXXXXX", parents[i]) <
                (int)sizeof(session->folder) &&
            mkdtemp(session->folder) != NULL) {
            return true;
        }
    }
    session->folder[0] = '\0';
    return pv_run_complain("cannot create a folder for the display's key: %s", strerror(errno));
}

/* One entry, for every host and display: 16-bit numbers are big-endian, texts counted. */
static bool write_cookie(const char *path)
{
    static const char kind[] = "MIT-MAGIC-COOKIE-1";
    enum { COOKIE_SIZE = 16 };
    char entry[64] = {(char)0xff, (char)0xff, 0, 0, 0, 0, 0, sizeof(kind) - 1};
    size_t size = 8;
    memcpy(entry + size, kind, sizeof(kind) - 1);
    size += sizeof(kind) - 1;
    entry[size + 1] = COOKIE_SIZE;
    size += 2;
    if (getrandom(entry + size, COOKIE_SIZE, 0) != COOKIE_SIZE) {
        return pv_run_complain("no random bytes: %s", strerror(errno));
    }
    size += COOKIE_SIZE;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd >= 0 && pv_fd_write(fd, entry, size) == PV_OK;
    int error = errno;
    pv_fd_close(&fd);
    return good || pv_run_complain("%s: %s", path, strerror(error));
}

/* It writes the number when it serves. */
static bool read_number(struct pv_session *session, int fd)
{
    char number[16];
    size_t size = 0;
    uint64_t deadline_ns = pv_clock_now_ns() + patience_ns;
    while (size < sizeof(number) - 1 && memchr(number, '\n', size) == NULL) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        uint64_t now_ns = pv_clock_now_ns();
        if (now_ns >= deadline_ns ||
            poll(&wait, 1, (int)((deadline_ns - now_ns) / PV_NS_PER_MS) + 1) < 0) {
            break;
        }
        ssize_t got = read(fd, number + size, sizeof(number) - 1 - size);
        if (got <= 0) {
            break;
        }
        size += (size_t)got;
    }
    number[size] = '\0';
    if (memchr(number, '\n', size) == NULL) {
        return pv_run_complain("Xvfb did not start");
    }
    snprintf(session->x_display, sizeof(session->x_display), ":%d", atoi(number));
    return true;
}

bool pv_session_start_xvfb(struct pv_session *session)
{
    char cookie[96];
    int read_end, write_end;
    if (!create_folder(session)) {
        return false;
    }
    snprintf(cookie, sizeof(cookie), "%s/xauthority", session->folder);
    if (!write_cookie(cookie)) {
        return false;
    }
    if (pv_fd_pipe(&read_end, &write_end) != PV_OK) {
        return pv_run_complain("out of descriptors");
    }
    struct pv_line line = {0};
    pv_line_add(&line, "Xvfb");
    pv_line_add(&line, "-displayfd");
    pv_line_add(&line, "%d", write_end);
    pv_line_add(&line, "-screen");
    pv_line_add(&line, "0");
    pv_line_add(&line, "1920x1080x24");
    pv_line_add(&line, "-nolisten");
    pv_line_add(&line, "tcp");
    pv_line_add(&line, "-auth");
    pv_line_add(&line, "%s", cookie);
    const struct pv_child_params params = {
        .arguments = line.arguments,
        .kept = &write_end,
        .kept_count = 1,
        .output = -1,
        .errors = -1,
    };
    int error = line.failed ? ENOMEM : pv_child_start(&session->xvfb, &params);
    pv_line_finish(&line);
    close(write_end);
    bool good =
        error == 0 ? read_number(session, read_end) : pv_run_complain("Xvfb: %s", strerror(error));
    close(read_end);
    return good;
}
