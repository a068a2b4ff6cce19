#include "front/virgl/renderer.h"

#include <stdio.h>

/* Where our lines go: to the caller's callback, of the new kind or the old, else to stderr. They
 * come from two threads. */

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    void (*write)(int level, const char *line, void *user);
    void (*free_user)(void *user);
    void *user;
    void (*write_arguments)(const char *format, va_list arguments);
} target; /* guarded by log_lock */

void virgl_set_log_callback(void (*callback)(int level, const char *line, void *user), void *user,
                            void (*free_user)(void *user))
{
    pthread_mutex_lock(&log_lock);
    if (target.free_user != NULL) {
        target.free_user(target.user);
    }
    target.write = callback;
    target.user = user;
    target.free_user = free_user;
    pthread_mutex_unlock(&log_lock);
}

void (*virgl_set_debug_callback(void (*callback)(const char *format,
                                                 va_list arguments)))(const char *format,
                                                                      va_list arguments)
{
    pthread_mutex_lock(&log_lock);
    void (*previous)(const char *format, va_list arguments) = target.write_arguments;
    target.write_arguments = callback;
    pthread_mutex_unlock(&log_lock);
    return previous;
}

PV_PRINTF(2, 3)
static void write_arguments(void (*callback)(const char *format, va_list arguments),
                            const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    callback(format, arguments);
    va_end(arguments);
}

static int level_of(enum pv_log_level level)
{
    switch (level) {
    case PV_LOG_ERROR:
        return PV_VIRGL_LOG_ERROR;
    case PV_LOG_WARN:
        return PV_VIRGL_LOG_WARNING;
    case PV_LOG_INFO:
        return PV_VIRGL_LOG_INFO;
    default:
        return PV_VIRGL_LOG_DEBUG;
    }
}

void pv_virgl_log_line(void *user, enum pv_log_level level, const char *line)
{
    (void)user;
    pthread_mutex_lock(&log_lock);
    if (target.write != NULL) {
        /* The ABI's lines end with a newline. */
        char text[1024];
        snprintf(text, sizeof(text), "pearvisor: %s\n", line);
        target.write(level_of(level), text, target.user);
    } else if (target.write_arguments != NULL) {
        write_arguments(target.write_arguments, "pearvisor: %s\n", line);
    } else {
        struct pv_log log = pv_log_stderr(level);
        log.write(log.user, level, line);
    }
    pthread_mutex_unlock(&log_lock);
}
