#include "command.h"

#include "isolate/icd.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS_NOT_EXECUTABLE = 126, STATUS_NOT_FOUND = 127, STATUS_SIGNAL = 128 };

extern char **environ;

static char *variable(const char *name, const char *value)
{
    size_t size = strlen(name) + 1 + strlen(value) + 1;
    char *text = malloc(size);
    if (text != NULL) {
        snprintf(text, size, "%s=%s", name, value);
    }
    return text;
}

char **pv_guest_variables(const char *socket_path)
{
    char manifest[PV_ICD_PATH_SIZE];
    if (!pv_icd_find_venus(manifest)) {
        fprintf(stderr,
                "pearvisor serve: Mesa's Venus driver (virtio_icd.*.json) is not installed; "
                "see `pearvisor doctor`\n");
        return NULL;
    }
    char **variables = calloc(PV_GUEST_VARIABLES + 1, sizeof(*variables));
    if (variables == NULL) {
        return NULL;
    }
    variables[0] = variable("VN_DEBUG", "vtest");
    variables[1] = variable("VTEST_SOCKET_NAME", socket_path);
    variables[2] = variable("VK_DRIVER_FILES", manifest);
    variables[3] = variable("VK_ICD_FILENAMES", manifest); /* its name before loader 1.3.207 */
    return variables;
}

void pv_guest_variables_free(char **variables)
{
    for (size_t i = 0; variables != NULL && i < PV_GUEST_VARIABLES; i++) {
        free(variables[i]);
    }
    free(variables);
}

static bool same_name(const char *a, const char *b)
{
    size_t length = strcspn(a, "=");
    return strncmp(a, b, length + 1) == 0;
}

/* Our environment with the variables in place of its own. */
static char **merge(char **variables)
{
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **merged = calloc(count + PV_GUEST_VARIABLES + 1, sizeof(*merged));
    if (merged == NULL) {
        return NULL;
    }
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        bool replaced = false;
        for (size_t v = 0; v < PV_GUEST_VARIABLES; v++) {
            replaced = replaced || same_name(variables[v], environ[i]);
        }
        if (!replaced) {
            merged[used++] = environ[i];
        }
    }
    memcpy(merged + used, variables, PV_GUEST_VARIABLES * sizeof(*merged));
    return merged;
}

int pv_command_start(struct pv_command_process *command, char **arguments, char **variables,
                     const sigset_t *mask)
{
    char **environment = merge(variables);
    posix_spawnattr_t attributes;
    if (environment == NULL || posix_spawnattr_init(&attributes) != 0) {
        free(environment);
        return 1;
    }
    /* We ignore it, and programs inherit that. */
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigmask(&attributes, mask);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int error =
        posix_spawnp(&command->pid, arguments[0], NULL, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    free(environment);
    if (error != 0) {
        fprintf(stderr, "pearvisor serve: %s: %s\n", arguments[0], strerror(error));
        return error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
    }
    command->process = (int)syscall(SYS_pidfd_open, command->pid, 0);
    if (command->process < 0) {
        fprintf(stderr, "pearvisor serve: this kernel is too old: %s\n", strerror(errno));
        kill(command->pid, SIGKILL);
        return 1;
    }
    return 0;
}

bool pv_command_has_ended(struct pv_command_process *command, int *status)
{
    int wait_status;
    if (waitpid(command->pid, &wait_status, WNOHANG) != command->pid) {
        return false;
    }
    *status =
        WIFSIGNALED(wait_status) ? STATUS_SIGNAL + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
    close(command->process);
    command->process = -1;
    command->pid = 0;
    return true;
}
