#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static bool selects_driver(const char *variable)
{
    static const char *const prefixes[] = {"VK_", "VN_", "VTEST_", "DISABLE_VK_", "ENABLE_VK_"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* An added variable replaces the inherited one of that name. */
static bool is_replaced(const char *variable, const char *const *added)
{
    const size_t length = strcspn(variable, "=") + 1;
    for (size_t i = 0; added && added[i]; i++) {
        if (strncmp(variable, added[i], length) == 0) {
            return true;
        }
    }
    return false;
}

/* The strings are borrowed; the caller frees the array. NULL without memory. */
static char **make_environment(const char *const *added)
{
    size_t room = 1;
    for (size_t i = 0; environ[i]; i++) {
        room++;
    }
    for (size_t i = 0; added && added[i]; i++) {
        room++;
    }
    char **made = calloc(room, sizeof(*made));
    size_t count = 0;
    for (size_t i = 0; made && environ[i]; i++) {
        if (!selects_driver(environ[i]) && !is_replaced(environ[i], added)) {
            made[count++] = environ[i];
        }
    }
    for (size_t i = 0; made && added && added[i]; i++) {
        made[count++] = (char *)(uintptr_t)added[i];
    }
    return made;
}

static bool start(const struct demo_child *child, pid_t *pid)
{
    char **environment = make_environment(child->environment);
    posix_spawn_file_actions_t actions;
    if (!environment || posix_spawn_file_actions_init(&actions) != 0) {
        free(environment);
        return false;
    }
    const int flags = O_WRONLY | O_CREAT | O_TRUNC;
    int error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    error =
        error ? error : posix_spawn_file_actions_addopen(&actions, 1, child->log_path, flags, 0644);
    error = error ? error : posix_spawn_file_actions_adddup2(&actions, 1, 2);
    if (!error) {
        error = posix_spawnp(pid, child->argv[0], &actions, NULL,
                             (char *const *)(uintptr_t)child->argv, environment);
    }
    posix_spawn_file_actions_destroy(&actions);
    free(environment);
    return error == 0;
}

static void sleep_ms(long ms)
{
    const struct timespec pause = {.tv_nsec = ms * 1000000};
    nanosleep(&pause, NULL);
}

/* True when the child ended within so many milliseconds. */
static bool wait_for(pid_t pid, long limit_ms, int *status)
{
    const long step_ms = 10;
    for (long waited = 0;; waited += step_ms) {
        const pid_t ended = waitpid(pid, status, WNOHANG);
        if (ended == pid || (ended < 0 && errno != EINTR)) {
            return true;
        }
        if (waited >= limit_ms) {
            return false;
        }
        sleep_ms(step_ms);
    }
}

static void end_process(pid_t pid)
{
    int status;
    kill(pid, SIGTERM);
    if (!wait_for(pid, 2000, &status)) {
        kill(pid, SIGKILL);
        wait_for(pid, 2000, &status);
    }
}

enum demo_child_end demo_child_run(const struct demo_child *child)
{
    pid_t pid;
    int status = -1;
    if (!start(child, &pid)) {
        return DEMO_CHILD_NOT_STARTED;
    }
    if (!wait_for(pid, (long)child->timeout_s * 1000, &status)) {
        end_process(pid);
        return DEMO_CHILD_TIMED_OUT;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? DEMO_CHILD_OK : DEMO_CHILD_FAILED;
}

void demo_child_last_line(const char *log_path, char *line, size_t size)
{
    char read[512];
    FILE *log = fopen(log_path, "r");
    line[0] = '\0';
    while (log && fgets(read, sizeof(read), log)) {
        read[strcspn(read, "\n")] = '\0';
        if (read[0] != '\0') {
            snprintf(line, size, "%s", read);
        }
    }
    if (log) {
        fclose(log);
    }
}

bool demo_child_is_installed(const char *program)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        char candidate[4096];
        const size_t length = strcspn(path, ":");
        snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)length, path, program);
        if (access(candidate, X_OK) == 0) {
            return true;
        }
        path += length + (path[length] == ':');
    }
    return false;
}

/* The server writes its number and a newline as soon as it listens. */
static bool read_number(int fd, int *number)
{
    char text[16];
    size_t length = 0;
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    while (length < sizeof(text) - 1 && poll(&readable, 1, 10000) == 1) {
        if (read(fd, text + length, 1) != 1) {
            return false;
        }
        if (text[length] == '\n') {
            text[length] = '\0';
            *number = atoi(text);
            return length > 0;
        }
        length++;
    }
    return false;
}

bool demo_display_start(struct demo_display *display)
{
    *display = (struct demo_display){0};
    int ends[2];
    if (!demo_child_is_installed("Xvfb") || pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    const char *const argv[] = {"Xvfb",        "-displayfd", "3",   "-screen",  "0",
                                "1280x720x24", "-nolisten",  "tcp", "-noreset", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 3);
    const int error = posix_spawnp(&display->pid, argv[0], &actions, NULL,
                                   (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (error) {
        display->pid = 0;
    }
    const bool started = !error && read_number(ends[0], &display->number);
    close(ends[0]);
    if (!started) {
        demo_display_stop(display);
    }
    return started;
}

void demo_display_stop(struct demo_display *display)
{
    if (display->pid > 0) {
        end_process(display->pid);
    }
    *display = (struct demo_display){0};
}
