/* pearvisor coverage: what this build decodes, handles and refuses, and why. */
#include "cli.h"
#include "options.h"

#include <cjson/cJSON.h>
#include <pearvisor/protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FATES = PV_COMMAND_UNENCODABLE + 1 };

static const char *const fate_names[FATES] = {
    "unknown", "generated", "handled", "refused", "without encoding",
};

static void count_fates(uint32_t counts[FATES])
{
    memset(counts, 0, FATES * sizeof(counts[0]));
    for (uint32_t number = 0; number < pv_protocol_command_count(); number++) {
        struct pv_command_info info;
        pv_protocol_command(number, &info);
        counts[info.fate]++;
    }
}

static void format_version(char text[32])
{
    uint32_t version = pv_protocol_registry_version();
    snprintf(text, 32, "%u.%u.%u", version >> 22 & 0x7f, version >> 12 & 0x3ff, version & 0xfff);
}

static void print_text(void)
{
    uint32_t counts[FATES];
    char version[32];
    count_fates(counts);
    format_version(version);
    for (uint32_t number = 0; number < pv_protocol_command_count(); number++) {
        struct pv_command_info info;
        pv_protocol_command(number, &info);
        if (info.name != NULL) {
            const char *detail = info.handler != NULL  ? info.handler
                                 : info.reason != NULL ? info.reason
                                                       : "";
            printf("%3u  %-16s  %s%s%s\n", info.number, fate_names[info.fate], info.name,
                   *detail != '\0' ? ": " : "", detail);
        }
    }
    uint32_t decoded = counts[PV_COMMAND_GENERATED] + counts[PV_COMMAND_BY_HAND];
    printf("\nVulkan registry %s: %u commands executed (%u generated, %u by hand), %u refused, "
           "%u without encoding; %u structs; %u device extensions\n",
           version, decoded, counts[PV_COMMAND_GENERATED], counts[PV_COMMAND_BY_HAND],
           counts[PV_COMMAND_REFUSED], counts[PV_COMMAND_UNENCODABLE], pv_protocol_struct_count(),
           pv_protocol_extension_count());
}

static cJSON *command_json(const struct pv_command_info *info)
{
    cJSON *entry = cJSON_CreateObject();
    cJSON_AddNumberToObject(entry, "number", info->number);
    cJSON_AddStringToObject(entry, "name", info->name);
    cJSON_AddStringToObject(entry, "kind", pv_protocol_kind_name(info->kind));
    cJSON_AddStringToObject(entry, "fate", fate_names[info->fate]);
    if (info->handler != NULL) {
        cJSON_AddStringToObject(entry, "handler", info->handler);
    }
    if (info->reason != NULL) {
        cJSON_AddStringToObject(entry, "reason", info->reason);
    }
    return entry;
}

static int print_json(void)
{
    char version[32];
    format_version(version);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "registry", version);
    cJSON_AddNumberToObject(root, "structs", pv_protocol_struct_count());
    cJSON *commands = cJSON_AddArrayToObject(root, "commands");
    for (uint32_t number = 0; number < pv_protocol_command_count(); number++) {
        struct pv_command_info info;
        pv_protocol_command(number, &info);
        if (info.name != NULL) {
            cJSON_AddItemToArray(commands, command_json(&info));
        }
    }
    cJSON *extensions = cJSON_AddArrayToObject(root, "extensions");
    for (uint32_t index = 0; index < pv_protocol_extension_count(); index++) {
        struct pv_extension_info info;
        pv_protocol_extension(index, &info);
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "name", info.name);
        cJSON_AddNumberToObject(entry, "number", info.number);
        cJSON_AddNumberToObject(entry, "spec_version", info.spec_version);
        cJSON_AddBoolToObject(entry, "offered", info.offered);
        cJSON_AddItemToArray(extensions, entry);
    }
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (text == NULL) {
        fprintf(stderr, "pearvisor coverage: out of memory\n");
        return 1;
    }
    puts(text);
    cJSON_free(text);
    return 0;
}

static const char *set_json(void *user, const char *value)
{
    (void)value;
    *(bool *)user = true;
    return NULL;
}

static const struct pv_option table[] = {
    {"--json", NULL, "say it as one JSON object", set_json},
};

static const struct pv_options coverage_options = {
    .subcommand = "coverage",
    .synopsis = "[OPTION]...",
    .summary =
        "Lists every command of the protocol and what becomes of it in this build: generated,\n"
        "handled (by hand, and in which file), refused (and why) or without encoding.",
    .table = table,
    .count = sizeof(table) / sizeof(table[0]),
};

int pv_coverage_main(int argc, char **argv)
{
    bool json = false;
    int rest;
    int status = pv_options_parse(&coverage_options, argc, argv, &json, &rest);
    if (status >= 0) {
        return status;
    }
    if (json) {
        return print_json();
    }
    print_text();
    return 0;
}
