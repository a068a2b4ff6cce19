#include "base/log.h"
#include "options.h"
#include "vhost_user.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIDE_MIN = 64, SIDE_MAX = 16384 };

static const uint64_t window_min = UINT64_C(16) << 20, window_max = UINT64_C(1) << 40;
static const uint64_t window_default = UINT64_C(8) << 30;

static const char *set_socket(void *user, const char *value)
{
    struct pv_vhost_user_options *options = user;
    options->socket = value;
    return value[0] != '\0' ? NULL : "the path is empty";
}

static const char *set_fd(void *user, const char *value)
{
    uint32_t number;
    if (!pv_options_number(value, 0, INT_MAX, &number)) {
        return "not the number of a descriptor";
    }
    ((struct pv_vhost_user_options *)user)->fd = (int)number;
    return NULL;
}

static const char *set_gpu(void *user, const char *value)
{
    return pv_host_choice_set_gpu(&((struct pv_vhost_user_options *)user)->host, value);
}

static const char *set_driver(void *user, const char *value)
{
    return pv_host_choice_set_driver(&((struct pv_vhost_user_options *)user)->host, value);
}

static const char *set_wait(void *user, const char *value)
{
    struct pv_vhost_user_options *options = user;
    bool sleeps = strcmp(value, "sleep") == 0;
    options->waiting = sleeps ? PV_WAITING_SLEEP : PV_WAITING_ADAPTIVE;
    return sleeps || strcmp(value, "adaptive") == 0 ? NULL : "not adaptive or sleep";
}

/* "8G", "512M": how QEMU writes sizes, too. */
static const char *set_window(void *user, const char *value)
{
    static const char fault[] =
        "not a power of two from 16M to 1024G, with M or G behind the number";
    const size_t digits = strspn(value, "0123456789");
    if (digits == 0 || digits > 6 || value[digits] == '\0' || value[digits + 1] != '\0') {
        return fault;
    }
    const int suffix = toupper((unsigned char)value[digits]);
    if (suffix != 'M' && suffix != 'G') {
        return fault;
    }
    const uint64_t size = strtoull(value, NULL, 10) << (suffix == 'G' ? 30 : 20);
    ((struct pv_vhost_user_options *)user)->window_bytes = size;
    return size >= window_min && size <= window_max && (size & (size - 1)) == 0 ? NULL : fault;
}

static const char *set_scanout(void *user, const char *value)
{
    static const char fault[] = "not WIDTHxHEIGHT, each from 64 to 16384";
    struct pv_vhost_user_options *options = user;
    char width[8];
    const size_t length = strcspn(value, "x");
    if (value[length] != 'x' || length >= sizeof(width)) {
        return fault;
    }
    memcpy(width, value, length);
    width[length] = '\0';
    return pv_options_number(width, SIDE_MIN, SIDE_MAX, &options->width) &&
                   pv_options_number(value + length + 1, SIDE_MIN, SIDE_MAX, &options->height)
               ? NULL
               : fault;
}

static const char *set_log(void *user, const char *value)
{
    struct pv_vhost_user_options *options = user;
    return pv_log_level_parse(value, &options->log_level) ? NULL : "not error, warn, info or debug";
}

static const char *set_print_capabilities(void *user, const char *value)
{
    (void)value;
    ((struct pv_vhost_user_options *)user)->print_capabilities = true;
    return NULL;
}

static const struct pv_option table[] = {
    {"--socket", "PATH", "where QEMU connects", set_socket},
    {"--socket-path", "PATH", "the same, as back-ends of vhost-user call it", set_socket},
    {"--fd", "N", "serve the connected socket with this number instead", set_fd},
    {"--gpu", "NAME|INDEX", "offer only this GPU (part of its name, or its number)", set_gpu},
    {"--driver", "ICD.json", "use only this Vulkan driver (default: all of the host's)",
     set_driver},
    {"--wait", "HOW", "adaptive (default), or sleep: spare the cores, answer later", set_wait},
    {"--window", "SIZE", "address space for memory that the guest maps (default 8G)", set_window},
    {"--scanout", "WxH", "the size of the guest's monitor (default 1920x1080)", set_scanout},
    {"--log", "LEVEL", "error, warn, info or debug", set_log},
    {"--print-capabilities", NULL, "print what this back-end is, as JSON, and exit",
     set_print_capabilities},
};

static const struct pv_options vhost_user_options = {
    .subcommand = "vhost-user",
    .synopsis = "--socket PATH | --fd N [OPTION]...",
    .summary = "Gives one virtual machine of QEMU (11.1 or newer) a GPU with Vulkan, as the\n"
               "back-end of its vhost-user device. Ends when QEMU does.",
    .table = table,
    .count = sizeof(table) / sizeof(table[0]),
};

int pv_vhost_user_parse(struct pv_vhost_user_options *options, int argc, char **argv)
{
    *options = (struct pv_vhost_user_options){
        .fd = -1,
        .window_bytes = window_default,
        .log_level = PV_LOG_INFO,
    };
    int rest;
    int status = pv_options_parse(&vhost_user_options, argc, argv, options, &rest);
    if (status >= 0) {
        return status;
    }
    const char *fault = NULL;
    if (!options->print_capabilities && options->socket == NULL && options->fd < 0) {
        fault = "say --socket PATH or --fd N";
    } else if (options->socket != NULL && options->fd >= 0) {
        fault = "--fd: --socket names another socket";
    }
    if (fault != NULL) {
        fprintf(stderr, "pearvisor vhost-user: %s; see --help\n", fault);
        return 2;
    }
    return -1;
}
