#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long a stage gets to clean up when it is interrupted: mmdebstrap removes its folder. */
enum { LINE_SIZE = 512, TICK_MS = 200, LINE_EVERY_S = 10, PATIENCE_S = 20, STATUS_FAILED = 1 };

/* What a stage's log says while it grows. */
struct progress {
    FILE *log;
    long packages;
    char error[LINE_SIZE]; /* the first that a program told */
    bool is_full;          /* a disk is */
    struct timespec start;
    int told_s;
    bool is_terminal;
};

static int seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int)(now.tv_sec - start->tv_sec);
}

static bool is_error(const char *line)
{
    return strncmp(line, "E: ", 3) == 0 || strncmp(line, "dpkg: error", 11) == 0;
}

static void read_log(struct progress *progress)
{
    char line[LINE_SIZE];
    clearerr(progress->log);
    while (fgets(line, sizeof(line), progress->log) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "Get:", 4) == 0 || strncmp(line, "Setting up ", 11) == 0) {
            progress->packages++;
        } else if (progress->error[0] == '\0' && is_error(line)) {
            snprintf(progress->error, sizeof(progress->error), "%s", line);
        }
        progress->is_full = progress->is_full || strstr(line, strerror(ENOSPC)) != NULL;
    }
}

/* A line that is written anew each second on a terminal, and one now and then elsewhere. */
static void show(struct progress *progress, const struct pv_image_stage *stage)
{
    int passed_s = seconds_since(&progress->start);
    if (passed_s < progress->told_s + (progress->is_terminal ? 1 : LINE_EVERY_S)) {
        return;
    }
    progress->told_s = passed_s;
    fprintf(stderr, "%s[%u/%u] %s: %d s", progress->is_terminal ? "\r" : "", stage->number,
            stage->count, stage->title, passed_s);
    if (progress->packages > 0) {
        fprintf(stderr, ", %ld packages", progress->packages);
    }
    fputs(progress->is_terminal ? "\033[K" : "\n", stderr);
}

static void become_script(const struct pv_image_stage *stage, int log, const sigset_t *mask)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigprocmask(SIG_SETMASK, mask, NULL);
    if (nothing >= 0 && dup2(nothing, 0) == 0 && dup2(log, 1) == 1 && dup2(log, 2) == 2) {
        execlp("sh", "sh", stage->script, stage->name, (char *)NULL);
    }
    _exit(STATUS_FAILED);
}

/* Waits for the script and shows how far it is; a signal to us ends it. */
static bool attend(struct pv_image_stage *stage, pid_t script, struct progress *progress,
                   const sigset_t *signals)
{
    int status;
    int interrupted_s = 0;
    while (waitpid(script, &status, WNOHANG) == 0) {
        struct timespec tick = {.tv_nsec = TICK_MS * 1000 * 1000};
        int signal = sigtimedwait(signals, NULL, &tick);
        if (signal > 0 && signal != SIGCHLD && stage->signal == 0) {
            stage->signal = signal;
            interrupted_s = seconds_since(&progress->start);
            kill(-script, SIGTERM);
        }
        if (stage->signal != 0 && seconds_since(&progress->start) > interrupted_s + PATIENCE_S) {
            kill(-script, SIGKILL);
        }
        read_log(progress);
        show(progress, stage);
    }
    read_log(progress);
    return stage->signal == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void tell_end(const struct pv_image_stage *stage, const struct progress *progress, bool done)
{
    if (progress->is_terminal) {
        fputs("\r\033[K", stderr);
    }
    if (done) {
        fprintf(stderr, "[%u/%u] %s: done in %d s\n", stage->number, stage->count, stage->title,
                seconds_since(&progress->start));
    } else if (stage->signal != 0) {
        pv_image_complain(stage->title, "interrupted; what is finished is kept for the next build");
    } else {
        const char *what = progress->error[0] != '\0' ? progress->error : "failed";
        what += strncmp(what, "E: ", 3) == 0 ? 3 : 0;
        fprintf(stderr, "pearvisor image: %s: %s (more in %s)\n", stage->title,
                progress->is_full ? strerror(ENOSPC) : what, stage->log);
    }
}

bool pv_image_run_stage(struct pv_image_stage *stage)
{
    struct progress progress = {.is_terminal = isatty(2) == 1};
    int log = open(stage->log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    progress.log = log >= 0 ? fopen(stage->log, "re") : NULL;
    if (progress.log == NULL) {
        pv_image_complain(stage->log, strerror(errno));
        if (log >= 0) {
            close(log);
        }
        return false;
    }
    sigset_t signals;
    sigset_t before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, &before);
    clock_gettime(CLOCK_MONOTONIC, &progress.start);
    pid_t script = fork();
    bool done = false;
    if (script == 0) {
        become_script(stage, log, &before);
    } else if (script < 0) {
        snprintf(progress.error, sizeof(progress.error), "%s", strerror(errno));
    } else {
        setpgid(script, script);
        done = attend(stage, script, &progress, &signals);
    }
    tell_end(stage, &progress, done);
    sigprocmask(SIG_SETMASK, &before, NULL);
    fclose(progress.log);
    close(log);
    return done;
}
