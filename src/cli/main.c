/* `pearvisor SUBCOMMAND`: the table of subcommands. */

#include "cli.h"
#include "demo.h"

#include <pearvisor/version.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary; /* NULL: not meant for people */
} subcommands[] = {
    {"serve", pv_serve_main, "serve Vulkan to programs and containers over a unix socket"},
    {"vhost-user", pv_vhost_user_main, "give a virtual machine of QEMU a GPU, over a unix socket"},
    {"image", pv_image_main, "build a guest for a virtual machine"},
    {"run", pv_run_main, "boot a virtual machine with the host's GPU"},
    {"demo", pv_demo_main, "draw a scene natively and through PearVisor, and compare"},
    {"doctor", pv_doctor_main, "say what this machine can do, and what to do next"},
    {"coverage", pv_coverage_main, "list the Vulkan commands that this build knows"},
    {"demo-client", pv_demo_client_main, NULL},
    {"self-test", pv_self_test_main, NULL},
    {"worker", pv_worker_main, NULL},
};

enum { SUBCOMMAND_COUNT = sizeof(subcommands) / sizeof(subcommands[0]), STATUS_WRONG = 2 };

static void print_help(FILE *out)
{
    fprintf(out, "Usage: pearvisor SUBCOMMAND [OPTION]...\n"
                 "Gives virtual machines, containers and programs the host's Vulkan.\n\n");
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++) {
        if (subcommands[i].summary != NULL) {
            fprintf(out, "  %-12s%s\n", subcommands[i].name, subcommands[i].summary);
        }
    }
    fprintf(out, "\n  --help      this text; `pearvisor SUBCOMMAND --help` for a subcommand's\n"
                 "  --version   the version\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return STATUS_WRONG;
    }
    if (strcmp(argv[1], "--help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0 || (argc == 3 && strcmp(argv[2], "--version") == 0)) {
        printf("pearvisor %s\n", pv_version());
        return 0;
    }
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++) {
        if (strcmp(argv[1], subcommands[i].name) == 0) {
            return subcommands[i].run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "pearvisor: %s: no such subcommand; see --help\n", argv[1]);
    return STATUS_WRONG;
}
