#include "words.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum pv_agent_word word;
} agent_words[] = {
    {"stage failed: ", PV_AGENT_FAILED}, {"stage ", PV_AGENT_STAGE}, {"venus ", PV_AGENT_VENUS},
    {"no-venus ", PV_AGENT_NO_VENUS},    {"ready", PV_AGENT_READY},  {"exit ", PV_AGENT_EXIT},
};

void pv_agent_read(struct pv_agent_message *message, const char *line)
{
    *message = (struct pv_agent_message){.word = PV_AGENT_UNKNOWN};
    for (size_t i = 0; i < sizeof(agent_words) / sizeof(agent_words[0]); i++) {
        size_t length = strlen(agent_words[i].name);
        if (strncmp(line, agent_words[i].name, length) == 0) {
            message->word = agent_words[i].word;
            pv_text_clean(message->text, sizeof(message->text), line + length);
            break;
        }
    }
    if (message->word == PV_AGENT_EXIT) {
        int count = sscanf(message->text, "%d %" SCNu64 " %" SCNu64, &message->status,
                           &message->stdout_count, &message->stderr_count);
        message->has_counts = count == 3;
        if (count < 1 || message->status < 0 || message->status > 255) {
            message->word = PV_AGENT_UNKNOWN;
        }
    }
}

static char *quote(char *at, const char *text)
{
    *at++ = '\'';
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            memcpy(at, "'\\'", 3);
            at += 3;
        }
        *at++ = *text;
    }
    *at++ = '\'';
    return at;
}

char *pv_agent_write_run(char *const *command, size_t *size)
{
    static const char prefix[] = "exec";
    enum { HEAD_SIZE = 32 };
    size_t most = HEAD_SIZE + sizeof(prefix) + 1;
    for (char *const *argument = command; *argument != NULL; argument++) {
        most += 4 * strlen(*argument) + 3;
    }
    char *script = malloc(most);
    char *message = malloc(most + HEAD_SIZE);
    if (script == NULL || message == NULL) {
        free(script);
        free(message);
        return NULL;
    }
    memcpy(script, prefix, strlen(prefix));
    char *end = script + strlen(prefix);
    for (char *const *argument = command; *argument != NULL; argument++) {
        *end++ = ' ';
        end = quote(end, *argument);
    }
    *end++ = '\n';
    size_t length = (size_t)(end - script);
    int head = snprintf(message, HEAD_SIZE, "run %zu\n", length);
    memcpy(message + head, script, length);
    free(script);
    *size = (size_t)head + length;
    return message;
}

static enum pv_monitor_word read_event(const char *event, const cJSON *data)
{
    if (strcmp(event, "STOP") == 0) {
        return PV_MONITOR_STOPPED;
    }
    if (strcmp(event, "BLOCK_IO_ERROR") == 0) {
        return cJSON_IsTrue(cJSON_GetObjectItem(data, "nospace")) ? PV_MONITOR_DISK_FULL
                                                                  : PV_MONITOR_DISK_ERROR;
    }
    const char *reason = cJSON_GetStringValue(cJSON_GetObjectItem(data, "reason"));
    if (strcmp(event, "SHUTDOWN") != 0 || reason == NULL) {
        return PV_MONITOR_NOTHING;
    }
    if (strcmp(reason, "guest-shutdown") == 0) {
        return PV_MONITOR_POWEROFF;
    }
    return strcmp(reason, "guest-reset") == 0 ? PV_MONITOR_RESET : PV_MONITOR_NOTHING;
}

enum pv_monitor_word pv_monitor_read(const char *line)
{
    cJSON *root = cJSON_Parse(line);
    enum pv_monitor_word word = PV_MONITOR_NOTHING;
    const char *event = cJSON_GetStringValue(cJSON_GetObjectItem(root, "event"));
    const char *status =
        cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetObjectItem(root, "return"), "status"));
    if (cJSON_GetObjectItem(root, "QMP") != NULL) {
        word = PV_MONITOR_GREETING;
    } else if (event != NULL) {
        word = read_event(event, cJSON_GetObjectItem(root, "data"));
    } else if (status != NULL && strcmp(status, "internal-error") == 0) {
        word = PV_MONITOR_INTERNAL_ERROR;
    }
    cJSON_Delete(root);
    return word;
}

void pv_console_look(struct pv_console_watch *watch, const char *bytes, size_t size)
{
    static const char words[] = "Kernel panic - not syncing";
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n') {
            if (watch->length + 1 < sizeof(watch->line) && bytes[i] != '\r') {
                watch->line[watch->length++] = bytes[i];
            }
            continue;
        }
        watch->line[watch->length] = '\0';
        watch->length = 0;
        const char *found = strstr(watch->line, words);
        /* The first is the cause; "end Kernel panic" repeats it. */
        if (found != NULL && watch->panic[0] == '\0') {
            found += strlen(words);
            pv_text_clean(watch->panic, sizeof(watch->panic), found + strspn(found, ": "));
        }
    }
}

size_t pv_escape_look(struct pv_escape *escape, char *bytes, size_t size)
{
    enum { CTRL_A = 1 };
    size_t used = 0;
    bool was_armed = escape->is_armed; /* its Ctrl-A was held back in the call before */
    if (was_armed) {
        memmove(bytes + 1, bytes, size);
        bytes[0] = CTRL_A;
        size++;
        escape->is_armed = false;
    }
    for (size_t i = 0; i < size; i++) {
        if (!escape->is_armed && bytes[i] == CTRL_A) {
            escape->is_armed = true;
            continue;
        }
        if (escape->is_armed) {
            escape->is_armed = false;
            if (bytes[i] == 'x' || bytes[i] == 'X') {
                escape->wants_end = true;
                return used;
            }
            bytes[used++] = CTRL_A;
            if (bytes[i] == CTRL_A) {
                continue;
            }
        }
        bytes[used++] = bytes[i];
    }
    return used;
}
