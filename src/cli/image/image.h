#ifndef PV_CLI_IMAGE_IMAGE_H
#define PV_CLI_IMAGE_IMAGE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `pearvisor image build`: a small Debian guest as a folder of kernel, initrd and disk. The work is
 * done by stages of shell scripts (share/image); what is here decides which of them are
 * needed, watches them, and lets the result appear whole or not at all. */

struct pv_image_options {
    const char *suite;
    const char *arch; /* Debian's name: amd64, arm64 */
    const char *mirror;
    const char *cache;
    const char *out;
    char include[1024]; /* separated by spaces */
    uint32_t size_mib;  /* 0: as large as needed */
    bool has_gl;
};

/* Files that are inside the program (embed.py). */
struct pv_image_file {
    const char *name;
    const unsigned char *bytes;
    size_t size;
};
extern const struct pv_image_file pv_image_files[];
extern const size_t pv_image_file_count;

/* One line on stderr; returns false. */
bool pv_image_complain(const char *subject, const char *what);

/* --- paths.c --- */
struct pv_image_paths {
    char cache[PATH_MAX]; /* of this suite and architecture */
    char out[PATH_MAX];
    char part[PATH_MAX];    /* beside `out`: becomes it */
    char program[PATH_MAX]; /* ours */
};

/* Makes the folders above what is named, and the cache. */
bool pv_image_find_paths(struct pv_image_paths *paths, const struct pv_image_options *options);
/* `folder`/`name`; false, and told, if it is too long. */
bool pv_image_join(char path[static PATH_MAX], const char *folder, const char *name);
/* Removes a folder and all in it; it may be absent. */
bool pv_image_remove(const char *path);
/* Whether a program is in PATH or where the administrator's are. */
bool pv_image_has_program(const char *name);

/* --- files.c --- */
enum { PV_IMAGE_KEY_SIZE = 17 };
/* Names what the tree, or the whole image, is made of: equal keys, equal inputs. `program` may be
 * NULL, and is read else. */
void pv_image_key(char key[static PV_IMAGE_KEY_SIZE], const struct pv_image_options *options,
                  const char *program);
/* Writes the embedded files into a folder. */
bool pv_image_write_files(const char *folder);
/* Whether a small file's text holds `text`. */
bool pv_image_file_holds(const char *path, const char *text);
bool pv_image_write_text(const char *path, const char *text);

/* --- stage.c --- */
/* Runs a stage of a script, whose variables are in the environment, and shows its progress.
 * `signal` is set to that of the one that interrupted it, if any. */
struct pv_image_stage {
    const char *name;  /* the script's argument */
    const char *title; /* "packages" */
    unsigned number, count;
    const char *script;
    const char *log;
    int signal;
};
bool pv_image_run_stage(struct pv_image_stage *stage);

/* --- build.c --- */
int pv_image_build(const struct pv_image_options *options);

#endif
