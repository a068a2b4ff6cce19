#include "stats.h"

#include "base/fd.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <pearvisor/renderer.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void add_number(cJSON *object, const char *name, uint64_t value)
{
    cJSON_AddNumberToObject(object, name, (double)value);
}

static cJSON *describe(const struct pv_client_stats *stats, const uint64_t *counts, size_t count)
{
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "client", stats->name);
    add_number(line, "commands", stats->commands);
    add_number(line, "replies", stats->replies);
    add_number(line, "faults", stats->faults);
    add_number(line, "objects_created", stats->objects_created);
    add_number(line, "fences_retired", stats->fences_retired);
    cJSON *by_name = cJSON_AddObjectToObject(line, "commands_by_name");
    for (uint32_t i = 0; i < count; i++) {
        const char *name = pv_command_name(i);
        if (name != NULL && counts[i] != 0) {
            add_number(by_name, name, counts[i]);
        }
    }
    return line;
}

bool pv_stats_append(const char *path, const struct pv_client_stats *stats, const uint64_t *counts,
                     size_t count)
{
    cJSON *line = describe(stats, counts, count);
    char *text = cJSON_PrintUnformatted(line);
    cJSON_Delete(line);
    if (text == NULL) {
        return false;
    }
    size_t length = strlen(text);
    text[length] =
        '\n'; /* in place of the NUL: one write, so that lines of two servers stay whole */
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    bool written = fd >= 0 && pv_fd_write(fd, text, length + 1) == PV_OK;
    pv_fd_close(&fd);
    cJSON_free(text);
    return written;
}
