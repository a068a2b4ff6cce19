#include "image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SMALL_FILE_SIZE = 4096 };

/* FNV-1a: keys tell changes apart, nobody attacks them. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    return mix(hash, text, strlen(text) + 1);
}

static uint64_t mix_file(uint64_t hash, const char *path)
{
    unsigned char bytes[16384];
    FILE *file = fopen(path, "re");
    size_t size;
    while (file != NULL && (size = fread(bytes, 1, sizeof(bytes), file)) > 0) {
        hash = mix(hash, bytes, size);
    }
    if (file != NULL) {
        fclose(file);
    }
    return hash;
}

void pv_image_key(char key[static PV_IMAGE_KEY_SIZE], const struct pv_image_options *options,
                  const char *program)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    hash = mix_text(hash, options->suite);
    hash = mix_text(hash, options->arch);
    hash = mix_text(hash, options->include);
    hash = mix_text(hash, options->mirror);
    hash = mix_text(hash, options->has_gl ? "GL" : "");
    for (size_t i = 0; i < pv_image_file_count; i++) {
        const struct pv_image_file *file = &pv_image_files[i];
        /* The tree is what its script says, and nothing of the other files. */
        if (program != NULL || strcmp(file->name, "tree") == 0) {
            hash = mix(hash, file->bytes, file->size);
        }
    }
    if (program != NULL) {
        hash = mix(hash, &options->size_mib, sizeof(options->size_mib));
        hash = mix_file(hash, program);
    }
    snprintf(key, PV_IMAGE_KEY_SIZE, "%016" PRIx64, hash);
}

static bool write_bytes(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "we");
    bool done = file != NULL && fwrite(bytes, 1, size, file) == size;
    if (file != NULL && fclose(file) != 0) {
        done = false;
    }
    return done || pv_image_complain(path, strerror(errno));
}

bool pv_image_write_files(const char *folder)
{
    for (size_t i = 0; i < pv_image_file_count; i++) {
        char path[PATH_MAX];
        if (!pv_image_join(path, folder, pv_image_files[i].name) ||
            !write_bytes(path, pv_image_files[i].bytes, pv_image_files[i].size)) {
            return false;
        }
    }
    return true;
}

bool pv_image_write_text(const char *path, const char *text)
{
    return write_bytes(path, text, strlen(text));
}

bool pv_image_file_holds(const char *path, const char *text)
{
    char content[SMALL_FILE_SIZE];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    size_t size = fread(content, 1, sizeof(content) - 1, file);
    fclose(file);
    content[size] = '\0';
    return strstr(content, text) != NULL;
}
