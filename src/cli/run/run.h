#ifndef PV_CLI_RUN_RUN_H
#define PV_CLI_RUN_RUN_H

#include "../host_choice.h"
#include "base/attributes.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Inside of `run`: what the command line, the image and QEMU say, and what follows from it. */

enum { PV_RUN_DISKS_MAX = 8, PV_RUN_TEXT_SIZE = 512, PV_RUN_KEYS_SIZE = 32768 };

/* How the guest reaches the GPU. */
enum pv_run_way {
    PV_RUN_AUTO,
    PV_RUN_VHOST_USER, /* our backend beside QEMU */
    PV_RUN_VIRGL,      /* our libvirglrenderer.so.1 inside QEMU */
    PV_RUN_PLAIN,      /* QEMU's own device: 2D only */
};

struct pv_run_options {
    const char *image; /* NULL: where `image build` puts one by itself */
    uint32_t cpus;
    uint64_t memory_mib, window_mib;
    struct pv_host_choice host;
    enum pv_run_way way;
    const char *accelerator; /* "kvm", "hvf" or "tcg"; NULL: what works */
    const char *disks[PV_RUN_DISKS_MAX];
    size_t disk_count;
    const char *share;   /* NULL: none */
    uint32_t ssh_port;   /* 0: none */
    const char *ssh_key; /* a file; NULL: all public keys of the user's */
    bool has_network;    /* the guest reaches the outside */
    const char *display; /* NULL: none */
    bool stock_profile;
    const char *qemu; /* NULL: looked for */
    bool persist, dry_run, verbose;
    uint32_t timeout_s; /* 0: wait for ever */
    char **command;     /* NULL: the console */
};

/* Returns -1 to go on, else the exit status. */
int pv_run_parse(struct pv_run_options *options, int argc, char **argv);

/* One line on stderr. Returns false, for callers that fail with it. */
PV_PRINTF(1, 2) bool pv_run_complain(const char *format, ...);
/* `doctor` looks with the functions below, too: there it goes into `text`. NULL: to stderr again.
 */
void pv_run_keep_complaints(char text[PV_RUN_TEXT_SIZE]);

struct pv_run_image {
    char arch[16]; /* "x86_64" or "aarch64" */
    char disk[PATH_MAX], kernel[PATH_MAX], initrd[PATH_MAX];
};

/* Where `image build` puts one by itself. */
PV_NODISCARD bool pv_run_find_image(char folder[PATH_MAX]);
/* Each complains about what it finds wrong. */
PV_NODISCARD bool pv_run_image_load(struct pv_run_image *image, const char *folder);
/* The public keys that may log in, a line each. */
PV_NODISCARD bool pv_run_keys_load(char keys[static PV_RUN_KEYS_SIZE], const char *file);
/* Disks, share, port and memory: what would fail later, and less clearly. */
PV_NODISCARD bool pv_run_check_host(const struct pv_run_options *options,
                                    const struct pv_run_image *image);

/* What a QEMU says of itself. */
struct pv_run_qemu {
    char path[PATH_MAX];
    unsigned major, minor;
    char version[32];
    bool has_vhost_user, has_virgl, has_kvm, has_hvf;
};

/* `virgl_folder`: of our libvirglrenderer.so.1, or empty. QEMU's device needs one to load. */
PV_NODISCARD bool pv_run_qemu_find(struct pv_run_qemu *qemu, const char *path, const char *arch,
                                   const char *virgl_folder);
void pv_run_qemu_read_version(struct pv_run_qemu *qemu, const char *text);
void pv_run_qemu_read_devices(struct pv_run_qemu *qemu, const char *text);
void pv_run_qemu_read_accelerators(struct pv_run_qemu *qemu, const char *text);
/* $PEARVISOR_VIRGL, the build folder's or the installed one; empty when there is none. */
void pv_run_find_virgl(char folder[PATH_MAX]);

/* What is run: how, and why so. */
struct pv_run_plan {
    const struct pv_run_options *options;
    const struct pv_run_image *image;
    const struct pv_run_qemu *qemu;
    const char *keys;
    enum pv_run_way way;
    char way_reason[PV_RUN_TEXT_SIZE];
    const char *accelerator; /* "kvm", "hvf" or "tcg" */
    char accelerator_reason[PV_RUN_TEXT_SIZE];
    bool may_emulate; /* when the accelerator turns out not to work */
    const char *virgl_folder;
    char display[96]; /* QEMU's -display */
    bool needs_xvfb;  /* a display that nobody sees */
};

/* What the host offers, as far as the choice depends on it. */
struct pv_run_host {
    const char *machine;      /* uname's */
    const char *kvm_fault;    /* NULL: /dev/kvm makes machines */
    const char *virgl_folder; /* empty: none */
    bool has_display, has_render_node, has_xvfb;
};

void pv_run_host_look(struct pv_run_host *host, const char *virgl_folder);
/* Why a way is closed, and, returned, what to do about it; NULL: it is open. `plan` has options and
 * qemu. */
const char *pv_run_look_at_way(enum pv_run_way way, const struct pv_run_plan *plan,
                               const struct pv_run_host *host, char reason[PV_RUN_TEXT_SIZE]);
/* `plan` has options, image and qemu; fills in the rest. */
PV_NODISCARD bool pv_run_choose(struct pv_run_plan *plan, const struct pv_run_host *host);
void pv_run_emulate(struct pv_run_plan *plan, const char *reason);

/* "vhost-user", "virgl", "none", "auto". */
const char *pv_run_way_name(enum pv_run_way way);

#endif
