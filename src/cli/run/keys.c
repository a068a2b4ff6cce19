/* Who may log in over ssh: whoever has the other half of the user's keys. */

#include "run.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A private key is none, nor is a comment. */
static bool is_public_key(const char *line)
{
    static const char *const kinds[] = {"ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"};
    for (const char *c = line; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' && *c != '\t') {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strncmp(line, kinds[i], strlen(kinds[i])) == 0) {
            return true;
        }
    }
    return false;
}

static bool add_file(char keys[static PV_RUN_KEYS_SIZE], const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return pv_run_complain("--ssh: %s: %s", path, strerror(errno));
    }
    char line[PV_RUN_KEYS_SIZE];
    bool good = true;
    while (good && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        size_t used = strlen(keys);
        if (is_public_key(line)) {
            good = snprintf(keys + used, PV_RUN_KEYS_SIZE - used, "%s\n", line) <
                       (int)(PV_RUN_KEYS_SIZE - used) ||
                   pv_run_complain("--ssh: %s: more than 32 KiB of keys", path);
        }
    }
    if (good && ferror(file)) {
        good = pv_run_complain("--ssh: %s: %s", path, strerror(errno));
    }
    fclose(file);
    return good;
}

bool pv_run_keys_load(char keys[static PV_RUN_KEYS_SIZE], const char *file)
{
    keys[0] = '\0';
    const char *home = getenv("HOME");
    glob_t found = {0};
    bool good = true;
    if (file != NULL) {
        good = add_file(keys, file);
    } else {
        char pattern[PATH_MAX];
        snprintf(pattern, sizeof(pattern), "%s/.ssh/*.pub", home != NULL ? home : "");
        (void)glob(pattern, 0, NULL, &found);
        for (size_t i = 0; i < found.gl_pathc && good; i++) {
            good = add_file(keys, found.gl_pathv[i]);
        }
        globfree(&found);
    }
    if (good && keys[0] == '\0') {
        return pv_run_complain("--ssh: no public key in %s, and the guest takes nothing else: make "
                               "one with ssh-keygen, or name one with --ssh-key",
                               file != NULL ? file : "~/.ssh/*.pub");
    }
    return good;
}
