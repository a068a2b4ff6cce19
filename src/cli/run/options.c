#include "../options.h"

#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CPUS_MAX = 255,
    CPUS_DEFAULT = 4, /* at most */
    MEMORY_DEFAULT_MIB = 2048,
    MEMORY_MIN_MIB = 128,
    WINDOW_DEFAULT_MIB = 4096,
    WINDOW_MIN_MIB = 16,
    SIZE_MAX_MIB = 1024 * 1024,
    TIMEOUT_DEFAULT_S = 180,
    TIMEOUT_MAX_S = 86400,
    PORT_MAX = 65535,
};

/* 512M, 2G, or a number of MiB. */
static bool read_size(const char *text, uint64_t *mib)
{
    char number[16];
    size_t length = strlen(text);
    char unit = length > 0 ? text[length - 1] : '\0';
    bool has_unit = unit == 'M' || unit == 'G';
    uint32_t value;
    if (snprintf(number, sizeof(number), "%.*s", (int)(length - has_unit), text) >=
            (int)sizeof(number) ||
        !pv_options_number(number, 1, SIZE_MAX_MIB, &value)) {
        return false;
    }
    *mib = unit == 'G' ? (uint64_t)value * 1024 : value;
    return *mib <= SIZE_MAX_MIB;
}

static const char *set_image(void *user, const char *value)
{
    struct pv_run_options *options = user;
    if (options->image != NULL) {
        return "there is an image already; a command stands behind --";
    }
    options->image = value;
    return value[0] != '\0' ? NULL : "the path is empty";
}

static const char *set_cpus(void *user, const char *value)
{
    struct pv_run_options *options = user;
    return pv_options_number(value, 1, CPUS_MAX, &options->cpus) ? NULL
                                                                 : "not a number from 1 to 255";
}

static const char *set_memory(void *user, const char *value)
{
    struct pv_run_options *options = user;
    bool good = read_size(value, &options->memory_mib) && options->memory_mib >= MEMORY_MIN_MIB;
    return good ? NULL : "not a size like 512M or 2G, from 128M to 1024G";
}

static const char *set_window(void *user, const char *value)
{
    struct pv_run_options *options = user;
    uint64_t mib = 0;
    /* A PCI BAR is a power of two. */
    bool good = read_size(value, &mib) && mib >= WINDOW_MIN_MIB && (mib & (mib - 1)) == 0;
    options->window_mib = mib;
    return good ? NULL : "not a power of two like 256M or 4G, from 16M to 1024G";
}

static const char *set_gpu(void *user, const char *value)
{
    return pv_host_choice_set_gpu(&((struct pv_run_options *)user)->host, value);
}

static const char *set_driver(void *user, const char *value)
{
    return pv_host_choice_set_driver(&((struct pv_run_options *)user)->host, value);
}

static const char *set_way(void *user, const char *value)
{
    struct pv_run_options *options = user;
    for (int way = PV_RUN_AUTO; way <= PV_RUN_PLAIN; way++) {
        if (strcmp(value, pv_run_way_name((enum pv_run_way)way)) == 0) {
            options->way = (enum pv_run_way)way;
            return NULL;
        }
    }
    return "not auto, vhost-user, virgl or none";
}

static const char *set_accel(void *user, const char *value)
{
    struct pv_run_options *options = user;
    options->accelerator = strcmp(value, "auto") != 0 ? value : NULL;
    bool good = options->accelerator == NULL || strcmp(value, "kvm") == 0 ||
                strcmp(value, "hvf") == 0 || strcmp(value, "tcg") == 0;
    return good ? NULL : "not auto, kvm, hvf or tcg";
}

static const char *set_disk(void *user, const char *value)
{
    struct pv_run_options *options = user;
    if (options->disk_count == PV_RUN_DISKS_MAX) {
        return "more than 8 disks";
    }
    options->disks[options->disk_count++] = value;
    return value[0] != '\0' ? NULL : "the path is empty";
}

static const char *set_share(void *user, const char *value)
{
    ((struct pv_run_options *)user)->share = value;
    return value[0] != '\0' ? NULL : "the path is empty";
}

static const char *set_ssh(void *user, const char *value)
{
    struct pv_run_options *options = user;
    return pv_options_number(value, 1, PORT_MAX, &options->ssh_port) ? NULL
                                                                     : "not a port from 1 to 65535";
}

static const char *set_ssh_key(void *user, const char *value)
{
    ((struct pv_run_options *)user)->ssh_key = value;
    return value[0] != '\0' ? NULL : "the path is empty";
}

static const char *set_net(void *user, const char *value)
{
    struct pv_run_options *options = user;
    options->has_network = strcmp(value, "user") == 0;
    return options->has_network || strcmp(value, "none") == 0 ? NULL : "not none or user";
}

static const char *set_display(void *user, const char *value)
{
    struct pv_run_options *options = user;
    options->display = strcmp(value, "none") != 0 ? value : NULL;
    bool good = value[0] != '\0' && strlen(value) < sizeof(((struct pv_run_plan *)0)->display) - 8;
    return good ? NULL : "not a display of QEMU's, like none, gtk or sdl";
}

static const char *set_profile(void *user, const char *value)
{
    struct pv_run_options *options = user;
    options->stock_profile = strcmp(value, "stock") == 0;
    return options->stock_profile || strcmp(value, "tuned") == 0 ? NULL : "not tuned or stock";
}

static const char *set_qemu(void *user, const char *value)
{
    ((struct pv_run_options *)user)->qemu = value;
    return value[0] != '\0' ? NULL : "the path is empty";
}

static const char *set_timeout(void *user, const char *value)
{
    struct pv_run_options *options = user;
    return pv_options_number(value, 0, TIMEOUT_MAX_S, &options->timeout_s)
               ? NULL
               : "not a number of seconds up to 86400";
}

static const char *set_persist(void *user, const char *value)
{
    (void)value;
    ((struct pv_run_options *)user)->persist = true;
    return NULL;
}

static const char *set_dry_run(void *user, const char *value)
{
    (void)value;
    ((struct pv_run_options *)user)->dry_run = true;
    return NULL;
}

static const char *set_verbose(void *user, const char *value)
{
    (void)value;
    ((struct pv_run_options *)user)->verbose = true;
    return NULL;
}

static const struct pv_option table[] = {
    {"--cpus", "N", "the guest's processors (default: the host's, 4 at most)", set_cpus},
    {"--memory", "SIZE", "the guest's memory (default 2G)", set_memory},
    {"--gpu", "NAME|INDEX", "offer only this GPU (part of its name, or its number)", set_gpu},
    {"--driver", "ICD.json", "use only this Vulkan driver (default: all of the host's)",
     set_driver},
    {"--way", "WAY", "how the guest reaches the GPU: auto (default), vhost-user,\nvirgl, or none",
     set_way},
    {"--disk", "FILE", "one more disk, to be written to; several times for several", set_disk},
    {"--share", "DIR", "a folder of the host's, in the guest at /share", set_share},
    {"--ssh", "PORT", "a port of 127.0.0.1 that reaches the guest's ssh server", set_ssh},
    {"--ssh-key", "FILE", "whose public keys may log in there (default: ~/.ssh/*.pub)",
     set_ssh_key},
    {"--net", "NET", "none (default), or user: the guest reaches the host's network", set_net},
    {"--display", "DISPLAY", "none (default), gtk, sdl or another one of QEMU's", set_display},
    {"--window", "SIZE", "GPU memory that the guest can map at once (default 4G)", set_window},
    {"--profile", "PROFILE", "tuned (default), or stock: Venus as Mesa sets it up", set_profile},
    {"--accel", "HOW", "auto (default), kvm, hvf, or tcg: emulation", set_accel},
    {"--qemu", "PATH", "default: $PEARVISOR_QEMU, then qemu-system-... in PATH", set_qemu},
    {"--persist", NULL, "keep what the guest writes to the image's disk", set_persist},
    {"--timeout", "SECONDS", "how long the boot may take before a command (default 180)",
     set_timeout},
    {"--dry-run", NULL, "print the command lines, and run nothing", set_dry_run},
    {"--verbose", NULL, "show the boot and what QEMU and the backend say", set_verbose},
};

static const struct pv_options run_options = {
    .subcommand = "run",
    .synopsis = "[IMAGE] [OPTION]... [-- COMMAND...]",
    .summary = "Boots an image of `pearvisor image build` in QEMU, with the host's GPU.\n"
               "With a command: runs it in the guest and exits with its status. Without one:\n"
               "gives the guest's console.",
    .table = table,
    .count = sizeof(table) / sizeof(table[0]),
    .has_rest = true,
    .set_argument = set_image,
};

int pv_run_parse(struct pv_run_options *options, int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    *options = (struct pv_run_options){
        .cpus = cores >= 1 && cores < CPUS_DEFAULT ? (uint32_t)cores : CPUS_DEFAULT,
        .memory_mib = MEMORY_DEFAULT_MIB,
        .window_mib = WINDOW_DEFAULT_MIB,
        .timeout_s = TIMEOUT_DEFAULT_S,
    };
    int rest;
    int status = pv_options_parse(&run_options, argc, argv, options, &rest);
    options->command = rest < argc ? argv + rest : NULL;
    return status;
}
