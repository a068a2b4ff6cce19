#include "pump.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void pv_pump_open(struct pv_pump *pump, int from, int to)
{
    struct stat status;
    pump->from = from;
    pump->to = to;
    pump->error = 0;
    pump->read_count = 0;
    pump->begin = pump->end = 0;
    /* Our stdout may be a pipe that others share, so it must stay blocking: then a ready pipe has
     * room for PIPE_BUF bytes, and more would block. */
    bool is_file = to >= 0 && fstat(to, &status) == 0 && S_ISREG(status.st_mode);
    pump->chunk = is_file ? PV_PUMP_SIZE : PIPE_BUF;
}

bool pv_pump_is_empty(const struct pv_pump *pump)
{
    return pump->begin == pump->end;
}

void pv_pump_prepare(const struct pv_pump *pump, struct pollfd waits[2])
{
    bool empty = pv_pump_is_empty(pump);
    waits[0] = (struct pollfd){.fd = empty ? pump->from : -1, .events = POLLIN};
    waits[1] = (struct pollfd){.fd = empty ? -1 : pump->to, .events = POLLOUT};
}

static void fill(struct pv_pump *pump)
{
    ssize_t got = read(pump->from, pump->bytes, PV_PUMP_SIZE - 1);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        pump->from = -1;
        return;
    }
    pump->read_count += (uint64_t)got;
    pump->begin = 0;
    pump->end = pump->look != NULL ? pump->look(pump->user, pump->bytes, (size_t)got) : (size_t)got;
}

static void drain(struct pv_pump *pump)
{
    size_t size = pump->end - pump->begin;
    ssize_t written =
        write(pump->to, pump->bytes + pump->begin, size < pump->chunk ? size : pump->chunk);
    if (written >= 0) {
        pump->begin += (size_t)written;
    } else if (errno != EAGAIN && errno != EINTR) {
        pump->error = errno;
        pump->to = -1;
    }
}

void pv_pump_step(struct pv_pump *pump, const struct pollfd waits[2])
{
    if (waits[0].revents != 0) {
        fill(pump);
    }
    if (waits[1].revents != 0) {
        drain(pump);
    }
    if (pump->to < 0) {
        pump->begin = pump->end; /* whoever sends must not wait for what nobody takes */
    }
}

bool pv_lines_read(struct pv_lines *lines, int fd)
{
    if (lines->size == PV_LINES_SIZE) {
        lines->size = 0;
        lines->skips = true;
    }
    ssize_t got = read(fd, lines->text + lines->size, PV_LINES_SIZE - lines->size);
    if (got > 0) {
        lines->size += (size_t)got;
    }
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

bool pv_lines_next(struct pv_lines *lines, char line[PV_LINES_SIZE])
{
    for (;;) {
        const char *end = memchr(lines->text, '\n', lines->size);
        if (end == NULL) {
            return false;
        }
        size_t length = (size_t)(end - lines->text);
        bool skips = lines->skips;
        memcpy(line, lines->text, length);
        line[length] = '\0';
        if (length > 0 && line[length - 1] == '\r') {
            line[length - 1] = '\0';
        }
        lines->size -= length + 1;
        lines->skips = false;
        memmove(lines->text, end + 1, lines->size);
        if (!skips) {
            return true;
        }
    }
}

void pv_text_clean(char *clean, size_t size, const char *text)
{
    size_t length = 0;
    for (; text[length] != '\0' && length + 1 < size; length++) {
        unsigned char c = (unsigned char)text[length];
        clean[length] = c >= ' ' && c < 0x7f ? (char)c : '?';
    }
    clean[length] = '\0';
}
