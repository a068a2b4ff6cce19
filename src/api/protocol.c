#include "host/host.h"
#include "render/exec.h"

#include <pearvisor/protocol.h>
#include <string.h>

uint32_t pv_protocol_command_count(void)
{
    return PV_COMMAND_COUNT;
}

void pv_protocol_command(uint32_t number, struct pv_command_info *info)
{
    *info = (struct pv_command_info){.number = number};
    if (number >= PV_COMMAND_COUNT || pv_commands[number].name == NULL) {
        return;
    }
    const struct pv_command *command = &pv_commands[number];
    info->name = command->name;
    info->kind = (enum pv_command_kind)command->kind;
    if ((command->flags & PV_COMMAND_NO_EXEC) != 0) {
        bool encoded = (command->flags & PV_COMMAND_ENCODED) != 0;
        info->fate = encoded ? PV_COMMAND_REFUSED : PV_COMMAND_UNENCODABLE;
        info->reason = command->note;
    } else {
        bool handled = (command->flags & PV_COMMAND_HANDLED) != 0;
        info->fate = handled ? PV_COMMAND_BY_HAND : PV_COMMAND_GENERATED;
        info->handler = command->note;
    }
}

const char *pv_protocol_kind_name(enum pv_command_kind kind)
{
    static const char *const names[PV_COMMAND_KIND_COUNT] = {
        [PV_COMMAND_KIND_PROTOCOL] = "protocol", [PV_COMMAND_KIND_QUERY] = "query",
        [PV_COMMAND_KIND_CREATE] = "create",     [PV_COMMAND_KIND_DESTROY] = "destroy",
        [PV_COMMAND_KIND_RECORD] = "record",     [PV_COMMAND_KIND_SUBMIT] = "submit",
        [PV_COMMAND_KIND_WAIT] = "wait",         [PV_COMMAND_KIND_UPDATE] = "update",
    };
    return (uint32_t)kind < PV_COMMAND_KIND_COUNT ? names[kind] : NULL;
}

uint32_t pv_protocol_extension_count(void)
{
    return pv_extension_count;
}

void pv_protocol_extension(uint32_t index, struct pv_extension_info *info)
{
    memset(info, 0, sizeof(*info));
    if (index < pv_extension_count) {
        const struct pv_extension *extension = &pv_extensions[index];
        info->name = extension->name;
        info->number = extension->number;
        info->spec_version = extension->spec_version;
        info->offered = !extension->guest_only;
    }
}

uint32_t pv_protocol_struct_count(void)
{
    return PV_STRUCT_COUNT;
}

uint32_t pv_protocol_registry_version(void)
{
    return PV_VK_XML_VERSION;
}
