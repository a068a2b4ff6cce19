#include "fakes/golden.h"

#include "base/assert.h"
#include "unit/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PADDING = 0xee };

static FILE *open_file(const char *name)
{
    const char *folder = getenv("PV_TEST_DATA");
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/wire/golden/%s", folder != NULL ? folder : "tests",
                   name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fail_msg("cannot read %s", path);
    }
    return file;
}

static void add_bytes(struct pv_golden *golden, const char *line)
{
    char *end = NULL;
    for (unsigned long byte = strtoul(line, &end, 16); end != line;
         byte = strtoul(line, &end, 16)) {
        PV_ASSERT(golden->size < PV_GOLDEN_SIZE_MAX && byte <= UINT8_MAX);
        golden->is_padding[golden->size] = byte == PADDING;
        golden->bytes[golden->size++] = (uint8_t)byte;
        line = end;
    }
}

void pv_golden_read(const char *name, const char *title, struct pv_golden *golden)
{
    FILE *file = open_file(name);
    char line[256];
    bool inside = false;
    memset(golden, 0, sizeof(*golden));
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#') {
            inside = strncmp(line, "## ", 3) == 0 && strcmp(line + 3, title) == 0;
        } else if (inside) {
            add_bytes(golden, line);
        }
    }
    (void)fclose(file);
    if (golden->size == 0) {
        fail_msg("%s has no '%s'", name, title);
    }
}

void pv_golden_check(const struct pv_golden *golden, const char *title, const uint8_t *bytes,
                     size_t size)
{
    for (size_t i = 0; i < golden->size && i < size; i++) {
        if (!golden->is_padding[i] && golden->bytes[i] != bytes[i]) {
            fail_msg("%s: byte %zu is %02x, not %02x", title, i, bytes[i], golden->bytes[i]);
        }
    }
    if (golden->size != size) {
        fail_msg("%s: %zu bytes, not %zu", title, size, golden->size);
    }
}
