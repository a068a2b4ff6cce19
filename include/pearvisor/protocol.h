/*
 * What this build knows of the Venus protocol: every command and every device extension, as tables.
 *
 * Threads: constant data; every function may be called at any time from any thread.
 * Source: the Vulkan registry that the library was built with, and protocol/commands.toml.
 */
#ifndef PEARVISOR_PROTOCOL_H
#define PEARVISOR_PROTOCOL_H

#include <pearvisor/command_kind.h>
#include <pearvisor/version.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What becomes of a command that a guest sends. */
enum pv_command_fate {
    PV_COMMAND_UNKNOWN = 0, /* the registry or the protocol has no command with this number */
    PV_COMMAND_GENERATED,   /* decoded, executed and answered by generated code alone */
    PV_COMMAND_BY_HAND,     /* decoded by generated code, then a function written by hand */
    PV_COMMAND_REFUSED,     /* decodable, but a guest that sends it is at fault */
    PV_COMMAND_UNENCODABLE, /* has a number, but no form on the wire */
};

struct pv_command_info {
    uint32_t number;  /* VkCommandTypeEXT */
    const char *name; /* "vkCreateBuffer"; NULL when unknown */
    enum pv_command_fate fate;
    const char *handler;       /* the file of the hand-written half; NULL for the others */
    const char *reason;        /* why it is refused or has no form; NULL for the others */
    enum pv_command_kind kind; /* of an unknown command: says nothing */
};

/* One more than the highest command number. */
PV_API uint32_t pv_protocol_command_count(void);

/* Fills *info for any number below pv_protocol_command_count(); the strings are static. */
PV_API void pv_protocol_command(uint32_t number, struct pv_command_info *info);

/* A word for a person: "query". Static; NULL for what is no kind. */
PV_API const char *pv_protocol_kind_name(enum pv_command_kind kind);

struct pv_extension_info {
    const char *name;      /* "VK_KHR_…" */
    uint32_t number;       /* the registry's, and the bit in the capset's mask */
    uint32_t spec_version; /* the most that a guest is offered */
    bool offered;          /* false: the guest's driver implements it by itself */
};

/* Device extensions whose structs and commands the wire can carry. What a guest sees is this list,
 * less what the host's driver lacks. */
PV_API uint32_t pv_protocol_extension_count(void);

/* Fills *info for any index below pv_protocol_extension_count(). */
PV_API void pv_protocol_extension(uint32_t index, struct pv_extension_info *info);

/* Structs and unions that the decoders know, pNext structs included. */
PV_API uint32_t pv_protocol_struct_count(void);

/* The Vulkan registry's version, as VK_MAKE_API_VERSION packs it. */
PV_API uint32_t pv_protocol_registry_version(void);

#ifdef __cplusplus
}
#endif

#endif
