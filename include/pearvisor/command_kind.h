/*
 * What sort of work a command is.
 */
#ifndef PEARVISOR_COMMAND_KIND_H
#define PEARVISOR_COMMAND_KIND_H

#ifdef __cplusplus
extern "C" {
#endif

/* Every command is of one kind, by its name alone. Source: protocol/policy.py, over the commands of
 * the Vulkan registry. */
enum pv_command_kind {
    PV_COMMAND_KIND_PROTOCOL = 0, /* Venus' own: rings, replies, nested streams: vk…MESA */
    PV_COMMAND_KIND_QUERY,        /* vkGet…, vkEnumerate… */
    PV_COMMAND_KIND_CREATE,       /* vkCreate…, vkAllocate… */
    PV_COMMAND_KIND_DESTROY,      /* vkDestroy…, vkFree… */
    PV_COMMAND_KIND_RECORD,       /* vkCmd…, vkBeginCommandBuffer, vkEndCommandBuffer */
    PV_COMMAND_KIND_SUBMIT,       /* vkQueue…: work for the GPU */
    PV_COMMAND_KIND_WAIT,         /* vkWait…, vk…WaitIdle: may last as long as the GPU does */
    PV_COMMAND_KIND_UPDATE,       /* all others: vkBind…, vkUpdate…, vkReset…, vkSet… */
    PV_COMMAND_KIND_COUNT,        /* how many there are: no kind, and stays as it is */
};

#ifdef __cplusplus
}
#endif

#endif
