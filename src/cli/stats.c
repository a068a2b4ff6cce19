#include "stats.h"

#include "base/fd.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <pearvisor/protocol.h>
#include <pearvisor/renderer.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void add_number(cJSON *object, const char *name, uint64_t value)
{
    cJSON_AddNumberToObject(object, name, (double)value);
}

static void add_kinds(cJSON *line, const uint64_t *counts, size_t count)
{
    uint64_t kinds[PV_COMMAND_KIND_COUNT] = {0};
    for (uint32_t i = 0; i < count && i < pv_protocol_command_count(); i++) {
        struct pv_command_info info;
        pv_protocol_command(i, &info);
        kinds[info.kind] += counts[i];
    }
    cJSON *by_kind = cJSON_AddObjectToObject(line, "commands_by_kind");
    for (uint32_t kind = 0; kind < PV_COMMAND_KIND_COUNT; kind++) {
        add_number(by_kind, pv_protocol_kind_name((enum pv_command_kind)kind), kinds[kind]);
    }
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
    add_number(line, "elapsed_ns", stats->elapsed_ns);
    add_number(line, "stream_bytes", stats->stream_bytes);
    add_number(line, "ring_ns", stats->ring_ns);
    add_number(line, "ring_idle_ns", stats->ring_idle_ns);
    add_number(line, "latency_p50_ns", stats->latency_p50_ns);
    add_number(line, "latency_p99_ns", stats->latency_p99_ns);
    add_number(line, "latency_max_ns", stats->latency_max_ns);
    add_kinds(line, counts, count);
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
